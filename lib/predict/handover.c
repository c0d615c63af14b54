#include "lib/predict/handover.h"

#include <stdlib.h>
#include <string.h>

#include "lib/predict/companions.h"
#include "lib/uki/stub.h"

/* --- Command line --- */

static bool is_blank(uint8_t c)
{
    return c <= ' ' || c == 0x7f;
}

void handover_clean(struct clo_bytes text, unsigned stub_version, struct clo_buffer *out)
{
    const uint8_t *end = text.size == 0 ? NULL : memchr(text.data, 0, text.size);

    if (end != NULL)
        text.size = (size_t)(end - text.data);
    while (stub_does(stub_version, STUB_TRIMS_BOTH_ENDS) && text.size > 0 && is_blank(text.data[0]))
        text = clo_bytes_slice(text, 1, text.size);
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        clo_buffer_u8(out, is_blank(text.data[i]) ? ' ' : text.data[i]);
}

/* Is there a character beyond U+FFFF, of four bytes, at this place? */
static bool is_beyond(struct clo_bytes text, size_t at)
{
    if (at > text.size || text.size - at < 4 || text.data[at] < 0xf0 || text.data[at] > 0xf4)
        return false;
    for (size_t k = 1; k < 4; k++)
        if ((text.data[at + k] & 0xc0) != 0x80)
            return false;
    return true;
}

/* Of UTF-8 in a section the stub makes UCS-2, drops what that has no room for, beyond U+FFFF, and then cleans
 * what is left, as boots of 252 and 257 with such characters at both ends have shown. */
bool handover_section_text(struct clo_bytes text, unsigned stub_version, struct clo_buffer *out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer left = { 0 };
    const uint8_t *end = text.size == 0 ? NULL : memchr(text.data, 0, text.size);

    if (end != NULL)
        text.size = (size_t)(end - text.data);
    for (size_t i = 0; i < text.size; i++) {
        if (is_beyond(text, i))
            i += 3;
        else
            clo_buffer_u8(&left, text.data[i]);
    }
    handover_clean(clo_buffer_bytes(&left), stub_version, out);
    return (clo_buffer_ok(&left) && clo_buffer_ok(out)) || clo_out_of_memory(err);
}

uint32_t handover_dropped(struct clo_bytes text)
{
    for (size_t i = 0; i < text.size && text.data[i] != 0; i++)
        if (is_beyond(text, i))
            return (uint32_t)(text.data[i] & 0x07) << 18 |
                   (uint32_t)(text.data[i + 1] & 0x3f) << 12 |
                   (uint32_t)(text.data[i + 2] & 0x3f) << 6 | (text.data[i + 3] & 0x3f);
    return 0;
}

bool handover_cmdline(const struct clo_uki *uki, size_t profile, struct clo_buffer *out,
                      struct clo_error *err)
{
    const struct clo_pe_section *section = clo_uki_section(uki, profile, ".cmdline");

    if (section == NULL || section->data.size == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the UKI has no .cmdline: what starts it chooses the command line");
    return handover_section_text(section->data, uki->stub_version, out, err);
}

/* --- Initrd --- */

/* Archives of one file each, in the order in which the stub puts them after the initrd. */
static const struct {
    const char *section;
    const char *file;
    enum stub_act by;
} files[] = {
    { ".pcrsig", "tpm2-pcr-signature.json", STUB_MEASURES },
    { ".pcrpkey", "tpm2-pcr-public-key.pem", STUB_MEASURES },
    { ".osrel", "os-release", STUB_PACKS_OSREL },
    { ".profile", "profile", STUB_PACKS_OSREL },
};

static struct clo_bytes section_data(const struct clo_pe *pe, const char *name)
{
    const struct clo_pe_section *section = clo_pe_section_find(pe, name);

    return section == NULL ? clo_bytes(NULL, 0) : section->data;
}

static struct clo_bytes own_data(const struct clo_uki *uki, size_t profile, const char *name)
{
    const struct clo_pe_section *section = clo_uki_section(uki, profile, name);

    return section == NULL ? clo_bytes(NULL, 0) : section->data;
}

static void pack_sections(const struct clo_uki *uki, size_t profile, struct clo_buffer *out)
{
    static const struct stub_folder extra = { ".extra", 0555, 0444 };

    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        const struct stub_file file = { files[i].file, own_data(uki, profile, files[i].section) };
        if (file.data.size > 0 && stub_does(uki->stub_version, files[i].by))
            stub_archive_append(out, &extra, &file, 1);
    }
}

static void add_part(struct handover_initrd *initrd, struct clo_bytes part)
{
    if (part.size > 0)
        initrd->parts[initrd->count++] = part;
}

/* The kernel takes the first microcode that it finds, so the last add-on's comes first. */
static void add_parts(const struct clo_uki *uki, size_t profile,
                      const struct companions *companions, struct handover_initrd *initrd)
{
    for (size_t i = companions->addon_count; i-- > 0;)
        if (companions->addons[i].is_applied)
            add_part(initrd, section_data(&companions->addons[i].pe, ".ucode"));
    if (stub_does(uki->stub_version, STUB_TAKES_UCODE))
        add_part(initrd, own_data(uki, profile, ".ucode"));
    add_part(initrd, own_data(uki, profile, ".initrd"));
    for (size_t i = 0; i < COMPANION_ARCHIVES; i++)
        add_part(initrd, clo_buffer_bytes(&companions->archives[i].bytes));
    add_part(initrd, clo_buffer_bytes(&initrd->archives));
    for (size_t i = 0; i < companions->addon_count; i++)
        if (companions->addons[i].is_applied)
            add_part(initrd, section_data(&companions->addons[i].pe, ".initrd"));
}

/* Several pieces are each padded to 4 bytes; one alone stays as it is. */
static void pad_parts(struct handover_initrd *initrd)
{
    static const uint8_t zeros[4];

    if (initrd->count < 2)
        return;
    for (size_t i = initrd->count; i-- > 0;) {
        struct clo_bytes part = initrd->parts[i];
        initrd->parts[2 * i] = part;
        initrd->parts[2 * i + 1] = clo_bytes(zeros, (4 - part.size % 4) % 4);
    }
    initrd->count *= 2;
}

bool handover_initrd(const struct clo_uki *uki, size_t profile, const struct companions *companions,
                     struct handover_initrd *out, struct clo_error *err)
{
    CLO_CLEANUP(handover_initrd_free) struct handover_initrd initrd = { 0 };
    size_t most = 3 + 2 * companions->addon_count + COMPANION_ARCHIVES;

    initrd.parts = calloc(2 * most, sizeof *initrd.parts);
    pack_sections(uki, profile, &initrd.archives);
    if (initrd.parts == NULL || !clo_buffer_ok(&initrd.archives))
        return clo_out_of_memory(err);
    add_parts(uki, profile, companions, &initrd);
    pad_parts(&initrd);
    *out = initrd;
    initrd = (struct handover_initrd){ 0 };
    return true;
}

void handover_initrd_free(struct handover_initrd *initrd)
{
    clo_buffer_free(&initrd->archives);
    free(initrd->parts);
    *initrd = (struct handover_initrd){ 0 };
}
