#include "device/dm_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/dm-ioctl.h>

#include "cloister/encoding.h"
#include "device/file.h"

#define CONTROL     "/dev/mapper/control"
#define ANSWER_SIZE 16384 /* one target with a key of 128 bytes needs a tenth of it */

/* "CIPHER KEY IV_OFFSET DEVICE OFFSET [OPTIONS]" (kernel, dm-crypt.rst); a key in a keyring is ":SIZE:TYPE:NAME". */
static bool read_key(const char *line, struct clo_secret **out, struct clo_error *err)
{
    const char *key = strchr(line, ' ');
    uint8_t bytes[128];
    size_t size = key == NULL ? 0 : strcspn(++key, " ");
    bool ok = size > 0 && size % 2 == 0 && size / 2 <= sizeof bytes;

    if (key != NULL && *key == ':')
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "its key is in a keyring");
    for (size_t i = 0; ok && i < size / 2; i++) {
        unsigned byte;
        char digits[3] = { key[2 * i], key[2 * i + 1], '\0' };
        ok = sscanf(digits, "%2x", &byte) == 1;
        bytes[i] = (uint8_t)byte;
    }
    if (ok)
        ok = clo_secret_copy(clo_bytes(bytes, size / 2), out, err);
    else
        clo_fail(err, CLO_ERR_FORMAT, "its table has no key");
    clo_wipe(bytes, sizeof bytes);
    return ok;
}

static bool read_table(const char *answer, struct clo_secret **out, struct clo_error *err)
{
    const struct dm_ioctl *head = (const void *)answer;
    struct dm_target_spec target;

    if ((head->flags & DM_BUFFER_FULL_FLAG) != 0 || head->target_count != 1 ||
        head->data_start > ANSWER_SIZE - sizeof target - 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "not one target");
    memcpy(&target, answer + head->data_start, sizeof target);
    if (strncmp(target.target_type, "crypt", sizeof target.target_type) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "not dm-crypt");
    return read_key(answer + head->data_start + sizeof target, out, err);
}

bool clo_dm_volume_key(const char *name, struct clo_secret **out, struct clo_error *err)
{
    static _Alignas(struct dm_ioctl) char answer[ANSWER_SIZE + 1];
    struct dm_ioctl *head = (void *)answer;
    CLO_CLEANUP(clo_fd_close) int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, CONTROL ": %s", strerror(errno));
    memset(answer, 0, sizeof answer);
    *head = (struct dm_ioctl){ .version = { 4, 0, 0 },
                               .data_size = ANSWER_SIZE,
                               .data_start = sizeof *head,
                               .flags = DM_STATUS_TABLE_FLAG | DM_SECURE_DATA_FLAG };
    snprintf(head->name, sizeof head->name, "%s", name);
    bool ok = ioctl(fd, DM_TABLE_STATUS, answer) == 0
                      ? read_table(answer, out, err)
                      : clo_fail(err, CLO_ERR_UNAVAILABLE, "%s", strerror(errno));
    clo_wipe(answer, sizeof answer);
    return ok || clo_wrap(err, "/dev/mapper/%s", name);
}
