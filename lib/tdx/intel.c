/* Intel's root, known by its key. (Intel SGX Root CA, valid to 2049-12-31, published at
 * certificates.trustedservices.intel.com.) */
#include <string.h>

#include "tdx_internal.h"

/* SHA-256 of the SubjectPublicKeyInfo. */
static const uint8_t root[32] = {
    0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91, 0x86, 0x06, 0x8a, 0x7f, 0xc1,
    0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35, 0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e,
};

bool clo_tdx_intel_root(const struct clo_digest *fingerprint)
{
    return fingerprint->hash == CLO_HASH_SHA256 &&
           memcmp(fingerprint->bytes, root, sizeof root) == 0;
}
