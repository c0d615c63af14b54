#include "sim/vtpm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cloister/hcl.h"
#include "device/file.h"
#include "device/process.h"
#include "device/tpm.h"
#include "sim/report.h"

#define NV_MAX     2048 /* swtpm's largest index */
#define TRIES      100
#define PAUSE_NSEC 50000000L

static bool put_index(struct clo_tpm *tpm, uint32_t index, struct clo_bytes bytes,
                      struct clo_error *err)
{
    if (bytes.size > NV_MAX)
        return clo_fail(err, CLO_ERR_SYSTEM, "NV index 0x%08x: %zu bytes, at most %d fit", index,
                        bytes.size, NV_MAX);
    return clo_tpm_nv_define(tpm, index, bytes.size, err) &&
           clo_tpm_nv_write(tpm, index, bytes, err);
}

static bool provision(struct clo_tpm *tpm, const struct sim_platform *platform,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };

    return clo_tpm_create_ak(tpm, CLO_TPM_AK, &ak, err) &&
           sim_hcl_report(platform, ak, &report, err) &&
           put_index(tpm, CLO_HCL_NV_INDEX, clo_buffer_bytes(&report), err) &&
           put_index(tpm, CLO_TPM_NV_VCEK, clo_buffer_bytes(&platform->vcek), err) &&
           put_index(tpm, CLO_TPM_NV_ASK, clo_buffer_bytes(&platform->ask), err);
}

/* swtpm needs a moment until it listens. */
static bool connect_to(const char *socket, struct clo_tpm **tpm, struct clo_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        if (access(socket, F_OK) == 0 && clo_tpm_open_socket(socket, tpm, err))
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NSEC }, NULL);
    }
    return clo_fail(err, CLO_ERR_UNAVAILABLE, "swtpm does not answer");
}

static bool run(const struct sim_platform *platform, const char *folder, const char *scratch,
                struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    char socket[4200], state[4200], server[4300];
    pid_t pid;

    snprintf(socket, sizeof socket, "%s/tpm", scratch);
    snprintf(server, sizeof server, "type=unixio,path=%s", socket);
    snprintf(state, sizeof state, "dir=%s", folder);
    const char *const argv[] = { "swtpm",      "socket",  "--tpm2",
                                 "--tpmstate", state,     "--server",
                                 server,       "--flags", "not-need-init,startup-clear",
                                 NULL };
    if (!clo_process_start(argv, -1, &pid, err))
        return false;
    bool ok = connect_to(socket, &tpm, err) && provision(tpm, platform, err);
    clo_tpm_freep(&tpm);
    clo_process_stop(pid, 3000);
    return ok;
}

bool sim_vtpm_new(const struct sim_platform *platform, const char *folder, struct clo_error *err)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { .path = "" };
    char path[4200];

    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    snprintf(path, sizeof path, "%s/tpm2-00.permall", folder);
    if (access(path, F_OK) == 0)
        return clo_fail(err, CLO_ERR_USAGE, "%s: there is a TPM already", folder);
    const char *const setup[] = { "swtpm_setup", "--tpm2", "--tpmstate", folder,
                                  "--pcr-banks", "sha256", NULL };
    if (!clo_process_run(setup, NULL, NULL, err) || !clo_scratch_new(NULL, &scratch, err))
        return false;
    return run(platform, folder, scratch.path, err) || clo_wrap(err, "vTPM");
}
