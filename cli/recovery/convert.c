/* cloister recovery convert: files that cryptsetup opens the disk with, on the owner's machine. */
#include "cli/inputs.h"
#include "cli/recovery/recovery.h"
#include "device/file.h"

struct conversion {
    const char *typed, *output, *volume_key_output;
};

static bool write_key(const char *path, const struct clo_secret *key, struct clo_error *err)
{
    return path == NULL || clo_file_write(path, clo_secret_bytes(key), 0600, err);
}

static bool convert(const struct conversion *c, const char *disk, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    const char *outputs[] = { c->output, c->volume_key_output };
    bool is_checked;
    int slot;

    if ((c->output == NULL && c->volume_key_output == NULL) ||
        (c->volume_key_output != NULL && disk == NULL))
        return clo_fail(err, CLO_ERR_USAGE,
                        "--output, or --volume-key-output and a disk, are needed");
    for (size_t i = 0; i < CLO_COUNT(outputs); i++)
        if (outputs[i] != NULL && disk != NULL &&
            !cli_is_no_input(i == 0 ? "--output" : "--volume-key-output", outputs[i], disk, err))
            return false;
    if (!cli_recovery_read(c->typed, disk, &key, &is_checked, err) ||
        (disk != NULL && !cli_recovery_open(disk, key, &slot, &volume_key, err)))
        return false;
    return write_key(c->output, key, err) && write_key(c->volume_key_output, volume_key, err);
}

int cmd_recovery_convert(int argc, char **argv)
{
    struct conversion c = { .typed = NULL };
    const struct cli_option options[] = {
        { "--recovery-key", "FILE", "what was typed; default \"-\", standard input",
          .text = &c.typed },
        { "--output", "FILE", "the key as its slot has it: cryptsetup's --key-file",
          .text = &c.output },
        { "--volume-key-output", "FILE", "the disk's volume key: cryptsetup's --volume-key-file",
          .text = &c.volume_key_output },
    };
    const struct cli_usage usage = {
        .command = "recovery convert",
        .arguments = "[DISK] --output FILE",
        .operands = { "at most one disk", 0, 1 },
        .summary = "Writes a recovery key that was typed as cryptsetup takes it, and of a disk "
                   "that it opens the\nvolume key. A key that does not open the disk is written "
                   "nowhere.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister recovery convert demo.img --output demo.pass\n"
                   "  cryptsetup open --key-file demo.pass /dev/loop0p2 demo\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    return convert(&c, operands.count == 0 ? NULL : operands.items[0], &err)
                   ? CLI_YES
                   : cli_fail("recovery convert", &err);
}
