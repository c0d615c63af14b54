/* Where a broker's master key comes from: a file of its owner's alone, or a credential that systemd passes (which it can seal
 * to a TPM: systemd-creds(1)). The file has the key, or the key as it is sealed to one in a token or a TPM (master_sealed.h). */
#ifndef CLOISTER_VERIFIER_MASTER_KEY_H
#define CLOISTER_VERIFIER_MASTER_KEY_H

#include "verifier/store/store.h"

#define CLO_MASTER_CREDENTIAL "cloister.master-key"

/* 32 bytes, 64 digits of hex, or sealed. CLO_ERR_REFUSED: others can read the file. */
CLO_MUST_USE bool clo_master_key_read(const char *path, struct clo_secret **out,
                                      struct clo_error *err);
/* Unlocks the store with the file (NULL: the credential, if there is one in `credentials`, the folder that systemd names;
 * NULL: none). A store that is sealed stays shut without either. */
CLO_MUST_USE bool clo_master_key_use(const char *path, const char *credentials,
                                     struct clo_store *store, struct clo_error *err);
/* Makes one in a file that is not there yet. */
CLO_MUST_USE bool clo_master_key_make(const char *path, struct clo_random random,
                                      struct clo_error *err);
/* The same, sealed to the private key that a URI names, which is opened by a provider of OpenSSL's (NULL: its own). */
CLO_MUST_USE bool clo_master_key_make_sealed(const char *path, const char *to, const char *provider,
                                             struct clo_random random, struct clo_error *err);

#endif
