/* Cache and network as one: what operators' clients ask for a document. */
#ifndef CLOISTER_NET_SOURCE_H
#define CLOISTER_NET_SOURCE_H

#include "net/cache.h"

struct clo_source {
    const struct clo_transport *transport; /* NULL: nothing but the cache, whatever its age */
    const struct clo_cache *cache;         /* NULL: none */
    /* The time that the documents are for: an entry that has run out by then is asked for again. */
    int64_t at;
    int64_t fetched_since; /* an entry that is older is asked for again; 0, INT64_MIN: any will do */
    unsigned requests;     /* made so far */
};

/* Is this the document that was asked for, and until when may it be kept? False refuses it: it is
 * neither kept nor handed out. */
typedef bool clo_source_accept(void *context, const struct clo_fetched *document, int64_t *expires,
                               struct clo_error *err);

/* The document at `url`. A status other than 200 fails as CLO_ERR_UNAVAILABLE, with out->status
 * saying which (0: there was no answer, or nothing in the cache and no transport). */
CLO_MUST_USE bool clo_source_get(struct clo_source *source, const char *url, size_t limit,
                                 clo_source_accept *accept, void *context, struct clo_fetched *out,
                                 struct clo_error *err);

#endif
