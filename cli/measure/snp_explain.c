/* cloister measure snp --explain: which input is to blame for a digest that is another one. */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/evidence/file.h"
#include "cli/measure/snp.h"
#include "cloister/encoding.h"
#include "cloister/launch_explain.h"
#include "cloister/snp.h"
#include "device/file.h"

#define VCPUS_BY_DEFAULT 512

/* What is to be explained: a digest, or the report that holds it. */
struct target {
    uint8_t digest[CLO_LAUNCH_DIGEST_SIZE];
    uint32_t host_signature; /* 0: unknown */
};

#define IGVM_LOADERS 2

static bool read_report(const char *path, struct target *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_snp_report report;

    if (!evidence_file_read(path, CLO_EVIDENCE_SNP_REPORT, &file, err))
        return false;
    if (!clo_snp_parse(clo_buffer_bytes(&file), &report, err))
        return clo_wrap(err, "%s", path);
    memcpy(out->digest, report.measurement.data, sizeof out->digest);
    /* A CPU that cannot be is none to try. */
    if (report.has_cpuid && !clo_vcpu_signature(report.cpuid_fam_id, report.cpuid_mod_id,
                                                report.cpuid_step, &out->host_signature, err))
        out->host_signature = 0;
    return true;
}

static bool read_target(const char *text, struct target *out, struct clo_error *err)
{
    size_t digits = strlen(text);
    bool is_hex = digits > 0 && text[strspn(text, "0123456789abcdefABCDEF")] == '\0';

    *out = (struct target){ 0 };
    if (is_hex && digits == 2 * sizeof out->digest)
        return measure_snp_bytes("--explain", text, out->digest, sizeof out->digest, err);
    /* A file may be called so; what is none is a digest that was cut, or of another kind. */
    if (is_hex && access(text, F_OK) != 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--explain: a launch digest has %zu hex digits (%zu bytes), this has %zu "
                        "(and there is no such file)",
                        2 * sizeof out->digest, sizeof out->digest, digits);
    return read_report(text, out, err);
}

/* --- In words and as JSON --- */

static void signature_text(uint32_t signature, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "0x%08x", signature);
    const char *separator = " (";

    for (size_t i = 0; clo_vcpu_type_at(i) != NULL; i++) {
        const struct clo_vcpu_type *type = clo_vcpu_type_at(i);
        /* Versions of a model have one signature: the model's name is enough. */
        if (type->signature != signature || strstr(type->name, "-v") != NULL || used >= size)
            continue;
        used += (size_t)snprintf(out + used, size - used, "%s%s", separator, type->name);
        separator = ", ";
    }
    if (*separator == ',' && used < size)
        snprintf(out + used, size - used, ")");
}

/* Both sides of one input. */
static void input_texts(const struct measure_snp *measure, const struct clo_launch_match *match,
                        unsigned input, char given[128], char right[128])
{
    const struct clo_launch *launch = &measure->launch;

    switch (input) {
    case CLO_INPUT_VMM:
        snprintf(given, 128, "%s", clo_vmm_name(launch->vmm));
        snprintf(right, 128, "%s", clo_vmm_name(match->vmm));
        break;
    case CLO_INPUT_KERNEL:
        snprintf(given, 128, "measured");
        snprintf(right, 128, "not measured");
        break;
    case CLO_INPUT_INITRD:
        snprintf(given, 128, "given");
        snprintf(right, 128, "none");
        break;
    case CLO_INPUT_CMDLINE:
        snprintf(given, 128, "%s", clo_cmdline_variant_text(CLO_CMDLINE_AS_GIVEN));
        snprintf(right, 128, "%s", clo_cmdline_variant_text(match->cmdline));
        break;
    case CLO_INPUT_FEATURES:
        snprintf(given, 128, "0x%llx", (unsigned long long)launch->sev_features);
        snprintf(right, 128, "0x%llx", (unsigned long long)match->sev_features);
        break;
    case CLO_INPUT_SIGNATURE:
        signature_text(launch->vcpu_signature, given, 128);
        signature_text(match->vcpu_signature, right, 128);
        break;
    case CLO_INPUT_VCPUS:
        snprintf(given, 128, "%u", launch->vcpus);
        snprintf(right, 128, "%u", match->vcpus);
        break;
    default: /* CLO_INPUT_VARS_SIZE */
        snprintf(given, 128, "%zu", launch->vars_size);
        snprintf(right, 128, "%zu", match->vars_size);
        break;
    }
}

static const struct {
    unsigned input;
    const char *name, *words;
} inputs[] = {
    { CLO_INPUT_VCPUS, "vcpus", "vCPUs" },
    { CLO_INPUT_SIGNATURE, "vcpu_sig", "vCPU type" },
    { CLO_INPUT_FEATURES, "guest_features", "SEV_FEATURES" },
    { CLO_INPUT_VMM, "vmm", "VMM" },
    { CLO_INPUT_KERNEL, "kernel", "a kernel" },
    { CLO_INPUT_INITRD, "initrd", "an initrd:" },
    { CLO_INPUT_CMDLINE, "cmdline", "a command line" },
    { CLO_INPUT_VARS_SIZE, "vars_size", "variables of size" },
};

static json_t *match_json(const struct measure_snp *measure, const struct clo_launch_match *match)
{
    json_t *changes = json_array();
    char given[128], right[128];

    for (size_t i = 0; i < CLO_COUNT(inputs); i++) {
        if ((match->changed & inputs[i].input) == 0)
            continue;
        input_texts(measure, match, inputs[i].input, given, right);
        json_array_append_new(changes, json_pack("{s:s, s:s, s:s}", "input", inputs[i].name,
                                                 "given", given, "right", right));
    }
    json_t *all = json_pack("{s:o, s:s, s:I}", "changes", changes, "vmm", clo_vmm_name(match->vmm),
                            "vcpus", (json_int_t)match->vcpus);
    if (clo_vmm_uses_signature(match->vmm)) {
        signature_text(match->vcpu_signature, right, sizeof right);
        json_object_set_new(all, "vcpu_sig", json_string(right));
    }
    snprintf(right, sizeof right, "0x%llx", (unsigned long long)match->sev_features);
    json_object_set_new(all, "guest_features", json_string(right));
    return all;
}

static void print_match(const struct measure_snp *measure, const struct clo_launch_match *match)
{
    char given[128], right[128];

    if (match->changed == 0) {
        signature_text(match->vcpu_signature, right, sizeof right);
        printf("the digest is right for %u vCPU%s%s%s, SEV_FEATURES 0x%llx, VMM %s\n", match->vcpus,
               match->vcpus == 1 ? "" : "s", clo_vmm_uses_signature(match->vmm) ? " of type " : "",
               clo_vmm_uses_signature(match->vmm) ? right : "",
               (unsigned long long)match->sev_features, clo_vmm_name(match->vmm));
        return;
    }
    const char *start = "the digest is right for ";
    for (size_t i = 0; i < CLO_COUNT(inputs); i++) {
        bool is_count = inputs[i].input == CLO_INPUT_VCPUS;
        if ((match->changed & inputs[i].input) == 0)
            continue;
        input_texts(measure, match, inputs[i].input, given, right);
        printf("%s%s %s, you said %s", start, is_count ? right : inputs[i].words,
               is_count ? inputs[i].words : right, given);
        start = "; and ";
    }
    printf("\n");
}

static bool print_all(const struct measure_snp *measure, const struct target *target, bool json,
                      const struct clo_launch_match *matches, size_t count, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    json_t *list = json_array();
    char hex[2 * CLO_LAUNCH_DIGEST_SIZE + 1];

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, match_json(measure, &matches[i]));
    clo_hex_text(clo_bytes(target->digest, sizeof target->digest), hex);
    document = json_pack("{s:s, s:b, s:b, s:o}", "launch_digest", hex, "explained", count > 0,
                         "as_given", count > 0 && matches[0].changed == 0, "explanations", list);
    if (json)
        return cli_print_json(document, err);
    for (size_t i = 0; i < count; i++)
        print_match(measure, &matches[i]);
    if (count == 0)
        printf("no number or type of vCPUs, SEV_FEATURES, VMM, nor way to hash the command line "
               "explains this digest: the firmware, the kernel or the initrd is another one\n");
    return true;
}

/* --- The command --- */

static bool find_known(const struct measure_snp_options *options, const struct measure_snp *measure,
                       struct clo_launch_known *out, struct clo_error *err)
{
    uint64_t max = VCPUS_BY_DEFAULT;

    if (options->max_vcpus != NULL &&
        !measure_snp_number("--max-vcpus", options->max_vcpus, CLO_LAUNCH_VCPUS_MAX, &max, err))
        return false;
    if (max < measure->launch.vcpus)
        max = measure->launch.vcpus;
    *out = (struct clo_launch_known){
        .launch = &measure->launch,
        .known = CLO_INPUT_KERNEL | CLO_INPUT_INITRD | CLO_INPUT_CMDLINE | CLO_INPUT_VARS_SIZE |
                 (measure->has_vmm ? CLO_INPUT_VMM : 0U) |
                 (measure->has_features ? CLO_INPUT_FEATURES : 0U) |
                 (measure->has_signature ? CLO_INPUT_SIGNATURE : 0U) |
                 (measure->has_vcpus ? CLO_INPUT_VCPUS : 0U),
        .cmdline = options->append,
        .has_initrd = options->initrd != NULL && *options->initrd != '\0',
        .vcpus_max = (uint32_t)max,
    };
    return true;
}

bool measure_snp_explain(const struct measure_snp_options *options,
                         const struct measure_snp *measure, int *status, struct clo_error *err)
{
    struct clo_launch_match matches[CLO_LAUNCH_MATCHES_MAX];
    struct clo_launch_known known;
    struct target target;
    size_t count;

    if (!read_target(options->explain, &target, err) || !find_known(options, measure, &known, err))
        return false;
    known.host_signature = target.host_signature;
    if (!clo_launch_explain(&known, target.digest, matches, &count, err) ||
        !print_all(measure, &target, options->json, matches, count, err))
        return false;
    *status = count > 0 && matches[0].changed == 0 ? CLI_YES : CLI_NO;
    return true;
}

/* An IGVM file leaves one thing open: who loads it. */
bool measure_igvm_explain(const struct measure_snp_options *options, int *status,
                          struct clo_error *err)
{
    static const char *const loaders[IGVM_LOADERS] = { "qemu", "hyperv" };
    CLO_CLEANUP(clo_json_freep) json_t *document = NULL;
    const char *given = options->vmm == NULL ? loaders[0] : options->vmm;
    const char *right = NULL;
    struct target target;
    bool is_measured = false;

    if (strcasecmp(given, loaders[0]) != 0 && strcasecmp(given, loaders[1]) != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--vmm %s: qemu and hyperv load IGVM files", given);
    if (!read_target(options->explain, &target, err))
        return false;
    for (size_t i = 0; i < IGVM_LOADERS; i++) {
        CLO_CLEANUP(clo_json_freep) json_t *ignored = json_object();
        struct measure_snp_options as = *options;
        struct clo_digest digest;
        as.vmm = loaders[i];
        if (!measure_igvm(&as, &digest, ignored, err))
            continue;
        is_measured = true;
        if (memcmp(digest.bytes, target.digest, sizeof target.digest) == 0 &&
            (right == NULL || strcasecmp(given, loaders[i]) == 0))
            right = loaders[i];
    }
    if (!is_measured)
        return false; /* the last one's reason */
    bool as_given = right != NULL && strcasecmp(right, given) == 0;
    *status = as_given ? CLI_YES : CLI_NO;
    if (options->json) {
        document = json_pack("{s:b, s:b, s:s?}", "explained", right != NULL, "as_given", as_given,
                             "vmm", right);
        return cli_print_json(document, err);
    }
    if (right == NULL)
        printf("neither QEMU nor Hyper-V makes this digest of the file: it is another one's\n");
    else if (as_given)
        printf("the digest is right as %s loads the file\n", right);
    else
        printf("the digest is right for VMM %s, you said %s\n", right, given);
    return true;
}
