#include "guest/facts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/file.h"
#include "guest/facts_internal.h"
#include "guest/host_inputs.h"

#define EFIVARS "sys/firmware/efi/efivars"
#define GLOBAL  "8be4df61-93ca-11d2-aa0d-00e098032b8c" /* UEFI 2.10 section 3.3 */

static bool open_tree(const struct clo_facts_source *source, json_t *out, struct clo_tree *tree,
                      struct clo_error *err)
{
    *tree = (struct clo_tree){ open(source->root, O_PATH | O_DIRECTORY | O_CLOEXEC), out };
    return tree->fd >= 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: no folder that can be opened", source->root);
}

/* A variable's file is its attributes (4 bytes) and its value. */
static void set_variable(const struct clo_tree *tree, const char *variable, const char *name)
{
    char path[256];
    uint8_t bytes[5];

    snprintf(path, sizeof path, EFIVARS "/%s-" GLOBAL, variable);
    CLO_CLEANUP(clo_fd_close) int fd = clo_tree_open(tree, path, O_RDONLY);
    if (fd >= 0) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
        struct clo_error err;
        if (clo_fd_read(fd, 0, sizeof bytes, &value, &err))
            clo_fact_set(tree, name, value.data[4] == 1 ? "on" : "off");
        return;
    }
    /* Without EFI there is no Secure Boot; with it, the variables may just not be mounted. */
    if (clo_tree_exists(tree, "sys/firmware") && !clo_tree_exists(tree, "sys/firmware/efi"))
        clo_fact_set(tree, name, "off");
}

/* "none [integrity] confidentiality" */
static void set_lockdown(const struct clo_tree *tree)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "sys/kernel/security/lockdown", &buffer);
    const char *open = text == NULL ? NULL : strchr(text, '[');
    char value[32];

    if (text == NULL && clo_tree_exists(tree, "sys/kernel/security/lsm"))
        clo_fact_set(tree, "guest.lockdown", "none"); /* securityfs is mounted, and has none */
    if (open == NULL)
        return;
    snprintf(value, sizeof value, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
    clo_fact_set(tree, "guest.lockdown", value);
}

static void set_pcr(const struct clo_tree *tree, unsigned pcr)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    char path[64], name[32];

    snprintf(path, sizeof path, "sys/class/tpm/tpm0/pcr-sha256/%u", pcr);
    const char *text = clo_tree_text(tree, path, &buffer);
    if (text == NULL || strlen(text) != 64)
        return;
    snprintf(name, sizeof name, "guest.pcr%u", pcr);
    clo_fact_set(tree, name, text[strspn(text, "0")] == '\0' ? "empty" : text);
}

/* Whose TPM it is: an SVSM's by its driver, a paravisor's where there is one; else the host's. */
static void set_tpm(const struct clo_tree *tree)
{
    const char *tee = json_string_value(json_object_get(tree->out, "guest.tee"));
    char driver[64] = "";

    if (!clo_tree_exists(tree, "sys/class"))
        return;
    if (!clo_tree_exists(tree, "sys/class/tpm/tpm0")) {
        clo_fact_set(tree, "guest.tpm", "absent");
        return;
    }
    clo_fact_set(tree, "guest.tpm", "present");
    clo_tree_link(tree, "sys/class/tpm/tpm0/device/driver", driver, sizeof driver);
    clo_fact_set(tree, "guest.tpm_voucher",
                 strcmp(driver, "tpm-svsm") == 0 || strcmp(driver, "tpm_svsm") == 0 ? "svsm"
                 : tee != NULL && strstr(tee, "-paravisor") != NULL                 ? "paravisor"
                                                                                    : "host");
    set_pcr(tree, 12);
    set_pcr(tree, 13);
}

/* A switch's file, the text that means "off", and what it says otherwise. A kernel that has its folder but
 * not the file was built without the thing. */
static void set_switch(const struct clo_tree *tree, const char *folder, const char *file,
                       const char *name, const char *off)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, file);
    const char *text = clo_tree_text(tree, path, &buffer);
    if (text != NULL)
        clo_fact_set(tree, name, strcmp(text, off) == 0 ? "off" : text);
    else if (clo_tree_exists(tree, folder))
        clo_fact_set(tree, name, "off");
}

static void set_text(const struct clo_tree *tree, const char *path, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, path, &buffer);

    if (text != NULL)
        clo_fact_set(tree, name, text);
}

static void set_entropy(const struct clo_tree *tree)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer current = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cpuinfo = { 0 };
    const char *rng = clo_tree_text(tree, "sys/class/misc/hw_random/rng_current", &current);
    const char *flags = clo_tree_text(tree, "proc/cpuinfo", &cpuinfo);

    if (rng != NULL)
        clo_fact_set(tree, "guest.rng", strncmp(rng, "virtio", 6) == 0 ? "virtio" : rng);
    else if (clo_tree_exists(tree, "sys/class"))
        clo_fact_set(tree, "guest.rng", "none");
    if (flags != NULL)
        clo_fact_set(tree, "guest.rdrand", strstr(flags, " rdrand") != NULL ? "yes" : "no");
}

static void found_input(void *context, const char *what)
{
    clo_fact_list(context, "%s", what);
}

/* As cloister-init looks, but with an image that allows nothing; what cannot be looked at is unknown. */
static void set_host_inputs(const struct clo_tree *tree, const char *root)
{
    const struct clo_host_allow nothing = { .count = 0 };
    char list[LIST_LIMIT] = "";
    const struct clo_host_look look = {
        .root = root, .allow = &nothing, .found = found_input, .context = list
    };
    struct clo_error ignored;

    if (clo_tree_exists(tree, "sys/class") && clo_host_look(&look, &ignored))
        clo_fact_set(tree, "guest.host_inputs", clo_fact_or_none(list));
}

/* Programs that read memory images, or none: "|/bin/false" and "" write nothing. */
static void set_core_dumps(const struct clo_tree *tree)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "proc/sys/kernel/core_pattern", &buffer);

    if (text != NULL)
        clo_fact_set(tree, "guest.core_dumps",
                     *text == '\0' || strcmp(text, "|/bin/false") == 0 ||
                                     strcmp(text, "|/usr/bin/false") == 0
                             ? "off"
                             : text);
}

bool clo_facts_guest(const struct clo_facts_source *source, json_t *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct clo_tree tree;

    if (!open_tree(source, out, &tree, err))
        return false;
    fd = tree.fd;
    clo_facts_platform(&tree, source->platform);
    set_variable(&tree, "SecureBoot", "guest.secure_boot");
    set_variable(&tree, "SetupMode", "guest.setup_mode");
    set_lockdown(&tree);
    set_tpm(&tree);
    clo_facts_devices(&tree);
    clo_facts_storage(&tree);
    set_text(&tree, "sys/devices/system/clocksource/clocksource0/current_clocksource",
             "guest.clocksource");
    set_text(&tree, "proc/sys/kernel/tainted", "guest.taint");
    set_switch(&tree, "sys/kernel", "kexec_crash_loaded", "guest.kdump", "0");
    set_switch(&tree, "proc/sys/kernel", "sysrq", "guest.sysrq", "0");
    set_switch(&tree, "proc/sys/kernel", "kexec_load_disabled", "guest.kexec", "1");
    set_core_dumps(&tree);
    set_host_inputs(&tree, source->root);
    set_entropy(&tree);
    return true;
}

/* --- The kernel --- */

void clo_facts_kernel_free(struct clo_facts_kernel *kernel)
{
    clo_buffer_free(&kernel->release);
    clo_buffer_free(&kernel->cmdline);
    clo_buffer_free(&kernel->config);
    json_decref(kernel->modules);
    *kernel = (struct clo_facts_kernel){ 0 };
}

static void add_module(json_t *modules, const char *name, size_t size, const char *how)
{
    char copy[128];

    if (size == 0 || size >= sizeof copy)
        return;
    for (size_t i = 0; i < size; i++)
        copy[i] = name[i] == '-' ? '_' : name[i];
    copy[size] = '\0';
    json_object_set_new(modules, copy, json_string(how));
}

/* proc_modules(5): the name is the first word. */
static void add_loaded(const struct clo_tree *tree, json_t *modules)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    const char *text = clo_tree_text(tree, "proc/modules", &buffer);
    char line[1024];

    while (text != NULL && clo_fact_line(&text, line, sizeof line))
        add_module(modules, line, strcspn(line, " "), "loaded");
}

static void add_builtin(const struct clo_tree *tree, const char *release, json_t *modules)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer buffer = { 0 };
    char path[256], line[1024];

    snprintf(path, sizeof path, "lib/modules/%.128s/modules.builtin", release);
    const char *text = clo_tree_text(tree, path, &buffer);
    while (text != NULL && clo_fact_line(&text, line, sizeof line)) {
        const char *name = strrchr(line, '/');
        name = name == NULL ? line : name + 1;
        add_module(modules, name, strcspn(name, "."), "built in");
    }
}

static void read_config(const struct clo_tree *tree, const char *release, struct clo_buffer *out)
{
    char path[256];

    if (clo_tree_read(tree, "proc/config.gz", out))
        return;
    clo_buffer_free(out);
    snprintf(path, sizeof path, "boot/config-%.128s", release);
    if (clo_tree_read(tree, path, out))
        return;
    clo_buffer_free(out);
    snprintf(path, sizeof path, "lib/modules/%.128s/config", release);
    if (!clo_tree_read(tree, path, out))
        clo_buffer_free(out);
}

bool clo_facts_kernel(const struct clo_facts_source *source, struct clo_facts_kernel *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_facts_kernel_free)
    struct clo_facts_kernel kernel = { .modules = json_object() };
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct clo_tree tree;

    if (!open_tree(source, NULL, &tree, err))
        return false;
    fd = tree.fd;
    const char *release = clo_tree_text(&tree, "proc/sys/kernel/osrelease", &kernel.release);
    if (release == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: proc/sys/kernel/osrelease cannot be read",
                        source->root);
    if (clo_tree_text(&tree, "proc/cmdline", &kernel.cmdline) == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: proc/cmdline cannot be read", source->root);
    add_loaded(&tree, kernel.modules);
    add_builtin(&tree, release, kernel.modules);
    read_config(&tree, release, &kernel.config);
    *out = kernel;
    kernel = (struct clo_facts_kernel){ 0 };
    return true;
}
