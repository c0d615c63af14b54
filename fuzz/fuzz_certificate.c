/* Certificates and PEM: what parses holds exactly the bytes it was given, with usable names and key;
 * what is in a PEM block writes back to one that reads the same. */
#include "cloister/crypto.h"

#include <string.h>

#include "fuzz.h"

static void one(struct clo_bytes der)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_bytes value;
    struct clo_error err;

    if (!clo_certificate_parse(der, &certificate, &err))
        return;
    MUST(clo_bytes_equal(clo_certificate_der(certificate), der));
    MUST(clo_certificate_key(certificate) != NULL);
    MUST(strpbrk(clo_certificate_subject(certificate), "\n\r\x1b") == NULL);
    MUST(strpbrk(clo_certificate_issuer(certificate), "\n\r\x1b") == NULL);
    struct clo_bytes own = clo_certificate_der(certificate);
    MUST(lies_within(clo_certificate_serial(certificate), own));
    MUST(lies_within(clo_certificate_subject_name(certificate), own));
    MUST(lies_within(clo_certificate_issuer_name(certificate), own));
    MUST(lies_within(clo_certificate_subject_key(certificate), own));
    MUST(lies_within(clo_certificate_authority_key(certificate), own));
    struct clo_certificate_extension extension;
    for (size_t at = 0; clo_certificate_extension_next(certificate, &at, &extension);)
        MUST(lies_within(extension.oid, own) && lies_within(extension.value, own));
    if (clo_certificate_extension(certificate, "2.5.29.19", &value))
        MUST(value.size <= der.size);
    (void)!clo_certificate_verify(certificate, certificate, CLO_ECDSA_DER, CLO_HASH_SHA256, &err);
}

static void blocks(struct clo_bytes pem)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_error err;
    size_t at = 0;
    size_t before = 0;

    while (clo_pem_next(pem, "CERTIFICATE", &at, &der, &err) == CLO_NEXT_ITEM) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
        size_t start = 0;
        MUST(at > before && at <= pem.size);
        before = at;
        MUST(clo_pem_write("CERTIFICATE", clo_buffer_bytes(&der), &written, &err));
        MUST(clo_pem_next(clo_buffer_bytes(&written), "CERTIFICATE", &start, &again, &err) ==
             CLO_NEXT_ITEM);
        MUST(clo_bytes_equal(clo_buffer_bytes(&der), clo_buffer_bytes(&again)));
        one(clo_buffer_bytes(&der));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    one(clo_bytes(data, size));
    blocks(clo_bytes(data, size));
    return 0;
}
