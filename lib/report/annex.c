/* The annex: what an auditor wants, every id and every value, and the commands that make it all again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

static void value(const struct page *page, const char *name, const json_t *json)
{
    char *text = json_is_string(json) ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    page_markup(page, "<dt><code>");
    page_text(page, name);
    page_markup(page, "</code></dt><dd lang=\"en\">");
    page_text(page, text == NULL ? json_string_value(json) : text);
    page_markup(page, "</dd>\n");
    free(text);
}

static void values(const struct page *page, const char *title, const json_t *object)
{
    const char *name;
    json_t *one;

    if (json_object_size(object) == 0)
        return;
    page_markup(page, "<details><summary>");
    page_text(page, title);
    page_markup(page, "</summary>\n<dl class=\"plain\">\n");
    json_object_foreach ((json_t *)(uintptr_t)object, name, one)
        value(page, name, one);
    page_markup(page, "</dl></details>\n");
}

static void put_row(const struct page *page, const json_t *one, enum state state, const char *words,
                    const char *detail)
{
    page_markup(page, "<tr><td>");
    page_state(page, state);
    page_markup(page, "</td><td><code>");
    page_text(page, page_string(one, "id"));
    page_markup(page, "</code><br>");
    if (words != NULL)
        page_element(page, "span", words);
    page_markup(page, "</td><td>");
    page_quoted(page, "span", detail);
    page_markup(page, "</td></tr>\n");
}

static void begin_table(const struct page *page, const char *title)
{
    page_markup(page, "<details><summary>");
    page_text(page, title);
    page_markup(page, "</summary>\n<table>\n<thead><tr>");
    page_element(page, "th scope=\"col\"", T("Result"));
    page_element(page, "th scope=\"col\"", T("Name"));
    page_element(page, "th scope=\"col\"", T("Found"));
    page_markup(page, "</tr></thead>\n<tbody>\n");
}

static void put_checks(const struct page *page)
{
    const json_t *list = json_object_get(page->in->appraisal, "checks");
    json_t *one;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    begin_table(page, T("Every check of the appraisal"));
    json_array_foreach ((json_t *)(uintptr_t)list, i, one)
        put_row(page, one, page_check_state(one), page_check_words(page, page_string(one, "id")),
                page_string(one, "detail"));
    page_markup(page, "</tbody></table></details>\n");
}

static void put_findings(const struct page *page)
{
    const json_t *list = json_object_get(page->in->audit, "findings");
    json_t *one;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    begin_table(page, T("Every finding of the audit"));
    json_array_foreach ((json_t *)(uintptr_t)list, i, one)
        put_row(page, one, page_finding_state(one), NULL, page_string(one, "found"));
    page_markup(page, "</tbody></table></details>\n");
}

/* One word of a command that a reader will paste into a shell, whatever a document calls its subject. */
static void shell_word(const struct page *page, const char *text)
{
    static const char plain[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._+=:@%/";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer word = { 0 };

    if (*text != '\0' && text[strspn(text, plain)] == '\0') {
        page_text(page, text);
        return;
    }
    clo_buffer_text(&word, "'");
    for (; *text != '\0'; text++)
        if (*text == '\'')
            clo_buffer_text(&word, "'\\''");
        else
            clo_buffer_u8(&word, (uint8_t)*text);
    clo_buffer_text(&word, "'");
    if (clo_buffer_ok(&word))
        page_text(page, clo_buffer_string(&word));
    else
        page->out->failed = true;
}

/* A file's name must not be taken for an option. */
static void shell_file(const struct page *page, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };

    clo_buffer_printf(&path, "%s%s", *name == '-' ? "./" : "", name);
    if (clo_buffer_string(&path) != NULL)
        shell_word(page, clo_buffer_string(&path));
    else
        page->out->failed = true;
}

/* The usual ones that are not among them were taken away. */
static void put_platforms(const struct page *page)
{
    static const char *const usual[] = { "vtpm", "uki", "fde" };
    const json_t *list = json_object_get(page->in->audit, "for");
    bool is_there[CLO_COUNT(usual)] = { false };
    const char *separator = " --for ";
    json_t *platform;
    size_t i;

    json_array_foreach ((json_t *)(uintptr_t)list, i, platform) {
        const char *name = json_string_value(platform) == NULL ? "" : json_string_value(platform);
        for (size_t k = 0; k < CLO_COUNT(usual); k++)
            is_there[k] = is_there[k] || strcmp(name, usual[k]) == 0;
        page_text(page, separator);
        shell_word(page, name);
        separator = ",";
    }
    for (size_t k = 0; json_array_size(list) > 0 && k < CLO_COUNT(usual); k++)
        if (!is_there[k]) {
            page_text(page, separator);
            page_text(page, "no-");
            page_text(page, usual[k]);
        }
}

/* Options as cloister audit names them among its inputs. */
static void put_audit_inputs(const struct page *page, const json_t *inputs)
{
    static const char *const names[] = { "root",    "platform", "config", "initrd",
                                         "cmdline", "waivers",  "at" };
    const json_t *rules = json_object_get(inputs, "rules");
    const char *level = page_string(page->in->audit, "level");
    json_t *one;
    size_t i;

    for (size_t k = 0; k < CLO_COUNT(names); k++) {
        const char *text = json_string_value(json_object_get(inputs, names[k]));
        if (text == NULL)
            continue;
        page_text(page, " --");
        page_text(page, names[k]);
        page_text(page, " ");
        shell_word(page, text);
    }
    json_array_foreach ((json_t *)(uintptr_t)rules, i, one) {
        page_text(page, " --rules ");
        shell_word(page, json_string_value(one) == NULL ? "" : json_string_value(one));
    }
    if (*level != '\0' && strcmp(level, "required") != 0) {
        page_text(page, " --fail-on ");
        shell_word(page, level);
    }
}

/* Documents that do not say what they were made of say what they are about. */
static void put_audit_command(const struct page *page)
{
    const json_t *inputs = json_object_get(page->in->audit, "inputs");
    const char *subject = inputs == NULL ? page_string(page->in->audit, "subject")
                                         : json_string_value(json_object_get(inputs, "subject"));
    bool is_guest = inputs == NULL ? strcmp(subject, "this guest") == 0
                                   : json_is_true(json_object_get(inputs, "guest"));

    page_text(page, "cloister audit");
    if (is_guest) {
        page_text(page, " --guest");
    } else if (subject != NULL) {
        page_text(page, " ");
        shell_file(page, subject);
    }
    put_audit_inputs(page, inputs);
    put_platforms(page);
    page_markup(page, " --json &gt;audit.json\n");
}

static void commands(const struct page *page)
{
    page_element(page, "p", T("These commands make the documents again, and this page from them:"));
    page_markup(page, "<pre tabindex=\"0\"><code lang=\"en\">");
    if (page->in->audit != NULL)
        put_audit_command(page);
    if (page->in->appraisal != NULL)
        page_markup(page, "cloister verify EVIDENCE --policy POLICY --reference FILE --nonce TEXT "
                          "--json &gt;appraisal.json\n");
    if (page->in->image != NULL)
        page_markup(page, "cloister image inspect IMAGE --json &gt;image.json\n");
    page_markup(page, "cloister report");
    page_markup(page, page->in->audit != NULL ? " audit.json" : "");
    page_markup(page, page->in->appraisal != NULL ? " appraisal.json" : "");
    page_markup(page, page->in->image != NULL ? " image.json" : "");
    page_markup(page, " --language ");
    page_text(page, page->in->language);
    page_markup(page, " --output report.html</code></pre>\n");
}

void page_annex(const struct page *page)
{
    const json_t *config = json_object_get(page->in->audit, "config");

    page_markup(page, "<div class=\"annex\">\n");
    page_section(page, "annex", T("Annex for the auditor"));
    commands(page);
    put_checks(page);
    put_findings(page);
    values(page, T("What the evidence claims"), json_object_get(page->in->appraisal, "claims"));
    values(page, T("What the audit is of"), json_object_get(page->in->audit, "identity"));
    values(page, T("Facts that the audit took from the guest or image"),
           json_object_get(page->in->audit, "facts"));
    values(page, T("The kernel's configuration, as far as it is summed up"),
           json_object_get(config, "can_guest_of"));
    values(page, T("What is on the disk"), page->in->image);
    page_markup(page, "</section>\n</div>\n");
}
