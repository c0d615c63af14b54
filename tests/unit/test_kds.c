#include "cloister/kds.h"

#include "vectors.h"

#define HWID_64                        \
    "000102030405060708090a0b0c0d0e0f" \
    "101112131415161718191a1b1c1d1e1f" \
    "202122232425262728292a2b2c2d2e2f" \
    "303132333435363738393a3b3c3d3e3f"
#define MILAN "/vcek/v1/Milan/" HWID_64 "?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219"
#define TURIN "/vcek/v1/Turin/0001020304050607?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=72"

/* A report of which only these fields matter. */
static void make_report(uint8_t version, const uint8_t cpuid[3], const uint8_t tcb[8],
                        uint8_t out[CLO_SNP_REPORT_SIZE])
{
    memset(out, 0, CLO_SNP_REPORT_SIZE);
    out[0] = version;
    memcpy(out + 0x180, tcb, 8);
    if (version >= 3)
        memcpy(out + 0x188, cpuid, 3);
    for (size_t i = 0; i < 64; i++)
        out[0x1a0 + i] = (uint8_t)i;
}

static void test_of_report(void **state)
{
    static const struct {
        const char *name;
        uint8_t version;
        uint8_t cpuid[3];
        enum clo_snp_product product; /* what the caller says */
        uint8_t tcb[8];
        size_t at; /* byte that is changed; 0: none */
        uint8_t value;
        const char *path, *error;
    } cases[] = {
        { "Milan",
          3,
          { 0x19, 1, 1 },
          CLO_SNP_UNKNOWN,
          { 4, 0, 0, 0, 0, 0, 24, 219 },
          0,
          0,
          MILAN,
          NULL },
        { "Turin: first 8 bytes, fmc first",
          5,
          { 0x1a, 2, 1 },
          CLO_SNP_UNKNOWN,
          { 1, 2, 3, 4, 0, 0, 0, 72 },
          0,
          0,
          TURIN,
          NULL },
        { "Siena is at Genoa's path",
          3,
          { 0x19, 0xa0, 1 },
          CLO_SNP_UNKNOWN,
          { 4, 0, 0, 0, 0, 0, 24, 219 },
          0,
          0,
          "/vcek/v1/Genoa/" HWID_64 "?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219",
          NULL },
        { "Venice",
          5,
          { 0x1a, 0x50, 0 },
          CLO_SNP_UNKNOWN,
          { 1, 2, 3, 4, 0, 0, 0, 72 },
          0,
          0,
          "/vcek/v1/Venice/0001020304050607?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=72",
          NULL },
        { "version 2, told",
          2,
          { 0 },
          CLO_SNP_MILAN,
          { 4, 0, 0, 0, 0, 0, 24, 219 },
          0,
          0,
          MILAN,
          NULL },
        { "version 2, not told",
          2,
          { 0 },
          CLO_SNP_UNKNOWN,
          { 0 },
          0,
          0,
          NULL,
          "SNP report: version 2 does not name its product: say which" },
        { "what the report says counts more",
          3,
          { 0x19, 1, 1 },
          CLO_SNP_TURIN,
          { 4, 0, 0, 0, 0, 0, 24, 219 },
          0,
          0,
          MILAN,
          NULL },
        { "signed by a VLEK",
          3,
          { 0x19, 1, 1 },
          CLO_SNP_UNKNOWN,
          { 0 },
          0x48,
          1 << 2,
          NULL,
          "SNP report: signed by a VLEK: only VCEKs are at AMD's key server" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint8_t bytes[CLO_SNP_REPORT_SIZE];
        struct clo_snp_report report;
        struct clo_kds_request request;
        struct clo_error err;
        char path[CLO_KDS_PATH_MAX];
        make_report(cases[i].version, cases[i].cpuid, cases[i].tcb, bytes);
        if (cases[i].at != 0)
            bytes[cases[i].at] = cases[i].value;
        CHECK(clo_snp_parse(clo_bytes(bytes, sizeof bytes), &report, &err), err.text);
        bool ok = clo_kds_request_of(&report, cases[i].product, &request, &err);
        CHECK(ok == (cases[i].path != NULL), cases[i].name);
        if (!ok) {
            CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
            continue;
        }
        CHECK(clo_kds_path(&request, path, &err), cases[i].name);
        if (strcmp(path, cases[i].path) != 0)
            fail_msg("%s: %s", cases[i].name, path);
    }
}

static void test_masked(void **state)
{
    static const uint8_t cpuid[3] = { 0x19, 1, 1 };
    static const uint8_t tcb[8] = { 0 };
    uint8_t bytes[CLO_SNP_REPORT_SIZE];
    struct clo_snp_report report;
    struct clo_kds_request request;
    struct clo_error err;

    (void)state;
    make_report(3, cpuid, tcb, bytes);
    memset(bytes + 0x1a0, 0, 64);
    CHECK(clo_snp_parse(clo_bytes(bytes, sizeof bytes), &report, &err), err.text);
    CHECK(!clo_kds_request_of(&report, CLO_SNP_UNKNOWN, &request, &err), "masked");
    CHECK(strstr(err.text, "the host masks CHIP_ID") != NULL, err.text);
}

static void test_parse(void **state)
{
    static const struct {
        const char *url, *error; /* NULL: it parses */
        enum clo_kds_kind kind;
        const char *written; /* NULL: as it came */
    } cases[] = {
        { MILAN, NULL, CLO_KDS_VCEK, NULL },
        { TURIN, NULL, CLO_KDS_VCEK, NULL },
        { "https://kdsintf.amd.com" TURIN, NULL, CLO_KDS_VCEK, TURIN },
        { "/vcek/v1/Turin/0001020304050607?ucodeSPL=72&blSPL=2&teeSPL=3&snpSPL=4&fmcSPL=001", NULL,
          CLO_KDS_VCEK, TURIN },
        { "/vcek/v1/Milan/cert_chain", NULL, CLO_KDS_VCEK_CHAIN, NULL },
        { "/vlek/v1/Genoa/cert_chain", NULL, CLO_KDS_VLEK_CHAIN, NULL },
        { "/vcek/v1/Turin/crl", NULL, CLO_KDS_VCEK_CRL, NULL },
        { "https://kdsintf.amd.com/vlek/v1/Venice/crl", NULL, CLO_KDS_VLEK_CRL,
          "/vlek/v1/Venice/crl" },
        { "", "neither /vcek/v1/ nor /vlek/v1/", 0, NULL },
        { "http://kdsintf.amd.com/vcek/v1/Milan/crl", "neither /vcek/v1/ nor /vlek/v1/", 0, NULL },
        { "https://kdsintf.amd.com.example/vcek/v1/Milan/crl", "neither /vcek/v1/ nor /vlek/v1/", 0,
          NULL },
        { "https://example.com/vcek/v1/Milan/crl", "not a URL of kdsintf.amd.com", 0, NULL },
        { "/vcek/v1/Naples/crl", "product \"Naples\" is not known", 0, NULL },
        { "/vcek/v1/unknown/crl", "product \"unknown\" is not known", 0, NULL },
        { "/vlek/v1/Milan/" HWID_64 "?blSPL=04", "neither cert_chain nor crl", 0, NULL },
        { "/vcek/v1/Milan/0001020304050607?blSPL=04", "hwID: 16 characters, expected 128 for Milan",
          0, NULL },
        { "/vcek/v1/Turin/00010203040506zz?blSPL=04", "hwID: ", 0, NULL },
        { MILAN "&fmcSPL=01", "fmcSPL: is not a parameter for Milan", 0, NULL },
        { MILAN "&blSPL=04", "blSPL: given twice", 0, NULL },
        { MILAN "&more&04", "unknown parameter \"more\"", 0, NULL },
        { "/vcek/v1/Turin/0001020304050607?blSPL&04", "unknown parameter \"blSPL\"", 0, NULL },
        { MILAN "&more=04", "unknown parameter \"more\"", 0, NULL },
        { MILAN "&", "unknown parameter \"\"", 0, NULL },
        { MILAN "#", "expected '&' at \"#\"", 0, NULL },
        { "/vcek/v1/Turin/0001020304050607?blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=72",
          "fmcSPL: is missing for Turin", 0, NULL },
        { "/vcek/v1/Turin/0001020304050607", "fmcSPL: is missing for Turin", 0, NULL },
        { "/vcek/v1/Turin/0001020304050607?fmcSPL=256", "fmcSPL: not a number from 0 to 255", 0,
          NULL },
        { "/vcek/v1/Turin/0001020304050607?fmcSPL=", "fmcSPL: not a number from 0 to 255", 0,
          NULL },
        { "/vcek/v1/Turin/0001020304050607?fmcSPL=0001", "fmcSPL: not a number from 0 to 255", 0,
          NULL },
        { "/vcek/v1/Turin/0001020304050607?fmcSPL=-1", "fmcSPL: not a number from 0 to 255", 0,
          NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_kds_request request;
        struct clo_error err;
        char path[CLO_KDS_PATH_MAX];
        bool ok = clo_kds_parse(cases[i].url, &request, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].url);
        if (!ok) {
            if (strstr(err.text, cases[i].error) == NULL)
                fail_msg("%s: %s", cases[i].url, err.text);
            continue;
        }
        CHECK(request.kind == cases[i].kind, cases[i].url);
        CHECK(clo_kds_path(&request, path, &err), err.text);
        const char *written = cases[i].written == NULL ? cases[i].url : cases[i].written;
        CHECK(strcmp(path, written) == 0, path);
    }
    for (size_t size = 0; size < strlen(TURIN); size++) {
        struct clo_kds_request request;
        struct clo_error err;
        char cut[512];
        snprintf(cut, sizeof cut, "%.*s", (int)size, TURIN);
        /* "ucodeSPL=7" is whole as well. */
        CHECK(clo_kds_parse(cut, &request, &err) == (size == strlen(TURIN) - 1), cut);
    }
}

static void test_cannot_be_written(void **state)
{
    struct clo_kds_request request = { .kind = CLO_KDS_VCEK, .product = CLO_SNP_UNKNOWN };
    struct clo_error err;
    char path[CLO_KDS_PATH_MAX];

    (void)state;
    CHECK(!clo_kds_path(&request, path, &err) && err.status == CLO_ERR_USAGE, "no product");
    request.product = CLO_SNP_TURIN;
    request.hw_id_size = 64;
    CHECK(!clo_kds_path(&request, path, &err), "Turin with 64 bytes");
    CHECK(strcmp(err.text, "key server: Turin with a hwID of 64 bytes") == 0, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_report),
        cmocka_unit_test(test_masked),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_cannot_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
