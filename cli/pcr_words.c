/* PCRs and phases of a boot, as people write them. */
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"

#include "cli/inputs.h"

/* What systemd calls them (systemd-analyze pcrs). */
static const struct {
    const char *name;
    unsigned pcr;
} names[] = {
    { "platform-code", 0 },
    { "platform-config", 1 },
    { "external-code", 2 },
    { "external-config", 3 },
    { "boot-loader-code", 4 },
    { "boot-loader-config", 5 },
    { "host-platform", 6 },
    { "secure-boot-policy", 7 },
    { "kernel-initrd", 9 },
    { "ima", 10 },
    { "kernel-boot", 11 },
    { "kernel-config", 12 },
    { "sysexts", 13 },
    { "shim-policy", 14 },
    { "system-identity", 15 },
    { "debug", 16 },
    { "application-support", 23 },
};

static const char *pcr_name(const void *context, size_t i)
{
    (void)context;
    return i < CLO_COUNT(names) ? names[i].name : NULL;
}

/* "7" or "secure-boot-policy". */
static bool read_pcr(const char *word, unsigned long *out)
{
    char *end;

    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        if (strcmp(names[i].name, word) != 0)
            continue;
        *out = names[i].pcr;
        return true;
    }
    *out = strtoul(word, &end, 10);
    return *word >= '0' && *word <= '9' && *end == '\0' && *out < CLO_PCR_COUNT;
}

bool cli_pcr_list(const char *option, const char *text, uint32_t *out, struct clo_error *err)
{
    char word[32];
    uint32_t mask = 0;
    unsigned long pcr;

    for (const char *at = text;; at++) {
        size_t size = strcspn(at, ",+");
        snprintf(word, sizeof word, "%.*s", (int)size, at);
        if (!read_pcr(word, &pcr)) {
            const char *meant = cli_nearest(word, pcr_name, NULL);
            return clo_fail(
                    err, CLO_ERR_USAGE,
                    "%s %.64s: expected numbers from 0 to %d or their names, each once%s%s%s",
                    option, text, CLO_PCR_COUNT - 1, meant == NULL ? "" : " (did you mean ",
                    meant == NULL ? "" : meant, meant == NULL ? "" : "?)");
        }
        if ((mask >> pcr & 1) != 0)
            return clo_fail(err, CLO_ERR_USAGE, "%s %.64s: PCR %lu twice", option, text, pcr);
        mask |= UINT32_C(1) << pcr;
        at += size;
        if (*at == '\0')
            break;
    }
    *out = mask;
    return true;
}

/* The phases that references have values for, one after the other. */
struct phases {
    const struct clo_reference *const *references;
    size_t count;
};

static const char *phase_at(const void *context, size_t i)
{
    const struct phases *all = context;
    const char *phase;

    for (size_t n = 0; n < all->count; n++) {
        size_t k = 0;
        for (; (phase = clo_reference_phase_at(all->references[n], k)) != NULL; k++)
            if (k == i)
                return phase;
        i -= k;
    }
    return NULL;
}

const char *cli_phase_meant(const struct clo_reference *const *references, size_t count,
                            const char *phase)
{
    const struct phases all = { references, count };
    const char *known;

    if (phase == NULL)
        return NULL;
    for (size_t i = 0; (known = phase_at(&all, i)) != NULL; i++)
        if (strcmp(known, phase) == 0)
            return NULL;
    return cli_nearest(phase, phase_at, &all);
}
