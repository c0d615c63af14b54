/* Evidence of Go's libraries in protobuf's binary encoding (protobuf.dev, "Encoding"), turned into the JSON that the same
 * messages have, so that one reader serves both. Fields that no one here asks for are skipped.
 *
 * A message has no mark of its own: it counts as one only where all of it parses and the members that make it one are
 * there. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "import_internal.h"
#include "lib/base/protobuf.h"

#define DEPTH_MAX 8

enum kind {
    NUMBER,
    BYTES,
    MESSAGE,
    BYTES_LIST,
    MESSAGE_LIST,
    MAP, /* of numbers to bytes */
};

struct message;
struct field {
    unsigned number;
    enum kind kind;
    const char *name;
    const struct message *message;
};
struct message {
    const struct field *fields;
    size_t count;
};
#define MESSAGE_OF(name) \
    static const struct message name = { name##_fields, CLO_COUNT(name##_fields) }

/* go-sev-guest, proto/sevsnp.proto. */
static const struct field snp_report_fields[] = {
    { 1, NUMBER, "version", NULL },
    { 2, NUMBER, "guestSvn", NULL },
    { 3, NUMBER, "policy", NULL },
    { 4, BYTES, "familyId", NULL },
    { 5, BYTES, "imageId", NULL },
    { 6, NUMBER, "vmpl", NULL },
    { 7, NUMBER, "signatureAlgo", NULL },
    { 8, NUMBER, "currentTcb", NULL },
    { 9, NUMBER, "platformInfo", NULL },
    { 10, NUMBER, "signerInfo", NULL },
    { 11, BYTES, "reportData", NULL },
    { 12, BYTES, "measurement", NULL },
    { 13, BYTES, "hostData", NULL },
    { 14, BYTES, "idKeyDigest", NULL },
    { 15, BYTES, "authorKeyDigest", NULL },
    { 16, BYTES, "reportId", NULL },
    { 17, BYTES, "reportIdMa", NULL },
    { 18, NUMBER, "reportedTcb", NULL },
    { 19, BYTES, "chipId", NULL },
    { 20, NUMBER, "committedTcb", NULL },
    { 21, NUMBER, "currentBuild", NULL },
    { 22, NUMBER, "currentMinor", NULL },
    { 23, NUMBER, "currentMajor", NULL },
    { 24, NUMBER, "committedBuild", NULL },
    { 25, NUMBER, "committedMinor", NULL },
    { 26, NUMBER, "committedMajor", NULL },
    { 27, NUMBER, "launchTcb", NULL },
    { 28, BYTES, "signature", NULL },
    { 29, NUMBER, "cpuid1eaxFms", NULL },
    { 30, NUMBER, "launchMitVector", NULL },
    { 31, NUMBER, "currentMitVector", NULL },
};
MESSAGE_OF(snp_report);
static const struct field snp_chain_fields[] = {
    { 1, BYTES, "vcekCert", NULL },
    { 2, BYTES, "askCert", NULL },
    { 3, BYTES, "arkCert", NULL },
    { 6, BYTES, "vlekCert", NULL },
};
MESSAGE_OF(snp_chain);
static const struct field snp_fields[] = {
    { 1, MESSAGE, "report", &snp_report },
    { 2, MESSAGE, "certificateChain", &snp_chain },
};
MESSAGE_OF(snp);

/* go-tdx-guest, proto/tdx.proto. */
static const struct field tdx_header_fields[] = {
    { 1, NUMBER, "version", NULL }, { 2, NUMBER, "attestationKeyType", NULL },
    { 3, NUMBER, "teeType", NULL }, { 4, BYTES, "qeSvn", NULL },
    { 5, BYTES, "pceSvn", NULL },   { 6, BYTES, "qeVendorId", NULL },
    { 7, BYTES, "userData", NULL },
};
MESSAGE_OF(tdx_header);
static const struct field tdx_body_fields[] = {
    { 1, BYTES, "teeTcbSvn", NULL },    { 2, BYTES, "mrSeam", NULL },
    { 3, BYTES, "mrSignerSeam", NULL }, { 4, BYTES, "seamAttributes", NULL },
    { 5, BYTES, "tdAttributes", NULL }, { 6, BYTES, "xfam", NULL },
    { 7, BYTES, "mrTd", NULL },         { 8, BYTES, "mrConfigId", NULL },
    { 9, BYTES, "mrOwner", NULL },      { 10, BYTES, "mrOwnerConfig", NULL },
    { 11, BYTES_LIST, "rtmrs", NULL },  { 12, BYTES, "reportData", NULL },
};
MESSAGE_OF(tdx_body);
static const struct field tdx_enclave_fields[] = {
    { 1, BYTES, "cpuSvn", NULL },     { 2, NUMBER, "miscSelect", NULL },
    { 3, BYTES, "reserved1", NULL },  { 4, BYTES, "attributes", NULL },
    { 5, BYTES, "mrEnclave", NULL },  { 6, BYTES, "reserved2", NULL },
    { 7, BYTES, "mrSigner", NULL },   { 8, BYTES, "reserved3", NULL },
    { 9, NUMBER, "isvProdId", NULL }, { 10, NUMBER, "isvSvn", NULL },
    { 11, BYTES, "reserved4", NULL }, { 12, BYTES, "reportData", NULL },
};
MESSAGE_OF(tdx_enclave);
static const struct field tdx_auth_fields[] = { { 2, BYTES, "data", NULL } };
MESSAGE_OF(tdx_auth);
static const struct field tdx_chain_fields[] = {
    { 1, NUMBER, "certificateDataType", NULL },
    { 3, BYTES, "pckCertChain", NULL },
};
MESSAGE_OF(tdx_chain);
static const struct field tdx_qe_fields[] = {
    { 1, MESSAGE, "qeReport", &tdx_enclave },
    { 2, BYTES, "qeReportSignature", NULL },
    { 3, MESSAGE, "qeAuthData", &tdx_auth },
    { 4, MESSAGE, "pckCertificateChainData", &tdx_chain },
};
MESSAGE_OF(tdx_qe);
static const struct field tdx_certification_fields[] = {
    { 1, NUMBER, "certificateDataType", NULL },
    { 2, NUMBER, "size", NULL },
    { 3, MESSAGE, "qeReportCertificationData", &tdx_qe },
};
MESSAGE_OF(tdx_certification);
static const struct field tdx_signed_fields[] = {
    { 1, BYTES, "signature", NULL },
    { 2, BYTES, "ecdsaAttestationKey", NULL },
    { 3, MESSAGE, "certificationData", &tdx_certification },
};
MESSAGE_OF(tdx_signed);
static const struct field tdx_fields[] = {
    { 1, MESSAGE, "header", &tdx_header }, { 2, MESSAGE, "tdQuoteBody", &tdx_body },
    { 3, NUMBER, "signedDataSize", NULL }, { 4, MESSAGE, "signedData", &tdx_signed },
    { 5, BYTES, "extraBytes", NULL },
};
MESSAGE_OF(tdx);

/* go-tpm-tools, proto/attest.proto, and go-tpm's proto/tpm.proto. */
static const struct field tpm_pcrs_fields[] = {
    { 1, NUMBER, "hash", NULL },
    { 2, MAP, "pcrs", NULL },
};
MESSAGE_OF(tpm_pcrs);
static const struct field tpm_quote_fields[] = {
    { 1, BYTES, "quote", NULL },
    { 2, BYTES, "rawSig", NULL },
    { 3, MESSAGE, "pcrs", &tpm_pcrs },
};
MESSAGE_OF(tpm_quote);
static const struct field tpm_fields[] = {
    { 1, BYTES, "akPub", NULL },
    { 2, MESSAGE_LIST, "quotes", &tpm_quote },
    { 3, BYTES, "eventLog", NULL },
    { 6, BYTES, "akCert", NULL },
    { 7, BYTES_LIST, "intermediateCerts", NULL },
};
MESSAGE_OF(tpm);

/* --- Reading --- */

/* Larger than JSON's numbers here it is text, as protobuf has it anyway. */
static json_t *number_json(uint64_t value)
{
    char text[24];

    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return json_string(text);
}

static json_t *member_of(json_t *object, const char *name, bool is_list)
{
    json_t *member = json_object_get(object, name);

    if (member == NULL &&
        json_object_set_new(object, name, is_list ? json_array() : json_object()) == 0)
        member = json_object_get(object, name);
    return member;
}

static bool read_entry(struct clo_bytes in, json_t *map)
{
    struct clo_bytes value;
    uint64_t key;
    char text[24];

    if (!clo_protobuf_entry(in, &key, &value))
        return false;
    snprintf(text, sizeof text, "%llu", (unsigned long long)key);
    return json_object_set_new(map, text, clo_json_base64(value)) == 0;
}

static bool read_message(struct clo_bytes in, const struct message *message, unsigned depth,
                         json_t *out);

static bool read_field(const struct clo_protobuf_field *read, const struct field *field,
                       unsigned depth, json_t *out)
{
    struct clo_bytes bytes = read->bytes;

    if (read->wire != (field->kind == NUMBER ? CLO_PROTOBUF_VARINT : CLO_PROTOBUF_BYTES))
        return false;
    if (field->kind == NUMBER)
        return json_object_set_new(out, field->name, number_json(read->value)) == 0;
    json_t *inner = NULL;
    switch (field->kind) {
    case BYTES:
        return json_object_set_new(out, field->name, clo_json_base64(bytes)) == 0;
    case BYTES_LIST:
        return json_array_append_new(member_of(out, field->name, true), clo_json_base64(bytes)) ==
               0;
    case MESSAGE:
        return read_message(bytes, field->message, depth, member_of(out, field->name, false));
    case MESSAGE_LIST:
        inner = json_object();
        return json_array_append_new(member_of(out, field->name, true), inner) == 0 &&
               read_message(bytes, field->message, depth, inner);
    case MAP:
        return read_entry(bytes, member_of(out, field->name, false));
    case NUMBER:
        break;
    }
    return false;
}

static const struct field *find_field(const struct message *message, uint64_t number)
{
    for (size_t i = 0; i < message->count; i++)
        if (message->fields[i].number == number)
            return &message->fields[i];
    return NULL;
}

/* The tables are a few levels deep, and so is what is read by them. */
static bool read_message(struct clo_bytes in, const struct message *message, unsigned depth,
                         json_t *out)
{
    struct clo_reader r = clo_reader(in);
    struct clo_protobuf_field read;

    if (depth == DEPTH_MAX || out == NULL)
        return false;
    while (clo_protobuf_next(&r, &read)) {
        const struct field *field = find_field(message, read.number);
        if (field != NULL && !read_field(&read, field, depth + 1, out))
            return false;
    }
    return clo_reader_ok(&r);
}

json_t *import_proto(struct clo_bytes in)
{
    static const struct {
        const struct message *message;
        const char *object, *members[2]; /* that make it one */
    } known[] = {
        { &snp, "report", { "chipId", "signature" } },
        { &tdx, "header", { "qeVendorId", "teeType" } },
        { &tpm, NULL, { "akPub", "quotes" } },
    };

    /* The first field of each of them has number 1 and a length. */
    if (in.size < 64 || in.data[0] != (1 << 3 | CLO_PROTOBUF_BYTES))
        return NULL;
    for (size_t i = 0; i < CLO_COUNT(known); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
        if (!read_message(in, known[i].message, 0, json))
            continue;
        const json_t *object =
                known[i].object == NULL ? json : json_object_get(json, known[i].object);
        if (json_object_get(object, known[i].members[0]) != NULL &&
            json_object_get(object, known[i].members[1]) != NULL)
            return CLO_TAKE(json);
    }
    return NULL;
}
