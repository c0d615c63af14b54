/* Public areas of TPM keys, with switches for what may be wrong with one. */
#ifndef CLOISTER_TEST_TPM_AREA_MAKER_H
#define CLOISTER_TEST_TPM_AREA_MAKER_H

#include "lib/tcg/tpm_public.h"

#include "test.h"

#define TPM_KEY (CLO_TPMA_FIXED_TPM | CLO_TPMA_SENSITIVE_DATA_ORIGIN | CLO_TPMA_RESTRICTED)
#define TPM_EK  (TPM_KEY | CLO_TPMA_DECRYPT)
#define TPM_AK  (TPM_KEY | CLO_TPMA_SIGN)

struct tpm_area {
    uint32_t attributes;
    uint16_t name_hash;      /* 0: SHA-256 */
    unsigned symmetric_bits; /* of a key that decrypts; 0: 128 */
    bool is_rsa, is_p384;    /* else P-256 */
    bool no_symmetric, is_sized;
};

static inline void tpm_area_sized(struct clo_buffer *out, const struct clo_buffer *bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes->size);
    clo_buffer_append(out, clo_buffer_bytes(bytes));
}

/* Of this key; NULL: of a new one. */
static inline void tpm_area_make(const struct tpm_area *area, const struct clo_private_key *given,
                                 struct clo_buffer *out)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *made = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    enum clo_key_kind kind = area->is_rsa    ? CLO_KEY_RSA
                             : area->is_p384 ? CLO_KEY_P384
                                             : CLO_KEY_P256;
    bool decrypts = (area->attributes & CLO_TPMA_DECRYPT) != 0 && !area->no_symmetric;
    struct clo_error err;

    if ((given == NULL && !clo_private_key_new(kind, 2048, &made, &err)) ||
        !clo_private_key_public(given == NULL ? made : given, &key, &err) ||
        !clo_public_key_numbers(key, &x, &y, &err))
        fail_msg("%s", err.text);
    bool is_rsa = clo_public_key_kind(key) == CLO_KEY_RSA;
    clo_buffer_be16(&bytes, is_rsa ? 0x0001 : 0x0023);
    clo_buffer_be16(&bytes, area->name_hash == 0 ? 0x000b : area->name_hash);
    clo_buffer_be32(&bytes, area->attributes);
    clo_buffer_be16(&bytes, 0); /* authPolicy */
    clo_buffer_be16(&bytes, decrypts ? 0x0006 : 0x0010);
    if (decrypts) {
        clo_buffer_be16(&bytes, area->symmetric_bits == 0 ? 128 : (uint16_t)area->symmetric_bits);
        clo_buffer_be16(&bytes, 0x0043);
    }
    clo_buffer_be16(&bytes, 0x0010); /* its own scheme */
    if (is_rsa) {
        clo_buffer_be16(&bytes, 2048);
        clo_buffer_be32(&bytes, 0);
        tpm_area_sized(&bytes, &x);
    } else {
        clo_buffer_be16(&bytes, clo_public_key_kind(key) == CLO_KEY_P384 ? 4 : 3);
        clo_buffer_be16(&bytes, 0x0010); /* KDF */
        tpm_area_sized(&bytes, &x);
        tpm_area_sized(&bytes, &y);
    }
    if (area->is_sized)
        clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, clo_buffer_bytes(&bytes));
}

#endif
