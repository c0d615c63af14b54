#include "cli/seal/states.h"

#include <stdlib.h>
#include <string.h>

#include "cli/recovery/qr.h"
#include "cli/seal/srk.h"
#include "device/file.h"
#include "device/random.h"
#include "lib/crypto/extend.h"
#include "lib/disk/recovery.h"

#define KEY_LIMIT       512
#define NAME_OF_DISK    ".disk.json"
#define DISK_FILE_LIMIT ((size_t)1 << 20)

void cli_seal_plan_free(struct cli_seal_plan *plan)
{
    cli_references_free(&plan->references);
    if (plan->nv != NULL)
        clo_nv_policy_free(plan->nv);
    free(plan->nv);
    clo_secret_freep(&plan->key);
    clo_secret_freep(&plan->pin);
    clo_public_key_freep(&plan->signer);
    clo_tpm2_parent_free(&plan->parent);
    clo_buffer_free(&plan->parent_area);
}

/* --- The states --- */

static bool has_pcr(const struct clo_reference *reference, const struct cli_seal_plan *plan,
                    unsigned pcr, const char *phase, struct clo_digest *out)
{
    return clo_reference_value(reference, plan->bank, pcr, phase, out);
}

/* An image's own reference first, then whatever else says something about a register: firmware's. */
static bool find_value(const struct cli_seal_plan *plan, size_t image, size_t other, unsigned pcr,
                       const char *phase, struct clo_digest *out)
{
    const struct cli_references *all = &plan->references;

    if (has_pcr(all->items[image], plan, pcr, phase, out) ||
        (other < all->count && has_pcr(all->items[other], plan, pcr, phase, out)))
        return true;
    for (size_t i = 0; i < all->count; i++)
        if (has_pcr(all->items[i], plan, pcr, phase, out))
            return true;
    /* Zero until the volume key is measured, which nobody has yet. */
    if (pcr != CLI_SEAL_LATCH || strcmp(phase, CLI_SEAL_PHASE) != 0)
        return false;
    *out = (struct clo_digest){ .hash = plan->bank };
    return true;
}

/* systemd 261 and newer, in an initrd that carries its service, before a disk is opened: a word into each of these. */
static void add_separator(unsigned pcr, struct clo_digest *value)
{
    static const uint32_t measured = 0xffU | 1U << 9 | 1U << 12 | 1U << 13 | 1U << 14;
    struct clo_digest word;

    if ((measured >> pcr & 1) == 0)
        return;
    clo_hash(value->hash, clo_bytes_text("os-separator"), &word);
    crypto_extend(value, &word);
}

static bool add_state(const struct cli_seal *in, struct cli_seal_plan *plan, size_t image,
                      size_t other, struct clo_error *err)
{
    struct clo_seal_state *state = &plan->states[plan->job.state_count];
    const char *name = in->references.items[image];
    size_t count = 0;

    if (plan->job.state_count == CLI_SEAL_STATES)
        return clo_fail(err, CLO_ERR_USAGE, "more than %d states", CLI_SEAL_STATES);
    *state = (struct clo_seal_state){ .name = name, .hint = { .bank = plan->bank } };
    for (unsigned pcr = 0; pcr < CLO_TPM2_PCRS; pcr++) {
        struct clo_digest *value = &state->values[count];
        if ((plan->job.sealing.pcrs >> pcr & 1) == 0)
            continue;
        if (!find_value(plan, image, other, pcr, in->phase, value))
            return clo_fail(err, CLO_ERR_REFUSED, "%s: no reference has a value of PCR %u (%s)",
                            name, pcr, clo_hash_name(plan->bank));
        if (in->has_separator)
            add_separator(pcr, value);
        state->hint.values[pcr] = *value;
        state->hint.pcrs |= UINT32_C(1) << pcr;
        count++;
    }
    plan->job.state_count++;
    return true;
}

/* Each image's with each firmware's. An image's is one that knows PCR 11. */
static bool make_states(const struct cli_seal *in, struct cli_seal_plan *plan,
                        struct clo_error *err)
{
    const struct cli_references *all = &plan->references;
    struct clo_digest ignored;
    size_t images = 0;

    for (size_t i = 0; i < all->count; i++) {
        bool is_alone = true;
        if (!has_pcr(all->items[i], plan, 11, in->phase, &ignored))
            continue;
        images++;
        for (size_t k = 0; k < all->count; k++) {
            if (has_pcr(all->items[k], plan, 11, in->phase, &ignored))
                continue;
            is_alone = false;
            if (!add_state(in, plan, i, k, err))
                return false;
        }
        if (is_alone && !add_state(in, plan, i, all->count, err))
            return false;
    }
    const char *meant = cli_phase_meant(cli_references_view(all), all->count, in->phase);
    return images != 0 || all->count == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "--reference: none is an image's (PCR 11%s%s%s)",
                    meant == NULL ? "" : " in this phase: did you mean ",
                    meant == NULL ? "" : meant, meant == NULL ? "" : "?");
}

bool cli_seal_states(const struct cli_seal *in, struct cli_seal_plan *plan, struct clo_error *err)
{
    return cli_references_load(&in->references, &plan->references, err) &&
           make_states(in, plan, err);
}

/* Where all registers are the index's to say there is nothing to foretell. */
static bool add_nv_state(const struct cli_seal *in, struct cli_seal_plan *plan,
                         struct clo_error *err)
{
    if (plan->nv == NULL || plan->job.state_count > 0 || plan->job.sealing.pcrs != 0)
        return true;
    if (in->references.count > 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--reference: the NV index says all, nothing is bound to a value");
    plan->states[0] = (struct clo_seal_state){ .name = "what the NV index approves of" };
    plan->job.state_count = 1;
    return true;
}

/* --- The policy --- */

static bool read_signer(const struct cli_seal *in, struct cli_seal_plan *plan,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_tpm2_sealing *sealing = &plan->job.sealing;

    if ((in->signed_pcrs == NULL) != (in->signer == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--signed-pcrs and --policy-key go together");
    if (in->ref != NULL && in->signer == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--policy-ref goes with --policy-key");
    if (in->signer == NULL)
        return true;
    if (!cli_pcr_list("--signed-pcrs", in->signed_pcrs, &sealing->signed_pcrs, err) ||
        !clo_key_file_public(in->signer, &plan->signer, &pem, err))
        return false;
    sealing->signer = plan->signer;
    sealing->ref = in->ref;
    return true;
}

static bool read_form(const struct cli_seal *in, struct cli_seal_plan *plan, struct clo_error *err)
{
    static const char *const words[] = { "systemd", "own", "share" };
    const char *form = in->form == NULL ? words[0] : in->form;
    size_t i = 0;

    while (i < CLO_COUNT(words) && strcmp(form, words[i]) != 0)
        i++;
    if (i == CLO_COUNT(words))
        return clo_fail(err, CLO_ERR_USAGE, "--form %.40s: expected systemd, own or share", form);
    plan->job.form = (enum clo_seal_form)i;
    if ((plan->job.form == CLO_SEAL_SHARE) != (in->share != NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--form share and --share-output go together");
    return true;
}

/* The index's owner says what it approves of, now and later. */
static bool read_nv_policy(const struct cli_seal *in, struct cli_seal_plan *plan,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_tpm2_sealing *sealing = &plan->job.sealing;

    if (in->nv_policy == NULL)
        return true;
    if (plan->job.form != CLO_SEAL_SYSTEMD && in->signer != NULL)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--nv-policy and --policy-key are two halves: --form systemd alone");
    plan->nv = calloc(1, sizeof *plan->nv);
    if (plan->nv == NULL)
        return clo_out_of_memory(err);
    if (!clo_file_read(in->nv_policy, DISK_FILE_LIMIT, &text, err))
        return false;
    if (!clo_nv_policy_parse(clo_buffer_bytes(&text), plan->nv, err))
        return clo_wrap(err, "%s", in->nv_policy);
    if (plan->nv->alternatives.bank != plan->bank)
        return clo_fail(err, CLO_ERR_USAGE, "%s: is of the %s bank: --bank", in->nv_policy,
                        clo_hash_name(plan->nv->alternatives.bank));
    plan->job.nv_policy = &plan->nv->alternatives;
    sealing->nv = &plan->nv->name;
    sealing->nv_pcrs = plan->nv->pcrs;
    sealing->nv_handle = clo_buffer_bytes(&plan->nv->handle);
    return true;
}

/* What is bound in another way already needs no value. Neither a signature nor an index says that PCR 11 is of the initrd alone. */
static void default_pcrs(struct clo_tpm2_sealing *sealing)
{
    uint32_t others = sealing->signed_pcrs | sealing->nv_pcrs;

    if ((others & UINT32_C(1) << 11) != 0)
        sealing->pcrs |= UINT32_C(1) << CLI_SEAL_LATCH;
    sealing->pcrs &= ~others;
}

static bool read_policy(const struct cli_seal *in, struct cli_seal_plan *plan,
                        struct clo_error *err)
{
    struct clo_tpm2_sealing *sealing = &plan->job.sealing;

    plan->bank = in->bank == NULL ? CLO_HASH_SHA256 : clo_hash_from_name(in->bank);
    if (plan->bank == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_USAGE, "--bank %.20s: not a hash", in->bank);
    sealing->bank = plan->bank;
    if (!read_form(in, plan, err) || !read_signer(in, plan, err) ||
        !read_nv_policy(in, plan, err) ||
        !cli_pcr_list("--pcrs", in->pcrs == NULL ? CLI_SEAL_PCRS : in->pcrs, &sealing->pcrs, err))
        return false;
    if (in->pcrs == NULL)
        default_pcrs(sealing);
    if (in->pin != NULL) {
        if (!clo_passphrase_read(in->pin, &plan->pin, err))
            return false;
        sealing->pin = clo_secret_bytes(plan->pin);
    }
    return true;
}

/* What another party moves, or may: once, where it is chosen. */
static void note_pcrs(const struct cli_seal_plan *plan)
{
    const struct clo_tpm2_sealing *sealing = &plan->job.sealing;
    uint32_t all = sealing->pcrs | sealing->signed_pcrs | sealing->nv_pcrs;

    if (plan->job.form != CLO_SEAL_SYSTEMD &&
        (sealing->pcrs & (UINT32_C(1) << 11 | UINT32_C(1) << CLI_SEAL_LATCH)) == 0)
        fputs("cloister: note: bound to the value of neither PCR 11 nor PCR 15: cloister-init "
              "takes no such key for a root\n",
              stderr);
    if (plan->job.form == CLO_SEAL_SYSTEMD && (all >> 7 & 1) == 0)
        fputs("cloister: note: PCR 7 is left out: without Secure Boot an initrd of systemd's "
              "takes words for its command line from a firmware variable, which is the host's\n",
              stderr);
    if ((sealing->pcrs >> 1 & 1) != 0)
        fputs("cloister: note: PCR 1 has the host's SMBIOS tables in it (systemd's stub and boot "
              "loader of 261 and newer): another size of machine, or release of the host's, "
              "shuts the key out\n",
              stderr);
    if ((sealing->pcrs >> 9 & 1) != 0)
        fputs("cloister: note: PCR 9 moves where systemd makes registers of its own in the TPM "
              "(NvPCRs, 259 and newer), in the first boot and after the TPM was cleared\n",
              stderr);
}

bool cli_seal_plan(const struct cli_seal *in, struct cli_seal_plan *out, struct clo_error *err)
{
    struct cli_seal with = *in;

    with.phase = in->phase == NULL ? CLI_SEAL_PHASE : in->phase;
    if (in->key == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--key is needed");
    /* systemd writes some of these otherwise, where it computes over the name. */
    if (in->crypttab != NULL &&
        (in->crypttab[0] == '\0' || strpbrk(in->crypttab, ": \t\\/#") != NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--crypttab %.60s: not the name of a volume",
                        in->crypttab);
    if (!cli_qr_check(in->shows_qr, in->makes_recovery, err))
        return false;
    if (in->share != NULL && !cli_is_no_input("--share-output", in->share, in->key, err))
        return false;
    if (!read_policy(&with, out, err) || !clo_tpm2_sealing_check(&out->job.sealing, err) ||
        !cli_references_load(&in->references, &out->references, err) ||
        !make_states(&with, out, err) || !add_nv_state(&with, out, err) ||
        !clo_file_read_secret(in->key, KEY_LIMIT, &out->key, err))
        return false;
    if (in->has_separator && in->references.count == 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--os-separator is for --reference: the present "
                        "registers have it");
    note_pcrs(out);
    out->job.key = out->key;
    out->job.states = out->states;
    out->job.drops_others = in->drops_others;
    out->job.makes_recovery = in->makes_recovery;
    out->job.random = &clo_random_system;
    return true;
}

/* --- To a TPM that is elsewhere --- */

bool cli_seal_check_handle(uint64_t handle, struct clo_error *err)
{
    return handle >> 24 == 0x81 ||
           clo_fail(err, CLO_ERR_USAGE, "--srk-handle 0x%llx: expected 0x81000000 to 0x81ffffff",
                    (unsigned long long)handle);
}

static bool seal_there(void *context, const struct clo_tpm2_sealing *sealing,
                       struct clo_bytes secret, struct clo_tpm2_token *out, struct clo_error *err)
{
    const struct cli_seal_plan *plan = context;

    return clo_tpm2_sealing_offline(sealing, &plan->parent, plan->parent_handle, secret,
                                    &clo_random_system, out, err);
}

bool cli_seal_plan_offline(struct cli_seal_plan *plan, const char *srk, uint64_t handle,
                           struct clo_error *err)
{
    if (!cli_srk_read(srk, &plan->parent_area, &plan->parent, err))
        return false;
    plan->parent_handle = (uint32_t)handle;
    plan->job.seal = seal_there;
    plan->job.context = plan;
    return true;
}

/* --- Afterwards --- */

/* Key slots are part of what a disk is: its file must follow, or the broker's guest refuses the disk. */
static bool update_identity(const struct cli_seal *in, const struct clo_seal_disk *disk,
                            const struct clo_seal_result *result, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer after = { 0 };
    struct clo_disk_file file;

    if (in->identity == NULL)
        return true;
    if (!clo_file_read(in->identity, DISK_FILE_LIMIT, &before, err))
        return false;
    if (!clo_disk_file_parse(clo_buffer_bytes(&before), &file, err))
        return clo_wrap(err, "%s", in->identity);
    if (!clo_disk_identity_of(clo_buffer_bytes(&disk->header), result->volume_key, &file.identity,
                              err))
        return false;
    if (result->share != NULL)
        clo_disk_key_id(clo_secret_bytes(result->share), &file.key_id);
    return clo_disk_file_write(&file, &after, err) &&
           clo_file_write(in->identity, clo_buffer_bytes(&after), 0644, err);
}

static bool get_volume_key(const struct clo_seal_job *job, struct clo_seal_disk *disk,
                           struct clo_secret **out, struct clo_error *err)
{
    int slot;

    return job->volume_key != NULL ? clo_secret_copy(clo_secret_bytes(job->volume_key), out, err)
                                   : clo_seal_try(disk, job->key, &slot, out, err);
}

/* Of a header in a file of its own it is not plain that it is the one which the guest reads: a disk may have another on it. */
static bool check_identity(const struct cli_seal *in, const struct clo_seal_job *job,
                           struct clo_seal_disk *disk, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    struct clo_disk_identity found;
    struct clo_disk_file file;

    if (in->identity == NULL || !disk->is_detached)
        return true;
    if (!clo_file_read(in->identity, DISK_FILE_LIMIT, &text, err) ||
        !get_volume_key(job, disk, &volume_key, err) ||
        !clo_disk_identity_of(clo_buffer_bytes(&disk->header), volume_key, &found, err))
        return false;
    if (!clo_disk_file_parse(clo_buffer_bytes(&text), &file, err))
        return clo_wrap(err, "%s", in->identity);
    return clo_digest_equal(&file.identity.header, &found.header) ||
           clo_fail(err, CLO_ERR_REFUSED, "--disk %s: is of another header than this one",
                    in->identity);
}

/* Another volume under the same key slots' keys is refused by it: systemd opens whatever the key opens otherwise. */
static void crypttab_line(const struct cli_seal *in, const struct clo_seal_result *result,
                          struct clo_buffer *out)
{
    struct clo_digest id;

    clo_luks2_volume_key_id(result->volume_key, in->crypttab, result->uuid, &id);
    clo_buffer_text(out, in->crypttab);
    clo_buffer_text(out, " UUID=");
    clo_buffer_text(out, result->uuid);
    clo_buffer_text(out, " none tpm2-device=auto,fixate-volume-key=");
    clo_hex_write(clo_digest_bytes(&id), out);
}

static bool print_json(const struct cli_seal *in, const struct cli_seal_plan *plan,
                       const struct clo_seal_result *result, const char *check,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer line = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *names = json_array();
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    for (size_t i = 0; i < plan->job.state_count; i++)
        json_array_append_new(names, clo_json_text(plan->states[i].name));
    json = json_pack("{s:O, s:i, s:i}", "states", names, "tokens", (int)result->tokens, "dropped",
                     (int)result->dropped);
    if (result->recovery != NULL) {
        struct clo_bytes text = clo_secret_bytes(result->recovery);
        json_object_set_new(json, "recovery", json_stringn((const char *)text.data, text.size));
        json_object_set_new(json, "check", json_string(check));
    }
    if (in->crypttab != NULL) {
        crypttab_line(in, result, &line);
        json_object_set_new(json, "crypttab", clo_json_text(clo_buffer_string(&line)));
    }
    return cli_print_json(json, err);
}

static bool print_result(const struct cli_seal *in, const struct cli_seal_plan *plan,
                         const struct clo_seal_result *result, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer line = { 0 };
    char check[CLO_RECOVERY_GROUPS + 1] = "";

    if (result->recovery != NULL)
        clo_recovery_check(result->recovery, check);
    if (in->as_json)
        return print_json(in, plan, result, check, err);
    for (size_t i = 0; i < plan->job.state_count; i++)
        printf("sealed     %s\n", plan->states[i].name);
    if (result->dropped != 0)
        printf("dropped    %zu\n", result->dropped);
    if (in->crypttab != NULL) {
        crypttab_line(in, result, &line);
        printf("crypttab   %s\n", clo_buffer_string(&line));
    }
    if (result->recovery == NULL)
        return true;
    printf("recovery   %.*s\ncheck      %s\n", (int)clo_secret_size(result->recovery),
           (const char *)clo_secret_bytes(result->recovery).data, check);
    return !in->shows_qr || cli_qr_print(result->recovery, err);
}

struct share_file {
    const char *path;
};

static bool write_share(void *context, const struct clo_secret *share, struct clo_error *err)
{
    const struct share_file *file = context;

    return clo_file_write(file->path, clo_secret_bytes(share), 0600, err);
}

bool cli_seal_apply(const struct cli_seal *in, struct cli_seal_plan *plan, const char *path,
                    struct clo_seal_result *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_close) struct clo_seal_disk disk = { .fd = -1 };
    CLO_CLEANUP(clo_seal_result_free) struct clo_seal_result result = { .tokens = 0 };
    struct share_file share = { in->share };

    plan->job.keep_share = write_share;
    plan->job.share_context = &share;
    if (!clo_seal_open(path, true, &disk, err) || !check_identity(in, &plan->job, &disk, err) ||
        !clo_seal(&disk, &plan->job, &result, err))
        return clo_wrap(err, "%s", path);
    if (!update_identity(in, &disk, &result, err))
        return false;
    *out = result;
    result = (struct clo_seal_result){ .tokens = 0 };
    return true;
}

bool cli_seal_run(const struct cli_seal *in, struct cli_seal_plan *plan, const char *path,
                  struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_result_free) struct clo_seal_result result = { .tokens = 0 };

    return cli_seal_apply(in, plan, path, &result, err) && print_result(in, plan, &result, err);
}
