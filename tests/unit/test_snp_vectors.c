/* The shared vectors of SEV-SNP, each held to all that its manifest says. */
#include "cloister/snp.h"

#include <strings.h>

#include "checks.h"
#include "vectors.h"

static void agree(const json_t *expected, const char *key, const struct clo_checks *checks,
                  const char *id, const char *name)
{
    const json_t *value = json_object_get(expected, key);

    if (json_is_boolean(value) && has_passed(checks, id) != json_is_true(value)) {
        const struct clo_check *check = clo_checks_get(checks, id);
        fail_msg("%s: %s expects %d: %s", name, key, json_is_true(value),
                 check == NULL ? "absent" : check->detail);
    }
}

/* Is it to be accepted; *known says whether the manifest has an opinion. What a policy of the case's own
 * refuses is authentic all the same. */
static bool is_to_be_accepted(const json_t *expected, bool *known)
{
    const char *verdict = json_string_value(json_object_get(expected, "verdict"));
    const json_t *accepted = json_object_get(expected, "accepted");

    *known = verdict != NULL || accepted != NULL;
    return verdict != NULL
                   ? strcmp(verdict, "accept") == 0
                   : json_is_true(accepted) || json_object_get(expected, "policy_in_input") != NULL;
}

/* What could not even be read must be something that is refused. */
static bool refuse(const json_t *expected, const struct clo_error *err, const char *name)
{
    bool known;

    if (is_to_be_accepted(expected, &known) || !known)
        fail_msg("%s: %s", name, err->text);
    return false;
}

static void same_number(const json_t *expected, uint64_t value, const char *key, const char *name)
{
    const char *text = json_string_value(expected);
    uint64_t wanted =
            text != NULL ? strtoull(text, NULL, 16) : (uint64_t)json_integer_value(expected);

    if (expected != NULL && value != wanted)
        fail_msg("%s: %s is 0x%llx, expected 0x%llx", name, key, (unsigned long long)value,
                 (unsigned long long)wanted);
}

static void same_bytes(const json_t *expected, struct clo_bytes value, const char *key,
                       const char *name)
{
    char hex[2 * 72 + 1];

    if (expected != NULL && strcmp(json_string_value(expected), clo_hex_text(value, hex)) != 0)
        fail_msg("%s: %s is %s", name, key, hex);
}

static uint64_t tcb_number(const struct clo_snp_tcb *tcb)
{
    struct clo_reader r = clo_reader(clo_bytes(tcb->raw, sizeof tcb->raw));

    return clo_read_le64(&r);
}

static void same_version(const json_t *expected, const struct clo_snp_build *build, const char *key,
                         const char *name)
{
    char text[16];

    snprintf(text, sizeof text, "%u.%u.%u", build->major, build->minor, build->build);
    if (expected != NULL && strcmp(json_string_value(expected), text) != 0)
        fail_msg("%s: %s is %s", name, key, text);
}

static void compare_report(const json_t *parsed, const struct clo_snp_report *r, const char *name)
{
#define NUMBER(key, value) same_number(json_object_get(parsed, key), value, key, name)
#define BYTES(key, value)  same_bytes(json_object_get(parsed, key), value, key, name)
    NUMBER("version", r->version);
    NUMBER("guest_svn", r->guest_svn);
    NUMBER("policy", r->policy);
    BYTES("family_id", r->family_id);
    BYTES("image_id", r->image_id);
    NUMBER("vmpl", r->vmpl);
    NUMBER("signature_algo", r->signature_algo);
    NUMBER("current_tcb", tcb_number(&r->current_tcb));
    NUMBER("platform_info", r->platform_info);
    NUMBER("signer_info", r->signer_info);
    NUMBER("author_key_en", r->author_key_en);
    NUMBER("mask_chip_key", r->mask_chip_key);
    BYTES("report_data", r->report_data);
    BYTES("measurement", r->measurement);
    BYTES("host_data", r->host_data);
    BYTES("id_key_digest", r->id_key_digest);
    BYTES("author_key_digest", r->author_key_digest);
    BYTES("report_id", r->report_id);
    BYTES("report_id_ma", r->report_id_ma);
    NUMBER("reported_tcb", tcb_number(&r->reported_tcb));
    NUMBER("cpuid_fam_id", r->cpuid_fam_id);
    NUMBER("cpuid_mod_id", r->cpuid_mod_id);
    NUMBER("cpuid_step", r->cpuid_step);
    BYTES("chip_id", r->chip_id);
    NUMBER("committed_tcb", tcb_number(&r->committed_tcb));
    NUMBER("launch_tcb", tcb_number(&r->launch_tcb));
    NUMBER("launch_mit_vector", r->launch_mit_vector);
    NUMBER("current_mit_vector", r->current_mit_vector);
    same_version(json_object_get(parsed, "current_version"), &r->current, "current_version", name);
    same_version(json_object_get(parsed, "committed_version"), &r->committed, "committed_version",
                 name);
#undef NUMBER
#undef BYTES
}

static void compare_parts(const json_t *expected, struct clo_snp_tcb_parts parts, const char *name)
{
    const struct {
        const char *key, *other; /* as TCBs and as leaves have it */
        int value;
    } members[] = {
        { "fmc", "fmcSPL", parts.fmc },
        { "bootloader", "blSPL", parts.bootloader },
        { "tee", "teeSPL", parts.tee },
        { "snp", "snpSPL", parts.snp },
        { "microcode", "ucodeSPL", parts.microcode },
    };

    for (size_t i = 0; i < CLO_COUNT(members); i++) {
        same_number(json_object_get(expected, members[i].key), (uint64_t)members[i].value,
                    members[i].key, name);
        same_number(json_object_get(expected, members[i].other), (uint64_t)members[i].value,
                    members[i].other, name);
    }
}

/* "extensions" of the leaf, of a report or by itself. */
static void compare_leaf(const json_t *expected, const struct clo_certificate *certificate,
                         const char *name)
{
    const json_t *extensions = json_object_get(expected, "extensions");
    const char *product = json_string_value(json_object_get(extensions, "product_name"));
    const char *csp = json_string_value(json_object_get(extensions, "csp_id"));
    const char *from = json_string_value(json_object_get(expected, "not_before"));
    const char *to = json_string_value(json_object_get(expected, "not_after"));
    struct clo_snp_leaf leaf;
    struct clo_error err;

    if (extensions == NULL)
        return;
    CHECK(clo_snp_leaf_parse(certificate, &leaf, &err), err.text);
    same_number(json_object_get(extensions, "struct_version"), leaf.struct_version,
                "struct_version", name);
    compare_parts(extensions, leaf.spl, name);
    same_bytes(json_object_get(extensions, "hwid"), leaf.hw_id, "hwid", name);
    CHECK(product == NULL || strcmp(product, leaf.product_name) == 0, name);
    CHECK((csp != NULL) == leaf.is_vlek, name);
    CHECK(csp == NULL || strcmp(csp, leaf.csp_id) == 0, name);
    CHECK(manifest_time(from) == clo_certificate_not_before(certificate), name);
    CHECK(manifest_time(to) == clo_certificate_not_after(certificate), name);
}

/* Everything of a case that is certificates; false if something could not be read, as it must be. A
 * case that brings its own chain names its root; all others end in AMD's. */
static bool read_certificates(const json_t *entry, struct clo_snp_certificates *out,
                              struct clo_digest *root, const char *name)
{
    static const struct {
        const char *prefix;
        bool is_root;
    } files[] = { { "vek.", false },   { "vcek.", false },      { "ask.", false },
                  { "ark.pem", true }, { "amd_root_ca", true }, { "auxblob", false } };
    struct clo_error err;
    char path[512];

    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        size_t first = out->count;
        if (!find_case_file("snp", entry, files[i].prefix, path, sizeof path))
            continue;
        read_vector(path, &file);
        if (!clo_snp_certificates_add(out, clo_buffer_bytes(&file), &err))
            return refuse(json_object_get(entry, "expected"), &err, name);
        if (files[i].is_root)
            CHECK(clo_public_key_fingerprint(clo_certificate_key(out->items[first]), root, &err),
                  name);
    }
    CHECK(clo_snp_certificates_add_amd(out, &err), name);
    return true;
}

static void read_crl(const json_t *entry, struct clo_crl **out, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_error err;
    char path[512];
    size_t at = 0;

    if (!find_case_file("snp", entry, "ark.crl", path, sizeof path))
        return;
    read_vector(path, &bytes);
    struct clo_bytes in = clo_buffer_bytes(&bytes);
    if (clo_pem_next(in, "X509 CRL", &at, &der, &err) == CLO_NEXT_ITEM)
        in = clo_buffer_bytes(&der);
    CHECK(clo_crl_parse(in, out, &err), name);
}

static void verify_case(const json_t *entry, const struct clo_snp_report *report,
                        const struct clo_snp_certificates *certificates,
                        const struct clo_digest *root, const char *name)
{
    const json_t *expected = json_object_get(entry, "expected");
    const char *product = json_string_value(json_object_get(expected, "product"));
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    struct clo_snp_chain chain = { 0 };
    struct clo_snp_verified verified;
    struct clo_error err;
    bool known;

    read_crl(entry, &crl, name);
    const struct clo_crl *crls[] = { crl };
    struct clo_snp_trust trust = {
        .at = manifest_time(json_string_value(json_object_get(entry, "verify_time"))),
        .amd = root->hash == CLO_HASH_NONE,
        .roots = root,
        .root_count = root->hash == CLO_HASH_NONE ? 0 : 1,
        .crls = crls,
        .crl_count = crl == NULL ? 0 : 1,
    };
    if (clo_snp_chain_find(report, certificates, &chain, &err))
        compare_leaf(json_object_get(expected, "vek_certificate"), chain.leaf, name);
    bool ok = clo_snp_verify(report, &chain, &trust, &checks, &verified, &err);
    agree(expected, "report_signature_valid", &checks, "snp.signature", name);
    agree(expected, "chain_signatures_valid", &checks, "snp.chain", name);
    agree(expected, "all_certs_in_validity_window", &checks, "snp.validity", name);
    agree(expected, "tcb_match", &checks, "snp.tcb", name);
    agree(expected, "hwid_match", &checks, "snp.chip", name);
    if (json_is_true(json_object_get(expected, "ask_revoked")) ||
        json_is_false(json_object_get(expected, "crl_signature_by_ark_valid")))
        CHECK(has_failed(&checks, "snp.revocation"), name);
    bool wanted = is_to_be_accepted(expected, &known);
    if (known && ok != wanted)
        fail_msg("%s: %s", name, ok ? "accepted" : err.text);
    if (ok && product != NULL)
        CHECK(strcasecmp(product, clo_snp_product_name(verified.product)) == 0, name);
    if (ok)
        compare_parts(json_object_get(json_object_get(expected, "parsed"), "reported_tcb_decoded"),
                      clo_snp_tcb_parts(&report->reported_tcb, verified.product), name);
}

/* What is verified: "report", or a leaf by itself. */
static void run_case(const json_t *entry, size_t *verified)
{
    const char *name = json_string_value(json_object_get(entry, "id"));
    const json_t *expected = json_object_get(entry, "expected");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_snp_report report;
    struct clo_bytes raw;
    struct clo_bytes table;
    struct clo_digest root = { 0 };
    struct clo_error err;
    char path[512];

    if (!read_certificates(entry, &certificates, &root, name))
        return;
    if (!find_case_file("snp", entry, "report.bin", path, sizeof path) &&
        !find_case_file("snp", entry, "snp_report_msg_resp", path, sizeof path)) {
        compare_leaf(expected, certificates.items[0], name);
        return;
    }
    read_vector(path, &bytes);
    if (!clo_snp_unwrap(clo_buffer_bytes(&bytes), &raw, &table, &err) ||
        !clo_snp_parse(raw, &report, &err)) {
        refuse(expected, &err, name);
        return;
    }
    CHECK(table.size == 0, name);
    compare_report(json_object_get(expected, "parsed"), &report, name);
    same_bytes(json_object_get(expected, "r_72_bytes_le"), clo_bytes_slice(report.signature, 0, 72),
               "r", name);
    same_bytes(json_object_get(expected, "s_72_bytes_le"),
               clo_bytes_slice(report.signature, 72, 72), "s", name);
    if (json_object_get(entry, "verify_time") != NULL &&
        !json_is_null(json_object_get(entry, "verify_time")))
        verify_case(entry, &report, &certificates, &root, name);
    (*verified)++;
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("snp");
    size_t verified = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry)
        run_case(entry, &verified);
    CHECK(verified > 30, "the manifest has its cases");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
