/* AMD SEV-SNP attestation reports and the certificates that vouch for them. (AMD 56860, SEV Secure
 * Nested Paging Firmware ABI 1.58, section 7.3 and table 23; AMD 57230, VCEK Certificate and KDS
 * Interface Specification 1.00; AMD 56421, GHCB 2.04, section 4.1.8.1 for the certificate table.)
 *
 * A parsed report proves nothing. clo_snp_verified is what clo_snp_verify() makes of one: an AMD
 * processor (or the holder of a root that the caller named) signed exactly these bytes. Whether the
 * guest that it describes is acceptable is for appraisal. */
#ifndef CLOISTER_SNP_H
#define CLOISTER_SNP_H

#include "cloister/checks.h"
#include "cloister/crypto.h"

CLO_BEGIN_C

#define CLO_SNP_REPORT_SIZE      1184
#define CLO_SNP_SIGNED_SIZE      0x2a0
#define CLO_SNP_VERSION_MIN      2
#define CLO_SNP_VERSION_MAX      5
#define CLO_SNP_POLICY_SMT       (1ULL << 16)
#define CLO_SNP_POLICY_MBO       (1ULL << 17) /* reserved, must be one */
#define CLO_SNP_POLICY_MIGRATE   (1ULL << 18)
#define CLO_SNP_POLICY_DEBUG     (1ULL << 19)
#define CLO_SNP_POLICY_SINGLE    (1ULL << 20)
#define CLO_SNP_POLICY_CXL       (1ULL << 21)
#define CLO_SNP_POLICY_KNOWN     0x3ffffffULL /* the rest is reserved, must be zero */
#define CLO_SNP_PLATFORM_SMT     (1ULL << 0)
#define CLO_SNP_PLATFORM_ALIASES (1ULL << 5) /* ALIAS_CHECK_COMPLETE */
#define CLO_SNP_PLATFORM_TIO     (1ULL << 7)
#define CLO_SNP_PLATFORM_KNOWN   0xbfULL

enum clo_snp_product {
    CLO_SNP_UNKNOWN,
    CLO_SNP_MILAN,
    CLO_SNP_GENOA, /* Bergamo and Siena too */
    CLO_SNP_TURIN,
    CLO_SNP_VENICE,
    CLO_SNP_PRODUCT_COUNT, /* CLO_SNP_UNKNOWN included */
};
CLO_API const char *clo_snp_product_name(enum clo_snp_product product); /* "Milan" */

/* The named bits of POLICY and PLATFORM_INFO, from the lowest up. */
CLO_API const struct clo_bit *clo_snp_policy_bits(size_t *count);
CLO_API const struct clo_bit *clo_snp_platform_bits(size_t *count);

enum clo_snp_signing_key {
    CLO_SNP_VCEK = 0,
    CLO_SNP_VLEK = 1,
    CLO_SNP_KEY_NONE = 7,
};

/* TCB_VERSION as it stands in the report; what its bytes mean depends on the processor's family. */
struct clo_snp_tcb {
    uint8_t raw[8];
};
/* The components; an absent one (fmc before Turin) is -1. Compare these, never the whole. */
struct clo_snp_tcb_parts {
    int fmc, bootloader, tee, snp, microcode;
};
CLO_API struct clo_snp_tcb_parts clo_snp_tcb_parts(const struct clo_snp_tcb *tcb,
                                                   enum clo_snp_product product);

struct clo_snp_build {
    uint8_t build, minor, major;
};

/* Fields are the specification's; byte strings are views into `raw`. */
struct clo_snp_report {
    struct clo_bytes raw; /* all 1184 bytes as they came: what is signed is their beginning */
    uint32_t version;
    bool is_newer; /* a version we do not know: read as the newest that we do */
    uint32_t guest_svn;
    uint64_t policy;
    struct clo_bytes family_id;
    struct clo_bytes image_id;
    uint32_t vmpl;
    uint32_t signature_algo;
    struct clo_snp_tcb current_tcb;
    uint64_t platform_info;
    uint32_t signer_info;
    unsigned signing_key; /* bits of signer_info: enum clo_snp_signing_key */
    bool author_key_en;
    bool mask_chip_key;
    struct clo_bytes report_data;
    struct clo_bytes measurement;
    struct clo_bytes host_data;
    struct clo_bytes id_key_digest;
    struct clo_bytes author_key_digest;
    struct clo_bytes report_id;
    struct clo_bytes report_id_ma;
    struct clo_snp_tcb reported_tcb;
    bool has_cpuid; /* version 3 and newer */
    uint8_t cpuid_fam_id, cpuid_mod_id, cpuid_step;
    struct clo_bytes chip_id;
    struct clo_snp_tcb committed_tcb;
    struct clo_snp_build current, committed;
    struct clo_snp_tcb launch_tcb;
    bool has_mit_vectors; /* version 5 and newer */
    uint64_t launch_mit_vector, current_mit_vector;
    struct clo_bytes signature;
};

/* Exactly 1184 bytes. Versions below 2 are CLO_ERR_UNSUPPORTED. Reserved bytes that are not zero
 * are refused in the versions we know. */
CLO_API CLO_MUST_USE bool clo_snp_parse(struct clo_bytes in, struct clo_snp_report *out,
                                        struct clo_error *err);
/* The report inside what tools hand out: bare, followed by a certificate table (`table` gets
 * it), or in the kernel's MSG_REPORT_RSP buffer. */
CLO_API CLO_MUST_USE bool clo_snp_unwrap(struct clo_bytes in, struct clo_bytes *report,
                                         struct clo_bytes *table, struct clo_error *err);
/* By CPUID family and model; CLO_SNP_UNKNOWN in version 2. */
CLO_API enum clo_snp_product clo_snp_report_product(const struct clo_snp_report *report);

/* --- Certificates ---------------------------------------------------------------------------- */

/* Certificates in no particular order, as files and bundles bring them: sorted into a chain by
 * clo_snp_chain_find(); and the revocation lists that came with them. A zeroed struct is empty. */
#define CLO_SNP_CERTIFICATES_MAX 32
#define CLO_SNP_CRLS_MAX         8
struct clo_certificate_cache;
struct clo_snp_certificates {
    struct clo_certificate_cache *cache; /* of those that were verified before; NULL: none */
    struct clo_certificate *items[CLO_SNP_CERTIFICATES_MAX];
    size_t count;
    struct clo_crl *crls[CLO_SNP_CRLS_MAX];
    size_t crl_count;
};
CLO_API void clo_snp_certificates_free(struct clo_snp_certificates *certificates);
/* Adds what is there: one DER certificate, PEM (any number, revocation lists among them), or a GHCB
 * certificate table (GUIDs in text order; entries in DER or PEM). No certificate at all is an error. */
CLO_API CLO_MUST_USE bool clo_snp_certificates_add(struct clo_snp_certificates *certificates,
                                                   struct clo_bytes in, struct clo_error *err);
/* What a host put after a report, or in its buffer for certificates: here it is not an error if there are none. */
CLO_API CLO_MUST_USE bool clo_snp_certificates_add_table(struct clo_snp_certificates *certificates,
                                                         struct clo_bytes table,
                                                         struct clo_error *err);
/* The same as clo_snp_certificates_add(), and one DER revocation list by itself; revocation lists alone are enough. */
CLO_API CLO_MUST_USE bool clo_snp_certificates_read(struct clo_snp_certificates *certificates,
                                                    struct clo_bytes in, struct clo_error *err);
/* Is this the GUID of an entry that we read? */
CLO_API bool clo_snp_table_knows(struct clo_bytes guid);
/* AMD's own ASK, ASVK and ARK of Milan, Genoa and Turin. Having them is not trust in them. */
CLO_API CLO_MUST_USE bool clo_snp_certificates_add_amd(struct clo_snp_certificates *certificates,
                                                       struct clo_error *err);

struct clo_snp_chain {
    const struct clo_certificate *leaf;         /* VCEK or VLEK */
    const struct clo_certificate *intermediate; /* ASK or ASVK; NULL: not found */
    const struct clo_certificate *root;         /* ARK; NULL: not found */
};
/* The leaf is the one whose extensions make it a VCEK or VLEK (if there are several, the one whose hwID and
 * TCB are the report's, whatever their order); the others follow by name. Nothing is verified. No leaf is CLO_ERR_REFUSED. */
CLO_API CLO_MUST_USE bool clo_snp_chain_find(const struct clo_snp_report *report,
                                             const struct clo_snp_certificates *certificates,
                                             struct clo_snp_chain *out, struct clo_error *err);
/* Is this a leaf of the report's kind of key, its chip (unless CHIP_ID is masked) and its REPORTED_TCB? */
CLO_API bool clo_snp_leaf_fits(const struct clo_certificate *certificate,
                               const struct clo_snp_report *report);

/* What a VCEK's or VLEK's extensions say (AMD 57230, tables 8 to 11). */
struct clo_snp_leaf {
    bool is_vlek;
    unsigned struct_version;
    char product_name[32];
    enum clo_snp_product product;
    struct clo_snp_tcb_parts spl; /* by the layout of struct_version */
    bool has_unknown_spl;         /* spl4 to spl7, reserved today, are not zero */
    struct clo_bytes hw_id;       /* VCEK: 64 bytes, Turin and newer 8; view into the certificate */
    char csp_id[64];              /* VLEK */
};
CLO_API CLO_MUST_USE bool clo_snp_leaf_parse(const struct clo_certificate *certificate,
                                             struct clo_snp_leaf *out, struct clo_error *err);

/* --- What is missing ------------------------------------------------------------------------- */

/* What has to be got before the report can be verified: bits of these. */
#define CLO_SNP_LACKS_LEAF    1U /* none, or one that is of another chip or TCB and can be asked for */
#define CLO_SNP_LACKS_ISSUERS 2U /* ASK and ARK, or ASVK and ARK */
#define CLO_SNP_LACKS_CRL     4U /* a genuine list of the root's that is current at `at` */
CLO_API unsigned clo_snp_chain_lacks(const struct clo_snp_report *report,
                                     const struct clo_snp_chain *chain,
                                     const struct clo_crl *const *crls, size_t crl_count,
                                     int64_t at);

/* --- Verification ---------------------------------------------------------------------------- */

/* Whose roots count, and when. Roots are known by the SHA-256 of their SubjectPublicKeyInfo. No
 * root at all is an error, never "any". */
struct clo_snp_trust {
    int64_t at; /* Unix time for validity */
    bool amd;   /* AMD's ARKs of Milan, Genoa and Turin */
    const struct clo_digest *roots;
    size_t root_count;
    /* Those whose issuer is in the chain are looked at. What any genuine one revokes is revoked; that
     * nothing is, the newest says, which has to be current. */
    const struct clo_crl *const *crls;
    size_t crl_count;
    size_t named_crl_count; /* the first of the lists, as many as this, were named for it: one list has to be the chain's */
    size_t owner_crl_count; /* the first of the lists, as many as this, are the owner's; older ones of the rest are left out */
    bool owner_crls_alone; /* and without one of the owner's the check fails */
    int64_t stale_crls;    /* seconds past its next update that are forgiven, and told */
};

struct clo_snp_verified {
    struct clo_snp_report report;
    enum clo_snp_product product;
    bool is_vlek;
    char csp_id[64];
    uint8_t hw_id[64]; /* the VCEK's, followed by zeros: the chip, also where CHIP_ID is masked */
    bool has_hw_id;
    struct clo_digest root;    /* SHA-256 of the root's SubjectPublicKeyInfo */
    bool is_amd;               /* the root is one of AMD's */
    bool revocation_checked;   /* a current list of one of the chain's issuers was looked at */
    int64_t revocation_issued; /* its thisUpdate, the older one's of two */
    bool revocation_is_owners; /* and it is the owner's */
    int64_t revocation_until;  /* its nextUpdate, the earlier one's of two: it may have gone by */
};

/* Is this one of AMD's ARKs, by fingerprint? UNKNOWN if not. */
CLO_API enum clo_snp_product clo_snp_amd_root(const struct clo_digest *fingerprint);

/* Makes every check and lists it in `checks` (docs/verify.md has the table of snp.*). False with
 * CLO_ERR_UNVERIFIED if one failed; `err` then has the first. `chain` may lack members: what they are
 * needed for fails. */
CLO_API CLO_MUST_USE bool clo_snp_verify(const struct clo_snp_report *report,
                                         const struct clo_snp_chain *chain,
                                         const struct clo_snp_trust *trust,
                                         struct clo_checks *checks, struct clo_snp_verified *out,
                                         struct clo_error *err);

/* From bytes to an answer in one call, for programs in other languages. `report` as clo_snp_unwrap() takes it,
 * its own certificate table included; `certificates` as clo_snp_certificates_read() takes them, or empty; AMD's
 * own ASK, ASVK and ARK are there already. `root` is the SHA-256 of the one root key that is trusted; empty:
 * AMD's are. Appends {"verified", "checks", "claims"}, also (without claims) for a report that is not
 * genuine: then it is false with CLO_ERR_UNVERIFIED. Nothing is appraised. */
CLO_API CLO_MUST_USE bool clo_snp_verify_json(struct clo_bytes report,
                                              struct clo_bytes certificates, struct clo_bytes root,
                                              int64_t at, struct clo_buffer *json,
                                              struct clo_error *err);

/* The same in two steps, for many reports of one chip and TCB: a chain that was verified once, and is
 * good from `from` until `until`. It borrows the leaf. */
struct clo_snp_endorser {
    const struct clo_certificate *certificate;
    struct clo_snp_leaf leaf;
    struct clo_digest root;            /* SHA-256 of the root's SubjectPublicKeyInfo */
    enum clo_snp_product root_product; /* of AMD's roots; UNKNOWN: another root */
    int64_t from, until;
    bool revocation_checked;
    int64_t revocation_issued;
    bool revocation_is_owners;
    int64_t revocation_until;
};
CLO_API CLO_MUST_USE bool clo_snp_chain_verify(const struct clo_snp_chain *chain,
                                               const struct clo_snp_trust *trust,
                                               struct clo_checks *checks,
                                               struct clo_snp_endorser *out, struct clo_error *err);
/* One signature verification and no allocation, once `checks` has its memory (clo_checks_clear()). */
CLO_API CLO_MUST_USE bool clo_snp_report_verify(const struct clo_snp_report *report,
                                                const struct clo_snp_endorser *endorser, int64_t at,
                                                struct clo_checks *checks,
                                                struct clo_snp_verified *out,
                                                struct clo_error *err);

/* The claims as DESIGN section 3 names them: of a verified report, for results; and of one that is
 * only parsed, to be shown. NULL when out of memory. */
CLO_API json_t *clo_snp_claims(const struct clo_snp_verified *verified);
CLO_API json_t *clo_snp_report_json(const struct clo_snp_report *report,
                                    enum clo_snp_product product);

/* What a set of certificates and lists holds, decoded: {"certificates": [...], "revocation_lists": [...]}. */
CLO_API json_t *clo_snp_certificates_json(const struct clo_snp_certificates *certificates);

CLO_END_C

#endif
