/* What administrators ask for: a request that is taken has a secret, terms that pin something or say why not, and rules
 * within their bounds. */
#include "verifier/kbs/key_request.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_key_request_free) struct clo_key_request put = { 0 };
    CLO_CLEANUP(clo_key_request_free) struct clo_key_request terms = { 0 };
    CLO_CLEANUP(clo_key_request_free) struct clo_key_request put_older = { 0 };
    CLO_CLEANUP(clo_key_request_free) struct clo_key_request terms_older = { 0 };
    struct clo_bytes body = clo_bytes(data, size);
    struct clo_error err;

    if (clo_key_put_parse(body, &put, &err)) {
        MUST(put.entry.secret.size <= CLO_STORE_SECRET_MAX && put.terms.policy != NULL);
        MUST(put.entry.reference_count == put.terms.reference_count);
        MUST(put.entry.lease_seconds >= 0 && put.entry.release_limit >= 0);
        MUST(!put.entry.forgets_generation || put.entry.disk != NULL);
    }
    if (clo_key_terms_parse(body, &terms, &err))
        MUST(terms.terms.policy != NULL && terms.entry.secret.size == 0);
    MUST(put.why_older == NULL && terms.why_older == NULL);
    if (clo_key_put_older_parse(body, &put_older, &err))
        MUST(put_older.entry.accepts_older && put_older.why_older[0] != '\0');
    if (clo_key_terms_older_parse(body, &terms_older, &err))
        MUST(terms_older.entry.accepts_older && terms_older.why_older[0] != '\0');
    (void)!clo_key_empty_parse(body, &err);
    return 0;
}
