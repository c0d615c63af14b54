/* libcurl through dlopen(3): it and its twenty libraries cost a start-up several milliseconds, which
 * only those pay who fetch. */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "net/fetch.h"

#define TIMEOUT_MS         60000L
#define CONNECT_TIMEOUT_MS 15000L

/* What is loaded by name says so in an ELF note, for packagers' tools (UAPI group, "dlopen()
 * metadata for ELF files"). */
#define NOTE_TEXT                                                                       \
    "[{\"feature\":\"fetch\",\"description\":\"fetching certificates and collateral\"," \
    "\"priority\":\"recommended\",\"soname\":[\"libcurl.so.4\"]}]"
static const struct {
    Elf64_Nhdr header;
    char owner[4];
    char text[(sizeof NOTE_TEXT + 3) / 4 * 4];
} note __attribute__((used, aligned(4), section(".note.dlopen"))) = {
    { 4, sizeof NOTE_TEXT, 0x407c0c0a },
    "FDO",
    NOTE_TEXT,
};

struct clo_curl {
    const struct clo_curl_options *options;
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_setopt) *setopt;
    __typeof__(curl_easy_perform) *perform;
    __typeof__(curl_easy_getinfo) *getinfo;
    __typeof__(curl_easy_strerror) *strerror;
    __typeof__(curl_easy_cleanup) *cleanup;
    CURL *handle;
};

static bool load(void *library, const char *name, void *out)
{
    void *symbol = dlsym(library, name);

    memcpy(out, &symbol, sizeof symbol);
    return symbol != NULL;
}

bool clo_curl_new(const struct clo_curl_options *options, struct clo_curl **out,
                  struct clo_error *err)
{
    static const char *const names[] = { "libcurl.so.4", "libcurl-gnutls.so.4" };
    CLO_CLEANUP(clo_curl_freep) struct clo_curl *curl = calloc(1, sizeof *curl);
    void *library = NULL;

    if (curl == NULL)
        return clo_out_of_memory(err);
    curl->options = options;
    for (size_t i = 0; i < CLO_COUNT(names) && library == NULL; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "libcurl.so.4 is not installed (Debian: libcurl4, Fedora: libcurl)");
    if (!load(library, "curl_global_init", &curl->global_init) ||
        !load(library, "curl_easy_init", &curl->easy_init) ||
        !load(library, "curl_easy_setopt", &curl->setopt) ||
        !load(library, "curl_easy_perform", &curl->perform) ||
        !load(library, "curl_easy_getinfo", &curl->getinfo) ||
        !load(library, "curl_easy_strerror", &curl->strerror) ||
        !load(library, "curl_easy_cleanup", &curl->cleanup))
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "libcurl: %s", dlerror());
    /* The library stays loaded: others in this program may hold what it registered. */
    if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "libcurl cannot be set up");
    curl->handle = curl->easy_init();
    if (curl->handle == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "libcurl: out of memory");
    *out = CLO_TAKE(curl);
    return true;
}

void clo_curl_free(struct clo_curl *curl)
{
    if (curl == NULL)
        return;
    if (curl->handle != NULL)
        curl->cleanup(curl->handle);
    free(curl);
}

void clo_curl_freep(struct clo_curl **curl)
{
    clo_curl_free(*curl);
}

/* --- One exchange --- */

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct clo_buffer *out = context;

    clo_buffer_append(out, clo_bytes(data, size * count));
    return clo_buffer_ok(out) ? size * count : 0;
}

/* A status line begins anew: only the last answer's headers count. */
static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct clo_buffer *out = context;

    if (size * count >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        out->size = 0;
        return size * count;
    }
    return take(data, size, count, context);
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t total_up,
                       curl_off_t now_up)
{
    const struct clo_curl_options *options = context;

    (void)total;
    (void)now;
    (void)total_up;
    (void)now_up;
    return options->is_over != NULL && options->is_over(options->context) ? 1 : 0;
}

static bool set_options(struct clo_curl *curl, const char *url, struct clo_fetched *answer,
                        char *reason)
{
    const struct clo_curl_options *options = curl->options;
    long timeout = options->timeout_ms != 0 ? (long)options->timeout_ms : TIMEOUT_MS;
    CURL *h = curl->handle;

    return curl->setopt(h, CURLOPT_URL, url) == CURLE_OK &&
           curl->setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl->setopt(h, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl->setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl->setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
           curl->setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl->setopt(h, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
           curl->setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl->setopt(h, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl->setopt(h, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl->setopt(h, CURLOPT_USERAGENT, "cloister/" CLOISTER_VERSION) == CURLE_OK &&
           curl->setopt(h, CURLOPT_ERRORBUFFER, reason) == CURLE_OK &&
           curl->setopt(h, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
           curl->setopt(h, CURLOPT_HEADERDATA, &answer->headers) == CURLE_OK &&
           curl->setopt(h, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl->setopt(h, CURLOPT_WRITEDATA, &answer->body) == CURLE_OK &&
           curl->setopt(h, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl->setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl->setopt(h, CURLOPT_XFERINFODATA, (void *)(uintptr_t)options) == CURLE_OK &&
           (options->ca_file == NULL ||
            curl->setopt(h, CURLOPT_CAINFO, options->ca_file) == CURLE_OK);
}

static bool explain(const struct clo_curl *curl, CURLcode code, const char *reason,
                    const struct clo_fetched *answer, struct clo_error *err)
{
    if (!clo_buffer_ok(&answer->body))
        return clo_fail(err, CLO_ERR_FORMAT, "the answer is larger than %zu bytes",
                        answer->body.limit);
    if (!clo_buffer_ok(&answer->headers))
        return clo_fail(err, CLO_ERR_FORMAT, "the answer's headers are larger than %zu bytes",
                        answer->headers.limit);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "its TLS certificate is not good: %s", reason);
    if (code == CURLE_PARTIAL_FILE)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "the answer is cut short: %s", reason);
    return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s",
                    *reason != '\0' ? reason : curl->strerror(code));
}

static bool get(void *context, const char *url, size_t limit, struct clo_fetched *out,
                struct clo_error *err)
{
    struct clo_curl *curl = context;
    CLO_CLEANUP(clo_fetched_free)
    struct clo_fetched answer = { .headers.limit = CLO_FETCH_HEADERS_MAX, .body.limit = limit };
    char reason[CURL_ERROR_SIZE] = "";
    long status = 0;

    if (!set_options(curl, url, &answer, reason))
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "libcurl is too old, or made without HTTPS");
    CURLcode code = curl->perform(curl->handle);
    curl->setopt(curl->handle, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK)
        return explain(curl, code, reason, &answer, err);
    if (curl->getinfo(curl->handle, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status < 100 ||
        status > 999)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "no HTTP answer");
    answer.status = (unsigned)status;
    *out = answer;
    answer = (struct clo_fetched){ 0 };
    return true;
}

static int64_t now(void *context)
{
    (void)context;
    return (int64_t)time(NULL);
}

static void wait_seconds(void *context, unsigned seconds)
{
    (void)context;
    while (seconds > 0)
        seconds = sleep(seconds);
}

struct clo_transport clo_curl_transport(struct clo_curl *curl)
{
    return (struct clo_transport){ .get = get, .now = now, .sleep = wait_seconds, .context = curl };
}
