#include "guest/facts.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cloister/audit.h"
#include "sim/facts.h"
#include "test.h"

#define EFIVARS "sys/firmware/efi/efivars"
#define GLOBAL  "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define ZEROS   "0000000000000000000000000000000000000000000000000000000000000000"

/* --- A guest as a tree of files --- */

static struct clo_scratch scratch;
static char root[4200];

static void make_folders(char *path)
{
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
}

static void put(const char *name, const char *text, size_t size)
{
    struct clo_error err;
    char path[4500];

    snprintf(path, sizeof path, "%s/%s", root, name);
    make_folders(path);
    if (!clo_file_write(path, clo_bytes(text, size), 0644, &err))
        fail_msg("%s", err.text);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void put_link(const char *name, const char *target)
{
    char path[4500];

    snprintf(path, sizeof path, "%s/%s", root, name);
    make_folders(path);
    unlink(path);
    assert_int_equal(symlink(target, path), 0);
}

static void take(const char *name)
{
    char path[4500];

    snprintf(path, sizeof path, "%s/%s", root, name);
    unlink(path);
}

/* A guest that is in order: nothing is to be found. */
static void make_good(void)
{
    put_text("proc/sys/kernel/osrelease", "6.12.0-test\n");
    put_text("proc/cmdline", "quiet lockdown=integrity\n");
    put_text("proc/modules", "dm_crypt 1 0 - Live 0x0\nsev-guest 1 0 - Live 0x0\n");
    put_text("lib/modules/6.12.0-test/modules.builtin", "kernel/fs/ext4/ext4.ko\n");
    put_text("proc/stat", "cpu 1\nbtime 1000\n");
    put_text("proc/sys/kernel/tainted", "0\n");
    put_text("proc/sys/kernel/sysrq", "0\n");
    put_text("proc/sys/kernel/kexec_load_disabled", "1\n");
    put_text("proc/sys/kernel/core_pattern", "|/bin/false\n");
    put_text("proc/cpuinfo", "flags\t\t: fpu rdrand sev_snp\n");
    put_text("proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 1 0 1\n"
                           "/dev/dm-1 partition 1 0 1\n");
    put_text("proc/self/mountinfo", "22 1 254:0 / / rw - ext4 /dev/mapper/root rw\n"
                                    "23 22 0:21 / /proc rw - proc proc rw\n"
                                    "24 22 254:3 / /boot/efi rw - vfat /dev/vda1 rw\n"
                                    "25 22 0:44 /@ /data rw - btrfs /dev/dm-1 rw\n"
                                    "26 22 7:0 / /snap ro - squashfs /dev/loop0 ro\n");
    put_text("sys/dev/block/254:0/dm/uuid", "CRYPT-LUKS2-0123-root\n");
    put_text("sys/class/block/dm-1/dm/uuid", "LVM-abc\n");
    put_text("sys/class/block/dm-1/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-4567-pv\n");
    put_text("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    put_text("sys/devices/system/cpu/sev/vmpl", "0\n");
    put_text("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    put_text("sys/kernel/kexec_crash_loaded", "0\n");
    put_text("sys/class/tpm/tpm0/pcr-sha256/12", ZEROS "\n");
    put_text("sys/class/tpm/tpm0/pcr-sha256/13", ZEROS "\n");
    put_text("sys/class/tpm/tpm0/device/name", "x");
    put_link("sys/class/tpm/tpm0/device/driver", "../../../bus/platform/drivers/tpm-svsm");
    put(EFIVARS "/SecureBoot-" GLOBAL, "\6\0\0\0\1", 5);
    put(EFIVARS "/SetupMode-" GLOBAL, "\6\0\0\0\0", 5);
    put_text("sys/bus/pci/devices/0000:00:03.0/vendor", "0x1af4\n");
    put_text("sys/bus/pci/devices/0000:00:03.0/device", "0x1042\n");
    put_text("sys/bus/pci/devices/0000:00:03.0/class", "0x010000\n");
    put_link("sys/bus/pci/devices/0000:00:03.0/driver", "../../../virtio-pci");
    put_text("etc/shadow", "root:!:1::\ndaemon:*:1::\n");
    put_text("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    put_text("etc/ssh/ssh_host_ed25519_key", "key");
    put_text("etc/ssh/sshd_config", "# PasswordAuthentication yes\nPasswordAuthentication yes\n");
    put_text("etc/ssh/sshd_config.d/10-no.conf", "PasswordAuthentication no\n");
    put_text("usr/sbin/sshd", "x");
    put_text("usr/lib/systemd/systemd-timesyncd", "x");
    put_text("etc/cloud/cloud.cfg", "datasource_list: [ Azure ]\n");
    put_text("etc/cloud/cloud.cfg.d/90.cfg", "datasource_list: [ None ]\n");
    put_text("etc/systemd/journald.conf", "[Journal]\n#ForwardToConsole=yes\n");
}

static int set_up(void **state)
{
    struct clo_error err;

    (void)state;
    if (!clo_scratch_new(NULL, &scratch, &err))
        return -1;
    snprintf(root, sizeof root, "%s/root", scratch.path);
    mkdir(root, 0755);
    make_good();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

/* --- What is found --- */

static json_t *gather(const char *kind, bool is_running)
{
    struct clo_facts_source source = { .root = root, .platform = scratch.path };
    json_t *facts = json_object();
    struct clo_error err;
    char path[4500];
    static const char *const files[] = { "cpuid", "msr", "tdreport" };

    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", scratch.path, files[i]);
        unlink(path);
    }
    if (kind != NULL)
        CHECK(sim_facts_make(kind, scratch.path, &err), err.text);
    CHECK(clo_facts_rootfs(&source, is_running, facts, &err), err.text);
    if (is_running)
        CHECK(clo_facts_guest(&source, facts, &err), err.text);
    return facts;
}

static const char *fact(const json_t *facts, const char *name)
{
    const char *value = json_string_value(json_object_get(facts, name));

    return value == NULL ? "-" : value;
}

static void check_fact(const json_t *facts, const char *name, const char *value)
{
    if (strcmp(fact(facts, name), value) != 0)
        fail_msg("%s is %s, expected %s", name, fact(facts, name), value);
}

static void test_good(void **state)
{
    static const char *const wanted[][2] = {
        { "guest.tee", "snp" },
        { "guest.memory_encryption", "on" },
        { "guest.snp_secure_tsc", "on" },
        { "guest.snp_debug_swap", "on" },
        { "guest.snp_injection", "restricted" },
        { "guest.snp_vmpl", "0" },
        { "guest.secure_boot", "on" },
        { "guest.setup_mode", "off" },
        { "guest.lockdown", "integrity" },
        { "guest.tpm", "present" },
        { "guest.tpm_voucher", "svsm" },
        { "guest.pcr12", "empty" },
        { "guest.pcr13", "empty" },
        { "guest.pci_unexpected", "none" },
        { "guest.pci_idle", "none" },
        { "guest.mounts_clear", "none" },
        { "guest.swap_clear", "none" },
        { "guest.clocksource", "tsc" },
        { "guest.taint", "0" },
        { "guest.kdump", "off" },
        { "guest.kexec", "off" },
        { "guest.sysrq", "off" },
        { "guest.core_dumps", "off" },
        { "guest.rng", "none" },
        { "guest.rdrand", "yes" },
        { "rootfs.ssh_host_keys", "own" },
        { "rootfs.machine_id", "own" },
        { "rootfs.random_seed", "none" },
        { "rootfs.ssh_password", "off" },
        { "rootfs.empty_password", "none" },
        { "rootfs.console_login", "none" },
        { "rootfs.autologin", "none" },
        { "rootfs.cloud_init", "none" },
        { "rootfs.agents", "none" },
        { "rootfs.journal_console", "off" },
        { "rootfs.time_source", "network" },
        { "rootfs.fstab_swap", "none" },
    };

    (void)state;
    json_t *facts = gather("snp", true);
    for (size_t i = 0; i < CLO_COUNT(wanted); i++)
        check_fact(facts, wanted[i][0], wanted[i][1]);
    json_decref(facts);
}

/* Both branches, and what is neither. */
static void test_platforms(void **state)
{
    static const struct {
        const char *kind, *tee, *encryption, *fact, *value;
    } cases[] = {
        { "snp-bare", "snp", "on", "guest.snp_injection", "anything" },
        { "snp-bare", "snp", "on", "guest.snp_secure_tsc", "off" },
        { "sev", "sev", "on", "guest.snp_secure_tsc", "-" },
        { "snp-paravisor", "snp-paravisor", "on", "guest.tpm_voucher", "svsm" },
        { "tdx", "tdx", "on", "guest.tdx_sept_ve_disable", "on" },
        { "tdx", "tdx", "on", "guest.tdx_debug", "off" },
        { "tdx", "tdx", "on", "guest.tdx_migratable", "off" },
        { "tdx-debug", "tdx", "on", "guest.tdx_debug", "on" },
        { "tdx-debug", "tdx", "on", "guest.tdx_sept_ve_disable", "off" },
        { "tdx-debug", "tdx", "on", "guest.tdx_migratable", "on" },
        { "none", "none", "off", "guest.snp_secure_tsc", "-" },
        { NULL, "unknown", "unknown", "guest.tdx_debug", "-" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        json_t *facts = gather(cases[i].kind, true);
        check_fact(facts, "guest.tee", cases[i].tee);
        check_fact(facts, "guest.memory_encryption", cases[i].encryption);
        check_fact(facts, cases[i].fact, cases[i].value);
        json_decref(facts);
    }
}

/* --- Planted faults: each is found, and nothing else changes --- */

struct fault {
    const char *file;   /* "" : the link of `target` */
    const char *text;   /* NULL: taken away */
    const char *target; /* a link to this */
    const char *fact, *value;
    bool in_image; /* of a tree that does not run */
};

static const struct fault faults[] = {
    { "etc/shadow", "root::1::\n", NULL, "rootfs.empty_password", "root", false },
    { "etc/systemd/system/serial-getty@ttyS0.service.d/a.conf",
      "ExecStart=-/sbin/agetty --autologin root %I\n", NULL, "rootfs.autologin",
      "etc/systemd/system/serial-getty@ttyS0.service.d/a.conf", false },
    { "run/systemd/generator/getty.target.wants/serial-getty@ttyS0.service", NULL,
      "/lib/systemd/system/serial-getty@.service", "rootfs.console_login",
      "serial-getty@ttyS0.service", false },
    { "usr/bin/qemu-ga", "x", NULL, "rootfs.agents", "qemu-ga", false },
    { "etc/cloud/cloud.cfg.d/95.cfg", "datasource_list: [ NoCloud, Azure ]\n", NULL,
      "rootfs.cloud_init", "NoCloud,Azure", false },
    { "etc/systemd/journald.conf.d/c.conf", "[Journal]\nForwardToConsole=yes\n", NULL,
      "rootfs.journal_console", "on", false },
    { "etc/ssh/sshd_config.d/05-yes.conf", "passwordauthentication yes\n", NULL,
      "rootfs.ssh_password", "on", false },
    { "etc/chrony/chrony.conf", "refclock PHC /dev/ptp0 poll 3\n", NULL, "rootfs.time_source",
      "the host's PTP clock", false },
    { "etc/fstab", "# x\n/dev/vdb none swap sw 0 0\n", NULL, "rootfs.fstab_swap", "/dev/vdb",
      false },
    { "var/lib/systemd/random-seed", "seed", NULL, "rootfs.random_seed", "in the image", true },
    { "proc/stat", "cpu 1\nbtime 9999999999\n", NULL, "rootfs.machine_id", "unknown", false },
    { "sys/dev/block/254:0/dm/uuid", "LVM-abc\n", NULL, "guest.mounts_clear",
      "/ (ext4 on /dev/mapper/root)", false },
    { "proc/self/mountinfo", "22 1 8:1 / /mnt ro - iso9660 /dev/sr0 ro\n", NULL,
      "guest.mounts_clear", "/mnt (iso9660 on /dev/sr0)", false },
    { "proc/swaps", "Filename\n/dev/vdb partition 1 0 1\n", NULL, "guest.swap_clear", "/dev/vdb",
      false },
    { "sys/class/tpm/tpm0/pcr-sha256/12", "1" ZEROS, NULL, "guest.pcr12", "-", false },
    { "sys/class/misc/hw_random/rng_current", "virtio_rng.0\n", NULL, "guest.rng", "virtio",
      false },
    { "sys/bus/pci/devices/0000:00:03.0/device", "0x1045\n", NULL, "guest.pci_unexpected",
      "0000:00:03.0 1af4:1045 (virtio-pci)", false },
    { "sys/kernel/security/lockdown", "[none] integrity confidentiality\n", NULL, "guest.lockdown",
      "none", false },
    { "proc/sys/kernel/tainted", "4096\n", NULL, "guest.taint", "4096", false },
    { "proc/sys/kernel/core_pattern", "core\n", NULL, "guest.core_dumps", "core", false },
    { "sys/kernel/kexec_crash_loaded", "1\n", NULL, "guest.kdump", "1", false },
    { "proc/cpuinfo", "flags : fpu\n", NULL, "guest.rdrand", "no", false },
    { "sys/class/tpm/tpm0/device/driver", NULL, "../x/tpm_tis", "guest.tpm_voucher", "host",
      false },
    { EFIVARS "/SecureBoot-" GLOBAL, "\6\0\0\0", NULL, "guest.secure_boot", "-", false },
};

static void plant(const struct fault *fault)
{
    if (fault->target != NULL)
        put_link(fault->file, fault->target);
    else
        put_text(fault->file, fault->text);
}

/* The names of the facts of `after` that are not as in `before`, with commas. */
static void difference(json_t *before, json_t *after, char *out, size_t size)
{
    const char *name;
    json_t *value;
    size_t used = 0;

    out[0] = '\0';
    json_object_foreach (after, name, value)
        if (!json_equal(value, json_object_get(before, name)))
            used += (size_t)snprintf(out + used, size - used, "%s,", name);
    json_object_foreach (before, name, value)
        if (json_object_get(after, name) == NULL)
            used += (size_t)snprintf(out + used, size - used, "%s,", name);
}

static void test_planted(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(faults); i++) {
        const struct fault *fault = &faults[i];
        char wanted[128], changed[1024];
        json_t *before = gather("snp", !fault->in_image);
        plant(fault);
        json_t *after = gather("snp", !fault->in_image);
        check_fact(after, fault->fact, fault->value);
        difference(before, after, changed, sizeof changed);
        snprintf(wanted, sizeof wanted, "%s,", fault->fact);
        if (strcmp(fault->file, "proc/stat") !=
            0) /* that one is about all that is a machine's own */
            CHECK(strcmp(changed, wanted) == 0, changed);
        json_decref(before);
        json_decref(after);
        take(fault->file);
        make_good();
    }
}

/* A swap file is as safe as what it lies in. */
static void test_swap_file(void **state)
{
    (void)state;
    put_text("proc/swaps", "Filename\n/swapfile file 1 0 1\n");
    json_t *facts = gather("snp", true);
    check_fact(facts, "guest.swap_clear", "none");
    json_decref(facts);
    put_text("sys/dev/block/254:0/dm/uuid", "LVM-abc\n");
    facts = gather("snp", true);
    check_fact(facts, "guest.swap_clear", "/swapfile");
    json_decref(facts);
}

/* The same files in an image are everybody's. */
static void test_image(void **state)
{
    (void)state;
    json_t *facts = gather(NULL, false);
    check_fact(facts, "rootfs.ssh_host_keys", "ssh_host_ed25519_key in the image");
    check_fact(facts, "rootfs.machine_id", "in the image");
    json_decref(facts);
    take("etc/ssh/ssh_host_ed25519_key");
    put_text("etc/machine-id", "uninitialized\n");
    put_text("usr/lib/systemd/system-generators/systemd-getty-generator", "x");
    facts = gather(NULL, false);
    check_fact(facts, "rootfs.ssh_host_keys", "none");
    check_fact(facts, "rootfs.machine_id", "none");
    check_fact(facts, "rootfs.console_login", "wherever console= points to");
    json_decref(facts);
    put_link("etc/systemd/system/serial-getty@.service", "/dev/null");
    facts = gather(NULL, false);
    check_fact(facts, "rootfs.console_login", "none");
    json_decref(facts);
}

static void test_kernel(void **state)
{
    CLO_CLEANUP(clo_facts_kernel_free) struct clo_facts_kernel kernel = { 0 };
    struct clo_facts_source source = { .root = root };
    struct clo_error err;

    (void)state;
    put_text("boot/config-6.12.0-test", "CONFIG_A=y\n");
    CHECK(clo_facts_kernel(&source, &kernel, &err), err.text);
    CHECK(strcmp(clo_buffer_string(&kernel.release), "6.12.0-test") == 0, "release");
    CHECK(strcmp(clo_buffer_string(&kernel.config), "CONFIG_A=y\n") == 0, "config");
    CHECK(json_object_size(kernel.modules) == 3 &&
                  json_object_get(kernel.modules, "sev_guest") != NULL &&
                  json_object_get(kernel.modules, "ext4") != NULL,
          "modules");
    clo_facts_kernel_free(&kernel);
    put("proc/config.gz", "\x1f\x8b\n\n", 4);
    CHECK(clo_facts_kernel(&source, &kernel, &err), err.text);
    CHECK(kernel.config.size == 4, "as it is, line ends too");
}

/* A link of the tree's leads to the tree's own files, whatever is at that place outside. */
static void test_links_stay_inside(void **state)
{
    (void)state;
    put_text("etc/elsewhere", "root::1::\n");
    put_link("etc/shadow", "/etc/elsewhere");
    json_t *facts = gather("snp", false);
    check_fact(facts, "rootfs.empty_password", "root");
    json_decref(facts);
    put_link("etc/shadow", "../../../../../../../../etc/elsewhere");
    facts = gather("snp", false);
    check_fact(facts, "rootfs.empty_password", "root");
    json_decref(facts);
}

static void test_refused(void **state)
{
    struct clo_facts_source source = { .root = scratch.path };
    CLO_CLEANUP(clo_json_freep) json_t *facts = json_object();
    struct clo_facts_kernel kernel;
    struct clo_error err;

    (void)state;
    CHECK(!clo_facts_rootfs(&source, false, facts, &err), "no etc");
    CHECK(strstr(err.text, "no root file system") != NULL, err.text);
    CHECK(!clo_facts_kernel(&source, &kernel, &err), "no proc");
    CHECK(strstr(err.text, "osrelease cannot be read") != NULL, err.text);
    source.root = "/nowhere";
    CHECK(!clo_facts_guest(&source, facts, &err), "nowhere");
    CHECK(strcmp(err.text, "/nowhere: no folder that can be opened") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_platforms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_planted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_swap_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kernel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_stay_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
