/* The file of administrators, and what stands for a token: nothing but a signature allows anything. */
#include <string.h>

#include "verifier/kbs/admin.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_admin_freep) struct clo_admin *admin = NULL;
    char role[CLO_ADMIN_ROLE];
    char token[512];
    struct clo_error err;

    if (!clo_admin_parse(clo_bytes(data, size), &admin, &err))
        return 0;
    snprintf(token, sizeof token, "%.*s", (int)(size < 500 ? size : 500), (const char *)data);
    MUST(!clo_admin_check(admin, token, 1, "/kbs/v0/resource/a/b/c", role, &err));
    return 0;
}
