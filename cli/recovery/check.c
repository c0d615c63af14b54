/* cloister recovery check: what was typed, before anything depends on it. */
#include "cli/recovery/recovery.h"

static bool print_check(bool is_checked, const char *disk, int slot, bool as_json,
                        struct clo_error *err)
{
    if (as_json) {
        CLO_CLEANUP(clo_json_freep)
        json_t *json = json_pack("{s:b, s:b}", "well_formed", 1, "checked", is_checked);
        if (disk != NULL)
            json_object_set_new(json, "key_slot", json_integer(slot));
        return cli_print_json(json, err);
    }
    puts(is_checked
                 ? "typed as it was printed"
                 : "has the form of a recovery key; without the check letters typos do not show");
    if (disk != NULL)
        printf("opens key slot %d of %s\n", slot, disk);
    return true;
}

static bool check(const char *path, const char *disk, bool as_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    bool is_checked;
    int slot = -1;

    return cli_recovery_read(path, disk, &key, &is_checked, err) &&
           (disk == NULL || cli_recovery_open(disk, key, &slot, NULL, err)) &&
           print_check(is_checked, disk, slot, as_json, err);
}

int cmd_recovery_check(int argc, char **argv)
{
    const char *path = NULL;
    bool as_json = false;
    const struct cli_option options[] = {
        { "--recovery-key", "FILE", "what was typed; default \"-\", standard input",
          .text = &path },
        { "--json", NULL, "print JSON", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "recovery check",
        .arguments = "[DISK]",
        .operands = { "at most one disk", 0, 1 },
        .summary = "Is a recovery key typed as it was printed? With the check letters as a ninth "
                   "group a typo is\nnamed by its group. With a disk, image or device: which key "
                   "slot it opens.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister recovery check demo.img\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    const char *disk = operands.count == 0 ? NULL : operands.items[0];
    return check(path, disk, as_json, &err) ? CLI_YES : cli_fail("recovery check", &err);
}
