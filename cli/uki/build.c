#include "cli/uki/options.h"
#include "cli/uki/uki.h"
#include "cli/written.h"
#include "device/file.h"

static bool build(struct uki_build *in, struct clo_error *err)
{
    bool ok = clo_remove_temporaries_on_signals(err) && uki_signing_open(&in->signing, err) &&
              uki_policy_open(&in->policy, err) && uki_build(in, err);

    uki_signing_close(&in->signing);
    uki_policy_close(&in->policy);
    return ok;
}

int cmd_uki_build(int argc, char **argv)
{
    struct uki_build in = { .tell = cli_uki_tell };
    struct cli_written written = { false };
    const struct cli_option options[] = {
        UKI_KERNEL_OPTIONS(in),
        { "--initrd", "FILE", "an initrd (repeatable: they follow one another)",
          .list = &in.initrds },
        { "--addon", NULL, "an add-on: no kernel, and the stub is " UKI_ADDON_STUB,
          .flag = &in.is_addon },
        UKI_SECTION_OPTIONS(in),
        UKI_POLICY_OPTIONS(in.policy),
        UKI_SIGNING_OPTIONS(in.signing),
        UKI_SIGN_KERNEL_OPTION(in),
        { "--output", "FILE", "where the UKI goes (\"-\": standard output)", .text = &in.output },
        CLI_WRITTEN_OPTION(written),
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
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (!uki_build_check(&in, &err) || !cli_written_check(&written, in.output, &err))
        return cli_usage_error(&usage, "%s", err.text);
    in.policy.providers = in.signing.providers;
    return build(&in, &err) && cli_written_tell(&written, in.output, &err) ? CLI_YES
                                                                           : cli_error(&err);
}
