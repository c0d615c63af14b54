/* Names in one line (RFC 2253, as OpenSSL writes it: the last part first, bytes beyond ASCII escaped). */
#include "x509.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/utf8.h"

#define PARTS_MAX 64

/* Attribute types with a short name: X.520's (2.5.4.n), and four others. */
static const struct {
    uint8_t arc;
    const char *name;
} x520_names[] = {
    { 3, "CN" },
    { 4, "SN" },
    { 5, "serialNumber" },
    { 6, "C" },
    { 7, "L" },
    { 8, "ST" },
    { 9, "street" },
    { 10, "O" },
    { 11, "OU" },
    { 12, "title" },
    { 13, "description" },
    { 15, "businessCategory" },
    { 17, "postalCode" },
    { 41, "name" },
    { 42, "GN" },
    { 43, "initials" },
    { 46, "dnQualifier" },
    { 65, "pseudonym" },
};
static const struct {
    const char *oid, *name;
} other_names[] = {
    { "0.9.2342.19200300.100.1.1", "UID" },
    { "0.9.2342.19200300.100.1.25", "DC" },
    { "1.2.840.113549.1.9.1", "emailAddress" },
    { "1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL" },
    { "1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST" },
    { "1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC" },
};

/* Text that is cut where it no longer fits. */
struct line {
    char *text;
    size_t size, used;
};

static void add(struct line *line, const char *text)
{
    size_t length = strlen(text);

    if (length > line->size - 1 - line->used)
        length = line->size - 1 - line->used;
    memcpy(line->text + line->used, text, length);
    line->used += length;
    line->text[line->used] = '\0';
}

static void add_hex(struct line *line, const char *before, uint8_t byte)
{
    char text[8];

    snprintf(text, sizeof text, "%s%02X", before, byte);
    add(line, text);
}

static void add_byte(struct line *line, uint8_t byte, bool is_first, bool is_last)
{
    const char text[3] = { '\\', (char)byte, '\0' };
    bool is_edge_space = byte == ' ' && (is_first || is_last);

    if (byte < 0x20 || byte >= 0x7f)
        add_hex(line, "\\", byte);
    else if (strchr(",+\"\\<>;", byte) != NULL || (byte == '#' && is_first) || is_edge_space)
        add(line, text);
    else
        add(line, text + 1);
}

/* UTF-8 of a code point; the size. */
static size_t to_utf8(uint32_t code, uint8_t out[4])
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)(code | (0xf00U >> size & 0xff));
    return size;
}

/* How many bytes a character of this string type has; 0: not one that names are made of (RFC 5280,
 * section 4.1.2.4, and IA5String for mail and domains). UTF-8 goes byte by byte. */
static size_t character_size(uint8_t tag)
{
    switch (tag) {
    case CLO_DER_UTF8_STRING:
    case CLO_DER_NUMERIC_STRING:
    case CLO_DER_PRINTABLE_STRING:
    case CLO_DER_T61_STRING:
    case CLO_DER_IA5_STRING:
        return 1;
    case CLO_DER_BMP_STRING:
        return 2;
    case CLO_DER_UNIVERSAL_STRING:
        return 4;
    default:
        return 0;
    }
}

/* Whole characters, and no others than Unicode has: two readers of anything else could see two names. */
static bool check_string(const struct clo_der *value)
{
    struct clo_reader r = clo_reader(value->value);
    size_t size = character_size(value->tag);

    if (size == 0 || value->value.size % size != 0)
        return false;
    while (clo_reader_left(&r) > 0) {
        uint32_t code = value->tag == CLO_DER_UTF8_STRING ? clo_utf8_next(&r)
                        : size == 4                       ? clo_read_be32(&r)
                        : size == 2                       ? clo_read_be16(&r)
                                                          : clo_read_u8(&r);
        if (!clo_utf8_is_scalar(code))
            return false;
    }
    return true;
}

static void add_string(struct line *line, const struct clo_der *value)
{
    size_t size = character_size(value->tag);

    for (size_t at = 0; size <= value->value.size && at <= value->value.size - size; at += size) {
        uint8_t utf8[4];
        uint32_t code = 0;
        for (size_t i = 0; i < size; i++)
            code = code << 8 | value->value.data[at + i];
        bool is_byte = value->tag == CLO_DER_UTF8_STRING || code < 0x80;
        size_t count = is_byte ? 1 : to_utf8(code & 0x1fffff, utf8);
        if (is_byte)
            utf8[0] = (uint8_t)code;
        for (size_t i = 0; i < count; i++)
            add_byte(line, utf8[i], at == 0, at + size == value->value.size);
    }
}

static void add_attribute(struct line *line, struct clo_bytes oid, const struct clo_der *value)
{
    const char *name = NULL;
    char dotted[128];

    for (size_t i = 0; oid.size == 3 && i < CLO_COUNT(x520_names); i++)
        if (oid.data[0] == 0x55 && oid.data[1] == 0x04 && oid.data[2] == x520_names[i].arc)
            name = x520_names[i].name;
    if (name == NULL)
        clo_der_oid_text(oid, dotted, sizeof dotted);
    for (size_t i = 0; name == NULL && i < CLO_COUNT(other_names); i++)
        if (strcmp(other_names[i].oid, dotted) == 0)
            name = other_names[i].name;
    add(line, name != NULL ? name : dotted);
    add(line, "=");
    if (name != NULL) {
        add_string(line, value);
        return;
    }
    add(line, "#");
    for (size_t i = 0; i < value->whole.size && line->used + 1 < line->size; i++)
        add_hex(line, "", value->whole.data[i]);
}

/* One RelativeDistinguishedName: usually one attribute. */
static bool add_part(struct line *line, struct clo_bytes part)
{
    struct clo_reader r = clo_reader(part);

    for (bool is_first = true; clo_reader_left(&r) > 0; is_first = false) {
        struct clo_reader attribute = clo_der_enter(&r, CLO_DER_SEQUENCE);
        struct clo_bytes oid = clo_der_value(&attribute, CLO_DER_OID);
        struct clo_der value = clo_der_next(&attribute);
        if (!clo_der_done(&attribute) || !check_string(&value))
            return false;
        if (!is_first)
            add(line, "+");
        add_attribute(line, oid, &value);
    }
    return clo_reader_ok(&r) && part.size > 0;
}

bool x509_name_text(struct clo_bytes name, char out[X509_NAME_TEXT])
{
    struct line line = { .text = out, .size = X509_NAME_TEXT };
    struct clo_reader r = clo_reader(name);
    struct clo_reader inside = clo_der_enter(&r, CLO_DER_SEQUENCE);
    struct clo_bytes parts[PARTS_MAX];
    size_t count = 0;

    out[0] = '\0';
    while (clo_reader_left(&inside) > 0 && count < PARTS_MAX)
        parts[count++] = clo_der_value(&inside, CLO_DER_SET);
    if (!clo_der_done(&r) || !clo_der_done(&inside))
        return false;
    for (size_t i = count; i > 0; i--) {
        if (i != count)
            add(&line, ",");
        if (!add_part(&line, parts[i - 1]))
            return false;
    }
    clo_sanitize(out);
    return true;
}
