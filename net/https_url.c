#include <stdlib.h>
#include <string.h>

#include "net/https.h"

#define SCHEME "https://"

/* What a host may consist of, so that it can stand in a request header and an error text. */
static bool is_host_character(char c, bool is_ipv6)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool is_digit = c >= '0' && c <= '9';

    return is_letter || is_digit || c == '.' || (is_ipv6 ? c == ':' : c == '-');
}

static bool is_path_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("/-._~", c) != NULL);
}

static bool parse_port(const char *text, size_t size, uint16_t *out, struct clo_error *err)
{
    unsigned value = 0;

    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 5)
            return clo_fail(err, CLO_ERR_USAGE, "the port is not a number");
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    if (value == 0 || value > UINT16_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "the port is not between 1 and 65535");
    *out = (uint16_t)value;
    return true;
}

static bool parse(const char *text, struct clo_https_url *out, struct clo_error *err)
{
    struct clo_https_url url = { .port = 443 };

    if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
        return clo_fail(err, CLO_ERR_USAGE, "does not begin with " SCHEME);
    const char *host = text + strlen(SCHEME);
    url.is_ipv6 = *host == '[';
    if (url.is_ipv6)
        host++;
    size_t size = 0;
    while (is_host_character(host[size], url.is_ipv6))
        size++;
    if (size == 0 || size >= sizeof url.host)
        return clo_fail(err, CLO_ERR_USAGE, "has no host");
    memcpy(url.host, host, size);
    const char *rest = host + size;
    if (url.is_ipv6 && *rest++ != ']')
        return clo_fail(err, CLO_ERR_USAGE, "the bracket of the IPv6 address is not closed");

    if (*rest == ':') {
        size = strcspn(++rest, "/");
        if (!parse_port(rest, size, &url.port, err))
            return false;
        rest += size;
    }
    for (size = 0; is_path_character(rest[size]);)
        size++;
    if (rest[size] != '\0' || (size > 0 && rest[0] != '/'))
        return clo_fail(err, CLO_ERR_USAGE, "unexpected character after the host");
    while (size > 0 && rest[size - 1] == '/')
        size--;
    if (size >= sizeof url.prefix)
        return clo_fail(err, CLO_ERR_USAGE, "its path is too long");
    memcpy(url.prefix, rest, size);
    *out = url;
    return true;
}

bool clo_https_url_parse(const char *text, struct clo_https_url *out, struct clo_error *err)
{
    return parse(text, out, err) || clo_wrap(err, "URL \"%.100s\"", text);
}
