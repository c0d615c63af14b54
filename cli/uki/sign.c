#include <string.h>

#include "cli/inputs.h"
#include "cli/stranger.h"
#include "cli/uki/options.h"
#include "cli/uki/uki.h"
#include "cli/written.h"
#include "image/uki/offline.h"

struct sign {
    const char *image, *output;
    struct uki_offline offline;
    bool keeps, removes;
    struct cli_written written;
    struct uki_signing signing;
};

/* Where something is written: the image, or what is to be signed elsewhere. */
static const char *written_path(const struct sign *in)
{
    if (in->offline.tbs != NULL)
        return in->offline.tbs;
    return in->output == NULL ? in->image : in->output;
}

static bool sign_image(const struct sign *in, const struct uki_image *image, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    struct clo_authenticode_ranges ranges;
    const char *tbs = in->offline.tbs;

    if (!clo_authenticode_ranges_to_sign(&image->uki.pe, &ranges, err))
        return clo_wrap(err, "%s", in->image);
    if (tbs != NULL)
        return cli_is_no_input("--write-tbs", tbs, in->image, err) &&
               uki_write_tbs(image, &in->signing, tbs, err);
    if (in->keeps)
        clo_buffer_append(&table, image->uki.pe.certificates);
    if (in->offline.attached != NULL &&
        !uki_attached_entry(image, &in->signing, in->offline.attached, &table, err))
        return false;
    if (!uki_sign_again(image, clo_buffer_bytes(&table), &in->signing,
                        in->output == NULL ? in->image : in->output, err))
        return false;
    cli_uki_warn(image);
    return true;
}

static bool sign(struct sign *in, struct clo_error *err)
{
    CLO_CLEANUP(uki_image_freep) struct uki_image *image = NULL;
    bool ok = clo_remove_temporaries_on_signals(err) &&
              (uki_image_open(in->image, &image, err) ||
               cli_stranger(in->image, "an EFI image", "an EFI image", err)) &&
              uki_signing_open(&in->signing, err) && sign_image(in, image, err);

    uki_signing_close(&in->signing);
    return ok;
}

static bool check(const struct sign *in, struct clo_error *err)
{
    bool is_offline = in->offline.tbs != NULL || in->offline.attached != NULL;
    int ways = (in->offline.tbs != NULL) + (in->offline.attached != NULL) +
               (in->signing.keys.count > 0) + in->removes;

    if (ways == 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--key and --cert are needed (or --write-tbs, --attach, --remove)");
    if (ways > 1)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--key, --write-tbs, --attach and --remove: one of them");
    if (in->removes && in->keeps)
        return clo_fail(err, CLO_ERR_USAGE, "--remove and --keep: one of them");
    return is_offline ? uki_offline_check(&in->offline, &in->signing, err)
                      : uki_signing_check(&in->signing, err);
}

int cmd_uki_sign(int argc, char **argv)
{
    struct sign in = { 0 };
    const struct cli_option options[] = {
        UKI_SIGNING_OPTIONS(in.signing),
        { "--keep", NULL, "keep the signatures that it has", .flag = &in.keeps },
        { "--remove", NULL, "take the signatures off, and add none", .flag = &in.removes },
        UKI_OFFLINE_OPTIONS(in.offline),
        { "--output", "FILE", "where the signed image goes (default: in place)",
          .text = &in.output },
        CLI_WRITTEN_OPTION(in.written),
    };
    const struct cli_usage usage = {
        .command = "uki sign",
        .arguments = "IMAGE --key FILE --cert FILE",
        .operands = { "one image", 1, 1 },
        .summary = "Signs an EFI image for Secure Boot.\nSignatures that it already has are "
                   "replaced, unless --keep says otherwise.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki sign guest.efi --key keys/db.key --cert keys/db.crt\n"
                   "  cloister uki sign guest.efi --write-tbs guest.tbs\n"
                   "  openssl dgst -sha256 -sign db.key -out guest.sig guest.tbs\n"
                   "  cloister uki sign guest.efi --attach guest.sig --cert keys/db.crt\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    in.image = operands.items[0];
    if (!check(&in, &err) || !cli_written_check(&in.written, written_path(&in), &err))
        return cli_usage_error(&usage, "%s", err.text);
    return sign(&in, &err) && cli_written_tell(&in.written, written_path(&in), &err)
                   ? CLI_YES
                   : cli_error(&err);
}
