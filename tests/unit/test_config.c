#include "guest/config.h"

#include "test.h"

#define KEY                                                                                \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEL3+Z6Snwicd8c3mxmX6ZRID6hjZn2fxPE2RHYNRt2rEwNoSS" \
    "d4rWk11XZyqHPR75bZlt5EtiOZU0ur5cS0HFqg=="
#define WITH(broker, network, rest)                                          \
    "{\"version\":1,\"name\":\"demo\",\"resource\":\"default/disk/demo\","   \
    "\"broker\":" broker ",\"network\":" network ",\"modules\":[\"/a.ko\"]," \
    "\"retry_seconds\":60" rest "}"
#define BROKER "{\"url\":\"https://10.0.2.2:8443\",\"key\":\"" KEY "\"}"
#define DHCP   "{\"mode\":\"dhcp\"}"

static const char with_static[] =
        WITH(BROKER,
             "{\"mode\":\"static\",\"address\":\"192.168.7.9/20\",\"gateway\":\"192.168.0.1\","
             "\"dns\":[\"9.9.9.9\",\"1.1.1.1\"]}",
             "");

static void test_values(void **state)
{
    CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
    struct clo_error err;

    (void)state;
    if (!clo_guest_config_parse(clo_bytes_text(with_static), &config, &err))
        fail_msg("%s", err.text);
    assert_string_equal(config.name, "demo");
    assert_string_equal(config.broker_url, "https://10.0.2.2:8443");
    assert_string_equal(config.resource, "default/disk/demo");
    assert_int_equal(config.broker_key.size, 91);
    assert_int_equal(config.retry_seconds, 60);
    assert_int_equal(config.module_count, 1);
    assert_string_equal(config.modules[0], "/a.ko");
    assert_true(config.network.is_static);
    assert_int_equal(config.network.address, 0xc0a80709);
    assert_int_equal(config.network.prefix, 20);
    assert_int_equal(config.network.gateway, 0xc0a80001);
    assert_int_equal(config.network.dns_count, 2);
    assert_int_equal(config.network.dns[1], 0x01010101);
}

static const struct {
    const char *name, *json, *error; /* error NULL: it parses */
} cases[] = {
    { "DHCP", WITH(BROKER, DHCP, ""), NULL },
    { "no JSON", "modules", "guest configuration: JSON" },
    { "a member of a later version", WITH(BROKER, DHCP, ",\"shell\":true"),
      "guest configuration: unknown member \"shell\"" },
    { "a second name", WITH(BROKER, DHCP, ",\"name\":\"x\""), "guest configuration: JSON" },
    { "broker without a key", WITH("{\"url\":\"https://a\"}", DHCP, ""),
      "guest configuration: broker: \"key\"" },
    { "broker key is not a key", WITH("{\"url\":\"https://a\",\"key\":\"AAAA\"}", DHCP, ""),
      "guest configuration: broker: " },
    { "broker with a certificate", WITH("{\"url\":\"x\",\"key\":\"AA==\",\"ca\":1}", DHCP, ""),
      "guest configuration: broker: unknown member \"ca\"" },
    { "unknown mode", WITH(BROKER, "{\"mode\":\"wifi\"}", ""),
      "guest configuration: network: mode \"wifi\" is neither dhcp nor static" },
    { "DHCP with an address", WITH(BROKER, "{\"mode\":\"dhcp\",\"address\":\"1.2.3.4/8\"}", ""),
      "guest configuration: network: unknown member \"address\"" },
    { "prefix that begins with 0",
      WITH(BROKER,
           "{\"mode\":\"static\",\"address\":\"1.2.3.4/08\",\"gateway\":\"1.2.3.1\",\"dns\":[]}",
           ""),
      NULL },
    { "address without a prefix",
      WITH(BROKER,
           "{\"mode\":\"static\",\"address\":\"1.2.3.4\",\"gateway\":\"1.2.3.1\",\"dns\":[]}", ""),
      "guest configuration: network: \"1.2.3.4\": expected ADDRESS/PREFIX" },
    { "prefix 0",
      WITH(BROKER,
           "{\"mode\":\"static\",\"address\":\"1.2.3.4/0\",\"gateway\":\"1.2.3.1\",\"dns\":[]}",
           ""),
      "guest configuration: network: \"1.2.3.4/0\": the prefix is not 1 to 32" },
    { "prefix 33",
      WITH(BROKER,
           "{\"mode\":\"static\",\"address\":\"1.2.3.4/33\",\"gateway\":\"1.2.3.1\",\"dns\":[]}",
           ""),
      "guest configuration: network: \"1.2.3.4/33\": the prefix is not 1 to 32" },
    { "prefix with a sign",
      WITH(BROKER,
           "{\"mode\":\"static\",\"address\":\"1.2.3.4/+8\",\"gateway\":\"1.2.3.1\",\"dns\":[]}",
           ""),
      "guest configuration: network: \"1.2.3.4/+8\": the prefix is not 1 to 32" },
    { "an octet of 256",
      WITH(BROKER,
           "{\"mode\":\"static\",\"address\":\"1.2.3.256/8\",\"gateway\":\"1.2.3.1\",\"dns\":[]}",
           ""),
      "guest configuration: network: \"1.2.3.256\" is not an IPv4 address" },
    { "four DNS servers",
      WITH(BROKER,
           "{\"mode\":\"static\",\"address\":\"1.2.3.4/8\",\"gateway\":\"1.2.3.1\","
           "\"dns\":[\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\",\"1.1.1.1\"]}",
           ""),
      "guest configuration: network: more than 3 DNS servers" },
};

#define HEX32         "70f2f455d2b85c3bdd46def995de40f7785052990470caadab3f6ef8ca63d48d"
#define MORE(members) WITH(BROKER, DHCP, "," members)

/* What the image lets in, and what belongs on its disk: read as strictly as the rest. */
static const struct {
    const char *name, *json, *error; /* error NULL: it parses */
} doors[] = {
    { "nothing let in", MORE("\"host\":{\"allow\":[]}"), NULL },
    { "one word", MORE("\"host\":{\"allow\":[\"cloud-init\"]}"), NULL },
    { "a word that is not one", MORE("\"host\":{\"allow\":[\"everything\"]}"),
      "guest configuration: host: \"everything\" is not something" },
    { "a word that is not text", MORE("\"host\":{\"allow\":[7]}"), "guest configuration: host: " },
    { "a module's devices", MORE("\"module_devices\":{\"/a.ko\":[\"pci:v00001AF4d*\"]}"), NULL },
    { "devices that are not a list", MORE("\"module_devices\":{\"/a.ko\":\"pci:*\"}"),
      "guest configuration: devices of /a.ko: not a list" },
    { "a device that is not text", MORE("\"module_devices\":{\"/a.ko\":[7]}"),
      "guest configuration: devices of /a.ko: 0 is not text" },
    { "no words", MORE("\"host\":{}"), "guest configuration: host: " },
    { "not an object", MORE("\"host\":[]"), "guest configuration: host: " },
    { "an unknown member", MORE("\"host\":{\"allow\":[],\"deny\":[]}"),
      "guest configuration: host: unknown member \"deny\"" },
    { "a key that is not a key", MORE("\"host\":{\"allow\":[],\"key\":\"AAAA\"}"),
      "guest configuration: host: " },
    { "ESP and root", MORE("\"partitions\":[\"esp\",\"root\"]"), NULL },
    { "a kind of partition that is not known", MORE("\"partitions\":[\"esp\",\"swap\"]"),
      "guest configuration: partition \"swap\" is neither esp nor root" },
    { "a partition that is not text", MORE("\"partitions\":[1]"),
      "guest configuration: partition 0: not a string" },
    { "partitions that are not a list", MORE("\"partitions\":\"esp\""),
      "guest configuration: \"partitions\"" },
    { "nine partitions",
      MORE("\"partitions\":[\"esp\",\"esp\",\"esp\",\"esp\",\"esp\",\"esp\",\"esp\",\"esp\","
           "\"esp\"]"),
      "guest configuration: more than 8 partitions" },
    { "a command line that is not text", MORE("\"cmdline\":1"),
      "guest configuration: \"cmdline\"" },
    { "the TPM's counter", MORE("\"tpm_counter\":\"used\""), NULL },
    { "unattended", MORE("\"unlock\":\"tpm\""), NULL },
    { "unattended after the first boot", MORE("\"unlock\":\"tpm-or-broker\""), NULL },
    { "both", MORE("\"unlock\":\"both\""), NULL },
    { "a root that nothing changes",
      MORE("\"verity\":{\"data_blocks\":2,\"root_hash\":\"" HEX32 "\",\"salt\":\"" HEX32 "\"}"),
      NULL },
    { "a root without its hash", MORE("\"verity\":{\"data_blocks\":2,\"salt\":\"" HEX32 "\"}"),
      "guest configuration: verity: \"root_hash\" is missing" },
    { "a root that grows", MORE("\"grow\":[42949672960]"), NULL },
    { "a root that grows, with tags",
      MORE("\"grow\":\"any\",\"grow_from\":{\"provided\":4096,\"journal_sections\":1}"), NULL },
    { "a root that grows from nothing",
      MORE("\"grow\":\"any\",\"grow_from\":{\"provided\":0,\"journal_sections\":1}"),
      "guest configuration: grow_from: nothing" },
    { "a root that grows from a word", MORE("\"grow\":\"any\",\"grow_from\":\"here\""),
      "guest configuration: \"grow_from\" is not an object" },
    { "a root that grows, maybe", MORE("\"grow\":true"),
      "guest configuration: grow: neither \"any\" nor a list of sizes" },
    { "a root that nothing changes and that grows",
      MORE("\"grow\":\"any\",\"verity\":{\"data_blocks\":2,\"root_hash\":\"" HEX32
           "\",\"salt\":\"" HEX32 "\"}"),
      "guest configuration: grow: a root with a hash tree cannot" },
    { "nobody", MORE("\"unlock\":\"none\""),
      "guest configuration: unlock: \"none\" is not a way to the disk's key" },
    { "a storage key's name",
      MORE("\"tpm_srk\":\"000b0000000000000000000000000000000000000000000000000000000000000000\""),
      NULL },
    { "a storage key's name cut short", MORE("\"tpm_srk\":\"000b\""),
      "guest configuration: tpm_srk: 2 bytes" },
    { "the TPM's counter, maybe", MORE("\"tpm_counter\":\"maybe\""),
      "guest configuration: tpm_counter: \"maybe\" is neither unused nor used" },
};

static void test_doors(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(doors); i++) {
        CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_guest_config_parse(clo_bytes_text(doors[i].json), &config, &err);
        CHECK(ok == (doors[i].error == NULL), doors[i].name);
        CHECK(ok || strncmp(err.text, doors[i].error, strlen(doors[i].error)) == 0, err.text);
        if (ok)
            CHECK(config.has_tpm_counter == (strstr(doors[i].json, "\"used\"") != NULL),
                  doors[i].name);
    }
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
        struct clo_error err = { 0 };
        bool ok = clo_guest_config_parse(clo_bytes_text(cases[i].json), &config, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        if (!ok && strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0)
            print_error("got: %s\n", err.text);
        CHECK(ok || strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, cases[i].name);
    }
}

static void test_numbers(void **state)
{
    static const struct {
        const char *from, *to, *error;
    } edits[] = {
        { "\"version\":1", "\"version\":2", "guest configuration: version 2" },
        { "\"retry_seconds\":60", "\"retry_seconds\":60,\"disk\":\"any\"",
          "guest configuration: disk: \"any\" is neither registered nor unregistered" },
        { "\"retry_seconds\":60", "\"retry_seconds\":60,\"tdx_rtmr\":\"maybe\"",
          "guest configuration: tdx_rtmr: \"maybe\" is neither required nor optional" },
        { "\"retry_seconds\":60", "\"retry_seconds\":60,\"profile_cmdlines\":[\"quiet\",7]",
          "guest configuration: profile_cmdlines: entry 1: not a string" },
        { "\"retry_seconds\":60", "\"retry_seconds\":60,\"profile_cmdlines\":\"quiet\"",
          "guest configuration: \"profile_cmdlines\"" },
        { "\"retry_seconds\":60", "\"retry_seconds\":86401",
          "guest configuration: retry_seconds: more than a day" },
        { "\"retry_seconds\":60", "\"retry_seconds\":-1",
          "guest configuration: \"retry_seconds\"" },
        { "\"/a.ko\"", "\"a.ko\"", "guest configuration: module 0: no absolute path" },
        { "\"/a.ko\"", "7", "guest configuration: module 0: no absolute path" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(edits); i++) {
        CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_error err;
        const char *at = strstr(with_static, edits[i].from);
        assert_non_null(at);
        clo_buffer_append(&text, clo_bytes(with_static, (size_t)(at - with_static)));
        clo_buffer_text(&text, edits[i].to);
        clo_buffer_text(&text, at + strlen(edits[i].from));
        CHECK(!clo_guest_config_parse(clo_buffer_bytes(&text), &config, &err), edits[i].to);
        CHECK(strncmp(err.text, edits[i].error, strlen(edits[i].error)) == 0, err.text);
    }
}

static void test_truncated(void **state)
{
    (void)state;
    for (size_t size = 0; size < strlen(with_static); size++) {
        CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
        struct clo_error err;
        assert_false(clo_guest_config_parse(clo_bytes(with_static, size), &config, &err));
    }
}

/* Only an image that says so opens a disk that nobody registered. */
static void test_disk(void **state)
{
    static const struct {
        const char *text;
        bool is_registered;
        bool rtmr_is_optional;
    } images[] = {
        { WITH(BROKER, DHCP, ""), true, false },
        { WITH(BROKER, DHCP, ",\"disk\":\"registered\",\"tdx_rtmr\":\"required\""), true, false },
        { WITH(BROKER, DHCP, ",\"disk\":\"unregistered\""), false, false },
        { WITH(BROKER, DHCP, ",\"tdx_rtmr\":\"optional\""), true, true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(images); i++) {
        CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
        struct clo_error err;
        CHECK(clo_guest_config_parse(clo_bytes_text(images[i].text), &config, &err), err.text);
        CHECK(config.disk_is_registered == images[i].is_registered, images[i].text);
        CHECK(config.rtmr_is_optional == images[i].rtmr_is_optional, images[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),    cmocka_unit_test(test_disk),
        cmocka_unit_test(test_cases),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_doors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
