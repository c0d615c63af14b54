/* The published TDX quotes and collateral: fields, signatures, and Intel's verdict on each. */
#include "cloister/encoding.h"
#include "cloister/tdx.h"
#include "vectors.h"

/* Where a manifest's case says this, ours does. */
static const struct {
    const char *expected, *claim;
} fields[] = {
    { "tee_tcb_svn", "tee_tcb_svn" },
    { "mrseam", "mr_seam" },
    { "mrsignerseam", "mr_signer_seam" },
    { "seam_attributes", "seam_attributes" },
    { "td_attributes", "td_attributes" },
    { "xfam", "xfam" },
    { "mrtd", "mr_td" },
    { "mrconfigid", "mr_config_id" },
    { "mrowner", "mr_owner" },
    { "mrownerconfig", "mr_owner_config" },
    { "rtmr0", "rtmr0" },
    { "rtmr1", "rtmr1" },
    { "rtmr2", "rtmr2" },
    { "rtmr3", "rtmr3" },
    { "report_data", "report_data" },
    { "tee_tcb_svn2", "tee_tcb_svn2" },
    { "mrservicetd", "mr_service_td" },
    { "qe_vendor_id", "qe_vendor_id" },
    { "user_data", "user_data" },
    { "version", "version" },
    { "att_key_type", "att_key_type" },
    { "tee_type", "tee_type" },
    { "body_type", "body_type" },
    { "body_size", "body_size" },
    { "trailing_bytes", "trailing_bytes" },
    { "cert_data_type", "cert_data_type" },
    { "inner_cert_data_type", "inner_cert_data_type" },
};

struct scene {
    const char *id;
    const json_t *entry, *expected;
    struct clo_buffer quote_file;
    struct clo_tdx_quote quote;
    struct clo_tdx_collateral collateral;
    bool has_collateral;
    struct clo_checks checks;
    struct clo_tdx_platform *platform;
    struct clo_tdx_verified verified;
    bool is_verified;
    struct clo_digest roots[1];
};

static void scene_free(struct scene *s)
{
    clo_buffer_free(&s->quote_file);
    clo_tdx_collateral_free(&s->collateral);
    clo_checks_free(&s->checks);
    clo_tdx_platform_free(s->platform);
}

static void set_file(struct scene *s, enum clo_tdx_piece piece, const char *path)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error err;

    read_vector(path, &file);
    if (!clo_tdx_collateral_set(&s->collateral, piece, clo_buffer_bytes(&file), &err))
        fail_msg("%s: %s: %s", s->id, path, err.text);
    s->has_collateral = true;
}

/* Every producer has file names of its own. */
static void load_collateral(struct scene *s)
{
    static const struct {
        const char *prefix;
        enum clo_tdx_piece piece;
    } files[] = {
        { "tcb_info.json", CLO_TDX_TCB_INFO },
        { "tcbInfo.json", CLO_TDX_TCB_INFO },
        { "sample_tcb", CLO_TDX_TCB_INFO },
        { "qe_identity.json", CLO_TDX_QE_IDENTITY },
        { "qeIdentity.json", CLO_TDX_QE_IDENTITY },
        { "sample_qeIdentity", CLO_TDX_QE_IDENTITY },
        { "tcb_info_issuer_chain", CLO_TDX_TCB_INFO_ISSUER_CHAIN },
        { "tcbSignChain", CLO_TDX_TCB_INFO_ISSUER_CHAIN },
        { "qe_identity_issuer_chain", CLO_TDX_QE_IDENTITY_ISSUER_CHAIN },
        { "pck_crl_issuer_chain", CLO_TDX_PCK_CRL_ISSUER_CHAIN },
        { "pck_crl.der", CLO_TDX_PCK_CRL },
        { "pckcrl", CLO_TDX_PCK_CRL },
        { "intermediateCaCrl", CLO_TDX_PCK_CRL },
        { "root_ca_crl", CLO_TDX_ROOT_CA_CRL },
        { "root_crl", CLO_TDX_ROOT_CA_CRL },
        { "rootcrl", CLO_TDX_ROOT_CA_CRL },
        { "rootCaCrl", CLO_TDX_ROOT_CA_CRL },
    };
    char path[512];

    for (size_t i = 0; i < CLO_COUNT(files); i++)
        if (find_case_file("tdx", s->entry, files[i].prefix, path, sizeof path))
            set_file(s, files[i].piece, path);
}

/* Intel's sample has its chain in two files. */
static void load_pck_chain(struct scene *s)
{
    static const char *const names[] = { "pckCert.pem", "pckSignChain.pem" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer both = { 0 };
    struct clo_error err;
    char path[512];

    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        if (!find_case_file("tdx", s->entry, names[i], path, sizeof path))
            return;
        read_vector(path, &file);
        clo_buffer_append(&both, clo_buffer_bytes(&file));
    }
    if (!clo_tdx_collateral_set(&s->collateral, CLO_TDX_PCK_CHAIN, clo_buffer_bytes(&both), &err))
        fail_msg("%s: %s", s->id, err.text);
}

static void set_signature(struct scene *s, const char *name, enum clo_tdx_piece piece)
{
    const char *hex = json_string_value(json_object_get(s->expected, name));
    struct clo_error err;

    if (hex != NULL && !clo_tdx_collateral_set(&s->collateral, piece, clo_bytes_text(hex), &err))
        fail_msg("%s: %s", s->id, err.text);
}

/* Quotes without collateral of their own are judged by what Intel published in March 2026. */
static void load_common_collateral(struct scene *s)
{
    const char *folder = "tdx/collateral-2026-03/";
    struct clo_tdx_pck pck;
    struct clo_error err;
    char path[256];

    if (s->has_collateral || json_object_get(s->expected, "collateral_evaluation") == NULL)
        return;
    if (!clo_tdx_pck_from_chain(s->quote.chain, &pck, &err))
        fail_msg("%s: %s", s->id, err.text);
    snprintf(path, sizeof path, "%stcb_info_%s.json", folder,
             pck.fmspc[0] == 0x90 ? "90c06f000000" : "50806f000000");
    set_file(s, CLO_TDX_TCB_INFO, path);
    snprintf(path, sizeof path, "%std_qe_identity.json", folder);
    set_file(s, CLO_TDX_QE_IDENTITY, path);
    snprintf(path, sizeof path, "%stcb_signing_chain.pem", folder);
    set_file(s, CLO_TDX_TCB_INFO_ISSUER_CHAIN, path);
    snprintf(path, sizeof path, "%sqe_identity_signing_chain.pem", folder);
    set_file(s, CLO_TDX_QE_IDENTITY_ISSUER_CHAIN, path);
    snprintf(path, sizeof path, "%spck_crl_platform.der", folder);
    set_file(s, CLO_TDX_PCK_CRL, path);
    snprintf(path, sizeof path, "%sroot_ca_crl.der", folder);
    set_file(s, CLO_TDX_ROOT_CA_CRL, path);
}

/* A root of the case's own, where it has one. */
static size_t load_root(struct scene *s)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *root = NULL;
    struct clo_error err;
    char path[512];
    size_t at = 0;

    if (!find_case_file("tdx", s->entry, "intel_root_ca.pem", path, sizeof path) &&
        !find_case_file("tdx", s->entry, "trustedRootCaCert", path, sizeof path))
        return 0;
    read_vector(path, &file);
    if (clo_pem_next(clo_buffer_bytes(&file), "CERTIFICATE", &at, &der, &err) != CLO_NEXT_ITEM ||
        !clo_certificate_parse(clo_buffer_bytes(&der), &root, &err) ||
        !clo_public_key_fingerprint(clo_certificate_key(root), &s->roots[0], &err))
        fail_msg("%s: %s", path, err.text);
    return 1;
}

static void check_fields(const struct scene *s)
{
    const json_t *expected = json_object_get(s->expected, "fields");
    CLO_CLEANUP(clo_json_freep) json_t *json = clo_tdx_quote_json(&s->quote);

    if (expected == NULL)
        return;
    for (size_t i = 0; i < CLO_COUNT(fields); i++) {
        const json_t *value = json_object_get(expected, fields[i].expected);
        if (value != NULL && !json_equal(value, json_object_get(json, fields[i].claim)))
            fail_msg("%s: %s differs", s->id, fields[i].expected);
    }
}

static void check_result(const struct scene *s, const char *expected, const char *id)
{
    const json_t *value = json_object_get(s->expected, expected);
    const struct clo_check *check = clo_checks_get(&s->checks, id);

    if (value == NULL)
        return;
    if (check == NULL || check->result == CLO_CHECK_SKIP ||
        (check->result == CLO_CHECK_PASS) != json_is_true(value))
        fail_msg("%s: %s: %s", s->id, id, check == NULL ? "absent" : check->detail);
}

static void check_pck(const struct scene *s)
{
    const json_t *expected = json_object_get(s->expected, "pck_extension");
    struct clo_tdx_pck pck;
    struct clo_error err;
    char hex[33];

    if (expected == NULL || s->collateral.pieces[CLO_TDX_PCK_CHAIN].size > 0)
        return;
    if (!clo_tdx_pck_from_chain(s->quote.chain, &pck, &err))
        fail_msg("%s: %s", s->id, err.text);
    CHECK(strcmp(clo_hex_text(clo_bytes(pck.fmspc, 6), hex),
                 json_string_value(json_object_get(expected, "fmspc"))) == 0,
          s->id);
    CHECK(strcmp(clo_hex_text(clo_bytes(pck.ppid, 16), hex),
                 json_string_value(json_object_get(expected, "ppid"))) == 0,
          s->id);
    CHECK(strcmp(clo_hex_text(clo_bytes(pck.cpu_svn, 16), hex),
                 json_string_value(json_object_get(expected, "cpusvn"))) == 0,
          s->id);
    CHECK(pck.pce_svn == json_integer_value(json_object_get(expected, "pcesvn")), s->id);
    CHECK(pck.sgx_type == json_integer_value(json_object_get(expected, "sgx_type")), s->id);
    for (size_t i = 0; i < CLO_TDX_COMPONENTS; i++)
        CHECK(pck.components[i] == json_integer_value(json_array_get(
                                           json_object_get(expected, "sgx_tcb_components"), i)),
              s->id);
}

static bool has_status(const json_t *evaluation, const char *key, enum clo_tdx_status status)
{
    const char *text = json_string_value(json_object_get(evaluation, key));

    if (text == NULL)
        return true;
    if (strncmp(text, "no matching level", 17) == 0)
        return status == CLO_TDX_NOT_SUPPORTED;
    return strcmp(text, clo_tdx_status_name(status)) == 0;
}

static void check_evaluation(const struct scene *s)
{
    const json_t *evaluation = json_object_get(s->expected, "collateral_evaluation");
    const struct clo_tdx_tcb *tcb = &s->verified.tcb;

    if (evaluation == NULL || !s->is_verified)
        return;
    CHECK(has_status(evaluation, "platform_tcb_status", tcb->platform_status), s->id);
    CHECK(has_status(evaluation, "tdx_module_tcb_status", tcb->module_status), s->id);
    CHECK(has_status(evaluation, "qe_tcb_status", tcb->qe_status), s->id);
    CHECK(has_status(evaluation, "worst_of_platform_module_qe", tcb->status), s->id);
    CHECK(tcb->tcb_info_number ==
                  json_integer_value(json_object_get(json_object_get(evaluation, "tcb_info"),
                                                     "tcbEvaluationDataNumber")),
          s->id);
}

static void load(struct scene *s)
{
    struct clo_error err;
    char path[512];

    if (!find_case_file("tdx", s->entry, "quote.", path, sizeof path))
        fail_msg("%s: no quote", s->id);
    read_vector(path, &s->quote_file);
    load_collateral(s);
    load_pck_chain(s);
    set_signature(s, "tcb_info_signature_hex", CLO_TDX_TCB_INFO_SIGNATURE);
    set_signature(s, "qe_identity_signature_hex", CLO_TDX_QE_IDENTITY_SIGNATURE);
    if (!clo_tdx_parse(clo_buffer_bytes(&s->quote_file), &s->quote, &err))
        fail_msg("%s: %s", s->id, err.text);
    load_common_collateral(s);
}

static void verify(struct scene *s, bool without_tcb)
{
    struct clo_tdx_trust trust = {
        .at = manifest_time(json_string_value(json_object_get(s->entry, "verify_time"))),
        .roots = s->roots,
        .root_count = load_root(s),
        .without_tcb = without_tcb,
    };
    struct clo_error err;

    trust.intel = trust.root_count == 0;
    if (!clo_tdx_platform_new(s->quote.chain, s->has_collateral ? &s->collateral : NULL, &trust,
                              &s->checks, &s->platform, &err))
        fail_msg("%s: %s", s->id, err.text);
    s->is_verified =
            clo_tdx_verify(&s->quote, s->platform, trust.at, &s->checks, &s->verified, &err);
}

/* Real quotes: what the manifest worked out by another implementation. */
static void test_quotes(void **state)
{
    (void)state;
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("tdx");
    size_t count = 0;
    size_t i;
    json_t *entry;

    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(scene_free)
        struct scene s = {
            .id = json_string_value(json_object_get(entry, "id")),
            .entry = entry,
            .expected = json_object_get(entry, "expected"),
        };
        if (json_object_get(s.expected, "fields") == NULL)
            continue;
        load(&s);
        verify(&s, !s.has_collateral);
        check_fields(&s);
        check_pck(&s);
        check_result(&s, "quote_signature_valid", "tdx.quote_signature");
        check_result(&s, "qe_report_signature_valid_with_pckCert", "tdx.qe_report");
        check_result(&s, "qe_report_signature_valid", "tdx.qe_report");
        check_result(&s, "attestation_key_bound_to_qe_report", "tdx.qe_binding");
        check_result(&s, "pck_chain_signatures_valid", "tdx.pck_chain");
        check_result(&s, "pck_chain_root_is_intel", "tdx.root");
        check_evaluation(&s);
        for (size_t k = 0; getenv("TDX_SHOW") != NULL && k < s.checks.count; k++)
            printf("%s %s %s %s\n", s.id, clo_check_result_name(s.checks.items[k].result),
                   s.checks.items[k].id, s.checks.items[k].detail);
        count++;
    }
    CHECK(count > 0, "cases");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
