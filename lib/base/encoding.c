#include "cloister/encoding.h"

#include <string.h>

#include "lib/base/digits.h"
#include "lib/base/utf8.h"

#define PIECE \
    768 /* bytes that are made at once: a buffer is not asked for room with each of them */

static const char hex_digits[] = "0123456789abcdef";

char *clo_hex_text(struct clo_bytes in, char *out)
{
    for (size_t i = 0; i < in.size; i++) {
        out[2 * i] = hex_digits[in.data[i] >> 4];
        out[2 * i + 1] = hex_digits[in.data[i] & 15];
    }
    out[2 * in.size] = '\0';
    return out;
}

void clo_hex_write(struct clo_bytes in, struct clo_buffer *out)
{
    for (size_t i = 0; i < in.size; i += PIECE / 2) {
        size_t size = in.size - i < PIECE / 2 ? in.size - i : PIECE / 2;
        char piece[PIECE + 1];
        clo_hex_text(clo_bytes(in.data + i, size), piece);
        clo_buffer_append(out, clo_bytes(piece, 2 * size));
    }
}

int clo_hex_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool clo_decimal_read(const char *text, uint64_t *out)
{
    uint64_t number = 0;

    for (const char *at = text; *at != '\0'; at++)
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(number, 10U, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return false;
    if (*text == '\0')
        return false;
    *out = number;
    return true;
}

bool clo_hex_read(struct clo_bytes text, struct clo_buffer *out, struct clo_error *err)
{
    if (text.size % 2 != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "hex: %zu digits, an odd number", text.size);
    for (size_t i = 0; i < text.size; i += 2) {
        int high = clo_hex_digit(text.data[i]);
        int low = clo_hex_digit(text.data[i + 1]);
        if (high < 0 || low < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "hex: no digit at character %zu",
                            high < 0 ? i : i + 1);
        clo_buffer_u8(out, (uint8_t)(high << 4 | low));
    }
    if (!clo_buffer_ok(out))
        return clo_fail(err, CLO_ERR_FORMAT, "hex: more than %zu bytes", out->limit);
    return true;
}

static const char base64_digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* At most three bytes; how many characters that makes. */
static size_t base64_group(const uint8_t *in, size_t size, const char *digits, bool padded,
                           uint8_t out[4])
{
    uint32_t group =
            (uint32_t)in[0] << 16 | (size > 1 ? (uint32_t)in[1] << 8 : 0) | (size > 2 ? in[2] : 0U);

    for (size_t k = 0; k < 4; k++)
        out[k] = k <= size ? (uint8_t)digits[group >> (18 - 6 * k) & 63] : '=';
    return padded ? 4 : size + 1;
}

static void base64_write(struct clo_bytes in, const char *digits, bool padded,
                         struct clo_buffer *out)
{
    for (size_t i = 0; i < in.size;) {
        uint8_t piece[PIECE];
        size_t used = 0;
        while (i < in.size && used < sizeof piece) {
            size_t left = in.size - i < 3 ? in.size - i : 3;
            used += base64_group(in.data + i, left, digits, padded, piece + used);
            i += left;
        }
        clo_buffer_append(out, clo_bytes(piece, used));
    }
}

void clo_base64_write(struct clo_bytes in, struct clo_buffer *out)
{
    base64_write(in, base64_digits, true, out);
}

void clo_base64url_write(struct clo_bytes in, struct clo_buffer *out)
{
    base64_write(in, base64url_digits, false, out);
}

/* Of those that both alphabets have, and one more: 0 is what is none of them. */
static const uint8_t base64_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62,
};

static int base64_value(uint8_t character, const char *digits)
{
    if (base64_values[character] != 0)
        return base64_values[character] - 1;
    if (character == (uint8_t)digits[62])
        return 62;
    if (character == (uint8_t)digits[63])
        return 63;
    return -1;
}

/* `text` has no padding any more. */
static bool base64_read(struct clo_bytes text, const char *digits, struct clo_buffer *out,
                        struct clo_error *err)
{
    if (text.size % 4 == 1)
        return clo_fail(err, CLO_ERR_FORMAT, "base64: %zu characters cannot be", text.size);
    uint32_t group = 0;
    unsigned bits = 0;
    size_t i = 0;
    clo_buffer_reserve(out, text.size / 4 * 3);
    /* Four characters at a time, as long as they are digits, in pieces that stay in the cache. */
    for (bool is_text = true; is_text && text.size - i >= 4;) {
        uint8_t piece[PIECE];
        size_t used = 0;
        while (text.size - i >= 4 && used < sizeof piece) {
            const uint8_t *at = text.data + i;
            uint32_t four = (uint32_t)base64_value(at[0], digits) << 18 |
                            (uint32_t)base64_value(at[1], digits) << 12 |
                            (uint32_t)base64_value(at[2], digits) << 6 |
                            (uint32_t)base64_value(at[3], digits);
            is_text = four >> 24 == 0; /* -1 has all bits, wherever it is put */
            if (!is_text)
                break; /* said below which one it is */
            piece[used++] = (uint8_t)(four >> 16);
            piece[used++] = (uint8_t)(four >> 8);
            piece[used++] = (uint8_t)four;
            i += 4;
        }
        clo_buffer_append(out, clo_bytes(piece, used));
    }
    for (; i < text.size; i++) {
        int value = base64_value(text.data[i], digits);
        if (value < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "base64: wrong character at %zu", i);
        group = group << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            clo_buffer_u8(out, (uint8_t)(group >> bits));
            group &= (1U << bits) - 1;
        }
    }
    if (group != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "base64: bits left over at the end");
    if (!clo_buffer_ok(out))
        return clo_fail(err, CLO_ERR_FORMAT, "base64: more than %zu bytes", out->limit);
    return true;
}

bool clo_base64_read(struct clo_bytes text, struct clo_buffer *out, struct clo_error *err)
{
    if (text.size % 4 != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "base64: %zu characters, not a multiple of 4",
                        text.size);
    for (int i = 0; i < 2 && text.size > 0 && text.data[text.size - 1] == '='; i++)
        text.size--;
    return base64_read(text, base64_digits, out, err);
}

bool clo_base64url_read_padded(struct clo_bytes text, struct clo_buffer *out, struct clo_error *err)
{
    bool may_be_padded = text.size > 0 && text.size % 4 == 0;

    for (int i = 0; i < 2 && may_be_padded && text.data[text.size - 1] == '='; i++)
        text.size--;
    return base64_read(text, base64url_digits, out, err);
}

bool clo_base64url_read(struct clo_bytes text, struct clo_buffer *out, struct clo_error *err)
{
    return base64_read(text, base64url_digits, out, err);
}

/* --- GUIDs --- */

/* Where the n-th byte of the text goes: the first three fields are little endian. */
static const uint8_t guid_order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

static bool is_dash_at(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

bool clo_guid_read(const char *text, struct clo_guid *out, struct clo_error *err)
{
    struct clo_guid guid = { 0 };
    size_t digit = 0;

    if (strlen(text) != CLO_GUID_TEXT - 1)
        return clo_fail(err, CLO_ERR_FORMAT, "GUID: %zu characters, expected %d", strlen(text),
                        CLO_GUID_TEXT - 1);
    for (size_t i = 0; i < CLO_GUID_TEXT - 1; i++) {
        int value = clo_hex_digit((uint8_t)text[i]);
        if (is_dash_at(i) ? text[i] != '-' : value < 0)
            return clo_fail(err, CLO_ERR_FORMAT, "GUID: wrong character at %zu", i);
        if (is_dash_at(i))
            continue;
        uint8_t *byte = &guid.bytes[guid_order[digit / 2]];
        *byte = (uint8_t)(*byte << 4 | value);
        digit++;
    }
    *out = guid;
    return true;
}

char *clo_guid_text(const struct clo_guid *guid, char out[CLO_GUID_TEXT])
{
    size_t digit = 0;

    for (size_t i = 0; i < CLO_GUID_TEXT - 1; i++) {
        if (is_dash_at(i)) {
            out[i] = '-';
            continue;
        }
        uint8_t byte = guid->bytes[guid_order[digit / 2]];
        out[i] = hex_digits[digit % 2 == 0 ? byte >> 4 : byte & 15];
        digit++;
    }
    out[CLO_GUID_TEXT - 1] = '\0';
    return out;
}

struct clo_guid clo_read_guid(struct clo_reader *r)
{
    struct clo_guid guid = { 0 };
    struct clo_bytes bytes = clo_read_bytes(r, sizeof guid.bytes);

    if (bytes.size == sizeof guid.bytes)
        memcpy(guid.bytes, bytes.data, sizeof guid.bytes);
    return guid;
}

void clo_buffer_guid(struct clo_buffer *buffer, const struct clo_guid *guid)
{
    clo_buffer_append(buffer, clo_bytes(guid->bytes, sizeof guid->bytes));
}

bool clo_guid_equal(const struct clo_guid *a, const struct clo_guid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* --- UTF-16 --- */

bool clo_utf16_write(const char *text, struct clo_buffer *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(clo_bytes_text(text));

    while (clo_reader_left(&r) > 0) {
        size_t offset = r.at;
        uint32_t value = clo_utf8_next(&r);
        if (value == CLO_UTF8_MALFORMED)
            return clo_fail(err, CLO_ERR_FORMAT, "not UTF-8 at byte %zu", offset);
        if (value >= 0x10000) {
            clo_buffer_le16(out, (uint16_t)(0xd800 + ((value - 0x10000) >> 10)));
            clo_buffer_le16(out, (uint16_t)(0xdc00 + ((value - 0x10000) & 0x3ff)));
        } else {
            clo_buffer_le16(out, (uint16_t)value);
        }
    }
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    return true;
}

static void append_utf8(struct clo_buffer *out, uint32_t value)
{
    if (value < 0x80) {
        clo_buffer_u8(out, (uint8_t)value);
        return;
    }
    unsigned more = value < 0x800 ? 1 : value < 0x10000 ? 2 : 3;
    clo_buffer_u8(out, (uint8_t)((0xf80U >> more & 0xff) | value >> (6 * more)));
    while (more > 0) {
        more--;
        clo_buffer_u8(out, (uint8_t)(0x80 | (value >> (6 * more) & 0x3f)));
    }
}

void clo_utf16_text(struct clo_bytes utf16, struct clo_buffer *out)
{
    struct clo_reader r = clo_reader(utf16);

    while (clo_reader_left(&r) >= 2) {
        uint32_t value = clo_read_le16(&r);
        if (value >= 0xd800 && value <= 0xdbff && clo_reader_left(&r) >= 2) {
            struct clo_reader ahead = r;
            uint32_t low = clo_read_le16(&ahead);
            if (low >= 0xdc00 && low <= 0xdfff) {
                value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
                r = ahead;
            }
        }
        append_utf8(out, value >= 0xd800 && value <= 0xdfff ? 0xfffd : value);
    }
    if (clo_reader_left(&r) != 0)
        append_utf8(out, 0xfffd);
}
