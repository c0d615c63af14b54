/* cloister-init: PID 1 of the initrd. Proves the machine to the broker, gets the disk's key, opens the
 * disk and steps into it. When anything fails it says why in one line and powers off; there is no
 * other way out, and never a shell. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "device/tdx_guest.h"
#include "guest/counter.h"
#include "guest/disk_use.h"
#include "guest/gate.h"
#include "guest/grow.h"
#include "guest/kernel_log.h"
#include "guest/measure.h"
#include "guest/measure_rtmr.h"
#include "guest/modules.h"
#include "guest/network.h"
#include "guest/proof.h"
#include "guest/report.h"
#include "guest/root.h"
#include "guest/tag_errors.h"
#include "guest/tpm_tokens.h"
#include "guest/trial.h"
#include "guest/unlock.h"
#include "net/imds.h"

#define RUN_FOLDER      "/run/cloister"
#define HEADER_FILE     RUN_FOLDER "/luks-header"
#define CONFIG_COPY     RUN_FOLDER "/guest.json" /* for `cloister update` in the root */
#define SRK_FILE        RUN_FOLDER "/tpm-srk"
#define EFIVARS         "/sys/firmware/efi/efivars"
#define PCR_SIGNATURES  "/.extra/tpm2-pcr-signature.json"
#define MAPPER_NAME     "root"
#define MAPPER_DEVICE   "/dev/mapper/" MAPPER_NAME
#define VERITY_NAME     "root-verity"
#define VERITY_DEVICE   "/dev/mapper/" VERITY_NAME
#define CHANGES_NAME    "root-changes"
#define CHANGES_DEVICE  "/dev/mapper/" CHANGES_NAME
#define DEVICE_PATIENCE 10 /* seconds for a disk to appear */
#define TELL_SECONDS    10 /* to have a network again */
#define DRIVER_PATIENCE 3  /* of which, before drivers that no device asked for are tried */

struct guest {
    struct clo_report report;
    struct clo_guest_config config;
    struct clo_module_loader modules;
    struct clo_tpm *tpm; /* NULL: a machine without one may still have SNP or TDX of its own */
    struct clo_measurer measurer;
    struct clo_network network;
    struct clo_disk disk;
    struct clo_buffer runtime_data; /* what the first evidence was bound to */
    struct clo_secret *volume_key;
    struct clo_secret *disk_key; /* as it was released, until it is sealed to the TPM */
    struct clo_secret *share;    /* the TPM's, where both are needed */
    json_t *pcrsig;              /* what the UKI's owner signed; NULL: nothing */
    enum clo_proof proof;
    bool took_own;              /* the TPM's key came by a token of our own */
    bool is_quote_alone;        /* the evidence is a TDX quote, and no vTPM is bound */
    struct clo_bound_tpm bound; /* the TPM that the evidence's hardware report binds */
    struct clo_tpm2_name
            srk; /* the storage key that is trusted: the image's, or what led to this boot's key */
    bool knows_srk;
    struct clo_unlocked unlocked; /* the session with the broker, if the key came from one */
    struct clo_buffer grown;      /* the partition table as this boot wrote it */
    bool grows;                   /* the image allows it on a disk of this size */
};

/* --- The machine --- */

static void write_knob(const char *path, const char *value)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    struct clo_error ignored;

    if (fd >= 0 && !clo_write_all(fd, clo_bytes_text(value), &ignored))
        return; /* a kernel without it */
}

/* No core dump, no SysRq, no three-finger salute; should we crash, the machine goes down. */
static void harden(void)
{
    const struct rlimit none = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)reboot(RB_DISABLE_CAD);
    umask(077);
    /* libdevmapper makes the node itself: there is no udev to wait for. */
    setenv("DM_DISABLE_UDEV", "1", 1);
}

static bool make_run_folders(struct clo_error *err)
{
    static const struct {
        const char *path;
        mode_t mode;
    } folders[] = { { RUN_FOLDER, 0700 },
                    { "/run/log", 0755 },
                    { "/run/log/systemd", 0755 },
                    { "/run/cryptsetup", 0700 } };

    for (size_t i = 0; i < CLO_COUNT(folders); i++)
        if ((mkdir(folders[i].path, folders[i].mode) != 0 && errno != EEXIST) ||
            chmod(folders[i].path, folders[i].mode) != 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folders[i].path, strerror(errno));
    return true;
}

static bool read_config(struct guest *guest, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    return clo_file_read(CLO_GUEST_CONFIG, CLO_FILE_LIMIT, &text, err) &&
           clo_guest_config_parse(clo_buffer_bytes(&text), &guest->config, err) &&
           clo_file_write(CONFIG_COPY, clo_buffer_bytes(&text), 0600, err);
}

/* How long each module took: the greater part of a start without a broker. */
static void report_modules(struct guest *guest)
{
    json_t *ms = json_object();

    for (size_t i = 0; i < guest->config.module_count; i++)
        if (guest->modules.is_done[i])
            json_object_set_new(ms, guest->config.modules[i], json_real(guest->modules.ms[i]));
    clo_report_send(&guest->report, json_pack("{s:s, s:o*}", "kind", "modules", "ms", ms));
}

static bool prepare(struct guest *guest, struct clo_error *err)
{
    harden();
    if (!clo_root_mount_api(err) || !make_run_folders(err))
        return false;
    write_knob("/proc/sys/kernel/panic", "-1");
    write_knob("/proc/sys/kernel/sysrq", "0");
    clo_report_begin(&guest->report, "/dev/console");
    guest->modules.config = &guest->config;
    if (!read_config(guest, err) || !clo_modules_load(&guest->modules, "/sys", err))
        return false;
    clo_root_mount_late();
    if (clo_host_allows(&guest->config.host, "report", NULL))
        clo_report_find_port(&guest->report);
    report_modules(guest);
    clo_report_step(&guest->report, "modules");
    return true;
}

/* --- What was measured so far --- */

static bool enter_phase(struct guest *guest, const char *phase, struct clo_error *err)
{
    return guest->tpm == NULL || clo_measure_phase(&guest->measurer, phase, err);
}

/* For calibration: the firmware's log, and the registers it must lead to. */
static void report_eventlog(struct guest *guest)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    struct clo_error ignored;
    struct clo_tpm_pcrs pcrs;
    json_t *values = json_object();

    if (guest->tpm == NULL ||
        !clo_file_read(CLO_COLLECT_EVENTLOG, CLO_FILE_LIMIT, &log, &ignored) ||
        !clo_tpm_pcr_read(guest->tpm, guest->measurer.banks[0], CLO_COLLECT_PCRS, &pcrs,
                          &ignored)) {
        json_decref(values);
        return;
    }
    for (unsigned i = 0; i < CLO_TPM_PCRS; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        if ((pcrs.mask >> i & 1) != 0)
            json_object_set_new(values, key, clo_json_hex(clo_digest_bytes(&pcrs.values[i])));
    }
    clo_report_send(&guest->report, json_pack("{s:s, s:o, s:{s:o}}", "kind", "eventlog", "data",
                                              clo_json_base64(clo_buffer_bytes(&log)), "pcrs",
                                              clo_hash_name(pcrs.hash), values));
}

static bool measure_start(struct guest *guest, struct clo_error *err)
{
    if (!clo_measurer_wait(&guest->tpm, &guest->measurer, err) ||
        !enter_phase(guest, "enter-initrd", err) ||
        !clo_proof_look(&clo_proof_signs_default, &guest->proof, err))
        return false;
    report_eventlog(guest);
    clo_report_step(&guest->report, "TPM");
    return true;
}

/* --- What the host hands in --- */

static enum clo_hash table_bank(const struct clo_measurer *measurer)
{
    for (size_t i = 0; i < measurer->bank_count; i++)
        if (measurer->banks[i] == CLO_HASH_SHA256)
            return CLO_HASH_SHA256;
    return measurer->banks[0];
}

static struct clo_gate gate_of(const struct guest *guest)
{
    return (struct clo_gate){ .config = &guest->config,
                              .report = &guest->report,
                              .tpm = guest->tpm,
                              .bank = table_bank(&guest->measurer),
                              .device = guest->disk.device,
                              .has_tags = guest->disk.luks.integrity[0] != '\0',
                              .grown = clo_buffer_bytes(&guest->grown) };
}

static bool look_at_host(struct guest *guest, struct clo_error *err)
{
    const struct clo_gate gate = gate_of(guest);

    if (!clo_gate_inputs(&gate, err))
        return false;
    clo_report_step(&guest->report, "host inputs");
    return true;
}

/* --- The disk, before anybody is asked for its key --- */

static bool find_disk(struct guest *guest, struct clo_error *err)
{
    if (clo_disk_find(DRIVER_PATIENCE, &guest->disk, err))
        return true;
    return err->status != CLO_ERR_REFUSED && clo_modules_load_rest(&guest->modules, err) &&
           clo_disk_find(DEVICE_PATIENCE - DRIVER_PATIENCE, &guest->disk, err);
}

static bool look_at_disk(struct guest *guest, struct clo_error *err)
{
    if (!find_disk(guest, err) || !clo_disk_read_header(&guest->disk, err))
        return clo_wrap(err, "root disk");
    const struct clo_gate gate = gate_of(guest);
    if (!clo_gate_disk(&gate, err))
        return false;
    clo_report_step(&guest->report, "LUKS2 header");
    return true;
}

/* --- The key --- */

static void report_evidence(struct guest *guest, const struct clo_evidence *evidence,
                            const char *phase)
{
    json_t *bundle = clo_evidence_json(evidence);

    if (bundle != NULL)
        clo_report_send(&guest->report, json_pack("{s:s, s:s, s:o}", "kind", "evidence", "phase",
                                                  phase, "bundle", bundle));
}

static void on_evidence(void *context, const struct clo_evidence *evidence)
{
    struct guest *guest = context;

    guest->runtime_data.size = 0;
    clo_buffer_append(&guest->runtime_data, clo_evidence_get(evidence, CLO_EVIDENCE_RUNTIME_DATA));
    clo_bound_tpm_take(&guest->bound, evidence);
    guest->is_quote_alone = clo_evidence_has(evidence, CLO_EVIDENCE_TDX_QUOTE) &&
                            !clo_evidence_has(evidence, CLO_EVIDENCE_HCL_REPORT);
    report_evidence(guest, evidence, "enter-initrd");
}

/* --- The key from the TPM --- */

static void on_refusal(void *context, const char *why)
{
    const struct guest *guest = context;

    clo_report_say(&guest->report, "TPM: %s", why);
}

/* The stub puts the signatures there that the UKI carries. */
static void read_pcrsig(struct guest *guest)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    if (guest->pcrsig != NULL || access(PCR_SIGNATURES, R_OK) != 0)
        return;
    if (!clo_file_read(PCR_SIGNATURES, CLO_FILE_LIMIT, &text, &err) ||
        !clo_json_parse(clo_buffer_bytes(&text), &guest->pcrsig, &err))
        clo_report_say(&guest->report, "%s: %s", PCR_SIGNATURES, err.text);
}

/* Generations are the broker's to count, but the TPM's counter refuses an older disk without it, too. The storage key is the one
 * that gave the disk's key. */
static bool check_counter(struct guest *guest, struct clo_error *err)
{
    uint64_t generation = guest->disk.luks.generation.value;
    uint64_t ignored;

    if (!guest->config.has_tpm_counter)
        return true;
    if (!guest->knows_srk)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "disk: counter of generations: the token names no storage key, by which "
                        "the TPM's answer could be told from the host's");
    return (clo_tpm_audit(guest->tpm, &guest->srk, err) ||
            clo_wrap(err, "disk: counter of generations")) &&
           clo_counter_check(guest->tpm, generation == 0 ? 1 : generation, generation, &ignored,
                             err);
}

/* The TPM has this boot's key: so it may have that of the next. Without this nothing is sealed for an update; and a name that nothing
 * but the TPM says is not noted. */
static void note_tpm(struct guest *guest, bool is_own)
{
    struct clo_error err;

    if (guest->knows_srk && !clo_tpm_note(&guest->srk, is_own, SRK_FILE, &err))
        clo_report_say(&guest->report, "TPM: %s", err.text);
}

/* By the tokens of the header that was checked: the volume key, or the TPM's share of the disk key. */
static bool ask_tpm(struct guest *guest, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_found_free) struct clo_tpm_found found = { .key = NULL };
    const struct clo_tpm2_name *named = clo_guest_config_srk(&guest->config, &guest->srk);

    if (!clo_proof_allows_tpm(guest->proof, guest->config.unlock_by, err))
        return false;
    if (guest->tpm == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "TPM: there is none");
    if (named != NULL && !clo_tpm_audit(guest->tpm, named, err))
        return clo_wrap(err, "TPM");
    read_pcrsig(guest);
    guest->knows_srk = named != NULL;
    const struct clo_unseal with = { .pcrsig = guest->pcrsig, .srk = named };
    const struct clo_tpm_search search = { .tpm = guest->tpm,
                                           .with = &with,
                                           .needs_latch = true,
                                           .wants_share =
                                                   guest->config.unlock_by == CLO_UNLOCK_BOTH,
                                           .on_refusal = on_refusal,
                                           .context = guest,
                                           .took_own = &guest->took_own,
                                           .srk = &guest->srk,
                                           .knows_srk = &guest->knows_srk };
    if (!search.wants_share)
        return clo_tpm_volume_key(&search, &guest->disk, HEADER_FILE, &guest->volume_key, err) &&
               check_counter(guest, err);
    if (!clo_tpm_search(&search, &guest->disk, &found, err))
        return false;
    guest->share = CLO_TAKE(found.key);
    return true;
}

/* The disk key goes to a TPM that the image names, or that the accepted report binds: to any other it would go to the host's. */
static bool know_tpm(struct guest *guest, struct clo_error *err)
{
    struct clo_tpm2_name named;
    const struct clo_tpm2_name *pin = clo_guest_config_srk(&guest->config, &named);

    guest->knows_srk = false;
    if (pin == NULL && guest->bound.ak == NULL)
        return true; /* enrolling refuses it */
    if (!clo_bound_tpm_audit(&guest->bound, guest->tpm, pin, &guest->srk, err))
        return clo_wrap(err, "sealing to the TPM");
    guest->knows_srk = true;
    return true;
}

/* For the next boots: what was released now is the TPM's to give back, in this state alone. A boot does not fail for
 * it: the broker is asked again. */
static void enrol(struct guest *guest)
{
    struct clo_error err;

    if (guest->disk_key == NULL || guest->tpm == NULL)
        return;
    if (!clo_proof_allows_tpm(guest->proof, guest->config.unlock_by, &err)) {
        clo_report_say(&guest->report, "%s", err.text);
        clo_secret_freep(&guest->disk_key);
        return;
    }
    bool ok = know_tpm(guest, &err);
    const struct clo_tpm_enrolment to = { .tpm = guest->tpm,
                                          .bank = table_bank(&guest->measurer),
                                          .srk = guest->knows_srk ? &guest->srk : NULL };
    if (ok &&
        clo_tpm_enrol(&to, &guest->disk, HEADER_FILE, guest->volume_key, guest->disk_key, &err)) {
        clo_report_send(&guest->report, json_pack("{s:s}", "kind", "enrolled"));
        note_tpm(guest, true);
    } else {
        clo_report_say(&guest->report, "%s", err.text);
    }
    clo_secret_freep(&guest->disk_key);
    clo_report_step(&guest->report, "sealed to the TPM");
}

/* --- The key from the broker --- */

/* What was released is the disk key, or its share. */
static bool take_key(struct guest *guest, const struct clo_release *release,
                     struct clo_secret **out, struct clo_error *err)
{
    bool is_kept = guest->config.unlock_by == CLO_UNLOCK_TPM_OR_BROKER && release->has_disk;

    clo_secret_freep(&guest->disk_key);
    if (guest->share != NULL)
        return clo_tpm_join(guest->share, release->key, out, err);
    return clo_secret_copy(clo_secret_bytes(release->key), out, err) &&
           (!is_kept || clo_secret_copy(clo_secret_bytes(release->key), &guest->disk_key, err));
}

/* The disk, before the kernel knows its key: it must be the one that was registered. Then it counts as
 * used once more. */
static bool on_release(void *context, const struct clo_release *release, uint64_t *generation,
                       struct clo_error *err)
{
    struct guest *guest = context;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;

    struct clo_tpm2_name named;

    clo_secret_freep(&guest->volume_key);
    if (!take_key(guest, release, &key, err) ||
        !clo_disk_volume_key(&guest->disk, HEADER_FILE, key, &guest->volume_key, err))
        return false;
    if (!release->has_disk)
        return true;
    const struct clo_disk_use use = { .disk = &guest->disk,
                                      .scratch = HEADER_FILE,
                                      .volume_key = guest->volume_key,
                                      .registered = &release->disk,
                                      .has_counter = guest->config.has_tpm_counter,
                                      .tpm = guest->tpm,
                                      .bound = &guest->bound,
                                      .srk = clo_guest_config_srk(&guest->config, &named) };
    if (!clo_disk_use_again(&use, generation, err))
        return false;
    clo_report_send(&guest->report, json_pack("{s:s, s:I}", "kind", "generation", "generation",
                                              (json_int_t)*generation));
    return true;
}

static void on_wait(void *context, const char *why, unsigned seconds)
{
    const struct guest *guest = context;

    clo_report_say(&guest->report, "%s; trying again in %u s", why, seconds);
}

static struct clo_collector collector_of(const struct guest *guest)
{
    return (struct clo_collector){ .tpm = guest->tpm,
                                   .hardware = clo_hardware_default,
                                   .eventlog = CLO_COLLECT_EVENTLOG,
                                   .ccel = CLO_COLLECT_CCEL,
                                   .imds = CLO_IMDS_URL,
                                   .userlog = clo_buffer_bytes(&guest->measurer.log) };
}

static bool ask_broker(struct guest *guest, struct clo_error *err)
{
    const struct clo_collector collector = collector_of(guest);
    const struct clo_unlock unlock = { .config = &guest->config,
                                       .collector = &collector,
                                       .on_evidence = on_evidence,
                                       .on_release = on_release,
                                       .on_wait = on_wait,
                                       .context = guest,
                                       .unlocked = &guest->unlocked };

    if (!clo_network_up(&guest->config.network, guest->config.retry_seconds, "/etc/resolv.conf",
                        &guest->network, err))
        return false;
    clo_report_step(&guest->report, "network");
    if (!clo_unlock_key(&unlock, err))
        return false;
    clo_network_down(&guest->network);
    clo_report_step(&guest->report, "attestation");
    return true;
}

static bool get_key(struct guest *guest, struct clo_error *err)
{
    enum clo_unlock_by by = guest->config.unlock_by;

    if (by == CLO_UNLOCK_BROKER)
        return ask_broker(guest, err);
    bool is_given = ask_tpm(guest, err);
    clo_report_step(&guest->report, "TPM asked");
    if (is_given && by != CLO_UNLOCK_BOTH) {
        clo_report_send(&guest->report, json_pack("{s:s}", "kind", "unattended"));
        clo_report_say(&guest->report, "TPM: gave the disk's key; nobody was asked");
        note_tpm(guest, guest->took_own);
        return true;
    }
    if (!is_given && by != CLO_UNLOCK_TPM_OR_BROKER)
        return false;
    if (!is_given)
        clo_report_say(&guest->report, "%s; the broker is asked", err->text);
    bool ok = ask_broker(guest, err);
    clo_secret_freep(&guest->share);
    if (ok)
        enrol(guest);
    return ok;
}

/* --- The root --- */

/* From here on no key is released to what runs: PCR 11 says so where a vTPM is bound, RTMR 3 where a
 * TDX quote is all the evidence. A bare SEV-SNP report has no such register: there the broker releases
 * once in a boot. */
static bool leave_initrd(struct guest *guest, struct clo_error *err)
{
    static const char phase[] = "leave-initrd";
    bool is_td = guest->is_quote_alone || guest->proof == CLO_PROOF_TDX; /* nobody may have asked */
    bool is_required = is_td && !guest->config.rtmr_is_optional;

    return enter_phase(guest, phase, err) &&
           clo_measure_rtmr(CLO_TDX_GUEST_MEASUREMENTS, phase,
                            is_required ? CLO_RTMR_REQUIRED : CLO_RTMR_OPTIONAL, err);
}

/* Between the check that the table is the measured one and the opening of the partition: once it is open, its size is settled. */
static bool grow_disk(struct guest *guest, struct clo_error *err)
{
    const struct clo_gate gate = gate_of(guest);
    uint64_t gained = 0;

    if (!clo_gate_grow(&gate, &guest->grown, &guest->grows, err))
        return false;
    if (clo_grow_is_unsaid(&guest->config.grow, gate.has_tags))
        clo_report_say(&guest->report, "the root stays as large as it is: the image is of an older "
                                       "program, and does not say from what it grows");
    if (!guest->grows)
        return true;
    if (!clo_grow_tags(&guest->disk, &guest->config.grow.from, guest->volume_key, &gained, err))
        return false;
    if (guest->grown.size > 0)
        clo_report_say(&guest->report, "the partition table was written for the larger disk");
    clo_report_step(&guest->report, "room looked for");
    return true;
}

/* A root that stays as small as it was still is a root. */
static void grow_files(struct guest *guest)
{
    uint64_t before, after;
    struct clo_error err;

    if (!guest->grows)
        return;
    if (!clo_grow_files(CLO_ROOT_TARGET, MAPPER_DEVICE, &before, &after, &err)) {
        clo_report_say(&guest->report, "%s", err.text);
        return;
    }
    if (after == before)
        return;
    clo_report_say(&guest->report, "root: grown from %llu to %llu MiB",
                   (unsigned long long)before >> 20, (unsigned long long)after >> 20);
    clo_report_send(&guest->report, json_pack("{s:s, s:I, s:I}", "kind", "grown", "from",
                                              (json_int_t)before, "to", (json_int_t)after));
}

/* Extended before a byte of the payload is read: from here on the TPM tells this disk from any
 * other, and, once the phase has passed, this program from what it starts. */
static bool open_disk(struct guest *guest, struct clo_error *err)
{
    if (guest->tpm != NULL &&
        !clo_measure_volume_key(&guest->measurer, guest->volume_key, guest->disk.luks.uuid, err))
        return false;
    if (!leave_initrd(guest, err) ||
        !clo_disk_open(&guest->disk, HEADER_FILE, guest->volume_key, MAPPER_NAME, err))
        return false;
    clo_secret_freep(&guest->volume_key);
    (void)unlink(HEADER_FILE);
    clo_report_step(&guest->report, "disk opened");
    return true;
}

/* What could be sent from now on: the registers as the root will find them. Only for the curious. */
static void report_last_evidence(struct guest *guest)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    const struct clo_collector collector = collector_of(guest);
    struct clo_error err;

    if (guest->report.port < 0 || guest->tpm == NULL)
        return;
    if (clo_collect(&collector, clo_buffer_bytes(&guest->runtime_data), &evidence, &err))
        report_evidence(guest, evidence, "enter-initrd:leave-initrd");
    else
        clo_report_say(&guest->report, "%s", err.text);
    clo_report_step(&guest->report, "second evidence");
}

/* Tried first: what differs already is told in one line. From then on the kernel stops the machine at a block that differs. */
static bool mount_verity(struct guest *guest, struct clo_error *err)
{
    const struct clo_guest_verity *verity = &guest->config.verity;
    char block[64];

    bool ok = clo_guest_verity_open(verity, MAPPER_DEVICE, VERITY_NAME, false, err) &&
              clo_root_try_mount(VERITY_DEVICE, err);
    if (clo_guest_verity_differs(CLO_KERNEL_LOG, block, sizeof block))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "root disk: %s differs from the root hash: it is not the root that was "
                        "measured",
                        block);
    clo_guest_verity_close(VERITY_NAME);
    if (!ok || !clo_guest_verity_open(verity, MAPPER_DEVICE, VERITY_NAME, true, err))
        return false;
    if (verity->changes_blocks == 0)
        return clo_root_mount_overlaid(VERITY_DEVICE, NULL, err);
    return clo_guest_verity_open_changes(verity, MAPPER_DEVICE, CHANGES_NAME, err) &&
           clo_root_mount_overlaid(VERITY_DEVICE, CHANGES_DEVICE, err);
}

/* In the session in which the key came: the owner learns what was done to the disk, also where nobody reads the console. */
static void tell_broker(struct guest *guest, const struct clo_tag_errors *errors)
{
    struct clo_error err;

    if (guest->unlocked.kbs == NULL)
        return;
    bool ok = clo_network_up(&guest->config.network, TELL_SECONDS, "/etc/resolv.conf",
                             &guest->network, &err) &&
              clo_unlocked_tag_errors(&guest->unlocked, errors->count, errors->first, &err);
    clo_network_down(&guest->network);
    if (ok)
        clo_report_say(&guest->report, "the broker was told");
    else
        clo_report_say(&guest->report, "the broker was not told: %s", err.text);
}

/* A block whose tag does not hold is an input/output error to the file system: which it was, the kernel's log says. */
static bool mount_root(struct guest *guest, struct clo_error *err)
{
    struct clo_tag_errors errors;
    bool is_mounted = guest->config.verity.data_blocks != 0 ? mount_verity(guest, err)
                                                            : clo_root_mount(MAPPER_DEVICE, err);

    clo_tag_errors_read(CLO_KERNEL_LOG, &errors);
    if (errors.count == 0)
        return is_mounted;
    clo_report_send(&guest->report,
                    json_pack("{s:s, s:I, s:I}", "kind", "tag_errors", "count",
                              (json_int_t)errors.count, "first", (json_int_t)errors.first));
    tell_broker(guest, &errors);
    return clo_fail(err, CLO_ERR_REFUSED,
                    "root disk: sector %llu: its tag does not hold: it is not what was written "
                    "under this disk's key",
                    (unsigned long long)errors.first);
}

static bool enter_root(struct guest *guest, struct clo_error *err)
{
    const struct clo_gate gate = gate_of(guest);

    if (!clo_gate_close(&gate, err) || !mount_root(guest, err))
        return false;
    grow_files(guest);
    clo_report_step(&guest->report, "root mounted");
    clo_report_send(&guest->report, json_pack("{s:s, s:i}", "kind", "switch_root", "total_ms",
                                              (int)clo_report_elapsed_ms(&guest->report)));
    clo_tpm_freep(&guest->tpm);
    clo_unlocked_free(&guest->unlocked);
    return clo_root_switch(err);
}

static bool run(struct guest *guest, struct clo_error *err)
{
    if (!prepare(guest, err) || !measure_start(guest, err) || !look_at_host(guest, err) ||
        !look_at_disk(guest, err) || !get_key(guest, err) || !grow_disk(guest, err) ||
        !open_disk(guest, err))
        return false;
    report_last_evidence(guest);
    return enter_root(guest, err);
}

/* Why there is no root: on the console with the code that docs/errors.md explains, as a command says it. */
static void tell_refusal(const struct clo_report *report, const struct clo_error *err)
{
    struct clo_error_code code = clo_error_code(err);

    clo_report_say(report, "%s [%s]", err->text, code.text);
    clo_report_send(report, json_pack("{s:s, s:s, s:s}", "kind", "refused", "reason", err->text,
                                      "code", code.text));
}

int main(void)
{
    static struct guest guest = { .report = { .console = -1, .port = -1 } };
    struct clo_error err;
    bool is_trial = false;

    if (getpid() != 1) {
        static const char words[] = "cloister-init: runs as the first program of an initrd only\n";
        return write(STDERR_FILENO, words, sizeof words - 1) < 0 ? 4 : 2;
    }
    if (!run(&guest, &err)) {
        is_trial = clo_boot_is_trial(EFIVARS);
        if (is_trial)
            clo_report_say(&guest.report,
                           "this boot was a trial: the machine starts again, with the usual one");
        tell_refusal(&guest.report, &err);
    }
    clo_secret_freep(&guest.volume_key);
    clo_secret_freep(&guest.disk_key);
    clo_secret_freep(&guest.share);
    clo_bound_tpm_free(&guest.bound);
    sync();
    /* A boot that was tried once (docs/update.md) is followed by the usual one, with nobody there. */
    (void)reboot(is_trial ? RB_AUTOBOOT : RB_POWER_OFF);
    for (;;)
        pause();
}
