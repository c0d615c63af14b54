/* A folder that looks like configfs-tsm. Its outblob is a FIFO, so that what the kernel would do
 * between the write of inblob and the read of outblob happens exactly there. */
#include "device/tsm.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

struct fake {
    const char *name;
    unsigned others[3]; /* writes by somebody else in each round */
    unsigned rounds;
    const char *provider, *outblob, *auxblob;
    const char *error; /* NULL: a report comes */
    char folder[4200];
};

static void put(const char *folder, const char *name, const char *text)
{
    char path[4300];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void *kernel(void *context)
{
    struct fake *fake = context;
    unsigned long long generation = 41;
    char path[4300];
    char text[32];

    for (unsigned i = 0; i < fake->rounds; i++) {
        snprintf(path, sizeof path, "%s/outblob", fake->folder);
        int fd = open(path, O_WRONLY); /* until it is read, so after inblob was written */
        if (fd < 0)
            return NULL;
        generation += 1 + fake->others[i];
        snprintf(text, sizeof text, "%llu\n", generation);
        put(fake->folder, "generation", text);
        if (write(fd, fake->outblob, strlen(fake->outblob)) < 0)
            abort();
        close(fd);
        /* The reader must be gone before the next round opens the FIFO again. */
        usleep(20000);
    }
    return NULL;
}

static void test_reports(void **state)
{
    struct fake cases[] = {
        { "plain", { 0 }, 1, "sev_guest\n", "REPORT", "TABLE", NULL, "" },
        { "no certificate table", { 0 }, 1, "tdx_guest\n", "QUOTE", NULL, NULL, "" },
        { "somebody else wrote once", { 1, 0 }, 2, "sev_guest\n", "REPORT", NULL, NULL, "" },
        { "somebody else writes always",
          { 1, 1, 2 },
          3,
          "sev_guest\n",
          "REPORT",
          NULL,
          "generation: 48 after 45, expected 1 more",
          "" },
        { "empty report", { 0 }, 1, "sev_guest\n", "", NULL, "outblob: empty", "" },
        { "nameless provider", { 0 }, 1, "\n", "REPORT", NULL, "provider: no name", "" },
        { "endless provider",
          { 0 },
          1,
          "abcdefghijklmnopqrstuvwxyzabcdefghij",
          "R",
          NULL,
          "provider: no name",
          "" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
        CLO_CLEANUP(clo_tsm_report_free) struct clo_tsm_report report = { .provider = "" };
        struct fake *fake = &cases[i];
        struct clo_error err;
        pthread_t thread;
        char path[4300];

        assert_true(clo_scratch_new(NULL, &scratch, &err));
        snprintf(fake->folder, sizeof fake->folder, "%s/cloister-%d", scratch.path, (int)getpid());
        assert_int_equal(mkdir(fake->folder, 0700), 0);
        snprintf(path, sizeof path, "%s/outblob", fake->folder);
        assert_int_equal(mkfifo(path, 0600), 0);
        put(fake->folder, "inblob", "");
        put(fake->folder, "generation", "41\n");
        put(fake->folder, "provider", fake->provider);
        if (fake->auxblob != NULL)
            put(fake->folder, "auxblob", fake->auxblob);
        assert_int_equal(pthread_create(&thread, NULL, kernel, fake), 0);
        bool ok = clo_tsm_get(scratch.path, clo_bytes("0123456789", 10), -1, &report, &err);
        pthread_join(thread, NULL);

        CHECK(ok == (fake->error == NULL), fake->name);
        if (!ok) {
            const char *tail = err.text + strlen(scratch.path) + 2;
            if (strcmp(tail, fake->error) != 0)
                print_error("got: %s\n", tail);
            CHECK(strcmp(tail, fake->error) == 0, fake->name);
        } else {
            CHECK(clo_bytes_equal(clo_buffer_bytes(&report.outblob), clo_bytes_text(fake->outblob)),
                  fake->name);
            CHECK(strncmp(report.provider, fake->provider, strlen(report.provider)) == 0 &&
                          strlen(report.provider) == strlen(fake->provider) - 1,
                  fake->name);
            CHECK(report.auxblob.size == (fake->auxblob == NULL ? 0 : strlen(fake->auxblob)),
                  fake->name);
        }
        CHECK(access(fake->folder, F_OK) != 0, fake->name); /* the entry is gone */
    }
}

static void test_refusals(void **state)
{
    CLO_CLEANUP(clo_tsm_report_free) struct clo_tsm_report report = { .provider = "" };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    uint8_t long_data[65] = { 0 };
    struct clo_error err;

    (void)state;
    assert_false(
            clo_tsm_get("/nowhere", clo_bytes(long_data, sizeof long_data), -1, &report, &err));
    assert_string_equal(err.text, "report data: 65 bytes, 1 to 64 expected");
    assert_false(clo_tsm_get("/nowhere", clo_bytes(long_data, 64), -1, &report, &err));
    assert_string_equal(err.text, "/nowhere: No such file or directory");
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    /* A folder whose entries have no attributes is no configfs. */
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    assert_false(clo_tsm_get(scratch.path, clo_bytes(long_data, 64), -1, &report, &err));
    assert_non_null(strstr(err.text, "generation: No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
