#include "device/key_file.h"

#include <string.h>

#include "cloister/encoding.h"
#include "device/file.h"

#define PASSPHRASE_LIMIT  ((size_t)4096)
#define KEY_LIMIT         ((size_t)64 << 10)
#define CERTIFICATE_LIMIT ((size_t)1 << 20)

bool clo_passphrase_read(const char *path, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *whole = NULL;

    *out = NULL;
    if (path == NULL)
        return true;
    if (!clo_file_read_secret(path, PASSPHRASE_LIMIT, &whole, err))
        return false;
    struct clo_bytes text = clo_secret_bytes(whole);
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    if (text.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: holds no passphrase", path);
    return clo_secret_copy(text, out, err);
}

bool clo_key_file_private(const char *path, const struct clo_secret *passphrase,
                          struct clo_private_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    struct clo_bytes none = { 0 };

    if (!clo_file_read_secret(path, KEY_LIMIT, &pem, err))
        return false;
    return clo_private_key_from_encrypted_pem(
                   clo_secret_bytes(pem), passphrase == NULL ? none : clo_secret_bytes(passphrase),
                   out, err) ||
           clo_wrap(err, "%s", path);
}

bool clo_certificate_file(const char *path, struct clo_certificate **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    size_t at = 0;

    if (!clo_file_read(path, CERTIFICATE_LIMIT, &file, err))
        return false;
    struct clo_bytes bytes = clo_buffer_bytes(&file);
    if (bytes.size > 0 && bytes.data[0] != 0x30) { /* a DER SEQUENCE begins so */
        enum clo_next next = clo_pem_next(bytes, "CERTIFICATE", &at, &der, err);
        if (next != CLO_NEXT_ITEM)
            return next == CLO_NEXT_END
                           ? clo_fail(err, CLO_ERR_FORMAT, "%s: holds no certificate", path)
                           : clo_wrap(err, "%s", path);
        bytes = clo_buffer_bytes(&der);
    }
    if (!clo_certificate_parse(bytes, &certificate, err))
        return clo_wrap(err, "%s", path);
    *out = CLO_TAKE(certificate);
    return true;
}

bool clo_key_file_public(const char *path, struct clo_public_key **out, struct clo_buffer *pem,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer spki = { 0 };
    struct clo_error ignored;

    if (!clo_file_read(path, KEY_LIMIT, pem, err))
        return false;
    if (clo_public_key_from_pem(clo_buffer_bytes(pem), out, err))
        return true;
    clo_wrap(err, "%s", path);
    /* Or a certificate of it. */
    if (!clo_certificate_file(path, &certificate, &ignored))
        return false;
    pem->size = 0;
    return clo_public_key_spki(clo_certificate_key(certificate), &spki, err) &&
           clo_public_key_from_spki(clo_buffer_bytes(&spki), out, err) &&
           clo_pem_write("PUBLIC KEY", clo_buffer_bytes(&spki), pem, err);
}
