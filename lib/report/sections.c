/* The parts in plain words: what was found, what is protected and what is not, what could be wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

static void list(const struct page *page, const char *const *items, size_t count)
{
    page_markup(page, "<ul>\n");
    for (size_t i = 0; i < count; i++)
        page_element(page, "li", items[i]);
    page_markup(page, "</ul>\n");
}

void page_limits(const struct page *page)
{
    const char *const protected[] = {
        T("Those who run the cloud, and anybody who gets into their systems, cannot read the "
          "machine's memory: the processor encrypts it."),
        T("They cannot read the disk: it is encrypted, and its key is given only to a machine that "
          "has proved what it is."),
        T("They cannot change what is started without it being noticed: every step is measured "
          "before it runs."),
    };
    const char *const exposed[] = {
        T("That the machine runs at all: the owner of the hardware can switch it off."),
        T("How much it works, and with whom it talks: sizes, times and addresses stay visible."),
        T("Parts of the disk can be spoiled, or put back as they once were: encryption without "
          "integrity hides the content, and does not notice every change."),
        T("What its own programs give away: none of this mends a fault in them."),
        T("Against the maker of the processor: everything else rests on its signature."),
    };

    page_section(page, "limits", T("What such a machine protects, and what it does not"));
    page_markup(page, "<div class=\"two\">\n<div>");
    page_element(page, "h3", T("Protected, where the answer is yes"));
    list(page, protected, CLO_COUNT(protected));
    page_markup(page, "</div>\n<div>");
    page_element(page, "h3", T("Not protected"));
    list(page, exposed, CLO_COUNT(exposed));
    page_markup(page, "</div></div>\n</section>\n");
}

void page_doubts(const struct page *page)
{
    const char *const always[] = {
        T("The maker of the processor signs for a chip that is not genuine, or its signing key was "
          "stolen."),
        T("The processor has a fault, not yet published, that lets its owner read encrypted "
          "memory."),
        T("Someone who holds the hardware in their hands attacks the chip or the memory bus."),
        T("The person who built the image, or who holds its signing keys, is not to be trusted."),
        T("This page, or the documents that it was made from, was changed: the commands in the "
          "annex make them again."),
    };
    const json_t *inputs = json_object_get(page->in->audit, "inputs");

    page_section(page, "doubts", T("What would have to be true for this to be wrong"));
    page_markup(page, "<ul>\n");
    for (size_t i = 0; i < CLO_COUNT(always); i++)
        page_element(page, "li", always[i]);
    if (json_object_get(inputs, "config") != NULL)
        page_element(page, "li",
                     T("The kernel's configuration, which was given next to the image, is another "
                       "kernel's."));
    if (json_object_get(inputs, "rules") != NULL)
        page_element(page, "li",
                     T("The audit's rules were changed by a table of one's own, and it left "
                       "out something that matters."));
    page_markup(page, "</ul>\n</section>\n");
}

/* --- What was found --- */

static void labelled(const struct page *page, const char *label, const char *text)
{
    if (*text == '\0')
        return;
    page_element(page, "dt", label);
    page_quoted(page, "dd", text);
}

static void put_facts(const struct page *page, const json_t *finding)
{
    page_markup(page, "<dl>\n");
    labelled(page, T("Found"), page_string(finding, "found"));
    if (*page_string(finding, "fix") != '\0') {
        page_element(page, "dt", T("To mend it"));
        page_remedy(page, "dd", page_string(finding, "fix"));
    }
    if (*page_string(finding, "waiver") != '\0') {
        page_element(page, "dt", T("Accepted for now, because"));
        page_element(page, "dd", page_string(finding, "waiver"));
    }
    page_markup(page, "</dl>\n");
}

/* A heading is the rule's reason; a rule without one has what it asks for. */
static const char *heading(const json_t *finding)
{
    const char *reason = page_string(finding, "reason");

    return *reason != '\0' ? reason : page_string(finding, "wanted");
}

static void put_finding(const struct page *page, const json_t *finding)
{
    enum state state = page_finding_state(finding);

    clo_buffer_printf(page->out, "<div class=\"finding %s\">\n", page_state_class(state));
    page_state(page, state);
    page_quoted(page, "h3", heading(finding));
    put_facts(page, finding);
    page_markup(page, "</div>\n");
}

static size_t count(const struct page *page, const char *severity, enum state state)
{
    size_t found = 0;
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(page->in->audit, "findings"), i, one)
        found += page_finding_state(one) == state &&
                 strcmp(page_string(one, "severity"), severity) == 0;
    return found;
}

static void each(const struct page *page, const char *severity, enum state state)
{
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(page->in->audit, "findings"), i, one)
        if (page_finding_state(one) == state && strcmp(page_string(one, "severity"), severity) == 0)
            put_finding(page, one);
}

/* What is only recommended is folded on paper, too: the annex has it. */
static void folded(const struct page *page, const char *title, const char *severity,
                   enum state state)
{
    size_t found = count(page, severity, state);
    char text[24];

    if (found == 0)
        return;
    snprintf(text, sizeof text, "%zu", found);
    clo_buffer_printf(page->out, "<details class=\"list%s\"><summary>",
                      strcmp(severity, "required") == 0 ? "" : " aside");
    page_text(page, title);
    page_text(page, T(": "));
    page_text(page, text);
    page_markup(page, "</summary>\n");
    each(page, severity, state);
    page_markup(page, "</details>\n");
}

/* A handful is shown; more of what is unknown has one cause most of the time, and is folded. */
#define SHOWN_OPEN 3

static void put_audit(const struct page *page)
{
    page_element(page, "h3", T("How it is built"));
    if (count(page, "required", STATE_BAD) + count(page, "required", STATE_OPEN) == 0)
        page_element(page, "p", T("Everything that the audit requires holds."));
    each(page, "required", STATE_BAD);
    if (count(page, "required", STATE_OPEN) <= SHOWN_OPEN)
        each(page, "required", STATE_OPEN);
    else
        folded(page, T("Required, and not shown"), "required", STATE_OPEN);
    folded(page, T("Recommended, and missing"), "recommended", STATE_BAD);
    folded(page, T("Recommended, and not shown"), "recommended", STATE_OPEN);
}

static void put_check(const struct page *page, const json_t *check)
{
    const char *words = page_check_words(page, page_string(check, "id"));
    enum state state = page_check_state(check);

    clo_buffer_printf(page->out, "<div class=\"finding %s\">\n", page_state_class(state));
    page_state(page, state);
    page_element(page, "h3", words == NULL ? T("A check") : words);
    page_quoted(page, "p", page_string(check, "detail"));
    page_markup(page, "</div>\n");
}

static void put_appraisal(const struct page *page)
{
    size_t tally[3] = { 0 };
    char text[24];
    json_t *check;
    size_t i;

    page_element(page, "h3", T("What the machine proved"));
    json_array_foreach (json_object_get(page->in->appraisal, "checks"), i, check) {
        tally[page_check_state(check)]++;
        if (page_check_state(check) == STATE_BAD)
            put_check(page, check);
    }
    snprintf(text, sizeof text, "%zu", tally[STATE_GOOD]);
    page_markup(page, "<p>");
    page_text(page, T("Checks of the evidence that hold:"));
    page_markup(page, " ");
    page_text(page, text);
    page_markup(page, "</p>\n");
    if (tally[STATE_OPEN] == 0)
        return;
    page_markup(page, "<details class=\"list\"><summary>");
    page_text(page, T("Checks that were not made"));
    page_markup(page, "</summary>\n");
    json_array_foreach (json_object_get(page->in->appraisal, "checks"), i, check)
        if (page_check_state(check) == STATE_OPEN)
            put_check(page, check);
    page_markup(page, "</details>\n");
}

void page_findings(const struct page *page)
{
    page_section(page, "found", T("What was found"));
    if (page->in->appraisal != NULL)
        put_appraisal(page);
    if (page->in->audit != NULL)
        put_audit(page);
    if (page->in->image != NULL) {
        const json_t *root = json_object_get(page->in->image, "root");
        enum state state = json_is_true(json_object_get(root, "fit")) ? STATE_GOOD : STATE_BAD;
        page_element(page, "h3", T("Its disk"));
        page_markup(page, "<p>");
        page_state(page, state);
        page_markup(page, " ");
        page_text(page, state == STATE_GOOD
                                ? T("The root's encryption is one that the machine would open.")
                                : T("The root's encryption is not one that the machine may open."));
        page_markup(page, "</p>\n");
        page_quoted(page, "p", page_string(root, "refusal"));
    }
    page_markup(page, "</section>\n");
}
