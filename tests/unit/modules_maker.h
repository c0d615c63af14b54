/* A folder of kernel modules as depmod leaves it: small objects, compiled on the spot. */
#ifndef CLOISTER_TEST_MODULES_MAKER_H
#define CLOISTER_TEST_MODULES_MAKER_H

#include <sys/stat.h>

#include "device/process.h"
#include "test.h"

#define MODULES_RELEASE "1.2.3-test"

/* `needs` uses a symbol of `base`; `soft` wants `base` first without using it. */
static const struct {
    const char *name;
    const char *source;
} modules_sources[] = {
    { "base", "const char s[] __attribute__((section(\"__ksymtab_strings\"),used)) = \"base_do\";"
              "int base_do(void) { return 1; }"
              "int __crc_base_do = 1; int __ksymtab_base_do = 1;" },
    { "needs", "int base_do(void); int init_module(void) { return base_do(); }" },
    { "soft", "const char m[] __attribute__((section(\".modinfo\"),used)) = "
              "\"softdep=pre: base\";" },
    /* A driver of a device that is listed early, and drivers of what hangs on it. */
    { "virtio_scsi", "const char m[] __attribute__((section(\".modinfo\"),used)) = "
                     "\"alias=virtio:d00000008v*\\0alias=fs-none\";"
                     "int base_do(void); int init_module(void) { return base_do(); }" },
    { "sd_mod", "const char m[] __attribute__((section(\".modinfo\"),used)) = "
                "\"alias=scsi:t-0x00*\\0alias=block-major-8-*\";" },
    { "late", "const char m[] __attribute__((section(\".modinfo\"),used)) = \"alias=vmbus:00*\";" },
    { "card", "const char m[] __attribute__((section(\".modinfo\"),used)) = "
              "\"alias=pci:v00001234d*\";" },
};

/* Makes FOLDER/lib/modules/RELEASE; skips the test where there is no compiler or no depmod. */
static inline void modules_make(const char *folder, char out[4200])
{
    static const char *const parts[] = { "", "/lib", "/lib/modules",
                                         "/lib/modules/" MODULES_RELEASE,
                                         "/lib/modules/" MODULES_RELEASE "/kernel" };
    struct clo_error err;
    char path[4300];
    char object[4400];

    for (size_t i = 0; i < CLO_COUNT(parts); i++) {
        snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        mkdir(path, 0755);
    }
    for (size_t i = 0; i < CLO_COUNT(modules_sources); i++) {
        char source[4400];
        snprintf(source, sizeof source, "%s/%s.c", folder, modules_sources[i].name);
        snprintf(object, sizeof object, "%s/%s.ko", path, modules_sources[i].name);
        const char *const cc[] = { "cc", "-c", "-o", object, source, NULL };
        if (!clo_file_write(source, clo_bytes_text(modules_sources[i].source), 0644, &err))
            fail_msg("%s", err.text);
        if (!clo_process_run(cc, NULL, NULL, &err)) {
            print_message("SKIP: %s\n", err.text);
            skip();
        }
    }
    snprintf(path, sizeof path, "%s/lib/modules/%s/modules.builtin", folder, MODULES_RELEASE);
    if (!clo_file_write(path, clo_bytes_text("kernel/inside.ko\n"), 0644, &err))
        fail_msg("%s", err.text);
    const char *const depmod[] = { "depmod", "-b", folder, MODULES_RELEASE, NULL };
    if (!clo_process_run(depmod, NULL, NULL, &err)) {
        print_message("SKIP: %s\n", err.text);
        skip();
    }
    snprintf(out, 4200, "%s/lib/modules/%s", folder, MODULES_RELEASE);
}

#endif
