#include "guest/host_allow.h"

#include <string.h>

#include "fuzz.h"

/* What an image allows is made of words that are each well formed, and nothing that was not named is allowed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_host_allow_free) struct clo_host_allow allow = { .count = 0 };
    struct clo_error err;

    if (!clo_json_parse(clo_bytes(data, size), &json, &err) ||
        !clo_host_allow_parse(json, &allow, &err))
        return 0;
    MUST(allow.count <= CLO_HOST_WORDS_MAX);
    for (size_t i = 0; i < allow.count; i++)
        MUST(strlen(allow.words[i]) < CLO_HOST_WORD_MAX &&
             clo_host_word_check(allow.words[i], &err));
    if (allow.count == 0)
        MUST(!clo_host_allows(&allow, "report", NULL) &&
             !clo_host_allows(&allow, "smbios-string", "io.systemd.credential:x=y"));
    return 0;
}
