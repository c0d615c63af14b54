#include "lib/appraise/tee_tpm_voucher.h"

#include <stdlib.h>
#include <string.h>

#include "lib/policy/policy_internal.h"
#include "lib/tcg/tpm_public.h"

#define SUBJECT_ALT_NAME \
    "2.5.29.17" /* TPM manufacturer and model: TCG's profile makes it critical */
#define EXTENDED_KEY_USAGE "2.5.29.37"

static void free_vouched(void *state)
{
    struct tpm_vouched *vouched = state;

    clo_snp_certificates_free(&vouched->certificates);
    clo_public_key_free(vouched->own);
    clo_tpm_challenge_free(&vouched->challenge);
    clo_public_key_free(vouched->activated);
    free(vouched);
}

/* Never told from another entry's memory than by its owner. */
static const struct tee keeper = { .free = free_vouched };

static struct tpm_vouched *own(const struct work *w)
{
    return tee_kept(w, &keeper);
}

const struct tpm_vouched *tpm_vouched(const struct work *w)
{
    return own(w);
}

/* --- What the evidence says of its own key --- */

/* Attributes are the attester's word until something binds the area: but a key that may sign anything is refused. */
static bool read_area(struct work *w, struct tpm_vouched *vouched, struct clo_error *err)
{
    struct clo_bytes area = clo_evidence_get(w->evidence, CLO_EVIDENCE_TPM_AK);
    struct clo_tpm_public key;
    struct clo_error refused;

    if (area.data == NULL)
        area = w->inputs->ak_public;
    if (area.data == NULL)
        return true;
    if (!clo_tpm_public_read(area, &key, err))
        return clo_wrap(err, "evidence: attestation key");
    vouched->own = key.key;
    bool holds = clo_tpm_public_attests(&key, &refused);
    clo_check_that(w->checks, "tpm.ak.attributes", holds, "%s",
                   holds ? "a restricted signing key that never leaves its TPM" : refused.text);
    return true;
}

bool tpm_voucher_same_key(const struct clo_public_key *a, const struct clo_public_key *b)
{
    struct clo_digest first;
    struct clo_digest second;
    struct clo_error ignored;

    return clo_public_key_fingerprint(a, &first, &ignored) &&
           clo_public_key_fingerprint(b, &second, &ignored) && clo_digest_equal(&first, &second);
}

/* Whoever names the key as well must mean the same one. */
static void check_same(struct work *w, const struct clo_public_key *other, const char *which)
{
    if (other == NULL || w->ak == NULL || other == w->ak)
        return;
    bool same = tpm_voucher_same_key(other, w->ak);
    clo_check_that(w->checks, "tpm.ak.key", same, "the key that %s %s the vouched one", which,
                   same ? "is" : "is not");
}

/* --- The maker's certificate --- */

static bool is_google(const struct clo_digest *root)
{
    for (size_t i = 0; i < CLO_GCE_ROOTS; i++)
        if (clo_digest_equal(&clo_gce_roots[i], root))
            return true;
    return false;
}

static bool add_all(struct tpm_vouched *vouched, const struct clo_snp_certificates *more,
                    struct clo_error *err)
{
    for (size_t i = 0; more != NULL && i < more->count; i++)
        if (!clo_snp_certificates_add(&vouched->certificates, clo_certificate_der(more->items[i]),
                                      err))
            return false;
    for (size_t i = 0; more != NULL && i < more->crl_count; i++)
        if (!clo_snp_certificates_read(&vouched->certificates, clo_crl_der(more->crls[i]), err))
            return false;
    return true;
}

/* The caller's lists and those that came along; what either revokes is revoked. */
static size_t collect_lists(const struct work *w, const struct tpm_vouched *vouched,
                            const struct clo_crl **out, size_t most)
{
    const struct clo_endorsements *endorsements = &w->inputs->endorsements;
    size_t count = 0;

    for (size_t i = 0; i < endorsements->crl_count && count < most; i++)
        out[count++] = endorsements->crls[i];
    for (size_t i = 0; i < vouched->certificates.crl_count && count < most; i++)
        out[count++] = vouched->certificates.crls[i];
    return count;
}

bool tpm_voucher_check_chain(struct work *w, struct tpm_vouched *vouched,
                             const struct x509_path_ids *ids, bool *holds, struct clo_error *err)
{
    static const char *const known[] = { SUBJECT_ALT_NAME, EXTENDED_KEY_USAGE };
    CLO_CLEANUP(clo_freep) struct clo_digest *roots = NULL;
    const struct clo_crl *lists[128];
    const struct clo_certificate *leaf = vouched->certificates.items[0];
    struct x509_path path;
    size_t root_count;

    if (!appraise_roots(w, &roots, &root_count, err))
        return false;
    const struct x509_trust trust = {
        .certificates = (const struct clo_certificate *const *)vouched->certificates.items,
        .certificate_count = vouched->certificates.count,
        .crls = lists,
        .crl_count = collect_lists(w, vouched, lists, CLO_COUNT(lists)),
        .roots = root_count == 0 ? clo_gce_roots : roots,
        .root_count = root_count == 0 ? CLO_GCE_ROOTS : root_count,
        .known = known,
        .known_count = CLO_COUNT(known),
        .at = w->inputs->at,
    };
    *holds = x509_path_check(leaf, &trust, ids, w->checks, &path);
    if (!*holds)
        return true;
    vouched->root = path.root;
    vouched->is_makers = is_google(&path.root);
    w->root_name = clo_json_text(clo_certificate_subject(path.items[path.count - 1]));
    appraise_expires(w, path.until, "certificate");
    return true;
}

static bool check_certificate(struct work *w, struct tpm_vouched *vouched, struct clo_error *err)
{
    static const struct x509_path_ids ids = { "tpm.ak.chain", "tpm.ak.root", "tpm.ak.validity",
                                              "tpm.ak.revocation" };
    bool holds;

    if (!tpm_voucher_check_chain(w, vouched, &ids, &holds, err))
        return false;
    if (holds) {
        vouched->by = TPM_VOUCHED_BY_CERTIFICATE;
        w->ak = clo_certificate_key(vouched->certificates.items[0]);
    }
    return true;
}

/* Which machine it is of, where it is Google's; only of a chain that holds. */
static bool take_instance(struct work *w, struct tpm_vouched *vouched, struct clo_error *err)
{
    static const char id[] = "tpm.ak.instance";
    const struct clo_policy *policy = w->inputs->policy;
    struct clo_gce_instance *instance = &vouched->instance;
    struct clo_error why;

    if (vouched->by != TPM_VOUCHED_BY_CERTIFICATE)
        return true;
    vouched->is_instance = clo_gce_instance_parse(vouched->certificates.items[0], instance, &why);
    bool may_be_test = policy != NULL && policy->tpm.allow_not_production;
    if (vouched->is_instance && !instance->is_production && !may_be_test) {
        vouched->is_instance = false;
        clo_fail(&why, CLO_ERR_REFUSED, "the certificate does not call it a production instance");
    }
    if (!vouched->is_instance) {
        if (w->inputs->must_be_gce || why.status != CLO_ERR_UNAVAILABLE)
            clo_check_that(w->checks, id, false, "%s", why.text);
        return true;
    }
    clo_check_that(w->checks, id, true, "%s, instance %llu of project %s in %s", instance->name,
                   (unsigned long long)instance->id, instance->project_id, instance->zone);
    appraise_warn(w, "GCE's vTPM lies outside of the confidential VM: its word is that of whoever "
                     "runs the host, and no hardware report binds it");
    return appraise_claims(w, clo_gce_instance_json(instance), err);
}

bool tpm_voucher_read_certificates(struct work *w, struct tpm_vouched *vouched,
                                   struct clo_bytes pem, struct clo_error *err)
{
    return clo_snp_certificates_add(&vouched->certificates, pem, err) &&
           add_all(vouched, w->inputs->endorsements.certificates, err) &&
           (w->inputs->policy == NULL ||
            add_all(vouched, &w->inputs->policy->root_certificates, err));
}

static bool read_chain(struct work *w, struct tpm_vouched *vouched, struct clo_error *err)
{
    struct clo_bytes pem = clo_evidence_get(w->evidence, CLO_EVIDENCE_TPM_AK_CERTIFICATES);

    /* Who names the key has no need of a maker. */
    if (pem.data == NULL || w->inputs->activation.challenge.data != NULL ||
        (w->inputs->ak != NULL && !w->inputs->must_be_gce))
        return true;
    vouched->has_chain = true;
    if (!tpm_voucher_read_certificates(w, vouched, pem, err))
        return clo_wrap(err, "evidence: certificates of the attestation key");
    return check_certificate(w, vouched, err) && take_instance(w, vouched, err);
}

/* --- All of it --- */

bool tpm_voucher_find(struct work *w, struct clo_error *err)
{
    struct tpm_vouched *vouched = tee_keep(w, &keeper, sizeof *vouched, err);

    if (vouched == NULL || !read_area(w, vouched, err) ||
        !tpm_voucher_by_credential(w, vouched, err) || !read_chain(w, vouched, err))
        return false;
    if (!vouched->has_chain && w->inputs->must_be_gce)
        clo_check_that(w->checks, "tpm.ak.chain", false,
                       "the evidence has no certificate of the attestation key");
    if (vouched->by == TPM_VOUCHED_BY_NOBODY && !vouched->has_chain && w->inputs->ak != NULL) {
        vouched->by = TPM_VOUCHED_BY_CALLER;
        w->ak = w->inputs->ak;
        appraise_warn(w, "no hardware report: the TPM's key is believed because it was given");
    } else if (vouched->by == TPM_VOUCHED_BY_NOBODY && !vouched->has_chain) {
        /* The quote is looked at all the same, so that what is in it is told. */
        w->ak = vouched->own;
        clo_check_that(w->checks, "tpm.ak.key", false,
                       "nobody vouches for the key that signed the quote, and anyone can make one: "
                       "--ak names it, --ak-cert its certificate, --challenge a credential");
    }
    check_same(w, w->inputs->ak, "was given");
    if (clo_evidence_has(w->evidence, CLO_EVIDENCE_TPM_AK))
        check_same(w, vouched->own, "the evidence has");
    return true;
}

void tpm_voucher_check_given(struct work *w)
{
    const struct clo_appraise_inputs *inputs = w->inputs;

    if (w->tee->kind == CLO_EVIDENCE_OF_TPM)
        return;
    if (inputs->must_be_gce)
        clo_check_that(
                w->checks, "tpm.ak.instance", false,
                "the evidence has a hardware report, and no certificate of Google's decides");
    if (inputs->activation.challenge.data != NULL && w->tee->kind != CLO_EVIDENCE_OF_SVSM)
        clo_check_that(w->checks, "tpm.ak.credential", false,
                       "the evidence has a hardware report, and no credential decides");
    if (inputs->ak != NULL && !w->is_ak_bound)
        clo_check_that(w->checks, "tpm.ak.key", false,
                       "the evidence has a hardware report, and it does not bind the key that was "
                       "given");
}

/* A maker's root vouches for the key, by a certificate of it or of the endorsement key next to it. */
static bool has_maker(const struct tpm_vouched *vouched)
{
    return vouched != NULL &&
           (vouched->by == TPM_VOUCHED_BY_CERTIFICATE || vouched->by == TPM_VOUCHED_BY_CREDENTIAL);
}

void tpm_voucher_leave_open(struct work *w)
{
    const struct tpm_vouched *vouched = own(w);

    if (!has_maker(vouched))
        appraise_leave_open(w, "firmware",
                            "no hardware report vouches for the TPM: it may be anybody's");
    else if (vouched->is_instance || vouched->is_makers)
        appraise_leave_open(w, "firmware",
                            "the TPM is Google's, outside of the confidential VM: the host may "
                            "make it say anything");
}

/* --- By the policy --- */

void tpm_voucher_check_policy(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    const struct tpm_vouched *vouched = own(w);
    bool holds = false;

    if (vouched == NULL)
        return;
    if (has_maker(vouched) && policy->root_count > 0) {
        for (size_t i = 0; i < policy->root_count; i++)
            holds = holds || clo_digest_equal(&policy->roots[i], &vouched->root);
        clo_check_that(w->checks, "policy.root", holds,
                       "the policy %s the root of this TPM's certificate",
                       holds ? "names" : "does not name");
    }
    const struct policy_tpm_facts facts = {
        .quote = w->has_quote ? &w->quote.quote : NULL,
        .instance = vouched->is_instance ? &vouched->instance : NULL,
        .is_vouched = has_maker(vouched),
    };
    policy_appraise_tpm(policy, &facts, w->checks);
}
