/* Quotes that parse and are signed by nobody, for tests of the parser. */
#ifndef CLOISTER_TEST_TDX_MAKER_H
#define CLOISTER_TEST_TDX_MAKER_H

#include "cloister/tdx.h"
#include "test.h"

struct tdx_quote_maker {
    uint16_t version, att_key_type;
    uint32_t tee_type;
    uint16_t body_type;
    uint32_t body_size;
    uint16_t outer_type, inner_type;
    size_t auth_size, chain_size, behind_inner, behind_outer, trailing;
};

static const struct tdx_quote_maker tdx_quote_good = {
    .version = 4,
    .att_key_type = 2,
    .tee_type = CLO_TDX_TEE_TYPE,
    .body_type = CLO_TDX_BODY_TD10,
    .body_size = 584,
    .outer_type = 6,
    .inner_type = 5,
    .auth_size = 32,
    .chain_size = 20,
};

/* Bytes that count up, so that each field can be told from its neighbours. */
static inline void tdx_maker_count(struct clo_buffer *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        clo_buffer_u8(out, (uint8_t)(out->size * 7 + out->size / 256));
}

static inline void tdx_maker_quote(const struct tdx_quote_maker *m, struct clo_buffer *out)
{
    size_t inner = m->chain_size;
    size_t outer = 384 + 64 + 2 + m->auth_size + 6 + inner + m->behind_inner;

    clo_buffer_le16(out, m->version);
    clo_buffer_le16(out, m->att_key_type);
    clo_buffer_le32(out, m->tee_type);
    tdx_maker_count(out, 40);
    if (m->version == 5) {
        clo_buffer_le16(out, m->body_type);
        clo_buffer_le32(out, m->body_size);
    }
    tdx_maker_count(out, m->body_size);
    clo_buffer_le32(out, (uint32_t)(64 + 64 + 6 + outer + m->behind_outer));
    tdx_maker_count(out, 128);
    clo_buffer_le16(out, m->outer_type);
    clo_buffer_le32(out, (uint32_t)outer);
    tdx_maker_count(out, 384 + 64);
    clo_buffer_le16(out, (uint16_t)m->auth_size);
    tdx_maker_count(out, m->auth_size);
    clo_buffer_le16(out, m->inner_type);
    clo_buffer_le32(out, (uint32_t)inner);
    tdx_maker_count(out, inner + m->behind_inner);
    tdx_maker_count(out, m->behind_outer);
    tdx_maker_count(out, m->trailing);
}

static inline void tdx_maker_report(struct clo_buffer *out)
{
    struct clo_digest digest;

    clo_buffer_u8(out, CLO_TDX_TEE_TYPE);
    clo_buffer_zero(out, 15);
    tdx_maker_count(out, 16 + 48 + 48 + 64);
    clo_buffer_zero(out, 32);
    tdx_maker_count(out, 32 + 239);
    clo_buffer_zero(out, 17);
    tdx_maker_count(out, 512);
    clo_hash(CLO_HASH_SHA384, clo_bytes_slice(clo_buffer_bytes(out), 256, 239), &digest);
    memcpy(out->data + 32, digest.bytes, 48);
    clo_hash(CLO_HASH_SHA384, clo_bytes_slice(clo_buffer_bytes(out), 512, 512), &digest);
    memcpy(out->data + 80, digest.bytes, 48);
}

#endif
