/* A revocation list that we accept, OpenSSL parses: with the same issuer, dates, number and entries. */
#include "openssl_agree.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_read;
    const char *difference = agree_crl(clo_bytes(data, size), &is_read);

    if (difference != NULL)
        fprintf(stderr, "differs: %s\n", difference);
    MUST(difference == NULL);
    return 0;
}
