/* What libcrypto says of a failure, as an error of ours. */
#include "crypto_internal.h"

#include <openssl/err.h>

bool crypto_fail(struct clo_error *err, enum clo_status status, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    clo_fail(err, status, "%s%s%s", what, reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
    ERR_clear_error();
    return false;
}
