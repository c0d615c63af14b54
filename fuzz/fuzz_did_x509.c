#include "lib/crypto/did_x509.h"

#include <string.h>

#include "fuzz.h"

/* What parses has a digest and at least one predicate, whose values lie inside; it begins again with itself, and not with
 * anything after it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t longer[DID_X509_TEXT_MAX + 1];
    struct did_x509 did;
    struct clo_error err = { .status = CLO_OK };

    if (!did_x509_parse(clo_bytes(data, size), &did, &err)) {
        MUST(err.status == CLO_ERR_FORMAT && err.text[0] != '\0');
        return 0;
    }
    MUST(did.count > 0 && did.count <= DID_X509_PREDICATES_MAX && size <= DID_X509_TEXT_MAX);
    MUST(clo_hash_size(did.ca.hash) >= 32);
    for (size_t i = 0; i < did.count; i++)
        MUST(did.predicates[i].value.size > 0 &&
             lies_within(did.predicates[i].value, clo_bytes(data, size)));
    memcpy(longer, data, size);
    longer[size] = '#';
    MUST(!did_x509_parse(clo_bytes(longer, size + 1), &did, &err));
    return 0;
}
