/* A pretend KDS: what is asked for, what is refused, and one fetch for many reports. */
#include "net/kds_client.h"

#include "fake_net.h"
#include "snp_chain.h"

#define BASE "https://kds.example"

static struct snp_maker maker;

static int setup(void **state)
{
    (void)state;
    snp_maker_init(&maker);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    snp_maker_free(&maker);
    return 0;
}

/* --- The service --- */

static void url_of(enum clo_snp_product product, char out[CLO_FETCH_URL_MAX])
{
    struct clo_kds_request request;
    struct clo_snp_report report;
    struct clo_error err;
    char path[CLO_KDS_PATH_MAX];

    assert_true(clo_snp_parse(clo_bytes(maker.report, sizeof maker.report), &report, &err));
    assert_true(clo_kds_request_of(&report, product, &request, &err));
    assert_true(clo_kds_path(&request, path, &err));
    assert_true(clo_fetch_url(BASE, path, out, &err));
}

static bool get_vcek(struct clo_source *source, struct clo_buffer *out, struct clo_error *err)
{
    struct clo_snp_report report;

    assert_true(clo_snp_parse(clo_bytes(maker.report, sizeof maker.report), &report, err));
    return clo_kds_get_vcek(source, BASE, &report, out, err);
}

static void test_one_fetch_for_many_reports(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates chain = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_cache cache;
    struct clo_source source = { .transport = &transport, .cache = &cache, .at = FAKE_NET_NOW };
    struct clo_error err;
    char url[CLO_FETCH_URL_MAX];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    assert_true(clo_cache_open(scratch.path, &cache, &err));
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &chain);
    url_of(CLO_SNP_MILAN, url);
    net.answers[0] = (struct fake_answer){ url, 429, "Retry-After: 10\r\n", { 0 }, 1 };
    net.answers[1] = (struct fake_answer){ url, 200, "", clo_certificate_der(chain.items[0]), 0 };
    for (uint8_t i = 0; i < 10; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer vcek = { 0 };
        maker.report[0x50] = i; /* other report data, same chip and TCB */
        CHECK(get_vcek(&source, &vcek, &err), err.text);
        assert_true(clo_bytes_equal(clo_buffer_bytes(&vcek), clo_certificate_der(chain.items[0])));
    }
    assert_int_equal(net.requests, 2); /* the throttled one, and the one that counts */
    assert_int_equal(net.slept, 10);
    /* Another TCB is another certificate. */
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vcek = { 0 };
    maker.report[0x187]++;
    assert_false(get_vcek(&source, &vcek, &err));
    assert_int_equal(err.status, CLO_ERR_UNVERIFIED);
    assert_non_null(strstr(err.text, "AMD knows no such chip and TCB (status 404)"));
    assert_int_equal(net.requests, 3);
}

static void test_version_2(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates chain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vcek = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
    struct clo_error err;
    char url[CLO_FETCH_URL_MAX];

    (void)state;
    snp_maker_reset(&maker);
    maker.report[0] = 2;
    memset(maker.report + 0x188, 0, 3);
    snp_maker_make(&maker, &chain);
    url_of(CLO_SNP_GENOA, url);
    net.answers[0] = (struct fake_answer){ url, 200, "", clo_certificate_der(chain.items[0]), 0 };
    CHECK(get_vcek(&source, &vcek, &err), err.text);
    assert_int_equal(net.requests, 2); /* Milan first */
    /* A busy server is not asked for the next product. */
    net.requests = 0;
    net.is_down = true;
    assert_false(get_vcek(&source, &vcek, &err));
    assert_int_equal(net.requests, 1);
}

static void test_refusals(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates chain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vcek = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
    struct clo_error err;
    char url[CLO_FETCH_URL_MAX];

    (void)state;
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &chain);
    url_of(CLO_SNP_MILAN, url);
    const struct {
        const char *name, *error;
        struct clo_bytes body;
    } cases[] = {
        { "text", "no VCEK certificate", clo_bytes_text("<html>") },
        { "nothing", "no VCEK certificate", { 0 } },
        { "an intermediate", "no VCEK certificate", clo_certificate_der(chain.items[1]) },
        { "cut short", "no VCEK certificate",
          clo_bytes_slice(clo_certificate_der(chain.items[0]), 0, 200) },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        net.answers[0] = (struct fake_answer){ url, 200, "", cases[i].body, 0 };
        CHECK(!get_vcek(&source, &vcek, &err), cases[i].name);
        CHECK(err.status == CLO_ERR_FORMAT || err.status == CLO_ERR_REFUSED, err.text);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
    /* The right form, of another chip. */
    maker.report[0x1a0 + 63] ^= 1;
    url_of(CLO_SNP_MILAN, url);
    net.answers[0] = (struct fake_answer){ url, 200, "", clo_certificate_der(chain.items[0]), 0 };
    assert_false(get_vcek(&source, &vcek, &err));
    assert_non_null(strstr(err.text, "the VCEK certificate of another chip"));
    /* Of this chip, for another TCB. */
    maker.report[0x1a0 + 63] ^= 1;
    maker.report[0x187]++;
    url_of(CLO_SNP_MILAN, url);
    assert_false(get_vcek(&source, &vcek, &err));
    assert_non_null(strstr(err.text, "the VCEK certificate of another TCB"));
    /* Masked: nobody is asked. */
    net.requests = 0;
    memset(maker.report + 0x1a0, 0, 64);
    assert_false(get_vcek(&source, &vcek, &err));
    assert_non_null(strstr(err.text, "masks CHIP_ID"));
    assert_int_equal(net.requests, 0);
    assert_int_equal(vcek.size, 0);
}

static void test_chain_and_crl(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates chain = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer one = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer got = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
    struct clo_error err;

    (void)state;
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &chain);
    for (size_t i = 1; i < 3; i++)
        assert_true(clo_pem_write("CERTIFICATE", clo_certificate_der(chain.items[i]), &pem, &err));
    assert_true(clo_pem_write("CERTIFICATE", clo_certificate_der(chain.items[1]), &one, &err));
    net.answers[0] = (struct fake_answer){ BASE "/vcek/v1/Milan/cert_chain", 200, "",
                                           clo_buffer_bytes(&pem), 0 };
    net.answers[1] = (struct fake_answer){ BASE "/vlek/v1/Turin/cert_chain", 200, "",
                                           clo_buffer_bytes(&one), 0 };
    net.answers[2] =
            (struct fake_answer){ BASE "/vlek/v1/Genoa/crl", 200, "", clo_bytes_text("no"), 0 };
    CHECK(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CHAIN, CLO_SNP_MILAN, NULL, &got, &err),
          err.text);
    assert_true(clo_bytes_equal(clo_buffer_bytes(&got), clo_buffer_bytes(&pem)));
    assert_false(clo_kds_get(&source, BASE, CLO_KDS_VLEK_CHAIN, CLO_SNP_TURIN, NULL, &got, &err));
    assert_non_null(strstr(err.text, "a chain of 1 certificates, 2 expected"));
    assert_false(clo_kds_get(&source, BASE, CLO_KDS_VLEK_CRL, CLO_SNP_GENOA, NULL, &got, &err));
    assert_non_null(strstr(err.text, "no revocation list"));
    assert_false(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CRL, CLO_SNP_VENICE, NULL, &got, &err));
    assert_string_equal(err.text, "AMD KDS: " BASE "/vcek/v1/Venice/crl: status 404");
    assert_false(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CRL, CLO_SNP_UNKNOWN, NULL, &got, &err));
    assert_false(
            clo_kds_get(&source, "gopher://x", CLO_KDS_VCEK_CRL, CLO_SNP_MILAN, NULL, &got, &err));
    assert_int_equal(err.status, CLO_ERR_USAGE);
}

/* A chip whose ID has eight bytes is a Turin, even where the report does not say so. */
static void test_version_2_of_turin(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vcek = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
    struct clo_error err;

    (void)state;
    snp_maker_reset(&maker);
    maker.report[0] = 2;
    memset(maker.report + 0x188, 0, 3);
    memset(maker.report + 0x1a8, 0, 56);
    assert_false(get_vcek(&source, &vcek, &err));
    assert_int_equal(net.requests, 1);
    assert_non_null(strstr(err.text, "/vcek/v1/Turin/0102030405060708?fmcSPL="));
}

/* What is genuine and of others must not pass for what was asked for, nor stay in the cache. */
static void test_of_others(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates chain = { 0 };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates others = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer got = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_cache cache;
    struct clo_source source = { .transport = &transport, .cache = &cache, .at = FAKE_NET_NOW };
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    assert_true(clo_cache_open(scratch.path, &cache, &err));
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &chain);
    struct clo_private_key *ask = maker.ask;
    maker.ask = maker.wrong_rsa;
    snp_maker_make(&maker, &others);
    maker.ask = ask;
    for (size_t i = 1; i < 3; i++)
        assert_true(clo_pem_write("CERTIFICATE", clo_certificate_der(chain.items[i]), &pem, &err));
    net.answers[0] = (struct fake_answer){ BASE "/vcek/v1/Milan/cert_chain", 200, "",
                                           clo_buffer_bytes(&pem), 0 };
    for (int i = 0; i < 2; i++) {
        assert_false(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CHAIN, CLO_SNP_MILAN, others.items[0],
                                 &got, &err));
        assert_non_null(strstr(err.text, "has not issued the certificate at hand"));
    }
    assert_int_equal(net.requests, 2);
    CHECK(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CHAIN, CLO_SNP_MILAN, chain.items[0], &got, &err),
          err.text);
    assert_int_equal(net.requests, 3);
    /* From the cache now; not for another chip, nor when its time is over. */
    source.at = clo_certificate_not_after(chain.items[1]) - 1;
    CHECK(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CHAIN, CLO_SNP_MILAN, chain.items[0], &got, &err),
          err.text);
    assert_int_equal(net.requests, 3);
    assert_false(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CHAIN, CLO_SNP_MILAN, others.items[0],
                             &got, &err));
    assert_int_equal(net.requests, 4);
    source.at++;
    CHECK(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CHAIN, CLO_SNP_MILAN, chain.items[0], &got, &err),
          err.text);
    assert_int_equal(net.requests, 5);
    /* Without a network an entry serves whatever its age, and what is of others is none. */
    source.transport = NULL;
    CHECK(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CHAIN, CLO_SNP_MILAN, chain.items[0], &got, &err),
          err.text);
    assert_false(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CHAIN, CLO_SNP_MILAN, others.items[0],
                             &got, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "not in the cache"));
    assert_int_equal(net.requests, 5);
}

/* A foreign list, where the shared vectors are. */
static void test_real_crl(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer crl = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer got = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
    struct clo_error err;

    (void)state;
    read_vector("snp/synth-a-crl-clean/ark.crl", &crl);
    net.answers[0] =
            (struct fake_answer){ BASE "/vcek/v1/Milan/crl", 200, "", clo_buffer_bytes(&crl), 0 };
    CHECK(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CRL, CLO_SNP_MILAN, NULL, &got, &err), err.text);
    assert_true(clo_bytes_equal(clo_buffer_bytes(&got), clo_buffer_bytes(&crl)));
    /* Genuine, and of another root. */
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates chain = { 0 };
    snp_maker_reset(&maker);
    snp_maker_make(&maker, &chain);
    assert_false(clo_kds_get(&source, BASE, CLO_KDS_VCEK_CRL, CLO_SNP_MILAN, chain.items[2], &got,
                             &err));
    assert_non_null(strstr(err.text, "revocation list: issued by"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_fetch_for_many_reports),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_chain_and_crl),
        cmocka_unit_test(test_real_crl),
        cmocka_unit_test(test_version_2_of_turin),
        cmocka_unit_test(test_of_others),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
