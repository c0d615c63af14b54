/* systemd-pcrlock's files: a reference as components, between those that systemd ships, and back; policies; what is not
 * read as one. */
#include "cloister/pcrlock.h"
#include "test.h"

#define H32  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
/* Of four zeros, "Calling EFI Application from Boot Option", "enter-initrd" and "leave-initrd". */
#define SEPARATOR "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"
#define ACTION    "3d6772b4f84ed47595d72a2c4c5ffd15f5bb72c7507fe26f2aaee2c69d5633ba"
#define ENTER     "51e6b92f405d1f98d96e3de343d61d420ad6923b25de21d766f9298192f14fed"
#define LEAVE     "3be261aff7db92bf507eae947f4003ffa2bcad0bffe3524601d62d0bc8be7135"

#define EVENT(digest) "{'type':'x','name':'x','digests':{'sha256':'" digest "'}}"
#define FROM(digest, phase) \
    "{'type':'x','name':'x','from':'" phase "','digests':{'sha256':'" digest "'}}"
#define FILE_OF(events) \
    "{'cloister_reference':1,'name':'demo','origin':'prediction','events':{" events "},'pcrs':{}}"
#define RECORD(pcr, digest) "{'pcr':" pcr ",'digests':[{'hashAlg':'sha256','digest':'" digest "'}]}"
#define RECORDS(list)       "{'records':[" list "]}"

static struct clo_bytes quoted(const char *text, struct clo_buffer *out)
{
    for (; *text != '\0'; text++)
        clo_buffer_u8(out, *text == '\'' ? '"' : (uint8_t)*text);
    return clo_buffer_bytes(out);
}

static bool note(void *context, const char *component, struct clo_bytes json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *parsed = NULL;
    struct clo_buffer *out = context;

    CHECK(clo_json_parse(json, &parsed, err), component);
    CHECK(clo_pcrlock_is_component(json) && !clo_pcrlock_is_policy(json), component);
    clo_buffer_printf(out, "%s%s:%zu", out->size == 0 ? "" : " ", component,
                      json_array_size(json_object_get(parsed, "records")));
    return true;
}

static const struct {
    const char *name, *file;
    const char *components; /* NULL: refused */
    const char *error;
} written[] = {
    { "PCR 4: around the action and the separator",
      FILE_OF("'4':[" EVENT(ACTION) "," EVENT(SEPARATOR) "," EVENT(H32) "," EVENT(H32) "]"),
      "650-cloister-pcr4:2", NULL },
    { "PCR 7: policy before its separator, authority after it",
      FILE_OF("'7':[" EVENT(H32) "," EVENT(SEPARATOR) "," EVENT(H32) "]"),
      "250-cloister-pcr7:1 620-cloister-pcr7:1", NULL },
    { "PCR 11: sections before the phases, what follows after the one it waits for",
      FILE_OF("'11':[" EVENT(H32) "," FROM(ENTER, "enter-initrd") "," FROM(
              LEAVE, "enter-initrd:leave-initrd") "]"),
      "650-cloister-pcr11:1", NULL },
    { "PCR 15: the volume key, measured in the initrd",
      FILE_OF("'15':[" FROM(H32, "enter-initrd:leave-initrd") "]"), "810-cloister-pcr15:1", NULL },
    { "a separator of PCR 8 is nobody's", FILE_OF("'8':[" EVENT(SEPARATOR) "]"),
      "650-cloister-pcr8:1", NULL },
    { "nothing but what systemd has", FILE_OF("'4':[" EVENT(SEPARATOR) "]"), NULL,
      "lists no events of a PCR" },
    { "an order that systemd's components do not have",
      FILE_OF("'4':[" EVENT(SEPARATOR) "," EVENT(ACTION) "]"), NULL,
      "PCR 4: its events are not in the order of systemd's components" },
};

static void test_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(written); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer names = { 0 };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        struct clo_error err;

        if (!clo_reference_parse(quoted(written[i].file, &json), &reference, &err))
            fail_msg("%s: %s", written[i].name, err.text);
        bool ok = clo_pcrlock_write(reference, note, &names, &err);
        CHECK(ok == (written[i].components != NULL), written[i].name);
        if (ok)
            CHECK(strcmp(clo_buffer_string(&names), written[i].components) == 0, written[i].name);
        else
            CHECK(strstr(err.text, written[i].error) != NULL, written[i].name);
    }
}

static const struct {
    const char *name, *json, *error; /* error NULL: it is read */
} read_cases[] = {
    { "a record", RECORDS(RECORD("4", H32)), NULL },
    { "an NV index next to it", RECORDS(RECORD("4", H32) ",{'nv_index':1,'digests':[]}"), NULL },
    { "an NV index alone", RECORDS("{'nv_index':1,'digests':[]}"), "no value of a PCR" },
    { "no records", RECORDS(""), "no value of a PCR" },
    { "not an array", "{'records':{}}", "records" },
    { "a PCR too many", RECORDS(RECORD("24", H32)), "record 0: PCR 24" },
    { "a digest cut short", RECORDS("{'pcr':4,'digests':[{'hashAlg':'sha256','digest':'aa'}]}"),
      "1 bytes for sha256" },
    { "banks that differ from record to record",
      RECORDS(RECORD("4", H32) ",{'pcr':4,'digests':[]}"), "no value of a PCR" },
    { "not JSON", "records", "pcrlock: 650-test" },
};

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(read_cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        struct clo_error err = { 0 };
        struct clo_pcrlock_file file = { "650-test", quoted(read_cases[i].json, &json) };

        bool ok = clo_pcrlock_read("test", &file, 1, &reference, &err);
        CHECK(ok == (read_cases[i].error == NULL), read_cases[i].name);
        if (!ok)
            CHECK(strstr(err.text, read_cases[i].error) != NULL, read_cases[i].name);
    }
}

/* Each cut of a good file is refused. */
static void test_truncated(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    struct clo_bytes whole = quoted(RECORDS(RECORD("4", H32)), &json);

    (void)state;
    for (size_t size = 0; size < whole.size; size++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        struct clo_pcrlock_file file = { "650-test", clo_bytes_slice(whole, 0, size) };
        struct clo_error err;
        CHECK(!clo_pcrlock_read("test", &file, 1, &reference, &err), "cut");
    }
}

/* Values: as a TPM would have them, in each phase. */
static void test_phases(void **state)
{
    static const char *const texts[] = { RECORDS(RECORD("11", H32)), RECORDS(RECORD("11", ENTER)),
                                         RECORDS(RECORD("11", LEAVE)) };
    static const char *const names[] = { "650-uki", "750-enter-initrd", "800-leave-initrd" };
    struct clo_buffer json[3] = { 0 };
    struct clo_pcrlock_file files[3];
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_pcr_bank bank;
    struct clo_digest section = { .hash = CLO_HASH_SHA256 };
    struct clo_digest value;
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        files[i] = (struct clo_pcrlock_file){ names[i], quoted(texts[i], &json[i]) };
    CHECK(clo_pcrlock_read("test", files, 3, &reference, &err), err.text);
    memset(section.bytes, 0xaa, 32);
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_extend(&bank, 11, &section);
    clo_pcr_measure(&bank, 11, clo_bytes_text("enter-initrd"));
    CHECK(clo_reference_value(reference, CLO_HASH_SHA256, 11, CLO_PHASE_ENTER_INITRD, &value) &&
                  clo_digest_equal(&value, &bank.values[11]),
          "enter-initrd");
    clo_pcr_measure(&bank, 11, clo_bytes_text("leave-initrd"));
    CHECK(clo_reference_value(reference, CLO_HASH_SHA256, 11, CLO_PHASE_LEAVE_INITRD, &value) &&
                  clo_digest_equal(&value, &bank.values[11]),
          "leave-initrd");
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA256, 11, CLO_PHASE_SYSINIT, &value),
          "sysinit, which no component has");
    for (size_t i = 0; i < 3; i++)
        clo_buffer_free(&json[i]);
}

#define POLICY(values) "{'pcrBank':'sha256','pcrValues':[" values "],'nvIndex':25165825}"

static const struct {
    const char *name, *json, *error;
} policies[] = {
    { "one value", POLICY("{'pcr':4,'values':['" H32 "']}"), NULL },
    { "two", POLICY("{'pcr':4,'values':['" H32 "','" ZERO "']}"),
      "PCR 4 may have 2 values, and a reference file holds one" },
    { "none", POLICY("{'pcr':4,'values':[]}"), "PCR 4 may have 0 values" },
    { "a register twice", POLICY("{'pcr':4,'values':['" H32 "']},{'pcr':4,'values':['" H32 "']}"),
      "PCR 4 twice" },
    { "a value cut short", POLICY("{'pcr':4,'values':['aa']}"), "1 bytes, expected 32" },
    { "a PCR too many", POLICY("{'pcr':24,'values':['" H32 "']}"), "\"24\" is not a PCR" },
    { "a bank that is none", "{'pcrBank':'md5','pcrValues':[]}", "\"md5\" is not a bank" },
    { "no bank", "{'pcrValues':[]}", "\"pcrBank\" is missing" },
};

static void test_policies(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(policies); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        struct clo_error err = { 0 };
        struct clo_bytes in = quoted(policies[i].json, &json);

        CHECK(clo_pcrlock_is_policy(in) && !clo_pcrlock_is_component(in), policies[i].name);
        bool ok = clo_pcrlock_read_policy("test", in, &reference, &err);
        CHECK(ok == (policies[i].error == NULL), policies[i].name);
        if (!ok)
            CHECK(strstr(err.text, policies[i].error) != NULL, policies[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),   cmocka_unit_test(test_read),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_phases),
        cmocka_unit_test(test_policies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
