/* cloister-initrd: what an initrd of another's making (dracut's, initramfs-tools') needs of Cloister besides the plug-in that gives
 * libcryptsetup the disk's key.
 *
 *   begin          before the disk is opened: what the host hands in is looked at, "enter-initrd" is measured, the network comes up
 *   tokens [FILE]  prints which types of LUKS2 token may open the disk, one in a line, in the order they are tried in. With FILE, a
 *                  guest.json, it may be called anywhere, and does not look at the machine
 *   end            before the root is started: the host's hand is looked at again, "leave-initrd" is measured, the network goes down
 *   failed [NAME]  the disk NAME was not opened: says so and ends the machine
 *
 * Fails as cloister-init does: one line on the console, and the machine powers off. */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "device/file.h"
#include "device/tdx_guest.h"
#include "guest/gate.h"
#include "guest/host_units.h"
#include "guest/initrd_plugins.h"
#include "guest/luks_token.h"
#include "guest/measure.h"
#include "guest/measure_rtmr.h"
#include "guest/network.h"
#include "guest/proof.h"
#include "guest/report.h"
#include "guest/root.h"
#include "guest/trial.h"

#define RUN            "/run"
#define RUN_FOLDER     "/run/cloister"
#define INTERFACE_FILE RUN_FOLDER "/interface"
#define EFIVARS        "/sys/firmware/efi/efivars"
#define CONSOLE        "/dev/console"

struct initrd {
    struct clo_report report;
    struct clo_guest_config config;
    struct clo_tpm *tpm; /* NULL: there is none */
    struct clo_measurer measurer;
    enum clo_proof proof;
};

static void free_initrd(struct initrd *initrd)
{
    clo_tpm_freep(&initrd->tpm);
    clo_measurer_free(&initrd->measurer);
    clo_guest_config_free(&initrd->config);
}

/* --- What both ends of the initrd need --- */

static bool make_folders(struct clo_error *err)
{
    static const struct {
        const char *path;
        mode_t mode;
    } folders[] = { { RUN_FOLDER, 0700 }, { "/run/log", 0755 }, { "/run/log/systemd", 0755 } };

    for (size_t i = 0; i < CLO_COUNT(folders); i++)
        if (mkdir(folders[i].path, folders[i].mode) != 0 && errno != EEXIST)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folders[i].path, strerror(errno));
    return true;
}

static bool read_config(const char *path, struct clo_guest_config *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    return clo_file_read(path, CLO_FILE_LIMIT, &text, err) &&
           (clo_guest_config_parse(clo_buffer_bytes(&text), out, err) || clo_wrap(err, "%s", path));
}

/* A share of the key is put to the broker's by cloister-init alone. */
static bool check_way(const struct clo_guest_config *config, struct clo_error *err)
{
    return config->unlock_by != CLO_UNLOCK_BOTH ||
           clo_fail(err, CLO_ERR_UNSUPPORTED, "unlock: \"both\" is for cloister-init alone");
}

static bool look_at_host(const struct initrd *initrd, struct clo_error *err)
{
    const struct clo_gate gate = { .config = &initrd->config, .report = &initrd->report };

    return clo_gate_inputs(&gate, err);
}

static bool measure(struct initrd *initrd, const char *phase, struct clo_error *err)
{
    return initrd->tpm == NULL || clo_measure_phase(&initrd->measurer, phase, err);
}

static bool prepare(struct initrd *initrd, struct clo_error *err)
{
    umask(077);
    clo_root_mount_late();
    return make_folders(err) && read_config(CLO_GUEST_CONFIG, &initrd->config, err) &&
           check_way(&initrd->config, err) &&
           clo_measurer_wait(&initrd->tpm, &initrd->measurer, err) &&
           clo_proof_look(&clo_proof_signs_default, &initrd->proof, err);
}

/* --- Before the disk is opened --- */

/* A host's TPM under a machine that proves itself: what would ask it goes out of the initrd before a disk is opened. */
static bool allows_tpm(const struct initrd *initrd, struct clo_error *err)
{
    enum clo_unlock_by by = initrd->config.unlock_by;

    if (by == CLO_UNLOCK_BROKER || clo_proof_allows_tpm(initrd->proof, by, err))
        return true;
    if (by != CLO_UNLOCK_TPM_OR_BROKER)
        return false;
    clo_report_say(&initrd->report, "%s; the broker is asked", err->text);
    return clo_initrd_without_tpm("", err);
}

static bool bring_network_up(const struct initrd *initrd, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_network network = { .interface = "" };

    if (initrd->config.unlock_by == CLO_UNLOCK_TPM)
        return true;
    if (!clo_network_up(&initrd->config.network, initrd->config.retry_seconds, "/etc/resolv.conf",
                        &network, err))
        return false;
    clo_buffer_text(&text, network.interface);
    return clo_file_write(INTERFACE_FILE, clo_buffer_bytes(&text), 0600, err);
}

/* Where the TPM has the key there may be no broker to reach. */
static bool reach_broker(const struct initrd *initrd, struct clo_error *err)
{
    if (bring_network_up(initrd, err))
        return true;
    if (initrd->config.unlock_by != CLO_UNLOCK_TPM_OR_BROKER)
        return false;
    clo_report_say(&initrd->report, "%s; the TPM alone is asked", err->text);
    return true;
}

static bool begin(struct initrd *initrd, struct clo_error *err)
{
    return prepare(initrd, err) && allows_tpm(initrd, err) && look_at_host(initrd, err) &&
           measure(initrd, "enter-initrd", err) && reach_broker(initrd, err);
}

/* --- Which tokens --- */

/* systemd's are the TPM's. In a broker's guest none is tried: it may be the host's, sealed to a public storage key. */
static bool print_tokens(const struct clo_guest_config *config, enum clo_proof proof,
                         struct clo_error *err)
{
    enum clo_unlock_by by = config->unlock_by;
    struct clo_error ignored;

    if (!check_way(config, err))
        return false;
    if (by != CLO_UNLOCK_BROKER && clo_proof_allows_tpm(proof, by, &ignored))
        puts("systemd-tpm2");
    if (by != CLO_UNLOCK_TPM)
        puts(CLO_LUKS_TOKEN_TYPE);
    return fflush(stdout) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "output: %s", strerror(errno));
}

static bool tokens(struct initrd *initrd, struct clo_error *err)
{
    return read_config(CLO_GUEST_CONFIG, &initrd->config, err) &&
           clo_proof_look(&clo_proof_signs_default, &initrd->proof, err) &&
           print_tokens(&initrd->config, initrd->proof, err);
}

/* For who makes the initrd: a file that the guest would refuse is refused here. */
static int tokens_of(const char *path)
{
    CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
    struct clo_error err;

    if (read_config(path, &config, &err) && print_tokens(&config, CLO_PROOF_NOT_OWN, &err))
        return 0;
    fprintf(stderr, "cloister-initrd: %s\n", err.text);
    return 3;
}

/* --- Before the root is started --- */

static void bring_network_down(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    struct clo_network network = { .interface = "" };
    struct clo_error ignored;

    if (!clo_file_read(INTERFACE_FILE, sizeof network.interface - 1, &name, &ignored))
        return;
    memcpy(network.interface, name.data, name.size);
    clo_network_down(&network);
    (void)unlink(INTERFACE_FILE);
}

/* Nobody may have asked for evidence: what the kernel says of the machine decides alone. */
static bool leave(struct initrd *initrd, struct clo_error *err)
{
    static const char phase[] = "leave-initrd";
    bool is_required = initrd->proof == CLO_PROOF_TDX && !initrd->config.rtmr_is_optional;

    return measure(initrd, phase, err) &&
           clo_measure_rtmr(CLO_TDX_GUEST_MEASUREMENTS, phase,
                            is_required ? CLO_RTMR_REQUIRED : CLO_RTMR_OPTIONAL, err);
}

static bool end(struct initrd *initrd, struct clo_error *err)
{
    if (!prepare(initrd, err) || !look_at_host(initrd, err) || !leave(initrd, err) ||
        !clo_host_mask_units(RUN, &initrd->config.host, err))
        return false;
    bring_network_down();
    return true;
}

/* --- Failing --- */

/* A boot that was tried once (docs/update.md) is followed by the usual one, with nobody there. */
static void stop(const struct initrd *initrd)
{
    bool is_trial = clo_boot_is_trial(EFIVARS);

    if (is_trial)
        clo_report_say(&initrd->report,
                       "this boot was a trial: the machine starts again, with the usual one");
    sync();
    (void)reboot(is_trial ? RB_AUTOBOOT : RB_POWER_OFF);
}

/* As a service's ExecStopPost= it is called after success as well. */
static int failed(struct initrd *initrd, const char *name)
{
    const char *result = getenv("SERVICE_RESULT");

    if (result != NULL && strcmp(result, "success") == 0)
        return 0;
    clo_root_mount_late();
    if (name == NULL)
        clo_report_say(&initrd->report, "the initrd failed: there is no shell");
    else
        clo_report_say(&initrd->report, "%s was not opened: no token led to its key", name);
    stop(initrd);
    return 1;
}

static int usage(void)
{
    fputs("cloister-initrd: begin, tokens, end and failed [NAME] in an initrd alone; tokens FILE\n",
          stderr);
    return 2;
}

/* What ends the machine must not be called in a system that runs. */
static bool is_in_initrd(void)
{
    struct statfs root;

    return statfs("/", &root) == 0 && (root.f_type == RAMFS_MAGIC || root.f_type == TMPFS_MAGIC);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool (*run)(struct initrd *initrd, struct clo_error *err);
    } commands[] = { { "begin", begin }, { "tokens", tokens }, { "end", end } };
    CLO_CLEANUP(free_initrd)
    struct initrd initrd = { .report = { .console = -1, .port = -1 } };
    struct clo_error err;
    size_t i = 0;

    if (argc == 3 && strcmp(argv[1], "tokens") == 0)
        return tokens_of(argv[2]);
    if (argc < 2 || !is_in_initrd())
        return usage();
    clo_report_begin(&initrd.report, CONSOLE);
    if (strcmp(argv[1], "failed") == 0 && argc <= 3)
        return failed(&initrd, argv[2]);
    while (i < CLO_COUNT(commands) && strcmp(argv[1], commands[i].name) != 0)
        i++;
    if (i == CLO_COUNT(commands) || argc != 2)
        return usage();
    if (commands[i].run(&initrd, &err))
        return 0;
    clo_report_say(&initrd.report, "%s", err.text);
    stop(&initrd);
    return 1;
}
