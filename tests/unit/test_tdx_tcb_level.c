/* How the parts' statuses and advisories come together; what signed documents cannot say is tried here, too. */
#include "checks.h"
#include "lib/tdx/tdx_internal.h"
#include "test.h"

static void test_converge(void **state)
{
    static const enum clo_tdx_status configuration = CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;
    /* With a part that is out of date, in the order of the statuses. */
    const enum clo_tdx_status outdated[CLO_TDX_STATUS_COUNT] = {
        [CLO_TDX_UP_TO_DATE] = CLO_TDX_OUT_OF_DATE,
        [CLO_TDX_SW_HARDENING_NEEDED] = CLO_TDX_OUT_OF_DATE,
        [CLO_TDX_CONFIGURATION_NEEDED] = configuration,
        [CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED] = configuration,
        [CLO_TDX_OUT_OF_DATE] = CLO_TDX_OUT_OF_DATE,
        [CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED] = configuration,
        [CLO_TDX_REVOKED] = CLO_TDX_REVOKED,
        [CLO_TDX_RELAUNCH_ADVISED] = CLO_TDX_OUT_OF_DATE,
        [CLO_TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = configuration,
        [CLO_TDX_NOT_SUPPORTED] = CLO_TDX_NOT_SUPPORTED,
    };

    (void)state;
    for (enum clo_tdx_status status = 0; status < CLO_TDX_STATUS_COUNT; status++)
        for (enum clo_tdx_status part = 0; part < CLO_TDX_STATUS_COUNT; part++) {
            enum clo_tdx_status expected = part == CLO_TDX_UP_TO_DATE    ? status
                                           : part == CLO_TDX_REVOKED     ? CLO_TDX_REVOKED
                                           : part == CLO_TDX_OUT_OF_DATE ? outdated[status]
                                                                         : CLO_TDX_NOT_SUPPORTED;
            if (tdx_converge(status, part) != expected)
                fail_msg("%s, %s gives %s", clo_tdx_status_name(status), clo_tdx_status_name(part),
                         clo_tdx_status_name(tdx_converge(status, part)));
        }
}

/* A platform of one level, with a module of version 1 and its enclave. */
struct made {
    struct tdx_tcb_info info;
    struct tdx_qe_identity identity;
    struct clo_tdx_platform platform;
    struct clo_tdx_quote quote;
};

static void make(struct made *made)
{
    static const uint8_t svn[CLO_TDX_COMPONENTS] = { 5, 1 };

    *made = (struct made){ .info = { .level_count = 1, .module_count = 1 },
                           .identity = { .level_count = 1 } };
    made->info.modules[0].major = 1;
    made->info.modules[0].level_count = 1;
    made->platform.tcb_info = &made->info;
    made->platform.qe_identity = &made->identity;
    made->quote.body.tee_tcb_svn = clo_bytes(svn, sizeof svn);
}

/* Statuses that the parser lets through for nobody but the platform. */
static void test_unexpected_parts(void **state)
{
    static const enum clo_tdx_status odd[] = { CLO_TDX_SW_HARDENING_NEEDED,
                                               CLO_TDX_CONFIGURATION_NEEDED,
                                               CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
                                               CLO_TDX_RELAUNCH_ADVISED, CLO_TDX_STATUS_COUNT };
    static struct made made;

    (void)state;
    for (size_t i = 0; i < 2 * CLO_COUNT(odd); i++) {
        struct clo_tdx_tcb tcb;
        struct clo_error why;
        make(&made);
        tdx_evaluate(&made.platform, &made.quote, &tcb, &why);
        CHECK(tcb.status == CLO_TDX_UP_TO_DATE && why.status == CLO_OK, "as made");
        if (odd[i / 2] == CLO_TDX_STATUS_COUNT)
            continue;
        struct tdx_isv_level *level =
                i % 2 == 0 ? &made.info.modules[0].levels[0] : &made.identity.levels[0];
        level->status = odd[i / 2];
        tdx_evaluate(&made.platform, &made.quote, &tcb, &why);
        CHECK(tcb.status == CLO_TDX_NOT_SUPPORTED, clo_tdx_status_name(odd[i / 2]));
        CHECK(strstr(why.text, clo_tdx_status_name(odd[i / 2])) != NULL, why.text);
    }
}

static struct clo_bytes advisories(struct clo_buffer *out, unsigned from, unsigned count)
{
    clo_buffer_text(out, "[");
    for (unsigned i = 0; i < count; i++)
        clo_buffer_printf(out, "%s\"INTEL-SA-%05u\"", i == 0 ? "" : ",", from + i);
    clo_buffer_text(out, "]");
    return clo_buffer_bytes(out);
}

static void test_advisories(void **state)
{
    static const struct {
        const char *name;
        unsigned platform, module, module_from, qe;
        size_t expected; /* 0: too many */
    } cases[] = {
        { "none", 0, 0, 0, 0, 0 },
        { "as many as may be", 30, 30, 100, 4, 64 },
        { "each once", 64, 64, 1, 64, 64 },
        { "one more", 30, 30, 100, 5, 0 },
        { "the module's", 64, 1, 100, 0, 0 },
    };
    static struct made made;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer platform = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer module = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer qe = { 0 };
        struct clo_tdx_tcb tcb;
        struct clo_error why;
        bool holds = i == 0 || cases[i].expected > 0;
        unsigned qe_from = cases[i].platform == 64 ? 1 : 200;
        make(&made);
        made.info.levels[0].advisories = advisories(&platform, 1, cases[i].platform);
        made.info.modules[0].levels[0].advisories =
                advisories(&module, cases[i].module_from, cases[i].module);
        made.identity.levels[0].advisories = advisories(&qe, qe_from, cases[i].qe);
        tdx_evaluate(&made.platform, &made.quote, &tcb, &why);
        CHECK((tcb.status == CLO_TDX_UP_TO_DATE) == holds, cases[i].name);
        CHECK((tcb.status == CLO_TDX_NOT_SUPPORTED) == !holds, cases[i].name);
        CHECK(holds ? tcb.advisory_count == cases[i].expected
                    : strstr(why.text, "more than 64 advisories between them") != NULL,
              cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_converge),
        cmocka_unit_test(test_unexpected_parts),
        cmocka_unit_test(test_advisories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
