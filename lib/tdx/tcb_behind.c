/* How far behind an outdated TCB is: what of it has a lower SVN than the least level that Intel calls neither
 * out of date nor revoked (Intel PCS API version 4, appendix "TCB info": levels from the newest down). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tdx_internal.h"

bool clo_tdx_is_outdated(enum clo_tdx_status status)
{
    return status == CLO_TDX_OUT_OF_DATE || status == CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

const char *clo_tdx_part_name(enum clo_tdx_part part)
{
    static const char *const names[] = { "sgx", "pce", "tdx", "module", "qe" };

    return names[part];
}

static void add(struct clo_tdx_tcb *out, const struct clo_tdx_shortfall *shortfall)
{
    if (shortfall->svn < shortfall->needed && out->shortfall_count < CLO_TDX_SHORTFALLS_MAX)
        out->shortfalls[out->shortfall_count++] = *shortfall;
}

static void add_component(struct clo_tdx_tcb *out, const struct tdx_level *level,
                          enum clo_tdx_part part, unsigned component, unsigned svn)
{
    struct clo_tdx_shortfall shortfall = {
        .part = part,
        .component = component,
        .svn = svn,
        .needed = part == CLO_TDX_PART_SGX ? level->sgx[component] : level->tdx[component],
        .date = level->date,
    };

    if (svn < shortfall.needed)
        tdx_component_name(level->tcb, part, component, &shortfall.category, &shortfall.type);
    add(out, &shortfall);
}

static bool is_sound(enum clo_tdx_status status)
{
    return status == CLO_TDX_UP_TO_DATE || status == CLO_TDX_SW_HARDENING_NEEDED ||
           status == CLO_TDX_CONFIGURATION_NEEDED ||
           status == CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED;
}

static void measure_platform(const struct clo_tdx_platform *p, const struct clo_tdx_quote *quote,
                             struct clo_tdx_tcb *out)
{
    const struct tdx_tcb_info *info = p->tcb_info;
    struct clo_bytes svn = quote->body.tee_tcb_svn;
    const struct tdx_level *level = NULL;

    for (size_t i = 0; i < info->level_count; i++)
        if (is_sound(info->levels[i].status))
            level = &info->levels[i];
    if (level == NULL)
        return;
    for (unsigned i = 0; i < CLO_TDX_COMPONENTS; i++)
        add_component(out, level, CLO_TDX_PART_SGX, i, p->pck.components[i]);
    add(out, &(struct clo_tdx_shortfall){ .part = CLO_TDX_PART_PCE,
                                          .svn = p->pck.pce_svn,
                                          .needed = level->pce_svn,
                                          .date = level->date });
    for (unsigned i = svn.data[1] > 0 ? 2 : 0; i < CLO_TDX_COMPONENTS; i++)
        add_component(out, level, CLO_TDX_PART_TDX, i, svn.data[i]);
}

static void measure_isv(const struct tdx_isv_level *levels, size_t count, enum clo_tdx_part part,
                        unsigned svn, struct clo_tdx_tcb *out)
{
    const struct tdx_isv_level *level = NULL;

    for (size_t i = 0; i < count; i++)
        if (is_sound(levels[i].status))
            level = &levels[i];
    if (level != NULL)
        add(out, &(struct clo_tdx_shortfall){
                         .part = part, .svn = svn, .needed = level->isv_svn, .date = level->date });
}

void tdx_measure_behind(const struct clo_tdx_platform *platform, const struct clo_tdx_quote *quote,
                        struct clo_tdx_tcb *out)
{
    struct clo_bytes svn = quote->body.tee_tcb_svn;
    const struct tdx_module *module = tdx_find_module(platform->tcb_info, svn.data[1]);

    if (clo_tdx_is_outdated(out->platform_status))
        measure_platform(platform, quote, out);
    if (clo_tdx_is_outdated(out->module_status) && module != NULL)
        measure_isv(module->levels, module->level_count, CLO_TDX_PART_MODULE, svn.data[0], out);
    if (clo_tdx_is_outdated(out->qe_status))
        measure_isv(platform->qe_identity->levels, platform->qe_identity->level_count,
                    CLO_TDX_PART_QE, quote->qe_report.isv_svn, out);
}

/* --- In words --- */

static void name_part(const struct clo_tdx_shortfall *shortfall, char *out, size_t size)
{
    static const char *const names[] = { "SGX component", "PCE", "TDX component", "TDX module",
                                         "quoting enclave" };
    bool is_component = shortfall->part == CLO_TDX_PART_SGX || shortfall->part == CLO_TDX_PART_TDX;
    struct clo_bytes type = shortfall->type.size > 0 ? shortfall->type : shortfall->category;

    if (!is_component)
        snprintf(out, size, "%s", names[shortfall->part]);
    else if (type.size == 0)
        snprintf(out, size, "%s %u", names[shortfall->part], shortfall->component);
    else
        snprintf(out, size, "%s %u (%.*s)", names[shortfall->part], shortfall->component,
                 (int)(type.size > 40 ? 40 : type.size), (const char *)type.data);
}

static const char *day(int64_t unix_time, char out[24])
{
    time_t seconds = (time_t)unix_time;
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL || strftime(out, 24, "%Y-%m-%d", &parts) == 0)
        snprintf(out, 24, "%" PRId64, unix_time);
    return out;
}

void clo_tdx_behind_text(const struct clo_tdx_tcb *tcb, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < tcb->shortfall_count; i++) {
        const struct clo_tdx_shortfall *shortfall = &tcb->shortfalls[i];
        bool is_last = i + 1 == tcb->shortfall_count || shortfall[1].date != shortfall->date;
        char part[96], line[200], date[24];
        name_part(shortfall, part, sizeof part);
        int length = snprintf(line, sizeof line, "%s%s has SVN %u, needs %u", i == 0 ? ": " : "; ",
                              part, shortfall->svn, shortfall->needed);
        if (is_last && length > 0 && (size_t)length < sizeof line)
            length += snprintf(line + length, sizeof line - (size_t)length, " (level of %s)",
                               day(shortfall->date, date));
        /* Room is left for saying that there is more. */
        if (length < 0 || (size_t)length + 24 >= size - used) {
            snprintf(out + used, size - used, "; and %zu more", tcb->shortfall_count - i);
            return;
        }
        memcpy(out + used, line, (size_t)length + 1);
        used += (size_t)length;
    }
}
