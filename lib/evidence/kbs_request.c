#include "lib/evidence/kbs_request.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/hcl.h"
#include "import_internal.h"
#include "lib/base/jcs.h"
#include "lib/evidence/kbs_init_data.h"

#define VALUES_MAX      20000 /* of JSON */
#define AUTH_BODY_MAX   4096
#define NONCE_MAX       512 /* of its text */
#define TPM_BOUND_SIZE  32  /* what a quote's qualifying data are cut to */
#define SVSM_COORDINATE 66  /* of P-521 */

/* --- What sessions agree on --- */

static const char *const versions[] = { "0.1.1", "0.2.0", "0.3.0", "0.4.0" };

/* `members`: what the primary evidence has, in each of its forms; a form ends in NULL. */
static const struct kbs_tee {
    const char *name;
    const char *forms[2][3];
    const char *needs[3]; /* labels of its pieces; other hardware's must not be there */
    bool is_azure_tdx;
} tees[CLO_KBS_TEES] = {
    [CLO_KBS_SNP] = { "snp",
                      { { "attestation_report" }, { "snp-report" } },
                      { CLO_EVIDENCE_SNP_REPORT } },
    [CLO_KBS_TDX] = { "tdx", { { "quote" } }, { CLO_EVIDENCE_TDX_QUOTE } },
    [CLO_KBS_AZ_SNP] = { "az-snp-vtpm",
                         { { "hcl_report", "tpm_quote" }, { "report", "quote", "vcek" } },
                         { CLO_EVIDENCE_HCL_REPORT } },
    [CLO_KBS_AZ_TDX] = { "az-tdx-vtpm",
                         { { "hcl_report", "tpm_quote", "td_quote" } },
                         { CLO_EVIDENCE_HCL_REPORT, CLO_EVIDENCE_TDX_QUOTE } },
    [CLO_KBS_TPM] = { "tpm", { { "tpm_quote", "ak_public" } }, { NULL } },
    [CLO_KBS_SAMPLE] = { "sample", { { "svn", "report_data" } }, { CLO_EVIDENCE_SAMPLE } },
};

const char *clo_kbs_tee_name(enum clo_kbs_tee tee)
{
    return tees[tee].name;
}

bool clo_kbs_tee_find(const char *name, enum clo_kbs_tee *out)
{
    for (unsigned i = 0; i < CLO_KBS_TEES; i++)
        if (strcmp(tees[i].name, name) == 0) {
            *out = (enum clo_kbs_tee)i;
            return true;
        }
    return false;
}

bool clo_kbs_version_find(const char *version, uint8_t *out)
{
    for (size_t i = 0; i < CLO_COUNT(versions); i++)
        if (strcmp(versions[i], version) == 0) {
            *out = (uint8_t)i;
            return true;
        }
    return false;
}

/* SHA-384 is what clients take without being told; another one where they offer a list without it. */
static bool choose_hash(const json_t *extra, enum clo_hash *out, struct clo_error *err)
{
    static const enum clo_hash ours[] = { CLO_HASH_SHA384, CLO_HASH_SHA512, CLO_HASH_SHA256 };
    const json_t *offered = json_object_get(extra, "supported-hash-algorithms");
    json_t *name;
    size_t i;

    *out = CLO_HASH_SHA384;
    if (offered == NULL)
        return true;
    if (!json_is_array(offered))
        return clo_fail(err, CLO_ERR_FORMAT, "\"supported-hash-algorithms\" is not a list");
    for (size_t k = 0; k < CLO_COUNT(ours); k++)
        json_array_foreach (offered, i, name) {
            if (!json_is_string(name) ||
                strcasecmp(json_string_value(name), clo_hash_name(ours[k])) != 0)
                continue;
            *out = ours[k];
            return true;
        }
    return clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "\"supported-hash-algorithms\": none of sha256, sha384, sha512");
}

bool clo_kbs_auth_parse(struct clo_bytes body, struct clo_kbs_agreed *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_kbs_agreed agreed;
    const char *version, *tee;

    if (body.size > AUTH_BODY_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, at most %d", body.size, AUTH_BODY_MAX);
    if (!clo_json_parse_bounded(body, VALUES_MAX, &json, err) ||
        !clo_json_get_string(json, "version", &version, err) ||
        !clo_json_get_string(json, "tee", &tee, err))
        return false;
    const json_t *extra = json_object_get(json, "extra-params");
    if (!json_is_object(extra) && !json_is_string(extra) && !json_is_null(extra))
        return clo_fail(err, CLO_ERR_FORMAT, "\"extra-params\" is missing");
    if (!clo_kbs_version_find(version, &agreed.version))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "KBS Client Protocol Version Mismatch: expect 0.1.1, 0.2.0, 0.3.0 or 0.4.0 "
                        "while the request is %.40s",
                        version);
    if (!clo_kbs_tee_find(tee, &agreed.tee))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "tee \"%.40s\": its evidence cannot be verified",
                        tee);
    if (!choose_hash(extra, &agreed.hash, err))
        return false;
    *out = agreed;
    return true;
}

void clo_kbs_evidence_free(struct clo_kbs_evidence *evidence)
{
    clo_evidence_free(evidence->evidence);
    clo_buffer_free(&evidence->bound);
    clo_buffer_free(&evidence->init_data);
    *evidence = (struct clo_kbs_evidence){ 0 };
}

/* --- The request --- */

/* Its parts, borrowed from the JSON. */
struct parts {
    const char *nonce;     /* NULL: not in it */
    const json_t *key;     /* tee-pubkey */
    const json_t *runtime; /* as it was sent; NULL: an old client's */
    const json_t *primary;
    const char *additional; /* "" where none came */
    json_t *owner;          /* of evidence that came as text */
};

/* Until 0.4.0: {"tee-pubkey", "tee-evidence": EVIDENCE}, where evidence may be JSON in a string. */
static bool take_old(const json_t *body, struct parts *out, struct clo_error *err)
{
    const json_t *evidence = json_object_get(body, "tee-evidence");
    json_t *key;

    if (!clo_json_get_object(body, "tee-pubkey", &key, err))
        return false;
    out->key = key;
    out->primary = evidence;
    if (json_is_string(evidence)) {
        if (!clo_json_parse_bounded(
                    clo_bytes(json_string_value(evidence), json_string_length(evidence)),
                    VALUES_MAX, &out->owner, err))
            return clo_wrap(err, "\"tee-evidence\"");
        out->primary = out->owner;
    }
    return json_is_object(out->primary) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"tee-evidence\" is not an object");
}

static bool take_new(const json_t *body, struct parts *out, struct clo_error *err)
{
    json_t *runtime, *evidence, *primary;
    const char *additional;

    if (!clo_json_get_object(body, "runtime-data", &runtime, err) ||
        !clo_json_get_object(body, "tee-evidence", &evidence, err))
        return false;
    out->runtime = runtime;
    out->primary = evidence;
    if (json_object_get(evidence, "primary_evidence") == NULL)
        return true; /* 0.3.0 and before */
    if (!clo_json_get_object(evidence, "primary_evidence", &primary, err) ||
        !clo_json_get_string_optional(evidence, "additional_evidence", &additional, err))
        return false;
    out->primary = primary;
    out->additional = additional == NULL ? "" : additional;
    return true;
}

static bool take_runtime(struct parts *parts, struct clo_error *err)
{
    json_t *key;

    if (parts->runtime == NULL)
        return true;
    if (!clo_json_get_string(parts->runtime, "nonce", &parts->nonce, err) ||
        !clo_json_get_object(parts->runtime, "tee-pubkey", &key, err))
        return clo_wrap(err, "\"runtime-data\"");
    parts->key = key;
    return strlen(parts->nonce) <= NONCE_MAX ||
           clo_fail(err, CLO_ERR_FORMAT, "\"nonce\": too long");
}

/* --- What it was made over --- */

static json_t *runtime_data(const struct parts *parts, const json_t *key, const char *nonce,
                            bool is_composite)
{
    return is_composite ? json_pack("{s:s, s:s, s:O}", "additional-evidence", parts->additional,
                                    "nonce", nonce, "tee-pubkey", key)
                        : json_pack("{s:s, s:O}", "nonce", nonce, "tee-pubkey", key);
}

/* SVSM (kernel/src/attest.rs) binds two coordinates and the nonce, and its proxy, which is the host's, sends the rest:
 * of the key nothing counts but that point, on the curve that SVSM's keys are on. */
static bool take_svsm_key(const struct parts *parts, json_t **out, struct clo_error *err)
{
    const char *kind, *curve, *x, *y;

    if (parts->additional[0] != '\0')
        return clo_fail(err, CLO_ERR_REFUSED,
                        "additional evidence: nothing binds it in what SVSM's proxy sends");
    if (!clo_json_get_string(parts->key, "kty", &kind, err) ||
        !clo_json_get_string(parts->key, "crv", &curve, err) ||
        !clo_json_get_string(parts->key, "x", &x, err) ||
        !clo_json_get_string(parts->key, "y", &y, err))
        return clo_wrap(err, "SVSM's key");
    if (strcmp(kind, "EC") != 0 || strcmp(curve, "P-521") != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "SVSM's key: not one on P-521");
    *out = json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-521", "x", x, "y", y);
    return *out != NULL || clo_out_of_memory(err);
}

/* SHA-512 of the key's coordinates and the nonce's bytes. */
static bool bind_svsm(const json_t *key, const char *nonce, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer challenge = { 0 };
    struct clo_digest digest;

    if (!clo_json_get_bytes(key, "x", CLO_JSON_BASE64URL, SVSM_COORDINATE, &x, err) ||
        !clo_json_get_bytes(key, "y", CLO_JSON_BASE64URL, SVSM_COORDINATE, &y, err) ||
        !clo_base64_read(clo_bytes_text(nonce), &challenge, err))
        return clo_wrap(err, "SVSM's key");
    if (x.size != SVSM_COORDINATE || y.size != SVSM_COORDINATE)
        return clo_fail(err, CLO_ERR_FORMAT, "SVSM's key: not one on P-521");
    clo_buffer_append(&message, clo_buffer_bytes(&x));
    clo_buffer_append(&message, clo_buffer_bytes(&y));
    clo_buffer_append(&message, clo_buffer_bytes(&challenge));
    if (!clo_buffer_ok(&message))
        return clo_out_of_memory(err);
    clo_hash(CLO_HASH_SHA512, clo_buffer_bytes(&message), &digest);
    clo_buffer_append(out, clo_digest_bytes(&digest));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* Recomputed from the values: how the request was spelled does not matter. */
static bool bind(const struct parts *parts, const struct clo_kbs_agreed *agreed, const char *nonce,
                 struct clo_kbs_evidence *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *svsm_key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *runtime = NULL;
    bool is_svsm = json_object_get(parts->primary, "snp-report") != NULL;
    struct clo_digest digest;

    if (is_svsm && !take_svsm_key(parts, &svsm_key, err))
        return false;
    runtime = runtime_data(parts, is_svsm ? svsm_key : parts->key, nonce,
                           agreed->version >= CLO_KBS_VERSION_COMPOSITE);
    if (!clo_jcs_write(runtime, &text, err) ||
        !clo_evidence_add(out->evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(&text), err))
        return false;
    if (is_svsm)
        return bind_svsm(svsm_key, nonce, &out->bound, err);
    clo_hash(agreed->hash, clo_buffer_bytes(&text), &digest);
    struct clo_bytes bound = clo_digest_bytes(&digest);
    if (agreed->tee == CLO_KBS_TPM)
        bound = clo_bytes_slice(bound, 0, TPM_BOUND_SIZE);
    clo_buffer_append(&out->bound, bound);
    return clo_buffer_ok(&out->bound) || clo_out_of_memory(err);
}

/* --- Its form, which the session's TEE decides --- */

static bool has_form(const json_t *primary, const struct kbs_tee *tee)
{
    for (size_t form = 0; form < CLO_COUNT(tee->forms); form++) {
        bool has = tee->forms[form][0] != NULL;
        for (size_t i = 0; i < CLO_COUNT(tee->forms[form]) && tee->forms[form][i] != NULL; i++)
            has = has && json_object_get(primary, tee->forms[form][i]) != NULL;
        if (has)
            return true;
    }
    return false;
}

static bool needs(const struct kbs_tee *tee, const char *label)
{
    for (size_t i = 0; i < CLO_COUNT(tee->needs) && tee->needs[i] != NULL; i++)
        if (strcmp(tee->needs[i], label) == 0)
            return true;
    return false;
}

/* The report inside an HCL report is of the TEE, too. */
static bool check_hcl(const struct clo_evidence *evidence, enum clo_kbs_tee tee,
                      struct clo_error *err)
{
    struct clo_bytes bytes = clo_evidence_get(evidence, CLO_EVIDENCE_HCL_REPORT);
    struct clo_error ignored;
    struct clo_hcl hcl;

    if (bytes.data == NULL || !clo_hcl_parse(bytes, &hcl, &ignored))
        return true; /* the appraisal says what is wrong with it */
    return (hcl.report_type == CLO_HCL_TDX) == (tee == CLO_KBS_AZ_TDX) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "evidence: the session was begun for \"%s\", and the report in the HCL report "
                    "is of another TEE",
                    tees[tee].name);
}

static bool check_tee(const struct clo_evidence *evidence, enum clo_kbs_tee tee,
                      struct clo_error *err)
{
    static const char *const hardware[] = { CLO_EVIDENCE_SNP_REPORT, CLO_EVIDENCE_TDX_QUOTE,
                                            CLO_EVIDENCE_HCL_REPORT, CLO_EVIDENCE_SAMPLE };

    for (size_t i = 0; i < CLO_COUNT(hardware); i++) {
        bool is_there = clo_evidence_has(evidence, hardware[i]);
        if (is_there != needs(&tees[tee], hardware[i]))
            return clo_fail(err, CLO_ERR_REFUSED,
                            "evidence: the session was begun for \"%s\", and there is %s \"%s\" in "
                            "the evidence",
                            tees[tee].name, is_there ? "a" : "no", hardware[i]);
    }
    return check_hcl(evidence, tee, err);
}

/* {"svn", "report_data"}: nobody signed it. */
static bool take_sample(const json_t *primary, struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    if (!clo_json_get_bytes(primary, "report_data", CLO_JSON_BASE64, CLO_HASH_SIZE_MAX, &data,
                            err) ||
        !clo_evidence_new(&evidence, err) ||
        !clo_evidence_add(evidence, CLO_EVIDENCE_SAMPLE, clo_buffer_bytes(&data), err))
        return clo_wrap(err, "sample evidence");
    *out = CLO_TAKE(evidence);
    return true;
}

static bool take_evidence(const struct parts *parts, enum clo_kbs_tee tee,
                          struct clo_evidence **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    bool known;

    if (!has_form(parts->primary, &tees[tee]))
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: not in a form that clients have for \"%s\"",
                        tees[tee].name);
    if (tee == CLO_KBS_SAMPLE)
        return take_sample(parts->primary, out, err);
    if (!import_document(parts->primary, &import, &known, err))
        return clo_wrap(err, "evidence");
    if (import.kind != CLO_IMPORT_EVIDENCE)
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: not in a form that is known");
    *out = CLO_TAKE(import.evidence);
    return true;
}

/* --- Our own --- */

/* What the evidence was made over must be what the guest says it was made over. */
static bool check_own_runtime(const json_t *claimed, const struct clo_evidence *evidence,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_bytes bound = clo_evidence_get(evidence, CLO_EVIDENCE_RUNTIME_DATA);

    if (claimed == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "\"runtime-data\" is missing");
    if (bound.data == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "the evidence has no runtime data");
    if (!clo_json_write(claimed, &text, err))
        return false;
    return clo_bytes_equal(clo_buffer_bytes(&text), bound) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the runtime data are not those that the evidence was made over");
}

/* --- All of it --- */

static bool read_parts(const json_t *body, const struct clo_kbs_agreed *agreed, struct parts *out,
                       struct clo_error *err)
{
    bool is_old = json_object_get(body, "runtime-data") == NULL &&
                  agreed->version < CLO_KBS_VERSION_COMPOSITE;

    if (!(is_old ? take_old(body, out, err) : take_new(body, out, err)))
        return false;
    return agreed->version >= CLO_KBS_VERSION_COMPOSITE || out->additional[0] == '\0' ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "additional evidence: nothing binds it before version 0.4.0");
}

static bool read_request(struct parts *parts, const struct clo_kbs_agreed *agreed,
                         const char *nonce, struct clo_kbs_evidence *out, struct clo_error *err)
{
    out->is_own = json_object_get(parts->primary, "__cmwc_t") != NULL;
    if (out->is_own)
        return clo_evidence_from_json(parts->primary, &out->evidence, err) &&
               check_own_runtime(parts->runtime, out->evidence, err);
    return take_runtime(parts, err) && take_evidence(parts, agreed->tee, &out->evidence, err) &&
           bind(parts, agreed, parts->nonce == NULL ? nonce : parts->nonce, out, err);
}

bool clo_kbs_attest_parse(struct clo_bytes body, const struct clo_kbs_agreed *agreed,
                          const char *nonce, struct clo_kbs_evidence *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_kbs_evidence_free) struct clo_kbs_evidence evidence = { 0 };
    struct parts parts = { .additional = "" };

    if (!clo_json_parse_bounded(body, VALUES_MAX, &json, err))
        return false;
    bool ok = read_parts(json, agreed, &parts, err) &&
              read_request(&parts, agreed, nonce, &evidence, err) &&
              check_tee(evidence.evidence, agreed->tee, err) &&
              kbs_init_data_digest(json_object_get(json, "init-data"), &evidence.init_data, err);
    json_decref(parts.owner);
    if (!ok)
        return false;
    *out = evidence;
    evidence = (struct clo_kbs_evidence){ 0 };
    return true;
}
