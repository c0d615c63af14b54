/* A shim made in memory, as far as we look at it: sections with long names, whose names are COFF strings. */
#ifndef CLOISTER_TEST_SHIM_MAKER_H
#define CLOISTER_TEST_SHIM_MAKER_H

#include "cloister/shim.h"
#include "pe_maker.h"

#define SHIM_IDENT     "UEFI SHIM\n$Version: 16.1 $\n$Commit: 1234 $\n"
#define SHIM_SBAT      "sbat,1,SBAT Version\nshim,4,UEFI shim\nshim.test,1,us\n"
#define SHIM_AUTOMATIC "sbat,1,2025021800\nshim,4\ngrub,5\n"
#define SHIM_LATEST    "sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n"

struct shim_parts {
    const char *ident; /* NULL: SHIM_IDENT, as with the others */
    const char *sbat;
    const char *automatic;
    const char *latest;
    struct clo_bytes allowed, forbidden;
};

static inline void shim_vendor_cert(struct clo_buffer *out, struct clo_bytes allowed,
                                    struct clo_bytes forbidden)
{
    clo_buffer_le32(out, (uint32_t)allowed.size);
    clo_buffer_le32(out, (uint32_t)forbidden.size);
    clo_buffer_le32(out, 16);
    clo_buffer_le32(out, 16 + (uint32_t)allowed.size);
    clo_buffer_append(out, allowed);
    clo_buffer_append(out, forbidden);
}

static inline void shim_sbatlevel(struct clo_buffer *out, const char *automatic, const char *latest)
{
    clo_buffer_le32(out, 0);
    clo_buffer_le32(out, 8);
    clo_buffer_le32(out, 8 + (uint32_t)strlen(automatic) + 1);
    clo_buffer_append(out, clo_bytes(automatic, strlen(automatic) + 1));
    clo_buffer_append(out, clo_bytes(latest, strlen(latest) + 1));
}

/* The strings stand after the sections: their size, then the names from byte 4 on. */
static inline void shim_make_from(struct clo_buffer *out, struct clo_bytes ident,
                                  struct clo_bytes level, struct clo_bytes vendor,
                                  struct clo_bytes sbat)
{
    static const char strings[] = "\x28\0\0\0.data.ident\0.sbatlevel\0.vendor_cert";
    const struct pe_section sections[] = {
        { ".text", clo_bytes_text("code") },
        { "/4", ident },
        { "/16", level },
        { "/27", vendor },
        { ".sbat", sbat },
    };

    pe_make(out, sections, CLO_COUNT(sections));
    pe_put(out, PE_COFF + 8, (uint32_t)out->size, 4);
    clo_buffer_append(out, clo_bytes(strings, sizeof strings));
    if (!clo_buffer_ok(out))
        fail_msg("out of memory");
}

static inline void shim_make(struct clo_buffer *out, struct shim_parts parts)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer level = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vendor = { 0 };

    shim_vendor_cert(&vendor, parts.allowed, parts.forbidden);
    shim_sbatlevel(&level, parts.automatic == NULL ? SHIM_AUTOMATIC : parts.automatic,
                   parts.latest == NULL ? SHIM_LATEST : parts.latest);
    shim_make_from(out, clo_bytes_text(parts.ident == NULL ? SHIM_IDENT : parts.ident),
                   clo_buffer_bytes(&level), clo_buffer_bytes(&vendor),
                   clo_bytes_text(parts.sbat == NULL ? SHIM_SBAT : parts.sbat));
}

#endif
