#include "page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/report/html.h"

void page_markup(const struct page *page, const char *markup)
{
    clo_buffer_text(page->out, markup);
}

void page_text(const struct page *page, const char *text)
{
    clo_html_text(page->out, text);
}

void page_element(const struct page *page, const char *tag, const char *text)
{
    clo_html_element(page->out, tag, text);
}

/* Texts that documents carry: those that the catalogue knows are in the page's language, others say that
 * they are English. */
void page_quoted(const struct page *page, const char *tag, const char *text)
{
    char with_language[64];

    if (*text == '\0')
        return;
    const char *translated = T(text);
    if (strcmp(translated, text) != 0 || strcmp(page->in->language, "en") == 0) {
        page_element(page, tag, translated);
        return;
    }
    snprintf(with_language, sizeof with_language, "%s lang=\"en\"", tag);
    page_element(page, with_language, text);
}

void page_section(const struct page *page, const char *id, const char *title)
{
    clo_buffer_printf(page->out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">", id, id);
    page_text(page, title);
    page_markup(page, "</h2>\n");
}

const char *page_state_symbol(enum state state)
{
    static const char *const symbols[] = { "✓", "✗", "?" };

    return symbols[state];
}

const char *page_state_word(const struct page *page, enum state state)
{
    switch (state) {
    case STATE_GOOD:
        return T("shown");
    case STATE_BAD:
        return T("fails");
    default:
        return T("not shown");
    }
}

const char *page_answer_word(const struct page *page)
{
    switch (page->answer) {
    case STATE_GOOD:
        return T("Yes");
    case STATE_BAD:
        return T("No");
    default:
        return T("Not shown");
    }
}

const char *page_state_class(enum state state)
{
    static const char *const classes[] = { "good", "bad", "open" };

    return classes[state];
}

void page_state(const struct page *page, enum state state)
{
    clo_buffer_printf(page->out, "<span class=\"state %s\"><span aria-hidden=\"true\">%s</span> ",
                      page_state_class(state), page_state_symbol(state));
    page_text(page, page_state_word(page, state));
    page_markup(page, "</span>");
}

const char *page_stage_name(const struct page *page, enum stage stage)
{
    switch (stage) {
    case STAGE_PROCESSOR:
        return T("Processor");
    case STAGE_FIRMWARE:
        return T("Firmware");
    case STAGE_BOOT:
        return T("Boot file");
    case STAGE_KERNEL:
        return T("Kernel");
    default:
        return T("Disk");
    }
}

const char *page_string(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value == NULL ? "" : value;
}

/* --- What the inputs say --- */

enum state page_finding_state(const json_t *finding)
{
    const char *result = page_string(finding, "result");

    return strcmp(result, "pass") == 0      ? STATE_GOOD
           : strcmp(result, "unknown") == 0 ? STATE_OPEN
                                            : STATE_BAD;
}

enum state page_check_state(const json_t *check)
{
    const char *result = page_string(check, "result");

    return strcmp(result, "pass") == 0   ? STATE_GOOD
           : strcmp(result, "fail") == 0 ? STATE_BAD
                                         : STATE_OPEN;
}

bool page_check_passed(const struct page *page, const char *id)
{
    json_t *check;
    size_t i;

    json_array_foreach (json_object_get(page->in->appraisal, "checks"), i, check)
        if (strcmp(page_string(check, "id"), id) == 0 && page_check_state(check) == STATE_GOOD)
            return true;
    return false;
}
