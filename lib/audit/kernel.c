#include <string.h>

#include "cloister/kconfig.h"
#include "lib/audit/kernel.h"
#include "lib/unpack/unpack.h"

#define BOOT_MAGIC_AT 0x202
#define PAYLOAD_AT    0x248
#define SETUP_AT      0x1f1

/* Protocol 2.08: payload_offset and payload_length, from the start of protected-mode code. */
static bool bzimage_payload(struct clo_bytes kernel, struct clo_bytes *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(kernel);

    r.at = SETUP_AT;
    size_t sectors = clo_read_u8(&r);
    r.at = BOOT_MAGIC_AT + 4;
    uint16_t version = clo_read_le16(&r);
    r.at = PAYLOAD_AT;
    size_t offset = clo_read_le32(&r);
    size_t size = clo_read_le32(&r);
    size_t at = ((sectors == 0 ? 4 : sectors) + 1) * 512 + offset;
    if (version < 0x208)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "kernel: boot protocol 0x%x is too old", version);
    *out = clo_bytes_slice(kernel, at, size);
    if (!clo_reader_ok(&r) || size == 0 || out->size != size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "kernel: its payload, %zu bytes at %zu, is outside the file of %zu bytes",
                        size, at, kernel.size);
    return true;
}

/* drivers/firmware/efi/libstub/zboot-header.S. */
static bool zboot_payload(struct clo_bytes kernel, struct clo_bytes *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(kernel);

    r.at = 8;
    size_t at = clo_read_le32(&r);
    size_t size = clo_read_le32(&r);
    *out = clo_bytes_slice(kernel, at, size);
    if (!clo_reader_ok(&r) || size == 0 || out->size != size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "kernel: its payload, %zu bytes at %zu, is outside the file of %zu bytes",
                        size, at, kernel.size);
    return true;
}

static bool has_magic(struct clo_bytes in, size_t at, const char *magic)
{
    struct clo_bytes found = clo_bytes_slice(in, at, strlen(magic));

    return clo_bytes_equal(found, clo_bytes_text(magic));
}

/* The kernel's own build puts the size it unpacks to after what it packs, in 32 bits (scripts/Makefile.lib, size_append). A
 * hint: too small a room is made larger, and one that is too large is never touched. */
static void reserve_as_said(struct clo_bytes payload, struct clo_buffer *plain)
{
    struct clo_reader r = clo_reader(payload);

    r.at = payload.size < 4 ? payload.size : payload.size - 4;
    size_t size = clo_read_le32(&r);
    if (clo_reader_ok(&r) && size < CLO_KERNEL_LIMIT)
        clo_buffer_reserve(plain, size);
}

bool clo_kernel_unpack(struct clo_bytes kernel, struct clo_buffer *plain, struct clo_bytes *out,
                       struct clo_error *err)
{
    struct clo_bytes payload = kernel;
    size_t used;

    if (has_magic(kernel, BOOT_MAGIC_AT, "HdrS")) {
        if (!bzimage_payload(kernel, &payload, err))
            return false;
    } else if (has_magic(kernel, 4, "zimg")) {
        if (!zboot_payload(kernel, &payload, err))
            return false;
    }
    if (clo_compression_of(payload) == CLO_COMPRESSION_NONE) {
        *out = payload;
        return true;
    }
    plain->limit = CLO_KERNEL_LIMIT;
    reserve_as_said(payload, plain);
    if (!clo_unpack(payload, plain, &used, err))
        return clo_wrap(err, "kernel");
    *out = clo_buffer_bytes(plain);
    return true;
}

bool clo_kernel_config(struct clo_bytes kernel, struct clo_buffer *out, bool *found,
                       struct clo_error *err)
{
    /* The marker's text is also in scripts that look for it: only one with gzip after it counts. */
    static const uint8_t start[] = { 'I', 'K', 'C', 'F', 'G', '_', 'S', 'T', 0x1f, 0x8b, 8 };
    size_t used;

    *found = false;
    const uint8_t *at =
            kernel.size == 0 ? NULL : memmem(kernel.data, kernel.size, start, sizeof start);
    if (at == NULL)
        return true;
    struct clo_bytes rest = clo_bytes_slice(kernel, (size_t)(at - kernel.data) + 8, kernel.size);
    out->limit = CLO_KCONFIG_LIMIT;
    if (!clo_unpack(rest, out, &used, err))
        return clo_wrap(err, "kernel: its configuration (IKCONFIG)");
    if (!has_magic(rest, used, "IKCFG_ED"))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "kernel: its configuration (IKCONFIG) has no end mark");
    *found = true;
    return true;
}
