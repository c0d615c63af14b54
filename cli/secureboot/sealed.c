#include "cli/secureboot/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/file.h"
#include "lib/disk/gpt.h"
#include "lib/disk/luks2.h"
#include "lib/disk/luks2_generation.h"
#include "lib/disk/pcr_hint.h"

#define SECURE_BOOT (UINT32_C(1) << 7)

enum effect {
    STAYS,     /* opens as before */
    SHUT,      /* for the state of now, which ends */
    FORETOLD,  /* for the state after the change */
    ELSEWHERE, /* for neither */
    SIGNED,    /* what counts is whether the state after is signed */
    INDEX,     /* what counts is what the NV index approves of */
};

static const struct {
    const char *name, *text;
} effects[] = {
    [STAYS] = { "stays", "opens as before" },
    [SHUT] = { "shut", "SHUT OUT: sealed to PCR 7 as it is now" },
    [FORETOLD] = { "foretold", "will open: sealed to PCR 7 as it will be" },
    [ELSEWHERE] = { "elsewhere", "sealed to another PCR 7 than now or after" },
    [SIGNED] = { "signed", "needs a signature for PCR 7 as it will be" },
    [INDEX] = { "nv-index", "needs an NV index that approves of PCR 7 as it will be" },
};

static bool read_header(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *root = NULL;
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    uint64_t at = 0;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (end < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s", strerror(errno));
    if ((uint64_t)end < CLO_GPT_HEAD_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "too short for a disk");
    if (!clo_fd_read(fd, 0, CLO_GPT_HEAD_SIZE, &head, err))
        return false;
    if (memcmp(head.data, "LUKS\xba\xbe", 6) != 0) {
        if (!clo_gpt_parse(clo_buffer_bytes(&head), gpt, err) ||
            !clo_gpt_find(gpt, &clo_gpt_type_root_x86_64, &root, err))
            return false;
        at = root->first_lba * CLO_GPT_SECTOR;
    }
    uint64_t left = at < (uint64_t)end ? (uint64_t)end - at : 0;
    size_t size = left < CLO_LUKS2_HEADER_MAX ? (size_t)left : CLO_LUKS2_HEADER_MAX;
    return clo_fd_read(fd, at, size, out, err) && clo_luks2_settle(out, err);
}

static bool is_among(const struct clo_digest *value, const struct clo_digest *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].hash != CLO_HASH_NONE && clo_digest_equal(value, &list[i]))
            return true;
    return false;
}

/* What the disk notes of the token's state is not signed: it says no more than which line to print. */
static enum effect effect_of(const json_t *tokens, const struct clo_tpm2_token *token,
                             const struct secureboot_states *states)
{
    struct clo_pcr_hint hint;

    if (states->is_same)
        return STAYS;
    if ((token->pcrs & SECURE_BOOT) == 0)
        return (token->signed_pcrs & SECURE_BOOT) != 0 ? SIGNED
               : token->has_pcrlock                    ? INDEX
                                                       : STAYS;
    if (states->count == 0 ||
        !clo_pcr_hint_find(tokens, clo_buffer_bytes(&token->policies[0]), &hint) ||
        hint.bank != states->bank || (hint.pcrs & SECURE_BOOT) == 0)
        return SHUT; /* nothing says otherwise */
    return is_among(&hint.values[7], states->after, states->count)    ? FORETOLD
           : is_among(&hint.values[7], states->before, states->count) ? SHUT
                                                                      : ELSEWHERE;
}

static void tell(const char *path, unsigned number, enum effect effect, json_t *json)
{
    if (json == NULL)
        printf("%s: token %u: %s\n", path, number, effects[effect].text);
    else
        json_array_append_new(json, json_pack("{s:s, s:I, s:s}", "disk", path, "token",
                                              (json_int_t)number, "effect", effects[effect].name));
}

static void tell_what_to_do(const char *path)
{
    printf("%s: before the change, seal to the state after it: 'secureboot apply' writes that "
           "store,\n  'measure uki --varstore --output' its reference, and 'seal' or 'image seal "
           "--reference' a key for it\n",
           path);
}

bool secureboot_tell_sealed(const char *path, const struct secureboot_states *states, json_t *json,
                            bool *is_shut, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    size_t shut = 0, open = 0, count = 0;

    if (!read_header(path, &header, err) ||
        !clo_luks2_parse(clo_buffer_bytes(&header), &info, &metadata, err))
        return clo_wrap(err, "%s", path);
    const json_t *tokens = json_object_get(metadata, "tokens");
    for (unsigned i = 0; i < CLO_LUKS2_TOKENS_MAX; i++) {
        CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
        char name[12];
        snprintf(name, sizeof name, "%u", i);
        const json_t *one = json_object_get(tokens, name);
        if (!clo_tpm2_token_is(one))
            continue;
        if (!clo_tpm2_token_parse(one, &token, err))
            return clo_wrap(err, "%s: token %u", path, i);
        enum effect effect = effect_of(tokens, &token, states);
        tell(path, i, effect, json);
        shut += effect == SHUT ? 1 : 0;
        open += effect == STAYS || effect == FORETOLD ? 1 : 0;
        count++;
    }
    if (count == 0 && json == NULL)
        printf("%s: no key is sealed to a TPM\n", path);
    *is_shut = shut > 0 && open == 0;
    if (*is_shut && json == NULL)
        tell_what_to_do(path);
    return true;
}
