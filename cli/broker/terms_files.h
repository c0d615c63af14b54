/* A policy and reference values, as files name them, on their way into a broker's store. */
#ifndef CLOISTER_CLI_BROKER_TERMS_FILES_H
#define CLOISTER_CLI_BROKER_TERMS_FILES_H

#include "cli/policy/files.h"
#include "verifier/store/store.h"

struct cli_terms_files {
    struct clo_buffer policy;
    struct clo_buffer references[CLO_STORE_REFERENCES_MAX];
    struct clo_bytes views[CLO_STORE_REFERENCES_MAX];
    struct clo_policy *parsed;
    struct cli_references known;
};

/* At most CLO_STORE_REFERENCES_MAX references. */
CLO_MUST_USE bool cli_terms_files_read(const char *policy, const struct clo_list *references,
                                       struct cli_terms_files *out, struct clo_error *err);
void cli_terms_files_free(struct cli_terms_files *files);
/* {"policy": TEXT, "references": [TEXT]}: as a broker takes it over the network. NULL: out of memory, or not text. */
json_t *cli_terms_json(const struct cli_terms_files *files);
/* Says on standard error what the terms leave open. CLO_ERR_REFUSED: a guest that is not the owner's would fulfil them, and
 * the policy does not say why that may be; `how` says how to say it. */
CLO_MUST_USE bool cli_terms_check_pins(const struct cli_terms_files *files,
                                       const struct clo_pins_context *context, const char *how,
                                       struct clo_error *err);

#endif
