#include "guest/luks_token.h"

#include "luks_disk.h"

static const struct {
    const char *name, *json, *resource, *error; /* error NULL: it parses */
} cases[] = {
    { "without a resource", "{\"type\":\"cloister\",\"keyslots\":[\"0\"]}", NULL, NULL },
    { "with one", "{\"type\":\"cloister\",\"keyslots\":[\"0\"],\"resource\":\"default/disk/data\"}",
      "default/disk/data", NULL },
    { "of the machine that asks",
      "{\"type\":\"cloister\",\"keyslots\":[\"0\"],\"resource\":\"default/disk/{chip}\"}",
      "default/disk/{chip}", NULL },
    { "another type", "{\"type\":\"cloister-tpm2\",\"keyslots\":[\"0\"]}", NULL, "type: not" },
    { "no type", "{\"keyslots\":[\"0\"]}", NULL, "type" },
    { "no slots", "{\"type\":\"cloister\"}", NULL, "keyslots" },
    { "a broker, which the host would choose",
      "{\"type\":\"cloister\",\"keyslots\":[\"0\"],\"url\":\"https://evil.example\"}", NULL,
      "unknown member \"url\"" },
    { "a resource that is a number", "{\"type\":\"cloister\",\"keyslots\":[\"0\"],\"resource\":7}",
      NULL, "resource" },
    { "a resource above its place",
      "{\"type\":\"cloister\",\"keyslots\":[\"0\"],\"resource\":\"../disk\"}", NULL, "resource" },
    { "not an object", "[]", NULL, "" },
};

static void parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        struct clo_error err = { .text = "" };
        const char *resource = NULL;
        bool ok = clo_json_parse(clo_bytes_text(cases[i].json), &json, &err) &&
                  clo_luks_token_parse(json, &resource, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok && strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK(!ok || (resource == NULL) == (cases[i].resource == NULL), cases[i].name);
        CHECK(!ok || resource == NULL || strcmp(resource, cases[i].resource) == 0, cases[i].name);
    }
}

/* The machine has nothing to prove itself with: it comes so far only where the header is the one that was shown. */
#define VIEW(of, with, how, tags, mib, size, needs)                                \
    {                                                                              \
        .uuid = (of), .cipher = (with), .mode = (how), .integrity = (tags),        \
        .payload_offset = (mib) << 20, .key_size = (size), .requirements = (needs) \
    }

static const struct {
    const char *name;
    struct clo_luks_view view;
    const char *error;
} views[] = {
    { "the same", VIEW(UUID, "aes", "xts-plain64", NULL, 16, 64, 0), "" },
    { "another UUID",
      VIEW("5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d12", "aes", "xts-plain64", NULL, 16, 64, 0),
      "the UUID differs" },
    { "no UUID", VIEW(NULL, "aes", "xts-plain64", NULL, 16, 64, 0), "the UUID differs" },
    { "no cipher at all", VIEW(UUID, "cipher_null", "ecb", NULL, 16, 64, 0), "the cipher differs" },
    { "another mode", VIEW(UUID, "aes", "cbc-plain64", NULL, 16, 64, 0), "the cipher differs" },
    { "tags that ours has not", VIEW(UUID, "aes", "xts-plain64", "hmac(sha256)", 16, 64, 0),
      "the integrity differs" },
    { "half a key", VIEW(UUID, "aes", "xts-plain64", NULL, 16, 32, 0), "the key size differs" },
    { "elsewhere", VIEW(UUID, "aes", "xts-plain64", NULL, 17, 64, 0), "the offset differs" },
    { "while it is encrypted anew", VIEW(UUID, "aes", "xts-plain64", NULL, 16, 64, 1),
      "the list of requirements differs" },
};

static void another_header(void **state)
{
    const struct clo_guest_config config = { .resource = "default/disk/data" };
    const struct clo_luks_machine machine = {
        .tpm = "/nonexistent", .eventlog = "/nonexistent", .userlog = "/nonexistent", .ccel = NULL
    };

    (void)state;
    make_disk(7);
    for (size_t i = 0; i < CLO_COUNT(views); i++) {
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
        struct clo_error err = { .text = "" };
        bool is_shown = views[i].error[0] == '\0';
        CHECK(!clo_luks_token_key(&config, &machine, device, &views[i].view, &key, &err),
              views[i].name);
        CHECK((strstr(err.text, "another header now than before") == NULL) == is_shown,
              views[i].name);
        if (strstr(err.text, views[i].error) == NULL)
            fail_msg("%s: %s", views[i].name, err.text);
    }
}

/* A header of the host's may name other keys that the image could have. */
static void resources(void **state)
{
    static const struct {
        const char *name, *own, *said;
        bool may;
    } named[] = {
        { "its own", "default/disk/data", "default/disk/data", true },
        { "another disk", "default/disk/data", "default/disk/more", true },
        { "another kind", "default/disk/data", "default/secret/data", false },
        { "another repository", "default/disk/data", "other/disk/data", false },
        { "a beginning of it", "default/disk/data", "default/disks/data", false },
        { "of the machine", "default/disk/{chip}", "default/disk/data", true },
        { "no place", "data", "data", false },
        { "none", NULL, "default/disk/data", false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(named); i++) {
        const struct clo_guest_config config = { .resource = named[i].own };
        struct clo_error err = { .text = "" };
        CHECK(clo_luks_token_resource(&config, named[i].said, &err) == named[i].may, named[i].name);
        CHECK(named[i].may || strstr(err.text, "the token asks for") != NULL, named[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse),
        cmocka_unit_test(resources),
        cmocka_unit_test(another_header),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
