/* Intel TDX quotes and TDREPORTs. (Intel, DCAP Quote Generation Library and Quote Verification
 * Library, 1.22, appendix A.3 and A.4: quote formats 4 and 5; Intel TDX Module ABI specification
 * 1.5, TDREPORT_STRUCT and TD_INFO; docs/formats/tdx.md.)
 *
 * A parsed quote proves nothing. clo_tdx_verified is what clo_tdx_verify() makes of one: a quoting
 * enclave of Intel's (or of the holder of a root that the caller named) signed exactly these bytes.
 * What Intel thinks of that platform is in its tcb_status; whether the guest is acceptable is for
 * appraisal. A TDREPORT is authenticated by a MAC that its own machine alone can check: it is shown
 * here and never believed. */
#ifndef CLOISTER_TDX_H
#define CLOISTER_TDX_H

#include "cloister/checks.h"
#include "cloister/crypto.h"
#include "cloister/tdx_collateral.h"

CLO_BEGIN_C

#define CLO_TDX_RTMR_COUNT    4
#define CLO_TDX_REGISTER_SIZE 48 /* MRTD, RTMRs and the other SHA-384 registers */
#define CLO_TDX_TEE_TYPE      0x81

/* ATTRIBUTES of a TD (TDX Module ABI, TD_PARAMS): byte 0 makes it untrusted as a whole. */
#define CLO_TDX_ATTRIBUTE_DEBUG           (1ULL << 0)
#define CLO_TDX_ATTRIBUTES_UNTRUSTED      0xffULL
#define CLO_TDX_ATTRIBUTE_SEPT_VE_DISABLE (1ULL << 28)
#define CLO_TDX_ATTRIBUTE_MIGRATABLE      (1ULL << 29)
#define CLO_TDX_ATTRIBUTE_PKS             (1ULL << 30)
#define CLO_TDX_ATTRIBUTE_KL              (1ULL << 31)
#define CLO_TDX_ATTRIBUTE_PERFMON         (1ULL << 63)
#define CLO_TDX_ATTRIBUTES_KNOWN                                                                  \
    (CLO_TDX_ATTRIBUTE_DEBUG | CLO_TDX_ATTRIBUTE_SEPT_VE_DISABLE | CLO_TDX_ATTRIBUTE_MIGRATABLE | \
     CLO_TDX_ATTRIBUTE_PKS | CLO_TDX_ATTRIBUTE_KL | CLO_TDX_ATTRIBUTE_PERFMON)
/* XFAM: bits that every TD has (x87 and SSE), and all that exist. */
#define CLO_TDX_XFAM_FIXED 0x3ULL
#define CLO_TDX_XFAM_KNOWN 0x6dbe7ULL

enum clo_tdx_body_type {
    CLO_TDX_BODY_SGX = 1,
    CLO_TDX_BODY_TD10 = 2,          /* 584 bytes */
    CLO_TDX_BODY_TD15 = 3,          /* 648 bytes */
    CLO_TDX_BODY_TD15_EXTENDED = 4, /* 885 bytes */
};

/* The TD report in a quote. Byte strings are views, in the order of the file. */
struct clo_tdx_body {
    enum clo_tdx_body_type type;
    struct clo_bytes raw;
    struct clo_bytes tee_tcb_svn; /* 16; [0] the module's SVN, [1] its major version */
    struct clo_bytes mr_seam;
    struct clo_bytes mr_signer_seam;
    struct clo_bytes seam_attributes; /* 8 */
    struct clo_bytes td_attributes;   /* 8 */
    struct clo_bytes xfam;            /* 8 */
    struct clo_bytes mr_td;
    struct clo_bytes mr_config_id;
    struct clo_bytes mr_owner;
    struct clo_bytes mr_owner_config;
    struct clo_bytes rtmr[CLO_TDX_RTMR_COUNT];
    struct clo_bytes report_data; /* 64 */
    bool has_td15;                /* CLO_TDX_BODY_TD15 and larger */
    struct clo_bytes tee_tcb_svn2;
    struct clo_bytes mr_service_td;
    bool has_extended; /* CLO_TDX_BODY_TD15_EXTENDED */
    uint8_t vmid;
    struct clo_bytes td_id;
    struct clo_bytes dev_info;
    struct clo_bytes init_servtd_hash;
    struct clo_bytes init_servtd_attrs;
    struct clo_bytes init_cpu_svn;
    struct clo_bytes init_tee_tcb_svn;
    struct clo_bytes init_tee_fmspc;
    struct clo_bytes cur_servtd_hash;
    struct clo_bytes cur_servtd_attrs;
};
CLO_API uint64_t clo_tdx_attributes(const struct clo_tdx_body *body); /* as numbers */
CLO_API uint64_t clo_tdx_xfam(const struct clo_tdx_body *body);

/* The report of the quoting enclave (REPORTBODY of an SGX enclave, 384 bytes). */
struct clo_tdx_qe_report {
    struct clo_bytes raw;
    struct clo_bytes cpu_svn;
    uint32_t miscselect;
    struct clo_bytes attributes; /* 16 */
    struct clo_bytes mr_enclave; /* 32 */
    struct clo_bytes mr_signer;  /* 32 */
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    struct clo_bytes report_data; /* 64 */
};

struct clo_tdx_quote {
    struct clo_bytes raw;
    struct clo_bytes signed_part; /* header, (in version 5) body descriptor, body */
    uint16_t version;
    uint16_t att_key_type;
    uint32_t tee_type;
    struct clo_bytes svns; /* bytes 8 to 11: two SVNs whose order the sources dispute */
    struct clo_bytes qe_vendor_id;
    struct clo_bytes user_data;
    struct clo_tdx_body body;
    struct clo_bytes signature;       /* r || s */
    struct clo_bytes attestation_key; /* x || y */
    struct clo_tdx_qe_report qe_report;
    struct clo_bytes qe_report_signature;
    struct clo_bytes qe_auth_data; /* of any length */
    uint16_t inner_type;           /* of the certification data: 5 is a chain in PEM */
    struct clo_bytes chain;        /* that chain; empty where there is none */
    struct clo_bytes trailing;     /* after the declared data: unsigned, ignored, often padding */
};

/* Quotes of version 4 and 5 about a TD. Those of SGX enclaves (version 3, or by their TEE type) and
 * other keys than ECDSA P-256 are CLO_ERR_UNSUPPORTED. Bytes after the data are allowed, since
 * every producer's buffer has some; sizes inside must add up exactly. */
CLO_API CLO_MUST_USE bool clo_tdx_parse(struct clo_bytes in, struct clo_tdx_quote *out,
                                        struct clo_error *err);

#define CLO_TDX_REPORT_SIZE 1024

/* TDREPORT_STRUCT. */
struct clo_tdx_report {
    struct clo_bytes raw;
    uint8_t type, subtype, version;
    struct clo_bytes cpu_svn;
    struct clo_bytes tee_tcb_info_hash;
    struct clo_bytes tee_info_hash;
    struct clo_bytes report_data;
    struct clo_bytes mac;
    struct clo_bytes tee_tcb_info; /* 239 */
    struct clo_bytes tee_info;     /* 512: TD_INFO */
    /* The same fields as in a quote, from TEE_TCB_INFO and TD_INFO; `raw` is empty. */
    struct clo_tdx_body body;
    bool hashes_match; /* the two hashes are those of the structures: says nothing of the MAC */
};
/* Exactly 1024 bytes, of type 0x81. */
CLO_API CLO_MUST_USE bool clo_tdx_report_parse(struct clo_bytes in, struct clo_tdx_report *out,
                                               struct clo_error *err);
/* Is this the TD that the quote speaks of: same registers, attributes and report data? */
CLO_API bool clo_tdx_report_matches(const struct clo_tdx_report *report,
                                    const struct clo_tdx_body *body);

/* --- Verification ---------------------------------------------------------------------------- */

/* Whose roots count, and when. Roots are known by the SHA-256 of their SubjectPublicKeyInfo. No
 * root at all is an error, never "any". */
struct clo_certificate_cache;
struct clo_tdx_trust {
    int64_t at; /* Unix time for validity */
    bool intel; /* the Intel SGX Root CA */
    const struct clo_digest *roots;
    size_t root_count;
    /* Certificates that chains may lack, such as the roots': not trusted, only looked at. */
    const struct clo_certificate *const *certificates;
    size_t certificate_count;
    bool without_tcb; /* leave TCB evaluation out; revocation is looked at where lists are given */
    /* Seconds past their next update that are forgiven; what uses them is told (clo_tdx_tcb). */
    int64_t stale_documents, stale_lists;
    struct clo_certificate_cache *cache; /* of what was verified before; NULL: none */
};
/* Is it the Intel SGX Root CA, by fingerprint? */
CLO_API bool clo_tdx_intel_root(const struct clo_digest *fingerprint);

/* A platform's PCK chain with the collateral for it: parsed and verified once, then good for many
 * quotes of that platform. */
struct clo_tdx_platform;

/* `chain` is the PCK chain in PEM (clo_tdx_quote's; the collateral's is used where it is empty).
 * Makes every check that needs no quote and lists it: tdx.pck_chain, tdx.root, tdx.validity,
 * tdx.root_crl, tdx.pck_crl, tdx.revocation, tdx.tcb_info, tdx.qe_identity, tdx.freshness,
 * tdx.fmspc. False only for what cannot be read at all: a platform with a
 * failed check is given out, and verifies no quote. `collateral` NULL: none. */
CLO_API CLO_MUST_USE bool
clo_tdx_platform_new(struct clo_bytes chain, const struct clo_tdx_collateral *collateral,
                     const struct clo_tdx_trust *trust, struct clo_checks *checks,
                     struct clo_tdx_platform **out, struct clo_error *err);
CLO_API void clo_tdx_platform_free(struct clo_tdx_platform *platform);
CLO_API void clo_tdx_platform_freep(struct clo_tdx_platform **platform);
/* Members of the collateral that we do not know, comma separated; "" if none. */
CLO_API const char *clo_tdx_platform_unknown(const struct clo_tdx_platform *platform);
/* From when to when nothing in it is too old or too young. */
CLO_API void clo_tdx_platform_window(const struct clo_tdx_platform *platform, int64_t *from,
                                     int64_t *until);

struct clo_tdx_verified {
    struct clo_tdx_quote quote;
    struct clo_tdx_pck pck;
    struct clo_digest root; /* SHA-256 of the root's SubjectPublicKeyInfo */
    bool is_intel;          /* the root is Intel's */
    struct clo_tdx_tcb tcb;
};

/* Adds tdx.qe_report, tdx.qe_binding, tdx.qe, tdx.quote_signature and tdx.module; false with
 * CLO_ERR_UNVERIFIED if one of them, or one of the platform's, failed: the quote is not authentic.
 * Adds tdx.tcb, too, which fails where the TCB is revoked or fits no level: the quote is authentic
 * then, and refused by its failed check. A TCB that is out of date is for appraisal to judge. `at`
 * must lie in the platform's window. Allocates nothing once `checks` has room. */
CLO_API CLO_MUST_USE bool clo_tdx_verify(const struct clo_tdx_quote *quote,
                                         const struct clo_tdx_platform *platform, int64_t at,
                                         struct clo_checks *checks, struct clo_tdx_verified *out,
                                         struct clo_error *err);

/* The claims as DESIGN section 3 names them: of a verified quote, for results; and of what is only
 * parsed, to be shown. NULL when out of memory. */
CLO_API json_t *clo_tdx_claims(const struct clo_tdx_verified *verified);
CLO_API json_t *clo_tdx_quote_json(const struct clo_tdx_quote *quote);
CLO_API json_t *clo_tdx_report_json(const struct clo_tdx_report *report);

CLO_END_C

#endif
