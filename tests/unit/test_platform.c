/* Which machine it is, by pretend trees of /sys and /dev; the TPM's part is in test_collect.c. */
#include "guest/platform.h"

#include <errno.h>
#include <sys/stat.h>

#include "device/process.h"
#include "test.h"

static struct clo_scratch scratch;

static int make_scratch(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_scratch_new("/tmp", &scratch, &err) ? 0 : 1;
}

static int free_scratch(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

/* A file, with the folders above it. */
static void put(const char *root, const char *path, const char *text)
{
    char name[4400];

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        assert_true(mkdir(name, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_trees(void **state)
{
    static const struct {
        const char *name;
        struct {
            const char *path, *text;
        } files[3];
        enum clo_platform platform;
        const char *reason; /* NULL: none */
    } cases[] = {
        { "an empty tree", { { NULL, NULL } }, CLO_PLATFORM_NONE, NULL },
        { "SEV-SNP", { { "/dev/sev-guest", "" } }, CLO_PLATFORM_SNP, "/dev/sev-guest is there" },
        { "TDX", { { "/dev/tdx_guest", "" } }, CLO_PLATFORM_TDX, "/dev/tdx_guest is there" },
        { "an SVSM's TPM comes before SEV-SNP",
          { { "/dev/sev-guest", "" }, { "/sys/devices/platform/tpm-svsm", "" } },
          CLO_PLATFORM_SVSM,
          "tpm-svsm is there" },
        { "a guest below VMPL 0",
          { { "/dev/sev-guest", "" }, { "/sys/devices/system/cpu/sev/vmpl", "2\n" } },
          CLO_PLATFORM_SVSM,
          "sev/vmpl is \"2\"" },
        { "a guest at VMPL 0",
          { { "/dev/sev-guest", "" }, { "/sys/devices/system/cpu/sev/vmpl", "0\n" } },
          CLO_PLATFORM_SNP,
          "sev-guest" },
        { "a level that is not a number",
          { { "/sys/devices/system/cpu/sev/vmpl", "x\n" } },
          CLO_PLATFORM_NONE,
          NULL },
        { "an enclave", { { "/dev/nsm", "" } }, CLO_PLATFORM_ENCLAVE, "/dev/nsm" },
        { "an instance of Google's without a TPM",
          { { "/sys/class/dmi/id/product_name", "Google Compute Engine\n" } },
          CLO_PLATFORM_NONE,
          NULL },
        { "and with SEV-SNP",
          { { "/sys/class/dmi/id/product_name", "Google Compute Engine\n" },
            { "/dev/sev-guest", "" } },
          CLO_PLATFORM_SNP,
          "sev-guest" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_platform_found found;
        char root[4300];
        snprintf(root, sizeof root, "%s/%zu", scratch.path, i);
        assert_int_equal(mkdir(root, 0755), 0);
        for (size_t k = 0; k < CLO_COUNT(cases[i].files) && cases[i].files[k].path != NULL; k++)
            put(root, cases[i].files[k].path, cases[i].files[k].text);
        clo_platform_find(root, NULL, &found);
        CHECK(found.platform == cases[i].platform, cases[i].name);
        CHECK((found.reason_count > 0) == (cases[i].reason != NULL), cases[i].name);
        CHECK(cases[i].reason == NULL || strstr(found.reasons[0], cases[i].reason) != NULL,
              found.reasons[0]);
    }
}

/* What is said of each, and that each has a name of its own. */
static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLO_PLATFORM_COUNT; i++) {
        struct clo_platform_found found = { .platform = (enum clo_platform)i };
        CLO_CLEANUP(clo_json_freep) json_t *json = clo_platform_json(&found);
        enum clo_platform again;
        CHECK(json != NULL && strcmp(json_string_value(json_object_get(json, "platform")),
                                     clo_platform_name(found.platform)) == 0,
              "the name");
        CHECK(clo_platform_from_name(clo_platform_name(found.platform), &again) &&
                      again == found.platform,
              clo_platform_name(found.platform));
        CHECK((json_array_size(json_object_get(json, "collects")) == 0) ==
                      (found.platform == CLO_PLATFORM_NONE),
              "what is collected");
    }
    CHECK(!clo_platform_from_name("cloud", &(enum clo_platform){ 0 }), "an unknown one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
