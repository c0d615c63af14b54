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

/* What terms are read from, as the command line names it. */
struct cli_terms_options {
    const char *policy;
    struct clo_list references; /* at most CLO_STORE_REFERENCES_MAX */
    const char *reference_key;  /* each of them must be a CoRIM signed by it; NULL: none is */
    const char
            *why_older; /* why older versions than were accepted before are; NULL: they are not */
};

#define CLI_TERMS_OPTIONS(terms_)                                                                 \
    { "--policy", "FILE", "what evidence must show (required)", .text = &(terms_)->policy },      \
            { "--reference", "FILE",                                                              \
              "reference values: of the image, and of its firmware (repeatable)",                 \
              .list = &(terms_)->references },                                                    \
            { "--reference-key", "FILE",                                                          \
              "each of them must be a CoRIM that is signed by this public key",                   \
              .text = &(terms_)->reference_key },                                                 \
    {                                                                                             \
        "--accept-older", "WHY",                                                                  \
                "take policy and reference values of older versions than were accepted of their " \
                "names, and note why",                                                            \
                .text = &(terms_)->why_older                                                      \
    }

/* On failure `why` is for cli_usage_error(). */
CLO_MUST_USE bool cli_terms_options_check(const struct cli_terms_options *options,
                                          const char **why);
CLO_MUST_USE bool cli_terms_files_read(const struct cli_terms_options *options,
                                       struct cli_terms_files *out, struct clo_error *err);
void cli_terms_files_free(struct cli_terms_files *files);
/* {"policy": TEXT, "references": [TEXT]}, and "accept_older" where that is asked for: as a broker takes it over the network. NULL: out of memory, or not text. */
json_t *cli_terms_json(const struct cli_terms_options *options,
                       const struct cli_terms_files *files);
/* Within a transaction: the row that says why older versions were accepted, where they were. */
CLO_MUST_USE bool cli_terms_audit_older(struct clo_store *store,
                                        const struct cli_terms_options *options, const char *path,
                                        int64_t now, struct clo_error *err);
/* Says on standard error what the terms leave open. CLO_ERR_REFUSED: a guest that is not the owner's would fulfil them, and
 * the policy does not say why that may be; `how` says how to say it. */
CLO_MUST_USE bool cli_terms_check_pins(const struct cli_terms_files *files,
                                       const struct clo_pins_context *context, const char *how,
                                       struct clo_error *err);

#endif
