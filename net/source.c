#include "net/source.h"

#include "device/file.h"

/* Longer than one fetch may take, waiting included. */
#define LOCK_SECONDS (CLO_FETCH_WAIT_MAX + 90)

/* An entry that its reader accepts, as if it had just come. */
static bool from_cache(const struct clo_source *source, const char *url, clo_source_accept *accept,
                       void *context, struct clo_fetched *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched found = { .status = 200 };
    struct clo_cache_entry entry;
    struct clo_error ignored;
    int64_t expires;

    if (source->cache == NULL || !clo_cache_get(source->cache, url, &file, &entry))
        return false;
    if (source->transport != NULL &&
        (source->at >= entry.expires || entry.fetched < source->fetched_since))
        return false;
    clo_buffer_append(&found.headers, entry.headers);
    clo_buffer_append(&found.body, entry.body);
    if (!clo_buffer_ok(&found.headers) || !clo_buffer_ok(&found.body) ||
        !accept(context, &found, &expires, &ignored))
        return false;
    *out = found;
    found = (struct clo_fetched){ 0 };
    return true;
}

static bool from_network(struct clo_source *source, const char *url, size_t limit,
                         clo_source_accept *accept, void *context, struct clo_fetched *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched answer = { 0 };
    const struct clo_transport *transport = source->transport;
    int64_t expires;

    source->requests++;
    if (!clo_fetch(transport, url, limit, &answer, err))
        return false;
    if (answer.status != 200) {
        out->status = answer.status;
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: status %u", url, answer.status);
    }
    if (!accept(context, &answer, &expires, err))
        return clo_wrap(err, "%s", url);
    if (source->cache != NULL) {
        const struct clo_cache_entry entry = { .fetched = transport->now(transport->context),
                                               .expires = expires,
                                               .url = clo_bytes_text(url),
                                               .headers = clo_buffer_bytes(&answer.headers),
                                               .body = clo_buffer_bytes(&answer.body) };
        if (!clo_cache_put(source->cache, &entry, err))
            return false;
    }
    *out = answer;
    answer = (struct clo_fetched){ 0 };
    return true;
}

bool clo_source_get(struct clo_source *source, const char *url, size_t limit,
                    clo_source_accept *accept, void *context, struct clo_fetched *out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int lock = -1;

    out->status = 0;
    if (from_cache(source, url, accept, context, out))
        return true;
    if (source->transport == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: not in the cache, and --fetch is not given",
                        url);
    if (source->cache != NULL) {
        lock = clo_cache_lock(source->cache, source->transport, LOCK_SECONDS);
        /* Another process may have fetched it while we waited. */
        if (lock >= 0 && from_cache(source, url, accept, context, out))
            return true;
    }
    return from_network(source, url, limit, accept, context, out, err);
}
