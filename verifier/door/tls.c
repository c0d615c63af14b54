#include "verifier/door/tls.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "device/file.h"
#include "lib/crypto/certificate_make.h"
#include "lib/crypto/openssl.h"

#define CERTIFICATE_DAYS  3650
#define LEFT_DAYS         30 /* one that ends sooner is made anew */
#define DAY               86400
#define CERTIFICATE_LIMIT ((size_t)1 << 20)
#define NAME_CHARACTERS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."

/* --- Names --- */

static bool is_address(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* OpenSSL reads commas and colons of its own in this text: nothing else may bring one. */
static bool add_name(struct clo_buffer *out, const char *name, struct clo_error *err)
{
    bool is_ip = is_address(name);
    size_t size = strlen(name);

    if (!is_ip && (size == 0 || size > 253 || strspn(name, NAME_CHARACTERS) != size))
        return clo_fail(err, CLO_ERR_USAGE, "\"%.100s\": neither a host's name nor an address",
                        name);
    clo_buffer_printf(out, "%s%s:%s", out->size == 0 ? "" : ",", is_ip ? "IP" : "DNS", name);
    return true;
}

/* All addresses of this machine that others may reach. */
static bool add_interfaces(struct clo_buffer *out, struct clo_error *err)
{
    struct ifaddrs *all = NULL;
    char text[INET6_ADDRSTRLEN];
    bool ok = true;

    if (getifaddrs(&all) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "this machine's addresses cannot be read");
    for (const struct ifaddrs *at = all; ok && at != NULL; at = at->ifa_next) {
        const void *address = NULL;
        int family = at->ifa_addr == NULL ? AF_UNSPEC : at->ifa_addr->sa_family;
        if (family == AF_INET)
            address = &((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
        else if (family == AF_INET6 &&
                 !IN6_IS_ADDR_LINKLOCAL(
                         &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr))
            address = &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr;
        if (address != NULL && inet_ntop(family, address, text, sizeof text) != NULL)
            ok = add_name(out, text, err);
    }
    freeifaddrs(all);
    return ok;
}

/* "[::1]:8443" without brackets and port. */
static bool take_host(const char *listen, char *out, size_t room)
{
    const char *colon = strrchr(listen, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - listen);

    if (size >= 2 && listen[0] == '[' && listen[size - 1] == ']') {
        listen++;
        size -= 2;
    }
    if (size == 0 || size >= room)
        return false;
    memcpy(out, listen, size);
    out[size] = '\0';
    return true;
}

static bool add_own(const char *host, struct clo_buffer *out, struct clo_error *err)
{
    char name[256] = "";
    struct clo_error ignored;

    if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0)
        return add_name(out, host, err) &&
               (strncmp(host, "127.", 4) != 0 && strcmp(host, "::1") != 0
                        ? true
                        : add_name(out, "localhost", err));
    if (!add_name(out, "localhost", err) || !add_interfaces(out, err))
        return false;
    /* A machine's name that is not one of DNS helps nobody. */
    if (gethostname(name, sizeof name - 1) == 0 && strcmp(name, "localhost") != 0)
        (void)!add_name(out, name, &ignored);
    return true;
}

bool clo_tls_names(const char *listen, const struct clo_list *names, struct clo_buffer *out,
                   struct clo_error *err)
{
    char host[128];

    if (!take_host(listen, host, sizeof host))
        return clo_fail(err, CLO_ERR_USAGE, "%s: expected ADDRESS:PORT, like 127.0.0.1:8443",
                        listen);
    if (!add_own(host, out, err))
        return false;
    for (size_t i = 0; i < names->count; i++)
        if (!add_name(out, names->items[i], err))
            return false;
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- The self-signed certificate --- */

static bool make(const struct clo_private_key *key, const char *names, int64_t now,
                 struct clo_buffer *pem, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_digest serial;

    if (!clo_private_key_public(key, &public, err) ||
        !clo_public_key_fingerprint(public, &serial, err))
        return false;
    serial.bytes[0] &= 0x7f; /* a serial number is positive */
    const struct clo_certificate_spec spec = {
        .common_name = "Cloister key broker",
        .not_before = now - DAY,
        .not_after = now + (int64_t)CERTIFICATE_DAYS * DAY,
        .serial = clo_bytes(serial.bytes, 16),
        .subject_alt_names = names,
        .scheme = CLO_ECDSA_DER,
        .hash = CLO_HASH_SHA256,
    };
    return clo_certificate_make(&spec, public, NULL, key, &der, err) &&
           clo_pem_write("CERTIFICATE", clo_buffer_bytes(&der), pem, err);
}

static bool names_all(const struct clo_certificate *certificate, char *names)
{
    X509 *x509 = clo_certificate_x509(certificate);
    char *rest = NULL;

    for (char *name = strtok_r(names, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
        if (strncmp(name, "IP:", 3) == 0 ? X509_check_ip_asc(x509, name + 3, 0) != 1
                                         : X509_check_host(x509, name + 4, 0, 0, NULL) != 1)
            return false;
    return true;
}

static bool fits(struct clo_bytes pem, const struct clo_private_key *key, const char *names,
                 int64_t now)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_freep) char *copy = strdup(names);
    struct clo_digest own, shown;
    struct clo_error ignored;
    size_t at = 0;

    return copy != NULL && clo_pem_next(pem, "CERTIFICATE", &at, &der, &ignored) == CLO_NEXT_ITEM &&
           clo_certificate_parse(clo_buffer_bytes(&der), &certificate, &ignored) &&
           clo_private_key_public(key, &public, &ignored) &&
           clo_public_key_fingerprint(public, &own, &ignored) &&
           clo_public_key_fingerprint(clo_certificate_key(certificate), &shown, &ignored) &&
           clo_digest_equal(&own, &shown) &&
           clo_certificate_not_after(certificate) > now + (int64_t)LEFT_DAYS * DAY &&
           names_all(certificate, copy);
}

bool clo_tls_certificate_keep(const char *path, const struct clo_private_key *key,
                              const char *listen, const struct clo_list *names, int64_t now,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wanted = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer there = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_error ignored;

    if (!clo_tls_names(listen, names, &wanted, err))
        return false;
    const char *text = clo_buffer_string(&wanted);
    if (text == NULL)
        return clo_out_of_memory(err);
    if (clo_file_read(path, CERTIFICATE_LIMIT, &there, &ignored) &&
        fits(clo_buffer_bytes(&there), key, text, now))
        return true;
    return make(key, text, now, &pem, err) &&
           clo_file_write(path, clo_buffer_bytes(&pem), 0600, err);
}

/* --- TLS --- */

/* Guests show none; one that is shown is verified, as a client's, or the handshake ends. */
static bool ask_for_certificates(SSL_CTX *tls, const char *file, struct clo_error *err)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);

    if (names == NULL || SSL_CTX_load_verify_file(tls, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not certificates in PEM that TLS takes", file);
    }
    SSL_CTX_set_client_CA_list(tls, names);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return true;
}

/* A list of each CA in the chain, and a current one: without it a certificate is refused. */
static bool look_up_revoked(SSL_CTX *tls, const char *file, struct clo_error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(tls);
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    if (lookup == NULL || X509_load_crl_file(lookup, file, X509_FILETYPE_PEM) < 1)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not revocation lists in PEM", file);
    return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1 ||
           clo_fail(err, CLO_ERR_SYSTEM, "revocation cannot be looked up");
}

static bool set_up(SSL_CTX *tls, const struct clo_tls_identity *identity, struct clo_error *err)
{
    if (SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1)
        return clo_fail(err, CLO_ERR_SYSTEM, "TLS 1.3 cannot be set up");
    if (SSL_CTX_use_certificate_chain_file(tls, identity->certificate_file) != 1)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not a certificate in PEM that TLS takes",
                        identity->certificate_file);
    if (SSL_CTX_use_PrivateKey(tls, clo_private_key_evp(identity->key)) != 1)
        return clo_fail(err, CLO_ERR_USAGE, "%s: the certificate is of another key",
                        identity->certificate_file);
    if (identity->client_ca_file != NULL &&
        !ask_for_certificates(tls, identity->client_ca_file, err))
        return false;
    if (identity->client_crl_file != NULL && !look_up_revoked(tls, identity->client_crl_file, err))
        return false;
    /* Every client comes once: nothing to resume, and no ticket key to keep. */
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(tls, 0);
    return true;
}

bool clo_tls_context(const struct clo_tls_identity *identity, struct ssl_ctx_st **out,
                     struct clo_error *err)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    if (tls == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "TLS 1.3 cannot be set up");
    if (!set_up(tls, identity, err)) {
        SSL_CTX_free(tls);
        return false;
    }
    *out = tls;
    return true;
}

/* Only one that our own reader takes as well has a name here. */
static bool read_subject(X509 *x509, char **out)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    unsigned char *der = NULL;
    int size = i2d_X509(x509, &der);
    struct clo_error ignored;

    bool ok =
            size > 0 && clo_certificate_parse(clo_bytes(der, (size_t)size), &certificate, &ignored);
    OPENSSL_free(der);
    if (!ok)
        return false;
    *out = strdup(clo_certificate_subject(certificate));
    return *out != NULL;
}

/* The first end in the chain that was verified: nothing in it counts for longer. */
static bool read_end(const struct ssl_st *tls, int64_t *out)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(tls);

    *out = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        struct tm time = { 0 };
        if (ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(chain, i)), &time) != 1)
            return false;
        int64_t end = (int64_t)timegm(&time);
        *out = end < *out ? end : *out;
    }
    return sk_X509_num(chain) > 0;
}

bool clo_tls_shown_read(const struct ssl_st *tls, struct clo_tls_shown *out)
{
    X509 *x509 = SSL_get0_peer_certificate(tls);

    out->subject = NULL;
    return x509 == NULL || (SSL_get_verify_result(tls) == X509_V_OK && read_end(tls, &out->ends) &&
                            read_subject(x509, &out->subject));
}

bool clo_tls_shown_counts(const struct clo_tls_shown *shown, int64_t time, int64_t now,
                          unsigned readings)
{
    return shown->subject != NULL && time <= shown->ends && now >= shown->since &&
           now - shown->since < CLO_TLS_SHOWN_MS && readings == shown->readings;
}
