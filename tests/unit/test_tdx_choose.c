/* Of several sets of collateral the pieces that count: each case varies one piece of the good set. */
#include "checks.h"
#include "tdx_keys.h"
#include "test.h"

#define NOW 1780000000LL
#define DAY 86400LL

enum kind {
    GOOD,
    LOWER,      /* TCB info of evaluation number 17; the good one has 18 */
    HIGHER,     /* 19 */
    STALE,      /* TCB info, yesterday */
    STALE_LIST, /* PCK list */
    OTHER_FMSPC,
    EDITED, /* TCB info, after it was signed */
    NO_TCB_INFO,
    NEWER_LIST,
    OLDER_LIST,
};

static void make(enum kind kind, struct sim_tdx_made *out)
{
    struct sim_tdx tdx;
    struct clo_error err;

    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &keys, &tdx);
    tdx.pck_crl.this_update = NOW - 10 * DAY;
    switch (kind) {
    case LOWER:
        tdx.tcb_info.evaluation_number = 17;
        break;
    case HIGHER:
        tdx.tcb_info.evaluation_number = 19;
        break;
    case STALE:
        tdx.tcb_info.next_update = NOW - DAY;
        break;
    case STALE_LIST:
        tdx.pck_crl.next_update = NOW - DAY;
        break;
    case OTHER_FMSPC:
        tdx.tcb_info.from = "\"fmspc\":\"50A06F000000\"";
        tdx.tcb_info.to = "\"fmspc\":\"50A06F000001\"";
        tdx.tcb_info.evaluation_number = 30;
        break;
    case EDITED:
        tdx.tcb_info.evaluation_number = 30;
        tdx.tcb_info.from = "\"pcesvn\":11";
        tdx.tcb_info.to = "\"pcesvn\":10";
        tdx.tcb_info.edit_after_signing = true;
        break;
    case NO_TCB_INFO:
        tdx.left_out = 1U << CLO_TDX_TCB_INFO;
        break;
    case NEWER_LIST:
        tdx.pck_crl.this_update = NOW - 5 * DAY;
        break;
    case OLDER_LIST:
        tdx.pck_crl.this_update = NOW - 20 * DAY;
        break;
    case GOOD:
        break;
    }
    if (!sim_tdx_make(&tdx, &keys, out, &err))
        fail_msg("%s", err.text);
}

static const struct {
    const char *name;
    enum kind sets[2];
    size_t count, owner;
    enum clo_tdx_piece piece;
    size_t from; /* which set that piece has to be of */
    bool is_whole;
    const char *left_out;
} cases[] = {
    { "one", { GOOD }, 1, 1, CLO_TDX_TCB_INFO, 0, true, "" },
    { "one that is stale", { STALE }, 1, 1, CLO_TDX_TCB_INFO, 0, false, "" },
    { "one of another platform", { OTHER_FMSPC }, 1, 1, CLO_TDX_TCB_INFO, 0, false, "" },
    { "stale, then current", { STALE, GOOD }, 2, 2, CLO_TDX_TCB_INFO, 1, true, "not current" },
    { "current, then stale", { GOOD, STALE }, 2, 2, CLO_TDX_TCB_INFO, 0, true, "not current" },
    { "a stale list",
      { STALE_LIST, GOOD },
      2,
      2,
      CLO_TDX_PCK_CRL,
      1,
      true,
      "the owner's PCK revocation list: not current" },
    { "another platform's, with a higher number",
      { OTHER_FMSPC, GOOD },
      2,
      2,
      CLO_TDX_TCB_INFO,
      1,
      true,
      "" },
    { "edited, with a higher number",
      { EDITED, GOOD },
      2,
      2,
      CLO_TDX_TCB_INFO,
      1,
      true,
      "its signature does not hold" },
    { "the higher number",
      { GOOD, HIGHER },
      2,
      2,
      CLO_TDX_TCB_INFO,
      1,
      true,
      "number 18, the other's is 19" },
    { "the evidence has a lower number",
      { GOOD, LOWER },
      2,
      1,
      CLO_TDX_TCB_INFO,
      0,
      true,
      "the evidence's TCB info: TCB evaluation data number 17, the other's is 18" },
    { "the evidence has a higher number",
      { GOOD, HIGHER },
      2,
      1,
      CLO_TDX_TCB_INFO,
      0,
      true,
      "the owner's" },
    { "the evidence's is current and lower, the owner's stale",
      { STALE, LOWER },
      2,
      1,
      CLO_TDX_TCB_INFO,
      0,
      false,
      "number 17" },
    { "the evidence's is current and as good, the owner's stale",
      { STALE, GOOD },
      2,
      1,
      CLO_TDX_TCB_INFO,
      1,
      true,
      "not current" },
    { "the owner has none of it", { NO_TCB_INFO, GOOD }, 2, 1, CLO_TDX_TCB_INFO, 1, true, "" },
    { "the owner has another platform's",
      { OTHER_FMSPC, GOOD },
      2,
      1,
      CLO_TDX_TCB_INFO,
      1,
      true,
      "" },
    { "nobody has it", { NO_TCB_INFO, NO_TCB_INFO }, 2, 1, CLO_TDX_PIECE_COUNT, 0, false, "" },
    { "the newer list", { GOOD, NEWER_LIST }, 2, 2, CLO_TDX_PCK_CRL, 1, true, "is newer" },
    { "the evidence's older list",
      { GOOD, OLDER_LIST },
      2,
      1,
      CLO_TDX_PCK_CRL,
      0,
      true,
      "the evidence's PCK revocation list" },
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct sim_tdx_made made[2] = { 0 };
        const struct clo_tdx_collateral *sets[2];
        CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
        struct clo_tdx_quote quote;
        struct clo_error err;
        for (size_t k = 0; k < cases[i].count; k++) {
            make(cases[i].sets[k], &made[k]);
            sets[k] = &made[k].collateral;
        }
        if (!clo_tdx_parse(clo_buffer_bytes(&made[0].quote), &quote, &err) ||
            !clo_tdx_collateral_choose(sets, cases[i].count, cases[i].owner, quote.chain, NOW,
                                       &choice, &err))
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK(choice.is_whole == cases[i].is_whole, cases[i].name);
        if (strstr(choice.left_out, cases[i].left_out) == NULL ||
            (cases[i].left_out[0] == '\0' && choice.left_out[0] != '\0'))
            fail_msg("%s: %s", cases[i].name, choice.left_out);
        if (cases[i].piece != CLO_TDX_PIECE_COUNT)
            CHECK(clo_bytes_equal(clo_buffer_bytes(&choice.collateral.pieces[cases[i].piece]),
                                  clo_buffer_bytes(&sets[cases[i].from]->pieces[cases[i].piece])),
                  cases[i].name);
        for (size_t k = 0; k < cases[i].count; k++)
            sim_tdx_made_free(&made[k]);
    }
}

/* A set alone comes out byte for byte, whatever it holds: what is wrong with it is for the checks. */
static void test_alone(void **state)
{
    (void)state;
    for (size_t b = 0; b < sim_tdx_breakage_count; b++) {
        CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
        CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
        const struct clo_tdx_collateral *set = &made.collateral;
        struct sim_tdx tdx;
        struct clo_error err;
        sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &keys, &tdx);
        sim_tdx_breakages[b].apply(&tdx, &keys);
        if (!sim_tdx_make(&tdx, &keys, &made, &err) ||
            !clo_tdx_collateral_choose(&set, 1, 0, (struct clo_bytes){ 0 }, NOW, &choice, &err))
            fail_msg("%s: %s", sim_tdx_breakages[b].name, err.text);
        for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++)
            CHECK(clo_bytes_equal(clo_buffer_bytes(&set->pieces[i]),
                                  clo_buffer_bytes(&choice.collateral.pieces[i])),
                  sim_tdx_breakages[b].name);
    }
}

static void test_too_many(void **state)
{
    const struct clo_tdx_collateral empty = { 0 };
    const struct clo_tdx_collateral *sets[CLO_TDX_SETS_MAX + 1];
    CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(sets); i++)
        sets[i] = &empty;
    assert_false(clo_tdx_collateral_choose(sets, CLO_COUNT(sets), 0, (struct clo_bytes){ 0 }, NOW,
                                           &choice, &err));
    assert_int_equal(err.status, CLO_ERR_USAGE);
    assert_true(clo_tdx_collateral_choose(sets, 0, 0, (struct clo_bytes){ 0 }, NOW, &choice, &err));
    assert_false(choice.is_whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
