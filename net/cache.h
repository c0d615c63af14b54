/* What was fetched, kept on disk by its URL, so that a verification can be repeated offline and a
 * service is asked once for what many reports need. docs/formats/cache.md has the form.
 *
 * Nothing in it is trusted for being there: what it holds is signed by its maker and verified each
 * time. The digest in an entry tells damage from content, not friend from foe. */
#ifndef CLOISTER_NET_CACHE_H
#define CLOISTER_NET_CACHE_H

#include "net/fetch.h"

#define CLO_CACHE_ENTRY_MAX ((size_t)32 << 20)

/* One entry; views into the bytes given to clo_cache_parse(). */
struct clo_cache_entry {
    int64_t fetched; /* Unix time */
    int64_t expires; /* the content's own nextUpdate or end of validity */
    struct clo_bytes url;
    struct clo_bytes headers;
    struct clo_bytes body;
};
/* Does it begin like one? */
bool clo_cache_is_entry(struct clo_bytes in);
CLO_MUST_USE bool clo_cache_parse(struct clo_bytes in, struct clo_cache_entry *out,
                                  struct clo_error *err);
CLO_MUST_USE bool clo_cache_write(const struct clo_cache_entry *entry, struct clo_buffer *out,
                                  struct clo_error *err);

/* A folder of entries, each in a file of its own; any number of processes may share it. */
struct clo_cache {
    char path[4096];
};
/* `path` NULL: $XDG_CACHE_HOME/cloister, or $HOME/.cache/cloister. Made if absent (mode 0700). */
CLO_MUST_USE bool clo_cache_open(const char *path, struct clo_cache *out, struct clo_error *err);
/* False: no entry of this URL, or a damaged one, which counts as none. `file` gets the bytes. */
CLO_MUST_USE bool clo_cache_get(const struct clo_cache *cache, const char *url,
                                struct clo_buffer *file, struct clo_cache_entry *out);
CLO_MUST_USE bool clo_cache_put(const struct clo_cache *cache, const struct clo_cache_entry *entry,
                                struct clo_error *err);
/* Holds other processes that fetch into this cache off, until the descriptor is closed; -1 when the
 * folder cannot be locked or stays locked for `seconds`: then two may fetch the same. */
int clo_cache_lock(const struct clo_cache *cache, const struct clo_transport *clock,
                   unsigned seconds);

#endif
