/* A TPM's quote, its signature and the PCR values that it is about, in the forms of tpm2-tools and others. */
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/quote.h"
#include "import_internal.h"
#include "lib/base/der.h"

/* TPM 2.0 Library, part 2, table 9. */
#define TPM_ALG_RSASSA 0x0014
#define TPM_ALG_ECDSA  0x0018
#define TPM_GENERATED  0xff544347U

/* --- Quotes --- */

struct clo_bytes clo_import_attest(struct clo_bytes in)
{
    struct clo_reader r = clo_reader(in);
    uint16_t size = clo_read_be16(&r);
    uint32_t magic = clo_read_be32(&r);

    if (clo_reader_ok(&r) && magic == TPM_GENERATED && size == in.size - 2)
        return clo_bytes_slice(in, 2, size);
    return in;
}

/* --- Signatures --- */

/* TPM_ALG_ID of a hash. */
static uint16_t hash_id(enum clo_hash hash)
{
    return hash == CLO_HASH_SHA1     ? 0x0004
           : hash == CLO_HASH_SHA384 ? 0x000c
           : hash == CLO_HASH_SHA512 ? 0x000d
                                     : 0x000b;
}

static enum clo_hash hash_from_id(uint16_t id)
{
    static const enum clo_hash known[] = { CLO_HASH_SHA1, CLO_HASH_SHA256, CLO_HASH_SHA384,
                                           CLO_HASH_SHA512 };

    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (hash_id(known[i]) == id)
            return known[i];
    return CLO_HASH_NONE;
}

/* The TPM hashes PCR values with the hash that it signs with (TPM 2.0 Library, part 3, TPM2_Quote). */
static uint16_t signed_with(struct clo_bytes attest)
{
    static const enum clo_hash known[] = { CLO_HASH_SHA1, CLO_HASH_SHA384, CLO_HASH_SHA512 };
    struct clo_quote quote;
    struct clo_error ignored;

    if (attest.size > 0 && clo_quote_parse(attest, &quote, &ignored))
        for (size_t i = 0; i < CLO_COUNT(known); i++)
            if (quote.pcr_digest.size == clo_hash_size(known[i]))
                return hash_id(known[i]);
    return hash_id(CLO_HASH_SHA256);
}

static void put_sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

static struct clo_bytes without_sign(struct clo_bytes integer)
{
    return integer.size > 1 && integer.data[0] == 0 ? clo_bytes_slice(integer, 1, integer.size)
                                                    : integer;
}

/* SEQUENCE { r INTEGER, s INTEGER }, as tpm2_quote --format plain writes it. */
static bool read_ecdsa(struct clo_bytes in, struct clo_bytes *r_out, struct clo_bytes *s_out)
{
    struct clo_reader whole = clo_reader(in);
    struct clo_reader r = clo_der_enter(&whole, CLO_DER_SEQUENCE);

    *r_out = without_sign(clo_der_value(&r, CLO_DER_INTEGER));
    *s_out = without_sign(clo_der_value(&r, CLO_DER_INTEGER));
    return clo_der_done(&r) && clo_der_done(&whole) && r_out->size <= 66 && s_out->size <= 66;
}

bool clo_import_signature(struct clo_bytes in, struct clo_bytes attest, struct clo_buffer *out,
                          struct clo_error *err)
{
    struct clo_quote_signature parsed;
    struct clo_error ignored;
    struct clo_bytes r;
    struct clo_bytes s;

    if (clo_quote_signature_parse(in, &parsed, &ignored)) {
        clo_buffer_append(out, in);
    } else if (read_ecdsa(in, &r, &s)) {
        clo_buffer_be16(out, TPM_ALG_ECDSA);
        clo_buffer_be16(out, signed_with(attest));
        put_sized(out, r);
        put_sized(out, s);
    } else if (in.size == 256 || in.size == 384 || in.size == 512) {
        clo_buffer_be16(out, TPM_ALG_RSASSA);
        clo_buffer_be16(out, signed_with(attest));
        put_sized(out, in);
    } else {
        return clo_quote_signature_parse(in, &parsed, err);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- PCR values --- */

static bool set_pcr(json_t *bank, unsigned pcr, struct clo_bytes value, struct clo_error *err)
{
    char key[16];

    snprintf(key, sizeof key, "%u", pcr);
    return json_object_set_new(bank, key, clo_json_hex(value)) == 0 || clo_out_of_memory(err);
}

/* The numbers of the PCRs that the quote selects, of the first bank that it selects any of. */
static size_t selected(struct clo_bytes attest, enum clo_hash *hash, unsigned out[CLO_PCR_COUNT])
{
    struct clo_quote quote;
    struct clo_error ignored;
    size_t count = 0;

    if (attest.size == 0 || !clo_quote_parse(attest, &quote, &ignored))
        return 0;
    for (size_t i = 0; count == 0 && i < quote.selection_count; i++) {
        *hash = quote.selections[i].hash;
        for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
            if ((quote.selections[i].mask >> pcr & 1) != 0)
                out[count++] = pcr;
    }
    return count;
}

/* Values without numbers. Never by position alone where the quote says which they are. */
static bool number_values(const json_t *values, struct clo_bytes attest, json_t *banks,
                          struct clo_error *err)
{
    unsigned numbers[CLO_PCR_COUNT];
    enum clo_hash hash = CLO_HASH_SHA256;
    size_t given = json_array_size(values);
    size_t count = selected(attest, &hash, numbers);
    bool is_all = given == CLO_PCR_COUNT;
    json_t *bank = json_object();

    if (count == 0) {
        for (count = 0; count < given && count < CLO_PCR_COUNT; count++)
            numbers[count] = (unsigned)count;
        is_all = true;
    }
    if (hash == CLO_HASH_NONE || json_object_set_new(banks, clo_hash_name(hash), bank) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "PCR values of a bank that is not known");
    if (given > CLO_PCR_COUNT || (given != count && !is_all))
        return clo_fail(err, CLO_ERR_FORMAT, "%zu PCR values, and the quote selects %zu PCRs",
                        given, count);
    for (size_t i = 0; i < count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
        if (!import_value(json_array_get(values, is_all ? numbers[i] : i), clo_hash_size(hash),
                          &value, err))
            return clo_wrap(err, "PCR %u", numbers[i]);
        if (!set_pcr(bank, numbers[i], clo_buffer_bytes(&value), err))
            return false;
    }
    return true;
}

/* The numbers as keys, of a bank that is not named. */
static bool is_bank(const json_t *json)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)(uintptr_t)json, key, value)
        if (key[strspn(key, "0123456789")] != '\0' || !json_is_string(value))
            return false;
    return json_is_object(json) && json_object_size(json) > 0;
}

bool import_pcrs_json(const json_t *pcrs, struct clo_bytes attest, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *banks = NULL;
    enum clo_hash hash = CLO_HASH_SHA256;
    unsigned ignored[CLO_PCR_COUNT];

    if (json_is_object(pcrs) && !is_bank(pcrs))
        return clo_json_write(pcrs, out, err);
    banks = json_object();
    if (banks == NULL)
        return clo_out_of_memory(err);
    if (json_is_array(pcrs)) {
        if (!number_values(pcrs, attest, banks, err))
            return false;
    } else if (is_bank(pcrs)) {
        (void)selected(attest, &hash, ignored);
        if (hash == CLO_HASH_NONE)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "the quote is of a bank that is not known");
        if (json_object_set(banks, clo_hash_name(hash), (json_t *)(uintptr_t)pcrs) != 0)
            return clo_out_of_memory(err);
    } else {
        return clo_fail(err, CLO_ERR_FORMAT, "neither an object nor an array of PCR values");
    }
    return clo_json_write(banks, out, err);
}

/* --- What tpm2-tools write --- */

/* TPML_PCR_SELECTION and TPML_DIGEST as C structures in memory, little endian: lib/files.c's pcrs_to_file(). */
#define TOOLS_SELECTIONS     16
#define TOOLS_SELECTION_SIZE (4 + TOOLS_SELECTIONS * 8)
#define TOOLS_DIGESTS        8
#define TOOLS_DIGEST_SIZE    66
#define TOOLS_DIGEST_LIST    (4 + TOOLS_DIGESTS * TOOLS_DIGEST_SIZE)

/* The values one after the other, over all lists. */
static bool tools_digest(struct clo_bytes lists, size_t index, struct clo_bytes *out)
{
    for (size_t at = 0; at < lists.size; at += TOOLS_DIGEST_LIST) {
        struct clo_reader r = clo_reader(clo_bytes_slice(lists, at, TOOLS_DIGEST_LIST));
        uint32_t count = clo_read_le32(&r);
        if (count > TOOLS_DIGESTS)
            return false;
        if (index >= count) {
            index -= count;
            continue;
        }
        clo_read_skip(&r, index * TOOLS_DIGEST_SIZE);
        uint16_t size = clo_read_le16(&r);
        *out = clo_read_bytes(&r, size);
        return size <= CLO_HASH_SIZE_MAX && clo_reader_ok(&r);
    }
    return false;
}

static bool is_tools_file(struct clo_bytes in)
{
    struct clo_reader r = clo_reader(in);
    uint32_t banks = clo_read_le32(&r);
    clo_read_skip(&r, TOOLS_SELECTION_SIZE - 4);
    uint32_t lists = clo_read_le32(&r);

    return clo_reader_ok(&r) && banks > 0 && banks <= TOOLS_SELECTIONS && lists > 0 &&
           lists <= CLO_PCR_COUNT && clo_reader_left(&r) == (size_t)lists * TOOLS_DIGEST_LIST;
}

static bool read_tools_file(struct clo_bytes in, json_t *banks, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    uint32_t count = clo_read_le32(&r);
    struct clo_bytes lists = clo_bytes_slice(in, TOOLS_SELECTION_SIZE + 4, in.size);
    size_t index = 0;

    for (uint32_t i = 0; i < count; i++) {
        enum clo_hash hash = hash_from_id(clo_read_le16(&r));
        clo_read_skip(&r, 1); /* sizeofSelect */
        uint32_t mask = clo_read_le32(&r) & 0xffffff;
        clo_read_skip(&r, 1); /* padding */
        json_t *bank = json_object();
        if (hash == CLO_HASH_NONE || json_object_set_new(banks, clo_hash_name(hash), bank) != 0)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "PCR values of a bank that is not known");
        for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
            struct clo_bytes value;
            if ((mask >> pcr & 1) == 0)
                continue;
            if (!tools_digest(lists, index++, &value))
                return clo_fail(err, CLO_ERR_FORMAT, "fewer values than PCRs are selected");
            if (!set_pcr(bank, pcr, value, err))
                return false;
        }
    }
    return true;
}

/* What tpm2_pcrread prints, in YAML: "  sha256:" and below it "    0 : 0x3D45…". */
static bool read_printed(struct clo_bytes in, json_t *banks, struct clo_error *err)
{
    json_t *bank = NULL;

    for (size_t at = 0, end; at < in.size; at = end + 1) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer line = { 0 };
        for (end = at; end < in.size && in.data[end] != '\n'; end++)
            ;
        clo_buffer_append(&line, import_trim(clo_bytes_slice(in, at, end - at)));
        if (line.size == 0 || clo_buffer_string(&line) == NULL)
            continue;
        char *text = (char *)line.data;
        char *colon = strchr(text, ':');
        if (colon == NULL)
            continue;
        char *after = colon + 1;
        while (*after == ' ')
            after++;
        *colon = '\0';
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
        const char *form;
        if (*after == '\0') {
            bank = json_object();
            if (json_object_set_new(banks, text, bank) != 0)
                return clo_out_of_memory(err);
        } else if (bank == NULL || *text < '0' || *text > '9' ||
                   !import_decode(clo_bytes_text(after), IMPORT_HEX, &value, &form)) {
            return clo_fail(err, CLO_ERR_FORMAT, "not what tpm2_pcrread prints");
        } else if (!set_pcr(bank, (unsigned)strtoul(text, NULL, 10), clo_buffer_bytes(&value),
                            err)) {
            return false;
        }
    }
    return bank != NULL || clo_fail(err, CLO_ERR_FORMAT, "not PCR values in a form that is known");
}

/* Of several banks, the quote's: a bundle has one. */
static bool write_banks(json_t *banks, struct clo_bytes attest, struct clo_buffer *out,
                        struct clo_error *err)
{
    enum clo_hash hash = CLO_HASH_SHA256;
    unsigned ignored[CLO_PCR_COUNT];
    const char *name;
    json_t *bank;
    void *next;

    (void)selected(attest, &hash, ignored);
    json_object_foreach_safe(banks, next, name, bank) if (json_object_size(bank) == 0 ||
                                                          (json_object_size(banks) > 1 &&
                                                           hash != clo_hash_from_name(name)))
            json_object_del(banks, name);
    return clo_json_write(banks, out, err);
}

bool clo_import_pcrs(struct clo_bytes in, struct clo_bytes attest, struct clo_buffer *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_bytes text = import_trim(in);

    attest = clo_import_attest(attest);
    if (text.size > 0 && (text.data[0] == '{' || text.data[0] == '['))
        return clo_json_parse_bounded(text, CLO_JSON_VALUES_MAX, &json, err) &&
               import_pcrs_json(json, attest, out, err);
    json = json_object();
    if (json == NULL)
        return clo_out_of_memory(err);
    if (!(is_tools_file(in) ? read_tools_file(in, json, err) : read_printed(in, json, err)))
        return false;
    return write_banks(json, attest, out, err);
}
