#include "verifier/door/http_reply.h"

#include <stdio.h>
#include <time.h>

#define HEAD_ROOM 512

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 204, "No Content" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 417, "Expectation Failed" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
    { 505, "HTTP Version Not Supported" },
};

static const char *reason_of(unsigned status)
{
    for (size_t i = 0; i < CLO_COUNT(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return status < 400 ? "OK" : "Error";
}

/* RFC 9110 section 5.6.7: names of days and months are not the locale's. */
static void write_date(int64_t unix_time, struct clo_buffer *out)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)unix_time;
    struct tm t;

    if (gmtime_r(&seconds, &t) != NULL)
        clo_buffer_printf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
                          days + 3 * t.tm_wday, t.tm_mday, months + 3 * t.tm_mon, t.tm_year + 1900,
                          t.tm_hour, t.tm_min, t.tm_sec);
}

bool clo_http_reply_write(const struct clo_http_reply *reply, struct clo_buffer *out)
{
    clo_buffer_reserve(out, HEAD_ROOM + reply->body.size);
    clo_buffer_printf(out, "HTTP/1.1 %u %s\r\n", reply->status, reason_of(reply->status));
    write_date(reply->time, out);
    if (reply->content_type != NULL)
        clo_buffer_printf(out, "Content-Type: %s\r\n", reply->content_type);
    if (reply->status != 204) /* RFC 9110, section 8.6 */
        clo_buffer_printf(out, "Content-Length: %zu\r\n", reply->body.size);
    /* Texts of clients stand in some answers: nobody is to take those for anything but what they are. */
    clo_buffer_text(out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    if (reply->content_policy != NULL)
        clo_buffer_printf(out, "Content-Security-Policy: %s\r\nReferrer-Policy: no-referrer\r\n",
                          reply->content_policy);
    if (reply->status == 429 || reply->status == 503)
        clo_buffer_text(out, "Retry-After: 5\r\n");
    if (reply->cookie != NULL && reply->cookie[0] != '\0')
        clo_buffer_printf(out,
                          "Set-Cookie: " CLO_HTTP_COOKIE_NAME
                          "%s; Path=/; Secure; HttpOnly; SameSite=Strict\r\n",
                          reply->cookie);
    if (reply->location != NULL && reply->location[0] != '\0')
        clo_buffer_printf(out, "Location: %s\r\n", reply->location);
    clo_buffer_printf(out, "Connection: %s\r\n\r\n", reply->keeps_alive ? "keep-alive" : "close");
    if (!reply->is_head)
        clo_buffer_append(out, reply->body);
    return clo_buffer_ok(out);
}
