/* cloister calibrate: what a machine's firmware measures, from evidence that the machine gave. */
#include <string.h>

#include "cli/commands.h"
#include "cli/evidence/file.h"
#include "cli/verify/common.h"
#include "device/file.h"

/* The firmware, its configuration and its option ROMs: what no image foretells. */
#define FIRMWARE_PCRS 0x4f

/* Nothing was found wrong, and the log is shown to be what the registers come from. */
static bool check(const struct clo_appraisal *appraisal, struct clo_error *err)
{
    const struct clo_checks *checks = clo_appraisal_checks(appraisal);
    const char *missing = "the evidence has no event log";

    if (clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED)
        return clo_fail(err, CLO_ERR_REFUSED, "%s", clo_appraisal_summary(appraisal));
    for (size_t i = 0; i < checks->count; i++) {
        if (strcmp(checks->items[i].id, "eventlog.replay") != 0)
            continue;
        if (checks->items[i].result == CLO_CHECK_PASS)
            return true;
        missing = checks->items[i].detail;
    }
    return clo_fail(err, CLO_ERR_REFUSED, "nothing to calibrate with: %s", missing);
}

/* The bank that is quoted, where all of these PCRs are: {"pcrs": {"sha256": {"0": hex}}}. */
static bool find_bank(const struct clo_appraisal *appraisal, enum clo_hash *out,
                      struct clo_error *err)
{
    const json_t *claim = json_object_get(clo_appraisal_claims(appraisal), "pcrs");
    const char *name;
    json_t *values;

    *out = CLO_HASH_NONE;
    json_object_foreach ((json_t *)(uintptr_t)claim, name, values) {
        *out = clo_hash_from_name(name);
        for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
            char key[16];
            snprintf(key, sizeof key, "%u", pcr);
            if ((FIRMWARE_PCRS >> pcr & 1) != 0 && json_object_get(values, key) == NULL)
                return clo_fail(err, CLO_ERR_REFUSED, "PCR %u is not in the quote", pcr);
        }
    }
    return *out != CLO_HASH_NONE || clo_fail(err, CLO_ERR_REFUSED, "the evidence proves no PCRs");
}

/* Of whatever kind, for PCRs are all that is asked for; AWS's documents come without their log. */
static bool load(const char *path, const char *eventlog, struct clo_evidence **out,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };

    if (!evidence_file_import(path, &import, err))
        return false;
    if (import.kind != CLO_IMPORT_EVIDENCE)
        return clo_import_refuse(&import, "evidence", err) || clo_wrap(err, "%s", path);
    if (eventlog != NULL &&
        !evidence_file_add_log(eventlog, CLO_EVIDENCE_EVENTLOG, import.evidence, err))
        return false;
    *out = CLO_TAKE(import.evidence);
    return true;
}

static bool calibrate(const struct clo_evidence *evidence, const struct verify_inputs *inputs,
                      const char *name, struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *created = clo_json_time(inputs->inputs.at);
    enum clo_hash bank;

    return clo_appraise(evidence, &inputs->inputs, &appraisal, err) && check(appraisal, err) &&
           find_bank(appraisal, &bank, err) &&
           clo_eventlog_parse(clo_evidence_get(evidence, CLO_EVIDENCE_EVENTLOG), &log, err) &&
           clo_reference_from_eventlog(name, json_string_value(created), log, FIRMWARE_PCRS, bank,
                                       out, err);
}

static bool write_out(const struct clo_reference *reference, const char *path,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (path == NULL)
        return cli_print_json(clo_reference_json(reference), err);
    if (!clo_reference_write(reference, &text, err) ||
        !clo_file_write(path, clo_buffer_bytes(&text), 0644, err))
        return false;
    printf("%s: PCRs 0 to 3 and 6 as this machine showed them; whether that firmware is a good "
           "one, "
           "its maker knows\n",
           path);
    return true;
}

int cmd_calibrate(int argc, char **argv)
{
    struct verify_options o = { 0 };
    struct verify_tpm_files files = { 0 };
    const char *file = NULL, *output = NULL, *name = "firmware", *ak = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX] = {
        { "--evidence", "FILE", "a bundle, or another form, with a vTPM's quote and event log",
          .text = &file },
        { "--output", "FILE", "the reference values (standard output)", .text = &output },
        { "--eventlog", "FILE", "the firmware's log, where the evidence has none",
          .text = &files.eventlog },
        { "--ak", "FILE", "a TPM alone: its attestation key, which you trust to be its",
          .text = &ak },
        { "--name", "NAME", "their name in explanations (firmware)", .text = &name },
    };
    size_t count = 5;
    verify_add_challenge_options(&files, table, &count);
    verify_add_options(&o, table, &count);
    fetch_add_options(&o.fetch, table, &count);
    const struct cli_usage usage = {
        .command = "calibrate",
        .arguments = "--evidence FILE",
        .summary =
                "Writes reference values of PCRs 0 to 3 and 6 from evidence that a machine of "
                "the same kind\ngave: for firmware that is the cloud's own and cannot be started "
                "here. The evidence is\nverified first, and the log must lead to the quoted "
                "PCRs. That a machine shows these values\ndoes not make its firmware a good one: "
                "compare several machines, and several times. Evidence is "
                "that of Azure,\nGCE, AWS's NitroTPM, an SVSM, or a TPM alone.",
        .options = table,
        .option_count = count,
        .example = "  cloister calibrate --evidence evidence.json --output firmware.ref.json\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (file == NULL)
        return cli_usage_error(&usage, "--evidence is missing");
    if (!verify_load(&o, &inputs, &err) || (ak != NULL && !verify_load_ak(ak, &inputs, &err)) ||
        !verify_load_challenge(&files, &inputs, &err))
        return cli_error(&err);
    if (o.nonce != NULL)
        inputs.inputs.expected_nonce = clo_bytes_text(o.nonce);
    bool ok = (load(file, files.eventlog, &evidence, &err) &&
               verify_fetch(&o, evidence, &inputs, &err) &&
               calibrate(evidence, &inputs, name, &reference, &err)) ||
              clo_wrap(&err, "calibrate");
    return ok && write_out(reference, output, &err) ? CLI_YES : cli_error(&err);
}
