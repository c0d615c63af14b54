#include "device/keystore.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#include "lib/crypto/openssl.h"

#define PROVIDERS_MAX 8

/* With libcrypto's own reason. */
static bool fail(struct clo_error *err, enum clo_status status, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    clo_fail(err, status, "%s%s%s", what, reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
    ERR_clear_error();
    return false;
}

/* Providers stay until the program ends: keys need them. Then they are given back, before OpenSSL cleans up
 * after itself: it does not free what is still held. */
static OSSL_PROVIDER *providers[PROVIDERS_MAX];
static size_t provider_count;

static void unload_all(void)
{
    while (provider_count > 0)
        OSSL_PROVIDER_unload(providers[--provider_count]);
}

bool clo_keystore_provider(const char *name, struct clo_error *err)
{
    if (OSSL_PROVIDER_available(NULL, name) == 1)
        return true;
    if (provider_count == PROVIDERS_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d providers", PROVIDERS_MAX);
    /* Next to OpenSSL's own, which everything else needs. */
    OSSL_PROVIDER *provider = OSSL_PROVIDER_try_load(NULL, name, 1);
    if (provider == NULL) {
        fail(err, CLO_ERR_UNAVAILABLE, "cannot be loaded");
        return clo_wrap(err, "provider %s", name);
    }
    if (provider_count == 0)
        (void)atexit(unload_all);
    providers[provider_count++] = provider;
    return true;
}

static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static EVP_PKEY *next_key(OSSL_STORE_CTX *store)
{
    EVP_PKEY *evp = NULL;

    while (evp == NULL && OSSL_STORE_eof(store) == 0 && OSSL_STORE_error(store) == 0) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info == NULL)
            continue;
        if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
            evp = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    return evp;
}

/* NULL: there is none, or several, of which a token that is asked again may have another one first. */
static EVP_PKEY *only_key(OSSL_STORE_CTX *store, bool *has_others)
{
    EVP_PKEY *evp, *other;

    (void)OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
    evp = next_key(store);
    while (evp != NULL && !*has_others && (other = next_key(store)) != NULL) {
        *has_others = EVP_PKEY_eq(evp, other) != 1;
        EVP_PKEY_free(other);
    }
    if (*has_others) {
        EVP_PKEY_free(evp);
        evp = NULL;
    }
    return evp;
}

/* A PKCS #11 provider does not say why it gives nothing. */
static const char *why_none(const char *uri)
{
    return strncmp(uri, "pkcs11:", strlen("pkcs11:")) == 0
                   ? "holds no private key: is the token there, the PIN right, and the key on it?"
                   : "holds no private key";
}

/* As much of a URI as may be told: a PIN may stand in it. */
static int told_size(const char *uri)
{
    const char *pin = strcasestr(uri, "pin-value");
    size_t size = pin == NULL ? strlen(uri) : (size_t)(pin - uri);

    return size > 200 ? 200 : (int)size;
}

/* A pipeline has nobody to ask: there, a passphrase that was not given is missing. */
static bool open_key(const char *uri, const struct clo_secret *passphrase,
                     struct clo_private_key **out, struct clo_error *err)
{
    struct clo_passphrase given = { 0 };
    bool asks = passphrase == NULL && has_terminal();
    UI_METHOD *gives = asks ? NULL : UI_UTIL_wrap_read_pem_callback(clo_passphrase_give, 0);
    EVP_PKEY *evp = NULL;
    bool has_others = false;

    if (passphrase != NULL)
        given.bytes = clo_secret_bytes(passphrase);
    if (!asks && gives == NULL)
        return clo_out_of_memory(err);
    OSSL_STORE_CTX *store = OSSL_STORE_open_ex(uri, NULL, NULL, asks ? UI_OpenSSL() : gives, &given,
                                               NULL, NULL, NULL);
    if (store != NULL) {
        evp = only_key(store, &has_others);
        OSSL_STORE_close(store);
    }
    UI_destroy_method(gives);
    if (has_others) {
        ERR_clear_error();
        return clo_fail(err, CLO_ERR_FORMAT, "names more than one private key");
    }
    if (evp == NULL && given.was_wanted) {
        ERR_clear_error();
        return clo_fail(err, CLO_ERR_FORMAT,
                        passphrase == NULL ? "wants a passphrase, and none was given"
                                           : "wants a passphrase, and this one is wrong");
    }
    if (evp == NULL)
        return fail(err, CLO_ERR_FORMAT,
                    store == NULL ? "no key store that can be opened" : why_none(uri));
    ERR_clear_error();
    return clo_private_key_from_evp(evp, out, err);
}

bool clo_keystore_private_key(const char *uri, const struct clo_secret *passphrase,
                              struct clo_private_key **out, struct clo_error *err)
{
    return open_key(uri, passphrase, out, err) || clo_wrap(err, "key %.*s", told_size(uri), uri);
}
