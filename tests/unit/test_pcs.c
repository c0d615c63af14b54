/* A pretend PCS that serves Intel's own documents of March 2026, as that service and as a caching
 * one would; and what is not taken from either. */
#include "net/pcs.h"

#include "cloister/crypto.h"
#include "fake_net.h"

#define BASE       "https://pccs.example:8081"
#define TCB        "/tdx/certification/v4/tcb?fmspc=90c06f000000"
#define QE         "/tdx/certification/v4/qe/identity"
#define PCK_CRL    "/sgx/certification/v4/pckcrl?ca=platform&encoding=der"
#define ROOT_CRL   "/sgx/certification/v4/rootcacrl"
#define COLLATERAL "tdx/collateral-2026-03/"

struct documents {
    struct clo_buffer tcb, qe, pck_crl, root_crl, root_crl_hex, tcb_chain, qe_chain;
    struct clo_buffer tcb_header, tcb_header_old, qe_header, crl_header;
};

/* As a service writes it into a header: all but letters, digits and a few marks percent-encoded. */
static void encode(const char *name, const struct clo_buffer *pem, struct clo_buffer *out)
{
    clo_buffer_printf(out, "%s: ", name);
    for (size_t i = 0; i < pem->size; i++) {
        unsigned char c = pem->data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        clo_buffer_printf(out, is_plain ? "%c" : "%%%02X", c);
    }
    clo_buffer_text(out, "\r\n");
    assert_non_null(clo_buffer_string(out));
}

static void load(struct documents *d)
{
    read_vector(COLLATERAL "tcb_info_90c06f000000.json", &d->tcb);
    read_vector(COLLATERAL "td_qe_identity.json", &d->qe);
    read_vector(COLLATERAL "pck_crl_platform.der", &d->pck_crl);
    read_vector(COLLATERAL "root_ca_crl.der", &d->root_crl);
    read_vector(COLLATERAL "tcb_signing_chain.pem", &d->tcb_chain);
    read_vector(COLLATERAL "qe_identity_signing_chain.pem", &d->qe_chain);
    clo_hex_write(clo_buffer_bytes(&d->root_crl), &d->root_crl_hex);
    encode("TCB-Info-Issuer-Chain", &d->tcb_chain, &d->tcb_header);
    encode("SGX-TCB-Info-Issuer-Chain", &d->tcb_chain, &d->tcb_header_old);
    encode("sgx-enclave-identity-issuer-chain", &d->qe_chain, &d->qe_header);
    encode("SGX-PCK-CRL-Issuer-Chain", &d->tcb_chain, &d->crl_header);
}

static void free_documents(struct documents *d)
{
    clo_buffer_free(&d->tcb);
    clo_buffer_free(&d->qe);
    clo_buffer_free(&d->pck_crl);
    clo_buffer_free(&d->root_crl);
    clo_buffer_free(&d->root_crl_hex);
    clo_buffer_free(&d->tcb_chain);
    clo_buffer_free(&d->qe_chain);
    clo_buffer_free(&d->tcb_header);
    clo_buffer_free(&d->tcb_header_old);
    clo_buffer_free(&d->qe_header);
    clo_buffer_free(&d->crl_header);
}

static void serve(struct documents *d, struct fake_net *net)
{
    const struct fake_answer answers[] = {
        { BASE TCB, 200, (const char *)d->tcb_header.data, clo_buffer_bytes(&d->tcb), 0 },
        { BASE QE, 200, (const char *)d->qe_header.data, clo_buffer_bytes(&d->qe), 0 },
        { BASE PCK_CRL, 200, (const char *)d->crl_header.data, clo_buffer_bytes(&d->pck_crl), 0 },
        { BASE ROOT_CRL, 200, "", clo_buffer_bytes(&d->root_crl_hex), 0 },
    };

    memcpy(net->answers, answers, sizeof answers);
}

static const struct clo_tdx_pck platform = {
    .fmspc = { 0x90, 0xc0, 0x6f },
    .ca = CLO_TDX_CA_PLATFORM,
};

static void test_caching_service(void **state)
{
    CLO_CLEANUP(free_documents) struct documents d = { 0 };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral got = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
    struct clo_error err;

    (void)state;
    load(&d);
    serve(&d, &net);
    CHECK(clo_pcs_get(&source, BASE, &platform, NULL, &got, &err), err.text);
    const struct clo_buffer *const wanted[CLO_TDX_PIECE_COUNT] = {
        [CLO_TDX_TCB_INFO] = &d.tcb,
        [CLO_TDX_QE_IDENTITY] = &d.qe,
        [CLO_TDX_PCK_CRL] = &d.pck_crl,
        [CLO_TDX_ROOT_CA_CRL] = &d.root_crl,
    };
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++) {
        /* Byte for byte: signatures are over what was served. */
        if (wanted[i] != NULL)
            CHECK(clo_bytes_equal(clo_buffer_bytes(&got.pieces[i]), clo_buffer_bytes(wanted[i])),
                  clo_tdx_piece_file((enum clo_tdx_piece)i));
        else
            CHECK((got.pieces[i].size > 0) == (i == CLO_TDX_TCB_INFO_ISSUER_CHAIN ||
                                               i == CLO_TDX_QE_IDENTITY_ISSUER_CHAIN ||
                                               i == CLO_TDX_PCK_CRL_ISSUER_CHAIN),
                  clo_tdx_piece_file((enum clo_tdx_piece)i));
    }
    assert_memory_equal(got.pieces[CLO_TDX_TCB_INFO_ISSUER_CHAIN].data, d.tcb_chain.data, 200);
    assert_int_equal(net.requests, 4);
}

static void test_intel(void **state)
{
    CLO_CLEANUP(free_documents) struct documents d = { 0 };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral got = { 0 };
    struct fake_net net = { 0 };
    struct clo_transport transport = fake_net_transport(&net);
    struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
    struct clo_error err;

    (void)state;
    load(&d);
    const struct fake_answer answers[] = {
        { CLO_PCS_BASE TCB "&update=early", 200, (const char *)d.tcb_header_old.data,
          clo_buffer_bytes(&d.tcb), 0 },
        { CLO_PCS_BASE QE "?update=early", 200, (const char *)d.qe_header.data,
          clo_buffer_bytes(&d.qe), 0 },
        { CLO_PCS_BASE PCK_CRL, 200, (const char *)d.crl_header.data, clo_buffer_bytes(&d.pck_crl),
          0 },
        { CLO_PCS_ROOT_CRL, 200, "", clo_buffer_bytes(&d.root_crl), 0 },
    };
    memcpy(net.answers, answers, sizeof answers);
    CHECK(clo_pcs_get(&source, NULL, &platform, &(struct clo_pcs_edition){ .update = "early" },
                      &got, &err),
          err.text);
    assert_string_equal(net.last, CLO_PCS_ROOT_CRL);
}

/* By number: asked for in both documents, and an answer of another number is none. */
static void test_number(void **state)
{
    static const struct {
        uint64_t number;
        const char *update;
        unsigned status;
        const char *error; /* NULL: it is taken */
    } numbers[] = {
        { 18, NULL, 200, NULL },
        { 17, NULL, 200, "of TCB evaluation data number 18, asked for 17" },
        { 3, NULL, 410, "TCB evaluation data number 3 is no longer served (status 410)" },
        { 18, "early", 200, "not both" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(numbers); i++) {
        CLO_CLEANUP(free_documents) struct documents d = { 0 };
        CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral got = { 0 };
        const struct clo_pcs_edition edition = { numbers[i].update, numbers[i].number };
        struct fake_net net = { 0 };
        struct clo_transport transport = fake_net_transport(&net);
        struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
        char tcb[200], qe[200];
        struct clo_error err;
        load(&d);
        snprintf(tcb, sizeof tcb, "%s&tcbEvaluationDataNumber=%d", BASE TCB,
                 (int)edition.evaluation_number);
        snprintf(qe, sizeof qe, "%s?tcbEvaluationDataNumber=%d", BASE QE,
                 (int)edition.evaluation_number);
        const struct fake_answer answers[] = {
            { tcb, numbers[i].status, (const char *)d.tcb_header_old.data, clo_buffer_bytes(&d.tcb),
              0 },
            { qe, 200, (const char *)d.qe_header.data, clo_buffer_bytes(&d.qe), 0 },
            { BASE PCK_CRL, 200, (const char *)d.crl_header.data, clo_buffer_bytes(&d.pck_crl), 0 },
            { BASE ROOT_CRL, 200, "", clo_buffer_bytes(&d.root_crl), 0 },
        };
        memcpy(net.answers, answers, sizeof answers);
        bool ok = clo_pcs_get(&source, BASE, &platform, &edition, &got, &err);
        if (ok != (numbers[i].error == NULL) || (!ok && strstr(err.text, numbers[i].error) == NULL))
            fail_msg("%d: %s", (int)edition.evaluation_number, ok ? "taken" : err.text);
    }
}

static void test_refusals(void **state)
{
    static const char not_json[] = "<html>sign in</html>";
    static const char no_signature[] = "{\"tcbInfo\":{}}";
    static const char sgx[] =
            "{\"tcbInfo\":{\"id\":\"SGX\",\"nextUpdate\":\"2026-03-01T00:00:00Z\"},"
            "\"signature\":\"00\"}";
    static const char other[] =
            "{\"tcbInfo\":{\"id\":\"TDX\",\"nextUpdate\":\"2026-03-01T00:00:00Z\","
            "\"fmspc\":\"50806F000000\"},\"signature\":\"00\"}";
    static const char no_time[] =
            "{\"tcbInfo\":{\"id\":\"TDX\",\"nextUpdate\":\"soon\"},\"signature\":\"00\"}";
    static const struct {
        const char *name, *url;
        unsigned status;
        const char *headers, *body; /* headers NULL: the right ones */
        const char *error;          /* after "Intel PCS: URL: " */
        enum clo_status kind;
    } cases[] = {
        { "unknown platform", BASE TCB, 404, "", "", "not known there (status 404)",
          CLO_ERR_UNVERIFIED },
        { "server error", BASE TCB, 500, "", "", "status 500", CLO_ERR_UNAVAILABLE },
        { "a sign-in page", BASE TCB, 200, NULL, not_json, "", CLO_ERR_FORMAT },
        { "no signature", BASE TCB, 200, NULL, no_signature, "", CLO_ERR_FORMAT },
        { "SGX's TCB info", BASE TCB, 200, NULL, sgx, "tcbInfo: id is \"SGX\", expected \"TDX\"",
          CLO_ERR_FORMAT },
        { "another platform's", BASE TCB, 200, NULL, other,
          "tcbInfo: of FMSPC 50806F000000, asked for 90c06f000000", CLO_ERR_FORMAT },
        { "no date", BASE TCB, 200, NULL, no_time, "nextUpdate: no time", CLO_ERR_FORMAT },
        { "no issuer chain", BASE QE, 200, "", NULL,
          "the answer has no header SGX-Enclave-Identity-Issuer-Chain", CLO_ERR_FORMAT },
        { "issuer chain is none", BASE QE, 200, "SGX-Enclave-Identity-Issuer-Chain: abc\r\n", NULL,
          "header SGX-Enclave-Identity-Issuer-Chain: qe_identity_issuer_chain: no certificate in "
          "it",
          CLO_ERR_FORMAT },
        { "issuer chain cut", BASE QE, 200,
          "SGX-Enclave-Identity-Issuer-Chain: -----BEGIN%20CERTIFICATE%2\r\n", NULL,
          "header SGX-Enclave-Identity-Issuer-Chain: qe_identity_issuer_chain: wrong URL encoding "
          "at byte 24",
          CLO_ERR_FORMAT },
        { "TCB info for QE identity", BASE QE, 200, NULL, other, "", CLO_ERR_FORMAT },
        { "revocation list is text", BASE PCK_CRL, 200, NULL, not_json, "", CLO_ERR_FORMAT },
        { "root's list is text", BASE ROOT_CRL, 200, NULL, not_json, "", CLO_ERR_FORMAT },
        { "root's list is not there", BASE ROOT_CRL, 404, NULL, "", "status 404",
          CLO_ERR_UNAVAILABLE },
    };
    CLO_CLEANUP(free_documents) struct documents d = { 0 };

    (void)state;
    load(&d);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral got = { 0 };
        struct fake_net net = { 0 };
        struct clo_transport transport = fake_net_transport(&net);
        struct clo_source source = { .transport = &transport, .at = FAKE_NET_NOW };
        struct clo_error err = { 0 };
        char wanted[600];
        serve(&d, &net);
        for (size_t a = 0; a < CLO_COUNT(net.answers); a++) {
            if (net.answers[a].url == NULL || strcmp(net.answers[a].url, cases[i].url) != 0)
                continue;
            net.answers[a].status = cases[i].status;
            if (cases[i].headers != NULL)
                net.answers[a].headers = cases[i].headers;
            if (cases[i].body != NULL)
                net.answers[a].body = clo_bytes_text(cases[i].body);
        }
        CHECK(!clo_pcs_get(&source, BASE, &platform, NULL, &got, &err), cases[i].name);
        CHECK(err.status == cases[i].kind, err.text);
        snprintf(wanted, sizeof wanted, "Intel PCS: %s: %s", cases[i].url, cases[i].error);
        if (strncmp(err.text, wanted, strlen(wanted)) != 0)
            print_error("got: %s\n", err.text);
        CHECK(strncmp(err.text, wanted, strlen(wanted)) == 0, cases[i].name);
        for (size_t p = 0; p < CLO_TDX_PIECE_COUNT; p++)
            CHECK(got.pieces[p].size == 0, cases[i].name);
    }
}

static void test_requests(void **state)
{
    struct clo_source source = { 0 };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral got = { 0 };
    struct clo_error err;

    (void)state;
    assert_false(clo_pcs_get(&source, NULL, &platform,
                             &(struct clo_pcs_edition){ .update = "late" }, &got, &err));
    assert_string_equal(err.text, "Intel PCS: update is standard or early, not late");
    assert_false(clo_pcs_get(&source, "file:///tmp", &platform, NULL, &got, &err));
    assert_int_equal(err.status, CLO_ERR_USAGE);
}

static void test_crl_forms(void **state)
{
    CLO_CLEANUP(free_documents) struct documents d = { 0 };
    struct clo_buffer forms[5] = { { 0 } };
    struct clo_error err;
    int64_t expires;

    (void)state;
    load(&d);
    struct clo_bytes der = clo_buffer_bytes(&d.root_crl);
    clo_buffer_append(&forms[0], der);
    clo_buffer_printf(&forms[1], "%s\r\n", clo_buffer_string(&d.root_crl_hex));
    clo_buffer_printf(&forms[2], " %s", clo_buffer_string(&d.root_crl_hex));
    clo_base64_write(der, &forms[3]);
    assert_true(clo_pem_write("X509 CRL", der, &forms[4], &err));
    for (size_t i = 0; i < 5; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        char name[16];
        snprintf(name, sizeof name, "form %zu", i);
        CHECK(clo_pcs_crl_read(clo_buffer_bytes(&forms[i]), &out, &expires, &err), name);
        CHECK(clo_bytes_equal(clo_buffer_bytes(&out), der), name);
        CHECK(expires > 1770000000 && expires < 1900000000, name);
        for (size_t cut = 0; cut < forms[i].size - 4; cut += 7)
            CHECK(!clo_pcs_crl_read(clo_bytes(forms[i].data, cut), NULL, &expires, &err), name);
        clo_buffer_free(&forms[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caching_service), cmocka_unit_test(test_intel),
        cmocka_unit_test(test_number),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_requests),        cmocka_unit_test(test_crl_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
