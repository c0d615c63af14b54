/* CBOR documents as a tree, read by libcbor (RFC 8949): what CoRIM, CoSERV and CWT are made of.
 *
 * Only what is bounded reaches libcbor: definite lengths that the bytes can hold, few levels, no bytes after the
 * item. A map that has a key twice is refused, so that two readers cannot see two documents. */
#ifndef CLOISTER_LIB_COSE_ITEM_H
#define CLOISTER_LIB_COSE_ITEM_H

#include <cbor.h>

#include "cloister/json.h"

#define ITEM_DEPTH_MAX 32
#define ITEM_SIZE_MAX  ((size_t)4 << 20)

/* The whole of `in` is one item; released by item_free(). Strings are copies: `in` may go. */
CLO_MUST_USE bool item_load(struct clo_bytes in, cbor_item_t **out, struct clo_error *err);
/* The same of a document whose maps and arrays may be of indefinite length, as its writer's are. */
CLO_MUST_USE bool item_load_streamed(struct clo_bytes in, cbor_item_t **out, struct clo_error *err);
void item_free(cbor_item_t *item);
void item_freep(cbor_item_t **item);

/* Everything below is borrowed from its parent and takes NULL for an item that is not there. */

/* The item in a tag, and the tag's number; an item without a tag is itself, and *tag is 0. */
const cbor_item_t *item_untag(const cbor_item_t *item, uint64_t *tag);
/* A map's value for an integer key (-2^31 to 2^31 - 1), or for a text; NULL: it has none. */
const cbor_item_t *item_at(const cbor_item_t *map, int64_t key);
const cbor_item_t *item_named(const cbor_item_t *map, const char *key);
bool item_is_map(const cbor_item_t *item);
bool item_is_array(const cbor_item_t *item);
bool item_is_text(const cbor_item_t *item);
bool item_is_bytes(const cbor_item_t *item);
/* Of an array, or pairs of a map; 0 of anything else. */
size_t item_count(const cbor_item_t *item);
const cbor_item_t *item_of(const cbor_item_t *array, size_t index);
const cbor_item_t *item_key(const cbor_item_t *map, size_t index);
const cbor_item_t *item_value(const cbor_item_t *map, size_t index);
/* False for an item of another type, and for a number that does not fit. */
bool item_int(const cbor_item_t *item, int64_t *out);
bool item_bytes(const cbor_item_t *item, struct clo_bytes *out); /* of a byte or text string */

/* For people and for JSON: byte strings in hex, integer keys in decimal, tags left out. NULL: out of memory. */
json_t *item_json(const cbor_item_t *item);

#endif
