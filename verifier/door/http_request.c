#include "verifier/door/http_request.h"

#include <string.h>

/* --- Characters --- */

static bool is_alphanumeric(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* tchar, RFC 9110 section 5.6.2. */
static bool is_token(uint8_t c)
{
    return is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* What stands in a path or a query, RFC 3986 section 3.3. */
static bool is_path(uint8_t c)
{
    return is_alphanumeric(c) || (c != '\0' && strchr("-._~%!$&'()*+,;=:@/?", c) != NULL);
}

/* What stands in a field's value: no control character but the tab. */
static bool is_text(uint8_t c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool all(struct clo_bytes text, bool (*is)(uint8_t))
{
    for (size_t i = 0; i < text.size; i++)
        if (!is(text.data[i]))
            return false;
    return true;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool is_word(struct clo_bytes text, const char *word)
{
    if (text.size != strlen(word))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (lower(text.data[i]) != (uint8_t)word[i])
            return false;
    return true;
}

/* What stands before `c`, which is dropped with it; false if there is none. */
static bool cut(struct clo_bytes *rest, uint8_t c, struct clo_bytes *out)
{
    const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->data, c, rest->size);

    if (at == NULL)
        return false;
    size_t size = (size_t)(at - rest->data);
    *out = clo_bytes(rest->data, size);
    *rest = clo_bytes(at + 1, rest->size - size - 1);
    return true;
}

static struct clo_bytes trim(struct clo_bytes text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = clo_bytes(text.data + 1, text.size - 1);
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* --- Where the head ends --- */

enum clo_http_end clo_http_head_end(struct clo_bytes in, size_t *size)
{
    for (size_t i = *size; i < in.size; i++) {
        uint8_t c = in.data[i];
        bool follows_return = i > 0 && in.data[i - 1] == '\r';
        *size = i + 1;
        /* Line ends are CR LF, neither alone; and no request begins with one. */
        if (follows_return != (c == '\n') || (c == '\r' && i == 0) ||
            (c != '\r' && c != '\n' && !is_text(c)))
            return CLO_HTTP_MALFORMED;
        if (c == '\n' && i >= 3 && in.data[i - 2] == '\n')
            return CLO_HTTP_WHOLE;
    }
    return CLO_HTTP_MORE;
}

/* --- The first line --- */

static bool fail(unsigned *status, unsigned code, struct clo_error *err, const char *why)
{
    *status = code;
    return clo_fail(err, CLO_ERR_FORMAT, "HTTP: %s", why);
}

/* "/path?query", or "https://host/path?query" for a server all the same (RFC 9112 section 3.2.2). */
static bool parse_target(struct clo_bytes target, struct clo_http_request *out, unsigned *status,
                         struct clo_error *err)
{
    static const char *const schemes[] = { "https://", "http://" };
    struct clo_bytes host;

    for (size_t i = 0; i < CLO_COUNT(schemes); i++) {
        size_t size = strlen(schemes[i]);
        if (target.size <= size || !is_word(clo_bytes(target.data, size), schemes[i]))
            continue;
        struct clo_bytes rest = clo_bytes(target.data + size, target.size - size);
        if (!cut(&rest, '/', &host) || host.size == 0)
            return fail(status, 400, err, "a target without a path");
        target = clo_bytes(rest.data - 1, rest.size + 1);
        break;
    }
    if (target.size == 0 || target.data[0] != '/')
        return fail(status, 400, err, "a target that does not begin with a slash");
    if (!all(target, is_path))
        return fail(status, 400, err, "a character that no target has");
    if (!cut(&target, '?', &out->path))
        out->path = target;
    else
        out->query = target;
    return out->path.size <= CLO_HTTP_PATH_MAX || fail(status, 414, err, "a path too long");
}

static bool parse_version(struct clo_bytes version, bool *is_old, unsigned *status,
                          struct clo_error *err)
{
    if (version.size != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[6] != '.')
        return fail(status, 400, err, "not a request");
    if (version.data[5] != '1' || (version.data[7] != '0' && version.data[7] != '1'))
        return fail(status, 505, err, "only versions 1.0 and 1.1 are spoken here");
    *is_old = version.data[7] == '0';
    return true;
}

/* Exactly one space between method, target and version. */
static bool parse_request_line(struct clo_bytes line, struct clo_http_request *out, bool *is_old,
                               unsigned *status, struct clo_error *err)
{
    struct clo_bytes target;

    if (!cut(&line, ' ', &out->method) || !cut(&line, ' ', &target))
        return fail(status, 400, err, "not a request");
    if (out->method.size == 0 || out->method.size > CLO_HTTP_METHOD_MAX ||
        !all(out->method, is_token))
        return fail(status, 400, err, "not a method");
    return parse_version(line, is_old, status, err) && parse_target(target, out, status, err);
}

/* --- Fields --- */

struct fields {
    struct clo_http_request *out;
    bool is_old; /* HTTP/1.0 */
    bool has_host;
    bool says_close, says_keep_alive;
};

static bool parse_host(struct clo_bytes value, struct fields *fields, unsigned *status,
                       struct clo_error *err)
{
    if (fields->has_host)
        return fail(status, 400, err, "two Host fields");
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] <= ' ' || value.data[i] > '~' || strchr("/?#@\\,", value.data[i]) != NULL)
            return fail(status, 400, err, "Host is not a host");
    if (value.size == 0)
        return fail(status, 400, err, "Host is empty");
    fields->has_host = true;
    return true;
}

/* One number in digits: no sign, no list of equal ones. */
static bool parse_length(struct clo_bytes value, struct fields *fields, unsigned *status,
                         struct clo_error *err)
{
    if (fields->out->has_length)
        return fail(status, 400, err, "two Content-Length fields");
    if (value.size == 0 || value.size > 18)
        return fail(status, 400, err, "Content-Length is not a number of bytes");
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return fail(status, 400, err, "Content-Length is not a number of bytes");
        fields->out->length = fields->out->length * 10 + (uint64_t)(value.data[i] - '0');
    }
    fields->out->has_length = true;
    return true;
}

static bool parse_coding(struct clo_bytes value, struct fields *fields, unsigned *status,
                         struct clo_error *err)
{
    if (fields->out->is_chunked)
        return fail(status, 400, err, "two Transfer-Encoding fields");
    if (fields->is_old)
        return fail(status, 400, err, "Transfer-Encoding in HTTP/1.0");
    if (!is_word(value, "chunked"))
        return fail(status, 501, err, "a Transfer-Encoding other than chunked");
    fields->out->is_chunked = true;
    return true;
}

static bool parse_connection(struct clo_bytes value, struct fields *fields, unsigned *status,
                             struct clo_error *err)
{
    struct clo_bytes option;

    (void)status;
    (void)err;
    for (bool is_last = false; !is_last;) {
        is_last = !cut(&value, ',', &option);
        option = trim(is_last ? value : option);
        fields->says_close = fields->says_close || is_word(option, "close");
        fields->says_keep_alive = fields->says_keep_alive || is_word(option, "keep-alive");
    }
    return true;
}

static bool parse_expect(struct clo_bytes value, struct fields *fields, unsigned *status,
                         struct clo_error *err)
{
    if (!is_word(value, "100-continue"))
        return fail(status, 417, err, "an expectation other than 100-continue");
    fields->out->expects_continue = !fields->is_old;
    return true;
}

static bool keep_once(struct clo_bytes value, struct clo_bytes *out, unsigned *status,
                      struct clo_error *err)
{
    if (out->data != NULL)
        return fail(status, 400, err, "a field that may stand once stands twice");
    *out = value;
    return true;
}

static bool parse_cookie(struct clo_bytes value, struct fields *fields, unsigned *status,
                         struct clo_error *err)
{
    return keep_once(value, &fields->out->cookie, status, err);
}

static bool parse_authorization(struct clo_bytes value, struct fields *fields, unsigned *status,
                                struct clo_error *err)
{
    return keep_once(value, &fields->out->authorization, status, err);
}

static bool parse_content_type(struct clo_bytes value, struct fields *fields, unsigned *status,
                               struct clo_error *err)
{
    return keep_once(value, &fields->out->content_type, status, err);
}

static bool parse_accept(struct clo_bytes value, struct fields *fields, unsigned *status,
                         struct clo_error *err)
{
    return keep_once(value, &fields->out->accept, status, err);
}

static const struct {
    const char *name; /* in small letters */
    bool (*parse)(struct clo_bytes value, struct fields *fields, unsigned *status,
                  struct clo_error *err);
} known[] = {
    { "host", parse_host },
    { "content-length", parse_length },
    { "transfer-encoding", parse_coding },
    { "connection", parse_connection },
    { "expect", parse_expect },
    { "cookie", parse_cookie },
    { "authorization", parse_authorization },
    { "content-type", parse_content_type },
    { "accept", parse_accept },
};

/* name ":" value. A line that begins with a blank would be the folded rest of the one before it. */
static bool parse_field(struct clo_bytes line, struct fields *fields, unsigned *status,
                        struct clo_error *err)
{
    struct clo_bytes name;

    if (!cut(&line, ':', &name) || name.size == 0 || !all(name, is_token))
        return fail(status, 400, err, "a header field without a name");
    struct clo_bytes value = trim(line);
    if (!all(value, is_text))
        return fail(status, 400, err, "a control character in a header field");
    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (is_word(name, known[i].name))
            return known[i].parse(value, fields, status, err);
    return true;
}

/* A line without its end. */
static bool next_line(struct clo_bytes *rest, struct clo_bytes *out)
{
    if (!cut(rest, '\n', out) || out->size == 0 || out->data[out->size - 1] != '\r')
        return false;
    out->size--;
    return true;
}

static bool parse_fields(struct clo_bytes rest, struct fields *fields, unsigned *status,
                         struct clo_error *err)
{
    struct clo_bytes line;

    for (size_t count = 0;; count++) {
        if (!next_line(&rest, &line))
            return fail(status, 400, err, "a line that does not end");
        if (line.size == 0)
            break;
        if (count == CLO_HTTP_FIELDS_MAX)
            return fail(status, 431, err, "too many header fields");
        if (!parse_field(line, fields, status, err))
            return false;
    }
    if (rest.size != 0)
        return fail(status, 400, err, "bytes after the head");
    if (!fields->has_host && !fields->is_old)
        return fail(status, 400, err, "no Host field");
    if (fields->out->is_chunked && fields->out->has_length)
        return fail(status, 400, err, "Content-Length and Transfer-Encoding");
    return true;
}

bool clo_http_request_parse(struct clo_bytes head, struct clo_http_request *out, unsigned *status,
                            struct clo_error *err)
{
    struct clo_http_request request = { .has_length = false };
    struct fields fields = { .out = &request };
    struct clo_bytes line;

    *status = 400;
    if (!next_line(&head, &line))
        return fail(status, 400, err, "a line that does not end");
    if (!parse_request_line(line, &request, &fields.is_old, status, err) ||
        !parse_fields(head, &fields, status, err))
        return false;
    request.keeps_alive = !fields.says_close && (!fields.is_old || fields.says_keep_alive);
    *out = request;
    return true;
}
