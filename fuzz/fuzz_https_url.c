#include "net/https.h"

#include <string.h>

#include "fuzz.h"

/* What parses holds nothing that could end a header line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) char *text = malloc(size + 1);
    struct clo_https_url url;
    struct clo_error err;

    MUST(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (!clo_https_url_parse(text, &url, &err)) {
        MUST(err.status == CLO_ERR_USAGE);
        return 0;
    }
    MUST(url.port != 0 && url.host[0] != '\0' && strpbrk(url.host, " /\r\n\t@?#") == NULL);
    MUST(url.prefix[0] == '\0' || url.prefix[0] == '/');
    MUST(strpbrk(url.prefix, " \r\n\t?#") == NULL);
    return 0;
}
