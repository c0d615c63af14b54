#include "sim/doors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/efivar.h"
#include "device/file.h"
#include "lib/disk/gpt.h"

#define MIB            ((uint64_t)1 << 20)
#define VARSTORE_LIMIT ((size_t)64 << 20)
#define KEPT           0x7U /* non-volatile, boot services, runtime */

static uint64_t end_of(const struct clo_gpt *gpt)
{
    uint64_t end = 0;

    for (size_t i = 0; i < gpt->count; i++)
        if (gpt->partitions[i].last_lba >= end)
            end = gpt->partitions[i].last_lba + 1;
    return end;
}

static bool write_table(int fd, struct clo_gpt *gpt, uint64_t bytes, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };

    if (!clo_gpt_write(&gpt->disk, bytes / CLO_GPT_SECTOR, gpt->partitions, gpt->count, &head,
                       &tail, err))
        return false;
    return (pwrite(fd, tail.data, tail.size, (off_t)(bytes - CLO_GPT_TAIL_SIZE)) ==
                    (ssize_t)tail.size &&
            pwrite(fd, head.data, head.size, 0) == (ssize_t)head.size) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
}

static bool add_partition(int fd, struct clo_gpt *gpt, const struct clo_guid *type,
                          const char *name, unsigned mib, struct clo_error *err)
{
    struct clo_gpt_partition *added = &gpt->partitions[gpt->count];
    uint64_t first = (end_of(gpt) * CLO_GPT_SECTOR + MIB - 1) / MIB * MIB;
    uint64_t bytes = first + mib * MIB + MIB;
    struct stat status;

    if (gpt->count == CLO_GPT_PARTITIONS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "the table is full");
    *added = (struct clo_gpt_partition){ .type = *type,
                                         .guid = *type,
                                         .first_lba = first / CLO_GPT_SECTOR,
                                         .last_lba = (first + mib * MIB) / CLO_GPT_SECTOR - 1 };
    added->guid.bytes[0] ^= 0xff;
    snprintf(added->name, sizeof added->name, "%s", name);
    gpt->count++;
    if (fstat(fd, &status) != 0 ||
        ((uint64_t)status.st_size < bytes && ftruncate(fd, (off_t)bytes) != 0))
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    if ((uint64_t)status.st_size > bytes)
        bytes = (uint64_t)status.st_size;
    return write_table(fd, gpt, bytes, err);
}

bool sim_add_partition(const char *image, const struct clo_guid *type, const char *name,
                       unsigned mib, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(image, O_RDWR | O_CLOEXEC);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);

    if (fd < 0 || gpt == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", image, strerror(errno));
    return (clo_fd_read(fd, 0, CLO_GPT_HEAD_SIZE, &head, err) &&
            clo_gpt_parse(clo_buffer_bytes(&head), gpt, err) &&
            add_partition(fd, gpt, type, name, mib, err)) ||
           clo_wrap(err, "%s", image);
}

bool sim_set_variable(const char *varstore, const char *name, const struct clo_guid *vendor,
                      const char *text, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    struct clo_efivar variable = { .vendor = *vendor, .attributes = KEPT };

    snprintf(variable.name, sizeof variable.name, "%s", name);
    if (!clo_utf16_write(text, &value, err))
        return false;
    clo_buffer_le16(&value, 0);
    variable.data = clo_buffer_bytes(&value);
    return clo_file_read(varstore, VARSTORE_LIMIT, &in, err) &&
           clo_varstore_parse(clo_buffer_bytes(&in), &store, err) &&
           clo_varstore_write(store, &variable, 1, &out, err) &&
           clo_file_write(varstore, clo_buffer_bytes(&out), 0600, err);
}
