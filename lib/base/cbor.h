/* CBOR (RFC 8949), the part that attestation formats are made of: unsigned and negative integers, byte
 * and text strings, arrays, maps, tags; of definite length and in deterministic encoding (section 4.2.1),
 * written so and read no other way. A cursor, as clo_reader: nothing recurses on input. */
#ifndef CLOISTER_LIB_CBOR_H
#define CLOISTER_LIB_CBOR_H

#include "cloister/base.h"

enum clo_cbor_type {
    CLO_CBOR_UINT = 0,
    CLO_CBOR_NEGATIVE = 1,
    CLO_CBOR_BYTES = 2,
    CLO_CBOR_TEXT = 3,
    CLO_CBOR_ARRAY = 4,
    CLO_CBOR_MAP = 5,
    CLO_CBOR_TAG = 6,
    CLO_CBOR_SIMPLE = 7,
};

void clo_cbor_write(struct clo_buffer *out, enum clo_cbor_type type, uint64_t argument);
void clo_cbor_bytes(struct clo_buffer *out, struct clo_bytes bytes);
void clo_cbor_text(struct clo_buffer *out, const char *text);

/* Each reads one head (and, for strings, what follows) of just this type. An item of another type, an
 * argument that is not in its shortest form, or bytes that are not there latch the reader. */
uint64_t clo_cbor_read(struct clo_reader *r, enum clo_cbor_type type);
struct clo_bytes clo_cbor_read_string(struct clo_reader *r, enum clo_cbor_type type);
/* The type of the next item; CLO_CBOR_SIMPLE at the end too. */
enum clo_cbor_type clo_cbor_peek(const struct clo_reader *r);
/* An array's or a map's length, refused above `limit` (and where so many items cannot follow). */
size_t clo_cbor_read_count(struct clo_reader *r, enum clo_cbor_type type, size_t limit);
/* Passes over one whole item of whatever type, however deep. */
void clo_cbor_skip(struct clo_reader *r);

#endif
