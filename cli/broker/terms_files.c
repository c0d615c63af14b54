#include "cli/broker/terms_files.h"

#include <string.h>

#include "device/file.h"
#include "device/key_file.h"

void cli_terms_files_free(struct cli_terms_files *files)
{
    clo_policy_free(files->parsed);
    cli_references_free(&files->known);
    clo_buffer_free(&files->policy);
    for (size_t i = 0; i < CLO_STORE_REFERENCES_MAX; i++)
        clo_buffer_free(&files->references[i]);
}

_Static_assert(CLO_STORE_REFERENCES_MAX == 16 && CLO_STORE_REASON_MAX == 255, "as it is said");

bool cli_terms_options_check(const struct cli_terms_options *options, const char **why)
{
    const char *reason = options->why_older;

    *why = NULL;
    if (options->policy == NULL)
        *why = "--policy is needed";
    else if (options->references.count > CLO_STORE_REFERENCES_MAX)
        *why = "more than 16 references";
    else if (options->reference_key != NULL && options->references.count == 0)
        *why = "--reference-key is for --reference";
    else if (reason != NULL && (*reason == '\0' || strlen(reason) > CLO_STORE_REASON_MAX))
        *why = "--accept-older: a reason of at most 255 bytes is expected";
    return *why == NULL;
}

static bool read_references(const struct cli_terms_options *options, struct cli_terms_files *out,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    if (options->reference_key != NULL &&
        !clo_key_file_public(options->reference_key, &key, &pem, err))
        return false;
    for (size_t i = 0; i < options->references.count; i++) {
        const char *path = options->references.items[i];
        if (key == NULL
                    ? !cli_read_reference_file(path, &out->references[i], &out->known.items[i], err)
                    : !cli_read_signed_reference(path, key, &out->references[i],
                                                 &out->known.items[i], err))
            return false;
        out->known.count++;
        out->views[i] = clo_buffer_bytes(&out->references[i]);
    }
    return true;
}

bool cli_terms_files_read(const struct cli_terms_options *options, struct cli_terms_files *out,
                          struct clo_error *err)
{
    if (!clo_file_read(options->policy, CLO_FILE_LIMIT, &out->policy, err))
        return false;
    if (!clo_policy_parse(clo_buffer_bytes(&out->policy), &out->parsed, err))
        return clo_wrap(err, "%s", options->policy);
    return read_references(options, out, err);
}

static json_t *text_json(struct clo_bytes text)
{
    return json_stringn((const char *)text.data, text.size);
}

json_t *cli_terms_json(const struct cli_terms_options *options, const struct cli_terms_files *files)
{
    struct clo_json_object o = { .json = json_object() };
    json_t *references = json_array();

    for (size_t i = 0; i < files->known.count; i++)
        o.failed |= json_array_append_new(references, text_json(files->views[i])) != 0;
    clo_json_set(&o, "policy", text_json(clo_buffer_bytes(&files->policy)));
    clo_json_set(&o, "references", references);
    if (options->why_older != NULL)
        clo_json_set(&o, "accept_older", json_string(options->why_older));
    return clo_json_finish(&o);
}

bool cli_terms_audit_older(struct clo_store *store, const struct cli_terms_options *options,
                           const char *path, int64_t now, struct clo_error *err)
{
    char detail[CLO_STORE_REASON_MAX + 64];
    const struct clo_audit row = { .time = now,
                                   .action = "terms",
                                   .verdict = "older",
                                   .session = "",
                                   .tee = "",
                                   .resource = path,
                                   .detail = detail };

    if (options->why_older == NULL)
        return true;
    snprintf(detail, sizeof detail, "older versions accepted: %s", options->why_older);
    return clo_store_audit_last(store, &row, err);
}

bool cli_terms_check_pins(const struct cli_terms_files *files,
                          const struct clo_pins_context *context, const char *how,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer open = { 0 };
    struct clo_pins pins;

    clo_policy_pins(files->parsed, cli_references_view(&files->known), files->known.count, context,
                    &pins);
    policy_print_left(stderr, "cloister: key: ", &pins);
    policy_name_open(&pins, CLO_PIN_MUST, &open);
    return open.size == 0 || clo_policy_accept_weak(files->parsed)[0] != '\0' ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the policy leaves open: %s (see 'cloister policy check'; %s)",
                    clo_buffer_string(&open), how);
}
