/* Which TCB level a quote reaches, and what Intel calls it (DCAP QVL, section 4.1.2.4.17; the levels
 * in the order of the TCB info, best first). */
#include <string.h>

#include "tdx_internal.h"

const struct tdx_isv_level *tdx_find_level(const struct tdx_isv_level *levels, size_t count,
                                           unsigned isv_svn)
{
    for (size_t i = 0; i < count; i++)
        if (isv_svn >= levels[i].isv_svn)
            return &levels[i];
    return NULL;
}

static bool sgx_reaches(const struct clo_tdx_pck *pck, const struct tdx_level *level)
{
    for (size_t i = 0; i < CLO_TDX_COMPONENTS; i++)
        if (pck->components[i] < level->sgx[i])
            return false;
    return pck->pce_svn >= level->pce_svn;
}

/* With a module of a major version of its own, the first two components are the module's and are
 * judged by its identity. */
static bool tdx_reaches(struct clo_bytes tee_tcb_svn, const struct tdx_level *level)
{
    for (size_t i = tee_tcb_svn.data[1] > 0 ? 2 : 0; i < CLO_TDX_COMPONENTS; i++)
        if (tee_tcb_svn.data[i] < level->tdx[i])
            return false;
    return true;
}

enum clo_tdx_status tdx_converge(enum clo_tdx_status status, enum clo_tdx_status part)
{
    if (part == CLO_TDX_UP_TO_DATE || part == CLO_TDX_REVOKED)
        return part == CLO_TDX_REVOKED ? part : status;
    if (part != CLO_TDX_OUT_OF_DATE)
        return CLO_TDX_NOT_SUPPORTED; /* modules and enclaves have no other */
    switch (status) {
    case CLO_TDX_UP_TO_DATE:
    case CLO_TDX_SW_HARDENING_NEEDED:
    case CLO_TDX_OUT_OF_DATE:
    case CLO_TDX_RELAUNCH_ADVISED:
        return CLO_TDX_OUT_OF_DATE;
    case CLO_TDX_CONFIGURATION_NEEDED:
    case CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED:
    case CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED:
    case CLO_TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED:
        return CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;
    case CLO_TDX_REVOKED:
        return status;
    default:
        return CLO_TDX_NOT_SUPPORTED;
    }
}

/* What one evaluation works on. */
struct work {
    const struct tdx_tcb_info *info;
    const struct clo_tdx_quote *quote;
    const struct tdx_level *sgx_level;        /* the first that the processor reaches */
    const struct tdx_level *level;            /* the first that processor and module reach */
    const struct tdx_isv_level *module_level; /* NULL for major version 0 */
    const struct tdx_isv_level *qe_level;
};

static void find_levels(struct work *w, const struct clo_tdx_pck *pck)
{
    for (size_t i = 0; i < w->info->level_count && w->level == NULL; i++) {
        const struct tdx_level *level = &w->info->levels[i];
        if (!sgx_reaches(pck, level))
            continue;
        if (w->sgx_level == NULL)
            w->sgx_level = level;
        if (tdx_reaches(w->quote->body.tee_tcb_svn, level))
            w->level = level;
    }
}

static bool needs_configuration(enum clo_tdx_status status)
{
    return status == CLO_TDX_CONFIGURATION_NEEDED ||
           status == CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
           status == CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

/* Does TEE_TCB_SVN2, the module that runs now, reach the newest level there is? */
static bool runs_newest(const struct work *w)
{
    struct clo_bytes now = w->quote->body.tee_tcb_svn2;
    const struct tdx_level *newest = &w->info->levels[0];
    const struct tdx_module *module = tdx_find_module(w->info, now.data[1]);

    if (now.data[2] < newest->tdx[2] || module == NULL)
        return false;
    if (now.data[1] == 0)
        return now.data[0] >= newest->tdx[0];
    return now.data[0] >= module->levels[0].isv_svn;
}

/* A TD 1.5 that was started under an outdated module which has been updated under it (DCAP QVL,
 * section 4.1.2.4.17.4.3). */
static enum clo_tdx_status check_relaunch(const struct work *w, enum clo_tdx_status status,
                                          enum clo_tdx_status qe_status)
{
    enum clo_tdx_status sgx = w->sgx_level->status;

    if (!w->quote->body.has_td15 || qe_status != CLO_TDX_UP_TO_DATE)
        return status;
    if (sgx == CLO_TDX_REVOKED || sgx == CLO_TDX_OUT_OF_DATE ||
        sgx == CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED)
        return status;
    if (status != CLO_TDX_OUT_OF_DATE && status != CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED)
        return status;
    if (w->module_level == NULL || w->module_level->status != CLO_TDX_OUT_OF_DATE ||
        !runs_newest(w))
        return status;
    return needs_configuration(sgx) || needs_configuration(status)
                   ? CLO_TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                   : CLO_TDX_RELAUNCH_ADVISED;
}

/* A reader who waits for one of them must not miss it because there are many. */
static bool add_advisories(struct clo_tdx_tcb *out, struct clo_bytes array, struct clo_error *why)
{
    struct clo_error ignored;
    struct walk w = walk_begin(array, NULL, &ignored);
    bool first;

    if (array.size == 0)
        return true;
    for (walk_array(&w, &first); walk_item(&w, &first);) {
        struct clo_bytes id = walk_string(&w);
        size_t i = 0;
        while (i < out->advisory_count && !clo_bytes_equal(out->advisories[i], id))
            i++;
        if (i < out->advisory_count)
            continue;
        if (i == CLO_TDX_ADVISORIES_MAX)
            return clo_fail(why, CLO_ERR_REFUSED,
                            "the parts name more than %d advisories between them",
                            CLO_TDX_ADVISORIES_MAX);
        out->advisories[out->advisory_count++] = id;
    }
    return true;
}

static bool add_part(struct clo_tdx_tcb *out, int64_t date, struct clo_bytes advisories,
                     struct clo_error *why)
{
    if (out->date == 0 || date < out->date)
        out->date = date;
    return add_advisories(out, advisories, why);
}

static void find_parts(struct work *w, const struct clo_tdx_platform *platform)
{
    const struct tdx_qe_identity *qe = platform->qe_identity;
    struct clo_bytes svn = w->quote->body.tee_tcb_svn;

    find_levels(w, &platform->pck);
    w->qe_level = tdx_find_level(qe->levels, qe->level_count, w->quote->qe_report.isv_svn);
    if (svn.data[1] == 0)
        return; /* judged with the other components */
    const struct tdx_module *module = tdx_find_module(w->info, svn.data[1]);
    if (module != NULL)
        w->module_level = tdx_find_level(module->levels, module->level_count, svn.data[0]);
}

/* What the parts say, as far as there are any. */
static bool gather(const struct work *w, struct clo_tdx_tcb *out, struct clo_error *why)
{
    bool ok = true;

    if (w->level != NULL) {
        out->platform_status = w->level->status;
        ok = add_part(out, w->level->date, w->level->advisories, why);
    }
    if (w->module_level != NULL) {
        out->module_status = w->module_level->status;
        ok = add_part(out, w->module_level->date, w->module_level->advisories, why) && ok;
    } else if (w->quote->body.tee_tcb_svn.data[1] == 0) {
        out->module_status = CLO_TDX_UP_TO_DATE;
    }
    if (w->qe_level != NULL) {
        out->qe_status = w->qe_level->status;
        ok = add_part(out, w->qe_level->date, w->qe_level->advisories, why) && ok;
    }
    return ok;
}

static bool is_complete(const struct work *w, struct clo_error *why)
{
    struct clo_bytes svn = w->quote->body.tee_tcb_svn;

    if (w->sgx_level == NULL)
        return clo_fail(why, CLO_ERR_REFUSED,
                        "no TCB level is reached by the processor's SVNs (PCK certificate)");
    if (w->level == NULL)
        return clo_fail(why, CLO_ERR_REFUSED, "no TCB level is reached by TEE_TCB_SVN");
    if (svn.data[1] > 0 && w->module_level == NULL)
        return clo_fail(why, CLO_ERR_REFUSED, "no level of TDX module %u is reached by its SVN %u",
                        svn.data[1], svn.data[0]);
    if (w->qe_level == NULL)
        return clo_fail(why, CLO_ERR_REFUSED, "no level of the QE identity is reached by ISVSVN %u",
                        w->quote->qe_report.isv_svn);
    return true;
}

void tdx_evaluate(const struct clo_tdx_platform *platform, const struct clo_tdx_quote *quote,
                  struct clo_tdx_tcb *out, struct clo_error *why)
{
    struct work w = { .info = platform->tcb_info, .quote = quote };

    out->is_evaluated = true;
    /* Intel's library takes the lower one: in the days after a new set of numbers is published, the
     * two documents, each current, may be of different sets. */
    out->tcb_info_number = platform->tcb_info->evaluation_number;
    out->qe_identity_number = platform->qe_identity->evaluation_number;
    out->evaluation_number = out->tcb_info_number < out->qe_identity_number
                                     ? out->tcb_info_number
                                     : out->qe_identity_number;
    out->documents_issued = platform->documents_issued;
    out->lists_issued = platform->lists_issued;
    out->status = CLO_TDX_NOT_SUPPORTED;
    out->platform_status = CLO_TDX_NOT_SUPPORTED;
    out->module_status = CLO_TDX_NOT_SUPPORTED;
    out->qe_status = CLO_TDX_NOT_SUPPORTED;
    out->date = 0;
    out->advisory_count = 0;
    out->shortfall_count = 0;
    out->stale_documents = 0;
    out->stale_lists = 0;
    why->status = CLO_OK;
    find_parts(&w, platform);
    if (!gather(&w, out, why) || !is_complete(&w, why))
        return;
    enum clo_tdx_status status = tdx_converge(out->platform_status, out->module_status);
    if (status != CLO_TDX_REVOKED)
        status = check_relaunch(&w, status, out->qe_status);
    out->status = tdx_converge(status, out->qe_status);
    if (clo_tdx_is_outdated(out->status))
        tdx_measure_behind(platform, quote, out);
    if (out->status == CLO_TDX_NOT_SUPPORTED)
        clo_fail(why, CLO_ERR_REFUSED, "TDX module %s, QE %s: no status of such a part",
                 clo_tdx_status_name(out->module_status), clo_tdx_status_name(out->qe_status));
}
