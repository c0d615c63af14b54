#include "image/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device/file.h"
#include "device/process.h"
#include "image/host.h"

#define PAUSE_NSEC    30000000L
#define SOCKET_TRIES  4000 /* of a machine that has much else to do */
#define NOT_STARTED   126  /* and 127: exit statuses of a child that could not become the program */
#define GRACE_MS      2000
#define LINE_MAX_SIZE ((size_t)32 << 20) /* a report line carries a whole bundle */

static volatile sig_atomic_t interrupted;

void clo_boot_interrupt(void)
{
    interrupted = 1;
}

bool clo_boot_was_interrupted(void)
{
    return interrupted != 0;
}

/* A file that another process writes, read line by line as it grows. */
struct follower {
    int fd;
    struct clo_buffer line;
};

struct machine {
    const struct clo_boot_spec *spec;
    struct clo_scratch scratch;
    pid_t swtpm;
    pid_t qemu;
    int qemu_status; /* once it has ended */
    int log;
    struct follower console;
    struct follower report;
    struct clo_boot_result result;
    bool is_decided;
    bool firmware_denied;
    double started;
    char last_words[512]; /* the last line of cloister-init's */
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void stop_machine(struct machine *machine)
{
    clo_process_stop(machine->qemu, GRACE_MS);
    clo_process_stop(machine->swtpm, GRACE_MS);
    machine->qemu = machine->swtpm = -1;
}

static void free_machine(struct machine *machine)
{
    stop_machine(machine);
    clo_fd_close(&machine->console.fd);
    clo_fd_close(&machine->report.fd);
    clo_fd_close(&machine->log);
    clo_buffer_free(&machine->console.line);
    clo_buffer_free(&machine->report.line);
    clo_scratch_free(&machine->scratch);
}

/* --- Starting --- */

static struct clo_qemu machine_of(const struct clo_boot_spec *spec)
{
    struct clo_qemu out = {
        .kind = spec->kind,
        .has_kvm = spec->kind != CLO_QEMU_PLAIN || clo_host_has_kvm(),
        .emulator = spec->emulator,
        .image = spec->image,
        .image_format = spec->image_format,
        .is_alone = spec->is_alone,
        .snapshot = spec->snapshot,
        .firmware = spec->launch.igvm == NULL ? spec->firmware : NULL,
        .varstore = spec->varstore,
        .serial = spec->serial_path,
        .report = spec->report_path,
        .memory_mib = spec->memory_mib,
        .vcpus = spec->vcpus,
        .launch = spec->launch,
        .smbios_count = spec->smbios_count,
        .extra_count = spec->extra_count,
    };

    memcpy(out.smbios, spec->smbios, sizeof out.smbios);
    memcpy(out.extra, spec->extra, sizeof out.extra);
    if (spec->kind == CLO_QEMU_SNP)
        clo_host_memory_encryption(&out.launch.address_bit, &out.launch.reduced_bits);
    return out;
}

static bool check_file(const char *what, const char *path, int mode, enum clo_status status,
                       struct clo_error *err)
{
    if (path != NULL && access(path, mode) != 0)
        return clo_fail(err, status, "%s %s: %s", what, path, strerror(errno));
    return true;
}

static bool check_inputs(const struct clo_boot_spec *spec, struct clo_error *err)
{
    const struct clo_qemu machine = machine_of(spec);

    if (!check_file("image", spec->image, R_OK, CLO_ERR_FORMAT, err) ||
        !check_file("variable store", spec->varstore, R_OK | W_OK, CLO_ERR_FORMAT, err) ||
        !check_file("TPM state", spec->tpm_state, R_OK | W_OK, CLO_ERR_FORMAT, err) ||
        !check_file("IGVM file", spec->launch.igvm, R_OK, CLO_ERR_FORMAT, err) ||
        !check_file("kernel", spec->launch.kernel, R_OK, CLO_ERR_FORMAT, err) ||
        !check_file("initrd", spec->launch.initrd, R_OK, CLO_ERR_FORMAT, err) ||
        !check_file("firmware", machine.firmware, R_OK, CLO_ERR_UNAVAILABLE, err))
        return false;
    if (spec->tpm_state != NULL && strchr(spec->tpm_state, ',') != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "TPM state %s: swtpm takes no comma in a path",
                        spec->tpm_state);
    for (size_t i = 0; i < spec->smbios_count; i++)
        if (strlen(spec->smbios[i]) > 900)
            return clo_fail(err, CLO_ERR_USAGE, "SMBIOS string %zu: too long", i + 1);
    return clo_host_check_firmware(&machine, err) && clo_host_can_start(&machine, err);
}

static bool start_swtpm(struct machine *machine, const char *socket, struct clo_error *err)
{
    char state[4200], control[4300];

    if (machine->spec->kind != CLO_QEMU_PLAIN)
        return true; /* a TPM of the host's proves nothing of a confidential machine */
    snprintf(state, sizeof state, "dir=%s", machine->spec->tpm_state);
    snprintf(control, sizeof control, "type=unixio,path=%s", socket);
    const char *const argv[] = { "swtpm",  "socket", "--tpm2",      "--tpmstate", state,
                                 "--ctrl", control,  "--terminate", NULL };
    if (!clo_process_start(argv, machine->log, &machine->swtpm, err))
        return false;
    for (int i = 0; i < SOCKET_TRIES; i++) {
        if (access(socket, F_OK) == 0)
            return true;
        if (waitpid(machine->swtpm, NULL, WNOHANG) == machine->swtpm) {
            machine->swtpm = -1;
            return clo_fail(err, CLO_ERR_UNAVAILABLE, "swtpm: cannot be started on %s",
                            machine->spec->tpm_state);
        }
        nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NSEC }, NULL);
    }
    return clo_fail(err, CLO_ERR_UNAVAILABLE, "swtpm does not answer");
}

bool clo_boot_command(const struct clo_boot_spec *spec, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_command_line_free) struct clo_command_line line = { 0 };
    struct clo_qemu machine = machine_of(spec);
    char socket[4300], state[4300], control[4400];

    if (spec->kind == CLO_QEMU_PLAIN) {
        CLO_CLEANUP(clo_command_line_free) struct clo_command_line tpm = { 0 };
        snprintf(socket, sizeof socket, "%s/socket", spec->tpm_state);
        snprintf(state, sizeof state, "dir=%s", spec->tpm_state);
        snprintf(control, sizeof control, "type=unixio,path=%s", socket);
        const char *const words[] = { "swtpm",  "socket", "--tpm2",      "--tpmstate", state,
                                      "--ctrl", control,  "--terminate", "--daemon" };
        if (!clo_command_line_copy(words, CLO_COUNT(words), &tpm, err))
            return false;
        clo_command_line_write(&tpm, out);
        machine.tpm = socket;
    }
    if (!clo_host_check_firmware(&machine, err) || !clo_qemu_command(&machine, &line, err))
        return false;
    clo_command_line_write(&line, out);
    return !out->failed || clo_out_of_memory(err);
}

static bool start_qemu(struct machine *machine, const char *socket, const char *console,
                       const char *report, struct clo_error *err)
{
    CLO_CLEANUP(clo_command_line_free) struct clo_command_line line = { 0 };
    struct clo_qemu qemu = machine_of(machine->spec);

    machine->result.is_emulated = !qemu.has_kvm;
    qemu.tpm = socket;
    qemu.serial = console;
    qemu.report = report;
    return clo_qemu_command(&qemu, &line, err) &&
           clo_process_start((const char *const *)line.items, machine->log, &machine->qemu, err);
}

/* Makes the file, so that it can be followed from the start. */
static bool make_followed(const char *path, struct follower *out, struct clo_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    out->fd = fd;
    out->line.limit = LINE_MAX_SIZE;
    return true;
}

/* --- Watching --- */

static void decide(struct machine *machine, enum clo_boot_outcome outcome, const char *reason)
{
    if (machine->is_decided)
        return;
    machine->is_decided = true;
    machine->result.outcome = outcome;
    snprintf(machine->result.reason, sizeof machine->result.reason, "%s", reason);
    clo_sanitize(machine->result.reason);
}

static void read_console_line(struct machine *machine, const char *line)
{
    const struct clo_boot_spec *spec = machine->spec;
    const char *words = strstr(line, "cloister: ");

    if (spec->on_console != NULL)
        spec->on_console(spec->context, line);
    if (words != NULL)
        snprintf(machine->last_words, sizeof machine->last_words, "%s", words + 10);
    if (strstr(line, "Access Denied") != NULL)
        machine->firmware_denied = true;
    if (strstr(line, "No bootable option") != NULL)
        decide(machine, machine->firmware_denied ? CLO_BOOT_FIRMWARE_REFUSED : CLO_BOOT_STOPPED,
               machine->firmware_denied ? "the firmware refused to start the UKI: Access Denied "
                                          "(Secure Boot: not signed by a key in db)"
                                        : "the firmware found nothing to start");
    /* A key was released and the root mounted; then its own system gave up, and waits for a person. */
    if (strstr(line, "You are in emergency mode") != NULL)
        decide(machine, CLO_BOOT_STOPPED,
               "the root's system is in emergency mode: a file system or service that it needs is "
               "not there");
    if (spec->until != NULL && strstr(line, spec->until) != NULL)
        decide(machine, CLO_BOOT_REACHED, spec->until);
    if (spec->until_not != NULL && strstr(line, spec->until_not) != NULL)
        decide(machine, CLO_BOOT_REFUSED, words != NULL ? words + 10 : line);
}

static void read_report_line(struct machine *machine, const char *line)
{
    const struct clo_boot_spec *spec = machine->spec;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error ignored;
    const char *kind;
    const char *reason;

    if (!clo_json_parse(clo_bytes_text(line), &json, &ignored) ||
        !clo_json_get_string(json, "kind", &kind, &ignored))
        return; /* the guest's word only: what is not a report is passed over */
    if (spec->on_report != NULL)
        spec->on_report(spec->context, json);
    if (strcmp(kind, "refused") == 0 && clo_json_get_string(json, "reason", &reason, &ignored))
        decide(machine, CLO_BOOT_REFUSED, reason);
    if (spec->until_kind != NULL && strcmp(kind, spec->until_kind) == 0)
        decide(machine, CLO_BOOT_REACHED, kind);
}

/* Reads what has come; true if there was anything. */
static bool follow(struct machine *machine, struct follower *follower,
                   void (*read_line)(struct machine *, const char *))
{
    uint8_t piece[65536];
    ssize_t got = read(follower->fd, piece, sizeof piece);

    if (got <= 0)
        return false;
    for (ssize_t i = 0; i < got; i++) {
        if (piece[i] != '\n') {
            if (piece[i] != '\r')
                clo_buffer_u8(&follower->line, piece[i]);
            continue;
        }
        const char *line = clo_buffer_string(&follower->line);
        if (line != NULL)
            read_line(machine, line);
        follower->line.size = 0;
        follower->line.failed = false;
    }
    return true;
}

static void tell_wait(struct machine *machine, double *told)
{
    double seconds = now() - machine->started;

    if (machine->spec->on_wait == NULL || seconds - *told < 1)
        return;
    *told = seconds;
    machine->spec->on_wait(machine->spec->context, seconds);
}

static void watch(struct machine *machine)
{
    double told = 0;

    while (!machine->is_decided) {
        tell_wait(machine, &told);
        bool has_ended = waitpid(machine->qemu, &machine->qemu_status, WNOHANG) == machine->qemu;
        if (has_ended)
            machine->qemu = -1;
        bool has_read = false;
        while (!machine->is_decided && (follow(machine, &machine->report, read_report_line) ||
                                        follow(machine, &machine->console, read_console_line)))
            has_read = true;
        if (has_ended)
            decide(machine, CLO_BOOT_STOPPED,
                   machine->last_words[0] != '\0' ? machine->last_words
                                                  : "the machine stopped without a word");
        else if (now() - machine->started > machine->spec->timeout_s)
            decide(machine, CLO_BOOT_TIMEOUT, "out of time");
        else if (interrupted)
            decide(machine, CLO_BOOT_STOPPED, "interrupted");
        else if (!has_read)
            nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NSEC }, NULL);
    }
    /* What the guest still wanted to say when it was decided. */
    while (follow(machine, &machine->report, read_report_line))
        continue;
}

bool clo_boot(const struct clo_boot_spec *spec, struct clo_boot_result *out, struct clo_error *err)
{
    CLO_CLEANUP(free_machine)
    struct machine machine = { .spec = spec,
                               .swtpm = -1,
                               .qemu = -1,
                               .log = -1,
                               .console = { .fd = -1 },
                               .report = { .fd = -1 } };
    char socket[4200], console[4200], report[4200], log[4200];

    if (!check_inputs(spec, err) || !clo_scratch_new(NULL, &machine.scratch, err))
        return false;
    const char *scratch = machine.scratch.path;
    snprintf(socket, sizeof socket, "%s/tpm", scratch);
    snprintf(log, sizeof log, "%s/log", scratch);
    snprintf(console, sizeof console, "%s/console", scratch);
    snprintf(report, sizeof report, "%s/report", scratch);
    if (spec->serial_path != NULL)
        snprintf(console, sizeof console, "%s", spec->serial_path);
    if (spec->report_path != NULL)
        snprintf(report, sizeof report, "%s", spec->report_path);
    machine.log = open(log, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (machine.log < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", log, strerror(errno));
    if (!make_followed(console, &machine.console, err) ||
        !make_followed(report, &machine.report, err) || !start_swtpm(&machine, socket, err) ||
        !start_qemu(&machine, socket, console, report, err))
        return false;
    machine.started = now();
    watch(&machine);
    machine.result.seconds = now() - machine.started;
    if (machine.qemu == -1 && WIFEXITED(machine.qemu_status) &&
        WEXITSTATUS(machine.qemu_status) >= NOT_STARTED)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: cannot be started",
                        spec->emulator == NULL ? "qemu-system-x86_64" : spec->emulator);
    /* QEMU that could not even start says why in its log. */
    if (machine.result.outcome == CLO_BOOT_STOPPED && machine.result.seconds < 3) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer words = { 0 };
        struct clo_error ignored;
        if (clo_file_read(log, 65536, &words, &ignored) && words.size > 0) {
            char line[300];
            snprintf(line, sizeof line, "%.*s", (int)strcspn(clo_buffer_string(&words), "\n"),
                     clo_buffer_string(&words));
            return clo_fail(err, CLO_ERR_UNAVAILABLE, "QEMU: %s", line);
        }
    }
    stop_machine(&machine);
    *out = machine.result;
    return true;
}
