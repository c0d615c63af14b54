/* Microsoft's endorsement of the utility VM: what is read, and when it is authentic. */
#include "lib/cloud/uvm_endorsement.h"

#include "uvm_endorsement_maker.h"

static struct path_maker maker;

static int make_keys(void **state)
{
    (void)state;
    path_maker_init(&maker, CLO_KEY_RSA, 2048);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    path_maker_free(&maker);
    return 0;
}

#define ZEROS15 "000000000000000000000000000000"
#define HEX48   "010203" ZEROS15 ZEROS15 ZEROS15
#define JSON(svn, more) \
    "{\"x-ms-sevsnpvm-guestsvn\":" svn ",\"x-ms-sevsnpvm-launchmeasurement\":\"" HEX48 "\"" more "}"

static void test_parse(void **state)
{
    static const struct {
        const char *name;
        struct uvm_scene scene;
        const char *error; /* NULL: it parses */
    } cases[] = {
        { "as Azure has it", { .is_envelope = false }, NULL },
        { "the newer form", { .is_envelope = true }, NULL },
        { "without a tag", { .no_tag = true }, NULL },
        { "no time", { .no_time = true }, NULL },
        { "the SVN as a number, too",
          { .payload = JSON("\"104\"", ",\"x-ms-sevsnpvm-guestsvn-int\":104") },
          NULL },
        { "a member that nobody knows", { .payload = JSON("\"104\"", ",\"future\":true") }, NULL },
        { "no chain", { .no_chain = true }, "x5chain does not have" },
        { "a leaf alone", { .leaf_alone = true }, "x5chain does not have" },
        { "a critical header", { .is_critical = true }, "critical headers" },
        { "its algorithm outside", { .says_algorithm_outside = true }, "unprotected header" },
        { "another type", { .content_type = "text/plain" }, "not called JSON" },
        { "another type in the newer form",
          { .is_envelope = true, .content_type = "text/plain" },
          "not called a SHA-384" },
        { "another digest", { .is_envelope = true, .other_digest = true }, "not called a SHA-384" },
        { "a short digest",
          { .is_envelope = true, .measurement_size = 32 },
          "not called a SHA-384" },
        { "no issuer", { .claims = UVM_NO_ISSUER }, "the issuer is missing" },
        { "no feed", { .claims = UVM_NO_FEED }, "the feed is missing" },
        { "no issuer in claims",
          { .is_envelope = true, .claims = UVM_NO_ISSUER },
          "the issuer is missing" },
        { "no feed in claims",
          { .is_envelope = true, .claims = UVM_NO_FEED },
          "the feed is missing" },
        { "no SVN in claims", { .is_envelope = true, .claims = UVM_NO_SVN }, "the SVN is not" },
        { "claims in two forms",
          { .is_envelope = true, .claims = UVM_BOTH_FORMS },
          "in two forms" },
        { "another method", { .issuer = "did:web:example.com" }, "does not begin" },
        { "a time before all time", { .signed_after = -PATH_NOW }, "the time of signing" },
        { "not JSON", { .payload = "{\"x\":" }, "payload" },
        { "no measurement",
          { .payload = "{\"x-ms-sevsnpvm-guestsvn\":\"1\"}" },
          "launchmeasurement" },
        { "a short measurement",
          { .payload = "{\"x-ms-sevsnpvm-guestsvn\":\"1\",\"x-ms-sevsnpvm-launchmeasurement\":"
                       "\"00\"}" },
          "not 48 bytes in hex" },
        { "an SVN of letters", { .payload = JSON("\"1a\"", "") }, "the SVN is not a number" },
        { "an empty SVN", { .payload = JSON("\"\"", "") }, "the SVN is not a number" },
        { "an SVN that overflows",
          { .payload = JSON("\"18446744073709551616\"", "") },
          "the SVN is not a number" },
        { "an SVN that is a number", { .payload = JSON("104", "") }, "guestsvn" },
        { "two SVNs",
          { .payload = JSON("\"104\"", ",\"x-ms-sevsnpvm-guestsvn-int\":105") },
          "differs" },
        { "a member twice",
          { .payload = JSON("\"104\"", ",\"x-ms-sevsnpvm-guestsvn\":\"9\"") },
          "payload" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer issuer = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        CLO_CLEANUP(clo_uvm_endorsement_free) struct clo_uvm_endorsement endorsement;
        struct clo_error err = { .text = "" };
        path_maker_reset(&maker);
        uvm_endorsement_make(&maker, &cases[i].scene, &issuer, &bytes);
        bool ok = clo_uvm_endorsement_parse(clo_buffer_bytes(&bytes), &endorsement, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || (endorsement.svn == 104 && endorsement.measurement[2] == 3 &&
                      endorsement.measurement[47] == 0),
              cases[i].name);
        CHECK(!ok || endorsement.signed_at == (cases[i].scene.no_time ? 0 : PATH_NOW - 60),
              cases[i].name);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    for (int form = 0; form < 2; form++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer issuer = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        const struct uvm_scene scene = { .is_envelope = form == 1 };
        struct clo_uvm_endorsement endorsement;
        struct clo_error err;
        path_maker_reset(&maker);
        uvm_endorsement_make(&maker, &scene, &issuer, &bytes);
        for (size_t size = 0; size < bytes.size; size++)
            CHECK(!clo_uvm_endorsement_parse(clo_bytes(bytes.data, size), &endorsement, &err),
                  "cut short");
    }
}

struct verify_case {
    const char *name;
    struct uvm_scene scene;
    const char *id, *detail; /* detail NULL: all hold */
    const char *issuer;      /* the one that is trusted; NULL: its own, "": none */
    const char *feed;        /* the one that is trusted; NULL: its own, "": none */
    bool by_other_key, root_is_another, root_is_named, leaf_has_run_out, leaf_runs_out_later;
};

static const struct verify_case verify_cases[] = {
    { .name = "as Azure has it", .id = "endorsement.issuer" },
    { .name = "the newer form", .scene = { .is_envelope = true }, .id = "endorsement.root" },
    { .name = "the root is named as well", .root_is_named = true, .id = "endorsement.root" },
    { .name = "the leaf ran out since", .leaf_runs_out_later = true, .id = "endorsement.validity" },
    { .name = "one bit changed",
      .scene = { .changed = true },
      .id = "endorsement.signature",
      .detail = "" },
    { .name = "one bit changed in the newer form",
      .scene = { .changed = true, .is_envelope = true },
      .id = "endorsement.signature",
      .detail = "" },
    { .name = "signed by another",
      .scene = { .signed_by_another = true },
      .id = "endorsement.signature",
      .detail = "" },
    { .name = "another hash than it says",
      .scene = { .algorithm = -37 },
      .id = "endorsement.signature",
      .detail = "" },
    { .name = "RSASSA-PKCS1",
      .scene = { .algorithm = -257 },
      .id = "endorsement.signature",
      .detail = "algorithm -257 is not RSASSA-PSS" },
    { .name = "ECDSA by an RSA key",
      .scene = { .algorithm = -35 },
      .id = "endorsement.signature",
      .detail = "is not RSASSA-PSS" },
    { .name = "no issuer is trusted",
      .issuer = "",
      .id = "endorsement.issuer",
      .detail = "no issuer is trusted" },
    { .name = "another issuer",
      .issuer = "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.2",
      .id = "endorsement.issuer",
      .detail = "none of those that are trusted" },
    { .name = "no feed is trusted",
      .feed = "",
      .id = "endorsement.feed",
      .detail = "no feed is trusted" },
    { .name = "another feed",
      .feed = "Other-UVM",
      .id = "endorsement.feed",
      .detail = "none of those" },
    { .name = "an issuer that the chain is not",
      .scene = { .predicate = "eku:1.3.6.1.5.5.7.3.4" },
      .id = "endorsement.issuer",
      .detail = "does not have the eku that it names" },
    { .name = "an issuer with another CA",
      .scene = { .issuer = "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3."
                           "6.1.5.5.7.3.3" },
      .id = "endorsement.root",
      .detail = "not in the chain" },
    { .name = "another root is named",
      .root_is_another = true,
      .id = "endorsement.root",
      .detail = "none of the roots that are trusted" },
    { .name = "a CA that did not sign the leaf",
      .by_other_key = true,
      .id = "endorsement.chain",
      .detail = "" },
    { .name = "a link is missing",
      .scene = { .ca_is_missing = true },
      .id = "endorsement.chain",
      .detail = "is missing" },
    { .name = "signed after the leaf ran out",
      .leaf_has_run_out = true,
      .id = "endorsement.validity",
      .detail = "has run out" },
    { .name = "signed before there was a leaf",
      .scene = { .signed_after = -7200 },
      .id = "endorsement.validity",
      .detail = "is not valid yet" },
    { .name = "signed in the future",
      .scene = { .signed_after = 120 },
      .id = "endorsement.time",
      .detail = "in the future" },
    { .name = "no time, and a leaf that ran out",
      .scene = { .no_time = true },
      .leaf_has_run_out = true,
      .id = "endorsement.validity",
      .detail = "has run out" },
};

static bool verify(const struct verify_case *c, struct clo_checks *checks, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer issuer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_uvm_endorsement_free) struct clo_uvm_endorsement endorsement;
    const struct clo_digest other = { .hash = CLO_HASH_SHA256 };

    path_maker_reset(&maker);
    maker.ca_by_other_key = c->by_other_key;
    maker.leaf_until = c->leaf_has_run_out      ? PATH_NOW - 120
                       : c->leaf_runs_out_later ? PATH_NOW - 30
                                                : maker.leaf_until;
    uvm_endorsement_make(&maker, &c->scene, &issuer, &bytes);
    if (!clo_uvm_endorsement_parse(clo_buffer_bytes(&bytes), &endorsement, err))
        fail_msg("%s: %s", c->name, err->text);
    const char *issuers[] = { c->issuer != NULL ? c->issuer : clo_buffer_string(&issuer) };
    const char *feeds[] = { c->feed != NULL ? c->feed : UVM_FEED };
    const struct clo_uvm_endorsement_trust trust = {
        .issuers = issuers,
        .issuer_count = *issuers[0] != '\0',
        .feeds = feeds,
        .feed_count = *feeds[0] != '\0',
        .roots = c->root_is_another ? &other : &maker.root,
        .root_count = c->root_is_another || c->root_is_named,
        .at = PATH_NOW,
    };
    return clo_uvm_endorsement_verify(&endorsement, &trust, checks, err);
}

/* The first that failed with this id, or the first of all. */
static const struct clo_check *find(const struct clo_checks *checks, const char *id)
{
    for (size_t i = 0; i < checks->count; i++)
        if (checks->items[i].result == CLO_CHECK_FAIL && strcmp(checks->items[i].id, id) == 0)
            return &checks->items[i];
    return clo_checks_get(checks, id);
}

static void test_verify(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(verify_cases); i++) {
        const struct verify_case *c = &verify_cases[i];
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct clo_error err = { .text = "" };
        bool ok = verify(c, &checks, &err);
        CHECK(ok == (c->detail == NULL), c->name);
        CHECK(ok == clo_checks_ok(&checks), c->name);
        CHECK(ok || err.status == CLO_ERR_UNVERIFIED, err.text);
        const struct clo_check *check = find(&checks, c->id);
        CHECK(check != NULL, c->name);
        CHECK(check->result == (ok ? CLO_CHECK_PASS : CLO_CHECK_FAIL), check->detail);
        CHECK(ok || strstr(check->detail, c->detail) != NULL, check->detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_verify),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
