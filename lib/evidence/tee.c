#include "lib/evidence/tee.h"

#include <string.h>

#include "cloister/evidence.h"

static const struct clo_tee_names tees[CLO_TEE_COUNT] = {
    [CLO_TEE_SNP] = { .name = "snp",
                      .title = "SEV-SNP",
                      .maker = "AMD",
                      .processor = "AMD EPYC",
                      .roots = "amd",
                      .label = CLO_EVIDENCE_SNP_REPORT,
                      .provider = "sev_guest",
                      .azure = "az-snp-vtpm" },
    [CLO_TEE_TDX] = { .name = "tdx",
                      .title = "TDX",
                      .maker = "Intel",
                      .processor = "Intel",
                      .roots = "intel",
                      .label = CLO_EVIDENCE_TDX_QUOTE,
                      .provider = "tdx_guest",
                      .azure = "az-tdx-vtpm" },
    [CLO_TEE_TPM] = { .name = "tpm", .title = "TPM" },
    [CLO_TEE_SAMPLE] = { .name = "sample",
                         .title = "sample evidence",
                         .label = CLO_EVIDENCE_SAMPLE },
    [CLO_TEE_NITRO] = { .name = "nitro",
                        .title = "AWS Nitro",
                        .maker = "AWS",
                        .processor = "AWS Nitro",
                        .roots = "aws",
                        .label = CLO_EVIDENCE_NITRO_DOCUMENT },
};

const struct clo_tee_names *clo_tee_names(enum clo_tee tee)
{
    return &tees[tee];
}

bool clo_tee_has_maker(enum clo_tee tee)
{
    return tees[tee].maker != NULL;
}

/* `at`: the member of the table that is asked for. */
static bool find(size_t at, const char *text, enum clo_tee *out)
{
    for (unsigned i = 0; i < CLO_TEE_COUNT; i++) {
        const void *member = (const char *)&tees[i] + at;
        const char *own = *(const char *const *)member;
        if (own != NULL && strcmp(own, text) == 0) {
            *out = (enum clo_tee)i;
            return true;
        }
    }
    return false;
}

bool clo_tee_from_name(const char *name, enum clo_tee *out)
{
    return find(offsetof(struct clo_tee_names, name), name, out);
}

bool clo_tee_of_provider(const char *provider, enum clo_tee *out)
{
    return find(offsetof(struct clo_tee_names, provider), provider, out);
}

bool clo_tee_of_roots(const char *roots, enum clo_tee *out)
{
    return find(offsetof(struct clo_tee_names, roots), roots, out);
}
