#include "cloister/uki.h"
#include "test.h"

#define HEAD "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n"

static void test_merge(void **state)
{
    static const struct {
        const char *name, *texts[3];
        const char *merged, *error;
    } cases[] = {
        { "nothing", { "" }, HEAD, NULL },
        { "the stub's and the kernel's",
          { "sbat,1\nstub,1,x\n", "sbat,1,another head\r\nlinux,2,y" },
          HEAD "stub,1,x\nlinux,2,y\n",
          NULL },
        { "a double is left out, a newer one is not",
          { "sbat,1\na,1,x\n", "sbat,1\na,1,x\na,2,x\n\n" },
          HEAD "a,1,x\na,2,x\n",
          NULL },
        { "an empty one is skipped", { "\n", "sbat,1\na,1\n" }, HEAD "a,1\n", NULL },
        { "no sbat line",
          { "sbat,1\n", "a,1\n" },
          NULL,
          "SBAT: text 2 does not begin with \"sbat,\"" },
        { "another's text", { "sba" }, NULL, "SBAT: text 1 does not begin with \"sbat,\"" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_bytes texts[3];
        struct clo_error err;
        size_t count = 0;
        for (; count < 3 && cases[i].texts[count] != NULL; count++)
            texts[count] = clo_bytes_text(cases[i].texts[count]);
        bool ok = clo_sbat_merge(texts, count, &out, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(!ok || (out.data[out.size - 1] == 0 &&
                      strcmp((const char *)out.data, cases[i].merged) == 0),
              cases[i].name);
    }
}

/* Sections come with their NULs, and what we write is taken again as it is. */
static void test_nuls(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer once = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer twice = { 0 };
    const struct clo_bytes padded = clo_bytes("sbat,1\na,1\n\0\0\0", 14);
    const struct clo_bytes inside = clo_bytes("sbat,1\na\0,1\n", 12);
    struct clo_error err;

    (void)state;
    CHECK(clo_sbat_merge(&padded, 1, &once, &err), err.text);
    struct clo_bytes written = clo_buffer_bytes(&once);
    CHECK(clo_sbat_merge(&written, 1, &twice, &err), err.text);
    CHECK(clo_bytes_equal(written, clo_buffer_bytes(&twice)), "the same again");
    CHECK(!clo_sbat_merge(&inside, 1, &twice, &err), "a NUL inside");
    const struct clo_bytes ours[] = { clo_bytes_text(clo_sbat_uki),
                                      clo_bytes_text(clo_sbat_addon) };
    CHECK(clo_sbat_merge(ours, 2, &twice, &err), err.text);
    CHECK(strstr((const char *)twice.data, "\nuki,1,") != NULL &&
                  strstr((const char *)twice.data, "\nuki-addon,1,") != NULL,
          "our own");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_nuls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
