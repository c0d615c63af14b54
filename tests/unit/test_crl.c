#include "cloister/crypto.h"
#include "lib/base/der.h"
#include "lib/crypto/certificate_make.h"

#include "test.h"

#define DATES "170d3236303130313030303030305a 170d3236303230313030303030305a"
#define UNTIL 1769904000 /* the second of them */

/* Made by OpenSSL 3.0: a P-256 certificate (with a VCEK's extensions), a list by it that is empty, and
 * one that lists the certificate itself. */
static const char certificate_hex[] =
        "308201d130820178a00302010202141708ee1c28f928665323436a224e3f1212d4fb11300a06082a8648"
        "ce3d040302300f310d300b06035504030c046c656166301e170d3236313132333231333733365a170d33"
        "36313132303231333733365a300f310d300b06035504030c046c6561663059301306072a8648ce3d0201"
        "06082a8648ce3d03010703420004cc2bb902445dc7e12285f1dd673193e6b5fb0d6046e4fb612c42ec8c"
        "89869e1ace1b3e554d07d2cde84824b149ccb0d8e9a8a63da533a105210789a8d561133da381b13081ae"
        "301006092b060104019c7801010403020100301706092b060104019c780102040a16084d696c616e2d42"
        "303011060a2b060104019c7801030104030201033011060a2b060104019c780103020403020100301106"
        "0a2b060104019c7801030304030201083012060a2b060104019c78010308040402020080301506092b06"
        "0104019c78010404080102030405060708301d0603551d0e04160414b14c799e629987c8d4af3418d696"
        "dacf56352957300a06082a8648ce3d04030203470030440220581bcabbe83d31858a6fe0e0287e9c3b92"
        "00219424c0e6f21183bd9bceccc2d30220164a8a7dafb91eef7e645a70bb876af02a328cd4889e7d86ef"
        "92b0099fb6a52e";
static const char empty_hex[] =
        "3081a7304e020101300a06082a8648ce3d040302300f310d300b06035504030c046c656166170d323631"
        "3132333231333733365a170d3236313232333231333733365aa00e300c300a0603551d14040302010130"
        "0a06082a8648ce3d0403020349003046022100f473b6b3d1f2f31ca3902cdfe50f83ef4b80b7ceb7f923"
        "c1519068682503868a022100eaee5682e9e4b6c1ad377d8deb79c9121917f49b60f17c886f3a3dfe6fa4"
        "ab3a";
static const char one_hex[] =
        "3081cf3077020101300a06082a8648ce3d040302300f310d300b06035504030c046c656166170d323631"
        "3132333231333733365a170d3236313232333231333733365a3027302502141708ee1c28f92866532343"
        "6a224e3f1212d4fb11170d3236313132333231333733365aa00e300c300a0603551d140403020102300a"
        "06082a8648ce3d0403020348003045022100d3deef39da8131d3a60290e4c80e30edfd2556facdd84f0d"
        "14f4cd5a8f8c895e02207fd2460a1e805375ac8093b1b6277637be0d8607eef45d1bc73ffb89b43ec3bb";

static struct clo_certificate *read_certificate(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_certificate *certificate;
    struct clo_error err;

    if (!clo_certificate_parse(from_hex(certificate_hex, &der), &certificate, &err))
        fail_msg("%s", err.text);
    return certificate;
}

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    struct clo_bytes in = from_hex(one_hex, &der);
    struct clo_error err;

    (void)state;
    CHECK(clo_crl_parse(in, &crl, &err), "one entry");
    CHECK(strcmp(clo_crl_issuer(crl), "CN=leaf") == 0, clo_crl_issuer(crl));
    CHECK(clo_crl_next_update(crl) - clo_crl_this_update(crl) == 30 * 86400, "thirty days");
    for (size_t size = 0; size < in.size; size++) {
        struct clo_crl *none = NULL;
        CHECK(!clo_crl_parse(clo_bytes_slice(in, 0, size), &none, &err), "cut short");
        CHECK(err.status == CLO_ERR_FORMAT, err.text);
    }
    clo_buffer_u8(&der, 0);
    struct clo_crl *none = NULL;
    CHECK(!clo_crl_parse(clo_buffer_bytes(&der), &none, &err), "one byte more");
    CHECK(strcmp(err.text, "revocation list: 1 bytes after its end") == 0, err.text);
}

static void test_verify(void **state)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = read_certificate();
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer empty_der = { 0 };
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *one = NULL;
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *empty = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_crl_parse(from_hex(one_hex, &der), &one, &err), "parse");
    CHECK(clo_crl_parse(from_hex(empty_hex, &empty_der), &empty, &err), "parse");
    CHECK(clo_crl_is_from(one, certificate), "issuer");
    CHECK(clo_crl_verify(one, certificate, CLO_ECDSA_DER, CLO_HASH_SHA256, &err), "verifies");
    CHECK(clo_crl_revokes(one, certificate), "lists it");
    CHECK(clo_crl_verify(empty, certificate, CLO_ECDSA_DER, CLO_HASH_SHA256, &err), "verifies");
    CHECK(!clo_crl_revokes(empty, certificate), "lists nothing");
    CHECK(!clo_crl_verify(one, certificate, CLO_ECDSA_DER, CLO_HASH_SHA384, &err), "other hash");
    CHECK(strstr(err.text, "not signed with the algorithm") != NULL, err.text);
    CHECK(!clo_crl_verify(one, certificate, CLO_RSASSA_PSS, CLO_HASH_SHA256, &err), "other scheme");
    CHECK(strstr(err.text, "not signed with the algorithm") != NULL, err.text);

    CLO_CLEANUP(clo_crl_freep) struct clo_crl *changed = NULL;
    der.data[der.size - 1] ^= 1;
    CHECK(clo_crl_parse(clo_buffer_bytes(&der), &changed, &err), "changed signature");
    CHECK(!clo_crl_verify(changed, certificate, CLO_ECDSA_DER, CLO_HASH_SHA256, &err), "changed");
    CHECK(err.status == CLO_ERR_REFUSED && strstr(err.text, "signature does not hold") != NULL,
          err.text);
}

static void test_other_issuer(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *other = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    const struct clo_certificate_spec spec = { .common_name = "other",
                                               .not_after = 1,
                                               .serial = clo_bytes("\x01", 1),
                                               .scheme = CLO_ECDSA_DER,
                                               .hash = CLO_HASH_SHA256 };
    struct clo_error err;

    (void)state;
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &key, &err), "key");
    CHECK(clo_private_key_public(key, &public_key, &err), "key");
    CHECK(clo_certificate_make(&spec, public_key, NULL, key, &made, &err), "make");
    CHECK(clo_certificate_parse(clo_buffer_bytes(&made), &other, &err), "parse");
    CHECK(clo_crl_parse(from_hex(empty_hex, &der), &crl, &err), "parse");
    CHECK(!clo_crl_is_from(crl, other), "not its");
    CHECK(!clo_crl_verify(crl, other, CLO_ECDSA_DER, CLO_HASH_SHA256, &err), "not its");
    CHECK(strcmp(err.text, "revocation list: issued by \"CN=leaf\", not by \"CN=other\"") == 0,
          err.text);
}

/* A list of our own hand, in hex; NULL: as usual, one entry (serial number 5) without extensions. */
struct list {
    const char *serial, *entry_extensions, *inner_algorithm, *dates, *extensions, *behind;
};

static struct clo_bytes hex_or(const char *hex, const char *usual, struct clo_buffer *out)
{
    return from_hex(hex == NULL ? usual : hex, out);
}

static void make_list(const struct list *list, const struct clo_certificate *issuer,
                      const struct clo_private_key *key, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer entry = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer entries = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer extensions = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer contents = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer algorithm = { 0 };
    struct clo_error err;

    from_hex("300a06082a8648ce3d040302", &algorithm);
    hex_or(list->serial, "020105", &entry);
    from_hex("170d3236303130313030303030305a", &entry);
    hex_or(list->entry_extensions, "", &entry);
    clo_der_write(&entries, CLO_DER_SEQUENCE, clo_buffer_bytes(&entry));
    from_hex("020101", &contents);
    hex_or(list->inner_algorithm, "300a06082a8648ce3d040302", &contents);
    clo_buffer_append(&contents, clo_certificate_subject_name(issuer));
    hex_or(list->dates, DATES, &contents);
    clo_der_write(&contents, CLO_DER_SEQUENCE, clo_buffer_bytes(&entries));
    hex_or(list->extensions, "", &extensions);
    if (extensions.size > 0)
        clo_der_write(&contents, CLO_DER_EXPLICIT(0), clo_buffer_bytes(&extensions));
    hex_or(list->behind, "", &contents);
    clo_der_write(&message, CLO_DER_SEQUENCE, clo_buffer_bytes(&contents));
    CHECK(clo_signature_make(key, CLO_ECDSA_DER, CLO_HASH_SHA256, clo_buffer_bytes(&message),
                             &signature, &err),
          "sign");
    clo_buffer_append(&whole, clo_buffer_bytes(&message));
    clo_buffer_append(&whole, clo_buffer_bytes(&algorithm));
    struct clo_buffer bits = { 0 };
    clo_buffer_u8(&bits, 0);
    clo_buffer_append(&bits, clo_buffer_bytes(&signature));
    clo_der_write(&whole, CLO_DER_BIT_STRING, clo_buffer_bytes(&bits));
    clo_buffer_free(&bits);
    clo_der_write(out, CLO_DER_SEQUENCE, clo_buffer_bytes(&whole));
}

static struct clo_certificate *make_issuer(struct clo_private_key **key)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    const struct clo_certificate_spec spec = { .common_name = "issuer",
                                               .not_after = 1,
                                               .serial = clo_bytes("\x05", 1),
                                               .scheme = CLO_ECDSA_DER,
                                               .hash = CLO_HASH_SHA256 };
    struct clo_certificate *issuer;
    struct clo_error err;

    if (!clo_private_key_new(CLO_KEY_P256, 0, key, &err) ||
        !clo_private_key_public(*key, &public_key, &err) ||
        !clo_certificate_make(&spec, public_key, NULL, *key, &made, &err) ||
        !clo_certificate_parse(clo_buffer_bytes(&made), &issuer, &err))
        fail_msg("%s", err.text);
    return issuer;
}

/* What is signed and wrong all the same. */
static void test_contents(void **state)
{
    static const char malformed[] = "revocation list: malformed extensions";
    static const char dates[] = "revocation list: wrong dates";
    static const struct {
        const char *name;
        struct list list;
        int64_t until;
        const char *error;
    } cases[] = {
        { "no next update",
          { .dates = "170d3236303130313030303030305a" },
          0,
          "revocation list: has no nextUpdate" },
        { "both dates", { NULL }, UNTIL, NULL },
        { "a date with four digits of its year",
          { .dates = "170d3236303130313030303030305a 180f32303530303130313030303030305a" },
          2524608000,
          NULL },
        { "no such day", { .dates = "170d3236303133323030303030305a" }, 0, dates },
        { "no such day of the next update",
          { .dates = "170d3236303130313030303030305a 170d3236303233303030303030305a" },
          0,
          dates },
        { "another algorithm inside",
          { .inner_algorithm = "300a06082a8648ce3d040303" },
          0,
          "revocation list: malformed signature algorithm" },
        { "serial number with a needless byte",
          { .serial = "02020005" },
          0,
          "revocation list: entry 0 is malformed" },
        { "serial number of nothing",
          { .serial = "0200" },
          0,
          "revocation list: entry 0 is malformed" },
        { "invalidity date, critical",
          { .entry_extensions =
                    "301d 301b 0603551d18 0101ff 04 11 180f32303236303130313030303030305a" },
          UNTIL,
          NULL },
        { "unknown extension of an entry, not critical",
          { .entry_extensions = "300b 3009 0603551d63 0402 3000" },
          UNTIL,
          NULL },
        { "key of its issuer",
          { .extensions = "300f 300d 0603551d23 0406 3004 8002 0102" },
          UNTIL,
          NULL },
        { "key of its issuer, cut short",
          { .extensions = "300e 300c 0603551d23 0405 3004 8002 01" },
          0,
          malformed },
        { "something after its number",
          { .extensions = "300f 300d 0603551d14 0406 020102 020103" },
          0,
          malformed },
        { "something after the extensions", { .behind = "0500" }, 0, malformed },
    };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *issuer = make_issuer(&key);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
        struct clo_error err;
        make_list(&cases[i].list, issuer, key, &der);
        bool ok = clo_crl_parse(clo_buffer_bytes(&der), &crl, &err) &&
                  clo_crl_verify(crl, issuer, CLO_ECDSA_DER, CLO_HASH_SHA256, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok && strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK(!ok || (clo_crl_next_update(crl) == cases[i].until && clo_crl_revokes(crl, issuer)),
              cases[i].name);
    }
}

static void test_extensions(void **state)
{
    static const char malformed[] = "revocation list: malformed extensions";
    static const char unknown[] =
            "revocation list of \"CN=issuer\": a critical extension that we do not know";
    static const char partial[] =
            "revocation list of \"CN=issuer\": a delta, or of one distribution point";
    static const struct {
        const char *name, *entry, *list, *error; /* NULL: it counts */
    } cases[] = {
        { "none", "", "", NULL },
        { "number", "", "300c 300a 0603551d14 0403 020102", NULL },
        { "reason, critical", "300f 300d 0603551d15 0101ff 0403 0a0101", "", NULL },
        { "another issuer's certificate", "300e 300c 0603551d1d 0101ff 0402 3000", "", unknown },
        { "unknown, critical", "", "300e 300c 0603551d63 0101ff 0402 3000", unknown },
        { "unknown, not critical", "", "300b 3009 0603551d63 0402 3000", NULL },
        { "distribution point, critical", "", "300e 300c 0603551d1c 0101ff 0402 3000", partial },
        { "distribution point", "", "300b 3009 0603551d1c 0402 3000", partial },
        { "delta", "", "300f 300d 0603551d1b 0101ff 0403 020101", partial },
        { "number twice", "", "3018 300a 0603551d14 0403 020102 300a 0603551d14 0403 020102",
          malformed },
        { "number with a needless byte", "", "300d 300b 0603551d14 0404 02020002", malformed },
        { "entry's extension cut short", "300f 300d 0603551d15 0101ff 0403 0a01", "",
          "revocation list: entry 0 is malformed" },
    };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *issuer = make_issuer(&key);
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
        int64_t since = 0;
        make_list(&(struct list){ .entry_extensions = cases[i].entry, .extensions = cases[i].list },
                  issuer, key, &der);
        bool ok = clo_crl_parse(clo_buffer_bytes(&der), &crl, &err) &&
                  clo_crl_verify(crl, issuer, CLO_ECDSA_DER, CLO_HASH_SHA256, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
        if (!ok)
            continue;
        CHECK(clo_crl_revokes(crl, issuer) && clo_crl_count(crl) == 1, cases[i].name);
        CHECK(clo_crl_find(crl, clo_bytes("\x05", 1), &since) && since == 1767225600, "the date");
        /* The bytes are somewhere in it, but not as a serial number. */
        CHECK(!clo_crl_find(crl, clo_bytes("\x17", 1), &since), "another number");
        CHECK(!clo_crl_find(crl, clo_bytes(NULL, 0), &since), "no number");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_other_issuer), cmocka_unit_test(test_contents),
        cmocka_unit_test(test_extensions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
