/* A whole bundle of a pretend platform, made on the spot without a TPM, with switches for everything
 * that can be wrong with it. */
#ifndef CLOISTER_TEST_SCENE_H
#define CLOISTER_TEST_SCENE_H

#include "cloister/appraise.h"
#include "cloister/hcl.h"
#include "cloister/jose.h"
#include "eventlog_maker.h"
#include "lib/cloud/hcl_write.h"
#include "snp_chain.h"

#define NONCE "bm9uY2Utb2Ytb3Vycw=="

/* What one bundle is made of; a case changes some of it before it is made. */
struct scene {
    struct snp_maker maker;
    struct clo_private_key *ak, *other_ak, *transport;
    /* Set again for each case. */
    const char *nonce;
    const char *cmdline;        /* an event of PCR 11 */
    const char *injected;       /* an event of PCR 12; NULL: none */
    const char *policy;         /* NULL: the usual one */
    const char *bad_member;     /* a label whose bytes are nonsense */
    const char *left_out;       /* a label that the bundle lacks */
    const char *resource;       /* what the runtime data ask for; NULL: nothing */
    const char *vm;             /* vmUniqueId in the claims; NULL: none */
    struct clo_bytes init_data; /* what PCR 8 was extended by; data NULL: nothing */
    uint32_t resets;            /* of the vTPM, before this boot */
    uint32_t quoted;            /* PCRs */
    uint32_t disturbed;         /* PCRs that something more was measured into */
    bool no_policy, no_reference, no_nonce, strict;
    bool sign_with_other_ak;       /* the quote */
    bool gives_ak, gives_other_ak; /* the caller vouches for a key as well */
    bool claims_name_other_ak;     /* after the report was signed over the others */
    bool foreign_runtime_data;     /* not what was quoted */
    bool wrong_pcr_value;          /* in tpm-pcrs */
    bool log_leaves_out_an_event;
    bool log_of_ima; /* PCR 10 differs from its log */
    bool root_is_not_given;
    struct clo_expectation expectation;
};

static inline void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static inline void append_text_hash(struct clo_pcr_bank *bank, unsigned pcr, const char *text)
{
    if (text != NULL)
        clo_pcr_measure(bank, pcr, clo_bytes_text(text));
}

/* --- The event log --- */

static inline void log_text(struct clo_buffer *log, unsigned pcr, const char *text)
{
    if (text != NULL)
        log_event(log, pcr, CLO_EV_IPL, clo_bytes_text(text));
}

static inline void measure(const struct scene *scene, struct clo_pcr_bank *bank,
                           struct clo_buffer *log)
{
    clo_pcr_reset(bank, CLO_HASH_SHA256);
    append_text_hash(bank, 0, "firmware");
    append_text_hash(bank, 4, "program");
    append_text_hash(bank, 11, scene->cmdline);
    append_text_hash(bank, 12, scene->injected);
    if (scene->init_data.data != NULL) {
        struct clo_digest digest = { .hash = CLO_HASH_SHA256 };
        memcpy(digest.bytes, scene->init_data.data, 32);
        clo_pcr_extend(bank, 8, &digest);
    }
    log_header_sha256(log);
    log_text(log, 0, "firmware");
    log_text(log, 4, scene->log_leaves_out_an_event ? NULL : "program");
    log_text(log, 11, scene->cmdline);
    log_text(log, 12, scene->injected);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        if ((scene->disturbed >> pcr & 1) == 0)
            continue;
        append_text_hash(bank, pcr, "something more");
        log_text(log, pcr, "something more");
    }
    if (scene->log_of_ima)
        append_text_hash(bank, 10, "what IMA saw");
}

/* --- The pieces --- */

static inline void write_pcrs(const struct scene *scene, const struct clo_pcr_bank *bank,
                              struct clo_buffer *out)
{
    char hex[2 * 32 + 1];

    clo_buffer_text(out, "{\"sha256\":{");
    for (unsigned i = 0; i < CLO_PCR_COUNT; i++) {
        if ((scene->quoted >> i & 1) == 0)
            continue;
        struct clo_digest value = bank->values[i];
        if (scene->wrong_pcr_value && i == 0)
            value.bytes[0] ^= 1;
        clo_buffer_printf(out, "%s\"%u\":\"%s\"", out->data[out->size - 1] == '{' ? "" : ",", i,
                          clo_hex_text(clo_digest_bytes(&value), hex));
    }
    clo_buffer_text(out, "}}");
}

/* TPMS_ATTEST of a quote, TPM 2.0 Library part 2, section 10.12. */
static inline void write_quote(const struct scene *scene, const struct clo_pcr_bank *bank,
                               struct clo_bytes runtime_data, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(CLO_HASH_SHA256);
    struct clo_digest qualifying;
    struct clo_digest pcrs;

    clo_hash(CLO_HASH_SHA256, runtime_data, &qualifying);
    for (unsigned i = 0; i < CLO_PCR_COUNT; i++)
        if ((scene->quoted >> i & 1) != 0)
            clo_hasher_add(hasher, clo_digest_bytes(&bank->values[i]));
    clo_hasher_get(hasher, &pcrs);
    clo_buffer_be32(out, 0xff544347);
    clo_buffer_be16(out, 0x8018);
    clo_buffer_be16(out, 0);
    clo_buffer_be16(out, 32);
    clo_buffer_append(out, clo_digest_bytes(&qualifying));
    clo_buffer_be64(out, 1000);
    clo_buffer_be32(out, 1 + scene->resets);
    clo_buffer_be32(out, 0);
    clo_buffer_u8(out, 1);
    clo_buffer_be64(out, 1);
    clo_buffer_be32(out, 1);
    clo_buffer_be16(out, clo_hash_to_tpm(CLO_HASH_SHA256));
    clo_buffer_u8(out, 3);
    for (unsigned i = 0; i < 3; i++)
        clo_buffer_u8(out, (uint8_t)(scene->quoted >> (8 * i)));
    clo_buffer_be16(out, 32);
    clo_buffer_append(out, clo_digest_bytes(&pcrs));
}

static inline json_t *jwk_of(const struct clo_private_key *key)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = snp_maker_public(key);
    struct clo_error err;
    json_t *jwk;

    must(clo_jwk_from_public_key(public_key, &jwk, &err), &err);
    return jwk;
}

static inline void write_claims(const struct scene *scene, const struct clo_private_key *ak,
                                struct clo_buffer *out)
{
    json_t *jwk = jwk_of(ak);
    struct clo_error err;

    json_object_set_new(jwk, "kid", json_string("HCLAkPub"));
    CLO_CLEANUP(clo_json_freep)
    json_t *claims = json_pack("{s:[o],s:s}", "keys", jwk, "user-data", "00");
    if (scene->vm != NULL)
        json_object_set_new(claims, "vm-configuration",
                            json_pack("{s:s}", "vmUniqueId", scene->vm));
    must(clo_json_write(claims, out, &err), &err);
}

static inline void write_runtime_data(const struct scene *scene, const char *nonce,
                                      struct clo_buffer *out)
{
    struct clo_error err;
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s,s:o,s:s*}", "nonce", nonce, "tee-pubkey",
                             jwk_of(scene->transport), "resource", scene->resource);

    must(clo_json_write(json, out, &err), &err);
}

static inline void add(const struct scene *scene, struct clo_evidence *evidence, const char *label,
                       struct clo_bytes bytes)
{
    struct clo_error err;

    if (scene->left_out != NULL && strcmp(scene->left_out, label) == 0)
        return;
    if (scene->bad_member != NULL && strcmp(scene->bad_member, label) == 0)
        bytes = clo_bytes_text("nonsense");
    must(clo_evidence_add(evidence, label, bytes, &err), &err);
}

static inline void make_evidence(struct scene *scene, struct clo_evidence *evidence,
                                 struct clo_snp_certificates *certificates)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer claims = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hcl = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pcrs = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bare = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime = { 0 };
    struct clo_pcr_bank bank;
    struct clo_digest digest;
    struct clo_error err;

    measure(scene, &bank, &log);
    write_runtime_data(scene, scene->nonce, &runtime);
    write_claims(scene, scene->ak, &claims);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&claims), &digest);
    memcpy(scene->maker.report + 0x50, digest.bytes, 32);
    snp_maker_make(&scene->maker, certificates);
    if (scene->claims_name_other_ak) {
        claims.size = 0;
        write_claims(scene, scene->other_ak, &claims);
    }
    must(clo_hcl_write(CLO_HCL_SNP, clo_bytes(scene->maker.report, sizeof scene->maker.report),
                       clo_buffer_bytes(&claims), &hcl, &err),
         &err);
    for (size_t i = 0; i < 2; i++)
        must(clo_pem_write("CERTIFICATE", clo_certificate_der(certificates->items[i]), &pem, &err),
             &err);
    write_quote(scene, &bank, clo_buffer_bytes(&runtime), &quote);
    must(clo_signature_make(scene->sign_with_other_ak ? scene->other_ak : scene->ak,
                            CLO_RSASSA_PKCS1, CLO_HASH_SHA256, clo_buffer_bytes(&quote), &bare,
                            &err),
         &err);
    clo_buffer_be16(&signature, 0x0014);
    clo_buffer_be16(&signature, 0x000b);
    clo_buffer_be16(&signature, (uint16_t)bare.size);
    clo_buffer_append(&signature, clo_buffer_bytes(&bare));
    write_pcrs(scene, &bank, &pcrs);
    if (scene->foreign_runtime_data) {
        runtime.size = 0;
        write_runtime_data(scene, NONCE "AAAA", &runtime);
    }
    add(scene, evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(&runtime));
    add(scene, evidence, CLO_EVIDENCE_HCL_REPORT, clo_buffer_bytes(&hcl));
    add(scene, evidence, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&pem));
    add(scene, evidence, CLO_EVIDENCE_TPM_QUOTE, clo_buffer_bytes(&quote));
    add(scene, evidence, CLO_EVIDENCE_TPM_SIGNATURE, clo_buffer_bytes(&signature));
    add(scene, evidence, CLO_EVIDENCE_TPM_PCRS, clo_buffer_bytes(&pcrs));
    add(scene, evidence, CLO_EVIDENCE_EVENTLOG, clo_buffer_bytes(&log));
}

/* What the owner expects: the scene with nothing changed. */
static inline struct clo_reference *make_reference(void)
{
    static const unsigned pcrs[] = { 0, 4, 11, 12 };
    struct scene usual = { .cmdline = "console=ttyS0" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_reference *reference;
    struct clo_pcr_bank bank;
    struct clo_digest digest;
    struct clo_error err;
    char hex[2 * 32 + 1];

    measure(&usual, &bank, &log);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(usual.cmdline), &digest);
    clo_buffer_printf(&text,
                      "{\"cloister_reference\":1,\"name\":\"demo\",\"origin\":\"prediction\","
                      "\"events\":{\"11\":[{\"type\":\"EV_IPL\",\"name\":\".cmdline\","
                      "\"text\":\"console=ttyS0\",\"digests\":{\"sha256\":\"%s\"}}],\"12\":[]},"
                      "\"pcrs\":{\"sha256\":{",
                      clo_hex_text(clo_digest_bytes(&digest), hex));
    for (size_t i = 0; i < CLO_COUNT(pcrs); i++)
        clo_buffer_printf(&text, "%s\"%u\":\"%s\"", i == 0 ? "" : ",", pcrs[i],
                          clo_hex_text(clo_digest_bytes(&bank.values[pcrs[i]]), hex));
    clo_buffer_text(&text, "}}}");
    must(clo_reference_parse(clo_buffer_bytes(&text), &reference, &err), &err);
    return reference;
}

/* --- Its life --- */

static inline void scene_init(struct scene *scene)
{
    struct clo_error err;

    snp_maker_init(&scene->maker);
    must(clo_private_key_new(CLO_KEY_RSA, 2048, &scene->ak, &err), &err);
    must(clo_private_key_new(CLO_KEY_RSA, 2048, &scene->other_ak, &err), &err);
    must(clo_private_key_new(CLO_KEY_P256, 0, &scene->transport, &err), &err);
}

static inline void scene_free(struct scene *scene)
{
    snp_maker_free(&scene->maker);
    clo_private_key_free(scene->ak);
    clo_private_key_free(scene->other_ak);
    clo_private_key_free(scene->transport);
}

/* Back to the one that is accepted. */
static inline void scene_reset(struct scene *scene)
{
    struct scene fresh = {
        .maker = scene->maker,
        .ak = scene->ak,
        .other_ak = scene->other_ak,
        .transport = scene->transport,
        .nonce = NONCE,
        .cmdline = "console=ttyS0",
        .quoted = 0xffff,
    };

    *scene = fresh;
    snp_maker_reset(&scene->maker);
}

#endif
