/* SEV-SNP reports of every version and product with the whole chain after them, good or wrong in one way:
 * the table of breakages says which check has to notice. (AMD 56860, table 23; AMD 57230, tables 8 to 11.) */
#ifndef CLOISTER_SIM_FORGE_H
#define CLOISTER_SIM_FORGE_H

#include "cloister/snp.h"
#include "sim/x509.h"

/* Made once, used for many: RSA keys take their time. */
struct sim_forge_keys {
    struct clo_private_key *ark, *ask, *vek, *other_rsa, *other_p384, *p256;
};
CLO_MUST_USE bool sim_forge_keys_new(unsigned rsa_bits, struct sim_forge_keys *out,
                                     struct clo_error *err);
void sim_forge_keys_free(struct sim_forge_keys *keys);

/* What is to be made; sim_forge_good() fills it, a breakage changes one thing. */
struct sim_forge {
    enum clo_snp_product product;
    bool is_vlek;
    int64_t now;
    uint8_t report[CLO_SNP_REPORT_SIZE]; /* without its signature */
    uint8_t chip_id[64];
    /* The leaf's extensions. */
    uint8_t struct_version;
    const char *product_name, *csp_id; /* NULL: left out */
    struct clo_snp_tcb_parts spl;      /* -1: left out */
    uint8_t spl5;                      /* reserved */
    size_t hw_id_size;                 /* 0: left out */
    bool hw_id_is_der;
    bool leaf_has_p256_key;
    const char *critical_oid; /* one more extension of the leaf; NULL: none */
    const char *ask_critical_oid;
    struct sim_certificate leaf, ask, ark;
    struct sim_crl crl;
    const struct clo_private_key *leaf_signer, *ask_signer, *ark_signer, *crl_signer,
            *report_signer;
    size_t flip;        /* a byte of the signed report; 0: none */
    bool root_is_other; /* the verifier trusts another key */
};

struct sim_forged {
    uint8_t report[CLO_SNP_REPORT_SIZE];
    struct clo_buffer leaf, ask, ark, crl; /* DER */
    struct clo_digest root;                /* what the verifier is told to trust */
};
void sim_forged_free(struct sim_forged *forged);

void sim_forge_good(enum clo_snp_product product, uint8_t version, bool is_vlek, int64_t now,
                    const struct sim_forge_keys *keys, struct sim_forge *out);
CLO_MUST_USE bool sim_forge(const struct sim_forge *forge, const struct sim_forge_keys *keys,
                            struct sim_forged *out, struct clo_error *err);
/* A GHCB certificate table of it: leaf, ASK or ASVK, ARK, and the revocation list. */
void sim_forge_table(const struct sim_forged *forged, bool is_vlek, struct clo_buffer *out);
/* Into the bytes of a report. */
void sim_forge_tcb(struct sim_forge *forge, size_t at, const struct clo_snp_tcb_parts *parts);

#define SIM_BREAKAGE_ALSO 2
struct sim_breakage {
    const char *name;
    const char *check;                   /* the one that fails */
    const char *also[SIM_BREAKAGE_ALSO]; /* what then fails with it; NULL: nothing */
    const char *policy; /* members of "snp" that notice it, quotes single; NULL: the usual ones */
    void (*apply)(struct sim_forge *forge, const struct sim_forge_keys *keys);
};
extern const struct sim_breakage sim_breakages[];
extern const size_t sim_breakage_count;
const struct sim_breakage *sim_breakage_get(const char *name); /* NULL: there is none */
/* The policy under which the good one passes and this one does not (NULL: the good one's own). */
CLO_MUST_USE bool sim_breakage_policy(const struct sim_breakage *breakage,
                                      const struct clo_digest *root, struct clo_buffer *out,
                                      struct clo_error *err);

#endif
