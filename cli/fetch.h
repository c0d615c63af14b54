/* The options of commands that may fetch what is missing: nothing touches the network without
 * --fetch, and what was fetched is cached. */
#ifndef CLOISTER_CLI_FETCH_H
#define CLOISTER_CLI_FETCH_H

#include "cli/cli.h"
#include "net/pcs.h"
#include "net/source.h"

#define FETCH_OPTIONS 7

struct fetch_options {
    bool fetch;
    const char *cache, *kds, *pcs, *ca;
    struct clo_pcs_edition edition;
};
/* Appends FETCH_OPTIONS of them. */
void fetch_add_options(struct fetch_options *options, struct cli_option *out, size_t *count);
/* Is anything to be looked for, on the network or in a cache? */
bool fetch_is_asked(const struct fetch_options *options);

/* Opened: a source and what it stands on. */
struct fetcher {
    struct clo_source source;
    struct clo_cache cache;
    struct clo_curl_options curl_options;
    struct clo_curl *curl;
    struct clo_transport transport;
};
/* Stays where it is while in use: `source` points into it. `at`: the time that documents are for. */
CLO_MUST_USE bool fetcher_open(const struct fetch_options *options, int64_t at, struct fetcher *out,
                               struct clo_error *err);
void fetcher_close(struct fetcher *fetcher); /* for CLO_CLEANUP */

#endif
