#include <string.h>

#include "cli/evidence/file.h"
#include "cli/verify/collateral.h"
#include "cli/verify/common.h"
#include "device/file.h"

/* The quote's own chain goes along, so that the folder stands for the whole platform. */
static bool save(const char *folder, const struct clo_evidence *evidence,
                 const struct verify_inputs *inputs, struct clo_error *err)
{
    CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
    size_t count = inputs->inputs.endorsements.tdx_collateral_count;
    struct clo_tdx_quote quote;

    if (!clo_tdx_parse(clo_evidence_get(evidence, CLO_EVIDENCE_TDX_QUOTE), &quote, err) ||
        !clo_tdx_collateral_choose(inputs->sets, count, count, quote.chain, inputs->inputs.at,
                                   &choice, err))
        return false;
    struct clo_tdx_collateral *all = &choice.collateral;
    if (quote.chain.size > 0 && !clo_tdx_collateral_set(all, CLO_TDX_PCK_CHAIN, quote.chain, err))
        return clo_wrap(err, "--save-collateral");
    return collateral_save(all, folder, err) || clo_wrap(err, "--save-collateral");
}

int cmd_verify_tdx(int argc, char **argv)
{
    struct verify_options o = { 0 };
    const char *eventlog = NULL;
    const char *userspace_log = NULL;
    const char *folder = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX] = {
        { .name = "--eventlog",
          .argument = "FILE",
          .help = "the TD's event log (CCEL, TCG's canonical form, or dstack's), replayed against "
                  "the "
                  "RTMRs",
          .text = &eventlog },
        { .name = "--ccel", .argument = "FILE", .help = "the same", .text = &eventlog },
        { .name = "--userspace-log",
          .argument = "FILE",
          .help = "what user space extended RTMRs with after it (systemd's cc-measure.log)",
          .text = &userspace_log },
        { .name = "--save-collateral",
          .argument = "DIR",
          .help = "keep all that it was verified with, for a verification elsewhere",
          .text = &folder },
    };
    size_t count = 4;
    verify_add_options(&o, table, &count);
    verify_add_endorsement_options(&o, table, &count);
    fetch_add_options(&o.fetch, table, &count);
    const struct cli_usage usage = {
        .command = "verify tdx",
        .arguments = "QUOTE",
        .operands = { "one quote", 1, 1 },
        .summary = "Checks a TDX quote with Intel's collateral for its platform: that it is "
                   "authentic, and\nthat Intel calls the platform's TCB neither out of date nor "
                   "revoked.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify tdx quote.bin --collateral collateral/ --policy strict\n"
                   "  cloister verify tdx quote.bin --collateral collateral/ --ccel ccel.bin "
                   "--reference guest.ref.json\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (userspace_log != NULL && eventlog == NULL)
        return cli_usage_error(&usage, "--userspace-log goes on from --eventlog, which is missing");
    if (!verify_begin(&o, &inputs, &evidence, &err) ||
        (eventlog != NULL &&
         !evidence_file_add_log(eventlog, CLO_EVIDENCE_TDX_CCEL, evidence, &err)) ||
        (userspace_log != NULL &&
         !verify_add_file(evidence, CLO_EVIDENCE_USERSPACE_LOG, userspace_log, &err)) ||
        !evidence_file_add(operands.items[0], CLO_EVIDENCE_TDX_QUOTE, evidence, &err) ||
        (folder != NULL &&
         (!verify_fetch(&o, evidence, &inputs, &err) || !save(folder, evidence, &inputs, &err))))
        return verify_fail(&err);
    return verify_run(evidence, &o, &inputs);
}
