/* Reads the three documents as strictly as the page rests on them: what is odd is an error, not a gap. */
#include <string.h>

#include "page.h"

static bool is_one_of(const char *text, const char *const *allowed)
{
    for (size_t i = 0; text != NULL && allowed[i] != NULL; i++)
        if (strcmp(text, allowed[i]) == 0)
            return true;
    return false;
}

static bool word(const json_t *object, const char *key, const char *const *allowed,
                 struct clo_error *err)
{
    const char *text = json_string_value(json_object_get(object, key));

    return is_one_of(text, allowed) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is \"%.40s\"", key, text == NULL ? "?" : text);
}

static bool text(const json_t *object, const char *key, bool is_needed, struct clo_error *err)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) || (value == NULL && !is_needed) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not text", key);
}

static bool object(const json_t *document, const char *key, bool is_needed, struct clo_error *err)
{
    const json_t *value = json_object_get(document, key);

    return json_is_object(value) || (value == NULL && !is_needed) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not an object", key);
}

static bool texts(const json_t *document, const char *key, struct clo_error *err)
{
    const json_t *list = json_object_get(document, key);

    if (list == NULL)
        return true;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": item %zu is not text", key, i);
    return json_is_array(list) || clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not a list", key);
}

static bool members_are_texts(const json_t *document, const char *key, struct clo_error *err)
{
    json_t *members = json_object_get(document, key);
    const char *name;
    json_t *value;

    if (members == NULL)
        return true;
    if (!json_is_object(members))
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not an object", key);
    json_object_foreach (members, name, value)
        if (!json_is_string(value))
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": \"%.40s\" is not text", key, name);
    return true;
}

static bool read_identity(const json_t *document, struct clo_error *err)
{
    const json_t *identity = json_object_get(document, "identity");

    if (identity == NULL)
        return true;
    return (object(document, "identity", true, err) && text(identity, "kind", true, err) &&
            text(identity, "sha256", true, err) && members_are_texts(identity, "disk", err) &&
            members_are_texts(identity, "root", err) && object(identity, "uki", false, err) &&
            object(identity, "registers", false, err)) ||
           clo_wrap(err, "identity");
}

/* --- The audit --- */

static bool read_finding(const json_t *finding, struct clo_error *err)
{
    static const char *const severities[] = { "required", "recommended", "optional", "info", NULL };
    static const char *const results[] = {
        "pass", "fail", "unknown", "consequence", "waived", NULL
    };

    return text(finding, "id", true, err) && word(finding, "severity", severities, err) &&
           word(finding, "result", results, err) && text(finding, "found", false, err) &&
           text(finding, "what", false, err) && text(finding, "reason", false, err) &&
           text(finding, "wanted", false, err) && text(finding, "fix", false, err) &&
           text(finding, "waiver", false, err) && text(finding, "because", false, err) &&
           text(finding, "source", false, err);
}

bool read_audit(const json_t *document, struct clo_error *err)
{
    const json_t *findings = json_object_get(document, "findings");

    if (json_integer_value(json_object_get(document, "cloister_audit")) != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "an audit of a form that is not known here");
    for (size_t i = 0; i < json_array_size(findings); i++)
        if (!read_finding(json_array_get(findings, i), err))
            return clo_wrap(err, "finding %zu", i);
    return text(document, "subject", true, err) && texts(document, "for", err) &&
           texts(document, "about", err) && object(document, "inputs", false, err) &&
           read_identity(document, err);
}

/* --- The appraisal --- */

static bool read_checks(const json_t *document, size_t *failures, struct clo_error *err)
{
    static const char *const results[] = { "pass", "fail", "skip", NULL };
    const json_t *checks = json_object_get(document, "checks");

    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        if (!text(check, "id", true, err) || !word(check, "result", results, err) ||
            !text(check, "detail", false, err))
            return clo_wrap(err, "check %zu", i);
        *failures += strcmp(page_string(check, "result"), "fail") == 0;
    }
    return true;
}

static bool read_tee(const json_t *document, struct clo_error *err)
{
    const char *name = json_string_value(json_object_get(document, "tee"));
    enum clo_tee tee;

    return (name != NULL && clo_tee_from_name(name, &tee)) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"tee\" is \"%.40s\"", name == NULL ? "?" : name);
}

bool read_appraisal(const json_t *document, struct clo_error *err)
{
    static const char *const statuses[] = { "affirming", "warning", "contraindicated", NULL };
    const char *status = page_string(document, "status");
    const json_t *fresh = json_object_get(document, "is_fresh");
    size_t failures = 0;

    if (!word(document, "status", statuses, err) || !read_tee(document, err) ||
        !read_checks(document, &failures, err) || !object(document, "claims", true, err) ||
        !text(document, "summary", false, err) || !text(document, "policy", false, err) ||
        !text(document, "policy_sha256", false, err) || !text(document, "at", false, err) ||
        !object(document, "root", false, err) || !members_are_texts(document, "expires", err))
        return false;
    if (fresh != NULL && !json_is_boolean(fresh))
        return clo_fail(err, CLO_ERR_FORMAT, "\"is_fresh\" is neither true nor false");
    if (strcmp(status, "contraindicated") != 0 &&
        (failures > 0 || json_array_size(json_object_get(document, "checks")) == 0))
        return clo_fail(err, CLO_ERR_FORMAT, "says \"%s\" and lists %zu checks that fail of %zu",
                        status, failures, json_array_size(json_object_get(document, "checks")));
    return true;
}

/* --- The image --- */

bool read_image(const json_t *document, struct clo_error *err)
{
    const json_t *partitions = json_object_get(document, "partitions");
    const json_t *root = json_object_get(document, "root");

    for (size_t i = 0; i < json_array_size(partitions); i++) {
        const json_t *one = json_array_get(partitions, i);
        if (!text(one, "name", true, err) || !text(one, "type", true, err) ||
            (!json_is_integer(json_object_get(one, "bytes")) &&
             !clo_fail(err, CLO_ERR_FORMAT, "\"bytes\" is not a number")))
            return clo_wrap(err, "partition %zu", i);
    }
    if (!json_is_boolean(json_object_get(root, "fit")))
        return clo_fail(err, CLO_ERR_FORMAT, "root: \"fit\" is neither true nor false");
    return text(root, "refusal", false, err) && read_identity(document, err);
}
