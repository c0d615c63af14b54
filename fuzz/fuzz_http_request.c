#include "verifier/door/http_request.h"

#include <string.h>

#include "fuzz.h"

/* Is there a line that begins with `name`, whatever the case, after the first one? How many? */
static size_t count_fields(struct clo_bytes head, const char *name)
{
    size_t count = 0, size = strlen(name);

    for (size_t at = 0; at + 1 + size < head.size; at++)
        count += head.data[at] == '\n' &&
                 strncasecmp((const char *)head.data + at + 1, name, size) == 0;
    return count;
}

/* What is taken can be read in one way: one end, one length, one host; and no view holds what could end a line. */
static void check_request(struct clo_bytes head)
{
    struct clo_http_request request;
    struct clo_error err;
    unsigned status;

    if (!clo_http_request_parse(head, &request, &status, &err)) {
        MUST(status >= 400 && status < 600 && err.status == CLO_ERR_FORMAT);
        return;
    }
    const struct clo_bytes views[] = {
        request.method, request.path,          request.query,
        request.cookie, request.authorization, request.content_type
    };
    for (size_t i = 0; i < CLO_COUNT(views); i++) {
        MUST(lies_within(views[i], head));
        for (size_t at = 0; at < views[i].size; at++)
            MUST(views[i].data[at] >= 0x20 || views[i].data[at] == '\t');
    }
    MUST(request.path.size > 0 && request.path.data[0] == '/');
    for (size_t i = 0; i < request.path.size; i++)
        MUST(request.path.data[i] > 0x20 && request.path.data[i] < 0x7f);
    MUST(count_fields(head, "content-length:") == (request.has_length ? 1 : 0));
    MUST(count_fields(head, "transfer-encoding:") == (request.is_chunked ? 1 : 0));
    MUST(!request.has_length || !request.is_chunked);
    MUST(count_fields(head, "host:") <= 1 && count_fields(head, " ") == 0);
}

/* In pieces of whatever size chunks say the same. */
static void check_chunks(struct clo_bytes in, size_t step)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { .limit = 4096 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pieces = { .limit = 4096 };
    struct clo_http_chunks one = { .left = 0 }, other = { .left = 0 };
    struct clo_error err;
    unsigned status;
    size_t used = 0, at = 0;
    bool ok = clo_http_chunks_read(&one, in, &used, &whole, &status, &err), also = true;

    while (also && at < in.size && !other.is_whole) {
        size_t part = 0;
        also = clo_http_chunks_read(&other, clo_bytes_slice(in, at, step), &part, &pieces, &status,
                                    &err);
        at += part;
    }
    MUST(ok == also && one.is_whole == other.is_whole);
    if (ok)
        MUST(used == at && used <= in.size &&
             clo_bytes_equal(clo_buffer_bytes(&whole), clo_buffer_bytes(&pieces)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    size_t seen = 0;

    if (size == 0)
        return 0;
    if (clo_http_head_end(in, &seen) == CLO_HTTP_WHOLE) {
        MUST(seen >= 4 && memcmp(data + seen - 4, "\r\n\r\n", 4) == 0);
        MUST(memchr(data, '\0', seen) == NULL);
        check_request(clo_bytes(data, seen));
        check_chunks(clo_bytes(data + seen, size - seen), data[0] % 16 + 1);
    }
    MUST(seen <= size);
    check_request(in);
    check_chunks(in, data[0] % 16 + 1);
    return 0;
}
