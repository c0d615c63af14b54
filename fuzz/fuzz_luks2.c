#include "cloister/luks2.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define BINARY_HEADER 4096

/* Puts the input where a header's JSON is, makes both checksums right, and asks the white list:
 * without that, no mutation would get behind the checksum. What passes is what we open. */
static void check_json(const uint8_t *data, size_t size)
{
    enum {
        HEADER = 16384,
        PAYLOAD = 16 << 20
    };
    static const char magics[2][6] = { { 'L', 'U', 'K', 'S', '\xba', '\xbe' },
                                       { 'S', 'K', 'U', 'L', '\xba', '\xbe' } };
    static uint8_t head[PAYLOAD];
    struct clo_luks2_info info;
    struct clo_error err;

    if (size > HEADER - BINARY_HEADER - 1)
        size = HEADER - BINARY_HEADER - 1;
    for (size_t i = 0; i < 2; i++) {
        uint8_t *header = head + i * HEADER;
        struct clo_digest digest;
        memset(header, 0, HEADER);
        memcpy(header, magics[i], 6);
        header[7] = 2;
        header[14] = HEADER >> 8;
        header[23] = 1;
        memcpy(header + 0x48, "sha256", 6);
        memcpy(header + 0xa8, "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11", 36);
        header[0x106] = (uint8_t)(i * HEADER >> 8);
        memcpy(header + BINARY_HEADER, data, size);
        clo_hash(CLO_HASH_SHA256, clo_bytes(header, HEADER), &digest);
        memcpy(header + 0x1c0, digest.bytes, 32);
    }
    if (!clo_luks2_check(clo_bytes(head, sizeof head), &info, &err)) {
        MUST(err.status != CLO_OK && strstr(err.text, "checksum") == NULL);
        return;
    }
    MUST(strcmp(info.cipher, "aes-xts-plain64") == 0 && info.key_size == 64);
    MUST(info.sector_size == 4096 && info.payload_offset <= sizeof head);
    MUST(info.keyslot_count >= 1 && info.keyslot_count <= CLO_LUKS2_KEYSLOTS_MAX);
    MUST(memmem(data, size, "cipher_null", 11) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    struct clo_error err;

    check_json(data, size);
    if (clo_luks2_parse(clo_bytes(data, size), &info, &metadata, &err))
        MUST(info.header_size <= size);
    return 0;
}
