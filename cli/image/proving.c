#include "cli/image/proving.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/image/image.h"
#include "device/file.h"
#include "device/process.h"
#include "device/random.h"
#include "device/tpm_seal.h"
#include "image/boot.h"
#include "image/prove.h"

#define TPM_TRIES  4000 /* of a machine that has much else to do */
#define PAUSE_NSEC 30000000L
#define GRACE_MS   2000
#define NAME_SIZE  24
#define MAPPED_PCR 11 /* an image's reference is one that knows it */

static void interrupt(int signal_number)
{
    (void)signal_number;
    clo_boot_interrupt();
}

/* --- The machine's TPM --- */

static bool open_tpm(pid_t *pid, const char *socket, struct clo_tpm **out, struct clo_error *err)
{
    for (int i = 0; i < TPM_TRIES && !clo_boot_was_interrupted(); i++) {
        if (clo_tpm_open_socket(socket, out, err))
            return true;
        if (waitpid(*pid, NULL, WNOHANG) == *pid) {
            *pid = -1;
            return clo_fail(err, CLO_ERR_UNAVAILABLE, "swtpm: cannot be started");
        }
        nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NSEC }, NULL);
    }
    return clo_fail(err, CLO_ERR_UNAVAILABLE, "swtpm does not answer");
}

/* Made by the TPM itself, in a state that QEMU's gets afterwards. */
static bool make_storage_key(const char *folder, struct clo_buffer *area, struct clo_error *err)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    CLO_CLEANUP(clo_fd_close) int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char state[4200], server[4300], socket[4200];
    pid_t pid;

    snprintf(state, sizeof state, "dir=%s", folder);
    snprintf(socket, sizeof socket, "%s/sock", folder);
    snprintf(server, sizeof server, "type=unixio,path=%s", socket);
    const char *const argv[] = { "swtpm",      "socket",  "--tpm2",
                                 "--tpmstate", state,     "--server",
                                 server,       "--flags", "not-need-init,startup-clear",
                                 NULL };
    if (!clo_process_start(argv, log, &pid, err))
        return false;
    bool ok = open_tpm(&pid, socket, &tpm, err) && clo_tpm_srk(tpm, area, err);
    clo_tpm_freep(&tpm);
    clo_process_stop(pid, GRACE_MS);
    (void)unlink(socket);
    return ok;
}

/* --- The header, sealed to it --- */

static bool seal_to(void *context, const struct clo_tpm2_sealing *sealing, struct clo_bytes secret,
                    struct clo_tpm2_token *out, struct clo_error *err)
{
    return clo_tpm2_sealing_offline(sealing, context, CLO_TPM_SRK, secret, &clo_random_system, out,
                                    err);
}

/* References of images stay; those of firmware, of which there is none here, give way to this machine's. */
static bool exchange_firmware(const struct cli_seal *in, const struct cli_prove *prove,
                              struct clo_list *out, struct clo_error *err)
{
    enum clo_hash bank = in->bank == NULL ? CLO_HASH_SHA256 : clo_hash_from_name(in->bank);
    const char *phase = in->phase == NULL ? CLI_SEAL_PHASE : in->phase;

    for (size_t i = 0; i < in->references.count; i++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        struct clo_digest ignored;
        if (!cli_read_reference(in->references.items[i], &reference, err))
            return false;
        if (clo_reference_value(reference, bank, MAPPED_PCR, phase, &ignored))
            out->items[out->count++] = in->references.items[i];
    }
    for (size_t i = 0; i < prove->firmware_references.count; i++) {
        if (out->count == CLO_LIST_MAX)
            return clo_fail(err, CLO_ERR_USAGE, "--prove-firmware: too many references");
        out->items[out->count++] = prove->firmware_references.items[i];
    }
    return true;
}

static bool make_plan(const struct cli_seal *in, const struct cli_prove *prove,
                      struct cli_seal_plan *plan, struct clo_error *err)
{
    struct cli_seal with = *in;

    if (prove->firmware_references.count != 0) {
        with.references.count = 0;
        if (!exchange_firmware(in, prove, &with.references, err))
            return false;
    }
    return cli_seal_plan(&with, plan, err);
}

/* A copy of the image's header, as it would be sealed. */
static bool seal_header(const struct cli_seal *in, const struct cli_prove *prove,
                        struct clo_bytes storage_key, const char *image, const char *header,
                        uint64_t *at, struct clo_error *err)
{
    CLO_CLEANUP(cli_seal_plan_free) struct cli_seal_plan plan = { .bank = CLO_HASH_NONE };
    CLO_CLEANUP(clo_seal_close) struct clo_seal_disk disk = { .fd = -1 };
    CLO_CLEANUP(clo_seal_close) struct clo_seal_disk copy = { .fd = -1 };
    CLO_CLEANUP(clo_seal_result_free) struct clo_seal_result result = { .tokens = 0 };
    struct clo_tpm2_parent parent;

    if (!make_plan(in, prove, &plan, err))
        return false;
    if (!clo_seal_open(image, false, &disk, err))
        return clo_wrap(err, "%s", image);
    *at = disk.offset;
    if (!clo_file_write(header, clo_buffer_bytes(&disk.header), 0600, err) ||
        !clo_tpm2_parent_parse(storage_key, &parent, err))
        return false;
    plan.job.seal = seal_to;
    plan.job.context = &parent;
    bool ok = clo_seal_open(header, true, &copy, err) && clo_seal(&copy, &plan.job, &result, err);
    clo_tpm2_parent_free(&parent);
    return ok || clo_wrap(err, "%s", image);
}

/* --- The states --- */

struct proof {
    char name[NAME_SIZE];
    const char *uki;
    bool should_open;
    struct clo_prove_result result;
};

struct proofs {
    struct proof items[1 + 2 * CLO_LIST_MAX];
    size_t count;
};

static void add_proofs(struct proofs *proofs, const char *name, const struct clo_list *ukis,
                       bool should_open)
{
    for (size_t i = 0; i < ukis->count; i++) {
        struct proof *proof = &proofs->items[proofs->count++];
        *proof = (struct proof){ .uki = ukis->items[i], .should_open = should_open };
        if (ukis->count == 1)
            snprintf(proof->name, sizeof proof->name, "%s", name);
        else
            snprintf(proof->name, sizeof proof->name, "%s-%zu", name, i + 1);
    }
}

static bool is_as_it_should_be(const struct proof *proof)
{
    return proof->result.answer == (proof->should_open ? CLO_PROVE_OPENS : CLO_PROVE_REFUSED);
}

static bool try_all(const struct clo_prove_spec *spec, struct proofs *proofs, bool *proved,
                    struct clo_error *err)
{
    *proved = false;
    for (size_t i = 0; i < proofs->count; i++) {
        struct proof *proof = &proofs->items[i];
        const struct clo_prove_state state = { .name = proof->name, .uki = proof->uki };
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "booting    %s (%zu of %zu)\n", proof->name, i + 1, proofs->count);
        if (!clo_prove(spec, &state, &proof->result, err))
            return false;
    }
    *proved = true;
    for (size_t i = 0; i < proofs->count; i++)
        *proved = *proved && is_as_it_should_be(&proofs->items[i]);
    return true;
}

/* --- The answer --- */

static bool print_json(const struct proofs *proofs, const struct cli_prove *prove, bool proved,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *states = json_array();
    CLO_CLEANUP(clo_json_freep) json_t *not_tried = json_array();
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    for (size_t i = 0; i < proofs->count; i++) {
        const struct proof *proof = &proofs->items[i];
        json_array_append_new(
                states,
                json_pack("{s:s, s:o?, s:s, s:s, s:o, s:f}", "state", proof->name, "uki",
                          proof->uki == NULL ? NULL : clo_json_text(proof->uki), "opens",
                          clo_prove_answer_name(proof->result.answer), "expected",
                          proof->should_open ? "yes" : "no", "reason",
                          clo_json_text(proof->result.reason), "seconds", proof->result.seconds));
    }
    if (prove->next.count == 0)
        json_array_append_new(not_tried, json_string("next"));
    if (prove->old.count == 0)
        json_array_append_new(not_tried, json_string("rolled-back"));
    json = json_pack("{s:b, s:O, s:O}", "proved", proved, "states", states, "not_tried", not_tried);
    return cli_print_json(json, err);
}

static void print_table(const struct proofs *proofs, const struct cli_prove *prove, bool proved)
{
    printf("%-16s %-8s %-9s %s\n", "state", "opens", "expected", "why");
    for (size_t i = 0; i < proofs->count; i++) {
        const struct proof *proof = &proofs->items[i];
        printf("%-16s %-8s %-9s %s\n", proof->name, clo_prove_answer_name(proof->result.answer),
               proof->should_open ? "yes" : "no", proof->result.reason);
    }
    if (prove->next.count == 0)
        printf("%-16s %-8s %-9s %s\n", "next", "-", "yes", "not tried: no --next-uki");
    if (prove->old.count == 0)
        printf("%-16s %-8s %-9s %s\n", "rolled-back", "-", "no", "not tried: no --old-uki");
    printf("%s\n", proved ? "each state that was tried is as expected; nothing was sealed"
                          : "not as expected; nothing was sealed");
}

bool cli_prove_is_asked(const struct cli_prove *prove)
{
    return prove->is_wanted || prove->varstore != NULL || prove->firmware != NULL ||
           prove->emulator != NULL || prove->until != NULL || prove->consoles != NULL ||
           prove->memory != NULL || prove->next.count != 0 || prove->old.count != 0 ||
           prove->firmware_references.count != 0;
}

static bool check_options(const struct cli_seal *in, const struct cli_prove *prove,
                          struct clo_error *err)
{
    if (!prove->is_wanted)
        return clo_fail(err, CLO_ERR_USAGE, "what is said of a proof needs --prove");
    if (prove->varstore == NULL || in->references.count == 0)
        return clo_fail(err, CLO_ERR_USAGE, "--prove needs --varstore and --reference");
    if (in->pin != NULL || (in->form != NULL && strcmp(in->form, "share") == 0))
        return clo_fail(err, CLO_ERR_USAGE,
                        "--prove: with a PIN or a share it opens in no state by the TPM alone");
    if (prove->timeout == 0 || prove->timeout > 86400)
        return clo_fail(err, CLO_ERR_USAGE, "--timeout: out of range");
    return true;
}

bool cli_prove(const struct cli_seal *in, const struct cli_prove *prove, const char *image,
               bool *proved, struct clo_error *err)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch tpm = { .path = "" };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { .path = "" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer storage_key = { 0 };
    struct proofs proofs = { .items = { { .name = "present", .should_open = true } }, .count = 1 };
    char header[4200];
    struct clo_prove_spec spec = {
        .image = image,
        .header = header,
        .varstore = prove->varstore,
        .tpm_state = tpm.path,
        .firmware = prove->firmware == NULL ? CLO_BOOT_FIRMWARE : prove->firmware,
        .emulator = prove->emulator,
        .until = prove->until,
        .consoles = prove->consoles,
        .timeout_s = (unsigned)prove->timeout,
    };

    if (!check_options(in, prove, err) || !cli_boot_memory(prove->memory, &spec.memory_mib, err))
        return false;
    add_proofs(&proofs, "next", &prove->next, true);
    add_proofs(&proofs, "rolled-back", &prove->old, false);
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    if (!clo_scratch_new(NULL, &tpm, err) || !clo_scratch_new(NULL, &scratch, err))
        return false;
    snprintf(header, sizeof header, "%s/header", scratch.path);
    if (!make_storage_key(tpm.path, &storage_key, err) ||
        !seal_header(in, prove, clo_buffer_bytes(&storage_key), image, header, &spec.header_at,
                     err) ||
        !try_all(&spec, &proofs, proved, err))
        return false;
    if (in->as_json)
        return print_json(&proofs, prove, *proved, err);
    print_table(&proofs, prove, *proved);
    return true;
}
