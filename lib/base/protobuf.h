/* Protocol Buffers' binary encoding (protobuf.dev, "Encoding"): one field after the other. */
#ifndef CLOISTER_LIB_PROTOBUF_H
#define CLOISTER_LIB_PROTOBUF_H

#include "cloister/base.h"

#define CLO_PROTOBUF_VARINT  0
#define CLO_PROTOBUF_FIXED64 1
#define CLO_PROTOBUF_BYTES   2
#define CLO_PROTOBUF_FIXED32 5

struct clo_protobuf_field {
    uint64_t number; /* never 0 */
    unsigned wire;   /* CLO_PROTOBUF_ */
    uint64_t value;  /* of a varint */
    struct clo_bytes bytes;
};

/* False at the end, and for what is malformed, after which the reader has failed. */
bool clo_protobuf_next(struct clo_reader *r, struct clo_protobuf_field *out);
/* A map's entry: a message of a key and bytes, either of which may be left out. */
bool clo_protobuf_entry(struct clo_bytes in, uint64_t *key, struct clo_bytes *value);

#endif
