#include <stdio.h>
#include <string.h>

#include "guest/facts_internal.h"

#define DEPTH_MAX 8
#define CLEAR_MAX 16

/* A device, or one of those below it, is encrypted, or read-only below a hash tree. */
struct below {
    bool is_safe;
    unsigned depth;
};

static bool device_is_safe(const struct clo_tree *tree, const char *folder, unsigned depth);

static void look_below(const struct clo_tree *tree, const char *folder, const char *name,
                       void *context)
{
    struct below *below = context;
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    below->is_safe |= device_is_safe(tree, path, below->depth + 1);
}

static bool device_is_safe(const struct clo_tree *tree, const char *folder, unsigned depth)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct below below = { .depth = depth };
    char path[512];

    if (depth > DEPTH_MAX)
        return false;
    snprintf(path, sizeof path, "%s/dm/uuid", folder);
    const char *uuid = clo_tree_text(tree, path, &text);
    if (uuid != NULL && strncmp(uuid, "CRYPT-", 6) == 0)
        return true;
    snprintf(path, sizeof path, "%s/slaves", folder);
    clo_tree_list(tree, path, look_below, &below);
    return below.is_safe;
}

struct mount {
    char device[32]; /* "254:0" */
    char point[256];
    char type[32];
    char source[256];
};

/* proc_pid_mountinfo(5): "36 35 98:0 /root /point options shared:1 - type source more". */
static bool read_mount(const char *line, struct mount *out)
{
    const char *dash = strstr(line, " - ");

    return dash != NULL && sscanf(line, "%*u %*u %31s %*s %255s", out->device, out->point) == 2 &&
           sscanf(dash + 3, "%31s %255s", out->type, out->source) == 2;
}

/* The firmware reads the ESP: it cannot be encrypted, and what is started from it is signed. */
static bool is_esp(const struct mount *mount)
{
    static const char *const points[] = { "/efi", "/boot/efi", "/boot",
                                          "/run/systemd/gpt-auto/efi" };

    for (size_t i = 0; i < CLO_COUNT(points); i++)
        if (strcmp(mount->type, "vfat") == 0 && strcmp(mount->point, points[i]) == 0)
            return true;
    return false;
}

/* Loop devices are files of another file system, zram is memory. */
static bool is_on_disk(const struct mount *mount)
{
    return strncmp(mount->source, "/dev/", 5) == 0 && strncmp(mount->source, "/dev/loop", 9) != 0 &&
           strncmp(mount->source, "/dev/zram", 9) != 0;
}

struct clear {
    char points[CLEAR_MAX][256];
    size_t count;
};

static bool mount_is_safe(const struct clo_tree *tree, const struct mount *mount)
{
    char folder[64];

    /* btrfs has a device number of its own, which leads nowhere: by name then. */
    if (strncmp(mount->device, "0:", 2) == 0)
        snprintf(folder, sizeof folder, "sys/class/block/%.40s", strrchr(mount->source, '/') + 1);
    else
        snprintf(folder, sizeof folder, "sys/dev/block/%.31s", mount->device);
    return device_is_safe(tree, folder, 0);
}

static void set_mounts(const struct clo_tree *tree, struct clear *clear)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "proc/self/mountinfo", &buffer);
    char list[LIST_LIMIT] = "";
    char line[1024];
    struct mount mount;

    if (text == NULL)
        return;
    while (clo_fact_line(&text, line, sizeof line)) {
        if (!read_mount(line, &mount) || !is_on_disk(&mount) || is_esp(&mount) ||
            mount_is_safe(tree, &mount))
            continue;
        clo_fact_list(list, "%s (%s on %s)", mount.point, mount.type, mount.source);
        if (clear->count < CLEAR_MAX)
            snprintf(clear->points[clear->count++], sizeof clear->points[0], "%s", mount.point);
    }
    clo_fact_set(tree, "guest.mounts_clear", clo_fact_or_none(list));
}

/* A swap file is as safe as the file system it is in; which that is, the longest mount point says. A root
 * that is in the clear has everything that no other mount takes. */
static bool file_is_clear(const struct clear *clear, const char *path)
{
    for (size_t i = 0; i < clear->count; i++) {
        size_t size = strlen(clear->points[i]);
        if (strncmp(path, clear->points[i], size) == 0)
            return true;
    }
    return false;
}

/* proc_swaps(5). */
static void set_swaps(const struct clo_tree *tree, const struct clear *clear)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "proc/swaps", &buffer);
    char list[LIST_LIMIT] = "";
    char line[1024], name[256], type[32], folder[320];

    if (text == NULL)
        return;
    while (clo_fact_line(&text, line, sizeof line)) {
        if (line[0] != '/' || sscanf(line, "%255s %31s", name, type) != 2 ||
            strncmp(name, "/dev/zram", 9) == 0)
            continue;
        snprintf(folder, sizeof folder, "sys/class/block/%s", strrchr(name, '/') + 1);
        bool is_safe = strcmp(type, "file") == 0 ? !file_is_clear(clear, name)
                                                 : device_is_safe(tree, folder, 0);
        if (!is_safe)
            clo_fact_list(list, "%s", name);
    }
    clo_fact_set(tree, "guest.swap_clear", clo_fact_or_none(list));
}

void clo_facts_storage(const struct clo_tree *tree)
{
    struct clear clear = { .count = 0 };

    set_mounts(tree, &clear);
    set_swaps(tree, &clear);
}
