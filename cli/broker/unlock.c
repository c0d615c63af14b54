/* cloister unlock: a disk of a running guest, with a key that the broker releases to it. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/seal/srk.h"
#include "cloister/resource.h"
#include "device/file.h"
#include "device/key_file.h"
#include "device/tsm.h"
#include "guest/disk_use.h"
#include "guest/measure.h"
#include "guest/tpm_tokens.h"
#include "guest/unlock.h"
#include "net/imds.h"

#define RUN_FOLDER  "/run/cloister"
#define HEADER_FILE RUN_FOLDER "/luks-header.unlock"

static void on_wait(void *context, const char *why, unsigned seconds)
{
    (void)context;
    fprintf(stderr, "cloister: unlock: %s; trying again in %u s\n", why, seconds);
}

/* What the command line names. */
struct volume {
    const char *device, *name;
    const char *header; /* in a file of its own; NULL: on the device */
    const char *fixed;  /* what the volume key is called, under that name; NULL: any */
};

/* What is opened: the disk, and its volume key once it is known to be the right disk. */
struct opening {
    struct clo_disk disk;
    struct clo_secret *volume_key;
    struct clo_tpm *tpm;
    bool has_counter;
    struct clo_bound_tpm bound;
    const struct clo_tpm2_name *srk; /* that the image names; NULL: none */
    const char *fixed, *name; /* what the volume key is called, under which name; NULL: any */
};

static void free_opening(struct opening *opening)
{
    clo_disk_free(&opening->disk);
    clo_secret_freep(&opening->volume_key);
    clo_tpm_freep(&opening->tpm);
    clo_bound_tpm_free(&opening->bound);
}

/* As systemd-cryptsetup does (fixate-volume-key=). */
static bool check_fixed(const struct opening *opening, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer said = { 0 };
    struct clo_digest id;

    if (opening->fixed == NULL)
        return true;
    if (!clo_hex_read(clo_bytes_text(opening->fixed), &said, err))
        return clo_wrap(err, "--fixate-volume-key");
    clo_luks2_volume_key_id(opening->volume_key, opening->name, opening->disk.luks.uuid, &id);
    return clo_bytes_equal(clo_buffer_bytes(&said), clo_digest_bytes(&id)) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "--fixate-volume-key: the disk has another volume key, or its name is another");
}

static void on_evidence(void *context, const struct clo_evidence *evidence)
{
    struct opening *opening = context;

    clo_bound_tpm_take(&opening->bound, evidence);
}

static bool on_release(void *context, const struct clo_release *release, uint64_t *generation,
                       struct clo_error *err)
{
    struct opening *opening = context;
    struct clo_disk *disk = &opening->disk;

    clo_secret_freep(&opening->volume_key);
    if (!clo_disk_volume_key(disk, HEADER_FILE, release->key, &opening->volume_key, err))
        return false;
    const struct clo_disk_use use = { .disk = disk,
                                      .scratch = HEADER_FILE,
                                      .volume_key = opening->volume_key,
                                      .registered = &release->disk,
                                      .has_counter = opening->has_counter,
                                      .tpm = opening->tpm,
                                      .bound = &opening->bound,
                                      .srk = opening->srk };
    return !release->has_disk || clo_disk_use_again(&use, generation, err);
}

static bool get_key(const struct clo_guest_config *config, struct opening *opening,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer userlog = { 0 };
    struct clo_tpm2_name srk;
    struct clo_error ignored;

    opening->has_counter = config->has_tpm_counter;
    opening->srk = clo_guest_config_srk(config, &srk);
    if (!clo_tpm_open(CLO_TPM_DEVICE, &opening->tpm, err) && err->status != CLO_ERR_UNAVAILABLE)
        return false;
    if (!clo_file_read(CLO_MEASURE_LOG, CLO_FILE_LIMIT, &userlog, &ignored))
        userlog.size = 0; /* nothing was measured by user space */
    const struct clo_collector collector = { .tpm = opening->tpm,
                                             .hardware = clo_hardware_default,
                                             .eventlog = CLO_COLLECT_EVENTLOG,
                                             .ccel = CLO_COLLECT_CCEL,
                                             .imds = CLO_IMDS_URL,
                                             .userlog = clo_buffer_bytes(&userlog) };
    const struct clo_unlock unlock = { .config = config,
                                       .collector = &collector,
                                       .on_evidence = on_evidence,
                                       .on_release = on_release,
                                       .on_wait = on_wait,
                                       .context = opening };
    return clo_unlock_key(&unlock, err);
}

/* The header is checked before anybody is asked for a key. */
static bool open_disk(const struct volume *volume, const struct clo_guest_config *config,
                      struct clo_error *err)
{
    const char *device = volume->device;
    CLO_CLEANUP(free_opening)
    struct opening opening = { .disk.header_file = volume->header,
                               .fixed = volume->fixed,
                               .name = volume->name };

    if (strlen(device) >= sizeof opening.disk.device)
        return clo_fail(err, CLO_ERR_USAGE, "%.60s…: the path is too long", device);
    memcpy(opening.disk.device, device, strlen(device) + 1);
    if (!clo_disk_read_header(&opening.disk, err))
        return false;
    (void)mkdir(RUN_FOLDER, 0700);
    bool ok = get_key(config, &opening, err) && check_fixed(&opening, err) &&
              clo_disk_open(&opening.disk, HEADER_FILE, opening.volume_key, volume->name, err);
    (void)remove(HEADER_FILE);
    return ok;
}

/* --- From the TPM --- */

struct by_tpm {
    const char *device, *signatures, *pin, *pcrlock, *srk;
    bool is_wanted, is_test;
};

static void on_refusal(void *context, const char *why)
{
    (void)context;
    fprintf(stderr, "cloister: unlock: %s\n", why);
}

static bool read_alternatives(const char *path, struct clo_alternatives **out,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    *out = malloc(sizeof **out);
    if (*out == NULL)
        return clo_out_of_memory(err);
    return clo_file_read(path, CLO_FILE_LIMIT, &text, err) &&
           (clo_alternatives_parse(clo_buffer_bytes(&text), *out, err) ||
            clo_wrap(err, "%s", path));
}

static bool search_tokens(const struct by_tpm *by, struct opening *opening, const char *scratch,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *pcrsig = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pin = NULL;
    CLO_CLEANUP(clo_freep) struct clo_alternatives *alternatives = NULL;
    struct clo_unseal with = { .pcrsig = NULL };
    struct clo_tpm2_name srk;

    if (by->signatures != NULL && (!clo_file_read(by->signatures, CLO_FILE_LIMIT, &text, err) ||
                                   !clo_json_parse(clo_buffer_bytes(&text), &pcrsig, err)))
        return clo_wrap(err, "%s", by->signatures);
    if (by->pin != NULL && !clo_passphrase_read(by->pin, &pin, err))
        return false;
    if (by->pcrlock != NULL && !read_alternatives(by->pcrlock, &alternatives, err))
        return false;
    if (by->srk != NULL && !cli_srk_name(by->srk, &srk, err))
        return false;
    with.srk = by->srk == NULL ? NULL : &srk;
    with.pcrsig = pcrsig;
    with.alternatives = alternatives;
    with.pin = pin == NULL ? clo_bytes(NULL, 0) : clo_secret_bytes(pin);
    const struct clo_tpm_search search = { .tpm = opening->tpm,
                                           .with = &with,
                                           .on_refusal = on_refusal };
    return clo_tpm_volume_key(&search, &opening->disk, scratch, &opening->volume_key, err);
}

static bool open_by_tpm(const struct volume *volume, const struct by_tpm *by, struct clo_error *err)
{
    const char *device = volume->device;
    CLO_CLEANUP(free_opening)
    struct opening opening = { .disk.header_file = volume->header,
                               .fixed = volume->fixed,
                               .name = volume->name };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { 0 };
    char header[sizeof scratch.path + 8];

    if (strlen(device) >= sizeof opening.disk.device)
        return clo_fail(err, CLO_ERR_USAGE, "%.60s…: the path is too long", device);
    memcpy(opening.disk.device, device, strlen(device) + 1);
    if (!clo_disk_read_header(&opening.disk, err) ||
        !clo_tpm_open_named(by->device, &opening.tpm, err) || !clo_scratch_new(NULL, &scratch, err))
        return false;
    snprintf(header, sizeof header, "%s/header", scratch.path);
    if (!search_tokens(by, &opening, header, err) || !check_fixed(&opening, err))
        return false;
    if (!by->is_test)
        return clo_disk_open(&opening.disk, header, opening.volume_key, volume->name, err);
    printf("opens      %s, by this TPM\n", opening.disk.luks.uuid);
    return true;
}

/* --- From the broker --- */

static bool open_by_broker(const struct volume *volume, const char *path, const char *resource,
                           bool is_unregistered, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };

    if (!clo_file_read(path, CLO_FILE_LIMIT, &text, err))
        return false;
    if (!clo_guest_config_parse(clo_buffer_bytes(&text), &config, err))
        return clo_wrap(err, "%s", path);
    if (resource != NULL) {
        if (!clo_resource_template_check(resource, err))
            return false;
        config.resource = resource;
    }
    if (is_unregistered)
        config.disk_is_registered = false;
    return open_disk(volume, &config, err);
}

int cmd_unlock(int argc, char **argv)
{
    const char *path = CLO_GUEST_CONFIG, *resource = NULL;
    struct by_tpm by = { .device = CLO_TPM_DEVICE };
    struct volume volume = { .header = NULL };
    bool is_unregistered = false;
    const struct cli_option options[] = {
        { "--config", "FILE", "which broker, by which key; default " CLO_GUEST_CONFIG,
          .text = &path },
        { "--resource", "PATH", "the key's name at the broker; default the configuration's",
          .text = &resource },
        { "--unregistered-disk", NULL,
          "take a key that comes without the disk that it is for: any disk that it opens will do",
          .flag = &is_unregistered },
        { "--by-tpm", NULL, "the key comes from the TPM, by the tokens in the disk's header",
          .flag = &by.is_wanted },
        { "--tpm", "DEVICE", "which one; default " CLO_TPM_DEVICE ", or swtpm:SOCKET",
          .text = &by.device },
        { "--srk", "FILE", "the storage key that it must have: TPM2B_PUBLIC", .text = &by.srk },
        { "--pcr-signature", "FILE", "signed PCR policies: a UKI's .pcrsig",
          .text = &by.signatures },
        { "--pcrlock", "FILE",
          "what an NV index's policy stands for: systemd-pcrlock's pcrlock.json",
          .text = &by.pcrlock },
        { "--pin-file", "FILE", "the PIN that a token wants", .text = &by.pin },
        { "--fixate-volume-key", "HEX",
          "the volume key that it must be, under NAME: as crypttab has it (seal --crypttab)",
          .text = &volume.fixed },
        { "--header", "FILE",
          "the disk's LUKS2 header, where it is in a file of its own (cryptsetup --header)",
          .text = &volume.header },
        { "--test", NULL, "with --by-tpm: say whether it opens, and map nothing",
          .flag = &by.is_test },
    };
    const struct cli_usage usage = {
        .command = "unlock",
        .arguments = "DEVICE NAME",
        .operands = { "a device and a name", 1, 2 },
        .summary = "Opens a LUKS2 disk in a running guest as /dev/mapper/NAME: checks its header, "
                   "proves\nthe machine to the broker, and uses the key that it releases; or takes "
                   "the key from the TPM.\nThe initrd does the same for the root by itself.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister unlock /dev/vdb data --resource default/disk/data\n"
                   "  cloister unlock /dev/vdb data --header /etc/cloister/data.luks\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (by.is_test && !by.is_wanted)
        return cli_usage_error(&usage, "--test goes with --by-tpm");
    bool has_name = !by.is_test || volume.fixed != NULL;
    if (operands.count != (has_name ? 2 : 1))
        return cli_usage_error(&usage,
                               has_name ? "expected a device and a name" : "expected a device");
    volume.device = operands.items[0];
    volume.name = has_name ? operands.items[1] : NULL;
    bool ok = by.is_wanted ? open_by_tpm(&volume, &by, &err)
                           : open_by_broker(&volume, path, resource, is_unregistered, &err);
    return ok ? CLI_YES : cli_fail("unlock", &err);
}
