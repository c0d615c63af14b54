/* What an image may take from its host. The image's reference values say what it takes; the member "host_inputs"
 * says what the owner lets it, and what that does not name is denied. */
#include <stdio.h>
#include <string.h>

#include "lib/policy/policy_pins_internal.h"

/* Feeding a port takes nothing in. */
bool policy_host_is_output(const char *word)
{
    return strcmp(word, "report") == 0;
}

bool policy_read_host(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    policy->has_host_inputs = json_object_get(json, "host_inputs") != NULL;
    return policy_read_words(json, "host_inputs", &policy->any_host_input, policy->host_inputs[0],
                             sizeof policy->host_inputs[0], CLO_POLICY_LIST_MAX,
                             &policy->host_input_count, err);
}

static bool is_named(const struct clo_policy *policy, const char *word)
{
    for (size_t i = 0; i < policy->host_input_count; i++)
        if (strcmp(policy->host_inputs[i], word) == 0)
            return true;
    return policy->any_host_input || policy->is_strict_builtin || policy_host_is_output(word);
}

/* The first of the words (an array, or NULL) that the policy does not name; NULL: it names them all. */
static const char *denied_word(const struct clo_policy *policy, const json_t *words)
{
    json_t *word;
    size_t i;

    json_array_foreach (words, i, word)
        if (!is_named(policy, json_string_value(word)))
            return json_string_value(word);
    return NULL;
}

void policy_check_host(const struct clo_policy *policy, const json_t *words,
                       struct clo_checks *checks)
{
    static const char id[] = "policy.host_inputs";
    const char *denied = denied_word(policy, words);

    if (policy->is_strict_builtin || policy->any_host_input)
        clo_check_skip(checks, id, "what the image takes from its host is not asked for");
    else if (words != NULL && denied != NULL)
        clo_check_that(checks, id, false,
                       "the image takes \"%.100s\" from its host, and the policy does not name it",
                       denied);
    else if (words != NULL)
        clo_check_that(checks, id, true,
                       "the image takes nothing from its host but what the policy "
                       "names");
    else if (policy->has_host_inputs)
        clo_check_that(checks, id, false,
                       "no reference value says what the image takes from its host");
}

/* --- The linter --- */

static const json_t *words_of(const struct way *w, size_t i)
{
    return json_object_get(clo_reference_json(w->references[i]), "host_inputs");
}

const char *pins_host_unmet(const struct way *w, char *out, size_t size)
{
    const struct clo_policy *policy = w->policy;
    const char *denied = NULL;
    size_t said = 0, met = 0;

    for (size_t i = 0; i < w->reference_count; i++) {
        const json_t *words = words_of(w, i);
        const char *first = denied_word(policy, words);
        said += words != NULL;
        met += words != NULL && first == NULL;
        denied = first != NULL ? first : denied;
    }
    if (met > 0 || (said == 0 && (!policy->has_host_inputs || policy->any_host_input)))
        return NULL;
    if (said == 0)
        snprintf(
                out, size,
                "it says what the image may take from its host (\"host_inputs\"), and no reference "
                "value says what the image takes");
    else
        snprintf(out, size,
                 "the image takes \"%.100s\" from its host, and \"host_inputs\" does not name it",
                 denied);
    return out;
}

static void list_taken(const struct way *w, char *out, size_t size)
{
    json_t *word;
    size_t k;

    for (size_t i = 0; i < w->reference_count; i++)
        json_array_foreach (words_of(w, i), k, word) {
            size_t used = strlen(out);
            if (!policy_host_is_output(json_string_value(word)) &&
                denied_word(w->policy, words_of(w, i)) == NULL)
                snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ", ",
                         json_string_value(word));
        }
}

void pins_host(struct way *w)
{
    char taken[200] = "";

    list_taken(w, taken, sizeof taken);
    if (w->policy->any_host_input)
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_OPEN,
                 "\"host_inputs\" is \"any\": an image that takes credentials, disks or a command "
                 "line from its host passes");
    else if (taken[0] != '\0')
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PARTLY, "the image takes from its host%s: %s",
                 w->policy->is_strict_builtin ? "" : ", as \"host_inputs\" allows", taken);
}
