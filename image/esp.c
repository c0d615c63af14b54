#include "image/esp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cloister/pe.h"
#include "device/file.h"
#include "device/process.h"

#define MIB      ((uint64_t)1 << 20)
#define SIZE_MIN (64 * MIB)

static bool architecture(struct clo_bytes uki, const char **name, struct clo_error *err)
{
    struct clo_pe pe;

    if (!clo_pe_parse(uki, &pe, err))
        return clo_wrap(err, "UKI");
    if (pe.machine != CLO_PE_MACHINE_AARCH64 && pe.machine != CLO_PE_MACHINE_X86_64)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "UKI: is for %s: no confidential VM starts it",
                        clo_pe_machine_name(pe.machine));
    *name = pe.machine == CLO_PE_MACHINE_AARCH64 ? "BOOTAA64.EFI" : "BOOTX64.EFI";
    return true;
}

bool clo_esp_make(const char *path, struct clo_bytes uki, uint64_t size, int64_t epoch,
                  uint64_t *made, struct clo_error *err)
{
    char uki_path[4096];
    char target[64];
    char date[48];
    const char *name;

    if (size == 0)
        size = 2 * uki.size + uki.size / 2 + 4 * MIB; /* an update lies next to it */
    size = (size + MIB - 1) / MIB * MIB;
    if (size < SIZE_MIN)
        size = SIZE_MIN;
    if (!architecture(uki, &name, err))
        return false;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
        clo_fd_close(&fd);
        return false;
    }
    clo_fd_close(&fd);
    snprintf(uki_path, sizeof uki_path, "%s.efi", path);
    if (!clo_file_write(uki_path, uki, 0600, err))
        return false;

    snprintf(target, sizeof target, "::/EFI/BOOT/%s", name);
    snprintf(date, sizeof date, "SOURCE_DATE_EPOCH=%lld", (long long)(epoch < 0 ? 0 : epoch));
    const char *const environment[] = { "MTOOLS_SKIP_CHECK=1", "TZ=UTC", date, NULL };
    const char *const format[] = {
        "mkfs.vfat", "--invariant", "-F", "32", "-n", "ESP", path, NULL
    };
    const char *const folders[] = { "mmd", "-i", path, "::/EFI", "::/EFI/BOOT", NULL };
    const char *const copy[] = { "mcopy", "-i", path, uki_path, target, NULL };
    bool ok = clo_process_run(format, environment, NULL, err) &&
              clo_process_run(folders, environment, NULL, err) &&
              clo_process_run(copy, environment, NULL, err);
    unlink(uki_path);
    if (!ok)
        return clo_wrap(err, "ESP");
    *made = size;
    return true;
}
