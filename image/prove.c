#include "image/prove.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "device/process.h"
#include "image/boot.h"
#include "image/esp_change.h"
#include "lib/predict/boot_disk.h"

#define VARSTORE_LIMIT ((size_t)64 << 20)

const char *clo_prove_answer_name(enum clo_prove_answer answer)
{
    static const char *const names[] = { "yes", "no", "unknown" };

    return names[answer];
}

/* --- The overlay --- */

struct overlay {
    struct clo_scratch scratch;
    char path[4200];
};

static void free_overlay(struct overlay *overlay)
{
    clo_scratch_free(&overlay->scratch);
}

/* qemu-io reads words between spaces. */
static bool make_overlay(const char *image, struct overlay *out, struct clo_error *err)
{
    CLO_CLEANUP(free_overlay) struct overlay overlay = { .path = "" };
    CLO_CLEANUP(clo_freep) char *base = realpath(image, NULL);

    if (base == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", image, strerror(errno));
    if (!clo_scratch_new(NULL, &overlay.scratch, err))
        return false;
    if (strpbrk(overlay.scratch.path, " \t\"',") != NULL)
        return clo_fail(err, CLO_ERR_USAGE,
                        "%s: a folder for overlays takes no space, quote or comma: set TMPDIR",
                        overlay.scratch.path);
    snprintf(overlay.path, sizeof overlay.path, "%s/overlay", overlay.scratch.path);
    const char *const argv[] = { "qemu-img", "create", "-q", "-f",         "qcow2", "-F",
                                 "raw",      "-b",     base, overlay.path, NULL };
    if (!clo_process_run(argv, NULL, NULL, err))
        return clo_wrap(err, "overlay");
    *out = overlay;
    overlay.scratch.path[0] = '\0';
    return true;
}

static bool write_into(const struct overlay *overlay, const char *file, uint64_t at,
                       struct clo_error *err)
{
    char command[4400];
    struct stat status;

    if (stat(file, &status) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", file, strerror(errno));
    snprintf(command, sizeof command, "write -q -s %s %llu %llu", file, (unsigned long long)at,
             (unsigned long long)status.st_size);
    const char *const argv[] = { "qemu-io", "-f", "qcow2", "-c", command, overlay->path, NULL };
    return clo_process_run(argv, NULL, NULL, err) || clo_wrap(err, "overlay");
}

/* --- Another UKI where the disk starts its own --- */

/* The path of a UKI: a disk on which a loader chooses a kernel has none to exchange. */
static bool uki_path(struct clo_bytes esp, char out[CLO_BOOT_PATH_SIZE + 4], struct clo_error *err)
{
    CLO_CLEANUP(clo_boot_disk_free) struct clo_boot_disk boot = { .path = "" };

    if (!clo_boot_disk_find(esp, NULL, &boot, err))
        return false;
    if (boot.uki.size == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "what it starts is not a UKI");
    snprintf(out, CLO_BOOT_PATH_SIZE + 4, "::/%s", boot.path);
    return true;
}

static bool exchange_uki(const char *image, const char *uki, const struct overlay *overlay,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(image, O_RDONLY | O_CLOEXEC);
    CLO_CLEANUP(clo_esp_close) struct clo_esp esp = { .fd = fd };
    char target[CLO_BOOT_PATH_SIZE + 4];
    char file[4200];

    snprintf(file, sizeof file, "%s/esp", overlay->scratch.path);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", image, strerror(errno));
    if (!clo_esp_read(fd, &esp, err) || !uki_path(clo_buffer_bytes(&esp.bytes), target, err))
        return clo_wrap(err, "%s", image);
    const char *const environment[] = { "MTOOLS_SKIP_CHECK=1", NULL };
    const char *const argv[] = { "mcopy", "-o", "-i", file, uki, target, NULL };
    return clo_file_write(file, clo_buffer_bytes(&esp.bytes), 0600, err) &&
           clo_process_run(argv, environment, NULL, err) &&
           write_into(overlay, file, esp.offset, err);
}

/* --- The boot --- */

struct watcher {
    bool has_opened, has_spoken; /* in cloister-init's words */
};

static void on_console(void *context, const char *line)
{
    struct watcher *watcher = context;
    const char *words = strstr(line, "cloister: ");

    if (words == NULL)
        return;
    watcher->has_spoken = true;
    if (strstr(words, CLO_PROVE_OPENED) != NULL)
        watcher->has_opened = true;
}

/* A machine that said nothing, or gave up after it had the key, has refused nothing. */
static void judge(const struct clo_prove_spec *spec, const struct watcher *watcher,
                  const struct clo_boot_result *boot, struct clo_prove_result *out)
{
    bool is_refusal = boot->outcome == CLO_BOOT_REFUSED ||
                      boot->outcome == CLO_BOOT_FIRMWARE_REFUSED ||
                      (boot->outcome == CLO_BOOT_STOPPED && watcher->has_spoken);

    out->answer = boot->outcome == CLO_BOOT_REACHED    ? CLO_PROVE_OPENS
                  : is_refusal && !watcher->has_opened ? CLO_PROVE_REFUSED
                                                       : CLO_PROVE_UNKNOWN;
    snprintf(out->reason, sizeof out->reason, "%s", boot->reason);
    if (out->answer == CLO_PROVE_OPENS && spec->until == NULL)
        snprintf(out->reason, sizeof out->reason, "the TPM gave the key");
    out->seconds = boot->seconds;
}

static bool start(const struct clo_prove_spec *spec, const struct clo_prove_state *state,
                  const struct overlay *overlay, struct clo_prove_result *out,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer variables = { 0 };
    struct clo_boot_result result;
    struct watcher watcher = { .has_opened = false };
    char varstore[4200], console[4400];

    snprintf(varstore, sizeof varstore, "%s/vars", overlay->scratch.path);
    if (spec->consoles != NULL)
        snprintf(console, sizeof console, "%s/%s.log", spec->consoles, state->name);
    if (!clo_file_read(spec->varstore, VARSTORE_LIMIT, &variables, err) ||
        !clo_file_write(varstore, clo_buffer_bytes(&variables), 0600, err))
        return false;
    const struct clo_boot_spec boot = {
        .image = overlay->path,
        .image_format = "qcow2",
        .varstore = varstore,
        .tpm_state = spec->tpm_state,
        .firmware = spec->firmware,
        .emulator = spec->emulator,
        .serial_path = spec->consoles == NULL ? NULL : console,
        .until = spec->until == NULL ? CLO_PROVE_OPENED : spec->until,
        .until_kind = spec->until == NULL ? "unattended" : NULL,
        .until_not = CLO_PROVE_ASKED,
        .is_alone = true,
        .memory_mib = spec->memory_mib,
        .vcpus = 1,
        .timeout_s = spec->timeout_s,
        .on_console = on_console,
        .context = &watcher,
    };
    if (!clo_boot(&boot, &result, err))
        return false;
    if (clo_boot_was_interrupted())
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "interrupted");
    judge(spec, &watcher, &result, out);
    return true;
}

bool clo_prove(const struct clo_prove_spec *spec, const struct clo_prove_state *state,
               struct clo_prove_result *out, struct clo_error *err)
{
    CLO_CLEANUP(free_overlay) struct overlay overlay = { .path = "" };
    struct clo_prove_result result = { .answer = CLO_PROVE_UNKNOWN };

    if (!make_overlay(spec->image, &overlay, err) ||
        !write_into(&overlay, spec->header, spec->header_at, err) ||
        (state->uki != NULL && !exchange_uki(spec->image, state->uki, &overlay, err)) ||
        !start(spec, state, &overlay, &result, err))
        return clo_wrap(err, "%s", state->name);
    *out = result;
    return true;
}
