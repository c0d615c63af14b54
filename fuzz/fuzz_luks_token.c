#include "guest/luks_token.h"

#include "cloister/resource.h"
#include "fuzz.h"

/* Of a token that is taken, the resource is one that a broker may be asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;
    const char *resource;

    if (!clo_json_parse(clo_bytes(data, size), &json, &err) ||
        !clo_luks_token_parse(json, &resource, &err))
        return 0;
    MUST(resource == NULL || clo_resource_template_check(resource, &err));
    return 0;
}
