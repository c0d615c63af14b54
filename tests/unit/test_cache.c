/* Entries as bytes, the folder of them, and what is asked of the network next to it. */
#include "net/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "fake_net.h"
#include "net/source.h"

#define URL "https://host/document"

static const struct clo_cache_entry sample = {
    .fetched = FAKE_NET_NOW,
    .expires = FAKE_NET_NOW + 1000,
    .url = { (const uint8_t *)URL, sizeof URL - 1 },
    .headers = { (const uint8_t *)"A: b\r\n", 6 },
    .body = { (const uint8_t *)"body", 4 },
};

/* --- Bytes --- */

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_cache_entry entry;
    struct clo_error err;

    (void)state;
    assert_true(clo_cache_write(&sample, &file, &err));
    assert_true(clo_cache_parse(clo_buffer_bytes(&file), &entry, &err));
    assert_int_equal(entry.fetched, sample.fetched);
    assert_int_equal(entry.expires, sample.expires);
    assert_true(clo_bytes_equal(entry.url, sample.url));
    assert_true(clo_bytes_equal(entry.headers, sample.headers));
    assert_true(clo_bytes_equal(entry.body, sample.body));
    for (size_t i = 0; i < file.size; i++) {
        assert_false(clo_cache_parse(clo_bytes(file.data, i), &entry, &err));
        file.data[i] ^= 0x40;
        assert_false(clo_cache_parse(clo_buffer_bytes(&file), &entry, &err));
        file.data[i] ^= 0x40;
    }
    clo_buffer_u8(&file, 0);
    assert_false(clo_cache_parse(clo_buffer_bytes(&file), &entry, &err));
    assert_string_equal(err.text, "1 bytes beyond the end");
    file.size--;
    file.data[file.size - 1] ^= 1;
    assert_false(clo_cache_parse(clo_buffer_bytes(&file), &entry, &err));
    assert_string_equal(err.text, "damaged: its digest differs");
    assert_false(clo_cache_parse(clo_bytes_text("CLOCACH2........"), &entry, &err));
    assert_string_equal(err.text, "no cache entry");
    assert_false(clo_cache_parse(clo_bytes(file.data, 20), &entry, &err));
    assert_string_equal(err.text, "truncated at byte 16");
}

/* --- The folder --- */

static void file_of(const struct clo_cache *cache, char *path, size_t room)
{
    struct clo_digest digest;
    char hex[65];

    clo_hash(CLO_HASH_SHA256, sample.url, &digest);
    snprintf(path, room, "%s/%s", cache->path, clo_hex_text(clo_digest_bytes(&digest), hex));
}

static void test_folder(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_cache_entry entry;
    struct clo_cache cache;
    struct clo_error err;
    char path[5000];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(path, sizeof path, "%s/a/b", scratch.path);
    assert_true(clo_cache_open(path, &cache, &err));
    assert_true(clo_cache_open(path, &cache, &err)); /* and again */
    assert_false(clo_cache_get(&cache, URL, &file, &entry));
    assert_true(clo_cache_put(&cache, &sample, &err));
    assert_true(clo_cache_get(&cache, URL, &file, &entry));
    assert_true(clo_bytes_equal(entry.body, sample.body));
    assert_false(clo_cache_get(&cache, URL "2", &file, &entry));

    /* An entry of another URL under this name, and a damaged one, are none. */
    struct clo_cache_entry other = sample;
    other.url = clo_bytes_text("https://host/other");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    assert_true(clo_cache_write(&other, &bytes, &err));
    file_of(&cache, path, sizeof path);
    assert_true(clo_file_write(path, clo_buffer_bytes(&bytes), 0600, &err));
    assert_false(clo_cache_get(&cache, URL, &file, &entry));
    assert_true(clo_file_write(path, clo_bytes_text("torn"), 0600, &err));
    assert_false(clo_cache_get(&cache, URL, &file, &entry));
    /* Put again, it is whole again. */
    assert_true(clo_cache_put(&cache, &sample, &err));
    assert_true(clo_cache_get(&cache, URL, &file, &entry));

    assert_false(clo_cache_open("", &cache, &err));
    snprintf(path, sizeof path, "%s/file", scratch.path);
    assert_true(clo_file_write(path, clo_bytes_text("x"), 0600, &err));
    assert_false(clo_cache_open(path, &cache, &err));
    assert_non_null(strstr(err.text, "is not a folder"));
}

static void test_default_folder(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    struct clo_cache cache;
    struct clo_error err;
    struct stat status;
    char wanted[5000];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    setenv("XDG_CACHE_HOME", scratch.path, 1);
    assert_true(clo_cache_open(NULL, &cache, &err));
    snprintf(wanted, sizeof wanted, "%s/cloister", scratch.path);
    assert_string_equal(cache.path, wanted);
    assert_int_equal(stat(wanted, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    setenv("XDG_CACHE_HOME", "relative", 1); /* counts as none */
    setenv("HOME", scratch.path, 1);
    assert_true(clo_cache_open(NULL, &cache, &err));
    snprintf(wanted, sizeof wanted, "%s/.cache/cloister", scratch.path);
    assert_string_equal(cache.path, wanted);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_false(clo_cache_open(NULL, &cache, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
}

/* --- Cache and network --- */

static bool accept_body(void *context, const struct clo_fetched *document, int64_t *expires,
                        struct clo_error *err)
{
    const char *wanted = context;

    if (!clo_bytes_equal(clo_buffer_bytes(&document->body), clo_bytes_text(wanted)))
        return clo_fail(err, CLO_ERR_FORMAT, "another document");
    *expires = FAKE_NET_NOW + 1000;
    return true;
}

static bool ask(struct clo_source *source, const char *wanted, struct clo_error *err)
{
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
    char context[32];

    snprintf(context, sizeof context, "%s", wanted);
    if (!clo_source_get(source, URL, 100, accept_body, context, &out, err))
        return false;
    assert_true(clo_bytes_equal(clo_buffer_bytes(&out.body), clo_bytes_text(wanted)));
    struct clo_bytes value;
    assert_true(clo_fetch_header(clo_buffer_bytes(&out.headers), "A", &value));
    return true;
}

static void test_source(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    struct fake_net net = { .answers = { { URL, 200, "A: b\r\n", clo_bytes_text("good"), 0 } } };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_cache cache;
    struct clo_source source = { .transport = &transport, .cache = &cache, .at = FAKE_NET_NOW };
    struct clo_source offline = { .cache = &cache, .at = FAKE_NET_NOW };
    struct clo_error err;
    char path[5000];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    assert_true(clo_cache_open(scratch.path, &cache, &err));
    assert_false(ask(&offline, "good", &err));
    assert_string_equal(err.text, URL ": not in the cache, and --fetch is not given");
    /* The wrong document is refused, and not kept. */
    assert_false(ask(&source, "wanted", &err));
    assert_string_equal(err.text, URL ": another document");
    assert_false(ask(&offline, "good", &err));
    /* The right one is asked for once. */
    net.requests = 0;
    for (int i = 0; i < 5; i++)
        assert_true(ask(&source, "good", &err));
    assert_int_equal(net.requests, 1);
    /* Also when the network is gone, and without one. */
    net.is_down = true;
    assert_true(ask(&source, "good", &err));
    assert_true(ask(&offline, "good", &err));
    assert_int_equal(net.requests, 1);
    /* Once its time is over it is asked for again; for a time that it covers, it is not. */
    source.at = FAKE_NET_NOW + 1000;
    assert_false(ask(&source, "good", &err));
    assert_string_equal(err.text, URL ": down");
    source.at = FAKE_NET_NOW + 999;
    assert_true(ask(&source, "good", &err));
    /* Offline, its age is for the verification to judge. */
    offline.at = FAKE_NET_NOW + 100000;
    assert_true(ask(&offline, "good", &err));
    /* Damaged, it is fetched again. */
    file_of(&cache, path, sizeof path);
    assert_int_equal(truncate(path, 30), 0);
    assert_false(ask(&offline, "good", &err));
    net.is_down = false;
    net.requests = 0;
    assert_true(ask(&source, "good", &err));
    assert_true(ask(&offline, "good", &err));
    assert_int_equal(net.requests, 1);
    /* A status says so. */
    net.answers[0].status = 404;
    source.cache = NULL;
    CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
    assert_false(clo_source_get(&source, URL, 100, accept_body, path, &out, &err));
    assert_int_equal(out.status, 404);
    assert_string_equal(err.text, URL ": status 404");
}

/* A server that counts in a file, so that all processes see it. */
static bool counting_get(void *context, const char *url, size_t limit, struct clo_fetched *out,
                         struct clo_error *err)
{
    int fd = open(context, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    (void)url, (void)limit, (void)err;
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    usleep(100000); /* long enough for the others to come */
    out->status = 200;
    clo_buffer_text(&out->headers, "A: b\r\n");
    clo_buffer_text(&out->body, "good");
    return true;
}

static void short_sleep(void *context, unsigned seconds)
{
    (void)context, (void)seconds;
    usleep(10000);
}

static int64_t fixed_now(void *context)
{
    (void)context;
    return FAKE_NET_NOW;
}

static void test_processes(void **state)
{
    enum {
        PROCESSES = 4
    };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer count = { 0 };
    struct clo_error err;
    char counter[5000];
    struct clo_cache cache;
    struct clo_transport transport = { counting_get, fixed_now, short_sleep, counter };

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    assert_true(clo_cache_open(scratch.path, &cache, &err));
    snprintf(counter, sizeof counter, "%s/count", scratch.path);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct clo_source source = { .transport = &transport,
                                         .cache = &cache,
                                         .at = FAKE_NET_NOW };
            CLO_CLEANUP(clo_fetched_free) struct clo_fetched out = { 0 };
            char wanted[] = "good";
            bool ok = clo_source_get(&source, URL, 100, accept_body, wanted, &out, &err);
            clo_fetched_free(&out);
            _exit(ok ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_true(clo_file_read(counter, 100, &count, &err));
    assert_int_equal(count.size, 1);
}

/* A process that holds the lock for ever does not hold us for ever. */
static void test_lock(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_cache cache;
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    assert_true(clo_cache_open(scratch.path, &cache, &err));
    CLO_CLEANUP(clo_fd_close) int held = clo_cache_lock(&cache, &transport, 5);
    assert_true(held >= 0);
    assert_int_equal(clo_cache_lock(&cache, &transport, 5), -1);
    assert_int_equal(net.slept, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),          cmocka_unit_test(test_folder),
        cmocka_unit_test(test_default_folder), cmocka_unit_test(test_source),
        cmocka_unit_test(test_processes),      cmocka_unit_test(test_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
