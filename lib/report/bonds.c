/* Are the documents about one machine and one image? By digests: of the file, of the UKI, of the registers
 * that a boot of it leaves, held against those that the evidence proves. */
#include <string.h>
#include <strings.h>

#include "page.h"

static const char *at(const json_t *object, const char *first, const char *second)
{
    return page_string(json_object_get(object, first), second);
}

static bool is_same(const char *a, const char *b)
{
    return *a != '\0' && strcasecmp(a, b) == 0;
}

/* --- The file that was audited, and the image that was looked into --- */

static enum bond between_files(const json_t *audit, const json_t *image)
{
    const json_t *a = json_object_get(audit, "identity");
    const json_t *b = json_object_get(image, "identity");
    const char *uki = at(a, "uki", "sha256");

    if (audit == NULL || image == NULL)
        return BOND_ABSENT;
    if (a == NULL || b == NULL || strcmp(page_string(a, "kind"), "file") == 0)
        return BOND_UNKNOWN;
    /* A UKI that was audited by itself may lie in the image. */
    if (strcmp(page_string(a, "kind"), "program") == 0)
        return *uki == '\0' || *at(b, "uki", "sha256") == '\0' ? BOND_UNKNOWN
               : is_same(uki, at(b, "uki", "sha256"))          ? BOND_SAME
                                                               : BOND_DIFFERENT;
    return is_same(page_string(a, "sha256"), page_string(b, "sha256")) ? BOND_SAME : BOND_DIFFERENT;
}

/* --- What ran, and a file --- */

/* A value, or one of several: of PCR 11, one for each phase. */
static bool has_value(const json_t *expected, const char *actual)
{
    const char *phase;
    json_t *value;

    if (json_is_string(expected))
        return is_same(json_string_value(expected), actual);
    json_object_foreach ((json_t *)(uintptr_t)expected, phase, value)
        if (json_is_string(value) && is_same(json_string_value(value), actual))
            return true;
    return false;
}

/* PCR 4 says which program ran, and 11 what it measured of itself; another loader can extend 11
 * as it likes, so neither will do alone. PCR 5 is the partition table. */
static enum bond between_pcrs(const json_t *expected, const json_t *quoted)
{
    static const char *const wanted[] = { "4", "11", "5" };
    size_t found = 0;

    for (size_t i = 0; i < CLO_COUNT(wanted); i++) {
        const char *actual = page_string(quoted, wanted[i]);
        const json_t *value = json_object_get(expected, wanted[i]);
        if (*actual == '\0' || value == NULL)
            continue;
        if (!has_value(value, actual))
            return BOND_DIFFERENT;
        found += i < 2;
    }
    return found == 2 ? BOND_SAME : BOND_UNKNOWN;
}

static enum bond between_rtmrs(const json_t *registers, const json_t *claims)
{
    static const char *const wanted[] = { "rtmr1", "rtmr2" };
    size_t found = 0;

    for (size_t i = 0; i < CLO_COUNT(wanted); i++) {
        const char *expected = page_string(registers, wanted[i]);
        const char *actual = page_string(claims, wanted[i]);
        if (*expected == '\0' || *actual == '\0')
            continue;
        if (!is_same(expected, actual))
            return BOND_DIFFERENT;
        found++;
    }
    return found == CLO_COUNT(wanted) ? BOND_SAME : BOND_UNKNOWN;
}

static enum bond between_evidence(const json_t *appraisal, const json_t *document)
{
    const json_t *registers = json_object_get(json_object_get(document, "identity"), "registers");
    const json_t *claims = json_object_get(appraisal, "claims");
    const json_t *quoted = json_object_get(json_object_get(claims, "pcrs"), "sha256");

    if (appraisal == NULL || document == NULL)
        return BOND_ABSENT;
    if (registers == NULL)
        return BOND_UNKNOWN;
    if (json_is_object(quoted))
        return between_pcrs(json_object_get(json_object_get(registers, "pcrs"), "sha256"), quoted);
    return between_rtmrs(registers, claims);
}

/* --- What the audit was made for, and where it ran --- */

static bool is_for(const json_t *audit, const char *platform)
{
    const json_t *list = json_object_get(audit, "for");

    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), platform) == 0)
            return true;
    return false;
}

static enum bond between_platforms(const json_t *audit, const json_t *appraisal)
{
    const char *tee = page_string(appraisal, "tee");
    enum clo_tee kind;
    bool has_paravisor = json_object_get(json_object_get(appraisal, "claims"), "hcl") != NULL;

    if (audit == NULL || appraisal == NULL)
        return BOND_ABSENT;
    if (!clo_tee_from_name(tee, &kind) || !clo_tee_has_maker(kind))
        return BOND_UNKNOWN;
    return is_for(audit, tee) && (!has_paravisor || is_for(audit, "hyperv")) ? BOND_SAME
                                                                             : BOND_DIFFERENT;
}

void page_find_bonds(struct page *page)
{
    const struct clo_report_input *in = page->in;

    page->image_audit = between_files(in->audit, in->image);
    page->evidence_audit = between_evidence(in->appraisal, in->audit);
    page->evidence_image = between_evidence(in->appraisal, in->image);
    page->platform = between_platforms(in->audit, in->appraisal);
}
