#include "cloister/cel.h"

#include "cloister/encoding.h"
#include "cloister/pcr.h"
#include "eventlog_maker.h"
#include "vectors.h"

static struct clo_eventlog *parse(const struct clo_buffer *file)
{
    struct clo_eventlog *log;
    struct clo_error err;

    if (!clo_eventlog_parse(clo_buffer_bytes(file), &log, &err))
        fail_msg("%s", err.text);
    return log;
}

/* Canonical Event Log Format 1.0, the example of section 5.3. */
#define EXAMPLE                                                                             \
    "[{\"content\":{\"event_type\":\"EV_COMPACT_HASH\",\"event_data\":"                     \
    "\"44656c6c20436f6e66696775726"                                                         \
    "174696f6e20496e666f726d6174696f6e2032\"},\"content_type\":\"pcclient_std\",\"pcr\":6," \
    "\"recnum"                                                                              \
    "\":2,\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":"                                   \
    "\"bac9a8935b720760bcdea2faae75152f5d1e4bea"                                            \
    "\"},{\"hashAlg\":\"sha256\",\"digest\":"                                               \
    "\"d18bf8d221a3a3b08774c8d077328c4b2ca205e4f1618ad4bac2b"                               \
    "5786f453bc7\"}]}]"

static void test_example(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_bytes in = clo_bytes_text(EXAMPLE);
    enum clo_cel_encoding encoding;
    struct clo_digest digest;
    struct clo_error err;
    bool made;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    (void)state;
    CHECK(clo_cel_is(in, &encoding) && encoding == CLO_CEL_JSON, "is known");
    CHECK(clo_cel_read(in, encoding, &binary, &made, &err), err.text);
    log = parse(&binary);
    const struct clo_event *event = clo_eventlog_at(log, 1);
    CHECK(clo_eventlog_count(log) == 2 && event->pcr == 6 && event->type == 0xc, "one event");
    CHECK(clo_bytes_equal(event->data, clo_bytes_text("Dell Configuration Information 2")), "data");
    CHECK(clo_event_digest(event, CLO_HASH_SHA256, &digest), "SHA-256");
    CHECK(strncmp(clo_hex_text(clo_digest_bytes(&digest), hex), "d18bf8d221a3a3b0", 16) == 0, hex);
    CHECK(clo_event_digest(event, CLO_HASH_SHA1, &digest), "SHA-1");
    CHECK(strncmp(clo_hex_text(clo_digest_bytes(&digest), hex), "bac9a8935b720760", 16) == 0, hex);
    /* The Spec ID event is ours, and can be left out. */
    CHECK(made && clo_eventlog_at(log, 0)->type == CLO_EV_NO_ACTION, "made");
    clo_eventlog_drop_header(log);
    CHECK(clo_eventlog_count(log) == 1 && clo_eventlog_at(log, 0)->pcr == 6, "left out");
    clo_eventlog_drop_header(log);
    clo_eventlog_drop_header(log);
    CHECK(clo_eventlog_count(log) == 0, "nothing more to leave out");
}

static void is_same_log(const struct clo_eventlog *a, const struct clo_eventlog *b,
                        const char *name)
{
    CHECK(clo_eventlog_count(a) == clo_eventlog_count(b), name);
    for (size_t i = 0; i < clo_eventlog_count(a); i++) {
        const struct clo_event *x = clo_eventlog_at(a, i);
        const struct clo_event *y = clo_eventlog_at(b, i);
        CHECK(x->pcr == y->pcr && x->type == y->type && clo_bytes_equal(x->data, y->data), name);
        for (unsigned hash = 1; hash < CLO_HASH_COUNT; hash++) {
            struct clo_digest p;
            struct clo_digest q;
            bool has = clo_event_digest(x, (enum clo_hash)hash, &p);
            CHECK(clo_event_digest(y, (enum clo_hash)hash, &q) == has, name);
            CHECK(!has || clo_digest_equal(&p, &q), name);
        }
    }
}

/* Every real log comes back as it was, through both encodings. */
static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("tpm");
    size_t seen = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        const char *id = json_string_value(json_object_get(entry, "id"));
        struct clo_error err;
        bool made;
        char path[256];
        if (!find_case_file("tpm", entry, "eventlog.bin", path, sizeof path))
            continue;
        read_vector(path, &file);
        if (!clo_eventlog_parse(clo_buffer_bytes(&file), &log, &err) ||
            clo_eventlog_format(log) != CLO_EVENTLOG_CRYPTO_AGILE)
            continue;
        for (int encoding = CLO_CEL_JSON; encoding <= CLO_CEL_CBOR; encoding++) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer cel = { 0 };
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };
            CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *again = NULL;
            enum clo_cel_encoding found;
            CHECK(clo_cel_write(log, NULL, NULL, (enum clo_cel_encoding)encoding, &cel, &err),
                  err.text);
            CHECK(clo_cel_is(clo_buffer_bytes(&cel), &found) && (int)found == encoding, id);
            CHECK(clo_cel_read(clo_buffer_bytes(&cel), found, &binary, &made, &err), err.text);
            CHECK(made == (clo_eventlog_format(log) == CLO_EVENTLOG_SHA1), "its own Spec ID event");
            again = parse(&binary);
            is_same_log(log, again, id);
        }
        seen++;
    }
    CHECK(seen > 15, "logs");
}

/* An event that goes into no register says so with a PCR of all ones (Windows does); no other may. */
static void test_no_register(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;
    bool made;

    (void)state;
    log_old_event(&file, 7, CLO_EV_SEPARATOR, clo_bytes("\0\0\0\0", 4));
    log_old_event(&file, UINT32_MAX, CLO_EV_NO_ACTION, clo_bytes_text("key"));
    log_old_event(&file, UINT32_MAX, CLO_EV_NO_ACTION, clo_bytes_text("key 2"));
    log = parse(&file);
    for (int encoding = CLO_CEL_JSON; encoding <= CLO_CEL_CBOR; encoding++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer cel = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *again = NULL;
        CHECK(clo_cel_write(log, NULL, NULL, (enum clo_cel_encoding)encoding, &cel, &err),
              err.text);
        CHECK(clo_cel_read(clo_buffer_bytes(&cel), (enum clo_cel_encoding)encoding, &binary, &made,
                           &err),
              err.text);
        again = parse(&binary);
        clo_eventlog_drop_header(again);
        is_same_log(log, again, "no register");
    }
    /* The second event's type: each event's head has 32 bytes, the first four more of data. */
    file.data[36 + 4] = CLO_EV_SEPARATOR;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *bad = parse(&file);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CHECK(!clo_cel_write(bad, NULL, NULL, CLO_CEL_JSON, &out, &err), "an action without register");
    CHECK(strstr(err.text, "PCR 4294967295") != NULL, err.text);
}

/* An event with a digest of `banks`, and the Spec ID event before it. */
static void log_of(const uint16_t *banks, const uint16_t *sizes, size_t count,
                   struct clo_buffer *file)
{
    clo_buffer_le32(file, 0);
    clo_buffer_le32(file, CLO_EV_NO_ACTION);
    clo_buffer_zero(file, 20);
    clo_buffer_le32(file, (uint32_t)(29 + 4 * count));
    clo_buffer_append(file, clo_bytes("Spec ID Event03\0\0\0\0\0\0\2\0\2", 24));
    clo_buffer_le32(file, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        clo_buffer_le16(file, banks[i]);
        clo_buffer_le16(file, sizes[i]);
    }
    clo_buffer_u8(file, 0);
    clo_buffer_le32(file, 7);
    clo_buffer_le32(file, CLO_EV_SEPARATOR);
    clo_buffer_le32(file, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        clo_buffer_le16(file, banks[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            clo_buffer_u8(file, (uint8_t)(16 * i + k));
    }
    clo_buffer_le32(file, 0);
}

/* Digests that we cannot make are carried, next to others and alone: the log comes back byte for byte. */
static void test_unknown_bank(void **state)
{
    static const struct {
        const char *name;
        uint16_t banks[3], sizes[3];
        size_t count;
    } cases[] = {
        { "SM3 alone", { 0x0012 }, { 32 }, 1 },
        { "SM3 after SHA-256", { 0x000b, 0x0012 }, { 32, 32 }, 2 },
        { "SM3 before SHA-256, and SHA3", { 0x0012, 0x000b, 0x0029 }, { 32, 32, 64 }, 3 },
        { "of no name", { 0x0055 }, { 20 }, 1 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        struct clo_error err;
        bool made;
        log_of(cases[i].banks, cases[i].sizes, cases[i].count, &file);
        log = parse(&file);
        for (int encoding = CLO_CEL_JSON; encoding <= CLO_CEL_CBOR; encoding++) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer cel = { 0 };
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
            CHECK(clo_cel_write(log, NULL, NULL, (enum clo_cel_encoding)encoding, &cel, &err),
                  err.text);
            CHECK(clo_cel_read(clo_buffer_bytes(&cel), (enum clo_cel_encoding)encoding, &again,
                               &made, &err),
                  err.text);
            CHECK(clo_bytes_equal(clo_buffer_bytes(&again), clo_buffer_bytes(&file)),
                  cases[i].name);
        }
    }
}

/* An event without any digest is not written: nobody could replay the log. */
static void test_no_digest(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cel = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    static const uint16_t bank = 0x000b, size = 32;
    struct clo_error err;

    (void)state;
    log_of(&bank, &size, 1, &file);
    file.size -= 2 + 32 + 4 + 4;
    clo_buffer_zero(&file, 8); /* no digest, no data */
    log = parse(&file);
    for (int encoding = CLO_CEL_JSON; encoding <= CLO_CEL_CBOR; encoding++) {
        CHECK(!clo_cel_write(log, NULL, NULL, (enum clo_cel_encoding)encoding, &cel, &err),
              "written");
        CHECK(err.status == CLO_ERR_UNSUPPORTED &&
                      strcmp(err.text, "canonical event log: event 1: no digest") == 0,
              err.text);
        CHECK(cel.size == 0, "written in part");
    }
}

/* IMA's and systemd's records after the firmware's: the registers are those of all three. */
static void test_all_sources(void **state)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA256 };
    static const uint8_t ima_bytes[] =
            "\x0a\0\0\0"
            "\x0a\x4d\x55\xa8\xd7\x78\xe5\x02\x2f\xab\x70\x19\x77\xc5\xd8"
            "\x40\xbb\xc4\x86\xd0"
            "\6\0\0\0ima-ng"
            "\x0b\0\0\0Hello World"; /* SHA-1 of the last 11 */
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer user = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_ima_freep) struct clo_ima *ima = NULL;
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *userlog = NULL;
    struct clo_userlog_event phase = { .pcr = 11, .type = "phase", .text = "enter-initrd" };
    struct clo_pcr_bank expected;
    struct clo_error err;
    bool made;

    (void)state;
    log_header(&file, banks, 1);
    log = parse(&file);
    CHECK(clo_ima_parse(clo_bytes(ima_bytes, sizeof ima_bytes - 1), &ima, &err), err.text);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(phase.text), &phase.digests[phase.digest_count++]);
    CHECK(clo_userlog_append(&phase, &user, &err), err.text);
    CHECK(clo_userlog_parse(clo_buffer_bytes(&user), &userlog, &err), err.text);
    clo_pcr_reset(&expected, CLO_HASH_SHA256);
    clo_pcr_measure(&expected, 10, clo_bytes_text("Hello World"));
    clo_pcr_measure(&expected, 11, clo_bytes_text("enter-initrd"));
    for (int encoding = CLO_CEL_JSON; encoding <= CLO_CEL_CBOR; encoding++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer cel = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer binary = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *again = NULL;
        struct clo_pcr_bank bank;
        CHECK(clo_cel_write(log, ima, userlog, (enum clo_cel_encoding)encoding, &cel, &err),
              err.text);
        CHECK(clo_cel_read(clo_buffer_bytes(&cel), (enum clo_cel_encoding)encoding, &binary, &made,
                           &err),
              err.text);
        again = parse(&binary);
        CHECK(clo_eventlog_replay(again, CLO_HASH_SHA256, &bank, &err), err.text);
        CHECK(clo_digest_equal(&bank.values[10], &expected.values[10]), "PCR 10");
        CHECK(clo_digest_equal(&bank.values[11], &expected.values[11]), "PCR 11");
        const struct clo_event *last = clo_eventlog_at(again, clo_eventlog_count(again) - 1);
        CHECK(clo_bytes_equal(last->data, clo_bytes_text("enter-initrd")), "systemd's text");
    }
}

#define RECORD(members) "[{\"pcr\":1,\"digests\":[]," members "}]"
#define SHA1_ZERO       "{\"hashAlg\":\"sha1\",\"digest\":\"0000000000000000000000000000000000000000\"}"

static void test_refused_json(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "[]", "canonical event log: is empty" },
        { "{}", "canonical event log: not an array of at most 65536 records" },
        { RECORD("\"more\":1"), "canonical event log: record 0: unknown member \"more\"" },
        { RECORD("\"content_type\":\"systemd\""), "canonical event log: record 0: no digest" },
        { RECORD("\"content_type\":\"pcclient_std\",\"content\":{\"event_type\":\"EV_NONE\"}"),
          "canonical event log: record 0: content: \"event_type\": is not an event's type" },
        { RECORD("\"content_type\":-1"),
          "canonical event log: record 0: \"content_type\": is none" },
        { "[{\"pcr\":4294967295,\"digests\":[" SHA1_ZERO "]}]",
          "canonical event log: record 0: PCR 4294967295" },
        { "[{\"pcr\":24,\"digests\":[" SHA1_ZERO "]}]", "canonical event log: record 0: PCR 24" },
        { "[{\"pcr\":1,\"digests\":[" SHA1_ZERO "," SHA1_ZERO "]}]",
          "canonical event log: record 0: digest 1: a second one for sha1" },
        { "[{\"pcr\":1,\"digests\":[{\"hashAlg\":\"sha1\",\"digest\":\"00\"}]}]",
          "canonical event log: record 0: digest 0: 1 bytes for sha1" },
        { "[{\"pcr\":1,\"digests\":[{\"hashAlg\":\"sm3_256\",\"digest\":\"\"}]}]",
          "canonical event log: record 0: digest 0: 0 bytes for sm3_256" },
        { "[{\"pcr\":1,\"digests\":[{\"hashAlg\":\"0x55\",\"digest\":\"00\"}]},"
          "{\"pcr\":1,\"digests\":[{\"hashAlg\":85,\"digest\":\"0000\"}]}]",
          "canonical event log: record 1: algorithm 0x0055: digests of 1 and of 2 bytes" },
        { "[{\"pcr\":1,\"digests\":[{\"hashAlg\":true,\"digest\":\"00\"}]}]",
          "canonical event log: record 0: digest 0: \"hashAlg\": is not an algorithm" },
        { "[{\"pcr\":1,\"recnum\":5,\"digests\":[" SHA1_ZERO "]},"
          "{\"pcr\":1,\"recnum\":5,\"digests\":[" SHA1_ZERO "]}]",
          "canonical event log: record 1: recnum 5 of PCR 1 comes too late" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        bool made;
        CHECK(!clo_cel_read(clo_bytes_text(cases[i].text), CLO_CEL_JSON, &out, &made, &err),
              cases[i].text);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
        CHECK(out.size == 0, "nothing is left behind");
    }
}

/* Every truncation, and every other byte at the head of the log, of a record is refused. */
static void test_refused_cbor(void **state)
{
    static const uint8_t record[] = {
        0x81, 0xa5, 0,  0,  1,  7, 3, 0x81, 0xa2, 0,  4,    1,  0x54, 1,
        2,    3,    4,  5,  6,  7, 8, 9,    10,   11, 12,   13, 14,   15,
        16,   17,   18, 19, 20, 9, 5, 10,   0xa2, 0,  0x0d, 1,  0x41, 'x',
    };
    uint8_t changed[sizeof record];
    struct clo_error err;
    bool made;

    (void)state;
    for (size_t size = 0; size <= sizeof record; size++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        bool ok = clo_cel_read(clo_bytes(record, size), CLO_CEL_CBOR, &out, &made, &err);
        CHECK(ok == (size == sizeof record), err.text);
    }
    for (size_t at = 0; at < 12; at++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        if (at == 3 || at == 5 || at == 10)
            continue; /* the record's number, the PCR and the algorithm may be others */
        memcpy(changed, record, sizeof record);
        changed[at] ^= 0x41;
        CHECK(!clo_cel_read(clo_bytes(changed, sizeof changed), CLO_CEL_CBOR, &out, &made, &err),
              "changed");
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer behind = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    clo_buffer_append(&behind, clo_bytes(record, sizeof record));
    clo_buffer_u8(&behind, 0);
    CHECK(!clo_cel_read(clo_buffer_bytes(&behind), CLO_CEL_CBOR, &out, &made, &err) &&
                  strcmp(err.text, "canonical event log: 1 bytes after the log") == 0,
          err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),      cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_all_sources),  cmocka_unit_test(test_refused_json),
        cmocka_unit_test(test_refused_cbor), cmocka_unit_test(test_unknown_bank),
        cmocka_unit_test(test_no_digest),    cmocka_unit_test(test_no_register),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
