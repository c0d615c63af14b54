#include "lib/base/der.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/civil_time.h"

#define LENGTH_BYTES_MAX 4

/* The length after the tag, and how many bytes it takes; false if DER does not allow it. */
static bool read_length(const uint8_t *at, size_t left, size_t *length, size_t *used)
{
    size_t count = at[0] & 0x7f;

    *length = at[0];
    *used = 1;
    if (at[0] < 0x80)
        return true;
    if (count == 0 || count > LENGTH_BYTES_MAX || count >= left) /* 0: indefinite */
        return false;
    *length = 0;
    *used = 1 + count;
    for (size_t i = 1; i <= count; i++)
        *length = *length << 8 | at[i];
    return *length >= 0x80 && at[1] != 0; /* else it is not minimal */
}

bool clo_der_is_integer(struct clo_bytes value)
{
    if (value.size < 2)
        return value.size == 1;
    bool is_padded = (value.data[0] == 0 && value.data[1] < 0x80) ||
                     (value.data[0] == 0xff && value.data[1] >= 0x80);
    return !is_padded;
}

/* Numbers in base 128, each whole and without zeros in front (X.690, section 8.19.2). */
static bool is_oid(struct clo_bytes value)
{
    bool is_inside = false;

    for (size_t i = 0; i < value.size; i++) {
        if (!is_inside && value.data[i] == 0x80)
            return false;
        is_inside = value.data[i] >= 0x80;
    }
    return value.size > 0 && !is_inside;
}

/* Bits that do not count are zero (X.690, section 11.2.1), or two readers see two sets of flags. */
bool clo_der_is_bit_string(struct clo_bytes value)
{
    if (value.size == 0 || value.data[0] > 7)
        return false;
    return value.size == 1 ? value.data[0] == 0
                           : (value.data[value.size - 1] & ((1U << value.data[0]) - 1)) == 0;
}

/* The contents of the types that allow but one form of each value; others are not looked into. */
static bool is_value(uint8_t tag, struct clo_bytes value)
{
    switch (tag) {
    case CLO_DER_BOOLEAN:
        return value.size == 1 && (value.data[0] == 0 || value.data[0] == 0xff);
    case CLO_DER_INTEGER:
    case CLO_DER_ENUMERATED:
        return clo_der_is_integer(value);
    case CLO_DER_BIT_STRING:
        return clo_der_is_bit_string(value);
    case CLO_DER_NULL:
        return value.size == 0;
    case CLO_DER_OID:
        return is_oid(value);
    default:
        /* SEQUENCE and SET alone are made of elements, of the types that every reader knows. */
        return tag >= 0x40 || ((tag & 0x20) != 0) == ((tag | 0x21) == CLO_DER_SET);
    }
}

/* Everything signed is made of these, so it does without the reader's functions. */
struct clo_der clo_der_next(struct clo_reader *r)
{
    size_t left = clo_reader_left(r);
    size_t length;
    size_t used;

    if (left >= 2) {
        const uint8_t *at = r->in.data + r->at;
        bool is_plain = (at[0] & 0x1f) != 0x1f && at[0] != 0;
        if (is_plain && read_length(at + 1, left - 1, &length, &used) &&
            length <= left - 1 - used && is_value(at[0], clo_bytes(at + 1 + used, length))) {
            r->at += 1 + used + length;
            return (struct clo_der){ .tag = at[0],
                                     .value = { at + 1 + used, length },
                                     .whole = { at, 1 + used + length } };
        }
    }
    r->failed = true;
    return (struct clo_der){ 0 };
}

uint8_t clo_der_peek(const struct clo_reader *r)
{
    return clo_reader_left(r) == 0 ? 0 : r->in.data[r->at];
}

struct clo_bytes clo_der_value(struct clo_reader *r, uint8_t tag)
{
    if (clo_der_peek(r) != tag)
        r->failed = true;
    return clo_der_next(r).value;
}

struct clo_reader clo_der_enter(struct clo_reader *r, uint8_t tag)
{
    struct clo_reader inside = clo_reader(clo_der_value(r, tag));

    inside.failed = r->failed;
    return inside;
}

bool clo_der_done(const struct clo_reader *r)
{
    return clo_reader_ok(r) && clo_reader_left(r) == 0;
}

bool clo_der_optional(struct clo_reader *r, uint8_t tag, struct clo_bytes *out)
{
    if (clo_der_peek(r) != tag)
        return false;
    *out = clo_der_next(r).value;
    return true;
}

int64_t clo_der_number(struct clo_reader *r)
{
    struct clo_bytes value = clo_der_value(r, CLO_DER_INTEGER);
    int64_t number = 0;

    if (value.size == 0 || value.size > 8 || value.data[0] >= 0x80) {
        r->failed = true;
        return 0;
    }
    for (size_t i = 0; i < value.size; i++)
        number = number << 8 | value.data[i];
    return number;
}

bool clo_der_boolean(struct clo_reader *r)
{
    struct clo_bytes value = clo_der_value(r, CLO_DER_BOOLEAN);

    return value.size == 1 && value.data[0] != 0;
}

struct clo_bytes clo_der_bit_string(struct clo_reader *r)
{
    struct clo_bytes value = clo_der_value(r, CLO_DER_BIT_STRING);

    if (value.size == 0 || value.data[0] != 0) {
        r->failed = true;
        return clo_bytes(NULL, 0);
    }
    return clo_bytes_slice(value, 1, value.size - 1);
}

unsigned clo_der_flags(struct clo_reader *r)
{
    struct clo_bytes value = clo_der_value(r, CLO_DER_BIT_STRING);
    unsigned flags = 0;

    for (size_t i = 0; i < 16 && 1 + i / 8 < value.size; i++)
        if ((value.data[1 + i / 8] & (0x80 >> i % 8)) != 0)
            flags |= 1U << i;
    return flags;
}

void clo_der_write(struct clo_buffer *out, uint8_t tag, struct clo_bytes value)
{
    unsigned count = 1;

    clo_buffer_u8(out, tag);
    if (value.size >= 0x80) {
        while (count < sizeof value.size && value.size >> 8 * count != 0)
            count++;
        clo_buffer_u8(out, (uint8_t)(0x80 | count));
    }
    for (unsigned i = count; i > 0; i--)
        clo_buffer_u8(out, (uint8_t)(value.size >> 8 * (i - 1)));
    clo_buffer_append(out, value);
}

/* --- Time --- */

/* Two digits; -1 if they are none. */
static int two_digits(const uint8_t *at)
{
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
        return -1;
    return (at[0] - '0') * 10 + at[1] - '0';
}

static bool read_time(uint8_t tag, struct clo_bytes text, int64_t *out)
{
    const size_t pairs = tag == CLO_DER_UTC_TIME ? 6 : 7;
    int parts[7];

    if ((tag != CLO_DER_UTC_TIME && tag != CLO_DER_GENERALIZED_TIME) ||
        text.size != 2 * pairs + 1 || text.data[2 * pairs] != 'Z')
        return false;
    for (size_t i = 0; i < pairs; i++)
        if ((parts[i] = two_digits(text.data + 2 * i)) < 0)
            return false;
    const int *rest = parts + (pairs - 5); /* month, day, hour, minute, second */
    int year = pairs == 7       ? parts[0] * 100 + parts[1]
               : parts[0] >= 50 ? 1900 + parts[0]
                                : 2000 + parts[0];
    return clo_civil_time(year, rest[0], rest[1], rest[2], rest[3], rest[4], out);
}

int64_t clo_der_time(struct clo_reader *r)
{
    struct clo_der element = clo_der_next(r);
    int64_t time = 0;

    if (r->failed || !read_time(element.tag, element.value, &time))
        r->failed = true;
    return time;
}

/* --- Object identifiers --- */

/* The digits of one arc, and the dot after it if there is one. */
static bool read_arc(const char **at, uint64_t *out)
{
    uint64_t arc = 0;

    if (**at < '0' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        arc = arc * 10 + (uint64_t)(**at - '0');
        if (arc > UINT32_MAX)
            return false;
    }
    if (**at == '.')
        ++*at;
    else if (**at != '\0')
        return false;
    *out = arc;
    return true;
}

static bool write_arc(uint64_t arc, uint8_t *out, size_t size, size_t *used)
{
    unsigned groups = 1;

    while (groups < 5 && arc >> 7 * groups != 0)
        groups++;
    if (groups > size - *used)
        return false;
    for (unsigned i = groups; i > 0; i--)
        out[(*used)++] = (uint8_t)((arc >> 7 * (i - 1) & 0x7f) | (i > 1 ? 0x80 : 0));
    return true;
}

bool clo_der_oid_from_text(const char *dotted, uint8_t *out, size_t size, size_t *used)
{
    uint64_t first;
    uint64_t second;

    *used = 0;
    if (!read_arc(&dotted, &first) || !read_arc(&dotted, &second) || first > 2 ||
        (first < 2 && second > 39) || !write_arc(first * 40 + second, out, size, used))
        return false;
    while (*dotted != '\0') {
        uint64_t arc;
        if (!read_arc(&dotted, &arc) || !write_arc(arc, out, size, used))
            return false;
    }
    return dotted[-1] != '.';
}

void clo_der_oid_text(struct clo_bytes oid, char *out, size_t size)
{
    uint64_t arc = 0;
    size_t used = 0;
    bool is_first = true;

    snprintf(out, size, "?");
    if (oid.size == 0 || oid.data[oid.size - 1] >= 0x80)
        return;
    for (size_t i = 0; i < oid.size; i++) {
        int written;
        if (arc > UINT32_MAX)
            break;
        arc = arc << 7 | (oid.data[i] & 0x7f);
        if (oid.data[i] >= 0x80)
            continue;
        if (is_first) {
            unsigned root = arc < 40 ? 0 : arc < 80 ? 1 : 2;
            written = snprintf(out + used, size - used, "%u.%llu", root,
                               (unsigned long long)(arc - root * 40));
        } else {
            written = snprintf(out + used, size - used, ".%llu", (unsigned long long)arc);
        }
        used += (size_t)written;
        if (used >= size)
            return;
        is_first = false;
        arc = 0;
    }
    if (arc != 0)
        snprintf(out, size, "?");
}
