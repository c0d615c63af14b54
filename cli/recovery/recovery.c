/* cloister recovery: the key that a person has on paper, for the day on which no machine gives one. */
#include "cli/recovery/recovery.h"

#include "cli/commands.h"
#include "device/file.h"
#include "image/seal.h"
#include "lib/disk/recovery.h"

#define TYPED_LIMIT 512

bool cli_recovery_read(const char *path, const char *disk, struct clo_secret **out,
                       bool *is_checked, struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_close) struct clo_seal_disk volume = { .fd = -1 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *typed = NULL;

    if (disk != NULL && !clo_seal_open(disk, false, &volume, err))
        return clo_wrap(err, "%s", disk);
    return clo_file_read_secret(path == NULL ? "-" : path, TYPED_LIMIT, &typed, err) &&
           (clo_recovery_parse(clo_secret_bytes(typed), out, is_checked, err) ||
            clo_wrap(err, "recovery key"));
}

bool cli_recovery_open(const char *path, const struct clo_secret *key, int *slot,
                       struct clo_secret **volume_key, struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_close) struct clo_seal_disk disk = { .fd = -1 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *found = NULL;

    if (!clo_seal_open(path, false, &disk, err) || !clo_seal_try(&disk, key, slot, &found, err))
        return clo_wrap(err, "%s", path);
    if (volume_key != NULL)
        *volume_key = CLO_TAKE(found);
    return true;
}

int cmd_recovery(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "check", cmd_recovery_check,
          "is a key typed as it was printed, and does it open a disk?" },
        { "convert", cmd_recovery_convert,
          "from what was typed to a file that cryptsetup opens the disk with" },
        { "enroll", cmd_recovery_enroll, "add a recovery key to a disk, and print it this once" },
        { "revoke", cmd_recovery_revoke, "take the recovery keys of a disk away" },
    };

    return cli_dispatch("recovery", "The key on paper that opens a disk when nothing else does.",
                        commands, CLO_COUNT(commands), argc, argv);
}
