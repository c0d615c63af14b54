#include "verifier/kbs/terms.h"

#include <stdlib.h>
#include <string.h>

#include "verifier/kbs/terms_internal.h"

#define KEPT_USUALLY   256
#define CERTIFICATES   1024 /* that are kept: 8 MiB at most */
#define EXPLAINED_MOST 16   /* of those that cannot accept the evidence, when nothing does */

bool clo_term_book_new(struct clo_store *store, size_t kept, struct clo_term_book **out,
                       struct clo_error *err)
{
    struct clo_term_book *book = calloc(1, sizeof *book);

    if (book == NULL)
        return clo_out_of_memory(err);
    if (!clo_certificate_cache_new(CERTIFICATES, &book->certificates, err)) {
        free(book);
        return false;
    }
    book->store = store;
    book->kept = kept == 0 ? KEPT_USUALLY : kept;
    pthread_mutex_init(&book->lock, NULL);
    *out = book;
    return true;
}

static void free_parsed(struct terms_parsed *parsed)
{
    clo_terms_free(&parsed->terms);
    free(parsed);
}

void clo_term_book_free(struct clo_term_book *book)
{
    if (book == NULL)
        return;
    terms_snapshot_free(book->snapshot);
    while (book->parsed != NULL) {
        struct terms_parsed *next = book->parsed->next;
        free_parsed(book->parsed);
        book->parsed = next;
    }
    clo_certificate_cache_free(book->certificates);
    pthread_mutex_destroy(&book->lock);
    free(book);
}

void clo_term_book_freep(struct clo_term_book **book)
{
    clo_term_book_free(*book);
    *book = NULL;
}

struct clo_certificate_cache *clo_term_book_certificates(struct clo_term_book *book)
{
    return book->certificates;
}

void clo_term_book_counts(struct clo_term_book *book, size_t *terms, uint64_t *loads)
{
    pthread_mutex_lock(&book->lock);
    *terms = book->snapshot == NULL ? 0 : book->snapshot->count;
    *loads = book->loads;
    pthread_mutex_unlock(&book->lock);
}

/* --- The state of now --- */

static void release(struct terms_snapshot *snapshot)
{
    if (snapshot != NULL && --snapshot->users == 0)
        terms_snapshot_free(snapshot);
}

/* The book itself is one of its users. */
static bool load(struct clo_term_book *book, struct clo_error *err)
{
    struct terms_snapshot *fresh;

    if (!terms_snapshot_load(book->store, book->snapshot, &fresh, err))
        return false;
    fresh->users = 1;
    release(book->snapshot);
    book->snapshot = fresh;
    book->loads++;
    return true;
}

static bool take(struct clo_term_book *book, struct terms_snapshot **out, struct clo_error *err)
{
    uint64_t version;

    if (!clo_store_terms_version(book->store, &version, err) ||
        ((book->snapshot == NULL || book->snapshot->version != version) && !load(book, err)))
        return false;
    book->snapshot->users++;
    *out = book->snapshot;
    return true;
}

bool terms_take(struct clo_term_book *book, struct terms_snapshot **out, struct clo_error *err)
{
    pthread_mutex_lock(&book->lock);
    bool ok = take(book, out, err);
    pthread_mutex_unlock(&book->lock);
    return ok;
}

bool clo_term_book_open(struct clo_term_book *book, struct clo_error *err)
{
    struct terms_snapshot *snapshot;

    if (!terms_take(book, &snapshot, err))
        return false;
    terms_give_back(book, snapshot);
    return true;
}

void terms_give_back(struct clo_term_book *book, struct terms_snapshot *snapshot)
{
    pthread_mutex_lock(&book->lock);
    release(snapshot);
    pthread_mutex_unlock(&book->lock);
}

/* --- Parsed terms --- */

/* The one that was used least lately, unless it is in use. */
static void make_room(struct clo_term_book *book)
{
    struct terms_parsed **oldest = NULL;

    for (struct terms_parsed **at = &book->parsed; *at != NULL; at = &(*at)->next)
        if ((*at)->users == 0 && (oldest == NULL || (*at)->used < (*oldest)->used))
            oldest = at;
    if (book->parsed_count < book->kept || oldest == NULL)
        return;
    struct terms_parsed *gone = *oldest;
    *oldest = gone->next;
    book->parsed_count--;
    free_parsed(gone);
}

static struct terms_parsed *find_parsed(const struct clo_term_book *book,
                                        const struct terms_row *row)
{
    struct terms_parsed *parsed = book->parsed;

    while (parsed != NULL &&
           (parsed->terms.id != row->id || strcmp(parsed->terms.digest, row->digest) != 0))
        parsed = parsed->next;
    return parsed;
}

static bool parse(struct clo_term_book *book, const struct terms_row *row,
                  struct terms_parsed **out, struct clo_error *err)
{
    struct terms_parsed *parsed = calloc(1, sizeof *parsed);

    if (parsed == NULL)
        return clo_out_of_memory(err);
    if (!clo_store_terms(book->store, row->id, &parsed->terms, err)) {
        free(parsed);
        return false;
    }
    /* Another's id by now: what is asked for is gone. */
    if (strcmp(parsed->terms.digest, row->digest) != 0) {
        free_parsed(parsed);
        return clo_fail(err, CLO_ERR_REFUSED, "terms %.16s: there are none", row->digest);
    }
    make_room(book);
    parsed->next = book->parsed;
    book->parsed = parsed;
    book->parsed_count++;
    *out = parsed;
    return true;
}

bool terms_parse(struct clo_term_book *book, const struct terms_row *row, struct terms_parsed **out,
                 struct clo_error *err)
{
    pthread_mutex_lock(&book->lock);
    struct terms_parsed *parsed = find_parsed(book, row);
    if (parsed == NULL && !parse(book, row, &parsed, err))
        parsed = NULL;
    if (parsed != NULL) {
        parsed->users++;
        parsed->used = ++book->clock;
        *out = parsed;
    }
    pthread_mutex_unlock(&book->lock);
    return parsed != NULL;
}

void terms_parsed_give_back(struct clo_term_book *book, struct terms_parsed *parsed)
{
    pthread_mutex_lock(&book->lock);
    parsed->users--;
    pthread_mutex_unlock(&book->lock);
}

/* --- A question --- */

#define TRUSTS_MAX 8

/* While one question is answered. */
struct holding {
    struct clo_term_book *book;
    const struct clo_term_question *question;
    struct terms_snapshot *snapshot;
    /* The evidence as each kind of trust verifies it; the policy it was verified by is kept as long. */
    struct {
        struct terms_parsed *by;
        struct clo_verified_evidence *verified;
    } trusts[TRUSTS_MAX];
    size_t trust_count;
    const struct terms_row *best; /* of those that do not release */
    size_t failures;              /* of that one */
    struct clo_term_answer *answer;
};

void clo_term_answer_free(struct clo_term_answer *answer)
{
    clo_appraisal_free(answer->best);
    free(answer->fulfilled);
    *answer = (struct clo_term_answer){ 0 };
}

static void forget_trust(struct holding *h, size_t i)
{
    clo_verified_evidence_free(h->trusts[i].verified);
    terms_parsed_give_back(h->book, h->trusts[i].by);
}

/* Verified before by terms that trust the same? Of many kinds of trust the last ones are remembered. */
static bool verify(struct holding *h, struct terms_parsed *parsed,
                   const struct clo_verified_evidence **out, struct clo_error *err)
{
    const struct clo_policy *policy = parsed->terms.policy;
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .expected_nonce = h->question->nonce,
        .at = h->question->time,
        .endorsements = *h->question->endorsements,
        .runtime_digest = h->question->runtime_digest,
        .init_data = h->question->init_data,
        .certificate_cache = h->book->certificates,
    };
    struct clo_verified_evidence *verified;

    for (size_t i = 0; i < h->trust_count; i++)
        if (clo_policies_trust_alike(h->trusts[i].by->terms.policy, policy)) {
            *out = h->trusts[i].verified;
            return true;
        }
    if (!clo_evidence_verify(h->question->evidence, &inputs, &verified, err))
        return false;
    if (h->trust_count == TRUSTS_MAX)
        forget_trust(h, --h->trust_count);
    /* Used once more, by what was verified: it borrows the policy. */
    pthread_mutex_lock(&h->book->lock);
    parsed->users++;
    pthread_mutex_unlock(&h->book->lock);
    h->trusts[h->trust_count].by = parsed;
    h->trusts[h->trust_count++].verified = verified;
    h->answer->is_authentic =
            h->answer->is_authentic || clo_verified_evidence_is_authentic(verified);
    *out = verified;
    return true;
}

static bool appraise(struct holding *h, struct terms_parsed *parsed, bool explains,
                     struct clo_appraisal **out, struct clo_error *err)
{
    const struct clo_terms *terms = &parsed->terms;
    const struct clo_appraise_terms asked = {
        .policy = terms->policy,
        .references = (const struct clo_reference *const *)terms->references,
        .reference_count = terms->reference_count,
        .explains = explains,
    };
    const struct clo_verified_evidence *verified;

    h->answer->tried++;
    return verify(h, parsed, &verified, err) && clo_appraise_verified(verified, &asked, out, err);
}

static bool add_fulfilled(struct clo_term_answer *answer, const char *digest, struct clo_error *err)
{
    char(*all)[65] = reallocarray(answer->fulfilled, answer->fulfilled_count + 1, sizeof *all);

    if (all == NULL)
        return clo_out_of_memory(err);
    answer->fulfilled = all;
    memcpy(all[answer->fulfilled_count++], digest, sizeof *all);
    return true;
}

/* Keeps the first that releases; of others only which of them failed least. */
static bool note(struct holding *h, const struct terms_row *row, struct clo_appraisal **appraisal,
                 struct clo_error *err)
{
    struct clo_term_answer *answer = h->answer;
    size_t failures = clo_appraisal_checks(*appraisal)->failures;
    struct clo_error refused;

    if (clo_appraisal_releases(*appraisal, &refused)) {
        if (!answer->releases)
            answer->best = CLO_TAKE(*appraisal);
        answer->releases = true;
        return add_fulfilled(answer, row->digest, err);
    }
    if (h->best == NULL || failures < h->failures) {
        h->best = row;
        h->failures = failures;
    }
    return true;
}

static bool try_row(struct holding *h, const struct terms_row *row, struct clo_error *err)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct terms_parsed *parsed;

    if (!terms_parse(h->book, row, &parsed, err))
        return err->status == CLO_ERR_REFUSED; /* removed meanwhile */
    bool ok = appraise(h, parsed, false, &appraisal, err) && note(h, row, &appraisal, err);
    terms_parsed_give_back(h->book, parsed);
    return ok;
}

/* Nothing is released: why, by the terms that came nearest. */
static bool explain(struct holding *h, struct clo_error *err)
{
    struct terms_parsed *parsed;

    if (h->answer->releases || h->best == NULL)
        return true;
    if (!terms_parse(h->book, h->best, &parsed, err))
        return err->status == CLO_ERR_REFUSED;
    bool ok = appraise(h, parsed, true, &h->answer->best, err);
    terms_parsed_give_back(h->book, parsed);
    return ok;
}

static bool hold(struct holding *h, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint32_t *rows = NULL;
    const struct terms_snapshot *snapshot = h->snapshot;
    size_t count;

    if (!terms_snapshot_find(snapshot, h->question->evidence, &rows, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!try_row(h, &snapshot->rows[rows[i]], err))
            return false;
    /* None can accept it. A few say what is wrong with it, and whether it is authentic. */
    for (size_t i = 0; count == 0 && i < snapshot->count && i < EXPLAINED_MOST; i++)
        if (!try_row(h, &snapshot->rows[i], err))
            return false;
    return explain(h, err);
}

bool clo_terms_hold(struct clo_term_book *book, const struct clo_term_question *question,
                    struct clo_term_answer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_term_answer_free) struct clo_term_answer answer = { 0 };
    struct holding h = { .book = book, .question = question, .answer = &answer };

    if (!terms_take(book, &h.snapshot, err))
        return false;
    bool ok = hold(&h, err);
    while (h.trust_count > 0)
        forget_trust(&h, --h.trust_count);
    terms_give_back(book, h.snapshot);
    if (!ok)
        return false;
    *out = answer;
    answer = (struct clo_term_answer){ 0 };
    return true;
}
