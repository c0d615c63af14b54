#include "cli/broker/terms_files.h"

#include "device/file.h"

void cli_terms_files_free(struct cli_terms_files *files)
{
    clo_policy_free(files->parsed);
    cli_references_free(&files->known);
    clo_buffer_free(&files->policy);
    for (size_t i = 0; i < CLO_STORE_REFERENCES_MAX; i++)
        clo_buffer_free(&files->references[i]);
}

bool cli_terms_files_read(const char *policy, const struct clo_list *references,
                          struct cli_terms_files *out, struct clo_error *err)
{
    if (!clo_file_read(policy, CLO_FILE_LIMIT, &out->policy, err))
        return false;
    if (!clo_policy_parse(clo_buffer_bytes(&out->policy), &out->parsed, err))
        return clo_wrap(err, "%s", policy);
    for (size_t i = 0; i < references->count; i++) {
        if (!cli_read_reference_file(references->items[i], &out->references[i],
                                     &out->known.items[i], err))
            return false;
        out->known.count++;
        out->views[i] = clo_buffer_bytes(&out->references[i]);
    }
    return true;
}

static json_t *text_json(struct clo_bytes text)
{
    return json_stringn((const char *)text.data, text.size);
}

json_t *cli_terms_json(const struct cli_terms_files *files)
{
    struct clo_json_object o = { .json = json_object() };
    json_t *references = json_array();

    for (size_t i = 0; i < files->known.count; i++)
        o.failed |= json_array_append_new(references, text_json(files->views[i])) != 0;
    clo_json_set(&o, "policy", text_json(clo_buffer_bytes(&files->policy)));
    clo_json_set(&o, "references", references);
    return clo_json_finish(&o);
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
