#include "device/file.h"

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct clo_scratch scratch;

static const char *in_scratch(const char *name)
{
    static char path[8192];

    snprintf(path, sizeof path, "%s/%s", scratch.path, name);
    return path;
}

static int make_scratch(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_scratch_new(NULL, &scratch, &err) ? 0 : -1;
}

static int remove_scratch(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static size_t count_files(void)
{
    DIR *folder = opendir(scratch.path);
    size_t count = 0;

    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

static void written_and_read_back(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer large = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_error err;
    struct stat status;

    (void)state;
    for (unsigned i = 0; i < 50000; i++)
        clo_buffer_le32(&large, i);
    CHECK(clo_file_write(in_scratch("large"), clo_buffer_bytes(&large), 0640, &err), err.text);
    CHECK(clo_file_read(in_scratch("large"), large.size, &out, &err), err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&out), clo_buffer_bytes(&large)), "read");
    CHECK(stat(in_scratch("large"), &status) == 0 && (status.st_mode & 07777) == 0640, "mode");
    CHECK(clo_file_read_secret(in_scratch("large"), large.size, &secret, &err), err.text);
    CHECK(clo_bytes_equal(clo_secret_bytes(secret), clo_buffer_bytes(&large)), "read as a secret");
    CHECK(clo_file_write(in_scratch("large"), clo_bytes_text("short"), 0600, &err), err.text);
    clo_buffer_free(&out);
    CHECK(clo_file_read(in_scratch("large"), 5, &out, &err) && out.size == 5, "replaced");
    CHECK(count_files() == 1, "no temporary is left");
}

static void what_cannot_be_read(void **state)
{
    static const struct {
        const char *name, *file, *error;
    } cases[] = {
        { "absent", "absent", "%s: No such file or directory" },
        { "a folder", "", "%s: is a folder" },
        { "larger than the limit", "six", "%s: larger than 5 bytes" },
        { "below a file", "six/below", "%s: Not a directory" },
    };
    struct clo_error err;

    (void)state;
    CHECK(clo_file_write(in_scratch("six"), clo_bytes_text("sixsix"), 0600, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_secret *secret = NULL;
        char expected[9000];
        const char *path = in_scratch(cases[i].file);
        const char *rest = strstr(cases[i].error, "%s") + 2;
        snprintf(expected, sizeof expected, "%s%s", path, rest);

        CHECK(!clo_file_read(path, 5, &out, &err), cases[i].name);
        CHECK(strcmp(err.text, expected) == 0, cases[i].name);
        CHECK(err.status == CLO_ERR_FORMAT, cases[i].name);
        if (strcmp(cases[i].file, "six") == 0)
            continue;
        CHECK(!clo_file_read_secret(path, 5, &secret, &err) && secret == NULL, cases[i].name);
        CHECK(strcmp(err.text, expected) == 0, cases[i].name);
    }
    struct clo_secret *secret = NULL;
    CHECK(!clo_file_read_secret(in_scratch("six"), 5, &secret, &err) && secret == NULL,
          "a secret larger than the limit");
    CHECK(strstr(err.text, "larger than 5 bytes") != NULL, err.text);
}

static void relative_to_a_folder(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_fd_close) int folder = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clo_error err;

    (void)state;
    CHECK(clo_file_write(in_scratch("here"), clo_bytes_text("x"), 0600, &err), err.text);
    CHECK(clo_file_read_at(folder, "here", 10, &out, &err) && out.size == 1, "read");
    CHECK(!clo_file_read_at(folder, "there", 10, &out, &err), "absent");
    assert_string_equal(err.text, "there: No such file or directory");
}

static void nothing_appears_before_commit(void **state)
{
    struct clo_new_file file;
    struct clo_error err;

    (void)state;
    CHECK(clo_new_file_open(in_scratch("new"), 0600, &file, &err), err.text);
    CHECK(clo_write_all(file.fd, clo_bytes_text("half"), &err), err.text);
    CHECK(access(in_scratch("new"), F_OK) != 0, "not there yet");
    CHECK((fcntl(file.fd, F_GETFD) & FD_CLOEXEC) != 0, "O_CLOEXEC");
    clo_new_file_free(&file);
    CHECK(count_files() == 0, "freed without a commit it leaves nothing");
    clo_new_file_free(&file); /* twice is not a fault */

    CHECK(clo_new_file_open(in_scratch("new"), 0600, &file, &err), err.text);
    CHECK(clo_write_all(file.fd, clo_bytes_text("whole"), &err), err.text);
    CHECK(clo_new_file_commit(&file, &err), err.text);
    CHECK(access(in_scratch("new"), F_OK) == 0 && count_files() == 1, "there, alone");
    clo_new_file_free(&file);
    CHECK(access(in_scratch("new"), F_OK) == 0, "freeing keeps what was committed");
}

static void is_of_mode(const char *name, mode_t asked, mode_t expected)
{
    struct clo_error err;
    struct stat status;

    CHECK(clo_file_write(in_scratch(name), clo_bytes_text("x"), asked, &err), err.text);
    CHECK(stat(in_scratch(name), &status) == 0, name);
    assert_int_equal(status.st_mode & 0777, expected);
}

/* Written again, a file is no more open than it was; and a secret is one whatever was there. */
static void modes(void **state)
{
    mode_t mask = umask(0022);

    (void)state;
    is_of_mode("new", 0644, 0644);
    is_of_mode("key", 0600, 0600);
    CHECK(chmod(in_scratch("new"), 0640) == 0, "chmod");
    is_of_mode("new", 0644, 0640);
    is_of_mode("new", 0600, 0600);
    umask(0077);
    is_of_mode("closed", 0644, 0600);
    CHECK(umask(mask) == 0077, "the mask stays as it was");
}

/* A device, a pipe or /dev/stdout is written to: renamed over, it would be gone. */
static void a_node_keeps_its_name(void **state)
{
    struct clo_new_file file;
    struct clo_error err;
    struct stat status;
    char through[8];
    char name[32];
    int ends[2];

    (void)state;
    CHECK(mkfifo(in_scratch("pipe"), 0600) == 0, "mkfifo");
    CLO_CLEANUP(clo_fd_close)
    int reader = open(in_scratch("pipe"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    CHECK(clo_new_file_open(in_scratch("pipe"), 0600, &file, &err), err.text);
    CHECK(clo_write_all(file.fd, clo_bytes_text("whole"), &err), err.text);
    CHECK(read(reader, through, sizeof through) < 0, "nothing before the commit");
    CHECK(clo_new_file_commit(&file, &err), err.text);
    clo_new_file_free(&file);
    CHECK(read(reader, through, sizeof through) == 5 && memcmp(through, "whole", 5) == 0, "read");
    CHECK(stat(in_scratch("pipe"), &status) == 0 && S_ISFIFO(status.st_mode), "still a pipe");
    CHECK(count_files() == 1, "no temporary is left");

    CHECK(pipe(ends) == 0, "pipe");
    snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
    CHECK(clo_file_write(name, clo_bytes_text("x"), 0600, &err), err.text);
    CHECK(read(ends[0], through, sizeof through) == 1 && through[0] == 'x', "through a descriptor");
    close(ends[0]);
    close(ends[1]);
    if (access("/dev/full", W_OK) != 0)
        return;
    CHECK(!clo_file_write("/dev/full", clo_bytes_text("x"), 0600, &err), "no space");
    assert_string_equal(err.text, "/dev/full: write: No space left on device");
    CHECK(stat("/dev/full", &status) == 0 && S_ISCHR(status.st_mode), "still a device");
}

/* The child works on two files and a folder when the signal comes: only what is whole stays. (It would
 * remove this test's own folder too, which it has inherited: hence one that nobody has noted down.) */
static void signals_remove_the_temporaries(void **state)
{
    char base[] = "/tmp/cloister-test-XXXXXX";
    char path[2][64];
    int status;

    (void)state;
    CHECK(mkdtemp(base) != NULL, "mkdtemp");
    snprintf(path[0], sizeof path[0], "%s/whole", base);
    snprintf(path[1], sizeof path[1], "%s/half", base);
    pid_t child = fork();
    if (child == 0) {
        struct clo_new_file whole;
        struct clo_new_file half;
        struct clo_scratch inner;
        struct clo_error err;
        char inside[4200];
        bool ok = clo_remove_temporaries_on_signals(&err) &&
                  clo_new_file_open(path[0], 0600, &whole, &err) &&
                  clo_new_file_open(path[1], 0600, &half, &err) &&
                  clo_scratch_new(base, &inner, &err) && clo_new_file_commit(&whole, &err);
        snprintf(inside, sizeof inside, "%s/inside", inner.path);
        ok = ok && clo_file_write(inside, clo_bytes_text("x"), 0600, &err);
        kill(getpid(), ok ? SIGTERM : SIGKILL);
        for (;;)
            pause();
    }
    CHECK(waitpid(child, &status, 0) == child, "wait");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "it ends as the signal ends it");
    CHECK(access(path[0], F_OK) == 0, "what is whole stays");
    CHECK(unlink(path[0]) == 0 && rmdir(base) == 0, "and nothing else");
}

static void what_cannot_be_written(void **state)
{
    struct clo_new_file file = { .fd = -1 };
    struct clo_error err;

    (void)state;
    CHECK(!clo_file_write(in_scratch("no/such/folder"), clo_bytes_text("x"), 0600, &err),
          "the folder is absent");
    CHECK(strstr(err.text, "no/such/folder: No such file or directory") != NULL, err.text);
    assert_int_equal(err.status, CLO_ERR_SYSTEM);
    CHECK(mkdir(in_scratch("folder"), 0700) == 0, "mkdir");
    CHECK(!clo_file_write(in_scratch("folder"), clo_bytes_text("x"), 0600, &err),
          "a folder has the name");
    CHECK(strstr(err.text, "folder: is a folder") != NULL, err.text);
    CHECK(count_files() == 1, "no temporary is left");
    CHECK(!clo_new_file_open(in_scratch("no/such"), 0600, &file, &err) && file.fd == -1, "open");
    CLO_CLEANUP(clo_fd_close) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0)
        skip();
    CHECK(!clo_write_all(full, clo_bytes_text("x"), &err), "no space");
    assert_string_equal(err.text, "write: No space left on device");
}

static void scratch_folders_go_with_what_is_in_them(void **state)
{
    struct clo_scratch inner;
    struct clo_error err;
    char path[8192];
    struct stat status;

    (void)state;
    CHECK(clo_file_write(in_scratch("outside"), clo_bytes_text("stays"), 0600, &err), err.text);
    CHECK(clo_scratch_new(scratch.path, &inner, &err), err.text);
    CHECK(stat(inner.path, &status) == 0 && (status.st_mode & 0777) == 0700, "private");
    snprintf(path, sizeof path, "%s/sub", inner.path);
    CHECK(mkdir(path, 0700) == 0, "mkdir");
    snprintf(path, sizeof path, "%s/sub/link", inner.path);
    CHECK(symlink(scratch.path, path) == 0, "symlink");
    snprintf(path, sizeof path, "%s", inner.path);
    clo_scratch_free(&inner);
    CHECK(access(path, F_OK) != 0, "gone");
    CHECK(access(in_scratch("outside"), F_OK) == 0, "links are not followed");
    clo_scratch_free(&inner);
    CHECK(!clo_scratch_new(in_scratch("absent"), &inner, &err), "no such base");
    CHECK(strstr(err.text, "absent: No such file or directory") != NULL, err.text);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

/* From the middle of a file, after what the buffer has; what is not there is an error, and where. */
static void reads_from_the_middle(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch folder = { "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_error err;
    char path[4200];

    (void)state;
    CHECK(clo_scratch_new(NULL, &folder, &err), err.text);
    snprintf(path, sizeof path, "%s/file", folder.path);
    CHECK(clo_file_write(path, clo_bytes_text("0123456789"), 0600, &err), err.text);
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    clo_buffer_text(&out, "x");
    CHECK(clo_fd_read(fd, 3, 4, &out, &err), err.text);
    CHECK(strcmp(clo_buffer_string(&out), "x3456") == 0, clo_buffer_string(&out));
    CHECK(!clo_fd_read(fd, 8, 4, &out, &err), "beyond the end");
    CHECK(strcmp(err.text, "cut short at byte 10") == 0, err.text);
}

/* A large part of a file with holes, before, between and after the data: the same bytes, and no byte beyond its end. */
static void reads_over_holes(void **state)
{
    enum {
        MIB = 1 << 20,
        SIZE = 8 * MIB
    };
    static const size_t data_at[] = { 2 * MIB + 5, 4 * MIB - 1, 6 * MIB };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch folder = { "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_freep) uint8_t *wanted = calloc(SIZE, 1);
    struct clo_error err;
    char path[4200];

    (void)state;
    CHECK(clo_scratch_new(NULL, &folder, &err), err.text);
    snprintf(path, sizeof path, "%s/file", folder.path);
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    for (size_t i = 0; i < CLO_COUNT(data_at); i++) {
        memcpy(wanted + data_at[i], "data", 4);
        assert_int_equal(pwrite(fd, "data", 4, (off_t)data_at[i]), 4);
    }
    CHECK(clo_fd_read(fd, 3, SIZE - 3, &out, &err), err.text);
    CHECK(out.size == SIZE - 3 && memcmp(out.data, wanted + 3, out.size) == 0, "the same bytes");
    CHECK(!clo_fd_read(fd, 4 * MIB, SIZE, &out, &err), "beyond the end");
    CHECK(strcmp(err.text, "cut short at byte 8388608") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(written_and_read_back),
        IN_SCRATCH(what_cannot_be_read),
        IN_SCRATCH(relative_to_a_folder),
        IN_SCRATCH(nothing_appears_before_commit),
        IN_SCRATCH(modes),
        IN_SCRATCH(a_node_keeps_its_name),
        cmocka_unit_test(signals_remove_the_temporaries),
        cmocka_unit_test(reads_from_the_middle),
        cmocka_unit_test(reads_over_holes),
        IN_SCRATCH(what_cannot_be_written),
        IN_SCRATCH(scratch_folders_go_with_what_is_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
