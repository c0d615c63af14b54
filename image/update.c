#include "image/update.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cloister/pe.h"
#include "device/file.h"
#include "device/random.h"
#include "image/efi_boot.h"
#include "image/foretell.h"
#include "image/nv_approve.h"
#include "image/seal.h"
#include "image/update_note.h"

#define BANK         CLO_HASH_SHA256
#define LOG_LIMIT    ((size_t)16 << 20)
#define LOCK_SECONDS 120 /* another run makes a UKI, and has it signed, before it takes the lock */
#define ESP_SPARE    ((uint64_t)1 << 20) /* for folders, and what others write meanwhile */
/* Firmware, loader, UKI, what the host passes, and 15, which the volume key is measured into. */
#define SEALED_PCRS \
    (1U << 0 | 1U << 2 | 1U << 4 | 1U << 7 | 1U << 11 | 1U << 12 | 1U << 13 | 1U << 15)

/* What is known while one command runs. */
struct update {
    const struct clo_update_machine *machine;
    int lock;
    struct clo_seal_disk *disks; /* the root's, and those of other volumes */
    size_t disk_count;
    enum clo_seal_form form;
    bool is_sealed; /* the disk has tokens for TPMs */
    bool has_floor; /* and all of them end with a generation, or with what the NV index approves of */
    bool is_by_nv; /* an NV index says which states open it */
    struct clo_nv_policy nv;
    struct clo_present present;
    struct clo_buffer log;
};

static void free_update(struct update *update)
{
    for (size_t i = 0; i < update->disk_count; i++)
        clo_seal_close(&update->disks[i]);
    free(update->disks);
    clo_nv_policy_free(&update->nv);
    clo_buffer_free(&update->log);
    clo_fd_close(&update->lock);
}

/* --- Looking at the machine --- */

/* With the folder that it is in: nothing else of ours may be installed below /var. */
static bool make_state(const char *state, struct clo_error *err)
{
    char parent[4200];
    const char *slash = strrchr(state, '/');

    snprintf(parent, sizeof parent, "%.*s", slash == NULL ? 0 : (int)(slash - state), state);
    if (parent[0] != '\0' && mkdir(parent, 0755) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", parent, strerror(errno));
    return mkdir(state, 0700) == 0 || errno == EEXIST ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", state, strerror(errno));
}

/* One at a time: hooks of package managers and timers may meet. */
static bool take_lock(struct update *update, struct clo_error *err)
{
    const char *state = update->machine->state;

    if (!make_state(state, err))
        return false;
    update->lock = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (update->lock < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", state, strerror(errno));
    return clo_fd_lock(update->lock, LOCK_SECONDS, err) || clo_wrap(err, "%s", state);
}

/* All tokens, or none of them: what is bound to registers would open the system of before, or not the next one. */
static bool look_at_index(struct update *update, size_t tokens, size_t by_nv, struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;

    update->is_by_nv = by_nv > 0;
    if (by_nv > 0 && by_nv != tokens)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the disk is sealed to an NV index and to registers: 'cloister seal "
                        "--replace' makes it one");
    if (update->is_by_nv != (machine->nv_policy != NULL))
        return clo_fail(err, CLO_ERR_REFUSED, "%s",
                        update->is_by_nv ? "an NV index says which states open the disk: "
                                           "--nv-policy and --nv-key are needed"
                                         : "--nv-policy: the disk is sealed to no NV index");
    return !update->is_by_nv || clo_nv_file_read(machine->nv_policy, &update->nv, err);
}

/* Tokens for TPMs. */
struct tokens {
    size_t systemd, own;
    size_t bound; /* of our own, that end with a generation */
    size_t by_nv; /* by an NV index */
    bool has_share;
};

static bool count_tokens(const struct clo_seal_disk *disk, struct tokens *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info;
    const char *name;
    json_t *token;

    *out = (struct tokens){ .systemd = 0 };
    if (!clo_luks2_parse(clo_buffer_bytes(&disk->header), &info, &metadata, err))
        return false;
    json_object_foreach (json_object_get(metadata, "tokens"), name, token) {
        const char *type = json_string_value(json_object_get(token, "type"));
        if (type == NULL)
            continue;
        if (clo_tpm2_token_is(token))
            out->by_nv += json_is_true(json_object_get(token, "tpm2_pcrlock")) ? 1 : 0;
        out->systemd += strcmp(type, CLO_TPM2_TOKEN_SYSTEMD) == 0;
        if (strcmp(type, CLO_TPM2_TOKEN_OWN) != 0)
            continue;
        out->own++;
        out->bound += json_object_get(token, "floor") != NULL;
        out->has_share = out->has_share || json_object_get(token, "share") != NULL;
    }
    return true;
}

static bool look_at_tokens(struct update *update, struct clo_error *err)
{
    struct tokens tokens;

    if (!count_tokens(&update->disks[0], &tokens, err))
        return false;
    if (tokens.has_share)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the disk needs a share of the TPM's and one of the broker's: seal it "
                        "for the new state with 'cloister image seal'");
    /* Those have no floor: the host may not choose them. */
    if (tokens.systemd > 0 && update->machine->is_own)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "an own token gave this boot its key, and the disk shows one of systemd's: "
                        "another header than this boot was of");
    if (tokens.systemd > 0 && tokens.own > 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "the disk is sealed in two forms: 'cloister seal --replace' makes it one");
    size_t count = tokens.systemd + tokens.own;
    update->is_sealed = count > 0;
    update->has_floor = tokens.bound + tokens.by_nv == count;
    update->form = tokens.systemd > 0 ? CLO_SEAL_SYSTEMD : CLO_SEAL_OWN;
    return look_at_index(update, count, tokens.by_nv, err);
}

/* Another volume: it is named because it would not open otherwise. */
static bool look_at_volume(const struct clo_seal_disk *disk, struct clo_error *err)
{
    struct tokens tokens;

    return count_tokens(disk, &tokens, err) &&
           (tokens.by_nv > 0 ||
            clo_fail(err, CLO_ERR_REFUSED, "--volume: is not sealed to an NV index"));
}

static bool read_present(struct update *update, struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;
    struct clo_tpm_pcrs pcrs;

    if (machine->tpm == NULL)
        return true;
    if (!clo_tpm_pcr_read(machine->tpm, BANK, SEALED_PCRS, &pcrs, err) ||
        !clo_file_read(machine->eventlog, LOG_LIMIT, &update->log, err))
        return false;
    update->present = (struct clo_present){ .bank = BANK, .log = clo_buffer_bytes(&update->log) };
    memcpy(update->present.values, pcrs.values, sizeof update->present.values);
    return true;
}

/* A token in a header is the disk's word, and anyone who holds the disk may have put it there: the key is sealed to no TPM that
 * this boot did not get it from. */
static bool check_trust(const struct update *update, struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;

    if (!update->is_sealed)
        return true;
    if (machine->tpm == NULL || machine->srk == NULL)
        return clo_fail(
                err, CLO_ERR_REFUSED,
                "the disk has keys for a TPM, and this boot trusts none: nothing is sealed");
    return machine->volume_key != NULL ||
           clo_fail(err, CLO_ERR_USAGE, "the volume key is needed to seal it");
}

static bool add_disk(struct update *update, const char *path, struct clo_error *err)
{
    if (!clo_seal_open(path, true, &update->disks[update->disk_count], err))
        return false;
    update->disk_count++;
    return true;
}

static bool begin(struct update *update, struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;

    if (!take_lock(update, err))
        return false;
    update->disks = calloc(1 + machine->volume_count, sizeof *update->disks);
    if (update->disks == NULL)
        return clo_out_of_memory(err);
    if (!add_disk(update, machine->disk, err) || !look_at_tokens(update, err))
        return clo_wrap(err, "%s", machine->disk);
    for (size_t i = 0; i < machine->volume_count; i++)
        if (!add_disk(update, machine->volumes[i], err) ||
            !look_at_volume(&update->disks[i + 1], err))
            return clo_wrap(err, "%s", machine->volumes[i]);
    return true;
}

/* --- The ESP --- */

static void on_esp(const struct clo_update_machine *machine, const char *name, char out[4200])
{
    snprintf(out, 4200, "%s/%s", machine->esp, name);
}

/* An update that was never settled, and what a killed run was writing: the same name, and more after it. */
static bool clear_folder(const struct clo_update_machine *machine, struct clo_error *err)
{
    static const char begins[] = "next.efi";
    struct dirent *entry;
    char folder[4200];
    bool ok = true;

    on_esp(machine, CLO_UPDATE_FOLDER, folder);
    DIR *stream = opendir(folder);
    if (stream == NULL)
        return errno == ENOENT || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    while (ok && (entry = readdir(stream)) != NULL)
        if (strncmp(entry->d_name, begins, strlen(begins)) == 0 &&
            unlinkat(dirfd(stream), entry->d_name, 0) != 0)
            ok = clo_fail(err, CLO_ERR_SYSTEM, "%s/%s: %s", folder, entry->d_name, strerror(errno));
    closedir(stream);
    return ok;
}

static bool make_folder(const struct clo_update_machine *machine, struct clo_error *err)
{
    static const char *const folders[] = { "EFI", CLO_UPDATE_FOLDER };
    char path[4200];

    for (size_t i = 0; i < CLO_COUNT(folders); i++) {
        on_esp(machine, folders[i], path);
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    }
    return true;
}

static bool check_room(const struct clo_update_machine *machine, uint64_t size,
                       struct clo_error *err)
{
    struct statvfs status;

    if (statvfs(machine->esp, &status) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", machine->esp, strerror(errno));
    uint64_t free = (uint64_t)status.f_bavail * status.f_frsize;
    return free >= size + ESP_SPARE ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: %llu KiB are free, %llu are needed", machine->esp,
                    (unsigned long long)(free >> 10),
                    (unsigned long long)((size + ESP_SPARE) >> 10));
}

static bool sync_folder(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return (fd >= 0 && fsync(fd) == 0) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

static bool is_installed(const char *path, const struct clo_update_note *note,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_digest digest;

    if (!clo_file_read(path, CLO_PE_SIZE_MAX, &bytes, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&bytes), &digest);
    return clo_digest_equal(&digest, &note->uki) ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: not what was installed", path);
}

static bool write_uki(const struct clo_update_machine *machine, struct clo_bytes uki,
                      struct clo_error *err)
{
    char next[4200];

    on_esp(machine, CLO_UPDATE_NEXT, next);
    return clear_folder(machine, err) && check_room(machine, uki.size, err) &&
           make_folder(machine, err) && clo_file_write(next, uki, 0644, err);
}

/* The host has exchanged it after this boot was of it: else the update would be settled by no run any more. */
static bool place_again(const struct clo_update_machine *machine,
                        const struct clo_update_note *note, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    struct clo_error why = *err;

    if (!clo_update_copy_read(machine->state, note, &uki, err)) {
        *err = why;
        return false;
    }
    return write_uki(machine, clo_buffer_bytes(&uki), err);
}

/* One rename: the usual name is of the old or of the new one. A run that was cut short may have done it. */
static bool take_name(const struct clo_update_machine *machine, const struct clo_update_note *note,
                      struct clo_error *err)
{
    char next[4200], usual[4200], folder[4200];

    on_esp(machine, CLO_UPDATE_NEXT, next);
    on_esp(machine, CLO_UPDATE_USUAL, usual);
    on_esp(machine, "EFI/BOOT", folder);
    bool is_waiting = access(next, F_OK) == 0;
    if (!is_waiting && is_installed(usual, note, err))
        return true;
    if ((!is_waiting || !is_installed(next, note, err)) && !place_again(machine, note, err))
        return false;
    if (rename(next, usual) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", usual, strerror(errno));
    return sync_folder(folder, err);
}

/* --- Sealing --- */

static bool seal_here(void *context, const struct clo_tpm2_sealing *sealing,
                      struct clo_bytes secret, struct clo_tpm2_token *out, struct clo_error *err)
{
    const struct clo_update_machine *machine = context;

    return clo_tpm_seal(machine->tpm, machine->srk, sealing, secret, &clo_random_system, out, err);
}

/* The index's key is the one that was given, and the index binds what can be foretold: asked before anything is changed. */
static bool check_index(const struct update *update, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;

    if (!update->is_by_nv)
        return true;
    if (!clo_private_key_public(update->machine->nv_key, &signer, err) ||
        !clo_nv_index_is_of(&update->nv, signer, err))
        return clo_wrap(err, "%s", update->machine->nv_policy);
    return (update->nv.alternatives.bank == BANK && (update->nv.pcrs & ~SEALED_PCRS) == 0) ||
           clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: binds registers that cannot be foretold",
                    update->machine->nv_policy);
}

/* For the state with these values, next to what the index approves of already, or instead. */
static bool approve(struct update *update, const struct clo_digest values[CLO_PCR_COUNT],
                    bool drops_others, struct clo_error *err)
{
    const struct clo_nv_file file = { .path = update->machine->nv_policy,
                                      .key = update->machine->nv_key,
                                      .tpm = update->machine->tpm,
                                      .disks = update->disks,
                                      .disk_count = update->disk_count };
    struct clo_alternatives next = update->nv.alternatives;

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        if ((update->nv.pcrs >> pcr & 1) == 0)
            continue;
        if (drops_others)
            next.counts[pcr] = 0;
        if (!clo_alternatives_add(&next, pcr, &values[pcr]))
            return clo_fail(err, CLO_ERR_REFUSED,
                            "%s: PCR %u has %d values already: 'cloister nv-policy update' drops "
                            "old ones",
                            file.path, pcr, CLO_TPM2_OR_MAX);
    }
    return clo_nv_approve(&file, &update->nv, &next, err);
}

/* For the state with these values; those of before stay, or go once it is written. */
static bool seal(struct update *update, const char *name,
                 const struct clo_digest values[CLO_PCR_COUNT], uint64_t floor, bool drops_others,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_seal_result_free) struct clo_seal_result result = { .tokens = 0 };
    struct clo_seal_state state = { .name = name, .hint = { .bank = BANK, .pcrs = SEALED_PCRS } };
    size_t count = 0;

    if (update->is_by_nv)
        return approve(update, values, drops_others, err);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        if ((SEALED_PCRS >> pcr & 1) == 0)
            continue;
        state.values[count++] = values[pcr];
        state.hint.values[pcr] = values[pcr];
    }
    const struct clo_seal_job job = {
        .volume_key = update->machine->volume_key,
        .form = update->form,
        .sealing = { .bank = BANK,
                     .pcrs = SEALED_PCRS,
                     .floor = update->form == CLO_SEAL_OWN ? floor : 0 },
        .states = &state,
        .state_count = 1,
        .drops_others = drops_others,
        .random = &clo_random_system,
        .seal = seal_here,
        .context = (void *)(uintptr_t)update->machine,
    };
    return clo_tpm2_sealing_check(&job.sealing, err) &&
           clo_seal(&update->disks[0], &job, &result, err);
}

/* The registers of a boot of what lies under this name, as the initrd has them. */
static bool seal_again(struct update *update, const char *name, uint64_t floor,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    struct clo_digest values[CLO_PCR_COUNT] = { 0 };
    char path[4200];

    on_esp(update->machine, name, path);
    return clo_file_read(path, CLO_PE_SIZE_MAX, &uki, err) &&
           clo_foretell(&update->present, clo_buffer_bytes(&uki), values, err) &&
           (clo_digest_equal(&values[4], &update->present.values[4]) ||
            clo_fail(err, CLO_ERR_REFUSED, "%s: not what this boot was of", path)) &&
           seal(update, name, values, floor, true, err);
}

/* --- Installing --- */

static bool find_esp(const struct update *update, struct clo_gpt *gpt,
                     const struct clo_gpt_partition **esp, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };

    if (!clo_fd_read(update->disks[0].fd, 0, CLO_GPT_HEAD_SIZE, &head, err) ||
        !clo_gpt_parse(clo_buffer_bytes(&head), gpt, err))
        return clo_wrap(err, "%s", update->machine->disk);
    return clo_gpt_find(gpt, &clo_gpt_type_esp, esp, err);
}

/* All that can say no, before anything is changed. */
static bool plan(struct update *update, struct clo_bytes uki, struct clo_update_note *note,
                 struct clo_digest values[CLO_PCR_COUNT], bool *is_booted, struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;
    enum clo_update_is is;

    *is_booted = false;
    if (!begin(update, err) || !check_trust(update, err) || !check_index(update, err) ||
        !read_present(update, err))
        return false;
    if (!clo_update_look(machine, &is, err))
        return false;
    if (is == CLO_UPDATE_TRIED)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the last update was not settled yet: 'cloister update --mark-good'");
    /* Or the new system would be one without a floor, and the old one would go on opening older headers. */
    if (machine->srk != NULL && !update->is_sealed)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the TPM has this boot's key, and the disk shows a header without: another "
                        "header than this boot was of");
    *note = (struct clo_update_note){ .floor = 0 };
    clo_hash(CLO_HASH_SHA256, uki, &note->uki);
    if (machine->tpm == NULL)
        return true;
    if (!clo_foretell(&update->present, uki, values, err))
        return clo_wrap(err, "the new UKI");
    note->pcr_4 = values[4];
    *is_booted = clo_digest_equal(&values[4], &update->present.values[4]);
    return true;
}

/* From here on firmware starts it, once. */
static bool start_next(struct update *update, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    struct clo_efi_entry entry = { .path = CLO_UPDATE_NEXT };
    const char *efivars = update->machine->efivars;
    uint16_t number;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    return find_esp(update, gpt, &entry.esp, err) &&
           clo_efi_entry_write(efivars, &entry, &number, err) &&
           clo_efi_next_write(efivars, number, err);
}

/* Made once more, as a timer does: it waits already, and each token more would take a place in the header. */
static bool waits_already(const struct clo_update_machine *machine,
                          const struct clo_update_note *note)
{
    struct clo_update_note before;
    struct clo_error ignored;
    enum clo_update_is is;
    char next[4200];
    bool is_there;

    on_esp(machine, CLO_UPDATE_NEXT, next);
    return clo_update_look(machine, &is, &ignored) && is == CLO_UPDATE_WAITING &&
           clo_update_note_read(machine->state, &before, &is_there, &ignored) && is_there &&
           before.pcr_4.hash != CLO_HASH_NONE && clo_digest_equal(&before.uki, &note->uki) &&
           is_installed(next, &before, &ignored);
}

bool clo_update_install(const struct clo_update_machine *machine, struct clo_bytes uki,
                        bool *is_booted, struct clo_error *err)
{
    CLO_CLEANUP(free_update)
    struct update update = { .machine = machine, .lock = -1 };
    struct clo_digest values[CLO_PCR_COUNT] = { 0 };
    struct clo_update_note note;

    /* An entry of before would start a file that is about to go. */
    if (!plan(&update, uki, &note, values, is_booted, err))
        return false;
    if (*is_booted || waits_already(machine, &note))
        return true;
    if (!clo_efi_entry_drop(machine->efivars, err) || !clo_update_note_drop(machine->state, err) ||
        !write_uki(machine, uki, err))
        return false;
    if (update.is_sealed) {
        if (!clo_tpm_floor(machine->tpm, &note.floor, err))
            return false;
        note.floor++;
    }
    return clo_update_copy_write(machine->state, uki, err) &&
           clo_update_note_write(machine->state, &note, err) &&
           (!update.is_sealed || seal(&update, "the next state", values, note.floor, false, err)) &&
           start_next(&update, err);
}

/* --- Settling --- */

/* The TPM says which one this boot is of; without one the firmware does. */
static bool is_boot_of(const struct clo_update_machine *machine, const struct clo_update_note *note,
                       bool *out, struct clo_error *err)
{
    struct clo_tpm_pcrs pcrs;

    if (machine->tpm == NULL || note->pcr_4.hash == CLO_HASH_NONE) {
        char next[4200];
        on_esp(machine, CLO_UPDATE_NEXT, next);
        /* Once it has the usual name, that is what was done after such a boot. */
        *out = clo_efi_is_current(machine->efivars) || access(next, F_OK) != 0;
        return true;
    }
    if (!clo_tpm_pcr_read(machine->tpm, BANK, 1U << 4, &pcrs, err))
        return false;
    *out = clo_digest_equal(&pcrs.values[4], &note->pcr_4);
    return true;
}

bool clo_update_look(const struct clo_update_machine *machine, enum clo_update_is *out,
                     struct clo_error *err)
{
    struct clo_update_note note;
    bool is_there, is_new;

    *out = CLO_UPDATE_NONE;
    if (!clo_update_note_read(machine->state, &note, &is_there, err))
        return false;
    if (!is_there)
        return true;
    if (!is_boot_of(machine, &note, &is_new, err))
        return false;
    *out = is_new ? CLO_UPDATE_TRIED : CLO_UPDATE_FAILED;
    if (!is_new && clo_efi_is_next(machine->efivars))
        *out = CLO_UPDATE_WAITING;
    return true;
}

/* Sealed first: what is bound to a generation opens before the floor has reached it, and after. It may be above what was noted where
 * the counter was made anew; and nothing was noted where the system before got its key from the broker alone. */
static bool raise_floor(struct update *update, const struct clo_update_note *note,
                        struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;
    uint64_t generation = note->floor, floor;

    /* The host may hide the TPM in both boots, and show it again with an older system: a later boot pays. */
    if (generation == 0 && machine->srk == NULL)
        return clo_update_owed_write(machine->state, note, err);
    /* Also where the header has no token any more: an older header has. */
    if (machine->tpm == NULL)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "the TPM is gone, and with it the floor");
    if (!clo_tpm_floor(machine->tpm, &floor, err))
        return false;
    if (generation < floor)
        generation = floor;
    if (note->floor == 0)
        generation++;
    return (!update->is_sealed || seal_again(update, CLO_UPDATE_USUAL, generation, err)) &&
           clo_tpm_floor_raise(machine->tpm, generation, err) &&
           clo_update_owed_drop(machine->state, err);
}

/* Of an update that was kept where the TPM was hidden. An older system that the host has started must not raise it for itself. */
static bool pay(struct update *update, enum clo_update_is *out, bool *has_floor,
                struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;
    struct clo_update_note owed;
    char usual[4200];
    bool is_there;

    if (!clo_update_owed_read(machine->state, &owed, &is_there, err))
        return false;
    if (!is_there || machine->srk == NULL || machine->tpm == NULL)
        return true;
    owed.floor = 0;
    on_esp(machine, CLO_UPDATE_USUAL, usual);
    if (!is_installed(usual, &owed, err))
        return clo_wrap(err, "the TPM's floor is to be raised for the last update");
    if (!begin(update, err) || !check_trust(update, err) || !check_index(update, err) ||
        !read_present(update, err) || !raise_floor(update, &owed, err))
        return false;
    *out = CLO_UPDATE_TRIED;
    *has_floor = update->has_floor;
    return true;
}

/* The name before the floor: what firmware starts by itself must open the disk. The note goes last, so that
 * a run that was cut short is done again. */
static bool keep(struct update *update, const struct clo_update_note *note, struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;

    return take_name(machine, note, err) && clo_efi_entry_drop(machine->efivars, err) &&
           raise_floor(update, note, err) && clear_folder(machine, err) &&
           clo_update_note_drop(machine->state, err);
}

/* It had its boot, or never got it. Its token goes, or else each attempt would leave one. */
static bool give_up(struct update *update, const struct clo_update_note *note,
                    struct clo_error *err)
{
    const struct clo_update_machine *machine = update->machine;
    uint64_t floor;

    if (!clo_efi_entry_drop(machine->efivars, err))
        return false;
    if (note->floor != 0 && update->is_sealed &&
        (!clo_tpm_floor(machine->tpm, &floor, err) ||
         !seal_again(update, CLO_UPDATE_USUAL, floor, err)))
        return false;
    return clear_folder(machine, err) && clo_update_note_drop(machine->state, err);
}

bool clo_update_settle(const struct clo_update_machine *machine, enum clo_update_is *out,
                       bool *has_floor, struct clo_error *err)
{
    CLO_CLEANUP(free_update)
    struct update update = { .machine = machine, .lock = -1 };
    struct clo_update_note note;
    bool is_there;

    *out = CLO_UPDATE_NONE;
    *has_floor = true;
    if (!clo_update_note_read(machine->state, &note, &is_there, err))
        return false;
    if (!is_there)
        return pay(&update, out, has_floor, err);
    if (!begin(&update, err) || !clo_update_look(machine, out, err))
        return false;
    *has_floor = update.has_floor;
    if (*out == CLO_UPDATE_WAITING)
        return true;
    if (!check_trust(&update, err) || !check_index(&update, err) || !read_present(&update, err))
        return false;
    return *out == CLO_UPDATE_TRIED ? keep(&update, &note, err) : give_up(&update, &note, err);
}
