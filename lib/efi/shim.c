#include "cloister/shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/signature_list.h"

#define SYMBOL_SIZE      18 /* of COFF's symbol table, before its strings */
#define DATE_SIZE        10 /* "2025021800" */
#define LEVEL_SIZE_MAX   4096
#define LEVEL_ORIGINAL   "sbat,1,2021030218\n"
#define POLICY_LATEST    1
#define POLICY_AUTOMATIC 2

/* 605dab50-e046-4300-abb6-3dd810dd8b23 */
const struct clo_guid clo_guid_shim_lock = { { 0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab,
                                               0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23 } };

/* --- Sections: those with long names have "/N" in the table, and the name among COFF's strings --- */

static struct clo_bytes strings_of(const struct clo_pe *pe)
{
    struct clo_reader r = clo_reader(pe->file);

    r.at = pe->coff_offset + 8;
    size_t at = clo_read_le32(&r);
    size_t symbols = clo_read_le32(&r);
    size_t size;
    if (!clo_reader_ok(&r) || at == 0 || !clo_mul(symbols, SYMBOL_SIZE, &size) ||
        !clo_add(at, size, &at))
        return clo_bytes(NULL, 0);
    return clo_bytes_slice(pe->file, at, pe->file.size);
}

static bool is_named(const struct clo_pe_section *section, struct clo_bytes strings,
                     const char *name)
{
    char *end;

    if (section->name[0] != '/')
        return strcmp(section->name, name) == 0;
    unsigned long at = strtoul(section->name + 1, &end, 10);
    struct clo_bytes found = clo_bytes_slice(strings, at, strlen(name) + 1);
    return end != section->name + 1 && *end == '\0' &&
           clo_bytes_equal(found, clo_bytes(name, strlen(name) + 1));
}

/* Empty if there is none. */
static struct clo_bytes section_of(const struct clo_pe *pe, const char *name)
{
    struct clo_bytes strings = strings_of(pe);

    for (size_t i = 0; i < pe->section_count; i++)
        if (is_named(&pe->sections[i], strings, name))
            return pe->sections[i].data;
    return clo_bytes(NULL, 0);
}

bool clo_shim_is(const struct clo_pe *pe)
{
    return section_of(pe, ".vendor_cert").size > 0;
}

/* --- .data.ident: "UEFI SHIM\n$Version: 16.1 $\n…" --- */

static bool read_version(struct clo_shim *shim, struct clo_error *err)
{
    static const char mark[] = "$Version: ";
    struct clo_bytes ident = section_of(&shim->pe, ".data.ident");
    const uint8_t *found =
            ident.size == 0 ? NULL : memmem(ident.data, ident.size, mark, sizeof mark - 1);

    if (found == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, ".data.ident: it does not say its version");
    struct clo_bytes text =
            clo_bytes_slice(ident, (size_t)(found - ident.data) + sizeof mark - 1, ident.size);
    size_t size = 0;
    while (size < text.size && size < sizeof shim->version - 1 &&
           strchr("0123456789.", text.data[size]) != NULL && text.data[size] != '\0')
        size++;
    memcpy(shim->version, text.data, size);
    if (sscanf(shim->version, "%3u.%3u", &shim->major, &shim->minor) < 1)
        return clo_fail(err, CLO_ERR_FORMAT, ".data.ident: no version after \"%s\"", mark);
    return true;
}

/* --- .vendor_cert: sizes and places of what is allowed and forbidden --- */

static bool is_certificate(struct clo_bytes allowed)
{
    return allowed.size > 4 && allowed.data[0] == 0x30 && allowed.data[1] == 0x82 &&
           ((size_t)allowed.data[2] << 8 | allowed.data[3]) == allowed.size - 4;
}

static bool take(struct clo_bytes table, uint32_t at, uint32_t size, const char *what,
                 struct clo_bytes *out, struct clo_error *err)
{
    if (at > table.size || size > table.size - at)
        return clo_fail(err, CLO_ERR_FORMAT, ".vendor_cert: %s: %u bytes at %u, it has %zu", what,
                        size, at, table.size);
    *out = clo_bytes_slice(table, at, size);
    return true;
}

static bool read_vendor(struct clo_shim *shim, struct clo_error *err)
{
    struct clo_bytes table = section_of(&shim->pe, ".vendor_cert");
    struct clo_reader r = clo_reader(table);
    struct clo_bytes allowed;

    uint32_t allowed_size = clo_read_le32(&r);
    uint32_t dbx_size = clo_read_le32(&r);
    uint32_t allowed_at = clo_read_le32(&r);
    uint32_t dbx_at = clo_read_le32(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, ".vendor_cert: %zu bytes", table.size);
    if (!take(table, allowed_at, allowed_size, "what is allowed", &allowed, err) ||
        !take(table, dbx_at, dbx_size, "what is forbidden", &shim->dbx, err))
        return false;
    if (is_certificate(allowed))
        shim->certificate = allowed;
    else
        shim->db = allowed;
    return (clo_signature_lists_check(shim->db, NULL, err) &&
            clo_signature_lists_check(shim->dbx, NULL, err)) ||
           clo_wrap(err, ".vendor_cert");
}

/* --- .sbatlevel: two texts --- */

static bool read_level(struct clo_bytes payload, uint32_t at, struct clo_bytes *out,
                       struct clo_error *err)
{
    struct clo_bytes text = clo_bytes_slice(payload, at, LEVEL_SIZE_MAX);
    const uint8_t *nul = text.size == 0 ? NULL : memchr(text.data, '\0', text.size);

    if (nul == NULL || strncmp((const char *)text.data, "sbat,", 5) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, ".sbatlevel: no level at %u", at);
    *out = clo_bytes(text.data, (size_t)(nul - text.data));
    return true;
}

static bool read_levels(struct clo_shim *shim, struct clo_error *err)
{
    struct clo_bytes section = section_of(&shim->pe, ".sbatlevel");
    struct clo_reader r = clo_reader(section);

    uint32_t version = clo_read_le32(&r);
    uint32_t automatic = clo_read_le32(&r);
    uint32_t latest = clo_read_le32(&r);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, ".sbatlevel: %zu bytes", section.size);
    if (version != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, ".sbatlevel: version %u", version);
    /* Places are counted from after the version. */
    struct clo_bytes payload = clo_bytes_slice(section, 4, section.size);
    return read_level(payload, automatic, &shim->level_automatic, err) &&
           read_level(payload, latest, &shim->level_latest, err);
}

bool clo_shim_parse(struct clo_bytes in, struct clo_shim *out, struct clo_error *err)
{
    struct clo_shim shim = { .version = "" };

    if (!clo_pe_parse(in, &shim.pe, err))
        return false;
    if (!clo_shim_is(&shim.pe))
        return clo_fail(err, CLO_ERR_FORMAT, "is not a shim: section .vendor_cert is missing");
    if (!read_version(&shim, err))
        return false;
    if (shim.major < 15 || (shim.major == 15 && shim.minor < 8))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "shim %s: from 15.8 on (those before are revoked: SBAT shim,4)",
                        shim.version);
    if (!read_vendor(&shim, err) || !read_levels(&shim, err))
        return false;
    shim.sbat = section_of(&shim.pe, ".sbat");
    *out = shim;
    return true;
}

/* --- SbatLevel --- */

/* "sbat,VERSION,DATE": where the text of VERSION begins and how long it is; false: it has another form. */
struct level_head {
    struct clo_bytes version;
    struct clo_bytes date;
};
static bool read_head(struct clo_bytes level, struct level_head *out)
{
    struct clo_bytes rest = clo_bytes_slice(level, 5, level.size);
    const uint8_t *comma = rest.size == 0 ? NULL : memchr(rest.data, ',', rest.size);

    if (level.size < sizeof LEVEL_ORIGINAL - 1 || memcmp(level.data, "sbat,", 5) != 0 ||
        comma == NULL)
        return false;
    out->version = clo_bytes(rest.data, (size_t)(comma - rest.data));
    out->date = clo_bytes_slice(rest, out->version.size + 1, DATE_SIZE);
    return out->date.size == DATE_SIZE;
}

/* Is it newer than the other, or just as new? Shim compares texts. */
static bool is_kept(struct clo_bytes current, struct clo_bytes candidate)
{
    struct level_head a;
    struct level_head b;

    if (!read_head(current, &a) || !read_head(candidate, &b))
        return false;
    if (a.version.size != b.version.size)
        return a.version.size > b.version.size;
    int order = memcmp(a.version.data, b.version.data, a.version.size);
    return order > 0 || memcmp(a.date.data, b.date.data, DATE_SIZE) >= 0;
}

struct clo_bytes clo_shim_level(const struct clo_shim *shim, struct clo_bytes current,
                                uint8_t policy, bool is_secure_boot_on)
{
    struct clo_bytes candidate =
            policy == POLICY_LATEST ? shim->level_latest : shim->level_automatic;

    /* Without Secure Boot what was revoked is forgotten, unless a policy says otherwise. */
    if (!is_secure_boot_on && policy != POLICY_LATEST && policy != POLICY_AUTOMATIC)
        return clo_bytes_text(LEVEL_ORIGINAL);
    return is_kept(current, candidate) ? current : candidate;
}

/* --- CSV --- */

/* A field, spaces and quotes as they stand; *at goes after its comma. */
static void read_field(const char *line, size_t *at, char *out, size_t size)
{
    size_t length = strcspn(line + *at, ",");

    snprintf(out, size, "%.*s", (int)(length < size ? length : size - 1), line + *at);
    *at += length + (line[*at + length] == ',');
}

static bool is_end(uint16_t letter)
{
    return letter == '\n' || letter == '\r' || letter == 0;
}

bool clo_shim_line(struct clo_bytes csv, struct clo_shim_line *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(csv);
    char line[1024];
    char title[sizeof out->file];
    size_t size = 0;
    size_t at = 0;

    if (csv.size >= 2 && csv.data[0] == 0xff && csv.data[1] == 0xfe)
        r.at = 2;
    while (clo_reader_left(&r) >= 2) {
        uint16_t letter = clo_read_le16(&r);
        if (is_end(letter) && size > 0)
            break;
        if (is_end(letter))
            continue;
        if (letter < ' ' || letter > '~')
            return clo_fail(err, CLO_ERR_FORMAT, "letter 0x%04x at byte %zu: not ASCII in UTF-16",
                            letter, r.at - 2);
        if (size == sizeof line - 1)
            return clo_fail(err, CLO_ERR_FORMAT, "a line of %zu letters and more", size);
        line[size++] = (char)letter;
    }
    line[size] = '\0';
    struct clo_shim_line found = { .is_only = true };
    while (clo_reader_left(&r) >= 2)
        found.is_only = is_end(clo_read_le16(&r)) && found.is_only;
    read_field(line, &at, found.file, sizeof found.file);
    read_field(line, &at, title, sizeof title);
    read_field(line, &at, found.options, sizeof found.options);
    if (found.file[0] == '\0')
        return clo_fail(err, CLO_ERR_FORMAT, "names no file");
    *out = found;
    return true;
}
