/* QEMU's EPYC models and the signature of each (QEMU 10.1, target/i386/cpu.c). */
#include <strings.h>

#include "cloister/launch.h"

#define SIGNATURE_NAPLES 0x00800f12
#define SIGNATURE_ROME   0x00830f10
#define SIGNATURE_MILAN  0x00a00f11
#define SIGNATURE_GENOA  0x00a10f10
#define SIGNATURE_TURIN  0x00b00f00

static const struct clo_vcpu_type types[] = {
    { "EPYC", SIGNATURE_NAPLES },         { "EPYC-v1", SIGNATURE_NAPLES },
    { "EPYC-v2", SIGNATURE_NAPLES },      { "EPYC-IBPB", SIGNATURE_NAPLES },
    { "EPYC-v3", SIGNATURE_NAPLES },      { "EPYC-v4", SIGNATURE_NAPLES },
    { "EPYC-v5", SIGNATURE_NAPLES },      { "EPYC-Rome", SIGNATURE_ROME },
    { "EPYC-Rome-v1", SIGNATURE_ROME },   { "EPYC-Rome-v2", SIGNATURE_ROME },
    { "EPYC-Rome-v3", SIGNATURE_ROME },   { "EPYC-Rome-v4", SIGNATURE_ROME },
    { "EPYC-Rome-v5", SIGNATURE_ROME },   { "EPYC-Milan", SIGNATURE_MILAN },
    { "EPYC-Milan-v1", SIGNATURE_MILAN }, { "EPYC-Milan-v2", SIGNATURE_MILAN },
    { "EPYC-Milan-v3", SIGNATURE_MILAN }, { "EPYC-Genoa", SIGNATURE_GENOA },
    { "EPYC-Genoa-v1", SIGNATURE_GENOA }, { "EPYC-Genoa-v2", SIGNATURE_GENOA },
    { "EPYC-Genoa-v3", SIGNATURE_GENOA }, { "EPYC-Turin", SIGNATURE_TURIN },
    { "EPYC-Turin-v1", SIGNATURE_TURIN }, { "EPYC-Turin-v2", SIGNATURE_TURIN },
};

const struct clo_vcpu_type *clo_vcpu_type_at(size_t index)
{
    return index < CLO_COUNT(types) ? &types[index] : NULL;
}

const struct clo_vcpu_type *clo_vcpu_type_find(const char *name)
{
    for (size_t i = 0; i < CLO_COUNT(types); i++)
        if (strcasecmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

bool clo_vcpu_signature(uint64_t family, uint64_t model, uint64_t stepping, uint32_t *out,
                        struct clo_error *err)
{
    if (family > 0xff + 0xf || model > 0xff || stepping > 0xf)
        return clo_fail(err, CLO_ERR_USAGE, "no such CPU: family %llu, model %llu, stepping %llu",
                        (unsigned long long)family, (unsigned long long)model,
                        (unsigned long long)stepping);
    uint64_t low = family < 0xf ? family : 0xf;
    *out = (uint32_t)((family - low) << 20 | (model >> 4) << 16 | low << 8 | (model & 0xf) << 4 |
                      stepping);
    return true;
}
