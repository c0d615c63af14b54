#include "image/image_update.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cloister/uki.h"
#include "device/container.h"
#include "device/file.h"
#include "image/grown.h"
#include "lib/tcg/tpm2_policy.h"
#include "lib/uki/pcrsig.h"
#include "lib/unpack/cpio.h"

#define BANK         CLO_HASH_SHA256
#define CONFIG       "etc/cloister/guest.json"
#define INITRD_LIMIT ((size_t)1 << 30)
/* Bytes that QEMU locks of an image in use, not in order to read them (block/file-posix.c). */
#define QEMU_LOCKS      100
#define QEMU_LOCKS_SIZE 164

void clo_image_update_close(struct clo_image_update *update)
{
    clo_esp_close(&update->esp);
    clo_seal_close(&update->disk);
    clo_buffer_free(&update->uki);
    clo_fd_close(&update->fd);
}

/* --- The image --- */

static bool check_container(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };

    if (!clo_container_open(path, &container, err))
        return false;
    return container.kind == CLO_CONTAINER_RAW || container.kind == CLO_CONTAINER_VHD ||
           clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "is %s, and only a raw image is changed: 'qemu-img convert -O raw' makes one",
                    clo_container_name(container.kind));
}

static bool lock(int fd, struct clo_error *err)
{
    struct flock machine = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = QEMU_LOCKS, .l_len = QEMU_LOCKS_SIZE
    };

    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "is in use by another run");
    if (fcntl(fd, F_OFD_GETLK, &machine) == 0 && machine.l_type != F_UNLCK)
        return clo_fail(err, CLO_ERR_REFUSED, "a machine runs from it");
    return true;
}

bool clo_image_update_open(const char *path, struct clo_image_update *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_image_update_close)
    struct clo_image_update update = { .fd = -1, .disk.fd = -1 };

    if (!check_container(path, err))
        return false;
    update.fd = open(path, O_RDWR | O_CLOEXEC);
    if (update.fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s", strerror(errno));
    if (!lock(update.fd, err) || !clo_seal_open(path, false, &update.disk, err) ||
        !clo_esp_open(update.fd, true, &update.esp, err) ||
        !clo_esp_uki(&update.esp, &update.uki, err))
        return false;
    *out = update;
    update = (struct clo_image_update){ .fd = -1, .disk.fd = -1 };
    return true;
}

/* --- What it tells its guest --- */

static bool take_config(const struct clo_cpio_entry *entry, void *context, struct clo_error *err)
{
    json_t **config = context;

    if (strcmp(entry->name, CONFIG) != 0 || *config != NULL)
        return true;
    return clo_json_parse(entry->data, config, err) || clo_wrap(err, CONFIG);
}

static bool find_section(const struct clo_uki *uki, const char *name, struct clo_bytes *out)
{
    const struct clo_pe_section *section = clo_pe_section_find(&uki->pe, name);

    *out = section == NULL ? clo_bytes(NULL, 0) : section->data;
    return section != NULL;
}

bool clo_uki_guest_config(struct clo_bytes uki, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *parsed = malloc(sizeof *parsed);
    CLO_CLEANUP(clo_json_freep) json_t *config = NULL;
    struct clo_bytes initrd;

    if (parsed == NULL)
        return clo_out_of_memory(err);
    if (!clo_uki_parse(uki, parsed, err))
        return false;
    if (find_section(parsed, ".initrd", &initrd) &&
        !clo_initrd_walk(initrd, INITRD_LIMIT, take_config, &config, err))
        return clo_wrap(err, ".initrd");
    if (config == NULL)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "the UKI is of no image of ours: its initrd has no "
                        "/" CONFIG);
    *out = CLO_TAKE(config);
    return true;
}

/* --- What a boot measures --- */

bool clo_image_update_predict(const struct clo_image_update *update,
                              const struct clo_image_update_from *from, struct clo_reference **out,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *config = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *none = json_array();
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
    struct clo_bytes head =
            clo_bytes_slice(clo_buffer_bytes(&update->esp.head), 0, CLO_GPT_HEAD_SIZE);
    enum clo_hash hash = BANK;
    struct clo_digest measurement;
    char text[CLO_LUKS2_MEASUREMENT_TEXT];
    struct clo_error ignored;
    const json_t *words = none;

    if (clo_uki_guest_config(from->uki, &config, &ignored) &&
        json_is_array(json_object_get(json_object_get(config, "host"), "allow")))
        words = json_object_get(json_object_get(config, "host"), "allow");
    if (from->disk_bytes != 0) {
        if (!clo_image_grown_head(head, from->disk_bytes, &grown, err))
            return false;
        head = clo_buffer_bytes(&grown);
    }
    if (from->volume_key != NULL)
        clo_luks2_measurement(from->volume_key, update->disk.luks.uuid, hash, text, &measurement);
    const struct clo_prediction prediction = {
        .name = from->name,
        .created = from->created,
        .uki = from->uki,
        .disk_head = head,
        .varstore = from->varstore,
        .banks = &hash,
        .bank_count = 1,
        .volume_key_measurements = from->volume_key != NULL ? &measurement : NULL,
        .volume_key_count = from->volume_key != NULL ? 1 : 0,
        .volume_key_text = from->volume_key != NULL ? text : NULL,
        .host_inputs = words,
    };
    return clo_reference_predict(&prediction, out, err);
}

/* --- Tokens --- */

static uint32_t moved_registers(const struct clo_reference *before,
                                const struct clo_reference *after)
{
    uint32_t moved = 0;

    for (unsigned pcr = 0; pcr < CLO_TPM2_PCRS; pcr++) {
        struct clo_digest old, new;
        bool had = clo_reference_value(before, BANK, pcr, CLO_PHASE_ENTER_INITRD, &old);
        bool has = clo_reference_value(after, BANK, pcr, CLO_PHASE_ENTER_INITRD, &new);
        if (had != has || (had && !clo_digest_equal(&old, &new)))
            moved |= UINT32_C(1) << pcr;
    }
    return moved;
}

/* The new UKI carries a signature of its state by the token's key. */
static bool is_signed(const struct clo_tpm2_token *token, const struct clo_reference *after,
                      const json_t *pcrsig)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_digest values[CLO_TPM2_PCRS], fingerprint;
    struct clo_pcr_policy policy;
    struct clo_error ignored;
    size_t count = 0;

    for (unsigned pcr = 0; pcr < CLO_TPM2_PCRS; pcr++)
        if ((token->signed_pcrs >> pcr & 1) != 0 &&
            !clo_reference_value(after, BANK, pcr, CLO_PHASE_ENTER_INITRD, &values[count++]))
            return false;
    if (!clo_public_key_from_pem(clo_buffer_bytes(&token->public_key), &key, &ignored))
        return false;
    clo_pcr_policy(BANK, token->signed_pcrs, values, &policy);
    clo_public_key_inner_fingerprint(key, &fingerprint);
    const char *ref = token->has_ref ? token->ref : NULL;
    if (!clo_pcrsig_find(pcrsig, &policy, &fingerprint, ref, &signature, &ignored))
        return false;
    clo_tpm2_policy_to_be_signed(&policy.digest, ref, &text);
    return clo_buffer_ok(&text) &&
           clo_signature_verify(key, CLO_RSASSA_PKCS1, CLO_HASH_SHA256, clo_buffer_bytes(&text),
                                clo_buffer_bytes(&signature), &ignored);
}

static bool read_pcrsig(struct clo_bytes uki, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_uki *parsed = malloc(sizeof *parsed);
    struct clo_bytes section;

    *out = NULL;
    if (parsed == NULL)
        return clo_out_of_memory(err);
    if (!clo_uki_parse(uki, parsed, err))
        return false;
    if (!find_section(parsed, ".pcrsig", &section))
        return true;
    while (section.size > 0 && section.data[section.size - 1] == '\0')
        section.size--;
    return clo_json_parse(section, out, err) || clo_wrap(err, ".pcrsig");
}

static void count_token(const json_t *json, const struct clo_reference *after, const json_t *pcrsig,
                        struct clo_image_tokens *out)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { .is_own = false };
    struct clo_error ignored;

    if (!clo_tpm2_token_is(json))
        return;
    out->count++;
    if (!clo_tpm2_token_parse(json, &token, &ignored))
        return;
    out->own += token.is_own ? 1 : 0;
    out->share += token.is_share ? 1 : 0;
    out->signed_policies += token.signed_pcrs != 0 ? 1 : 0;
    if ((token.pcrs & out->moved) == 0 && !token.has_pcrlock &&
        (token.bank == BANK || token.bank == CLO_HASH_NONE) &&
        (token.signed_pcrs == 0 || (pcrsig != NULL && is_signed(&token, after, pcrsig))))
        out->fit++;
}

bool clo_image_update_tokens(const struct clo_image_update *update,
                             const struct clo_reference *before, const struct clo_reference *after,
                             struct clo_bytes uki, struct clo_image_tokens *out,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *pcrsig = NULL;
    struct clo_luks2_info info;
    const char *name;
    json_t *token;

    if (!clo_luks2_parse(clo_buffer_bytes(&update->disk.header), &info, &metadata, err) ||
        !read_pcrsig(uki, &pcrsig, err))
        return false;
    *out = (struct clo_image_tokens){ .moved = moved_registers(before, after) };
    json_object_foreach (json_object_get(metadata, "tokens"), name, token)
        count_token(token, after, pcrsig, out);
    return true;
}
