/* What every form of `cloister verify` ends with: what is missing fetched, the appraisal, and its answer. */
#include <string.h>

#include "cli/verify/common.h"

/* The stages of docs/verify.md, by how ids begin; what is none of these is of the first. */
static const char *const stages[] = { "authentic", "one whole", "acceptable" };
static const struct {
    const char *begins;
    unsigned stage;
} staged[] = {
    { "sample.policy", 2 },
    { "endorsement.m", 2 },
    { "endorsement.p", 2 },
    { "evidence.", 1 },
    { "report.", 1 },
    { "snp.report_data", 1 },
    { "tdx.report_data", 1 },
    { "nitro.nonce", 1 },
    { "tpm.ak.key", 1 },
    { "tpm.quote.", 1 },
    { "tpm.pcrs", 1 },
    { "eventlog.", 1 },
    { "ccel.", 1 },
    { "hcl.", 1 },
    { "init_data", 1 },
    { "sample.", 1 },
    { "id_block.f", 1 },
    { "id_block.id_key", 1 },
    { "id_block.author", 1 },
    { "policy", 2 },
    { "pcr", 2 },
    { "rtmr", 2 },
    { "mr_td", 2 },
    { "expect.", 2 },
};

static unsigned stage_of(const char *id)
{
    for (size_t i = 0; i < CLO_COUNT(staged); i++)
        if (strncmp(id, staged[i].begins, strlen(staged[i].begins)) == 0)
            return staged[i].stage;
    return 0;
}

static void print_checks(const struct clo_checks *checks)
{
    static const char *const colours[] = {
        [CLO_CHECK_PASS] = "\033[32m",
        [CLO_CHECK_FAIL] = "\033[1;31m",
        [CLO_CHECK_SKIP] = "\033[2m",
    };
    bool colour = cli_color(stdout);
    int width = 0;

    for (size_t i = 0; i < checks->count; i++)
        width = (int)strlen(checks->items[i].id) > width ? (int)strlen(checks->items[i].id) : width;
    for (unsigned stage = 0; stage < CLO_COUNT(stages); stage++) {
        bool is_named = false;
        for (size_t i = 0; i < checks->count; i++) {
            const struct clo_check *check = &checks->items[i];
            if (stage_of(check->id) != stage)
                continue;
            if (!is_named)
                printf("%s\n", stages[stage]);
            is_named = true;
            printf("  %s%-4s%s  %-*s  %s\n", colour ? colours[check->result] : "",
                   clo_check_result_name(check->result), colour ? "\033[0m" : "", width, check->id,
                   check->detail);
        }
    }
}

/* What was decided and why comes first; then what it rests on, stage by stage. */
void verify_print(const struct clo_appraisal *appraisal, bool is_quiet)
{
    enum clo_appraisal_status status = clo_appraisal_status(appraisal);

    printf("verdict: %s: %s\n", clo_appraisal_status_name(status),
           clo_appraisal_summary(appraisal));
    if (is_quiet)
        return;
    print_checks(clo_appraisal_checks(appraisal));
    for (size_t i = 0; i < clo_appraisal_warning_count(appraisal); i++)
        printf("warning: %s\n", clo_appraisal_warning(appraisal, i));
    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++) {
        const char *why;
        const char *aspect = clo_appraisal_open(appraisal, i, &why);
        printf("open: %s: %s\n", aspect, why);
    }
}

int verify_run(const struct clo_evidence *evidence, const struct verify_options *o,
               struct verify_inputs *inputs)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct clo_error err;

    if (!verify_fetch(o, evidence, inputs, &err))
        return verify_fail(&err);
    if (!clo_appraise(evidence, &inputs->inputs, &appraisal, &err))
        return verify_fail(&err);
    if (o->json) {
        CLO_CLEANUP(clo_json_freep) json_t *json = clo_appraisal_json(appraisal);
        if (!cli_print_json(json, &err))
            return cli_error(&err);
    } else {
        verify_print(appraisal, o->quiet);
    }
    return clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED ? CLI_NO : CLI_YES;
}
