#include "lib/crypto/did_x509.h"

#include <string.h>

#include "cloister/encoding.h"
#include "lib/base/der.h"
#include "lib/base/digits.h"

#define PREFIX         "did:x509:0:"
#define FULCIO_ISSUER  "1.3.6.1.4.1.57264.1.1"
#define ISSUER_SCHEME  "https://"
#define OID_TEXT       128
#define SAN_EMAIL      CLO_DER_CONTEXT(1)
#define SAN_DNS        CLO_DER_CONTEXT(2)
#define SAN_DIRECTORY  CLO_DER_EXPLICIT(4)
#define SAN_URI        CLO_DER_CONTEXT(6)
#define SUBJECT_LABELS CLO_COUNT(labels)

/* Attributes of a subject that have a label; a dotted OID does not stand for one of these. */
static const struct {
    const char *label, *oid;
} labels[] = {
    { "CN", "2.5.4.3" }, { "L", "2.5.4.7" },   { "ST", "2.5.4.8" },     { "O", "2.5.4.10" },
    { "C", "2.5.4.6" },  { "OU", "2.5.4.11" }, { "STREET", "2.5.4.9" },
};

static const struct {
    const char *name;
    uint8_t tag;
} san_types[] = { { "email", SAN_EMAIL }, { "dns", SAN_DNS }, { "uri", SAN_URI } };

/* --- Text --- */

static bool is(struct clo_bytes text, const char *word)
{
    return clo_bytes_equal(text, clo_bytes_text(word));
}

/* What comes before the separator, or all of it; `rest` becomes what comes after, data NULL at the end. */
static struct clo_bytes cut(struct clo_bytes *rest, const char *separator)
{
    struct clo_bytes whole = *rest;
    size_t size = strlen(separator);
    const uint8_t *at = whole.size < size ? NULL : memmem(whole.data, whole.size, separator, size);

    if (at == NULL) {
        *rest = clo_bytes(NULL, 0);
        return whole;
    }
    size_t before = (size_t)(at - whole.data);
    *rest = clo_bytes_slice(whole, before + size, whole.size);
    return clo_bytes_slice(whole, 0, before);
}

static bool is_plain(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

/* The next character of a value: idchar, decoded. */
static bool next_character(struct clo_bytes *rest, uint8_t *out)
{
    if (rest->size == 0)
        return false;
    if (is_plain(rest->data[0])) {
        *out = rest->data[0];
        *rest = clo_bytes_slice(*rest, 1, rest->size);
        return true;
    }
    if (rest->data[0] != '%' || rest->size < 3 || clo_hex_digit(rest->data[1]) < 0 ||
        clo_hex_digit(rest->data[2]) < 0)
        return false;
    *out = (uint8_t)(clo_hex_digit(rest->data[1]) << 4 | clo_hex_digit(rest->data[2]));
    *rest = clo_bytes_slice(*rest, 3, rest->size);
    return *out != 0;
}

static bool is_value(struct clo_bytes text)
{
    uint8_t c;

    if (text.size == 0)
        return false;
    while (next_character(&text, &c))
        ;
    return text.size == 0;
}

/* Does the encoded value stand for these bytes? */
static bool stands_for(struct clo_bytes encoded, struct clo_bytes plain)
{
    uint8_t c;

    for (size_t i = 0; i < plain.size; i++)
        if (!next_character(&encoded, &c) || c != plain.data[i])
            return false;
    return encoded.size == 0;
}

static bool is_oid(struct clo_bytes text)
{
    char dotted[OID_TEXT], back[OID_TEXT];
    uint8_t oid[64];
    size_t used;

    if (text.size == 0 || text.size >= sizeof dotted)
        return false;
    memcpy(dotted, text.data, text.size);
    dotted[text.size] = '\0';
    if (strlen(dotted) != text.size || !clo_der_oid_from_text(dotted, oid, sizeof oid, &used))
        return false;
    clo_der_oid_text(clo_bytes(oid, used), back, sizeof back);
    return strcmp(back, dotted) == 0;
}

static const char *label_of(struct clo_bytes key)
{
    for (size_t i = 0; i < SUBJECT_LABELS; i++)
        if (is(key, labels[i].label))
            return labels[i].oid;
    return NULL;
}

/* --- Parsing --- */

static bool is_key(struct clo_bytes key)
{
    if (label_of(key) != NULL)
        return true;
    for (size_t i = 0; i < SUBJECT_LABELS; i++)
        if (is(key, labels[i].oid))
            return false;
    return is_oid(key);
}

static bool has_key(struct clo_bytes pairs, struct clo_bytes key)
{
    while (pairs.data != NULL) {
        if (clo_bytes_equal(cut(&pairs, ":"), key))
            return true;
        cut(&pairs, ":");
    }
    return false;
}

/* key ":" value, any number of them, no key twice. */
static bool is_subject(struct clo_bytes pairs)
{
    while (pairs.data != NULL) {
        struct clo_bytes key = cut(&pairs, ":");
        if (!is_key(key) || pairs.data == NULL || !is_value(cut(&pairs, ":")) ||
            has_key(pairs, key))
            return false;
    }
    return true;
}

static uint8_t san_tag(struct clo_bytes type)
{
    for (size_t i = 0; i < CLO_COUNT(san_types); i++)
        if (is(type, san_types[i].name))
            return san_types[i].tag;
    return 0;
}

static bool is_san(struct clo_bytes value)
{
    return san_tag(cut(&value, ":")) != 0 && value.data != NULL && is_value(value);
}

static const struct {
    const char *name;
    bool (*is_valid)(struct clo_bytes value);
} kinds[] = {
    [DID_X509_SUBJECT] = { "subject", is_subject },
    [DID_X509_SAN] = { "san", is_san },
    [DID_X509_EKU] = { "eku", is_oid },
    [DID_X509_FULCIO_ISSUER] = { "fulcio-issuer", is_value },
};

static bool read_predicate(struct clo_bytes text, struct did_x509 *out, struct clo_error *err)
{
    struct clo_bytes value = text;
    struct clo_bytes name = cut(&value, ":");

    if (out->count == DID_X509_PREDICATES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d predicates", DID_X509_PREDICATES_MAX);
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        if (!is(name, kinds[i].name))
            continue;
        if (value.data == NULL || !kinds[i].is_valid(value))
            return clo_fail(err, CLO_ERR_FORMAT, "predicate \"%s\": malformed value",
                            kinds[i].name);
        out->predicates[out->count].kind = (enum did_x509_kind)i;
        out->predicates[out->count++].value = value;
        return true;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "a predicate that is not known");
}

static bool read_fingerprint(struct clo_bytes text, struct clo_digest *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_bytes name = cut(&text, ":");
    struct clo_error ignored;

    *out = (struct clo_digest){ .hash = is(name, "sha256")   ? CLO_HASH_SHA256
                                        : is(name, "sha384") ? CLO_HASH_SHA384
                                        : is(name, "sha512") ? CLO_HASH_SHA512
                                                             : CLO_HASH_NONE };
    if (out->hash == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_FORMAT, "the CA's digest is not SHA-256, SHA-384 or SHA-512");
    if (!clo_base64url_read(text, &bytes, &ignored) || bytes.size != clo_hash_size(out->hash))
        return clo_fail(err, CLO_ERR_FORMAT, "the CA's digest is not one in base64url");
    memcpy(out->bytes, bytes.data, bytes.size);
    return true;
}

static bool parse(struct clo_bytes text, struct did_x509 *out, struct clo_error *err)
{
    struct clo_bytes prefix = clo_bytes_text(PREFIX);

    *out = (struct did_x509){ .count = 0 };
    if (text.size > DID_X509_TEXT_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "longer than %d characters", DID_X509_TEXT_MAX);
    if (text.size < prefix.size || !clo_bytes_equal(clo_bytes_slice(text, 0, prefix.size), prefix))
        return clo_fail(err, CLO_ERR_FORMAT, "does not begin with \"" PREFIX "\"");
    text = clo_bytes_slice(text, prefix.size, text.size);
    if (!read_fingerprint(cut(&text, "::"), &out->ca, err))
        return false;
    if (text.data == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "says nothing of the certificate below the CA");
    while (text.data != NULL)
        if (!read_predicate(cut(&text, "::"), out, err))
            return false;
    return true;
}

bool did_x509_parse(struct clo_bytes text, struct did_x509 *out, struct clo_error *err)
{
    return parse(text, out, err) || clo_wrap(err, "did:x509");
}

/* --- The leaf --- */

/* Calls `take` with each attribute of a name until it returns false. */
static bool walk_name(struct clo_bytes name,
                      bool (*take)(struct clo_bytes oid, const struct clo_der *value, void *data),
                      void *data)
{
    struct clo_reader r = clo_reader(name);
    struct clo_reader parts = clo_der_enter(&r, CLO_DER_SEQUENCE);

    while (clo_reader_left(&parts) > 0) {
        struct clo_reader part = clo_der_enter(&parts, CLO_DER_SET);
        while (clo_reader_left(&part) > 0) {
            struct clo_reader attribute = clo_der_enter(&part, CLO_DER_SEQUENCE);
            struct clo_bytes oid = clo_der_value(&attribute, CLO_DER_OID);
            struct clo_der value = clo_der_next(&attribute);
            if (!clo_der_done(&attribute) || !take(oid, &value, data))
                return false;
        }
        if (!clo_reader_ok(&part))
            return false;
    }
    return clo_der_done(&r) && clo_reader_ok(&parts);
}

#define ATTRIBUTES_MAX 32

struct attributes {
    struct clo_bytes oids[ATTRIBUTES_MAX];
    struct clo_der values[ATTRIBUTES_MAX];
    size_t count;
};

/* An attribute that is there twice has no one value. */
static bool take_attribute(struct clo_bytes oid, const struct clo_der *value, void *data)
{
    struct attributes *all = data;

    if (all->count == ATTRIBUTES_MAX)
        return false;
    for (size_t i = 0; i < all->count; i++)
        if (clo_bytes_equal(all->oids[i], oid))
            return false;
    all->oids[all->count] = oid;
    all->values[all->count++] = *value;
    return true;
}

/* Strings that are bytes of UTF-8 as they stand; others match nothing. */
static bool is_utf8(uint8_t tag)
{
    return tag == CLO_DER_UTF8_STRING || tag == CLO_DER_PRINTABLE_STRING ||
           tag == CLO_DER_IA5_STRING || tag == CLO_DER_NUMERIC_STRING;
}

static bool has_attribute(const struct attributes *all, struct clo_bytes key,
                          struct clo_bytes value)
{
    const char *oid = label_of(key);
    char dotted[OID_TEXT];

    for (size_t i = 0; i < all->count; i++) {
        clo_der_oid_text(all->oids[i], dotted, sizeof dotted);
        if (oid != NULL ? strcmp(dotted, oid) == 0 : is(key, dotted))
            return is_utf8(all->values[i].tag) && stands_for(value, all->values[i].value);
    }
    return false;
}

static bool holds_subject(const struct clo_certificate *leaf, struct clo_bytes pairs)
{
    struct attributes all = { .count = 0 };

    if (!walk_name(clo_certificate_subject_name(leaf), take_attribute, &all))
        return false;
    while (pairs.data != NULL) {
        struct clo_bytes key = cut(&pairs, ":");
        if (!has_attribute(&all, key, cut(&pairs, ":")))
            return false;
    }
    return true;
}

/* A name of a kind that the method does not know is no reason to look away from it. */
static bool holds_san(const struct clo_certificate *leaf, struct clo_bytes value)
{
    struct clo_bytes extension;
    uint8_t tag = san_tag(cut(&value, ":"));
    bool found = false;

    if (!clo_certificate_extension(leaf, "2.5.29.17", &extension))
        return false;
    struct clo_reader r = clo_reader(extension);
    struct clo_reader names = clo_der_enter(&r, CLO_DER_SEQUENCE);
    while (clo_reader_left(&names) > 0) {
        struct clo_der name = clo_der_next(&names);
        if (name.tag != SAN_EMAIL && name.tag != SAN_DNS && name.tag != SAN_URI &&
            name.tag != SAN_DIRECTORY)
            return false;
        found = found || (name.tag == tag && stands_for(value, name.value));
    }
    return found && clo_reader_ok(&names) && clo_der_done(&r);
}

static bool holds_eku(const struct clo_certificate *leaf, struct clo_bytes value)
{
    struct clo_bytes extension;
    char dotted[OID_TEXT];
    bool found = false;

    if (!clo_certificate_extension(leaf, "2.5.29.37", &extension))
        return false;
    struct clo_reader r = clo_reader(extension);
    struct clo_reader purposes = clo_der_enter(&r, CLO_DER_SEQUENCE);
    while (clo_reader_left(&purposes) > 0) {
        clo_der_oid_text(clo_der_value(&purposes, CLO_DER_OID), dotted, sizeof dotted);
        found = found || is(value, dotted);
    }
    return found && clo_reader_ok(&purposes) && clo_der_done(&r);
}

/* Fulcio writes the address itself into the extension, without DER around it. */
static bool holds_fulcio_issuer(const struct clo_certificate *leaf, struct clo_bytes value)
{
    struct clo_bytes scheme = clo_bytes_text(ISSUER_SCHEME), extension;

    return clo_certificate_extension(leaf, FULCIO_ISSUER, &extension) &&
           extension.size > scheme.size &&
           clo_bytes_equal(clo_bytes_slice(extension, 0, scheme.size), scheme) &&
           stands_for(value, clo_bytes_slice(extension, scheme.size, extension.size));
}

static bool (*const holds[])(const struct clo_certificate *leaf, struct clo_bytes value) = {
    [DID_X509_SUBJECT] = holds_subject,
    [DID_X509_SAN] = holds_san,
    [DID_X509_EKU] = holds_eku,
    [DID_X509_FULCIO_ISSUER] = holds_fulcio_issuer,
};

/* --- Resolving --- */

bool did_x509_is_ca(const struct did_x509 *did, const struct clo_certificate *certificate)
{
    struct clo_digest digest;

    clo_hash(did->ca.hash, clo_certificate_der(certificate), &digest);
    return clo_digest_equal(&digest, &did->ca);
}

bool did_x509_resolve(const struct did_x509 *did, const struct clo_certificate *const *chain,
                      size_t count, struct clo_error *err)
{
    bool has_ca = false;
    unsigned usage;

    for (size_t i = 1; i < count; i++)
        has_ca = has_ca || did_x509_is_ca(did, chain[i]);
    if (!has_ca)
        return clo_fail(err, CLO_ERR_REFUSED, "did:x509: its CA is not in the chain");
    for (size_t i = 0; i < did->count; i++)
        if (!holds[did->predicates[i].kind](chain[0], did->predicates[i].value))
            return clo_fail(err, CLO_ERR_REFUSED,
                            "did:x509: certificate \"%.100s\" does not have the %s that it names",
                            clo_certificate_subject(chain[0]), kinds[did->predicates[i].kind].name);
    if (clo_certificate_key_usage(chain[0], &usage) &&
        (usage & CLO_KEY_USAGE_DIGITAL_SIGNATURE) == 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "did:x509: certificate \"%.100s\" is not for signatures",
                        clo_certificate_subject(chain[0]));
    return true;
}
