/* A P-256 key that fuzz targets open messages with. */
#ifndef CLOISTER_FUZZ_KEY_H
#define CLOISTER_FUZZ_KEY_H

#include "cloister/crypto.h"

#include "fuzz.h"

static const struct clo_private_key *fuzz_key(void)
{
    static const char text[] = "-----BEGIN PRIVATE KEY-----\n"
                               "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAAAAAAAAAAAAAA\n"
                               "AAAAAAAAAAAAAAAAAAAAAMEBVz6hRANCAATHrHvyE1Mm9ZxNGDDDhRadmmQLRZY5\n"
                               "cpqdc86abX4ZaT+mCJgRVggzSZfXWRwunZqx+iW87vyM8fnkX26J42tA\n"
                               "-----END PRIVATE KEY-----\n";
    static struct clo_private_key *key;
    struct clo_error err;

    if (key == NULL)
        MUST(clo_private_key_from_pem(clo_bytes_text(text), &key, &err));
    return key;
}

#endif
