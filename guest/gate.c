#include "guest/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "guest/collect.h"
#include "guest/gate_table.h"
#include "guest/host_inputs.h"
#include "guest/host_units.h"
#include "guest/partitions.h"
#include "guest/root.h"

#define RUN    "/run"
#define BLOCKS "/sys/class/block"

/* --- What was handed in --- */

struct findings {
    const struct clo_report *report;
    size_t count;
    char first[300];
};

static void found(void *context, const char *what)
{
    struct findings *findings = context;

    if (findings->count++ == 0)
        snprintf(findings->first, sizeof findings->first, "%s", what);
    else
        clo_report_say(findings->report, "the host also hands in: %s", what);
}

static bool refuse(const struct findings *findings, struct clo_error *err)
{
    return findings->count == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "the host hands in what the image does not allow: %s",
                    findings->first);
}

static struct clo_host_look look_for(const struct clo_gate *gate, struct findings *findings)
{
    return (struct clo_host_look){ .root = "/",
                                   .allow = &gate->config->host,
                                   .cmdline = gate->config->cmdline,
                                   .profile_cmdlines = gate->config->profile_cmdlines,
                                   .found = found,
                                   .context = findings };
}

bool clo_gate_inputs(const struct clo_gate *gate, struct clo_error *err)
{
    struct findings findings = { .report = gate->report };
    const struct clo_host_look look = look_for(gate, &findings);

    return (clo_host_look(&look, err) || clo_wrap(err, "what the host hands in")) &&
           refuse(&findings, err);
}

/* --- The table --- */

/* "/dev/vda2" is a part of "vda": its folder lies in the disk's. */
static bool disk_of(const char *device, char out[64], struct clo_error *err)
{
    char path[300], target[PATH_MAX];

    snprintf(path, sizeof path, BLOCKS "/%.200s", strrchr(device, '/') + 1);
    ssize_t size = readlink(path, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = '\0';
    char *last = strrchr(target, '/');
    if (last != NULL)
        *last = '\0';
    const char *name = last == NULL ? NULL : strrchr(target, '/');
    if (name == NULL || strlen(name + 1) >= 64)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: its disk is not known", device);
    snprintf(out, 64, "%s", name + 1);
    return true;
}

static bool read_table(const char *disk, struct clo_buffer *head, struct clo_gpt *out,
                       struct clo_error *err)
{
    char path[80];

    snprintf(path, sizeof path, "/dev/%.64s", disk);
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return clo_fd_read(fd, 0, CLO_GPT_HEAD_SIZE, head, err) &&
           clo_gpt_parse(clo_buffer_bytes(head), out, err);
}

static const struct clo_table_sources table_sources = {
    .eventlog = CLO_COLLECT_EVENTLOG,
    .ccel = CLO_COLLECT_CCEL,
    .measurements = CLO_TDX_GUEST_MEASUREMENTS,
    .tdx_guest = CLO_TDX_GUEST_DEVICE,
};

static bool check_kinds(const struct clo_guest_config *config, const struct clo_gpt *gpt,
                        bool is_measured, struct clo_error *err)
{
    if (config->partition_count > 0)
        return clo_partitions_check_kinds(gpt, config->partitions, config->partition_count, err);
    return is_measured || clo_fail(err, CLO_ERR_REFUSED,
                                   "neither a measurement nor the image says what belongs there");
}

/* What this boot wrote was made of the measured one, and is measured by the next. */
static bool is_measured_table(const struct clo_gate *gate, struct clo_bytes head,
                              const struct clo_gpt *gpt, bool *is_measured, struct clo_error *err)
{
    if (gate->grown.size == 0)
        return clo_table_compare(&table_sources, gate->tpm, gate->bank, gpt, is_measured, err);
    *is_measured = true;
    return clo_table_is_written(head, gate->grown, err);
}

static bool check_table(const struct clo_gate *gate, const char *disk, struct clo_gpt *gpt,
                        struct clo_buffer *head, struct clo_error *err)
{
    bool is_measured = false;

    return (read_table(disk, head, gpt, err) &&
            is_measured_table(gate, clo_buffer_bytes(head), gpt, &is_measured, err) &&
            check_kinds(gate->config, gpt, is_measured, err) &&
            clo_partitions_check_kernel(BLOCKS, disk, gpt, err)) ||
           clo_wrap(err, "partition table");
}

static bool check_disks(const struct clo_gate *gate, const char *disk, struct clo_error *err)
{
    struct findings findings = { .report = gate->report };
    const struct clo_host_look look = look_for(gate, &findings);

    return clo_host_look_at_disks(&look, disk, err) && refuse(&findings, err);
}

static bool check_disk(const struct clo_gate *gate, char disk[64], struct clo_gpt *gpt,
                       struct clo_buffer *head, struct clo_error *err)
{
    return disk_of(gate->device, disk, err) && check_table(gate, disk, gpt, head, err) &&
           check_disks(gate, disk, err);
}

bool clo_gate_disk(const struct clo_gate *gate, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    char disk[64];

    return gpt == NULL ? clo_out_of_memory(err) : check_disk(gate, disk, gpt, &head, err);
}

/* --- A larger disk --- */

bool clo_gate_grow(const struct clo_gate *gate, struct clo_buffer *head, bool *is_allowed,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    char disk[64], device[80];

    *is_allowed = false;
    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!gate->config->grow.is_any && gate->config->grow.count == 0)
        return true;
    if (!check_disk(gate, disk, gpt, &before, err))
        return false;
    snprintf(device, sizeof device, "/dev/%.64s", disk);
    return clo_grow_disk(&gate->config->grow, gate->has_tags, device, clo_buffer_bytes(&before),
                         head, is_allowed, err);
}

/* --- What the root gets --- */

static bool write_credentials(const struct clo_host_credential *credentials, size_t count,
                              struct clo_error *err)
{
    char path[300];

    if (count == 0)
        return true;
    if ((mkdir(RUN "/credentials", 0755) != 0 && errno != EEXIST) ||
        chmod(RUN "/credentials", 0755) != 0 || mkdir(CLO_ROOT_CREDENTIALS, 0700) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", CLO_ROOT_CREDENTIALS, strerror(errno));
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, CLO_ROOT_CREDENTIALS "/%.127s", credentials[i].name);
        if (!clo_file_write(path, clo_buffer_bytes(&credentials[i].value), 0400, err))
            return false;
    }
    return true;
}

static bool pass_credentials(const struct clo_gate *gate, struct clo_error *err)
{
    static struct clo_host_credential credentials[CLO_HOST_CREDENTIALS_MAX];
    const struct clo_host_look look = { .root = "/", .allow = &gate->config->host };
    size_t count = 0;

    if (!clo_host_credentials(&look, credentials, &count, err))
        return false;
    bool ok = write_credentials(credentials, count, err);
    clo_host_credentials_free(credentials, count);
    return ok;
}

static bool drop_partitions(const struct clo_gate *gate, const char *disk,
                            const struct clo_gpt *gpt, struct clo_error *err)
{
    const struct clo_guid kept[] = { clo_gpt_type_root_x86_64, clo_gpt_type_esp };
    size_t count = clo_host_allows(&gate->config->host, "esp", NULL) ? 2 : 1;
    char device[80];

    snprintf(device, sizeof device, "/dev/%.64s", disk);
    return clo_partitions_drop(device, gpt, kept, count, err);
}

bool clo_gate_close(const struct clo_gate *gate, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    char disk[64];

    if (gpt == NULL)
        return clo_out_of_memory(err);
    return clo_gate_inputs(gate, err) && check_disk(gate, disk, gpt, &head, err) &&
           drop_partitions(gate, disk, gpt, err) &&
           clo_host_mask_units(RUN, &gate->config->host, err) && pass_credentials(gate, err);
}
