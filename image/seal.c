#include "image/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libcryptsetup.h>

#include "device/file.h"
#include "lib/disk/gpt.h"
#include "lib/disk/recovery.h"

#define RECOVERY_TOKEN "systemd-recovery"
#define WHY_SIZE       200

/* What is sealed or made at random has full entropy: nothing is gained by stretching it. */
static const struct crypt_pbkdf_type key_pbkdf = {
    .type = CRYPT_KDF_PBKDF2,
    .hash = "sha256",
    .iterations = 1000,
    .flags = CRYPT_PBKDF_NO_BENCHMARK,
};

/* --- The header in its file --- */

void clo_seal_close(struct clo_seal_disk *disk)
{
    clo_fd_close(&disk->fd);
    clo_buffer_free(&disk->header);
}

static bool find_volume(struct clo_seal_disk *disk, uint64_t *size, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *root = NULL;
    off_t end = lseek(disk->fd, 0, SEEK_END);

    *size = end < 0 ? 0 : (uint64_t)end;
    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (*size < CLO_GPT_HEAD_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%llu bytes: too short for a disk",
                        (unsigned long long)*size);
    if (!clo_fd_read(disk->fd, 0, CLO_GPT_HEAD_SIZE, &head, err))
        return false;
    if (memcmp(head.data, "LUKS\xba\xbe", 6) == 0)
        return true;
    if (!clo_gpt_parse(clo_buffer_bytes(&head), gpt, err) ||
        !clo_gpt_find(gpt, &clo_gpt_type_root_x86_64, &root, err))
        return false;
    disk->offset = root->first_lba * CLO_GPT_SECTOR;
    *size = (root->last_lba - root->first_lba + 1) * CLO_GPT_SECTOR;
    return true;
}

static bool check_header(const struct clo_seal_disk *disk, const struct clo_buffer *header,
                         struct clo_luks2_info *info, struct clo_error *err)
{
    return disk->is_detached ? clo_luks2_check_detached(clo_buffer_bytes(header), info, err)
                             : clo_luks2_check(clo_buffer_bytes(header), info, err);
}

bool clo_seal_open(const char *path, bool for_writing, struct clo_seal_disk *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_close)
    struct clo_seal_disk disk = { .fd = open(path, (for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC) };
    uint64_t size;

    if (disk.fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s", strerror(errno));
    if (!find_volume(&disk, &size, err))
        return false;
    disk.is_detached = disk.offset == 0 && size <= CLO_LUKS2_HEADER_MAX;
    if (size > CLO_LUKS2_HEADER_MAX)
        size = CLO_LUKS2_HEADER_MAX;
    if (!clo_fd_read(disk.fd, disk.offset, (size_t)size, &disk.header, err) ||
        !clo_luks2_settle(&disk.header, err) || !check_header(&disk, &disk.header, &disk.luks, err))
        return false;
    disk.header.size = (size_t)disk.luks.header_end;
    *out = disk;
    disk = (struct clo_seal_disk){ .fd = -1 };
    return true;
}

static bool write_range(const struct clo_seal_disk *disk, const struct clo_buffer *header,
                        uint64_t from, uint64_t to, struct clo_error *err)
{
    if (lseek(disk->fd, (off_t)(disk->offset + from), SEEK_SET) < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    return clo_write_all(
                   disk->fd,
                   clo_bytes_slice(clo_buffer_bytes(header), (size_t)from, (size_t)(to - from)),
                   err) &&
           (fsync(disk->fd) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno)));
}

/* Key slots first, which no header names yet; then one header after the other. */
static bool write_back(struct clo_seal_disk *disk, struct clo_buffer *header, struct clo_error *err)
{
    struct clo_luks2_info info;

    if (!check_header(disk, header, &info, err))
        return false;
    if (info.header_size != disk->luks.header_size ||
        info.payload_offset != disk->luks.payload_offset || header->size < info.header_end)
        return clo_fail(err, CLO_ERR_SYSTEM, "the header was not changed as it should");
    uint64_t size = info.header_size;
    if (!write_range(disk, header, 2 * size, info.header_end, err) ||
        !write_range(disk, header, 0, size, err) || !write_range(disk, header, size, 2 * size, err))
        return false;
    header->size = (size_t)info.header_end;
    clo_buffer_free(&disk->header);
    disk->header = *header;
    disk->luks = info;
    *header = (struct clo_buffer){ 0 };
    return true;
}

/* --- libcryptsetup, on a copy --- */

struct copy {
    struct clo_scratch scratch;
    char path[4200];
    struct crypt_device *device;
    char why[WHY_SIZE];
};

static void keep_last(int level, const char *message, void *context)
{
    char *last = context;

    if (level == CRYPT_LOG_ERROR) {
        snprintf(last, WHY_SIZE, "%s", message);
        last[strcspn(last, "\n")] = '\0';
    }
}

static void free_copy(struct copy *copy)
{
    if (copy->device != NULL)
        crypt_free(copy->device);
    crypt_set_log_callback(NULL, NULL, NULL);
    clo_scratch_free(&copy->scratch);
}

static bool fails(const struct copy *copy, const char *what, int result, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", what,
                    copy->why[0] != '\0' ? copy->why : strerror(-result));
}

static bool open_copy(const struct clo_seal_disk *disk, struct copy *copy, struct clo_error *err)
{
    if (!clo_scratch_new(NULL, &copy->scratch, err))
        return false;
    snprintf(copy->path, sizeof copy->path, "%s/header", copy->scratch.path);
    if (!clo_file_write(copy->path, clo_buffer_bytes(&disk->header), 0600, err))
        return false;
    crypt_set_log_callback(NULL, keep_last, copy->why);
    crypt_token_external_disable();
    int result = crypt_init(&copy->device, copy->path);
    if (result == 0) {
        crypt_set_log_callback(copy->device, keep_last, copy->why);
        result = crypt_load(copy->device, CRYPT_LUKS2, NULL);
    }
    return result == 0 || fails(copy, "LUKS2 header", result, err);
}

static bool keep_copy(struct clo_seal_disk *disk, struct copy *copy, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };

    crypt_free(copy->device); /* and with it everything is in the file */
    copy->device = NULL;
    return clo_file_read(copy->path, CLO_LUKS2_HEADER_MAX, &header, err) &&
           write_back(disk, &header, err);
}

/* --- What is added --- */

struct work {
    const struct clo_seal_job *job;
    struct clo_seal_disk *disk;
    struct copy *copy;
    struct clo_seal_result *result;
    int key_slot;           /* the one that the key opens */
    struct clo_secret *own; /* what own tokens seal */
    uint32_t old;           /* tokens that were there before */
    uint32_t old_recovery;  /* and recovery keys' */
};

/* Of a disk that is open already. Tokens name a slot, whichever there is: none of it is used. */
static bool take_volume_key(struct work *work, struct clo_error *err)
{
    const struct clo_bytes key = clo_secret_bytes(work->job->volume_key);

    if (crypt_volume_key_verify(work->copy->device, (const char *)key.data, key.size) < 0)
        return clo_fail(err, CLO_ERR_REFUSED, "not the volume key of this disk");
    work->key_slot = 0;
    while (work->key_slot < CLO_LUKS2_KEYSLOTS_MAX - 1 &&
           crypt_keyslot_status(work->copy->device, work->key_slot) < CRYPT_SLOT_ACTIVE)
        work->key_slot++;
    return clo_secret_copy(key, &work->result->volume_key, err);
}

static bool get_volume_key(struct work *work, struct clo_error *err)
{
    size_t size = work->disk->luks.key_size;

    if (work->job->volume_key != NULL)
        return take_volume_key(work, err);
    struct clo_bytes key = clo_secret_bytes(work->job->key);
    if (!clo_secret_new(size, &work->result->volume_key, err))
        return false;
    work->key_slot = crypt_volume_key_get(work->copy->device, CRYPT_ANY_SLOT,
                                          (char *)clo_secret_data(work->result->volume_key), &size,
                                          (const char *)key.data, key.size);
    if (work->key_slot == -EPERM || work->key_slot == -ENOENT)
        return clo_fail(err, CLO_ERR_REFUSED, "the key opens no key slot");
    return work->key_slot >= 0 || fails(work->copy, "key slots", work->key_slot, err);
}

static bool add_slot(struct work *work, struct clo_bytes key, unsigned *slot, struct clo_error *err)
{
    struct clo_bytes volume_key = clo_secret_bytes(work->result->volume_key);
    int result = crypt_set_pbkdf_type(work->copy->device, &key_pbkdf);

    if (result == 0)
        result = crypt_keyslot_add_by_volume_key(work->copy->device, CRYPT_ANY_SLOT,
                                                 (const char *)volume_key.data, volume_key.size,
                                                 (const char *)key.data, key.size);
    if (result < 0)
        return fails(work->copy, "new key slot", result, err);
    *slot = (unsigned)result;
    return true;
}

static bool add_token(struct work *work, json_t *json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *token = json;
    CLO_CLEANUP(clo_freep) char *text = token == NULL ? NULL : json_dumps(token, JSON_COMPACT);

    if (text == NULL)
        return clo_out_of_memory(err);
    int result = crypt_token_json_set(work->copy->device, CRYPT_ANY_TOKEN, text);
    return result >= 0 || fails(work->copy, "new token", result, err);
}

static bool random_secret(struct work *work, size_t size, struct clo_secret **out,
                          struct clo_error *err)
{
    return clo_secret_new(size, out, err) &&
           (work->job->random->fill(work->job->random->context, clo_secret_data(*out), size) ||
            clo_fail(err, CLO_ERR_SYSTEM, "no randomness"));
}

/* The key that is there, for this disk; or a share of it, the other of which is the broker's. */
static bool make_own(struct work *work, struct clo_error *err)
{
    struct clo_bytes key = clo_secret_bytes(work->job->volume_key != NULL ? work->job->volume_key
                                                                          : work->job->key);

    if (work->job->form == CLO_SEAL_OWN)
        return clo_disk_sealed_key(clo_buffer_bytes(&work->disk->header), work->result->volume_key,
                                   key, &work->own, err);
    if (work->job->form != CLO_SEAL_SHARE)
        return true;
    if (!random_secret(work, key.size, &work->own, err) ||
        !clo_secret_copy(key, &work->result->share, err))
        return false;
    for (size_t i = 0; i < key.size; i++)
        clo_secret_data(work->result->share)[i] ^= clo_secret_bytes(work->own).data[i];
    return work->job->keep_share == NULL ||
           work->job->keep_share(work->job->share_context, work->result->share, err);
}

static bool add_state(struct work *work, const struct clo_seal_state *state, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *slot_key = NULL;
    struct clo_tpm2_sealing sealing = work->job->sealing;
    size_t shards = sealing.signer != NULL && sealing.nv != NULL ? 2 : 1;

    sealing.values = state->values;
    sealing.is_own = work->own != NULL;
    sealing.is_share = work->job->form == CLO_SEAL_SHARE;
    sealing.is_volume_key = work->own != NULL && work->job->volume_key != NULL;
    sealing.keyslot = (unsigned)work->key_slot;
    if (work->own == NULL && (!random_secret(work, CLO_TPM2_SHARD_SIZE * shards, &secret, err) ||
                              !clo_tpm2_slot_key(clo_secret_bytes(secret), &slot_key, err) ||
                              !add_slot(work, clo_secret_bytes(slot_key), &sealing.keyslot, err)))
        return false;
    const struct clo_secret *sealed = work->own != NULL ? work->own : secret;
    if (!work->job->seal(work->job->context, &sealing, clo_secret_bytes(sealed), &token, err) ||
        !add_token(work, clo_tpm2_token_json(&token), err))
        return false;
    work->result->tokens++;
    return state->hint.pcrs == 0 ||
           add_token(work, clo_pcr_hint_json(clo_buffer_bytes(&token.policies[0]), &state->hint),
                     err);
}

bool clo_recovery_key(const struct clo_random *random, struct clo_secret **out,
                      struct clo_error *err)
{
    uint8_t bytes[CLO_RECOVERY_BYTES];

    if (!random->fill(random->context, bytes, sizeof bytes))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    bool ok = clo_recovery_write(bytes, out, err);
    clo_wipe(bytes, sizeof bytes);
    return ok;
}

/* --- What goes --- */

static bool is_tpm_type(const char *type)
{
    return type != NULL &&
           (strcmp(type, CLO_TPM2_TOKEN_SYSTEMD) == 0 || strcmp(type, CLO_TPM2_TOKEN_OWN) == 0 ||
            strcmp(type, CLO_PCR_HINT_TYPE) == 0 || strcmp(type, CLO_ALTERNATIVES_TOKEN) == 0);
}

/* Numbers of the tokens that are there: all for TPMs, or those alone that have key slots of their own. */
static uint32_t old_tokens(struct crypt_device *device, bool with_slots_alone)
{
    uint32_t found = 0;

    for (int i = 0; i < CLO_LUKS2_TOKENS_MAX; i++) {
        const char *type = NULL;
        if (crypt_token_status(device, i, &type) >= CRYPT_TOKEN_INTERNAL && is_tpm_type(type) &&
            (!with_slots_alone || strcmp(type, CLO_TPM2_TOKEN_SYSTEMD) == 0))
            found |= UINT32_C(1) << i;
    }
    return found;
}

static uint32_t recovery_tokens(struct crypt_device *device)
{
    uint32_t found = 0;

    for (int i = 0; i < CLO_LUKS2_TOKENS_MAX; i++) {
        const char *type = NULL;
        if (crypt_token_status(device, i, &type) >= CRYPT_TOKEN_INTERNAL && type != NULL &&
            strcmp(type, RECOVERY_TOKEN) == 0)
            found |= UINT32_C(1) << i;
    }
    return found;
}

/* A systemd token's or a recovery key's slots go with it, unless the key that opens the disk is in one. */
static bool drop_token(struct work *work, int number, struct clo_error *err)
{
    const char *type = NULL;

    (void)crypt_token_status(work->copy->device, number, &type);
    bool has_slots = type != NULL && (strcmp(type, CLO_TPM2_TOKEN_SYSTEMD) == 0 ||
                                      strcmp(type, RECOVERY_TOKEN) == 0);
    bool is_hint = type != NULL && (strcmp(type, CLO_PCR_HINT_TYPE) == 0 ||
                                    strcmp(type, CLO_ALTERNATIVES_TOKEN) == 0);
    for (int slot = 0; has_slots && slot < CLO_LUKS2_KEYSLOTS_MAX; slot++) {
        if ((work->job->volume_key == NULL && slot == work->key_slot) ||
            crypt_token_is_assigned(work->copy->device, number, slot) != 0)
            continue;
        int result = crypt_keyslot_destroy(work->copy->device, slot);
        if (result < 0)
            return fails(work->copy, "old key slot", result, err);
    }
    int result = crypt_token_json_set(work->copy->device, number, NULL);
    if (result < 0)
        return fails(work->copy, "old token", result, err);
    work->result->dropped += is_hint ? 0 : 1;
    return true;
}

/* --- All of it, in steps that each leave a whole header --- */

static bool step(struct work *work, bool (*change)(struct work *work, struct clo_error *err),
                 struct clo_error *err)
{
    CLO_CLEANUP(free_copy) struct copy copy = { .device = NULL };

    work->copy = &copy;
    return open_copy(work->disk, &copy, err) && change(work, err) &&
           keep_copy(work->disk, &copy, err);
}

static bool note_old(struct work *work, struct clo_error *err)
{
    work->old = old_tokens(work->copy->device, false);
    work->old_recovery = recovery_tokens(work->copy->device);
    if (work->job->must_drop && work->old_recovery == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "it has no recovery key");
    return get_volume_key(work, err);
}

static bool drop_all(struct work *work, struct clo_error *err)
{
    for (int i = 0; i < CLO_LUKS2_TOKENS_MAX; i++)
        if ((work->old >> i & 1) != 0 && !drop_token(work, i, err))
            return false;
    return true;
}

/* Key slots are part of what an own token is bound to, so they go before it is made. */
static bool drop_slots(struct work *work, struct clo_error *err)
{
    uint32_t with_slots = old_tokens(work->copy->device, true);

    for (int i = 0; i < CLO_LUKS2_TOKENS_MAX; i++)
        if ((with_slots >> i & 1) != 0 && !drop_token(work, i, err))
            return false;
    work->old &= ~with_slots;
    return true;
}

/* Never the one that was given: its owner may have no other one. */
static bool drop_recovery(struct work *work, struct clo_error *err)
{
    for (int i = 0; i < CLO_LUKS2_TOKENS_MAX; i++) {
        if ((work->old_recovery >> i & 1) == 0)
            continue;
        if (crypt_token_is_assigned(work->copy->device, i, work->key_slot) == 0)
            return clo_fail(err, CLO_ERR_REFUSED,
                            "the key that was given is the recovery key itself: give another one");
        if (!drop_token(work, i, err))
            return false;
    }
    return true;
}

static bool add_recovery(struct work *work, struct clo_error *err)
{
    char number[12];
    unsigned slot;

    if (!clo_recovery_key(work->job->random, &work->result->recovery, err) ||
        !add_slot(work, clo_secret_bytes(work->result->recovery), &slot, err))
        return false;
    snprintf(number, sizeof number, "%u", slot);
    return add_token(work, json_pack("{s:s, s:[s]}", "type", RECOVERY_TOKEN, "keyslots", number),
                     err);
}

/* One that is there already is not written a second time. */
static bool add_copy(struct work *work, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *copy = clo_alternatives_token(work->job->nv_policy);

    if (copy == NULL)
        return clo_out_of_memory(err);
    for (int i = 0; i < CLO_LUKS2_TOKENS_MAX; i++) {
        CLO_CLEANUP(clo_json_freep) json_t *there = NULL;
        struct clo_error ignored;
        const char *text = NULL;
        if (crypt_token_json_get(work->copy->device, i, &text) < 0 ||
            !clo_json_parse(clo_bytes_text(text), &there, &ignored) || !json_equal(there, copy))
            continue;
        work->old &= ~(UINT32_C(1) << i);
        return true;
    }
    return add_token(work, CLO_TAKE(copy), err);
}

static bool add_all(struct work *work, struct clo_error *err)
{
    if (!make_own(work, err))
        return false;
    for (size_t i = 0; i < work->job->state_count; i++)
        if (!add_state(work, &work->job->states[i], err))
            return clo_wrap(err, "%s", work->job->states[i].name);
    return work->job->nv_policy == NULL || add_copy(work, err);
}

static bool note_copies(struct work *work, struct clo_error *err)
{
    for (int i = 0; i < CLO_LUKS2_TOKENS_MAX; i++) {
        const char *type = NULL;
        if (crypt_token_status(work->copy->device, i, &type) >= CRYPT_TOKEN_INTERNAL &&
            type != NULL && strcmp(type, CLO_ALTERNATIVES_TOKEN) == 0)
            work->old |= UINT32_C(1) << i;
    }
    return add_copy(work, err);
}

bool clo_seal_nv_policy(struct clo_seal_disk *disk, const struct clo_alternatives *alternatives,
                        bool drops_others, struct clo_error *err)
{
    struct clo_seal_result result = { .tokens = 0 };
    const struct clo_seal_job job = { .nv_policy = alternatives };
    struct work work = { .job = &job, .disk = disk, .result = &result };

    return step(&work, note_copies, err) && (!drops_others || step(&work, drop_all, err));
}

void clo_seal_result_free(struct clo_seal_result *result)
{
    clo_secret_freep(&result->volume_key);
    clo_secret_freep(&result->share);
    clo_secret_freep(&result->recovery);
}

bool clo_seal(struct clo_seal_disk *disk, const struct clo_seal_job *job,
              struct clo_seal_result *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_result_free) struct clo_seal_result result = { .tokens = 0 };
    struct work work = { .job = job, .disk = disk, .result = &result };
    bool is_own = job->form != CLO_SEAL_SYSTEMD;

    bool ok = step(&work, note_old, err) &&
              (!job->drops_others || !is_own || step(&work, drop_slots, err)) &&
              (!job->makes_recovery || step(&work, add_recovery, err)) &&
              step(&work, add_all, err) &&
              (!job->drops_others || work.old == 0 || step(&work, drop_all, err)) &&
              (!job->drops_recovery || work.old_recovery == 0 || step(&work, drop_recovery, err));
    clo_secret_freep(&work.own);
    if (!ok)
        return false;
    memcpy(result.uuid, disk->luks.uuid, sizeof result.uuid);
    *out = result;
    result = (struct clo_seal_result){ .tokens = 0 };
    return true;
}

bool clo_seal_try(struct clo_seal_disk *disk, const struct clo_secret *key, int *slot,
                  struct clo_secret **volume_key, struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_result_free) struct clo_seal_result result = { .tokens = 0 };
    CLO_CLEANUP(free_copy) struct copy copy = { .device = NULL };
    const struct clo_seal_job job = { .key = key };
    struct work work = { .job = &job, .disk = disk, .copy = &copy, .result = &result };

    if (!open_copy(disk, &copy, err) || !get_volume_key(&work, err))
        return false;
    *slot = work.key_slot;
    *volume_key = CLO_TAKE(result.volume_key);
    return true;
}
