#include "lib/disk/fat.h"

#include <string.h>

#include "fuzz.h"

#define LIMIT 65536

static bool check_name(void *context, const char *name, bool is_directory, struct clo_error *err)
{
    (void)context;
    (void)is_directory;
    (void)err;
    MUST(strlen(name) < CLO_FAT_NAME_MAX);
    for (const char *at = name; *at != '\0'; at++)
        MUST((unsigned char)*at >= ' ');
    return true;
}

/* The input is a volume's beginning, zeros follow: FAT16 needs two megabytes. It gives a file of at
 * most the limit, or a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = { "EFI/BOOT/BOOTX64.EFI", "A.TXT", "EFI/A.TXT", "EFI" };
    static uint8_t volume[(size_t)2200 << 10];
    size_t used = size < LIMIT ? size : LIMIT;

    memset(volume, 0, LIMIT);
    if (used > 0)
        memcpy(volume, data, used);
    for (size_t i = 0; i < CLO_COUNT(paths); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        if (clo_fat_read(clo_bytes(volume, sizeof volume), paths[i], LIMIT, &out, &err))
            MUST(out.size <= LIMIT);
        else
            MUST(err.status != CLO_OK && err.text[0] != '\0');
    }
    struct clo_error err;
    for (size_t i = 0; i < CLO_COUNT(paths); i++) {
        struct clo_fat_entry entry;
        enum clo_fat_part part;
        bool is_there;
        if (!clo_fat_find(clo_bytes(volume, sizeof volume), paths[i], &entry, &is_there, &err) ||
            !is_there)
            continue;
        MUST(entry.offset <= sizeof volume - 32);
        MUST(clo_fat_part_at(clo_bytes(volume, sizeof volume), entry.offset, &part, &err));
    }
    if (!clo_fat_list(clo_bytes(volume, sizeof volume), "EFI", check_name, NULL, &err))
        MUST(err.status != CLO_OK && err.text[0] != '\0');
    return 0;
}
