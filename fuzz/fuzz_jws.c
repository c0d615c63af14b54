/* Tokens: nothing but the one token that was signed verifies under the key of RFC 7515, A.3. */
#include "cloister/jose.h"

#include <string.h>

#include "fuzz.h"

static const char key_text[] =
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";
static const char signed_part[] = "eyJhbGciOiJFUzI1NiJ9."
                                  "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                  "cGxlLmNvbS9pc19yb290Ijp0cnVl"
                                  "fQ.";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_public_key *key;
    CLO_CLEANUP(clo_json_freep) json_t *payload = NULL;
    struct clo_error err;

    if (key == NULL) {
        CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
        MUST(clo_json_parse(clo_bytes_text(key_text), &jwk, &err));
        MUST(clo_jwk_to_public_key(jwk, &key, &err));
    }
    if (clo_jws_verify(clo_bytes(data, size), key, &payload, &err)) {
        MUST(size > sizeof signed_part && memcmp(data, signed_part, sizeof signed_part - 1) == 0);
        MUST(json_is_object(payload));
    } else {
        MUST(payload == NULL);
    }
    return 0;
}
