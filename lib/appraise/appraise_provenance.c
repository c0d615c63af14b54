/* What an appraisal was made from: when, whose root vouches and until when, which references were held
 * against which registers. Nothing is decided here: it is what a reader needs in order to know what the
 * verdict is of. */
#include <stdio.h>

#include "lib/appraise/tee.h"
#include "lib/policy/policy.h"

static json_t *root_json(struct work *w)
{
    bool is_makers;
    const struct clo_digest *root = w->hardware->root(w, &is_makers);
    struct clo_json_object o = { .json = json_object() };

    clo_json_set_hex(&o, "sha256", clo_digest_bytes(root));
    clo_json_set(&o, "maker",
                 is_makers ? json_string(clo_tee_names(w->hardware->id)->maker) : json_null());
    if (w->root_name != NULL)
        clo_json_set(&o, "name", json_incref(w->root_name));
    return clo_json_finish(&o);
}

/* The registers that have the reference's value, PCRs and RTMRs as they are named in checks. */
static json_t *registers_json(const struct work *w, const struct clo_reference *reference)
{
    json_t *list = json_array();
    struct clo_digest value;
    char name[16];

    for (unsigned n = 0; n < w->proven.count; n++)
        if ((w->proven.mask >> n & 1) != 0 &&
            clo_reference_value(reference, w->proven.hash, w->proven.first + n, w->proven.phase,
                                &value) &&
            clo_digest_equal(&value, &w->proven.values[n])) {
            snprintf(name, sizeof name, "%s.%u", w->proven.prefix, n);
            json_array_append_new(list, json_string(name));
        }
    return list;
}

static json_t *reference_json(const struct work *w, const struct clo_reference *reference)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const json_t *file = clo_reference_json(reference);
    json_t *created = json_object_get(file, "created");
    struct clo_json_object o = { .json = json_object() };
    struct clo_digest digest;
    struct clo_error ignored;

    clo_json_set(&o, "name", json_string(clo_reference_name(reference)));
    clo_json_set(&o, "origin", json_string(clo_reference_origin(reference)));
    if (created != NULL)
        clo_json_set(&o, "created", json_incref(created));
    if (clo_reference_write(reference, &text, &ignored)) {
        clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), &digest);
        clo_json_set_hex(&o, "sha256", clo_digest_bytes(&digest));
    }
    clo_json_set(&o, "registers", registers_json(w, reference));
    return clo_json_finish(&o);
}

bool appraise_provenance(struct work *w, struct clo_error *err)
{
    struct clo_json_object o = { .json = json_object() };
    json_t *references = json_array();
    const struct clo_policy *policy = w->inputs->policy;

    for (size_t i = 0; i < w->inputs->reference_count; i++)
        json_array_append_new(references, reference_json(w, w->inputs->references[i]));
    clo_json_set(&o, "at", clo_json_time(w->inputs->at));
    clo_json_set(&o, "phase", json_string(w->phase));
    clo_json_set(&o, "references", references);
    if (policy != NULL) {
        clo_json_set_hex(&o, "policy_sha256", clo_digest_bytes(&policy->fingerprint));
        clo_json_set(&o, "policy_is_owners", json_boolean(!policy->is_strict_builtin));
    }
    if (w->hardware != NULL)
        clo_json_set(&o, "root", root_json(w));
    if (w->expires_what != NULL)
        clo_json_set(
                &o, "expires",
                json_pack("{s:o, s:s}", "at", clo_json_time(w->expires), "what", w->expires_what));
    w->appraisal->provenance = clo_json_finish(&o);
    return w->appraisal->provenance != NULL || clo_out_of_memory(err);
}
