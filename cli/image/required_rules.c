#include "cli/image/required_rules.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/audit.h"
#include "guest/facts.h"
#include "image/host_words.h"
#include "image/subject.h"

/* What the guest closes by itself, whatever the root has in it: it masks the units (guest/host_units.c). */
static const struct {
    const char *rule, *unless;
} closed[] = {
    { "rootfs.agents", "agents" },
    { "rootfs.cloud_init", "cloud-init" },
};

static bool is_closed(const struct cli_image_audit *audit, const char *rule)
{
    for (size_t i = 0; i < CLO_COUNT(closed); i++)
        if (strcmp(closed[i].rule, rule) == 0)
            return !clo_host_words_have(audit->allowed, closed[i].unless);
    return false;
}

static bool is_accepted(const struct cli_image_audit *audit, const char *rule)
{
    for (size_t i = 0; i < audit->accepted->count; i++)
        if (strcmp(audit->accepted->items[i], rule) == 0)
            return true;
    return false;
}

static bool is_rule(const struct clo_audit_rules *rules, const char *id)
{
    for (size_t i = 0; i < clo_audit_rules_count(rules); i++)
        if (strcmp(clo_audit_rules_at(rules, i)->id, id) == 0)
            return true;
    return false;
}

bool cli_image_audit_check(const struct cli_image_audit *audit, struct clo_error *err)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;

    if (audit->accepted->count == 0)
        return true;
    if (!clo_audit_rules_new(&rules, err))
        return false;
    for (size_t i = 0; i < audit->accepted->count; i++)
        if (!is_rule(rules, audit->accepted->items[i]))
            return clo_fail(err, CLO_ERR_USAGE, "--accept %.80s: there is no such rule",
                            audit->accepted->items[i]);
    return true;
}

/* The first that fails is told with what was found; the others by name. */
static bool judge(const struct cli_image_audit *audit, const struct clo_audit *result,
                  struct clo_error *err)
{
    const struct clo_audit_finding *first = NULL;
    char others[200] = "";

    for (size_t i = 0; i < result->count; i++) {
        const struct clo_audit_finding *finding = &result->findings[i];
        const char *id = finding->rule->id;
        size_t used = strlen(others);
        if (finding->rule->severity != CLO_AUDIT_REQUIRED || finding->result != CLO_AUDIT_FAIL ||
            is_closed(audit, id) || is_accepted(audit, id))
            continue;
        if (first == NULL)
            first = finding;
        else
            snprintf(others + used, sizeof others - used, "%s%s", used == 0 ? "; also " : ", ", id);
    }
    return first == NULL ||
           clo_fail(err, CLO_ERR_REFUSED, "audit: %s: %s: %s (--accept %s takes it upon you)%s",
                    first->rule->id, first->found, first->rule->reason, first->rule->id, others);
}

static bool describe(const struct cli_image_audit *audit, struct clo_bytes uki, int disk,
                     struct clo_subject *out, struct clo_error *err)
{
    const struct clo_facts_source source = { .root = audit->root };
    struct stat status;

    if (!clo_subject_new(out, err) || !clo_subject_add_uki(out, uki, err) ||
        !clo_subject_add_disk(out, disk, err))
        return false;
    if (audit->root == NULL || stat(audit->root, &status) != 0 || !S_ISDIR(status.st_mode))
        return true;
    out->about[CLO_AUDIT_ROOTFS] = true;
    return clo_facts_rootfs(&source, false, out->named, err);
}

bool cli_image_audit(void *context, struct clo_bytes uki, int disk, struct clo_error *err)
{
    const struct cli_image_audit *audit = context;
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
    CLO_CLEANUP(clo_subject_free) struct clo_subject subject = { 0 };
    CLO_CLEANUP(clo_audit_free) struct clo_audit result = { 0 };
    struct clo_audit_facts facts;
    struct clo_audit_request request = { .platforms = CLO_AUDIT_FOR_DEFAULT };

    if (!describe(audit, uki, disk, &subject, err) || !clo_audit_rules_new(&rules, err))
        return clo_wrap(err, "audit");
    clo_subject_facts(&subject, &facts);
    request.rules = rules;
    return clo_audit_run(&request, &facts, &result, err) && judge(audit, &result, err);
}
