#include "guest/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cloister/userlog.h"
#include "device/file.h"
#include "device/tsm.h"
#include "lib/disk/luks2.h"

#define PCR_PHASES     11
#define PCR_VOLUME_KEY 15
#define LOG_LIMIT      ((size_t)1 << 20)
#define TPM_PATIENCE   10 /* seconds for a TPM to appear */
#define TPM_PAUSE_NSEC 20000000L

bool clo_measurer_new(struct clo_tpm *tpm, const char *path, struct clo_measurer *out,
                      struct clo_error *err)
{
    struct clo_measurer measurer = { .tpm = tpm, .log = { .limit = LOG_LIMIT }, .path = path };

    if (!clo_tpm_banks(tpm, measurer.banks, &measurer.bank_count, err))
        return false;
    if (measurer.bank_count == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "TPM: no bank is active");
    *out = measurer;
    return true;
}

bool clo_measurer_wait(struct clo_tpm **tpm, struct clo_measurer *out, struct clo_error *err)
{
    for (long i = 0; i < TPM_PATIENCE * (1000000000L / TPM_PAUSE_NSEC); i++) {
        if (clo_tpm_open(CLO_TPM_DEVICE, tpm, err))
            return clo_measurer_new(*tpm, CLO_MEASURE_LOG, out, err);
        if (err->status != CLO_ERR_UNAVAILABLE)
            return false;
        if (access(CLO_TSM_ROOT, F_OK) == 0)
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = TPM_PAUSE_NSEC }, NULL);
    }
    return clo_fail(err, CLO_ERR_UNAVAILABLE, "no TPM, and no configfs-tsm either");
}

void clo_measurer_free(struct clo_measurer *measurer)
{
    clo_buffer_free(&measurer->log);
}

static bool append_to_file(const char *path, struct clo_bytes record, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return clo_write_all(fd, record, err) || clo_wrap(err, "%s", path);
}

/* The register first: a record without its extension would be a lie, the other way round is a log
 * that does not replay, which a verifier will notice. */
static bool extend(struct clo_measurer *measurer, const struct clo_userlog_event *event,
                   struct clo_error *err)
{
    size_t before = measurer->log.size;

    if (!clo_tpm_pcr_extend(measurer->tpm, event->pcr, event->digests, event->digest_count, err) ||
        !clo_userlog_append(event, &measurer->log, err))
        return clo_wrap(err, "PCR %u", event->pcr);
    struct clo_bytes log = clo_buffer_bytes(&measurer->log);
    return measurer->path == NULL ||
           append_to_file(measurer->path, clo_bytes_slice(log, before, log.size - before), err);
}

bool clo_measure_phase(struct clo_measurer *measurer, const char *phase, struct clo_error *err)
{
    struct clo_userlog_event event = { .pcr = PCR_PHASES, .type = "phase", .text = phase };

    for (size_t i = 0; i < measurer->bank_count; i++)
        clo_hash(measurer->banks[i], clo_bytes_text(phase), &event.digests[event.digest_count++]);
    return extend(measurer, &event, err);
}

bool clo_measure_volume_key(struct clo_measurer *measurer, const struct clo_secret *volume_key,
                            const char *uuid, struct clo_error *err)
{
    char text[CLO_LUKS2_MEASUREMENT_TEXT];
    struct clo_userlog_event event = { .pcr = PCR_VOLUME_KEY, .type = "volume-key", .text = text };

    for (size_t i = 0; i < measurer->bank_count; i++)
        clo_luks2_measurement(volume_key, uuid, measurer->banks[i], text,
                              &event.digests[event.digest_count++]);
    return extend(measurer, &event, err);
}
