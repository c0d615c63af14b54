/* cloister image build: a confidential disk image and its reference values. */
#include "cli/image/image.h"
#include "cli/image/making.h"

/* One program runs one command: its table can be built at compile time. */
static struct cli_making in = CLI_MAKING_DEFAULTS;

static const struct cli_option options[] = {
    { "--output", "IMAGE", "the disk to write (required)", .text = &in.output },
    CLI_MAKING_OPTIONS(in),
};

static const struct cli_usage usage = {
    .command = "image build",
    .arguments = "ROOT",
    .operands = { "one root", 1, 1 },
    .summary = "Makes one disk image that boots as a confidential VM, and its reference values.\n"
               "ROOT is a folder or an ext4 image. Needs neither root nor loop devices. The UKI is "
               "made\nas `uki build` makes it, with an initrd of its own. With SOURCE_DATE_EPOCH "
               "set, the\nsame inputs and keys give the same UKI, bit for bit.",
    .options = options,
    .option_count = CLO_COUNT(options),
    .example = "  cloister image build rootfs --kernel boot/vmlinuz-6.12 \\\n"
               "    --modules lib/modules/6.12 --cmdline 'console=ttyS0' \\\n"
               "    --stub linuxx64.efi.stub --key keys/db.key --cert keys/db.crt \\\n"
               "    --varstore vars.fd --broker https://10.0.2.2:8443 --broker-key broker.pem \\\n"
               "    --output demo.img\n",
};

int cmd_image_build(int argc, char **argv)
{
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!cli_making_check(&in, &err))
        return cli_usage_error(&usage, "%s", err.text);
    return cli_making_run(&in, operands.items[0], &err);
}
