/* Sealed messages: what the key opens is what was sealed to it, and nothing else opens. */
#include "cloister/jose.h"

#include "fuzz.h"

static const char key_text[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAAAAAAAAAAAAAA\n"
                               "AAAAAAAAAAAAAAAAAAAAAMEBVz6hRANCAATHrHvyE1Mm9ZxNGDDDhRadmmQLRZY5\n"
                               "cpqdc86abX4ZaT+mCJgRVggzSZfXWRwunZqx+iW87vyM8fnkX26J42tA\n"
                               "-----END PRIVATE KEY-----\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_private_key *key;
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_error err;

    if (key == NULL)
        MUST(clo_private_key_from_pem(clo_bytes_text(key_text), &key, &err));
    if (!clo_json_parse(clo_bytes(data, size), &jwe, &err))
        return 0;
    if (clo_jwe_open(jwe, key, &secret, &err))
        MUST(clo_bytes_equal(clo_secret_bytes(secret),
                             clo_bytes_text("disk key of 32 bytes, or nearly!")));
    else
        MUST(secret == NULL);
    return 0;
}
