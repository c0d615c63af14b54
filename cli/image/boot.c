/* cloister boot: start an image under QEMU, and see how far it gets. */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/image/image.h"
#include "cli/inputs.h"
#include "cloister/encoding.h"
#include "cloister/eventlog.h"
#include "cloister/id_block.h"
#include "cloister/launch.h"
#include "cloister/reference.h"
#include "device/file.h"
#include "image/boot.h"

struct watcher {
    bool is_verbose;
    bool tells_stages; /* a line for each */
    bool is_terminal;  /* the stage, and for how long already, on one line that is written anew */
    const char *stage; /* how far the machine is */
    char guest[64];    /* the guest's own word for it */
    struct clo_buffer eventlog; /* the firmware's, as the guest reported it */
    json_t *pcrs;               /* and the registers next to it: {"sha256": {"0": hex}} */
    struct clo_error err;
    bool failed;
};

static void enter_stage(struct watcher *watcher, const char *stage)
{
    if (watcher->stage != NULL && strcmp(watcher->stage, stage) == 0)
        return;
    watcher->stage = stage;
    if (watcher->tells_stages)
        fprintf(stderr, "  %s\n", stage);
}

static void on_wait(void *context, double seconds)
{
    const struct watcher *watcher = context;

    if (watcher->is_terminal)
        fprintf(stderr, "\r  %3.0f s  %s\033[K", seconds, watcher->stage);
}

static void end_stages(const struct watcher *watcher)
{
    if (watcher->is_terminal)
        fputs("\r\033[K", stderr);
}

/* What the console shows of firmware, stub and the root's system. */
static void note_console(struct watcher *watcher, const char *line)
{
    if (strstr(line, "BdsDxe: starting") != NULL)
        enter_stage(watcher, "the firmware starts the image");
    else if (strstr(line, "systemd[1]: ") != NULL || strstr(line, "Welcome to ") != NULL)
        enter_stage(watcher, "the root's system starts");
}

/* What the guest says of itself: the name of the step that it has done. */
static void note_step(struct watcher *watcher, const char *name)
{
    snprintf(watcher->guest, sizeof watcher->guest, "guest: %.50s", name);
    clo_sanitize(watcher->guest);
    watcher->stage = NULL; /* the text changed where it lies */
    enter_stage(watcher, watcher->guest);
}

static void on_console(void *context, const char *line)
{
    struct watcher *watcher = context;
    char clean[400];

    note_console(watcher, line);
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
    if (strcmp(kind, "step") == 0 && clo_json_get_string(line, "name", &name, &ignored))
        note_step(watcher, name);
    if (strcmp(kind, "switch_root") == 0)
        enter_stage(watcher, "the root's system starts");
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
    bool verbose, progress, as_json, print;
    bool is_snp, is_tdx;
    const char *svsm, *id_block, *host_data;
    struct clo_buffer id_block_text, host_data_text;
    const char *memory;
    uint64_t timeout, vcpus, guest_policy;
    struct clo_list smbios, extra;
};

static void free_options(struct boot_options *o)
{
    clo_buffer_free(&o->id_block_text);
    clo_buffer_free(&o->host_data_text);
}

static void complete(struct boot_options *o, struct watcher *watcher)
{
    struct clo_boot_spec *spec = &o->spec;

    spec->timeout_s = (unsigned)o->timeout;
    spec->vcpus = (unsigned)o->vcpus;
    for (size_t i = 0; i < o->smbios.count; i++)
        spec->smbios[spec->smbios_count++] = o->smbios.items[i];
    for (size_t i = 0; i < o->extra.count; i++)
        spec->extra[spec->extra_count++] = o->extra.items[i];
    if (o->calibrate != NULL) {
        spec->until = NULL;
        spec->until_kind = "eventlog";
        spec->snapshot = true;
    }
    watcher->is_verbose = o->verbose;
    watcher->tells_stages = o->verbose || o->progress;
    watcher->is_terminal = !watcher->tells_stages && isatty(STDERR_FILENO) == 1;
    enter_stage(watcher, "the firmware runs");
    spec->on_console = on_console;
    spec->on_report = on_report;
    spec->on_wait = on_wait;
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
    end_stages(&watcher);
    if (ok && o->calibrate != NULL && result.outcome == CLO_BOOT_REACHED)
        ok = write_calibration(&watcher, o->calibrate, &err);
    clo_buffer_free(&watcher.eventlog);
    json_decref(watcher.pcrs);
    return ok ? print_result(&result, o->as_json) : cli_fail("boot", &err);
}

/* What would be started, and nothing is. */
static int print_command(struct boot_options *o)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct watcher watcher = { 0 };
    struct clo_error err;

    complete(o, &watcher);
    if (!clo_boot_command(&o->spec, &text, &err))
        return cli_fail("boot", &err);
    cli_print(clo_buffer_bytes(&text));
    return CLI_YES;
}

/* A bare number is in MiB, as QEMU's -m has it. */
bool cli_boot_memory(const char *text, unsigned *mib, struct clo_error *err)
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

/* `*at` goes past the name and its base64; false if that is not there. */
static bool skip_member(const char **at, const char *name)
{
    static const char base64[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "+/=";
    size_t size = strlen(name);

    if (strncmp(*at, name, size) != 0 || strspn(*at + size, base64) == 0)
        return false;
    *at += size + strspn(*at + size, base64);
    return true;
}

/* The line that `measure snp --id-block` writes is QEMU's own form: no other option of the guest may be in it. */
static bool is_id_block(const char *line, size_t size)
{
    static const char author[] = ",author-key-enabled=on";
    const char *at = line;

    if (line == NULL || strlen(line) != size || !skip_member(&at, "id-block=") ||
        !skip_member(&at, ",id-auth="))
        return false;
    return *at == '\0' || strcmp(at, author) == 0;
}

static bool read_id_block(struct boot_options *o, struct clo_error *err)
{
    struct clo_buffer *text = &o->id_block_text;

    if (o->id_block == NULL)
        return true;
    if (!clo_file_read(o->id_block, 65536, text, err))
        return false;
    while (text->size > 0 && text->data[text->size - 1] == '\n')
        text->size--;
    const char *line = clo_buffer_string(text);
    if (!is_id_block(line, text->size))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "%s: not an ID block as 'cloister measure snp --id-block' writes it",
                        o->id_block);
    o->spec.launch.id_block = line;
    return true;
}

/* HOST_DATA has 32 bytes, MRCONFIGID 48. */
static bool read_host_data(struct boot_options *o, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    size_t size = o->is_tdx ? 48 : 32;

    if (o->host_data == NULL)
        return true;
    if (!clo_hex_read(clo_bytes_text(o->host_data), &bytes, err))
        return clo_wrap(err, "--host-data");
    if (bytes.size != size)
        return clo_fail(err, CLO_ERR_USAGE, "--host-data: %zu bytes, expected %zu", bytes.size,
                        size);
    clo_base64_write(clo_buffer_bytes(&bytes), &o->host_data_text);
    o->spec.launch.host_data = clo_buffer_string(&o->host_data_text);
    return o->spec.launch.host_data != NULL || clo_out_of_memory(err);
}

/* Which options go with which machine. */
static const char *contradiction(const struct boot_options *o)
{
    const struct clo_qemu_launch *launch = &o->spec.launch;
    bool is_plain = !o->is_snp && !o->is_tdx;

    if (o->is_snp && o->is_tdx)
        return "--snp or --svsm and --tdx are two kinds of machine";
    if (is_plain && (o->spec.varstore == NULL || o->spec.tpm_state == NULL))
        return "--varstore and --tpm are needed";
    if (is_plain && (launch->kernel != NULL || launch->igvm != NULL || o->id_block != NULL ||
                     o->host_data != NULL || o->guest_policy != 0 || launch->quotes != NULL))
        return "an option of a confidential machine: --snp, --svsm or --tdx says which";
    if (!is_plain && (o->spec.varstore != NULL || o->spec.tpm_state != NULL))
        return "a confidential machine has neither --varstore nor --tpm: its host would write "
               "them";
    if (!is_plain && launch->igvm == NULL && o->spec.firmware == NULL)
        return "--firmware is needed: OVMF built for such machines";
    if (launch->igvm != NULL && o->spec.firmware != NULL)
        return "--firmware is in the IGVM file";
    if (launch->kernel == NULL && (launch->initrd != NULL || launch->cmdline != NULL))
        return "--initrd and --cmdline go with --kernel";
    if (o->is_tdx && (launch->igvm != NULL || o->id_block != NULL || o->guest_policy != 0))
        return "--igvm, --id-block and --guest-policy are SEV-SNP's";
    if (!o->is_tdx && launch->quotes != NULL)
        return "--quotes is TDX's";
    if (!is_plain && o->calibrate != NULL)
        return "--calibrate takes a plain machine, with a vTPM";
    return NULL;
}

static bool choose_machine(struct boot_options *o, struct clo_error *err)
{
    struct clo_qemu_launch *launch = &o->spec.launch;

    o->spec.kind = o->is_snp ? CLO_QEMU_SNP : o->is_tdx ? CLO_QEMU_TDX : CLO_QEMU_PLAIN;
    if (o->spec.kind == CLO_QEMU_PLAIN && o->spec.firmware == NULL)
        o->spec.firmware = CLO_BOOT_FIRMWARE;
    if (launch->cpu == NULL)
        launch->cpu = "EPYC-v4";
    else if (clo_vcpu_type_find(launch->cpu) == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--vcpu-type %s: not known, as in 'measure snp'",
                        launch->cpu);
    launch->policy = o->guest_policy != 0 ? o->guest_policy : CLO_SNP_ID_POLICY;
    if (o->is_tdx && launch->quotes == NULL)
        launch->quotes = "unix:/var/run/tdx-qgs/qgs.socket";
    return cli_boot_memory(o->memory, &o->spec.memory_mib, err) && read_id_block(o, err) &&
           read_host_data(o, err);
}

static int run(const struct cli_usage *usage, struct boot_options *o)
{
    struct clo_error err;

    if (o->svsm != NULL) {
        o->is_snp = true;
        if (o->spec.launch.igvm != NULL)
            return cli_usage_error(usage, "--svsm and --igvm are two files for one place");
        o->spec.launch.igvm = o->svsm;
    }
    const char *wrong = contradiction(o);
    if (wrong != NULL)
        return cli_usage_error(usage, "%s", wrong);
    if (o->smbios.count > CLO_BOOT_SMBIOS_MAX || o->extra.count > CLO_BOOT_EXTRA_MAX ||
        o->timeout == 0 || o->timeout > 86400)
        return cli_usage_error(usage, "--smbios-type11 or --timeout out of range");
    if (o->vcpus == 0 || o->vcpus > 512)
        return cli_usage_error(usage, "--vcpus: from 1 to 512");
    if (!choose_machine(o, &err))
        return err.status == CLO_ERR_USAGE ? cli_usage_error(usage, "%s", err.text)
                                           : cli_fail("boot", &err);
    return o->print ? print_command(o) : boot(o);
}

int cmd_boot(int argc, char **argv)
{
    CLO_CLEANUP(free_options)
    struct boot_options o = { .spec = { .until = "multi-user.target" },
                              .timeout = 300,
                              .vcpus = 1 };
    struct clo_qemu_launch *launch = &o.spec.launch;
    const struct cli_option options[] = {
        { "--varstore", "FILE",
          "the VM's own variable store; firmware writes to it (but for --snp and --tdx, required)",
          .text = &o.spec.varstore },
        { "--tpm", "DIR", "the VM's TPM: a state folder of swtpm's (required likewise)",
          .text = &o.spec.tpm_state },
        { "--firmware", "FILE", "OVMF; default " CLO_BOOT_FIRMWARE, .text = &o.spec.firmware },
        { "--memory", "SIZE", "of the machine, like 4G; default 512M", .text = &o.memory },
        { "--vcpus", "N", "how many CPUs; default 1", .number = &o.vcpus },
        { "--snp", NULL, "a confidential machine: SEV-SNP, without --varstore and --tpm",
          .flag = &o.is_snp },
        { "--svsm", "FILE", "the same with an SVSM, out of its IGVM file", .text = &o.svsm },
        { "--tdx", NULL, "a confidential machine: TDX", .flag = &o.is_tdx },
        { "--vcpu-type", "NAME", "SEV-SNP: the CPUs' model, as for 'measure snp'; default EPYC-v4",
          .text = &launch->cpu },
        { "--kernel", "FILE", "what QEMU hands over, measured: the kernel",
          .text = &launch->kernel },
        { "--initrd", "FILE", "its initrd", .text = &launch->initrd },
        { "--cmdline", "TEXT", "its command line", .text = &launch->cmdline },
        { "--igvm", "FILE", "SEV-SNP: an IGVM file in place of --firmware", .text = &launch->igvm },
        { "--id-block", "FILE", "SEV-SNP: what 'measure snp --id-block' wrote",
          .text = &o.id_block },
        { "--guest-policy", "HEX", "SEV-SNP: the guest's policy; default 0x30000",
          .number = &o.guest_policy },
        { "--host-data", "HEX", "HOST_DATA (32 bytes), or of a TD MRCONFIGID (48 bytes)",
          .text = &o.host_data },
        { "--quotes", "WHERE",
          "TDX: the quoting service, unix:PATH or vsock:CID:PORT; default "
          "unix:/var/run/tdx-qgs/qgs.socket",
          .text = &launch->quotes },
        { "--print", NULL, "print the command line that would be started, and start nothing",
          .flag = &o.print },
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
        { "--progress", NULL, "say how far it is, a line for each stage (on a terminal: one line)",
          .flag = &o.progress },
        { "--verbose", NULL, "show the console while it runs", .flag = &o.verbose },
        { "--json", NULL, "print the outcome as JSON", .flag = &o.as_json },
    };
    const struct cli_usage usage = {
        .command = "boot",
        .arguments = "IMAGE",
        .operands = { "one image", 1, 1 },
        .summary =
                "Starts an image under QEMU with Secure Boot enforced and a vTPM, or as a\n"
                "confidential machine where the host has them, and says how far it got. Exit\n"
                "status 0: it reached what was asked for; 1: it was refused, stopped or ran out\n"
                "of time; 4: this host cannot start it, and what it lacks.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister boot demo.img --varstore vm/vars.fd --tpm vm/tpm --report vm/report\n"
                "  cloister boot demo.img --snp --firmware OVMF.fd --kernel vmlinuz \\\n"
                "      --initrd initrd --cmdline 'console=ttyS0' --vcpus 4 --memory 4G --print\n",
    };
    struct clo_list operands;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    o.spec.image = operands.items[0];
    return run(&usage, &o);
}
