/* A pretend Nitro hypervisor: root, CA and leaf made on the spot, and a document signed by that leaf; with switches for
 * what may be wrong. */
#ifndef CLOISTER_TEST_NITRO_MAKER_H
#define CLOISTER_TEST_NITRO_MAKER_H

#include "cloister/cose.h"
#include "lib/base/cbor.h"
#include "lib/cloud/nitro.h"
#include "lib/crypto/certificate_make.h"
#include "test.h"

#define NITRO_NOW    1780000000LL
#define NITRO_NONCE  "one nonce"
#define NITRO_MODULE "i-0123456789abcdef0"

struct nitro_maker {
    struct clo_private_key *root_key, *ca_key, *leaf_key, *other_key;
    struct clo_digest root;
    /* Set again by nitro_maker_reset(). */
    bool is_tpm, is_debug, is_tagged;
    bool ca_is_no_ca, ca_by_other_key, leaf_is_ca, sign_with_other_key;
    bool leave_out_ca, leave_out_root, is_twice;
    int64_t made, leaf_until;
    const char *digest, *extra; /* another member; NULL: none */
    size_t pcr_size;
    uint64_t pcr_index; /* of the last one */
    struct clo_bytes user_data, nonce, public_key;
};

static inline void nitro_maker_reset(struct nitro_maker *m)
{
    struct nitro_maker kept = *m;

    *m = (struct nitro_maker){ .root_key = kept.root_key,
                               .ca_key = kept.ca_key,
                               .leaf_key = kept.leaf_key,
                               .other_key = kept.other_key,
                               .root = kept.root,
                               .made = NITRO_NOW - 10,
                               .leaf_until = NITRO_NOW + 3 * 3600,
                               .digest = "SHA384",
                               .pcr_size = 48,
                               .pcr_index = 8,
                               .nonce = clo_bytes_text(NITRO_NONCE) };
}

static inline void nitro_maker_init(struct nitro_maker *m)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *root = NULL;
    struct clo_error err;

    *m = (struct nitro_maker){ .root_key = NULL };
    if (!clo_private_key_new(CLO_KEY_P384, 0, &m->root_key, &err) ||
        !clo_private_key_new(CLO_KEY_P384, 0, &m->ca_key, &err) ||
        !clo_private_key_new(CLO_KEY_P384, 0, &m->leaf_key, &err) ||
        !clo_private_key_new(CLO_KEY_P384, 0, &m->other_key, &err) ||
        !clo_private_key_public(m->root_key, &root, &err) ||
        !clo_public_key_fingerprint(root, &m->root, &err))
        fail_msg("%s", err.text);
    nitro_maker_reset(m);
}

static inline void nitro_maker_free(struct nitro_maker *m)
{
    clo_private_key_free(m->root_key);
    clo_private_key_free(m->ca_key);
    clo_private_key_free(m->leaf_key);
    clo_private_key_free(m->other_key);
}

/* The one of a group of tests, and what sets it up and takes it down. */
static struct nitro_maker maker;

static int nitro_make_keys(void **state)
{
    (void)state;
    nitro_maker_init(&maker);
    return 0;
}

static int nitro_free_keys(void **state)
{
    (void)state;
    nitro_maker_free(&maker);
    return 0;
}

static inline void nitro_maker_certificate(const char *name, bool is_ca, int64_t until,
                                           const struct clo_private_key *subject_key,
                                           const struct clo_certificate *issuer,
                                           const struct clo_private_key *issuer_key,
                                           struct clo_certificate **out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *subject = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct clo_certificate_spec spec = { .common_name = name,
                                               .organization = "Pretend Cloud",
                                               .not_before = NITRO_NOW - 3600,
                                               .not_after = until,
                                               .serial = clo_bytes("\x01", 1),
                                               .is_ca = is_ca,
                                               .scheme = CLO_ECDSA_DER,
                                               .hash = CLO_HASH_SHA384 };
    struct clo_error err;

    if (!clo_private_key_public(subject_key, &subject, &err) ||
        !clo_certificate_make(&spec, subject, issuer, issuer_key, &der, &err) ||
        !clo_certificate_parse(clo_buffer_bytes(&der), out, &err))
        fail_msg("%s", err.text);
}

static inline void nitro_maker_optional(struct clo_buffer *out, const char *name,
                                        struct clo_bytes value)
{
    clo_cbor_text(out, name);
    if (value.data == NULL)
        clo_cbor_write(out, CLO_CBOR_SIMPLE, 22); /* null */
    else
        clo_cbor_bytes(out, value);
}

/* PCRs 0 to 2, 4, and one that a switch names: 48 times their number plus one. */
static inline void nitro_maker_pcrs(const struct nitro_maker *m, struct clo_buffer *out)
{
    const uint64_t pcrs[] = { 0, 1, 2, 4, m->pcr_index };

    clo_cbor_text(out, m->is_tpm ? "nitrotpm_pcrs" : "pcrs");
    clo_cbor_write(out, CLO_CBOR_MAP, CLO_COUNT(pcrs));
    for (size_t i = 0; i < CLO_COUNT(pcrs); i++) {
        uint8_t value[64];
        memset(value, m->is_debug && pcrs[i] < 3 ? 0 : (int)pcrs[i] + 1, sizeof value);
        clo_cbor_write(out, CLO_CBOR_UINT, pcrs[i]);
        clo_cbor_bytes(out, clo_bytes(value, i + 1 == CLO_COUNT(pcrs) ? m->pcr_size : 48));
    }
}

static inline void nitro_maker_make(const struct nitro_maker *m, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *root = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *ca = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *leaf = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    struct clo_error err;

    nitro_maker_certificate("root", true, NITRO_NOW + 86400, m->root_key, NULL, m->root_key, &root);
    nitro_maker_certificate("zonal", !m->ca_is_no_ca, NITRO_NOW + 86400, m->ca_key, root,
                            m->ca_by_other_key ? m->other_key : m->root_key, &ca);
    nitro_maker_certificate("instance", m->leaf_is_ca, m->leaf_until, m->leaf_key, ca, m->ca_key,
                            &leaf);
    clo_cbor_write(&payload, CLO_CBOR_MAP, 9U + (m->extra != NULL) + m->is_twice);
    clo_cbor_text(&payload, "module_id");
    clo_cbor_text(&payload, NITRO_MODULE);
    clo_cbor_text(&payload, "digest");
    clo_cbor_text(&payload, m->digest);
    clo_cbor_text(&payload, "timestamp");
    clo_cbor_write(&payload, CLO_CBOR_UINT, (uint64_t)m->made * 1000 + 7);
    nitro_maker_pcrs(m, &payload);
    clo_cbor_text(&payload, "certificate");
    clo_cbor_bytes(&payload, clo_certificate_der(leaf));
    clo_cbor_text(&payload, "cabundle");
    clo_cbor_write(&payload, CLO_CBOR_ARRAY, 2 - (uint64_t)m->leave_out_ca - m->leave_out_root);
    if (!m->leave_out_root)
        clo_cbor_bytes(&payload, clo_certificate_der(root));
    if (!m->leave_out_ca)
        clo_cbor_bytes(&payload, clo_certificate_der(ca));
    nitro_maker_optional(&payload, "public_key", m->public_key);
    nitro_maker_optional(&payload, "user_data", m->user_data);
    nitro_maker_optional(&payload, "nonce", m->nonce);
    if (m->extra != NULL)
        nitro_maker_optional(&payload, m->extra, clo_bytes_text("x"));
    if (m->is_twice)
        nitro_maker_optional(&payload, "nonce", clo_bytes_text("another"));
    if (!clo_cose_sign(m->sign_with_other_key ? m->other_key : m->leaf_key, NULL,
                       clo_buffer_bytes(&payload), &message, &err))
        fail_msg("%s", err.text);
    /* NSM writes no tag. */
    clo_buffer_append(
            out, clo_bytes_slice(clo_buffer_bytes(&message), m->is_tagged ? 0 : 1, message.size));
}

#endif
