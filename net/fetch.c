#include "net/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "net/https.h"

void clo_fetched_free(struct clo_fetched *fetched)
{
    clo_buffer_free(&fetched->headers);
    clo_buffer_free(&fetched->body);
    *fetched = (struct clo_fetched){ 0 };
}

/* --- Headers --- */

static struct clo_bytes trim(struct clo_bytes in)
{
    while (in.size > 0 && (in.data[0] == ' ' || in.data[0] == '\t'))
        in = clo_bytes_slice(in, 1, in.size);
    while (in.size > 0 && strchr(" \t\r", in.data[in.size - 1]) != NULL)
        in.size--;
    return in;
}

bool clo_fetch_header(struct clo_bytes headers, const char *name, struct clo_bytes *out)
{
    size_t length = strlen(name);

    while (headers.size > 0) {
        const uint8_t *end = memchr(headers.data, '\n', headers.size);
        size_t size = end == NULL ? headers.size : (size_t)(end - headers.data);
        struct clo_bytes line = clo_bytes_slice(headers, 0, size);
        headers = clo_bytes_slice(headers, size + 1, headers.size);
        if (line.size > length && line.data[length] == ':' &&
            strncasecmp((const char *)line.data, name, length) == 0) {
            *out = trim(clo_bytes_slice(line, length + 1, line.size));
            return true;
        }
    }
    return false;
}

int64_t clo_retry_after(struct clo_bytes value, int64_t now)
{
    char text[40];
    struct tm parts = { 0 };

    if (value.size == 0 || value.size >= sizeof text)
        return -1;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    if (strspn(text, "0123456789") == value.size)
        return value.size > 9 ? INT32_MAX : strtoll(text, NULL, 10);
    /* Always in English, whatever the locale: the program never sets one. */
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == NULL || *end != '\0')
        return -1;
    int64_t at = (int64_t)timegm(&parts);
    return at > now ? at - now : 0;
}

/* --- URLs --- */

bool clo_fetch_url(const char *base, const char *path, char out[CLO_FETCH_URL_MAX],
                   struct clo_error *err)
{
    bool is_plain = strncmp(base, "http://", 7) == 0;
    size_t size = strlen(base);
    struct clo_https_url parsed;
    char as_https[CLO_FETCH_URL_MAX];

    if (size >= CLO_FETCH_URL_MAX / 2)
        return clo_fail(err, CLO_ERR_USAGE, "URL: too long");
    /* The form is the one that our other client takes; only the scheme may differ. */
    snprintf(as_https, sizeof as_https, "https://%s", is_plain ? base + 7 : "");
    if (!clo_https_url_parse(is_plain ? as_https : base, &parsed, err))
        return false;
    while (size > 0 && base[size - 1] == '/')
        size--;
    if ((size_t)snprintf(out, CLO_FETCH_URL_MAX, "%.*s%s", (int)size, base, path) >=
        CLO_FETCH_URL_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "URL: too long");
    return true;
}

/* --- The exchange --- */

static bool is_busy(unsigned status)
{
    return status == 429 || status == 503;
}

/* Seconds until the next try. */
static int64_t wait_for(const struct clo_fetched *answer, unsigned attempt, int64_t now)
{
    struct clo_bytes value;
    int64_t named = -1;

    if (clo_fetch_header(clo_buffer_bytes(&answer->headers), "Retry-After", &value))
        named = clo_retry_after(value, now);
    if (named < 0)
        return (int64_t)1 << attempt;
    return named > 0 ? named : 1;
}

bool clo_fetch(const struct clo_transport *transport, const char *url, size_t limit,
               struct clo_fetched *out, struct clo_error *err)
{
    int64_t waited = 0;

    for (unsigned attempt = 0;; attempt++) {
        CLO_CLEANUP(clo_fetched_free) struct clo_fetched answer = { 0 };
        struct clo_bytes where;

        if (!transport->get(transport->context, url, limit, &answer, err))
            return clo_wrap(err, "%s", url);
        if (is_busy(answer.status)) {
            int64_t seconds = wait_for(&answer, attempt, transport->now(transport->context));
            if (attempt + 1 == CLO_FETCH_TRIES || seconds > CLO_FETCH_WAIT_MAX - waited)
                return clo_fail(err, CLO_ERR_UNAVAILABLE,
                                "%s: busy (status %u) after %u tries; it asks to wait %lld s more",
                                url, answer.status, attempt + 1, (long long)seconds);
            transport->sleep(transport->context, (unsigned)seconds);
            waited += seconds;
            continue;
        }
        if (answer.status >= 300 && answer.status < 400) {
            if (!clo_fetch_header(clo_buffer_bytes(&answer.headers), "Location", &where))
                where = clo_bytes_text("elsewhere");
            return clo_fail(err, CLO_ERR_UNAVAILABLE,
                            "%s: redirects (status %u) to %.*s: not followed, name the right "
                            "server",
                            url, answer.status, (int)(where.size > 200 ? 200 : where.size),
                            (const char *)where.data);
        }
        *out = answer;
        answer = (struct clo_fetched){ 0 };
        return true;
    }
}
