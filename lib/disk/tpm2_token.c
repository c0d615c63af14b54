#include "lib/disk/tpm2_token.h"

#include <stdio.h>
#include <string.h>

#include "lib/disk/luks2.h"

#define BLOB_LIMIT  4096
#define POLICY_SIZE 32 /* SHA-256, whatever the bank is */
#define NV_LIMIT    1024
#define PEM_LIMIT   4096
#define SALT_LIMIT  64
#define SRK_LIMIT   1024
#define ARGON2_BYTES_MAX \
    ((uint64_t)1 << 30) /* more than this, and a header costs its guest the boot */
#define ARGON2_TIME_MAX  1000
#define ARGON2_LANES_MAX 1024
#define KEY_RESOURCE     1 /* ESYS: a key, not an NV index */

/* --- Reading --- */

static bool take_bytes(const json_t *token, const char *key, size_t limit, struct clo_buffer *out,
                       struct clo_error *err)
{
    return json_object_get(token, key) == NULL ||
           clo_json_get_bytes(token, key, CLO_JSON_BASE64, limit, out, err);
}

/* A list of registers; none where the member is absent. */
static bool read_pcrs(const json_t *token, const char *key, uint32_t *out, struct clo_error *err)
{
    const json_t *entry;
    uint32_t pcrs = 0;
    json_t *list;
    size_t i;

    if (!clo_json_get_array(token, key, &list, err))
        return false;
    json_array_foreach (list, i, entry) {
        json_int_t number = json_integer_value(entry);
        if (!json_is_integer(entry) || number < 0 || number >= CLO_TPM2_PCRS)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: entry %zu is not a PCR's number", key, i);
        if ((pcrs >> number & 1) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: PCR %d is named twice", key, (int)number);
        pcrs |= UINT32_C(1) << number;
    }
    *out = pcrs;
    return true;
}

/* One text, or a list of one or two of them: since systemd 258, one for each shard. */
static bool read_shards(const json_t *token, const char *key, enum clo_json_encoding encoding,
                        size_t limit, struct clo_buffer out[CLO_TPM2_SHARDS], size_t *count,
                        struct clo_error *err)
{
    const json_t *value = json_object_get(token, key);
    size_t shards = json_is_array(value) ? json_array_size(value) : 1;

    if (shards == 0 || shards > CLO_TPM2_SHARDS)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %zu shards", key, shards);
    for (size_t i = 0; i < shards; i++) {
        json_t *text =
                json_is_array(value) ? json_array_get(value, i) : json_object_get(token, key);
        CLO_CLEANUP(clo_json_freep) json_t *one = json_pack("{s:O*}", key, text);
        if (one == NULL)
            return clo_out_of_memory(err);
        if (!clo_json_get_bytes(one, key, encoding, limit, &out[i], err))
            return false;
    }
    *count = shards;
    return true;
}

static bool read_blobs(const json_t *json, struct clo_tpm2_token *token, struct clo_error *err)
{
    struct clo_tpm2_blob blob;
    size_t policies;

    if (!read_shards(json, "tpm2-blob", CLO_JSON_BASE64, BLOB_LIMIT, token->blobs, &token->shards,
                     err) ||
        !read_shards(json, "tpm2-policy-hash", CLO_JSON_HEX, CLO_HASH_SIZE_MAX, token->policies,
                     &policies, err))
        return false;
    if (policies != token->shards)
        return clo_fail(err, CLO_ERR_FORMAT, "tpm2-policy-hash: %zu of them for %zu shards",
                        policies, token->shards);
    for (size_t i = 0; i < token->shards; i++) {
        if (token->policies[i].size != POLICY_SIZE)
            return clo_fail(err, CLO_ERR_FORMAT, "tpm2-policy-hash: %zu bytes",
                            token->policies[i].size);
        if (!clo_tpm2_blob_parse(clo_buffer_bytes(&token->blobs[i]), &blob, err))
            return clo_wrap(err, "tpm2-blob");
    }
    return true;
}

/* Exactly one: systemd passes over tokens of several, or none. */
static bool read_keyslot(const json_t *json, unsigned *out, struct clo_error *err)
{
    json_t *slots;

    if (!clo_json_get_array(json, "keyslots", &slots, err))
        return false;
    const char *name = json_string_value(json_array_get(slots, 0));
    if (json_array_size(slots) != 1 || name == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "keyslots: not exactly one");
    for (unsigned i = 0; i < CLO_LUKS2_KEYSLOTS_MAX; i++) {
        char number[12];
        snprintf(number, sizeof number, "%u", i);
        if (strcmp(name, number) == 0) {
            *out = i;
            return true;
        }
    }
    return clo_fail(err, CLO_ERR_FORMAT, "keyslots: \"%.20s\" is not a slot's number", name);
}

static bool read_names(const json_t *json, struct clo_tpm2_token *token, struct clo_error *err)
{
    const char *bank, *primary, *ref;

    if (!clo_json_get_string_optional(json, "tpm2-pcr-bank", &bank, err) ||
        !clo_json_get_string_optional(json, "tpm2-primary-alg", &primary, err) ||
        !clo_json_get_string_optional(json, "tpm2_pubkey_ref", &ref, err))
        return false;
    token->bank = bank == NULL ? CLO_HASH_NONE : clo_hash_from_name(bank);
    if (bank != NULL && token->bank == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "tpm2-pcr-bank \"%.20s\"", bank);
    if (primary != NULL && strcmp(primary, "ecc") != 0 && strcmp(primary, "rsa") != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "tpm2-primary-alg \"%.20s\"", primary);
    if (primary != NULL)
        token->primary = primary[0] == 'e' ? CLO_TPM2_PRIMARY_ECC : CLO_TPM2_PRIMARY_RSA;
    token->has_ref = ref != NULL;
    if (ref != NULL && strlen(ref) > CLO_TPM2_REF_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "tpm2_pubkey_ref: longer than %d", CLO_TPM2_REF_MAX);
    snprintf(token->ref, sizeof token->ref, "%s", ref == NULL ? "" : ref);
    return true;
}

static bool read_signed_policy(const json_t *json, struct clo_tpm2_token *token,
                               struct clo_error *err)
{
    if ((json_object_get(json, "tpm2_pubkey_pcrs") != NULL &&
         !read_pcrs(json, "tpm2_pubkey_pcrs", &token->signed_pcrs, err)) ||
        !take_bytes(json, "tpm2_pubkey", PEM_LIMIT, &token->public_key, err))
        return false;
    if ((token->signed_pcrs != 0 || token->has_ref) && token->public_key.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "tpm2_pubkey: absent, but %s is there",
                        token->has_ref ? "tpm2_pubkey_ref" : "tpm2_pubkey_pcrs");
    return true;
}

static bool read_argon2(const json_t *json, struct clo_tpm2_token *token, struct clo_error *err)
{
    static const struct {
        const char *key;
        uint64_t most;
    } members[] = { { "tpm2_argon2id_memcost", ARGON2_BYTES_MAX },
                    { "tpm2_argon2id_iterations", ARGON2_TIME_MAX },
                    { "tpm2_argon2id_lanes", ARGON2_LANES_MAX } };
    uint64_t values[CLO_COUNT(members)] = { 0 };
    size_t found = 0;

    for (size_t i = 0; i < CLO_COUNT(members); i++) {
        if (json_object_get(json, members[i].key) == NULL)
            continue;
        if (!clo_json_get_u64(json, members[i].key, &values[i], err))
            return false;
        if (values[i] == 0 || values[i] > members[i].most)
            return clo_fail(err, CLO_ERR_REFUSED, "%s %llu: only 1 to %llu is allowed",
                            members[i].key, (unsigned long long)values[i],
                            (unsigned long long)members[i].most);
        found++;
    }
    if (found != 0 && found != CLO_COUNT(members))
        return clo_fail(err, CLO_ERR_FORMAT, "Argon2id: %zu of its three members", found);
    if (found != 0 && token->salt.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "Argon2id: there is no tpm2_salt");
    token->argon2_memory = values[0];
    token->argon2_iterations = (uint32_t)values[1];
    token->argon2_lanes = (uint32_t)values[2];
    return true;
}

/* Two shards are for a signed policy and an NV policy, which no single object can have both. */
static bool check_shards(const struct clo_tpm2_token *token, struct clo_error *err)
{
    size_t expected = token->public_key.size != 0 && token->has_pcrlock ? 2 : 1;

    return token->shards == expected ||
           clo_fail(err, CLO_ERR_FORMAT, "tpm2-blob: %zu shards, its policies need %zu",
                    token->shards, expected);
}

static bool read_own(const json_t *json, struct clo_tpm2_token *token, struct clo_error *err)
{
    const char *share, *key;

    if (!clo_json_get_string_optional(json, "share", &share, err) ||
        !clo_json_get_string_optional(json, "key", &key, err))
        return false;
    token->is_share = share != NULL;
    token->is_volume_key = key != NULL;
    if (share != NULL && (!token->is_own || strcmp(share, "broker") != 0))
        return clo_fail(err, CLO_ERR_FORMAT, "share \"%.20s\"", share);
    if (key != NULL && (!token->is_own || token->is_share || strcmp(key, "volume") != 0))
        return clo_fail(err, CLO_ERR_FORMAT, "key \"%.20s\"", key);
    if (json_object_get(json, "floor") == NULL)
        return true;
    return clo_json_get_u64(json, "floor", &token->floor, err) &&
           ((token->is_own && token->floor != 0) || clo_fail(err, CLO_ERR_FORMAT, "floor"));
}

static bool read_token(const json_t *json, struct clo_tpm2_token *token, struct clo_error *err)
{
    static const char *const members[] = { "type",
                                           "keyslots",
                                           "tpm2-blob",
                                           "tpm2-pcrs",
                                           "tpm2-pcr-bank",
                                           "tpm2-primary-alg",
                                           "tpm2-policy-hash",
                                           "tpm2-pin",
                                           "tpm2_pcrlock",
                                           "tpm2_pcrlock_nv",
                                           "tpm2_pubkey_pcrs",
                                           "tpm2_pubkey",
                                           "tpm2_pubkey_ref",
                                           "tpm2_salt",
                                           "tpm2_srk",
                                           "tpm2_argon2id_memcost",
                                           "tpm2_argon2id_iterations",
                                           "tpm2_argon2id_lanes",
                                           "share",
                                           "key",
                                           "floor",
                                           NULL };
    struct clo_tpm2_srk srk;
    const char *type;

    if (!clo_json_get_string(json, "type", &type, err))
        return false;
    token->is_own = strcmp(type, CLO_TPM2_TOKEN_OWN) == 0;
    if (!token->is_own && strcmp(type, CLO_TPM2_TOKEN_SYSTEMD) != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "type \"%.40s\"", type);
    if (!clo_json_only(json, members, err)) {
        err->status = CLO_ERR_UNSUPPORTED;
        return false;
    }
    if (!read_keyslot(json, &token->keyslot, err) ||
        !read_pcrs(json, "tpm2-pcrs", &token->pcrs, err) || !read_names(json, token, err) ||
        !read_blobs(json, token, err) || !read_own(json, token, err) ||
        !clo_json_get_bool_optional(json, "tpm2-pin", false, &token->has_pin, err) ||
        !clo_json_get_bool_optional(json, "tpm2_pcrlock", false, &token->has_pcrlock, err) ||
        !take_bytes(json, "tpm2_pcrlock_nv", NV_LIMIT, &token->pcrlock_nv, err) ||
        !take_bytes(json, "tpm2_salt", SALT_LIMIT, &token->salt, err) ||
        !take_bytes(json, "tpm2_srk", SRK_LIMIT, &token->srk, err))
        return false;
    if (token->srk.size != 0 && !clo_tpm2_srk_parse(clo_buffer_bytes(&token->srk), &srk, err))
        return clo_wrap(err, "tpm2_srk");
    return read_signed_policy(json, token, err) && read_argon2(json, token, err) &&
           check_shards(token, err);
}

bool clo_tpm2_token_is(const json_t *token)
{
    const char *type = json_string_value(json_object_get(token, "type"));

    return type != NULL &&
           (strcmp(type, CLO_TPM2_TOKEN_SYSTEMD) == 0 || strcmp(type, CLO_TPM2_TOKEN_OWN) == 0);
}

bool clo_tpm2_token_parse(const json_t *json, struct clo_tpm2_token *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };

    if (!read_token(json, &token, err))
        return false;
    *out = token;
    token = (struct clo_tpm2_token){ 0 };
    return true;
}

void clo_tpm2_token_free(struct clo_tpm2_token *token)
{
    for (size_t i = 0; i < CLO_TPM2_SHARDS; i++) {
        clo_buffer_free(&token->blobs[i]);
        clo_buffer_free(&token->policies[i]);
    }
    clo_buffer_free(&token->pcrlock_nv);
    clo_buffer_free(&token->public_key);
    clo_buffer_free(&token->salt);
    clo_buffer_free(&token->srk);
    *token = (struct clo_tpm2_token){ 0 };
}

/* --- Writing --- */

static json_t *pcr_list(uint32_t pcrs)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < CLO_TPM2_PCRS; i++)
        if ((pcrs >> i & 1) != 0)
            json_array_append_new(list, json_integer(i));
    return list;
}

/* One shard as a text, as all versions read it; two as a list. */
static json_t *shard_list(const struct clo_buffer *shards, size_t count,
                          json_t *(*write)(struct clo_bytes))
{
    if (count == 1)
        return write(clo_buffer_bytes(&shards[0]));
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, write(clo_buffer_bytes(&shards[i])));
    return list;
}

static void set_bytes(struct clo_json_object *object, const char *key,
                      const struct clo_buffer *bytes)
{
    if (bytes->size != 0)
        clo_json_set(object, key, clo_json_base64(clo_buffer_bytes(bytes)));
}

static void set_policies(struct clo_json_object *object, const struct clo_tpm2_token *token)
{
    if (token->has_pin)
        clo_json_set(object, "tpm2-pin", json_true());
    if (token->has_pcrlock)
        clo_json_set(object, "tpm2_pcrlock", json_true());
    if (token->signed_pcrs != 0)
        clo_json_set(object, "tpm2_pubkey_pcrs", pcr_list(token->signed_pcrs));
    set_bytes(object, "tpm2_pubkey", &token->public_key);
    if (token->has_ref)
        clo_json_set(object, "tpm2_pubkey_ref", json_string(token->ref));
    set_bytes(object, "tpm2_salt", &token->salt);
    set_bytes(object, "tpm2_srk", &token->srk);
    set_bytes(object, "tpm2_pcrlock_nv", &token->pcrlock_nv);
    if (token->argon2_memory == 0)
        return;
    clo_json_set(object, "tpm2_argon2id_memcost", json_integer((json_int_t)token->argon2_memory));
    clo_json_set(object, "tpm2_argon2id_iterations", json_integer(token->argon2_iterations));
    clo_json_set(object, "tpm2_argon2id_lanes", json_integer(token->argon2_lanes));
}

json_t *clo_tpm2_token_json(const struct clo_tpm2_token *token)
{
    struct clo_json_object object = { .json = json_object() };
    char slot[12];

    snprintf(slot, sizeof slot, "%u", token->keyslot);
    clo_json_set(&object, "type",
                 json_string(token->is_own ? CLO_TPM2_TOKEN_OWN : CLO_TPM2_TOKEN_SYSTEMD));
    clo_json_set(&object, "keyslots", json_pack("[s]", slot));
    clo_json_set(&object, "tpm2-blob", shard_list(token->blobs, token->shards, clo_json_base64));
    clo_json_set(&object, "tpm2-pcrs", pcr_list(token->pcrs));
    if (token->bank != CLO_HASH_NONE)
        clo_json_set(&object, "tpm2-pcr-bank", json_string(clo_hash_name(token->bank)));
    if (token->primary != CLO_TPM2_PRIMARY_UNSAID)
        clo_json_set(&object, "tpm2-primary-alg",
                     json_string(token->primary == CLO_TPM2_PRIMARY_ECC ? "ecc" : "rsa"));
    clo_json_set(&object, "tpm2-policy-hash",
                 shard_list(token->policies, token->shards, clo_json_hex));
    set_policies(&object, token);
    if (token->is_share)
        clo_json_set(&object, "share", json_string("broker"));
    if (token->is_volume_key)
        clo_json_set(&object, "key", json_string("volume"));
    if (token->floor != 0)
        clo_json_set(&object, "floor", json_integer((json_int_t)token->floor));
    return clo_json_finish(&object);
}

/* --- What ESYS and the TPM put together --- */

static struct clo_bytes read_sized(struct clo_reader *r)
{
    uint16_t size = clo_read_be16(r);

    return clo_read_bytes(r, size);
}

static void write_sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

bool clo_tpm2_blob_parse(struct clo_bytes in, struct clo_tpm2_blob *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_tpm2_blob blob = { .seed = { 0 } };

    blob.private_part = read_sized(&r);
    blob.public_part = read_sized(&r);
    if (clo_reader_ok(&r) && clo_reader_left(&r) != 0)
        blob.seed = read_sized(&r);
    if (!clo_reader_ok(&r) || blob.private_part.size == 0 || blob.public_part.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", r.at);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes after its end", clo_reader_left(&r));
    *out = blob;
    return true;
}

void clo_tpm2_blob_write(const struct clo_tpm2_blob *blob, struct clo_buffer *out)
{
    write_sized(out, blob->private_part);
    write_sized(out, blob->public_part);
    if (blob->seed.size != 0)
        write_sized(out, blob->seed);
}

bool clo_tpm2_srk_parse(struct clo_bytes in, struct clo_tpm2_srk *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_tpm2_srk srk = { 0 };
    struct clo_digest name;

    srk.handle = clo_read_be32(&r);
    srk.name = read_sized(&r);
    uint32_t resource = clo_read_be32(&r);
    srk.public_part = read_sized(&r);
    if (!clo_reader_ok(&r) || clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "not a serialised key");
    if (resource != KEY_RESOURCE)
        return clo_fail(err, CLO_ERR_REFUSED, "resource %u: not a key", resource);
    if (srk.handle >> 24 != 0x81)
        return clo_fail(err, CLO_ERR_REFUSED, "handle 0x%08x: not a persistent key's", srk.handle);
    /* A name is the number of the algorithm and the hash of the public part (part 1, section 16). */
    clo_hash(CLO_HASH_SHA256, srk.public_part, &name);
    if (srk.name.size != 34 || srk.name.data[0] != 0 || srk.name.data[1] != 0x0b ||
        !clo_bytes_equal(clo_bytes_slice(srk.name, 2, 32), clo_digest_bytes(&name)))
        return clo_fail(err, CLO_ERR_REFUSED, "its name is not that of its public part");
    *out = srk;
    return true;
}

void clo_tpm2_srk_write(const struct clo_tpm2_srk *srk, struct clo_buffer *out)
{
    clo_buffer_be32(out, srk->handle);
    write_sized(out, srk->name);
    clo_buffer_be32(out, KEY_RESOURCE);
    write_sized(out, srk->public_part);
}
