#include "verifier/store/generation.h"

#include <string.h>

#include "cloister/resource.h"

#include "fuzz.h"

/* What is taken is a resource and a number, and there is one way to write each. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char path[CLO_GENERATION_PATH], again[CLO_GENERATION_PATH + 64];
    uint64_t generation = 0;
    struct clo_error err;

    clo_buffer_text(&text, CLO_GENERATION_PREFIX);
    clo_buffer_append(&text, clo_bytes(data, size));
    if (!clo_generation_parse(clo_buffer_string(&text), path, &generation, &err))
        return 0;
    MUST(clo_resource_check(path, &err));
    MUST(generation >= 1 && generation <= CLO_DISK_GENERATION_MAX);
    snprintf(again, sizeof again, CLO_GENERATION_PREFIX "%s/%llu", path,
             (unsigned long long)generation);
    MUST(strcmp(again, clo_buffer_string(&text)) == 0);
    return 0;
}
