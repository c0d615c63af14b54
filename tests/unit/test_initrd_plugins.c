/* On bare SEV-SNP and TDX the TPM is the host's: nothing in dracut's initrd asks it for a key. */
#include "guest/initrd_plugins.h"

#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "test.h"

static const char *const places[] = {
    "/usr/lib64/cryptsetup/libcryptsetup-token-systemd-tpm2.so",
    "/usr/lib/x86_64-linux-gnu/cryptsetup/libcryptsetup-token-systemd-tpm2.so",
    "/usr/lib/cryptsetup/libcryptsetup-token-systemd-tpm2.so",
};
#define OWN "/usr/lib64/cryptsetup/libcryptsetup-token-cloister.so"

static void put(const struct clo_scratch *root, const char *name, const char *text)
{
    struct clo_error err;
    char path[4300];

    snprintf(path, sizeof path, "%s%s", root->path, name);
    for (char *at = strchr(path + strlen(root->path) + 1, '/'); at != NULL;
         at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
    if (!clo_file_write(path, clo_bytes_text(text), 0600, &err))
        fail_msg("%s", err.text);
}

static bool is_there(const struct clo_scratch *root, const char *name)
{
    char path[4300];

    snprintf(path, sizeof path, "%s%s", root->path, name);
    return access(path, F_OK) == 0;
}

static void test_plug_in(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch root = { .path = "" };
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new("/tmp", &root, &err));
    for (size_t i = 0; i < CLO_COUNT(places); i++)
        put(&root, places[i], "plug-in");
    put(&root, OWN, "plug-in");
    /* Again finds nothing, which is as good. */
    for (unsigned again = 0; again < 2; again++)
        if (!clo_initrd_without_tpm(root.path, &err))
            fail_msg("%s", err.text);
    for (size_t i = 0; i < CLO_COUNT(places); i++)
        CHECK(!is_there(&root, places[i]), places[i]);
    assert_true(is_there(&root, OWN));
}

static void test_crypttab(void **state)
{
    static const struct {
        const char *text, *error; /* NULL: it passes */
    } cases[] = {
        { "", NULL },
        { "root PARTLABEL=root none luks,headless=true\n", NULL },
        { "# root PARTLABEL=root none tpm2-device=auto\n", NULL },
        { "root PARTLABEL=root none\n", NULL },
        { "tpm2-device=auto tpm2-device=auto tpm2-device=auto luks", NULL },
        { "root PARTLABEL=root none tpm2-device=auto", "entry 1: tpm2-device= would ask the TPM" },
        { "a b c luks\nroot\tPARTLABEL=root -\tluks,tpm2-device=/dev/tpmrm0,headless=true\n",
          "entry 2" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_scratch_free) struct clo_scratch root = { .path = "" };
        struct clo_error err;
        assert_true(clo_scratch_new("/tmp", &root, &err));
        put(&root, "/etc/crypttab", cases[i].text);
        bool ok = clo_initrd_without_tpm(root.path, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].text);
        CHECK(ok || (err.status == CLO_ERR_REFUSED && strstr(err.text, cases[i].error) != NULL),
              err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plug_in),
        cmocka_unit_test(test_crypttab),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
