#include "verifier/kbs/broker.h"

#include <string.h>

#include "device/file.h"
#include "fuzz.h"

static bool fill_random(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, 0x5a, size);
    return true;
}

static struct clo_scratch scratch;

static void remove_scratch(void)
{
    clo_scratch_free(&scratch);
}

/* A broker with nothing registered, kept from one input to the next. */
static struct clo_broker *get_broker(void)
{
    static struct clo_store *store;
    static struct clo_broker *broker;
    const struct clo_broker_spec spec = { .random = { .fill = fill_random }, .nonce_seconds = 60 };
    struct clo_broker_spec with_store = spec;
    char folder[4200];
    struct clo_error err;

    if (broker != NULL)
        return broker;
    MUST(clo_scratch_new(NULL, &scratch, &err) && atexit(remove_scratch) == 0);
    snprintf(folder, sizeof folder, "%s/state", scratch.path);
    MUST(clo_store_open(folder, &store, &err));
    with_store.store = store;
    MUST(clo_broker_new(&with_store, &broker, &err));
    return broker;
}

/* "METHOD PATH\nBODY", in a session of its own. Whatever it is: no evidence is accepted, no resource
 * given, and the answer is one of ours. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer begun = { 0 };
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    static int64_t clock;
    struct clo_broker_request request = {
        .method = "POST",
        .path = "/kbs/v0/auth",
        .body = clo_bytes_text("{\"version\":\"0.1.1\",\"tee\":\"snp\",\"extra-params\":{}}"),
        .time = 1780000000,
        .clock = clock += 61,
    };
    char line[256];

    clo_broker_answer(get_broker(), &request, &begun);
    MUST(begun.status == 200);
    const uint8_t *end = memchr(data, '\n', size < sizeof line ? size : sizeof line - 1);
    if (end == NULL)
        return 0;
    size_t line_size = (size_t)(end - data);
    memcpy(line, data, line_size);
    line[line_size] = '\0';
    char *path = strchr(line, ' ');
    if (path == NULL || strlen(line) != line_size)
        return 0;
    *path++ = '\0';
    request.method = line;
    request.path = path;
    request.cookie = begun.cookie;
    request.body = clo_bytes(end + 1, size - line_size - 1);
    clo_broker_answer(get_broker(), &request, &answer);
    MUST(answer.status == 200 || answer.status == 400 || answer.status == 401 ||
         answer.status == 403 || answer.status == 404 || answer.status == 429 ||
         answer.status == 503);
    MUST(answer.status != 200 || strncmp(path, "/kbs/v0/attest", 14) != 0);
    MUST(answer.status != 200 || strncmp(path, "/kbs/v0/resource/", 17) != 0);
    return 0;
}
