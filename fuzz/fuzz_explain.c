#include "cloister/explain.h"

#include <string.h>

#include "cloister/encoding.h"
#include "fuzz.h"

#define EVENTS_MAX 32
#define PCR        11

/* An event of a small alphabet: that two are equal, or come again, is what an explanation turns on. */
struct letter {
    uint32_t type;
    char type_name[32];
    char text[32];
};

static struct letter letter_of(uint8_t byte)
{
    static const struct {
        uint32_t type;
        const char *name;
    } types[] = {
        { CLO_EV_IPL, "EV_IPL" },
        { 0x80000002, "EV_EFI_VARIABLE_BOOT" },
        { 0x4, "EV_SEPARATOR" },
        { 0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION" },
    };
    size_t type = byte >> 4 & 3;
    struct letter letter = { .type = types[type].type };

    snprintf(letter.type_name, sizeof letter.type_name, "%s", types[type].name);
    snprintf(letter.text, sizeof letter.text, "event %u", byte & 15U);
    return letter;
}

/* What is measured is the text; variables log a structure, so that their text is only the log's word. */
static struct clo_digest digest_of(const struct letter *letter)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, clo_bytes_text(letter->text), &digest);
    return digest;
}

static void write_log(struct clo_bytes letters, struct clo_buffer *out)
{
    static const char id[] = "Spec ID Event03";

    clo_buffer_le32(out, 0);
    clo_buffer_le32(out, CLO_EV_NO_ACTION);
    clo_buffer_zero(out, 20);
    clo_buffer_le32(out, sizeof id + 8 + 4 + 4 + 1);
    clo_buffer_append(out, clo_bytes(id, sizeof id));
    clo_buffer_append(out, clo_bytes("\0\0\0\0\0\2\0\2", 8));
    clo_buffer_le32(out, 1);
    clo_buffer_le16(out, clo_hash_to_tpm(CLO_HASH_SHA256));
    clo_buffer_le16(out, 32);
    clo_buffer_u8(out, 0);
    for (size_t i = 0; i < letters.size; i++) {
        struct letter letter = letter_of(letters.data[i]);
        struct clo_digest digest = digest_of(&letter);
        clo_buffer_le32(out, PCR);
        clo_buffer_le32(out, letter.type);
        clo_buffer_le32(out, 1);
        clo_buffer_le16(out, clo_hash_to_tpm(CLO_HASH_SHA256));
        clo_buffer_append(out, clo_digest_bytes(&digest));
        clo_buffer_le32(out, (uint32_t)strlen(letter.text));
        clo_buffer_text(out, letter.text);
    }
}

static struct clo_digest replay(struct clo_bytes letters)
{
    struct clo_pcr_bank bank;

    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    for (size_t i = 0; i < letters.size; i++) {
        struct letter letter = letter_of(letters.data[i]);
        struct clo_digest digest = digest_of(&letter);
        clo_pcr_extend(&bank, PCR, &digest);
    }
    return bank.values[PCR];
}

static void write_reference(struct clo_bytes letters, struct clo_buffer *out)
{
    struct clo_digest value = replay(letters);
    char hex[2 * 32 + 1];

    clo_buffer_printf(out,
                      "{\"cloister_reference\":1,\"name\":\"demo\",\"origin\":\"prediction\","
                      "\"events\":{\"%d\":[",
                      PCR);
    for (size_t i = 0; i < letters.size; i++) {
        struct letter letter = letter_of(letters.data[i]);
        struct clo_digest digest = digest_of(&letter);
        clo_buffer_printf(out,
                          "%s{\"type\":\"%s\",\"name\":\"%s\",\"text\":\"%s\","
                          "\"digests\":{\"sha256\":\"%s\"}}",
                          i == 0 ? "" : ",", letter.type_name, letter.text, letter.text,
                          clo_hex_text(clo_digest_bytes(&digest), hex));
    }
    clo_buffer_printf(out, "]},\"pcrs\":{\"sha256\":{\"%d\":\"%s\"}}}", PCR,
                      clo_hex_text(clo_digest_bytes(&value), hex));
}

static bool are_same(struct clo_bytes expected, struct clo_bytes logged, size_t at)
{
    if (at >= expected.size || at >= logged.size)
        return false;
    struct letter a = letter_of(expected.data[at]);
    struct letter b = letter_of(logged.data[at]);
    return strcmp(a.text, b.text) == 0;
}

/* The two lists part at the event that is named, and no earlier. */
static void check_event(const struct clo_explanation *out, struct clo_bytes expected,
                        struct clo_bytes logged)
{
    size_t at = out->event;

    for (size_t i = 0; i < at; i++)
        MUST(are_same(expected, logged, i));
    MUST(!are_same(expected, logged, at));
    MUST(at <= expected.size && at <= logged.size);
    switch (out->difference) {
    case CLO_DIFFERENCE_CHANGED:
        MUST(at < expected.size && at < logged.size);
        break;
    case CLO_DIFFERENCE_MISSING:
        MUST(at < expected.size && strstr(out->text, "missing event: ") != NULL);
        break;
    default:
        MUST(at < logged.size && strstr(out->text, "unexpected event: ") != NULL);
        break;
    }
    /* What was expected is told by its name; of what was logged, the text where it is one. */
    struct letter named = letter_of(
            out->difference == CLO_DIFFERENCE_UNEXPECTED ? logged.data[at] : expected.data[at]);
    if (out->difference != CLO_DIFFERENCE_UNEXPECTED || named.type == CLO_EV_IPL)
        MUST(strstr(out->text, named.text) != NULL);
}

/* Two lists of events: what differs is named, and what does not differ is not. */
static void explain_lists(struct clo_bytes expected, struct clo_bytes logged, bool has_more)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_explanation out;
    struct clo_error err;

    write_reference(expected, &text);
    write_log(logged, &bytes);
    MUST(clo_reference_parse(clo_buffer_bytes(&text), &reference, &err));
    MUST(clo_eventlog_parse(clo_buffer_bytes(&bytes), &log, &err));
    struct clo_digest should = replay(expected);
    struct clo_digest leads_to = replay(logged);
    struct clo_digest actual = leads_to;
    if (has_more) /* something was measured that nobody logged */
        actual.bytes[0] ^= 1;
    const struct clo_explain_inputs in = { .reference = reference,
                                           .log = log,
                                           .hash = CLO_HASH_SHA256,
                                           .pcr = PCR,
                                           .phase = "",
                                           .actual = &actual };
    MUST(clo_explain(&in, &out, &err));
    MUST(strncmp(out.text, "PCR 11: ", 8) == 0 && out.text[8] != '\0');
    MUST((out.difference == CLO_DIFFERENCE_NONE) == clo_digest_equal(&should, &actual));
    MUST((out.difference == CLO_DIFFERENCE_UNLOGGED) == has_more);
    MUST(out.difference != CLO_DIFFERENCE_UNKNOWN);
    if (out.difference != CLO_DIFFERENCE_NONE && !has_more)
        check_event(&out, expected, logged);
}

/* Any reference and any log: each register is explained, and as it should be only where its value is. */
static void explain_any(struct clo_bytes text, struct clo_bytes bytes)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_pcr_bank bank;
    struct clo_error err;

    if (!clo_reference_parse(text, &reference, &err) || !clo_eventlog_parse(bytes, &log, &err) ||
        !clo_eventlog_replay(log, CLO_HASH_SHA256, &bank, &err))
        return;
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        const struct clo_explain_inputs in = { .reference = reference,
                                               .log = log,
                                               .hash = CLO_HASH_SHA256,
                                               .pcr = pcr,
                                               .phase = CLO_PHASE_ENTER_INITRD,
                                               .actual = &bank.values[pcr] };
        struct clo_explanation out;
        struct clo_digest should;
        if (!clo_explain(&in, &out, &err)) {
            MUST(err.status != CLO_OK);
            continue;
        }
        MUST(strncmp(out.text, "PCR ", 4) == 0);
        if (clo_reference_value(reference, CLO_HASH_SHA256, pcr, in.phase, &should))
            MUST((out.difference == CLO_DIFFERENCE_NONE) ==
                 clo_digest_equal(&should, &bank.values[pcr]));
    }
}

/* "L", a byte that says how many events are expected and whether one is not logged, the events' letters; or
 * "A", the reference's size in two bytes, the reference, the log. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_reader r = clo_reader(clo_bytes(data, size));
    uint8_t kind = clo_read_u8(&r);

    if (kind == 'L') {
        uint8_t head = clo_read_u8(&r);
        size_t count = head & 31U;
        if (count > clo_reader_left(&r))
            count = clo_reader_left(&r);
        struct clo_bytes expected = clo_read_bytes(&r, count);
        size_t left = clo_reader_left(&r);
        struct clo_bytes logged = clo_read_bytes(&r, left < EVENTS_MAX ? left : EVENTS_MAX);
        if (clo_reader_ok(&r))
            explain_lists(expected, logged, head >> 7 != 0);
    } else if (kind == 'A') {
        size_t count = clo_read_le16(&r);
        struct clo_bytes text = clo_read_bytes(&r, count);
        struct clo_bytes log = clo_read_bytes(&r, clo_reader_left(&r));
        if (clo_reader_ok(&r))
            explain_any(text, log);
    }
    return 0;
}
