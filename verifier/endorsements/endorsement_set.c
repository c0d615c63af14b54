/* What the owner's files hold, and how old it is. */
#include <stdlib.h>
#include <string.h>

#include "endorsements_internal.h"
#include "lib/base/civil_time.h"

void clo_endorsement_set_free(struct clo_endorsement_set *set)
{
    if (set == NULL)
        return;
    clo_endorsement_set_clear(set);
    free(set);
}

void clo_endorsement_set_clear(struct clo_endorsement_set *set)
{
    for (size_t i = 0; i < set->certificate_count; i++)
        clo_certificate_free(set->certificates[i]);
    for (size_t i = 0; i < set->crl_count; i++)
        clo_crl_free(set->crls[i]);
    for (size_t i = 0; i < set->collateral_count; i++)
        clo_tdx_collateral_free(&set->collateral[i]);
    *set = (struct clo_endorsement_set){ 0 };
}

/* Moves what was read; a certificate that is there already is freed with the rest. */
static bool take(struct clo_endorsement_set *set, struct clo_snp_certificates *read,
                 struct clo_error *err)
{
    for (size_t i = 0; i < read->count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < set->certificate_count && !is_known; k++)
            is_known = clo_bytes_equal(clo_certificate_der(set->certificates[k]),
                                       clo_certificate_der(read->items[i]));
        if (is_known)
            continue;
        if (set->certificate_count == CLO_ENDORSEMENT_CERTIFICATES_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d certificates",
                            CLO_ENDORSEMENT_CERTIFICATES_MAX);
        set->certificates[set->certificate_count++] = CLO_TAKE(read->items[i]);
    }
    for (size_t i = 0; i < read->crl_count; i++) {
        if (set->crl_count == CLO_ENDORSEMENT_CRLS_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d revocation lists",
                            CLO_ENDORSEMENT_CRLS_MAX);
        set->crls[set->crl_count++] = CLO_TAKE(read->crls[i]);
    }
    return true;
}

bool clo_endorsement_set_add(struct clo_endorsement_set *set, struct clo_bytes in,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates read = { 0 };

    return clo_snp_certificates_read(&read, in, err) && take(set, &read, err);
}

bool clo_endorsement_set_add_collateral(struct clo_endorsement_set *set,
                                        struct clo_tdx_collateral *collateral,
                                        struct clo_error *err)
{
    if (set->collateral_count == CLO_ENDORSEMENT_SETS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d sets of collateral",
                        CLO_ENDORSEMENT_SETS_MAX);
    set->collateral[set->collateral_count++] = *collateral;
    *collateral = (struct clo_tdx_collateral){ 0 };
    return true;
}

static bool read_time(const json_t *object, const char *member, int64_t *out)
{
    struct clo_error ignored;
    const char *text;
    const char *end;

    return clo_json_get_string(object, member, &text, &ignored) &&
           clo_civil_time_read(text, out, &end) && strcmp(end, "Z") == 0;
}

/* Of the text as it is: only for people who watch. */
bool clo_endorsement_dates(const struct clo_tdx_collateral *collateral, int64_t *issued,
                           int64_t *expires, char fmspc[13])
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error ignored;
    const char *text;

    if (!clo_json_parse(clo_buffer_bytes(&collateral->pieces[CLO_TDX_TCB_INFO]), &json, &ignored))
        return false;
    const json_t *inner = json_object_get(json, "tcbInfo");
    if (inner == NULL)
        inner = json;
    if (!read_time(inner, "issueDate", issued) || !read_time(inner, "nextUpdate", expires) ||
        !clo_json_get_string(inner, "fmspc", &text, &ignored) || strlen(text) != 12)
        return false;
    memcpy(fmspc, text, 13);
    return strspn(fmspc, "0123456789abcdefABCDEF") == 12;
}
