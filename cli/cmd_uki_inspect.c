#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "cloister/authenticode.h"
#include "cloister/encoding.h"
#include "cloister/uki.h"
#include "device/file.h"

#define TEXT_MAX 4096

/* What there is to see of one image, gathered once for both ways of printing it. */
struct inspected {
    const char *path;
    struct clo_uki uki; /* .pe alone counts when it is no UKI */
    bool is_uki;
    struct clo_digest digest; /* Authenticode, SHA-256 */
    char cmdline[TEXT_MAX];
    char uname[256];
    char system[256]; /* the os-release's name */
};

/* A section as one line of text; its trailing NULs and line ends do not count. */
static void section_text(const struct clo_pe *pe, const char *name, char *out, size_t size)
{
    const struct clo_pe_section *section = clo_pe_section_find(pe, name);
    size_t length = section == NULL ? 0 : section->data.size;

    while (length > 0 && strchr("\n\r ", section->data.data[length - 1]) != NULL)
        length--;
    length = length < size ? length : size - 1;
    if (length > 0)
        memcpy(out, section->data.data, length);
    out[length] = '\0';
    clo_sanitize(out);
}

/* os-release(5): PRETTY_NAME, else NAME; the quotes taken off. */
static void system_name(const struct clo_pe *pe, char *out, size_t size)
{
    static const char *const keys[] = { "PRETTY_NAME=", "NAME=" };
    const struct clo_pe_section *section = clo_pe_section_find(pe, ".osrel");

    out[0] = '\0';
    for (size_t k = 0; section != NULL && k < CLO_COUNT(keys) && out[0] == '\0'; k++) {
        struct clo_bytes left = section->data;
        while (left.size > 0) {
            const uint8_t *end = memchr(left.data, '\n', left.size);
            size_t length = end == NULL ? left.size : (size_t)(end - left.data);
            size_t key = strlen(keys[k]);
            if (length > key && memcmp(left.data, keys[k], key) == 0) {
                const char *value = (const char *)left.data + key;
                size_t value_size = length - key;
                if (value_size >= 2 && strchr("\"'", value[0]) != NULL &&
                    value[value_size - 1] == value[0]) {
                    value++;
                    value_size -= 2;
                }
                snprintf(out, size, "%.*s", (int)(value_size < size ? value_size : size - 1),
                         value);
                clo_sanitize(out);
            }
            left = clo_bytes_slice(left, length + 1, left.size);
        }
    }
}

static bool inspect(const char *path, struct clo_bytes image, struct inspected *out,
                    struct clo_error *err)
{
    out->path = path;
    if (!clo_pe_parse(image, &out->uki.pe, err))
        return clo_wrap(err, "%s", path);
    out->is_uki = clo_pe_section_find(&out->uki.pe, ".linux") != NULL;
    if (out->is_uki && !clo_uki_parse(image, &out->uki, err))
        return clo_wrap(err, "%s", path);
    if (!clo_authenticode_digest(&out->uki.pe, CLO_HASH_SHA256, &out->digest, err))
        return clo_wrap(err, "%s", path);
    section_text(&out->uki.pe, ".cmdline", out->cmdline, sizeof out->cmdline);
    section_text(&out->uki.pe, ".uname", out->uname, sizeof out->uname);
    system_name(&out->uki.pe, out->system, sizeof out->system);
    return true;
}

static const char *machine_name(const struct clo_pe *pe)
{
    return pe->machine == CLO_PE_MACHINE_X86_64 ? "x86-64" : "aarch64";
}

/* The n-th certificate that came with a signature, and whether its key signed this very image.
 * Anybody can put anything there: who it is, only `uki verify` says. */
static bool signer_at(const struct clo_pe *pe, size_t index, struct clo_certificate **out,
                      bool *signed_this)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_error err;
    enum clo_hash hash;

    *signed_this = false;
    *out = NULL;
    if (!clo_authenticode_certificate(pe, index, &der))
        return false;
    if (clo_certificate_parse(clo_buffer_bytes(&der), &certificate, &err)) {
        *signed_this = clo_authenticode_verify(pe, certificate, &hash, &err);
        *out = CLO_TAKE(certificate);
    }
    return true;
}

static void fingerprint(struct clo_bytes in, char *hex)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, in, &digest);
    clo_hex_text(clo_digest_bytes(&digest), hex);
}

/* --- Printing --- */

static void print_text(const struct inspected *in)
{
    const struct clo_pe *pe = &in->uki.pe;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    printf("%s: %s, %s, %zu bytes\n", in->path, in->is_uki ? "unified kernel image" : "EFI image",
           machine_name(pe), pe->file.size);
    if (in->uki.stub[0] != '\0')
        printf("  stub          %s\n", in->uki.stub);
    if (in->system[0] != '\0')
        printf("  system        %s\n", in->system);
    if (in->uname[0] != '\0')
        printf("  kernel        %s\n", in->uname);
    if (clo_pe_section_find(pe, ".cmdline") != NULL)
        printf("  command line  %s\n", in->cmdline);
    clo_hex_text(clo_digest_bytes(&in->digest), hex);
    printf("  Authenticode  sha256 %s\n", hex);

    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    bool signed_this;
    if (pe->certificates.size == 0)
        printf("  signature     none\n");
    for (size_t i = 0; signer_at(pe, i, &certificate, &signed_this); i++) {
        printf("  %s %s\n", signed_this ? "signed with  " : "comes with   ",
               certificate == NULL ? "a certificate that cannot be read"
                                   : clo_certificate_subject(certificate));
        clo_certificate_freep(&certificate);
    }

    printf("\n  %-9s %10s  %-8s  %s\n", "section", "bytes", in->is_uki ? "PCR 11" : "", "sha256");
    for (size_t i = 0; i < pe->section_count; i++) {
        const struct clo_pe_section *section = &pe->sections[i];
        const char *measured = !in->is_uki ? ""
                               : clo_uki_is_measured(in->uki.stub_version, section->name)
                                       ? "measured"
                                       : "-";
        fingerprint(section->data, hex);
        printf("  %-9s %10" PRIu32 "  %-8s  %s\n", section->name, section->virtual_size, measured,
               hex);
    }
    if (in->is_uki && in->uki.stub_version == 0)
        printf("\n  The stub does not say its version: what it measures is not known.\n");
}

static json_t *sections_json(const struct inspected *in)
{
    json_t *array = json_array();
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    for (size_t i = 0; i < in->uki.pe.section_count; i++) {
        const struct clo_pe_section *section = &in->uki.pe.sections[i];
        fingerprint(section->data, hex);
        json_array_append_new(
                array,
                json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:b}", "name", section->name,
                          "virtual_address", (json_int_t)section->virtual_address, "virtual_size",
                          (json_int_t)section->virtual_size, "raw_offset",
                          (json_int_t)section->raw_offset, "raw_size",
                          (json_int_t)section->raw_size, "sha256", hex, "measured",
                          in->is_uki && clo_uki_is_measured(in->uki.stub_version, section->name)));
    }
    return array;
}

static json_t *signers_json(const struct clo_pe *pe)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    json_t *array = json_array();
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    bool signed_this;

    for (size_t i = 0; signer_at(pe, i, &certificate, &signed_this); i++) {
        if (certificate == NULL)
            continue;
        fingerprint(clo_certificate_der(certificate), hex);
        json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:b}", "subject",
                                               clo_certificate_subject(certificate), "issuer",
                                               clo_certificate_issuer(certificate), "sha256", hex,
                                               "signed_this_image", signed_this));
        clo_certificate_freep(&certificate);
    }
    return array;
}

static json_t *as_json(const struct inspected *in)
{
    const struct clo_pe *pe = &in->uki.pe;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    char hex384[2 * CLO_HASH_SIZE_MAX + 1] = "";
    struct clo_digest sha384;
    struct clo_error err;

    clo_hex_text(clo_digest_bytes(&in->digest), hex);
    if (clo_authenticode_digest(pe, CLO_HASH_SHA384, &sha384, &err))
        clo_hex_text(clo_digest_bytes(&sha384), hex384);
    json_t *json = json_pack("{s:s, s:s, s:I, s:s, s:{s:s, s:s}, s:b, s:o, s:o}", "file", in->path,
                             "kind", in->is_uki ? "uki" : "efi", "size", (json_int_t)pe->file.size,
                             "machine", machine_name(pe), "authenticode", "sha256", hex, "sha384",
                             hex384, "signed", pe->certificates.size > 0, "signers",
                             signers_json(pe), "sections", sections_json(in));
    if (json == NULL || !in->is_uki)
        return json;
    json_object_set_new(json, "stub", json_string(in->uki.stub));
    json_object_set_new(json, "stub_version", json_integer((json_int_t)in->uki.stub_version));
    json_object_set_new(json, "cmdline", json_string(in->cmdline));
    json_object_set_new(json, "uname", json_string(in->uname));
    json_object_set_new(json, "os_release", json_string(in->system));
    return json;
}

int cmd_uki_inspect(int argc, char **argv)
{
    bool wants_json = false;
    const struct cli_option options[] = {
        { "--json", NULL, "print one JSON document", .flag = &wants_json },
    };
    const struct cli_usage usage = {
        .command = "uki inspect",
        .arguments = "IMAGE",
        .summary = "Shows what is in an EFI image, and what of it systemd's stub measures into "
                   "PCR 11.\nNothing it shows is verified; 'uki verify' does that.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki inspect guest.efi\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct inspected in = { 0 };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "expected one image");
    if (!clo_file_read(operands.items[0], CLI_IMAGE_LIMIT, &image, &err) ||
        !inspect(operands.items[0], clo_buffer_bytes(&image), &in, &err))
        return cli_error(&err);
    if (!wants_json) {
        print_text(&in);
        return CLI_YES;
    }
    CLO_CLEANUP(clo_json_freep) json_t *json = as_json(&in);
    return cli_print_json(json, &err) ? CLI_YES : cli_error(&err);
}
