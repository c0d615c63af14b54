#include "handover.h"

#include <string.h>

#define STUB_TRIMS_BOTH_ENDS 253
#define STUB_HANDS_UCODE     256

/* --- Command line --- */

static bool is_blank(uint8_t c)
{
    return c <= ' ' || c == 0x7f;
}

bool handover_cmdline(const struct clo_uki *uki, struct clo_buffer *out, struct clo_error *err)
{
    const struct clo_pe_section *section = clo_pe_section_find(&uki->pe, ".cmdline");

    if (section == NULL || section->data.size == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the UKI has no .cmdline: whoever starts it chooses the command line");
    struct clo_bytes text = section->data;
    const uint8_t *end = memchr(text.data, 0, text.size);
    if (end != NULL)
        text.size = (size_t)(end - text.data);
    while (uki->stub_version >= STUB_TRIMS_BOTH_ENDS && text.size > 0 && is_blank(text.data[0]))
        text = clo_bytes_slice(text, 1, text.size);
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        clo_buffer_u8(out, is_blank(text.data[i]) ? ' ' : text.data[i]);
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

/* --- Initrd --- */

static void append_entry(struct clo_buffer *out, unsigned inode, unsigned mode, const char *name,
                         struct clo_bytes data)
{
    clo_buffer_printf(out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode,
                      mode, 0U, 0U, 1U, 0U, (unsigned)data.size, 0U, 0U, 0U, 0U,
                      (unsigned)strlen(name) + 1, 0U);
    clo_buffer_text(out, name);
    clo_buffer_u8(out, 0);
    clo_buffer_align(out, 4);
    clo_buffer_append(out, data);
    clo_buffer_align(out, 4);
}

/* One archive with one file. */
static void append_archive(struct clo_buffer *out, const char *name, struct clo_bytes data)
{
    /* Magic, 4 empty fields, one link, 6 empty fields, the name's size (in upper case), no sum. */
    static const char trailer[] = "070701"
                                  "00000000000000000000000000000000"
                                  "00000001"
                                  "000000000000000000000000000000000000000000000000"
                                  "0000000B"
                                  "00000000"
                                  "TRAILER!!!";

    append_entry(out, 1, 040555, ".extra", clo_bytes(NULL, 0));
    append_entry(out, 2, 0100444, name, data);
    clo_buffer_append(out, clo_bytes(trailer, sizeof trailer));
    clo_buffer_align(out, 4);
}

/* In the order in which the stub puts them behind the initrd. */
static const struct {
    const char *section;
    const char *file;
    unsigned since;
} files[] = {
    { ".pcrsig", ".extra/tpm2-pcr-signature.json", 252 },
    { ".pcrpkey", ".extra/tpm2-pcr-public-key.pem", 252 },
    { ".osrel", ".extra/os-release", 257 },
    { ".profile", ".extra/profile", 257 },
};

static struct clo_bytes section_data(const struct clo_uki *uki, const char *name)
{
    const struct clo_pe_section *section = clo_pe_section_find(&uki->pe, name);

    return section == NULL ? clo_bytes(NULL, 0) : section->data;
}

/* Several pieces are each padded to 4 bytes; one alone stays as it is. */
static void add_part(struct handover_initrd *initrd, struct clo_bytes part, bool is_padded)
{
    static const uint8_t zeros[4];

    if (part.size == 0)
        return;
    initrd->parts[initrd->count++] = part;
    if (is_padded && part.size % 4 != 0)
        initrd->parts[initrd->count++] = clo_bytes(zeros, 4 - part.size % 4);
}

bool handover_initrd(const struct clo_uki *uki, struct handover_initrd *out, struct clo_error *err)
{
    struct handover_initrd initrd = { 0 };
    struct clo_bytes base = section_data(uki, ".initrd");
    struct clo_bytes ucode =
            uki->stub_version < STUB_HANDS_UCODE ? clo_bytes(NULL, 0) : section_data(uki, ".ucode");

    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        struct clo_bytes data = section_data(uki, files[i].section);
        if (data.size > 0 && uki->stub_version >= files[i].since)
            append_archive(&initrd.archives, files[i].file, data);
    }
    if (!clo_buffer_ok(&initrd.archives)) {
        handover_initrd_free(&initrd);
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    }
    bool is_combined = (ucode.size > 0) + (base.size > 0) + (initrd.archives.size > 0) > 1;
    add_part(&initrd, ucode, is_combined);
    add_part(&initrd, base, is_combined);
    add_part(&initrd, clo_buffer_bytes(&initrd.archives), false);
    *out = initrd;
    return true;
}

void handover_initrd_free(struct handover_initrd *initrd)
{
    clo_buffer_free(&initrd->archives);
}
