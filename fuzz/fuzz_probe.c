#include "lib/disk/probe.h"

#include <string.h>

#include "fuzz.h"

/* Names end, and have nothing in them that moves a cursor. */
static void check_name(const char *name, size_t room)
{
    MUST(memchr(name, '\0', room) != NULL);
    for (; *name != '\0'; name++)
        MUST((unsigned char)*name >= ' ' && *name != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_mbr_partition partitions[CLO_MBR_PARTITIONS];
    struct clo_probe found;

    clo_probe(clo_bytes(data, size), &found);
    MUST(clo_content_name(found.content) != NULL);
    check_name(found.uuid, sizeof found.uuid);
    check_name(found.label, sizeof found.label);
    if (clo_mbr_parse(clo_bytes(data, size), partitions))
        for (size_t i = 0; i < CLO_MBR_PARTITIONS; i++)
            MUST((partitions[i].type == 0) == (partitions[i].sectors == 0));
    return 0;
}
