/* Appraises a bundle of evidence by a policy and reference values: appraise BUNDLE POLICY [NONCE [REFERENCE]…]
 *
 * Prints each check that failed and the verdict; without the nonce that was given to the guest it is a warning at
 * best, since the evidence may be an old one. Exit status: 0 affirming, 1 not, 3 unreadable. */
#include <stdio.h>
#include <time.h>

#include <cloister/cloister.h>

#include "read_file.h"

#define REFERENCES_MAX 8

static bool appraise(char **files, int count, struct clo_appraisal **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 }, text = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_reference *references[REFERENCES_MAX] = { NULL };
    struct clo_appraise_inputs inputs = { .at = time(NULL) };
    bool ok = read_file(files[0], &bundle, err) && read_file(files[1], &text, err) &&
              clo_evidence_parse(clo_buffer_bytes(&bundle), &evidence, err) &&
              clo_policy_parse(clo_buffer_bytes(&text), &policy, err);

    for (int i = 3; ok && i < count && inputs.reference_count < REFERENCES_MAX; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        ok = read_file(files[i], &file, err) &&
             clo_reference_parse(clo_buffer_bytes(&file), &references[inputs.reference_count++],
                                 err);
    }
    if (count > 2)
        inputs.expected_nonce = clo_bytes_text(files[2]);
    inputs.policy = policy;
    inputs.references = (const struct clo_reference *const *)references;
    ok = ok && clo_appraise(evidence, &inputs, out, err);
    for (size_t i = 0; i < inputs.reference_count; i++)
        clo_reference_free(references[i]);
    return ok;
}

int main(int argc, char **argv)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct clo_error err;

    if (argc < 3)
        return 2;
    if (!appraise(argv + 1, argc - 1, &appraisal, &err)) {
        fprintf(stderr, "appraise: %s\n", err.text);
        return 3;
    }
    const struct clo_checks *checks = clo_appraisal_checks(appraisal);
    for (size_t i = 0; i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL)
            printf("%s: %s\n", checks->items[i].id, checks->items[i].detail);
    printf("%s: %s\n", clo_appraisal_status_name(clo_appraisal_status(appraisal)),
           clo_appraisal_summary(appraisal));
    return clo_appraisal_status(appraisal) == CLO_AFFIRMING ? 0 : 1;
}
