#include "lib/base/protobuf.h"

static uint64_t read_varint(struct clo_reader *r)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = clo_read_u8(r);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    r->failed = true;
    return 0;
}

static struct clo_bytes read_length(struct clo_reader *r)
{
    uint64_t size = read_varint(r);

    if (size > clo_reader_left(r))
        r->failed = true;
    return clo_read_bytes(r, r->failed ? 0 : (size_t)size);
}

bool clo_protobuf_next(struct clo_reader *r, struct clo_protobuf_field *out)
{
    *out = (struct clo_protobuf_field){ 0 };
    if (!clo_reader_ok(r) || clo_reader_left(r) == 0)
        return false;
    uint64_t tag = read_varint(r);
    out->number = tag >> 3;
    out->wire = (unsigned)(tag & 7);
    if (out->wire == CLO_PROTOBUF_VARINT)
        out->value = read_varint(r);
    else if (out->wire == CLO_PROTOBUF_BYTES)
        out->bytes = read_length(r);
    else if (out->wire == CLO_PROTOBUF_FIXED64 || out->wire == CLO_PROTOBUF_FIXED32)
        out->bytes = clo_read_bytes(r, out->wire == CLO_PROTOBUF_FIXED64 ? 8 : 4);
    else
        r->failed = true;
    if (out->number == 0)
        r->failed = true;
    return clo_reader_ok(r);
}

bool clo_protobuf_entry(struct clo_bytes in, uint64_t *key, struct clo_bytes *value)
{
    struct clo_reader r = clo_reader(in);
    struct clo_protobuf_field field;

    *key = 0;
    *value = (struct clo_bytes){ 0 };
    while (clo_protobuf_next(&r, &field))
        if (field.number == 1 && field.wire == CLO_PROTOBUF_VARINT)
            *key = field.value;
        else if (field.number == 2 && field.wire == CLO_PROTOBUF_BYTES)
            *value = field.bytes;
    return clo_reader_ok(&r);
}
