#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/inputs.h"
#include "cli/stranger.h"
#include "cli/uki/uki.h"
#include "cloister/encoding.h"
#include "device/file.h"
#include "image/survey.h"
#include "image/uki/file.h"

#define TEXT_MAX 4096

/* What there is to see of one image, gathered once for both ways of printing it. */
struct inspected {
    struct uki_image *image;
    struct clo_digest authenticode[CLO_HASH_COUNT];
    struct clo_digest digests[CLO_PE_SECTIONS_MAX]; /* SHA-256, as many bytes as in memory */
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

/* os-release(5). */
static void system_name(const struct clo_pe *pe, char *out, size_t size)
{
    const struct clo_pe_section *section = clo_pe_section_find(pe, ".osrel");

    out[0] = '\0';
    if (section != NULL && !clo_uki_field(section->data, "PRETTY_NAME", out, size))
        (void)clo_uki_field(section->data, "NAME", out, size);
}

/* What a stub finds in memory: zeros after what the file has. */
static bool hash_sections(struct inspected *in, struct clo_error *err)
{
    const struct clo_pe *pe = &in->image->uki.pe;
    struct clo_pieces pieces[CLO_PE_SECTIONS_MAX] = { 0 };
    struct uki_hash_job jobs[CLO_PE_SECTIONS_MAX];
    bool ok = true;

    for (size_t i = 0; i < pe->section_count; i++) {
        clo_pieces_source(&pieces[i], &in->image->file, pe->sections[i].raw_offset,
                          pe->sections[i].raw_size);
        ok = ok && !pieces[i].failed;
        jobs[i] = (struct uki_hash_job){ .pieces = &pieces[i],
                                         .size = pe->sections[i].virtual_size,
                                         .hash = CLO_HASH_SHA256,
                                         .out = &in->digests[i] };
    }
    ok = ok ? uki_hash_all(jobs, pe->section_count, err) : clo_out_of_memory(err);
    for (size_t i = 0; i < pe->section_count; i++)
        clo_pieces_free(&pieces[i]);
    return ok;
}

static bool inspect(const char *path, struct inspected *out, struct clo_error *err)
{
    if (!uki_image_open(path, &out->image, err))
        return cli_stranger(path, "an EFI image", "an EFI image", err);
    const struct clo_pe *pe = &out->image->uki.pe;
    unsigned hashes =
            clo_authenticode_hashes(pe->certificates, clo_bytes(NULL, 0), clo_bytes(NULL, 0));
    section_text(pe, ".cmdline", out->cmdline, sizeof out->cmdline);
    section_text(pe, ".uname", out->uname, sizeof out->uname);
    system_name(pe, out->system, sizeof out->system);
    return uki_image_digests(out->image, hashes | 1U << CLO_HASH_SHA256 | 1U << CLO_HASH_SHA384,
                             out->authenticode, err) &&
           hash_sections(out, err);
}

static const char *kind_name(const struct inspected *in)
{
    const struct clo_pe *pe = &in->image->uki.pe;

    if (in->image->is_uki)
        return "uki";
    if (clo_pe_section_find(pe, ".sdmagic") == NULL)
        return "efi";
    if (clo_pe_section_find(pe, ".profile") != NULL)
        return "profile";
    return strncmp(in->image->uki.stub, "systemd-addon", 13) == 0 ? "addon" : "stub";
}

static const char *kind_text(const char *kind)
{
    return strcmp(kind, "uki") == 0       ? "unified kernel image"
           : strcmp(kind, "addon") == 0   ? "add-on"
           : strcmp(kind, "profile") == 0 ? "profile to join"
           : strcmp(kind, "stub") == 0    ? "stub"
                                          : "EFI image";
}

/* --- Signatures --- */

/* One certificate that came with a signature. Anybody can put anything there: who it is, only `uki
 * verify` says. */
struct signer {
    struct clo_certificate *certificate; /* NULL: it cannot be read */
    struct clo_authenticode_signature signature;
    bool signed_this; /* its own key made the signature, over this very image */
};

/* The n-th, over all signatures; false at the end. */
static bool signer_at(const struct inspected *in, size_t index, struct signer *out)
{
    struct clo_authenticode_walk walk = clo_authenticode_walk(in->image->uki.pe.certificates);
    struct clo_bytes named;
    struct clo_error err;
    enum clo_next next;

    *out = (struct signer){ 0 };
    while ((next = clo_authenticode_next(&walk, &out->signature, &err)) != CLO_NEXT_END) {
        if (next == CLO_NEXT_FAILED)
            continue;
        const struct clo_authenticode_signature *signature = &out->signature;
        if (index >= signature->certificate_count) {
            index -= signature->certificate_count;
            continue;
        }
        if (!clo_certificate_parse(signature->certificates[index], &out->certificate, &err))
            return true;
        out->signed_this =
                clo_authenticode_signer(signature, &named) &&
                clo_bytes_equal(named, signature->certificates[index]) &&
                clo_digest_equal(&signature->digest, &in->authenticode[signature->digest.hash]) &&
                clo_authenticode_signature_verify(signature, out->certificate, &err);
        return true;
    }
    return false;
}

static void fingerprint(struct clo_bytes in, char *hex)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, in, &digest);
    clo_hex_text(clo_digest_bytes(&digest), hex);
}

/* --- As text --- */

static void print_signers(const struct inspected *in)
{
    struct signer signer;

    if (in->image->uki.pe.certificate_size == 0)
        printf("  signature     none\n");
    for (size_t i = 0; signer_at(in, i, &signer); i++) {
        printf("  %s %s%s%s\n", signer.signed_this ? "signed with  " : "comes with   ",
               signer.certificate == NULL ? "a certificate that cannot be read"
                                          : clo_certificate_subject(signer.certificate),
               signer.signed_this ? ", " : "",
               signer.signed_this ? clo_hash_name(signer.signature.digest.hash) : "");
        clo_certificate_freep(&signer.certificate);
    }
}

static const char *measured_word(const struct inspected *in, const char *name)
{
    if (!in->image->is_uki)
        return "";
    return clo_uki_is_measured(in->image->uki.stub_version, name) ? "measured" : "-";
}

static void print_sections(const struct inspected *in)
{
    const struct clo_pe *pe = &in->image->uki.pe;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    size_t profile = 0;

    printf("\n  %-9s %10s  %-8s  %s\n", "section", "bytes", in->image->is_uki ? "PCR 11" : "",
           "sha256");
    for (size_t i = 0; i < pe->section_count; i++) {
        const struct clo_pe_section *section = &pe->sections[i];
        char id[128] = "";
        if (strcmp(section->name, ".profile") == 0) {
            (void)clo_uki_field(section->data, "ID", id, sizeof id);
            printf("  profile %zu %s\n", profile++, id);
        }
        clo_hex_text(clo_digest_bytes(&in->digests[i]), hex);
        printf("  %-9s %10" PRIu32 "  %-8s  %s\n", section->name, section->virtual_size,
               measured_word(in, section->name), hex);
    }
}

static void print_text(const struct inspected *in)
{
    const struct clo_uki *uki = &in->image->uki;
    struct clo_pe_warning warning;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    printf("%s: %s, %s, %" PRIu64 " bytes\n", in->image->file.path, kind_text(kind_name(in)),
           clo_pe_machine_name(uki->pe.machine), uki->pe.file_size);
    if (uki->stub[0] != '\0')
        printf("  stub          %s\n", uki->stub);
    if (in->system[0] != '\0')
        printf("  system        %s\n", in->system);
    if (in->uname[0] != '\0')
        printf("  kernel        %s\n", in->uname);
    if (clo_pe_section_find(&uki->pe, ".cmdline") != NULL)
        printf("  command line  %s\n", in->cmdline);
    clo_hex_text(clo_digest_bytes(&in->authenticode[CLO_HASH_SHA256]), hex);
    printf("  Authenticode  sha256 %s\n", hex);
    print_signers(in);
    print_sections(in);
    for (size_t i = 0; clo_pe_warning_at(&uki->pe, i, &warning); i++)
        printf("%s  warning: at 0x%" PRIx64 ": %s\n", i == 0 ? "\n" : "", warning.offset,
               warning.text);
    if (in->image->is_uki && uki->stub_version == 0)
        printf("\n  The stub does not say its version: what it measures is not known.\n");
}

/* --- As JSON --- */

static bool is_text(const char *name)
{
    static const char *const names[] = { ".cmdline", ".osrel",   ".uname",  ".sbat",
                                         ".profile", ".pcrpkey", ".pcrsig", ".sdmagic" };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* NULL where it is not text. */
static json_t *text_json(const struct clo_pe_section *section)
{
    struct clo_bytes text = section->data;

    while (text.size > 0 && text.data[text.size - 1] == '\0')
        text.size--;
    return is_text(section->name) ? json_stringn((const char *)text.data, text.size) : NULL;
}

static json_t *sections_json(const struct inspected *in)
{
    const struct clo_pe *pe = &in->image->uki.pe;
    json_t *array = json_array();
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    for (size_t i = 0; i < pe->section_count; i++) {
        const struct clo_pe_section *section = &pe->sections[i];
        clo_hex_text(clo_digest_bytes(&in->digests[i]), hex);
        json_t *json = json_pack(
                "{s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:b}", "name", section->name,
                "virtual_address", (json_int_t)section->virtual_address, "virtual_size",
                (json_int_t)section->virtual_size, "raw_offset", (json_int_t)section->raw_offset,
                "raw_size", (json_int_t)section->raw_size, "characteristics",
                (json_int_t)section->characteristics, "sha256", hex, "measured",
                in->image->is_uki &&
                        clo_uki_is_measured(in->image->uki.stub_version, section->name));
        json_t *text = text_json(section);
        if (json != NULL && text != NULL)
            json_object_set_new(json, "text", text);
        json_array_append_new(array, json);
    }
    return array;
}

static json_t *signers_json(const struct inspected *in)
{
    json_t *array = json_array();
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct signer signer;

    for (size_t i = 0; signer_at(in, i, &signer); i++) {
        if (signer.certificate == NULL)
            continue;
        fingerprint(clo_certificate_der(signer.certificate), hex);
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s, s:b, s:s, s:b}", "subject",
                                        clo_certificate_subject(signer.certificate), "issuer",
                                        clo_certificate_issuer(signer.certificate), "sha256", hex,
                                        "signed_this_image", signer.signed_this, "hash",
                                        clo_hash_name(signer.signature.digest.hash), "timestamp",
                                        signer.signature.has_timestamp));
        clo_certificate_freep(&signer.certificate);
    }
    return array;
}

static json_t *warnings_json(const struct clo_pe *pe)
{
    json_t *array = json_array();
    struct clo_pe_warning warning;

    for (size_t i = 0; clo_pe_warning_at(pe, i, &warning); i++)
        json_array_append_new(array, json_pack("{s:I, s:s}", "offset", (json_int_t)warning.offset,
                                               "text", warning.text));
    return array;
}

static json_t *profiles_json(const struct clo_pe *pe)
{
    json_t *array = json_array();

    for (size_t i = 0; i < pe->section_count; i++) {
        char id[256] = "";
        char title[256] = "";
        if (strcmp(pe->sections[i].name, ".profile") != 0)
            continue;
        (void)clo_uki_field(pe->sections[i].data, "ID", id, sizeof id);
        (void)clo_uki_field(pe->sections[i].data, "TITLE", title, sizeof title);
        json_array_append_new(array, json_pack("{s:s, s:s}", "id", id, "title", title));
    }
    return array;
}

static json_t *as_json(const struct inspected *in)
{
    const struct clo_uki *uki = &in->image->uki;
    char sha256[2 * CLO_HASH_SIZE_MAX + 1];
    char sha384[2 * CLO_HASH_SIZE_MAX + 1];

    clo_hex_text(clo_digest_bytes(&in->authenticode[CLO_HASH_SHA256]), sha256);
    clo_hex_text(clo_digest_bytes(&in->authenticode[CLO_HASH_SHA384]), sha384);
    json_t *json = json_pack(
            "{s:s, s:s, s:I, s:s, s:{s:s, s:s}, s:b, s:o, s:o, s:o}", "file", in->image->file.path,
            "kind", kind_name(in), "size", (json_int_t)uki->pe.file_size, "machine",
            clo_pe_machine_name(uki->pe.machine), "authenticode", "sha256", sha256, "sha384",
            sha384, "signed", uki->pe.certificate_size > 0, "signers", signers_json(in), "sections",
            sections_json(in), "warnings", warnings_json(&uki->pe));
    if (json == NULL || !in->image->is_uki)
        return json;
    json_object_set_new(json, "stub", json_string(uki->stub));
    json_object_set_new(json, "stub_version", json_integer((json_int_t)uki->stub_version));
    json_object_set_new(json, "cmdline", json_string(in->cmdline));
    json_object_set_new(json, "uname", json_string(in->uname));
    json_object_set_new(json, "os_release", json_string(in->system));
    json_object_set_new(json, "profiles", profiles_json(&uki->pe));
    return json;
}

/* --- Extracting --- */

/* NAME:FILE: what a section holds, without what pads it. */
static bool extract(const struct inspected *in, const char *argument, struct clo_error *err)
{
    CLO_CLEANUP(clo_new_file_free) struct clo_new_file file = { .fd = -1 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };
    const char *colon = strchr(argument, ':');
    char name[16];

    if (colon == NULL || (size_t)(colon - argument) >= sizeof name || colon[1] == '\0')
        return clo_fail(err, CLO_ERR_USAGE, "--extract %s: expected NAME:FILE", argument);
    snprintf(name, sizeof name, "%.*s", (int)(colon - argument), argument);
    if (!cli_is_no_input("--extract", colon + 1, in->image->file.path, err))
        return false;
    const struct clo_pe_section *section = clo_pe_section_find(&in->image->uki.pe, name);
    if (section == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--extract %s: there is no such section", argument);
    clo_pieces_source(&pieces, &in->image->file, section->raw_offset,
                      section->virtual_size < section->raw_size ? section->virtual_size
                                                                : section->raw_size);
    if (!clo_new_file_open(colon + 1, 0644, &file, err))
        return false;
    struct uki_writer writer = { .fd = file.fd, .path = colon + 1 };
    return uki_write(&writer, &pieces, err) && clo_new_file_commit(&file, err);
}

/* --- The digest alone --- */

static int print_hash(const char *path, const char *name, bool wants_json, struct clo_error *err)
{
    CLO_CLEANUP(uki_image_freep) struct uki_image *image = NULL;
    struct clo_digest digests[CLO_HASH_COUNT];
    enum clo_hash hash = clo_hash_from_name(name);
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    if (hash == CLO_HASH_NONE) {
        clo_fail(err, CLO_ERR_USAGE, "--authenticode %s: no such hash", name);
        return cli_error(err);
    }
    if (!uki_image_open(path, &image, err) || !uki_image_digests(image, 1U << hash, digests, err))
        return cli_error(err);
    clo_hex_text(clo_digest_bytes(&digests[hash]), hex);
    if (!wants_json) {
        printf("%s %s\n", hex, path);
        return CLI_YES;
    }
    CLO_CLEANUP(clo_json_freep)
    json_t *json =
            json_pack("{s:s, s:{s:s}}", "file", path, "authenticode", clo_hash_name(hash), hex);
    return cli_print_json(json, err) ? CLI_YES : cli_error(err);
}

static int inspect_all(struct inspected *in, const char *path, const struct clo_list *extracted,
                       bool wants_json)
{
    struct clo_error err;

    if (!inspect(path, in, &err))
        return cli_error(&err);
    for (size_t i = 0; i < extracted->count; i++)
        if (!extract(in, extracted->items[i], &err))
            return cli_error(&err);
    if (!wants_json) {
        print_text(in);
        return CLI_YES;
    }
    CLO_CLEANUP(clo_json_freep) json_t *json = as_json(in);
    return cli_print_json(json, &err) ? CLI_YES : cli_error(&err);
}

/* Of a disk, in a container or raw, what firmware starts from it. Anything else stays what it is. */
static bool take_out_of_disk(const char **path, int *fd, char name[64], struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container disk = { .fd = -1 };
    CLO_CLEANUP(clo_freep) struct clo_layout *layout = malloc(sizeof *layout);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    struct clo_error ignored;
    uint8_t magic[2] = { 0 };

    if (layout == NULL)
        return clo_out_of_memory(err);
    if (!clo_container_open(*path, &disk, &ignored) || disk.size < sizeof magic ||
        !clo_container_read(&disk, 0, magic, sizeof magic, &ignored) ||
        memcmp(magic, "MZ", 2) == 0 || !clo_layout_read(&disk, layout, &ignored))
        return true;
    *fd = memfd_create("uki", MFD_CLOEXEC);
    if (!clo_survey_uki(&disk, &uki, err) || *fd < 0 ||
        !clo_write_all(*fd, clo_buffer_bytes(&uki), err))
        return *fd < 0 ? clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno))
                       : clo_wrap(err, "%s", *path);
    snprintf(name, 64, "/proc/self/fd/%d", *fd);
    *path = name;
    return true;
}

int cmd_uki_inspect(int argc, char **argv)
{
    bool wants_json = false;
    const char *hash = NULL;
    struct clo_list extracted = { 0 };
    const struct cli_option options[] = {
        { "--authenticode", "NAME", "print this digest alone: sha1, sha256, sha384, sha512",
          .text = &hash },
        { "--extract", "NAME:FILE", "write what a section holds to a file (repeatable)",
          .list = &extracted },
        { "--json", NULL, "print one JSON document", .flag = &wants_json },
    };
    const struct cli_usage usage = {
        .command = "uki inspect",
        .arguments = "IMAGE",
        .operands = { "one image", 1, 1 },
        .summary = "Shows what is in an EFI image, and what of it systemd's stub measures into "
                   "PCR 11;\nof a disk image, raw or in a container, what firmware starts from "
                   "it.\nNothing it shows is verified; 'uki verify' does that.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki inspect guest.efi\n",
    };
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct inspected in = { 0 };
    struct clo_list operands;
    struct clo_error err;
    char name[64];
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    const char *path = operands.items[0];
    if (!take_out_of_disk(&path, &fd, name, &err))
        return cli_error(&err);
    if (hash != NULL)
        return print_hash(path, hash, wants_json, &err);
    status = inspect_all(&in, path, &extracted, wants_json);
    uki_image_freep(&in.image);
    return status;
}
