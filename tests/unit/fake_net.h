/* A network that answers from a table, and a clock that moves when the code sleeps. */
#ifndef CLOISTER_TEST_FAKE_NET_H
#define CLOISTER_TEST_FAKE_NET_H

#include "net/fetch.h"
#include "test.h"

#define FAKE_NET_NOW 1780000000LL

struct fake_answer {
    const char *url;
    unsigned status;
    const char *headers;
    struct clo_bytes body;
    unsigned times; /* how often it is given before the next of the same URL; 0: always */
};

struct fake_net {
    struct fake_answer answers[16];
    int64_t now;
    unsigned requests;
    int64_t slept;
    bool is_down;
    char last[CLO_FETCH_URL_MAX];
};

static inline bool fake_net_get(void *context, const char *url, size_t limit,
                                struct clo_fetched *out, struct clo_error *err)
{
    struct fake_net *net = context;

    net->requests++;
    snprintf(net->last, sizeof net->last, "%s", url);
    if (net->is_down)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "down");
    out->status = 404;
    for (size_t i = 0; i < CLO_COUNT(net->answers); i++) {
        struct fake_answer *answer = &net->answers[i];
        if (answer->url == NULL || strcmp(answer->url, url) != 0)
            continue;
        if (answer->times == 1)
            answer->url = NULL;
        else if (answer->times > 1)
            answer->times--;
        if (answer->body.size > limit)
            return clo_fail(err, CLO_ERR_FORMAT, "the answer is larger than %zu bytes", limit);
        out->status = answer->status;
        clo_buffer_text(&out->headers, answer->headers == NULL ? "" : answer->headers);
        clo_buffer_append(&out->body, answer->body);
        break;
    }
    return true;
}

static inline int64_t fake_net_now(void *context)
{
    return ((struct fake_net *)context)->now;
}

static inline void fake_net_sleep(void *context, unsigned seconds)
{
    struct fake_net *net = context;

    net->now += seconds;
    net->slept += seconds;
}

static inline struct clo_transport fake_net_transport(struct fake_net *net)
{
    net->now = FAKE_NET_NOW;
    return (struct clo_transport){
        .get = fake_net_get, .now = fake_net_now, .sleep = fake_net_sleep, .context = net
    };
}

#endif
