#include "lib/appraise/pins.h"

#include <stdlib.h>
#include <string.h>

#include "lib/appraise/appraise_internal.h"
#include "lib/appraise/tee.h"
#include "lib/policy/policy_internal.h"

/* Fields by number: PCRs first, so that a PCR's number is its field. */
enum field {
    FIELD_PCR = 0,
    FIELD_SNP = CLO_PCR_COUNT,
    FIELD_TDX = FIELD_SNP + 8,
};

/* A class is a platform's and a kind's number in one. */
static unsigned class_of(enum clo_tee tee, enum clo_evidence_kind kind)
{
    return (unsigned)tee * CLO_EVIDENCE_KIND_COUNT + (unsigned)kind;
}

_Static_assert(CLO_TEE_COUNT *CLO_EVIDENCE_KIND_COUNT <= CLO_PIN_CLASSES, "a class is a bit of 32");
_Static_assert(FIELD_TDX + 8 <= CLO_PIN_FIELDS, "a field has its number");

/* The hash is part of it: the same PCR has other values in another bank. */
static struct clo_pin make_pin(unsigned evidence, unsigned field, struct clo_bytes value)
{
    uint8_t head[3] = { (uint8_t)evidence, (uint8_t)field, (uint8_t)value.size };
    const struct clo_bytes parts[] = { clo_bytes(head, sizeof head), value };
    struct clo_digest digest;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    struct clo_reader r = clo_reader(clo_digest_bytes(&digest));
    return (struct clo_pin){ .name = clo_read_be64(&r),
                             .evidence = (uint8_t)evidence,
                             .field = (uint8_t)field };
}

/* --- What evidence shows --- */

static void show(struct clo_pins_shown *shown, unsigned field, struct clo_bytes value)
{
    shown->items[shown->count++] = make_pin(shown->evidence, field, value);
}

static void show_snp(struct clo_pins_shown *shown, const struct clo_snp_report *report)
{
    const struct clo_bytes values[] = { report->measurement,       report->id_key_digest,
                                        report->author_key_digest, report->host_data,
                                        report->family_id,         report->image_id,
                                        report->report_id };

    for (unsigned i = 0; i < CLO_COUNT(values); i++)
        show(shown, FIELD_SNP + i, values[i]);
}

static void show_tdx(struct clo_pins_shown *shown, const struct clo_tdx_body *body)
{
    const struct clo_bytes values[] = { body->mr_td,    body->rtmr[0],        body->rtmr[1],
                                        body->rtmr[2],  body->rtmr[3],        body->mr_config_id,
                                        body->mr_owner, body->mr_owner_config };

    for (unsigned i = 0; i < CLO_COUNT(values); i++)
        show(shown, FIELD_TDX + i, values[i]);
}

static bool show_pcrs(struct clo_pins_shown *shown, const struct clo_evidence *evidence)
{
    struct clo_pcr_bank bank;
    struct clo_error ignored;
    uint32_t mask = 0;

    if (!appraise_read_pcrs(clo_evidence_get(evidence, CLO_EVIDENCE_TPM_PCRS), &bank, &mask,
                            &ignored))
        return false;
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if ((mask >> pcr & 1) != 0)
            show(shown, FIELD_PCR + pcr, clo_digest_bytes(&bank.values[pcr]));
    return true;
}

static bool show_tdx_quote(struct clo_pins_shown *shown, const struct clo_evidence *evidence)
{
    struct clo_bytes bytes = clo_evidence_get(evidence, CLO_EVIDENCE_TDX_QUOTE);
    struct clo_tdx_quote quote;
    struct clo_error ignored;

    if (bytes.data == NULL || !clo_tdx_parse(bytes, &quote, &ignored))
        return false;
    show_tdx(shown, &quote.body);
    return true;
}

/* Kinds of which no value is looked up: terms that name the kind are found, and no others. */
static const struct {
    enum clo_tee tee;
    const char *label;
} unpinned[] = {
    { CLO_TEE_NITRO, CLO_EVIDENCE_NITRO_DOCUMENT },
    { CLO_TEE_SAMPLE, CLO_EVIDENCE_SAMPLE },
};

static bool show_unpinned(const struct clo_evidence *evidence, struct clo_pins_shown *out)
{
    for (size_t i = 0; i < CLO_COUNT(unpinned); i++) {
        if (!clo_evidence_has(evidence, unpinned[i].label))
            continue;
        *out = (struct clo_pins_shown){ .evidence =
                                                class_of(unpinned[i].tee, CLO_EVIDENCE_OF_BARE) };
        return true;
    }
    return false;
}

bool clo_pins_show(const struct clo_evidence *evidence, struct clo_pins_shown *out)
{
    bool has_hcl = clo_evidence_has(evidence, CLO_EVIDENCE_HCL_REPORT);
    bool is_bound = has_hcl || clo_evidence_has(evidence, CLO_EVIDENCE_SVSM_MANIFEST);
    enum clo_evidence_kind kind = has_hcl    ? CLO_EVIDENCE_OF_VTPM
                                  : is_bound ? CLO_EVIDENCE_OF_SVSM
                                             : CLO_EVIDENCE_OF_BARE;
    struct clo_pins_shown shown = { 0 };
    struct clo_snp_report report;

    if (clo_appraise_snp_report(evidence, &report)) {
        shown.evidence = class_of(CLO_TEE_SNP, kind);
        show_snp(&shown, &report);
    } else {
        shown.evidence = class_of(CLO_TEE_TDX, kind);
        if (!show_tdx_quote(&shown, evidence))
            return show_unpinned(evidence, out);
    }
    if (is_bound && !show_pcrs(&shown, evidence))
        return false;
    *out = shown;
    return true;
}

/* --- What terms demand --- */

void clo_pins_free(struct clo_pins *pins)
{
    free(pins->items);
    *pins = (struct clo_pins){ 0 };
}

static bool demand(struct clo_pins *pins, unsigned evidence, unsigned field, struct clo_bytes value,
                   struct clo_error *err)
{
    struct clo_pin pin = make_pin(evidence, field, value);

    for (size_t i = 0; i < pins->count; i++)
        if (pins->items[i].name == pin.name)
            return true;
    if (pins->count == pins->capacity) {
        size_t capacity = pins->capacity == 0 ? 8 : 2 * pins->capacity;
        struct clo_pin *items = reallocarray(pins->items, capacity, sizeof *items);
        if (items == NULL)
            return clo_out_of_memory(err);
        pins->items = items;
        pins->capacity = capacity;
    }
    pins->items[pins->count++] = pin;
    return true;
}

static bool demand_values(struct clo_pins *pins, unsigned evidence, unsigned field,
                          const struct clo_policy_values *values, struct clo_error *err)
{
    for (size_t i = 0; policy_pins(values) && i < values->count; i++)
        if (!demand(pins, evidence, field, clo_bytes(values->items[i], values->size), err))
            return false;
    return true;
}

static bool demand_snp(struct clo_pins *pins, unsigned evidence, const struct clo_policy_snp *snp,
                       struct clo_error *err)
{
    const struct clo_policy_values *const values[] = { &snp->measurement,       &snp->id_key_digest,
                                                       &snp->author_key_digest, &snp->host_data,
                                                       &snp->family_id,         &snp->image_id,
                                                       &snp->report_id };

    for (unsigned i = 0; i < CLO_COUNT(values); i++)
        if (!demand_values(pins, evidence, FIELD_SNP + i, values[i], err))
            return false;
    return true;
}

/* Where the policy says nothing of MRTD, a reference must. */
static bool demand_mr_td(struct clo_pins *pins, unsigned evidence,
                         const struct clo_appraise_terms *terms, struct clo_error *err)
{
    struct clo_digest value;

    if (policy_says(&terms->policy->tdx.mr_td))
        return true;
    for (size_t i = 0; i < terms->reference_count; i++)
        for (size_t k = 0; clo_reference_mr_td(terms->references[i], k, &value); k++)
            if (!demand(pins, evidence, FIELD_TDX, clo_digest_bytes(&value), err))
                return false;
    return true;
}

static bool demand_tdx(struct clo_pins *pins, unsigned evidence,
                       const struct clo_appraise_terms *terms, struct clo_error *err)
{
    const struct clo_policy_tdx *tdx = &terms->policy->tdx;
    const struct clo_policy_values *const values[] = { &tdx->mr_td,    &tdx->rtmr[0],
                                                       &tdx->rtmr[1],  &tdx->rtmr[2],
                                                       &tdx->rtmr[3],  &tdx->mr_config_id,
                                                       &tdx->mr_owner, &tdx->mr_owner_config };

    for (unsigned i = 0; i < CLO_COUNT(values); i++)
        if (!demand_values(pins, evidence, FIELD_TDX + i, values[i], err))
            return false;
    return demand_mr_td(pins, evidence, terms, err);
}

/* --- PCRs --- */

static bool has_value(const struct clo_reference *reference, enum clo_hash hash, unsigned pcr,
                      const char *phase)
{
    struct clo_digest ignored;

    return clo_reference_value(reference, hash, pcr, phase, &ignored);
}

/* Do all references of one origin know it? Of each origin one at least is chosen (appraise_select.c). */
static bool is_known_by_an_origin(const struct clo_appraise_terms *terms, enum clo_hash hash,
                                  unsigned pcr)
{
    const char *phase = terms->policy->phase;

    for (size_t i = 0; i < terms->reference_count; i++) {
        const char *origin = clo_reference_origin(terms->references[i]);
        bool is_everywhere = true;
        for (size_t k = 0; is_everywhere && k < terms->reference_count; k++)
            is_everywhere = strcmp(clo_reference_origin(terms->references[k]), origin) != 0 ||
                            has_value(terms->references[k], hash, pcr, phase);
        if (is_everywhere)
            return true;
    }
    return false;
}

static bool is_bank_known(const struct clo_appraise_terms *terms, enum clo_hash hash)
{
    for (size_t i = 0; i < terms->reference_count; i++)
        if (clo_reference_mask(terms->references[i], hash, terms->policy->phase) != 0)
            return true;
    return false;
}

/* Must the PCR have a reference value, in whichever bank was quoted? */
static bool is_demanded(const struct clo_appraise_terms *terms, unsigned pcr)
{
    if (terms->policy->has_pcrs)
        return (terms->policy->pcrs >> pcr & 1) != 0;
    for (int hash = 0; hash < CLO_HASH_COUNT; hash++)
        if (is_bank_known(terms, (enum clo_hash)hash) &&
            !is_known_by_an_origin(terms, (enum clo_hash)hash, pcr))
            return false;
    return true;
}

static bool demand_pcr(struct clo_pins *pins, unsigned evidence,
                       const struct clo_appraise_terms *terms, unsigned pcr, struct clo_error *err)
{
    struct clo_digest value;

    for (size_t i = 0; i < terms->reference_count; i++)
        for (int hash = 0; hash < CLO_HASH_COUNT; hash++)
            if (clo_reference_value(terms->references[i], (enum clo_hash)hash, pcr,
                                    terms->policy->phase, &value) &&
                !demand(pins, evidence, FIELD_PCR + pcr, clo_digest_bytes(&value), err))
                return false;
    return true;
}

/* Those that tell one image from another: boot loader and kernel, the UKI's sections, what Secure Boot goes by, and the
 * command line. PCR 0 is firmware's, and many images have the same. */
static bool demand_pcrs(struct clo_pins *pins, unsigned evidence,
                        const struct clo_appraise_terms *terms, struct clo_error *err)
{
    static const unsigned pcrs[] = { 4, 11, 12, 9, 7 };

    for (size_t i = 0; i < CLO_COUNT(pcrs); i++)
        if (is_demanded(terms, pcrs[i]) && !demand_pcr(pins, evidence, terms, pcrs[i], err))
            return false;
    return true;
}

static bool demand_class(struct clo_pins *pins, const struct clo_appraise_terms *terms,
                         enum clo_tee tee, enum clo_evidence_kind kind, struct clo_error *err)
{
    unsigned evidence = class_of(tee, kind);

    pins->classes |= 1U << evidence;
    if (kind != CLO_EVIDENCE_OF_BARE && !demand_pcrs(pins, evidence, terms, err))
        return false;
    if (tee == CLO_TEE_SNP)
        return demand_snp(pins, evidence, &terms->policy->snp, err);
    return tee != CLO_TEE_TDX || demand_tdx(pins, evidence, terms, err);
}

bool clo_pins_demand(const struct clo_appraise_terms *terms, struct clo_pins *out,
                     struct clo_error *err)
{
    static const enum clo_tee tees_known[] = { CLO_TEE_SNP, CLO_TEE_TDX };
    CLO_CLEANUP(clo_pins_free) struct clo_pins pins = { 0 };
    uint32_t kinds = clo_policy_evidence(terms->policy);

    for (size_t i = 0; i < CLO_COUNT(tees_known); i++)
        for (int kind = 0; kind < CLO_EVIDENCE_KIND_COUNT; kind++)
            if (clo_policy_allows(terms->policy, tees_known[i]) && (kinds >> kind & 1) != 0 &&
                !demand_class(&pins, terms, tees_known[i], (enum clo_evidence_kind)kind, err))
                return false;
    for (size_t i = 0; i < CLO_COUNT(unpinned); i++)
        if (clo_policy_allows(terms->policy, unpinned[i].tee))
            pins.classes |= 1U << class_of(unpinned[i].tee, CLO_EVIDENCE_OF_BARE);
    *out = pins;
    pins = (struct clo_pins){ 0 };
    return true;
}
