/* A bundle of endorsements, signed and dated by its owner: made where there is a network, and carried to a broker that has
 * none (docs/formats/endorsements.md).
 *
 * Each document in it is signed by its maker and verified in each decision all the same. The owner's signature says besides
 * that nothing was left out or exchanged on the way, and its date that it is not one of before. */
#ifndef CLOISTER_VERIFIER_ENDORSEMENT_BUNDLE_H
#define CLOISTER_VERIFIER_ENDORSEMENT_BUNDLE_H

#include "cloister/cose.h"
#include "verifier/endorsements/endorsements.h"

#define CLO_ENDORSEMENT_BUNDLE_MAX ((size_t)4 << 20)

/* CLO_ERR_FORMAT: the set is empty, or too large for a bundle. `made`: Unix time. */
CLO_MUST_USE bool clo_endorsement_bundle_write(const struct clo_endorsement_set *set, int64_t made,
                                               const struct clo_private_key *key,
                                               struct clo_buffer *out, struct clo_error *err);
/* Adds what is in it to `out`. CLO_ERR_REFUSED: the signature is not this key's. How old it may be is the caller's to say. */
CLO_MUST_USE bool clo_endorsement_bundle_read(struct clo_bytes in, const struct clo_public_key *key,
                                              int64_t *made, struct clo_endorsement_set *out,
                                              struct clo_error *err);
/* What the signature covers; for reading, once it was verified. */
CLO_MUST_USE bool clo_endorsement_bundle_parse(struct clo_bytes payload, int64_t *made,
                                               struct clo_endorsement_set *out,
                                               struct clo_error *err);

#endif
