/* A report as systemd-report signs it by a TPM, made with a key of one's own: JSON, and next to it the bytes that a TPM would have
 * signed, hashed and answered. With switches for what may be wrong. */
#ifndef CLOISTER_TEST_SYSTEMD_REPORT_MAKER_H
#define CLOISTER_TEST_SYSTEMD_REPORT_MAKER_H

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/jose.h"
#include "test.h"

#define SD_RECORD                                                                                  \
    "\x1e{\"mediaType\":\"application/vnd.io.systemd.report\",\"timestamp\":\"Mon 2026-06-01 "     \
    "00:00:00 UTC\",\"metrics\":[{\"name\":\"io.systemd.Files.nonce\",\"value\":\"n0\"},{\"name\"" \
    ":\"io.systemd.Basic.CPUsOnline\",\"value\":2}]}\n"

struct sd_scene {
    bool not_exclusive, of_another_text, names_another_digest;
    bool left_out;                  /* the NvPCR, after the session was digested */
    bool changed;                   /* a clock, after it was signed */
    bool by_another_key;            /* the NvPCR is signed by */
    bool ordinary_index, unwritten; /* what the NvPCR is */
    bool cut;                       /* its contents */
    bool other_name, other_data;    /* than what was signed next to it */
    bool other_area;                /* than what was certified */
    bool has_capabilities, changed_capability;
    bool no_log, other_log;
    const char *mechanism; /* NULL: "tpm2" */
    const char *data;      /* whole; NULL: as it should be */
};

struct sd_maker {
    struct clo_private_key *key, *other;
    char x[65], y[65];         /* of the key, in hex */
    struct clo_digest session; /* so far */
    uint8_t name[34];          /* of the key */
    struct clo_buffer json;    /* components so far */
};

static inline void sd_coordinate(const json_t *jwk, const char *member, char out[65])
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error err;

    if (!clo_json_get_bytes(jwk, member, CLO_JSON_BASE64URL, 32, &bytes, &err))
        fail_msg("%s", err.text);
    clo_hex_text(clo_buffer_bytes(&bytes), out);
}

static inline void sd_hex(struct clo_buffer *out, const char *hex)
{
    struct clo_error err;

    if (!clo_hex_read(clo_bytes_text(hex), out, &err))
        fail_msg("%s", err.text);
}

/* The key's area: restricted, sign, fixedTPM and so on; ECDSA with SHA-256 on P-256. */
static inline void sd_key_name(struct sd_maker *m)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_digest digest;

    sd_hex(&area, "0023000b000500f200000010"
                  "0018000b00030010");
    clo_buffer_be16(&area, 32);
    sd_hex(&area, m->x);
    clo_buffer_be16(&area, 32);
    sd_hex(&area, m->y);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&area), &digest);
    memcpy(m->name, "\0\x0b", 2);
    memcpy(m->name + 2, digest.bytes, 32);
}

static inline void sd_maker_init(struct sd_maker *m)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    struct clo_error err;

    *m = (struct sd_maker){ .key = NULL };
    if (!clo_private_key_new(CLO_KEY_P256, 0, &m->key, &err) ||
        !clo_private_key_new(CLO_KEY_P256, 0, &m->other, &err) ||
        !clo_private_key_public(m->key, &key, &err) || !clo_jwk_from_public_key(key, &jwk, &err))
        fail_msg("%s", err.text);
    sd_coordinate(jwk, "x", m->x);
    sd_coordinate(jwk, "y", m->y);
    sd_key_name(m);
}

static inline void sd_maker_free(struct sd_maker *m)
{
    clo_private_key_free(m->key);
    clo_private_key_free(m->other);
    clo_buffer_free(&m->json);
}

/* One command of the session: H(session || H(command) || H(answer)). */
static inline void sd_audit(struct sd_maker *m, struct clo_bytes command, struct clo_bytes answer)
{
    struct clo_digest sent, answered, next;

    clo_hash(CLO_HASH_SHA256, command, &sent);
    clo_hash(CLO_HASH_SHA256, answer, &answered);
    const struct clo_bytes parts[] = { clo_bytes(m->session.bytes, 32), clo_bytes(sent.bytes, 32),
                                       clo_bytes(answered.bytes, 32) };
    clo_hash_many(CLO_HASH_SHA256, parts, 3, &next);
    m->session = next;
}

/* What all attestations begin with; `extra` in hex. */
static inline void sd_begin(struct clo_buffer *attest, const char *type, const char *extra)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    sd_hex(attest, "ff544347");
    sd_hex(attest, type);
    sd_hex(attest, "0002aabb");
    sd_hex(&bytes, extra);
    clo_buffer_be16(attest, (uint16_t)bytes.size);
    clo_buffer_append(attest, clo_buffer_bytes(&bytes));
    sd_hex(attest, "00000000000004d2"
                   "00000005"
                   "00000001"
                   "01"
                   "000000000000004d");
}

/* Signs it, and appends the component; `answer` gets what the TPM answered. */
static inline void sd_component(struct sd_maker *m, const struct clo_private_key *key,
                                const char *begin, const char *type, const char *extra,
                                const char *attested, bool changed, struct clo_bytes attest,
                                struct clo_buffer *answer)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    char r[65], s[65];
    struct clo_error err;

    if (!clo_signature_make(key, CLO_ECDSA_RAW, CLO_HASH_SHA256, attest, &signature, &err))
        fail_msg("%s", err.text);
    clo_hex_text(clo_bytes(signature.data, 32), r);
    clo_hex_text(clo_bytes(signature.data + 32, 32), s);
    clo_buffer_printf(&m->json,
                      "%s{%s,\"attestInfo\":{\"sig_scheme\":{},\"attest\":{\"magic\":\"VALUE\","
                      "\"type\":\"%s\",\"qualifiedSigner\":\"aabb\",\"extraData\":\"%s\","
                      "\"clockInfo\":{\"clock\":%d,\"resetCount\":5,\"restartCount\":1,\"safe\":"
                      "\"YES\"},\"firmwareVersion\":77,\"attested\":%s}},\"signature\":{\"sigAlg\":"
                      "\"ECDSA\",\"signature\":{\"hash\":\"SHA256\",\"signatureR\":\"%s\","
                      "\"signatureS\":\"%s\"}}}",
                      m->json.size == 0 ? "" : ",", begin, type, extra, changed ? 1235 : 1234,
                      attested, r, s);
    clo_buffer_be16(answer, (uint16_t)attest.size);
    clo_buffer_append(answer, attest);
    sd_hex(answer, "0018000b0020");
    sd_hex(answer, r);
    clo_buffer_be16(answer, 32);
    sd_hex(answer, s);
}

/* The log extends PCRs 0 and 4 by this once each. */
static inline void sd_digest(char hex[65])
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, clo_bytes_text("event"), &digest);
    clo_hex_text(clo_bytes(digest.bytes, 32), hex);
}

static inline void sd_pcr_digest(struct clo_digest *out)
{
    const uint8_t zeros[32] = { 0 };
    struct clo_digest digest, value;

    clo_hash(CLO_HASH_SHA256, clo_bytes_text("event"), &digest);
    const struct clo_bytes parts[] = { clo_bytes(zeros, 32), clo_bytes(digest.bytes, 32) };
    clo_hash_many(CLO_HASH_SHA256, parts, 2, &value);
    const struct clo_bytes values[] = { clo_bytes(value.bytes, 32), clo_bytes(value.bytes, 32) };
    clo_hash_many(CLO_HASH_SHA256, values, 2, out);
}

static inline void sd_quote(struct sd_maker *m, const struct sd_scene *scene)
{
    static const char selection[] = "00000001000b03110000";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer command = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    char attested[300], hex[65];
    struct clo_digest digest;

    sd_pcr_digest(&digest);
    clo_hex_text(clo_bytes(digest.bytes, 32), hex);
    sd_begin(&attest, "8018", "");
    sd_hex(&attest, selection);
    clo_buffer_be16(&attest, 32);
    sd_hex(&attest, hex);
    snprintf(attested, sizeof attested,
             "{\"pcrSelect\":[{\"hash\":\"SHA256\",\"pcrSelect\":[0,4]}],\"pcrDigest\":\"%s\"}",
             hex);
    sd_hex(&answer, "0000000000000158");
    sd_component(m, m->key, "\"type\":\"pcr\"", "ATTEST_QUOTE", "", attested, scene->changed,
                 clo_buffer_bytes(&attest), &answer);
    sd_hex(&command, "00000158");
    clo_buffer_append(&command, clo_bytes(m->name, 34));
    sd_hex(&command, "00000010");
    sd_hex(&command, selection);
    sd_audit(m, clo_buffer_bytes(&command), clo_buffer_bytes(&answer));
}

static inline void sd_nvpcr(struct sd_maker *m, const struct sd_scene *scene)
{
    static const char data[] = "{\"name\":\"hardware\",\"priority\":500}";
    /* authread, authwrite, written, of type extend; or ordinary */
    uint32_t attributes = scene->ordinary_index ? 0x20040004
                          : scene->unwritten    ? 0x00040044
                                                : 0x20040044;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer command = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    char begin[500], attested[400], extra[69], name[69];
    struct clo_digest digest;

    sd_hex(&area, "01d10200000b");
    clo_buffer_be32(&area, attributes);
    sd_hex(&area, "00000020");
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&area), &digest);
    memcpy(name, "000b", 5);
    clo_hex_text(clo_bytes(digest.bytes, 32), name + 4);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(scene->other_data ? "{}" : data), &digest);
    memcpy(extra, "000b", 5);
    clo_hex_text(clo_bytes(digest.bytes, 32), extra + 4);
    sd_begin(&attest, "8014", extra);
    clo_buffer_be16(&attest, 34);
    sd_hex(&attest, name);
    sd_hex(&attest, scene->cut ? "00000002cccc"
                               : "0000"
                                 "0020");
    for (int i = 0; !scene->cut && i < 32; i++)
        clo_buffer_u8(&attest, 0xcc);
    snprintf(attested, sizeof attested,
             "{\"indexName\":\"%s\",\"offset\":0,\"nvContents\":\"%.*s\"}", name,
             scene->cut ? 4 : 64,
             "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc");
    snprintf(begin, sizeof begin,
             "\"type\":\"nvpcr\",\"nvpcrName\":\"%s\",\"nvPublic\":{\"nvIndex\":%u,\"nameAlg\":"
             "\"SHA256\",\"attributes\":%u,\"authPolicy\":\"\",\"dataSize\":32},"
             "\"authenticatedData\":\"{\\\"name\\\":\\\"hardware\\\",\\\"priority\\\":500}\"",
             scene->other_name ? "login" : "hardware", scene->other_area ? 30474753U : 30474752U,
             attributes);
    sd_hex(&answer, "0000000000000184");
    size_t before = m->json.size;
    sd_component(m, scene->by_another_key ? m->other : m->key, begin, "ATTEST_NV", extra, attested,
                 false, clo_buffer_bytes(&attest), &answer);
    if (scene->left_out)
        m->json.size = before;
    sd_hex(&command, "00000184");
    clo_buffer_append(&command, clo_bytes(m->name, 34));
    sd_hex(&command, name);
    sd_hex(&command, name);
    clo_buffer_be16(&command, 34);
    sd_hex(&command, extra);
    sd_hex(&command, "001000200000");
    sd_audit(m, clo_buffer_bytes(&command), clo_buffer_bytes(&answer));
}

/* As later versions have them. */
static inline void sd_capabilities(struct sd_maker *m, const struct sd_scene *scene)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer command = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy_command = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy_answer = { 0 };

    sd_hex(&command, "0000017a"
                     "00000006"
                     "00000200"
                     "00000001");
    sd_hex(&answer, "00000000"
                    "0000017a"
                    "01"
                    "00000006"
                    "00000001"
                    "00000200"
                    "00000404");
    sd_audit(m, clo_buffer_bytes(&command), clo_buffer_bytes(&answer));
    sd_hex(&policy_command, "0000017a"
                            "00000009"
                            "4000000a"
                            "00000001");
    sd_hex(&policy_answer, "00000000"
                           "0000017a"
                           "00"
                           "00000009"
                           "00000001"
                           "4000000a"
                           "0010");
    sd_audit(m, clo_buffer_bytes(&policy_command), clo_buffer_bytes(&policy_answer));
    clo_buffer_printf(
            &m->json,
            ",{\"type\":\"capability-tpm-property\",\"capabilityMoreData\":true,"
            "\"tpmProperty\":{\"property\":\"PERMANENT\",\"value\":%d}},"
            "{\"type\":\"capability-auth-policy\",\"capabilityMoreData\":false,"
            "\"authPolicy\":{\"handle\":\"LOCKOUT\",\"policyHash\":{\"hashAlg\":\"NULL\"}}}",
            scene->changed_capability ? 0x400 : 0x404);
}

static inline void sd_session(struct sd_maker *m, const struct sd_scene *scene)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    char extra[69], hex[65], attested[200];
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA256, clo_bytes_text(scene->of_another_text ? "other" : SD_RECORD),
             &digest);
    memcpy(extra, "000b", 5);
    clo_hex_text(clo_bytes(digest.bytes, 32), extra + 4);
    clo_hex_text(clo_bytes(m->session.bytes, 32), hex);
    sd_begin(&attest, "8016", extra);
    clo_buffer_u8(&attest, !scene->not_exclusive);
    clo_buffer_be16(&attest, 32);
    sd_hex(&attest, hex);
    snprintf(attested, sizeof attested, "{\"exclusiveSession\":\"%s\",\"sessionDigest\":\"%s\"}",
             scene->not_exclusive ? "NO" : "YES", hex);
    sd_component(m, m->key, "\"type\":\"session-audit\"", "ATTEST_SESSION_AUDIT", extra, attested,
                 false, clo_buffer_bytes(&attest), &answer);
}

static inline void sd_data(struct sd_maker *m, const struct sd_scene *scene, struct clo_buffer *out)
{
    char digest[65];

    sd_digest(digest);
    m->session = (struct clo_digest){ .hash = CLO_HASH_SHA256 };
    clo_buffer_free(&m->json);
    sd_quote(m, scene);
    sd_nvpcr(m, scene);
    if (scene->has_capabilities || scene->changed_capability)
        sd_capabilities(m, scene);
    sd_session(m, scene);
    clo_buffer_printf(out, "{\"eventLog\":[");
    for (int i = 0; !scene->no_log && i < 2; i++)
        clo_buffer_printf(out,
                          "%s{\"pcr\":%d,\"recnum\":%d,\"digests\":[{\"hashAlg\":\"sha256\","
                          "\"digest\":\"%s\"}],\"content_type\":\"pcclient_std\",\"content\":"
                          "{\"event_type\":\"EV_IPL\",\"event_data\":\"00\"}}",
                          i == 0 ? "" : ",", scene->other_log ? i : 4 * i, i, digest);
    clo_buffer_printf(out,
                      "],\"publicKey\":{\"type\":\"ECC\",\"nameAlg\":\"SHA256\","
                      "\"objectAttributes\":327922,\"authPolicy\":\"\",\"parameters\":{"
                      "\"symmetric\":{\"algorithm\":\"NULL\"},\"scheme\":{\"scheme\":\"ECDSA\","
                      "\"details\":{\"hashAlg\":\"SHA256\"}},\"curveID\":\"NIST_P256\",\"kdf\":{"
                      "\"scheme\":\"NULL\"}},\"unique\":{\"x\":\"%s\",\"y\":\"%s\"}},"
                      "\"components\":[%s]}",
                      m->x, m->y, clo_buffer_string(&m->json));
}

/* The report and one signature record with these data. */
static inline void sd_stream(const struct sd_scene *scene, const char *data, struct clo_buffer *out)
{
    struct clo_digest digest;
    char hex[65];

    clo_hash(CLO_HASH_SHA256, clo_bytes_text(scene->names_another_digest ? "other" : SD_RECORD),
             &digest);
    clo_hex_text(clo_bytes(digest.bytes, 32), hex);
    clo_buffer_printf(out,
                      "%s\x1e{\"mediaType\":\"application/vnd.io.systemd.report.signature\","
                      "\"mechanism\":\"%s\",\"sha256\":\"%s\",\"data\":%s}\n",
                      SD_RECORD, scene->mechanism != NULL ? scene->mechanism : "tpm2", hex, data);
}

static inline void sd_report_make(struct sd_maker *m, const struct sd_scene *scene,
                                  struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    if (scene->data == NULL)
        sd_data(m, scene, &data);
    sd_stream(scene, scene->data != NULL ? scene->data : clo_buffer_string(&data), out);
}

#endif
