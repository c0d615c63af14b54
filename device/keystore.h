/* Private keys that OpenSSL's providers keep: in a PKCS #11 token ("pkcs11:…"), a TPM ("handle:0x81…"), or a
 * file that needs a passphrase. The key itself need not leave its place. */
#ifndef CLOISTER_DEVICE_KEYSTORE_H
#define CLOISTER_DEVICE_KEYSTORE_H

#include "cloister/crypto.h"

/* Loads a provider by name ("pkcs11", "tpm2"), next to OpenSSL's own. CLO_ERR_UNAVAILABLE if it is not
 * installed. */
CLO_MUST_USE bool clo_keystore_provider(const char *name, struct clo_error *err);
/* The private key that a URI names; several are CLO_ERR_FORMAT, too. `passphrase` (a token's PIN) is NULL where none was given: then it is
 * asked for on the terminal, if there is one. CLO_ERR_FORMAT if there is no key, or the passphrase is missing or
 * wrong. The error names the URI, without a PIN that stands in it. */
CLO_MUST_USE bool clo_keystore_private_key(const char *uri, const struct clo_secret *passphrase,
                                           struct clo_private_key **out, struct clo_error *err);

#endif
