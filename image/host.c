#include "image/host.h"

#include <cpuid.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/launch.h"
#include "cloister/tdvf.h"
#include "device/file.h"
#include "device/process.h"

bool clo_host_has_kvm(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cpus = { 0 };
    struct clo_error ignored;

    if (access("/dev/kvm", R_OK | W_OK) != 0 ||
        !clo_file_read("/proc/cpuinfo", CLO_FILE_LIMIT, &cpus, &ignored))
        return false;
    const char *text = clo_buffer_string(&cpus);
    return text != NULL && (strstr(text, " svm") != NULL || strstr(text, " vmx") != NULL);
}

/* AMD64 Architecture Programmer's Manual, volume 3, CPUID Fn8000_001F: EAX bit 4 is SEV-SNP, EBX has the C-bit. */
void clo_host_memory_encryption(unsigned *address_bit, unsigned *reduced_bits)
{
    unsigned eax, ebx, ecx, edx;

    *address_bit = 51;
    *reduced_bits = 1;
    if (__get_cpuid(0x8000001f, &eax, &ebx, &ecx, &edx) == 0 || (eax >> 4 & 1) == 0)
        return;
    *address_bit = ebx & 0x3f;
    *reduced_bits = ebx >> 6 & 0x3f;
}

/* What is missing, one after the other. */
struct missing {
    char text[600];
    size_t used;
};

CLO_PRINTF(2, 3)
static void lack(struct missing *missing, const char *format, ...)
{
    size_t left = sizeof missing->text - missing->used;
    va_list args;

    va_start(args, format);
    if (missing->used > 0 && left > 2)
        missing->used += (size_t)snprintf(missing->text + missing->used, left, "; ");
    left = sizeof missing->text - missing->used;
    int wrote = vsnprintf(missing->text + missing->used, left, format, args);
    missing->used += wrote < 0 ? 0 : (size_t)wrote < left ? (size_t)wrote : left - 1;
    va_end(args);
}

static void check_device(const char *root, const char *path, struct missing *missing)
{
    char full[4200];

    snprintf(full, sizeof full, "%s%s", root, path);
    if (access(full, R_OK | W_OK) != 0)
        lack(missing, "%s: %s", path, strerror(errno));
}

/* A module's switch that has to be on: Y or 1. */
static void check_parameter(const char *root, const char *module, const char *name,
                            struct missing *missing)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    struct clo_error ignored;
    char path[4200];

    snprintf(path, sizeof path, "%s/sys/module/%s/parameters/%s", root, module, name);
    if (!clo_file_read(path, 64, &value, &ignored))
        lack(missing, "%s: has no parameter %s (the module is not loaded, or its kernel is older)",
             module, name);
    else if (value.size == 0 || (value.data[0] != 'Y' && value.data[0] != '1'))
        lack(missing, "%s: %s is %.*s, not Y", module, name,
             (int)strcspn(clo_buffer_string(&value), "\n"), clo_buffer_string(&value));
}

static void check_version(const char *text, unsigned major, unsigned minor, const char *what,
                          struct missing *missing)
{
    const char *words = text == NULL ? NULL : strstr(text, "version ");
    unsigned found[2] = { 0, 0 };

    if (words == NULL || sscanf(words, "version %u.%u", &found[0], &found[1]) != 2)
        lack(missing, "QEMU: its version is not known");
    else if (found[0] < major || (found[0] == major && found[1] < minor))
        lack(missing, "QEMU %u.%u: %s needs %u.%u", found[0], found[1], what, major, minor);
}

static void check_quotes(const char *root, const char *where, struct missing *missing)
{
    char path[4200];

    if (where == NULL || strncmp(where, "unix:", 5) != 0)
        return;
    snprintf(path, sizeof path, "%s%s", root, where + 5);
    if (access(path, F_OK) != 0)
        lack(missing, "quoting service %s: %s", where + 5, strerror(errno));
}

bool clo_host_check(const struct clo_qemu *machine, const char *root, const char *version,
                    struct clo_error *err)
{
    struct missing missing = { .used = 0 };
    const char *name = clo_qemu_name(machine->kind);

    if (machine->kind == CLO_QEMU_PLAIN)
        return true;
    check_device(root, "/dev/kvm", &missing);
    if (machine->kind == CLO_QEMU_SNP) {
        check_device(root, "/dev/sev", &missing);
        check_parameter(root, "kvm_amd", "sev_snp", &missing);
        check_version(version, 9, 1, name, &missing);
    } else {
        check_parameter(root, "kvm_intel", "tdx", &missing);
        check_version(version, 10, 1, name, &missing);
        check_quotes(root, machine->launch.quotes, &missing);
    }
    if (machine->launch.igvm != NULL)
        check_version(version, 10, 1, "IGVM", &missing);
    if (missing.used > 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "this host cannot start %s: %s", name,
                        missing.text);
    return true;
}

bool clo_host_can_start(const struct clo_qemu *machine, struct clo_error *err)
{
    static const char *const argv[] = { "qemu-system-x86_64", "--version", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer version = { .limit = 4096 };

    if (machine->kind == CLO_QEMU_PLAIN)
        return true;
    return clo_process_run(argv, NULL, &version, err) &&
           clo_host_check(machine, "", clo_buffer_string(&version), err);
}

static bool check_snp(const struct clo_qemu *machine, struct clo_bytes image, struct clo_error *err)
{
    struct clo_launch_firmware firmware;

    if (!clo_launch_firmware_parse(image, &firmware, err))
        return false;
    if (!firmware.has_sections)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "has no SEV metadata: it was not built for SEV-SNP");
    if (machine->launch.kernel != NULL &&
        !clo_launch_firmware_has(&firmware, CLO_SECTION_KERNEL_HASHES))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "has no page for the digests of kernel, initrd and command line: OVMF "
                        "built for AmdSev has one");
    return true;
}

bool clo_host_check_firmware(const struct clo_qemu *machine, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_tdvf tdvf;

    if (machine->kind == CLO_QEMU_PLAIN || machine->firmware == NULL)
        return true;
    if (!clo_file_read(machine->firmware, CLO_FILE_LIMIT, &image, err))
        return false;
    return (machine->kind == CLO_QEMU_SNP ? check_snp(machine, clo_buffer_bytes(&image), err)
                                          : clo_tdvf_parse(clo_buffer_bytes(&image), &tdvf, err)) ||
           clo_wrap(err, "firmware %s", machine->firmware);
}
