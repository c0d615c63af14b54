/* A reference file as CoRIM, in a profile of our own (docs/formats/corim.md), and back. Values alone travel: the
 * events that they add up to stay in the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/base/cbor.h"
#include "lib/corim/corim_internal.h"

#define TAG_CORIM 501
#define TAG_COMID 506
#define TAG_URI   32

#define VENDOR      "cloister"
#define KEY_PCRS    "pcrs"
#define KEY_PHASE   "pcrs:"
#define KEY_RTMRS   "rtmrs"
#define KEY_MR_TD   "mr_td:"
#define KEY_ORIGIN  "origin"
#define KEY_INPUTS  "host_inputs"
#define SNP_MEASURE 641 /* AMD's profile: the launch measurement's key */

static const struct {
    const char *name;
    unsigned id;
} banks[] = { { "sha256", 1 }, { "sha384", 7 }, { "sha512", 8 } };

/* --- Writing --- */

void corim_write_class(const struct clo_reference *reference, struct clo_buffer *out)
{
    clo_cbor_write(out, CLO_CBOR_MAP, 2);
    clo_cbor_write(out, CLO_CBOR_UINT, 1);
    clo_cbor_text(out, VENDOR);
    clo_cbor_write(out, CLO_CBOR_UINT, 2);
    clo_cbor_text(out, clo_reference_name(reference));
}

void corim_write_environment(const struct clo_reference *reference, struct clo_buffer *out)
{
    clo_cbor_write(out, CLO_CBOR_MAP, 1);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    corim_write_class(reference, out);
}

static bool write_digest(struct clo_buffer *out, unsigned id, const json_t *hex,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { .limit = CLO_HASH_SIZE_MAX };

    if (!clo_hex_read(clo_bytes_text(json_string_value(hex)), &bytes, err))
        return false;
    clo_cbor_write(out, CLO_CBOR_ARRAY, 2);
    clo_cbor_write(out, CLO_CBOR_UINT, id);
    clo_cbor_bytes(out, clo_buffer_bytes(&bytes));
    return true;
}

/* {0: key, 1: {member: …}}: what follows is the member's value. */
static void begin_measurement(struct clo_buffer *out, const char *key, unsigned member)
{
    clo_cbor_write(out, CLO_CBOR_MAP, 2);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    clo_cbor_text(out, key);
    clo_cbor_write(out, CLO_CBOR_UINT, 1);
    clo_cbor_write(out, CLO_CBOR_MAP, 1);
    clo_cbor_write(out, CLO_CBOR_UINT, member);
}

/* A PCR's value in a bank and a phase; NULL phase: of those that have one for all phases. */
static const json_t *value_of(const json_t *pcrs, const char *bank, unsigned pcr, const char *phase)
{
    char name[8];

    snprintf(name, sizeof name, "%u", pcr);
    const json_t *value = json_object_get(json_object_get(pcrs, bank), name);
    return phase == NULL ? (json_is_string(value) ? value : NULL) : json_object_get(value, phase);
}

static size_t banks_of(const json_t *pcrs, unsigned pcr, const char *phase)
{
    size_t count = 0;

    for (size_t i = 0; i < CLO_COUNT(banks); i++)
        count += value_of(pcrs, banks[i].name, pcr, phase) != NULL;
    return count;
}

static bool write_pcrs(const json_t *pcrs, const char *phase, struct clo_buffer *out, size_t *count,
                       struct clo_error *err)
{
    char key[160];
    size_t registers = 0;

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        registers += banks_of(pcrs, pcr, phase) > 0;
    if (registers == 0)
        return true;
    snprintf(key, sizeof key, "%s%s", phase == NULL ? KEY_PCRS : KEY_PHASE,
             phase == NULL ? "" : phase);
    begin_measurement(out, key, 14);
    clo_cbor_write(out, CLO_CBOR_MAP, registers);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        if (banks_of(pcrs, pcr, phase) == 0)
            continue;
        clo_cbor_write(out, CLO_CBOR_UINT, pcr);
        clo_cbor_write(out, CLO_CBOR_ARRAY, banks_of(pcrs, pcr, phase));
        for (size_t i = 0; i < CLO_COUNT(banks); i++) {
            const json_t *value = value_of(pcrs, banks[i].name, pcr, phase);
            if (value != NULL && !write_digest(out, banks[i].id, value, err))
                return false;
        }
    }
    (*count)++;
    return true;
}

static bool write_phases(const struct clo_reference *reference, const json_t *pcrs,
                         struct clo_buffer *out, size_t *count, struct clo_error *err)
{
    const char *phase;

    for (size_t i = 0; (phase = clo_reference_phase_at(reference, i)) != NULL; i++) {
        bool is_known = false;
        for (size_t k = 0; k < i && !is_known; k++)
            is_known = strcmp(clo_reference_phase_at(reference, k), phase) == 0;
        if (strlen(phase) > 127)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "a phase of %zu bytes", strlen(phase));
        if (!is_known && !write_pcrs(pcrs, phase, out, count, err))
            return false;
    }
    return true;
}

static bool write_rtmrs(const json_t *tdx, struct clo_buffer *out, size_t *count,
                        struct clo_error *err)
{
    const json_t *values[CLO_RTMR_COUNT];
    size_t registers = 0;

    for (unsigned i = 0; i < CLO_RTMR_COUNT; i++) {
        char name[8];
        snprintf(name, sizeof name, "rtmr%u", i);
        values[i] = json_object_get(tdx, name);
        registers += values[i] != NULL;
    }
    if (registers == 0)
        return true;
    begin_measurement(out, KEY_RTMRS, 14);
    clo_cbor_write(out, CLO_CBOR_MAP, registers);
    for (unsigned i = 0; i < CLO_RTMR_COUNT; i++) {
        if (values[i] == NULL)
            continue;
        clo_cbor_write(out, CLO_CBOR_UINT, i);
        clo_cbor_write(out, CLO_CBOR_ARRAY, 1);
        if (!write_digest(out, 7, values[i], err))
            return false;
    }
    (*count)++;
    return true;
}

static void write_text(const char *key, const char *text, struct clo_buffer *out, size_t *count)
{
    begin_measurement(out, key, 11);
    clo_cbor_text(out, text);
    (*count)++;
}

/* Words, one a line: they have no line ends themselves. */
static bool write_inputs(const json_t *words, struct clo_buffer *out, size_t *count,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *word;
    size_t i;

    if (words == NULL)
        return true;
    json_array_foreach (words, i, word)
        clo_buffer_printf(&text, "%s%s", i == 0 ? "" : "\n", json_string_value(word));
    const char *joined = clo_buffer_string(&text);
    if (joined == NULL)
        return clo_out_of_memory(err);
    write_text(KEY_INPUTS, joined, out, count);
    return true;
}

static void write_triple(const struct clo_reference *reference, struct clo_bytes measurements,
                         size_t count, struct clo_buffer *out)
{
    clo_cbor_write(out, CLO_CBOR_ARRAY, 2);
    corim_write_environment(reference, out);
    clo_cbor_write(out, CLO_CBOR_ARRAY, count);
    clo_buffer_append(out, measurements);
}

/* The values of MRTD are alternatives, each right by itself: a triple each. */
static bool write_mr_td(const struct clo_reference *reference, const json_t *values,
                        const struct clo_bytes *before, struct clo_buffer *out, size_t *count,
                        struct clo_error *err)
{
    const char *order;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)values, order, value) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer one = { 0 };
        char key[40];
        snprintf(key, sizeof key, KEY_MR_TD "%s", order);
        begin_measurement(&one, key, 2);
        clo_cbor_write(&one, CLO_CBOR_ARRAY, 1);
        if (!write_digest(&one, 7, value, err))
            return false;
        clo_buffer_append(out, *before);
        write_triple(reference, clo_buffer_bytes(&one), 1, out);
        (*count)++;
    }
    return true;
}

bool corim_write_triples(const struct clo_reference *reference, struct clo_bytes before,
                         struct clo_buffer *out, size_t *count, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer all = { 0 };
    const json_t *json = clo_reference_json(reference);
    const json_t *pcrs = json_object_get(json, "pcrs");
    const json_t *tdx = json_object_get(json, "tdx");
    size_t measurements = 0;

    *count = 0;
    if (!write_pcrs(pcrs, NULL, &all, &measurements, err) ||
        !write_phases(reference, pcrs, &all, &measurements, err) ||
        !write_rtmrs(tdx, &all, &measurements, err))
        return false;
    if (measurements == 0 && json_object_get(tdx, "mr_td") == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the reference has no value of SHA-256 or longer to write");
    write_text(KEY_ORIGIN, clo_reference_origin(reference), &all, &measurements);
    if (!write_inputs(json_object_get(json, "host_inputs"), &all, &measurements, err))
        return false;
    clo_buffer_append(out, before);
    write_triple(reference, clo_buffer_bytes(&all), measurements, out);
    *count = 1;
    if (!write_mr_td(reference, json_object_get(tdx, "mr_td"), &before, out, count, err))
        return false;
    return (clo_buffer_ok(&all) && clo_buffer_ok(out)) || clo_out_of_memory(err);
}

/* The tag's identity is the digest of what it says: the same values, the same tag. */
static bool write_comid(const struct clo_reference *reference, struct clo_buffer *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer triples = { 0 };
    uint64_t version = clo_reference_version(reference);
    struct clo_digest digest;
    size_t count;

    if (!corim_write_triples(reference, clo_bytes(NULL, 0), &triples, &count, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&triples), &digest);
    clo_cbor_write(out, CLO_CBOR_MAP, 2);
    clo_cbor_write(out, CLO_CBOR_UINT, 1);
    clo_cbor_write(out, CLO_CBOR_MAP, version == 0 ? 1 : 2);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    clo_cbor_bytes(out, clo_bytes(digest.bytes, 16));
    if (version != 0) {
        clo_cbor_write(out, CLO_CBOR_UINT, 1);
        clo_cbor_write(out, CLO_CBOR_UINT, version);
    }
    clo_cbor_write(out, CLO_CBOR_UINT, 4);
    clo_cbor_write(out, CLO_CBOR_MAP, 1);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    clo_cbor_write(out, CLO_CBOR_ARRAY, count);
    clo_buffer_append(out, clo_buffer_bytes(&triples));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_corim_write(const struct clo_reference *reference, const struct clo_private_key *key,
                     struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer comid = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer corim = { 0 };

    if (!write_comid(reference, &comid, err))
        return clo_wrap(err, "CoRIM");
    clo_cbor_write(&corim, CLO_CBOR_TAG, TAG_CORIM);
    clo_cbor_write(&corim, CLO_CBOR_MAP, 3);
    clo_cbor_write(&corim, CLO_CBOR_UINT, 0);
    clo_cbor_text(&corim, clo_reference_name(reference));
    clo_cbor_write(&corim, CLO_CBOR_UINT, 1);
    clo_cbor_write(&corim, CLO_CBOR_ARRAY, 1);
    clo_cbor_write(&corim, CLO_CBOR_TAG, TAG_COMID);
    clo_cbor_bytes(&corim, clo_buffer_bytes(&comid));
    clo_cbor_write(&corim, CLO_CBOR_UINT, 3);
    clo_cbor_write(&corim, CLO_CBOR_TAG, TAG_URI);
    clo_cbor_text(&corim, CLO_CORIM_PROFILE);
    if (!clo_buffer_ok(&corim))
        return clo_out_of_memory(err);
    if (key != NULL)
        return clo_cose_sign(key, "application/rim+cbor", clo_buffer_bytes(&corim), out, err) ||
               clo_wrap(err, "CoRIM");
    clo_buffer_append(out, clo_buffer_bytes(&corim));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Reading --- */

/* What a foreign CoRIM has that we could use otherwise is said. */
static bool refuse_foreign(const json_t *corim, struct clo_error *err)
{
    const json_t *list = json_object_get(corim, "reference_values");
    const char *profile = json_string_value(json_object_get(corim, "profile"));
    json_t *triple, *measurement;
    size_t i, k;

    json_array_foreach (list, i, triple) {
        json_array_foreach (json_object_get(triple, "measurements"), k, measurement) {
            const json_t *digest = json_object_get(
                    json_object_get(json_object_get(measurement, "values"), "digests"), "sha384");
            if (json_integer_value(json_object_get(measurement, "key")) == SNP_MEASURE &&
                json_is_string(digest))
                return clo_fail(err, CLO_ERR_UNSUPPORTED,
                                "it has an SEV-SNP launch measurement, which belongs into a policy "
                                "(\"measurement\"): %.96s",
                                json_string_value(digest));
        }
    }
    return clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "profile \"%.80s\": its %zu reference values are not of PCRs, RTMRs or MRTD",
                    profile == NULL ? "none" : profile, json_array_size(list));
}

static json_t *member(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (value == NULL && json_object_set_new(object, key, json_object()) == 0)
        value = json_object_get(object, key);
    return value;
}

/* A value that is there already must be the same: two are alternatives, which a file has no place for. */
static bool set_once(json_t *object, const char *key, json_t *value, struct clo_error *err)
{
    const json_t *there = json_object_get(object, key);

    if (there != NULL && !json_equal(there, value))
        return clo_fail(err, CLO_ERR_FORMAT, "two values for \"%s\"", key);
    return json_object_set(object, key, value) == 0 || clo_out_of_memory(err);
}

static bool take_pcrs(json_t *reference, const char *phase, json_t *registers,
                      struct clo_error *err)
{
    const char *pcr, *bank;
    json_t *digests, *value;

    json_object_foreach (registers, pcr, digests) {
        json_object_foreach (digests, bank, value) {
            json_t *of_bank = member(json_object_get(reference, "pcrs"), bank);
            if (!set_once(phase == NULL ? of_bank : member(of_bank, pcr),
                          phase == NULL ? pcr : phase, value, err))
                return false;
        }
    }
    return true;
}

static bool take_rtmrs(json_t *reference, json_t *registers, struct clo_error *err)
{
    const char *number;
    json_t *digests;

    json_object_foreach (registers, number, digests) {
        json_t *value = json_object_get(digests, "sha384");
        char name[16];
        if (value == NULL || strlen(number) != 1)
            return clo_fail(err, CLO_ERR_FORMAT, "RTMR \"%.8s\": no SHA-384 value", number);
        snprintf(name, sizeof name, "rtmr%s", number);
        if (!set_once(member(reference, "tdx"), name, value, err))
            return false;
    }
    return true;
}

static bool take_inputs(json_t *reference, const char *text, struct clo_error *err)
{
    json_t *words = json_array();
    size_t size;

    for (; *text != '\0'; text += text[size] == '\0' ? size : size + 1) {
        size = strcspn(text, "\n");
        if (json_array_append_new(words, json_stringn(text, size)) != 0) {
            json_decref(words);
            return clo_out_of_memory(err);
        }
    }
    return json_object_set_new(reference, "host_inputs", words) == 0 || clo_out_of_memory(err);
}

static bool take_measurement(json_t *reference, const json_t *measurement, struct clo_error *err)
{
    const char *key = json_string_value(json_object_get(measurement, "key"));
    json_t *values = json_object_get(measurement, "values");
    json_t *registers = json_object_get(values, "registers");
    json_t *name = json_object_get(values, "name");
    json_t *digest = json_object_get(json_object_get(values, "digests"), "sha384");

    if (key == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "a measurement without a text key");
    if (strcmp(key, KEY_PCRS) == 0 && registers != NULL)
        return take_pcrs(reference, NULL, registers, err);
    if (strncmp(key, KEY_PHASE, strlen(KEY_PHASE)) == 0 && registers != NULL)
        return take_pcrs(reference, key + strlen(KEY_PHASE), registers, err);
    if (strcmp(key, KEY_RTMRS) == 0 && registers != NULL)
        return take_rtmrs(reference, registers, err);
    if (strncmp(key, KEY_MR_TD, strlen(KEY_MR_TD)) == 0 && digest != NULL)
        return set_once(member(member(reference, "tdx"), "mr_td"), key + strlen(KEY_MR_TD), digest,
                        err);
    if (strcmp(key, KEY_ORIGIN) == 0 && json_is_string(name))
        return set_once(reference, "origin", name, err);
    if (strcmp(key, KEY_INPUTS) == 0 && json_is_string(name))
        return take_inputs(reference, json_string_value(name), err);
    /* What is not understood might be what matters. */
    return clo_fail(err, CLO_ERR_FORMAT, "measurement \"%.60s\" is not known", key);
}

static bool take_all(const json_t *corim, json_t *reference, struct clo_error *err)
{
    json_t *triple, *measurement;
    size_t i, k;

    json_array_foreach (json_object_get(corim, "reference_values"), i, triple) {
        json_t *class = json_object_get(json_object_get(triple, "environment"), "class");
        json_t *model = json_object_get(class, "model");
        if (!json_is_string(model) || !set_once(reference, "name", model, err))
            return clo_fail(err, CLO_ERR_FORMAT, "values of no image, or of several");
        json_array_foreach (json_object_get(triple, "measurements"), k, measurement)
            if (!take_measurement(reference, measurement, err))
                return false;
    }
    return true;
}

bool clo_corim_to_reference(const json_t *corim, struct clo_reference **out, struct clo_error *err)
{
    const char *profile = json_string_value(json_object_get(corim, "profile"));
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:i, s:{}, s:{}}", "cloister_reference", 1, "events", "pcrs");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (profile == NULL || strcmp(profile, CLO_CORIM_PROFILE) != 0)
        return refuse_foreign(corim, err) || clo_wrap(err, "CoRIM");
    if (!take_all(corim, json, err))
        return clo_wrap(err, "CoRIM");
    json_t *version = json_object_get(corim, "tag_version");
    if (version != NULL && json_object_set(json, "version", version) != 0)
        return clo_out_of_memory(err);
    if (!clo_json_write(json, &text, err))
        return clo_wrap(err, "CoRIM");
    return clo_reference_parse(clo_buffer_bytes(&text), out, err) || clo_wrap(err, "CoRIM");
}
