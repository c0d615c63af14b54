/* The parts of the machine that an update changes. */
#include "cli/update/update.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/blkpg.h>

#include "cloister/encoding.h"
#include "device/dm_key.h"
#include "device/file.h"
#include "device/tpm_audit.h"
#include "guest/disk.h"
#include "image/luks.h"
#include "image/seal.h"
#include "image/uki/work.h"

#define MAPPED       "root"
#define BLOCKS       "/sys/class/block"
#define SRK_FILE     "tpm-srk"
#define KEY_LIMIT    512
#define LOCK_SECONDS 120

/* --- The disk --- */

/* "/dev/vda" of "/dev/vda2": a partition's folder lies in its disk's. */
static bool whole_disk(char out[80], struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free) struct clo_disk root = { .device = "" };
    char path[300], real[PATH_MAX];

    if (!clo_disk_find(0, &root, err))
        return clo_wrap(err, "the root's disk");
    snprintf(path, sizeof path, BLOCKS "/%.200s/..", strrchr(root.device, '/') + 1);
    if (realpath(path, real) == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    snprintf(out, 80, "/dev/%.60s", strrchr(real, '/') + 1);
    return true;
}

static bool esp_of(const char *disk, struct clo_gpt_partition *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    CLO_CLEANUP(clo_fd_close) int fd = open(disk, O_RDONLY | O_CLOEXEC);
    const struct clo_gpt_partition *esp;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", disk, strerror(errno));
    if (!clo_fd_read(fd, 0, CLO_GPT_HEAD_SIZE, &head, err) ||
        !clo_gpt_parse(clo_buffer_bytes(&head), gpt, err) ||
        !clo_gpt_find(gpt, &clo_gpt_type_esp, &esp, err))
        return clo_wrap(err, "%s", disk);
    *out = *esp;
    return true;
}

/* --- The ESP: the guest's kernel was made to forget it, so that nothing mounts it unasked --- */

static bool change_partition(const char *disk, int what, struct blkpg_partition *partition,
                             struct clo_error *err)
{
    struct blkpg_ioctl_arg call = { .op = what, .datalen = sizeof *partition, .data = partition };
    CLO_CLEANUP(clo_fd_close) int fd = open(disk, O_RDONLY | O_CLOEXEC);

    return (fd >= 0 && ioctl(fd, BLKPG, &call) == 0) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: partition %d: %s", disk, partition->pno,
                    strerror(errno));
}

/* udev looks into no partition of a disk that is locked (systemd, "Locking Block Device Access"): one that it has open cannot be
 * removed again. */
static bool lock_disk(struct cli_update_parts *parts, struct clo_error *err)
{
    parts->lock = open(parts->disk, O_RDONLY | O_CLOEXEC);
    if (parts->lock < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", parts->disk, strerror(errno));
    return clo_fd_lock(parts->lock, LOCK_SECONDS, err) || clo_wrap(err, "%s", parts->disk);
}

static bool show_esp(struct cli_update_parts *parts, const struct clo_gpt_partition *esp,
                     char device[96], struct clo_error *err)
{
    bool ends_in_digit = strchr("0123456789", parts->disk[strlen(parts->disk) - 1]) != NULL;
    struct blkpg_partition partition = {
        .start = (long long)(esp->first_lba * CLO_GPT_SECTOR),
        .length = (long long)((esp->last_lba - esp->first_lba + 1) * CLO_GPT_SECTOR),
        .pno = (int)esp->number,
    };

    snprintf(device, 96, "%s%s%u", parts->disk, ends_in_digit ? "p" : "", esp->number);
    if (!lock_disk(parts, err))
        return false;
    if (access(device, F_OK) == 0)
        return true;
    if (!change_partition(parts->disk, BLKPG_ADD_PARTITION, &partition, err))
        return false;
    parts->partition = partition.pno;
    return true;
}

static bool mount_esp(struct cli_update_parts *parts, const char *run, struct clo_error *err)
{
    struct clo_gpt_partition esp = { .number = 0 };
    char device[96];

    snprintf(parts->esp, sizeof parts->esp, "%.50s/esp", run);
    if (!esp_of(parts->disk, &esp, err) || !show_esp(parts, &esp, device, err))
        return false;
    if (mkdir(parts->esp, 0700) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", parts->esp, strerror(errno));
    if (mount(device, parts->esp, "vfat", MS_NOSUID | MS_NODEV | MS_NOEXEC, "umask=0077") != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be mounted: %s", device, strerror(errno));
    parts->is_mounted = true;
    return true;
}

void cli_update_parts_free(struct cli_update_parts *parts)
{
    struct blkpg_partition partition = { .pno = parts->partition };
    struct clo_error ignored;

    if (parts->is_mounted && umount(parts->esp) != 0)
        fprintf(stderr, "warning: %s: %s\n", parts->esp, strerror(errno));
    if (parts->partition != 0 &&
        !change_partition(parts->disk, BLKPG_DEL_PARTITION, &partition, &ignored))
        fprintf(stderr, "warning: %s\n", ignored.text);
    clo_fd_close(&parts->lock);
    clo_tpm_freep(&parts->machine.tpm);
    clo_secret_freep(&parts->volume_key);
    clo_private_key_freep(&parts->nv_key);
}

/* --- The key --- */

/* From a slot, where the disk is not open here. */
static bool key_of_slot(const char *disk, const char *key_file, struct clo_secret **out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_close) struct clo_seal_disk volume = { .fd = -1 };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { .path = "" };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    char header[4200], uuid[41];

    if (!clo_file_read_secret(key_file, KEY_LIMIT, &key, err) ||
        !clo_seal_open(disk, false, &volume, err) || !clo_scratch_new(NULL, &scratch, err))
        return false;
    snprintf(header, sizeof header, "%s/header", scratch.path);
    return clo_file_write(header, clo_buffer_bytes(&volume.header), 0600, err) &&
           clo_luks_open(header, clo_secret_bytes(key), out, uuid, err);
}

/* cloister-init leaves the name of the storage key that gave this boot its key, or was sealed to in it, and by which kind of token. */
static bool read_srk(const char *run, struct cli_update_parts *parts, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    char path[4200];

    snprintf(path, sizeof path, "%s/" SRK_FILE, run);
    if (access(path, F_OK) != 0)
        return true;
    if (!clo_file_read(path, 256, &text, err))
        return false;
    const char *line = clo_buffer_string(&text);
    size_t digits = line == NULL ? 0 : strcspn(line, " \n");
    if (!clo_hex_read(clo_bytes(text.data, digits), &name, err) ||
        name.size != sizeof parts->srk.bytes)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not the name of a storage key", path);
    memcpy(parts->srk.bytes, name.data, name.size);
    parts->machine.srk = &parts->srk;
    parts->machine.is_own = strncmp(line + digits, " own", 4) == 0;
    return true;
}

/* What is foretold from the TPM's registers, and when its floor was raised, is not the host's to say. */
static bool audit_tpm(struct cli_update_parts *parts, struct clo_error *err)
{
    const struct clo_update_machine *machine = &parts->machine;

    return machine->tpm == NULL || machine->srk == NULL ||
           clo_tpm_audit(machine->tpm, machine->srk, err) || clo_wrap(err, "TPM");
}

/* Only where there is something to seal: an image that asks the broker at each boot has no use for it. */
static bool read_key(const struct cli_update *in, struct cli_update_parts *parts,
                     struct clo_error *err)
{
    bool ok = true;

    if (parts->machine.srk == NULL)
        return true;
    ok = in->disk_key != NULL ? key_of_slot(parts->disk, in->disk_key, &parts->volume_key, err)
                              : clo_dm_volume_key(MAPPED, &parts->volume_key, err);
    parts->machine.volume_key = parts->volume_key;
    return ok;
}

static bool open_tpm(const struct cli_update *in, struct cli_update_parts *parts,
                     struct clo_error *err)
{
    if (clo_tpm_open_named(in->tpm, &parts->machine.tpm, err))
        return true;
    return err->status == CLO_ERR_UNAVAILABLE && strcmp(in->tpm, CLO_TPM_DEVICE) == 0;
}

static bool read_nv_key(const struct cli_update *in, struct cli_update_parts *parts,
                        struct clo_error *err)
{
    if (in->nv_policy == NULL)
        return true;
    parts->machine.nv_policy = in->nv_policy;
    if (!uki_key_read(in->nv_key, NULL, &in->build.signing.providers, &parts->nv_key, err))
        return false;
    parts->machine.nv_key = parts->nv_key;
    return true;
}

static bool find_parts(const struct cli_update *in, struct cli_update_parts *parts,
                       struct clo_error *err)
{
    if (in->disk != NULL && strlen(in->disk) >= sizeof parts->disk)
        return clo_fail(err, CLO_ERR_USAGE, "--disk: %s: path too long", in->disk);
    if (in->disk != NULL)
        snprintf(parts->disk, sizeof parts->disk, "%s", in->disk);
    else if (!whole_disk(parts->disk, err))
        return false;
    parts->machine = (struct clo_update_machine){ .esp = in->esp,
                                                  .efivars = in->efivars,
                                                  .disk = parts->disk,
                                                  .state = in->state,
                                                  .eventlog = in->eventlog,
                                                  .volumes = in->volumes.items,
                                                  .volume_count = in->volumes.count };
    if (in->esp == NULL) {
        if (!mount_esp(parts, in->run, err))
            return false;
        parts->machine.esp = parts->esp;
    }
    return open_tpm(in, parts, err) && read_srk(in->run, parts, err) && audit_tpm(parts, err) &&
           read_key(in, parts, err) && read_nv_key(in, parts, err);
}

bool cli_update_parts(const struct cli_update *in, struct cli_update_parts *out,
                      struct clo_error *err)
{
    *out = (struct cli_update_parts){ .lock = -1 };
    return find_parts(in, out, err);
}
