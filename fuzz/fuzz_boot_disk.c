#include "lib/predict/boot_disk.h"

#include <string.h>

#include "cloister/pe.h"
#include "fat_maker.h"
#include "fuzz.h"

#define FILES_MAX 32

/* Names, each with the size of its file; then the files' bytes. So the fuzzer changes what is on the volume, whose own
 * structures fuzz_fat tries. */
static size_t read_files(struct clo_reader *r, char names[FILES_MAX][FAT_MAKER_NAME],
                         struct fat_file files[FILES_MAX])
{
    size_t count = clo_read_u8(r) % (FILES_MAX + 1);

    for (size_t i = 0; i < count; i++) {
        struct clo_bytes name = clo_read_bytes(r, clo_read_u8(r));
        size_t size = clo_read_le16(r);
        if (name.size > 0)
            memcpy(names[i], name.data, name.size);
        names[i][name.size] = '\0';
        files[i] = (struct fat_file){ names[i], { NULL, size } };
    }
    for (size_t i = 0; i < count; i++) {
        size_t left = clo_reader_left(r);
        files[i].data = clo_read_bytes(r, files[i].data.size < left ? files[i].data.size : left);
    }
    return clo_reader_ok(r) ? count : 0;
}

static void check(const struct clo_boot_disk *boot)
{
    struct clo_error err;
    struct clo_pe pe;

    MUST(strnlen(boot->path, sizeof boot->path) < sizeof boot->path && boot->path[0] != '\0');
    MUST(strnlen(boot->options, sizeof boot->options) < sizeof boot->options);
    if (boot->shim.size > 0 && boot->loader.size == 0) {
        MUST(clo_pe_parse(clo_buffer_bytes(&boot->uki), &pe, &err));
        MUST(clo_pe_section_find(&pe, ".linux") != NULL);
    }
    MUST(boot->shim.size > 0 || !boot->is_by_fallback);
}

static void check_companions(const struct clo_companion_set *set)
{
    MUST(set->count <= CLO_COMPANIONS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        enum clo_companion_place ignored;
        MUST(clo_companion_place_of(set->items[i].name, &ignored));
        MUST(set->items[i].name[0] != '.');
    }
}

/* What is found is what is read a second time; a shim's second stage is a UKI; each companion is one by its name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_boot_disk first, second;
    static char names[FILES_MAX][FAT_MAKER_NAME];
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer esp = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer remarks = { 0 };
    struct fat_file files[FILES_MAX];
    struct clo_reader r = clo_reader((struct clo_bytes){ data, size });
    struct clo_error err = { 0 };
    char options[64] = "";

    struct clo_bytes given = clo_read_bytes(&r, clo_read_u8(&r) % sizeof options);
    if (given.size > 0)
        memcpy(options, given.data, given.size);
    if (!fat_make(&esp, files, read_files(&r, names, files)))
        return 0;
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    bool ok = clo_boot_disk_find(clo_buffer_bytes(&esp), options, &first, &err);
    MUST(ok || (err.status != CLO_OK && err.text[0] != '\0'));
    MUST(clo_boot_disk_find(clo_buffer_bytes(&esp), options, &second, &err) == ok);
    if (ok) {
        check(&first);
        MUST(strcmp(first.path, second.path) == 0 && strcmp(first.options, second.options) == 0);
        MUST(clo_bytes_equal(clo_buffer_bytes(&first.uki), clo_buffer_bytes(&second.uki)));
        if (clo_companion_set_find(clo_buffer_bytes(&esp), first.path, &first.companions, &err) &&
            clo_companion_set_sort(clo_buffer_bytes(&first.uki), &first.companions, &remarks, &err))
            check_companions(&first.companions);
    }
    clo_boot_disk_free(&first);
    clo_boot_disk_free(&second);
    return 0;
}
