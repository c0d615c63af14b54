/* The broker's own certificate: whom it names, and when it is made anew. */
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "device/file.h"
#include "verifier/door/tls.h"

static void test_names(void **state)
{
    static const struct {
        const char *name, *listen, *more, *names, *error; /* names: all of it, or NULL */
    } cases[] = {
        { "this machine alone", "127.0.0.1:8443", NULL, "IP:127.0.0.1,DNS:localhost", NULL },
        { "in IPv6", "[::1]:0", NULL, "IP:::1,DNS:localhost", NULL },
        { "an address", "192.0.2.7:8443", NULL, "IP:192.0.2.7", NULL },
        { "a name besides", "192.0.2.7:1", "kbs.example.org", "IP:192.0.2.7,DNS:kbs.example.org",
          NULL },
        { "an address besides", "192.0.2.7:1", "2001:db8::1", "IP:192.0.2.7,IP:2001:db8::1", NULL },
        { "no port", "127.0.0.1", NULL, NULL, "expected ADDRESS:PORT" },
        { "an extension smuggled in", "192.0.2.7:1", "a,email:b", NULL,
          "neither a host's name nor an address" },
        { "an empty name", "192.0.2.7:1", "", NULL, "neither a host's name" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_list more = { .items = { cases[i].more }, .count = cases[i].more != NULL };
        struct clo_error err;
        bool ok = clo_tls_names(cases[i].listen, &more, &out, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (ok)
            CHECK(strcmp(clo_buffer_string(&out), cases[i].names) == 0, clo_buffer_string(&out));
        else
            CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

static void keep(const char *path, const struct clo_private_key *key, const char *listen,
                 const char *more, int64_t now, struct clo_buffer *out)
{
    struct clo_list names = { .items = { more }, .count = more != NULL };
    struct clo_error err;

    CHECK(clo_tls_certificate_keep(path, key, listen, &names, now, &err), "kept");
    CHECK(clo_file_read(path, 65536, out, &err), "there");
}

static void test_kept(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch folder = { .path = "" };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer first = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer later = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer named = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer rekeyed = { 0 };
    struct ssl_ctx_st *context = NULL;
    char path[4200];
    struct clo_error err;

    (void)state;
    CHECK(clo_scratch_new(NULL, &folder, &err), "folder");
    snprintf(path, sizeof path, "%s/tls.crt", folder.path);
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &key, &err), "key");
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &other, &err), "key");
    keep(path, key, "127.0.0.1:1", NULL, 1700000000, &first);
    keep(path, key, "127.0.0.1:2", NULL, 1700000000, &again);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&first), clo_buffer_bytes(&again)), "stays");
    keep(path, key, "127.0.0.1:1", NULL, 1700000000 + (int64_t)3640 * 86400, &later);
    CHECK(!clo_bytes_equal(clo_buffer_bytes(&first), clo_buffer_bytes(&later)), "ends soon");
    keep(path, key, "127.0.0.1:1", "kbs.example.org", 1700000000, &named);
    CHECK(!clo_bytes_equal(clo_buffer_bytes(&later), clo_buffer_bytes(&named)), "another name");
    keep(path, other, "127.0.0.1:1", "kbs.example.org", 1700000000, &rekeyed);
    CHECK(!clo_bytes_equal(clo_buffer_bytes(&named), clo_buffer_bytes(&rekeyed)), "another key");
    CHECK(!clo_tls_context(&(struct clo_tls_identity){ key, path }, &context, &err) &&
                  strstr(err.text, "of another key") != NULL,
          "TLS with another's certificate");
    CHECK(!clo_tls_context(&(struct clo_tls_identity){ key, "/dev/null" }, &context, &err) &&
                  strstr(err.text, "not a certificate in PEM") != NULL,
          "TLS with none");
}

/* A connection lives on; who it says it is does not, beyond what let it in. */
static void test_shown_counts(void **state)
{
    static char subject[] = "CN=a";
    static const struct {
        const char *name;
        struct clo_tls_shown shown;
        int64_t time, now;
        unsigned readings;
        bool counts;
    } cases[] = {
        { "just shown", { subject, 1000, 5000, 3 }, 900, 5000, 3, true },
        { "in its last second", { subject, 1000, 5000, 3 }, 1000, 5000, 3, true },
        { "over", { subject, 1000, 5000, 3 }, 1001, 5000, 3, false },
        { "shown long ago", { subject, 1000, 5000, 3 }, 900, 5000 + CLO_TLS_SHOWN_MS, 3, false },
        { "almost so long ago", { subject, 1000, 5000, 3 }, 900, 4999 + CLO_TLS_SHOWN_MS, 3, true },
        { "a clock that went back", { subject, 1000, 5000, 3 }, 900, 4999, 3, false },
        { "taken by what was read before", { subject, 1000, 5000, 3 }, 900, 5000, 4, false },
        { "none was shown", { NULL, 1000, 5000, 3 }, 900, 5000, 3, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(clo_tls_shown_counts(&cases[i].shown, cases[i].time, cases[i].now,
                                   cases[i].readings) == cases[i].counts,
              cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_shown_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
