#include "verifier/endorsements/endorsements.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cloister/encoding.h"
#include "cloister/hcl.h"
#include "endorsements_internal.h"
#include "lib/appraise/missing.h"
#include "verifier/peer.h"

#define LENT_MAX 12 /* certificates for one chain: a third of what an appraisal takes */

int64_t endorser_now(const struct clo_endorser *endorser)
{
    return endorser->spec.now(endorser->spec.context);
}

void endorser_entry_free(struct entry *entry)
{
    if (entry == NULL)
        return;
    clo_buffer_free(&entry->request.about);
    clo_answer_free(&entry->answer);
    free(entry);
}

bool clo_endorser_new(const struct clo_endorser_spec *spec, struct clo_endorser **out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = calloc(1, sizeof *endorser);

    if (endorser == NULL)
        return clo_out_of_memory(err);
    endorser->spec = *spec;
    if (spec->random.fill != NULL &&
        !spec->random.fill(spec->random.context, endorser->key, sizeof endorser->key))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    pthread_mutex_init(&endorser->lock, NULL);
    pthread_cond_init(&endorser->wake, NULL);
    endorser->files = calloc(1, sizeof *endorser->files);
    if (endorser->files == NULL)
        return clo_out_of_memory(err);
    if (spec->load != NULL && !spec->load(spec->context, endorser->files, err))
        return clo_wrap(err, "endorsements");
    if (!endorser_start(endorser, err))
        return false;
    *out = CLO_TAKE(endorser);
    return true;
}

void clo_endorser_free(struct clo_endorser *endorser)
{
    if (endorser == NULL)
        return;
    endorser_end(endorser);
    for (size_t i = 0; i < endorser->entry_count; i++)
        endorser_entry_free(endorser->entries[i]);
    clo_endorsement_set_free(endorser->files);
    pthread_cond_destroy(&endorser->wake);
    pthread_mutex_destroy(&endorser->lock);
    free(endorser);
}

void clo_endorser_freep(struct clo_endorser **endorser)
{
    clo_endorser_free(*endorser);
    *endorser = NULL;
}

/* --- Asking for what is not here --- */

/* Says why there is no decision, and sees to it that there will be one. */
static bool lack(struct clo_endorser *endorser, const struct clo_request *request,
                 struct clo_error *err)
{
    const char *what = request->name;

    if (endorser->spec.transport == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "endorsements: the verifier's files have no current %s", what);
    const struct entry *entry = endorser_want(endorser, request);
    if (entry == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "endorsements: too many are being fetched for this address");
    if (entry->failures > 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "endorsements: no current %s: %s", what,
                        entry->why.text);
    return clo_fail(err, CLO_ERR_UNAVAILABLE, "endorsements: %s: being fetched", what);
}

/* --- SEV-SNP --- */

/* Copies the pointers: what is borrowed is never freed from there. */
static bool lend(struct clo_snp_certificates *to, struct clo_certificate *certificate)
{
    for (size_t i = 0; i < to->count; i++)
        if (to->items[i] == certificate)
            return true;
    if (to->count == LENT_MAX)
        return false; /* the rest is for AMD's own, the policy's and the evidence's */
    to->items[to->count++] = certificate;
    return true;
}

static bool names_issuer(const struct clo_snp_certificates *set,
                         const struct clo_certificate *issuer)
{
    for (size_t i = 0; i < set->count; i++)
        if (clo_bytes_equal(clo_certificate_issuer_name(set->items[i]),
                            clo_certificate_subject_name(issuer)))
            return true;
    return false;
}

/* Of all the issuers those that this chain names, so that an owner with many roots crowds none of them out:
 * what was fetched first, since it fits. */
static void lend_issuers(const struct clo_endorser *endorser,
                         const struct clo_snp_certificates *brought,
                         struct clo_snp_certificates *out)
{
    const struct clo_endorsement_set *files = endorser->files;

    for (size_t i = 0; i < endorser->entry_count; i++)
        for (size_t k = 0; endorser->entries[i]->kind == ENTRY_CHAIN &&
                           k < endorser->entries[i]->answer.certificates.count;
             k++) {
            struct clo_certificate *issuer = endorser->entries[i]->answer.certificates.items[k];
            if (names_issuer(brought, issuer) || names_issuer(out, issuer))
                (void)lend(out, issuer);
        }
    for (size_t i = 0; i < files->certificate_count; i++) {
        struct clo_certificate *issuer = files->certificates[i];
        if (clo_certificate_is_ca(issuer, NULL) &&
            (names_issuer(brought, issuer) || names_issuer(out, issuer)))
            (void)lend(out, issuer);
    }
}

/* The leaf of this report, and the issuers of its chain. */
static void lend_certificates(const struct clo_endorser *endorser,
                              const struct clo_snp_report *report,
                              const struct clo_snp_certificates *brought,
                              struct clo_snp_certificates *out)
{
    const struct clo_endorsement_set *files = endorser->files;

    for (size_t i = 0; i < endorser->entry_count; i++) {
        const struct entry *entry = endorser->entries[i];
        for (size_t k = 0; entry->kind == ENTRY_VCEK && k < entry->answer.certificates.count; k++)
            if (clo_snp_leaf_fits(entry->answer.certificates.items[k], report))
                (void)lend(out, entry->answer.certificates.items[k]);
    }
    for (size_t i = 0; i < files->certificate_count; i++)
        if (clo_snp_leaf_fits(files->certificates[i], report))
            (void)lend(out, files->certificates[i]);
    /* The intermediate first; then the root, which it names. */
    for (int step = 0; step < 2; step++)
        lend_issuers(endorser, brought, out);
}

/* Every list that may be of the chain. */
static void lend_crls(const struct clo_endorser *endorser, const struct clo_snp_chain *chain,
                      struct clo_endorsed *out)
{
    const struct clo_certificate *const issuers[] = { chain->root, chain->intermediate };
    const struct clo_endorsement_set *files = endorser->files;
    size_t count = 0;

    for (size_t k = 0; k < CLO_COUNT(issuers); k++) {
        for (size_t i = 0; issuers[k] != NULL && i < files->crl_count; i++)
            if (count < CLO_COUNT(out->crls) && clo_crl_is_from(files->crls[i], issuers[k]))
                out->crls[count++] = files->crls[i];
        for (size_t i = 0; issuers[k] != NULL && i < endorser->entry_count; i++) {
            const struct clo_crl *crl = endorser->entries[i]->answer.crl;
            if (crl != NULL && count < CLO_COUNT(out->crls) && clo_crl_is_from(crl, issuers[k]))
                out->crls[count++] = crl;
        }
    }
    out->endorsements.crls = out->crls;
    out->endorsements.crl_count = count;
}

/* One of AMD's, or that the owner's files name: others can be made up by a client. */
static bool is_known_root(const struct clo_endorser *endorser, const struct clo_certificate *root)
{
    const struct clo_endorsement_set *files = endorser->files;
    struct clo_digest fingerprint;
    struct clo_error ignored;

    if (root == NULL ||
        !clo_public_key_fingerprint(clo_certificate_key(root), &fingerprint, &ignored))
        return false;
    bool is_known = clo_snp_amd_root(&fingerprint) != CLO_SNP_UNKNOWN;
    for (size_t i = 0; i < files->certificate_count && !is_known; i++)
        is_known = clo_bytes_equal(clo_certificate_der(files->certificates[i]),
                                   clo_certificate_der(root));
    return is_known;
}

/* What cannot be got is for the appraisal to refuse; what can is waited for. */
static bool is_waited_for(const struct clo_endorser *endorser, const struct clo_request *request,
                          const struct clo_snp_report *report, const struct clo_snp_chain *chain)
{
    bool fetches = endorser->spec.transport != NULL;

    switch (request->kind) {
    case CLO_REQUEST_VCEK:
        return fetches && report->signing_key == CLO_SNP_VCEK && !clo_bytes_all(report->chip_id, 0);
    case CLO_REQUEST_SNP_CHAIN:
        return fetches && !request->is_named;
    case CLO_REQUEST_SNP_CRL:
        return is_known_root(endorser, chain->root);
    default:
        return false;
    }
}

static bool take_snp(struct clo_endorser *endorser, struct clo_certificate_cache *cache,
                     const struct clo_evidence *evidence, const struct clo_snp_report *report,
                     int64_t at, struct clo_endorsed *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates all = { 0 };
    CLO_CLEANUP(clo_snp_certificates_free)
    struct clo_snp_certificates brought = { .cache = cache };
    CLO_CLEANUP(clo_requests_free) struct clo_requests missing = { 0 };
    struct clo_bytes table = clo_evidence_get(evidence, CLO_EVIDENCE_SNP_CERTIFICATES);
    struct clo_snp_chain chain;

    if (table.data != NULL && !clo_snp_certificates_add_table(&brought, table, err))
        return clo_wrap(err, "evidence: certificates");
    lend_certificates(endorser, report, &brought, &out->certificates);
    out->endorsements.certificates = &out->certificates;
    const struct clo_appraise_inputs inputs = { .at = at,
                                                .endorsements = out->endorsements,
                                                .certificate_cache = cache };
    if (!clo_appraise_snp_chain(evidence, &inputs, report, &all, &chain, err))
        return false;
    lend_crls(endorser, &chain, out);
    if (!clo_missing_snp(report, &chain, out->crls, out->endorsements.crl_count, at, &missing, err))
        return false;
    return missing.count == 0 || !is_waited_for(endorser, &missing.items[0], report, &chain) ||
           lack(endorser, &missing.items[0], err);
}

/* --- TDX --- */

/* Is the chain one that ends in Intel's root, or in one that the owner's files name? Others can be made up, and
 * with them as many platforms as one likes. */
static bool is_known_platform(const struct clo_endorser *endorser, struct clo_bytes chain,
                              int64_t at)
{
    const struct clo_endorsement_set *files = endorser->files;
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    CLO_CLEANUP(clo_tdx_platform_freep) struct clo_tdx_platform *platform = NULL;
    struct clo_digest roots[16];
    struct clo_tdx_trust trust = { .at = at, .intel = true, .roots = roots, .without_tcb = true };
    struct clo_error ignored;

    for (size_t i = 0; i < files->certificate_count && trust.root_count < CLO_COUNT(roots); i++)
        if (clo_certificate_is_ca(files->certificates[i], NULL) &&
            clo_public_key_fingerprint(clo_certificate_key(files->certificates[i]),
                                       &roots[trust.root_count], &ignored))
            trust.root_count++;
    if (!clo_tdx_platform_new(chain, NULL, &trust, &checks, &platform, &ignored))
        return false;
    const struct clo_check *chain_check = clo_checks_get(&checks, "tdx.pck_chain");
    const struct clo_check *root_check = clo_checks_get(&checks, "tdx.root");
    return chain_check != NULL && chain_check->result == CLO_CHECK_PASS && root_check != NULL &&
           root_check->result == CLO_CHECK_PASS;
}

static bool choose(const struct clo_endorser *endorser, struct clo_bytes chain, const char *name,
                   int64_t at, struct clo_tdx_choice *out, struct clo_error *err)
{
    const struct clo_tdx_collateral *sets[CLO_TDX_SETS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < endorser->files->collateral_count; i++)
        sets[count++] = &endorser->files->collateral[i];
    for (size_t i = 0; i < endorser->entry_count; i++)
        if (endorser->entries[i]->kind == ENTRY_COLLATERAL && endorser->entries[i]->is_held &&
            strcmp(endorser->entries[i]->request.name, name) == 0)
            sets[count++] = &endorser->entries[i]->answer.collateral;
    return clo_tdx_collateral_choose(sets, count, count, chain, at, out, err);
}

static bool take_tdx(struct clo_endorser *endorser, const struct clo_tdx_quote *quote, int64_t at,
                     struct clo_endorsed *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_requests_free) struct clo_requests missing = { 0 };
    char name[CLO_REQUEST_NAME];
    struct clo_tdx_pck pck;
    struct clo_error ignored;

    if (!clo_tdx_pck_from_chain(quote->chain, &pck, &ignored))
        return true; /* for the appraisal to refuse */
    clo_request_name_tdx(&pck, name);
    if (!choose(endorser, quote->chain, name, at, &out->choice, err) ||
        !clo_missing_tdx(&pck, &out->choice, &missing, err))
        return false;
    out->sets[0] = &out->choice.collateral;
    out->endorsements.tdx_collateral = out->sets;
    out->endorsements.tdx_collateral_count = 1;
    return missing.count == 0 || !is_known_platform(endorser, quote->chain, at) ||
           lack(endorser, &missing.items[0], err);
}

/* --- Both --- */

void clo_endorsed_free(struct clo_endorsed *endorsed)
{
    clo_tdx_choice_free(&endorsed->choice);
    if (endorsed->endorser != NULL)
        pthread_mutex_unlock(&endorsed->endorser->lock);
    *endorsed = (struct clo_endorsed){ 0 };
}

bool clo_endorser_take(struct clo_endorser *endorser, struct clo_certificate_cache *cache,
                       const struct clo_evidence *evidence, const char *peer, int64_t at,
                       struct clo_endorsed *out, struct clo_error *err)
{
    struct clo_bytes bytes = clo_evidence_get(evidence, CLO_EVIDENCE_TDX_QUOTE);
    struct clo_snp_report report;
    struct clo_tdx_quote quote;
    struct clo_error ignored;

    *out = (struct clo_endorsed){ 0 };
    if (endorser == NULL)
        return true;
    pthread_mutex_lock(&endorser->lock);
    out->endorser = endorser;
    endorser->client = clo_peer_name(clo_bytes(endorser->key, sizeof endorser->key), peer);
    out->endorsements.are_required = true;
    if (clo_appraise_snp_report(evidence, &report))
        return take_snp(endorser, cache, evidence, &report, at, out, err);
    return bytes.data == NULL || !clo_tdx_parse(bytes, &quote, &ignored) ||
           take_tdx(endorser, &quote, at, out, err);
}

/* --- Metrics --- */

/* What Prometheus takes as a label's value. */
static void append_label(struct clo_buffer *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\')
            clo_buffer_printf(out, "\\%c", *text);
        else if (*text >= ' ' && *text != 0x7f)
            clo_buffer_u8(out, (uint8_t)*text);
}

/* Prometheus wants the lines of a metric together. */
enum date {
    AGE,
    LEFT,
    DATES,
};

static void append_date(struct clo_buffer *out, enum date date, const char *name, const char *from,
                        int64_t issued, int64_t expires, int64_t now)
{
    clo_buffer_printf(out, "cloister_endorsement_%s_seconds{from=\"%s\",name=\"",
                      date == AGE ? "age" : "left", from);
    append_label(out, name);
    clo_buffer_printf(out, "\"} %lld\n", (long long)(date == AGE ? now - issued : expires - now));
}

static void append_files(const struct clo_endorsement_set *files, enum date date, int64_t now,
                         struct clo_buffer *out)
{
    if (files->made != 0)
        append_date(out, date, "the owner's bundle", "files", files->made, files->until, now);
    for (size_t i = 0; i < files->crl_count; i++) {
        char name[200];
        snprintf(name, sizeof name, "revocation list of %s, %zu", clo_crl_issuer(files->crls[i]),
                 i);
        append_date(out, date, name, "files", clo_crl_this_update(files->crls[i]),
                    clo_crl_next_update(files->crls[i]), now);
    }
    for (size_t i = 0; i < files->collateral_count; i++) {
        char name[64];
        char fmspc[13];
        int64_t issued;
        int64_t expires;
        if (!clo_endorsement_dates(&files->collateral[i], &issued, &expires, fmspc))
            continue;
        snprintf(name, sizeof name, "TDX collateral of FMSPC %s, %zu", fmspc, i);
        append_date(out, date, name, "files", issued, expires, now);
    }
}

static void append_dates(const struct clo_endorser *endorser, enum date date, int64_t now,
                         struct clo_buffer *out)
{
    static const char *const descriptions[DATES] = {
        [AGE] = "# HELP cloister_endorsement_age_seconds How old a list or a set is.\n"
                "# TYPE cloister_endorsement_age_seconds gauge\n",
        [LEFT] = "# HELP cloister_endorsement_left_seconds How long it still holds.\n"
                 "# TYPE cloister_endorsement_left_seconds gauge\n",
    };

    clo_buffer_text(out, descriptions[date]);
    append_files(endorser->files, date, now, out);
    for (size_t i = 0; i < endorser->entry_count; i++) {
        const struct entry *entry = endorser->entries[i];
        if (entry->is_held && (entry->kind == ENTRY_CRL || entry->kind == ENTRY_COLLATERAL))
            append_date(out, date, entry->request.name, "fetched", entry->issued, entry->expires,
                        now);
    }
}

void clo_endorser_metrics(struct clo_endorser *endorser, int64_t now, struct clo_buffer *out)
{
    size_t wanted = 0;

    if (endorser == NULL)
        return;
    pthread_mutex_lock(&endorser->lock);
    append_dates(endorser, AGE, now, out);
    append_dates(endorser, LEFT, now, out);
    for (size_t i = 0; i < endorser->entry_count; i++)
        wanted += !endorser->entries[i]->is_held;
    clo_buffer_printf(
            out,
            "# HELP cloister_endorsement_fetches_total Requests to the makers.\n"
            "# TYPE cloister_endorsement_fetches_total counter\n"
            "cloister_endorsement_fetches_total{result=\"ok\"} %llu\n"
            "cloister_endorsement_fetches_total{result=\"failed\"} %llu\n"
            "# HELP cloister_endorsements_turned_away_total For which there was no place.\n"
            "# TYPE cloister_endorsements_turned_away_total counter\n"
            "cloister_endorsements_turned_away_total %llu\n"
            "# HELP cloister_endorsements_wanted Asked for and not here yet.\n"
            "# TYPE cloister_endorsements_wanted gauge\n"
            "cloister_endorsements_wanted %zu\n",
            (unsigned long long)endorser->fetched, (unsigned long long)endorser->failed,
            (unsigned long long)endorser->turned_away, wanted);
    pthread_mutex_unlock(&endorser->lock);
}
