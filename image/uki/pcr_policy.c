/* PCR 11 of the image that is to be, and signed policies over it, for image/uki/work.h. */
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "device/key_file.h"
#include "image/uki/work.h"
#include "lib/uki/stub.h"

#define PCRSIG_LIMIT  ((size_t)1 << 20)
#define DEFAULT_PHASE "enter-initrd"
#define ALL_BANKS \
    (1U << CLO_HASH_SHA1 | 1U << CLO_HASH_SHA256 | 1U << CLO_HASH_SHA384 | 1U << CLO_HASH_SHA512)

bool uki_policy_is_wanted(const struct uki_policy *policy)
{
    return policy->keys.count > 0 || policy->digests != NULL || policy->joined.count > 0;
}

static struct uki_keys keys_of(const struct uki_policy *policy)
{
    return (struct uki_keys){ .option = "--pcr-key",
                              .passphrase_option = "--pcr-key-passphrase-file",
                              .keys = &policy->keys,
                              .passphrases = &policy->passphrases,
                              .providers = &policy->providers };
}

bool uki_policy_check(const struct uki_policy *policy, struct clo_error *err)
{
    size_t keys = policy->keys.count > 0 ? policy->keys.count : 1;
    unsigned ignored;

    if (policy->keys.count > 0 && policy->public_keys.count > policy->keys.count)
        return clo_fail(err, CLO_ERR_USAGE, "--pcr-public-key: more of them than --pcr-key");
    if (policy->keys.count == 0 && policy->public_keys.count > 1)
        return clo_fail(err, CLO_ERR_USAGE, "--pcr-public-key: expected one, without --pcr-key");
    if (!uki_policy_is_wanted(policy) &&
        policy->banks.count + policy->phases.count + policy->profiles.count > 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--bank, --phases, --sign-profile: of no use without --pcr-key or "
                        "--write-digests");
    if (policy->phases.count > keys)
        return clo_fail(err, CLO_ERR_USAGE, "--phases: expected one for each --pcr-key");
    for (size_t i = 0; i < policy->phases.count; i++)
        if (policy->phases.items[i][strspn(policy->phases.items[i], " ,")] == '\0')
            return clo_fail(err, CLO_ERR_USAGE,
                            "--phases: is empty; \":\" is the path before the first phase");
    const struct uki_keys private_keys = keys_of(policy);
    return uki_keys_check(&private_keys, err) && uki_banks(&policy->banks, &ignored, err);
}

bool uki_banks(const struct clo_list *list, unsigned *out, struct clo_error *err)
{
    unsigned hashes = 0;

    for (size_t i = 0; i < list->count; i++) {
        enum clo_hash hash = clo_hash_from_name(list->items[i]);
        if (hash == CLO_HASH_NONE)
            return clo_fail(err, CLO_ERR_USAGE,
                            "--bank %s: expected sha1, sha256, sha384 or sha512", list->items[i]);
        hashes |= 1U << hash;
    }
    if (list->count == 0)
        hashes = 1U << CLO_HASH_SHA256;
    *out = hashes;
    return true;
}

/* --- PCR 11 --- */

void uki_pcrs_free(struct uki_pcrs *pcrs)
{
    free(pcrs->profiles);
    pcrs->profiles = NULL;
}

/* Digests of parts, by their place in the list. */
struct digests {
    struct clo_digest of[CLO_UKI_PARTS_MAX][CLO_HASH_COUNT];
    struct uki_hash_job jobs[UKI_HASH_JOBS_MAX];
    size_t count;
};

/* With all four banks, two share a reading: pairs that take about as long. */
static bool plan_part(struct digests *digests, const struct uki_work *work,
                      const struct clo_pe_part *part, unsigned hashes, struct clo_error *err)
{
    static const struct {
        enum clo_hash hash, hash2;
    } pairs[] = { { CLO_HASH_SHA1, CLO_HASH_SHA512 }, { CLO_HASH_SHA256, CLO_HASH_SHA384 } };
    struct clo_digest *of = digests->of[part - work->list.items];
    bool is_all = (hashes & ALL_BANKS) == ALL_BANKS;

    for (size_t i = 0; i < 2 * CLO_COUNT(pairs); i++) {
        enum clo_hash hash = i % 2 == 0 ? pairs[i / 2].hash : pairs[i / 2].hash2;
        struct uki_hash_job job = { .pieces = &part->content,
                                    .size = clo_uki_part_measured_size(part),
                                    .hash = hash,
                                    .out = &of[hash] };
        if ((hashes & 1U << hash) == 0 || of[hash].hash == hash)
            continue;
        of[hash].hash = hash;
        if (is_all) {
            job.hash2 = pairs[i / 2].hash2;
            job.out2 = &of[job.hash2];
            job.out2->hash = job.hash2;
        }
        if (digests->count == UKI_HASH_JOBS_MAX)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "too many sections to measure");
        digests->jobs[digests->count++] = job;
    }
    return true;
}

static bool hash_parts(struct uki_work *work, size_t profiles, unsigned hashes,
                       struct digests *digests, struct clo_error *err)
{
    const struct clo_pe_part *part;

    for (size_t p = 0; p < profiles; p++)
        for (size_t i = 0;
             (part = clo_uki_part_measured(&work->list, work->stub_version, p, i)) != NULL; i++)
            if (!plan_part(digests, work, part, hashes, err))
                return false;
    return uki_hash_all(digests->jobs, digests->count, err);
}

bool uki_work_pcrs(struct uki_work *work, unsigned hashes, struct uki_pcrs *out,
                   struct clo_error *err)
{
    size_t named = uki_work_profiles(work);
    size_t count = named == 0 ? 1 : named;
    CLO_CLEANUP(clo_freep) struct digests *digests = calloc(1, sizeof *digests);
    CLO_CLEANUP(uki_pcrs_free) struct uki_pcrs pcrs = { .count = count };
    const struct clo_pe_part *part;

    if (!stub_does(work->stub_version, STUB_MEASURES))
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "%s: does not say which systemd it is of: what it measures is not known",
                        work->frame->file.path);
    if (clo_uki_part_find(&work->list, CLO_UKI_BASE, ".linux") == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "PCR 11: there is no kernel");
    for (size_t i = 0; i < work->list.count; i++)
        if (strcmp(work->list.items[i].name, ".dtbauto") == 0 ||
            strcmp(work->list.items[i].name, ".efifw") == 0)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "PCR 11 of a UKI with %s depends on the machine",
                            work->list.items[i].name);
    pcrs.profiles = calloc(count, sizeof *pcrs.profiles);
    if (digests == NULL || pcrs.profiles == NULL)
        return clo_out_of_memory(err);
    if (!hash_parts(work, count, hashes, digests, err))
        return false;
    for (size_t p = 0; p < count; p++)
        for (unsigned hash = CLO_HASH_SHA1; hash < CLO_HASH_COUNT; hash++) {
            struct clo_digest *pcr = &pcrs.profiles[p][hash];
            if ((hashes & 1U << hash) == 0)
                continue;
            pcr->hash = (enum clo_hash)hash;
            for (size_t i = 0;
                 (part = clo_uki_part_measured(&work->list, work->stub_version, p, i)) != NULL; i++)
                clo_uki_extend_section(pcr, part->name,
                                       &digests->of[part - work->list.items][hash]);
        }
    *out = pcrs;
    pcrs.profiles = NULL;
    return true;
}

void uki_profile_id(struct uki_work *work, size_t profile, char *out, size_t size)
{
    const struct clo_pe_part *part = clo_uki_part_find(&work->list, profile, ".profile");
    char text[4096] = "";
    struct clo_error ignored;

    out[0] = '\0';
    if (part == NULL || part->content.count != 1 || part->content.size >= sizeof text)
        return;
    const struct clo_piece *piece = &part->content.items[0];
    size_t length = (size_t)piece->size;
    if (piece->bytes.data != NULL)
        memcpy(text, piece->bytes.data, length);
    else if (piece->source == NULL ||
             !uki_file_read(piece->source, piece->offset, text, length, &ignored))
        return;
    if (part->virtual_size < length)
        length = (size_t)part->virtual_size;
    (void)clo_uki_field(clo_bytes(text, length), "ID", out, size);
}

/* --- Keys --- */

/* What is signed with the one would be looked for under the other. */
static bool check_pair(const struct uki_policy *policy, size_t index, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *own = NULL;
    struct clo_digest first, second;

    if (policy->private_keys[index] == NULL || policy->signers[index] == NULL)
        return true;
    if (!clo_private_key_public(policy->private_keys[index], &own, err) ||
        !clo_public_key_fingerprint(own, &first, err) ||
        !clo_public_key_fingerprint(policy->signers[index], &second, err))
        return false;
    return clo_digest_equal(&first, &second) ||
           clo_fail(err, CLO_ERR_USAGE,
                    "--pcr-public-key %s: is not the public key of --pcr-key %s",
                    policy->public_keys.items[index], policy->keys.items[index]);
}

bool uki_policy_open(struct uki_policy *policy, struct clo_error *err)
{
    const struct uki_keys keys = keys_of(policy);

    if (!uki_keys_read(&keys, policy->private_keys, err))
        return false;
    for (size_t i = 0; i < policy->public_keys.count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
        if (!clo_key_file_public(policy->public_keys.items[i], &policy->signers[i], &pem, err) ||
            !check_pair(policy, i, err))
            return false;
    }
    return true;
}

void uki_policy_close(struct uki_policy *policy)
{
    for (size_t i = 0; i < CLO_LIST_MAX; i++) {
        clo_private_key_freep(&policy->private_keys[i]);
        clo_public_key_freep(&policy->signers[i]);
    }
}

bool uki_policy_add_key(struct uki_work *work, const struct uki_policy *policy,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer spki = { 0 };
    struct clo_bytes text;

    if (clo_uki_part_find(&work->list, CLO_UKI_BASE, ".pcrpkey") != NULL)
        return true;
    if (policy->public_keys.count == 1 && policy->keys.count <= 1) {
        /* As the file has it. */
        if (!clo_key_file_public(policy->public_keys.items[0], &public_key, &pem, err))
            return false;
    } else if (policy->keys.count == 1) {
        if (!clo_private_key_public(policy->private_keys[0], &public_key, err) ||
            !clo_public_key_spki(public_key, &spki, err) ||
            !clo_pem_write("PUBLIC KEY", clo_buffer_bytes(&spki), &pem, err))
            return false;
    }
    return uki_work_keep(work, clo_buffer_bytes(&pem), &text, err) &&
           uki_work_set(work, CLO_UKI_BASE, ".pcrpkey", text, err);
}

/* --- .pcrsig --- */

/* One signer, or none for digests that are signed elsewhere. */
struct signer {
    const struct clo_private_key *key;
    const struct clo_public_key *public_key;
    const char *phases;
};

static struct signer signer_at(const struct uki_policy *policy, size_t index)
{
    return (struct signer){
        .key = policy->private_keys[index],
        .public_key = policy->signers[index],
        .phases = index < policy->phases.count ? policy->phases.items[index] : DEFAULT_PHASE,
    };
}

/* One value of PCR 11, signed or to be signed. */
static bool add_value(const struct signer *signer, const struct clo_digest *pcr, json_t *signatures,
                      json_t *digests, struct clo_error *err)
{
    struct clo_pcr_policy policy;

    clo_uki_policy(pcr, &policy);
    return (signer->key == NULL || clo_pcrsig_sign(signatures, &policy, signer->key, err)) &&
           clo_pcrsig_add(digests, &policy, signer->public_key, clo_bytes(NULL, 0), err);
}

/* For each phase path of the signer and each bank. */
static bool add_values(const struct signer *signer, const struct clo_digest pcrs[CLO_HASH_COUNT],
                       json_t *signatures, json_t *digests, struct clo_error *err)
{
    const char *at = signer->phases;

    while (*(at += strspn(at, " ,")) != '\0') {
        char path[256];
        size_t size = strcspn(at, " ,");
        if (size >= sizeof path)
            return clo_fail(err, CLO_ERR_USAGE, "--phases: a path of %zu characters", size);
        snprintf(path, sizeof path, "%.*s", (int)size, at);
        at += size;
        for (size_t hash = CLO_HASH_SHA1; hash < CLO_HASH_COUNT; hash++) {
            struct clo_digest pcr = pcrs[hash];
            if (pcr.hash != hash)
                continue;
            clo_uki_extend_phases(&pcr, path);
            if (!add_value(signer, &pcr, signatures, digests, err))
                return false;
        }
    }
    return true;
}

/* What --write-digests wrote has no signatures yet. */
static bool check_signed(json_t *joined, struct clo_error *err)
{
    const char *bank;
    json_t *entries, *entry;
    size_t i;

    json_object_foreach (joined, bank, entries) {
        json_array_foreach (entries, i, entry) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
            if (!clo_json_get_bytes(entry, "sig", CLO_JSON_BASE64, 4096, &signature, err))
                return clo_wrap(err, "%.16s: entry %zu: not signed", bank, i);
        }
    }
    return true;
}

bool uki_join_pcrsig(json_t *signatures, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *more = NULL;

    return clo_file_read(path, PCRSIG_LIMIT, &text, err) &&
           ((clo_json_parse(clo_buffer_bytes(&text), &more, err) &&
             clo_pcrsig_merge(signatures, more, err) && check_signed(more, err)) ||
            clo_wrap(err, "%s", path));
}

/* What the image has already. */
static bool join_earlier(struct uki_work *work, size_t profile, json_t *signatures,
                         struct clo_error *err)
{
    const struct clo_pe_part *part = clo_uki_part_find(&work->list, profile, ".pcrsig");
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *more = NULL;

    if (part == NULL)
        return true;
    uint64_t size =
            part->virtual_size < part->content.size ? part->virtual_size : part->content.size;
    if (part->content.count != 1 || part->content.items[0].source == NULL || size > PCRSIG_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, ".pcrsig: cannot be read");
    clo_buffer_zero(&text, (size_t)size);
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    if (!uki_file_read(part->content.items[0].source, part->content.items[0].offset, text.data,
                       text.size, err))
        return false;
    while (text.size > 0 && strchr("\n ", text.data[text.size - 1]) != NULL) /* or a NUL */
        text.size--;
    return (clo_json_parse(clo_buffer_bytes(&text), &more, err) &&
            clo_pcrsig_merge(signatures, more, err)) ||
           clo_wrap(err, ".pcrsig");
}

static bool set_pcrsig(struct uki_work *work, size_t profile, const json_t *signatures,
                       struct clo_error *err)
{
    char *text = json_dumps(signatures, JSON_COMPACT);
    struct clo_bytes kept;

    if (text == NULL)
        return clo_out_of_memory(err);
    bool ok = uki_work_keep(work, clo_bytes_text(text), &kept, err) &&
              uki_work_set(work, profile, ".pcrsig", kept, err);
    free(text);
    return ok;
}

static bool is_chosen(struct uki_work *work, const struct uki_policy *policy, size_t profile)
{
    char id[256];

    if (policy->profiles.count == 0)
        return true;
    uki_profile_id(work, profile, id, sizeof id);
    for (size_t i = 0; i < policy->profiles.count; i++)
        if (strcmp(policy->profiles.items[i], id) == 0)
            return true;
    return false;
}

static bool check_chosen(struct uki_work *work, const struct uki_policy *policy,
                         struct clo_error *err)
{
    size_t count = uki_work_profiles(work);

    for (size_t i = 0; i < policy->profiles.count; i++) {
        size_t found = 0;
        for (size_t p = 0; p < count; p++) {
            char id[256];
            uki_profile_id(work, p, id, sizeof id);
            found += strcmp(policy->profiles.items[i], id) == 0;
        }
        if (found != 1)
            return clo_fail(err, CLO_ERR_USAGE, "--sign-profile %s: there %s",
                            policy->profiles.items[i],
                            found == 0 ? "is no such profile" : "are several of that ID");
    }
    return true;
}

static bool apply_to(struct uki_work *work, const struct uki_policy *policy, size_t profile,
                     const struct clo_digest pcrs[CLO_HASH_COUNT], json_t *digests,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *signatures = json_object();
    size_t group = uki_work_profiles(work) == 0 ? CLO_UKI_BASE : profile;
    size_t count = policy->keys.count > 0 ? policy->keys.count : 1;

    if (signatures == NULL)
        return clo_out_of_memory(err);
    if (policy->is_appended && !join_earlier(work, group, signatures, err))
        return false;
    for (size_t i = 0; i < policy->joined.count; i++)
        if (!uki_join_pcrsig(signatures, policy->joined.items[i], err))
            return false;
    for (size_t i = 0; i < count; i++) {
        const struct signer signer = signer_at(policy, i);
        if (!add_values(&signer, pcrs, signatures, digests, err))
            return false;
    }
    return json_object_size(signatures) == 0 || set_pcrsig(work, group, signatures, err);
}

static bool write_digests(const char *path, const json_t *digests, struct clo_error *err)
{
    char *text = json_dumps(digests, JSON_COMPACT);

    if (text == NULL)
        return clo_out_of_memory(err);
    bool ok = clo_file_write(path, clo_bytes_text(text), 0644, err);
    free(text);
    return ok;
}

bool uki_policy_apply(struct uki_work *work, const struct uki_policy *policy, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *digests = json_object();
    CLO_CLEANUP(uki_pcrs_free) struct uki_pcrs pcrs = { 0 };
    unsigned hashes;

    if (!uki_policy_is_wanted(policy))
        return true;
    if (digests == NULL)
        return clo_out_of_memory(err);
    if (!uki_banks(&policy->banks, &hashes, err) || !check_chosen(work, policy, err) ||
        !uki_work_pcrs(work, hashes, &pcrs, err))
        return false;
    for (size_t p = 0; p < pcrs.count; p++)
        if (is_chosen(work, policy, p) &&
            !apply_to(work, policy, p, pcrs.profiles[p], digests, err))
            return false;
    return policy->digests == NULL || write_digests(policy->digests, digests, err);
}
