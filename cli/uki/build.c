#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "cli/uki/uki.h"
#include "image/uki/work.h"
#include "lib/base/put.h"

#define STUBS        "/usr/lib/systemd/boot/efi/"
#define DEFAULT_STUB STUBS "linuxx64.efi.stub"
#define ADDON_STUB   STUBS "addonx64.efi.stub"
#define CMDLINE_MAX  2047 /* COMMAND_LINE_SIZE of x86-64 and AArch64, without the NUL */
#define KERNEL_HEAD  ((size_t)66 << 10) /* where a bzImage may name its release */

struct build {
    const char *stub, *kernel, *microcode, *cmdline, *osrel, *uname, *splash, *devicetree, *hwids,
            *pcrpkey, *profile, *output;
    struct cli_list initrds, devicetrees, firmware, sbat, sections, joined_profiles;
    bool is_addon, signs_kernel;
    struct uki_signing signing;
    struct uki_policy policy;
};

/* --- Contents --- */

static bool add_file(struct uki_work *work, const char *name, const char *path,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };

    if (path == NULL)
        return true;
    return uki_work_file(work, path, &pieces, err) &&
           (pieces.size > 0 || clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", path)) &&
           clo_uki_part_set(&work->list, work->group, name, &pieces, err);
}

static bool add_files(struct uki_work *work, const char *name, const struct cli_list *paths,
                      struct clo_error *err)
{
    for (size_t i = 0; i < paths->count; i++)
        if (!add_file(work, name, paths->items[i], err))
            return false;
    return true;
}

/* The kernel unpacks archives that follow one another, each at a multiple of four. */
static bool add_initrds(struct uki_work *work, const struct cli_list *paths, struct clo_error *err)
{
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };

    for (size_t i = 0; i < paths->count; i++) {
        clo_pieces_zero(&pieces, (4 - pieces.size % 4) % 4);
        uint64_t before = pieces.size;
        if (!uki_work_file(work, paths->items[i], &pieces, err))
            return false;
        if (pieces.size == before)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", paths->items[i]);
    }
    return pieces.size == 0 || clo_uki_part_set(&work->list, work->group, ".initrd", &pieces, err);
}

static bool add_text(struct uki_work *work, const char *name, const char *value,
                     struct clo_error *err)
{
    struct clo_bytes text;

    if (!uki_work_text(work, value, &text, err))
        return false;
    /* Without the section, who starts the guest says what it gets. */
    if (strcmp(name, ".cmdline") == 0 && text.size > CMDLINE_MAX)
        fprintf(stderr,
                "cloister: warning: .cmdline has %zu bytes: the kernel takes %d, and drops the "
                "rest\n",
                text.size, CMDLINE_MAX);
    if (value != NULL && text.size == 0)
        return clo_fail(err, CLO_ERR_USAGE, "%s: is empty; leave the option out for a UKI without",
                        name);
    return uki_work_set(work, work->group, name, text, err);
}

/* --- The kernel --- */

/* "Linux version …" anywhere in the file. */
static bool scan_banner(const struct uki_file *file, char *out, size_t size)
{
    enum {
        PIECE = 128 << 10
    };
    CLO_CLEANUP(clo_freep) uint8_t *room = malloc(PIECE);
    struct clo_error ignored;

    for (uint64_t at = 0; room != NULL && at < file->size; at += PIECE - CLO_KERNEL_BANNER_MAX) {
        size_t left = file->size - at < PIECE ? (size_t)(file->size - at) : PIECE;
        if (!uki_file_read(file, at, room, left, &ignored))
            return false;
        if (clo_kernel_banner(clo_bytes(room, left), out, size))
            return true;
        if (left < PIECE)
            break;
    }
    return false;
}

static bool add_uname(struct uki_work *work, const char *uname, const char *kernel_path,
                      struct clo_error *err)
{
    CLO_CLEANUP(uki_file_close) struct uki_file file = { 0 };
    const struct uki_file *kernel = &file;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    char release[128] = "";
    struct clo_bytes text;

    if (uname != NULL || kernel_path == NULL)
        return add_text(work, ".uname", uname, err);
    if (!uki_file_open(kernel_path, &file, err))
        return false;
    size_t size = kernel->size < KERNEL_HEAD ? (size_t)kernel->size : KERNEL_HEAD;
    clo_buffer_zero(&head, size);
    if (!clo_buffer_ok(&head))
        return clo_out_of_memory(err);
    if (size > 0 && !uki_file_read(kernel, 0, head.data, size, err))
        return false;
    if (!clo_kernel_release(clo_buffer_bytes(&head), release, sizeof release) &&
        !scan_banner(kernel, release, sizeof release))
        return true;
    return uki_work_keep(work, clo_bytes_text(release), &text, err) &&
           uki_work_set(work, CLO_UKI_BASE, ".uname", text, err);
}

/* The kernel with a signature of its own, for what looks at it alone. */
static bool sign_kernel(struct uki_work *work, struct uki_image *kernel,
                        const struct uki_signing *signing, struct clo_pieces *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    struct clo_digest digests[CLO_HASH_COUNT];
    const struct clo_pe *pe = &kernel->uki.pe;
    uint64_t body = pe->file_size - pe->certificate_size;
    uint64_t start = body + (8 - body % 8) % 8;
    uint8_t entry[12] = { 0 }; /* CheckSum: not computed; and the table's place */
    struct clo_bytes kept, fields;
    unsigned hashes = 0;

    for (size_t i = 0; i < signing->keys.count; i++)
        hashes |= 1U << uki_signing_hash(signing, i);
    if (!uki_image_digests_to_sign(kernel, hashes, digests, err) ||
        !uki_sign_digests(signing, digests, &table, err) ||
        !uki_work_keep(work, clo_buffer_bytes(&table), &kept, err))
        return false;
    if (start + kept.size > UINT32_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: too large", kernel->file.path);
    clo_put_le32(entry + 4, (uint32_t)start);
    clo_put_le32(entry + 8, (uint32_t)kept.size);
    if (!uki_work_keep(work, clo_bytes(entry, sizeof entry), &fields, err))
        return false;
    clo_pieces_source(out, &kernel->file, 0, pe->checksum_offset);
    clo_pieces_bytes(out, clo_bytes_slice(fields, 0, 4));
    clo_pieces_source(out, &kernel->file, pe->checksum_offset + 4,
                      pe->certificate_entry_offset - pe->checksum_offset - 4);
    clo_pieces_bytes(out, clo_bytes_slice(fields, 4, 8));
    clo_pieces_source(out, &kernel->file, pe->certificate_entry_offset + 8,
                      body - pe->certificate_entry_offset - 8);
    clo_pieces_zero(out, start - body);
    clo_pieces_bytes(out, kept);
    return !out->failed || clo_out_of_memory(err);
}

/* `*image` is NULL where the kernel is no EFI image. */
static bool open_kernel(struct uki_work *work, const struct build *in, struct uki_image **image,
                        struct clo_error *err)
{
    struct clo_error why;

    *image = NULL;
    if (uki_work_image(work, in->kernel, image, &why)) {
        if ((*image)->uki.pe.machine != work->frame->uki.pe.machine)
            return clo_fail(err, CLO_ERR_USAGE, "%s: is for machine 0x%04x, the stub for 0x%04x",
                            in->kernel, (*image)->uki.pe.machine, work->frame->uki.pe.machine);
        return true;
    }
    *image = NULL;
    if (in->signs_kernel)
        *err = why;
    return !in->signs_kernel;
}

static bool add_kernel(struct uki_work *work, const struct build *in, struct uki_image *image,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };

    if (in->signs_kernel ? !sign_kernel(work, image, &in->signing, &pieces, err)
                         : !uki_work_file(work, in->kernel, &pieces, err))
        return false;
    return (pieces.size > 0 || clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", in->kernel)) &&
           clo_uki_part_set(&work->list, CLO_UKI_BASE, ".linux", &pieces, err);
}

/* The stub's lines, the kernel's and what is given: each can then be revoked. */
static bool add_sbat(struct uki_work *work, const struct build *in, const struct uki_image *kernel,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer merged = { 0 };
    struct clo_bytes texts[CLI_LIST_MAX + 2];
    const struct clo_pe_section *section;
    struct clo_bytes kept;
    size_t count = 0;

    if (!in->is_addon && (section = clo_pe_section_find(&work->frame->uki.pe, ".sbat")) != NULL)
        texts[count++] = section->data;
    if (kernel != NULL && (section = clo_pe_section_find(&kernel->uki.pe, ".sbat")) != NULL)
        texts[count++] = section->data;
    for (size_t i = 0; i < in->sbat.count; i++)
        if (!uki_work_text(work, in->sbat.items[i], &texts[count++], err))
            return false;
    /* shim takes no add-on without; of a UKI whose stub says nothing, nothing is said. */
    if (count == 0 && !in->is_addon)
        return true;
    if (in->sbat.count == 0)
        texts[count++] = clo_bytes_text(in->is_addon ? clo_sbat_addon : clo_sbat_uki);
    return clo_sbat_merge(texts, count, &merged, err) &&
           uki_work_keep(work, clo_buffer_bytes(&merged), &kept, err) &&
           uki_work_set(work, CLO_UKI_BASE, ".sbat", kept, err);
}

/* --- All of it --- */

static bool open_stub(struct uki_work *work, const struct build *in, struct clo_error *err)
{
    const char *path = in->stub;

    if (!uki_work_image(work, path, &work->frame, err))
        return false;
    if (in->kernel != NULL && clo_uki_is_addon_stub(&work->frame->uki.pe))
        return clo_fail(err, CLO_ERR_USAGE, "%s: is a stub for add-ons, it starts no kernel", path);
    work->stub_version = work->frame->uki.stub_version;
    return (clo_uki_check_stub(&work->frame->uki.pe, err) &&
            clo_uki_parts_of(&work->frame->uki.pe, &work->frame->file, &work->list, err)) ||
           clo_wrap(err, "%s", path);
}

static bool join_profiles(struct uki_work *work, const struct cli_list *paths,
                          struct clo_error *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        struct uki_image *profile;
        if (!uki_work_image(work, paths->items[i], &profile, err))
            return false;
        if (!clo_uki_join_profile(&work->list, &profile->uki.pe, &profile->file, err))
            return clo_wrap(err, "%s", paths->items[i]);
    }
    return true;
}

/* In a binary that others join, .profile comes first; else last, so that all before it is shared. */
static bool compose(struct uki_work *work, const struct build *in, struct clo_error *err)
{
    bool is_profile = in->profile != NULL && in->kernel == NULL && !in->is_addon;
    struct uki_image *kernel = NULL;

    if (in->kernel != NULL && !open_kernel(work, in, &kernel, err))
        return false;
    if (is_profile) {
        if (!add_text(work, ".profile", in->profile, err))
            return false;
        work->group = 0;
    }
    if (!add_file(work, ".osrel", in->osrel, err) ||
        !add_text(work, ".cmdline", in->cmdline, err) ||
        !add_file(work, ".dtb", in->devicetree, err) ||
        !add_files(work, ".dtbauto", &in->devicetrees, err) ||
        !uki_work_hwids(work, in->hwids, err))
        return false;
    if (!add_uname(work, in->uname, in->kernel, err) ||
        !add_file(work, ".splash", in->splash, err) ||
        !add_file(work, ".pcrpkey", in->pcrpkey, err) || !add_initrds(work, &in->initrds, err) ||
        !uki_work_firmware(work, &in->firmware, err) ||
        !add_file(work, ".ucode", in->microcode, err))
        return false;
    for (size_t i = 0; i < in->sections.count; i++)
        if (!uki_work_section(work, in->sections.items[i], err))
            return false;
    if (in->kernel != NULL &&
        (!uki_policy_add_key(work, &in->policy, err) || !add_kernel(work, in, kernel, err)))
        return false;
    if (is_profile)
        return true;
    return add_sbat(work, in, kernel, err) && add_text(work, ".profile", in->profile, err) &&
           join_profiles(work, &in->joined_profiles, err);
}

static bool build(const struct build *given, struct clo_error *err)
{
    CLO_CLEANUP(uki_kernel_close) struct uki_kernel kernel = { 0 };
    CLO_CLEANUP(uki_work_freep) struct uki_work *work = NULL;
    struct build in = *given;

    if (!uki_work_new(&work, err) || !open_stub(work, &in, err) ||
        !uki_kernel_open(&kernel, in.kernel, err))
        return false;
    in.kernel = kernel.path;
    return (compose(work, &in, err) && uki_policy_apply(work, &in.policy, err) &&
            uki_work_write(work, &in.signing, in.output, err));
}

/* A section that two options would fill: one of them would be lost. */
static bool check_sections(const struct build *in, struct clo_error *err)
{
    const struct {
        const char *name;
        bool is_given;
    } own[] = {
        { ".linux:", in->kernel != NULL },    { ".initrd:", in->initrds.count > 0 },
        { ".ucode:", in->microcode != NULL }, { ".cmdline:", in->cmdline != NULL },
        { ".osrel:", in->osrel != NULL },     { ".uname:", in->uname != NULL },
        { ".splash:", in->splash != NULL },   { ".dtb:", in->devicetree != NULL },
        { ".hwids:", in->hwids != NULL },     { ".pcrpkey:", in->pcrpkey != NULL },
        { ".profile:", in->profile != NULL }, { ".sbat:", true },
    };

    for (size_t i = 0; i < in->sections.count; i++)
        for (size_t j = 0; j < CLO_COUNT(own); j++)
            if (own[j].is_given &&
                strncmp(in->sections.items[i], own[j].name, strlen(own[j].name)) == 0)
                return clo_fail(err, CLO_ERR_USAGE,
                                "--section %.*s: there is an option of its own for it",
                                (int)strlen(own[j].name) - 1, own[j].name);
    return true;
}

static bool check(const struct build *in, struct clo_error *err)
{
    if (in->is_addon && in->kernel != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--addon: an add-on has no kernel");
    if (!in->is_addon && in->kernel == NULL && in->profile == NULL)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--kernel is needed, or --profile or --addon for a part of a UKI");
    if (in->kernel == NULL && (in->joined_profiles.count > 0 || uki_policy_is_wanted(&in->policy)))
        return clo_fail(err, CLO_ERR_USAGE, "profiles and PCR policies need --kernel");
    if (in->joined_profiles.count > 0 && in->profile == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--join-profile: the UKI needs a --profile of its own");
    if (in->signs_kernel && (in->kernel == NULL || in->signing.keys.count == 0))
        return clo_fail(err, CLO_ERR_USAGE, "--sign-kernel needs --kernel and --key");
    if (in->output == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--output is needed");
    return check_sections(in, err) && uki_signing_check(&in->signing, err) &&
           uki_policy_check(&in->policy, err);
}

int cmd_uki_build(int argc, char **argv)
{
    struct build in = { 0 };
    const struct cli_option options[] = {
        { "--kernel", "FILE",
          "the kernel, a bzImage or another EFI image; unpacked if it is compressed",
          .text = &in.kernel },
        { "--initrd", "FILE", "an initrd; repeated, they follow one another", .list = &in.initrds },
        { "--microcode", "FILE", "an initrd with microcode, which goes first",
          .text = &in.microcode },
        { "--cmdline", "TEXT|@FILE",
          "the kernel command line; of a file, white space at its end is dropped",
          .text = &in.cmdline },
        { "--os-release", "FILE", "the guest's os-release", .text = &in.osrel },
        { "--uname", "TEXT|@FILE", "the kernel's release (default: what the kernel says)",
          .text = &in.uname },
        { "--splash", "FILE", "a picture (BMP)", .text = &in.splash },
        { "--devicetree", "FILE", "a devicetree", .text = &in.devicetree },
        { "--devicetree-auto", "FILE", "a devicetree for the machine that it names (repeatable)",
          .list = &in.devicetrees },
        { "--hwids", "FILE|FOLDER", "hardware IDs: a .hwids section, or a folder of JSON",
          .text = &in.hwids },
        { "--firmware", "FILE|FOLDER",
          "a .efifw section, or a folder named by its ID that holds one image (repeatable)",
          .list = &in.firmware },
        { "--sbat", "TEXT|@FILE", "SBAT lines beside the stub's and the kernel's (repeatable)",
          .list = &in.sbat },
        { "--pcrpkey", "FILE", "the public key of PCR policies (default: that of --pcr-key)",
          .text = &in.pcrpkey },
        { "--section", "NAME:TEXT|@FILE", "another section, as it is (repeatable)",
          .list = &in.sections },
        { "--stub", "FILE", "systemd's EFI stub (default: " DEFAULT_STUB ")", .text = &in.stub },
        { "--addon", NULL, "an add-on: no kernel, and the stub is " ADDON_STUB,
          .flag = &in.is_addon },
        { "--profile", "TEXT|@FILE",
          "ID= and TITLE= of this UKI's profile; without --kernel: a profile to join",
          .text = &in.profile },
        { "--join-profile", "FILE", "a further profile (repeatable)", .list = &in.joined_profiles },
        UKI_POLICY_OPTIONS(in.policy),
        UKI_SIGNING_OPTIONS(in.signing),
        { "--sign-kernel", NULL, "sign the kernel inside as well", .flag = &in.signs_kernel },
        { "--output", "FILE", "where the UKI goes", .text = &in.output },
    };
    static const char example[] =
            "  cloister uki build --kernel /boot/vmlinuz-6.12.117 --initrd initrd.img \\\n"
            "      --cmdline 'console=ttyS0 quiet' --os-release /etc/os-release \\\n"
            "      --pcr-key keys/pcr.key --key keys/db.key --cert keys/db.crt --output "
            "guest.efi\n";
    const struct cli_usage usage = {
        .command = "uki build",
        .arguments = "--kernel FILE --output FILE",
        .summary = "Makes one EFI image of a stub, a kernel, an initrd and a command line, and "
                   "signs it.\nThe same inputs give the same file, byte for byte. --phases and "
                   "--sign-profile narrow\nwhat PCR policies are signed: without them, "
                   "enter-initrd of every profile.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = example,
    };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0)
        return cli_usage_error(&usage, "unexpected argument %s", operands.items[0]);
    if (!check(&in, &err))
        return cli_usage_error(&usage, "%s", err.text);
    in.policy.providers = in.signing.providers;
    if (in.stub == NULL)
        in.stub = in.is_addon ? ADDON_STUB : DEFAULT_STUB;
    return clo_remove_temporaries_on_signals(&err) && build(&in, &err) ? CLI_YES : cli_error(&err);
}
