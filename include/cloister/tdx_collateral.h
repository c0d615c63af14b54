/* What Intel vouches with for a TDX platform: PCK certificates, TCB info, QE identity, revocation
 * lists. (Intel SGX PCK Certificate and CRL specification 1.5; Intel PCS API version 4, TCB info
 * version 3 and enclave identity version 2; sgx_ql_qve_collateral_t; docs/formats/collateral.md.)
 *
 * Collateral comes from anywhere, the host included: every piece is signed, and is believed once
 * clo_tdx_platform_new() has verified it. */
#ifndef CLOISTER_TDX_COLLATERAL_H
#define CLOISTER_TDX_COLLATERAL_H

#include "cloister/crypto.h"
#include "cloister/json.h"

CLO_BEGIN_C

#define CLO_TDX_COLLATERAL_LIMIT ((size_t)8 << 20) /* of one piece, or of the whole as JSON */

/* --- PCK certificates ------------------------------------------------------------------------ */

#define CLO_TDX_COMPONENTS 16

enum clo_tdx_ca {
    CLO_TDX_CA_UNKNOWN,
    CLO_TDX_CA_PROCESSOR, /* one package: registered with Intel by its maker */
    CLO_TDX_CA_PLATFORM,  /* several packages: registered by its owner */
};
CLO_API const char *clo_tdx_ca_name(enum clo_tdx_ca ca); /* "platform", as PCS wants it */

/* The SGX extension of a PCK certificate (OID 1.2.840.113741.1.13.1). */
struct clo_tdx_pck {
    uint8_t ppid[16];
    uint8_t components[CLO_TDX_COMPONENTS]; /* SGX TCB component SVNs */
    uint16_t pce_svn;
    uint8_t cpu_svn[16];
    uint8_t pce_id[2];
    uint8_t fmspc[6];
    unsigned sgx_type; /* 0 standard, 1 scalable, 2 scalable with integrity */
    enum clo_tdx_ca ca;
    bool has_platform_instance_id;
    uint8_t platform_instance_id[16];
};
CLO_API CLO_MUST_USE bool clo_tdx_pck_parse(const struct clo_certificate *certificate,
                                            struct clo_tdx_pck *out, struct clo_error *err);
/* The extension's value alone. */
CLO_API CLO_MUST_USE bool clo_tdx_pck_extension_parse(struct clo_bytes der, struct clo_tdx_pck *out,
                                                      struct clo_error *err);

/* --- Collateral as files or JSON bring it ---------------------------------------------------- */

enum clo_tdx_piece {
    CLO_TDX_TCB_INFO,           /* {"tcbInfo": …, "signature": …}, or the inner object alone */
    CLO_TDX_TCB_INFO_SIGNATURE, /* 64 bytes, for an inner object */
    CLO_TDX_TCB_INFO_ISSUER_CHAIN,
    CLO_TDX_QE_IDENTITY,
    CLO_TDX_QE_IDENTITY_SIGNATURE,
    CLO_TDX_QE_IDENTITY_ISSUER_CHAIN,
    CLO_TDX_PCK_CRL,
    CLO_TDX_PCK_CRL_ISSUER_CHAIN,
    CLO_TDX_ROOT_CA_CRL,
    CLO_TDX_PCK_CHAIN,
    CLO_TDX_PIECE_COUNT,
};

/* A zeroed struct is empty. */
struct clo_tdx_collateral {
    struct clo_buffer pieces[CLO_TDX_PIECE_COUNT];
};
CLO_API void clo_tdx_collateral_free(struct clo_tdx_collateral *collateral);
/* "tcb_info": the member of the JSON form; "tcb_info.json": the file in a folder. */
CLO_API const char *clo_tdx_piece_name(enum clo_tdx_piece piece);
CLO_API const char *clo_tdx_piece_file(enum clo_tdx_piece piece);
/* Takes a piece in any form that is met (revocation lists in DER, PEM, hex or base64; signatures in
 * hex or bytes; chains in PEM, URL-encoded or not, or DER one after the other) and keeps it in one. */
CLO_API CLO_MUST_USE bool clo_tdx_collateral_set(struct clo_tdx_collateral *collateral,
                                                 enum clo_tdx_piece piece, struct clo_bytes in,
                                                 struct clo_error *err);
/* One JSON object with the fields of sgx_ql_qve_collateral_t, as quoting libraries and dcap-qvl
 * write it. */
CLO_API CLO_MUST_USE bool clo_tdx_collateral_parse(struct clo_bytes json,
                                                   struct clo_tdx_collateral *out,
                                                   struct clo_error *err);
/* The same object; NULL when out of memory. */
CLO_API json_t *clo_tdx_collateral_json(const struct clo_tdx_collateral *collateral);

#define CLO_TDX_SETS_MAX 64

/* What was put together of several sets for one platform. */
struct clo_tdx_choice {
    struct clo_tdx_collateral collateral;
    bool is_whole; /* everything is there, of this platform, signed by what it brings, and current */
    uint32_t lacks;     /* bit n: enum clo_tdx_piece n is not, of those that are signed */
    char left_out[400]; /* pieces of this platform that were passed over, and why; "" if none */
};
CLO_API void clo_tdx_choice_free(struct clo_tdx_choice *choice); /* for CLO_CLEANUP */
/* Of each piece the best: of the platform, signed, current, then the owner's (the first `owner_count` of the
 * sets), then the newest. What the others bring and is older than what the owner has, by number or date, is
 * never taken. `chain` is the quote's; empty: the sets'. A single set comes out as it is. */
CLO_API CLO_MUST_USE bool clo_tdx_collateral_choose(const struct clo_tdx_collateral *const *sets,
                                                    size_t count, size_t owner_count,
                                                    struct clo_bytes chain, int64_t at,
                                                    struct clo_tdx_choice *out,
                                                    struct clo_error *err);

/* What to fetch for a platform: paths below a PCS's or PCCS's base URL (PCS API version 4). */
struct clo_tdx_fetch {
    char fmspc[13];
    char ca[12];
    char tcb_info[96];
    char qe_identity[64];
    char pck_crl[96];
    char root_ca_crl[64]; /* a PCCS's; Intel's own is at its certificates' distribution point */
};
CLO_API void clo_tdx_fetch_plan(const struct clo_tdx_pck *pck, struct clo_tdx_fetch *out);
/* From the leaf of a chain in PEM (a quote's): what collateral to fetch (FMSPC, kind of CA). */
CLO_API CLO_MUST_USE bool clo_tdx_pck_from_chain(struct clo_bytes chain, struct clo_tdx_pck *out,
                                                 struct clo_error *err);

/* --- What the collateral says ---------------------------------------------------------------- */

/* In Intel's words. Greater is not worse: see clo_tdx_status_name(). */
enum clo_tdx_status {
    CLO_TDX_UP_TO_DATE,
    CLO_TDX_SW_HARDENING_NEEDED,
    CLO_TDX_CONFIGURATION_NEEDED,
    CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    CLO_TDX_OUT_OF_DATE,
    CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
    CLO_TDX_REVOKED,
    CLO_TDX_RELAUNCH_ADVISED, /* the two of a TD that outlived an update of the module */
    CLO_TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    CLO_TDX_NOT_SUPPORTED, /* no level of the collateral fits: neither good nor out of date */
    CLO_TDX_STATUS_COUNT,
};
CLO_API const char *clo_tdx_status_name(enum clo_tdx_status status); /* "UpToDate" */
CLO_API bool clo_tdx_status_from_name(struct clo_bytes name, enum clo_tdx_status *out);

#define CLO_TDX_ADVISORIES_MAX 64
#define CLO_TDX_SHORTFALLS_MAX (2 * CLO_TDX_COMPONENTS + 3)

/* What of a platform falls short of a level that Intel calls neither out of date nor revoked. */
enum clo_tdx_part {
    CLO_TDX_PART_SGX, /* a component of the processor's SVNs (PCK certificate) */
    CLO_TDX_PART_PCE,
    CLO_TDX_PART_TDX,    /* a component of TEE_TCB_SVN */
    CLO_TDX_PART_MODULE, /* the TDX module */
    CLO_TDX_PART_QE,     /* the quoting enclave */
};
CLO_API const char *clo_tdx_part_name(enum clo_tdx_part part); /* "sgx" */
struct clo_tdx_shortfall {
    enum clo_tdx_part part;
    unsigned component;              /* of CLO_TDX_PART_SGX and CLO_TDX_PART_TDX */
    struct clo_bytes category, type; /* Intel's words for it, "BIOS"; often empty */
    unsigned svn, needed;
    int64_t date; /* of the level that needs it */
};

/* What became of a quote's TCB; views into the platform. */
struct clo_tdx_tcb {
    bool is_evaluated; /* false: without TCB */
    enum clo_tdx_status status;
    enum clo_tdx_status platform_status; /* the parts that made it */
    enum clo_tdx_status module_status;
    enum clo_tdx_status qe_status;
    int64_t date;               /* the earliest tcbDate of the parts */
    uint32_t evaluation_number; /* the lower of TCB info's and QE identity's */
    /* When what was looked at was issued: the older of TCB info and QE identity, of the two lists. */
    int64_t documents_issued, lists_issued;
    uint32_t tcb_info_number, qe_identity_number;        /* TCB evaluation data numbers */
    struct clo_bytes advisories[CLO_TDX_ADVISORIES_MAX]; /* each once */
    size_t advisory_count;
    int64_t at; /* when it was looked at */
    /* Seconds past their next update, which the caller forgave; 0: current. */
    int64_t stale_documents, stale_lists;
    /* How far behind an outdated TCB is; none where no level could be found that is not. */
    struct clo_tdx_shortfall shortfalls[CLO_TDX_SHORTFALLS_MAX];
    size_t shortfall_count;
};
/* ": SGX component 1 has SVN 4, needs 6 (level of 2025-01-01)", as many as there is room for; "" if none. */
CLO_API void clo_tdx_behind_text(const struct clo_tdx_tcb *tcb, char *out, size_t size);
/* Is it OutOfDate or OutOfDateConfigurationNeeded? */
CLO_API bool clo_tdx_is_outdated(enum clo_tdx_status status);

CLO_END_C

#endif
