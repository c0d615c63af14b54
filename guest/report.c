#include "guest/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device/file.h"

#define PORTS         "/sys/class/virtio-ports"
#define PORT_PATIENCE 5000 /* ms that a host may leave us waiting for one line */

static int64_t now_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

void clo_report_begin(struct clo_report *report, const char *console)
{
    *report = (struct clo_report){ .console = -1, .port = -1 };
    report->started_us = report->step_us = now_us();
    if (console != NULL)
        report->console = open(console, O_WRONLY | O_NOCTTY | O_CLOEXEC);
}

static bool is_ours(const char *port)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    struct clo_error ignored;
    char path[300];

    snprintf(path, sizeof path, PORTS "/%.64s/name", port);
    return clo_file_read(path, 256, &name, &ignored) &&
           clo_bytes_equal(clo_buffer_bytes(&name), clo_bytes_text(CLO_REPORT_PORT "\n"));
}

void clo_report_find_port(struct clo_report *report)
{
    DIR *folder = opendir(PORTS);
    struct dirent *entry;

    while (folder != NULL && report->port < 0 && (entry = readdir(folder)) != NULL) {
        char path[80];
        if (entry->d_name[0] == '.' || !is_ours(entry->d_name))
            continue;
        snprintf(path, sizeof path, "/dev/%.64s", entry->d_name);
        report->port = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    }
    if (folder != NULL)
        closedir(folder);
}

void clo_report_say(const struct clo_report *report, const char *format, ...)
{
    struct clo_error ignored;
    char text[600];
    char line[640];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    clo_sanitize(text);
    int size = snprintf(line, sizeof line, "cloister: %s\r\n", text);
    if (report->console >= 0 &&
        !clo_write_all(report->console, clo_bytes(line, (size_t)size), &ignored))
        return; /* nobody is left to tell */
}

/* A host that does not read is not waited for longer than that. */
static void write_patiently(int fd, struct clo_bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t wrote = write(fd, bytes.data, bytes.size);
        if (wrote > 0) {
            bytes = clo_bytes_slice(bytes, (size_t)wrote, bytes.size - (size_t)wrote);
            continue;
        }
        struct pollfd wait = { .fd = fd, .events = POLLOUT };
        if (wrote == 0 || (errno != EAGAIN && errno != EINTR) || poll(&wait, 1, PORT_PATIENCE) <= 0)
            return;
    }
}

void clo_report_send(const struct clo_report *report, json_t *line)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = line;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error ignored;

    if (report->port < 0 || json == NULL || !clo_json_write(json, &text, &ignored))
        return;
    clo_buffer_text(&text, "\n");
    if (clo_buffer_ok(&text))
        write_patiently(report->port, clo_buffer_bytes(&text));
}

void clo_report_step(struct clo_report *report, const char *name)
{
    int64_t now = now_us();

    clo_report_send(report, json_pack("{s:s, s:s, s:f}", "kind", "step", "name", name, "ms",
                                      (double)(now - report->step_us) / 1000.0));
    report->step_us = now;
}

unsigned clo_report_elapsed_ms(const struct clo_report *report)
{
    return (unsigned)((now_us() - report->started_us) / 1000);
}
