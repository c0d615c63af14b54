#include "device/tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"

#define BLOB_LIMIT ((size_t)1 << 20)
#define TRIES      3

static bool read_attribute(int folder, const char *name, struct clo_buffer *out,
                           struct clo_error *err)
{
    out->limit = BLOB_LIMIT;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return clo_fail(err, errno == ENOENT ? CLO_ERR_UNAVAILABLE : CLO_ERR_SYSTEM, "%s: %s", name,
                        strerror(errno));
    for (;;) {
        uint8_t piece[4096];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int reason = errno;
            close(fd);
            if (reason == EFBIG)
                return clo_fail(err, CLO_ERR_SYSTEM, "%s: larger than the kernel hands out (EFBIG)",
                                name);
            if (reason == ENXIO)
                return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: no provider answers (ENXIO)", name);
            if (reason == EWOULDBLOCK)
                return clo_fail(err, CLO_ERR_SYSTEM, "%s: changed meanwhile by somebody else",
                                name);
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", name, strerror(reason));
        }
        if (got == 0)
            break;
        clo_buffer_append(out, clo_bytes(piece, (size_t)got));
    }
    close(fd);
    if (!clo_buffer_ok(out))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: larger than %zu bytes", name, BLOB_LIMIT);
    return true;
}

static bool write_attribute(int folder, const char *name, struct clo_bytes bytes,
                            struct clo_error *err)
{
    int fd = openat(folder, name, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", name, strerror(errno));
    /* One write(2): configfs takes a binary attribute as a whole. */
    ssize_t put = write(fd, bytes.data, bytes.size);
    int reason = put < 0 ? errno : 0;
    if (close(fd) != 0 && reason == 0)
        reason = errno;
    if (reason != 0 || put != (ssize_t)bytes.size)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", name,
                        reason == 0 ? "short write" : strerror(reason));
    return true;
}

static bool read_generation(int folder, uint64_t *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char *end;

    if (!read_attribute(folder, "generation", &text, err))
        return false;
    const char *digits = clo_buffer_string(&text);
    errno = 0;
    if (digits == NULL || digits[0] < '0' || digits[0] > '9')
        return clo_fail(err, CLO_ERR_FORMAT, "generation: no number");
    *out = strtoull(digits, &end, 10);
    if (errno != 0 || (*end != '\n' && *end != '\0'))
        return clo_fail(err, CLO_ERR_FORMAT, "generation: no number");
    return true;
}

/* One report from an entry of our own. *raced is set when somebody else wrote to it. */
static bool get_once(int folder, struct clo_bytes inblob, int privlevel, struct clo_tsm_report *out,
                     bool *raced, struct clo_error *err)
{
    CLO_CLEANUP(clo_tsm_report_free) struct clo_tsm_report report = { .provider = "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer provider = { 0 };
    uint64_t before;
    uint64_t after;
    uint64_t writes = 1;
    char level[16];

    if (!read_generation(folder, &before, err))
        return false;
    if (privlevel >= 0) {
        snprintf(level, sizeof level, "%d", privlevel);
        if (!write_attribute(folder, "privlevel", clo_bytes_text(level), err))
            return false;
        writes++;
    }
    if (!write_attribute(folder, "inblob", inblob, err) ||
        !read_attribute(folder, "outblob", &report.outblob, err) ||
        !read_attribute(folder, "provider", &provider, err))
        return false;
    struct clo_error ignored;
    /* The certificate table is the host's to give or not; others have no such attribute. */
    if (!read_attribute(folder, "auxblob", &report.auxblob, &ignored))
        clo_buffer_free(&report.auxblob);
    if (!read_generation(folder, &after, err))
        return false;
    *raced = after - before != writes;
    if (*raced)
        return clo_fail(err, CLO_ERR_SYSTEM, "generation: %llu after %llu, expected %llu more",
                        (unsigned long long)after, (unsigned long long)before,
                        (unsigned long long)writes);
    if (report.outblob.size == 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "outblob: empty");
    size_t size = 0;
    while (size < provider.size && provider.data[size] != '\n' && provider.data[size] != '\0')
        size++;
    if (size == 0 || size >= sizeof report.provider)
        return clo_fail(err, CLO_ERR_FORMAT, "provider: no name");
    memcpy(report.provider, provider.data, size);
    report.provider[size] = '\0';
    clo_sanitize(report.provider);
    report.generation = after;
    *out = report;
    report = (struct clo_tsm_report){ .provider = "" };
    return true;
}

/* A real configfs entry goes away with rmdir(2); a plain folder has to be emptied first. */
static void remove_entry(int root, const char *name)
{
    static const char *const attributes[] = { "inblob",   "outblob",    "auxblob",
                                              "provider", "generation", "privlevel" };

    if (unlinkat(root, name, AT_REMOVEDIR) == 0 || errno != ENOTEMPTY)
        return;
    int folder = openat(root, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; folder >= 0 && i < CLO_COUNT(attributes); i++)
        unlinkat(folder, attributes[i], 0);
    clo_fd_close(&folder);
    unlinkat(root, name, AT_REMOVEDIR);
}

bool clo_tsm_get(const char *root, struct clo_bytes inblob, int privlevel,
                 struct clo_tsm_report *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int folder = -1;
    CLO_CLEANUP(clo_fd_close) int entry = -1;
    bool raced = true;
    bool ok = false;
    char name[48];

    if (inblob.size == 0 || inblob.size > CLO_TSM_INBLOB_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "report data: %zu bytes, 1 to %d expected", inblob.size,
                        CLO_TSM_INBLOB_MAX);
    folder = open(root, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (folder < 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: %s", root, strerror(errno));
    snprintf(name, sizeof name, "cloister-%d", (int)getpid());
    /* An entry of this name is what an earlier process with our number left: as good as new. */
    if (mkdirat(folder, name, 0700) != 0 && errno != EEXIST) {
        if (errno == ENXIO)
            return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: no report provider (ENXIO)", root);
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: new entry: %s", root, strerror(errno));
    }
    entry = openat(folder, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (entry < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s/%s: %s", root, name, strerror(errno));
    for (int i = 0; i < TRIES && raced && !ok; i++) {
        raced = false;
        ok = get_once(entry, inblob, privlevel, out, &raced, err);
    }
    remove_entry(folder, name);
    return ok || clo_wrap(err, "%s", root);
}

void clo_tsm_report_free(struct clo_tsm_report *report)
{
    clo_buffer_free(&report->outblob);
    clo_buffer_free(&report->auxblob);
    *report = (struct clo_tsm_report){ .provider = "" };
}
