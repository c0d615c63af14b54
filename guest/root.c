#include "guest/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"

static const struct api_mount {
    const char *type;
    const char *target;
    unsigned long flags;
    const char *options;
    bool is_optional;
} api_mounts[] = {
    { "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, false },
    { "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, false },
    { "devtmpfs", "/dev", MS_NOSUID, "mode=0755", false },
    { "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755", false },
    { "securityfs", "/sys/kernel/security", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, true },
};

bool clo_root_mount_api(struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(api_mounts); i++) {
        const struct api_mount *m = &api_mounts[i];
        if (mount(m->type, m->target, m->type, m->flags, m->options) != 0 && errno != EBUSY &&
            !m->is_optional)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be mounted: %s", m->target,
                            strerror(errno));
    }
    return true;
}

void clo_root_mount_late(void)
{
    (void)!mount("securityfs", "/sys/kernel/security", "securityfs",
                 MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    (void)!mount("configfs", "/sys/kernel/config", "configfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                 NULL);
    (void)!mount("efivarfs", "/sys/firmware/efi/efivars", "efivarfs",
                 MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

bool clo_root_mount(const char *device, struct clo_error *err)
{
    if (mount(device, CLO_ROOT_TARGET, "ext4", 0, NULL) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be mounted as ext4: %s", device,
                        strerror(errno));
    return true;
}

/* Below /run, which the root gets. */
#define LOWER   "/run/cloister/root"
#define CHANGES "/run/cloister/changes"

static bool mount_lower(const char *device, struct clo_error *err)
{
    (void)mkdir(LOWER, 0700);
    return mount(device, LOWER, "ext4", MS_RDONLY, NULL) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be mounted as ext4: %s", device,
                    strerror(errno));
}

bool clo_root_try_mount(const char *device, struct clo_error *err)
{
    if (!mount_lower(device, err))
        return false;
    (void)access(LOWER "/sbin/init", X_OK);
    return umount(LOWER) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be unmounted: %s", device, strerror(errno));
}

static bool mount_changes(const char *changes, struct clo_error *err)
{
    (void)mkdir(CHANGES, 0700);
    if (changes == NULL)
        return mount("tmpfs", CHANGES, "tmpfs", MS_NODEV, "mode=0700,size=50%") == 0 ||
               clo_fail(err, CLO_ERR_SYSTEM, "what is written cannot be kept in memory: %s",
                        strerror(errno));
    return mount(changes, CHANGES, "ext4", MS_NODEV, NULL) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be mounted as ext4: %s", changes,
                    strerror(errno));
}

static bool make_folder(const char *path, mode_t mode)
{
    return mkdir(path, mode) == 0 || errno == EEXIST;
}

/* Whatever a boot before has written over it: the hash tree's own. A link there would lead somewhere else. */
static bool mount_usr(struct clo_error *err)
{
    struct stat status;

    if (lstat(CLO_ROOT_TARGET "/usr", &status) != 0 || !S_ISDIR(status.st_mode))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "root disk: what was written has something else in the place of /usr");
    return mount(LOWER "/usr", CLO_ROOT_TARGET "/usr", NULL, MS_BIND, NULL) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "/usr: cannot be mounted: %s", strerror(errno));
}

bool clo_root_mount_overlaid(const char *device, const char *changes, struct clo_error *err)
{
    static const char layers[] =
            "lowerdir=" LOWER ",upperdir=" CHANGES "/upper,workdir=" CHANGES "/work";
    struct stat status;

    if (!mount_lower(device, err) || !mount_changes(changes, err))
        return false;
    bool is_new = access(CHANGES "/upper", F_OK) != 0;
    if (!make_folder(CHANGES "/upper", 0755) || !make_folder(CHANGES "/work", 0700) ||
        stat(LOWER, &status) != 0 ||
        (is_new && chmod(CHANGES "/upper", status.st_mode & 07777) != 0) ||
        mount("overlay", CLO_ROOT_TARGET, "overlay", 0, layers) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "what is written cannot lie over the root: %s",
                        strerror(errno));
    return changes == NULL || mount_usr(err);
}

/* --- Leaving the initrd --- */

/* Removes what is below `folder` on its own file system: memory that nobody needs any more. */
static void empty(int folder, dev_t device, unsigned depth)
{
    DIR *stream = fdopendir(folder);
    struct dirent *entry;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            status.st_dev != device)
            continue;
        if (!S_ISDIR(status.st_mode)) {
            (void)unlinkat(dirfd(stream), entry->d_name, 0);
            continue;
        }
        int below = depth == 0 ? -1
                               : openat(dirfd(stream), entry->d_name,
                                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            empty(below, device, depth - 1);
        (void)unlinkat(dirfd(stream), entry->d_name, AT_REMOVEDIR);
    }
    if (stream != NULL)
        closedir(stream);
}

static bool move_mounts(struct clo_error *err)
{
    static const char *const kept[] = { "/dev", "/proc", "/sys", "/run" };

    for (size_t i = 0; i < CLO_COUNT(kept); i++) {
        char target[64];
        snprintf(target, sizeof target, CLO_ROOT_TARGET "%s", kept[i]);
        (void)mkdir(target, 0755);
        if (mount(kept[i], target, NULL, MS_MOVE, NULL) != 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: cannot be moved to the root: %s", kept[i],
                            strerror(errno));
    }
    return true;
}

static const char *find_init(void)
{
    static const char *const candidates[] = { "/sbin/init", "/usr/lib/systemd/systemd",
                                              "/lib/systemd/systemd", "/etc/init", "/bin/init" };
    for (size_t i = 0; i < CLO_COUNT(candidates); i++)
        if (access(candidates[i], X_OK) == 0)
            return candidates[i];
    return NULL;
}

/* As the kernel starts its first program: what we set for ourselves is not the root's to live with. */
static void restore_defaults(void)
{
    const struct rlimit cores = { 0, RLIM_INFINITY };

    umask(022);
    (void)setrlimit(RLIMIT_CORE, &cores);
}

bool clo_root_switch(struct clo_error *err)
{
    static char *const environment[] = { NULL };
    static char credentials[] = "CREDENTIALS_DIRECTORY=" CLO_ROOT_CREDENTIALS;
    static char *const with_credentials[] = { credentials, NULL };
    struct stat status;
    int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (old < 0 || fstat(old, &status) != 0 || !move_mounts(err))
        return old < 0 ? clo_fail(err, CLO_ERR_SYSTEM, "/: %s", strerror(errno)) : false;
    if (chdir(CLO_ROOT_TARGET) != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 ||
        chroot(".") != 0 || chdir("/") != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "the root cannot be switched to: %s", strerror(errno));
    empty(old, status.st_dev, 16);
    const char *program = find_init();
    if (program == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "the root has no init");
    char name[] = "init";
    char *const argv[] = { name, NULL };
    restore_defaults();
    execve(program, argv, access(CLO_ROOT_CREDENTIALS, F_OK) == 0 ? with_credentials : environment);
    return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", program, strerror(errno));
}
