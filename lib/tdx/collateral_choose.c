/* Of several sets of collateral, the pieces for one platform (Intel PCS API version 4; RFC 5280, 6.3.3
 * for the lists): of this platform, signed, current, then the owner's, then the newest.
 *
 * Nothing here is verified: what is chosen is, as if it had come alone. So a piece that is bad in a way
 * that shows here never takes the place of a good one, and one that only claims to be good is refused. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tdx_internal.h"

#define COMMON_NAME_TCB "Intel SGX TCB Signing"

/* What the choice is for, as far as the chain says. */
struct platform {
    struct clo_certificate *items[TDX_CERTIFICATES_MAX];
    size_t count;
    const struct clo_certificate *leaf, *ca, *root; /* NULL: not found */
    struct clo_tdx_pck pck;
    bool has_pck;
};

/* How good a piece is: the first difference decides. */
struct rank {
    bool is_there, is_read, is_ours, is_signed, is_current, is_owners;
    uint32_t number; /* tcbEvaluationDataNumber; 0 for lists */
    int64_t issued;
};

struct work {
    const struct clo_tdx_collateral *const *sets;
    size_t count, owner_count;
    int64_t at;
    struct platform platform;
    struct clo_tdx_choice *out;
};

/* --- The platform --- */

static void free_platform(struct platform *p)
{
    for (size_t i = 0; i < p->count; i++)
        clo_certificate_free(p->items[i]);
}

static const struct clo_certificate *issuer_of(const struct platform *p,
                                               const struct clo_certificate *certificate)
{
    for (size_t i = 0; certificate != NULL && i < p->count; i++)
        if (clo_bytes_equal(clo_certificate_subject_name(p->items[i]),
                            clo_certificate_issuer_name(certificate)))
            return p->items[i];
    return NULL;
}

/* What cannot be read is not there: the verification says what is wrong with it. */
static void read_platform(struct clo_bytes chain, struct platform *p)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_error ignored;
    size_t at = 0;

    if (chain.size == 0 || !tdx_chain_to_pem(chain, &pem, &ignored))
        return;
    while (p->count < TDX_CERTIFICATES_MAX && clo_pem_next(clo_buffer_bytes(&pem), "CERTIFICATE",
                                                           &at, &der, &ignored) == CLO_NEXT_ITEM) {
        struct clo_certificate *certificate;
        if (!clo_certificate_parse(clo_buffer_bytes(&der), &certificate, &ignored))
            return;
        p->items[p->count++] = certificate;
        if (!p->has_pck && clo_tdx_pck_parse(certificate, &p->pck, &ignored)) {
            p->has_pck = true;
            p->leaf = certificate;
        }
    }
    p->ca = issuer_of(p, p->leaf);
    p->root = issuer_of(p, p->ca);
}

/* --- Documents --- */

/* Is the text signed by the TCB signer that its own set brings? */
static bool is_signed(const struct clo_tdx_collateral *set, enum clo_tdx_piece chain,
                      struct clo_bytes text, const uint8_t *signature)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_bytes pem = clo_buffer_bytes(&set->pieces[chain]);
    struct clo_error ignored;
    size_t at = 0;

    while (pem.size > 0 && clo_pem_next(pem, "CERTIFICATE", &at, &der, &ignored) == CLO_NEXT_ITEM) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (clo_certificate_parse(clo_buffer_bytes(&der), &certificate, &ignored) &&
            tdx_has_cn(clo_certificate_subject(certificate), COMMON_NAME_TCB) &&
            tdx_p256_verify(clo_certificate_key(certificate), text,
                            clo_bytes(signature, TDX_P256_SIGNATURE), &ignored))
            return true;
    }
    return false;
}

static void rank_dates(const struct work *w, int64_t from, int64_t until, struct rank *out)
{
    out->issued = from;
    out->is_current = w->at >= from && w->at <= until;
}

static void rank_tcb_info(const struct work *w, const struct clo_tdx_collateral *set,
                          struct rank *out)
{
    CLO_CLEANUP(clo_freep) struct tdx_tcb_info *info = calloc(1, sizeof *info);
    struct clo_error ignored;

    if (info == NULL ||
        !tdx_tcb_info_parse(clo_buffer_bytes(&set->pieces[CLO_TDX_TCB_INFO]),
                            clo_buffer_bytes(&set->pieces[CLO_TDX_TCB_INFO_SIGNATURE]), info,
                            &ignored))
        return;
    out->is_read = true;
    out->is_ours = !w->platform.has_pck ||
                   memcmp(info->fmspc, w->platform.pck.fmspc, sizeof info->fmspc) == 0;
    out->is_signed = info->has_signature && is_signed(set, CLO_TDX_TCB_INFO_ISSUER_CHAIN,
                                                      info->signed_part, info->signature);
    out->number = info->evaluation_number;
    rank_dates(w, info->issue_date, info->next_update, out);
}

static void rank_qe_identity(const struct work *w, const struct clo_tdx_collateral *set,
                             struct rank *out)
{
    CLO_CLEANUP(clo_freep) struct tdx_qe_identity *identity = calloc(1, sizeof *identity);
    struct clo_error ignored;

    if (identity == NULL ||
        !tdx_qe_identity_parse(clo_buffer_bytes(&set->pieces[CLO_TDX_QE_IDENTITY]),
                               clo_buffer_bytes(&set->pieces[CLO_TDX_QE_IDENTITY_SIGNATURE]),
                               identity, &ignored))
        return;
    out->is_read = true;
    out->is_ours = strcmp(identity->id, "TD_QE") == 0;
    out->is_signed =
            identity->has_signature && is_signed(set, CLO_TDX_QE_IDENTITY_ISSUER_CHAIN,
                                                 identity->signed_part, identity->signature);
    out->number = identity->evaluation_number;
    rank_dates(w, identity->issue_date, identity->next_update, out);
}

/* --- Lists --- */

static void rank_crl(const struct work *w, const struct clo_tdx_collateral *set,
                     enum clo_tdx_piece piece, struct rank *out)
{
    const struct platform *p = &w->platform;
    const struct clo_certificate *issuer = piece == CLO_TDX_PCK_CRL ? p->ca : p->root;
    const struct clo_certificate *below = piece == CLO_TDX_PCK_CRL ? p->leaf : p->ca;
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    struct clo_error ignored;

    if (!clo_crl_parse(clo_buffer_bytes(&set->pieces[piece]), &crl, &ignored))
        return;
    out->is_read = true;
    out->is_ours = below == NULL ||
                   clo_bytes_equal(clo_certificate_issuer_name(below), clo_crl_issuer_name(crl));
    out->is_signed =
            issuer == NULL || clo_crl_verify(crl, issuer, CLO_ECDSA_DER, CLO_HASH_SHA256, &ignored);
    rank_dates(w, clo_crl_this_update(crl), clo_crl_next_update(crl), out);
}

/* --- Choosing --- */

static struct rank rank_of(const struct work *w, size_t index, enum clo_tdx_piece piece)
{
    const struct clo_tdx_collateral *set = w->sets[index];
    struct rank rank = { .is_there = set->pieces[piece].size > 0,
                         .is_owners = index < w->owner_count };

    if (!rank.is_there)
        return rank;
    if (piece == CLO_TDX_TCB_INFO)
        rank_tcb_info(w, set, &rank);
    else if (piece == CLO_TDX_QE_IDENTITY)
        rank_qe_identity(w, set, &rank);
    else if (piece == CLO_TDX_PCK_CRL || piece == CLO_TDX_ROOT_CA_CRL)
        rank_crl(w, set, piece, &rank);
    return rank;
}

static bool is_better(const struct rank *a, const struct rank *b)
{
    const struct {
        bool a, b;
    } steps[] = {
        { a->is_there, b->is_there },     { a->is_read, b->is_read },
        { a->is_ours, b->is_ours },       { a->is_signed, b->is_signed },
        { a->is_current, b->is_current }, { a->is_owners, b->is_owners },
    };

    for (size_t i = 0; i < CLO_COUNT(steps); i++)
        if (steps[i].a != steps[i].b)
            return steps[i].a;
    return a->number != b->number ? a->number > b->number : a->issued > b->issued;
}

/* Would the host win by bringing it: is it older than what the owner has, current or not? */
static bool is_older_than(const struct rank *brought, const struct rank *owners)
{
    return !brought->is_owners && owners->is_ours && owners->is_signed &&
           (brought->number != owners->number ? brought->number < owners->number
                                              : brought->issued < owners->issued);
}

static const char *name_of(enum clo_tdx_piece piece)
{
    return piece == CLO_TDX_TCB_INFO      ? "TCB info"
           : piece == CLO_TDX_QE_IDENTITY ? "QE identity"
           : piece == CLO_TDX_PCK_CRL     ? "PCK revocation list"
                                          : "root revocation list";
}

/* A piece that is this platform's and was not taken is worth a word; those of others are not. */
static void leave_out(struct work *w, enum clo_tdx_piece piece, const struct rank *rank,
                      const struct rank *chosen)
{
    char *text = w->out->left_out;
    size_t used = strlen(text);
    size_t room = sizeof w->out->left_out - used;
    const char *whose = rank->is_owners ? "the owner's" : "the evidence's";
    const char *what = name_of(piece);

    if (!rank->is_there || (rank->is_read && !rank->is_ours))
        return;
    text += used;
    if (!rank->is_read)
        snprintf(text, room, "%s%s %s: cannot be read", used == 0 ? "" : "; ", whose, what);
    else if (!rank->is_signed)
        snprintf(text, room, "%s%s %s: its signature does not hold", used == 0 ? "" : "; ", whose,
                 what);
    else if (rank->number < chosen->number)
        snprintf(text, room,
                 "%s%s %s: TCB evaluation data number %" PRIu32 ", the other's is %" PRIu32,
                 used == 0 ? "" : "; ", whose, what, rank->number, chosen->number);
    else if (!rank->is_current)
        snprintf(text, room, "%s%s %s: not current", used == 0 ? "" : "; ", whose, what);
    else if (rank->number != chosen->number || rank->issued != chosen->issued)
        snprintf(text, room, "%s%s %s: the other is %s", used == 0 ? "" : "; ", whose, what,
                 rank->issued < chosen->issued ? "newer" : "the owner's");
}

/* The newest that the owner has of it, current or not. */
static void find_owners(const struct rank *ranks, size_t count, struct rank *out)
{
    *out = (struct rank){ 0 };
    for (size_t i = 0; i < count; i++)
        if (ranks[i].is_ours && ranks[i].is_signed &&
            (!out->is_there || ranks[i].number > out->number ||
             (ranks[i].number == out->number && ranks[i].issued > out->issued)))
            *out = ranks[i];
}

/* Of a kind of piece the best: its index, or count where nobody has one. */
static size_t choose(struct work *w, enum clo_tdx_piece piece)
{
    struct rank ranks[CLO_TDX_SETS_MAX];
    struct rank owners;
    size_t chosen = w->count;

    for (size_t i = 0; i < w->count; i++)
        ranks[i] = rank_of(w, i, piece);
    find_owners(ranks, w->owner_count, &owners);
    for (size_t i = 0; i < w->count; i++)
        if (ranks[i].is_there && !is_older_than(&ranks[i], &owners) &&
            (chosen == w->count || is_better(&ranks[i], &ranks[chosen])))
            chosen = i;
    if (chosen == w->count) {
        w->out->lacks |= 1U << piece;
        return chosen;
    }
    for (size_t i = 0; i < w->count; i++)
        if (i != chosen)
            leave_out(w, piece, &ranks[i], &ranks[chosen]);
    if (!ranks[chosen].is_ours || !ranks[chosen].is_signed || !ranks[chosen].is_current)
        w->out->lacks |= 1U << piece;
    return chosen;
}

static bool copy(const struct clo_buffer *from, struct clo_buffer *to, struct clo_error *err)
{
    clo_buffer_append(to, clo_buffer_bytes(from));
    return clo_buffer_ok(to) || clo_out_of_memory(err);
}

/* What goes with a piece comes from the same set, or from the first that has it: files are given one by
 * one, too. */
static bool copy_companion(const struct work *w, size_t chosen, enum clo_tdx_piece piece,
                           struct clo_error *err)
{
    struct clo_buffer *to = &w->out->collateral.pieces[piece];

    if (chosen < w->count && w->sets[chosen]->pieces[piece].size > 0)
        return copy(&w->sets[chosen]->pieces[piece], to, err);
    for (size_t i = 0; i < w->count; i++)
        if (w->sets[i]->pieces[piece].size > 0)
            return copy(&w->sets[i]->pieces[piece], to, err);
    return true;
}

static bool choose_all(struct work *w, struct clo_error *err)
{
    static const struct {
        enum clo_tdx_piece piece, signature, chain; /* CLO_TDX_PIECE_COUNT: none */
    } kinds[] = {
        { CLO_TDX_TCB_INFO, CLO_TDX_TCB_INFO_SIGNATURE, CLO_TDX_TCB_INFO_ISSUER_CHAIN },
        { CLO_TDX_QE_IDENTITY, CLO_TDX_QE_IDENTITY_SIGNATURE, CLO_TDX_QE_IDENTITY_ISSUER_CHAIN },
        { CLO_TDX_PCK_CRL, CLO_TDX_PIECE_COUNT, CLO_TDX_PCK_CRL_ISSUER_CHAIN },
        { CLO_TDX_ROOT_CA_CRL, CLO_TDX_PIECE_COUNT, CLO_TDX_PIECE_COUNT },
    };

    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        size_t chosen = choose(w, kinds[i].piece);
        if (chosen < w->count && !copy(&w->sets[chosen]->pieces[kinds[i].piece],
                                       &w->out->collateral.pieces[kinds[i].piece], err))
            return false;
        if (kinds[i].signature != CLO_TDX_PIECE_COUNT &&
            !copy_companion(w, chosen, kinds[i].signature, err))
            return false;
        if (kinds[i].chain != CLO_TDX_PIECE_COUNT &&
            !copy_companion(w, chosen, kinds[i].chain, err))
            return false;
    }
    w->out->is_whole = w->out->lacks == 0;
    return copy_companion(w, w->count, CLO_TDX_PCK_CHAIN, err);
}

void clo_tdx_choice_free(struct clo_tdx_choice *choice)
{
    clo_tdx_collateral_free(&choice->collateral);
    *choice = (struct clo_tdx_choice){ 0 };
}

bool clo_tdx_collateral_choose(const struct clo_tdx_collateral *const *sets, size_t count,
                               size_t owner_count, struct clo_bytes chain, int64_t at,
                               struct clo_tdx_choice *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
    struct work w = {
        .sets = sets, .count = count, .owner_count = owner_count, .at = at, .out = &choice
    };

    if (count > CLO_TDX_SETS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%zu sets of collateral, at most %d", count,
                        CLO_TDX_SETS_MAX);
    for (size_t i = 0; chain.size == 0 && i < count; i++)
        chain = clo_buffer_bytes(&sets[i]->pieces[CLO_TDX_PCK_CHAIN]);
    read_platform(chain, &w.platform);
    bool ok = choose_all(&w, err);
    free_platform(&w.platform);
    if (!ok)
        return false;
    *out = choice;
    choice = (struct clo_tdx_choice){ 0 };
    return true;
}
