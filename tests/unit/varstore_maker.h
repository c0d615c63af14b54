/* A firmware volume with variables, as edk2's OVMF_VARS.fd holds it (MdeModulePkg,
 * Include/Guid/VariableFormat.h), made in memory. */
#ifndef CLOISTER_TEST_VARSTORE_MAKER_H
#define CLOISTER_TEST_VARSTORE_MAKER_H

#include "cloister/efivar.h"
#include "test.h"

enum {
    VOLUME = 4096, /* at a page of its own, as OVMF_CODE+VARS has it */
    VOLUME_HEADER = 72,
    STORE_SIZE = 8192,
};

static inline void variable(struct clo_buffer *out, uint8_t state, const char *name,
                            const char *value)
{
    clo_buffer_le16(out, 0x55aa);
    clo_buffer_u8(out, state);
    clo_buffer_u8(out, 0);
    clo_buffer_le32(out, CLO_EFIVAR_SECURE);
    clo_buffer_zero(out, 8 + 16 + 4);
    clo_buffer_le32(out, (uint32_t)(2 * strlen(name) + 2));
    clo_buffer_le32(out, (uint32_t)strlen(value));
    clo_buffer_append(out, clo_bytes(clo_guid_global_variable.bytes, 16));
    for (const char *at = name; *at != '\0'; at++)
        clo_buffer_le16(out, (uint16_t)*at);
    clo_buffer_le16(out, 0);
    clo_buffer_text(out, value);
    while (out->size % 4 != 0)
        clo_buffer_u8(out, 0xff);
}

/* A file with something else before the volume, as firmware images have it. */
static inline void make_store(struct clo_buffer *out, struct clo_buffer *variables)
{
    static const uint8_t volume_guid[] = { 0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c,
                                           0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50 };
    static const uint8_t store_guid[] = { 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
                                          0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92 };

    clo_buffer_zero(out, VOLUME + 16);
    clo_buffer_append(out, clo_bytes(volume_guid, 16));
    clo_buffer_le64(out, VOLUME_HEADER + STORE_SIZE);
    clo_buffer_text(out, "_FVH");
    clo_buffer_le32(out, 0);
    clo_buffer_le16(out, VOLUME_HEADER);
    clo_buffer_zero(out, VOLUME_HEADER - 50);
    clo_buffer_append(out, clo_bytes(store_guid, 16));
    clo_buffer_le32(out, STORE_SIZE);
    clo_buffer_u8(out, 0x5a);
    clo_buffer_u8(out, 0xfe);
    clo_buffer_zero(out, 6);
    clo_buffer_append(out, clo_buffer_bytes(variables));
    while (out->size < VOLUME + VOLUME_HEADER + STORE_SIZE)
        clo_buffer_u8(out, 0xff);
}

#endif
