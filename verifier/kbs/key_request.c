#include "verifier/kbs/key_request.h"

#include <string.h>

#include "cloister/policy_pins.h"

#define VALUES_MAX 20000

void clo_key_request_free(struct clo_key_request *request)
{
    json_decref(request->json);
    if (request->secret.data != NULL)
        clo_wipe(request->secret.data, request->secret.size);
    clo_buffer_free(&request->secret);
    clo_terms_free(&request->terms);
    *request = (struct clo_key_request){ 0 };
}

static bool read_references(const json_t *json, struct clo_key_request *out, struct clo_error *err)
{
    json_t *list, *entry;
    size_t i;

    if (json_object_get(json, "references") == NULL)
        return true;
    if (!clo_json_get_array(json, "references", &list, err))
        return false;
    if (json_array_size(list) > CLO_STORE_REFERENCES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "\"references\": more than %d",
                        CLO_STORE_REFERENCES_MAX);
    json_array_foreach (list, i, entry) {
        out->references[i] = clo_bytes(json_string_value(entry), json_string_length(entry));
        if (!clo_reference_parse(out->references[i], &out->terms.references[i], err))
            return clo_wrap(err, "\"references\": item %zu", i);
        out->terms.reference_count++;
    }
    return true;
}

static bool read_terms(const json_t *json, struct clo_key_request *out, struct clo_error *err)
{
    const char *policy;

    if (!clo_json_get_string(json, "policy", &policy, err) ||
        !clo_policy_parse(clo_bytes_text(policy), &out->terms.policy, err) ||
        !read_references(json, out, err))
        return false;
    out->entry.policy = clo_bytes_text(policy);
    out->entry.references = out->references;
    out->entry.reference_count = out->terms.reference_count;
    return true;
}

/* As `key put` on the broker's own machine: a guest that is not the owner's would fulfil them. */
static bool check_pins(const struct clo_key_request *request, struct clo_error *err)
{
    const struct clo_terms *terms = &request->terms;
    const struct clo_pins_context context = {
        .has_disk = request->entry.disk != NULL,
        .has_instance = request->entry.second_holder == CLO_SECOND_HOLDER_REFUSE &&
                        !request->entry.is_shared,
    };
    struct clo_pins pins;

    clo_policy_pins(terms->policy, (const struct clo_reference *const *)terms->references,
                    terms->reference_count, &context, &pins);
    if (clo_pins_open(&pins, CLO_PIN_MUST) == 0 || clo_policy_accept_weak(terms->policy)[0] != '\0')
        return true;
    for (int i = 0; i < CLO_ASPECT_COUNT; i++)
        if (pins.items[i].status == CLO_PIN_OPEN &&
            clo_aspect_weight((enum clo_aspect)i) == CLO_PIN_MUST)
            return clo_fail(err, CLO_ERR_REFUSED,
                            "the policy leaves open: %s, and does not say why (\"accept_weak\")",
                            clo_aspect_name((enum clo_aspect)i));
    return clo_fail(err, CLO_ERR_REFUSED, "the policy leaves open what it must pin");
}

static bool read_secret(const json_t *json, struct clo_key_request *out, struct clo_error *err)
{
    if (!clo_json_get_bytes(json, "secret", CLO_JSON_BASE64, CLO_STORE_SECRET_MAX, &out->secret,
                            err))
        return false;
    out->entry.secret = clo_buffer_bytes(&out->secret);
    return true;
}

/* The identity must be of the disk that this very key opens. */
static bool read_disk(const json_t *json, struct clo_key_request *out, struct clo_error *err)
{
    struct clo_digest key_id;
    const char *text;

    if (!clo_json_get_string_optional(json, "disk", &text, err))
        return false;
    if (text == NULL)
        return true;
    if (!clo_disk_file_parse(clo_bytes_text(text), &out->disk, err))
        return clo_wrap(err, "\"disk\"");
    clo_disk_key_id(out->entry.secret, &key_id);
    if (!clo_digest_equal(&key_id, &out->disk.key_id))
        return clo_fail(err, CLO_ERR_REFUSED, "\"disk\": is of a disk with another disk key");
    out->entry.disk = &out->disk.identity;
    return true;
}

static bool read_count(const json_t *json, const char *name, int64_t most, int64_t *out,
                       struct clo_error *err)
{
    uint64_t value;

    if (json_object_get(json, name) == NULL)
        return true;
    if (!clo_json_get_u64(json, name, &value, err))
        return false;
    if (value > (uint64_t)most)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": at most %lld", name, (long long)most);
    *out = (int64_t)value;
    return true;
}

static bool read_words(const json_t *json, struct clo_store_entry *out, struct clo_error *err)
{
    const char *releases, *holder;

    if (!clo_json_get_string_optional(json, "releases", &releases, err) ||
        !clo_json_get_string_optional(json, "second_holder", &holder, err))
        return false;
    if (releases != NULL && strcmp(releases, "any") != 0 && strcmp(releases, "once-per-boot") != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"releases\": neither once-per-boot nor any");
    out->any_releases = releases != NULL && strcmp(releases, "any") == 0;
    out->second_holder =
            holder == NULL ? CLO_SECOND_HOLDER_DEFAULT : clo_second_holder_from_name(holder);
    return holder == NULL || out->second_holder != CLO_SECOND_HOLDER_DEFAULT ||
           clo_fail(err, CLO_ERR_FORMAT, "\"second_holder\": neither refuse nor flag");
}

static bool read_rules(const json_t *json, struct clo_store_entry *out, struct clo_error *err)
{
    if (!read_words(json, out, err) ||
        !clo_json_get_bool_optional(json, "shared", false, &out->is_shared, err) ||
        !clo_json_get_bool_optional(json, "forget_generation", false, &out->forgets_generation,
                                    err) ||
        !clo_json_get_bool_optional(json, "same_secret", false, &out->may_repeat_secret, err) ||
        !read_count(json, "lease_seconds", CLO_LEASE_MAX, &out->lease_seconds, err) ||
        !read_count(json, "release_limit", INT32_MAX, &out->release_limit, err))
        return false;
    return !out->forgets_generation || out->disk != NULL ||
           clo_fail(err, CLO_ERR_FORMAT, "\"forget_generation\" is for a \"disk\"");
}

/* Why older versions are accepted: it is read where it is demanded alone, and refused elsewhere as what is not known. */
static bool read_older(bool is_older, struct clo_key_request *out, struct clo_error *err)
{
    if (!is_older)
        return true;
    if (!clo_json_get_string(out->json, "accept_older", &out->why_older, err))
        return false;
    out->entry.accepts_older = true;
    return (*out->why_older != '\0' && strlen(out->why_older) <= CLO_STORE_REASON_MAX) ||
           clo_fail(err, CLO_ERR_FORMAT,
                    "\"accept_older\": a reason of at most %d bytes is expected",
                    CLO_STORE_REASON_MAX);
}

static bool parse_put(struct clo_bytes body, bool is_older, struct clo_key_request *out,
                      struct clo_error *err)
{
    const char *const members[] = { "secret",
                                    "policy",
                                    "references",
                                    "disk",
                                    "shared",
                                    "releases",
                                    "second_holder",
                                    "lease_seconds",
                                    "release_limit",
                                    "same_secret",
                                    "forget_generation",
                                    is_older ? "accept_older" : NULL,
                                    NULL };

    return clo_json_parse_bounded(body, VALUES_MAX, &out->json, err) &&
           clo_json_only(out->json, members, err) && read_secret(out->json, out, err) &&
           read_terms(out->json, out, err) && read_disk(out->json, out, err) &&
           read_rules(out->json, &out->entry, err) && read_older(is_older, out, err) &&
           check_pins(out, err);
}

static bool parse_terms(struct clo_bytes body, bool is_older, struct clo_key_request *out,
                        struct clo_error *err)
{
    const char *const members[] = { "policy", "references", is_older ? "accept_older" : NULL,
                                    NULL };

    return clo_json_parse_bounded(body, VALUES_MAX, &out->json, err) &&
           clo_json_only(out->json, members, err) && read_terms(out->json, out, err) &&
           read_older(is_older, out, err) && check_pins(out, err);
}

bool clo_key_put_parse(struct clo_bytes body, struct clo_key_request *out, struct clo_error *err)
{
    return parse_put(body, false, out, err);
}

bool clo_key_put_older_parse(struct clo_bytes body, struct clo_key_request *out,
                             struct clo_error *err)
{
    return parse_put(body, true, out, err);
}

bool clo_key_terms_parse(struct clo_bytes body, struct clo_key_request *out, struct clo_error *err)
{
    return parse_terms(body, false, out, err);
}

bool clo_key_terms_older_parse(struct clo_bytes body, struct clo_key_request *out,
                               struct clo_error *err)
{
    return parse_terms(body, true, out, err);
}

bool clo_key_empty_parse(struct clo_bytes body, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    static const char *const members[] = { NULL };

    return clo_json_parse_bounded(body, VALUES_MAX, &json, err) &&
           clo_json_only(json, members, err);
}
