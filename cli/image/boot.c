/* cloister boot: start an image under QEMU, and see how far it gets. */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/inputs.h"
#include "cloister/encoding.h"
#include "cloister/eventlog.h"
#include "cloister/reference.h"
#include "device/file.h"
#include "image/boot.h"

#define FIRMWARE "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"

struct watcher {
    bool is_verbose;
    struct clo_buffer eventlog; /* the firmware's, as the guest reported it */
    json_t *pcrs;               /* and the registers next to it: {"sha256": {"0": hex}} */
    struct clo_error err;
    bool failed;
};

static void on_console(void *context, const char *line)
{
    const struct watcher *watcher = context;
    char clean[400];

    if (!watcher->is_verbose)
        return;
    snprintf(clean, sizeof clean, "%s", line);
    clo_sanitize(clean);
    fprintf(stderr, "  | %s\n", clean);
}

static void on_report(void *context, const json_t *line)
{
    struct watcher *watcher = context;
    struct clo_error ignored;
    const char *kind;
    const char *name;

    if (!clo_json_get_string(line, "kind", &kind, &ignored))
        return;
    if (strcmp(kind, "eventlog") == 0 && watcher->eventlog.size == 0) {
        watcher->failed = !clo_json_get_bytes(line, "data", CLO_JSON_BASE64, CLO_FILE_LIMIT,
                                              &watcher->eventlog, &watcher->err);
        watcher->pcrs = json_deep_copy(json_object_get(line, "pcrs"));
    }
    if (watcher->is_verbose && strcmp(kind, "step") == 0 &&
        clo_json_get_string(line, "name", &name, &ignored))
        fprintf(stderr, "  guest: %s\n", name);
}

/* A log that does not lead to the registers is nothing to calibrate with. */
static bool check_replay(const struct watcher *watcher, const struct clo_eventlog *log,
                         uint32_t mask, struct clo_error *err)
{
    const json_t *values = json_object_get(watcher->pcrs, "sha256");
    struct clo_pcr_bank bank;

    if (!clo_eventlog_replay(log, CLO_HASH_SHA256, &bank, err))
        return false;
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
        char key[16];
        if ((mask >> pcr & 1) == 0)
            continue;
        snprintf(key, sizeof key, "%u", pcr);
        if (!clo_json_get_bytes(values, key, CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &value, err))
            return clo_wrap(err, "the guest's PCRs");
        if (!clo_bytes_equal(clo_buffer_bytes(&value), clo_digest_bytes(&bank.values[pcr])))
            return clo_fail(err, CLO_ERR_REFUSED, "the event log does not lead to PCR %u", pcr);
    }
    return true;
}

/* The firmware's own PCRs, as this log shows them. */
static bool write_calibration(struct watcher *watcher, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *created = clo_json_time((int64_t)time(NULL));
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    /* PCRs 0 to 3 and 6: the firmware, its configuration and its option ROMs. */
    const uint32_t mask = 0x4f;

    if (watcher->failed || watcher->eventlog.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "calibration: the guest reported no event log");
    return (clo_eventlog_parse(clo_buffer_bytes(&watcher->eventlog), &log, err) &&
            check_replay(watcher, log, mask, err) &&
            clo_reference_from_eventlog("firmware", json_string_value(created), log, mask,
                                        CLO_HASH_NONE, &reference, err) &&
            clo_reference_write(reference, &text, err) &&
            clo_file_write(path, clo_buffer_bytes(&text), 0644, err)) ||
           clo_wrap(err, "calibration");
}

static const char *const outcome_names[] = {
    [CLO_BOOT_REACHED] = "reached",
    [CLO_BOOT_REFUSED] = "refused",
    [CLO_BOOT_FIRMWARE_REFUSED] = "refused by firmware",
    [CLO_BOOT_STOPPED] = "stopped",
    [CLO_BOOT_TIMEOUT] = "out of time",
};

static int print_result(const struct clo_boot_result *result, bool as_json)
{
    struct clo_error err;

    if (as_json) {
        CLO_CLEANUP(clo_json_freep)
        json_t *json = json_pack("{s:s, s:s, s:f, s:b}", "outcome", outcome_names[result->outcome],
                                 "reason", result->reason, "seconds", result->seconds, "emulated",
                                 result->is_emulated);
        if (!cli_print_json(json, &err))
            return cli_error(&err);
    } else {
        printf("%s after %.1f s: %s\n", outcome_names[result->outcome], result->seconds,
               result->reason);
    }
    return result->outcome == CLO_BOOT_REACHED ? CLI_YES : CLI_NO;
}

static void interrupt(int signal_number)
{
    (void)signal_number;
    clo_boot_interrupt();
}

struct boot_options {
    struct clo_boot_spec spec;
    const char *calibrate;
    bool verbose, as_json;
    const char *memory;
    uint64_t timeout;
    struct clo_list smbios, extra;
};

static void complete(struct boot_options *o, struct watcher *watcher)
{
    struct clo_boot_spec *spec = &o->spec;

    spec->timeout_s = (unsigned)o->timeout;
    for (size_t i = 0; i < o->smbios.count; i++)
        spec->smbios[spec->smbios_count++] = o->smbios.items[i];
    for (size_t i = 0; i < o->extra.count; i++)
        spec->extra[spec->extra_count++] = o->extra.items[i];
    if (o->calibrate != NULL) {
        spec->until = NULL;
        spec->until_eventlog = true;
        spec->snapshot = true;
    }
    watcher->is_verbose = o->verbose;
    spec->on_console = on_console;
    spec->on_report = on_report;
    spec->context = watcher;
}

static int boot(struct boot_options *o)
{
    struct watcher watcher = { 0 };
    struct clo_boot_result result;
    struct clo_error err;

    complete(o, &watcher);
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    bool ok = clo_boot(&o->spec, &result, &err);
    if (ok && o->calibrate != NULL && result.outcome == CLO_BOOT_REACHED)
        ok = write_calibration(&watcher, o->calibrate, &err);
    clo_buffer_free(&watcher.eventlog);
    json_decref(watcher.pcrs);
    return ok ? print_result(&result, o->as_json) : cli_error(&err);
}

/* A bare number is in MiB, as QEMU's -m has it. */
static bool read_memory(const char *text, unsigned *mib, struct clo_error *err)
{
    uint64_t bytes = (uint64_t)512 << 20;

    if (text != NULL && !cli_size("--memory", text, &bytes, err))
        return false;
    if (bytes <= 1U << 20)
        bytes <<= 20;
    if (bytes >> 20 < 128 || bytes >> 40 != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--memory %s: from 128M to less than 1T", text);
    *mib = (unsigned)(bytes >> 20);
    return true;
}

int cmd_boot(int argc, char **argv)
{
    struct boot_options o = { .spec = { .firmware = FIRMWARE, .until = "multi-user.target" },
                              .timeout = 300 };
    const struct cli_option options[] = {
        { "--varstore", "FILE", "the VM's own variable store; firmware writes to it (required)",
          .text = &o.spec.varstore },
        { "--tpm", "DIR", "the VM's TPM: a state folder of swtpm's (required)",
          .text = &o.spec.tpm_state },
        { "--firmware", "FILE", "OVMF; default " FIRMWARE, .text = &o.spec.firmware },
        { "--memory", "SIZE", "of the machine, like 4G; default 512M", .text = &o.memory },
        { "--timeout", "SECONDS", "default 300", .number = &o.timeout },
        { "--until", "TEXT", "what on the console ends it well; default multi-user.target",
          .text = &o.spec.until },
        { "--calibrate", "FILE",
          "boot only until the guest reports its event log, and write the reference values of "
          "PCRs 0 to 3 and 6 (of an image built with --allow-host report)",
          .text = &o.calibrate },
        { "--report", "FILE", "what the guest reports, JSON lines", .text = &o.spec.report_path },
        { "--serial", "FILE", "the console", .text = &o.spec.serial_path },
        { "--smbios-type11", "TEXT", "a string that the host passes in (repeatable)",
          .list = &o.smbios },
        { "--qemu", "ARG", "one more argument for QEMU, whatever else a host may do (repeatable)",
          .list = &o.extra },
        { "--snapshot", NULL, "leave the image as it is", .flag = &o.spec.snapshot },
        { "--verbose", NULL, "show the console while it runs", .flag = &o.verbose },
        { "--json", NULL, "print the outcome as JSON", .flag = &o.as_json },
    };
    const struct cli_usage usage = {
        .command = "boot",
        .arguments = "IMAGE",
        .operands = { "one image", 1, 1 },
        .summary = "Starts an image under QEMU with Secure Boot enforced and a vTPM, and says how\n"
                   "far it got. Exit status 0: it reached what was asked for; 1: it was refused,\n"
                   "stopped or ran out of time.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister boot demo.img --varstore vm/vars.fd --tpm vm/tpm --report vm/report\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.spec.varstore == NULL || o.spec.tpm_state == NULL)
        return cli_usage_error(&usage, "--varstore and --tpm are needed");
    if (o.smbios.count > CLO_BOOT_SMBIOS_MAX || o.extra.count > CLO_BOOT_EXTRA_MAX ||
        o.timeout == 0 || o.timeout > 86400)
        return cli_usage_error(&usage, "--smbios-type11 or --timeout out of range");
    if (!read_memory(o.memory, &o.spec.memory_mib, &err))
        return cli_usage_error(&usage, "%s", err.text);
    o.spec.image = operands.items[0];
    return boot(&o);
}
