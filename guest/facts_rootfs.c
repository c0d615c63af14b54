#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "device/file.h"
#include "guest/facts_internal.h"

/* --- Configuration files: KEY=VALUE or KEY VALUE, "#" begins a remark --- */

struct setting {
    const char *key;

    bool first_counts; /* as with sshd; else the last one */
    char value[128];   /* "" until it is met */
};

static void read_settings(const struct clo_tree *tree, const char *path, struct setting *setting)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, path, &buffer);
    size_t size = strlen(setting->key);
    char line[512];

    while (text != NULL && clo_fact_line(&text, line, sizeof line)) {
        const char *at = line + strspn(line, " \t");
        if (strncasecmp(at, setting->key, size) != 0 || strchr("= \t:", at[size]) == NULL ||
            at[size] == '\0' || (setting->first_counts && setting->value[0] != '\0'))
            continue;
        at += size;
        at += strspn(at, "= \t:");
        snprintf(setting->value, sizeof setting->value, "%.*s",
                 (int)(strlen(at) < 127 ? strlen(at) : 127), at);
    }
}

static bool has_ending(const char *name, const char *ending)
{
    size_t size = strlen(name), tail = strlen(ending);

    return size > tail && strcmp(name + size - tail, ending) == 0;
}

static void read_drop_in(const struct clo_tree *tree, const char *folder, const char *name,
                         void *context)
{
    char path[512];

    if (!has_ending(name, ".conf") && !has_ending(name, ".cfg"))
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    read_settings(tree, path, context);
}

/* The main file and its drop-ins: sshd takes the first value and reads drop-ins first, the rest the last. */
static const char *find_setting(const struct clo_tree *tree, const char *file, const char *folder,
                                struct setting *setting)
{
    if (setting->first_counts)
        clo_tree_list(tree, folder, read_drop_in, setting);
    read_settings(tree, file, setting);
    if (!setting->first_counts)
        clo_tree_list(tree, folder, read_drop_in, setting);
    return setting->value;
}

/* --- What is the same in every copy of the image --- */

/* When this machine was started; 0: not known. */
static int64_t boot_time(const struct clo_tree *tree)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "proc/stat", &buffer);
    const char *at = text == NULL ? NULL : strstr(text, "\nbtime ");

    return at == NULL ? 0 : strtoll(at + 7, NULL, 10);
}

/* In an image, a file that should be a machine's own is everybody's. On a machine that runs, one from before
 * this boot may be of the first boot or of the image: nobody can tell. */
static const char *own_or_not(const struct clo_tree *tree, const char *path, bool is_running)
{
    struct stat facts;

    if (!is_running)
        return "in the image";
    int64_t boot = boot_time(tree);
    return boot != 0 && clo_tree_stat(tree, path, &facts) && facts.st_mtime >= boot ? "own"
                                                                                    : "unknown";
}

struct keys {
    char list[LIST_LIMIT];
    bool is_running;
    bool is_unknown;
};

static void look_at_key(const struct clo_tree *tree, const char *folder, const char *name,
                        void *context)
{
    struct keys *keys = context;
    char path[512];

    if (strncmp(name, "ssh_host_", 9) != 0 || !has_ending(name, "_key"))
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const char *whose = own_or_not(tree, path, keys->is_running);
    keys->is_unknown |= strcmp(whose, "unknown") == 0;
    clo_fact_list(keys->list, "%s %s", name, whose);
}

static void set_identity(const struct clo_tree *tree, bool is_running)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    struct keys keys = { .is_running = is_running };
    const char *id = clo_tree_text(tree, "etc/machine-id", &buffer);

    clo_tree_list(tree, "etc/ssh", look_at_key, &keys);
    clo_fact_set(tree, "rootfs.ssh_host_keys",
                 keys.list[0] == '\0' ? "none"
                 : keys.is_unknown    ? "unknown"
                 : is_running         ? "own"
                                      : keys.list);
    clo_fact_set(tree, "rootfs.machine_id",
                 id == NULL || *id == '\0' || strcmp(id, "uninitialized") == 0
                         ? "none"
                         : own_or_not(tree, "etc/machine-id", is_running));
    /* It is written anew at every shutdown. */
    clo_fact_set(tree, "rootfs.random_seed",
                 !clo_tree_exists(tree, "var/lib/systemd/random-seed") ? "none"
                 : is_running                                          ? "own"
                                                                       : "in the image");
}

/* --- Who gets in --- */

/* shadow(5): an empty second field is not a password at all. */
static void set_passwords(const struct clo_tree *tree)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "etc/shadow", &buffer);
    char list[LIST_LIMIT] = "";
    char line[512];

    if (text == NULL)
        return;
    while (clo_fact_line(&text, line, sizeof line)) {
        size_t size = strcspn(line, ":");
        if (size > 0 && line[size] == ':' && line[size + 1] == ':')
            clo_fact_list(list, "%.*s", (int)size, line);
    }
    clo_fact_set(tree, "rootfs.empty_password", clo_fact_or_none(list));
}

struct gettys {
    char wanted[LIST_LIMIT];
    char autologin[LIST_LIMIT];
};

static void look_at_wanted(const struct clo_tree *tree, const char *folder, const char *name,
                           void *context)
{
    struct gettys *gettys = context;

    (void)tree;
    (void)folder;
    if ((strncmp(name, "serial-getty@", 13) == 0 || strncmp(name, "console-getty", 13) == 0) &&
        strstr(gettys->wanted, name) == NULL)
        clo_fact_list(gettys->wanted, "%s", name);
}

static void look_at_unit(const struct clo_tree *tree, const char *folder, const char *name,
                         void *context)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    struct gettys *gettys = context;
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    const char *text = clo_tree_text(tree, path, &buffer);
    if (text != NULL && (strstr(text, "--autologin") != NULL || strstr(text, "agetty -a ") != NULL))
        clo_fact_list(gettys->autologin, "%s", path);
}

static void look_at_units(const struct clo_tree *tree, const char *folder, const char *name,
                          void *context)
{
    char path[512];

    if (strstr(name, "getty") == NULL)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (has_ending(name, ".service.d"))
        clo_tree_list(tree, path, look_at_unit, context);
    else if (has_ending(name, ".service"))
        look_at_unit(tree, folder, name, context);
}

/* Without a unit that is wanted, systemd starts a login where console= points to, unless the template is
 * masked (systemd-getty-generator(8)). On a machine that runs, what it wanted is in /run. */
static void set_logins(const struct clo_tree *tree, bool is_running)
{
    struct gettys gettys = { .wanted = "" };
    char target[64];

    clo_tree_list(tree, "etc/systemd/system/getty.target.wants", look_at_wanted, &gettys);
    clo_tree_list(tree, "run/systemd/generator/getty.target.wants", look_at_wanted, &gettys);
    clo_tree_list(tree, "etc/systemd/system", look_at_units, &gettys);
    bool is_masked = clo_tree_link(tree, "etc/systemd/system/serial-getty@.service", target,
                                   sizeof target) &&
                     strcmp(target, "null") == 0;
    bool generates =
            clo_tree_exists(tree, "usr/lib/systemd/system-generators/systemd-getty-generator") ||
            clo_tree_exists(tree, "lib/systemd/system-generators/systemd-getty-generator");
    if (gettys.wanted[0] == '\0' && !is_running && generates && !is_masked)
        clo_fact_list(gettys.wanted, "wherever console= points to");
    clo_fact_set(tree, "rootfs.console_login",
                 is_masked ? "none" : clo_fact_or_none(gettys.wanted));
    clo_fact_set(tree, "rootfs.autologin", clo_fact_or_none(gettys.autologin));
}

static void set_sshd(const struct clo_tree *tree)
{
    struct setting setting = { .key = "PasswordAuthentication", .first_counts = true };

    if (!clo_tree_exists(tree, "usr/sbin/sshd")) {
        clo_fact_set(tree, "rootfs.ssh_password", "off");
        return;
    }
    const char *value =
            find_setting(tree, "etc/ssh/sshd_config", "etc/ssh/sshd_config.d", &setting);
    clo_fact_set(tree, "rootfs.ssh_password", strcasecmp(value, "no") == 0 ? "off" : "on");
}

/* --- Who gives orders --- */

static void set_cloud_init(const struct clo_tree *tree)
{
    struct setting setting = { .key = "datasource_list" };

    if ((!clo_tree_exists(tree, "usr/bin/cloud-init") &&
         !clo_tree_exists(tree, "etc/cloud/cloud.cfg")) ||
        clo_tree_exists(tree, "etc/cloud/cloud-init.disabled")) {
        clo_fact_set(tree, "rootfs.cloud_init", "none");
        return;
    }
    const char *value =
            find_setting(tree, "etc/cloud/cloud.cfg", "etc/cloud/cloud.cfg.d", &setting);
    char words[128];
    size_t size = 0;
    for (; *value != '\0'; value++)
        if (isalnum((unsigned char)*value) || *value == ',')
            words[size++] = *value;
    words[size] = '\0';
    clo_fact_set(tree, "rootfs.cloud_init",
                 strcasecmp(words, "None") == 0 ? "none"
                 : size == 0                    ? "every data source"
                                                : words);
}

static void set_agents(const struct clo_tree *tree)
{
    static const char *const paths[] = {
        "usr/bin/qemu-ga",          "usr/sbin/qemu-ga",           "usr/sbin/waagent",
        "usr/bin/waagent",          "usr/bin/google_guest_agent", "usr/bin/amazon-ssm-agent",
        "usr/bin/vmtoolsd",         "usr/sbin/hv_kvp_daemon",     "usr/sbin/hypervkvpd",
        "usr/bin/spice-vdagentd",   "usr/sbin/spice-vdagentd",    "usr/sbin/hv_vss_daemon",
        "usr/sbin/hv_fcopy_daemon", "usr/sbin/xe-daemon",
    };
    char list[LIST_LIMIT] = "";

    for (size_t i = 0; i < CLO_COUNT(paths); i++)
        if (clo_tree_exists(tree, paths[i]))
            clo_fact_list(list, "%s", strrchr(paths[i], '/') + 1);
    clo_fact_set(tree, "rootfs.agents", clo_fact_or_none(list));
}

/* --- What leaves --- */

static void set_journal(const struct clo_tree *tree)
{
    struct setting setting = { .key = "ForwardToConsole" };
    const char *value = find_setting(tree, "etc/systemd/journald.conf",
                                     "etc/systemd/journald.conf.d", &setting);

    clo_fact_set(tree, "rootfs.journal_console",
                 strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0 ||
                                 strcmp(value, "1") == 0 || strcasecmp(value, "on") == 0
                         ? "on"
                         : "off");
}

/* chrony.conf(5): a PTP clock of the hypervisor's as reference. */
static void set_time(const struct clo_tree *tree)
{
    static const char *const files[] = { "etc/chrony/chrony.conf", "etc/chrony.conf" };
    bool has_network = clo_tree_exists(tree, "usr/lib/systemd/systemd-timesyncd") ||
                       clo_tree_exists(tree, "usr/sbin/ntpd");

    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        struct setting setting = { .key = "refclock" };
        has_network |= clo_tree_exists(tree, files[i]);
        const char *value = find_setting(tree, files[i], "etc/chrony/conf.d", &setting);
        if (strncasecmp(value, "PHC", 3) == 0) {
            clo_fact_set(tree, "rootfs.time_source", "the host's PTP clock");
            return;
        }
    }
    clo_fact_set(tree, "rootfs.time_source", has_network ? "network" : "none");
}

static void set_fstab(const struct clo_tree *tree)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "etc/fstab", &buffer);
    char list[LIST_LIMIT] = "";
    char line[512], source[256], point[256], type[32];

    while (text != NULL && clo_fact_line(&text, line, sizeof line))
        if (line[0] != '#' && sscanf(line, "%255s %255s %31s", source, point, type) == 3 &&
            strcmp(type, "swap") == 0 && strncmp(source, "/dev/mapper/", 12) != 0 &&
            strncmp(source, "/dev/zram", 9) != 0)
            clo_fact_list(list, "%s", source);
    clo_fact_set(tree, "rootfs.fstab_swap", clo_fact_or_none(list));
}

/* What the kernel makes itself, and what lies on a mapped device, is not the host's. */
static bool is_from_outside(const char *source, const char *point, const char *options)
{
    static const char *const devices[] = {
        "/dev/disk/", "/dev/vd", "/dev/sd", "/dev/xvd",  "/dev/nvme",  "/dev/hd", "/dev/md",
        "/dev/sr",    "UUID=",   "LABEL=",  "PARTUUID=", "PARTLABEL=", "ID="
    };

    /* The root is mounted before anybody reads this file. */
    if (strcmp(point, "/") == 0 || strstr(options, "noauto") != NULL)
        return false;
    for (size_t i = 0; i < CLO_COUNT(devices); i++)
        if (strncmp(source, devices[i], strlen(devices[i])) == 0)
            return true;
    return false;
}

static bool is_host_file_system(const char *type)
{
    return strcmp(type, "9p") == 0 || strcmp(type, "virtiofs") == 0 || strcmp(type, "vboxsf") == 0;
}

static void set_fstab_clear(const struct clo_tree *tree)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "etc/fstab", &buffer);
    char list[LIST_LIMIT] = "";
    char line[512], source[256], point[256], type[32], options[256];

    while (text != NULL && clo_fact_line(&text, line, sizeof line)) {
        options[0] = '\0';
        if (line[0] == '#' ||
            sscanf(line, "%255s %255s %31s %255s", source, point, type, options) < 3 ||
            strcmp(type, "swap") == 0)
            continue;
        if (is_host_file_system(type) || is_from_outside(source, point, options))
            clo_fact_list(list, "%s on %s", source, point);
    }
    clo_fact_set(tree, "rootfs.fstab_clear", clo_fact_or_none(list));
}

/* --- What is there to act --- */

/* "libsystemd-shared-252.so", "libsystemd-shared-257.9-1.so" */
static void look_at_library(const struct clo_tree *tree, const char *folder, const char *name,
                            void *context)
{
    static const char beginning[] = "libsystemd-shared-";
    char *version = context;
    size_t size = strlen(beginning);

    (void)tree;
    (void)folder;
    if (strncmp(name, beginning, size) == 0)
        snprintf(version, 16, "%.*s", (int)strspn(name + size, "0123456789"), name + size);
}

static void set_systemd(const struct clo_tree *tree)
{
    static const char *const folders[] = { "usr/lib/systemd", "lib/systemd",
                                           "usr/lib/x86_64-linux-gnu/systemd",
                                           "usr/lib64/systemd" };
    char version[16] = "";

    for (size_t i = 0; i < CLO_COUNT(folders) && version[0] == '\0'; i++)
        clo_tree_list(tree, folders[i], look_at_library, version);
    bool is_there = clo_tree_exists(tree, "usr/lib/systemd/systemd") ||
                    clo_tree_exists(tree, "lib/systemd/systemd");
    if (version[0] != '\0' || !is_there)
        clo_fact_set(tree, "rootfs.systemd", clo_fact_or_none(version));
}

static void set_auto_assembly(const struct clo_tree *tree)
{
    static const struct {
        const char *rules, *name;
    } known[] = {
        { "69-lvm.rules", "LVM" },
        { "69-lvm-metad.rules", "LVM" },
        { "64-md-raid-assembly.rules", "MD" },
        { "60-multipath.rules", "multipath" },
        { "69-bcache.rules", "bcache" },
    };
    char list[LIST_LIMIT] = "", path[128];

    for (size_t i = 0; i < CLO_COUNT(known); i++) {
        snprintf(path, sizeof path, "usr/lib/udev/rules.d/%s", known[i].rules);
        bool is_there = clo_tree_exists(tree, path) || clo_tree_exists(tree, path + 4);
        if (is_there)
            clo_fact_list(list, "%s", known[i].name);
    }
    clo_fact_set(tree, "rootfs.auto_assembly", clo_fact_or_none(list));
}

bool clo_facts_rootfs(const struct clo_facts_source *source, bool is_running, json_t *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close)
    int fd = open(source->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct clo_tree tree = { fd, out };

    if (fd < 0 || !clo_tree_exists(&tree, "etc"))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: no root file system: there is no etc in it",
                        source->root);
    set_identity(&tree, is_running);
    set_passwords(&tree);
    set_logins(&tree, is_running);
    set_sshd(&tree);
    set_cloud_init(&tree);
    set_agents(&tree);
    set_journal(&tree);
    set_time(&tree);
    set_fstab(&tree);
    set_fstab_clear(&tree);
    set_systemd(&tree);
    set_auto_assembly(&tree);
    return true;
}
