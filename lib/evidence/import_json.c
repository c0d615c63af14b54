/* JSON in which clouds and other verifiers write evidence: each is known by its members. */
#include <string.h>

#include "cloister/ccel.h"
#include "cloister/encoding.h"
#include "cloister/hcl.h"
#include "import_internal.h"
#include "lib/cloud/azure_imds.h"

/* --- Azure --- */

static bool take_thim(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    out->kind = CLO_IMPORT_CERTIFICATES;
    return clo_json_write(json, &text, err) &&
           clo_azure_thim_parse(clo_buffer_bytes(&text), &out->certificates, err);
}

static bool take_bundle(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    out->kind = CLO_IMPORT_EVIDENCE;
    out->is_bundle = true;
    return clo_evidence_from_json(json, &out->evidence, err);
}

/* --- Trustee --- */

/* [{"cert_type": "VCEK", "data": [bytes]}]; null and absent: none. */
static bool take_chain(const json_t *chain, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    size_t i;
    json_t *entry;

    json_array_foreach (chain, i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        bool known;
        if (!import_member(entry, "data", 0, &bytes, err) ||
            (bytes.size > 0 &&
             !import_certificates(clo_buffer_bytes(&bytes), &certificates, &known, err)))
            return clo_wrap(err, "\"cert_chain\": entry %zu", i);
    }
    return import_add_certificates(out, &certificates, err);
}

static bool take_trustee_snp(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };

    return import_snp_virtee(json_object_get(json, "attestation_report"), &raw, err) &&
           import_add(out, CLO_EVIDENCE_SNP_REPORT, clo_buffer_bytes(&raw), err) &&
           take_chain(json_object_get(json, "cert_chain"), out, err);
}

/* A VCEK, in DER or PEM. */
static bool take_vcek(const json_t *value, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const char *text = json_string_value(value);
    bool known;

    if (value == NULL || json_is_null(value))
        return true;
    if (text != NULL && strstr(text, "-----BEGIN ") != NULL)
        clo_buffer_text(&bytes, text);
    else if (!import_value(value, 0, &bytes, err))
        return clo_wrap(err, "\"vcek\"");
    if (!import_certificates(clo_buffer_bytes(&bytes), &certificates, &known, err))
        return clo_wrap(err, "\"vcek\"");
    if (!known)
        return clo_fail(err, CLO_ERR_FORMAT, "\"vcek\": not a certificate");
    return import_add_certificates(out, &certificates, err);
}

static bool take_tpm_quote(const json_t *quote, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };

    if (!import_member(quote, "message", 0, &message, err) ||
        !import_member(quote, "signature", 0, &signature, err) ||
        !import_add_quote(out, clo_buffer_bytes(&message), clo_buffer_bytes(&signature),
                          json_object_get(quote, "pcrs"), err))
        return clo_wrap(err, "TPM quote");
    return true;
}

/* Of the forms that Trustee has for Azure's VMs: 0, which has no version, 1 and 2 differ in encodings alone. What 2
 * demands besides (user data in the claims) is not checked here, nor is it by others when told 1. */
static bool take_azure(const json_t *json, const char *hcl, const char *quote,
                       struct clo_import *out, struct clo_error *err)
{
    const json_t *version = json_object_get(json, "version");

    if (version != NULL && (!json_is_integer(version) || json_integer_value(version) < 1 ||
                            json_integer_value(version) > 2))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "its version is not known (1 and 2 are)");
    return import_add_member(out, CLO_EVIDENCE_HCL_REPORT, json, hcl, false, err) &&
           import_add_member(out, CLO_EVIDENCE_TDX_QUOTE, json, "td_quote", true, err) &&
           take_tpm_quote(json_object_get(json, quote), out, err) &&
           take_vcek(json_object_get(json, "vcek"), out, err);
}

static bool take_azure_v1(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    return take_azure(json, "hcl_report", "tpm_quote", out, err);
}

static bool take_azure_v0(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    return take_azure(json, "report", "quote", out, err);
}

/* The key that it brings is its own word: anyone who verifies names one. */
static bool take_trustee_tpm(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    return take_tpm_quote(json_object_get(json, "tpm_quote"), out, err);
}

/* {"report": …, "certs-buf": the host's table or null}. */
static bool take_svsm(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    return import_add_member(out, CLO_EVIDENCE_SNP_REPORT, json, "snp-report", false, err) &&
           import_add_member(out, CLO_EVIDENCE_SNP_CERTIFICATES, json, "certs-buf", true, err);
}

/* The request to /attest: the evidence in it. What binds it to the session is Trustee's hash of the rest, which is
 * for its server. */
static bool take_request(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    const json_t *inner =
            json_object_get(json_object_get(json, "tee-evidence"), "primary_evidence");
    bool known = false;

    if (json_is_object(inner) && json_object_get(inner, "tee-evidence") == NULL) {
        if (!import_document(inner, out, &known, err))
            return clo_wrap(err, "\"primary_evidence\"");
    }
    return known || clo_fail(err, CLO_ERR_UNSUPPORTED,
                             "\"primary_evidence\" is in none of the forms that are known");
}

/* --- Quotes of TDX --- */

/* The log in any form that is known; text that is none of bytes is left out. */
static bool take_ccel(const json_t *json, const char *name, struct clo_import *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    const json_t *value = json_object_get(json, name);
    struct clo_error ignored;

    if (!json_is_string(value) || !import_value(value, 0, &bytes, &ignored) || bytes.size == 0)
        return true;
    return (import_eventlog_sent(clo_buffer_bytes(&bytes), &log, err) &&
            import_add(out, CLO_EVIDENCE_TDX_CCEL, clo_buffer_bytes(&log), err)) ||
           clo_wrap(err, "\"%s\"", name);
}

static bool take_quote(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    return import_add_member(out, CLO_EVIDENCE_TDX_QUOTE, json, "quote", false, err);
}

static bool take_trustee_tdx(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    return take_quote(json, out, err) && take_ccel(json, "cc_eventlog", out, err);
}

static bool take_dstack(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    const json_t *log = json_object_get(json, "event_log");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };

    if (!take_quote(json, out, err))
        return false;
    if (json_is_array(log)) {
        if (!clo_json_write(log, &text, err))
            return false;
    } else if (json_is_string(log) && *json_string_value(log) == '[') {
        clo_buffer_text(&text, json_string_value(log));
    } else {
        return take_ccel(json, "event_log", out, err);
    }
    return (import_eventlog_sent(clo_buffer_bytes(&text), &binary, err) &&
            import_add(out, CLO_EVIDENCE_TDX_CCEL, clo_buffer_bytes(&binary), err)) ||
           clo_wrap(err, "\"event_log\"");
}

static bool take_ita(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    const json_t *tdx = json_object_get(json, "tdx");

    return (take_quote(tdx, out, err) && take_ccel(tdx, "event_log", out, err)) ||
           clo_wrap(err, "\"tdx\"");
}

static bool take_go_tdx(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };

    return import_tdx_go(json, &raw, err) &&
           import_add(out, CLO_EVIDENCE_TDX_QUOTE, clo_buffer_bytes(&raw), err);
}

/* --- SEV-SNP --- */

static bool take_go_snp(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    static const char *const names[] = { "vcekCert", "vlekCert", "askCert", "arkCert" };
    const json_t *chain = json_object_get(json, "certificateChain");
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };

    if (!import_snp_go(json_object_get(json, "report"), &raw, err) ||
        !import_add(out, CLO_EVIDENCE_SNP_REPORT, clo_buffer_bytes(&raw), err))
        return false;
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        bool known;
        if (json_object_get(chain, names[i]) == NULL)
            continue;
        if (!import_base64(chain, names[i], &der, err) ||
            !import_certificates(clo_buffer_bytes(&der), &certificates, &known, err))
            return clo_wrap(err, "\"certificateChain\"");
    }
    return import_add_certificates(out, &certificates, err);
}

/* configfs-tsm's files (draft-ietf-rats-msg-wrap's neighbours, ratsd): what the kernel gives out. */
static bool take_tsm(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    struct clo_tdx_quote quote;
    struct clo_error ignored;

    if (!import_member(json, "outblob", 0, &report, err))
        return false;
    struct clo_bytes in = clo_buffer_bytes(&report);
    if (clo_tdx_parse(in, &quote, &ignored))
        return import_add(out, CLO_EVIDENCE_TDX_QUOTE, in, err);
    /* The reading end rounds its buffer up. */
    return import_add(out, CLO_EVIDENCE_SNP_REPORT, clo_bytes_slice(in, 0, CLO_SNP_REPORT_SIZE),
                      err) &&
           import_add_member(out, CLO_EVIDENCE_SNP_CERTIFICATES, json, "auxblob", true, err);
}

/* --- TPM quotes of go-tpm-tools --- */

/* {"quote", "rawSig", "pcrs": {"hash": "SHA256", "pcrs": {"0": base64}}}: the one of SHA-256. */
static const json_t *quote_of_sha256(const json_t *quotes)
{
    size_t i;
    json_t *quote;

    json_array_foreach (quotes, i, quote) {
        const json_t *hash = json_object_get(json_object_get(quote, "pcrs"), "hash");
        if ((json_is_string(hash) && strcmp(json_string_value(hash), "SHA256") == 0) ||
            (json_is_integer(hash) && json_integer_value(hash) == 0x000b))
            return quote;
    }
    return NULL;
}

static bool values_in_hex(const json_t *values, json_t *bank, struct clo_error *err)
{
    const char *key;
    json_t *ignored;

    json_object_foreach ((json_t *)(uintptr_t)values, key, ignored) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        if (!import_base64(values, key, &bytes, err))
            return clo_wrap(err, "PCR values");
        if (json_object_set_new(bank, key, clo_json_hex(clo_buffer_bytes(&bytes))) != 0)
            return clo_out_of_memory(err);
    }
    return true;
}

static bool add_certificate(const json_t *value, struct clo_buffer *pem, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };

    return import_value(value, 0, &der, err) &&
           (der.size == 0 || clo_pem_write("CERTIFICATE", clo_buffer_bytes(&der), pem, err));
}

/* The leaf, and those above it. */
static bool add_ak_certificates(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    const json_t *leaf = json_object_get(json, "akCert");
    size_t i;
    json_t *issuer;

    if (leaf == NULL || json_is_null(leaf) || json_string_length(leaf) == 0)
        return true;
    if (!add_certificate(leaf, &pem, err))
        return clo_wrap(err, "\"akCert\"");
    json_array_foreach (json_object_get(json, "intermediateCerts"), i, issuer)
        if (!add_certificate(issuer, &pem, err))
            return clo_wrap(err, "\"intermediateCerts\"");
    return pem.size == 0 ||
           import_add(out, CLO_EVIDENCE_TPM_AK_CERTIFICATES, clo_buffer_bytes(&pem), err);
}

static bool take_go_tpm(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    const json_t *quote = quote_of_sha256(json_object_get(json, "quotes"));
    const json_t *values = json_object_get(json_object_get(quote, "pcrs"), "pcrs");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *bank = json_object();

    if (quote == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "\"quotes\": none of SHA-256");
    return import_base64(quote, "quote", &message, err) &&
           import_base64(quote, "rawSig", &signature, err) && values_in_hex(values, bank, err) &&
           import_add_quote(out, clo_buffer_bytes(&message), clo_buffer_bytes(&signature), bank,
                            err) &&
           import_add_member(out, CLO_EVIDENCE_EVENTLOG, json, "eventLog", true, err) &&
           import_add_member(out, CLO_EVIDENCE_TPM_AK, json, "akPub", true, err) &&
           add_ak_certificates(json, out, err);
}

/* --- Known by name alone --- */

static bool take_name(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    (void)json;
    (void)err;
    out->kind = CLO_IMPORT_OTHER;
    return true;
}

static bool refuse_sample(const json_t *json, struct clo_import *out, struct clo_error *err)
{
    (void)json;
    (void)out;
    return clo_fail(err, CLO_ERR_REFUSED, "no hardware signed it");
}

#define VERIFY_SNP   "cloister verify snp FILE"
#define VERIFY_TDX   "cloister verify tdx FILE"
#define VERIFY_AZURE "cloister verify azure FILE"
#define VERIFY_AK    "cloister verify tpm --ak FILE"
#define VERIFY_TPM   "cloister verify tpm FILE --ak KEY"

/* In this order, since some have members of others besides their own. */
static const struct document {
    const char *members[4];
    const char *what, *form, *command;
    bool (*take)(const json_t *json, struct clo_import *out, struct clo_error *err);
} documents[] = {
    { { "cloister_policy" }, "a policy", "JSON", "cloister policy check FILE", take_name },
    { { "cloister_reference" }, "reference values", "JSON", "--reference FILE", take_name },
    { { "__cmwc_t" }, "a bundle of evidence", "JSON", "cloister verify FILE", take_bundle },
    { { "vcekCert" },
      "an SEV-SNP certificate chain",
      "JSON of Azure's metadata service",
      VERIFY_SNP " --cert",
      take_thim },
    { { "attestation_report" },
      "an SEV-SNP report",
      "JSON of Trustee's clients",
      VERIFY_SNP,
      take_trustee_snp },
    { { "snp-report" }, "an SEV-SNP report", "JSON of SVSM's proxy", VERIFY_SNP, take_svsm },
    { { "hcl_report", "tpm_quote" },
      "evidence of an Azure confidential VM",
      "JSON of Trustee's clients",
      VERIFY_AZURE,
      take_azure_v1 },
    { { "report", "quote", "vcek" },
      "evidence of an Azure confidential VM",
      "JSON of Trustee's clients, first form",
      VERIFY_AZURE,
      take_azure_v0 },
    { { "tpm_quote", "ak_public" },
      "a TPM quote",
      "JSON of Trustee's clients",
      VERIFY_TPM,
      take_trustee_tpm },
    { { "tee-evidence" },
      "a request to attest",
      "JSON of Trustee's protocol",
      "cloister verify FILE",
      take_request },
    { { "svn", "report_data" }, "Trustee's sample evidence", "JSON", NULL, refuse_sample },
    { { "quote", "cc_eventlog" },
      "a TDX quote",
      "JSON of Trustee's clients",
      VERIFY_TDX,
      take_trustee_tdx },
    { { "quote", "event_log" }, "a TDX quote", "JSON of dstack", VERIFY_TDX, take_dstack },
    { { "quote", "vm_config" }, "a TDX quote", "JSON of dstack", VERIFY_TDX, take_quote },
    { { "tdx" }, "a TDX quote", "JSON of Intel Trust Authority's clients", VERIFY_TDX, take_ita },
    { { "quote" }, "a TDX quote", "JSON of Azure's metadata service", VERIFY_TDX, take_quote },
    { { "tdQuoteBody", "signedData" },
      "a TDX quote",
      "JSON of go-tdx-guest",
      VERIFY_TDX,
      take_go_tdx },
    { { "report", "certificateChain" },
      "an SEV-SNP report",
      "JSON of go-sev-guest",
      VERIFY_SNP,
      take_go_snp },
    { { "outblob", "provider" },
      "a hardware report",
      "JSON of configfs-tsm's files",
      "cloister verify FILE",
      take_tsm },
    { { "quotes", "akPub" }, "a TPM quote", "JSON of go-tpm-tools", VERIFY_TPM, take_go_tpm },
    { { "publicArea" }, "a public key", "JSON of the TSS", VERIFY_AK, import_key_tss },
    { { "type", "nameAlg", "unique" },
      "a public key",
      "JSON of the TSS",
      VERIFY_AK,
      import_key_tss },
    { { "kty", "n" }, "a public key", "JWK", VERIFY_AK, import_key_jwk },
    { { "kty", "crv" }, "a public key", "JWK", VERIFY_AK, import_key_jwk },
    { { "tcbInfo" }, "Intel's TCB info", "JSON", VERIFY_TDX " --collateral", take_name },
    { { "enclaveIdentity" }, "Intel's QE identity", "JSON", VERIFY_TDX " --collateral", take_name },
    { { "fmspc", "tcbLevels" },
      "Intel's TCB info",
      "JSON, without its signature",
      VERIFY_TDX " --collateral",
      take_name },
    { { "mrsigner", "tcbLevels" },
      "Intel's QE identity",
      "JSON, without its signature",
      VERIFY_TDX " --collateral",
      take_name },
    { { "tcb_info" }, "Intel's collateral", "JSON", VERIFY_TDX " --collateral", take_name },
    { { "variables", "version" },
      "a variable store",
      "JSON of virt-firmware",
      "cloister secureboot show FILE",
      take_name },
    { { "sha256" }, "PCR values", "JSON", "cloister verify tpm --pcrs FILE", take_name },
    { { "sha384" }, "PCR values", "JSON", "cloister verify tpm --pcrs FILE", take_name },
    { { "submods" }, "an attestation result", "JSON", NULL, take_name },
    { { "ear_status" }, "an attestation result", "JSON", NULL, take_name },
};

static bool has_members(const json_t *json, const char *const *members, size_t count)
{
    for (size_t i = 0; i < count && members[i] != NULL; i++)
        if (json_object_get(json, members[i]) == NULL)
            return false;
    return true;
}

bool import_document(const json_t *json, struct clo_import *out, bool *known, struct clo_error *err)
{
    for (size_t i = 0; json_is_object(json) && i < CLO_COUNT(documents); i++) {
        const struct document *document = &documents[i];
        if (!has_members(json, document->members, CLO_COUNT(document->members)))
            continue;
        *known = true;
        /* What is inside a request has its own name. */
        if (document->take != take_request) {
            import_wrapped(out, document->form);
            out->what = document->what;
            out->command = document->command;
        } else {
            import_wrapped(out, "a request to attest");
        }
        return document->take(json, out, err) ||
               clo_wrap(err, "%s (%s)", document->what, document->form);
    }
    *known = false;
    return true;
}
