/* A key and its certificate, self-signed or issued by another signer. */
#ifndef CLOISTER_TEST_SIGNER_MAKER_H
#define CLOISTER_TEST_SIGNER_MAKER_H

#include "cloister/crypto.h"
#include "lib/crypto/certificate_make.h"
#include "test.h"

struct signer {
    struct clo_private_key *key;
    struct clo_certificate *certificate;
};

static inline void signer_make_issued(struct signer *signer, enum clo_key_kind kind,
                                      const char *name, bool is_ca, const struct signer *issuer)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    const struct signer *parent = issuer == NULL ? signer : issuer;
    struct clo_error err;

    CHECK(clo_private_key_new(kind, 2048, &signer->key, &err), err.text);
    CHECK(clo_private_key_public(signer->key, &public_key, &err), err.text);
    const struct clo_certificate_spec spec = {
        .common_name = name,
        .not_after = 4000000000,
        .serial = clo_bytes("\x01", 1),
        .is_ca = is_ca,
        .scheme =
                clo_private_key_kind(parent->key) == CLO_KEY_RSA ? CLO_RSASSA_PKCS1 : CLO_ECDSA_DER,
        .hash = CLO_HASH_SHA256,
    };
    CHECK(clo_certificate_make(&spec, public_key, issuer == NULL ? NULL : issuer->certificate,
                               parent->key, &der, &err),
          err.text);
    CHECK(clo_certificate_parse(clo_buffer_bytes(&der), &signer->certificate, &err), err.text);
}

static inline void signer_make(struct signer *signer, enum clo_key_kind kind, const char *name)
{
    signer_make_issued(signer, kind, name, false, NULL);
}

static inline void signer_free(struct signer *signer)
{
    clo_private_key_free(signer->key);
    clo_certificate_free(signer->certificate);
}

#endif
