#include "lib/cloud/gce.h"

#include <string.h>

#include "cloister/json.h"
#include "fuzz.h"

/* The instance in a certificate: what parses is within its bounds and says its claims. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    struct clo_gce_instance instance;
    struct clo_error err = { .status = CLO_OK };

    if (!clo_certificate_parse(clo_bytes(data, size), &certificate, &err))
        return 0;
    if (!clo_gce_instance_parse(certificate, &instance, &err)) {
        MUST(err.status != CLO_OK && err.text[0] != '\0');
        return 0;
    }
    MUST(strlen(instance.zone) < CLO_GCE_NAME_MAX && strlen(instance.name) < CLO_GCE_NAME_MAX);
    claims = clo_gce_instance_json(&instance);
    MUST(claims != NULL);
    return 0;
}
