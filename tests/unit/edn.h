/* CBOR diagnostic notation (RFC 8949, section 8) as the drafts' examples use it, as CBOR: comments, numbers, text,
 * h'', arrays, maps, tags; also CDDL's "=>", "#6.n(…)", "&(name: n)", and names that stand for a byte string. */
#ifndef CLOISTER_TEST_EDN_H
#define CLOISTER_TEST_EDN_H

#include <ctype.h>
#include <string.h>

#include "lib/base/cbor.h"
#include "test.h"

struct edn {
    const char *at;
};

static inline void edn_space(struct edn *e)
{
    for (;;) {
        while (isspace((unsigned char)*e->at) || *e->at == ',')
            e->at++;
        if (*e->at != '/')
            return;
        const char *end = strchr(e->at + 1, '/');
        assert_non_null(end);
        e->at = end + 1;
    }
}

static inline void edn_item(struct edn *e, struct clo_buffer *out);

static inline bool edn_is_arrow(const struct edn *e)
{
    return e->at[0] == '=' && e->at[1] == '>';
}

/* Items until the closing sign; a colon or an arrow between two of them makes a pair. */
static inline void edn_list(struct edn *e, char close, bool is_map, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer items = { 0 };
    size_t count = 0;

    for (edn_space(e); *e->at != close && *e->at != '\0'; edn_space(e)) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer item = { 0 };
        bool has_key = count % 2 == 1;
        if (edn_is_arrow(e))
            e->at += 2;
        edn_item(e, &item);
        edn_space(e);
        bool is_key = *e->at == ':' || edn_is_arrow(e);
        if (is_key)
            e->at += *e->at == ':' ? 1 : 2;
        /* The drafts' examples leave some keys out: a number that nobody uses stands for them. */
        if (is_map && !is_key && !has_key) {
            clo_cbor_write(&items, CLO_CBOR_UINT, 100 + count / 2);
            count++;
        }
        clo_buffer_append(&items, clo_buffer_bytes(&item));
        count++;
    }
    if (*e->at != '\0')
        e->at++;
    clo_cbor_write(out, is_map ? CLO_CBOR_MAP : CLO_CBOR_ARRAY, is_map ? count / 2 : count);
    clo_buffer_append(out, clo_buffer_bytes(&items));
}

static inline void edn_number(struct edn *e, struct clo_buffer *out)
{
    char *end;
    bool is_negative = *e->at == '-';
    unsigned long long value = strtoull(e->at + is_negative, &end, 0);

    e->at = end;
    if (*e->at == '(' && !is_negative) {
        e->at++;
        clo_cbor_write(out, CLO_CBOR_TAG, value);
        edn_item(e, out);
        edn_space(e);
        if (*e->at == ')')
            e->at++;
        return;
    }
    clo_cbor_write(out, is_negative ? CLO_CBOR_NEGATIVE : CLO_CBOR_UINT,
                   is_negative ? value - 1 : value);
}

static inline void edn_string(struct edn *e, struct clo_buffer *out)
{
    const char *end = strchr(e->at + 1, '"');

    assert_non_null(end);
    size_t size = (size_t)(end - e->at - 1);
    clo_cbor_write(out, CLO_CBOR_TEXT, size);
    clo_buffer_append(out, clo_bytes(e->at + 1, size));
    e->at = end + 1;
}

static inline void edn_bytes(struct edn *e, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const char *end = strchr(e->at + 2, '\'');
    struct clo_error err;

    assert_non_null(end);
    if (end > e->at + 2)
        assert_true(clo_hex_read(clo_bytes(e->at + 2, (size_t)(end - e->at - 2)), &bytes, &err));
    clo_cbor_bytes(out, clo_buffer_bytes(&bytes));
    e->at = end + 1;
}

static inline void edn_item(struct edn *e, struct clo_buffer *out)
{
    edn_space(e);
    if (strncmp(e->at, "#6.", 3) == 0)
        e->at += 3;
    if (e->at[0] == '&' && e->at[1] == '(') { /* &(name: 0) */
        e->at = strchr(e->at, ':') + 1;
        edn_space(e);
        edn_number(e, out);
        edn_space(e);
        assert_int_equal(*e->at++, ')');
    } else if (*e->at == '{' || *e->at == '[') {
        char close = *e->at++ == '{' ? '}' : ']';
        edn_list(e, close, close == '}', out);
    } else if (*e->at == '"') {
        edn_string(e, out);
    } else if (e->at[0] == 'h' && e->at[1] == '\'') {
        edn_bytes(e, out);
    } else if (isdigit((unsigned char)*e->at) || *e->at == '-') {
        edn_number(e, out);
    } else if (isalpha((unsigned char)*e->at)) { /* stands for bytes of that name */
        const char *start = e->at;
        while (isalnum((unsigned char)*e->at) || *e->at == '_')
            e->at++;
        clo_cbor_bytes(out, clo_bytes(start, (size_t)(e->at - start)));
    } else {
        fail_msg("EDN: \"%.20s\"", e->at);
    }
}

/* What has no braces is the inside of a map. */
static inline void edn_read(const char *text, struct clo_buffer *out)
{
    struct edn e = { text };

    edn_space(&e);
    if (*e.at == '{' || *e.at == '[')
        edn_item(&e, out);
    else
        edn_list(&e, '\0', true, out);
}

#endif
