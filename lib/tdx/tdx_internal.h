/* What the files of this room share. */
#ifndef CLOISTER_LIB_TDX_INTERNAL_H
#define CLOISTER_LIB_TDX_INTERNAL_H

#include "cloister/tdx.h"
#include "json_walk.h"

#define TDX_P256_SIGNATURE 64
#define TDX_ROOT_COUNT     1

/* --- What TCB info and QE identity say; byte strings of advisories are views into their text --- */

#define TDX_LEVELS_MAX        128
#define TDX_MODULES_MAX       16
#define TDX_MODULE_LEVELS_MAX 32

struct tdx_level {
    uint16_t sgx[CLO_TDX_COMPONENTS];
    uint16_t tdx[CLO_TDX_COMPONENTS];
    uint16_t pce_svn;
    enum clo_tdx_status status;
    int64_t date;
    struct clo_bytes advisories; /* the JSON array, checked; empty: none */
    struct clo_bytes tcb;        /* the JSON object, checked: it has the components' names */
};

/* A level of an enclave or of a TDX module. */
struct tdx_isv_level {
    uint16_t isv_svn;
    enum clo_tdx_status status;
    int64_t date;
    struct clo_bytes advisories;
};

struct tdx_module {
    unsigned major; /* of "TDX_03"; 0 for "tdxModule" */
    uint8_t mr_signer[48];
    uint8_t attributes[8];
    uint8_t attributes_mask[8];
    struct tdx_isv_level levels[TDX_MODULE_LEVELS_MAX];
    size_t level_count;
};

struct tdx_tcb_info {
    struct clo_bytes signed_part; /* exactly as served */
    uint8_t signature[TDX_P256_SIGNATURE];
    bool has_signature;
    int64_t issue_date, next_update;
    uint8_t fmspc[6];
    uint8_t pce_id[2];
    uint32_t evaluation_number;
    struct tdx_module module; /* of major version 0 */
    struct tdx_module modules[TDX_MODULES_MAX];
    size_t module_count;
    struct tdx_level levels[TDX_LEVELS_MAX];
    size_t level_count;
    struct walk_unknown unknown;
};

struct tdx_qe_identity {
    struct clo_bytes signed_part;
    uint8_t signature[TDX_P256_SIGNATURE];
    bool has_signature;
    int64_t issue_date, next_update;
    uint32_t evaluation_number;
    char id[16]; /* "TD_QE" */
    unsigned version;
    uint32_t miscselect, miscselect_mask;
    uint8_t attributes[16], attributes_mask[16];
    uint8_t mr_signer[32];
    uint16_t isv_prod_id;
    struct tdx_isv_level levels[TDX_MODULE_LEVELS_MAX];
    size_t level_count;
    struct walk_unknown unknown;
};

/* Both take the envelope or the inner object; `signature` is for the latter (empty: none). */
CLO_MUST_USE bool tdx_tcb_info_parse(struct clo_bytes text, struct clo_bytes signature,
                                     struct tdx_tcb_info *out, struct clo_error *err);
CLO_MUST_USE bool tdx_qe_identity_parse(struct clo_bytes text, struct clo_bytes signature,
                                        struct tdx_qe_identity *out, struct clo_error *err);

/* The envelope of a signed document: calls `body` where the inner object begins. */
struct tdx_signed {
    const char *member; /* "tcbInfo" */
    bool (*body)(struct walk *w, void *out);
    void *out;
    struct clo_bytes signed_part;
    uint8_t *signature;
    bool has_signature;
};
CLO_MUST_USE bool tdx_signed_parse(struct clo_bytes text, struct clo_bytes signature,
                                   struct tdx_signed *document, struct walk_unknown *unknown,
                                   struct clo_error *err);
/* tcbLevels of an enclave or module; `modules` allows no other status than the three they have. */
void tdx_isv_levels(struct walk *w, struct tdx_isv_level *levels, size_t *count);
enum clo_tdx_status tdx_status(struct walk *w);
struct clo_bytes tdx_advisories(struct walk *w);

/* --- A platform -------------------------------------------------------------------------------- */

#define TDX_CERTIFICATES_MAX 24

struct clo_tdx_platform {
    struct clo_certificate *certificates[TDX_CERTIFICATES_MAX]; /* each once */
    size_t certificate_count;
    struct clo_buffer chain; /* the quote's chain that it was made of */
    struct clo_tdx_collateral texts;
    const struct clo_certificate *leaf, *ca, *root;
    const struct clo_public_key *pck_key;
    struct clo_tdx_pck pck;
    struct clo_digest root_fingerprint;
    struct tdx_tcb_info *tcb_info;
    struct tdx_qe_identity *qe_identity;
    bool without_tcb;
    bool is_ok;
    int64_t from, until;
    int64_t documents_issued, lists_issued; /* the older of each two */
    int64_t documents_until, lists_until; /* what of each two runs out first; INT64_MAX: nothing */
    char unknown[820];
};

/* Which level a quote's TCB reaches, and what follows. False: detail says what is missing. */
void tdx_evaluate(const struct clo_tdx_platform *platform, const struct clo_tdx_quote *quote,
                  struct clo_tdx_tcb *out, struct clo_error *why);
/* How far behind: fills the shortfalls of an outdated TCB. */
void tdx_measure_behind(const struct clo_tdx_platform *platform, const struct clo_tdx_quote *quote,
                        struct clo_tdx_tcb *out);
/* What Intel calls a component of a level's TCB; empty where the document does not say. */
void tdx_component_name(struct clo_bytes tcb, enum clo_tdx_part part, size_t component,
                        struct clo_bytes *category, struct clo_bytes *type);
/* What a module's or enclave's status makes of that of the rest; one that they cannot have is NotSupported. */
enum clo_tdx_status tdx_converge(enum clo_tdx_status status, enum clo_tdx_status part);
/* The module that the quote names by TEE_TCB_SVN[1]; NULL: the TCB info does not know it. */
const struct tdx_module *tdx_find_module(const struct tdx_tcb_info *info, unsigned major);
/* The first level that isv_svn reaches; NULL: none. */
const struct tdx_isv_level *tdx_find_level(const struct tdx_isv_level *levels, size_t count,
                                           unsigned isv_svn);
/* Is it P-256 and signed with SHA-256? */
CLO_MUST_USE bool tdx_p256_verify(const struct clo_public_key *key, struct clo_bytes message,
                                  struct clo_bytes signature, struct clo_error *err);
/* A chain in PEM, URL-encoded PEM or DER, as PEM: appended. */
CLO_MUST_USE bool tdx_chain_to_pem(struct clo_bytes in, struct clo_buffer *out,
                                   struct clo_error *err);
/* Is this the common name in an RFC 2253 text? */
bool tdx_has_cn(const char *name, const char *cn);
void tdx_read_body_fields(struct clo_reader *r, struct clo_tdx_body *body);

#endif
