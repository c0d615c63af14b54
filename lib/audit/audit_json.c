#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"

/* A key of an empty value is left out. */
static bool set_text(json_t *object, const char *key, const char *text)
{
    return text == NULL || *text == '\0' ||
           json_object_set_new(object, key, json_string(text)) == 0;
}

static json_t *finding_json(const struct clo_audit_finding *finding)
{
    const struct clo_audit_rule *rule = finding->rule;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fix = { 0 };
    struct clo_error err;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", rule->id, "group",
                             rule->group, "what", clo_audit_what_name(rule->what), "severity",
                             clo_audit_severity_name(rule->severity), "result",
                             clo_audit_result_name(finding->result), "found", finding->found,
                             "wanted", rule->wanted);

    if (json == NULL || !clo_audit_fix(rule, &fix, &err) ||
        !set_text(json, "reason", rule->reason) || !set_text(json, "source", rule->source) ||
        !set_text(json, "checked", rule->checked) ||
        !set_text(json, "fix", clo_buffer_string(&fix)) ||
        !set_text(json, "waiver", finding->waiver) ||
        (finding->because != NULL && !set_text(json, "because", finding->because->id))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *tally_json(const struct clo_audit *audit)
{
    json_t *json = json_object();

    for (size_t i = 0; i < CLO_AUDIT_SEVERITY_COUNT; i++) {
        json_t *row = json_object();
        for (size_t k = 0; k < CLO_AUDIT_RESULT_COUNT; k++)
            json_object_set_new(row, clo_audit_result_name((enum clo_audit_result)k),
                                json_integer((json_int_t)audit->tally[i][k]));
        json_object_set_new(json, clo_audit_severity_name((enum clo_audit_severity)i), row);
    }
    return json;
}

static bool is_on(const struct clo_audit_facts *facts, const char *name)
{
    const char *value = clo_audit_option(facts, name);

    return value != NULL && (strcmp(value, "y") == 0 || strcmp(value, "m") == 0);
}

/* AMD_MEM_ENCRYPT is older than its SNP part, which came with Linux 5.19 and brought SEV_GUEST. */
static bool can_snp(const struct clo_audit_facts *facts)
{
    const char *header = clo_kconfig_version(facts->config);
    struct clo_audit_version version = clo_audit_version(header == NULL ? "" : header);
    bool is_too_old = version.major != 0 &&
                      (version.major < 5 || (version.major == 5 && version.minor < 19)) &&
                      clo_kconfig_get(facts->config, "SEV_GUEST") == NULL;

    return is_on(facts, "AMD_MEM_ENCRYPT") && !is_too_old;
}

/* What a kernel so configured can be the guest of. */
static json_t *guest_json(const struct clo_audit_facts *facts)
{
    return json_pack("{s:b, s:b, s:b, s:b, s:b}", "snp_guest", can_snp(facts),
                     "sev_snp_report_device",
                     is_on(facts, "AMD_MEM_ENCRYPT") && is_on(facts, "SEV_GUEST"), "tdx_guest",
                     is_on(facts, "INTEL_TDX_GUEST"), "tdx_report_device",
                     is_on(facts, "INTEL_TDX_GUEST") && is_on(facts, "TDX_GUEST_DRIVER"),
                     "configfs_tsm", is_on(facts, "TSM_REPORTS"));
}

static json_t *text_or_null(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

static json_t *config_json(const struct clo_audit_facts *facts)
{
    const struct clo_kconfig_counts *counts = clo_kconfig_counts(facts->config);
    json_t *options = json_object();
    const char *name, *value;
    char key[256];

    for (size_t i = 0; clo_kconfig_at(facts->config, i, &name, &value); i++) {
        snprintf(key, sizeof key, "CONFIG_%s", name);
        json_object_set_new(options, key, clo_json_text(value));
    }
    return json_pack("{s:o, s:b, s:{s:I, s:I, s:I, s:I}, s:o, s:o}", "kernel_version_in_header",
                     text_or_null(clo_kconfig_version(facts->config)), "full_config",
                     clo_kconfig_is_full(facts->config), "sets", "y", (json_int_t)counts->y, "m",
                     (json_int_t)counts->m, "n", (json_int_t)counts->n, "other",
                     (json_int_t)counts->other, "can_guest_of", guest_json(facts), "options",
                     options);
}

static json_t *platforms_json(unsigned platforms)
{
    json_t *list = json_array();

    for (unsigned bit = 1; clo_audit_platform_name(bit) != NULL; bit <<= 1)
        if ((platforms & bit) != 0)
            json_array_append_new(list, json_string(clo_audit_platform_name(bit)));
    return list;
}

json_t *clo_audit_json(const struct clo_audit *audit, const struct clo_audit_facts *facts,
                       const char *subject, enum clo_audit_severity level)
{
    json_t *findings = json_array();
    json_t *about = json_array();
    json_t *json;

    for (size_t i = 0; i < audit->count; i++)
        if (json_array_append_new(findings, finding_json(&audit->findings[i])) != 0) {
            json_decref(findings);
            json_decref(about);
            return NULL;
        }
    for (size_t i = 0; i < CLO_AUDIT_WHAT_COUNT; i++)
        if (facts->about[i])
            json_array_append_new(about, json_string(clo_audit_what_name((enum clo_audit_what)i)));
    json = json_pack("{s:i, s:o, s:o, s:o, s:s, s:s, s:o, s:o}", "cloister_audit", 1, "subject",
                     clo_json_text(subject), "about", about, "for",
                     platforms_json(audit->platforms), "level", clo_audit_severity_name(level),
                     "fit", clo_audit_answer_name(clo_audit_verdict(audit, level)), "tally",
                     tally_json(audit), "findings", findings);
    if (json == NULL)
        return NULL;
    if (facts->release != NULL)
        json_object_set_new(json, "kernel", json_string(facts->release));
    if (facts->config != NULL)
        json_object_set_new(json, "config", config_json(facts));
    if (facts->cmdline != NULL)
        json_object_set_new(json, "cmdline", json_string(facts->cmdline));
    if (facts->named != NULL)
        json_object_set_new(json, "facts", json_deep_copy(facts->named));
    return json;
}

/* --- SARIF --- */

static const char *sarif_level(enum clo_audit_severity severity)
{
    return severity == CLO_AUDIT_REQUIRED      ? "error"
           : severity == CLO_AUDIT_RECOMMENDED ? "warning"
                                               : "note";
}

static json_t *sarif_rule(const struct clo_audit_rule *rule)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer fix = { 0 };
    struct clo_error err;

    if (!clo_audit_fix(rule, &fix, &err))
        return NULL;
    return json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:s}}", "id", rule->id, "shortDescription", "text",
                     rule->reason, "help", "text", clo_buffer_string(&fix), "properties", "group",
                     rule->group);
}

/* A file's name as a reference of RFC 3986, section 4.1. */
static json_t *file_uri(const char *path)
{
    static const char plain[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uri = { 0 };

    for (; *path != '\0'; path++)
        if (strchr(plain, *path) != NULL)
            clo_buffer_u8(&uri, (uint8_t)*path);
        else
            clo_buffer_printf(&uri, "%%%02X", (unsigned)(uint8_t)*path);
    return clo_buffer_ok(&uri) ? json_string(clo_buffer_string(&uri)) : NULL;
}

static json_t *sarif_result(const struct clo_audit_finding *finding, size_t index,
                            const char *subject)
{
    char text[1024];

    snprintf(text, sizeof text, "%s: %s", finding->found, finding->rule->reason);
    json_t *json = json_pack(
            "{s:s, s:I, s:s, s:s, s:{s:s}, s:[{s:{s:{s:o}}, s:[{s:s}]}]}", "ruleId",
            finding->rule->id, "ruleIndex", (json_int_t)index, "kind",
            finding->result == CLO_AUDIT_OPEN ? "open" : "fail", "level",
            finding->result == CLO_AUDIT_OPEN ? "none" : sarif_level(finding->rule->severity),
            "message", "text", text, "locations", "physicalLocation", "artifactLocation", "uri",
            file_uri(subject), "logicalLocations", "name", finding->rule->id);
    if (json != NULL && finding->waiver != NULL)
        json_object_set_new(
                json, "suppressions",
                json_pack("[{s:s, s:s}]", "kind", "external", "justification", finding->waiver));
    return json;
}

json_t *clo_audit_sarif(const struct clo_audit *audit, const char *subject, const char *version)
{
    json_t *rules = json_array();
    json_t *found = json_array();
    size_t index = 0;

    for (size_t i = 0; i < audit->count; i++) {
        const struct clo_audit_finding *finding = &audit->findings[i];
        if (finding->result == CLO_AUDIT_PASS)
            continue;
        if (json_array_append_new(rules, sarif_rule(finding->rule)) != 0 ||
            json_array_append_new(found, sarif_result(finding, index++, subject)) != 0) {
            json_decref(rules);
            json_decref(found);
            return NULL;
        }
    }
    return json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:o}]}", "$schema",
                     "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0", "runs",
                     "tool", "driver", "name", "cloister audit", "version", version, "rules", rules,
                     "results", found);
}
