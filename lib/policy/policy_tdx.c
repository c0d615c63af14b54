/* The policy's member "tdx": reading it, and holding a verified TDX quote against it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cloister/encoding.h"

#include "lib/policy/ccel_rules.h"
#include "lib/policy/policy_internal.h"

/* Intel's quoting enclaves (DCAP QGL, table "Quote header"). */
static const uint8_t intel_vendor[16] = {
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
};

#define STATUS(name)    (1U << (name))
#define STATUS_DEFAULTS STATUS(CLO_TDX_UP_TO_DATE)
#define STATUS_STRICT                                                   \
    (STATUS(CLO_TDX_UP_TO_DATE) | STATUS(CLO_TDX_SW_HARDENING_NEEDED) | \
     STATUS(CLO_TDX_CONFIGURATION_NEEDED) | STATUS(CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED))

void policy_init_tdx(struct clo_policy *policy)
{
    policy->tdx.tcb_status = STATUS_DEFAULTS;
}

/* Leaves to the caller which guest it is, and accepts what Intel calls neither out of date nor
 * revoked. */
void policy_strict_tdx(struct clo_policy *policy)
{
    policy->tdx.tcb_status = STATUS_STRICT;
    policy->tdx.any_advisory = true;
    policy->tdx.mr_td.any = true;
    for (size_t i = 0; i < CLO_TDX_RTMR_COUNT; i++)
        policy->tdx.rtmr[i].any = true;
}

/* --- Reading --- */

static bool read_statuses(const json_t *json, uint32_t *out, struct clo_error *err)
{
    json_t *array;
    json_t *item;
    size_t i;

    if (json_object_get(json, "tcb_status") == NULL)
        return true;
    if (!clo_json_get_array(json, "tcb_status", &array, err))
        return false;
    *out = 0;
    json_array_foreach (array, i, item) {
        enum clo_tdx_status status;
        const char *name = json_string_value(item);
        if (name == NULL || !clo_tdx_status_from_name(clo_bytes_text(name), &status))
            return clo_fail(err, CLO_ERR_FORMAT, "\"tcb_status\": item %zu is not a status", i);
        if (status == CLO_TDX_REVOKED || status == CLO_TDX_NOT_SUPPORTED)
            return clo_fail(err, CLO_ERR_FORMAT, "\"tcb_status\": \"%s\" is never accepted", name);
        *out |= STATUS(status);
    }
    return true;
}

static bool read_floor(const json_t *json, struct clo_policy_tdx *tdx, struct clo_error *err)
{
    const json_t *value = json_object_get(json, "minimum_tee_tcb_svn");

    if (value == NULL)
        return true;
    tdx->has_minimum_svn = true;
    return policy_read_fixed(value, sizeof tdx->minimum_svn, tdx->minimum_svn, err) ||
           clo_wrap(err, "\"minimum_tee_tcb_svn\"");
}

static bool read_flags(const json_t *json, struct clo_policy_tdx *tdx, struct clo_error *err)
{
    const struct {
        const char *key;
        bool *out;
    } flags[] = {
        { "allow_debug", &tdx->allow_debug },
        { "allow_migratable", &tdx->allow_migratable },
        { "allow_sept_ve", &tdx->allow_sept_ve },
        { "allow_unevaluated_tcb", &tdx->allow_unevaluated_tcb },
    };

    for (size_t i = 0; i < CLO_COUNT(flags); i++)
        if (!clo_json_get_bool_optional(json, flags[i].key, false, flags[i].out, err))
            return false;
    return true;
}

static bool read_sets(const json_t *json, struct clo_policy_tdx *tdx, struct clo_error *err)
{
    const struct {
        const char *key;
        size_t size;
        struct clo_policy_values *out;
    } sets[] = {
        { "mr_td", 48, &tdx->mr_td },
        { "rtmr0", 48, &tdx->rtmr[0] },
        { "rtmr1", 48, &tdx->rtmr[1] },
        { "rtmr2", 48, &tdx->rtmr[2] },
        { "rtmr3", 48, &tdx->rtmr[3] },
        { "mr_seam", 48, &tdx->mr_seam },
        { "mr_signer_seam", 48, &tdx->mr_signer_seam },
        { "mr_config_id", 48, &tdx->mr_config_id },
        { "mr_owner", 48, &tdx->mr_owner },
        { "mr_owner_config", 48, &tdx->mr_owner_config },
        { "mr_service_td", 48, &tdx->mr_service_td },
        { "init_servtd_hash", 48, &tdx->init_servtd_hash },
        { "cur_servtd_hash", 48, &tdx->cur_servtd_hash },
        { "td_attributes", 8, &tdx->td_attributes },
        { "xfam", 8, &tdx->xfam },
        { "report_data", 64, &tdx->report_data },
        { "qe_vendor_id", 16, &tdx->qe_vendor_id },
        { "fmspc", 6, &tdx->fmspc },
        { "ppid", 16, &tdx->ppid },
    };

    for (size_t i = 0; i < CLO_COUNT(sets); i++)
        if (!policy_read_values(json, sets[i].key, sets[i].size, sets[i].out, err))
            return false;
    return true;
}

static bool read_ccel(const json_t *json, struct clo_policy_tdx *tdx, struct clo_error *err)
{
    const json_t *rules = json_object_get(json, "ccel");

    return rules == NULL || clo_ccel_rules_parse(rules, &tdx->ccel, err) ||
           clo_wrap(err, "\"ccel\"");
}

bool policy_read_tdx(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    static const char *const keys[] = {
        "tcb_status",
        "advisories",
        "minimum_evaluation_number",
        "tcb_date",
        "allow_debug",
        "allow_migratable",
        "allow_sept_ve",
        "allow_unevaluated_tcb",
        "minimum_tee_tcb_svn",
        "mr_td",
        "rtmr0",
        "rtmr1",
        "rtmr2",
        "rtmr3",
        "mr_seam",
        "mr_signer_seam",
        "mr_config_id",
        "mr_owner",
        "mr_owner_config",
        "mr_service_td",
        "init_servtd_hash",
        "cur_servtd_hash",
        "td_attributes",
        "xfam",
        "report_data",
        "qe_vendor_id",
        "fmspc",
        "ppid",
        "ccel",
        NULL,
    };
    struct clo_policy_tdx *tdx = &policy->tdx;
    json_t *member;

    if (json_object_get(json, "tdx") == NULL)
        return true;
    if (!clo_json_get_object(json, "tdx", &member, err))
        return false;
    return (clo_json_only(member, keys, err) && read_flags(member, tdx, err) &&
            read_statuses(member, &tdx->tcb_status, err) &&
            policy_read_words(member, "advisories", &(tdx)->any_advisory, (tdx)->advisories[0],
                              sizeof(tdx)->advisories[0], CLO_POLICY_LIST_MAX,
                              &(tdx)->advisory_count, err) &&
            policy_read_u64(member, "minimum_evaluation_number", UINT32_MAX,
                            &tdx->minimum_evaluation_number, err) &&
            policy_read_date(member, "tcb_date", &tdx->tcb_date, err) &&
            read_floor(member, tdx, err) && read_sets(member, tdx, err) &&
            read_ccel(member, tdx, err)) ||
           clo_wrap(err, "\"tdx\"");
}

/* --- Appraising --- */

static bool allows_advisory(const struct clo_policy_tdx *tdx, struct clo_bytes advisory)
{
    for (size_t i = 0; i < tdx->advisory_count; i++)
        if (clo_bytes_equal(clo_bytes_text(tdx->advisories[i]), advisory))
            return true;
    return tdx->any_advisory;
}

static const char *day(int64_t unix_time, char out[24])
{
    time_t seconds = (time_t)unix_time;
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL || strftime(out, 24, "%Y-%m-%d", &parts) == 0)
        snprintf(out, 24, "%lld", (long long)unix_time);
    return out;
}

static void check_status(const struct clo_policy *policy, const struct clo_tdx_tcb *tcb,
                         struct clo_checks *checks)
{
    bool accepts = policy_tdx_accepts(&policy->tdx, tcb->status);
    int64_t until = 0;
    bool is_graced = policy_tdx_grace(policy, tcb, &until);
    bool is_over = !is_graced && until != 0;
    char behind[400];
    char grace[80] = "";
    char when[24];

    clo_tdx_behind_text(tcb, behind, sizeof behind);
    if (is_graced || is_over)
        snprintf(grace, sizeof grace,
                 is_graced ? ", accepted until %s by the policy's grace"
                           : ", and the policy's grace ended on %s",
                 day(until, when));
    clo_check_that(checks, "policy.tcb_status", accepts || is_graced, "the TCB is %s%s%s",
                   clo_tdx_status_name(tcb->status), grace, behind);
}

/* The date of the level says what of all that is known is mended; it does not move with the document. */
static void check_date(const struct clo_policy_tdx *tdx, const struct clo_tdx_tcb *tcb,
                       struct clo_checks *checks)
{
    static const char id[] = "policy.tcb_date";
    char is[24], must_be[24];

    if (tdx->tcb_date == 0)
        return;
    if (tcb->date == 0)
        clo_check_that(checks, id, false, "the TCB level has no date, and the policy demands one");
    else
        clo_check_that(checks, id, tcb->date >= tdx->tcb_date,
                       "the platform's TCB level is of %s, the policy demands %s or later",
                       day(tcb->date, is), day(tdx->tcb_date, must_be));
}

static void check_tcb(const struct clo_policy *policy, const struct clo_tdx_tcb *tcb,
                      struct clo_checks *checks)
{
    const struct clo_policy_tdx *tdx = &policy->tdx;

    if (!tcb->is_evaluated) {
        clo_check_that(checks, "policy.tcb_status", tdx->allow_unevaluated_tcb,
                       "the TCB was not evaluated");
        if (tdx->tcb_date != 0)
            clo_check_skip(checks, "policy.tcb_date", "the TCB was not evaluated: it has no date");
        return;
    }
    check_status(policy, tcb, checks);
    check_date(tdx, tcb, checks);
    for (size_t i = 0; i < tcb->advisory_count; i++)
        if (!allows_advisory(tdx, tcb->advisories[i])) {
            clo_check_that(checks, "policy.advisories", false,
                           "the policy does not allow %.*s, which applies to this platform",
                           (int)tcb->advisories[i].size, (const char *)tcb->advisories[i].data);
            break;
        }
    if (tdx->minimum_evaluation_number > 0)
        clo_check_that(checks, "policy.evaluation_number",
                       tcb->evaluation_number >= tdx->minimum_evaluation_number,
                       "TCB evaluation data number %u, the policy demands %llu",
                       tcb->evaluation_number, (unsigned long long)tdx->minimum_evaluation_number);
}

/* A later module gives bits a meaning that this program does not know: an owner who names the whole value has
 * looked at them. Those of byte 0 make a TD untrusted as a whole, whatever they are. */
#define RESERVED_UNTRUSTED (CLO_TDX_ATTRIBUTES_UNTRUSTED & ~CLO_TDX_ATTRIBUTE_DEBUG)

static bool is_named(const struct clo_policy_values *set, struct clo_bytes value)
{
    return policy_pins(set) && policy_names(set, value);
}

/* Bit by bit what makes a TD no TD: the host can read it, move it, or interrupt it where Linux does
 * not expect that. */
static void check_attributes(const struct clo_policy_tdx *tdx, const struct clo_tdx_body *body,
                             struct clo_checks *checks)
{
    uint64_t attributes = clo_tdx_attributes(body);
    uint64_t xfam = clo_tdx_xfam(body);
    bool debug = (attributes & CLO_TDX_ATTRIBUTE_DEBUG) != 0;
    bool migratable = (attributes & CLO_TDX_ATTRIBUTE_MIGRATABLE) != 0;
    bool no_ve = (attributes & CLO_TDX_ATTRIBUTE_SEPT_VE_DISABLE) != 0;

    clo_check_that(checks, "policy.debug", !debug || tdx->allow_debug, "the TD %s be debugged",
                   debug ? "can" : "cannot");
    clo_check_that(checks, "policy.migratable", !migratable || tdx->allow_migratable,
                   "the TD %s be migrated", migratable ? "can" : "cannot");
    clo_check_that(checks, "policy.reserved",
                   (attributes & ~CLO_TDX_ATTRIBUTES_KNOWN) == 0 ||
                           (is_named(&tdx->td_attributes, body->td_attributes) &&
                            (attributes & RESERVED_UNTRUSTED) == 0),
                   "TD attributes 0x%016llx: reserved bits", (unsigned long long)attributes);
    clo_check_that(checks, "policy.sept_ve_disable", no_ve || tdx->allow_sept_ve,
                   "SEPT_VE_DISABLE is %s: %s", no_ve ? "set" : "not set",
                   no_ve ? "the host cannot cause #VE by taking pages away"
                         : "the host can cause #VE anywhere by taking pages away");
    clo_check_that(checks, "policy.seam_attributes", clo_bytes_all(body->seam_attributes, 0),
                   "SEAMATTRIBUTES, which are zero for every production module");
    clo_check_that(checks, "policy.xfam_reserved",
                   ((xfam & ~CLO_TDX_XFAM_KNOWN) == 0 || is_named(&tdx->xfam, body->xfam)) &&
                           (xfam & CLO_TDX_XFAM_FIXED) == CLO_TDX_XFAM_FIXED,
                   "XFAM 0x%016llx: bits that must be one or zero", (unsigned long long)xfam);
}

static void check_vendor(const struct clo_policy_tdx *tdx, struct clo_bytes vendor,
                         struct clo_checks *checks)
{
    bool holds = policy_says(&tdx->qe_vendor_id)
                         ? policy_names(&tdx->qe_vendor_id, vendor)
                         : clo_bytes_equal(vendor, clo_bytes(intel_vendor, sizeof intel_vendor));

    clo_check_that(checks, "policy.qe_vendor_id", holds, "the quoting enclave's vendor %s",
                   holds ? "is allowed" : "is neither Intel nor one that the policy names");
}

static void check_floor(const struct clo_policy_tdx *tdx, const struct clo_tdx_body *body,
                        struct clo_checks *checks)
{
    static const char id[] = "policy.tee_tcb_svn";
    const struct {
        const char *name;
        struct clo_bytes svn;
    } svns[] = {
        { "TEE_TCB_SVN", body->tee_tcb_svn },
        { "TEE_TCB_SVN2", body->tee_tcb_svn2 },
    };

    if (!tdx->has_minimum_svn)
        return;
    for (size_t i = 0; i < CLO_COUNT(svns); i++)
        for (size_t k = 0; k < svns[i].svn.size; k++)
            if (svns[i].svn.data[k] < tdx->minimum_svn[k]) {
                clo_check_that(checks, id, false, "%s has %u at %zu, the policy demands %u",
                               svns[i].name, svns[i].svn.data[k], k, tdx->minimum_svn[k]);
                return;
            }
    clo_check_that(checks, id, true, "TEE_TCB_SVN reaches the policy's minimum");
}

/* MRTD is the firmware and RTMR 0 to 2 are what it started; RTMR 3 is the guest's own. A policy that
 * names none of them would accept any guest of a genuine machine. */
static void check_identity(const struct clo_policy_tdx *tdx, const struct clo_tdx_body *body,
                           uint32_t proven, struct clo_checks *checks)
{
    char hex[2 * CLO_TDX_REGISTER_SIZE + 1];

    if (policy_says(&tdx->mr_td) || (proven & CLO_POLICY_TDX_MRTD) == 0)
        clo_check_that(checks, "policy.mr_td", policy_names(&tdx->mr_td, body->mr_td),
                       policy_says(&tdx->mr_td) ? "MRTD %s"
                                                : "the policy names no MRTD (\"tdx\": {\"mr_td\": "
                                                  "[\"%s\"]}): any firmware could be after this",
                       clo_hex_text(body->mr_td, hex));
    for (size_t i = 0; i < CLO_TDX_RTMR_COUNT; i++) {
        const struct clo_policy_values *set = &tdx->rtmr[i];
        bool is_untouched = i == 3 && clo_bytes_all(body->rtmr[i], 0);
        char id[24] = "policy.rtmr0";
        id[11] = (char)('0' + i);
        if (!policy_says(set) && ((proven >> i & 1) != 0 || is_untouched))
            continue;
        clo_check_that(checks, id, policy_names(set, body->rtmr[i]), "RTMR %zu is %s%s", i,
                       clo_hex_text(body->rtmr[i], hex),
                       policy_says(set) ? ""
                                        : ", and neither the policy nor a reference value says "
                                          "what it may be");
    }
}

static void check_sets(const struct clo_policy_tdx *tdx, const struct clo_tdx_verified *verified,
                       struct clo_checks *checks)
{
    const struct clo_tdx_body *body = &verified->quote.body;
    const struct clo_tdx_pck *pck = &verified->pck;
    const struct {
        const struct clo_policy_values *set;
        const char *id, *field;
        struct clo_bytes value;
    } sets[] = {
        { &tdx->mr_seam, "policy.mr_seam", "MRSEAM", body->mr_seam },
        { &tdx->mr_signer_seam, "policy.mr_signer_seam", "MRSIGNERSEAM", body->mr_signer_seam },
        { &tdx->mr_config_id, "policy.mr_config_id", "MRCONFIGID", body->mr_config_id },
        { &tdx->mr_owner, "policy.mr_owner", "MROWNER", body->mr_owner },
        { &tdx->mr_owner_config, "policy.mr_owner_config", "MROWNERCONFIG", body->mr_owner_config },
        { &tdx->mr_service_td, "policy.mr_service_td", "MRSERVICETD", body->mr_service_td },
        { &tdx->init_servtd_hash, "policy.init_servtd_hash", "INIT_SERVTD_HASH",
          body->init_servtd_hash },
        { &tdx->cur_servtd_hash, "policy.cur_servtd_hash", "CUR_SERVTD_HASH",
          body->cur_servtd_hash },
        { &tdx->td_attributes, "policy.td_attributes", "ATTRIBUTES", body->td_attributes },
        { &tdx->xfam, "policy.xfam", "XFAM", body->xfam },
        { &tdx->report_data, "policy.report_data", "REPORTDATA", body->report_data },
        { &tdx->fmspc, "policy.fmspc", "FMSPC", clo_bytes(pck->fmspc, sizeof pck->fmspc) },
        { &tdx->ppid, "policy.ppid", "PPID", clo_bytes(pck->ppid, sizeof pck->ppid) },
    };

    for (size_t i = 0; i < CLO_COUNT(sets); i++)
        policy_check_values(sets[i].set, sets[i].id, sets[i].field, sets[i].value, checks);
}

void clo_policy_appraise_tdx(const struct clo_policy *policy,
                             const struct clo_tdx_verified *verified, uint32_t proven,
                             struct clo_checks *checks)
{
    const struct clo_tdx_body *body = &verified->quote.body;
    const struct clo_policy_tdx *tdx = &policy->tdx;

    policy_check_tee(policy, CLO_TEE_TDX, verified->is_intel, &verified->root, checks);
    check_tcb(policy, &verified->tcb, checks);
    check_attributes(tdx, body, checks);
    check_vendor(tdx, verified->quote.qe_vendor_id, checks);
    check_floor(tdx, body, checks);
    check_identity(tdx, body, proven, checks);
    check_sets(tdx, verified, checks);
}
