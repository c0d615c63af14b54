#include "verifier/endorsements/endorsement_bundle.h"

#include <string.h>

#include "cloister/encoding.h"
#include "lib/base/civil_time.h"

#define TYPE       "application/vnd.cloister.endorsements+json"
#define VALUES_MAX 4096

/* --- Writing --- */

static json_t *certificates_json(const struct clo_endorsement_set *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->certificate_count; i++)
        if (json_array_append_new(
                    list, clo_json_base64(clo_certificate_der(set->certificates[i]))) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *crls_json(const struct clo_endorsement_set *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->crl_count; i++)
        if (json_array_append_new(list, clo_json_base64(clo_crl_der(set->crls[i]))) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *collateral_json(const struct clo_endorsement_set *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->collateral_count; i++)
        if (json_array_append_new(list, clo_tdx_collateral_json(&set->collateral[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static bool write_payload(const struct clo_endorsement_set *set, int64_t made,
                          struct clo_buffer *out, struct clo_error *err)
{
    struct clo_json_object o = { .json = json_object() };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    clo_json_set(&o, "cloister_endorsements", json_integer(1));
    clo_json_set(&o, "made", clo_json_time(made));
    clo_json_set(&o, "certificates", certificates_json(set));
    clo_json_set(&o, "revocation_lists", crls_json(set));
    clo_json_set(&o, "collateral", collateral_json(set));
    json = clo_json_finish(&o);
    return json == NULL ? clo_out_of_memory(err) : clo_json_write(json, out, err);
}

bool clo_endorsement_bundle_write(const struct clo_endorsement_set *set, int64_t made,
                                  const struct clo_private_key *key, struct clo_buffer *out,
                                  struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };

    if (set->certificate_count + set->crl_count + set->collateral_count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "bundle: there is nothing to put into it");
    if (!write_payload(set, made, &payload, err) ||
        !clo_cose_sign(key, TYPE, clo_buffer_bytes(&payload), &message, err))
        return clo_wrap(err, "bundle");
    if (message.size > CLO_ENDORSEMENT_BUNDLE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "bundle: %zu bytes, at most %zu are possible",
                        message.size, CLO_ENDORSEMENT_BUNDLE_MAX);
    clo_buffer_append(out, clo_buffer_bytes(&message));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Reading --- */

static bool read_made(const json_t *json, int64_t *out, struct clo_error *err)
{
    const char *text, *end;

    return clo_json_get_string(json, "made", &text, err) &&
           ((clo_civil_time_read(text, out, &end) && strcmp(end, "Z") == 0) ||
            clo_fail(err, CLO_ERR_FORMAT, "\"made\": not a time in UTC"));
}

/* By its place it is a certificate or a list, and nothing else. */
static bool add_certificate(struct clo_endorsement_set *out, struct clo_bytes der,
                            struct clo_error *err)
{
    if (out->certificate_count == CLO_ENDORSEMENT_CERTIFICATES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "too many");
    if (!clo_certificate_parse(der, &out->certificates[out->certificate_count], err))
        return false;
    out->certificate_count++;
    return true;
}

static bool add_crl(struct clo_endorsement_set *out, struct clo_bytes der, struct clo_error *err)
{
    if (out->crl_count == CLO_ENDORSEMENT_CRLS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "too many");
    if (!clo_crl_parse(der, &out->crls[out->crl_count], err))
        return false;
    out->crl_count++;
    return true;
}

static bool read_ders(const json_t *json, const char *member,
                      bool (*add)(struct clo_endorsement_set *out, struct clo_bytes der,
                                  struct clo_error *err),
                      struct clo_endorsement_set *out, struct clo_error *err)
{
    json_t *list, *item;
    size_t i;

    if (!clo_json_get_array(json, member, &list, err))
        return false;
    json_array_foreach (list, i, item) {
        CLO_CLEANUP(clo_buffer_free)
        struct clo_buffer der = { .limit = CLO_ENDORSEMENT_BUNDLE_MAX };
        if (!json_is_string(item))
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": %zu is not base64", member, i);
        if (!clo_base64_read(clo_bytes(json_string_value(item), json_string_length(item)), &der,
                             err) ||
            !add(out, clo_buffer_bytes(&der), err))
            return clo_wrap(err, "\"%s\": %zu", member, i);
    }
    return true;
}

static bool read_collateral(const json_t *json, struct clo_endorsement_set *out,
                            struct clo_error *err)
{
    json_t *list, *item;
    size_t i;

    if (!clo_json_get_array(json, "collateral", &list, err))
        return false;
    json_array_foreach (list, i, item) {
        CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral set = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        if (!json_is_object(item))
            return clo_fail(err, CLO_ERR_FORMAT, "\"collateral\": %zu is not an object", i);
        if (!clo_json_write(item, &text, err) ||
            !clo_tdx_collateral_parse(clo_buffer_bytes(&text), &set, err) ||
            !clo_endorsement_set_add_collateral(out, &set, err))
            return clo_wrap(err, "\"collateral\": %zu", i);
    }
    return true;
}

bool clo_endorsement_bundle_parse(struct clo_bytes payload, int64_t *made,
                                  struct clo_endorsement_set *out, struct clo_error *err)
{
    static const char *const members[] = { "cloister_endorsements", "made",       "certificates",
                                           "revocation_lists",      "collateral", NULL };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    uint64_t version;

    if (!clo_json_parse_bounded(payload, VALUES_MAX, &json, err) ||
        !clo_json_get_u64(json, "cloister_endorsements", &version, err))
        return clo_wrap(err, "bundle");
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "bundle: version %llu, expected 1",
                        (unsigned long long)version);
    return (clo_json_only(json, members, err) && read_made(json, made, err) &&
            read_ders(json, "certificates", add_certificate, out, err) &&
            read_ders(json, "revocation_lists", add_crl, out, err) &&
            read_collateral(json, out, err)) ||
           clo_wrap(err, "bundle");
}

bool clo_endorsement_bundle_read(struct clo_bytes in, const struct clo_public_key *key,
                                 int64_t *made, struct clo_endorsement_set *out,
                                 struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };

    if (!clo_cose_is_sign1(in))
        return clo_fail(err, CLO_ERR_FORMAT, "bundle: not a signed one (COSE_Sign1)");
    return (clo_cose_verify(in, key, &payload, err) || clo_wrap(err, "bundle")) &&
           clo_endorsement_bundle_parse(clo_buffer_bytes(&payload), made, out, err);
}
