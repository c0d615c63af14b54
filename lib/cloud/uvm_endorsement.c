/* Sources: did:x509 Method Specification; RFC 9052, 9360 (x5chain), 9597 (CWT claims in headers); the hash envelope of
 * draft-ietf-cose-hash-envelope (labels 258 and 259); how microsoft/CCF (src/node/uvm_endorsements.cpp) and
 * microsoft/TEE-Attestation-Verification (caci/) read the same documents. */
#include "lib/cloud/uvm_endorsement.h"

#include <string.h>

#include "cloister/encoding.h"
#include "lib/base/digits.h"
#include "lib/crypto/x509_path.h"

#define HEADER_CONTENT_TYPE      3
#define HEADER_CWT_CLAIMS        15
#define HEADER_X5CHAIN           33
#define HEADER_PAYLOAD_HASH      258
#define HEADER_PREIMAGE_TYPE     259
#define HEADER_PREIMAGE_TYPE_OLD 300 /* before IANA gave it a number */
#define CWT_ISSUER               1
#define CWT_SUBJECT              2
#define CWT_ISSUED_AT            6
#define COSE_SHA384              (-43)
#define TAG_TIME                 1
#define FEED_MAX                 256
#define TIME_MAX                 253402300799LL /* the end of year 9999 */

/* --- Reading --- */

static bool read_text(const cbor_item_t *item, const char *what, size_t limit,
                      struct clo_bytes *out, struct clo_error *err)
{
    return (item_is_text(item) && item_bytes(item, out) && out->size > 0 && out->size <= limit) ||
           clo_fail(err, CLO_ERR_FORMAT, "%s is missing, or not a text", what);
}

/* What people read and policies name. */
static bool read_feed(const cbor_item_t *item, struct clo_bytes *out, struct clo_error *err)
{
    if (!read_text(item, "the feed", FEED_MAX, out, err))
        return false;
    for (size_t i = 0; i < out->size; i++)
        if (out->data[i] < 0x20 || out->data[i] > 0x7e)
            return clo_fail(err, CLO_ERR_FORMAT, "the feed is not printable ASCII");
    return true;
}

static bool is_text(const cbor_item_t *item, const char *text)
{
    struct clo_bytes bytes;

    return item_is_text(item) && item_bytes(item, &bytes) &&
           clo_bytes_equal(bytes, clo_bytes_text(text));
}

/* Seconds in tag 1, or without a tag, as CWT has them. */
static bool read_time(const cbor_item_t *item, int64_t *out, struct clo_error *err)
{
    uint64_t tag;
    const cbor_item_t *number = item_untag(item, &tag);

    return item == NULL ||
           ((tag == 0 || tag == TAG_TIME) && item_int(number, out) && *out > 0 &&
            *out <= TIME_MAX) ||
           clo_fail(err, CLO_ERR_FORMAT, "the time of signing is not one");
}

static bool read_chain(const cbor_item_t *chain, struct clo_uvm_endorsement *out,
                       struct clo_error *err)
{
    size_t count = item_count(chain);

    if (!item_is_array(chain) || count < 2 || count > CLO_UVM_CERTIFICATES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "x5chain does not have 2 to %d certificates",
                        CLO_UVM_CERTIFICATES_MAX);
    for (size_t i = 0; i < count; i++)
        if (!item_is_bytes(item_of(chain, i)) ||
            !item_bytes(item_of(chain, i), &out->certificates[i]))
            return clo_fail(err, CLO_ERR_FORMAT, "x5chain holds something else than certificates");
    out->certificate_count = count;
    return true;
}

static bool read_measurement(const char *hex, uint8_t out[CLO_UVM_MEASUREMENT_SIZE],
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error ignored;

    if (!clo_hex_read(clo_bytes_text(hex), &bytes, &ignored) ||
        bytes.size != CLO_UVM_MEASUREMENT_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "the launch measurement is not %d bytes in hex",
                        CLO_UVM_MEASUREMENT_SIZE);
    memcpy(out, bytes.data, CLO_UVM_MEASUREMENT_SIZE);
    return true;
}

/* Decimal digits in a text. */
static bool read_svn(const char *text, uint64_t *out, struct clo_error *err)
{
    return clo_decimal_read(text, out) || clo_fail(err, CLO_ERR_FORMAT, "the SVN is not a number");
}

/* {"x-ms-sevsnpvm-guestsvn": "104", "x-ms-sevsnpvm-launchmeasurement": HEX}; newer ones have the SVN as a number as well. */
static bool read_json(struct clo_bytes payload, struct clo_uvm_endorsement *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *measurement, *svn;
    uint64_t number;

    if (!clo_json_parse(payload, &json, err) ||
        !clo_json_get_string(json, "x-ms-sevsnpvm-launchmeasurement", &measurement, err) ||
        !clo_json_get_string(json, "x-ms-sevsnpvm-guestsvn", &svn, err) ||
        !read_measurement(measurement, out->measurement, err) || !read_svn(svn, &out->svn, err))
        return clo_wrap(err, "payload");
    if (json_object_get(json, "x-ms-sevsnpvm-guestsvn-int") == NULL)
        return true;
    return (clo_json_get_u64(json, "x-ms-sevsnpvm-guestsvn-int", &number, err) &&
            (number == out->svn ||
             clo_fail(err, CLO_ERR_FORMAT, "the SVN is there twice, and differs"))) ||
           clo_wrap(err, "payload");
}

/* The older form: claims in the header under texts, the payload is JSON. */
static bool read_plain(struct clo_uvm_endorsement *out, struct clo_error *err)
{
    const cbor_item_t *header = out->message.header;

    if (!is_text(item_at(header, HEADER_CONTENT_TYPE), "application/json"))
        return clo_fail(err, CLO_ERR_FORMAT, "the payload is not called JSON");
    return read_text(item_named(header, "iss"), "the issuer", DID_X509_TEXT_MAX, &out->issuer,
                     err) &&
           read_feed(item_named(header, "feed"), &out->feed, err) &&
           read_time(item_named(header, "signingtime"), &out->signed_at, err) &&
           read_json(out->message.payload, out, err);
}

/* A hash envelope whose hash, SHA-384 of what was launched, is the measurement itself. */
static bool read_envelope(struct clo_uvm_endorsement *out, struct clo_error *err)
{
    const cbor_item_t *header = out->message.header;
    const cbor_item_t *type = item_at(header, HEADER_PREIMAGE_TYPE);
    const cbor_item_t *hash = item_at(header, HEADER_PAYLOAD_HASH);
    int64_t id = COSE_SHA384;

    if (type == NULL)
        type = item_at(header, HEADER_PREIMAGE_TYPE_OLD);
    if (!is_text(type, "application/octet-stream") ||
        item_at(header, HEADER_CONTENT_TYPE) != NULL || (hash != NULL && !item_int(hash, &id)) ||
        id != COSE_SHA384 || out->message.payload.size != CLO_UVM_MEASUREMENT_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "the payload is not called a SHA-384 digest of bytes");
    memcpy(out->measurement, out->message.payload.data, CLO_UVM_MEASUREMENT_SIZE);
    return true;
}

/* The newer form: CWT claims in the header, the payload is the measurement. */
static bool read_claims(const cbor_item_t *claims, struct clo_uvm_endorsement *out,
                        struct clo_error *err)
{
    int64_t svn = -1;

    if (item_named(out->message.header, "iss") != NULL ||
        item_named(out->message.header, "feed") != NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "claims are there in two forms");
    if (!read_text(item_at(claims, CWT_ISSUER), "the issuer", DID_X509_TEXT_MAX, &out->issuer,
                   err) ||
        !read_feed(item_at(claims, CWT_SUBJECT), &out->feed, err) ||
        !read_time(item_at(claims, CWT_ISSUED_AT), &out->signed_at, err))
        return false;
    if (!item_int(item_named(claims, "svn"), &svn) || svn < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "the SVN is not a number");
    out->svn = (uint64_t)svn;
    return read_envelope(out, err);
}

static bool read_endorsement(struct clo_bytes in, struct clo_uvm_endorsement *out,
                             struct clo_error *err)
{
    if (!cose_message_read(in, &out->message, err))
        return false;
    const cbor_item_t *claims = item_at(out->message.header, HEADER_CWT_CLAIMS);
    return read_chain(item_at(out->message.header, HEADER_X5CHAIN), out, err) &&
           (claims == NULL ? read_plain(out, err) : read_claims(claims, out, err)) &&
           did_x509_parse(out->issuer, &out->did, err);
}

void clo_uvm_endorsement_free(struct clo_uvm_endorsement *endorsement)
{
    cose_message_free(&endorsement->message);
}

bool clo_uvm_endorsement_parse(struct clo_bytes in, struct clo_uvm_endorsement *out,
                               struct clo_error *err)
{
    *out = (struct clo_uvm_endorsement){ .certificate_count = 0 };
    if (read_endorsement(in, out, err))
        return true;
    clo_uvm_endorsement_free(out);
    return clo_wrap(err, "UVM endorsement");
}

/* --- Verifying --- */

struct chain {
    struct clo_certificate *items[CLO_UVM_CERTIFICATES_MAX];
    size_t count;
};

static void free_chain(struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        clo_certificate_free(chain->items[i]);
}

static bool parse_chain(const struct clo_uvm_endorsement *endorsement, struct chain *out,
                        struct clo_error *err)
{
    for (; out->count < endorsement->certificate_count; out->count++)
        if (!clo_certificate_parse(endorsement->certificates[out->count], &out->items[out->count],
                                   err))
            return clo_wrap(err, "certificate %zu", out->count);
    return true;
}

static bool is_among(const char *const *words, size_t count, struct clo_bytes word)
{
    for (size_t i = 0; i < count; i++)
        if (clo_bytes_equal(word, clo_bytes_text(words[i])))
            return true;
    return false;
}

static bool check_named(const char *id, const char *what, const char *option,
                        const char *const *words, size_t count, struct clo_bytes word,
                        struct clo_checks *checks)
{
    bool holds = is_among(words, count, word);

    if (count == 0)
        return clo_check_that(checks, id, false, "no %s is trusted: name one with %s", what,
                              option);
    return clo_check_that(checks, id, holds, "of %s %.*s, which is %s", what,
                          word.size > 300 ? 300 : (int)word.size, (const char *)word.data,
                          holds ? "trusted" : "none of those that are trusted");
}

static bool check_time(const struct clo_uvm_endorsement *endorsement, int64_t at,
                       struct clo_checks *checks)
{
    static const char id[] = "endorsement.time";

    if (endorsement->signed_at == 0) {
        clo_check_skip(checks, id, "it does not say when it was signed");
        return true;
    }
    return clo_check_that(checks, id, endorsement->signed_at <= at, "signed %s",
                          endorsement->signed_at <= at ? "in the past, as the signer says"
                                                       : "in the future");
}

/* The key of the CA that the issuer names: the one root that counts, as long as the caller's own roots have it. */
static bool find_root(const struct clo_uvm_endorsement *endorsement, const struct chain *chain,
                      const struct clo_uvm_endorsement_trust *trust, struct clo_digest *out)
{
    struct clo_error ignored;
    bool found = false;

    for (size_t i = 1; i < chain->count && !found; i++)
        found = did_x509_is_ca(&endorsement->did, chain->items[i]) &&
                clo_public_key_fingerprint(clo_certificate_key(chain->items[i]), out, &ignored);
    for (size_t i = 0; found && i < trust->root_count; i++)
        if (clo_digest_equal(&trust->roots[i], out))
            return true;
    return found && trust->root_count == 0;
}

static bool check_path(const struct clo_uvm_endorsement *endorsement, const struct chain *chain,
                       const struct clo_uvm_endorsement_trust *trust, struct clo_checks *checks)
{
    static const struct x509_path_ids ids = { "endorsement.chain", "endorsement.root",
                                              "endorsement.validity", "endorsement.revocation" };
    static const char *const known[] = { "2.5.29.17", "2.5.29.37" };
    struct clo_digest root;
    struct x509_path path;
    struct clo_error refused;

    if (!find_root(endorsement, chain, trust, &root))
        return clo_check_that(checks, ids.root, false, "the issuer's CA is %s",
                              trust->root_count == 0 ? "not in the chain"
                                                     : "none of the roots that are trusted");
    const struct x509_trust path_trust = {
        .certificates = (const struct clo_certificate *const *)chain->items,
        .certificate_count = chain->count,
        .crls = trust->crls,
        .crl_count = trust->crl_count,
        .roots = &root,
        .root_count = 1,
        .known = known,
        .known_count = CLO_COUNT(known),
        .at = trust->at,
        .signed_at = endorsement->signed_at,
    };
    if (!x509_path_check(chain->items[0], &path_trust, &ids, checks, &path))
        return false;
    bool holds = did_x509_resolve(&endorsement->did, path.items, path.count, &refused);
    return holds || clo_check_that(checks, "endorsement.issuer", false, "%s", refused.text);
}

static bool check_signature(const struct clo_uvm_endorsement *endorsement,
                            const struct clo_certificate *leaf, struct clo_checks *checks)
{
    struct clo_error refused;
    bool holds = cose_message_verify(&endorsement->message, clo_certificate_key(leaf), &refused);

    return clo_check_that(checks, "endorsement.signature", holds, "%s",
                          holds ? "the key in its certificate signed it" : refused.text);
}

bool clo_uvm_endorsement_verify(const struct clo_uvm_endorsement *endorsement,
                                const struct clo_uvm_endorsement_trust *trust,
                                struct clo_checks *checks, struct clo_error *err)
{
    CLO_CLEANUP(free_chain) struct chain chain = { .count = 0 };

    if (!parse_chain(endorsement, &chain, err))
        return clo_wrap(err, "UVM endorsement");
    bool is_signed = check_signature(endorsement, chain.items[0], checks);
    bool is_timely = check_time(endorsement, trust->at, checks);
    bool is_vouched = check_path(endorsement, &chain, trust, checks);
    bool is_issuers = check_named("endorsement.issuer", "issuer", "--endorsement-issuer",
                                  trust->issuers, trust->issuer_count, endorsement->issuer, checks);
    bool is_of_feed = check_named("endorsement.feed", "feed", "--endorsement-feed", trust->feeds,
                                  trust->feed_count, endorsement->feed, checks);
    return (is_signed && is_timely && is_vouched && is_issuers && is_of_feed) ||
           clo_fail(err, CLO_ERR_UNVERIFIED, "launch endorsement: not authentic");
}
