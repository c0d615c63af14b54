/* What every form of `cloister verify` ends with: what is missing fetched, the appraisal, and its answer. */
#include <string.h>

#include "cli/verify/common.h"

static void print_appraisal(const struct clo_appraisal *appraisal)
{
    static const char *const colours[] = {
        [CLO_CHECK_PASS] = "\033[32m",
        [CLO_CHECK_FAIL] = "\033[1;31m",
        [CLO_CHECK_SKIP] = "\033[2m",
    };
    const struct clo_checks *checks = clo_appraisal_checks(appraisal);
    enum clo_appraisal_status status = clo_appraisal_status(appraisal);
    bool colour = cli_color(stdout);
    int width = 0;

    for (size_t i = 0; i < checks->count; i++)
        width = (int)strlen(checks->items[i].id) > width ? (int)strlen(checks->items[i].id) : width;
    for (size_t i = 0; i < checks->count; i++) {
        const struct clo_check *check = &checks->items[i];
        printf("%s%-4s%s  %-*s  %s\n", colour ? colours[check->result] : "",
               clo_check_result_name(check->result), colour ? "\033[0m" : "", width, check->id,
               check->detail);
    }
    for (size_t i = 0; i < clo_appraisal_warning_count(appraisal); i++)
        printf("warning: %s\n", clo_appraisal_warning(appraisal, i));
    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++) {
        const char *why;
        const char *aspect = clo_appraisal_open(appraisal, i, &why);
        printf("open: %s: %s\n", aspect, why);
    }
    printf("verdict: %s: %s\n", clo_appraisal_status_name(status),
           clo_appraisal_summary(appraisal));
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
        print_appraisal(appraisal);
    }
    return clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED ? CLI_NO : CLI_YES;
}
