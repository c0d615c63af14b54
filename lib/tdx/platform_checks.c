/* The checks of collateral: genuine, current, of one edition, and of this platform. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/crypto/certificate_cache.h"
#include "platform_internal.h"

static struct clo_bytes piece(const struct build *b, enum clo_tdx_piece which)
{
    return clo_buffer_bytes(&b->platform->texts.pieces[which]);
}

/* --- Reading --- */

static bool read_crl(struct build *b, enum clo_tdx_piece which, struct clo_crl **out,
                     struct clo_error *err)
{
    struct clo_bytes der = piece(b, which);

    return der.size == 0 || clo_crl_cache_read(b->trust->cache, der, out, err) ||
           clo_wrap(err, "collateral: %s", clo_tdx_piece_name(which));
}

/* JSON that is whole and says something else than it must (of SGX, of another version, a digit
 * missing) is refused by the check of that document; what is not JSON is malformed input. */
static bool is_verdict(struct clo_bytes text, struct clo_error *err, struct clo_error *why)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error ignored;

    if (err->status != CLO_ERR_REFUSED &&
        (err->status != CLO_ERR_FORMAT ||
         !clo_json_parse_bounded(text, CLO_JSON_VALUES_MAX, &json, &ignored)))
        return clo_wrap(err, "collateral");
    *why = *err;
    return true;
}

static bool read_tcb_info(struct build *b, struct clo_error *err)
{
    struct clo_tdx_platform *p = b->platform;

    if (piece(b, CLO_TDX_TCB_INFO).size == 0)
        return true;
    p->tcb_info = calloc(1, sizeof *p->tcb_info);
    if (p->tcb_info == NULL)
        return clo_out_of_memory(err);
    if (tdx_tcb_info_parse(piece(b, CLO_TDX_TCB_INFO), piece(b, CLO_TDX_TCB_INFO_SIGNATURE),
                           p->tcb_info, err))
        return true;
    free(p->tcb_info);
    p->tcb_info = NULL;
    return is_verdict(piece(b, CLO_TDX_TCB_INFO), err, &b->tcb_info_error);
}

static bool read_qe_identity(struct build *b, struct clo_error *err)
{
    struct clo_tdx_platform *p = b->platform;

    if (piece(b, CLO_TDX_QE_IDENTITY).size == 0)
        return true;
    p->qe_identity = calloc(1, sizeof *p->qe_identity);
    if (p->qe_identity == NULL)
        return clo_out_of_memory(err);
    if (tdx_qe_identity_parse(piece(b, CLO_TDX_QE_IDENTITY),
                              piece(b, CLO_TDX_QE_IDENTITY_SIGNATURE), p->qe_identity, err))
        return true;
    free(p->qe_identity);
    p->qe_identity = NULL;
    return is_verdict(piece(b, CLO_TDX_QE_IDENTITY), err, &b->qe_identity_error);
}

bool tdx_read_collateral(struct build *b, struct clo_error *err)
{
    struct clo_tdx_platform *p = b->platform;

    if (!read_crl(b, CLO_TDX_ROOT_CA_CRL, &b->root_crl, err) ||
        !read_crl(b, CLO_TDX_PCK_CRL, &b->pck_crl, err))
        return false;
    if (b->trust->without_tcb)
        return true;
    if (!read_tcb_info(b, err) || !read_qe_identity(b, err))
        return false;
    const char *tcb = p->tcb_info == NULL ? "" : p->tcb_info->unknown.text;
    const char *qe = p->qe_identity == NULL ? "" : p->qe_identity->unknown.text;
    snprintf(p->unknown, sizeof p->unknown, "%s%s%s", tcb, *tcb != '\0' && *qe != '\0' ? ", " : "",
             qe);
    return true;
}

/* --- Dates --- */

static void narrow(struct build *b, int64_t from, int64_t until)
{
    struct clo_tdx_platform *p = b->platform;

    p->from = from > p->from ? from : p->from;
    p->until = until < p->until ? until : p->until;
}

static const char *date(int64_t unix_time, char out[24])
{
    time_t seconds = (time_t)unix_time;
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL || strftime(out, 24, "%Y-%m-%d", &parts) == 0)
        snprintf(out, 24, "%" PRId64, unix_time);
    return out;
}

static void check_validity(struct build *b)
{
    static const char id[] = "tdx.validity";
    const struct clo_tdx_platform *p = b->platform;
    const struct clo_certificate *certificates[] = { p->leaf, p->ca, p->root,
                                                     b->tcb_signer.certificate,
                                                     b->qe_signer.certificate };
    size_t count = 0;

    for (size_t i = 0; i < CLO_COUNT(certificates); i++) {
        const struct clo_certificate *certificate = certificates[i];
        char from[24];
        char until[24];
        if (certificate == NULL)
            continue;
        int64_t not_before = clo_certificate_not_before(certificate);
        int64_t not_after = clo_certificate_not_after(certificate);
        narrow(b, not_before, not_after);
        count++;
        if (b->trust->at < not_before || b->trust->at > not_after) {
            clo_check_that(b->checks, id, false, "certificate \"%.100s\" is valid from %s to %s",
                           clo_certificate_subject(certificate), date(not_before, from),
                           date(not_after, until));
            return;
        }
    }
    clo_check_that(b->checks, id, count > 0, "%s",
                   count > 0 ? "every certificate of the chains is within its dates"
                             : "there are no certificates");
}

/* One line for each piece that is too old or too young. */
struct dated {
    const char *what;
    bool is_there;
    int64_t from, until;
};

static void note_dates(struct clo_tdx_platform *p, bool is_document, const struct dated *piece)
{
    int64_t *oldest = is_document ? &p->documents_issued : &p->lists_issued;
    int64_t *until = is_document ? &p->documents_until : &p->lists_until;

    if (piece->from < *oldest)
        *oldest = piece->from;
    if (piece->until < *until)
        *until = piece->until;
}

static void CLO_PRINTF(3, 4) tell(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;

    snprintf(text + used, size - used, "%s", used > 0 ? "; " : "");
    used = strlen(text);
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

/* Past its next update by no more than what the caller forgives: not wrong, and told. */
static bool judge(struct build *b, const struct dated *piece, bool is_document, char *text,
                  size_t size)
{
    int64_t grace = is_document ? b->trust->stale_documents : b->trust->stale_lists;
    int64_t late = b->trust->at > piece->until ? b->trust->at - piece->until : 0;
    char when[24];

    narrow(b, piece->from, late > 0 && late <= grace ? piece->until + grace : piece->until);
    note_dates(b->platform, is_document, piece);
    if (b->trust->at < piece->from) {
        tell(text, size, "%s not yet issued (%s)", piece->what, date(piece->from, when));
        return false;
    }
    if (late == 0)
        return true;
    tell(text, size, "%s too old (next update was due %s)%s", piece->what, date(piece->until, when),
         late <= grace ? ", which the policy's grace allows" : "");
    return late <= grace;
}

static void check_freshness(struct build *b)
{
    static const char id[] = "tdx.freshness";
    const struct clo_tdx_platform *p = b->platform;
    struct dated pieces[] = {
        { .what = "TCB info", .is_there = p->tcb_info != NULL },
        { .what = "QE identity", .is_there = p->qe_identity != NULL },
        { .what = "PCK revocation list", .is_there = b->pck_crl != NULL },
        { .what = "root revocation list", .is_there = b->root_crl != NULL },
    };
    char text[480] = "";
    size_t count = 0;
    bool holds = true;

    if (b->trust->without_tcb) {
        clo_check_skip(b->checks, id, "TCB evaluation was left out");
        return;
    }
    if (p->tcb_info != NULL) {
        pieces[0].from = p->tcb_info->issue_date;
        pieces[0].until = p->tcb_info->next_update;
    }
    if (p->qe_identity != NULL) {
        pieces[1].from = p->qe_identity->issue_date;
        pieces[1].until = p->qe_identity->next_update;
    }
    if (b->pck_crl != NULL) {
        pieces[2].from = clo_crl_this_update(b->pck_crl);
        pieces[2].until = clo_crl_next_update(b->pck_crl);
    }
    if (b->root_crl != NULL) {
        pieces[3].from = clo_crl_this_update(b->root_crl);
        pieces[3].until = clo_crl_next_update(b->root_crl);
    }
    for (size_t i = 0; i < CLO_COUNT(pieces); i++) {
        if (!pieces[i].is_there)
            continue;
        count++;
        holds = judge(b, &pieces[i], i < 2, text, sizeof text) && holds;
    }
    clo_check_that(b->checks, id, holds && count > 0, "%s",
                   count == 0        ? "there is no collateral"
                   : text[0] == '\0' ? "all collateral is current"
                                     : text);
}

/* --- Revocation --- */

/* Is the list its issuer's? Without TCB evaluation a missing one is skipped, never a wrong one. */
static bool check_crl(struct build *b, const char *id, const struct clo_crl *crl,
                      const struct clo_certificate *issuer)
{
    struct clo_error err;

    if (crl == NULL) {
        if (b->trust->without_tcb)
            clo_check_skip(b->checks, id, "no revocation list, and TCB evaluation was left out");
        else
            clo_check_that(b->checks, id, false, "the revocation list is missing");
        return false;
    }
    if (issuer == NULL)
        return clo_check_that(b->checks, id, false,
                              "the certificate that issued the revocation list is missing");
    bool holds = clo_crl_verify(crl, issuer, CLO_ECDSA_DER, CLO_HASH_SHA256, &err);
    return clo_check_that(b->checks, id, holds, "%s",
                          holds ? "signed by the CA whose certificates it lists" : err.text);
}

static void check_revocation(struct build *b)
{
    static const char id[] = "tdx.revocation";
    const struct clo_tdx_platform *p = b->platform;
    const struct {
        const struct clo_crl *crl; /* NULL: none that is genuine */
        const struct clo_certificate *certificate;
    } pairs[] = {
        { b->has_pck_crl ? b->pck_crl : NULL, p->leaf },
        { b->has_root_crl ? b->root_crl : NULL, p->ca },
        { b->has_root_crl ? b->root_crl : NULL, b->tcb_signer.certificate },
        { b->has_root_crl ? b->root_crl : NULL, b->qe_signer.certificate },
    };
    size_t used = 0;

    for (size_t i = 0; i < CLO_COUNT(pairs); i++) {
        if (pairs[i].crl == NULL || pairs[i].certificate == NULL)
            continue;
        used++;
        if (clo_crl_revokes(pairs[i].crl, pairs[i].certificate)) {
            clo_check_that(b->checks, id, false, "certificate \"%.100s\" is revoked by \"%.100s\"",
                           clo_certificate_subject(pairs[i].certificate),
                           clo_crl_issuer(pairs[i].crl));
            return;
        }
    }
    if (used == 0)
        clo_check_skip(b->checks, id, "no genuine revocation list to look into");
    else
        clo_check_that(b->checks, id, true, "no certificate of the chains is revoked");
}

/* --- TCB info and QE identity --- */

/* Held before under the same key? Who the signer is, and the dates, are looked at all the same. */
static bool verify_document(struct build *b, const struct clo_public_key *key,
                            struct clo_bytes document, struct clo_bytes signature,
                            struct clo_error *err)
{
    struct clo_digest name;

    if (b->trust->cache == NULL)
        return tdx_p256_verify(key, document, signature, err);
    clo_signed_name(key, document, signature, &name);
    if (clo_signed_cache_has(b->trust->cache, &name))
        return true;
    if (!tdx_p256_verify(key, document, signature, err))
        return false;
    if (b->signed_count < CLO_COUNT(b->signed_names))
        b->signed_names[b->signed_count++] = name;
    return true;
}

static bool is_signed(struct build *b, const struct signer *signer, struct clo_bytes signed_part,
                      bool has_signature, const uint8_t *signature, struct clo_error *err)
{
    if (!has_signature)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "it has no signature");
    if (signer->certificate == NULL) {
        *err = signer->error;
        return false;
    }
    return verify_document(b, clo_certificate_key(signer->certificate), signed_part,
                           clo_bytes(signature, TDX_P256_SIGNATURE), err);
}

static void check_tcb_info(struct build *b)
{
    static const char id[] = "tdx.tcb_info";
    const struct tdx_tcb_info *info = b->platform->tcb_info;
    struct clo_error err;

    if (info == NULL) {
        clo_check_that(b->checks, id, false, "%s",
                       b->tcb_info_error.status != CLO_OK ? b->tcb_info_error.text
                                                          : "TCB info is missing");
        return;
    }
    bool holds = is_signed(b, &b->tcb_signer, info->signed_part, info->has_signature,
                           info->signature, &err);
    clo_check_that(b->checks, id, holds, "%s",
                   holds ? "TCB info is signed by Intel's TCB signer's "
                           "key under the same root"
                         : err.text);
}

static void check_qe_identity(struct build *b)
{
    static const char id[] = "tdx.qe_identity";
    const struct tdx_qe_identity *identity = b->platform->qe_identity;
    struct clo_error err;

    if (identity == NULL) {
        clo_check_that(b->checks, id, false, "%s",
                       b->qe_identity_error.status != CLO_OK ? b->qe_identity_error.text
                                                             : "QE identity is missing");
        return;
    }
    if (strcmp(identity->id, "TD_QE") != 0 || identity->version != 2) {
        clo_check_that(b->checks, id, false, "QE identity \"%s\", version %u: expected TD_QE, 2",
                       identity->id, identity->version);
        return;
    }
    bool holds = is_signed(b, &b->qe_signer, identity->signed_part, identity->has_signature,
                           identity->signature, &err);
    clo_check_that(b->checks, id, holds, "%s",
                   holds ? "QE identity is signed by Intel's TCB signer's key under the same root"
                         : err.text);
}

static void check_fmspc(struct build *b)
{
    static const char id[] = "tdx.fmspc";
    const struct tdx_tcb_info *info = b->platform->tcb_info;
    const struct clo_tdx_pck *pck = &b->platform->pck;

    if (info == NULL || !b->has_pck) {
        clo_check_skip(b->checks, id, "PCK certificate and TCB info are not both there");
        return;
    }
    bool same_fmspc = memcmp(info->fmspc, pck->fmspc, sizeof pck->fmspc) == 0;
    bool same_pce = memcmp(info->pce_id, pck->pce_id, sizeof pck->pce_id) == 0;
    clo_check_that(b->checks, id, same_fmspc && same_pce, "%s",
                   same_fmspc && same_pce ? "TCB info is of this kind of platform (FMSPC, PCE-ID)"
                   : same_fmspc           ? "TCB info is of another PCE-ID than the PCK certificate"
                                : "TCB info is of another FMSPC than the PCK certificate");
}

void tdx_check_collateral(struct build *b)
{
    static const char *const left_out[] = {
        "tdx.tcb_info",
        "tdx.qe_identity",
        "tdx.fmspc",
    };

    check_validity(b);
    b->has_root_crl = check_crl(b, "tdx.root_crl", b->root_crl, b->platform->root);
    b->has_pck_crl = check_crl(b, "tdx.pck_crl", b->pck_crl, b->platform->ca);
    check_revocation(b);
    check_freshness(b);
    if (b->trust->without_tcb) {
        for (size_t i = 0; i < CLO_COUNT(left_out); i++)
            clo_check_skip(b->checks, left_out[i], "TCB evaluation was left out");
        return;
    }
    check_tcb_info(b);
    check_qe_identity(b);
    check_fmspc(b);
}
