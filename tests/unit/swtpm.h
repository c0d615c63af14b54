/* A software TPM for a test: started with the test group, gone with it. Without swtpm the test skips. */
#ifndef CLOISTER_TEST_SWTPM_H
#define CLOISTER_TEST_SWTPM_H

#include <unistd.h>

#include "device/process.h"
#include "device/tpm.h"
#include "test.h"

static struct clo_scratch swtpm_scratch;
static pid_t swtpm_pid = -1;
static struct clo_tpm *tpm;

static int start_swtpm(void **state)
{
    char dir[4200];
    char socket[4200];
    struct clo_error err;

    (void)state;
    if (access("/usr/bin/swtpm", X_OK) != 0) {
        print_message("SKIP: swtpm is not installed\n");
        exit(77);
    }
    assert_true(clo_scratch_new("/tmp", &swtpm_scratch, &err));
    snprintf(dir, sizeof dir, "dir=%s", swtpm_scratch.path);
    snprintf(socket, sizeof socket, "type=unixio,path=%s/sock", swtpm_scratch.path);
    const char *argv[] = { "swtpm",      "socket",  "--tpm2",
                           "--tpmstate", dir,       "--server",
                           socket,       "--flags", "not-need-init,startup-clear",
                           NULL };
    assert_true(clo_process_start(argv, STDERR_FILENO, &swtpm_pid, &err));
    snprintf(socket, sizeof socket, "%s/sock", swtpm_scratch.path);
    /* The socket is there a moment before swtpm listens on it. */
    bool is_open = false;
    for (int i = 0; i < 500 && !is_open; i++) {
        is_open = clo_tpm_open_socket(socket, &tpm, &err);
        if (!is_open)
            usleep(10000);
    }
    if (!is_open)
        fail_msg("%s", err.text);
    return 0;
}

static int stop_swtpm(void **state)
{
    (void)state;
    clo_tpm_freep(&tpm);
    clo_process_stop(swtpm_pid, 2000);
    clo_scratch_free(&swtpm_scratch);
    return 0;
}

#endif
