#include "lib/cloud/gce.h"

#include <stdio.h>

#include "cloister/json.h"
#include "lib/base/der.h"

#define OID_INSTANCE "1.3.6.1.4.1.11129.2.1.21"

/* "EK/AK CA Root", valid to 2122-07-08, and "tpm_ek_v1_cloud_host_root", valid to 2118-04-06
 * (pki.goog/cloud_integrity/tpm_ek_root_1.crt). */
const struct clo_digest clo_gce_roots[CLO_GCE_ROOTS] = {
    { .hash = CLO_HASH_SHA256,
      .bytes = { 0x56, 0xa6, 0x13, 0xf5, 0x71, 0x26, 0xa3, 0x85, 0xdd, 0x69, 0x49,
                 0x29, 0x4e, 0x93, 0xb0, 0xb5, 0x66, 0xf9, 0x6a, 0xb0, 0x57, 0x3b,
                 0xe0, 0xc2, 0x36, 0x8e, 0x6f, 0x5c, 0xa7, 0x79, 0x83, 0x1f } },
    { .hash = CLO_HASH_SHA256,
      .bytes = { 0xf2, 0x30, 0x57, 0xf4, 0xf9, 0x7d, 0x1d, 0x90, 0xe4, 0xca, 0xe0,
                 0xce, 0x91, 0xd5, 0xa0, 0xfc, 0x99, 0x06, 0x9f, 0x0a, 0x1b, 0xc1,
                 0x47, 0x02, 0x1d, 0xca, 0x33, 0xb1, 0xe9, 0xc4, 0xd0, 0xd9 } },
};

/* A number of 64 bits without sign: project numbers and instance ids use all of them. */
static uint64_t read_number(struct clo_reader *r)
{
    struct clo_bytes value = clo_der_value(r, CLO_DER_INTEGER);
    uint64_t number = 0;

    if (value.size > 0 && value.data[0] == 0)
        value = clo_bytes_slice(value, 1, value.size);
    else if (value.size > 0 && value.data[0] >= 0x80)
        r->failed = true;
    if (value.size > 8)
        r->failed = true;
    for (size_t i = 0; !r->failed && i < value.size; i++)
        number = number << 8 | value.data[i];
    return number;
}

/* Google's names are of printable ASCII. */
static void read_name(struct clo_reader *r, char out[CLO_GCE_NAME_MAX])
{
    struct clo_bytes text = clo_der_value(r, CLO_DER_UTF8_STRING);

    if (text.size >= CLO_GCE_NAME_MAX)
        r->failed = true;
    for (size_t i = 0; !r->failed && i < text.size; i++) {
        out[i] = (char)text.data[i];
        if (text.data[i] < 0x20 || text.data[i] > 0x7e)
            r->failed = true;
    }
}

/* Of the fields that are tagged 0 to 5 the first two say something; each may be left out. */
static void read_security(struct clo_reader *r, struct clo_gce_instance *out)
{
    struct clo_reader tagged = clo_der_enter(r, CLO_DER_EXPLICIT(0));
    struct clo_reader fields = clo_der_enter(&tagged, CLO_DER_SEQUENCE);

    while (clo_reader_ok(&fields) && clo_reader_left(&fields) > 0) {
        struct clo_der field = clo_der_next(&fields);
        struct clo_reader inner = clo_reader(field.value);
        if (field.tag == CLO_DER_EXPLICIT(0))
            out->security_version = read_number(&inner);
        else if (field.tag == CLO_DER_EXPLICIT(1))
            out->is_production = clo_der_boolean(&inner);
        else
            continue;
        if (!clo_der_done(&inner))
            fields.failed = true;
    }
    if (!clo_der_done(&fields) || !clo_der_done(&tagged))
        r->failed = true;
}

bool clo_gce_instance_parse(const struct clo_certificate *certificate, struct clo_gce_instance *out,
                            struct clo_error *err)
{
    struct clo_gce_instance instance = { .is_production = false };
    struct clo_bytes value;

    if (!clo_certificate_extension(certificate, OID_INSTANCE, &value))
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "the certificate names no GCE instance");
    struct clo_reader whole = clo_reader(value);
    struct clo_reader r = clo_der_enter(&whole, CLO_DER_SEQUENCE);
    read_name(&r, instance.zone);
    instance.project_number = read_number(&r);
    read_name(&r, instance.project_id);
    instance.id = read_number(&r);
    read_name(&r, instance.name);
    if (clo_reader_ok(&r) && clo_reader_left(&r) > 0)
        read_security(&r, &instance);
    if (!clo_der_done(&r) || !clo_der_done(&whole))
        return clo_fail(err, CLO_ERR_FORMAT, "the certificate's GCE instance: malformed");
    *out = instance;
    return true;
}

static json_t *number_json(uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return json_string(text); /* JSON's numbers end at 2^53 for many readers */
}

json_t *clo_gce_instance_json(const struct clo_gce_instance *instance)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "gce_zone", json_string(instance->zone));
    clo_json_set(&o, "gce_project_number", number_json(instance->project_number));
    clo_json_set(&o, "gce_project_id", json_string(instance->project_id));
    clo_json_set(&o, "gce_instance_id", number_json(instance->id));
    clo_json_set(&o, "gce_instance_name", json_string(instance->name));
    clo_json_set(&o, "gce_security_version", number_json(instance->security_version));
    clo_json_set(&o, "gce_is_production", json_boolean(instance->is_production));
    return clo_json_finish(&o);
}
