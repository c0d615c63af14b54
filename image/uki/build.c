#include "image/uki/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/put.h"

#define CMDLINE_MAX 2047 /* COMMAND_LINE_SIZE of x86-64 and AArch64, without the NUL */

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

static bool add_files(struct uki_work *work, const char *name, const struct clo_list *paths,
                      struct clo_error *err)
{
    for (size_t i = 0; i < paths->count; i++)
        if (!add_file(work, name, paths->items[i], err))
            return false;
    return true;
}

/* The kernel unpacks archives that follow one another, each at a multiple of four. */
static bool add_initrds(struct uki_work *work, const struct clo_list *paths, struct clo_error *err)
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
    if (value != NULL && text.size == 0)
        return clo_fail(err, CLO_ERR_USAGE, "%s: is empty; leave the option out for a UKI without",
                        name);
    return uki_work_set(work, work->group, name, text, err);
}

/* --- Command lines --- */

static void warn_of_size(const struct uki_build *in, size_t size)
{
    char line[128];

    if (size <= CMDLINE_MAX || in->tell == NULL)
        return;
    snprintf(line, sizeof line,
             "warning: .cmdline has %zu bytes: the kernel takes %d, and drops the rest", size,
             CMDLINE_MAX);
    in->tell(line);
}

/* Without the section, who starts the guest says what it gets. */
static bool set_cmdline(struct uki_work *work, const struct uki_build *in, size_t group,
                        struct clo_bytes given, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer copy = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer settled = { 0 };
    struct clo_bytes text = given;

    if (in->settle != NULL) {
        if (given.size > 0 && memchr(given.data, '\0', given.size) != NULL)
            return clo_fail(err, CLO_ERR_FORMAT, ".cmdline: holds a NUL character");
        clo_buffer_append(&copy, given);
        const char *line = clo_buffer_string(&copy);
        if (line == NULL)
            return clo_out_of_memory(err);
        if (!in->settle(in->context, line, &settled, err))
            return false;
        text = clo_buffer_bytes(&settled);
        /* A profile that has it already stays as it is, to the byte. */
        if (group != work->group && clo_bytes_equal(text, given))
            return true;
    }
    warn_of_size(in, text.size);
    return uki_work_keep(work, text, &text, err) &&
           uki_work_set(work, group, ".cmdline", text, err);
}

static bool add_cmdline(struct uki_work *work, const struct uki_build *in, struct clo_error *err)
{
    struct clo_bytes text;

    if (in->cmdline == NULL)
        return true;
    if (!uki_work_text(work, in->cmdline, &text, err))
        return false;
    if (text.size == 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        ".cmdline: is empty; leave the option out for a UKI without");
    return set_cmdline(work, in, work->group, text, err);
}

static struct clo_bytes section_text(const struct uki_image *image, const char *name)
{
    const struct clo_pe_section *section = clo_pe_section_find(&image->uki.pe, name);
    struct clo_bytes text = section == NULL ? clo_bytes(NULL, 0) : section->data;

    while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) != NULL) /* or a NUL */
        text.size--;
    return text;
}

bool uki_profile_cmdline(const char *path, struct clo_buffer *out, bool *has, struct clo_error *err)
{
    CLO_CLEANUP(uki_image_freep) struct uki_image *image = NULL;

    if (!uki_image_open(path, &image, err))
        return false;
    struct clo_bytes text = section_text(image, ".cmdline");
    *has = text.size > 0;
    clo_buffer_append(out, text);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool uki_read_text(const char *value, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(uki_work_freep) struct uki_work *work = NULL;
    struct clo_bytes text;

    if (!uki_work_new(&work, err) || !uki_work_text(work, value, &text, err))
        return false;
    clo_buffer_append(out, text);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- The kernel --- */

static bool add_uname(struct uki_work *work, const struct uki_build *in, struct clo_error *err)
{
    char release[UKI_RELEASE_MAX];
    struct clo_bytes text;

    if (in->uname != NULL || in->kernel == NULL)
        return add_text(work, ".uname", in->uname, err);
    return uki_kernel_release(in->kernel, release, err) &&
           uki_work_keep(work, clo_bytes_text(release), &text, err) &&
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

/* `*image` is NULL where the kernel is not an EFI image. */
static bool open_kernel(struct uki_work *work, const struct uki_build *in, struct uki_image **image,
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

static bool add_kernel(struct uki_work *work, const struct uki_build *in, struct uki_image *image,
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
static bool add_sbat(struct uki_work *work, const struct uki_build *in,
                     const struct uki_image *kernel, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer merged = { 0 };
    struct clo_bytes texts[CLO_LIST_MAX + 2];
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

static bool open_stub(struct uki_work *work, const struct uki_build *in, struct clo_error *err)
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

static bool join_profiles(struct uki_work *work, const struct uki_build *in, struct clo_error *err)
{
    for (size_t i = 0; i < in->joined_profiles.count; i++) {
        const char *path = in->joined_profiles.items[i];
        struct uki_image *profile;
        if (!uki_work_image(work, path, &profile, err))
            return false;
        if (!clo_uki_join_profile(&work->list, &profile->uki.pe, &profile->file, err))
            return clo_wrap(err, "%s", path);
        struct clo_bytes cmdline = section_text(profile, ".cmdline");
        if (in->settle != NULL && cmdline.size > 0 &&
            !set_cmdline(work, in, uki_work_profiles(work) - 1, cmdline, err))
            return clo_wrap(err, "%s", path);
    }
    return true;
}

/* In a binary that others join, .profile comes first; else last, so that all before it is shared. */
static bool compose(struct uki_work *work, const struct uki_build *in, struct clo_error *err)
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
    if (!add_file(work, ".osrel", in->osrel, err) || !add_cmdline(work, in, err) ||
        !add_file(work, ".dtb", in->devicetree, err) ||
        !add_files(work, ".dtbauto", &in->devicetrees, err) ||
        !uki_work_hwids(work, in->hwids, err))
        return false;
    if (!add_uname(work, in, err) || !add_file(work, ".splash", in->splash, err) ||
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
           join_profiles(work, in, err);
}

bool uki_build(const struct uki_build *given, struct clo_error *err)
{
    CLO_CLEANUP(uki_kernel_close) struct uki_kernel kernel = { 0 };
    CLO_CLEANUP(uki_work_freep) struct uki_work *work = NULL;
    struct uki_build in = *given;

    if (in.stub == NULL)
        in.stub = in.is_addon ? UKI_ADDON_STUB : UKI_DEFAULT_STUB;
    if (!uki_work_new(&work, err) || !open_stub(work, &in, err) ||
        !uki_kernel_open(&kernel, in.kernel, in.tell, err))
        return false;
    in.kernel = kernel.path;
    return compose(work, &in, err) && uki_policy_apply(work, &in.policy, err) &&
           uki_work_write(work, &in.signing, in.output, err);
}

/* A section that two options would fill: one of them would be lost. */
static bool check_sections(const struct uki_build *in, struct clo_error *err)
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

bool uki_build_check(const struct uki_build *in, struct clo_error *err)
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
