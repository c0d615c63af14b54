/* COSE_Sign1 and what it is made of: what loads is bounded, and nothing verifies under a key that signed nothing. */
#include "cloister/cose.h"
#include "cloister/jose.h"
#include "lib/cose/item.h"

#include "fuzz.h"

static const char key_text[] =
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_public_key *key;
    CLO_CLEANUP(item_freep) cbor_item_t *item = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *shown = NULL;
    struct clo_error err;

    if (key == NULL) {
        CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
        MUST(clo_json_parse(clo_bytes_text(key_text), &jwk, &err));
        MUST(clo_jwk_to_public_key(jwk, &key, &err));
    }
    if (item_load(clo_bytes(data, size), &item, &err)) {
        MUST(item_count(item) <= size);
        shown = item_json(item);
    }
    MUST(!clo_cose_verify(clo_bytes(data, size), key, &payload, &err) && payload.size == 0);
    return 0;
}
