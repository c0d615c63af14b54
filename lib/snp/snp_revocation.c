/* Which revocation lists count for a chain, and what they say (RFC 5280, section 6.3.3; AMD 57230,
 * section 4.2).
 *
 * Lists come from the owner and from the evidence, whose host picks among all that were ever issued.
 * So a certificate that any genuine list names is revoked; and that none does is said by the newest list
 * alone, which has to be current. What is out of date, not genuine, or the evidence's and older than
 * the owner's is left out, and said to be: leaving it away could not make the verdict better either. A list of
 * the intermediate's own is worth what the root says of the intermediate, and decides nothing alone: anyone who
 * stole that key signs such lists, too. */
#include <stdio.h>
#include <string.h>

#include "snp_internal.h"

struct link {
    const struct clo_certificate *issuer, *certificate;
};

/* What was found out about the lists so far. */
struct finding {
    struct snp_work *w;
    const struct clo_crl *decides; /* of the link at hand; NULL: none */
    bool owner_decides;
    size_t used;              /* links that a list decides */
    bool has_root;            /* the root's own list is among them */
    struct clo_error problem; /* the first list of the chain that counts for nothing: why */
    char left_out[300];       /* all of them, in a few words */
};

static bool is_owners(const struct snp_work *w, size_t index)
{
    size_t owner = w->trust->owner_crl_count;

    return index < (owner > w->trust->named_crl_count ? owner : w->trust->named_crl_count);
}

static void leave_out(struct finding *f, size_t index, const struct clo_error *why)
{
    const char *whose = is_owners(f->w, index) ? "the owner's" : "the evidence's";
    size_t used = strlen(f->left_out);

    if (f->problem.status == CLO_OK)
        f->problem = *why;
    snprintf(f->left_out + used, sizeof f->left_out - used, "; left out %s: %s", whose, why->text);
}

static bool is_genuine(const struct clo_crl *crl, const struct clo_certificate *issuer,
                       struct clo_error *err)
{
    unsigned usage;

    if (clo_certificate_key_usage(issuer, &usage) && (usage & CLO_KEY_USAGE_CRL_SIGN) == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "\"%.100s\" may not sign revocation lists",
                        clo_certificate_subject(issuer));
    return clo_crl_verify(crl, issuer, CLO_RSASSA_PSS, CLO_HASH_SHA384, err);
}

static bool is_current(const struct snp_work *w, const struct clo_crl *crl, struct clo_error *err)
{
    int64_t from = clo_crl_this_update(crl);
    int64_t until = clo_crl_next_update(crl);
    char from_text[SNP_DATE_TEXT];
    char until_text[SNP_DATE_TEXT];

    if (w->trust->at >= from &&
        (w->trust->at <= until || w->trust->at - until <= w->trust->stale_crls))
        return true;
    snp_date_text(from, from_text);
    snp_date_text(until, until_text);
    return clo_fail(err, CLO_ERR_REFUSED,
                    "the revocation list of \"%.100s\" is for %s to %s: get a current one",
                    clo_crl_issuer(crl), from_text, until_text);
}

/* The newest genuine list of the owner's, whether it is current or not: INT64_MIN if there is none. */
static int64_t owners_newest(const struct snp_work *w, const struct link *link)
{
    struct clo_error ignored;
    int64_t newest = INT64_MIN;

    for (size_t i = 0; i < w->trust->crl_count; i++) {
        const struct clo_crl *crl = w->trust->crls[i];
        if (is_owners(w, i) && clo_crl_is_from(crl, link->issuer) &&
            clo_crl_this_update(crl) > newest && is_genuine(crl, link->issuer, &ignored))
            newest = clo_crl_this_update(crl);
    }
    return newest;
}

/* May this genuine list of the link say that nothing is revoked? */
static bool may_decide(const struct snp_work *w, size_t index, int64_t owners,
                       struct clo_error *err)
{
    const struct clo_crl *crl = w->trust->crls[index];
    char date[SNP_DATE_TEXT];

    if (!is_current(w, crl, err))
        return false;
    if (is_owners(w, index))
        return true;
    snp_date_text(clo_crl_this_update(crl), date);
    if (w->trust->owner_crls_alone)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the revocation list of \"%.100s\" of %s: only those that the verifier "
                        "holds itself count",
                        clo_crl_issuer(crl), date);
    return clo_crl_this_update(crl) >= owners ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the revocation list of \"%.100s\" of %s: older than the owner's",
                    clo_crl_issuer(crl), date);
}

/* False: the certificate is revoked. */
static bool look_at(struct finding *f, const struct link *link, struct clo_error *err)
{
    struct snp_work *w = f->w;
    int64_t owners = owners_newest(w, link);

    f->decides = NULL;
    for (size_t i = 0; i < w->trust->crl_count; i++) {
        const struct clo_crl *crl = w->trust->crls[i];
        struct clo_error why;
        if (!clo_crl_is_from(crl, link->issuer))
            continue;
        if (!is_genuine(crl, link->issuer, &why)) {
            leave_out(f, i, &why);
            continue;
        }
        if (clo_crl_revokes(crl, link->certificate))
            return clo_fail(err, CLO_ERR_REFUSED, "certificate \"%.100s\" is revoked by \"%.100s\"",
                            clo_certificate_subject(link->certificate), clo_crl_issuer(crl));
        if (!may_decide(w, i, owners, &why)) {
            leave_out(f, i, &why);
            continue;
        }
        if (f->decides == NULL || clo_crl_this_update(crl) > clo_crl_this_update(f->decides)) {
            f->decides = crl;
            f->owner_decides = is_owners(w, i);
        }
    }
    return true;
}

/* The older of two lists says how old what was looked at may be. */
static void take(struct finding *f)
{
    struct clo_snp_endorser *endorser = &f->w->endorser;
    int64_t from = clo_crl_this_update(f->decides);

    int64_t until = clo_crl_next_update(f->decides);
    bool is_forgiven = f->w->trust->at > until;

    snp_narrow(endorser, from, is_forgiven ? until + f->w->trust->stale_crls : until);
    if (f->used == 0 || until < endorser->revocation_until)
        endorser->revocation_until = until;
    if (f->used++ == 0 || from < endorser->revocation_issued)
        endorser->revocation_issued = from;
    endorser->revocation_is_owners =
            f->owner_decides && (f->used == 1 || endorser->revocation_is_owners);
}

static void conclude(struct finding *f)
{
    static const char id[] = "snp.revocation";
    struct snp_work *w = f->w;
    char issued[SNP_DATE_TEXT];

    if (f->has_root) {
        w->endorser.revocation_checked = true;
        snp_date_text(w->endorser.revocation_issued, issued);
        clo_check_that(w->checks, id, true,
                       "no certificate of the chain is revoked, says the list of %s%s%s", issued,
                       w->trust->at > w->endorser.revocation_until
                               ? ", whose next update is overdue and whose age the policy's grace "
                                 "allows"
                               : "",
                       f->left_out);
    } else if (f->problem.status != CLO_OK) {
        clo_check_that(w->checks, id, false, "%s", f->problem.text);
    } else if (f->used > 0) {
        clo_check_that(w->checks, id, false,
                       "there is no revocation list of the root's: that of \"%.100s\" says nothing "
                       "of who signed it",
                       clo_certificate_subject(w->chain->intermediate));
    } else if (w->trust->owner_crls_alone) {
        clo_check_that(w->checks, id, false,
                       "the verifier holds no revocation list of this chain's root");
    } else if (w->trust->named_crl_count > 0) {
        clo_check_that(w->checks, id, false,
                       "none of the %zu revocation lists that were given is of this chain",
                       w->trust->crl_count);
    } else if (w->trust->crl_count > 0) {
        clo_check_skip(w->checks, id, "none of the %zu revocation lists is of this chain",
                       w->trust->crl_count);
    } else {
        clo_check_skip(w->checks, id, "no revocation list was given");
    }
}

void snp_check_revocation(struct snp_work *w)
{
    const struct clo_snp_chain *chain = w->chain;
    const struct link links[] = { { chain->root, chain->intermediate },
                                  { chain->intermediate, chain->leaf } };
    struct finding f = { .w = w };
    struct clo_error revoked;

    for (size_t i = 0; i < CLO_COUNT(links); i++) {
        if (links[i].issuer == NULL || links[i].certificate == NULL)
            continue;
        if (!look_at(&f, &links[i], &revoked)) {
            clo_check_that(w->checks, "snp.revocation", false, "%s", revoked.text);
            return;
        }
        if (f.decides == NULL)
            continue;
        f.has_root = f.has_root || i == 0;
        take(&f);
    }
    conclude(&f);
}
