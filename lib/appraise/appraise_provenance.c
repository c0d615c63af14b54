/* What an appraisal was made from: when, whose root vouches and until when, which references were held
 * against which registers. Nothing is decided here: it is what a reader needs in order to know what the
 * verdict is of. */
#include <stdio.h>

#include "appraise_internal.h"

/* The first to run out counts. */
static void expires(struct work *w, int64_t at, const char *what)
{
    if (w->expires_what != NULL && w->expires <= at)
        return;
    w->expires = at;
    w->expires_what = what;
}

void appraise_provenance_snp(struct work *w, const struct clo_snp_chain *chain,
                             const struct clo_crl *const *crls, size_t crl_count)
{
    const struct clo_certificate *const issuers[] = { chain->leaf, chain->intermediate,
                                                      chain->root };

    for (size_t i = 0; i < CLO_COUNT(issuers); i++)
        if (issuers[i] != NULL)
            expires(w, clo_certificate_not_after(issuers[i]), "certificate");
    for (size_t i = 0; i < crl_count; i++)
        for (size_t k = 1; k < CLO_COUNT(issuers); k++)
            if (w->snp.revocation_checked && issuers[k] != NULL &&
                clo_crl_is_from(crls[i], issuers[k]) &&
                clo_crl_next_update(crls[i]) >= w->inputs->at)
                expires(w, clo_crl_next_update(crls[i]), "revocation list");
    if (chain->root != NULL)
        w->root_name = clo_json_text(clo_certificate_subject(chain->root));
}

void appraise_provenance_tdx(struct work *w)
{
    int64_t from, until;

    clo_tdx_platform_window(w->tdx_platform, &from, &until);
    expires(w, until, "collateral");
}

static json_t *root_json(struct work *w)
{
    const struct clo_digest *root = w->is_verified ? &w->snp.root : &w->tdx.root;
    bool is_makers = w->is_verified ? w->snp.is_amd : w->tdx.is_intel;
    struct clo_json_object o = { .json = json_object() };

    clo_json_set_hex(&o, "sha256", clo_digest_bytes(root));
    clo_json_set(&o, "maker",
                 is_makers ? json_string(w->is_verified ? "AMD" : "Intel") : json_null());
    if (w->root_name != NULL)
        clo_json_set(&o, "name", json_incref(w->root_name));
    return clo_json_finish(&o);
}

/* The registers that have the reference's value, PCRs and RTMRs as they are named in checks. */
static json_t *registers_json(const struct work *w, const struct clo_reference *reference)
{
    json_t *list = json_array();
    struct clo_digest value;
    char name[16];

    for (unsigned i = 0; i < CLO_PCR_COUNT && w->pcr_mask != 0; i++)
        if ((w->pcr_mask >> i & 1) != 0 &&
            clo_reference_value(reference, w->pcrs.hash, i, w->phase, &value) &&
            clo_digest_equal(&value, &w->pcrs.values[i])) {
            snprintf(name, sizeof name, "pcr.%u", i);
            json_array_append_new(list, json_string(name));
        }
    for (unsigned i = 0; i < CLO_RTMR_COUNT && w->pcr_mask == 0 && w->is_tdx_verified; i++)
        if (clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(i), "", &value) &&
            clo_bytes_equal(clo_digest_bytes(&value), w->tdx.quote.body.rtmr[i])) {
            snprintf(name, sizeof name, "rtmr.%u", i);
            json_array_append_new(list, json_string(name));
        }
    return list;
}

static json_t *reference_json(const struct work *w, const struct clo_reference *reference)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const json_t *file = clo_reference_json(reference);
    json_t *created = json_object_get(file, "created");
    struct clo_json_object o = { .json = json_object() };
    struct clo_digest digest;
    struct clo_error ignored;

    clo_json_set(&o, "name", json_string(clo_reference_name(reference)));
    clo_json_set(&o, "origin", json_string(clo_reference_origin(reference)));
    if (created != NULL)
        clo_json_set(&o, "created", json_incref(created));
    if (clo_reference_write(reference, &text, &ignored)) {
        clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), &digest);
        clo_json_set_hex(&o, "sha256", clo_digest_bytes(&digest));
    }
    clo_json_set(&o, "registers", registers_json(w, reference));
    return clo_json_finish(&o);
}

bool appraise_provenance(struct work *w, struct clo_error *err)
{
    struct clo_json_object o = { .json = json_object() };
    json_t *references = json_array();
    const struct clo_policy *policy = w->inputs->policy;

    for (size_t i = 0; i < w->inputs->reference_count; i++)
        json_array_append_new(references, reference_json(w, w->inputs->references[i]));
    clo_json_set(&o, "at", clo_json_time(w->inputs->at));
    clo_json_set(&o, "phase", json_string(w->phase));
    clo_json_set(&o, "references", references);
    if (policy != NULL) {
        clo_json_set_hex(&o, "policy_sha256", clo_digest_bytes(&policy->fingerprint));
        clo_json_set(&o, "policy_is_owners", json_boolean(!policy->is_strict_builtin));
    }
    if (w->is_verified || w->is_tdx_verified)
        clo_json_set(&o, "root", root_json(w));
    if (w->expires_what != NULL)
        clo_json_set(
                &o, "expires",
                json_pack("{s:o, s:s}", "at", clo_json_time(w->expires), "what", w->expires_what));
    w->appraisal->provenance = clo_json_finish(&o);
    return w->appraisal->provenance != NULL || clo_out_of_memory(err);
}
