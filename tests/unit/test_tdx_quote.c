/* TDX quotes and TDREPORTs: every field where the specification has it, every truncation, and what is
 * refused with which words. */
#include "tdx_maker.h"

static bool parse(const struct tdx_quote_maker *maker, struct clo_buffer *bytes,
                  struct clo_tdx_quote *quote, struct clo_error *err)
{
    tdx_maker_quote(maker, bytes);
    return clo_tdx_parse(clo_buffer_bytes(bytes), quote, err);
}

static void check_at(struct clo_bytes view, struct clo_bytes in, size_t at, size_t size,
                     const char *name)
{
    CHECK(view.data == in.data + at && view.size == size, name);
}

/* Offsets in a TD report of version 1.0 (FORMAT: docs/formats/tdx.md). */
static void check_body(const struct clo_tdx_body *body, struct clo_bytes in, size_t at)
{
    check_at(body->tee_tcb_svn, in, at, 16, "tee_tcb_svn");
    check_at(body->mr_seam, in, at + 0x10, 48, "mr_seam");
    check_at(body->mr_signer_seam, in, at + 0x40, 48, "mr_signer_seam");
    check_at(body->seam_attributes, in, at + 0x70, 8, "seam_attributes");
    check_at(body->td_attributes, in, at + 0x78, 8, "td_attributes");
    check_at(body->xfam, in, at + 0x80, 8, "xfam");
    check_at(body->mr_td, in, at + 0x88, 48, "mr_td");
    check_at(body->mr_config_id, in, at + 0xb8, 48, "mr_config_id");
    check_at(body->mr_owner, in, at + 0xe8, 48, "mr_owner");
    check_at(body->mr_owner_config, in, at + 0x118, 48, "mr_owner_config");
    for (size_t i = 0; i < CLO_TDX_RTMR_COUNT; i++)
        check_at(body->rtmr[i], in, at + 0x148 + 48 * i, 48, "rtmr");
    check_at(body->report_data, in, at + 0x208, 64, "report_data");
}

static void test_version_4(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_tdx_quote quote;
    struct clo_error err;

    (void)state;
    CHECK(parse(&tdx_quote_good, &bytes, &quote, &err), err.text);
    struct clo_bytes in = clo_buffer_bytes(&bytes);
    check_at(quote.signed_part, in, 0, 632, "signed part");
    check_at(quote.svns, in, 8, 4, "svns");
    check_at(quote.qe_vendor_id, in, 12, 16, "qe_vendor_id");
    check_at(quote.user_data, in, 28, 20, "user_data");
    check_body(&quote.body, in, 48);
    CHECK(!quote.body.has_td15 && !quote.body.has_extended, "TD 1.0");
    check_at(quote.signature, in, 636, 64, "signature");
    check_at(quote.attestation_key, in, 700, 64, "attestation key");
    check_at(quote.qe_report.raw, in, 770, 384, "QE report");
    check_at(quote.qe_report.mr_enclave, in, 770 + 64, 32, "QE MRENCLAVE");
    check_at(quote.qe_report.mr_signer, in, 770 + 128, 32, "QE MRSIGNER");
    check_at(quote.qe_report.attributes, in, 770 + 48, 16, "QE ATTRIBUTES");
    check_at(quote.qe_report.report_data, in, 770 + 320, 64, "QE report data");
    CHECK(quote.qe_report.miscselect ==
                  ((uint32_t)in.data[786] | (uint32_t)in.data[787] << 8 |
                   (uint32_t)in.data[788] << 16 | (uint32_t)in.data[789] << 24),
          "MISCSELECT");
    CHECK(quote.qe_report.isv_prod_id == (in.data[1026] | in.data[1027] << 8), "ISVPRODID");
    CHECK(quote.qe_report.isv_svn == (in.data[1028] | in.data[1029] << 8), "ISVSVN");
    check_at(quote.qe_report_signature, in, 1154, 64, "QE report signature");
    check_at(quote.qe_auth_data, in, 1220, 32, "authentication data");
    check_at(quote.chain, in, 1258, 20, "chain");
    CHECK(quote.trailing.size == 0, "nothing behind");
}

static void test_bodies(void **state)
{
    static const struct {
        enum clo_tdx_body_type type;
        uint32_t size;
    } bodies[] = {
        { CLO_TDX_BODY_TD10, 584 },
        { CLO_TDX_BODY_TD15, 648 },
        { CLO_TDX_BODY_TD15_EXTENDED, 885 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(bodies); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        struct tdx_quote_maker maker = tdx_quote_good;
        struct clo_tdx_quote quote;
        struct clo_error err;
        maker.version = 5;
        maker.body_type = (uint16_t)bodies[i].type;
        maker.body_size = bodies[i].size;
        CHECK(parse(&maker, &bytes, &quote, &err), err.text);
        struct clo_bytes in = clo_buffer_bytes(&bytes);
        check_at(quote.signed_part, in, 0, 54 + bodies[i].size, "signed part");
        check_body(&quote.body, in, 54);
        CHECK(quote.body.has_td15 == (bodies[i].size >= 648), "TD 1.5");
        CHECK(quote.body.has_extended == (bodies[i].size == 885), "extended");
        if (quote.body.has_td15) {
            check_at(quote.body.tee_tcb_svn2, in, 54 + 584, 16, "tee_tcb_svn2");
            check_at(quote.body.mr_service_td, in, 54 + 600, 48, "mr_service_td");
        }
        if (quote.body.has_extended) {
            CHECK(quote.body.vmid == in.data[54 + 648], "vmid");
            check_at(quote.body.td_id, in, 54 + 649, 32, "td_id");
            check_at(quote.body.dev_info, in, 54 + 681, 48, "dev_info");
            check_at(quote.body.init_tee_fmspc, in, 54 + 817, 12, "init_tee_fmspc");
            check_at(quote.body.cur_servtd_attrs, in, 54 + 877, 8, "cur_servtd_attrs");
        }
        json = clo_tdx_quote_json(&quote);
        CHECK(json != NULL, "shown");
    }
}

/* Cut anywhere it is refused; only what lies beyond the declared data may be missing. */
static void test_truncated(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct tdx_quote_maker maker = tdx_quote_good;
    struct clo_tdx_quote quote;
    struct clo_error err;

    (void)state;
    maker.version = 5;
    maker.trailing = 9;
    CHECK(parse(&maker, &bytes, &quote, &err), err.text);
    CHECK(quote.trailing.size == 9, "trailing");
    for (size_t size = 0; size < bytes.size; size++) {
        bool ok = clo_tdx_parse(clo_bytes(bytes.data, size), &quote, &err);
        CHECK(ok == (size >= bytes.size - 9), "a truncation");
        CHECK(ok || (err.status == CLO_ERR_FORMAT && strstr(err.text, "truncated") != NULL),
              err.text);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        size_t field; /* offset in tdx_quote_maker */
        uint32_t value;
        size_t size;
        const char *error;
        enum clo_status status;
    } cases[] = {
#define FIELD(name) offsetof(struct tdx_quote_maker, name)
        { "SGX quote version 3", FIELD(version), 3, 2,
          "TDX quote: version 3, TEE type 0x81: the quote of an SGX enclave, not of a TD",
          CLO_ERR_UNSUPPORTED },
        { "SGX TEE type", FIELD(tee_type), 0, 4,
          "TDX quote: version 4, TEE type 0x0: the quote of an SGX enclave, not of a TD",
          CLO_ERR_UNSUPPORTED },
        { "version 6", FIELD(version), 6, 2, "TDX quote: version 6, expected 4 or 5",
          CLO_ERR_UNSUPPORTED },
        { "TEE type", FIELD(tee_type), 0x82, 4, "TDX quote: TEE type 0x82, expected 0x81 (TDX)",
          CLO_ERR_UNSUPPORTED },
        { "P-384", FIELD(att_key_type), 3, 2,
          "TDX quote: attestation key type 3 (ECDSA P-384), expected 2 (ECDSA P-256)",
          CLO_ERR_UNSUPPORTED },
        { "EPID", FIELD(att_key_type), 0, 2,
          "TDX quote: attestation key type 0, expected 2 (ECDSA P-256)", CLO_ERR_UNSUPPORTED },
        { "chain without a QE report", FIELD(outer_type), 5, 2,
          "TDX quote: certification data of type 5 without a QE report (type 6) around it",
          CLO_ERR_UNSUPPORTED },
        { "outer type", FIELD(outer_type), 7, 2,
          "TDX quote: certification data of type 7, expected 6 (QE report)", CLO_ERR_UNSUPPORTED },
        { "inner type", FIELD(inner_type), 6, 2, "TDX quote: inner certification data of type 6",
          CLO_ERR_UNSUPPORTED },
        { "inner type 0", FIELD(inner_type), 0, 2, "TDX quote: inner certification data of type 0",
          CLO_ERR_UNSUPPORTED },
        { "a byte after the inner data", FIELD(behind_inner), 1, sizeof(size_t),
          "TDX quote: 1 bytes after the inner certification data", CLO_ERR_FORMAT },
        { "a byte after the outer data", FIELD(behind_outer), 1, sizeof(size_t),
          "TDX quote: 1 bytes after the certification data", CLO_ERR_FORMAT },
#undef FIELD
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct tdx_quote_maker maker = tdx_quote_good;
        struct clo_tdx_quote quote;
        struct clo_error err;
        size_t value = cases[i].value;
        memcpy((uint8_t *)&maker + cases[i].field, &value, cases[i].size);
        CHECK(!parse(&maker, &bytes, &quote, &err), cases[i].name);
        if (strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        CHECK(err.status == cases[i].status, cases[i].name);
    }
}

static void test_body_descriptor(void **state)
{
    static const struct {
        uint16_t type;
        uint32_t size;
        const char *error;
    } cases[] = {
        { 1, 384, "TDX quote: body type 1: the quote of an SGX enclave, not of a TD" },
        { 0, 584, "TDX quote: body type 0, expected 2 to 4" },
        { 5, 584, "TDX quote: body type 5, expected 2 to 4" },
        { 2, 648, "TDX quote: body type 2: 648 bytes, expected 584" },
        { 3, 584, "TDX quote: body type 3: 584 bytes, expected 648" },
        { 4, 648, "TDX quote: body type 4: 648 bytes, expected 885" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct tdx_quote_maker maker = tdx_quote_good;
        struct clo_tdx_quote quote;
        struct clo_error err;
        maker.version = 5;
        maker.body_type = cases[i].type;
        maker.body_size = cases[i].size;
        CHECK(!parse(&maker, &bytes, &quote, &err), cases[i].error);
        if (strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s", err.text);
    }
}

/* What others insist on: authentication data of one length, and a chain. */
static void test_lenient(void **state)
{
    static const size_t auth_sizes[] = { 0, 1, 31, 32, 33, 1000, 65535 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(auth_sizes); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct tdx_quote_maker maker = tdx_quote_good;
        struct clo_tdx_quote quote;
        struct clo_error err;
        maker.auth_size = auth_sizes[i];
        CHECK(parse(&maker, &bytes, &quote, &err), err.text);
        CHECK(quote.qe_auth_data.size == auth_sizes[i], "authentication data");
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct tdx_quote_maker maker = tdx_quote_good;
    struct clo_tdx_quote quote;
    struct clo_error err;
    maker.inner_type = 3;
    CHECK(parse(&maker, &bytes, &quote, &err), err.text);
    CHECK(quote.chain.size == 0, "an identifier is not a chain");
}

/* --- TDREPORT --- */

static void test_report(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_tdx_report report;
    struct clo_error err;

    (void)state;
    tdx_maker_report(&bytes);
    struct clo_bytes in = clo_buffer_bytes(&bytes);
    CHECK(clo_tdx_report_parse(in, &report, &err), err.text);
    check_at(report.cpu_svn, in, 16, 16, "cpu_svn");
    check_at(report.report_data, in, 0x80, 64, "report_data");
    check_at(report.mac, in, 224, 32, "mac");
    check_at(report.body.tee_tcb_svn, in, 264, 16, "tee_tcb_svn");
    check_at(report.body.mr_seam, in, 280, 48, "mr_seam");
    check_at(report.body.td_attributes, in, 512, 8, "td_attributes");
    check_at(report.body.mr_td, in, 0x210, 48, "mr_td");
    check_at(report.body.rtmr[3], in, 512 + 0xd0 + 144, 48, "rtmr3");
    CHECK(report.hashes_match, "hashes");
    struct clo_tdx_quote quote;
    CHECK(!clo_tdx_parse(in, &quote, &err) && strstr(err.text, "this is a TDREPORT") != NULL,
          "no quote");
    json = clo_tdx_report_json(&report);
    CHECK(json != NULL, "shown");
    bytes.data[600] ^= 1;
    CHECK(clo_tdx_report_parse(in, &report, &err) && !report.hashes_match, "damaged");
}

static void test_report_refused(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_tdx_report report;
    struct clo_error err;

    (void)state;
    tdx_maker_report(&bytes);
    for (size_t size = 0; size < bytes.size; size++)
        CHECK(!clo_tdx_report_parse(clo_bytes(bytes.data, size), &report, &err), "a truncation");
    assert_string_equal(err.text, "TDREPORT: 1023 bytes, expected 1024");
    clo_buffer_u8(&bytes, 0);
    CHECK(!clo_tdx_report_parse(clo_buffer_bytes(&bytes), &report, &err), "a byte after it");
    bytes.size--;
    bytes.data[1] = 1;
    CHECK(!clo_tdx_report_parse(clo_buffer_bytes(&bytes), &report, &err), "subtype");
    assert_string_equal(err.text, "TDREPORT: subtype 1, expected 0");
    bytes.data[0] = 0;
    CHECK(!clo_tdx_report_parse(clo_buffer_bytes(&bytes), &report, &err), "SGX");
    assert_string_equal(err.text, "TDREPORT: type 0x00, expected 0x81");
}

/* The same TD, or one in which a single field is another. */
static void test_report_matches(void **state)
{
    static const size_t odd[] = { 280, 512, 520, 528, 576, 624, 672, 128 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    struct clo_tdx_report report;
    struct clo_tdx_report same;
    struct clo_error err;

    (void)state;
    tdx_maker_report(&bytes);
    clo_buffer_append(&other, clo_buffer_bytes(&bytes));
    CHECK(clo_tdx_report_parse(clo_buffer_bytes(&bytes), &report, &err), err.text);
    CHECK(clo_tdx_report_parse(clo_buffer_bytes(&other), &same, &err), err.text);
    CHECK(clo_tdx_report_matches(&report, &same.body), "the same");
    for (size_t i = 0; i < CLO_COUNT(odd); i++) {
        other.data[odd[i]] ^= 1;
        CHECK(!clo_tdx_report_matches(&report, &same.body), "another");
        other.data[odd[i]] ^= 1;
    }
    other.data[720] ^= 1;
    CHECK(clo_tdx_report_matches(&report, &same.body), "RTMRs may have moved");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_4),       cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_truncated),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_body_descriptor), cmocka_unit_test(test_lenient),
        cmocka_unit_test(test_report),          cmocka_unit_test(test_report_refused),
        cmocka_unit_test(test_report_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
