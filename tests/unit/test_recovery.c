#include "lib/disk/recovery.h"

#include "test.h"

/* Sixteen different letters, in pairs. */
#define KEY "cbcbcbcb-dededede-fgfgfgfg-hihihihi-jkjkjkjk-lnlnlnln-rtrtrtrt-uvuvuvuv"

static void write_read(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *text = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *again = NULL;
    uint8_t bytes[CLO_RECOVERY_BYTES];
    struct clo_error err;
    bool is_checked;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i / 4 * 2 << 4 | (i / 4 * 2 + 1));
    CHECK(clo_recovery_write(bytes, &text, &err), "written");
    CHECK(clo_bytes_equal(clo_secret_bytes(text), clo_bytes_text(KEY)), "as systemd writes it");
    CHECK(clo_recovery_parse(clo_secret_bytes(text), &again, &is_checked, &err) && !is_checked,
          "read again");
    CHECK(clo_bytes_equal(clo_secret_bytes(again), clo_bytes_text(KEY)), "the same");
}

static const struct {
    const char *name, *typed, *error; /* NULL: it is KEY */
    bool is_checked;
} cases[] = {
    { "as printed", KEY, NULL, false },
    { "a new line after it", KEY "\n", NULL, false },
    { "in capitals", "CBCBCBCB-DEDEDEDE-FGFGFGFG-HIHIHIHI-JKJKJKJK-LNLNLNLN-RTRTRTRT-UVUVUVUV",
      NULL, false },
    { "spaces and lines",
      " cbcbcbcb dededede\nfgfgfgfg  hihihihi\r\njkjkjkjk\tlnlnlnln rtrtrtrt uvuvuvuv ", NULL,
      false },
    { "without dashes", "cbcbcbcbdedededefgfgfgfghihihihijkjkjkjklnlnlnlnrtrtrtrtuvuvuvuv", NULL,
      false },
    { "nothing", "", "0 letters, expected 64, or 72 with the check letters", false },
    { "a group too few", "cbcbcbcb-dededede-fgfgfgfg-hihihihi-jkjkjkjk-lnlnlnln-rtrtrtrt",
      "56 letters, expected 64, or 72 with the check letters", false },
    { "a letter too few", "cbcbcbcb-dededede-fgfgfgfg-hihihih-jkjkjkjk-lnlnlnln-rtrtrtrt-uvuvuvuv",
      "group 4: 7 letters, expected 8", false },
    { "a letter too many",
      "cbcbcbcb-dededede-fgfgfgfg-hihihihi-jkjkjkjkj-lnlnlnln-rtrtrtrt-uvuvuvuv",
      "group 5: 9 letters, expected 8", false },
    { "a letter that no key has",
      "cbcbcbcb-dededede-fgfgafgf-hihihihi-jkjkjkjk-lnlnlnln-rtrtrtrt-uvuvuvuv",
      "group 3, letter 5: not one of cbdefghijklnrtuv", false },
    { "a letter of another alphabet", "\xc3\xa9" KEY, "group 1, letter 1: not one of", false },
    { "a zero byte", NULL, "group 1, letter 1: not one of", false },
    { "ten groups", KEY "-cccccccc-cccccccc", "more letters than eight groups and their check",
      false },
};

static void parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
        struct clo_bytes typed =
                cases[i].typed == NULL ? clo_bytes("\0", 1) : clo_bytes_text(cases[i].typed);
        struct clo_error err = { .text = "" };
        bool is_checked = false;
        bool ok = clo_recovery_parse(typed, &key, &is_checked, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (ok)
            CHECK(clo_bytes_equal(clo_secret_bytes(key), clo_bytes_text(KEY)), cases[i].name);
        else if (strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

static void with_check(char text[CLO_RECOVERY_SIZE + 11])
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    char check[CLO_RECOVERY_GROUPS + 1];
    struct clo_error err;

    CHECK(clo_secret_copy(clo_bytes_text(KEY), &key, &err), "key");
    clo_recovery_check(key, check);
    snprintf(text, CLO_RECOVERY_SIZE + 11, KEY "-%s", check);
}

static bool is_refused(const char *text, size_t group, const char *name)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_error err = { .text = "" };
    char words[64];
    bool is_checked;

    if (clo_recovery_parse(clo_bytes_text(text), &key, &is_checked, &err))
        return false;
    snprintf(words, sizeof words, "group %zu does not fit check letter %zu", group, group);
    if (strstr(err.text, words) == NULL)
        fail_msg("%s: %s", name, err.text);
    return true;
}

/* Each wrong letter shows, in a group or among the check letters, and so do each two neighbours that changed places. */
static void typos(void **state)
{
    static const char letters[] = "cbdefghijklnrtuv";
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    char good[CLO_RECOVERY_SIZE + 11];
    struct clo_error err;
    bool is_checked = false;

    (void)state;
    with_check(good);
    CHECK(clo_recovery_parse(clo_bytes_text(good), &key, &is_checked, &err) && is_checked,
          "checked");
    for (size_t at = 0; good[at] != '\0'; at++) {
        size_t group = at < CLO_RECOVERY_SIZE ? at / 9 + 1 : at - CLO_RECOVERY_SIZE;
        char text[sizeof good];
        if (good[at] == '-')
            continue;
        for (size_t i = 0; letters[i] != '\0'; i++) {
            memcpy(text, good, sizeof text);
            text[at] = letters[i];
            CHECK(letters[i] == good[at] || is_refused(text, group, "a letter"), good);
        }
        if (at >= CLO_RECOVERY_SIZE || good[at + 1] == '-' || good[at] == good[at + 1])
            continue;
        memcpy(text, good, sizeof text);
        text[at] = good[at + 1];
        text[at + 1] = good[at];
        CHECK(is_refused(text, group, "two letters"), text);
    }
}

/* The sum of letter i times x^(8 - i) in GF(16), by hand: 0 1 0 1 0 1 0 1 is x^7 + x^5 + x^3 + x. */
static void check_letters(void **state)
{
    char good[CLO_RECOVERY_SIZE + 11];

    (void)state;
    with_check(good);
    /* x = 2, x^3 = 8, x^5 = 6, x^7 = 11: 2 ^ 8 ^ 6 ^ 11 = 7, which is 'i'. */
    CHECK(good[CLO_RECOVERY_SIZE + 1] == 'i', good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_read),
        cmocka_unit_test(parse),
        cmocka_unit_test(typos),
        cmocka_unit_test(check_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
