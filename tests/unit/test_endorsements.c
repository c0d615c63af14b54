/* The verifier's own endorsements: which of them decide, what is fetched and when, and that without them
 * there is no decision. Pretend platforms, a network that answers from a table, a clock of the test's. */
#include "verifier/kbs/broker.h"

#include <time.h>

#include "cloister/jose.h"
#include "fake_net.h"
#include "sim/forge.h"
#include "sim/tdx.h"

#define REPORT_CPUID_MODEL 0x189 /* CPUID_MOD_ID: 10h and up of family 19h are Genoa */
#define GENOAS_MODEL       0x11
#define NOW                FAKE_NET_NOW
#define DAY                86400LL
#define HOUR               3600LL
#define KDS                "http://kds"
#define PCS                "http://pcs"
#define CRL                KDS "/vcek/v1/Milan/crl"

static struct sim_forge_keys snp_keys;
static struct sim_tdx_keys tdx_keys;
static struct sim_forge forge;
static struct sim_forged snp;
static struct fake_net net;
static struct clo_transport transport;
static char failure[600];

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static int start(void **state)
{
    struct clo_error err;

    (void)state;
    if (!sim_forge_keys_new(2048, &snp_keys, &err) || !sim_tdx_keys_new(&tdx_keys, &err))
        return -1;
    sim_forge_good(CLO_SNP_MILAN, 3, false, NOW, &snp_keys, &forge);
    return sim_forge(&forge, &snp_keys, &snp, &err) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    sim_forged_free(&snp);
    sim_forge_keys_free(&snp_keys);
    sim_tdx_keys_free(&tdx_keys);
    return 0;
}

static int reset(void **state)
{
    (void)state;
    net = (struct fake_net){ .now = NOW };
    transport = fake_net_transport(&net);
    failure[0] = '\0';
    return 0;
}

/* --- The owner's files --- */

struct files {
    const struct clo_buffer *items[4]; /* certificates and lists, DER */
    const struct clo_tdx_collateral *collateral[2];
    bool is_broken;
};
static struct files files;

static bool load(void *context, struct clo_endorsement_set *out, struct clo_error *err)
{
    (void)context;
    if (files.is_broken)
        return clo_fail(err, CLO_ERR_FORMAT, "a file that is none");
    for (size_t i = 0; i < CLO_COUNT(files.items); i++)
        if (files.items[i] != NULL &&
            !clo_endorsement_set_add(out, clo_buffer_bytes(files.items[i]), err))
            return false;
    for (size_t i = 0; i < CLO_COUNT(files.collateral); i++) {
        struct clo_tdx_collateral copy = { 0 };
        if (files.collateral[i] == NULL)
            continue;
        for (size_t k = 0; k < CLO_TDX_PIECE_COUNT; k++)
            clo_buffer_append(&copy.pieces[k], clo_buffer_bytes(&files.collateral[i]->pieces[k]));
        if (!clo_endorsement_set_add_collateral(out, &copy, err))
            return false;
    }
    return true;
}

static int64_t now_of(void *context)
{
    (void)context;
    return net.now;
}

static void on_failure(void *context, const struct clo_error *err)
{
    (void)context;
    snprintf(failure, sizeof failure, "%s", err->text);
}

/* What stands for chance in the waiting times. */
static uint8_t chance;

static bool fill_chance(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, chance, size);
    return true;
}

static struct clo_endorser *make(bool fetches)
{
    const struct clo_endorser_spec spec = { .load = load,
                                            .transport = fetches ? &transport : NULL,
                                            .kds = KDS,
                                            .pcs = PCS,
                                            .now = now_of,
                                            .random = { .fill = fill_chance },
                                            .on_failure = on_failure,
                                            .without_thread = true };
    struct clo_endorser *endorser;
    struct clo_error err;

    must(clo_endorser_new(&spec, &endorser, &err), &err);
    return endorser;
}

/* --- Evidence --- */

static void make_crl(int64_t from, int64_t until, int revoked, struct clo_buffer *out)
{
    struct sim_crl spec = forge.crl;
    struct clo_error err;

    spec.this_update = from;
    spec.next_update = until;
    spec.revoked = revoked;
    must(sim_crl(&spec, forge.crl_signer, out, &err), &err);
}

/* The report with its chain, and a list if the host brings one. */
static struct clo_evidence *snp_evidence(const struct clo_buffer *crl, bool without_leaf)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    const struct clo_buffer *chain[] = { &snp.ask, &snp.ark, &snp.leaf };
    struct clo_evidence *evidence;
    struct clo_error err;

    for (size_t i = 0; i < (without_leaf ? 2U : 3U); i++)
        must(clo_pem_write("CERTIFICATE", clo_buffer_bytes(chain[i]), &pem, &err), &err);
    if (crl != NULL)
        must(clo_pem_write("X509 CRL", clo_buffer_bytes(crl), &pem, &err), &err);
    must(clo_evidence_new(&evidence, &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                                  clo_bytes(snp.report, sizeof snp.report), &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&pem),
                                  &err),
         &err);
    return evidence;
}

/* What the check says; "" if there was no decision, whose reason is in `err`. */
static const char *appraise(struct clo_endorser *endorser, const struct clo_evidence *evidence,
                            const struct clo_digest *root, const char *id,
                            enum clo_check_result *result, struct clo_error *err)
{
    static char detail[CLO_CHECK_DETAIL_MAX];
    CLO_CLEANUP(clo_endorsed_free) struct clo_endorsed endorsed = { .endorser = NULL };
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;

    *result = CLO_CHECK_SKIP;
    if (!clo_endorser_take(endorser, NULL, evidence, "192.0.2.1", net.now, &endorsed, err))
        return "";
    const struct clo_appraise_inputs inputs = {
        .at = net.now, .roots = root, .root_count = 1, .endorsements = endorsed.endorsements
    };
    must(clo_appraise(evidence, &inputs, &appraisal, err), err);
    const struct clo_check *check = clo_checks_get(clo_appraisal_checks(appraisal), id);
    if (check == NULL)
        return "no such check";
    *result = check->result;
    memcpy(detail, check->detail, sizeof detail);
    return detail;
}

static void expect_snp(struct clo_endorser *endorser, const struct clo_evidence *evidence,
                       enum clo_check_result wanted, const char *words)
{
    enum clo_check_result result;
    struct clo_error err = { .status = CLO_OK };
    const char *detail = appraise(endorser, evidence, &snp.root, "snp.revocation", &result, &err);

    if (*detail == '\0' || result != wanted || strstr(detail, words) == NULL)
        fail_msg("expected \"%s\": %s%s", words, detail, err.status == CLO_OK ? "" : err.text);
}

static void expect_none(struct clo_endorser *endorser, const struct clo_evidence *evidence,
                        const char *words)
{
    enum clo_check_result result;
    struct clo_error err = { .status = CLO_OK };
    const char *detail = appraise(endorser, evidence, &snp.root, "snp.revocation", &result, &err);

    if (*detail != '\0' || err.status != CLO_ERR_UNAVAILABLE || strstr(err.text, words) == NULL)
        fail_msg("expected \"%s\": %s%s", words, detail, err.text);
}

/* --- Files --- */

static void test_no_endorser(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(&snp.crl, false);

    (void)state;
    expect_snp(NULL, evidence, CLO_CHECK_PASS, "no certificate of the chain is revoked");
}

static void test_ask_revoked(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer crl = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(NULL, false);

    (void)state;
    make_crl(NOW - DAY, NOW + DAY, 2, &crl);
    files = (struct files){ .items = { &snp.ark, &crl } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(false);
    expect_snp(NULL, evidence, CLO_CHECK_SKIP, "no revocation list was given");
    expect_snp(endorser, evidence, CLO_CHECK_FAIL, "is revoked by");
}

static void test_stale_choice(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer old = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer new = { 0 };

    (void)state;
    make_crl(NOW - 20 * DAY, NOW + 10 * DAY, -1, &old);
    make_crl(NOW - DAY, NOW + 29 * DAY, 2, &new);
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(&old, false);
    files = (struct files){ .items = { &snp.ark, &new } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(false);
    expect_snp(NULL, evidence, CLO_CHECK_PASS, "no certificate of the chain is revoked");
    expect_snp(endorser, evidence, CLO_CHECK_FAIL, "is revoked by");
    clo_endorser_freep(&endorser);
    /* And one that revokes nothing decides all the same; the evidence's is named. */
    files = (struct files){ .items = { &snp.ark, &snp.crl } };
    endorser = make(false);
    expect_snp(endorser, evidence, CLO_CHECK_PASS,
               "left out the evidence's: the revocation list of");
}

static void test_files_lack(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer old = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(&snp.crl, false);

    (void)state;
    make_crl(NOW - 20 * DAY, NOW - DAY, -1, &old);
    files = (struct files){ .items = { &snp.ark } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(false);
    expect_none(endorser, evidence,
                "the verifier's files have no current revocation list of "
                "Milan's VCEK");
    clo_endorser_freep(&endorser);
    files = (struct files){ .items = { &snp.ark, &old } };
    endorser = make(false);
    expect_none(endorser, evidence, "the verifier's files have no current revocation list");
    /* A root that nobody knows is the appraisal's to refuse. */
    clo_endorser_freep(&endorser);
    files = (struct files){ .is_broken = false };
    endorser = make(true);
    expect_snp(endorser, evidence, CLO_CHECK_FAIL, "only those that the verifier holds itself");
    assert_false(clo_endorser_work(endorser));
    assert_int_equal(net.requests, 0);
}

static void test_files_again(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(NULL, false);

    (void)state;
    files = (struct files){ .items = { &snp.ark } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(false);
    expect_none(endorser, evidence, "no current revocation list");
    files.items[1] = &snp.crl;
    assert_false(clo_endorser_work(endorser));
    net.now += 61;
    assert_true(clo_endorser_work(endorser));
    expect_snp(endorser, evidence, CLO_CHECK_PASS, "no certificate");
    /* One that cannot be read leaves what was there. */
    files.is_broken = true;
    net.now += 61;
    assert_true(clo_endorser_work(endorser));
    assert_non_null(strstr(failure, "the former ones stay: a file that is none"));
    expect_snp(endorser, evidence, CLO_CHECK_PASS, "no certificate");
}

/* Many roots of the owner's, for other machines: the one of this chain, last of all, is lent all the same. */
static void test_many_roots(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer roots = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer leaf = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct clo_error err;

    (void)state;
    must(clo_private_key_public(snp_keys.ask, &key, &err), &err);
    for (int i = 0; i < 20; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        struct sim_certificate spec = forge.ask;
        char name[32];
        snprintf(name, sizeof name, "Another root %d", i);
        spec.subject = spec.issuer = name;
        must(sim_certificate(&spec, key, snp_keys.ask, &der, &err) &&
                     clo_pem_write("CERTIFICATE", clo_buffer_bytes(&der), &roots, &err),
             &err);
    }
    must(clo_pem_write("CERTIFICATE", clo_buffer_bytes(&snp.ask), &roots, &err) &&
                 clo_pem_write("CERTIFICATE", clo_buffer_bytes(&snp.ark), &roots, &err) &&
                 clo_pem_write("CERTIFICATE", clo_buffer_bytes(&snp.leaf), &leaf, &err) &&
                 clo_evidence_new(&evidence, &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                                  clo_bytes(snp.report, sizeof snp.report), &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&leaf),
                                  &err),
         &err);
    files = (struct files){ .items = { &roots, &snp.crl } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(false);
    expect_snp(endorser, evidence, CLO_CHECK_PASS, "no certificate of the chain is revoked");
}

static void test_bad_start(void **state)
{
    const struct clo_endorser_spec spec = { .load = load, .now = now_of, .without_thread = true };
    struct clo_endorser *endorser = NULL;
    struct clo_error err;

    (void)state;
    files = (struct files){ .is_broken = true };
    assert_false(clo_endorser_new(&spec, &endorser, &err));
    assert_string_equal(err.text, "endorsements: a file that is none");
}

/* --- Fetched --- */

static void serve_crl(const struct clo_buffer *crl)
{
    net.answers[0] = (struct fake_answer){ .url = CRL, .status = 200 };
    net.answers[0].body = clo_buffer_bytes(crl);
}

static void test_fetched(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer newer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer metrics = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(NULL, false);
    char age[80];

    (void)state;
    files = (struct files){ .items = { &snp.ark } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(true);
    /* An outage: no decision, and the reason. */
    net.is_down = true;
    expect_none(endorser, evidence, "being fetched");
    assert_true(clo_endorser_work(endorser));
    expect_none(endorser, evidence, "down");
    assert_non_null(strstr(failure, "revocation list of Milan's VCEK: "));
    /* Not at once again, but soon: a client waits. */
    assert_false(clo_endorser_work(endorser));
    net.now += 3;
    assert_true(clo_endorser_work(endorser));
    assert_int_equal(net.requests, 2);
    net.is_down = false;
    serve_crl(&snp.crl);
    net.now += 6;
    assert_true(clo_endorser_work(endorser));
    expect_snp(endorser, evidence, CLO_CHECK_PASS, "no certificate of the chain is revoked");
    assert_false(clo_endorser_work(endorser));
    clo_endorser_metrics(endorser, net.now, &metrics);
    assert_non_null(strstr(clo_buffer_string(&metrics),
                           "cloister_endorsement_age_seconds{from=\"fetched\",name=\"revocation "
                           "list of Milan's VCEK\"}"));
    assert_non_null(strstr(clo_buffer_string(&metrics), "{result=\"failed\"} 2"));

    /* Refreshed after some hours; what is older than what is here is not taken. */
    make_crl(forge.crl.this_update - DAY, NOW + 300 * DAY, -1, &newer);
    serve_crl(&newer);
    net.now += 8 * HOUR;
    while (clo_endorser_work(endorser))
        continue;
    net.answers[0] = (struct fake_answer){ .url = NULL };
    expect_snp(endorser, evidence, CLO_CHECK_PASS, "no certificate of the chain is revoked");
    metrics.size = 0;
    clo_endorser_metrics(endorser, net.now, &metrics);
    snprintf(age, sizeof age, "list of Milan's VCEK\"} %lld\n",
             (long long)(net.now - forge.crl.this_update));
    CHECK(strstr(clo_buffer_string(&metrics), age) != NULL, "older than the owner's");
    newer.size = 0;
    make_crl(net.now - HOUR, NOW + 300 * DAY, 2, &newer);
    serve_crl(&newer);
    net.now += 8 * HOUR;
    while (clo_endorser_work(endorser))
        continue;
    expect_snp(endorser, evidence, CLO_CHECK_FAIL, "is revoked by");
}

/* What is here stays good through an outage, until it is out of date itself. */
static void test_outage(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(&snp.crl, false);

    (void)state;
    files = (struct files){ .items = { &snp.ark } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(true);
    serve_crl(&snp.crl);
    expect_none(endorser, evidence, "being fetched");
    assert_true(clo_endorser_work(endorser));
    net.is_down = true;
    for (unsigned i = 0; i < 4; i++) {
        net.now += 7 * HOUR;
        while (clo_endorser_work(endorser))
            continue;
        expect_snp(endorser, evidence, CLO_CHECK_PASS, "no certificate");
    }
    net.now = forge.crl.next_update + 1;
    while (clo_endorser_work(endorser))
        continue;
    expect_none(endorser, evidence, "no current revocation list of Milan's VCEK: ");
}

static void test_vcek_fetched(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(NULL, true);
    enum clo_check_result result;
    struct clo_error err;
    char url[CLO_FETCH_URL_MAX];

    (void)state;
    files = (struct files){ .items = { &snp.ark, &snp.crl } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(true);
    expect_none(endorser, evidence, "VCEK of chip ");
    assert_true(clo_endorser_work(endorser)); /* which tells us what it asks for */
    expect_none(endorser, evidence, "AMD knows no such chip and TCB");
    memcpy(url, net.last, sizeof url);
    net.answers[0] = (struct fake_answer){ .url = url, .status = 200 };
    net.answers[0].body = clo_buffer_bytes(&snp.leaf);
    net.now += 3;
    assert_true(clo_endorser_work(endorser));
    expect_snp(endorser, evidence, CLO_CHECK_PASS, "no certificate");
    (void)appraise(endorser, evidence, &snp.root, "snp.signature", &result, &err);
    assert_int_equal(result, CLO_CHECK_PASS);
    /* It is of one chip and TCB: nothing newer will come. */
    net.now += 30 * DAY;
    unsigned before = net.requests;
    while (clo_endorser_work(endorser))
        continue;
    assert_int_equal(net.requests, before);
}

/* A stranger's report with the same chip and TCB, made up to be of another product: it is asked for by itself, and
 * the genuine one does not wait for that. */
static void test_vcek_made_up(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(NULL, true);
    uint8_t *model = snp.report + REPORT_CPUID_MODEL;
    uint8_t genuine = *model;

    (void)state;
    *model = GENOAS_MODEL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *forged = snp_evidence(NULL, true);
    *model = genuine;
    files = (struct files){ .items = { &snp.ark, &snp.crl } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(true);
    expect_none(endorser, forged, "of Genoa: being fetched");
    assert_true(clo_endorser_work(endorser));
    assert_non_null(strstr(net.last, "/Genoa/"));
    expect_none(endorser, evidence, "of Milan: being fetched");
    assert_true(clo_endorser_work(endorser));
    assert_non_null(strstr(net.last, "/Milan/"));
}

/* --- TDX, through the broker --- */

static struct clo_scratch scratch;

static bool fill_random(void *context, void *out, size_t size)
{
    static uint8_t next;

    (void)context;
    memset(out, ++next, size);
    return true;
}

static void register_key(struct clo_store *store, const struct clo_digest *root)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    char hex[2 * 32 + 1];
    struct clo_error err;

    clo_buffer_printf(
            &policy,
            "{\"cloister_policy\":1,\"name\":\"mine\",\"tee\":[\"tdx\"],\"roots\":[\"%s\"],"
            "\"accept_weak\":\"which guest it is does not matter here\","
            "\"tdx\":{\"mr_td\":\"any\",\"rtmr0\":\"any\",\"rtmr1\":\"any\",\"rtmr2\":"
            "\"any\"}}",
            clo_hex_text(clo_digest_bytes(root), hex));
    const struct clo_store_entry entry = { .path = "default/disk/demo",
                                           .secret = clo_bytes_text("a secret"),
                                           .policy = clo_buffer_bytes(&policy),
                                           .now = NOW };
    must(clo_store_put(store, &entry, &err), &err);
}

static unsigned ask(struct clo_broker *broker, const char *path, const char *cookie,
                    const char *body, struct clo_broker_answer *answer)
{
    const struct clo_broker_request request = { .method = "POST",
                                                .path = path,
                                                .cookie = cookie,
                                                .body = clo_bytes_text(body),
                                                .time = NOW,
                                                .clock = 1000 };

    clo_broker_answer(broker, &request, answer);
    return answer->status;
}

/* {"nonce", "tee-pubkey"}, over which the quote is made. */
static json_t *runtime_data(const char *nonce)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct clo_error err;
    json_t *jwk;

    must(clo_private_key_new(CLO_KEY_P256, 0, &key, &err) &&
                 clo_private_key_public(key, &public, &err) &&
                 clo_jwk_from_public_key(public, &jwk, &err),
         &err);
    return json_pack("{s:s,s:o}", "nonce", nonce, "tee-pubkey", jwk);
}

/* The request to attest, with what the host chose to bring along. */
static char *attest_body(const char *nonce, const struct clo_tdx_collateral *brought)
{
    CLO_CLEANUP(clo_json_freep) json_t *data = runtime_data(nonce);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime = { 0 };
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_digest digest;
    struct sim_tdx tdx;
    struct clo_error err;

    must(clo_json_write(data, &runtime, &err), &err);
    clo_hash(CLO_HASH_SHA512, clo_buffer_bytes(&runtime), &digest);
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &tdx_keys, &tdx);
    memcpy(tdx.body + SIM_TDX_REPORT_DATA, digest.bytes, 64);
    must(sim_tdx_make(&tdx, &tdx_keys, &made, &err) && clo_evidence_new(&evidence, &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(&runtime),
                                  &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_TDX_QUOTE, clo_buffer_bytes(&made.quote),
                                  &err),
         &err);
    if (brought != NULL) {
        CLO_CLEANUP(clo_json_freep) json_t *json = clo_tdx_collateral_json(brought);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        must(clo_json_write(json, &text, &err) &&
                     clo_evidence_add(evidence, CLO_EVIDENCE_TDX_COLLATERAL,
                                      clo_buffer_bytes(&text), &err),
             &err);
    }
    CLO_CLEANUP(clo_json_freep)
    json_t *body =
            json_pack("{s:O, s:{s:o, s:s}}", "runtime-data", data, "tee-evidence",
                      "primary_evidence", clo_evidence_json(evidence), "additional_evidence", "");
    return json_dumps(body, JSON_COMPACT);
}

/* One exchange; the answer to /attest. */
static unsigned attest(struct clo_store *store, struct clo_endorser *endorser,
                       const struct clo_tdx_collateral *brought, char detail[400])
{
    const struct clo_broker_spec spec = {
        .store = store, .random = { .fill = fill_random }, .nonce_seconds = 60, .endorser = endorser
    };
    CLO_CLEANUP(clo_broker_freep) struct clo_broker *broker = NULL;
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer begun = { 0 };
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;

    must(clo_broker_new(&spec, &broker, &err), &err);
    assert_int_equal(ask(broker, "/kbs/v0/auth", NULL,
                         "{\"version\":\"0.1.1\",\"tee\":\"tdx\",\"extra-params\":{}}", &begun),
                     200);
    must(clo_json_parse(clo_buffer_bytes(&begun.body), &json, &err), &err);
    char *body = attest_body(json_string_value(json_object_get(json, "nonce")), brought);
    unsigned status = ask(broker, "/kbs/v0/attest", begun.cookie, body, &answer);
    free(body);
    snprintf(detail, 400, "%.390s", clo_buffer_string(&answer.body));
    return status;
}

static void test_tdx(void **state)
{
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made good = { 0 };
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made old = { 0 };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    char folder[4200];
    char detail[400];
    struct sim_tdx tdx;
    struct clo_error err;

    (void)state;
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &tdx_keys, &tdx);
    must(sim_tdx_make(&tdx, &tdx_keys, &good, &err), &err);
    tdx.tcb_info.evaluation_number = tdx.qe_identity.evaluation_number = 17;
    must(sim_tdx_make(&tdx, &tdx_keys, &old, &err), &err);
    must(clo_scratch_new(NULL, &scratch, &err), &err);
    snprintf(folder, sizeof folder, "%s/state", scratch.path);
    must(clo_store_open(folder, &store, &err), &err);
    register_key(store, &good.trusted);

    /* A quote alone: the collateral is the owner's. */
    files = (struct files){ .items = { &good.root }, .collateral = { &good.collateral } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(false);
    CHECK(attest(store, endorser, NULL, detail) == 200, detail);
    CHECK(strstr(detail, "\"token\"") != NULL, detail);
    CHECK(attest(store, NULL, NULL, detail) == 401, "without collateral");
    CHECK(attest(store, NULL, &old.collateral, detail) == 200, "the evidence's decides then");
    clo_endorser_freep(&endorser);
    /* The owner has it, and it says that the platform is revoked: an old edition does not help. */
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &tdx_keys, &tdx);
    tdx.tcb_info.status = "OutOfDate";
    sim_tdx_made_free(&good);
    must(sim_tdx_make(&tdx, &tdx_keys, &good, &err), &err);
    files = (struct files){ .items = { &good.root }, .collateral = { &good.collateral } };
    endorser = make(false);
    CHECK(attest(store, endorser, &old.collateral, detail) == 401, detail);
    CHECK(strstr(detail, "OutOfDate") != NULL, detail);
    clo_endorser_freep(&endorser);
    /* And none at all: no decision, whatever comes along. */
    files = (struct files){ .items = { &good.root } };
    endorser = make(false);
    CHECK(attest(store, endorser, &old.collateral, detail) == 503, detail);
    CHECK(strstr(detail, "no current TDX collateral of FMSPC 50a06f000000") != NULL, detail);
    clo_endorser_freep(&endorser);
    clo_scratch_free(&scratch);
}

/* Headers carry chains percent-encoded. */
static void chain_header(const char *name, const struct clo_buffer *pem, struct clo_buffer *out)
{
    clo_buffer_printf(out, "%s: ", name);
    for (size_t i = 0; i < pem->size; i++)
        clo_buffer_printf(out, strchr("\n +/=", pem->data[i]) == NULL ? "%c" : "%%%02X",
                          pem->data[i]);
    clo_buffer_text(out, "\r\n");
}

static void test_tdx_fetched(void **state)
{
    static const char *const urls[] = {
        PCS "/tdx/certification/v4/tcb?fmspc=50a06f000000",
        PCS "/tdx/certification/v4/qe/identity",
        PCS "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
        PCS "/sgx/certification/v4/rootcacrl",
    };
    static const enum clo_tdx_piece pieces[] = { CLO_TDX_TCB_INFO, CLO_TDX_QE_IDENTITY,
                                                 CLO_TDX_PCK_CRL, CLO_TDX_ROOT_CA_CRL };
    static const enum clo_tdx_piece chains[] = { CLO_TDX_TCB_INFO_ISSUER_CHAIN,
                                                 CLO_TDX_QE_IDENTITY_ISSUER_CHAIN,
                                                 CLO_TDX_PCK_CRL_ISSUER_CHAIN };
    static const char *const names[] = { "TCB-Info-Issuer-Chain",
                                         "SGX-Enclave-Identity-Issuer-Chain",
                                         "SGX-PCK-CRL-Issuer-Chain" };
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made good = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_buffer headers[3] = { { 0 } };
    enum clo_check_result result;
    struct sim_tdx tdx;
    struct clo_error err;

    (void)state;
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &tdx_keys, &tdx);
    must(sim_tdx_make(&tdx, &tdx_keys, &good, &err) && clo_evidence_new(&evidence, &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_TDX_QUOTE, clo_buffer_bytes(&good.quote),
                                  &err),
         &err);
    for (size_t i = 0; i < CLO_COUNT(urls); i++) {
        net.answers[i] = (struct fake_answer){ .url = urls[i], .status = 200 };
        net.answers[i].body = clo_buffer_bytes(&good.collateral.pieces[pieces[i]]);
        if (i == CLO_COUNT(chains))
            continue;
        chain_header(names[i], &good.collateral.pieces[chains[i]], &headers[i]);
        net.answers[i].headers = clo_buffer_string(&headers[i]);
    }
    files = (struct files){ .items = { &good.root } };
    CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(true);
    CHECK(*appraise(endorser, evidence, &good.trusted, "tdx.tcb", &result, &err) == '\0', "first");
    assert_non_null(strstr(err.text, "TDX collateral of FMSPC 50a06f000000 (platform CA): being"));
    assert_true(clo_endorser_work(endorser));
    (void)appraise(endorser, evidence, &good.trusted, "tdx.tcb", &result, &err);
    CHECK(result == CLO_CHECK_PASS, failure);
    /* A chain that ends in nobody's root makes no request. */
    clo_endorser_freep(&endorser);
    files = (struct files){ .is_broken = false };
    endorser = make(true);
    unsigned before = net.requests;
    CHECK(*appraise(endorser, evidence, &good.trusted, "tdx.tcb", &result, &err) != '\0', "second");
    assert_false(clo_endorser_work(endorser));
    assert_int_equal(net.requests, before);
    for (size_t i = 0; i < CLO_COUNT(headers); i++)
        clo_buffer_free(&headers[i]);
}

/* --- The thread --- */

static int64_t seconds_until_asked(struct clo_endorser *endorser)
{
    unsigned before = net.requests;
    int64_t from = net.now;

    while (net.requests == before && net.now < from + 2 * HOUR) {
        net.now++;
        while (clo_endorser_work(endorser))
            continue;
    }
    return net.now - from;
}

/* Asked for more and more slowly, each time a fifth sooner or later than the others: a service that comes back is not met by all
 * brokers at once. */
static void test_back_off(void **state)
{
    static const struct {
        uint8_t chance;
        int64_t thousandths;
    } cases[] = { { 0, 800 }, { 255, 1200 } };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(NULL, false);

    (void)state;
    files = (struct files){ .items = { &snp.ark } };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        chance = cases[i].chance;
        CLO_CLEANUP(clo_endorser_freep) struct clo_endorser *endorser = make(true);
        net.is_down = true;
        expect_none(endorser, evidence, "being fetched");
        assert_true(clo_endorser_work(endorser));
        for (int64_t wait = 2; wait < 600; wait *= 2)
            assert_int_equal(seconds_until_asked(endorser),
                             (wait > 300 ? 300 : wait) * cases[i].thousandths / 1000);
        /* What is here is refreshed by then, at half of what is left or every six hours. */
        net.is_down = false;
        serve_crl(&snp.crl);
        assert_true(seconds_until_asked(endorser) <= 360);
        net.answers[0] = (struct fake_answer){ .url = NULL };
        net.is_down = true;
        unsigned requests = net.requests;
        net.now += 6 * HOUR * cases[i].thousandths / 1000 - 1;
        while (clo_endorser_work(endorser))
            continue;
        assert_int_equal(net.requests, requests);
        net.now++;
        while (clo_endorser_work(endorser))
            continue;
        assert_int_equal(net.requests, requests + 1);
    }
    chance = 128;
}

static int64_t real_now(void *context)
{
    (void)context;
    return NOW;
}

static void test_thread(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = snp_evidence(NULL, false);
    const struct clo_endorser_spec spec = {
        .load = load, .transport = &transport, .kds = KDS, .now = real_now
    };
    struct clo_endorser *endorser;
    enum clo_check_result result = CLO_CHECK_SKIP;
    struct clo_error err;

    (void)state;
    serve_crl(&snp.crl);
    files = (struct files){ .items = { &snp.ark } };
    must(clo_endorser_new(&spec, &endorser, &err), &err);
    for (unsigned i = 0; i < 12000 && result != CLO_CHECK_PASS; i++) {
        (void)appraise(endorser, evidence, &snp.root, "snp.revocation", &result, &err);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    clo_endorser_free(endorser);
    assert_int_equal(result, CLO_CHECK_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_no_endorser, reset),
        cmocka_unit_test_setup(test_ask_revoked, reset),
        cmocka_unit_test_setup(test_stale_choice, reset),
        cmocka_unit_test_setup(test_files_lack, reset),
        cmocka_unit_test_setup(test_files_again, reset),
        cmocka_unit_test_setup(test_many_roots, reset),
        cmocka_unit_test_setup(test_bad_start, reset),
        cmocka_unit_test_setup(test_fetched, reset),
        cmocka_unit_test_setup(test_outage, reset),
        cmocka_unit_test_setup(test_back_off, reset),
        cmocka_unit_test_setup(test_vcek_fetched, reset),
        cmocka_unit_test_setup(test_vcek_made_up, reset),
        cmocka_unit_test_setup(test_tdx, reset),
        cmocka_unit_test_setup(test_tdx_fetched, reset),
        cmocka_unit_test_setup(test_thread, reset),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
