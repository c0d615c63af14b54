#include "lib/uki/stub.h"

#include "test.h"

/* NEWS of systemd, and boots with these stubs, say where each begins. */
static void test_since(void **state)
{
    static const struct {
        const char *name;
        enum stub_act what;
        unsigned first;
    } cases[] = {
        { "PCR 11 as predicted here", STUB_MEASURES, 252 },
        { "blanks at both ends", STUB_TRIMS_BOTH_ENDS, 253 },
        { "add-ons", STUB_TAKES_ADDONS, 254 },
        { "the first section of a name", STUB_TAKES_FIRST, 256 },
        { "RTMRs", STUB_MEASURES_CC, 256 },
        { "profiles", STUB_KNOWS_PROFILES, 257 },
        { "the kernel without LoadImage()", STUB_LOADS_ITSELF, 258 },
        { "loader/extensions", STUB_TAKES_ALL_EXTENSIONS, 259 },
        { "SMBIOS", STUB_MEASURES_SMBIOS, 261 },
        { "the machine's secret", STUB_HANDS_SECRET, 262 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(stub_since(cases[i].what) == cases[i].first, cases[i].name);
        CHECK(stub_does(cases[i].first, cases[i].what), cases[i].name);
        CHECK(!stub_does(cases[i].first - 1, cases[i].what), cases[i].name);
    }
}

/* A row that was forgotten would be something that every stub does. */
static void test_unknown(void **state)
{
    (void)state;
    for (int what = 0; what < STUB_ACTS; what++)
        assert_false(stub_does(0, (enum stub_act)what));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_since),
                                        cmocka_unit_test(test_unknown) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
