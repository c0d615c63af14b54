#include "cli/measure/separator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/uki.h"
#include "lib/unpack/cpio.h"

#define INITRD_LIMIT ((size_t)1 << 30)

struct found {
    bool separator, nvpcr;
};

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name), end = strlen(ending);

    return size >= end && strcmp(name + size - end, ending) == 0;
}

static bool visit(const struct clo_cpio_entry *entry, void *context, struct clo_error *err)
{
    struct found *found = context;

    (void)err;
    found->separator =
            found->separator || ends_with(entry->name, "/systemd-pcrosseparator.service");
    found->nvpcr = found->nvpcr || ends_with(entry->name, ".nvpcr");
    return true;
}

void measure_note_initrd(struct clo_bytes uki)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *parsed = malloc(sizeof *parsed);
    const struct clo_pe_section *last = NULL;
    struct found found = { false, false };
    struct clo_error ignored;

    if (parsed == NULL || !clo_uki_parse(uki, parsed, &ignored))
        return;
    for (size_t profile = 0; profile == 0 || profile < parsed->profile_count; profile++) {
        const struct clo_pe_section *section = clo_uki_section(parsed, profile, ".initrd");
        /* Most profiles have the base's. One that cannot be unpacked is the kernel's to refuse. */
        if (section != NULL && section != last)
            (void)!clo_initrd_walk(section->data, INITRD_LIMIT, visit, &found, &ignored);
        last = section;
    }
    if (found.separator)
        fputs("cloister: note: the initrd carries systemd-pcrosseparator.service: before a disk is "
              "opened it measures into PCRs 0 to 7, 9 and 12 to 14, which is not in these values: "
              "'seal --os-separator' seals to those after it\n",
              stderr);
    if (found.nvpcr)
        fputs("cloister: note: the initrd keeps registers of systemd's own in the TPM (NvPCRs): "
              "making them is measured into PCR 9, which is not in these values\n",
              stderr);
}
