#include "cli/image/making.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cli/image/required_rules.h"
#include "cli/inputs.h"
#include "cli/seal/srk.h"
#include "cloister/encoding.h"
#include "cloister/resource.h"
#include "guest/grow.h"
#include "guest/host_allow.h"
#include "image/journal.h"
#include "lib/predict/predict.h"
#include "lib/tcg/tpm2_policy.h"
#include "lib/tcg/tpm2_seal.h"

#define PATH_SIZE 4200

/* --- Progress: a line on standard error that is drawn over, on a terminal only --- */

static const char *const step_names[] = {
    [CLO_IMAGE_ROOT] = "root file system",
    [CLO_IMAGE_INITRD] = "initrd",
    [CLO_IMAGE_UKI] = "UKI",
    [CLO_IMAGE_DISK] = "disk",
    [CLO_IMAGE_ENCRYPT] = "encrypting",
    [CLO_IMAGE_PREDICT] = "predicting",
};

static void show_progress(void *context, enum clo_image_step step, uint64_t done, uint64_t total)
{
    int *last = context;
    int percent = total == 0 ? 100 : (int)(100 * done / total);
    int state = (int)step * 101 + percent;

    if (state == *last)
        return;
    *last = state;
    fprintf(stderr, "\r\033[K%-18s %3d %%", step_names[step], percent);
    if (step == CLO_IMAGE_PREDICT && percent == 100)
        fprintf(stderr, "\r\033[K");
    fflush(stderr);
}

/* --- Inputs --- */

/* NULL leaves it at what it is. */
static bool read_size(const char *option, const char *text, uint64_t *out, struct clo_error *err)
{
    if (text == NULL)
        return true;
    if (!cli_size(option, text, out, err))
        return false;
    return *out <= UINT64_MAX >> 8 ||
           clo_fail(err, CLO_ERR_USAGE, "%s %s: too large", option, text);
}

static bool read_seed(const char *text, struct clo_guid *out, struct clo_error *err)
{
    struct clo_random random = cli_random();

    if (text != NULL)
        return cli_guid("--seed", text, out, err);
    return random.fill(random.context, out->bytes, sizeof out->bytes) ||
           clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
}

/* SOURCE_DATE_EPOCH (reproducible-builds.org), or -1. */
static bool read_epoch(int64_t *out, struct clo_error *err)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end;

    *out = -1;
    if (text == NULL || *text == '\0')
        return true;
    *out = strtoll(text, &end, 10);
    if (*end != '\0' || *out < 0)
        return clo_fail(err, CLO_ERR_USAGE, "SOURCE_DATE_EPOCH: %s: no time", text);
    return true;
}

/* The broker's public key, from a PEM public key or certificate, as DER. */
static bool read_broker_key(const char *path, struct clo_buffer *der, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;

    return clo_key_file_public(path, &key, &pem, err) && clo_public_key_spki(key, der, err);
}

/* "dhcp", or "ADDRESS/PREFIX,GATEWAY[,DNS…]". */
static bool network_config(const char *text, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = NULL;

    if (text == NULL || strcmp(text, "dhcp") == 0) {
        *out = json_pack("{s:s}", "mode", "dhcp");
        return *out != NULL || clo_out_of_memory(err);
    }
    char *rest = copy = strdup(text);
    char *address = strsep(&rest, ",");
    char *gateway = rest == NULL ? NULL : strsep(&rest, ",");
    if (address == NULL || strchr(address, '/') == NULL || gateway == NULL)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--network %s: expected dhcp or ADDRESS/PREFIX,GATEWAY[,DNS]", text);
    json_t *dns = json_array();
    for (char *server; rest != NULL && (server = strsep(&rest, ",")) != NULL;)
        json_array_append_new(dns, json_string(server));
    *out = json_pack("{s:s, s:s, s:s, s:o}", "mode", "static", "address", address, "gateway",
                     gateway, "dns", dns);
    return *out != NULL || clo_out_of_memory(err);
}

/* {"allow": [word…], "key": base64}, as guest/host_allow.h reads it. */
static bool host_config(const struct cli_guest_options *options, json_t **out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *host = json_pack("{s:[]}", "allow");

    for (size_t i = 0; i < options->allowed.count; i++)
        if (!clo_host_word_check(options->allowed.items[i], err)) {
            err->status = CLO_ERR_USAGE;
            return clo_wrap(err, "--allow-host");
        } else if (json_array_append_new(json_object_get(host, "allow"),
                                         json_string(options->allowed.items[i])) != 0) {
            return clo_out_of_memory(err);
        }
    if (options->credential_key != NULL &&
        (!read_broker_key(options->credential_key, &key, err) ||
         json_object_set_new(host, "key", clo_json_base64(clo_buffer_bytes(&key))) != 0))
        return false;
    *out = CLO_TAKE(host);
    return true;
}

/* The name of the storage key that --tpm-srk has the public part of. */
static bool unlock_config(const struct cli_guest_options *options, json_t **srk,
                          struct clo_error *err)
{
    static const char *const words[] = { "broker", "tpm", "tpm-or-broker", "both" };
    struct clo_tpm2_name name;
    bool is_known = options->unlock == NULL;

    for (size_t i = 0; i < CLO_COUNT(words) && !is_known; i++)
        is_known = strcmp(options->unlock, words[i]) == 0;
    if (!is_known)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--unlock %.40s: expected broker, tpm, tpm-or-broker or both",
                        options->unlock);
    if (options->tpm_srk == NULL)
        return true;
    if (!cli_srk_name(options->tpm_srk, &name, err))
        return false;
    *srk = clo_json_hex(clo_bytes(name.bytes, sizeof name.bytes));
    return *srk != NULL || clo_out_of_memory(err);
}

/* As guest/grow.h reads it: "any", or the sizes. */
static bool grow_config(const struct clo_list *given, struct clo_image_spec *spec, json_t *config,
                        struct clo_error *err)
{
    bool is_any = given->count == 1 && strcmp(given->items[0], "any") == 0;

    if (given->count == 0)
        return true;
    _Static_assert(CLO_IMAGE_GROWN_MAX == CLO_GROW_SIZES_MAX, "a guest takes other sizes");
    if (given->count > CLO_IMAGE_GROWN_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--grow: at most %d sizes", CLO_IMAGE_GROWN_MAX);
    CLO_CLEANUP(clo_json_freep) json_t *grow = is_any ? json_string("any") : json_array();
    for (size_t i = 0; i < given->count && !is_any; i++) {
        uint64_t *size = &spec->grown[spec->grown_count++];
        if (!cli_size("--grow", given->items[i], size, err) || *size % CLO_GPT_SECTOR != 0 ||
            *size > UINT64_MAX >> 8)
            return clo_fail(err, CLO_ERR_USAGE,
                            "--grow %s: expected any, or a disk's size, like 40G", given->items[i]);
        if (json_array_append_new(grow, json_integer((json_int_t)*size)) != 0)
            return clo_out_of_memory(err);
    }
    return json_object_set(config, "grow", grow) == 0 || clo_out_of_memory(err);
}

static bool guest_config(const struct cli_guest_options *options, json_t **out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *host = NULL;
    json_t *network, *srk = NULL;

    if (!clo_resource_template_check(options->resource, err))
        return clo_wrap(err, "--resource");
    if (strncmp(options->url, "https://", 8) != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--broker %s: expected https://…", options->url);
    if (!host_config(options, &host, err) || !read_broker_key(options->key_path, &key, err) ||
        !unlock_config(options, &srk, err) || !network_config(options->network, &network, err))
        return false;
    *out = json_pack("{s:i, s:s, s:{s:s, s:o}, s:s, s:o, s:I, s:s, s:s, s:O, s:s*, s:s*, s:o*}",
                     "version", 1, "name", options->name, "broker", "url", options->url, "key",
                     clo_json_base64(clo_buffer_bytes(&key)), "resource", options->resource,
                     "network", network, "retry_seconds", (json_int_t)options->retry_seconds,
                     "disk", options->unregistered_disk ? "unregistered" : "registered", "tdx_rtmr",
                     options->optional_rtmr ? "optional" : "required", "host", host, "tpm_counter",
                     options->tpm_counter ? "used" : NULL, "unlock", options->unlock, "tpm_srk",
                     srk);
    return *out != NULL || clo_fail(err, CLO_ERR_USAGE, "a name is not UTF-8");
}

/* "disk/demo.img" gives "demo". */
static void default_name(const char *output, char *name, size_t size)
{
    const char *slash = strrchr(output, '/');
    const char *base = slash == NULL ? output : slash + 1;
    const char *dot = strrchr(base, '.');

    snprintf(name, size, "%.*s", dot == NULL || dot == base ? (int)strlen(base) : (int)(dot - base),
             base);
}

/* Replaces the ending: "demo.img" gives "demo.ref.json". */
static void replace_ending(const char *output, const char *ending, char *path, size_t size)
{
    const char *slash = strrchr(output, '/');
    const char *dot = strrchr(output, '.');
    bool has_ending = dot != NULL && (slash == NULL || dot > slash + 1);

    snprintf(path, size, "%.*s%s", has_ending ? (int)(dot - output) : (int)strlen(output), output,
             ending);
}

static bool print_finished(const struct clo_image_spec *spec, const char *disk_key, bool as_json,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (as_json) {
        json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "name", spec->name, "image",
                         spec->output, "reference", spec->reference_output, "disk",
                         spec->disk_output, "disk_key", disk_key, "was_finished", true);
        return cli_print_json(json, err);
    }
    printf("image      %s: an earlier run finished it, nothing more is to be done\n", spec->output);
    printf("disk       %s\n", spec->disk_output);
    printf("disk key   %s\n", disk_key);
    return true;
}

static bool print_result(const struct clo_image_spec *spec, const struct clo_image_result *result,
                         const char *disk_key, bool as_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    json_t *verity;

    if (result->was_finished)
        return print_finished(spec, disk_key, as_json, err);
    if (as_json) {
        verity = result->root_hash[0] == '\0'
                         ? NULL
                         : json_pack("{s:s, s:I, s:I}", "root_hash", result->root_hash,
                                     "hash_offset", (json_int_t)result->tree_at, "changes_offset",
                                     (json_int_t)result->changes_at);
        json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o*, s:s*}",
                         "name", spec->name, "image", spec->output, "reference",
                         spec->reference_output, "disk", spec->disk_output, "disk_key", disk_key,
                         "disk_bytes", (json_int_t)result->disk_size, "uki_bytes",
                         (json_int_t)result->uki_size, "initrd_bytes",
                         (json_int_t)result->initrd_size, "encrypted_bytes",
                         (json_int_t)result->encrypted, "free_bytes", (json_int_t)result->skipped,
                         "luks_uuid", result->luks_uuid, "kernel", result->release, "verity",
                         verity, "recovery_header", spec->recovery_header);
        return cli_print_json(json, err);
    }
    printf("image      %s, %llu MiB\n", spec->output,
           (unsigned long long)(result->disk_size >> 20));
    printf("kernel     %s\n", result->release);
    printf("UKI        %.1f MB, of which the initrd %.1f MB\n", (double)result->uki_size / 1e6,
           (double)result->initrd_size / 1e6);
    printf("root       LUKS2 %s, %llu MiB encrypted, %llu MiB free\n", result->luks_uuid,
           (unsigned long long)(result->encrypted >> 20),
           (unsigned long long)(result->skipped >> 20));
    if (result->root_hash[0] != '\0')
        printf("root hash  %s\nhash tree  from byte %llu of the volume\n", result->root_hash,
               (unsigned long long)result->tree_at);
    if (result->changes_at != 0)
        printf("changes    from byte %llu of the volume, %llu MiB\n",
               (unsigned long long)result->changes_at,
               (unsigned long long)(spec->changes_size >> 20));
    for (size_t i = 0; i < result->profile_count; i++) {
        char path[PATH_SIZE + 100];
        clo_image_reference_name(spec->reference_output, i, path, sizeof path);
        printf("reference  %s\n", path);
    }
    for (size_t i = 0; i < spec->grown_count * result->profile_count; i++) {
        char name[PATH_SIZE + 100], path[PATH_SIZE + 200];
        clo_image_grown_name(spec->reference_output, spec->grown[i / result->profile_count], name,
                             sizeof name);
        clo_image_reference_name(name, i % result->profile_count, path, sizeof path);
        printf("grown      %s\n", path);
    }
    printf("disk       %s\n", spec->disk_output);
    printf("disk key   %s\n", disk_key);
    if (spec->recovery_header != NULL)
        printf("recovery   %s, a detached header: with it your passphrase opens the disk\n",
               spec->recovery_header);
    return true;
}

/* --- What goes together --- */

static bool check_required(const struct cli_making *making, struct clo_error *err)
{
    const struct {
        const char *name, *value;
    } required[] = {
        { "--output", making->output },     { "--varstore", making->varstore },
        { "--broker", making->guest.url },  { "--broker-key", making->guest.key_path },
        { "--kernel", making->uki.kernel }, { "--modules", making->modules },
    };

    /* A disk has kernel and modules of its own. */
    for (size_t i = 0; i < CLO_COUNT(required) - (making->build != NULL ? 2 : 0); i++)
        if (required[i].value == NULL)
            return clo_fail(err, CLO_ERR_USAGE, "%s is needed", required[i].name);
    return true;
}

/* A header of its own takes the place of no other output. */
static bool check_recovery_header(const struct cli_making *making, struct clo_error *err)
{
    const char *const others[] = { making->output, making->reference, making->disk_output,
                                   making->disk_key.output, making->passphrase };
    const char *path = making->recovery_header;

    if (path == NULL)
        return true;
    for (size_t i = 0; i < CLO_COUNT(others); i++)
        if (others[i] != NULL && strcmp(others[i], path) == 0)
            return clo_fail(err, CLO_ERR_USAGE,
                            "--recovery-header %s: is another file of this image", path);
    if (making->resumes || access(path, F_OK) != 0)
        return true;
    return clo_fail(err, CLO_ERR_REFUSED,
                    "--recovery-header %s: is there already, and may be the header of a disk",
                    path);
}

/* Firmware that is to start it has to know whose it is. */
static bool check_signing(const struct cli_making *making, struct clo_error *err)
{
    bool is_elsewhere = making->offline.tbs != NULL || making->offline.attached != NULL;

    if (!is_elsewhere && making->uki.signing.keys.count == 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--key and --cert are needed (or --write-tbs, --attach)");
    return !is_elsewhere || uki_offline_check(&making->offline, &making->uki.signing, err);
}

/* With a certificate alone, of a signature that is made elsewhere. */
static bool check_uki(const struct cli_making *making, struct clo_error *err)
{
    struct uki_build uki = making->uki;

    uki.output = making->output;
    if (uki.kernel == NULL)
        uki.kernel = making->output; /* one that is found later */
    if (making->offline.tbs != NULL || making->offline.attached != NULL)
        uki.signing.certificates.count = uki.signing.keys.count;
    for (size_t i = 0; i < uki.sections.count; i++)
        if (strncmp(uki.sections.items[i], ".initrd:", 8) == 0)
            return clo_fail(err, CLO_ERR_USAGE, "--section .initrd: an image has its own");
    return uki_build_check(&uki, err);
}

bool cli_making_check(const struct cli_making *making, struct clo_error *err)
{
    if (making->recovery_header != NULL && making->passphrase == NULL)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--recovery-header: goes with --recovery-passphrase-file");
    return check_required(making, err) && check_signing(making, err) && check_uki(making, err);
}

/* --- Names that follow from others --- */

struct names {
    char name[256], resource[300], reference[PATH_SIZE], disk[PATH_SIZE], key[PATH_SIZE];
};

static void settle_names(struct cli_making *making, struct names *names)
{
    if (making->guest.name == NULL) {
        default_name(making->output, names->name, sizeof names->name);
        making->guest.name = names->name;
    }
    if (making->guest.resource == NULL) {
        snprintf(names->resource, sizeof names->resource, "default/disk/%s", making->guest.name);
        making->guest.resource = names->resource;
    }
    if (making->reference == NULL) {
        replace_ending(making->output, ".ref.json", names->reference, sizeof names->reference);
        making->reference = names->reference;
    }
    if (making->disk_output == NULL) {
        replace_ending(making->output, ".disk.json", names->disk, sizeof names->disk);
        making->disk_output = names->disk;
    }
    if (making->disk_key.output == NULL) {
        replace_ending(making->output, ".disk.key", names->key, sizeof names->key);
        making->disk_key.output = names->key;
    }
    making->disk_key.disk_output = making->disk_output;
}

/* --- All of it --- */

/* What build reads: all of it owned here. */
struct inputs {
    struct cli_making *making;
    struct clo_buffer varstore;
    struct cli_disk_key disk_key;
    struct clo_secret *passphrase;
    json_t *guest;
};

static void free_inputs(struct inputs *inputs)
{
    clo_buffer_free(&inputs->varstore);
    cli_disk_key_free(&inputs->disk_key);
    clo_secret_free(inputs->passphrase);
    json_decref(inputs->guest);
    uki_signing_close(&inputs->making->uki.signing);
    uki_policy_close(&inputs->making->uki.policy);
}

/* The key of a conversion that was not finished is next to it. */
static bool get_disk_key(struct cli_making *making, struct cli_disk_key *out, struct clo_error *err)
{
    struct cli_disk_key_options *options = &making->disk_key;

    if (making->resumes && options->file == NULL && access(options->output, F_OK) == 0)
        options->file = options->output;
    /* The other disk that it opens may be this one. */
    if (making->resumes && options->reuse == NULL)
        options->reuse = "resumed";
    return cli_disk_key_get(options, out, err) &&
           (!making->is_journalled || options->file != NULL ||
            clo_new_file_commit(&out->file, err));
}

/* After a failure: a new key stays if something hangs on it. */
static void drop_disk_key(const struct cli_making *making)
{
    if (!making->is_journalled)
        return;
    clo_journal_forget(making->output);
    if (making->disk_key.file == NULL && !clo_journal_exists(making->output))
        (void)unlink(making->disk_key.output);
}

static bool read_format(const char *text, bool *is_vhd, struct clo_error *err)
{
    *is_vhd = text != NULL && strcmp(text, "vhd") == 0;
    return *is_vhd || text == NULL || strcmp(text, "raw") == 0 ||
           clo_fail(err, CLO_ERR_USAGE, "--format %.40s: expected raw or vhd", text);
}

/* A tree over the whole root, whose /usr is shown as it is. */
static bool read_verity(struct cli_making *making, struct clo_image_spec *spec,
                        struct clo_error *err)
{
    const uint64_t least = (uint64_t)16 << 20, unit = (uint64_t)1 << 20;

    if (making->verity_usr == NULL)
        return true;
    if (making->has_verity)
        return clo_fail(err, CLO_ERR_USAGE, "--verity and --verity-usr: expected one of them");
    making->has_verity = spec->has_verity = true;
    if (!read_size("--verity-usr", making->verity_usr, &spec->changes_size, err))
        return false;
    spec->changes_size = (spec->changes_size + unit - 1) / unit * unit;
    return spec->changes_size >= least ||
           clo_fail(err, CLO_ERR_USAGE, "--verity-usr %s: at least 16M", making->verity_usr);
}

/* Sectors of 512 bytes are for tags alone: the guest takes no others. */
static bool read_sectors(const struct cli_making *making, struct clo_image_spec *spec,
                         struct clo_error *err)
{
    const char *kind = making->integrity;
    const char *size = making->sector_size;

    spec->is_gcm = kind != NULL && strcmp(kind, "aes-gcm") == 0;
    spec->has_tags = spec->is_gcm || (kind != NULL && strcmp(kind, "hmac-sha256") == 0);
    if (kind != NULL && !spec->has_tags && strcmp(kind, "none") != 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--integrity %.40s: expected hmac-sha256, aes-gcm or none", kind);
    if (making->has_verity && spec->has_tags)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--verity: the root hash covers what tags would: it goes without "
                        "--integrity");
    if (spec->is_gcm && making->guest.grow.count > 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--grow: a guest makes tags of hmac-sha256 alone: it goes without "
                        "--integrity aes-gcm");
    if (making->has_verity && making->guest.grow.count > 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--verity: a root with a hash tree cannot grow: it goes without --grow");
    if (size == NULL || strcmp(size, "4096") == 0)
        return true;
    if (strcmp(size, "512") != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--sector-size %.40s: expected 4096 or 512", size);
    if (!spec->has_tags)
        return clo_fail(err, CLO_ERR_USAGE, "--sector-size 512: goes with --integrity alone");
    spec->sector_size = 512;
    return true;
}

/* Without keys in it, firmware would start whatever lies on the ESP: PCR 7 would say so, and mean nothing. */
static bool read_enrolled(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;

    if (!cli_read_varstore(path, out, err) ||
        !clo_varstore_parse(clo_buffer_bytes(out), &store, err))
        return false;
    return predict_is_secure_boot_on(store) ||
           clo_fail(err, CLO_ERR_FORMAT,
                    "%s: Secure Boot is off in it: 'cloister secureboot enroll' puts keys in",
                    path);
}

static bool read_inputs(struct cli_making *making, struct clo_image_spec *spec, struct inputs *out,
                        struct clo_error *err)
{
    making->uki.policy.providers = making->uki.signing.providers;
    if (!clo_remove_temporaries_on_signals(err) || !check_recovery_header(making, err) ||
        !read_size("--root-size", making->root_size, &spec->root_size, err) ||
        !read_size("--esp-size", making->esp_size, &spec->esp_size, err) ||
        !read_seed(making->seed, &spec->seed, err) || !read_epoch(&spec->epoch, err) ||
        !read_format(making->format, &spec->is_vhd, err) || !read_verity(making, spec, err) ||
        !read_sectors(making, spec, err) || !read_enrolled(making->varstore, &out->varstore, err) ||
        !uki_signing_open(&making->uki.signing, err) ||
        !uki_policy_open(&making->uki.policy, err) ||
        !clo_passphrase_read(making->passphrase, &out->passphrase, err) ||
        !guest_config(&making->guest, &out->guest, err) ||
        !grow_config(&making->guest.grow, spec, out->guest, err))
        return false;
    /* What must be signed depends on no disk key: none is made for it. */
    if (making->offline.tbs == NULL && !get_disk_key(making, &out->disk_key, err))
        return false;
    if (out->disk_key.secret != NULL)
        spec->disk_key = clo_secret_bytes(out->disk_key.secret);
    if (out->passphrase != NULL)
        spec->recovery_passphrase = clo_secret_bytes(out->passphrase);
    spec->recovery_header = making->recovery_header;
    spec->varstore = clo_buffer_bytes(&out->varstore);
    spec->guest_config = out->guest;
    spec->created = spec->epoch >= 0 ? spec->epoch : (int64_t)time(NULL);
    return true;
}

static bool build(struct cli_making *making, const struct clo_image_spec *spec,
                  struct inputs *inputs, struct clo_image_result *result, struct clo_error *err)
{
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error that we report */
    bool is_made = making->build == NULL ? clo_image_build(spec, result, err)
                                         : making->build(making->context, spec, result, err);
    /* Of an image that was made the key stays, whatever fails after it. */
    if (!is_made)
        drop_disk_key(making);
    return is_made &&
           (making->offline.tbs != NULL ||
            cli_disk_key_keep(&making->disk_key, &inputs->disk_key, making->output, err));
}

/* Without a folder of an unfinished one, a resumption begins anew. */
static bool prepare(struct cli_making *making, struct clo_error *err)
{
    making->resumes = making->resumes && clo_journal_exists(making->output);
    return !making->is_journalled ||
           clo_journal_prepare(making->output, making->resumes, making->is_in_place, err);
}

static int make(struct cli_making *making, const char *root, struct clo_error *err)
{
    CLO_CLEANUP(free_inputs) struct inputs inputs = { .making = making, .disk_key.file.fd = -1 };
    /* What is converted is adapted: it is not the folder's files that a guest gets. */
    struct cli_image_audit audit = { .root = making->is_journalled ? NULL : root,
                                     .accepted = &making->accepted };
    struct clo_image_result result;
    int progress = -1;
    struct clo_image_spec spec = { .name = making->guest.name,
                                   .root = root,
                                   .output = making->output,
                                   .reference_output = making->reference,
                                   .disk_output = making->disk_output,
                                   .uki = &making->uki,
                                   .offline = &making->offline,
                                   .modules_folder = making->modules,
                                   .init = making->init,
                                   .encrypt_all = making->all,
                                   .has_verity = making->has_verity,
                                   .check = cli_image_audit,
                                   .check_context = &audit };

    if (!cli_image_audit_check(&audit, err) || !prepare(making, err))
        return cli_error(err);
    if (!read_inputs(making, &spec, &inputs, err)) {
        if (making->is_journalled)
            clo_journal_forget(making->output);
        return cli_error(err);
    }
    audit.allowed = json_object_get(json_object_get(inputs.guest, "host"), "allow");
    if (isatty(STDERR_FILENO) == 1) {
        spec.progress = show_progress;
        spec.context = &progress;
    }
    bool ok = build(making, &spec, &inputs, &result, err);
    if (!ok && progress != -1)
        fprintf(stderr, "\r\033[K");
    if (!ok)
        return cli_error(err);
    const char *key =
            making->disk_key.file == NULL ? making->disk_key.output : making->disk_key.file;
    return making->offline.tbs != NULL || print_result(&spec, &result, key, making->as_json, err)
                   ? CLI_YES
                   : cli_error(err);
}

int cli_making_run(struct cli_making *making, const char *root, struct clo_error *err)
{
    struct names names;

    settle_names(making, &names);
    return make(making, root, err);
}
