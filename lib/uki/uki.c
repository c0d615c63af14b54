#include "cloister/uki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/uki/stub.h"
#include "uki_internal.h"

/* In the order of systemd's enum, with what a stub that measures it does. .pcrsig is never measured: it
 * holds signatures over the result. */
static const struct {
    const char *name;
    enum stub_act by;
} measured[] = {
    { ".linux", STUB_MEASURES },         { ".osrel", STUB_MEASURES },
    { ".cmdline", STUB_MEASURES },       { ".initrd", STUB_MEASURES },
    { ".ucode", STUB_TAKES_UCODE },      { ".splash", STUB_MEASURES },
    { ".dtb", STUB_MEASURES },           { ".uname", STUB_MEASURES_UNAME },
    { ".sbat", STUB_MEASURES_SBAT },     { ".pcrpkey", STUB_MEASURES },
    { ".profile", STUB_KNOWS_PROFILES }, { ".dtbauto", STUB_KNOWS_PROFILES },
    { ".hwids", STUB_KNOWS_PROFILES },   { ".efifw", STUB_TAKES_EFIFW },
};

bool clo_uki_is_measured(unsigned stub_version, const char *section)
{
    for (size_t i = 0; i < CLO_COUNT(measured); i++)
        if (strcmp(measured[i].name, section) == 0)
            return stub_does(stub_version, measured[i].by);
    return false;
}

bool clo_uki_is_section(const char *name)
{
    return strcmp(name, ".pcrsig") == 0 || clo_uki_is_measured(UINT32_MAX, name);
}

bool uki_may_repeat(const char *name)
{
    return strcmp(name, ".dtbauto") == 0 || strcmp(name, ".efifw") == 0;
}

/* --- Profiles --- */

static const char *name_at(const struct names *names, size_t index)
{
    return names->first + names->stride * index;
}

size_t uki_find(const struct names *names, size_t profile, const char *name)
{
    size_t current = CLO_UKI_BASE;

    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(name_at(names, i), ".profile") == 0)
            current++; /* from the base to 0 */
        if (current == profile && strcmp(name_at(names, i), name) == 0)
            return i;
    }
    return names->count;
}

size_t uki_group_end(const struct names *names, size_t profile)
{
    size_t current = CLO_UKI_BASE;

    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(name_at(names, i), ".profile") != 0)
            continue;
        if (current == profile)
            return i;
        current++;
    }
    return names->count;
}

/* Which of several sections of a name a stub takes. From 257 on it knows profiles; before, all of them
 * are one list to it, of which 256 takes the first, and older ones the last. */
static size_t pick(const struct names *names, unsigned stub_version, size_t profile,
                   const char *name)
{
    size_t found = names->count;

    if (stub_version == 0 || stub_does(stub_version, STUB_KNOWS_PROFILES)) {
        found = uki_find(names, profile, name);
        return found < names->count ? found : uki_find(names, CLO_UKI_BASE, name);
    }
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(name_at(names, i), name) == 0 &&
            (found == names->count || !stub_does(stub_version, STUB_TAKES_FIRST)))
            found = i;
    return found;
}

size_t uki_measured(const struct names *names, unsigned stub_version, size_t profile, size_t index,
                    bool (*is_empty)(const struct names *, size_t))
{
    for (size_t i = 0; i < CLO_COUNT(measured); i++) {
        if (!stub_does(stub_version, measured[i].by))
            continue;
        size_t at = pick(names, stub_version, profile, measured[i].name);
        if (at < names->count && !is_empty(names, at) && index-- == 0)
            return at;
    }
    return names->count;
}

static struct names names_of(const struct clo_pe *pe)
{
    return (struct names){ pe->sections[0].name, sizeof pe->sections[0], pe->section_count, pe };
}

static bool is_section_empty(const struct names *names, size_t index)
{
    const struct clo_pe *pe = names->of;

    return pe->sections[index].virtual_size == 0;
}

const struct clo_pe_section *clo_uki_measured_in(const struct clo_uki *uki, size_t profile,
                                                 size_t index)
{
    struct names names = names_of(&uki->pe);
    size_t at = uki_measured(&names, uki->stub_version, profile, index, is_section_empty);

    return at < names.count ? &uki->pe.sections[at] : NULL;
}

const struct clo_pe_section *clo_uki_section(const struct clo_uki *uki, size_t profile,
                                             const char *name)
{
    struct names names = names_of(&uki->pe);
    size_t at = pick(&names, uki->stub_version, profile, name);

    return at < names.count ? &uki->pe.sections[at] : NULL;
}

/* --- Reading --- */

/* .sdmagic: "#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####". */
static void read_magic(struct clo_bytes magic, struct clo_uki *uki)
{
    static const char before[] = "LoaderInfo: ";
    const uint8_t *start =
            magic.size == 0 ? NULL : memmem(magic.data, magic.size, before, strlen(before));

    uki->stub[0] = '\0';
    uki->stub_version = 0;
    if (start == NULL)
        return;
    start += strlen(before);
    size_t left = magic.size - (size_t)(start - magic.data);
    const uint8_t *end = memmem(start, left, " ####", 5);
    size_t size = end == NULL ? 0 : (size_t)(end - start);
    if (size == 0 || size >= sizeof uki->stub)
        return;
    memcpy(uki->stub, start, size);
    uki->stub[size] = '\0';
    clo_sanitize(uki->stub);
    const char *name = uki->stub;
    if (strncmp(name, "systemd-stub ", 13) == 0)
        uki->stub_version = (unsigned)strtoul(name + 13, NULL, 10);
}

/* The stub takes the first of a name in a profile; a second one would be there unseen. */
static bool check_doubles(struct clo_uki *uki, struct clo_error *err)
{
    struct names names = names_of(&uki->pe);
    size_t profile = CLO_UKI_BASE;

    uki->profile_count = 0;
    for (size_t i = 0; i < names.count; i++) {
        const char *name = name_at(&names, i);
        if (strcmp(name, ".profile") == 0)
            profile = uki->profile_count++;
        else if (clo_uki_is_section(name) && !uki_may_repeat(name) &&
                 uki_find(&names, profile, name) != i)
            return clo_fail(err, CLO_ERR_FORMAT, "section %s is there twice%s", name,
                            profile == CLO_UKI_BASE ? "" : " in one profile");
    }
    return true;
}

bool clo_uki_read(struct clo_uki *uki, struct clo_error *err)
{
    const struct clo_pe_section *magic = clo_pe_section_find(&uki->pe, ".sdmagic");

    read_magic(magic == NULL ? clo_bytes(NULL, 0) : magic->data, uki);
    uki->profile_count = 0;
    if (clo_pe_section_find(&uki->pe, ".linux") == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "is not a UKI: section .linux is missing");
    if (magic == NULL)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "is not a UKI of systemd's stub: section .sdmagic is missing");
    return check_doubles(uki, err);
}

bool clo_uki_parse(struct clo_bytes in, struct clo_uki *out, struct clo_error *err)
{
    if (!clo_pe_parse(in, &out->pe, err) || !clo_uki_read(out, err))
        return false;
    for (size_t i = 0; i < out->pe.section_count; i++) {
        const struct clo_pe_section *section = &out->pe.sections[i];
        if (section->virtual_size > section->raw_size && clo_uki_is_section(section->name))
            return clo_fail(err, CLO_ERR_FORMAT,
                            "section %s: 0x%x bytes in memory, 0x%x in the file", section->name,
                            section->virtual_size, section->raw_size);
    }
    return true;
}

bool clo_uki_field(struct clo_bytes text, const char *key, char *out, size_t size)
{
    size_t key_size = strlen(key);

    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t length = end == NULL ? text.size : (size_t)(end - text.data);
        struct clo_bytes value = clo_bytes_slice(text, key_size + 1, 0);
        if (length > key_size && memcmp(text.data, key, key_size) == 0 &&
            text.data[key_size] == '=') {
            value.size = length - key_size - 1;
            while (value.size > 0 && strchr(" \t\r", value.data[value.size - 1]) != NULL)
                value.size--;
            if (value.size >= 2 && (value.data[0] == '"' || value.data[0] == '\'') &&
                value.data[value.size - 1] == value.data[0])
                value = clo_bytes_slice(value, 1, value.size - 2);
            snprintf(out, size, "%.*s", (int)(value.size < size ? value.size : size - 1),
                     (const char *)value.data);
            clo_sanitize(out);
            return true;
        }
        text = clo_bytes_slice(text, length + 1, text.size);
    }
    return false;
}

/* --- Kernels --- */

/* Up to what cannot be in a release. */
static bool take_release(struct clo_bytes text, char *out, size_t size)
{
    size_t length = 0;

    while (length < text.size && text.data[length] > ' ' && text.data[length] < 0x7f)
        length++;
    if (length == 0 || length >= size)
        return false;
    memcpy(out, text.data, length);
    out[length] = '\0';
    return true;
}

bool clo_kernel_release(struct clo_bytes kernel, char *out, size_t size)
{
    struct clo_reader r = clo_reader(kernel);

    r.at = 0x202;
    if (kernel.size < 0x210)
        return false;
    struct clo_bytes magic = clo_read_bytes(&r, 4);
    if (memcmp(magic.data, "HdrS", 4) != 0)
        return false;
    r.at = 0x20e;
    size_t at = (size_t)clo_read_le16(&r) + 0x200; /* kernel_version */
    return take_release(clo_bytes_slice(kernel, at, 256), out, size);
}

bool clo_kernel_banner(struct clo_bytes piece, char *out, size_t size)
{
    static const char before[] = "Linux version ";

    while (piece.size > 0) {
        const uint8_t *start = memmem(piece.data, piece.size, before, strlen(before));
        if (start == NULL)
            return false;
        size_t at = (size_t)(start - piece.data) + strlen(before);
        struct clo_bytes text = clo_bytes_slice(piece, at, CLO_KERNEL_BANNER_MAX);
        /* "%s" of a format string is not a release. */
        if (memchr(text.data, ' ', text.size) != NULL && text.data[0] >= '0' &&
            text.data[0] <= '9' && take_release(text, out, size))
            return true;
        piece = clo_bytes_slice(piece, at, piece.size);
    }
    return false;
}
