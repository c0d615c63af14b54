/* cloister image update: another kernel for an image that does not run, from outside. */
#include "cli/commands.h"
#include "cli/image/image.h"
#include "cli/image/updating.h"
#include "cli/uki/options.h"

static struct cli_updating in = { .srk_handle = CLO_TPM_SRK,
                                  .making = { .init = CLOISTER_INIT_PATH } };

static const struct cli_option options[] = {
    { "--disk-key", "FILE", "the key or passphrase that opens the image's root (required)",
      .text = &in.seal.key },
    { "--varstore", "FILE", "the variable store with the Secure Boot keys, for PCR 7 (required)",
      .text = &in.varstore },
    { "--uki", "FILE", "the new UKI, signed", .text = &in.making.uki },
    { "--kernel", "FILE",
      "or a kernel, with --modules: the UKI is made with the image's own command line and "
      "guest.json",
      .text = &in.making.build.kernel },
    { "--modules", "FOLDER", "its modules, …/lib/modules/RELEASE", .text = &in.making.modules },
    UKI_SIGNING_OPTIONS(in.making.build.signing),
    { "--sign-command", "PROGRAM",
      "have it signed: PROGRAM UNSIGNED SIGNED, two files, the second to be made",
      .text = &in.making.sign_command },
    { "--request", "FILE", "write it unsigned, to be signed elsewhere, and change nothing",
      .text = &in.making.request },
    { "--pcr-key", "FILE|URI", "sign PCR 11 with this RSA key, into .pcrsig (repeatable)",
      .list = &in.making.build.policy.keys },
    { "--stub", "FILE", "systemd's EFI stub (default: " UKI_DEFAULT_STUB ")",
      .text = &in.making.build.stub },
    { "--init", "FILE", "cloister-init; default " CLOISTER_INIT_PATH, .text = &in.making.init },
    { "--output", "FILE",
      "where the new reference values go; default IMAGE's name with .next.ref.json",
      .text = &in.output },
    { "--name", "NAME", "the image's name in them; default IMAGE without its ending",
      .text = &in.name },
    { "--srk", "FILE", "seal for the new state: the TPM's public storage key, TPM2B_PUBLIC",
      .text = &in.srk },
    { "--srk-handle", "HANDLE", "where the TPM keeps it; default 0x81000001",
      .number = &in.srk_handle },
    { "--reference", "FILE", "to seal: the values of the machine's firmware (repeatable)",
      .list = &in.seal.references },
    { "--pcrs", "LIST", "to seal: as in 'image seal'", .text = &in.seal.pcrs },
    { "--signed-pcrs", "LIST", "to seal: as in 'image seal'", .text = &in.seal.signed_pcrs },
    { "--policy-key", "PEM", "to seal: as in 'image seal'", .text = &in.seal.signer },
    { "--policy-ref", "TEXT", "to seal: as in 'image seal'", .text = &in.seal.ref },
    { "--pin-file", "FILE", "to seal: a PIN that is asked for as well", .text = &in.seal.pin },
    { "--form", "FORM", "to seal: systemd, own or share; default the one that the disk has",
      .text = &in.seal.form },
    { "--share-output", "FILE", "to seal: where the broker's half goes, for 'key put'",
      .text = &in.seal.share },
    { "--disk", "FILE", "to seal: the NAME.disk.json that is brought up to date",
      .text = &in.seal.identity },
    { "--replace", NULL, "drop what was sealed to a TPM before, once the new UKI boots",
      .flag = &in.seal.drops_others },
    { "--try-once", "VARSTORE",
      "have the firmware with this variable store try it once, in place of the usual one",
      .text = &in.trial },
    { "--keep", NULL, "what was tried once was good: it boots from now on", .flag = &in.does_keep },
    { "--back", NULL, "the UKI of before boots again, and the present one is kept next to it",
      .flag = &in.goes_back },
    { "--forget", NULL, "drop what is kept on the ESP next to the present UKI",
      .flag = &in.forgets },
    { "--json", NULL, "print JSON", .flag = &in.seal.as_json },
};

static const struct cli_usage usage = {
    .command = "image update",
    .arguments = "IMAGE",
    .operands = { "one image", 1, 1 },
    .summary = "Gives a raw image another UKI: foretells its registers, seals the disk's key for "
               "them, and\nexchanges it on the ESP, where the one of before stays. The volume and "
               "its keys stay.\nStopped at any moment, what boots opens the disk, and the same "
               "command run again goes on.",
    .options = options,
    .option_count = CLO_COUNT(options),
    .example = "  cloister image update demo.img --disk-key demo.disk.key --varstore vars.fd \\\n"
               "      --kernel boot/vmlinuz-6.12 --modules lib/modules/6.12 --key keys/db.key \\\n"
               "      --cert keys/db.crt --srk vm.srk --reference firmware.ref.json\n"
               "  cloister image update demo.img --back\n",
};

int cmd_image_update(int argc, char **argv)
{
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    in.image = operands.items[0];
    in.making.build.tell = cli_uki_tell;
    in.making.build.policy.providers = in.making.build.signing.providers;
    if (!cli_updating_check(&in, &err))
        return cli_usage_error(&usage, "%s", err.text);
    bool ok = uki_signing_open(&in.making.build.signing, &err) &&
              uki_policy_open(&in.making.build.policy, &err) && cli_updating_run(&in, &err);
    uki_signing_close(&in.making.build.signing);
    uki_policy_close(&in.making.build.policy);
    return ok ? CLI_YES : cli_fail("image update", &err);
}
