/* Evidence in an Azure guest: a software TPM with an HCL report in it, and a server that plays the metadata
 * service, rightly and wrongly. */
#include "guest/collect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "cloister/appraise.h"
#include "cloister/hcl.h"
#include "cloister/jose.h"
#include "guest/unlock.h"
#include "lib/cloud/hcl_write.h"
#include "sim/report.h"
#include "sim/tdx.h"
#include "swtpm.h"

#define NOW 1780000000LL

static struct sim_platform platform, other_platform;
static struct sim_tdx_keys tdx_keys;
static struct clo_buffer runtime_data;
static struct clo_public_key *ak;

static bool fill_random(void *context, void *out, size_t size)
{
    memset(out, *(const int *)context, size);
    return true;
}

static int start(void **state)
{
    static const int one = 0x3c;
    static const int two = 0x5a;
    const struct clo_random random = { .fill = fill_random, .context = (void *)(uintptr_t)&one };
    const struct clo_random other = { .fill = fill_random, .context = (void *)(uintptr_t)&two };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;

    if (start_swtpm(state) != 0)
        return 1;
    if (!sim_platform_new("test", NOW, &random, &platform, &err) ||
        !sim_platform_new("test", NOW, &other, &other_platform, &err) ||
        !sim_tdx_keys_new(&tdx_keys, &err) || !clo_private_key_new(CLO_KEY_P256, 0, &key, &err) ||
        !clo_unlock_runtime_data("bm9uY2U=", NULL, key, &json, &runtime_data, &err) ||
        !clo_tpm_create_ak(tpm, CLO_TPM_AK, &ak, &err) ||
        !clo_tpm_nv_define(tpm, CLO_HCL_NV_INDEX, 2048, &err))
        fail_msg("%s", err.text);
    return 0;
}

static int stop(void **state)
{
    sim_platform_free(&platform);
    sim_platform_free(&other_platform);
    sim_tdx_keys_free(&tdx_keys);
    clo_public_key_free(ak);
    clo_buffer_free(&runtime_data);
    return stop_swtpm(state);
}

/* --- The service --- */

struct service {
    int socket;
    pthread_t thread;
    char url[64];
    unsigned status;
    const char *body; /* NULL: it never ends */
    unsigned answers; /* how often it answers */
    unsigned asked;
    char request[4096]; /* the last one's */
};

/* Heads end with an empty line, and of a POST the body with a brace. */
static void read_request(struct service *service, int fd)
{
    size_t size = 0;

    while (size < sizeof service->request - 1) {
        ssize_t got = recv(fd, service->request + size, sizeof service->request - 1 - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
        service->request[size] = '\0';
        const char *end = strstr(service->request, "\r\n\r\n");
        if (end != NULL && (service->request[0] == 'G' || service->request[size - 1] == '}'))
            break;
    }
}

static void send_text(int fd, const char *text)
{
    for (size_t at = 0, size = strlen(text); at < size;) {
        ssize_t sent = send(fd, text + at, size - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += (size_t)sent;
    }
}

static void *serve(void *context)
{
    struct service *service = context;

    for (unsigned i = 0; i < service->answers; i++) {
        int fd = accept(service->socket, NULL, NULL);
        if (fd < 0)
            break;
        service->asked++;
        read_request(service, fd);
        char head[120];
        snprintf(head, sizeof head, "HTTP/1.1 %u X\r\nContent-Type: application/json\r\n%s\r\n",
                 service->status, "Connection: close\r\n");
        send_text(fd, head);
        if (service->body != NULL) {
            send_text(fd, service->body);
        } else {
            char junk[4097];
            memset(junk, 'x', sizeof junk - 1);
            junk[sizeof junk - 1] = '\0';
            for (unsigned k = 0; k < 4096; k++)
                send_text(fd, junk);
        }
        close(fd);
    }
    return NULL;
}

static void begin(struct service *service)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof here;

    service->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(service->socket, (const struct sockaddr *)&here, sizeof here), 0);
    assert_int_equal(listen(service->socket, 4), 0);
    assert_int_equal(getsockname(service->socket, (struct sockaddr *)&here, &size), 0);
    snprintf(service->url, sizeof service->url, "http://127.0.0.1:%u", ntohs(here.sin_port));
    assert_int_equal(pthread_create(&service->thread, NULL, serve, service), 0);
}

static void finish(struct service *service)
{
    shutdown(service->socket, SHUT_RDWR);
    pthread_join(service->thread, NULL);
    close(service->socket);
}

/* --- Answers --- */

static void thim_of(const struct sim_platform *of, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer vcek = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer chain = { 0 };
    struct clo_error err;

    if (!clo_pem_write("CERTIFICATE", clo_buffer_bytes(&of->vcek), &vcek, &err) ||
        !clo_pem_write("CERTIFICATE", clo_buffer_bytes(&of->ask), &chain, &err) ||
        !clo_pem_write("CERTIFICATE", clo_buffer_bytes(&of->ark), &chain, &err))
        fail_msg("%s", err.text);
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s,s:s,s:s}", "vcekCert", clo_buffer_string(&vcek), "tcbm",
                             "D315000000000004", "certificateChain", clo_buffer_string(&chain));
    if (!clo_json_write(json, out, &err))
        fail_msg("%s", err.text);
}

static void write_index(const struct clo_buffer *bytes)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer padded = { 0 };
    struct clo_error err;

    clo_buffer_append(&padded, clo_buffer_bytes(bytes));
    clo_buffer_zero(&padded, 2048 - padded.size);
    if (!clo_tpm_nv_write(tpm, CLO_HCL_NV_INDEX, clo_buffer_bytes(&padded), &err))
        fail_msg("%s", err.text);
}

static bool collect(const char *imds, struct clo_evidence **out, struct clo_error *err)
{
    const struct clo_collector collector = {
        .tpm = tpm, .hardware.tsm_root = "/nowhere", .eventlog = "/nowhere", .imds = imds
    };

    return clo_collect(&collector, clo_buffer_bytes(&runtime_data), out, err);
}

/* --- SEV-SNP --- */

static enum clo_check_result signature_of(const struct clo_evidence *evidence)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates roots = { 0 };
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct clo_digest root;
    struct clo_error err;

    if (!clo_snp_certificates_add(&roots, clo_buffer_bytes(&platform.ark), &err) ||
        !clo_public_key_fingerprint(clo_certificate_key(roots.items[0]), &root, &err))
        fail_msg("%s", err.text);
    const struct clo_appraise_inputs inputs = {
        .at = NOW + 100, .roots = &root, .root_count = 1, .endorsements.certificates = &roots
    };
    if (!clo_appraise(evidence, &inputs, &appraisal, &err))
        fail_msg("%s", err.text);
    return clo_checks_get(clo_appraisal_checks(appraisal), "snp.signature")->result;
}

static void test_snp(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer good = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hcl = { 0 };
    struct clo_error err;

    (void)state;
    if (!sim_hcl_report(&platform, ak, &hcl, &err))
        fail_msg("%s", err.text);
    write_index(&hcl);
    thim_of(&platform, &good);
    thim_of(&other_platform, &other);
    const struct {
        const char *name, *body;
        unsigned status, asked;
        bool is_taken;
    } cases[] = {
        { "as Azure has it", clo_buffer_string(&good), 200, 1, true },
        { "the VCEK of another chip", clo_buffer_string(&other), 200, 1, false },
        { "junk", "<html>please sign in</html>", 200, 1, false },
        { "a body without an end", NULL, 200, 1, false },
        { "not there", "{}", 404, 3, false },
        { "throttled", "{}", 429, 3, false },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        struct service service = { .status = cases[i].status, .body = cases[i].body, .answers = 3 };
        begin(&service);
        bool ok = collect(service.url, &evidence, &err);
        finish(&service);
        /* Without certificates the evidence is as good: who verifies gets them from AMD. */
        CHECK(ok, err.text);
        CHECK(clo_evidence_has(evidence, CLO_EVIDENCE_SNP_CERTIFICATES) == cases[i].is_taken,
              cases[i].name);
        CHECK((signature_of(evidence) == CLO_CHECK_PASS) == cases[i].is_taken, cases[i].name);
        CHECK(service.asked == cases[i].asked, cases[i].name);
        CHECK(strncmp(service.request, "GET /metadata/THIM/amd/certification HTTP/1.1\r\n", 47) ==
                      0,
              service.request);
        CHECK(strstr(service.request, "\r\nMetadata: true\r\n") != NULL, service.request);
    }
}

static void test_snp_alone(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *again = NULL;
    struct clo_error err;

    (void)state;
    CHECK(collect("http://127.0.0.1:1", &evidence, &err), err.text);
    CHECK(!clo_evidence_has(evidence, CLO_EVIDENCE_SNP_CERTIFICATES), "nobody there");
    CHECK(collect("https://metadata.example", &again, &err), err.text);
}

/* The simulator's vTPM has them in indexes of its own: nobody is asked. */
static void test_simulator(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *other = NULL;
    struct service service = { .status = 200, .body = "{}", .answers = 3 };
    struct clo_error err;

    (void)state;
    if (!clo_tpm_nv_define(tpm, CLO_TPM_NV_VCEK, platform.vcek.size, &err) ||
        !clo_tpm_nv_write(tpm, CLO_TPM_NV_VCEK, clo_buffer_bytes(&platform.vcek), &err) ||
        !clo_tpm_nv_define(tpm, CLO_TPM_NV_ASK, platform.ask.size, &err) ||
        !clo_tpm_nv_write(tpm, CLO_TPM_NV_ASK, clo_buffer_bytes(&platform.ask), &err))
        fail_msg("%s", err.text);
    begin(&service);
    CHECK(collect(service.url, &evidence, &err), err.text);
    assert_int_equal(service.asked, 0);
    CHECK(signature_of(evidence) == CLO_CHECK_PASS, "the simulator's");
    /* What is there and is not of this chip sends one to the service. */
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer zeros = { 0 };
    clo_buffer_zero(&zeros, platform.vcek.size);
    if (!clo_tpm_nv_write(tpm, CLO_TPM_NV_VCEK, clo_buffer_bytes(&zeros), &err))
        fail_msg("%s", err.text);
    CHECK(collect(service.url, &other, &err), err.text);
    finish(&service);
    assert_int_equal(service.asked, 1);
}

/* --- TDX --- */

/* The TDREPORT of a TD that a quote is made of, as the paravisor puts it next to the claims. */
static void td_report(const uint8_t *body, struct clo_buffer *out)
{
    clo_buffer_u8(out, CLO_TDX_TEE_TYPE);
    clo_buffer_zero(out, 127);
    clo_buffer_append(out, clo_bytes(body + SIM_TDX_REPORT_DATA, 64));
    clo_buffer_zero(out, 64 + 8);
    clo_buffer_append(out, clo_bytes(body, 0x78)); /* to SEAMATTRIBUTES */
    clo_buffer_zero(out, 512 - out->size);
    clo_buffer_append(out, clo_bytes(body + SIM_TDX_ATTRIBUTES, 0x208 - SIM_TDX_ATTRIBUTES));
    clo_buffer_zero(out, CLO_HCL_HARDWARE_SIZE - out->size);
}

/* The HCL report of a TD, and what the service would answer for it. */
static void make_td(struct sim_tdx_made *made, struct clo_buffer *hcl, struct clo_buffer *answer,
                    struct clo_buffer *of_another)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer claims = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made another = { 0 };
    struct clo_digest digest;
    struct sim_tdx tdx;
    struct clo_error err;
    json_t *jwk;

    if (!clo_jwk_from_public_key(ak, &jwk, &err))
        fail_msg("%s", err.text);
    json_object_set_new(jwk, "kid", json_string("HCLAkPub"));
    CLO_CLEANUP(clo_json_freep) json_t *json = json_pack("{s:[o]}", "keys", jwk);
    sim_tdx_good(5, CLO_TDX_BODY_TD15, CLO_TDX_CA_PLATFORM, NOW, &tdx_keys, &tdx);
    memset(tdx.body + SIM_TDX_REPORT_DATA, 0, 64);
    bool ok = clo_json_write(json, &claims, &err);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&claims), &digest);
    memcpy(tdx.body + SIM_TDX_REPORT_DATA, digest.bytes, 32);
    td_report(tdx.body, &report);
    ok = ok &&
         clo_hcl_write(CLO_HCL_TDX, clo_buffer_bytes(&report), clo_buffer_bytes(&claims), hcl,
                       &err) &&
         sim_tdx_make(&tdx, &tdx_keys, made, &err);
    tdx.body[SIM_TDX_MR_TD] ^= 1;
    if (!ok || !sim_tdx_make(&tdx, &tdx_keys, &another, &err))
        fail_msg("%s", err.text);
    struct clo_buffer *answers[] = { answer, of_another };
    const struct clo_buffer *quotes[] = { &made->quote, &another.quote };
    for (size_t i = 0; i < CLO_COUNT(answers); i++) {
        clo_buffer_text(answers[i], "{\"quote\":\"");
        clo_base64url_write(clo_buffer_bytes(quotes[i]), answers[i]);
        clo_buffer_text(answers[i], "\"}");
    }
}

static void test_tdx(void **state)
{
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hcl = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer good = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer another = { 0 };
    const char *tee = NULL;
    struct clo_error err;

    (void)state;
    make_td(&made, &hcl, &good, &another);
    write_index(&hcl);
    const struct {
        const char *name, *body, *error;
        unsigned status;
        enum clo_status why;
    } cases[] = {
        { "as Azure has it", clo_buffer_string(&good), NULL, 200, CLO_OK },
        { "the quote of another TD", clo_buffer_string(&another),
          "evidence: TDX quote: IMDS gave one of another TD than this one", 200,
          CLO_ERR_UNVERIFIED },
        { "junk", "{\"quote\":\"AAAA\"}", "evidence: TDX quote: ", 200, CLO_ERR_FORMAT },
        { "not JSON", "<html>", "evidence: TDX quote: Azure tdquote: ", 200, CLO_ERR_FORMAT },
        { "a body without an end", NULL, "the answer is too large", 200, CLO_ERR_FORMAT },
        { "not now", "{}", "status 503", 503, CLO_ERR_UNAVAILABLE },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        struct service service = { .status = cases[i].status, .body = cases[i].body, .answers = 3 };
        begin(&service);
        bool ok = collect(service.url, &evidence, &err);
        finish(&service);
        CHECK(ok == (cases[i].error == NULL), ok ? cases[i].name : err.text);
        CHECK(strncmp(service.request, "POST /acc/tdquote HTTP/1.1\r\n", 28) == 0, service.request);
        CHECK(strstr(service.request, "{\"report\":\"gQAA") != NULL, service.request);
        if (!ok) {
            CHECK(err.status == cases[i].why && strstr(err.text, cases[i].error) != NULL, err.text);
            continue;
        }
        /* The loop: quote and vTPM here, collateral where it is verified. */
        const struct clo_tdx_collateral *const sets[] = { &made.collateral };
        const struct clo_appraise_inputs inputs = {
            .at = NOW,
            .roots = &made.trusted,
            .root_count = 1,
            .expected_nonce = clo_bytes_text("bm9uY2U="),
            .endorsements = { .tdx_collateral = sets,
                              .tdx_collateral_count = 1,
                              .are_required = true },
        };
        CHECK(clo_appraise(evidence, &inputs, &appraisal, &err), err.text);
        CHECK(clo_checks_ok(clo_appraisal_checks(appraisal)), clo_appraisal_summary(appraisal));
        const struct clo_check *binding =
                clo_checks_get(clo_appraisal_checks(appraisal), "hcl.binding");
        CHECK(binding != NULL && binding->result == CLO_CHECK_PASS, "binding");
    }
    const struct clo_collector collector = { .tpm = tpm, .hardware.tsm_root = "/nowhere" };
    CHECK(clo_collect_tee(&collector, &tee, &err), err.text);
    assert_string_equal(tee, "az-tdx-vtpm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snp),
        cmocka_unit_test(test_snp_alone),
        cmocka_unit_test(test_simulator),
        cmocka_unit_test(test_tdx),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
