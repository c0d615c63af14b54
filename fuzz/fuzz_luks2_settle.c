#include "lib/disk/luks2.h"

#include <string.h>

#include "fuzz.h"
#include "lib/disk/luks2_generation.h"

#define HEADER 16384
#define BINARY 4096
#define UUID   "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11"

static const uint8_t key_bytes[64] = { 7 };

/* One copy of a header with this JSON; `is_whole` false: as a write that was cut short leaves it. */
static void make_copy(uint8_t *at, size_t place, uint8_t sequence, struct clo_bytes json,
                      bool is_whole)
{
    struct clo_digest digest;

    memset(at, 0, HEADER);
    memcpy(at, place == 0 ? "LUKS\xba\xbe" : "SKUL\xba\xbe", 6);
    at[7] = 2;
    at[14] = HEADER >> 8;
    at[23] = sequence;
    memcpy(at + 0x48, "sha256", 6);
    memcpy(at + 0xa8, UUID, sizeof UUID - 1);
    at[0x106] = (uint8_t)(place >> 8);
    if (json.size > 0)
        memcpy(at + BINARY, json.data, json.size);
    clo_hash(CLO_HASH_SHA256, clo_bytes(at, HEADER), &digest);
    memcpy(at + 0x1c0, digest.bytes, 32);
    if (!is_whole)
        at[HEADER - 1] ^= 1;
}

/* A generation that is read was written as it must be, and only the volume key makes its MAC. */
static void check_generation(const json_t *tokens)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *again = NULL;
    struct clo_luks2_generation generation;
    struct clo_luks2_generation written;
    struct clo_error err;

    if (!clo_luks2_generation_parse(tokens, &generation, &err)) {
        MUST(err.status != CLO_OK);
        return;
    }
    MUST(generation.token >= -1 && generation.token <= 99);
    if (generation.token < 0)
        return;
    MUST(clo_secret_copy(clo_bytes(key_bytes, sizeof key_bytes), &key, &err));
    bool holds = clo_luks2_generation_verify(&generation, key, UUID, &err);
    MUST(clo_luks2_generation_write(generation.value, key, UUID, &text, &err));
    MUST(clo_json_parse(clo_buffer_bytes(&text), &again, &err));
    CLO_CLEANUP(clo_json_freep) json_t *list = json_pack("{s:O}", "0", again);
    MUST(list != NULL && clo_luks2_generation_parse(list, &written, &err));
    MUST(clo_luks2_generation_verify(&written, key, UUID, &err));
    MUST(written.value == generation.value);
    MUST(holds == clo_digest_equal(&written.mac, &generation.mac));
}

/* Two copies, of which a write may have cut one short: what comes out is one of the two, whole, and the newer where
 * both were. Bytes: which are whole (two bits), both sequence numbers, the size of the first JSON in two; the JSONs. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_reader r = clo_reader(clo_bytes(data, size));
    struct clo_luks2_info info;
    struct clo_error err;

    uint8_t whole = clo_read_u8(&r);
    uint8_t sequences[2] = { clo_read_u8(&r) };
    sequences[1] = clo_read_u8(&r);
    size_t first_size = clo_read_le16(&r);
    if (!clo_reader_ok(&r) || size > HEADER - BINARY)
        return 0;
    if (first_size > clo_reader_left(&r))
        first_size = clo_reader_left(&r);
    struct clo_bytes jsons[2] = { clo_read_bytes(&r, first_size) };
    jsons[1] = clo_read_bytes(&r, clo_reader_left(&r));
    clo_buffer_zero(&header, 4 * HEADER);
    MUST(clo_buffer_ok(&header));
    for (size_t i = 0; i < 2; i++)
        make_copy(header.data + i * HEADER, i * HEADER, sequences[i], jsons[i],
                  (whole >> i & 1) != 0);
    bool ok = clo_luks2_settle(&header, &err);
    bool parses = clo_luks2_parse(clo_buffer_bytes(&header), &info, &metadata, &err);
    if (!ok)
        return 0;
    /* There is one header from here on, and it is the one that must win. */
    bool has_first = (whole & 1) != 0;
    bool has_second = (whole & 2) != 0;
    MUST(parses && (has_first || has_second));
    size_t winner = has_first && (!has_second || sequences[0] >= sequences[1]) ? 0 : 1;
    MUST(info.sequence == sequences[winner]);
    for (size_t i = 0; i < 2; i++)
        MUST(jsons[winner].size == 0 || memcmp(header.data + i * HEADER + BINARY,
                                               jsons[winner].data, jsons[winner].size) == 0);
    check_generation(json_object_get(metadata, "tokens"));
    return 0;
}
