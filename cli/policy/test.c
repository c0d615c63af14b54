/* cloister policy test: evidence at hand against a policy, and which of its checks decided. */
#include <string.h>

#include "cli/policy/files.h"
#include "cli/verify/common.h"
#include "device/file.h"

static bool appraise(const char *path, struct verify_inputs *inputs,
                     struct clo_appraisal **appraisal, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;

    if (!clo_file_read(path, CLO_EVIDENCE_LIMIT, &file, err))
        return false;
    return (clo_evidence_parse(clo_buffer_bytes(&file), &evidence, err) &&
            clo_appraise(evidence, &inputs->inputs, appraisal, err)) ||
           clo_wrap(err, "%s", path);
}

/* What decided: the failures, or what is open; of the policy's own checks what passed, too. */
static void print_deciding(const char *path, const struct clo_appraisal *appraisal)
{
    const struct clo_checks *checks = clo_appraisal_checks(appraisal);

    printf("%s: %s: %s\n", path, clo_appraisal_status_name(clo_appraisal_status(appraisal)),
           clo_appraisal_summary(appraisal));
    for (size_t i = 0; i < checks->count; i++) {
        const struct clo_check *check = &checks->items[i];
        bool is_policys = strncmp(check->id, "policy.", 7) == 0 ||
                          strncmp(check->id, "pcr.", 4) == 0 || strncmp(check->id, "rtmr.", 5) == 0;
        if (check->result == CLO_CHECK_FAIL || is_policys)
            printf("  %-4s  %-24s  %s\n", clo_check_result_name(check->result), check->id,
                   check->detail);
    }
    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++) {
        const char *why;
        const char *aspect = clo_appraisal_open(appraisal, i, &why);
        printf("  open  %-24s  %s\n", aspect, why);
    }
}

int cmd_policy_test(int argc, char **argv)
{
    struct verify_options o = { 0 };
    const struct cli_option options[] = {
        { "--reference", "FILE", "reference values that go with it (repeatable)",
          .list = &o.references },
        { "--nonce", "TEXT", "the nonce that the evidence answers", .text = &o.nonce },
        { "--root", "CERT|SHA256", "look at this root, too; the policy has to name it",
          .list = &o.roots },
        { "--cert", "FILE", "certificates: DER, PEM or a GHCB table (repeatable)",
          .list = &o.certificates },
        { "--crl", "FILE", "a revocation list, DER or PEM (repeatable)", .list = &o.crls },
        { "--collateral", "DIR|FILE", "Intel's, for TDX (repeatable)", .list = &o.collateral },
        { "--at", "TIME", "the time for validity checks, RFC 3339 (now)", .text = &o.at },
    };
    const struct cli_usage usage = {
        .command = "policy test",
        .arguments = "POLICY BUNDLE…",
        .operands = { "a policy and at least one bundle", 2, CLO_LIST_MAX },
        .summary = "Appraises bundles of evidence by a policy and lists the checks that it made of "
                   "each. "
                   "Nothing\nis released. Exit status 1: one of them is refused.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister policy test policy.json good.evidence.json bad.evidence.json \\\n"
                   "      --reference demo.ref.json --reference firmware.ref.json\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    struct clo_list operands;
    struct clo_error err;
    int status;
    int worst = CLI_YES;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    o.policy = operands.items[0];
    if (!verify_load(&o, &inputs, &err))
        return cli_fail("policy test", &err);
    if (o.nonce != NULL)
        inputs.inputs.expected_nonce = clo_bytes_text(o.nonce);
    for (size_t i = 1; i < operands.count; i++) {
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        if (!appraise(operands.items[i], &inputs, &appraisal, &err))
            return cli_fail("policy test", &err);
        print_deciding(operands.items[i], appraisal);
        if (clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED)
            worst = CLI_NO;
    }
    return worst;
}
