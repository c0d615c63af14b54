/* A client of Trustee's: its requests, in its own form and hashed as it hashes. */
#ifndef CLOISTER_TEST_TRUSTEE_MAKER_H
#define CLOISTER_TEST_TRUSTEE_MAKER_H

#include "broker_maker.h"
#include "lib/base/jcs.h"

#define TRUSTEE_POLICY_SAMPLE                                                      \
    "{\"cloister_policy\":1,\"name\":\"tests\",\"tee\":[\"sample\"],\"roots\":[]," \
    "\"accept_weak\":\"a test of clients\"}"

/* Registers a resource that is for everybody under the policy. */
static inline void put_shared(const char *path, const char *secret, const char *policy)
{
    struct clo_error err;
    const struct clo_store_entry entry = { .path = path,
                                           .secret = clo_bytes_text(secret),
                                           .policy = clo_bytes_text(policy),
                                           .is_shared = true,
                                           .any_releases = true,
                                           .may_repeat_secret = true,
                                           .now = SNP_MAKER_NOW };

    must(clo_store_put(store, &entry, &err), &err);
}

static inline unsigned trustee_auth(struct client *client, const char *version, const char *tee)
{
    char body[256];

    snprintf(body, sizeof body,
             "{\"version\":\"%s\",\"tee\":\"%s\",\"extra-params\":{\"supported-hash-algorithms\":"
             "[\"sha256\",\"sha384\",\"sha512\",\"sm3\"]}}",
             version, tee);
    unsigned status = ask(client, "POST", "/kbs/v0/auth", body);
    memcpy(client->cookie, client->answer.cookie, sizeof client->cookie);
    snprintf(client->nonce, sizeof client->nonce, "%s", member(client, "nonce"));
    return status;
}

/* The key with the algorithm that clients name. */
static inline json_t *trustee_key(const struct clo_private_key *key, const char *algorithm)
{
    json_t *jwk = jwk_of(key);

    if (algorithm != NULL)
        json_object_set_new(jwk, "alg", json_string(algorithm));
    return jwk;
}

/* Of the composite evidence, by the hash; `additional` NULL: until 0.3.0. */
static inline void trustee_digest(const char *nonce, const json_t *key, const char *additional,
                                  enum clo_hash hash, struct clo_digest *out)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *runtime = additional == NULL
                              ? json_pack("{s:s,s:O}", "nonce", nonce, "tee-pubkey", key)
                              : json_pack("{s:s,s:s,s:O}", "nonce", nonce, "additional-evidence",
                                          additional, "tee-pubkey", key);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    must(clo_jcs_write(runtime, &text, &err), &err);
    clo_hash(hash, clo_buffer_bytes(&text), out);
}

/* Takes `primary` over. */
static inline unsigned trustee_attest(struct client *client, const json_t *key, json_t *primary,
                                      const char *additional, json_t *init_data)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    struct clo_error err;
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:o, s:{s:s, s:O}, s:{s:o, s:s}}", "init-data",
                             init_data == NULL ? json_null() : init_data, "runtime-data", "nonce",
                             client->nonce, "tee-pubkey", key, "tee-evidence", "primary_evidence",
                             primary, "additional_evidence", additional);

    must(clo_json_write(json, &body, &err), &err);
    return ask(client, "POST", "/kbs/v0/attest", clo_buffer_string(&body));
}

static inline json_t *trustee_sample(const struct clo_digest *digest)
{
    return json_pack("{s:s, s:o}", "svn", "1", "report_data",
                     clo_json_base64(clo_digest_bytes(digest)));
}

/* --- SEV-SNP, as the crate "sev" takes a report apart --- */

static inline json_t *byte_list(const uint8_t *bytes, size_t size)
{
    json_t *list = json_array();

    for (size_t i = 0; i < size; i++)
        json_array_append_new(list, json_integer(bytes[i]));
    return list;
}

static inline json_t *tcb_object(const uint8_t *tcb)
{
    return json_pack("{s:n, s:i, s:i, s:i, s:i}", "fmc", "bootloader", tcb[0], "tee", tcb[1], "snp",
                     tcb[6], "microcode", tcb[7]);
}

static inline json_int_t le(const uint8_t *bytes, size_t size)
{
    json_int_t value = 0;

    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static inline json_t *version_object(const uint8_t *bytes)
{
    return json_pack("{s:i, s:i, s:i}", "major", bytes[2], "minor", bytes[1], "build", bytes[0]);
}

/* Of a report of version 3 of a processor before Turin. */
static inline json_t *sev_report(const uint8_t *r)
{
    static const struct {
        const char *name;
        size_t at, size;
        char kind; /* n: a number, b: bytes, t: a TCB, v: a version */
    } fields[] = {
        { "version", 0, 4, 'n' },
        { "guest_svn", 4, 4, 'n' },
        { "policy", 8, 8, 'n' },
        { "family_id", 0x10, 16, 'b' },
        { "image_id", 0x20, 16, 'b' },
        { "vmpl", 0x30, 4, 'n' },
        { "sig_algo", 0x34, 4, 'n' },
        { "current_tcb", 0x38, 8, 't' },
        { "plat_info", 0x40, 8, 'n' },
        { "key_info", 0x48, 4, 'n' },
        { "report_data", 0x50, 64, 'b' },
        { "measurement", 0x90, 48, 'b' },
        { "host_data", 0xc0, 32, 'b' },
        { "id_key_digest", 0xe0, 48, 'b' },
        { "author_key_digest", 0x110, 48, 'b' },
        { "report_id", 0x140, 32, 'b' },
        { "report_id_ma", 0x160, 32, 'b' },
        { "reported_tcb", 0x180, 8, 't' },
        { "cpuid_fam_id", 0x188, 1, 'n' },
        { "cpuid_mod_id", 0x189, 1, 'n' },
        { "cpuid_step", 0x18a, 1, 'n' },
        { "chip_id", 0x1a0, 64, 'b' },
        { "committed_tcb", 0x1e0, 8, 't' },
        { "current", 0x1e8, 4, 'v' },
        { "committed", 0x1ec, 4, 'v' },
        { "launch_tcb", 0x1f0, 8, 't' },
    };
    json_t *json = json_object();

    for (size_t i = 0; i < CLO_COUNT(fields); i++) {
        const uint8_t *at = r + fields[i].at;
        json_object_set_new(json, fields[i].name,
                            fields[i].kind == 'n'   ? json_integer(le(at, fields[i].size))
                            : fields[i].kind == 'b' ? byte_list(at, fields[i].size)
                            : fields[i].kind == 't' ? tcb_object(at)
                                                    : version_object(at));
    }
    json_object_set_new(json, "launch_mit_vector", json_null());
    json_object_set_new(json, "current_mit_vector", json_null());
    json_object_set_new(
            json, "signature",
            json_pack("{s:o, s:o}", "r", byte_list(r + 0x2a0, 72), "s", byte_list(r + 0x2e8, 72)));
    return json;
}

/* The scene's platform signs a report over the digest; with its whole chain. */
static inline json_t *trustee_snp(const struct clo_digest *digest, struct clo_bytes host_data)
{
    static const char *const types[] = { "VCEK", "ASK", "ARK" };
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    json_t *chain = json_array();

    scene_reset(&scene);
    memcpy(scene.maker.report + 0x50, digest->bytes, clo_hash_size(digest->hash));
    if (host_data.size > 0)
        memcpy(scene.maker.report + 0xc0, host_data.data, host_data.size);
    snp_maker_make(&scene.maker, &certificates);
    for (size_t i = 0; i < certificates.count && i < CLO_COUNT(types); i++) {
        struct clo_bytes der = clo_certificate_der(certificates.items[i]);
        json_array_append_new(chain, json_pack("{s:s, s:o}", "cert_type", types[i], "data",
                                               byte_list(der.data, der.size)));
    }
    return json_pack("{s:o, s:o}", "attestation_report", sev_report(scene.maker.report),
                     "cert_chain", chain);
}

#endif
