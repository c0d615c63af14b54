/* What the broker does with a resource's disk: it says which one the key is for when it releases the
 * key, and is told the next generation by the guest that got it (docs/formats/disk.md).
 *
 *   POST /cloister/v0/generation/R/T/N/GENERATION    in the session that got R/T/N; no body */
#ifndef CLOISTER_VERIFIER_GENERATION_H
#define CLOISTER_VERIFIER_GENERATION_H

#include "verifier/store/store.h"

#define CLO_GENERATION_PREFIX "/cloister/v0/generation/"
#define CLO_GENERATION_PATH   256 /* a resource's path, with the NUL */

/* The secret, sealed to the guest's key: by itself, or with the disk that is registered with it. */
CLO_MUST_USE bool clo_generation_seal(struct clo_store *store, const char *path,
                                      const struct clo_secret *secret, const json_t *tee_pubkey,
                                      json_t **jwe, struct clo_error *err);
/* Resource and number of a request's path, which begins with CLO_GENERATION_PREFIX. */
CLO_MUST_USE bool clo_generation_parse(const char *request_path, char path[CLO_GENERATION_PATH],
                                       uint64_t *generation, struct clo_error *err);

#endif
