#include "verifier/kbs/session_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/evidence/tee.h"

void clo_session_result_free(struct clo_session_result *result)
{
    json_decref(result->tee_pubkey);
    clo_buffer_free(&result->token);
    free(result->released);
    free(result->terms);
    *result = (struct clo_session_result){ 0 };
}

bool clo_session_result_add_terms(struct clo_session_result *result, const char *digest,
                                  struct clo_error *err)
{
    char(*terms)[CLO_SESSION_DIGEST] =
            reallocarray(result->terms, result->term_count + 1, sizeof *terms);

    if (terms == NULL)
        return clo_out_of_memory(err);
    result->terms = terms;
    snprintf(terms[result->term_count++], sizeof *terms, "%s", digest);
    return true;
}

bool clo_session_result_fulfils(const struct clo_session_result *result, const char *digest)
{
    for (size_t i = 0; i < result->term_count; i++)
        if (strcmp(result->terms[i], digest) == 0)
            return true;
    return false;
}

/* --- As a row holds it --- */

static json_t *holder_json(const struct clo_holder *holder)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "instance", json_string(holder->instance));
    clo_json_set(&o, "boot", json_string(holder->boot));
    if (holder->has_counts) {
        clo_json_set(&o, "resets", json_integer(holder->reset_count));
        clo_json_set(&o, "restarts", json_integer(holder->restart_count));
    }
    return clo_json_finish(&o);
}

static json_t *vm_json(const struct clo_audit_vm *vm)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "chip", json_string(vm->chip));
    clo_json_set(&o, "report_id", json_string(vm->report_id));
    clo_json_set(&o, "instance", json_string(vm->instance));
    clo_json_set(&o, "image", clo_json_text(vm->image));
    clo_json_set(&o, "address", clo_json_text(vm->address));
    return clo_json_finish(&o);
}

bool clo_session_result_write(const struct clo_session_result *result, struct clo_buffer *out,
                              struct clo_error *err)
{
    struct clo_json_object o = { .json = json_object() };
    json_t *terms = json_array();

    for (size_t i = 0; i < result->term_count; i++)
        json_array_append_new(terms, json_string(result->terms[i]));
    clo_json_set(&o, "tee_pubkey", json_deep_copy(result->tee_pubkey));
    clo_json_set(&o, "tee_key", json_string(result->tee_key));
    clo_json_set(&o, "tee", json_string(result->tee));
    clo_json_set(&o, "token", json_stringn((const char *)result->token.data, result->token.size));
    clo_json_set_hex(&o, "request", clo_digest_bytes(&result->request));
    clo_json_set(&o, "terms", terms);
    clo_json_set(&o, "resource", json_string(result->resource));
    clo_json_set(&o, "is_one_machines", json_boolean(result->is_one_machines));
    clo_json_set(&o, "holder", holder_json(&result->holder));
    clo_json_set(&o, "vm", vm_json(&result->vm));
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_json_finish(&o);
    return json == NULL ? clo_out_of_memory(err) : clo_json_write(json, out, err);
}

static bool read_text(const json_t *json, const char *key, char *out, size_t size,
                      struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string(json, key, &text, err))
        return false;
    if (strlen(text) >= size)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": too long", key);
    snprintf(out, size, "%s", text);
    return true;
}

static bool read_holder(const json_t *json, struct clo_holder *out, struct clo_error *err)
{
    json_t *holder;
    uint64_t resets, restarts;

    if (!clo_json_get_object(json, "holder", &holder, err) ||
        !read_text(holder, "instance", out->instance, sizeof out->instance, err) ||
        !read_text(holder, "boot", out->boot, sizeof out->boot, err))
        return false;
    out->has_counts = json_object_get(holder, "resets") != NULL;
    if (!out->has_counts)
        return true;
    if (!clo_json_get_u64(holder, "resets", &resets, err) ||
        !clo_json_get_u64(holder, "restarts", &restarts, err))
        return false;
    if (resets > UINT32_MAX || restarts > UINT32_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "\"holder\": counts out of range");
    out->reset_count = (uint32_t)resets;
    out->restart_count = (uint32_t)restarts;
    return true;
}

static bool read_vm(const json_t *json, struct clo_audit_vm *out, struct clo_error *err)
{
    json_t *vm;

    return clo_json_get_object(json, "vm", &vm, err) &&
           read_text(vm, "chip", out->chip, sizeof out->chip, err) &&
           read_text(vm, "report_id", out->report_id, sizeof out->report_id, err) &&
           read_text(vm, "instance", out->instance, sizeof out->instance, err) &&
           read_text(vm, "image", out->image, sizeof out->image, err) &&
           read_text(vm, "address", out->address, sizeof out->address, err);
}

static bool read_terms(const json_t *json, struct clo_session_result *out, struct clo_error *err)
{
    json_t *terms = json_object_get(json, "terms");
    json_t *entry;
    size_t i;

    if (!json_is_array(terms))
        return clo_fail(err, CLO_ERR_FORMAT, "\"terms\": not an array");
    json_array_foreach (terms, i, entry) {
        const char *digest = json_string_value(entry);
        if (digest == NULL || strlen(digest) != CLO_SESSION_DIGEST - 1)
            return clo_fail(err, CLO_ERR_FORMAT, "\"terms\": item %zu: not a digest", i);
        if (!clo_session_result_add_terms(out, digest, err))
            return false;
    }
    return true;
}

/* A static name, as all who have a result expect. */
static bool read_tee(const json_t *json, const char **out, struct clo_error *err)
{
    const char *name;

    if (!clo_json_get_string(json, "tee", &name, err))
        return false;
    for (int i = 0; i < CLO_TEE_COUNT; i++)
        if (strcmp(clo_tee_names((enum clo_tee)i)->name, name) == 0) {
            *out = clo_tee_names((enum clo_tee)i)->name;
            return true;
        }
    return clo_fail(err, CLO_ERR_FORMAT, "\"tee\": not one");
}

static bool read_result(const json_t *json, struct clo_session_result *out, struct clo_error *err)
{
    static const char *const keys[] = { "tee_pubkey", "tee_key",         "tee",      "token",
                                        "request",    "terms",           "resource", "holder",
                                        "vm",         "is_one_machines", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer request = { 0 };
    const char *token;
    json_t *jwk;

    if (!clo_json_only(json, keys, err) || !clo_json_get_object(json, "tee_pubkey", &jwk, err) ||
        !read_text(json, "tee_key", out->tee_key, sizeof out->tee_key, err) ||
        !read_tee(json, &out->tee, err) || !clo_json_get_string(json, "token", &token, err) ||
        !clo_json_get_bytes(json, "request", CLO_JSON_HEX, 32, &request, err) ||
        !read_terms(json, out, err) ||
        !read_text(json, "resource", out->resource, sizeof out->resource, err) ||
        !clo_json_get_bool_optional(json, "is_one_machines", false, &out->is_one_machines, err) ||
        !read_holder(json, &out->holder, err) || !read_vm(json, &out->vm, err))
        return false;
    if (request.size != 32)
        return clo_fail(err, CLO_ERR_FORMAT, "\"request\": not a digest");
    out->request.hash = CLO_HASH_SHA256;
    memcpy(out->request.bytes, request.data, 32);
    clo_buffer_reserve(&out->token, strlen(token)); /* kept for minutes: no more than it takes */
    clo_buffer_text(&out->token, token);
    if (!clo_buffer_ok(&out->token))
        return clo_out_of_memory(err);
    out->tee_pubkey = json_deep_copy(jwk);
    return out->tee_pubkey != NULL || clo_out_of_memory(err);
}

bool clo_session_result_read(struct clo_bytes text, struct clo_session_result *out,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_session_result_free) struct clo_session_result result = { 0 };

    if (!clo_json_parse(text, &json, err) || !read_result(json, &result, err))
        return clo_wrap(err, "session");
    *out = result;
    result = (struct clo_session_result){ 0 };
    return true;
}
