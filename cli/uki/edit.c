#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "cli/stranger.h"
#include "cli/uki/options.h"
#include "cli/uki/uki.h"
#include "cli/written.h"

struct edit {
    const char *image, *cmdline, *profile, *output, *addon, *addon_stub;
    struct clo_list sections, removed, moved;
    bool keeps_policy;
    struct cli_written written;
    struct uki_signing signing;
    struct uki_policy policy;
};

static bool open_image(struct uki_work *work, const char *path, struct clo_error *err)
{
    if (!uki_work_image(work, path, &work->frame, err))
        return cli_stranger(path, "an EFI image", "an EFI image", err);
    work->stub_version = work->frame->uki.stub_version;
    return clo_uki_parts_of(&work->frame->uki.pe, &work->frame->file, &work->list, err);
}

/* The group that --profile names: by its ID, or by its number. */
static bool choose_profile(struct uki_work *work, const char *name, struct clo_error *err)
{
    size_t count = uki_work_profiles(work);
    size_t found = 0;
    char id[256];
    char *end;

    if (name == NULL)
        return true;
    for (size_t p = 0; p < count; p++) {
        uki_profile_id(work, p, id, sizeof id);
        if (strcmp(id, name) == 0) {
            work->group = p;
            found++;
        }
    }
    if (found > 1)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--profile %s: there are several of that ID: give its "
                        "number",
                        name);
    if (found == 1)
        return true;
    unsigned long number = strtoul(name, &end, 10);
    if (*name < '0' || *name > '9' || *end != '\0' || number >= count)
        return clo_fail(err, CLO_ERR_USAGE, "--profile %s: there is no such profile", name);
    work->group = number;
    return true;
}

static bool find_part(struct uki_work *work, const char *option, const char *name,
                      struct clo_pe_part **out, struct clo_error *err)
{
    *out = clo_uki_part_find(&work->list, work->group, name);
    if (*out == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "%s %s: there is no such section", option, name);
    if ((*out)->is_fixed)
        return clo_fail(err, CLO_ERR_USAGE, "%s %s: is the stub's own", option, name);
    return true;
}

static bool remove_sections(struct uki_work *work, const struct clo_list *names,
                            struct clo_error *err)
{
    struct clo_pe_part *part;

    for (size_t i = 0; i < names->count; i++) {
        if (!find_part(work, "--remove", names->items[i], &part, err))
            return false;
        clo_uki_part_remove(&work->list, part);
    }
    return true;
}

/* The sections that are moved out, in an add-on of their own. */
static bool write_addon(struct uki_work *work, const struct edit *in, struct clo_error *err)
{
    CLO_CLEANUP(uki_work_freep) struct uki_work *addon = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sbat = { 0 };
    struct clo_bytes text = clo_bytes_text(clo_sbat_addon);
    struct clo_bytes kept;
    struct clo_pe_part *part;

    if (!uki_work_new(&addon, err) || !open_image(addon, in->addon_stub, err))
        return false;
    if (!clo_uki_check_stub(&addon->frame->uki.pe, err))
        return clo_wrap(err, "%s", in->addon_stub);
    if (addon->frame->uki.pe.machine != work->frame->uki.pe.machine)
        return clo_fail(err, CLO_ERR_USAGE, "%s: is for machine 0x%04x, the image for 0x%04x",
                        in->addon_stub, addon->frame->uki.pe.machine, work->frame->uki.pe.machine);
    for (size_t i = 0; i < in->moved.count; i++) {
        if (!find_part(work, "--move", in->moved.items[i], &part, err))
            return false;
        if (strcmp(part->name, ".linux") == 0)
            return clo_fail(err, CLO_ERR_USAGE, "--move .linux: an add-on has no kernel");
        struct clo_pieces content = { 0 };
        clo_pieces_add(&content, &part->content);
        uint64_t size = part->virtual_size;
        if (!clo_uki_part_set(&addon->list, CLO_UKI_BASE, part->name, &content, err))
            return false;
        clo_uki_part_find(&addon->list, CLO_UKI_BASE, part->name)->virtual_size = size;
        clo_uki_part_remove(&work->list, part);
    }
    return clo_sbat_merge(&text, 1, &sbat, err) &&
           uki_work_keep(addon, clo_buffer_bytes(&sbat), &kept, err) &&
           uki_work_set(addon, CLO_UKI_BASE, ".sbat", kept, err) &&
           uki_work_write(addon, &in->signing, in->addon, err);
}

/* Signatures over PCR 11 as it was: of no use, unless only what is not measured was changed. */
static void drop_policies(struct uki_work *work)
{
    size_t profiles = uki_work_profiles(work);
    struct clo_pe_part *part;
    bool has_dropped = false;

    for (size_t p = 0; p <= profiles; p++) {
        while ((part = clo_uki_part_find(&work->list, p == 0 ? CLO_UKI_BASE : p - 1, ".pcrsig")) !=
               NULL) {
            clo_uki_part_remove(&work->list, part);
            has_dropped = true;
        }
    }
    if (has_dropped)
        fprintf(stderr, "cloister: note: .pcrsig signed PCR 11 as it was, and is dropped; "
                        "--keep-pcrsig keeps it\n");
}

static bool change(struct uki_work *work, const struct edit *in, struct clo_error *err)
{
    struct clo_bytes text;

    if (!choose_profile(work, in->profile, err))
        return false;
    if (in->addon != NULL && !write_addon(work, in, err))
        return false;
    if (!remove_sections(work, &in->removed, err))
        return false;
    if (in->cmdline != NULL &&
        (!uki_work_text(work, in->cmdline, &text, err) ||
         (text.size == 0 && !clo_fail(err, CLO_ERR_USAGE,
                                      "--cmdline: is empty; --remove .cmdline "
                                      "drops it")) ||
         !uki_work_set(work, work->group, ".cmdline", text, err)))
        return false;
    for (size_t i = 0; i < in->sections.count; i++)
        if (!uki_work_section(work, in->sections.items[i], err))
            return false;
    return true;
}

static bool changes(const struct edit *in)
{
    return in->cmdline != NULL || in->sections.count + in->removed.count > 0 || in->addon != NULL;
}

static bool check(const struct edit *in, struct clo_error *err)
{
    const char *output = in->output == NULL ? in->image : in->output;

    if (!changes(in) && in->signing.keys.count == 0 && !uki_policy_is_wanted(&in->policy))
        return clo_fail(err, CLO_ERR_USAGE, "nothing to change");
    if ((in->addon == NULL) != (in->moved.count == 0))
        return clo_fail(err, CLO_ERR_USAGE, "--split-addon and --move are given together");
    if (in->addon != NULL && strcmp(in->addon, output) == 0)
        return clo_fail(err, CLO_ERR_USAGE, "--split-addon %s: is where the image goes", output);
    return cli_is_no_input("--split-addon", in->addon, in->image, err) &&
           (in->addon == NULL || cli_is_no_input("--split-addon", in->addon, output, err)) &&
           cli_is_no_input("--write-digests", in->policy.digests, in->image, err) &&
           uki_signing_check(&in->signing, err) && uki_policy_check(&in->policy, err);
}

static bool edit_image(const struct edit *in, struct clo_error *err)
{
    CLO_CLEANUP(uki_work_freep) struct uki_work *work = NULL;

    if (!uki_work_new(&work, err) || !open_image(work, in->image, err) || !change(work, in, err))
        return false;
    if (changes(in) && !in->keeps_policy && !in->policy.is_appended)
        drop_policies(work);
    return uki_policy_add_key(work, &in->policy, err) && uki_policy_apply(work, &in->policy, err) &&
           uki_work_write(work, &in->signing, in->output == NULL ? in->image : in->output, err);
}

static bool edit(struct edit *in, struct clo_error *err)
{
    bool ok = clo_remove_temporaries_on_signals(err) && uki_signing_open(&in->signing, err) &&
              uki_policy_open(&in->policy, err) && edit_image(in, err);

    uki_signing_close(&in->signing);
    uki_policy_close(&in->policy);
    return ok;
}

int cmd_uki_edit(int argc, char **argv)
{
    struct edit in = { .addon_stub = UKI_ADDON_STUB };
    const struct cli_option options[] = {
        { "--cmdline", "TEXT|@FILE",
          "another kernel command line; of a file, white space at its end is dropped",
          .text = &in.cmdline },
        { "--section", "NAME:TEXT|@FILE", "add a section, or replace the one of that name",
          .list = &in.sections },
        { "--remove", "NAME", "drop a section (repeatable)", .list = &in.removed },
        { "--profile", "ID|NUMBER", "all of this in a profile (default: in what they share)",
          .text = &in.profile },
        { "--split-addon", "FILE", "move the sections of --move into an add-on",
          .text = &in.addon },
        { "--move", "NAME", "a section for --split-addon (repeatable)", .list = &in.moved },
        { "--addon-stub", "FILE", "its stub (default: " UKI_ADDON_STUB ")",
          .text = &in.addon_stub },
        { "--keep-pcrsig", NULL, "keep signatures over PCR 11 as it was",
          .flag = &in.keeps_policy },
        { "--append-pcrsig", NULL, "add to the signatures that are there",
          .flag = &in.policy.is_appended },
        UKI_POLICY_OPTIONS(in.policy),
        UKI_SIGNING_OPTIONS(in.signing),
        { "--output", "FILE", "where the image goes (default: in place)", .text = &in.output },
        CLI_WRITTEN_OPTION(in.written),
    };
    const struct cli_usage usage = {
        .command = "uki edit",
        .arguments = "IMAGE",
        .operands = { "one image", 1, 1 },
        .summary = "Changes sections of an EFI image; what the others hold stays as it is.\n"
                   "Signatures that it has are dropped; --key signs again.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki edit guest.efi --cmdline 'console=ttyS0 debug' \\\n"
                   "      --key keys/db.key --cert keys/db.crt --output debug.efi\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    in.image = operands.items[0];
    const char *output = in.output == NULL ? in.image : in.output;
    if (!check(&in, &err) || !cli_written_check(&in.written, output, &err))
        return cli_usage_error(&usage, "%s", err.text);
    in.policy.providers = in.signing.providers;
    return edit(&in, &err) && cli_written_tell(&in.written, output, &err) ? CLI_YES
                                                                          : cli_error(&err);
}
