#include "lib/evidence/import.h"

#include <string.h>

#include "cloister/ccel.h"
#include "cloister/cel.h"
#include "cloister/encoding.h"
#include "cloister/hcl.h"
#include "cloister/quote.h"
#include "cloister/tdx.h"
#include "import_internal.h"
#include "lib/cloud/gce_endorsement.h"
#include "lib/cloud/uvm_endorsement.h"
#include "lib/evidence/systemd_report.h"

void clo_import_free(struct clo_import *import)
{
    clo_evidence_free(import->evidence);
    clo_snp_certificates_free(&import->certificates);
    clo_public_key_free(import->key);
    clo_buffer_free(&import->tpm_public);
    *import = (struct clo_import){ 0 };
}

/* --- Bytes that begin with what they are --- */

static bool begins(struct clo_bytes in, size_t at, const void *magic, size_t size)
{
    return in.size >= at && in.size - at >= size && memcmp(in.data + at, magic, size) == 0;
}

/* A version in 32 bits: where a quote has its key's type it has zeros. In the firmware's response it comes after
 * status and size. */
static bool is_snp(struct clo_bytes in)
{
    return in.size >= CLO_SNP_REPORT_SIZE && ((in.data[0] != 0 && begins(in, 1, "\0\0", 3)) ||
                                              begins(in, 0, "\0\0\0\0\xa0\x04\0", 8));
}

/* Versions 3 to 5 of Intel's quotes, and the type of a key. */
static bool is_quote(struct clo_bytes in)
{
    return in.size >= 48 && in.data[0] >= 3 && in.data[0] <= 5 && in.data[1] == 0 &&
           (in.data[2] != 0 || in.data[3] != 0);
}

static bool is_tdreport(struct clo_bytes in)
{
    return in.size == CLO_TDX_REPORT_SIZE && in.data[0] == CLO_TDX_TEE_TYPE;
}

static bool is_hcl(struct clo_bytes in)
{
    return begins(in, 0, "HCLA", 4);
}

static bool is_attest(struct clo_bytes in)
{
    return begins(clo_import_attest(in), 0, "\xffTCG", 4);
}

static bool is_signature(struct clo_bytes in)
{
    struct clo_quote_signature parsed;
    struct clo_error ignored;

    return in.size > 6 && in.data[0] == 0 && clo_quote_signature_parse(in, &parsed, &ignored);
}

/* Commands write a line's end after bytes, too. */
static bool take_snp(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    struct clo_bytes report;
    struct clo_bytes table;

    if (in.size == CLO_SNP_REPORT_SIZE + 1 && in.data[CLO_SNP_REPORT_SIZE] == '\n')
        in.size--;
    return clo_snp_unwrap(in, &report, &table, err) &&
           import_add(out, CLO_EVIDENCE_SNP_REPORT, report, err) &&
           (table.size == 0 || import_add(out, CLO_EVIDENCE_SNP_CERTIFICATES, table, err));
}

static bool take_quote(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    return import_add(out, CLO_EVIDENCE_TDX_QUOTE, in, err);
}

static bool take_hcl(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    return import_add(out, CLO_EVIDENCE_HCL_REPORT, in, err);
}

static bool take_attest(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    return import_add(out, CLO_EVIDENCE_TPM_QUOTE, clo_import_attest(in), err);
}

static bool take_name(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    (void)in;
    (void)err;
    out->kind = CLO_IMPORT_OTHER;
    return true;
}

/* Asked first: those of TDs begin with a small number, too. */
static bool is_eventlog(struct clo_bytes in)
{
    return begins(in, 32, "Spec ID Event03", 15);
}

/* After its time, and perhaps the attributes that authvar and efivarfs put before that: they are small numbers, too. */
static bool is_auth(struct clo_bytes in)
{
    static const uint8_t certificate[] = { 0x00, 0x02, 0xf1, 0x0e };

    return begins(in, 20, certificate, sizeof certificate) ||
           begins(in, 24, certificate, sizeof certificate);
}

static const struct {
    const char *what, *command;
    bool (*is)(struct clo_bytes in);
    bool (*take)(struct clo_bytes in, struct clo_import *out, struct clo_error *err);
} kinds[] = {
    { "a TCG event log", "cloister eventlog show FILE", is_eventlog, take_name },
    { "a signed report of systemd-report", "cloister verify systemd-report FILE", systemd_report_is,
      take_name },
    { "an authenticated EFI variable", "cloister secureboot show FILE", is_auth, take_name },
    { "an SEV-SNP report", "cloister verify snp FILE", is_snp, take_snp },
    { "a TDX quote", "cloister verify tdx FILE", is_quote, take_quote },
    { "a TDREPORT, which nobody but its own machine can verify", "cloister evidence show FILE",
      is_tdreport, take_name },
    { "an HCL report of an Azure confidential VM", "cloister verify azure --hcl FILE", is_hcl,
      take_hcl },
    { "a TPM quote", "cloister verify tpm --quote FILE", is_attest, take_attest },
    { "a TPM's signature", "cloister verify tpm --signature FILE", is_signature, take_name },
};

/* Known by their first bytes, and for other commands. */
static const struct {
    size_t at, size;
    const char *magic;
    const char *what, *command;
} names[] = {
    { 0, 4, "CCEL", "the ACPI table of a TD's event log, not the log", NULL },
    { 0, 2, "MZ", "an EFI image", "cloister uki inspect FILE" },
    { 40, 4, "_FVH", "a firmware volume", "cloister secureboot show FILE" },
    { 0, 8, "AMZNUEFI", "a variable store of AWS (uefi-data)", "cloister secureboot show FILE" },
    { 0, 16, "\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72",
      "an EFI signature list", "cloister secureboot show FILE" },
    { 0, 16, "\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28",
      "an EFI signature list", "cloister secureboot show FILE" },
    { 0, 4, "IGVM", "an IGVM file", "cloister measure snp --igvm FILE" },
    { 0, 4,
      "\x7f"
      "ELF",
      "an ELF program", NULL },
    { 0, 2, "\x1f\x8b", "a gzip file: unpack it first", NULL },
    { 0, 4, "\x28\xb5\x2f\xfd", "a zstd file: unpack it first", NULL },
    { 0, 6,
      "\xfd"
      "7zXZ\0",
      "an xz file: unpack it first", NULL },
    { 0, 4, "PK\x03\x04", "a ZIP archive: unpack it first", NULL },
    { 0, 4, "QFI\xfb", "a qcow2 image", "cloister image inspect FILE" },
    { 0, 8, "vhdxfile", "a VHDX image", "cloister image inspect FILE" },
    { 0, 8, "conectix", "a VHD image", "cloister image inspect FILE" },
    { 0, 4, "KDMV", "a VMDK image", "cloister image inspect FILE" },
    { 512, 8, "EFI PART", "a disk with a partition table", "cloister image inspect FILE" },
    { 1080, 2, "\x53\xef", "an ext4 file system", "cloister image build FILE" },
    { 0, 4, "XFSB", "an XFS file system", "cloister image inspect FILE" },
    { 0, 6, "LUKS\xba\xbe", "a LUKS volume", NULL },
    { 0, 3, "\xd9\x01\xf5", "reference values as CoRIM", NULL },
    { 0, 3, "eyJ", "a JSON web token: what another verifier answered", NULL },
};

static bool take_magic(struct clo_bytes in, struct clo_import *out)
{
    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (begins(in, names[i].at, names[i].magic, names[i].size)) {
            out->kind = CLO_IMPORT_OTHER;
            out->what = names[i].what;
            out->command = names[i].command;
            return true;
        }
    return false;
}

static bool has(struct clo_bytes in, const char *text)
{
    return in.size > 0 && memmem(in.data, in.size, text, strlen(text)) != NULL;
}

/* COSE_Sign1 (RFC 9052), tagged or not: an array of four, whose first is a map in a byte string. What is signed says
 * what it is. */
static bool take_cose(struct clo_bytes in, struct clo_import *out, bool *known,
                      struct clo_error *err)
{
    struct clo_bytes array = begins(in, 0, "\xd2", 1) ? clo_bytes_slice(in, 1, in.size) : in;
    struct clo_uvm_endorsement endorsement;
    struct clo_error ignored;

    *known = begins(array, 0, "\x84", 1) && array.size >= 4 && (array.data[1] & 0xe0) == 0x40;
    if (!*known)
        return true;
    if (has(in, "module_id") && has(in, "cabundle")) {
        out->what = has(in, "nitrotpm_pcrs") ? "an attestation document of AWS's NitroTPM"
                                             : "an attestation document of AWS Nitro Enclaves";
        out->command = "cloister verify nitro FILE";
        return import_add(out, CLO_EVIDENCE_NITRO_DOCUMENT, in, err);
    }
    out->kind = CLO_IMPORT_OTHER;
    if (!clo_uvm_endorsement_parse(in, &endorsement, &ignored)) {
        out->what = "a signed CBOR message (COSE)";
        return true;
    }
    clo_uvm_endorsement_free(&endorsement);
    out->what = "an endorsement of Azure's utility VM (UVM)";
    out->command = "cloister verify snp REPORT --endorsement FILE";
    return true;
}

/* --- Keys and certificates --- */

static bool take_key(struct clo_bytes in, struct clo_import *out, bool *known,
                     struct clo_error *err)
{
    struct clo_error ignored;

    *known = true;
    out->kind = CLO_IMPORT_KEY;
    out->what = "a public key";
    out->command = "cloister verify tpm --ak FILE";
    if (has(in, "-----BEGIN PUBLIC KEY")) {
        import_wrapped(out, "PEM");
        return clo_public_key_from_pem(in, &out->key, err);
    }
    if (clo_public_key_from_spki(in, &out->key, &ignored)) {
        import_wrapped(out, "DER");
        return true;
    }
    if (import_tpm_public(in, out, &ignored)) {
        import_wrapped(out, "TPMT_PUBLIC");
        return true;
    }
    *known = false;
    return true;
}

static bool take_certificates(struct clo_bytes in, struct clo_import *out, bool *known,
                              struct clo_error *err)
{
    if (!import_certificates(in, &out->certificates, known, err))
        return false;
    if (!*known)
        return true;
    size_t count = out->certificates.count;
    out->kind = CLO_IMPORT_CERTIFICATES;
    out->what = count == 0 ? "a revocation list" : count == 1 ? "a certificate" : "certificates";
    out->command = count == 0 ? "--crl FILE" : "--cert FILE";
    return true;
}

/* --- Everything --- */

static bool read_layer(struct clo_bytes in, unsigned layer, struct clo_import *out,
                       struct clo_error *err);

static bool take_json(struct clo_bytes in, unsigned layer, struct clo_import *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error ignored;
    bool known = false;

    if (!clo_json_parse_bounded(in, CLO_JSON_VALUES_MAX, &json, err))
        return clo_wrap(err, "JSON");
    if (!import_document(json, out, &known, err))
        return false;
    if (known)
        return true;
    if (json_is_array(json) && json_is_integer(json_array_get(json, 0)) &&
        import_value(json, 0, &bytes, &ignored)) {
        import_wrapped(out, "an array of bytes");
        return read_layer(clo_buffer_bytes(&bytes), layer + 1, out, err);
    }
    out->kind = CLO_IMPORT_OTHER;
    out->what = json_is_array(json) ? "a JSON array" : CLO_IMPORT_OTHER_JSON;
    if (json_string_length(json_array_get(json, 0)) == 64 &&
        json_array_size(json) <= CLO_PCR_COUNT) {
        out->what = "PCR values";
        out->command = "cloister verify tpm --pcrs FILE";
        import_wrapped(out, "JSON");
    }
    return true;
}

/* Of PEM in JSON the lines are joined otherwise. */
static bool is_json(struct clo_bytes in)
{
    struct clo_bytes text = import_trim(in);

    return text.size > 0 && (text.data[0] == '{' || text.data[0] == '[') && import_is_text(text);
}

static bool take_endorsement(struct clo_bytes in, struct clo_import *out)
{
    struct clo_gce_endorsement endorsement;
    struct clo_error ignored;

    if (!clo_gce_endorsement_parse(in, &endorsement, &ignored))
        return false;
    out->kind = CLO_IMPORT_OTHER;
    out->what = "a launch endorsement of Google's firmware";
    out->command = "cloister verify snp REPORT --endorsement FILE";
    return true;
}

static bool take_proto(struct clo_bytes in, struct clo_import *out, bool *known,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = import_proto(in);

    *known = false;
    if (json == NULL)
        return true;
    import_wrapped(out, "protobuf");
    if (!import_document(json, out, known, err))
        return false;
    if (!*known)
        out->form[0] = '\0';
    return true;
}

/* Text that stands for bytes, if these are something. */
static bool take_encoded(struct clo_bytes in, unsigned layer, struct clo_import *out,
                         struct clo_error *err)
{
    for (int form = 0; form < IMPORT_FORMS; form++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        const char *name;
        if (!import_decode(in, (enum import_form)form, &bytes, &name))
            continue;
        import_wrapped(out, name);
        if (!read_layer(clo_buffer_bytes(&bytes), layer + 1, out, err))
            return false;
        if (out->kind != CLO_IMPORT_UNKNOWN)
            return true;
        clo_import_free(out);
    }
    return true;
}

static bool take_text(struct clo_bytes in, unsigned layer, struct clo_import *out,
                      struct clo_error *err)
{
    in = import_trim(in);
    if (in.size == 0)
        return true;
    if (has(in, "PRIVATE KEY-----")) {
        out->kind = CLO_IMPORT_OTHER;
        out->what = "a private key";
        return true;
    }
    return layer == IMPORT_LAYERS_MAX || take_encoded(in, layer, out, err);
}

static bool read_layer(struct clo_bytes in, unsigned layer, struct clo_import *out,
                       struct clo_error *err)
{
    bool known = false;

    if (layer > IMPORT_LAYERS_MAX)
        return true;
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        if (!kinds[i].is(in))
            continue;
        out->what = kinds[i].what;
        out->command = kinds[i].command;
        return kinds[i].take(in, out, err);
    }
    if (is_json(in))
        return take_json(import_trim(in), layer, out, err);
    if (!take_certificates(in, out, &known, err))
        return false;
    if (!known && !take_key(in, out, &known, err))
        return false;
    if (known)
        return true;
    out->kind = CLO_IMPORT_UNKNOWN;
    out->what = out->command = NULL;
    if (take_magic(in, out))
        return true;
    if (!take_cose(in, out, &known, err))
        return false;
    if (known)
        return true;
    if (take_endorsement(in, out))
        return true;
    if (!take_proto(in, out, &known, err))
        return false;
    if (known)
        return true;
    return !import_is_text(in) || take_text(in, layer, out, err);
}

bool clo_import_read(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (in.size > CLO_IMPORT_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, at most %zu expected", in.size,
                        CLO_IMPORT_LIMIT);
    if (in.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "is empty");
    if (!read_layer(in, 0, &import, err))
        return false;
    *out = import;
    import = (struct clo_import){ 0 };
    return true;
}

/* --- What was wanted --- */

void clo_import_words(const struct clo_import *import, struct clo_buffer *out)
{
    if (import->kind == CLO_IMPORT_UNKNOWN) {
        clo_buffer_text(out, "in none of the forms that are known");
        return;
    }
    clo_buffer_text(out, import->what);
    if (import->form[0] != '\0')
        clo_buffer_printf(out, " (%s)", import->form);
}

bool clo_import_refuse(const struct clo_import *import, const char *wanted, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer words = { 0 };

    if (import->kind == CLO_IMPORT_UNKNOWN)
        return clo_fail(err, CLO_ERR_FORMAT, "is not %s in any form that is known", wanted);
    clo_import_words(import, &words);
    if (clo_buffer_string(&words) == NULL)
        return clo_out_of_memory(err);
    return clo_fail(err, CLO_ERR_FORMAT, "is %s, not %s%s%s%s", clo_buffer_string(&words), wanted,
                    import->command == NULL ? "" : ": ",
                    import->command == NULL ? "" : import->command,
                    import->command == NULL ? "" : " takes it");
}

static const char *name_of(const char *label)
{
    static const struct {
        const char *label, *name;
    } known[] = {
        { CLO_EVIDENCE_SNP_REPORT, "an SEV-SNP report" },
        { CLO_EVIDENCE_TDX_QUOTE, "a TDX quote" },
        { CLO_EVIDENCE_HCL_REPORT, "an HCL report" },
        { CLO_EVIDENCE_TPM_QUOTE, "a TPM quote" },
    };

    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (strcmp(known[i].label, label) == 0)
            return known[i].name;
    return label;
}

/* Of what is not recognised the parser of what was wanted says best what is wrong with it. */
static bool why_not(struct clo_bytes in, const char *label, struct clo_error *err)
{
    const struct clo_import unknown = { 0 };
    struct clo_snp_report report;
    struct clo_tdx_quote quote;
    struct clo_quote attest;
    struct clo_hcl hcl;

    if (!import_is_text(in)) {
        if (strcmp(label, CLO_EVIDENCE_SNP_REPORT) == 0 && !clo_snp_parse(in, &report, err))
            return false;
        if (strcmp(label, CLO_EVIDENCE_TDX_QUOTE) == 0 && !clo_tdx_parse(in, &quote, err))
            return false;
        if (strcmp(label, CLO_EVIDENCE_TPM_QUOTE) == 0 && !clo_quote_parse(in, &attest, err))
            return false;
        if (strcmp(label, CLO_EVIDENCE_HCL_REPORT) == 0 && !clo_hcl_parse(in, &hcl, err))
            return false;
    }
    return clo_import_refuse(&unknown, name_of(label), err);
}

bool clo_import_evidence(struct clo_bytes in, const char *label, struct clo_import *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!clo_import_read(in, &import, err))
        return false;
    if (import.kind == CLO_IMPORT_UNKNOWN)
        return why_not(in, label, err);
    if (import.kind != CLO_IMPORT_EVIDENCE || !clo_evidence_has(import.evidence, label))
        return clo_import_refuse(&import, name_of(label), err);
    *out = import;
    import = (struct clo_import){ 0 };
    return true;
}

/* Where certificates come along with a report they are as good as by themselves. */
static bool certificates_of_evidence(struct clo_import *import, struct clo_error *err)
{
    struct clo_bytes bytes = clo_evidence_get(import->evidence, CLO_EVIDENCE_SNP_CERTIFICATES);

    return clo_snp_certificates_add_table(&import->certificates, bytes, err);
}

bool clo_import_certificates(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!clo_import_read(in, &import, err))
        return false;
    bool is_with = import.kind == CLO_IMPORT_EVIDENCE &&
                   clo_evidence_has(import.evidence, CLO_EVIDENCE_SNP_CERTIFICATES);
    if (is_with && !certificates_of_evidence(&import, err))
        return false;
    if (import.kind != CLO_IMPORT_CERTIFICATES && !is_with)
        return clo_import_refuse(&import, "certificates or a revocation list", err);
    *out = import;
    import = (struct clo_import){ 0 };
    return true;
}

bool clo_import_key(struct clo_bytes in, struct clo_import *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer spki = { 0 };

    if (!clo_import_read(in, &import, err))
        return false;
    if (import.kind == CLO_IMPORT_CERTIFICATES && import.certificates.count == 1) {
        if (!clo_public_key_spki(clo_certificate_key(import.certificates.items[0]), &spki, err) ||
            !clo_public_key_from_spki(clo_buffer_bytes(&spki), &import.key, err))
            return false;
    } else if (import.kind != CLO_IMPORT_KEY) {
        return clo_import_refuse(&import, "a public key or a certificate", err);
    }
    *out = import;
    import = (struct clo_import){ 0 };
    return true;
}
