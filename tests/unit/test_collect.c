/* Evidence from what a pretend platform offers, and what the appraiser says to it: a software TPM
 * with an HCL report in it, and a folder that looks like configfs-tsm. */
#include "guest/collect.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "cloister/appraise.h"
#include "device/random.h"
#include "guest/unlock.h"
#include "lib/tcg/tpm_challenge.h"
#include "sim/report.h"
#include "swtpm.h"

static struct sim_platform platform;
static struct clo_buffer runtime_data;
static struct clo_tpm_activation activation; /* of the one test that has one */

static bool fill_random(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, 0x3c, size);
    return true;
}

static int start(void **state)
{
    const struct clo_random random = { .fill = fill_random };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error err;

    if (start_swtpm(state) != 0)
        return 1;
    if (!sim_platform_new("test", 1780000000, &random, &platform, &err) ||
        !clo_private_key_new(CLO_KEY_P256, 0, &key, &err) ||
        !clo_unlock_runtime_data("bm9uY2U=", NULL, key, &json, &runtime_data, &err))
        fail_msg("%s", err.text);
    return 0;
}

static int stop(void **state)
{
    sim_platform_free(&platform);
    clo_buffer_free(&runtime_data);
    return stop_swtpm(state);
}

static enum clo_check_result result_of(const struct clo_appraisal *appraisal, const char *id)
{
    const struct clo_check *check = clo_checks_get(clo_appraisal_checks(appraisal), id);

    if (check == NULL)
        fail_msg("no check %s", id);
    return check->result;
}

/* By the platform's own root, with the nonce of the runtime data. */
static void appraise(const struct clo_evidence *evidence, struct clo_appraisal **out)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates roots = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *ark = NULL;
    struct clo_digest root;
    struct clo_error err;
    const struct clo_appraise_inputs inputs = { .expected_nonce = clo_bytes_text("bm9uY2U="),
                                                .at = 1780000100,
                                                .activation = activation,
                                                .roots = &root,
                                                .root_count = 1,
                                                .endorsements.certificates = &roots };

    assert_true(clo_certificate_parse(clo_buffer_bytes(&platform.ark), &ark, &err));
    assert_true(clo_public_key_fingerprint(clo_certificate_key(ark), &root, &err));
    assert_true(clo_snp_certificates_add(&roots, clo_buffer_bytes(&platform.ark), &err));
    if (!clo_appraise(evidence, &inputs, out, &err))
        fail_msg("%s", err.text);
    const struct clo_checks *checks = clo_appraisal_checks(*out);
    for (size_t i = 0; i < checks->count; i++)
        CHECK(checks->items[i].result != CLO_CHECK_FAIL, checks->items[i].detail);
}

static void put_index(uint32_t index, const struct clo_buffer *bytes)
{
    struct clo_error err;

    if (!clo_tpm_nv_define(tpm, index, bytes->size, &err) ||
        !clo_tpm_nv_write(tpm, index, clo_buffer_bytes(bytes), &err))
        fail_msg("%s", err.text);
}

static void test_nothing(void **state)
{
    const struct clo_collector nothing = { .tpm = tpm, .hardware.tsm_root = "/nowhere" };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    const char *tee = NULL;
    struct clo_error err;

    (void)state;
    assert_false(clo_collect_tee(&nothing, &tee, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "this machine cannot prove itself"));
    assert_false(clo_collect(&nothing, clo_buffer_bytes(&runtime_data), &evidence, &err));
    assert_null(evidence);
}

static void test_vtpm(void **state)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hcl = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    const struct clo_collector collector = { .tpm = tpm,
                                             .hardware.tsm_root = "/nowhere",
                                             .eventlog = "/nowhere" };
    const char *tee = NULL;
    struct clo_error err;

    (void)state;
    if (!clo_tpm_create_ak(tpm, CLO_TPM_AK, &ak, &err) ||
        !sim_hcl_report(&platform, ak, &hcl, &err))
        fail_msg("%s", err.text);
    put_index(0x01400001, &hcl);
    put_index(CLO_TPM_NV_VCEK, &platform.vcek);
    put_index(CLO_TPM_NV_ASK, &platform.ask);
    if (!clo_collect_tee(&collector, &tee, &err))
        fail_msg("%s", err.text);
    assert_string_equal(tee, "az-snp-vtpm");
    if (!clo_collect(&collector, clo_buffer_bytes(&runtime_data), &evidence, &err))
        fail_msg("%s", err.text);
    assert_false(clo_evidence_has(evidence, CLO_EVIDENCE_EVENTLOG)); /* there was none */
    appraise(evidence, &appraisal);
    static const char *const passed[] = { "evidence.nonce",      "snp.signature",
                                          "snp.chain",           "snp.root",
                                          "hcl.binding",         "tpm.quote.nonce",
                                          "tpm.quote.signature", "tpm.pcrs" };
    for (size_t i = 0; i < CLO_COUNT(passed); i++)
        CHECK(result_of(appraisal, passed[i]) == CLO_CHECK_PASS, passed[i]);
}

/* What is in the index is the host's: an odd report is an error, not a reason to look elsewhere. */
static void test_odd_hcl(void **state)
{
    const struct clo_collector collector = { .tpm = tpm, .hardware.tsm_root = "/nowhere" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer zeros = { 0 };
    const char *tee = NULL;
    struct clo_error err;

    (void)state;
    clo_buffer_zero(&zeros, 1300);
    assert_true(clo_tpm_nv_write(tpm, 0x01400001, clo_buffer_bytes(&zeros), &err));
    assert_false(clo_collect_tee(&collector, &tee, &err));
    assert_int_equal(err.status, CLO_ERR_FORMAT);
    assert_memory_equal(err.text, "vTPM: ", 6);
}

/* --- configfs-tsm --- */

static void put(const char *folder, const char *name, const char *text)
{
    char path[4300];
    struct clo_error err;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_true(clo_file_write(path, clo_bytes_text(text), 0600, &err));
}

/* The kernel's part: a report over whatever was written to inblob, each time outblob is read. */
struct kernel {
    char folder[4200];
    unsigned reads;
    struct clo_bytes manifest; /* of a service module; data NULL: there is none */
};

/* REPORT_DATA is what was written; of a service module the digest of that and its manifest. */
static void bind(const struct kernel *kernel, struct clo_bytes inblob, uint8_t out[64])
{
    const struct clo_bytes parts[] = { inblob, kernel->manifest };
    struct clo_digest digest;

    clo_hash_many(CLO_HASH_SHA512, parts, CLO_COUNT(parts), &digest);
    memcpy(out, kernel->manifest.data == NULL ? inblob.data : digest.bytes, 64);
}

static void *answer(void *context)
{
    const struct kernel *kernel = context;

    for (unsigned i = 0; i < kernel->reads; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer inblob = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
        struct sim_report_spec spec = sim_report_default;
        struct clo_error err;
        char path[4300], generation[32];
        snprintf(path, sizeof path, "%s/outblob", kernel->folder);
        int fd = open(path, O_WRONLY); /* until it is read: inblob is written by then */
        snprintf(path, sizeof path, "%s/inblob", kernel->folder);
        if (fd < 0 || !clo_file_read(path, 64, &inblob, &err) || inblob.size != 64)
            return NULL;
        bind(kernel, clo_buffer_bytes(&inblob), spec.report_data);
        snprintf(generation, sizeof generation, "%u\n",
                 42 + i + (kernel->manifest.data != NULL)); /* the service was written, too */
        put(kernel->folder, "generation", generation);
        if (!sim_report(&platform, &spec, &report, &err) ||
            !clo_write_all(fd, clo_buffer_bytes(&report), &err))
            return NULL;
        close(fd);
        usleep(20000);
    }
    return NULL;
}

/* A GHCB certificate table of VCEK and ASK (their GUIDs: AMD 56421, table 3). */
static void put_table(const char *folder)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    const uint32_t first = 3 * 24;
    char path[4300];
    struct clo_error err;

    from_hex("63da758d e664 4564 adc5 f4b93be8accd", &table);
    clo_buffer_le32(&table, first);
    clo_buffer_le32(&table, (uint32_t)platform.vcek.size);
    from_hex("4ab7b379 bbac 4fe4 a02f 05aef327c782", &table);
    clo_buffer_le32(&table, first + (uint32_t)platform.vcek.size);
    clo_buffer_le32(&table, (uint32_t)platform.ask.size);
    clo_buffer_zero(&table, 24);
    clo_buffer_append(&table, clo_buffer_bytes(&platform.vcek));
    clo_buffer_append(&table, clo_buffer_bytes(&platform.ask));
    snprintf(path, sizeof path, "%s/auxblob", folder);
    assert_true(clo_file_write(path, clo_buffer_bytes(&table), 0600, &err));
}

static void make_entry(const char *root, struct kernel *kernel)
{
    char path[4300];

    snprintf(kernel->folder, sizeof kernel->folder, "%s/cloister-%d", root, (int)getpid());
    assert_int_equal(mkdir(kernel->folder, 0700), 0);
    snprintf(path, sizeof path, "%s/outblob", kernel->folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    put(kernel->folder, "inblob", "");
    put(kernel->folder, "generation", "41\n");
    put(kernel->folder, "provider", "sev_guest\n");
    put_table(kernel->folder);
}

static void test_tsm(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct clo_collector collector = { .hardware.tsm_root = scratch.path };
    struct kernel kernel = { .reads = 1 };
    const char *tee = NULL;
    pthread_t thread;
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    make_entry(scratch.path, &kernel);
    assert_int_equal(pthread_create(&thread, NULL, answer, &kernel), 0);
    bool ok = clo_collect_tee(&collector, &tee, &err);
    pthread_join(thread, NULL);
    if (!ok)
        fail_msg("%s", err.text);
    assert_string_equal(tee, "snp");

    make_entry(scratch.path, &kernel);
    assert_int_equal(pthread_create(&thread, NULL, answer, &kernel), 0);
    ok = clo_collect(&collector, clo_buffer_bytes(&runtime_data), &evidence, &err);
    pthread_join(thread, NULL);
    if (!ok)
        fail_msg("%s", err.text);
    assert_false(clo_evidence_has(evidence, CLO_EVIDENCE_TPM_QUOTE));
    appraise(evidence, &appraisal);
    CHECK(result_of(appraisal, "snp.chain") == CLO_CHECK_PASS, "chain");
    CHECK(result_of(appraisal, "evidence.nonce") == CLO_CHECK_PASS, "nonce");
}

/* The module's TPM is the software TPM; its manifest names the endorsement key. */
static void make_manifest(struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ek = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ak = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    const struct clo_tpm_identity usual = { .ek = 0 };
    struct clo_error err;

    assert_true(clo_tpm_identity_read(tpm, &usual, &ek, &ak, &none, &err));
    from_hex("bb9e8463923d7046a1ff58f9c94b87bb", out);
    clo_buffer_le32(out, 48 + (uint32_t)ek.size);
    clo_buffer_le32(out, 1);
    from_hex("ebf176c42301a5459641b4e7dde5bfe3", out);
    clo_buffer_le32(out, 48);
    clo_buffer_le32(out, (uint32_t)ek.size);
    clo_buffer_append(out, clo_buffer_bytes(&ek));
}

/* The answer that ties the quote's key to the manifest. */
static void answer_challenge(const struct clo_evidence *evidence, struct clo_buffer *kept,
                             struct clo_secret **out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer credential = { 0 };
    const struct clo_tpm_identity usual = { .ek = 0 };
    struct clo_tpm_credential parsed;
    struct clo_error err;

    if (!clo_tpm_challenge_make(clo_evidence_get(evidence, CLO_EVIDENCE_TPM_EK),
                                clo_evidence_get(evidence, CLO_EVIDENCE_TPM_AK), clo_bytes(NULL, 0),
                                &clo_random_system, &credential, kept, &err) ||
        !clo_tpm_credential_parse(clo_buffer_bytes(&credential), &parsed, &err) ||
        !clo_tpm_activate(tpm, &usual, &parsed, out, &err))
        fail_msg("%s", err.text);
}

static void test_svsm(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer manifest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kept = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    const struct clo_tpm_identity usual = { .ek = 0 };
    struct clo_collector collector = { .tpm = tpm, .hardware.tsm_root = scratch.path };
    struct kernel kernel = { .reads = 1 };
    char path[4300];
    pthread_t thread;
    struct clo_error err;

    (void)state;
    make_manifest(&manifest);
    kernel.manifest = clo_buffer_bytes(&manifest);
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    make_entry(scratch.path, &kernel);
    put(kernel.folder, "service_provider", "");
    snprintf(path, sizeof path, "%s/manifestblob", kernel.folder);
    assert_true(clo_file_write(path, kernel.manifest, 0600, &err));
    assert_int_equal(pthread_create(&thread, NULL, answer, &kernel), 0);
    bool ok =
            clo_collect_svsm(&collector, clo_buffer_bytes(&runtime_data), &usual, &evidence, &err);
    pthread_join(thread, NULL);
    if (!ok)
        fail_msg("%s", err.text);
    answer_challenge(evidence, &kept, &secret);
    activation = (struct clo_tpm_activation){ clo_buffer_bytes(&kept), clo_secret_bytes(secret) };
    appraise(evidence, &appraisal);
    static const char *const passed[] = { "svsm.vmpl", "svsm.binding",    "svsm.vtpm",
                                          "svsm.ak",   "tpm.quote.nonce", "tpm.quote.signature",
                                          "tpm.pcrs",  "evidence.nonce" };
    for (size_t i = 0; i < CLO_COUNT(passed); i++)
        CHECK(result_of(appraisal, passed[i]) == CLO_CHECK_PASS, passed[i]);
    CHECK(clo_appraisal_tee_pubkey(appraisal) != NULL, "the one-time key is bound");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_vtpm), cmocka_unit_test(test_odd_hcl),
        cmocka_unit_test(test_tsm),     cmocka_unit_test(test_svsm),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
