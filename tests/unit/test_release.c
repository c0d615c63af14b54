#include "guest/release.h"

#include "cloister/jose.h"
#include "test.h"

static struct clo_private_key *transport;
static json_t *recipient;

static int set_up(void **state)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct clo_error err;

    (void)state;
    return clo_private_key_new(CLO_KEY_P256, 0, &transport, &err) &&
                           clo_private_key_public(transport, &public, &err) &&
                           clo_jwk_from_public_key(public, &recipient, &err)
                   ? 0
                   : 1;
}

static int tear_down(void **state)
{
    (void)state;
    clo_private_key_free(transport);
    json_decref(recipient);
    return 0;
}

static void test_with_its_disk(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *text = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    const struct clo_disk_identity disk = { .uuid = "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11",
                                            .volume_key = { CLO_HASH_SHA256, { 1 } },
                                            .header = { CLO_HASH_SHA256, { 2 } },
                                            .generation = 4 };
    struct clo_error err;

    (void)state;
    assert_true(clo_disk_release_write(clo_bytes_text("the key"), &disk, &text, &err));
    assert_true(clo_jwe_seal_typed(recipient, CLO_DISK_RELEASE_TYPE, clo_secret_bytes(text), &jwe,
                                   &err));
    for (int is_registered = 0; is_registered < 2; is_registered++) {
        CLO_CLEANUP(clo_release_free) struct clo_release release = { 0 };
        CHECK(clo_release_open(jwe, transport, is_registered != 0, &release, &err), err.text);
        assert_true(clo_bytes_equal(clo_secret_bytes(release.key), clo_bytes_text("the key")));
        assert_true(release.has_disk); /* held against the disk in either case */
        assert_int_equal(release.disk.generation, 4);
    }
}

static void test_others(void **state)
{
    static const struct {
        const char *name, *type, *content;
        bool is_registered;
        const char *error; /* NULL: it opens */
    } cases[] = {
        { "a raw key, which the image takes", NULL, "the key", false, NULL },
        { "a raw key, which it does not take", NULL, "the key", true,
          "the broker's answer: the key comes without the disk that it is for" },
        { "another type", "other+json", "{}", false,
          "the broker's answer: content of type \"other+json\"" },
        { "a raw key under the type", CLO_DISK_RELEASE_TYPE, "the key", false,
          "the broker's answer: released disk key: " },
        { "no disk in it", CLO_DISK_RELEASE_TYPE, "{\"version\":1,\"key\":\"AAAA\"}", true,
          "the broker's answer: released disk key: " },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_release_free) struct clo_release release = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
        struct clo_error err;
        assert_true(clo_jwe_seal_typed(recipient, cases[i].type, clo_bytes_text(cases[i].content),
                                       &jwe, &err));
        bool ok = clo_release_open(jwe, transport, cases[i].is_registered, &release, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(ok == (release.key != NULL) && !release.has_disk, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_with_its_disk),
        cmocka_unit_test(test_others),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
