/* What tests of predictions share: a machine's owner with a key, a variable store that knows it, and the
 * events of PCR 7, worked out a second time. */
#ifndef CLOISTER_TEST_PREDICT_MAKER_H
#define CLOISTER_TEST_PREDICT_MAKER_H

#include "cloister/authenticode.h"
#include "cloister/reference.h"
#include "lib/crypto/certificate_make.h"
#include "varstore_maker.h"

static inline struct clo_reference *predict(const struct clo_prediction *from)
{
    struct clo_reference *reference;
    struct clo_error err;

    if (!clo_reference_predict(from, &reference, &err))
        fail_msg("%s", err.text);
    return reference;
}

static inline void is_value(const struct clo_reference *reference, unsigned pcr, const char *phase,
                            const struct clo_pcr_bank *bank, const char *name)
{
    struct clo_digest value;

    CHECK(clo_reference_value(reference, bank->hash, pcr, phase, &value), name);
    CHECK(clo_digest_equal(&value, &bank->values[pcr]), name);
}

static inline void variable_event(struct clo_pcr_bank *bank, const char *name,
                                  const struct clo_guid *vendor, struct clo_bytes value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    clo_buffer_append(&data, clo_bytes(vendor->bytes, 16));
    clo_buffer_le64(&data, strlen(name));
    clo_buffer_le64(&data, value.size);
    for (const char *at = name; *at != '\0'; at++)
        clo_buffer_le16(&data, (uint16_t)*at);
    clo_buffer_append(&data, value);
    clo_pcr_measure(bank, 7, clo_buffer_bytes(&data));
}

struct owner {
    struct clo_private_key *key;
    struct clo_certificate *certificate;
    struct clo_buffer list; /* an EFI signature list with the certificate */
};

static inline void owner_make(struct owner *owner)
{
    static const struct clo_guid guid = { { 7 } };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct clo_certificate_spec spec = { .common_name = "owner",
                                               .not_after = 4000000000,
                                               .serial = clo_bytes("\x01", 1),
                                               .scheme = CLO_RSASSA_PKCS1,
                                               .hash = CLO_HASH_SHA256 };
    struct clo_error err;

    CHECK(clo_private_key_new(CLO_KEY_RSA, 2048, &owner->key, &err), err.text);
    CHECK(clo_private_key_public(owner->key, &public_key, &err), err.text);
    CHECK(clo_certificate_make(&spec, public_key, NULL, owner->key, &der, &err), err.text);
    CHECK(clo_certificate_parse(clo_buffer_bytes(&der), &owner->certificate, &err), err.text);
    clo_signature_list_x509(&guid, clo_buffer_bytes(&der), &owner->list);
}

static inline void owner_free(struct owner *owner)
{
    clo_private_key_free(owner->key);
    clo_certificate_free(owner->certificate);
    clo_buffer_free(&owner->list);
}

static inline void enroll(const struct owner *owner, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    struct clo_bytes list = clo_buffer_bytes(&owner->list);
    struct clo_error err;

    make_store(&file, &none);
    CHECK(clo_varstore_parse(clo_buffer_bytes(&file), &store, &err), err.text);
    if (owner->list.size == 0) {
        clo_buffer_append(out, clo_buffer_bytes(&file));
        return;
    }
    CHECK(clo_varstore_enroll(store, list, list, list, clo_bytes(NULL, 0), out, &err), err.text);
}

#endif
