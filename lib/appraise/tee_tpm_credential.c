/* A TPM's key that a credential vouches for: the TPM opened what was made for its endorsement key and this key, so both are in it; and
 * a maker's certificate says that the endorsement key is a TPM's. */
#include "lib/appraise/tee_tpm_voucher.h"

#include "lib/base/der.h"

#define EXTENDED_KEY_USAGE "2.5.29.37"
/* id-tcg-kp-EKCertificate, 2.23.133.8.1 */
static const uint8_t ek_usage[] = { 0x67, 0x81, 0x05, 0x08, 0x01 };

/* TCG EK Credential Profile 2.5, section 3.2.16: a certificate for something else is not one of an endorsement key. */
static bool is_for_endorsing(const struct clo_certificate *certificate)
{
    struct clo_bytes value;
    bool found = false;

    if (!clo_certificate_extension(certificate, EXTENDED_KEY_USAGE, &value))
        return false;
    struct clo_reader r = clo_reader(value);
    struct clo_reader usages = clo_der_enter(&r, CLO_DER_SEQUENCE);
    while (clo_reader_ok(&usages) && clo_reader_left(&usages) > 0)
        found = clo_bytes_equal(clo_der_value(&usages, CLO_DER_OID),
                                clo_bytes(ek_usage, sizeof ek_usage)) ||
                found;
    return found && clo_der_done(&usages) && clo_der_done(&r);
}

/* The certificate is of an endorsement key, and the credential was made for that one. */
static bool check_ek(struct work *w, const struct clo_tpm_public *ek,
                     const struct clo_certificate *certificate)
{
    static const char id[] = "tpm.ek.key";
    struct clo_error refused;

    if (!clo_tpm_public_endorses(ek, &refused))
        return clo_check_that(w->checks, id, false, "%s", refused.text);
    if (!is_for_endorsing(certificate))
        return clo_check_that(w->checks, id, false,
                              "the certificate is not one of an endorsement key");
    bool same = tpm_voucher_same_key(ek->key, clo_certificate_key(certificate));
    return clo_check_that(w->checks, id, same, "the certificate %s of the TPM's endorsement key",
                          same ? "is" : "is not");
}

/* The issuer's word on the endorsement key. */
static bool check_maker(struct work *w, struct tpm_vouched *vouched, bool *holds,
                        struct clo_error *err)
{
    static const struct x509_path_ids ids = { "tpm.ek.chain", "tpm.ek.root", "tpm.ek.validity",
                                              "tpm.ek.revocation" };
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public ek = { .key = NULL };
    struct clo_bytes pem = clo_buffer_bytes(&vouched->challenge.certificates);

    *holds = false;
    if (!clo_tpm_public_read(clo_buffer_bytes(&vouched->challenge.ek), &ek, err))
        return clo_wrap(err, "challenge: endorsement key");
    if (pem.size == 0) {
        clo_check_that(w->checks, ids.chain, false,
                       "the TPM showed no certificate of its endorsement key: it may be anybody's");
        return true;
    }
    if (!tpm_voucher_read_certificates(w, vouched, pem, err))
        return clo_wrap(err, "challenge: certificates");
    bool is_ek = check_ek(w, &ek, vouched->certificates.items[0]);
    if (!tpm_voucher_check_chain(w, vouched, &ids, holds, err))
        return false;
    *holds = *holds && is_ek;
    return true;
}

/* What the answer shows: the TPM that it was for holds this key, and the key may sign quotes alone. */
static bool check_answer(struct work *w, const struct tpm_vouched *vouched,
                         const struct clo_tpm_public *ak)
{
    static const char id[] = "tpm.ak.credential";
    struct clo_error refused;

    if (!clo_tpm_public_attests(ak, &refused))
        return clo_check_that(w->checks, id, false, "%s", refused.text);
    bool holds = clo_tpm_challenge_is_answered(&vouched->challenge, w->inputs->activation.answer);
    return clo_check_that(w->checks, id, holds, "%s",
                          holds ? "the endorsement key's TPM holds the attestation key: it opened "
                                  "the credential"
                                : "the answer is not what the credential held");
}

bool tpm_voucher_by_credential(struct work *w, struct tpm_vouched *vouched, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public ak = { .key = NULL };
    struct clo_bytes kept = w->inputs->activation.challenge;
    bool is_makers;

    if (kept.data == NULL)
        return true;
    vouched->has_chain = true;
    if (!clo_tpm_challenge_parse(kept, &vouched->challenge, err))
        return false;
    if (!clo_tpm_public_read(clo_buffer_bytes(&vouched->challenge.ak), &ak, err))
        return clo_wrap(err, "challenge: attestation key");
    bool is_answered = check_answer(w, vouched, &ak);
    if (!check_maker(w, vouched, &is_makers, err))
        return false;
    if (!is_answered || !is_makers)
        return true;
    vouched->by = TPM_VOUCHED_BY_CREDENTIAL;
    vouched->activated = CLO_TAKE(ak.key);
    w->ak = vouched->activated;
    return true;
}
