/* What the image takes from its host: its reference values say so, and count only because the registers show that
 * it is this image. */
#include <stdio.h>
#include <string.h>

#include "appraise_internal.h"
#include "lib/policy/policy_internal.h"

static void add_words(const json_t *words, json_t *all, char *text, size_t size)
{
    json_t *word;
    size_t i;

    json_array_foreach (words, i, word) {
        const char *value = json_string_value(word);
        size_t used = strlen(text);
        json_array_append(all, word);
        if (!policy_host_is_output(value))
            snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ", value);
    }
}

bool appraise_host_inputs(struct work *w, struct clo_error *err)
{
    json_t *all = NULL;
    char text[200] = "";

    for (size_t i = 0; i < w->reference_count; i++) {
        const json_t *words = json_object_get(clo_reference_json(w->references[i]), "host_inputs");
        if (words == NULL)
            continue;
        if (all == NULL && (all = json_array()) == NULL)
            return clo_out_of_memory(err);
        add_words(words, all, text, sizeof text);
    }
    if (*text != '\0')
        appraise_warn(w, "the image takes from its host: %s", text);
    if (w->inputs->policy != NULL)
        policy_check_host(w->inputs->policy, all, w->checks);
    return all == NULL || appraise_claim(w, "host_inputs", all, err);
}
