#include "sim/x509.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/der.h"

#define OID_SIZE 32

/* --- DER --- */

void sim_der_element(struct clo_buffer *out, uint8_t tag, struct clo_bytes contents)
{
    clo_buffer_u8(out, tag);
    if (contents.size < 0x80) {
        clo_buffer_u8(out, (uint8_t)contents.size);
    } else if (contents.size < 0x100) {
        clo_buffer_u8(out, 0x81);
        clo_buffer_u8(out, (uint8_t)contents.size);
    } else {
        clo_buffer_u8(out, 0x82);
        clo_buffer_be16(out, (uint16_t)contents.size);
    }
    clo_buffer_append(out, contents);
}

/* Wraps what is in the buffer. */
static void wrap(struct clo_buffer *buffer, uint8_t tag)
{
    struct clo_buffer whole = { 0 };

    sim_der_element(&whole, tag, clo_buffer_bytes(buffer));
    clo_buffer_free(buffer);
    *buffer = whole;
}

static void integer(struct clo_buffer *out, uint8_t value)
{
    const uint8_t bytes[] = { 0, value };

    sim_der_element(out, CLO_DER_INTEGER,
                    value < 0x80 ? clo_bytes(bytes + 1, 1) : clo_bytes(bytes, 2));
}

static void oid(struct clo_buffer *out, const char *dotted)
{
    uint8_t bytes[OID_SIZE];
    size_t used;

    if (clo_der_oid_from_text(dotted, bytes, sizeof bytes, &used))
        sim_der_element(out, CLO_DER_OID, clo_bytes(bytes, used));
    else
        out->failed = true;
}

/* UTCTime up to 2049 (RFC 5280, section 4.1.2.5). */
static void date(struct clo_buffer *out, int64_t at)
{
    time_t seconds = (time_t)at;
    struct tm parts;
    char text[32];

    gmtime_r(&seconds, &parts);
    bool is_utc = parts.tm_year < 150;
    strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts);
    sim_der_element(out, is_utc ? CLO_DER_UTC_TIME : CLO_DER_GENERALIZED_TIME,
                    clo_bytes_text(is_utc ? text + 2 : text));
}

static void attribute(struct clo_buffer *out, const char *type, const char *value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pair = { 0 };

    oid(&pair, type);
    sim_der_element(&pair, CLO_DER_UTF8_STRING, clo_bytes_text(value));
    wrap(&pair, CLO_DER_SEQUENCE);
    wrap(&pair, CLO_DER_SET);
    clo_buffer_append(out, clo_buffer_bytes(&pair));
}

static void name(struct clo_buffer *out, const char *common_name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer parts = { 0 };

    attribute(&parts, "2.5.4.10", "Cloister simulation, no AMD product");
    attribute(&parts, "2.5.4.3", common_name);
    sim_der_element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&parts));
}

void sim_der_item(struct clo_buffer *out, const char *id, uint8_t tag, struct clo_bytes value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pair = { 0 };

    oid(&pair, id);
    sim_der_element(&pair, tag, value);
    sim_der_element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&pair));
}

/* --- Algorithms --- */

static void hash_algorithm(struct clo_buffer *out, bool is_sha256)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer parts = { 0 };

    oid(&parts, is_sha256 ? "2.16.840.1.101.3.4.2.1" : "2.16.840.1.101.3.4.2.2");
    sim_der_element(&parts, CLO_DER_NULL, clo_bytes(NULL, 0));
    sim_der_element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&parts));
}

/* RSASSA-PSS-params, RFC 4055 section 3.1. */
static void pss_parameters(struct clo_buffer *out, enum sim_signature signature)
{
    bool is_sha256 = signature == SIM_PSS_SHA256;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer part = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer parts = { 0 };

    hash_algorithm(&part, is_sha256);
    sim_der_element(&parts, CLO_DER_EXPLICIT(0), clo_buffer_bytes(&part));
    part.size = 0;
    oid(&part, "1.2.840.113549.1.1.8");
    hash_algorithm(&part, is_sha256 || signature == SIM_PSS_SAYS_MGF_SHA256);
    wrap(&part, CLO_DER_SEQUENCE);
    sim_der_element(&parts, CLO_DER_EXPLICIT(1), clo_buffer_bytes(&part));
    part.size = 0;
    integer(&part, is_sha256 || signature == SIM_PSS_SAYS_SALT_32 ? 32 : 48);
    sim_der_element(&parts, CLO_DER_EXPLICIT(2), clo_buffer_bytes(&part));
    sim_der_element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&parts));
}

static void algorithm(struct clo_buffer *out, enum sim_signature signature)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer parts = { 0 };

    if (signature == SIM_PKCS1_SHA384) {
        oid(&parts, "1.2.840.113549.1.1.12");
        sim_der_element(&parts, CLO_DER_NULL, clo_bytes(NULL, 0));
    } else if (signature == SIM_ECDSA_SHA256 || signature == SIM_ECDSA_SHA384) {
        oid(&parts, signature == SIM_ECDSA_SHA256 ? "1.2.840.10045.4.3.2" : "1.2.840.10045.4.3.3");
    } else {
        oid(&parts, "1.2.840.113549.1.1.10");
        pss_parameters(&parts, signature);
    }
    sim_der_element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&parts));
}

/* SEQUENCE { body, algorithm, signature } */
static bool sign(struct clo_buffer *body, enum sim_signature how, bool is_flipped,
                 const struct clo_private_key *key, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bits = { 0 };

    wrap(body, CLO_DER_SEQUENCE);
    if (!clo_buffer_ok(body))
        return clo_out_of_memory(err);
    bool is_ecdsa = how == SIM_ECDSA_SHA256 || how == SIM_ECDSA_SHA384;
    bool is_sha256 = how == SIM_ECDSA_SHA256 || how == SIM_PSS_SHA256;
    if (!clo_signature_make(key,
                            is_ecdsa                  ? CLO_ECDSA_DER
                            : how == SIM_PKCS1_SHA384 ? CLO_RSASSA_PKCS1
                                                      : CLO_RSASSA_PSS,
                            is_sha256 ? CLO_HASH_SHA256 : CLO_HASH_SHA384, clo_buffer_bytes(body),
                            &signature, err))
        return false;
    /* Of ECDSA's two numbers the end of the second, so that its DER stays whole. */
    signature.data[is_ecdsa ? signature.size - 1 : signature.size / 2] ^= is_flipped ? 1 : 0;
    clo_buffer_u8(&bits, 0); /* no bits left over */
    clo_buffer_append(&bits, clo_buffer_bytes(&signature));
    algorithm(body, how);
    sim_der_element(body, CLO_DER_BIT_STRING, clo_buffer_bytes(&bits));
    wrap(body, CLO_DER_SEQUENCE);
    clo_buffer_append(out, clo_buffer_bytes(body));
    return (clo_buffer_ok(body) && clo_buffer_ok(out)) || clo_out_of_memory(err);
}

/* --- Certificates --- */

static void extension(struct clo_buffer *out, const char *id, bool is_critical,
                      struct clo_bytes value)
{
    static const uint8_t is_true = 0xff;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer parts = { 0 };

    oid(&parts, id);
    if (is_critical)
        sim_der_element(&parts, CLO_DER_BOOLEAN, clo_bytes(&is_true, 1));
    sim_der_element(&parts, CLO_DER_OCTET_STRING, value);
    sim_der_element(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&parts));
}

static void basic_constraints(struct clo_buffer *out, const struct sim_certificate *spec)
{
    static const uint8_t is_true = 0xff;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };

    if (spec->is_ca < 0)
        return;
    if (spec->is_ca == 1)
        sim_der_element(&value, CLO_DER_BOOLEAN, clo_bytes(&is_true, 1));
    if (spec->path_length >= 0)
        integer(&value, (uint8_t)spec->path_length);
    wrap(&value, CLO_DER_SEQUENCE);
    extension(out, "2.5.29.19", true, clo_buffer_bytes(&value));
}

/* A BIT STRING of named bits; bit 0 is the highest of the first byte, and trailing zeros are left out. */
static void key_usage(struct clo_buffer *out, int usage)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    uint8_t bits[2] = { 0 };
    unsigned last = 0;

    if (usage < 0)
        return;
    for (unsigned i = 0; i < 8; i++)
        if ((usage >> i & 1) != 0) {
            bits[1] |= (uint8_t)(0x80 >> i);
            last = i;
        }
    bits[0] = (uint8_t)(7 - last);
    sim_der_element(&value, CLO_DER_BIT_STRING, clo_bytes(bits, sizeof bits));
    extension(out, "2.5.29.15", true, clo_buffer_bytes(&value));
}

bool sim_certificate(const struct sim_certificate *spec, const struct clo_public_key *subject,
                     const struct clo_private_key *issuer, struct clo_buffer *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer part = { 0 };

    integer(&part, 2); /* version 3 */
    sim_der_element(&body, CLO_DER_EXPLICIT(0), clo_buffer_bytes(&part));
    integer(&body, spec->serial);
    algorithm(&body, spec->signature);
    name(&body, spec->issuer);
    part.size = 0;
    date(&part, spec->not_before);
    date(&part, spec->not_after);
    sim_der_element(&body, CLO_DER_SEQUENCE, clo_buffer_bytes(&part));
    name(&body, spec->subject);
    if (!clo_public_key_spki(subject, &body, err))
        return false;
    part.size = 0;
    basic_constraints(&part, spec);
    key_usage(&part, spec->key_usage);
    for (size_t i = 0; i < spec->extension_count; i++)
        extension(&part, spec->extensions[i].oid, spec->extensions[i].is_critical,
                  spec->extensions[i].value);
    wrap(&part, CLO_DER_SEQUENCE);
    sim_der_element(&body, CLO_DER_EXPLICIT(3), clo_buffer_bytes(&part));
    return sign(&body, spec->signature, spec->signature_is_flipped, issuer, out, err);
}

/* --- Revocation lists --- */

bool sim_crl(const struct sim_crl *spec, const struct clo_private_key *issuer,
             struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer part = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer number = { 0 };

    integer(&body, 1); /* version 2 */
    algorithm(&body, spec->signature);
    name(&body, spec->issuer);
    date(&body, spec->this_update);
    date(&body, spec->next_update);
    if (spec->revoked >= 0) {
        integer(&part, (uint8_t)spec->revoked);
        date(&part, spec->this_update);
        wrap(&part, CLO_DER_SEQUENCE);
        sim_der_element(&body, CLO_DER_SEQUENCE, clo_buffer_bytes(&part));
    }
    part.size = 0;
    integer(&number, 1);
    extension(&part, "2.5.29.20", false, clo_buffer_bytes(&number));
    wrap(&part, CLO_DER_SEQUENCE);
    sim_der_element(&body, CLO_DER_EXPLICIT(0), clo_buffer_bytes(&part));
    return sign(&body, spec->signature, false, issuer, out, err);
}
