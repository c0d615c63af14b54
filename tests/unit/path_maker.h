/* A chain of a maker's: root, CA and leaf, made on the spot, with switches for what may be wrong. */
#ifndef CLOISTER_TEST_PATH_MAKER_H
#define CLOISTER_TEST_PATH_MAKER_H

#include "lib/base/der.h"
#include "lib/crypto/certificate_make.h"
#include "test.h"

#define PATH_NOW 1780000000LL

struct path_maker {
    struct clo_private_key *root_key, *ca_key, *leaf_key, *other_key;
    struct clo_digest root;
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
    bool ca_is_no_ca, ca_by_other_key, leaf_is_ca;
    int64_t leaf_until;
    const struct clo_certificate_extension_spec *leaf_extensions;
    size_t leaf_extension_count;
};

static inline void path_maker_reset(struct path_maker *m)
{
    struct path_maker kept = *m;

    *m = (struct path_maker){ .root_key = kept.root_key,
                              .ca_key = kept.ca_key,
                              .leaf_key = kept.leaf_key,
                              .other_key = kept.other_key,
                              .root = kept.root,
                              .scheme = CLO_ECDSA_DER,
                              .hash = CLO_HASH_SHA256,
                              .leaf_until = PATH_NOW + 3600 };
}

static inline void path_maker_init(struct path_maker *m, enum clo_key_kind leaf, unsigned bits)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *root = NULL;
    struct clo_error err;

    *m = (struct path_maker){ .root_key = NULL };
    if (!clo_private_key_new(CLO_KEY_P256, 0, &m->root_key, &err) ||
        !clo_private_key_new(CLO_KEY_P256, 0, &m->ca_key, &err) ||
        !clo_private_key_new(leaf, bits, &m->leaf_key, &err) ||
        !clo_private_key_new(CLO_KEY_P256, 0, &m->other_key, &err) ||
        !clo_private_key_public(m->root_key, &root, &err) ||
        !clo_public_key_fingerprint(root, &m->root, &err))
        fail_msg("%s", err.text);
    path_maker_reset(m);
}

static inline void path_maker_free(struct path_maker *m)
{
    clo_private_key_free(m->root_key);
    clo_private_key_free(m->ca_key);
    clo_private_key_free(m->leaf_key);
    clo_private_key_free(m->other_key);
}

static inline void path_maker_one(const struct path_maker *m, const char *name, bool is_ca,
                                  bool is_leaf, const struct clo_private_key *subject_key,
                                  const struct clo_certificate *issuer,
                                  const struct clo_private_key *issuer_key,
                                  struct clo_certificate **out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *subject = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct clo_certificate_spec spec = {
        .common_name = name,
        .organization = "Pretend Maker",
        .not_before = PATH_NOW - 3600,
        .not_after = is_leaf ? m->leaf_until : PATH_NOW + 7200,
        .serial = clo_bytes_text(name),
        .is_ca = is_ca,
        .scheme = m->scheme,
        .hash = m->hash,
        .extensions = is_leaf ? m->leaf_extensions : NULL,
        .extension_count = is_leaf ? m->leaf_extension_count : 0,
    };
    struct clo_error err;

    if (!clo_private_key_public(subject_key, &subject, &err) ||
        !clo_certificate_make(&spec, subject, issuer, issuer_key, &der, &err) ||
        !clo_certificate_parse(clo_buffer_bytes(&der), out, &err))
        fail_msg("%s: %s", name, err.text);
}

/* Leaf, CA, root. */
static inline void path_maker_make(const struct path_maker *m, struct clo_certificate *out[3])
{
    path_maker_one(m, "root", true, false, m->root_key, NULL, m->root_key, &out[2]);
    path_maker_one(m, "ca", !m->ca_is_no_ca, false, m->ca_key, out[2],
                   m->ca_by_other_key ? m->other_key : m->root_key, &out[1]);
    path_maker_one(m, "leaf", m->leaf_is_ca, true, m->leaf_key, out[1], m->ca_key, &out[0]);
}

/* The CA's list, current until `until` (UTCTime), that revokes the certificate of this serial number. */
static inline void path_maker_crl(const struct path_maker *m, const struct clo_certificate *ca,
                                  const char *until, struct clo_bytes serial, struct clo_crl **out)
{
    static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 8, 0x2a, 0x86,
                                            0x48, 0xce, 0x3d, 4, 3,    2 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer entry = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer entries = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fields = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tbs = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_error err;

    clo_der_write(&entry, CLO_DER_INTEGER, serial);
    clo_der_write(&entry, CLO_DER_UTC_TIME, clo_bytes_text("260501000000Z"));
    clo_der_write(&entries, CLO_DER_SEQUENCE, clo_buffer_bytes(&entry));
    clo_der_write(&fields, CLO_DER_INTEGER, clo_bytes("\1", 1));
    clo_buffer_append(&fields, clo_bytes(ecdsa_sha256, sizeof ecdsa_sha256));
    clo_buffer_append(&fields, clo_certificate_subject_name(ca));
    clo_der_write(&fields, CLO_DER_UTC_TIME, clo_bytes_text("260501000000Z"));
    clo_der_write(&fields, CLO_DER_UTC_TIME, clo_bytes_text(until));
    clo_der_write(&fields, CLO_DER_SEQUENCE, clo_buffer_bytes(&entries));
    clo_der_write(&tbs, CLO_DER_SEQUENCE, clo_buffer_bytes(&fields));
    clo_buffer_append(&whole, clo_buffer_bytes(&tbs));
    clo_buffer_append(&whole, clo_bytes(ecdsa_sha256, sizeof ecdsa_sha256));
    clo_buffer_append(&signature, clo_bytes("", 1)); /* of whole bytes */
    if (!clo_signature_make(m->ca_key, CLO_ECDSA_DER, CLO_HASH_SHA256, clo_buffer_bytes(&tbs),
                            &signature, &err))
        fail_msg("%s", err.text);
    clo_der_write(&whole, CLO_DER_BIT_STRING, clo_buffer_bytes(&signature));
    clo_der_write(&der, CLO_DER_SEQUENCE, clo_buffer_bytes(&whole));
    if (!clo_crl_parse(clo_buffer_bytes(&der), out, &err))
        fail_msg("%s", err.text);
}

#endif
