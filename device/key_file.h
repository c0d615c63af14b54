/* Keys and certificates in files, as the owner's programs read them. Errors name the file, and never what is in
 * it. */
#ifndef CLOISTER_DEVICE_KEY_FILE_H
#define CLOISTER_DEVICE_KEY_FILE_H

#include "cloister/crypto.h"

/* A file's passphrase: all of it, without one newline at its end. `path` may be "-", a pipe or
 * /dev/fd/N, so that it need not lie on a disk; NULL gives *out NULL. */
CLO_MUST_USE bool clo_passphrase_read(const char *path, struct clo_secret **out,
                                      struct clo_error *err);
/* PEM, plain or encrypted (PKCS #8, or the traditional form). `passphrase` is NULL where there is none. One that is
 * missing or wrong is CLO_ERR_FORMAT, like what is not a key. */
CLO_MUST_USE bool clo_key_file_private(const char *path, const struct clo_secret *passphrase,
                                       struct clo_private_key **out, struct clo_error *err);
/* PEM, or a certificate of it; `pem` gets the key's own. */
CLO_MUST_USE bool clo_key_file_public(const char *path, struct clo_public_key **out,
                                      struct clo_buffer *pem, struct clo_error *err);
/* One certificate, PEM or DER. */
CLO_MUST_USE bool clo_certificate_file(const char *path, struct clo_certificate **out,
                                       struct clo_error *err);

#endif
