#include "lib/predict/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/sbat_level.h"

/* --- Which one is it? --- */

/* .sdmagic: "#### LoaderInfo: systemd-boot 257.13-1~deb13u1 ####". */
static bool is_systemd_boot(const struct clo_pe *pe, struct loader *out)
{
    static const char before[] = "#### LoaderInfo: ", name[] = "systemd-boot ";
    const struct clo_pe_section *magic = clo_pe_section_find(pe, ".sdmagic");
    struct clo_bytes text = magic == NULL ? clo_bytes(NULL, 0) : magic->data;
    const uint8_t *start =
            text.size == 0 ? NULL : memmem(text.data, text.size, before, strlen(before));

    if (start == NULL)
        return false;
    size_t at = (size_t)(start - text.data) + strlen(before);
    struct clo_bytes rest = clo_bytes_slice(text, at, text.size);
    const uint8_t *end = rest.size == 0 ? NULL : memmem(rest.data, rest.size, " ####", 5);
    size_t size = end == NULL ? 0 : (size_t)(end - rest.data);
    if (size < strlen(name) || size >= sizeof out->name ||
        memcmp(rest.data, name, strlen(name)) != 0)
        return false;
    memcpy(out->name, rest.data, size);
    out->name[size] = '\0';
    clo_sanitize(out->name);
    out->kind = LOADER_SYSTEMD_BOOT;
    out->version = (unsigned)strtoul(out->name + strlen(name), NULL, 10);
    return true;
}

/* Vendor, package, version and URL, with commas between: the version of who built it. */
static void grub_version(struct clo_bytes rest, struct loader *out)
{
    for (int field = 0; field < 2; field++) {
        const uint8_t *comma = rest.size == 0 ? NULL : memchr(rest.data, ',', rest.size);
        if (comma == NULL)
            return;
        rest = clo_bytes_slice(rest, (size_t)(comma - rest.data) + 1, rest.size);
    }
    const uint8_t *end = rest.size == 0 ? NULL : memchr(rest.data, ',', rest.size);
    size_t size = end == NULL ? rest.size : (size_t)(end - rest.data);
    snprintf(out->name, sizeof out->name, "GRUB %.*s", (int)(size > 50 ? 50 : size),
             (const char *)rest.data);
    clo_sanitize(out->name);
}

static bool is_grub(const struct clo_pe *pe, struct loader *out)
{
    const struct clo_pe_section *section = clo_pe_section_find(pe, ".sbat");
    struct clo_sbat_entry entry;
    struct clo_error ignored;
    bool is_found = false;
    size_t at = 0;

    while (section != NULL &&
           clo_sbat_next(section->data, &at, &entry, &ignored) == CLO_NEXT_ITEM) {
        is_found = is_found || strcmp(entry.name, "grub") == 0;
        if (strcmp(entry.name, "grub.debian") == 0)
            grub_version(entry.rest, out);
    }
    return is_found;
}

void loader_recognise(const struct clo_pe *pe, struct loader *out)
{
    *out = (struct loader){ .kind = LOADER_UNKNOWN };
    if (is_systemd_boot(pe, out) || !is_grub(pe, out))
        return;
    out->kind = LOADER_GRUB;
    if (out->name[0] == '\0')
        snprintf(out->name, sizeof out->name, "GRUB that is not Debian's");
}

/* --- What it does: as booted with OVMF and a TPM --- */

static const struct {
    unsigned version;
    bool does[LOADER_ACTS];
} seen[] = {
    { 252, { [LOADER_PASSES_CMDLINE] = true } },
    { 257, { [LOADER_MEASURES_CONF] = true } },
    { 262, { [LOADER_MEASURES_CONF] = true, [LOADER_MEASURES_SMBIOS] = true } },
};

bool loader_was_seen(unsigned version)
{
    for (size_t i = 0; i < CLO_COUNT(seen); i++)
        if (seen[i].version == version)
            return true;
    return false;
}

bool loader_does(unsigned version, enum loader_act what)
{
    for (size_t i = 0; i < CLO_COUNT(seen); i++)
        if (seen[i].version == version)
            return seen[i].does[what];
    return false;
}

/* --- Its files: lines of a word, blanks, and a value --- */

struct line {
    struct clo_bytes key, value;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct clo_bytes trim(struct clo_bytes text)
{
    while (text.size > 0 && is_blank(text.data[0]))
        text = clo_bytes_slice(text, 1, text.size);
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* The next line that is neither empty nor a comment; false at the end. */
static bool next_line(struct clo_bytes text, size_t *at, struct line *out)
{
    while (*at < text.size) {
        struct clo_bytes rest = clo_bytes_slice(text, *at, text.size);
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        size_t size = end == NULL ? rest.size : (size_t)(end - rest.data);
        struct clo_bytes line = trim(clo_bytes_slice(rest, 0, size));
        size_t key = 0;
        *at += size + (end != NULL);
        while (key < line.size && !is_blank(line.data[key]))
            key++;
        if (key == 0 || line.data[0] == '#')
            continue;
        out->key = clo_bytes_slice(line, 0, key);
        out->value = trim(clo_bytes_slice(line, key, line.size));
        return true;
    }
    return false;
}

static bool is_key(const struct line *line, const char *key)
{
    return clo_bytes_equal(line->key, clo_bytes_text(key));
}

/* Of printable ASCII: what becomes of other characters was never seen. */
static bool copy_value(const struct line *line, char *out, size_t size, struct clo_error *err)
{
    if (line->value.size >= size)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "%.*s: %zu letters", (int)line->key.size,
                        (const char *)line->key.data, line->value.size);
    for (size_t i = 0; i < line->value.size; i++)
        if (line->value.data[i] < ' ' || line->value.data[i] > '~')
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "%.*s: is not ASCII", (int)line->key.size,
                            (const char *)line->key.data);
    memcpy(out, line->value.data, line->value.size);
    out[line->value.size] = '\0';
    return true;
}

bool loader_conf_default(struct clo_bytes conf, char out[LOADER_ID], struct clo_error *err)
{
    struct line line;
    size_t at = 0;

    out[0] = '\0';
    while (next_line(conf, &at, &line))
        if (is_key(&line, "default") && !copy_value(&line, out, LOADER_ID, err))
            return clo_wrap(err, "loader.conf");
    return true;
}

/* --- Entries --- */

/* For people and for the order of a menu. */
static bool is_without_effect(const struct line *line)
{
    static const char *const keys[] = { "title", "version", "machine-id", "sort-key",
                                        "architecture" };

    for (size_t i = 0; i < CLO_COUNT(keys); i++)
        if (is_key(line, keys[i]))
            return true;
    return false;
}

static bool take(const struct line *line, struct loader_entry *out, char options[],
                 struct clo_error *err)
{
    const struct {
        const char *key;
        char *value;
        size_t size;
    } members[] = {
        { "linux", out->linux_path, sizeof out->linux_path },
        { "initrd", out->initrd_path, sizeof out->initrd_path },
        { "options", options, sizeof out->options - LOADER_ID - sizeof "initrd= " },
    };

    for (size_t i = 0; i < CLO_COUNT(members); i++) {
        if (!is_key(line, members[i].key))
            continue;
        if (members[i].value[0] != '\0')
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "several lines \"%s\": what comes of them was never seen",
                            members[i].key);
        return copy_value(line, members[i].value, members[i].size, err);
    }
    return is_without_effect(line) ||
           clo_fail(err, CLO_ERR_UNSUPPORTED, "\"%.*s\": what comes of it was never seen",
                    (int)line->key.size, (const char *)line->key.data);
}

bool loader_entry_parse(struct clo_bytes text, struct loader_entry *out, struct clo_error *err)
{
    struct loader_entry entry = { .linux_path = "" };
    char options[sizeof entry.options] = "";
    char path[LOADER_ID];
    struct line line;
    size_t at = 0;

    while (next_line(text, &at, &line))
        if (!take(&line, &entry, options, err))
            return false;
    if (entry.linux_path[0] != '/' || entry.initrd_path[0] != '/' || options[0] == '\0')
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "an entry without linux, initrd and options, or with paths that do not "
                        "begin with \"/\", was never seen started");
    snprintf(path, sizeof path, "%s", entry.initrd_path);
    for (char *c = path; *c != '\0'; c++)
        if (*c == '/')
            *c = '\\';
    snprintf(entry.options, sizeof entry.options, "initrd=%s %.*s", path,
             (int)(sizeof entry.options - LOADER_ID - sizeof "initrd= "), options);
    *out = entry;
    return true;
}
