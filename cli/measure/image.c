/* cloister measure image: the PCRs of a boot from this disk image. */
#include "cli/measure/measure.h"
#include "cli/measure/pcrs.h"
#include "cli/view.h"
#include "lib/disk/gpt.h"

static bool measure(const char *path, struct measure *options, struct clo_error *err)
{
    CLO_CLEANUP(cli_view_close) struct cli_view disk = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
    struct clo_prediction from = { .name = cli_base_name(path) };

    if (!cli_view_open_disk(path, &disk, err))
        return false;
    from.disk_head = clo_bytes_slice(disk.bytes, 0, CLO_GPT_HEAD_SIZE);
    if (!cli_disk_boot(disk.bytes, options->load_options, &options->boot, err) ||
        !cli_grow(&options->growth, &from.disk_head, &grown, err))
        return clo_wrap(err, "%s", path);
    return cli_machine_read(&options->machine, &from, err) &&
           (measure_pcrs(options, &from, true, err) || clo_wrap(err, "%s", path));
}

/* As given on the command line. */
static struct measure chosen = { .machine = CLI_MACHINE_DEFAULTS };

static const struct cli_option table[] = {
    { "--varstore", "FILE", "the firmware's variable store, with the Secure Boot keys",
      .text = &chosen.varstore },
    { "--bank", "NAME", "sha1, sha256, sha384 or sha512 (repeatable); default sha256",
      .list = &chosen.bank_names, .values = "sha1 sha256 sha384 sha512" },
    { "--load-options", "TEXT",
      "what the boot entry passes; default nothing. To a shim: its second stage's name first",
      .text = &chosen.load_options },
    { "--disk-size", "SIZE", CLI_DISK_SIZE_HELP, .text = &chosen.growth.disk_size },
    { "--grow-partition", "WHICH", CLI_GROW_PARTITION_HELP, .text = &chosen.growth.partition },
    { "--grown-by", "TOOL", CLI_GROWN_BY_HELP, .text = &chosen.growth.tool,
      .values = CLI_GROWN_BY_VALUES },
    { "--built", "FILE", "the reference file that image build wrote: PCR 15 is taken from it",
      .text = &chosen.built },
    { "--mok-list", "FILE", MOK_LIST_HELP, .text = &chosen.mok_list },
    { "--mok-list-x", "FILE", MOK_LIST_X_HELP, .text = &chosen.mok_list_x },
    { "--firmware", "FILE", "OVMF's image: predicts PCRs 0 to 3 and 6, as far as they follow",
      .text = &chosen.machine.firmware },
    { "--memory", "SIZE", "of the machine, with --firmware; default 512M",
      .text = &chosen.machine.memory },
    { "--vcpus", "N", "of the machine, with --firmware; default 1",
      .number = &chosen.machine.vcpus },
    { "--address-bits", "N", "of its processor; default 40, QEMU's -cpu max without KVM",
      .number = &chosen.machine.address_bits },
    { "--firmware-version", "TEXT", "what the firmware says it is; default nothing",
      .text = &chosen.machine.version },
    { "--name", "NAME", "the image's name; default its file name", .text = &chosen.name },
    { "--output", "FILE", "write the reference file", .text = &chosen.output },
    { "--json", NULL, "print the reference file", .flag = &chosen.json },
};

static const struct cli_usage usage = {
    .command = "measure image",
    .arguments = "IMAGE --varstore FILE",
    .operands = { "one disk image", 1, 1 },
    .summary = "Predicts the PCRs of a boot from this disk image, event by event.\n"
               "PCR 5 is that of a grown disk with --disk-size and --grow-partition. PCR 15 needs "
               "the volume key and is\nin the file that image build writes (--built); PCRs "
               "0 to 3 and 6 are the firmware's: from its\nimage (--firmware), else from a "
               "calibration boot.",
    .options = table,
    .option_count = CLO_COUNT(table),
    .example = "  cloister measure image demo.raw --varstore vars.fd --json\n"
               "  cloister measure image demo.raw --varstore vars.fd --built demo.ref.json \\\n"
               "    --disk-size 40G --grow-partition root --grown-by repart "
               "--output demo.grown.ref.json\n",
};

int cmd_measure_image(int argc, char **argv)
{
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!cli_is_no_input("--output", chosen.output, operands.items[0], &err))
        return cli_usage_error(&usage, "%s", err.text);
    if (chosen.varstore == NULL)
        return cli_usage_error(&usage, "--varstore is missing");
    bool ok = measure(operands.items[0], &chosen, &err);
    measure_free(&chosen);
    return ok ? CLI_YES : cli_fail("measure image", &err);
}
