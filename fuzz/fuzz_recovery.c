#include "lib/disk/recovery.h"

#include "fuzz.h"

/* What is taken is written in the one form that a slot has, and is then taken again, by itself and with its check letters. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *again = NULL;
    char check[CLO_RECOVERY_GROUPS + 1];
    char text[CLO_RECOVERY_SIZE + CLO_RECOVERY_GROUPS + 2];
    struct clo_error err;
    bool is_checked;

    if (!clo_recovery_parse(clo_bytes(data, size), &key, &is_checked, &err))
        return 0;
    MUST(clo_secret_size(key) == CLO_RECOVERY_SIZE);
    clo_recovery_check(key, check);
    snprintf(text, sizeof text, "%.*s-%s", CLO_RECOVERY_SIZE,
             (const char *)clo_secret_bytes(key).data, check);
    MUST(clo_recovery_parse(clo_bytes_text(text), &again, &is_checked, &err) && is_checked);
    MUST(clo_bytes_equal(clo_secret_bytes(key), clo_secret_bytes(again)));
    return 0;
}
