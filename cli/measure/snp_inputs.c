/* cloister measure snp: from options and files to what the library is asked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"
#include "cli/inputs.h"
#include "cli/measure/snp.h"
#include "image/uki/page_jobs.h"

#define FIRMWARE_LIMIT   ((size_t)256 << 20)
#define DEFAULT_FEATURES 0x1 /* SNPActive */
#define MODE_OVMF_HASH   "snp:ovmf-hash"

/* --- Values --- */

bool measure_snp_number(const char *option, const char *text, uint64_t max, uint64_t *out,
                        struct clo_error *err)
{
    char *end;

    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value > max)
        return clo_fail(err, CLO_ERR_USAGE, "%s: not a whole number up to %llu: %s", option,
                        (unsigned long long)max, text);
    *out = value;
    return true;
}

bool measure_snp_hex(const char *option, const char *text, uint64_t max, uint64_t *out,
                     struct clo_error *err)
{
    bool has_prefix = strncmp(text, "0x", 2) == 0 || strncmp(text, "0X", 2) == 0;
    bool is_hex = has_prefix || text[0] == '0' || text[strspn(text, "0123456789")] != '\0' ||
                  strlen(text) == 1;
    char *end;

    if (!is_hex)
        return clo_fail(err, CLO_ERR_USAGE, "%s: hex or decimal? Write 0x%s if it is hex", option,
                        text);
    const char *digits = has_prefix ? text + 2 : text;
    errno = 0;
    uint64_t value = strtoull(digits, &end, 16);
    if (digits[strspn(digits, "0123456789abcdefABCDEF")] != '\0' || *digits == '\0' || errno != 0 ||
        value > max)
        return clo_fail(err, CLO_ERR_USAGE, "%s: no hex number up to 0x%llx: %s", option,
                        (unsigned long long)max, text);
    *out = value;
    return true;
}

bool measure_snp_bytes(const char *option, const char *text, uint8_t *out, size_t size,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error ignored;

    if (!clo_hex_read(clo_bytes_text(text), &bytes, &ignored) || bytes.size != size)
        return clo_fail(err, CLO_ERR_USAGE, "%s: expected %zu bytes of hex", option, size);
    memcpy(out, bytes.data, size);
    return true;
}

/* --- Options --- */

static bool read_mode(const struct measure_snp_options *options, struct measure_snp *out,
                      struct clo_error *err)
{
    const char *mode = options->mode == NULL ? "snp" : options->mode;

    out->only_ovmf_hash = strcmp(mode, MODE_OVMF_HASH) == 0;
    if (!out->only_ovmf_hash && !clo_launch_mode_from_name(mode, &out->launch.mode))
        return clo_fail(err, CLO_ERR_USAGE,
                        "--mode: no such mode: %s; there are snp, snp:svsm, " MODE_OVMF_HASH
                        ", seves, sev",
                        mode);
    out->has_vmm = options->vmm != NULL;
    if (out->has_vmm && !clo_vmm_from_name(options->vmm, &out->launch.vmm))
        return clo_fail(err, CLO_ERR_USAGE,
                        "--vmm: no such VMM: %s; there are qemu, ec2, gce, krun, and variants of "
                        "them",
                        options->vmm);
    return true;
}

/* The same CPU may be said in several ways, another one not. */
static bool set_signature(struct measure_snp *out, uint32_t signature, struct clo_error *err)
{
    if (out->has_signature && out->launch.vcpu_signature != signature)
        return clo_fail(err, CLO_ERR_USAGE, "two vCPU types: signature 0x%08x, and 0x%08x",
                        out->launch.vcpu_signature, signature);
    out->has_signature = true;
    out->launch.vcpu_signature = signature;
    return true;
}

static bool read_family(const struct measure_snp_options *options, struct measure_snp *out,
                        struct clo_error *err)
{
    const char *const names[] = { "--vcpu-family", "--vcpu-model", "--vcpu-stepping" };
    const char *const texts[] = { options->vcpu_family, options->vcpu_model,
                                  options->vcpu_stepping };
    uint64_t numbers[3] = { 0 };
    uint32_t signature;

    if (texts[0] == NULL && texts[1] == NULL && texts[2] == NULL)
        return true;
    for (size_t i = 0; i < CLO_COUNT(texts); i++) {
        if (texts[i] == NULL)
            return clo_fail(err, CLO_ERR_USAGE, "%s is missing", names[i]);
        if (!measure_snp_number(names[i], texts[i], UINT16_MAX, &numbers[i], err))
            return false;
    }
    return clo_vcpu_signature(numbers[0], numbers[1], numbers[2], &signature, err) &&
           set_signature(out, signature, err);
}

static const char *vcpu_type_name(const void *context, size_t i)
{
    const struct clo_vcpu_type *type = clo_vcpu_type_at(i);

    (void)context;
    return type == NULL ? NULL : type->name;
}

static bool unknown_vcpu_type(const char *name, struct clo_error *err)
{
    const char *meant = cli_nearest(name, vcpu_type_name, NULL);

    return clo_fail(err, CLO_ERR_USAGE,
                    "--vcpu-type: no such CPU model: %s%s%s%s; --vcpu-sig takes any", name,
                    meant == NULL ? "" : " (did you mean ", meant == NULL ? "" : meant,
                    meant == NULL ? "" : "?)");
}

static bool read_signature(const struct measure_snp_options *options, struct measure_snp *out,
                           struct clo_error *err)
{
    uint64_t signature;

    if (options->vcpu_sig != NULL &&
        (!measure_snp_hex("--vcpu-sig", options->vcpu_sig, UINT32_MAX, &signature, err) ||
         !set_signature(out, (uint32_t)signature, err)))
        return false;
    if (options->vcpu_type != NULL) {
        const struct clo_vcpu_type *type = clo_vcpu_type_find(options->vcpu_type);
        if (type == NULL)
            return unknown_vcpu_type(options->vcpu_type, err);
        if (!set_signature(out, type->signature, err))
            return false;
    }
    return read_family(options, out, err);
}

static bool read_vcpus(const struct measure_snp_options *options, struct measure_snp *out,
                       struct clo_error *err)
{
    uint64_t vcpus = 0, features = DEFAULT_FEATURES;

    out->has_vcpus = options->vcpus != NULL;
    out->has_features = options->guest_features != NULL;
    if (out->has_vcpus &&
        !measure_snp_number("--vcpus", options->vcpus, CLO_LAUNCH_VCPUS_MAX, &vcpus, err))
        return false;
    if (out->has_vcpus && vcpus == 0)
        return clo_fail(err, CLO_ERR_USAGE, "--vcpus: a guest has at least one");
    if (out->has_features &&
        !measure_snp_hex("--guest-features", options->guest_features, UINT64_MAX, &features, err))
        return false;
    out->launch.vcpus = (uint32_t)vcpus;
    out->launch.sev_features = features;
    return true;
}

/* A script passes on what it has: an empty word is nothing. */
static bool is_given(const char *text)
{
    return text != NULL && *text != '\0';
}

static bool check_options(const struct measure_snp_options *options, const struct measure_snp *out,
                          struct clo_error *err)
{
    bool is_svsm = !out->only_ovmf_hash && out->launch.mode == CLO_LAUNCH_SNP_SVSM;
    bool has_svsm =
            options->svsm != NULL || options->vars_size != NULL || options->vars_file != NULL;

    if (options->ovmf == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--ovmf is missing");
    if (!is_given(options->kernel) && (is_given(options->initrd) || is_given(options->append)))
        return clo_fail(err, CLO_ERR_USAGE, "%s needs --kernel",
                        is_given(options->initrd) ? "--initrd" : "--cmdline");
    if (is_svsm && options->svsm == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "mode snp:svsm: --svsm is missing");
    if (is_svsm && (options->vars_size == NULL) == (options->vars_file == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "mode snp:svsm: give --vars-size or --vars-file");
    if (!is_svsm && has_svsm)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--svsm, --vars-size and --vars-file are for mode "
                        "snp:svsm");
    if (options->ovmf_hash != NULL && (out->only_ovmf_hash || out->launch.mode != CLO_LAUNCH_SNP))
        return clo_fail(err, CLO_ERR_USAGE, "--ovmf-hash is for mode snp");
    return true;
}

/* --- Files --- */

static bool read_firmware(const char *path, struct cli_view *view,
                          struct clo_launch_firmware *firmware, struct clo_error *err)
{
    return cli_view_open(path, FIRMWARE_LIMIT, view, err) &&
           (clo_launch_firmware_parse(view->bytes, firmware, err) || clo_wrap(err, "%s", path));
}

static bool read_svsm(const struct measure_snp_options *options, struct measure_snp *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(cli_view_close) struct cli_view vars = { 0 };
    uint64_t size;

    if (options->svsm == NULL)
        return true;
    if (!read_firmware(options->svsm, &out->svsm, &out->svsm_firmware, err))
        return false;
    out->launch.svsm = &out->svsm_firmware;
    if (options->vars_file != NULL) {
        if (!cli_view_open(options->vars_file, FIRMWARE_LIMIT, &vars, err))
            return false;
        out->launch.vars_size = vars.bytes.size;
        return true;
    }
    if (!measure_snp_number("--vars-size", options->vars_size, FIRMWARE_LIMIT, &size, err))
        return false;
    out->launch.vars_size = (size_t)size;
    return true;
}

static bool read_kernel(const struct measure_snp_options *options, struct measure_snp *out,
                        struct uki_page_jobs *jobs, struct clo_error *err)
{
    const char *cmdline = options->append == NULL ? "" : options->append;

    if (!is_given(options->kernel))
        return true;
    if (!cli_view_open(options->kernel, CLI_IMAGE_LIMIT, &out->kernel_file, err))
        return false;
    if (is_given(options->initrd) &&
        !cli_view_open(options->initrd, CLI_IMAGE_LIMIT, &out->initrd_file, err))
        return false;
    clo_launch_kernel_hash(clo_bytes(NULL, 0), clo_bytes(NULL, 0), cmdline, &out->kernel);
    uki_page_jobs_add_sha256(jobs, out->kernel_file.bytes, out->kernel.kernel);
    uki_page_jobs_add_sha256(jobs, out->initrd_file.bytes, out->kernel.initrd);
    out->launch.kernel = &out->kernel;
    return true;
}

static bool add_pages(const struct clo_launch_firmware *firmware, uint8_t **out,
                      struct uki_page_jobs *jobs, struct clo_error *err)
{
    struct clo_bytes image = firmware->image;

    *out = malloc((image.size / CLO_LAUNCH_PAGE + 1) * CLO_LAUNCH_DIGEST_SIZE);
    if (*out == NULL)
        return clo_out_of_memory(err);
    uki_page_jobs_add_pages(jobs, image, *out);
    return true;
}

/* SEV and SEV-ES hash the whole image at once. */
static bool hash_files(struct measure_snp *out, struct uki_page_jobs *jobs, struct clo_error *err)
{
    bool is_snp = out->launch.mode == CLO_LAUNCH_SNP || out->launch.mode == CLO_LAUNCH_SNP_SVSM;

    if (is_snp && out->launch.ovmf_hash == NULL &&
        !add_pages(&out->firmware, &out->page_digests, jobs, err))
        return false;
    if (out->launch.svsm != NULL &&
        !add_pages(&out->svsm_firmware, &out->svsm_page_digests, jobs, err))
        return false;
    uki_page_jobs_run(jobs);
    out->launch.page_digests = out->page_digests;
    out->launch.svsm_page_digests = out->svsm_page_digests;
    return true;
}

bool measure_snp_read(const struct measure_snp_options *options, struct measure_snp *out,
                      struct clo_error *err)
{
    struct uki_page_jobs jobs = { 0 };

    *out = (struct measure_snp){ 0 };
    if (!read_mode(options, out, err) || !read_signature(options, out, err) ||
        !read_vcpus(options, out, err) || !check_options(options, out, err))
        return false;
    if (options->ovmf_hash != NULL) {
        if (!measure_snp_bytes("--ovmf-hash", options->ovmf_hash, out->ovmf_hash,
                               sizeof out->ovmf_hash, err))
            return false;
        out->launch.ovmf_hash = out->ovmf_hash;
    }
    if (!read_firmware(options->ovmf, &out->ovmf, &out->firmware, err))
        return false;
    out->launch.firmware = &out->firmware;
    return read_svsm(options, out, err) && read_kernel(options, out, &jobs, err) &&
           hash_files(out, &jobs, err);
}

void measure_snp_free(struct measure_snp *measure)
{
    cli_view_close(&measure->ovmf);
    cli_view_close(&measure->svsm);
    cli_view_close(&measure->kernel_file);
    cli_view_close(&measure->initrd_file);
    free(measure->page_digests);
    free(measure->svsm_page_digests);
}
