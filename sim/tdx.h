/* TDX quotes of every version, with PCK chain and collateral under a root of their own; good, or wrong in one
 * way: the table of breakages says which check has to notice. (DCAP QVL, appendix A; Intel PCS API v4.) */
#ifndef CLOISTER_SIM_TDX_H
#define CLOISTER_SIM_TDX_H

#include "cloister/tdx.h"
#include "sim/x509.h"

struct sim_tdx_keys {
    struct clo_private_key *root, *ca, *pck, *signer, *attestation, *other, *other_p384;
};
CLO_MUST_USE bool sim_tdx_keys_new(struct sim_tdx_keys *out, struct clo_error *err);
void sim_tdx_keys_free(struct sim_tdx_keys *keys);

/* TCB info or QE identity: one replacement in its text, before it is signed or after. */
struct sim_tdx_document {
    int64_t issue_date, next_update;
    unsigned evaluation_number;
    const char *status;    /* of the level that the good quote reaches */
    const char *module;    /* TCB info: the same of the TDX module */
    const char *from, *to; /* NULL: nothing is replaced */
    bool edit_after_signing;
    const struct clo_private_key *key; /* who signs */
};

/* What is to be made; sim_tdx_good() fills it, a breakage changes one thing. */
struct sim_tdx {
    int64_t now;
    uint16_t version;
    enum clo_tdx_body_type body_type;
    uint8_t body[885];
    uint8_t qe_report[384]; /* its report data is set when the quote is made */
    bool binding_is_wrong;
    size_t auth_size, trailing;
    uint8_t trailing_value;
    size_t flip; /* a byte of the quote, after signing; 0: none */
    struct clo_tdx_pck pck;
    bool leave_out_extension;
    bool chain_beside; /* the quote brings none: it is in the collateral */
    struct sim_certificate root_certificate, ca_certificate, leaf_certificate, signer_certificate;
    struct sim_crl root_crl, pck_crl;
    uint32_t left_out; /* bit n: that piece of the collateral */
    struct sim_tdx_document tcb_info, qe_identity;
    const struct clo_private_key *root_key, *ca_key, *leaf_key, *signer_key; /* who signs them */
    const struct clo_private_key *root_crl_key, *pck_crl_key, *qe_report_key, *quote_key;
    bool root_is_other; /* the verifier trusts another key */
};

struct sim_tdx_made {
    struct clo_buffer quote;
    struct clo_tdx_collateral collateral;
    struct clo_buffer root; /* certificate, DER */
    struct clo_digest trusted;
};
void sim_tdx_made_free(struct sim_tdx_made *made);

void sim_tdx_good(uint16_t version, enum clo_tdx_body_type body, enum clo_tdx_ca ca, int64_t now,
                  const struct sim_tdx_keys *keys, struct sim_tdx *out);
CLO_MUST_USE bool sim_tdx_make(const struct sim_tdx *tdx, const struct sim_tdx_keys *keys,
                               struct sim_tdx_made *out, struct clo_error *err);

/* The two documents, in their envelopes: appended. */
CLO_MUST_USE bool sim_tdx_tcb_info(const struct sim_tdx *tdx, struct clo_buffer *out,
                                   struct clo_error *err);
CLO_MUST_USE bool sim_tdx_qe_identity(const struct sim_tdx *tdx, struct clo_buffer *out,
                                      struct clo_error *err);

#define SIM_TDX_ALSO 8
struct sim_tdx_breakage {
    const char *name;
    const char *check;              /* the one that fails */
    const char *also[SIM_TDX_ALSO]; /* what then fails with it; NULL: nothing */
    void (*apply)(struct sim_tdx *tdx, const struct sim_tdx_keys *keys);
};
extern const struct sim_tdx_breakage sim_tdx_breakages[];
extern const size_t sim_tdx_breakage_count;
const struct sim_tdx_breakage *sim_tdx_breakage_get(const char *name); /* NULL: there is none */

/* Offsets in the body and in the QE's report, for breakages and tests. */
#define SIM_TDX_TEE_TCB_SVN     0x00
#define SIM_TDX_MR_SIGNER_SEAM  0x40
#define SIM_TDX_SEAM_ATTRIBUTES 0x70
#define SIM_TDX_ATTRIBUTES      0x78
#define SIM_TDX_XFAM            0x80
#define SIM_TDX_MR_TD           0x88
#define SIM_TDX_RTMR            0x148
#define SIM_TDX_REPORT_DATA     0x208
#define SIM_TDX_TEE_TCB_SVN2    0x248
#define SIM_QE_MISCSELECT       16
#define SIM_QE_ATTRIBUTES       48
#define SIM_QE_MR_SIGNER        128
#define SIM_QE_ISV_PROD_ID      256
#define SIM_QE_ISV_SVN          258
#define SIM_QE_REPORT_DATA      320

#endif
