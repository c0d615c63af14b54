/* cloister eventlog convert: into the canonical form, or out of it. */
#include <string.h>

#include "cli/cli.h"
#include "cli/eventlog/input.h"
#include "cli/inputs.h"
#include "cloister/cel.h"
#include "device/file.h"

static bool write_form(const char *form, const struct clo_eventlog *log, struct clo_bytes binary,
                       const struct clo_ima *ima, const struct clo_userlog *userlog,
                       struct clo_buffer *out, struct clo_error *err)
{
    if (strcmp(form, "cel-json") == 0)
        return clo_cel_write(log, ima, userlog, CLO_CEL_JSON, out, err);
    if (strcmp(form, "cel-cbor") == 0)
        return clo_cel_write(log, ima, userlog, CLO_CEL_CBOR, out, err);
    if (strcmp(form, "tcg") != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--to: %s is none of tcg, cel-json, cel-cbor", form);
    if (ima != NULL || userlog != NULL)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--to tcg: the binary form has no place for IMA's and "
                        "user space's records");
    clo_buffer_append(out, binary);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static void note_left_out(const struct clo_eventlog *log, const struct clo_userlog *userlog)
{
    char reg[96];

    for (size_t i = 0; userlog != NULL && i < clo_userlog_count(userlog); i++) {
        const struct clo_userlog_event *event = clo_userlog_at(userlog, i);
        if (clo_cel_names(log, event))
            continue;
        clo_userlog_register(event, reg, sizeof reg);
        fprintf(stderr, "cloister: note: record %zu of user space is left out: it is of %s\n", i,
                reg);
    }
}

int cmd_eventlog_convert(int argc, char **argv)
{
    const char *form = "cel-json";
    const char *ima = NULL;
    const char *userspace = NULL;
    const char *output = NULL;
    const struct cli_option options[] = {
        { "--to", "FORM", "cel-json (default), cel-cbor, or tcg: the binary form", .text = &form,
          .values = "cel-json cel-cbor tcg" },
        { "--ima-log", "FILE", "with what the kernel's IMA measured", .text = &ima },
        { "--userspace-log", "FILE", "with what user space measured (tpm2-measure.log)",
          .text = &userspace },
        { "--output", "FILE", "where it goes (required)", .text = &output },
    };
    const struct cli_usage usage = {
        .command = "eventlog convert",
        .arguments = "LOG --output FILE",
        .operands = { "one event log", 1, 1 },
        .summary = "Writes an event log in another form: TCG's Canonical Event Log, as JSON or "
                   "CBOR, with IMA's and\nuser space's records if they are given; or, of a "
                   "canonical log, the binary form.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister eventlog convert eventlog.bin --userspace-log tpm2-measure.log \\\n"
                   "      --to cel-json --output boot.cel.json\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ima_file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_ima_freep) struct clo_ima *ima_list = NULL;
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *userlog = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (output == NULL)
        return cli_usage_error(&usage, "--output is missing");
    if (!cli_is_no_input("--output", output, operands.items[0], &err))
        return cli_usage_error(&usage, "%s", err.text);
    bool ok = eventlog_load(operands.items[0], &file, &log, &err) &&
              (ima == NULL || ima_load(ima, &ima_file, &ima_list, &err)) &&
              (userspace == NULL || userlog_load(userspace, &userlog, &err)) &&
              write_form(form, log, clo_buffer_bytes(&file), ima_list, userlog, &out, &err) &&
              clo_file_write(output, clo_buffer_bytes(&out), 0644, &err);
    if (ok)
        note_left_out(log, userlog);
    return ok ? CLI_YES : cli_fail("eventlog convert", &err);
}
