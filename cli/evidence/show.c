/* cloister evidence show: what a bundle or a file says of itself; nothing of it is verified. */
#include <string.h>

#include "cli/evidence/evidence.h"
#include "cli/evidence/file.h"
#include "cloister/encoding.h"
#include "cloister/eventlog.h"
#include "cloister/evidence.h"
#include "cloister/hcl.h"
#include "cloister/quote.h"
#include "cloister/snp.h"
#include "cloister/tdx.h"
#include "cloister/userlog.h"
#include "device/file.h"
#include "lib/cloud/nitro.h"
#include "lib/snp/svsm.h"
#include "lib/tcg/tpm_public.h"

/* One line of what a member says; nothing of it is verified. */
static void describe_snp(struct clo_bytes in, struct clo_buffer *out)
{
    struct clo_snp_report report;
    struct clo_error err;
    char hex[2 * 48 + 1];

    if (!clo_snp_parse(in, &report, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    clo_buffer_printf(out, "SNP report version %u, %s, VMPL %u, measurement %.16s…", report.version,
                      clo_snp_product_name(clo_snp_report_product(&report)), report.vmpl,
                      clo_hex_text(report.measurement, hex));
}

static void describe_hcl(struct clo_bytes in, struct clo_buffer *out)
{
    struct clo_hcl hcl;
    struct clo_error err;

    if (!clo_hcl_parse(in, &hcl, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    clo_buffer_printf(out, "%zu bytes of claims; ", hcl.claims.size);
    if (hcl.report_type == CLO_HCL_SNP)
        describe_snp(hcl.hardware_report, out);
    else
        clo_buffer_text(out, "TDREPORT");
}

static void describe_svsm(struct clo_bytes in, struct clo_buffer *out)
{
    struct clo_svsm_manifest manifest;
    struct clo_error err;
    char guid[CLO_GUID_TEXT];

    if (!clo_svsm_parse(in, &manifest, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    clo_buffer_printf(out, "%zu services", manifest.count);
    for (size_t i = 0; i < manifest.count; i++)
        clo_buffer_printf(out, "; %s%s, %zu bytes", clo_guid_text(&manifest.services[i].guid, guid),
                          clo_guid_equal(&manifest.services[i].guid, &clo_svsm_vtpm) ? " (vTPM)"
                                                                                     : "",
                          manifest.services[i].manifest.size);
}

static void describe_tdx(struct clo_bytes in, struct clo_buffer *out)
{
    struct clo_tdx_quote quote;
    struct clo_error err;
    char hex[2 * CLO_TDX_REGISTER_SIZE + 1];

    if (!clo_tdx_parse(in, &quote, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    clo_buffer_printf(out, "TDX quote version %u, body type %u, MRTD %.16s…", quote.version,
                      (unsigned)quote.body.type, clo_hex_text(quote.body.mr_td, hex));
}

static void describe_quote(struct clo_bytes in, struct clo_buffer *out)
{
    struct clo_quote quote;
    struct clo_error err;

    if (!clo_quote_parse(in, &quote, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    clo_buffer_text(out, "quote");
    for (size_t i = 0; i < quote.selection_count; i++)
        clo_buffer_printf(out, " of %s PCRs 0x%06x", clo_hash_name(quote.selections[i].hash),
                          quote.selections[i].mask);
    clo_buffer_printf(out, ", %u resets, %u restarts, clock %llu ms%s, firmware 0x%016llx",
                      quote.reset_count, quote.restart_count, (unsigned long long)quote.clock,
                      quote.is_safe ? "" : " (may have gone back)",
                      (unsigned long long)quote.firmware_version);
}

static void describe_key(struct clo_bytes in, const char *what,
                         bool (*is_fit)(const struct clo_tpm_public *key, struct clo_error *err),
                         struct clo_buffer *out)
{
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public key = { 0 };
    struct clo_error err;

    if (!clo_tpm_public_read(in, &key, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    clo_buffer_printf(out, "%s key of %u bits, name of %s, attributes 0x%08x: %s",
                      clo_public_key_kind(key.key) == CLO_KEY_RSA ? "RSA" : "ECC",
                      clo_public_key_bits(key.key), clo_hash_name(key.name_hash), key.attributes,
                      is_fit(&key, &err) ? what : err.text);
}

static void describe_ak(struct clo_bytes in, struct clo_buffer *out)
{
    describe_key(in, "an attestation key", clo_tpm_public_attests, out);
}

static void describe_ek(struct clo_bytes in, struct clo_buffer *out)
{
    describe_key(in, "an endorsement key", clo_tpm_public_endorses, out);
}

static void describe_nitro(struct clo_bytes in, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_nitro_free) struct clo_nitro_document document = { .tree = NULL };
    struct clo_error err;

    if (!clo_nitro_parse(in, &document, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    clo_buffer_printf(out, "%s %s, PCRs 0x%08x, made %lld",
                      document.is_tpm ? "NitroTPM of instance" : "enclave", document.module_id,
                      document.pcr_mask, (long long)document.timestamp);
}

static void describe_certificates(struct clo_bytes in, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_error err;

    if (!clo_snp_certificates_add(&certificates, in, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    for (size_t i = 0; i < certificates.count; i++)
        clo_buffer_printf(out, "%s%s", i == 0 ? "" : "; ",
                          clo_certificate_subject(certificates.items[i]));
}

static void describe_eventlog(struct clo_bytes in, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;

    if (!clo_eventlog_parse(in, &log, &err))
        clo_buffer_text(out, err.text);
    else
        clo_buffer_printf(out, "%zu events", clo_eventlog_count(log));
}

static void describe_userlog(struct clo_bytes in, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = NULL;
    struct clo_error err;

    if (!clo_userlog_parse(in, &log, &err)) {
        clo_buffer_text(out, err.text);
        return;
    }
    clo_buffer_printf(out, "%zu events", clo_userlog_count(log));
    for (size_t i = 0; i < clo_userlog_count(log); i++) {
        const struct clo_userlog_event *event = clo_userlog_at(log, i);
        char reg[96];
        clo_userlog_register(event, reg, sizeof reg);
        clo_buffer_printf(out, "; %s: %s", reg, event->text == NULL ? "" : event->text);
    }
}

static void describe_text(struct clo_bytes in, struct clo_buffer *out)
{
    struct clo_bytes head = clo_bytes_slice(in, 0, 100);

    clo_buffer_append(out, head);
    if (head.size < in.size)
        clo_buffer_text(out, "…");
}

static const struct {
    const char *label;
    void (*describe)(struct clo_bytes in, struct clo_buffer *out);
} descriptions[] = {
    { CLO_EVIDENCE_RUNTIME_DATA, describe_text },
    { CLO_EVIDENCE_HCL_REPORT, describe_hcl },
    { CLO_EVIDENCE_SNP_REPORT, describe_snp },
    { CLO_EVIDENCE_SNP_CERTIFICATES, describe_certificates },
    { CLO_EVIDENCE_SVSM_MANIFEST, describe_svsm },
    { CLO_EVIDENCE_TDX_QUOTE, describe_tdx },
    { CLO_EVIDENCE_TDX_CCEL, describe_eventlog },
    { CLO_EVIDENCE_TDX_COLLATERAL, describe_text },
    { CLO_EVIDENCE_TPM_QUOTE, describe_quote },
    { CLO_EVIDENCE_TPM_PCRS, describe_text },
    { CLO_EVIDENCE_TPM_AK, describe_ak },
    { CLO_EVIDENCE_TPM_AK_CERTIFICATES, describe_certificates },
    { CLO_EVIDENCE_TPM_EK, describe_ek },
    { CLO_EVIDENCE_TPM_EK_CERTIFICATES, describe_certificates },
    { CLO_EVIDENCE_NITRO_DOCUMENT, describe_nitro },
    { CLO_EVIDENCE_EVENTLOG, describe_eventlog },
    { CLO_EVIDENCE_USERSPACE_LOG, describe_userlog },
};

static bool describe(const char *label, struct clo_bytes bytes, struct clo_buffer *out,
                     struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(descriptions); i++)
        if (strcmp(descriptions[i].label, label) == 0)
            descriptions[i].describe(bytes, out);
    if (clo_buffer_string(out) == NULL)
        return clo_out_of_memory(err);
    clo_sanitize((char *)out->data);
    return true;
}

static bool show(const struct clo_evidence *evidence, bool as_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *members = json_array();

    for (size_t i = 0; i < clo_evidence_count(evidence); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        const char *media_type;
        struct clo_bytes bytes;
        const char *label = clo_evidence_at(evidence, i, &media_type, &bytes);
        clo_buffer_reserve(&text, 1);
        if (!describe(label, bytes, &text, err))
            return false;
        const char *description = clo_buffer_string(&text);
        if (!as_json) {
            printf("%-16s  %7zu bytes  %s\n", label, bytes.size, description);
            continue;
        }
        json_t *member = json_pack("{s:s,s:s,s:I,s:s}", "label", label, "media_type", media_type,
                                   "size", (json_int_t)bytes.size, "summary", description);
        if (json_array_append_new(members, member) != 0)
            return clo_out_of_memory(err);
    }
    if (!as_json) {
        printf("Nothing of this is verified: that is for 'cloister verify'.\n");
        return true;
    }
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s,s:b,s:O}", "type", CLO_EVIDENCE_TYPE, "verified", 0, "members",
                             members);
    return cli_print_json(json, err);
}

/* One line a field; one within another is named "reported_tcb.snp". What is made of evidence is a few
 * levels deep, whatever the evidence says. */
static bool print_field(const char *name, json_t *value, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *key;
    json_t *item;
    size_t i;
    char inner[160];

    if (json_is_object(value)) {
        json_object_foreach (value, key, item) {
            snprintf(inner, sizeof inner, "%s%s%s", name, name[0] == '\0' ? "" : ".", key);
            if (!print_field(inner, item, err))
                return false;
        }
        return true;
    }
    if (json_is_array(value)) {
        json_array_foreach (value, i, item) {
            snprintf(inner, sizeof inner, "%s.%zu", name, i);
            if (!print_field(inner, item, err))
                return false;
        }
        return true;
    }
    if (json_is_string(value))
        clo_buffer_text(&text, json_string_value(value));
    else if (!clo_json_write(value, &text, err))
        return false;
    printf("%-36s  %s\n", name, clo_buffer_string(&text));
    return true;
}

static bool print_fields(json_t *fields, struct clo_error *err)
{
    if (!print_field("", fields, err))
        return false;
    printf("Nothing of this is verified: that is for 'cloister verify'.\n");
    return true;
}

/* Report and quote by themselves, and certificates, field by field; of several pieces a line each. */
static bool show_import(const struct clo_import *import, bool as_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *fields = NULL;

    if (import->form[0] != '\0' && !as_json)
        printf("%-36s  %s\n", "form", import->form);
    if (!evidence_file_json(import, &fields, err))
        return false;
    if (fields != NULL)
        return as_json ? cli_print_json(fields, err) : print_fields(fields, err);
    if (import->kind == CLO_IMPORT_EVIDENCE)
        return show(import->evidence, as_json, err);
    return clo_import_refuse(import, "evidence", err);
}

static bool show_file(const char *path, bool as_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *fields = NULL;
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!clo_file_read(path, CLO_IMPORT_LIMIT, &file, err))
        return false;
    struct clo_bytes in = clo_buffer_bytes(&file);
    if (in.size == CLO_TDX_REPORT_SIZE && in.data[0] == CLO_TDX_TEE_TYPE)
        return (evidence_file_tdreport(in, &fields, err) &&
                (as_json ? cli_print_json(fields, err) : print_fields(fields, err))) ||
               clo_wrap(err, "%s", path);
    return (clo_import_read(in, &import, err) && show_import(&import, as_json, err)) ||
           clo_wrap(err, "%s", path);
}

int cmd_evidence_show(int argc, char **argv)
{
    bool as_json = false;
    const struct cli_option options[] = {
        { .name = "--json", .help = "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "evidence show",
        .arguments = "BUNDLE|FILE",
        .operands = { "one bundle or file", 1, 1 },
        .summary = "Shows what a bundle of evidence holds, or every field of an SEV-SNP report, of "
                   "certificates,\nof a TDX quote or a TDREPORT, in any form that is known, "
                   "without verifying any of it.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister evidence show evidence.json\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!show_file(operands.items[0], as_json, &err))
        return cli_fail("evidence show", &err);
    return CLI_YES;
}
