#include "device/tsm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOB_LIMIT ((size_t)1 << 20)
#define TRIES      6 /* with 0.1, 0.2, 0.4… seconds in between */
#define WAIT_MS    100U

/* What a try ended with. */
enum outcome {
    DONE,
    FAILED,
    AGAIN, /* another process was in between, or the provider is busy */
};

static enum outcome explain(const char *attribute, int reason, struct clo_error *err)
{
    switch (reason) {
    case EBUSY:
        clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: the provider is busy (EBUSY)", attribute);
        return AGAIN;
    case EAGAIN: /* EWOULDBLOCK: what was asked changed since the report was made */
        clo_fail(err, CLO_ERR_SYSTEM, "%s: changed meanwhile by another process", attribute);
        return AGAIN;
    case EFBIG:
        clo_fail(
                err, CLO_ERR_SYSTEM,
                "%s: larger than this kernel hands out (EFBIG): a newer kernel, or another quoting "
                "service on the host, is needed",
                attribute);
        return FAILED;
    case ENXIO:
    case ENOTTY:
        clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: no provider answers (%s)", attribute,
                 strerror(reason));
        return FAILED;
    case ENOENT:
        clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: this kernel or provider has no such attribute",
                 attribute);
        return FAILED;
    case EINVAL:
        clo_fail(
                err, CLO_ERR_SYSTEM,
                "%s: not taken by the provider (EINVAL): a privilege level, service or report data "
                "that it does not allow",
                attribute);
        return FAILED;
    default:
        clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", attribute, strerror(reason));
        return FAILED;
    }
}

static enum outcome read_blob(const struct clo_tsm_io *io, const char *entry, const char *attribute,
                              struct clo_buffer *out, struct clo_error *err)
{
    out->limit = BLOB_LIMIT;
    int reason = io->read(io->context, entry, attribute, out);
    if (reason != 0)
        return explain(attribute, reason, err);
    if (clo_buffer_ok(out))
        return DONE;
    clo_fail(err, CLO_ERR_FORMAT, "%s: larger than %zu bytes", attribute, BLOB_LIMIT);
    return FAILED;
}

/* Others have no such attribute, and it may be empty: the host's to give or not. */
static void read_optional(const struct clo_tsm_io *io, const char *entry, const char *attribute,
                          struct clo_buffer *out)
{
    struct clo_error ignored;

    if (read_blob(io, entry, attribute, out, &ignored) != DONE)
        clo_buffer_free(out);
}

static enum outcome read_number(const struct clo_tsm_io *io, const char *entry,
                                const char *attribute, uint64_t *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char *end;

    enum outcome outcome = read_blob(io, entry, attribute, &text, err);
    if (outcome != DONE)
        return outcome;
    const char *digits = clo_buffer_string(&text);
    errno = 0;
    if (digits != NULL && digits[0] >= '0' && digits[0] <= '9') {
        *out = strtoull(digits, &end, 10);
        if (errno == 0 && (*end == '\n' || *end == '\0'))
            return DONE;
    }
    clo_fail(err, CLO_ERR_FORMAT, "%s: no number", attribute);
    return FAILED;
}

/* --- The options: each write moves the generation on by one --- */

static enum outcome put(const struct clo_tsm_io *io, const char *entry, const char *attribute,
                        struct clo_bytes bytes, uint64_t *writes, struct clo_error *err)
{
    int reason = io->write(io->context, entry, attribute, bytes);

    if (reason != 0)
        return explain(attribute, reason, err);
    ++*writes;
    return DONE;
}

static enum outcome put_number(const struct clo_tsm_io *io, const char *entry,
                               const char *attribute, int value, uint64_t *writes,
                               struct clo_error *err)
{
    char text[16];

    snprintf(text, sizeof text, "%d", value);
    return put(io, entry, attribute, clo_bytes_text(text), writes, err);
}

/* A guest below VMPL 0 must not ask for VMPL 0, which is what the kernel asks for by itself. */
static enum outcome put_privlevel(const struct clo_tsm_io *io, const char *entry, int privlevel,
                                  uint64_t *writes, struct clo_error *err)
{
    struct clo_error ignored;
    uint64_t floor = 0;
    bool has_floor = read_number(io, entry, "privlevel_floor", &floor, &ignored) == DONE;

    if (privlevel < 0 && (!has_floor || floor == 0))
        return DONE;
    if (privlevel < 0 && floor > CLO_TSM_PRIVLEVEL_MAX) {
        clo_fail(err, CLO_ERR_FORMAT, "privlevel_floor: %llu, at most %d expected",
                 (unsigned long long)floor, CLO_TSM_PRIVLEVEL_MAX);
        return FAILED;
    }
    if (privlevel >= 0 && has_floor && (uint64_t)privlevel < floor) {
        clo_fail(err, CLO_ERR_USAGE, "privlevel: VMPL %d: this guest may ask for %llu to %d",
                 privlevel, (unsigned long long)floor, CLO_TSM_PRIVLEVEL_MAX);
        return FAILED;
    }
    return put_number(io, entry, "privlevel", privlevel < 0 ? (int)floor : privlevel, writes, err);
}

static enum outcome put_service(const struct clo_tsm_io *io, const char *entry,
                                const struct clo_tsm_request *request, uint64_t *writes,
                                struct clo_error *err)
{
    enum outcome outcome = DONE;

    if (request->service_provider == NULL)
        return DONE;
    outcome = put(io, entry, "service_provider", clo_bytes_text(request->service_provider), writes,
                  err);
    if (outcome == DONE && request->service_guid != NULL)
        outcome =
                put(io, entry, "service_guid", clo_bytes_text(request->service_guid), writes, err);
    if (outcome == DONE && request->service_manifest_version >= 0)
        outcome = put_number(io, entry, "service_manifest_version",
                             request->service_manifest_version, writes, err);
    return outcome;
}

/* --- One report --- */

static enum outcome read_provider(const struct clo_tsm_io *io, const char *entry,
                                  struct clo_tsm_report *report, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer provider = { 0 };
    size_t size = 0;

    enum outcome outcome = read_blob(io, entry, "provider", &provider, err);
    if (outcome != DONE)
        return outcome;
    while (size < provider.size && provider.data[size] != '\n' && provider.data[size] != '\0')
        size++;
    if (size == 0 || size >= sizeof report->provider) {
        clo_fail(err, CLO_ERR_FORMAT, "provider: no name");
        return FAILED;
    }
    memcpy(report->provider, provider.data, size);
    report->provider[size] = '\0';
    clo_sanitize(report->provider);
    return DONE;
}

/* The writes and the reads between two looks at the generation. */
static enum outcome ask(const struct clo_tsm_io *io, const char *entry,
                        const struct clo_tsm_request *request, struct clo_tsm_report *report,
                        uint64_t *writes, struct clo_error *err)
{
    enum outcome outcome = put_privlevel(io, entry, request->privlevel, writes, err);

    if (outcome == DONE)
        outcome = put_service(io, entry, request, writes, err);
    if (outcome == DONE)
        outcome = put(io, entry, "inblob", request->inblob, writes, err);
    if (outcome == DONE)
        outcome = read_blob(io, entry, "outblob", &report->outblob, err);
    if (outcome == DONE)
        outcome = read_provider(io, entry, report, err);
    if (outcome != DONE)
        return outcome;
    read_optional(io, entry, "auxblob", &report->auxblob);
    if (request->service_provider != NULL)
        return read_blob(io, entry, "manifestblob", &report->manifestblob, err);
    return DONE;
}

static enum outcome get_once(const struct clo_tsm_io *io, const char *entry,
                             const struct clo_tsm_request *request, struct clo_tsm_report *out,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_tsm_report_free) struct clo_tsm_report report = { .provider = "" };
    uint64_t writes = 0;
    uint64_t before;

    enum outcome outcome = read_number(io, entry, "generation", &before, err);
    if (outcome == DONE)
        outcome = ask(io, entry, request, &report, &writes, err);
    if (outcome == DONE)
        outcome = read_number(io, entry, "generation", &report.generation, err);
    if (outcome != DONE)
        return outcome;
    /* In the kernel's own arithmetic: it wraps. */
    if ((unsigned long)report.generation - (unsigned long)before != writes) {
        clo_fail(err, CLO_ERR_SYSTEM, "generation: %llu after %llu, expected %llu more",
                 (unsigned long long)report.generation, (unsigned long long)before,
                 (unsigned long long)writes);
        return AGAIN;
    }
    if (report.outblob.size == 0) {
        clo_fail(err, CLO_ERR_SYSTEM, "outblob: empty");
        return FAILED;
    }
    *out = report;
    report = (struct clo_tsm_report){ .provider = "" };
    return DONE;
}

bool clo_tsm_get_by(const struct clo_tsm_io *io, const struct clo_tsm_request *request,
                    struct clo_tsm_report *out, struct clo_error *err)
{
    enum outcome outcome = AGAIN;
    char entry[48];

    if (request->inblob.size == 0 || request->inblob.size > CLO_TSM_INBLOB_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "report data: %zu bytes, 1 to %d expected",
                        request->inblob.size, CLO_TSM_INBLOB_MAX);
    if (request->privlevel > CLO_TSM_PRIVLEVEL_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "privilege level %d, 0 to %d expected",
                        request->privlevel, CLO_TSM_PRIVLEVEL_MAX);
    snprintf(entry, sizeof entry, "cloister-%d", (int)getpid());
    /* An entry of this name is what an earlier process with our number left: as good as new. */
    int reason = io->make(io->context, entry);
    if (reason == ENXIO)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "%s: no report provider (ENXIO): load the module sev-guest or tdx-guest",
                        io->name);
    if (reason == EACCES || reason == EPERM)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: new entry: %s: only root may ask", io->name,
                        strerror(reason));
    if (reason != 0 && reason != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: new entry: %s", io->name, strerror(reason));
    for (unsigned i = 0; i < TRIES && outcome == AGAIN; i++) {
        if (i > 0)
            io->sleep(io->context, WAIT_MS << (i - 1));
        outcome = get_once(io, entry, request, out, err);
    }
    io->remove(io->context, entry);
    return outcome == DONE || clo_wrap(err, "%s", io->name);
}

void clo_tsm_report_free(struct clo_tsm_report *report)
{
    clo_buffer_free(&report->outblob);
    clo_buffer_free(&report->auxblob);
    clo_buffer_free(&report->manifestblob);
    *report = (struct clo_tsm_report){ .provider = "" };
}
