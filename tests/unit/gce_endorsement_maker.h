/* Google's launch endorsement with its chain, with switches for what may be wrong: signed at PATH_NOW, SEV-SNP SVN 3, TDX SVN 4. */
#ifndef CLOISTER_TEST_GCE_ENDORSEMENT_MAKER_H
#define CLOISTER_TEST_GCE_ENDORSEMENT_MAKER_H

#include "path_maker.h"

struct gce_scene {
    bool no_bundle, no_root, no_measurement, twice, signed_by_another, changed;
    size_t measurement_size;    /* 0: 48 */
    uint64_t signed_before;     /* PATH_NOW, in seconds */
    const uint8_t *measurement; /* NULL: 1, 2, 3 and zeros */
};

static inline void gce_put_varint(struct clo_buffer *out, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        clo_buffer_u8(out, (uint8_t)(value | 0x80));
    clo_buffer_u8(out, (uint8_t)value);
}

static inline void gce_put_bytes(struct clo_buffer *out, unsigned number, struct clo_bytes bytes)
{
    gce_put_varint(out, number << 3 | 2);
    gce_put_varint(out, bytes.size);
    clo_buffer_append(out, bytes);
}

static inline void gce_put_number(struct clo_buffer *out, unsigned number, uint64_t value)
{
    gce_put_varint(out, number << 3);
    gce_put_varint(out, value);
}

static inline void gce_make_golden(const struct gce_scene *scene,
                                   struct clo_certificate *const chain[3], struct clo_buffer *out)
{
    static const uint8_t usual[64] = { 1, 2, 3 };
    const uint8_t *measurement = scene->measurement != NULL ? scene->measurement : usual;
    size_t size = scene->measurement_size != 0 ? scene->measurement_size : 48;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer time = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer entry = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer snp = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer td = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tdx = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_error err;

    gce_put_number(&time, 1, PATH_NOW - scene->signed_before);
    gce_put_bytes(out, 1, clo_buffer_bytes(&time));
    gce_put_number(out, 2, 123456);
    gce_put_bytes(out, 4, clo_certificate_der(chain[0]));
    gce_put_bytes(out, 5, clo_bytes(measurement, 48));
    for (size_t i = 1; i < 3; i++)
        if (!clo_pem_write("CERTIFICATE", clo_certificate_der(chain[i]), &pem, &err))
            fail_msg("%s", err.text);
    if (!scene->no_bundle)
        gce_put_bytes(out, 6, clo_buffer_bytes(&pem));
    if (scene->no_measurement)
        return;
    gce_put_number(&snp, 1, 3);
    gce_put_number(&entry, 1, 2);
    gce_put_bytes(&entry, 2, clo_bytes(measurement, size));
    gce_put_bytes(&snp, 2, clo_buffer_bytes(&entry));
    gce_put_number(&snp, 5, 0x30000);
    gce_put_bytes(out, 7, clo_buffer_bytes(&snp));
    gce_put_number(&td, 1, 16);
    gce_put_bytes(&td, 3, clo_bytes(measurement, size));
    gce_put_number(&tdx, 1, 4);
    gce_put_bytes(&tdx, 2, clo_buffer_bytes(&td));
    gce_put_bytes(out, 8, clo_buffer_bytes(&tdx));
}

static inline void gce_endorsement_make(struct path_maker *maker, const struct gce_scene *scene,
                                        struct clo_buffer *out)
{
    struct clo_certificate *chain[3] = { NULL };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer golden = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_error err;

    path_maker_reset(maker);
    path_maker_make(maker, chain);
    gce_make_golden(scene, chain, &golden);
    for (size_t i = 0; i < 3; i++)
        clo_certificate_free(chain[i]);
    if ((scene->signed_by_another && !clo_private_key_new(CLO_KEY_RSA, 2048, &other, &err)) ||
        !clo_signature_make(other != NULL ? other : maker->leaf_key, CLO_RSASSA_PSS,
                            CLO_HASH_SHA256, clo_buffer_bytes(&golden), &signature, &err))
        fail_msg("%s", err.text);
    if (scene->changed)
        golden.data[golden.size - 1] ^= 1; /* in the last MRTD */
    gce_put_bytes(out, 1, clo_buffer_bytes(&golden));
    gce_put_bytes(out, 2, clo_buffer_bytes(&signature));
    if (scene->twice)
        gce_put_bytes(out, 1, clo_buffer_bytes(&golden));
}

#endif
