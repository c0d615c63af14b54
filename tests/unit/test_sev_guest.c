/* The kernel and the firmware behind /dev/sev-guest, played. */
#include "device/sev_guest.h"

#include <errno.h>
#include <linux/sev-guest.h>
#include <sys/ioctl.h>

#include "lib/base/put.h"
#include "test.h"

#define REPORT_SIZE 1184

struct firmware {
    const char *name;
    unsigned vmpl;        /* the guest's own */
    uint32_t table_pages; /* what the host's certificate table takes; 0: none */
    uint32_t needs_pages; /* what it says that it needs; 0: what fits */
    unsigned busy;        /* this often */
    int reason;           /* what the kernel answers, with… */
    uint32_t fw_error, vmm_error;
    uint32_t status;      /* the firmware's own */
    uint32_t report_size; /* 0: as it is */
    /* What happened. */
    unsigned calls, sleeps;
    unsigned long last;
    uint8_t version;
    struct {
        struct snp_derived_key_req request;
        uint64_t mit_vector;
    } key;
};

static void put_table(uint8_t *pages, uint32_t size)
{
    static const uint8_t guid[16] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
                                      0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };

    memcpy(pages, guid, sizeof guid);
    clo_put_le32(pages + 16, 48);
    clo_put_le32(pages + 20, size - 48);
    memset(pages + 48, 0xcc, size - 48);
}

static int get_report(struct firmware *f, const struct snp_report_req *request,
                      struct snp_report_resp *response)
{
    clo_put_le32(response->data, request->vmpl < f->vmpl ? 0x16 : f->status);
    clo_put_le32(response->data + 4, f->report_size == 0 ? REPORT_SIZE : f->report_size);
    response->data[32] = 2;
    memcpy(response->data + 32 + 0x50, request->user_data, 64);
    clo_put_le32(response->data + 32 + 0x30, request->vmpl);
    return 0;
}

static int get_extended(struct firmware *f, struct snp_guest_request_ioctl *message)
{
    struct snp_ext_report_req *request = (struct snp_ext_report_req *)(uintptr_t)message->req_data;
    uint32_t needed = (f->needs_pages != 0 ? f->needs_pages : f->table_pages) * 4096;

    assert_int_equal(request->certs_address % 4096, 0);
    assert_int_equal(request->certs_len % 4096, 0);
    if (request->certs_len < needed || f->needs_pages != 0) {
        request->certs_len = needed;
        message->vmm_error = SNP_GUEST_VMM_ERR_INVALID_LEN;
        return EIO;
    }
    if (f->table_pages != 0)
        put_table((uint8_t *)(uintptr_t)request->certs_address, f->table_pages * 4096 - 100);
    return get_report(f, &request->data, (struct snp_report_resp *)(uintptr_t)message->resp_data);
}

static int get_key(struct firmware *f, const struct snp_guest_request_ioctl *message)
{
    struct snp_derived_key_resp *response =
            (struct snp_derived_key_resp *)(uintptr_t)message->resp_data;

    memcpy(&f->key, (const void *)(uintptr_t)message->req_data, sizeof f->key);
    memset(response->data, 0, sizeof response->data);
    clo_put_le32(response->data, f->status);
    if (f->report_size == 0) /* else: no key */
        memset(response->data + 32, 0x77, 32);
    return 0;
}

static int play(void *context, unsigned long request, void *argument)
{
    struct firmware *f = context;
    struct snp_guest_request_ioctl *message = argument;

    f->calls++;
    f->last = request;
    f->version = message->msg_version;
    if (f->busy > 0) {
        f->busy--;
        message->vmm_error = SNP_GUEST_VMM_ERR_BUSY;
        return EAGAIN;
    }
    if (f->reason != 0) {
        message->fw_error = f->fw_error;
        message->vmm_error = f->vmm_error;
        return f->reason;
    }
    if (request == SNP_GET_REPORT)
        return get_report(f, (const struct snp_report_req *)(uintptr_t)message->req_data,
                          (struct snp_report_resp *)(uintptr_t)message->resp_data);
    if (request == SNP_GET_EXT_REPORT)
        return get_extended(f, message);
    return request == SNP_GET_DERIVED_KEY ? get_key(f, message) : ENOTTY;
}

static void nap(void *context, unsigned milliseconds)
{
    struct firmware *f = context;

    assert_true(milliseconds <= 2000);
    f->sleeps++;
}

static void start(struct firmware *f, struct clo_sev_guest **guest)
{
    const struct clo_sev_guest_io io = { play, nap, f };
    struct clo_error err;

    assert_true(clo_sev_guest_new(&io, guest, &err));
}

/* --- Reports --- */

static void test_reports(void **state)
{
    static const struct {
        struct firmware firmware;
        int vmpl;
        bool is_extended;
        const char *error;
        enum clo_status kind;
        unsigned calls;
        size_t table;
        uint8_t got_vmpl;
    } cases[] = {
        { { .name = "plain" }, 0, false, NULL, CLO_OK, 1, 0, 0 },
        { { .name = "a level" }, 2, false, NULL, CLO_OK, 1, 0, 2 },
        { { .name = "any level, guest at 2", .vmpl = 2 }, -1, false, NULL, CLO_OK, 3, 0, 2 },
        { { .name = "a level above the guest's", .vmpl = 1 },
          0,
          false,
          "sev-guest: the firmware refuses: status 0x16, INVALID_PARAM: report data or VMPL are "
          "not "
          "allowed",
          CLO_ERR_REFUSED,
          1,
          0,
          0 },
        { { .name = "extended, no table" }, 0, true, NULL, CLO_OK, 1, 0, 0 },
        { { .name = "extended, fits", .table_pages = 2 }, 0, true, NULL, CLO_OK, 1, 8092, 0 },
        { { .name = "extended, larger", .table_pages = 9 }, 0, true, NULL, CLO_OK, 2, 36764, 0 },
        { { .name = "always more", .needs_pages = 300 },
          0,
          true,
          "sev-guest: the host answers with error 0x1 (Input/output error)",
          CLO_ERR_SYSTEM,
          1,
          0,
          0 },
        { { .name = "more than it said", .needs_pages = 4 },
          0,
          true,
          "sev-guest: the host answers with error 0x1 (Input/output error)",
          CLO_ERR_SYSTEM,
          1,
          0,
          0 },
        { { .name = "throttled", .busy = 3 }, 0, false, NULL, CLO_OK, 4, 0, 0 },
        { { .name = "throttled for ever", .busy = 100 },
          0,
          false,
          "sev-guest: the host throttles requests: try again later",
          CLO_ERR_UNAVAILABLE,
          5,
          0,
          0 },
        { { .name = "channel lost", .reason = ENOTTY },
          0,
          false,
          "sev-guest: the kernel has given up its channel to the firmware (ENOTTY), or does not "
          "know the request: see its log",
          CLO_ERR_UNAVAILABLE,
          1,
          0,
          0 },
        { { .name = "firmware error", .reason = EIO, .fw_error = 0x07 },
          0,
          false,
          "sev-guest: the firmware answers with status 0x07, POLICY_FAILURE (Input/output error)",
          CLO_ERR_SYSTEM,
          1,
          0,
          0 },
        { { .name = "unknown firmware error", .reason = EIO, .fw_error = 0x99 },
          0,
          false,
          "sev-guest: the firmware answers with status 0x99, unknown (Input/output error)",
          CLO_ERR_SYSTEM,
          1,
          0,
          0 },
        { { .name = "host error", .reason = EIO, .vmm_error = 7 },
          0,
          false,
          "sev-guest: the host answers with error 0x7 (Input/output error)",
          CLO_ERR_SYSTEM,
          1,
          0,
          0 },
        { { .name = "kernel error", .reason = EFAULT, .fw_error = 0xff },
          0,
          false,
          "sev-guest: Bad address",
          CLO_ERR_SYSTEM,
          1,
          0,
          0 },
        { { .name = "invalid key", .status = 0x27 },
          0,
          false,
          "sev-guest: the firmware refuses: status 0x27, INVALID_KEY",
          CLO_ERR_REFUSED,
          1,
          0,
          0 },
        { { .name = "endless report", .report_size = 4000 },
          0,
          false,
          "sev-guest: a report of 4000 bytes",
          CLO_ERR_FORMAT,
          1,
          0,
          0 },
    };
    uint8_t data[64];

    (void)state;
    memset(data, 0x5a, sizeof data);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct firmware f = cases[i].firmware;
        CLO_CLEANUP(clo_sev_guest_freep) struct clo_sev_guest *guest = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
        struct clo_error err;
        start(&f, &guest);
        bool ok = clo_sev_guest_report(guest, clo_bytes(data, sizeof data), cases[i].vmpl, &report,
                                       cases[i].is_extended ? &table : NULL, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? f.name : err.text);
        CHECK(f.calls == cases[i].calls, f.name);
        if (!ok) {
            if (strcmp(err.text, cases[i].error) != 0)
                print_error("got: %s\n", err.text);
            CHECK(strcmp(err.text, cases[i].error) == 0, f.name);
            CHECK(err.status == cases[i].kind, f.name);
            CHECK(report.size == 0 && table.size == 0, f.name);
            continue;
        }
        CHECK(report.size == REPORT_SIZE, f.name);
        CHECK(memcmp(report.data + 0x50, data, sizeof data) == 0, f.name);
        CHECK(report.data[0x30] == cases[i].got_vmpl, f.name);
        CHECK(table.size == cases[i].table, f.name);
    }
}

static void test_requests(void **state)
{
    struct firmware f = { .name = "" };
    CLO_CLEANUP(clo_sev_guest_freep) struct clo_sev_guest *guest = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    uint8_t data[64] = { 0 };
    struct clo_error err;

    (void)state;
    start(&f, &guest);
    assert_false(clo_sev_guest_report(guest, clo_bytes(data, 63), 0, &report, NULL, &err));
    assert_string_equal(err.text, "report data: 63 bytes, 64 expected");
    assert_false(clo_sev_guest_report(guest, clo_bytes(data, 64), 4, &report, NULL, &err));
    assert_string_equal(err.text, "VMPL 4, 0 to 3 expected");
    assert_int_equal(f.calls, 0);
    assert_false(clo_sev_guest_open("/nowhere/sev-guest", &guest, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
}

/* --- Derived keys --- */

static void test_keys(void **state)
{
    static const struct {
        struct firmware firmware;
        struct clo_sev_guest_key_request request;
        const char *error;
    } cases[] = {
        { { .name = "nothing mixed in" }, { 0 }, NULL },
        { { .name = "policy, image, family" },
          { .fields = CLO_SEV_FIELD_POLICY | CLO_SEV_FIELD_IMAGE_ID | CLO_SEV_FIELD_FAMILY_ID,
            .vmpl = 1,
            .root_is_vmrk = true },
          NULL },
        { { .name = "SVN and TCB" },
          { .fields = CLO_SEV_FIELD_GUEST_SVN | CLO_SEV_FIELD_TCB_VERSION,
            .guest_svn = 7,
            .tcb_version = 0x7308000000000003 },
          NULL },
        { { .name = "mitigation vector" },
          { .fields = CLO_SEV_FIELD_MIT_VECTOR, .mit_vector = 5 },
          NULL },
        { { .name = "unknown field" },
          { .fields = 0x80 },
          "derived key: field selection 0x80: unknown bits" },
        { { .name = "no such level" }, { .vmpl = 4 }, "derived key: VMPL 4, 0 to 3 expected" },
        { { .name = "SVN that does not count" },
          { .guest_svn = 1 },
          "derived key: a value is given for a field that is not selected" },
        { { .name = "TCB that does not count" },
          { .tcb_version = 1 },
          "derived key: a value is given for a field that is not selected" },
        { { .name = "vector that does not count" },
          { .mit_vector = 1 },
          "derived key: a value is given for a field that is not selected" },
        { { .name = "refused", .status = 0x16 },
          { 0 },
          "sev-guest: the firmware refuses: status 0x16, INVALID_PARAM: a VMPL above the guest's, "
          "an SVN above the ID block's, a TCB above the committed one, or no ID block" },
        { { .name = "no key", .report_size = 1 }, { 0 }, "sev-guest: the answer holds no key" },
        { { .name = "channel lost", .reason = EIO, .fw_error = 0x16 },
          { 0 },
          "sev-guest: the firmware answers with status 0x16, INVALID_PARAM (Input/output error)" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct firmware f = cases[i].firmware;
        const struct clo_sev_guest_key_request *request = &cases[i].request;
        CLO_CLEANUP(clo_sev_guest_freep) struct clo_sev_guest *guest = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
        struct clo_error err;
        start(&f, &guest);
        bool ok = clo_sev_guest_derive_key(guest, request, &key, &err);
        CHECK(ok == (cases[i].error == NULL), ok ? f.name : err.text);
        if (!ok) {
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
            CHECK(key == NULL, f.name);
            continue;
        }
        CHECK(clo_secret_size(key) == 32 && clo_bytes_all(clo_secret_bytes(key), 0x77), f.name);
        CHECK(f.key.request.root_key_select == (request->root_is_vmrk ? 1 : 0), f.name);
        CHECK(f.key.request.guest_field_select == request->fields, f.name);
        CHECK(f.key.request.vmpl == request->vmpl, f.name);
        CHECK(f.key.request.guest_svn == request->guest_svn, f.name);
        CHECK(f.key.request.tcb_version == request->tcb_version, f.name);
        CHECK(f.key.mit_vector == request->mit_vector, f.name);
        CHECK(f.version == ((request->fields & CLO_SEV_FIELD_MIT_VECTOR) != 0 ? 2 : 1), f.name);
    }
    assert_int_equal(clo_sev_guest_field("policy"), CLO_SEV_FIELD_POLICY);
    assert_int_equal(clo_sev_guest_field("mit_vector"), CLO_SEV_FIELD_MIT_VECTOR);
    assert_int_equal(clo_sev_guest_field("all"), 0);
}

/* --- Parsing --- */

static void test_table(void **state)
{
    static const struct {
        const char *name, *hex;
        size_t size;
        const char *error;
    } cases[] = {
        { "empty", "00000000000000000000000000000000 00000000 00000000", 0, NULL },
        { "one",
          "01000000000000000000000000000000 30000000 02000000"
          "00000000000000000000000000000000 00000000 00000000 aabb 0000",
          50, NULL },
        { "its end lies beyond its certificates",
          "01000000000000000000000000000000 00000000 02000000"
          "00000000000000000000000000000000 00000000 00000000",
          48, NULL },
        { "outside", "01000000000000000000000000000000 18000000 01000000", 0,
          "certificate table: entry 0 lies outside its 24 bytes" },
        { "a sum that wraps", "01000000000000000000000000000000 10000000 f0ffffff", 0,
          "certificate table: entry 0 lies outside its 24 bytes" },
        { "no end", "01000000000000000000000000000000 00000000 01000000", 0,
          "certificate table: no end within 24 bytes" },
        { "nothing", "", 0, "certificate table: no end within 0 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_error err;
        size_t size = 99;
        bool ok = clo_sev_guest_table_size(from_hex(cases[i].hex, &bytes), &size, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok ? size == cases[i].size : strcmp(err.text, cases[i].error) == 0, cases[i].name);
    }
}

static void test_response(void **state)
{
    uint8_t response[32 + REPORT_SIZE] = { 0 };
    struct clo_bytes report;
    struct clo_error err;

    (void)state;
    clo_put_le32(response + 4, REPORT_SIZE);
    assert_true(clo_sev_guest_response_parse(clo_bytes(response, sizeof response), &report, &err));
    assert_ptr_equal(report.data, response + 32);
    for (size_t i = 0; i < sizeof response; i++)
        assert_false(clo_sev_guest_response_parse(clo_bytes(response, i), &report, &err));
    clo_put_le32(response + 4, 0);
    assert_false(clo_sev_guest_response_parse(clo_bytes(response, sizeof response), &report, &err));
    assert_string_equal(err.text, "sev-guest: a report of 0 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports),  cmocka_unit_test(test_requests),
        cmocka_unit_test(test_keys),     cmocka_unit_test(test_table),
        cmocka_unit_test(test_response),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
