/* What clients of the KBS protocol send to be attested: our own guests' bundle, and the forms of Trustee's clients
 * (trustee, kbs/docs/kbs_attestation_protocol.md; guest-components, attestation-agent) and of SVSM's proxy. They differ
 * in what their evidence is made over, too.
 *
 * Nothing is believed here: what comes out is evidence, and the digest that it has to hold. */
#ifndef CLOISTER_LIB_EVIDENCE_KBS_REQUEST_H
#define CLOISTER_LIB_EVIDENCE_KBS_REQUEST_H

#include "cloister/crypto.h"
#include "cloister/evidence.h"

/* The values of "tee" that are taken. */
enum clo_kbs_tee {
    CLO_KBS_SNP,
    CLO_KBS_TDX,
    CLO_KBS_AZ_SNP,
    CLO_KBS_AZ_TDX,
    CLO_KBS_TPM,
    CLO_KBS_SAMPLE,
    CLO_KBS_TEES,
};
const char *clo_kbs_tee_name(enum clo_kbs_tee tee);
CLO_MUST_USE bool clo_kbs_tee_find(const char *name, enum clo_kbs_tee *out);

/* The versions of the protocol that are spoken, in order: 0.1.1 to 0.4.0. */
CLO_MUST_USE bool clo_kbs_version_find(const char *version, uint8_t *out);
#define CLO_KBS_VERSION_COMPOSITE 3 /* 0.4.0: evidence of devices next to the primary one */

/* What was agreed on when the session began. */
struct clo_kbs_agreed {
    enum clo_kbs_tee tee;
    enum clo_hash hash;
    uint8_t version;
};
/* POST /auth: {"version", "tee", "extra-params"}. */
CLO_MUST_USE bool clo_kbs_auth_parse(struct clo_bytes body, struct clo_kbs_agreed *out,
                                     struct clo_error *err);

/* A zeroed struct is empty. */
struct clo_kbs_evidence {
    struct clo_evidence *evidence; /* with its runtime data */
    bool is_own;                   /* a bundle of our guests: bound as those are */
    struct clo_buffer bound;       /* else: what it must be made over */
    struct clo_buffer init_data;   /* the digest of the init-data that came along; empty: none */
};
void clo_kbs_evidence_free(struct clo_kbs_evidence *evidence); /* for CLO_CLEANUP */

/* POST /attest, in a session that was given `nonce`. What is of another TEE than the session is refused. */
CLO_MUST_USE bool clo_kbs_attest_parse(struct clo_bytes body, const struct clo_kbs_agreed *agreed,
                                       const char *nonce, struct clo_kbs_evidence *out,
                                       struct clo_error *err);

#endif
