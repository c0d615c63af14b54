#include "device/process.h"

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void runs_and_says_why_not(void **state)
{
    static const struct {
        const char *name, *argv[4], *output, *error;
        enum clo_status status;
    } cases[] = {
        { "output", { "printf", "%s\n", "a b" }, "a b\n", NULL, CLO_OK },
        { "an argument is not a shell's",
          { "printf", "%s", "$(id); *" },
          "$(id); *",
          NULL,
          CLO_OK },
        { "not there",
          { "cloister-no-such-program" },
          "",
          "cloister-no-such-program: not installed",
          CLO_ERR_UNAVAILABLE },
        { "fails with its last line",
          { "sh", "-c", "echo first >&2; echo 'the reason' >&2; exit 3" },
          "",
          "sh: exit status 3: the reason",
          CLO_ERR_SYSTEM },
        { "fails without a word",
          { "sh", "-c", "exit 1" },
          "",
          "sh: exit status 1: ",
          CLO_ERR_SYSTEM },
        { "ends by a signal",
          { "sh", "-c", "kill -9 $$" },
          "",
          "sh: ended by signal 9",
          CLO_ERR_SYSTEM },
        { "standard input is empty", { "cat" }, "", NULL, CLO_OK },
        { "only PATH, LC_ALL and what is passed",
          { "sh", "-c", "echo $LC_ALL $EXTRA $HOME" },
          "C given\n",
          NULL,
          CLO_OK },
    };
    static const char *const environment[] = { "EXTRA=given", NULL };

    (void)state;
    setenv("HOME", "/home/leaked", 1);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_process_run(cases[i].argv, environment, &out, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, cases[i].name);
        CHECK(ok || err.status == cases[i].status, cases[i].name);
        CHECK(strcmp(clo_buffer_string(&out), cases[i].output) == 0, cases[i].name);
    }
}

static void much_output_on_both_ends(void **state)
{
    static const char *const argv[] = { "sh", "-c",
                                        "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero;"
                                        "head -c 300000 /dev/zero >&2",
                                        NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer small = { .limit = 1000 };
    struct clo_error err;

    (void)state;
    CHECK(clo_process_run(argv, NULL, &out, &err), err.text);
    CHECK(out.size == 300000, "all of it");
    CHECK(!clo_process_run(argv, NULL, &small, &err), "more than the caller wants");
    assert_string_equal(err.text, "sh: more output than 1000 bytes");
    CHECK(clo_process_run(argv, NULL, NULL, &err), "dropped");
}

static void descriptors_are_not_inherited(void **state)
{
    static const char *const argv[] = { "sh", "-c", "ls /proc/self/fd | wc -l", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;
    int leaked = open("/dev/null", O_RDONLY);

    (void)state;
    CHECK(clo_process_run(argv, NULL, &out, &err), err.text);
    close(leaked);
    assert_string_equal(clo_buffer_string(&out), "4\n"); /* 0, 1, 2 and the folder itself */
}

static void started_and_stopped(void **state)
{
    static const struct {
        const char *name, *argv[4];
        unsigned grace_ms;
    } cases[] = {
        { "goes when asked", { "sleep", "600" }, 5000 },
        { "deaf to SIGTERM",
          { "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done" },
          50 },
        { "already gone", { "true" }, 1000 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_error err;
        pid_t pid = -1;
        int fds[2];
        char ready;
        CHECK(pipe(fds) == 0, cases[i].name);
        CHECK(clo_process_start(cases[i].argv, fds[1], &pid, &err), err.text);
        close(fds[1]);
        if (cases[i].grace_ms == 50)
            CHECK(read(fds[0], &ready, 1) == 1, "the trap is set");
        close(fds[0]);
        clo_process_stop(pid, cases[i].grace_ms);
        CHECK(kill(pid, 0) != 0 && errno == ESRCH, cases[i].name);
    }
    clo_process_stop(-1, 1000); /* -1 is nobody, not everybody */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_and_says_why_not),
        cmocka_unit_test(much_output_on_both_ends),
        cmocka_unit_test(descriptors_are_not_inherited),
        cmocka_unit_test(started_and_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
