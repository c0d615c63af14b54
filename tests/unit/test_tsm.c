/* The kernel's part of configfs-tsm, played: a generation that moves with every write, reports that
 * appear, errors it may give. And once a folder that looks like it, whose outblob is a FIFO. */
#include "device/tsm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

/* --- The kernel --- */

struct kernel {
    const char *name; /* of the case */
    struct clo_tsm_request request;
    /* What it is like. */
    unsigned long long generation;
    int floor;                                               /* -1: no such attribute */
    const char *provider, *outblob, *auxblob, *manifestblob; /* NULL: no such attribute */
    unsigned others[8];  /* writes by another process, in each round, before outblob is read */
    const char *failing; /* this attribute fails… */
    int reason, times;   /* …so, this often */
    /* What has to come of it. */
    const char *error; /* NULL: a report comes */
    const char *writes;
    unsigned sleeps;
    /* What happened. */
    unsigned round, slept;
    bool is_made;
    char written[512];
};

static int make(void *context, const char *entry)
{
    struct kernel *kernel = context;

    assert_memory_equal(entry, "cloister-", 9);
    if (kernel->failing != NULL && strcmp(kernel->failing, "make") == 0)
        return kernel->reason;
    kernel->is_made = true;
    return 0;
}

static void remove_entry(void *context, const char *entry)
{
    struct kernel *kernel = context;

    (void)entry;
    kernel->is_made = false;
}

static bool fails(struct kernel *kernel, const char *attribute)
{
    if (kernel->failing == NULL || strcmp(kernel->failing, attribute) != 0 || kernel->times == 0)
        return false;
    if (kernel->times > 0)
        kernel->times--;
    return true;
}

static int read_attribute(void *context, const char *entry, const char *attribute,
                          struct clo_buffer *out)
{
    struct kernel *kernel = context;
    const struct {
        const char *name, *value;
    } blobs[] = {
        { "outblob", kernel->outblob },
        { "auxblob", kernel->auxblob },
        { "manifestblob", kernel->manifestblob },
        { "provider", kernel->provider },
    };

    (void)entry;
    if (fails(kernel, attribute))
        return kernel->reason;
    if (strcmp(attribute, "generation") == 0) {
        clo_buffer_printf(out, "%llu\n", kernel->generation);
        return 0;
    }
    if (strcmp(attribute, "privlevel_floor") == 0) {
        if (kernel->floor < 0)
            return ENOENT;
        clo_buffer_printf(out, "%d\n", kernel->floor);
        return 0;
    }
    if (strcmp(attribute, "outblob") == 0)
        kernel->generation += kernel->others[kernel->round++];
    for (size_t i = 0; i < CLO_COUNT(blobs); i++)
        if (strcmp(blobs[i].name, attribute) == 0) {
            if (blobs[i].value == NULL)
                return ENOENT;
            clo_buffer_text(out, blobs[i].value);
            return 0;
        }
    return ENOENT;
}

static int write_attribute(void *context, const char *entry, const char *attribute,
                           struct clo_bytes bytes)
{
    struct kernel *kernel = context;
    size_t used = strlen(kernel->written);

    (void)entry;
    if (fails(kernel, attribute))
        return kernel->reason;
    snprintf(kernel->written + used, sizeof kernel->written - used, "%s=%.*s ", attribute,
             (int)bytes.size, (const char *)bytes.data);
    kernel->generation = (unsigned long)kernel->generation + 1;
    return 0;
}

static void wait_for(void *context, unsigned milliseconds)
{
    struct kernel *kernel = context;

    assert_true(milliseconds >= 100 && milliseconds <= 1600);
    kernel->slept++;
}

#define IN                          \
    {                               \
        (const uint8_t *)"nonce", 5 \
    }
#define PLAIN                                                         \
    {                                                                 \
        .inblob = IN, .privlevel = -1, .service_manifest_version = -1 \
    }

static void test_kernel(void **state)
{
    struct kernel cases[] = {
        { .name = "plain",
          .request = PLAIN,
          .generation = 41,
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "REPORT",
          .auxblob = "TABLE",
          .writes = "inblob=nonce " },
        { .name = "no certificate table, no levels",
          .request = PLAIN,
          .floor = -1,
          .provider = "tdx_guest\n",
          .outblob = "QUOTE",
          .writes = "inblob=nonce " },
        { .name = "a guest below VMPL 0 asks for its own",
          .request = PLAIN,
          .floor = 2,
          .provider = "sev_guest\n",
          .outblob = "R",
          .writes = "privlevel=2 inblob=nonce " },
        { .name = "a level asked for",
          .request = { .inblob = IN, .privlevel = 3, .service_manifest_version = -1 },
          .floor = 1,
          .provider = "sev_guest\n",
          .outblob = "R",
          .writes = "privlevel=3 inblob=nonce " },
        { .name = "a level above the guest's",
          .request = { .inblob = IN, .privlevel = 0, .service_manifest_version = -1 },
          .floor = 1,
          .provider = "sev_guest\n",
          .outblob = "R",
          .error = "privlevel: VMPL 0: this guest may ask for 1 to 3",
          .writes = "" },
        { .name = "a level where there are none",
          .request = { .inblob = IN, .privlevel = 1, .service_manifest_version = -1 },
          .floor = -1,
          .provider = "tdx_guest\n",
          .outblob = "R",
          .failing = "privlevel",
          .reason = ENOENT,
          .times = -1,
          .error = "privlevel: this kernel or provider has no such attribute",
          .writes = "" },
        { .name = "odd floor",
          .request = PLAIN,
          .floor = 9,
          .provider = "sev_guest\n",
          .outblob = "R",
          .error = "privlevel_floor: 9, at most 3 expected",
          .writes = "" },
        { .name = "SVSM's services",
          .request = { .inblob = IN,
                       .privlevel = -1,
                       .service_provider = "svsm",
                       .service_manifest_version = -1 },
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .manifestblob = "MANIFEST",
          .writes = "service_provider=svsm inblob=nonce " },
        { .name = "SVSM's vTPM",
          .request = { .inblob = IN,
                       .privlevel = -1,
                       .service_provider = "svsm",
                       .service_guid = "c476f1eb-0123-45a5-9641-b4e7dde5bfe3",
                       .service_manifest_version = 0 },
          .floor = 2,
          .provider = "sev_guest\n",
          .outblob = "R",
          .manifestblob = "MANIFEST",
          .writes = "privlevel=2 service_provider=svsm "
                    "service_guid=c476f1eb-0123-45a5-9641-b4e7dde5bfe3 service_manifest_version=0 "
                    "inblob=nonce " },
        { .name = "no manifest came",
          .request = { .inblob = IN,
                       .privlevel = -1,
                       .service_provider = "svsm",
                       .service_manifest_version = -1 },
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .error = "manifestblob: this kernel or provider has no such attribute",
          .writes = "service_provider=svsm inblob=nonce " },
        { .name = "no SVSM here",
          .request = { .inblob = IN,
                       .privlevel = -1,
                       .service_provider = "svsm",
                       .service_manifest_version = -1 },
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .failing = "service_provider",
          .reason = ENOENT,
          .times = -1,
          .error = "service_provider: this kernel or provider has no such attribute",
          .writes = "" },
        { .name = "another process wrote once",
          .request = PLAIN,
          .others = { 1 },
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .sleeps = 1,
          .writes = "inblob=nonce inblob=nonce " },
        { .name = "the generation wraps",
          .request = PLAIN,
          .generation = (unsigned long)-1,
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .writes = "inblob=nonce " },
        { .name = "another process writes always",
          .request = PLAIN,
          .others = { 1, 1, 1, 1, 1, 2 },
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .sleeps = 5,
          .error = "generation: 13 after 10, expected 1 more",
          .writes = "inblob=nonce inblob=nonce inblob=nonce inblob=nonce inblob=nonce "
                    "inblob=nonce " },
        { .name = "busy, then not",
          .request = PLAIN,
          .floor = 0,
          .provider = "tdx_guest\n",
          .outblob = "R",
          .failing = "outblob",
          .reason = EBUSY,
          .times = 3,
          .sleeps = 3,
          .writes = "inblob=nonce inblob=nonce inblob=nonce inblob=nonce " },
        { .name = "busy for ever",
          .request = PLAIN,
          .floor = 0,
          .provider = "tdx_guest\n",
          .outblob = "R",
          .failing = "inblob",
          .reason = EBUSY,
          .times = -1,
          .sleeps = 5,
          .error = "inblob: the provider is busy (EBUSY)",
          .writes = "" },
        { .name = "changed before it was read",
          .request = PLAIN,
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .failing = "outblob",
          .reason = EWOULDBLOCK,
          .times = 1,
          .sleeps = 1,
          .writes = "inblob=nonce inblob=nonce " },
        { .name = "too large",
          .request = PLAIN,
          .floor = 0,
          .provider = "tdx_guest\n",
          .outblob = "R",
          .failing = "outblob",
          .reason = EFBIG,
          .times = -1,
          .error = "outblob: larger than this kernel hands out (EFBIG): a newer kernel, or another "
                   "quoting service on the host, is needed",
          .writes = "inblob=nonce " },
        { .name = "nobody answers",
          .request = PLAIN,
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .failing = "outblob",
          .reason = ENXIO,
          .times = -1,
          .error = "outblob: no provider answers (No such device or address)",
          .writes = "inblob=nonce " },
        { .name = "not taken",
          .request = PLAIN,
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "R",
          .failing = "outblob",
          .reason = EINVAL,
          .times = -1,
          .error = "outblob: not taken by the provider (EINVAL): a privilege level, service or "
                   "report data that it does not allow",
          .writes = "inblob=nonce " },
        { .name = "no provider",
          .request = PLAIN,
          .failing = "make",
          .reason = ENXIO,
          .error = "no report provider (ENXIO): load the module sev-guest or tdx-guest",
          .writes = "" },
        { .name = "not root",
          .request = PLAIN,
          .failing = "make",
          .reason = EACCES,
          .error = "new entry: Permission denied: only root may ask",
          .writes = "" },
        { .name = "left by another process",
          .request = PLAIN,
          .floor = 0,
          .failing = "make",
          .reason = EEXIST,
          .provider = "sev_guest\n",
          .outblob = "R",
          .writes = "inblob=nonce " },
        { .name = "empty report",
          .request = PLAIN,
          .floor = 0,
          .provider = "sev_guest\n",
          .outblob = "",
          .error = "outblob: empty",
          .writes = "inblob=nonce " },
        { .name = "nameless provider",
          .request = PLAIN,
          .floor = 0,
          .provider = "\n",
          .outblob = "R",
          .error = "provider: no name",
          .writes = "inblob=nonce " },
        { .name = "endless provider",
          .request = PLAIN,
          .floor = 0,
          .provider = "abcdefghijklmnopqrstuvwxyzabcdefghij",
          .outblob = "R",
          .error = "provider: no name",
          .writes = "inblob=nonce " },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct kernel *kernel = &cases[i];
        CLO_CLEANUP(clo_tsm_report_free) struct clo_tsm_report report = { .provider = "" };
        const struct clo_tsm_io io = { make,     remove_entry, read_attribute, write_attribute,
                                       wait_for, kernel,       "tsm" };
        struct clo_error err;
        bool ok = clo_tsm_get_by(&io, &kernel->request, &report, &err);
        CHECK(ok == (kernel->error == NULL), ok ? kernel->name : err.text);
        CHECK(!kernel->is_made, kernel->name); /* the entry is gone */
        if (strcmp(kernel->written, kernel->writes) != 0)
            print_error("wrote: %s\n", kernel->written);
        CHECK(strcmp(kernel->written, kernel->writes) == 0, kernel->name);
        CHECK(kernel->slept == kernel->sleeps, kernel->name);
        if (!ok) {
            if (strcmp(err.text + 5, kernel->error) != 0)
                print_error("got: %s\n", err.text);
            CHECK(strcmp(err.text + 5, kernel->error) == 0, kernel->name);
            CHECK(report.outblob.size == 0, kernel->name);
            continue;
        }
        CHECK(clo_bytes_equal(clo_buffer_bytes(&report.outblob), clo_bytes_text(kernel->outblob)),
              kernel->name);
        CHECK(strlen(report.provider) == strlen(kernel->provider) - 1, kernel->name);
        CHECK(report.auxblob.size == (kernel->auxblob == NULL ? 0 : strlen(kernel->auxblob)),
              kernel->name);
        CHECK(report.manifestblob.size ==
                      (kernel->manifestblob == NULL ? 0 : strlen(kernel->manifestblob)),
              kernel->name);
    }
}

/* --- A folder --- */

static void put(const char *folder, const char *name, const char *text)
{
    char path[4300];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void *answer(void *context)
{
    const char *folder = context;
    char path[4300];

    snprintf(path, sizeof path, "%s/outblob", folder);
    int fd = open(path, O_WRONLY); /* until it is read, so after inblob was written */
    if (fd < 0)
        return NULL;
    put(folder, "generation", "42\n");
    if (write(fd, "REPORT", 6) < 0)
        abort();
    close(fd);
    return NULL;
}

static void test_folder(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_tsm_report_free) struct clo_tsm_report report = { .provider = "" };
    const struct clo_tsm_request request = PLAIN;
    struct clo_error err;
    pthread_t thread;
    char folder[4200];
    char path[4300];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(folder, sizeof folder, "%s/cloister-%d", scratch.path, (int)getpid());
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/outblob", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    put(folder, "inblob", "");
    put(folder, "generation", "41\n");
    put(folder, "provider", "sev_guest\n");
    put(folder, "auxblob", "TABLE");
    assert_int_equal(pthread_create(&thread, NULL, answer, folder), 0);
    bool ok = clo_tsm_get(scratch.path, &request, &report, &err);
    pthread_join(thread, NULL);
    CHECK(ok, err.text);
    assert_string_equal(report.provider, "sev_guest");
    assert_int_equal(report.outblob.size, 6);
    assert_int_equal(report.auxblob.size, 5);
    assert_int_equal(report.generation, 42);
    assert_int_not_equal(access(folder, F_OK), 0); /* the entry is gone */
}

static void test_refusals(void **state)
{
    CLO_CLEANUP(clo_tsm_report_free) struct clo_tsm_report report = { .provider = "" };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    uint8_t long_data[65] = { 0 };
    struct clo_tsm_request request = PLAIN;
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    request.inblob = clo_bytes(long_data, sizeof long_data);
    assert_false(clo_tsm_get(scratch.path, &request, &report, &err));
    assert_string_equal(err.text, "report data: 65 bytes, 1 to 64 expected");
    request.inblob.size = 0;
    assert_false(clo_tsm_get(scratch.path, &request, &report, &err));
    request.inblob.size = 64;
    request.privlevel = 4;
    assert_false(clo_tsm_get(scratch.path, &request, &report, &err));
    assert_string_equal(err.text, "privilege level 4, 0 to 3 expected");
    request.privlevel = -1;
    assert_false(clo_tsm_get("/nowhere", &request, &report, &err));
    assert_memory_equal(err.text, "/nowhere: No such file or directory (needs Linux 6.7", 52);
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    /* A folder whose entries have no attributes is not a configfs. */
    assert_false(clo_tsm_get(scratch.path, &request, &report, &err));
    assert_non_null(strstr(err.text, "generation: this kernel or provider has no such attribute"));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
