/* What a set of endorsements holds, for people and as JSON. */
#include <stdio.h>

#include "cli/endorsements/endorsements.h"
#include "cloister/json.h"

/* Of collateral only what has TCB info is dated; the rest is named by its pieces. */
static json_t *pieces_json(const struct clo_tdx_collateral *collateral)
{
    json_t *list = json_array();

    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++)
        if (collateral->pieces[i].size > 0 &&
            json_array_append_new(list, json_string(clo_tdx_piece_name((enum clo_tdx_piece)i))) !=
                    0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *collateral_json(const struct clo_tdx_collateral *collateral)
{
    struct clo_json_object o = { .json = json_object() };
    char fmspc[13];
    int64_t issued, expires;

    if (clo_endorsement_dates(collateral, &issued, &expires, fmspc)) {
        clo_json_set(&o, "fmspc", json_string(fmspc));
        clo_json_set(&o, "issued", clo_json_time(issued));
        clo_json_set(&o, "next_update", clo_json_time(expires));
    }
    clo_json_set(&o, "pieces", pieces_json(collateral));
    return clo_json_finish(&o);
}

static json_t *certificate_json(const struct clo_certificate *certificate)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "subject", json_string(clo_certificate_subject(certificate)));
    clo_json_set(&o, "not_after", clo_json_time(clo_certificate_not_after(certificate)));
    return clo_json_finish(&o);
}

static json_t *crl_json(const struct clo_crl *crl)
{
    struct clo_json_object o = { .json = json_object() };

    clo_json_set(&o, "issuer", json_string(clo_crl_issuer(crl)));
    clo_json_set(&o, "this_update", clo_json_time(clo_crl_this_update(crl)));
    clo_json_set(&o, "next_update", clo_json_time(clo_crl_next_update(crl)));
    return clo_json_finish(&o);
}

static json_t *set_json(const struct clo_endorsement_set *set, int64_t made)
{
    struct clo_json_object o = { .json = json_object() };
    json_t *certificates = json_array(), *crls = json_array(), *collateral = json_array();

    for (size_t i = 0; i < set->certificate_count; i++)
        o.failed |=
                json_array_append_new(certificates, certificate_json(set->certificates[i])) != 0;
    for (size_t i = 0; i < set->crl_count; i++)
        o.failed |= json_array_append_new(crls, crl_json(set->crls[i])) != 0;
    for (size_t i = 0; i < set->collateral_count; i++)
        o.failed |= json_array_append_new(collateral, collateral_json(&set->collateral[i])) != 0;
    clo_json_set(&o, "made", clo_json_time(made));
    clo_json_set(&o, "certificates", certificates);
    clo_json_set(&o, "revocation_lists", crls);
    clo_json_set(&o, "collateral", collateral);
    return clo_json_finish(&o);
}

static void print_left(int64_t until, int64_t now)
{
    long long days = (until - now) / 86400;

    if (until < now)
        printf("has run out, %lld days ago\n", -days);
    else
        printf("holds for %lld days more\n", days);
}

static void print(const struct clo_endorsement_set *set, int64_t made, int64_t now)
{
    printf("made %lld days ago\n", (long long)((now - made) / 86400));
    for (size_t i = 0; i < set->certificate_count; i++)
        printf("certificate: %s\n", clo_certificate_subject(set->certificates[i]));
    for (size_t i = 0; i < set->crl_count; i++) {
        printf("revocation list of %s: ", clo_crl_issuer(set->crls[i]));
        print_left(clo_crl_next_update(set->crls[i]), now);
    }
    for (size_t i = 0; i < set->collateral_count; i++) {
        char fmspc[13];
        int64_t issued, expires;
        if (!clo_endorsement_dates(&set->collateral[i], &issued, &expires, fmspc))
            continue;
        printf("TDX collateral of FMSPC %s: ", fmspc);
        print_left(expires, now);
    }
}

bool endorsements_tell(const struct clo_endorsement_set *set, int64_t made, int64_t now,
                       bool as_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (!as_json) {
        print(set, made, now);
        return true;
    }
    json = set_json(set, made);
    return json == NULL ? clo_out_of_memory(err) : cli_print_json(json, err);
}

void endorsements_freep(struct clo_endorsement_set **set)
{
    clo_endorsement_set_free(*set);
    *set = NULL;
}
