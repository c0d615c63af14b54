/* What the files of this room share. */
#ifndef CLOISTER_LIB_CORIM_INTERNAL_H
#define CLOISTER_LIB_CORIM_INTERNAL_H

#include "cloister/corim.h"
#include "lib/cose/item.h"

#define CORIM_TRIPLES_MAX 4096

/* An environment-map, a list of measurement-maps, a measurement-values-map, as JSON (draft -11, section 5.1.4). */
CLO_MUST_USE bool corim_environment(const cbor_item_t *item, json_t **out, struct clo_error *err);
CLO_MUST_USE bool corim_values(const cbor_item_t *item, json_t **out, struct clo_error *err);
/* [environment, [measurements]], appended to `list`. A measurement without a key is refused where the
 * profile demands one. */
CLO_MUST_USE bool corim_reference_triple(const cbor_item_t *item, bool needs_key, json_t *list,
                                         struct clo_error *err);
/* A profile: a URI or an OID, alone or the one item of an array; NULL: there is none. */
CLO_MUST_USE bool corim_profile(const cbor_item_t *item, json_t **out, struct clo_error *err);

/* The triples of a reference, [environment, [measurements]], one after the other, each with `before` in front. */
CLO_MUST_USE bool corim_write_triples(const struct clo_reference *reference,
                                      struct clo_bytes before, struct clo_buffer *out,
                                      size_t *count, struct clo_error *err);
/* The environment of a reference's values. */
void corim_write_environment(const struct clo_reference *reference, struct clo_buffer *out);
void corim_write_class(const struct clo_reference *reference, struct clo_buffer *out);

#endif
