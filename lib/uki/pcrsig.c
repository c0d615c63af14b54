/* PCR 11 as the stub and systemd-pcrphase extend it, and signed policies over it: what systemd-measure(1)
 * writes and systemd-cryptsetup reads (systemd, src/measure/measure-tool.c). The policy is TPM 2.0
 * Library, part 3, section 23.7 (TPM2_PolicyPCR). */
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/uki.h"
#include "lib/crypto/extend.h"
#include "lib/uki/pcrsig.h"

#define PCR           11
#define TPM_CC_POLICY 0x0000017fU /* TPM2_PolicyPCR */

void clo_uki_extend_section(struct clo_digest *pcr, const char *name,
                            const struct clo_digest *digest)
{
    struct clo_digest title;

    clo_hash(pcr->hash, clo_bytes(name, strlen(name) + 1), &title);
    crypto_extend(pcr, &title);
    crypto_extend(pcr, digest);
}

void clo_uki_extend_phases(struct clo_digest *pcr, const char *path)
{
    while (*path != '\0') {
        struct clo_digest word;
        size_t size = strcspn(path, ":");
        if (size > 0) {
            clo_hash(pcr->hash, clo_bytes(path, size), &word);
            crypto_extend(pcr, &word);
        }
        path += size + (path[size] == ':');
    }
}

void clo_pcr_policy(enum clo_hash bank, uint32_t pcrs, const struct clo_digest *values,
                    struct clo_pcr_policy *out)
{
    /* The session's digest before, the command, TPML_PCR_SELECTION with one bank. */
    uint8_t head[32 + 4 + 4 + 2 + 1 + CLO_POLICY_PCRS / 8] = { 0 };
    struct clo_bytes parts[CLO_POLICY_PCRS];
    uint16_t algorithm = clo_hash_to_tpm(bank);
    struct clo_digest digest;
    size_t count = 0;

    head[34] = (TPM_CC_POLICY >> 8) & 0xff;
    head[35] = TPM_CC_POLICY & 0xff;
    head[39] = 1;
    head[40] = (uint8_t)(algorithm >> 8);
    head[41] = (uint8_t)(algorithm & 0xff);
    head[42] = CLO_POLICY_PCRS / 8;
    for (unsigned pcr = 0; pcr < CLO_POLICY_PCRS; pcr++) {
        if ((pcrs >> pcr & 1) == 0)
            continue;
        head[43 + pcr / 8] |= (uint8_t)(1U << (pcr % 8));
        parts[count] = clo_digest_bytes(&values[count]);
        count++;
    }
    clo_hash_many(CLO_HASH_SHA256, parts, count, &digest);
    const struct clo_bytes both[] = { clo_bytes(head, sizeof head), clo_digest_bytes(&digest) };
    *out = (struct clo_pcr_policy){ .bank = bank, .pcrs = pcrs };
    clo_hash_many(CLO_HASH_SHA256, both, CLO_COUNT(both), &out->digest);
}

void clo_uki_policy(const struct clo_digest *pcr, struct clo_pcr_policy *out)
{
    clo_pcr_policy(pcr->hash, 1U << PCR, pcr, out);
}

/* --- .pcrsig --- */

static json_t *array_of(json_t *pcrsig, const char *bank)
{
    json_t *array = json_object_get(pcrsig, bank);

    if (array == NULL && json_object_set_new(pcrsig, bank, json_array()) == 0)
        array = json_object_get(pcrsig, bank);
    return json_is_array(array) ? array : NULL;
}

/* Takes `entry` over. */
static bool add_entry(json_t *array, json_t *entry, struct clo_error *err)
{
    size_t i;
    json_t *other;

    if (array == NULL || entry == NULL) {
        json_decref(entry);
        return clo_fail(err, CLO_ERR_SYSTEM, "PCR signatures: out of memory");
    }
    json_array_foreach (array, i, other) {
        if (!json_equal(other, entry))
            continue;
        json_decref(entry);
        return true;
    }
    return json_array_append_new(array, entry) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "PCR signatures: out of memory");
}

static json_t *numbers(uint32_t pcrs)
{
    json_t *array = json_array();

    for (unsigned pcr = 0; pcr < CLO_POLICY_PCRS; pcr++)
        if ((pcrs >> pcr & 1) != 0 && json_array_append_new(array, json_integer(pcr)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

bool clo_pcrsig_add_for(json_t *pcrsig, const struct clo_pcr_policy *policy,
                        const struct clo_public_key *key, struct clo_bytes signature,
                        const char *ref, struct clo_error *err)
{
    struct clo_digest fingerprint;

    if (key != NULL)
        clo_public_key_inner_fingerprint(key, &fingerprint);
    json_t *entry = json_pack("{s:o}", "pcrs", numbers(policy->pcrs));
    bool ok = entry != NULL &&
              (key == NULL ||
               json_object_set_new(entry, "pkfp", clo_json_hex(clo_digest_bytes(&fingerprint))) ==
                       0) &&
              json_object_set_new(entry, "pol", clo_json_hex(clo_digest_bytes(&policy->digest))) ==
                      0 &&
              (ref == NULL || json_object_set_new(entry, "ref", json_string(ref)) == 0) &&
              (signature.size == 0 ||
               json_object_set_new(entry, "sig", clo_json_base64(signature)) == 0);
    if (!ok) {
        json_decref(entry);
        return clo_fail(err, CLO_ERR_SYSTEM, "PCR signatures: out of memory");
    }
    return add_entry(array_of(pcrsig, clo_hash_name(policy->bank)), entry, err);
}

bool clo_pcrsig_add(json_t *pcrsig, const struct clo_pcr_policy *policy,
                    const struct clo_public_key *key, struct clo_bytes signature,
                    struct clo_error *err)
{
    return clo_pcrsig_add_for(pcrsig, policy, key, signature, NULL, err);
}

/* TPM2_PolicyAuthorize hashes the policy and the reference (part 3, section 23.16), which systemd makes of a text by its hash. */
static struct clo_bytes to_be_signed(const struct clo_pcr_policy *policy, const char *ref,
                                     uint8_t out[64])
{
    struct clo_digest hashed;

    memcpy(out, policy->digest.bytes, 32);
    if (ref == NULL)
        return clo_bytes(out, 32);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(ref), &hashed);
    memcpy(out + 32, hashed.bytes, 32);
    return clo_bytes(out, 64);
}

bool clo_pcrsig_sign(json_t *pcrsig, const struct clo_pcr_policy *policy,
                     const struct clo_private_key *key, struct clo_error *err)
{
    return clo_pcrsig_sign_for(pcrsig, policy, key, NULL, err);
}

bool clo_pcrsig_sign_for(json_t *pcrsig, const struct clo_pcr_policy *policy,
                         const struct clo_private_key *key, const char *ref, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    uint8_t bytes[64];

    if (clo_private_key_kind(key) != CLO_KEY_RSA)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "PCR signatures: the key is not RSA, which is what systemd verifies");
    return clo_private_key_public(key, &public_key, err) &&
           clo_signature_make(key, CLO_RSASSA_PKCS1, CLO_HASH_SHA256,
                              to_be_signed(policy, ref, bytes), &signature, err) &&
           clo_pcrsig_add_for(pcrsig, policy, public_key, clo_buffer_bytes(&signature), ref, err);
}

/* {BANK: [{…}]}, the entries objects with a policy. */
static bool check(const json_t *pcrsig, struct clo_error *err)
{
    const char *bank;
    const json_t *array;
    const json_t *entry;
    size_t i;

    if (!json_is_object(pcrsig))
        return clo_fail(err, CLO_ERR_FORMAT, "PCR signatures: not a JSON object");
    json_object_foreach ((json_t *)(uintptr_t)pcrsig, bank, array) {
        if (clo_hash_from_name(bank) == CLO_HASH_NONE)
            return clo_fail(err, CLO_ERR_FORMAT, "PCR signatures: no such bank: %.20s", bank);
        if (!json_is_array(array))
            return clo_fail(err, CLO_ERR_FORMAT, "PCR signatures: %s: no array", bank);
        json_array_foreach (array, i, entry)
            if (!json_is_string(json_object_get(entry, "pol")))
                return clo_fail(err, CLO_ERR_FORMAT, "PCR signatures: %s, entry %zu: no \"pol\"",
                                bank, i);
    }
    return true;
}

bool clo_pcrsig_merge(json_t *pcrsig, const json_t *more, struct clo_error *err)
{
    const char *bank;
    json_t *array;
    json_t *entry;
    size_t i;

    if (!check(more, err))
        return false;
    json_object_foreach ((json_t *)(uintptr_t)more, bank, array) {
        json_array_foreach (array, i, entry) {
            if (!add_entry(array_of(pcrsig, bank), json_deep_copy(entry), err))
                return false;
        }
    }
    return true;
}

static uint32_t registers(const json_t *entry)
{
    const json_t *number;
    uint32_t pcrs = 0;
    size_t i;

    json_array_foreach (json_object_get(entry, "pcrs"), i, number) {
        if (!json_is_integer(number) || json_integer_value(number) < 0 ||
            json_integer_value(number) >= CLO_POLICY_PCRS)
            return 0;
        pcrs |= 1U << json_integer_value(number);
    }
    return pcrs;
}

static bool member_is(const json_t *entry, const char *name, const struct clo_digest *digest)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    struct clo_error ignored;

    return clo_json_get_bytes(entry, name, CLO_JSON_HEX, 64, &value, &ignored) &&
           clo_bytes_equal(clo_buffer_bytes(&value), clo_digest_bytes(digest));
}

static bool ref_is(const json_t *entry, const char *ref)
{
    const json_t *value = json_object_get(entry, "ref");

    return ref == NULL ? value == NULL
                       : json_is_string(value) && strcmp(json_string_value(value), ref) == 0;
}

/* What systemd goes by when it looks for the entry of a state: registers, key, policy, and from 262 on
 * the reference (a policy for one use only; NULL asks for none). It takes the first that fits. */
static bool fits(const json_t *entry, const struct clo_pcr_policy *policy,
                 const struct clo_digest *fingerprint, const char *ref)
{
    return registers(entry) == policy->pcrs && member_is(entry, "pkfp", fingerprint) &&
           member_is(entry, "pol", &policy->digest) && ref_is(entry, ref);
}

bool clo_pcrsig_find(const json_t *pcrsig, const struct clo_pcr_policy *policy,
                     const struct clo_digest *fingerprint, const char *ref,
                     struct clo_buffer *signature, struct clo_error *err)
{
    const char *bank = clo_hash_name(policy->bank);
    const json_t *entry;
    size_t i;

    if (!check(pcrsig, err))
        return false;
    json_array_foreach (json_object_get(pcrsig, bank), i, entry) {
        if (fits(entry, policy, fingerprint, ref))
            return clo_json_get_bytes(entry, "sig", CLO_JSON_BASE64, 4096, signature, err) ||
                   clo_wrap(err, "PCR signatures: %s, entry %zu", bank, i);
    }
    return clo_fail(err, CLO_ERR_REFUSED, "no signature for the present state (%s)", bank);
}

static bool signature_holds(const json_t *entry, const struct clo_pcr_policy *policy,
                            const struct clo_public_key *key)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_error ignored;

    return clo_json_get_bytes(entry, "sig", CLO_JSON_BASE64, 4096, &signature, &ignored) &&
           clo_signature_verify(key, CLO_RSASSA_PKCS1, CLO_HASH_SHA256,
                                clo_digest_bytes(&policy->digest), clo_buffer_bytes(&signature),
                                &ignored);
}

bool clo_pcrsig_verify(const json_t *pcrsig, const struct clo_pcr_policy *policy,
                       const struct clo_public_key *key, struct clo_error *err)
{
    const char *bank = clo_hash_name(policy->bank);
    struct clo_digest fingerprint;
    bool is_unnamed = false;
    const json_t *entry;
    size_t i;

    if (!check(pcrsig, err))
        return false;
    clo_public_key_inner_fingerprint(key, &fingerprint);
    json_array_foreach (json_object_get(pcrsig, bank), i, entry) {
        bool holds = signature_holds(entry, policy, key);
        if (fits(entry, policy, &fingerprint, NULL))
            return holds || clo_fail(err, CLO_ERR_UNVERIFIED,
                                     "the signature over this policy (%s, entry %zu) does not hold",
                                     bank, i);
        is_unnamed = is_unnamed || (holds && json_object_get(entry, "ref") == NULL);
    }
    if (is_unnamed)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "a signature over this policy (%s) holds, but its pkfp or pcrs name "
                        "another key or other registers: systemd does not find it",
                        bank);
    return clo_fail(err, CLO_ERR_REFUSED, "no signature over this policy (%s) holds", bank);
}
