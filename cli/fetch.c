#include "cli/fetch.h"

#include <string.h>

#include "net/kds_client.h"
#include "net/pcs.h"

void fetch_add_options(struct fetch_options *o, struct cli_option *out, size_t *count)
{
    const struct cli_option options[FETCH_OPTIONS] = {
        { .name = "--fetch",
          .help = "get what is missing from AMD or Intel, and keep it in the cache",
          .flag = &o->fetch },
        { .name = "--cache",
          .argument = "DIR",
          .help = "the cache (~/.cache/cloister); without --fetch: take what is in it",
          .text = &o->cache },
        { .name = "--kds",
          .argument = "URL",
          .help = "a mirror of AMD's service (" CLO_KDS_BASE ")",
          .text = &o->kds },
        { .name = "--pcs",
          .argument = "URL",
          .help = "a PCCS (" CLO_PCS_BASE ")",
          .text = &o->pcs },
        { .name = "--update",
          .argument = "CHANNEL",
          .help = "Intel's TCB: standard, or early for what is announced and not yet in force",
          .text = &o->edition.update,
          .values = "standard early" },
        { .name = "--tcb-evaluation-data-number",
          .argument = "N",
          .help = "Intel's TCB of that evaluation, while it is served",
          .number = &o->edition.evaluation_number },
        { .name = "--ca",
          .argument = "FILE",
          .help = "whose TLS certificates such a server may have, PEM (the system's)",
          .text = &o->ca },
    };

    memcpy(out + *count, options, sizeof options);
    *count += FETCH_OPTIONS;
}

bool fetch_is_asked(const struct fetch_options *o)
{
    return o->fetch || o->cache != NULL;
}

bool fetcher_open(const struct fetch_options *o, int64_t at, struct fetcher *out,
                  struct clo_error *err)
{
    if (!fetch_is_asked(o))
        return clo_fail(err, CLO_ERR_USAGE, "--fetch or --cache is needed");
    out->source.at = at;
    if (!clo_cache_open(o->cache, &out->cache, err))
        return false;
    out->source.cache = &out->cache;
    if (!o->fetch)
        return true;
    out->curl_options.ca_file = o->ca;
    if (!clo_curl_new(&out->curl_options, &out->curl, err))
        return clo_wrap(err, "--fetch");
    out->transport = clo_curl_transport(out->curl);
    out->source.transport = &out->transport;
    return true;
}

void fetcher_close(struct fetcher *fetcher)
{
    clo_curl_free(fetcher->curl);
}
