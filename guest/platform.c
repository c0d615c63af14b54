#include "guest/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cloister/evidence.h"
#include "cloister/hcl.h"
#include "device/file.h"

#define VALUE_LIMIT 256

/* What a row asks for: a file that exists, begins with a text, or holds a number that is not 0; or something of the TPM. */
enum kind {
    NO_CLUE,
    EXISTS,
    BEGINS_WITH,
    IS_NOT_ZERO,
    HAS_TPM,
    HAS_HCL_REPORT,
};

struct clue {
    enum kind kind;
    const char *path, *text;
};

/* The first row whose clues all hold. A processor's report says more than a cloud's TPM, so it comes before that; Azure's comes out of
 * the TPM, and is asked first. */
static const struct {
    enum clo_platform platform;
    struct clue clues[CLO_PLATFORM_REASONS];
} rows[] = {
    { CLO_PLATFORM_AZURE, { { HAS_HCL_REPORT, NULL, NULL } } },
    { CLO_PLATFORM_ENCLAVE, { { EXISTS, "/dev/nsm", NULL } } },
    { CLO_PLATFORM_SVSM, { { EXISTS, "/sys/devices/platform/tpm-svsm", NULL } } },
    { CLO_PLATFORM_SVSM, { { IS_NOT_ZERO, "/sys/devices/system/cpu/sev/vmpl", NULL } } },
    { CLO_PLATFORM_SNP, { { EXISTS, "/dev/sev-guest", NULL } } },
    { CLO_PLATFORM_TDX, { { EXISTS, "/dev/tdx_guest", NULL } } },
    { CLO_PLATFORM_TDX, { { EXISTS, "/sys/devices/virtual/misc/tdx_guest", NULL } } },
    { CLO_PLATFORM_NITRO_TPM,
      { { BEGINS_WITH, "/sys/class/dmi/id/sys_vendor", "Amazon EC2" }, { HAS_TPM, NULL, NULL } } },
    { CLO_PLATFORM_GCE,
      { { BEGINS_WITH, "/sys/class/dmi/id/product_name", "Google Compute Engine" },
        { HAS_TPM, NULL, NULL } } },
    { CLO_PLATFORM_TPM, { { HAS_TPM, NULL, NULL } } },
};

static const struct {
    const char *name, *title;
    const char *labels[8];
} platforms[CLO_PLATFORM_COUNT] = {
    [CLO_PLATFORM_NONE] = { "none", "nothing that could prove itself", { NULL } },
    [CLO_PLATFORM_AZURE] = { "azure",
                             "a confidential VM of Azure",
                             { CLO_EVIDENCE_HCL_REPORT, CLO_EVIDENCE_SNP_CERTIFICATES,
                               CLO_EVIDENCE_TDX_QUOTE, CLO_EVIDENCE_TPM_QUOTE,
                               CLO_EVIDENCE_EVENTLOG } },
    [CLO_PLATFORM_ENCLAVE] = { "nitro-enclave",
                               "an AWS Nitro Enclave",
                               { CLO_EVIDENCE_NITRO_DOCUMENT } },
    [CLO_PLATFORM_SVSM] = { "svsm",
                            "SEV-SNP with a service module at VMPL 0 (SVSM)",
                            { CLO_EVIDENCE_SNP_REPORT, CLO_EVIDENCE_SNP_CERTIFICATES,
                              CLO_EVIDENCE_SVSM_MANIFEST, CLO_EVIDENCE_TPM_QUOTE,
                              CLO_EVIDENCE_TPM_AK, CLO_EVIDENCE_EVENTLOG } },
    [CLO_PLATFORM_SNP] = { "snp",
                           "SEV-SNP",
                           { CLO_EVIDENCE_SNP_REPORT, CLO_EVIDENCE_SNP_CERTIFICATES } },
    [CLO_PLATFORM_TDX] = { "tdx", "TDX", { CLO_EVIDENCE_TDX_QUOTE, CLO_EVIDENCE_TDX_CCEL } },
    [CLO_PLATFORM_NITRO_TPM] = { "nitro-tpm",
                                 "an instance of AWS with a NitroTPM",
                                 { CLO_EVIDENCE_NITRO_DOCUMENT, CLO_EVIDENCE_EVENTLOG } },
    [CLO_PLATFORM_GCE] = { "gce",
                           "an instance of Google Compute Engine, by its TPM alone",
                           { CLO_EVIDENCE_TPM_QUOTE, CLO_EVIDENCE_TPM_AK,
                             CLO_EVIDENCE_TPM_AK_CERTIFICATES, CLO_EVIDENCE_EVENTLOG } },
    [CLO_PLATFORM_TPM] = { "tpm",
                           "only a TPM",
                           { CLO_EVIDENCE_TPM_QUOTE, CLO_EVIDENCE_TPM_AK, CLO_EVIDENCE_TPM_EK,
                             CLO_EVIDENCE_TPM_EK_CERTIFICATES, CLO_EVIDENCE_EVENTLOG } },
};

const char *clo_platform_name(enum clo_platform platform)
{
    return platforms[platform].name;
}

const char *clo_platform_title(enum clo_platform platform)
{
    return platforms[platform].title;
}

const char *const *clo_platform_collects(enum clo_platform platform)
{
    return platforms[platform].labels;
}

bool clo_platform_from_name(const char *name, enum clo_platform *out)
{
    for (unsigned i = 0; i < CLO_PLATFORM_COUNT; i++)
        if (strcmp(platforms[i].name, name) == 0) {
            *out = (enum clo_platform)i;
            return true;
        }
    return false;
}

/* --- Looking --- */

/* The first line of a small file, its control characters replaced. */
static bool read_value(const char *path, char out[VALUE_LIMIT])
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error ignored;

    if (!clo_file_read(path, VALUE_LIMIT - 1, &bytes, &ignored))
        return false;
    if (bytes.size > 0)
        memcpy(out, bytes.data, bytes.size);
    out[bytes.size] = '\0';
    out[strcspn(out, "\n")] = '\0';
    clo_sanitize(out);
    return true;
}

static bool holds_text(const struct clue *clue, const char *path, char *reason, size_t size)
{
    char value[VALUE_LIMIT];

    if (!read_value(path, value))
        return false;
    snprintf(reason, size, "%s is \"%.64s\"", clue->path, value);
    return clue->kind == BEGINS_WITH ? strncmp(value, clue->text, strlen(clue->text)) == 0
                                     : strtoul(value, NULL, 10) != 0;
}

static bool has_hcl_report(struct clo_tpm *tpm)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer report = { 0 };
    struct clo_error ignored;

    return tpm != NULL &&
           clo_tpm_nv_read(tpm, CLO_HCL_NV_INDEX, CLO_TPM_NV_LIMIT, &report, &ignored);
}

static bool holds(const struct clue *clue, const char *sysroot, struct clo_tpm *tpm, char *reason,
                  size_t size)
{
    char path[4096];

    switch (clue->kind) {
    case HAS_TPM:
        snprintf(reason, size, "there is a TPM");
        return tpm != NULL;
    case HAS_HCL_REPORT:
        snprintf(reason, size, "the TPM has an HCL report, at NV index 0x%08x", CLO_HCL_NV_INDEX);
        return has_hcl_report(tpm);
    default:
        snprintf(path, sizeof path, "%s%s", sysroot, clue->path);
        snprintf(reason, size, "%s is there", clue->path);
        return clue->kind == EXISTS ? access(path, F_OK) == 0
                                    : holds_text(clue, path, reason, size);
    }
}

void clo_platform_find(const char *sysroot, struct clo_tpm *tpm, struct clo_platform_found *out)
{
    for (size_t i = 0; i < CLO_COUNT(rows); i++) {
        size_t count = 0;
        bool all = true;
        for (size_t k = 0; all && k < CLO_PLATFORM_REASONS && rows[i].clues[k].kind != NO_CLUE; k++)
            all = holds(&rows[i].clues[k], sysroot, tpm, out->reasons[count++],
                        sizeof out->reasons[0]);
        if (!all)
            continue;
        out->platform = rows[i].platform;
        out->reason_count = count;
        return;
    }
    out->platform = CLO_PLATFORM_NONE;
    out->reason_count = 0;
}

json_t *clo_platform_json(const struct clo_platform_found *found)
{
    const char *const *labels = clo_platform_collects(found->platform);
    CLO_CLEANUP(clo_json_freep) json_t *reasons = json_array();
    CLO_CLEANUP(clo_json_freep) json_t *collects = json_array();
    bool ok = true;

    for (size_t i = 0; i < found->reason_count; i++)
        ok = json_array_append_new(reasons, clo_json_text(found->reasons[i])) == 0 && ok;
    for (size_t i = 0; labels[i] != NULL; i++)
        ok = json_array_append_new(collects, json_string(labels[i])) == 0 && ok;
    return ok ? json_pack("{s:s,s:s,s:O,s:O}", "platform", clo_platform_name(found->platform),
                          "title", clo_platform_title(found->platform), "found", reasons,
                          "collects", collects)
              : NULL;
}
