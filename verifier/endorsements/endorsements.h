/* The verifier's own endorsements: AMD's certificates and revocation lists, Intel's collateral; from
 * files of the owner's, and, if it may, fetched from the makers and kept fresh in the background.
 *
 * What evidence brings of these was chosen by its host. So with endorsements of its own the verifier lets
 * its lists and collateral alone decide, and without the ones that a decision needs there is none: the
 * guest is told to come again (CLO_ERR_UNAVAILABLE), and meanwhile they are fetched. No decision waits for
 * the network. Certificates may come with the evidence: their signatures prove them. */
#ifndef CLOISTER_VERIFIER_ENDORSEMENTS_H
#define CLOISTER_VERIFIER_ENDORSEMENTS_H

#include "cloister/appraise.h"
#include "net/pcs.h"
#include "net/source.h"

#define CLO_ENDORSEMENT_CERTIFICATES_MAX 1024
#define CLO_ENDORSEMENT_CRLS_MAX         64
#define CLO_ENDORSEMENT_SETS_MAX         (CLO_TDX_SETS_MAX - 2)

/* What the owner's files hold. A zeroed struct is empty. */
struct clo_endorsement_set {
    struct clo_certificate *certificates[CLO_ENDORSEMENT_CERTIFICATES_MAX];
    size_t certificate_count;
    struct clo_crl *crls[CLO_ENDORSEMENT_CRLS_MAX];
    size_t crl_count;
    struct clo_tdx_collateral collateral[CLO_ENDORSEMENT_SETS_MAX];
    size_t collateral_count;
    int64_t made, until; /* when its owner signed it, and until when that counts; 0: nobody has */
};
void clo_endorsement_set_free(struct clo_endorsement_set *set);
/* As it began. */
void clo_endorsement_set_clear(struct clo_endorsement_set *set);
/* Certificates and revocation lists in DER or PEM, or a GHCB certificate table. */
CLO_MUST_USE bool clo_endorsement_set_add(struct clo_endorsement_set *set, struct clo_bytes in,
                                          struct clo_error *err);
/* Takes the collateral over. */
CLO_MUST_USE bool clo_endorsement_set_add_collateral(struct clo_endorsement_set *set,
                                                     struct clo_tdx_collateral *collateral,
                                                     struct clo_error *err);

/* Of collateral with TCB info, as that says it: not verified, for people who watch. False: there is none. */
bool clo_endorsement_dates(const struct clo_tdx_collateral *collateral, int64_t *issued,
                           int64_t *expires, char fmspc[13]);

struct clo_endorser_spec {
    /* Reads the owner's files; asked again every minute, in the background. NULL: there are none. */
    bool (*load)(void *context, struct clo_endorsement_set *out, struct clo_error *err);
    const struct clo_transport *transport; /* NULL: nothing is fetched; borrowed */
    const struct clo_cache *cache;         /* NULL: none; borrowed */
    const char *kds, *pcs;                 /* NULL: the makers' own services */
    struct clo_pcs_edition edition;        /* as clo_pcs_get() wants it */
    int64_t (*now)(void *context);         /* Unix time */
    struct clo_random random;              /* for the jitter */
    /* A file or a service that did not give what it should, in the background. NULL: nobody listens. */
    void (*on_failure)(void *context, const struct clo_error *err);
    void *context;
    bool without_thread; /* clo_endorser_work() is called instead */
};

struct clo_endorser;

/* Reads the files: one that cannot be read is an error here, and later leaves what was there. */
CLO_MUST_USE bool clo_endorser_new(const struct clo_endorser_spec *spec, struct clo_endorser **out,
                                   struct clo_error *err);
/* Waits for a fetch under way, which the transport gives up when clo_endorser_is_ending(). */
void clo_endorser_free(struct clo_endorser *endorser);
void clo_endorser_freep(struct clo_endorser **endorser);

/* Nothing more is fetched; freeing it does this, too. */
void clo_endorser_stop(struct clo_endorser *endorser);
bool clo_endorser_is_ending(struct clo_endorser *endorser);

/* What counts for one bundle of evidence; nothing in the endorser changes until it is freed. */
struct clo_endorsed {
    struct clo_endorsements endorsements;
    struct clo_snp_certificates certificates; /* borrowed, as are the lists */
    const struct clo_crl *crls[2 * CLO_ENDORSEMENT_CRLS_MAX];
    struct clo_tdx_choice choice;
    const struct clo_tdx_collateral *sets[1];
    struct clo_endorser *endorser;
};
/* `peer`: who sent it; what has to be fetched for each is bounded. `endorser` NULL: the evidence's own decide. `cache`: of
 * certificates that were verified before, may be NULL. CLO_ERR_UNAVAILABLE: what is needed is not here, or too old. */
CLO_MUST_USE bool clo_endorser_take(struct clo_endorser *endorser,
                                    struct clo_certificate_cache *cache,
                                    const struct clo_evidence *evidence, const char *peer,
                                    int64_t at, struct clo_endorsed *out, struct clo_error *err);
void clo_endorsed_free(struct clo_endorsed *endorsed); /* for CLO_CLEANUP */

/* Does what is due now: reads the files, makes at most one request. False: nothing was due. */
bool clo_endorser_work(struct clo_endorser *endorser);
/* How old what is here is, in Prometheus' text. `endorser` NULL: nothing. */
void clo_endorser_metrics(struct clo_endorser *endorser, int64_t now, struct clo_buffer *out);

#endif
