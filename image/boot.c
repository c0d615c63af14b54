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

#define PAUSE_NSEC    30000000L
#define SOCKET_TRIES  200
#define GRACE_MS      2000
#define ARGUMENTS_MAX 128
#define LINE_MAX_SIZE ((size_t)32 << 20) /* a report line carries a whole bundle */

static volatile sig_atomic_t interrupted;

void clo_boot_interrupt(void)
{
    interrupted = 1;
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

/* /dev/kvm may be there and of no use: only with a processor's own virtualization is it taken. */
static bool has_kvm(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cpus = { 0 };
    struct clo_error ignored;

    if (access("/dev/kvm", R_OK | W_OK) != 0 ||
        !clo_file_read("/proc/cpuinfo", CLO_FILE_LIMIT, &cpus, &ignored))
        return false;
    const char *text = clo_buffer_string(&cpus);
    return text != NULL && (strstr(text, " svm") != NULL || strstr(text, " vmx") != NULL);
}

static bool check_inputs(const struct clo_boot_spec *spec, struct clo_error *err)
{
    const struct {
        const char *path;
        const char *what;
        int mode;
    } files[] = {
        { spec->image, "image", R_OK },
        { spec->varstore, "variable store", R_OK | W_OK },
        { spec->tpm_state, "TPM state", R_OK | W_OK },
    };

    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        if (access(files[i].path, files[i].mode) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s %s: %s", files[i].what, files[i].path,
                            strerror(errno));
        if (strchr(files[i].path, ',') != NULL)
            return clo_fail(err, CLO_ERR_USAGE, "%s %s: QEMU takes no comma in a path",
                            files[i].what, files[i].path);
    }
    if (access(spec->firmware, R_OK) != 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "firmware %s: %s", spec->firmware,
                        strerror(errno));
    for (size_t i = 0; i < spec->smbios_count; i++)
        if (strlen(spec->smbios[i]) > 900)
            return clo_fail(err, CLO_ERR_USAGE, "SMBIOS string %zu: too long", i + 1);
    return true;
}

static bool start_swtpm(struct machine *machine, const char *socket, struct clo_error *err)
{
    char state[4200], control[4300];

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

/* QEMU reads a doubled comma in an option's value as one. */
static void smbios_option(const char *text, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "type=11,value=");

    for (; *text != '\0' && used + 3 < size; text++) {
        if (*text == ',')
            out[used++] = ',';
        out[used++] = *text;
    }
    out[used] = '\0';
}

struct arguments {
    const char *items[ARGUMENTS_MAX];
    size_t count;
};

static void add(struct arguments *arguments, const char *option, const char *value)
{
    if (arguments->count + 3 < ARGUMENTS_MAX) {
        arguments->items[arguments->count++] = option;
        if (value != NULL)
            arguments->items[arguments->count++] = value;
    }
}

static bool start_qemu(struct machine *machine, const char *socket, const char *console,
                       const char *report, struct clo_error *err)
{
    const struct clo_boot_spec *spec = machine->spec;
    static const char secure[] = "driver=cfi.pflash01,property=secure,value=on";
    char code[4300], variables[4300], tpm[4300], disk[4300], serial[4300], port[4300], memory[32];
    char smbios[CLO_BOOT_SMBIOS_MAX][2048];
    struct arguments arguments = { .count = 0 };
    bool kvm = has_kvm();

    machine->result.is_emulated = !kvm;
    snprintf(code, sizeof code, "if=pflash,unit=0,format=raw,readonly=on,file=%s", spec->firmware);
    snprintf(variables, sizeof variables, "if=pflash,unit=1,format=raw,file=%s", spec->varstore);
    snprintf(tpm, sizeof tpm, "socket,id=chrtpm,path=%s", socket);
    snprintf(disk, sizeof disk, "if=none,id=disk,format=raw,cache=unsafe,file=%s%s", spec->image,
             spec->snapshot ? ",snapshot=on" : "");
    snprintf(serial, sizeof serial, "file:%s", console);
    snprintf(port, sizeof port, "file,id=report,path=%s", report);
    snprintf(memory, sizeof memory, "%u", spec->memory_mib);
    add(&arguments, "qemu-system-x86_64", NULL);
    add(&arguments, "-accel", kvm ? "kvm" : "tcg,thread=multi");
    add(&arguments, "-cpu", kvm ? "host" : "max");
    /* One processor: with SMM, emulated ones wait for each other for most of the time. */
    add(&arguments, "-smp", "1");
    add(&arguments, "-m", memory);
    add(&arguments, "-nodefaults", "-no-user-config");
    add(&arguments, "-display", "none");
    add(&arguments, "-vga", "none");
    add(&arguments, "-no-reboot", NULL);
    add(&arguments, "-machine", "q35,smm=on");
    add(&arguments, "-global", secure);
    add(&arguments, "-global", "ICH9-LPC.disable_s3=1");
    add(&arguments, "-drive", code);
    add(&arguments, "-drive", variables);
    add(&arguments, "-chardev", tpm);
    add(&arguments, "-tpmdev", "emulator,id=tpm0,chardev=chrtpm");
    add(&arguments, "-device", "tpm-crb,tpmdev=tpm0");
    add(&arguments, "-drive", disk);
    add(&arguments, "-device", "virtio-blk-pci,drive=disk,bootindex=1");
    add(&arguments, "-netdev", "user,id=net");
    add(&arguments, "-device", "virtio-net-pci,netdev=net,romfile=");
    add(&arguments, "-device", "virtio-rng-pci");
    add(&arguments, "-device", "virtio-serial-pci");
    add(&arguments, "-chardev", port);
    add(&arguments, "-device", "virtserialport,chardev=report,name=cloister.report");
    add(&arguments, "-serial", serial);
    for (size_t i = 0; i < spec->smbios_count; i++) {
        smbios_option(spec->smbios[i], smbios[i], sizeof smbios[i]);
        add(&arguments, "-smbios", smbios[i]);
    }
    for (size_t i = 0; i < spec->extra_count; i++)
        add(&arguments, spec->extra[i], NULL);
    arguments.items[arguments.count] = NULL;
    return clo_process_start(arguments.items, machine->log, &machine->qemu, err);
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
    if (spec->until_eventlog && strcmp(kind, "eventlog") == 0)
        decide(machine, CLO_BOOT_REACHED, "event log");
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

static void watch(struct machine *machine)
{
    while (!machine->is_decided) {
        bool has_ended = waitpid(machine->qemu, NULL, WNOHANG) == machine->qemu;
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
