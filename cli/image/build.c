/* cloister image build: a confidential disk image and its reference values. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cli/image/disk_key.h"
#include "cli/image/image.h"
#include "cli/image/required_rules.h"
#include "cli/inputs.h"
#include "cloister/encoding.h"
#include "cloister/resource.h"
#include "cloister/uki.h"
#include "device/file.h"
#include "guest/host_allow.h"
#include "image/builder.h"

#define KERNEL_LIMIT ((size_t)512 << 20)
#define KEY_LIMIT    ((size_t)65536)

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
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_error ignored;

    if (cli_read_certificate(path, &certificate, &ignored))
        return clo_public_key_spki(clo_certificate_key(certificate), der, err);
    if (!clo_file_read(path, KEY_LIMIT, &pem, err))
        return false;
    if (!clo_public_key_from_pem(clo_buffer_bytes(&pem), &key, err))
        return clo_wrap(err, "%s", path);
    return clo_public_key_spki(key, der, err);
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

struct guest_options {
    const char *name;
    const char *url;
    const char *key_path;
    const char *resource;
    const char *network;
    uint64_t retry_seconds;
    bool unregistered_disk;
    bool optional_rtmr;
    bool tpm_counter;
    struct cli_list allowed; /* words for what is taken from the host */
    const char *credential_key;
};

/* {"allow": [word…], "key": base64}, as guest/host_allow.h reads it. */
static bool host_config(const struct guest_options *options, json_t **out, struct clo_error *err)
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

static bool guest_config(const struct guest_options *options, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *host = NULL;
    json_t *network;

    if (!clo_resource_template_check(options->resource, err))
        return clo_wrap(err, "--resource");
    if (strncmp(options->url, "https://", 8) != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--broker %s: expected https://…", options->url);
    if (!host_config(options, &host, err) || !read_broker_key(options->key_path, &key, err) ||
        !network_config(options->network, &network, err))
        return false;
    *out = json_pack("{s:i, s:s, s:{s:s, s:o}, s:s, s:o, s:I, s:s, s:s, s:O, s:s*}", "version", 1,
                     "name", options->name, "broker", "url", options->url, "key",
                     clo_json_base64(clo_buffer_bytes(&key)), "resource", options->resource,
                     "network", network, "retry_seconds", (json_int_t)options->retry_seconds,
                     "disk", options->unregistered_disk ? "unregistered" : "registered", "tdx_rtmr",
                     options->optional_rtmr ? "optional" : "required", "host", host, "tpm_counter",
                     options->tpm_counter ? "used" : NULL);
    return *out != NULL || clo_fail(err, CLO_ERR_USAGE, "a name is no UTF-8");
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

static bool print_result(const struct clo_image_spec *spec, const struct clo_image_result *result,
                         const char *disk_key, bool as_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (as_json) {
        json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "name",
                         spec->name, "image", spec->output, "reference", spec->reference_output,
                         "disk", spec->disk_output, "disk_key", disk_key, "disk_bytes",
                         (json_int_t)result->disk_size, "uki_bytes", (json_int_t)result->uki_size,
                         "initrd_bytes", (json_int_t)result->initrd_size, "encrypted_bytes",
                         (json_int_t)result->encrypted, "free_bytes", (json_int_t)result->skipped,
                         "luks_uuid", result->luks_uuid, "kernel", result->release);
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
    printf("reference  %s\n", spec->reference_output);
    printf("disk       %s\n", spec->disk_output);
    printf("disk key   %s\n", disk_key);
    return true;
}

/* What build reads: all of it owned here. */
struct inputs {
    struct clo_buffer kernel, stub, osrel, varstore;
    struct cli_disk_key disk_key;
    struct clo_secret *passphrase;
    struct clo_private_key *sign_key;
    struct clo_certificate *certificate;
    json_t *guest;
};

static void free_inputs(struct inputs *in)
{
    clo_buffer_free(&in->kernel);
    clo_buffer_free(&in->stub);
    clo_buffer_free(&in->osrel);
    clo_buffer_free(&in->varstore);
    cli_disk_key_free(&in->disk_key);
    clo_secret_free(in->passphrase);
    clo_private_key_free(in->sign_key);
    clo_certificate_free(in->certificate);
    json_decref(in->guest);
}

/* vmlinuz: it must name the release, for .uname and for the user. */
static bool read_kernel(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    char release[128];

    if (!clo_file_read(path, KERNEL_LIMIT, out, err))
        return false;
    return clo_kernel_release(clo_buffer_bytes(out), release, sizeof release) ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: no bzImage that names its release", path);
}

/* A passphrase file may end in a newline, which is none of it. */
static bool read_passphrase(const char *path, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *whole = NULL;

    if (path == NULL)
        return true;
    if (!clo_file_read_secret(path, 4096, &whole, err))
        return false;
    struct clo_bytes text = clo_secret_bytes(whole);
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    if (text.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: empty", path);
    return clo_secret_copy(text, out, err);
}

int cmd_image_build(int argc, char **argv)
{
    const char *kernel = NULL, *modules = NULL, *stub = NULL, *cmdline = "", *sign_key = NULL;
    const char *sign_cert = NULL, *varstore = NULL, *disk_output = NULL, *passphrase = NULL;
    const char *init = CLOISTER_INIT_PATH, *root_size = NULL, *esp_size = NULL, *seed = NULL;
    const char *output = NULL, *reference = NULL, *osrel = NULL;
    bool all = false, as_json = false;
    struct cli_disk_key_options disk_key = { .file = NULL };
    struct guest_options guest = { .retry_seconds = 60 };
    struct cli_list accepted = { .count = 0 };
    const struct cli_option options[] = {
        { "--output", "IMAGE", "the disk to write (required)", .text = &output },
        { "--reference", "FILE",
          "where the reference values go; default IMAGE's name with .ref.json",
          .text = &reference },
        { "--kernel", "FILE", "vmlinuz (required)", .text = &kernel },
        { "--modules", "DIR", "its modules: .../lib/modules/RELEASE, after depmod (required)",
          .text = &modules },
        { "--stub", "FILE", "systemd's EFI stub", .text = &stub },
        { "--cmdline", "TEXT", "the kernel command line", .text = &cmdline },
        { "--osrel", "FILE", "os-release; default the root's own", .text = &osrel },
        { "--sign-key", "PEM", "Secure Boot key (db) that signs the UKI (required)",
          .text = &sign_key },
        { "--sign-cert", "PEM", "its certificate (required)", .text = &sign_cert },
        { "--varstore", "FILE", "the enrolled variable store, for PCR 7 (required)",
          .text = &varstore },
        { "--disk-key", "FILE",
          "a key that the broker will release, 32 to 512 random bytes; default a new one",
          .text = &disk_key.file },
        { "--disk-key-output", "FILE", "where a new key goes; default IMAGE's name with .disk.key",
          .text = &disk_key.output },
        { "--reuse-disk-key", "WHY", "take a --disk-key that opens another disk already",
          .text = &disk_key.reuse },
        { "--disk-output", "FILE",
          "where it goes which disk this is, for 'key put --disk'; default IMAGE's name with "
          ".disk.json",
          .text = &disk_output },
        { "--unregistered-disk", NULL,
          "the guest opens whichever disk the key opens, if the broker knows none",
          .flag = &guest.unregistered_disk },
        { "--optional-rtmr", NULL,
          "TDX without a vTPM: boot also where the kernel (before 6.16) cannot extend RTMR 3",
          .flag = &guest.optional_rtmr },
        { "--tpm-counter", NULL,
          "the guest keeps the disk's generation in its vTPM, too, which must outlive a boot",
          .flag = &guest.tpm_counter },
        { "--recovery-passphrase-file", "FILE", "a passphrase for a second key slot",
          .text = &passphrase },
        { "--broker", "URL", "where the guest asks for its key: https://HOST:PORT (required)",
          .text = &guest.url },
        { "--broker-key", "PEM", "the broker's public key or certificate (required)",
          .text = &guest.key_path },
        { "--resource", "PATH",
          "the key's name at the broker; default default/disk/NAME. {ak}, {chip}, {vm} and "
          "{report_id} in it stand for the machine that asks",
          .text = &guest.resource },
        { "--name", "NAME", "the image's name; default IMAGE without its ending",
          .text = &guest.name },
        { "--network", "HOW", "dhcp (default), or ADDRESS/PREFIX,GATEWAY[,DNS]",
          .text = &guest.network },
        { "--retry-seconds", "N", "how long the guest tries to reach the broker; default 60",
          .number = &guest.retry_seconds },
        { "--allow-host", "WORD",
          "what the guest may take from its host: report, cloud-init, smbios-credential:NAME, …; "
          "may repeat; default nothing",
          .list = &guest.allowed },
        { "--credential-key", "PEM", "the key that signs the credentials it may take",
          .text = &guest.credential_key },
        { "--accept", "RULE", "an audit rule that may fail; may repeat", .list = &accepted },
        { "--init", "FILE", "the cloister-init program", .text = &init },
        { "--root-size", "SIZE", "of the root file system (K, M, G); default as large as needed",
          .text = &root_size },
        { "--esp-size", "SIZE", "of the EFI system partition", .text = &esp_size },
        { "--seed", "GUID", "what all GUIDs on the disk derive from; default random",
          .text = &seed },
        { "--encrypt-free", NULL, "encrypt unused blocks too, so that nobody sees which they are",
          .flag = &all },
        { "--json", NULL, "print the result as JSON", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "image build",
        .arguments = "ROOT",
        .summary =
                "Makes one disk image that boots as a confidential VM, and its reference values.\n"
                "ROOT is a folder or an ext4 image. Needs neither root nor loop devices. With\n"
                "SOURCE_DATE_EPOCH set, the same inputs and keys give the same UKI, bit for bit.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister image build rootfs --kernel boot/vmlinuz-6.12 \\\n"
                "    --modules lib/modules/6.12 --cmdline 'console=ttyS0' \\\n"
                "    --stub linuxx64.efi.stub --sign-key keys/db.key --sign-cert keys/db.crt \\\n"
                "    --varstore vars.fd --broker https://10.0.2.2:8443 --broker-key broker.pem \\\n"
                "    --output demo.img\n",
    };
    const struct {
        const char *name;
        const char *const *value;
    } required[] = {
        { "--output", &output },       { "--kernel", &kernel },
        { "--modules", &modules },     { "--sign-key", &sign_key },
        { "--sign-cert", &sign_cert }, { "--varstore", &varstore },
        { "--broker", &guest.url },    { "--broker-key", &guest.key_path },
    };
    CLO_CLEANUP(free_inputs) struct inputs in = { .disk_key.file.fd = -1 };
    struct clo_image_result result;
    struct clo_error err;
    struct cli_list operands;
    char name[256], resource[300], reference_path[4200], disk_path[4200], key_path[4200];
    int status;
    int progress = -1;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "one ROOT is needed");
    for (size_t i = 0; i < CLO_COUNT(required); i++)
        if (*required[i].value == NULL)
            return cli_usage_error(&usage, "%s is needed", required[i].name);
    if (stub == NULL)
        stub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
    if (guest.name == NULL) {
        default_name(output, name, sizeof name);
        guest.name = name;
    }
    if (guest.resource == NULL) {
        snprintf(resource, sizeof resource, "default/disk/%s", guest.name);
        guest.resource = resource;
    }
    if (reference == NULL) {
        replace_ending(output, ".ref.json", reference_path, sizeof reference_path);
        reference = reference_path;
    }
    if (disk_output == NULL) {
        replace_ending(output, ".disk.json", disk_path, sizeof disk_path);
        disk_output = disk_path;
    }
    if (disk_key.output == NULL) {
        replace_ending(output, ".disk.key", key_path, sizeof key_path);
        disk_key.output = key_path;
    }
    disk_key.disk_output = disk_output;
    struct clo_image_spec spec = { .name = guest.name,
                                   .root = operands.items[0],
                                   .output = output,
                                   .reference_output = reference,
                                   .disk_output = disk_output,
                                   .cmdline = cmdline,
                                   .modules_folder = modules,
                                   .init = init,
                                   .encrypt_all = all };
    struct cli_image_audit audit = { .root = spec.root, .accepted = &accepted };
    if (!cli_image_audit_check(&audit, &err) || !clo_remove_temporaries_on_signals(&err) ||
        !read_size("--root-size", root_size, &spec.root_size, &err) ||
        !read_size("--esp-size", esp_size, &spec.esp_size, &err) ||
        !read_seed(seed, &spec.seed, &err) || !read_epoch(&spec.epoch, &err) ||
        !read_kernel(kernel, &in.kernel, &err) || !cli_read_pe(stub, &in.stub, &err) ||
        (osrel != NULL && !clo_file_read(osrel, 65536, &in.osrel, &err)) ||
        !cli_read_varstore(varstore, &in.varstore, &err) ||
        !cli_read_private_key(sign_key, &in.sign_key, &err) ||
        !cli_read_certificate(sign_cert, &in.certificate, &err) ||
        !read_passphrase(passphrase, &in.passphrase, &err) ||
        !guest_config(&guest, &in.guest, &err) || !cli_disk_key_get(&disk_key, &in.disk_key, &err))
        return cli_error(&err);
    spec.kernel = clo_buffer_bytes(&in.kernel);
    spec.stub = clo_buffer_bytes(&in.stub);
    spec.osrel = clo_buffer_bytes(&in.osrel);
    spec.varstore = clo_buffer_bytes(&in.varstore);
    spec.sign_key = in.sign_key;
    spec.sign_certificate = in.certificate;
    spec.disk_key = clo_secret_bytes(in.disk_key.secret);
    if (in.passphrase != NULL)
        spec.recovery_passphrase = clo_secret_bytes(in.passphrase);
    spec.guest_config = in.guest;
    audit.allowed = json_object_get(json_object_get(in.guest, "host"), "allow");
    spec.check = cli_image_audit;
    spec.check_context = &audit;
    spec.created = spec.epoch >= 0 ? spec.epoch : (int64_t)time(NULL);
    if (isatty(STDERR_FILENO) == 1) {
        spec.progress = show_progress;
        spec.context = &progress;
    }
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error that we report */
    if (!clo_image_build(&spec, &result, &err) ||
        !cli_disk_key_keep(&disk_key, &in.disk_key, output, &err)) {
        if (progress != -1)
            fprintf(stderr, "\r\033[K");
        return cli_error(&err);
    }
    const char *key = disk_key.file == NULL ? disk_key.output : disk_key.file;
    return print_result(&spec, &result, key, as_json, &err) ? CLI_YES : cli_error(&err);
}
