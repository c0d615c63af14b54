#include "lib/tcg/tpm_public.h"

#include <string.h>

bool clo_tpm_public_read(struct clo_bytes in, struct clo_tpm_public *out, struct clo_error *err)
{
    struct clo_tpm_public read = { .area = in };
    struct clo_reader sized = clo_reader(in);
    uint16_t size = clo_read_be16(&sized);
    bool ignored;

    if (clo_reader_ok(&sized) && size == clo_reader_left(&sized))
        read.area = clo_read_bytes(&sized, size);
    if (!clo_tpm_public_parse(read.area, &read.key, &ignored, err))
        return false;
    struct clo_reader r = clo_reader(read.area);
    read.type = clo_read_be16(&r);
    read.name_hash = clo_hash_from_tpm(clo_read_be16(&r));
    read.attributes = clo_read_be32(&r);
    if (read.name_hash == CLO_HASH_NONE) {
        clo_public_key_free(read.key);
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "public area: its name is of an unknown hash");
    }
    *out = read;
    return true;
}

void clo_tpm_public_free(struct clo_tpm_public *key)
{
    clo_public_key_freep(&key->key);
    *key = (struct clo_tpm_public){ 0 };
}

size_t clo_tpm_public_name(const struct clo_tpm_public *key, uint8_t out[CLO_TPM_NAME_MAX])
{
    uint16_t algorithm = clo_hash_to_tpm(key->name_hash);
    size_t size = clo_hash_size(key->name_hash);
    struct clo_digest digest;

    clo_hash(key->name_hash, key->area, &digest);
    out[0] = (uint8_t)(algorithm >> 8);
    out[1] = (uint8_t)algorithm;
    memcpy(out + 2, digest.bytes, size);
    return 2 + size;
}

static bool demand(uint32_t attributes, uint32_t bit, bool is_set, const char *why,
                   struct clo_error *err)
{
    return ((attributes & bit) != 0) == is_set ||
           clo_fail(err, CLO_ERR_REFUSED, "the key is %s", why);
}

static bool stays_inside(const struct clo_tpm_public *key, struct clo_error *err)
{
    return demand(key->attributes, CLO_TPMA_FIXED_TPM, true,
                  "not fixedTPM: it may be elsewhere as well", err) &&
           demand(key->attributes, CLO_TPMA_SENSITIVE_DATA_ORIGIN, true,
                  "not of sensitiveDataOrigin: it was brought into the TPM from outside", err) &&
           demand(key->attributes, CLO_TPMA_RESTRICTED, true,
                  "not restricted: it could sign a made-up quote", err);
}

bool clo_tpm_public_attests(const struct clo_tpm_public *key, struct clo_error *err)
{
    /* A credential is for a name: of two areas with one name the TPM may hold the other. */
    if (key->name_hash == CLO_HASH_SHA1)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the key's name is a SHA-1 digest, which two keys may share");
    return demand(key->attributes, CLO_TPMA_SIGN, true, "not for signing", err) &&
           demand(key->attributes, CLO_TPMA_DECRYPT, false, "for decrypting, too", err) &&
           stays_inside(key, err);
}

bool clo_tpm_public_endorses(const struct clo_tpm_public *key, struct clo_error *err)
{
    return demand(key->attributes, CLO_TPMA_DECRYPT, true, "not for decrypting", err) &&
           demand(key->attributes, CLO_TPMA_SIGN, false, "for signing, too", err) &&
           stays_inside(key, err);
}
