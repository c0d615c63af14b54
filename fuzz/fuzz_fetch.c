#include "net/fetch.h"

#include <string.h>

#include "fuzz.h"
#include "net/pcs.h"

static void try_url(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) char *text = malloc(size + 1);
    char url[CLO_FETCH_URL_MAX];
    struct clo_error err;

    MUST(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (!clo_fetch_url(text, "/path", url, &err))
        return;
    MUST(strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0);
    MUST(strpbrk(url, " \t\r\n@?#\\") == NULL && strlen(url) > 5);
    MUST(strcmp(url + strlen(url) - 5, "/path") == 0);
}

/* A chain is whole certificates in PEM, and what is in a header lies within it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = { data, size };
    struct clo_bytes value;
    struct clo_error err;
    int64_t expires;

    if (size == 0)
        return 0;
    if (clo_fetch_header(in, "TCB-Info-Issuer-Chain", &value)) {
        MUST(lies_within(value, in));
        MUST(memchr(value.data, '\n', value.size) == NULL);
    }
    MUST(clo_retry_after(in, 1780000000) >= -1);
    static const enum clo_tdx_piece chains[] = { CLO_TDX_TCB_INFO_ISSUER_CHAIN,
                                                 CLO_TDX_QE_IDENTITY_ISSUER_CHAIN,
                                                 CLO_TDX_PCK_CRL_ISSUER_CHAIN };
    for (size_t i = 0; i < CLO_COUNT(chains); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer chain = { 0 };
        if (clo_pcs_chain_read(in, chains[i], &chain, &err))
            MUST(memmem(chain.data, chain.size, "-----BEGIN CERTIFICATE-----", 27) != NULL);
        else
            MUST(chain.size == 0 && err.status != CLO_OK);
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer crl = { 0 };
    if (clo_pcs_crl_read(in, &crl, &expires, &err))
        MUST(crl.size > 0 && crl.data[0] == 0x30);
    try_url(data, size);
    return 0;
}
