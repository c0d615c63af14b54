/* The first screen: the answer, what decides it, what to do, and what it is an answer about. */
#include <stdio.h>
#include <string.h>

#include "page.h"

/* --- The answer --- */

static const char *sentence(const struct page *page)
{
    if (page->answer == STATE_GOOD)
        return T("As far as this report goes, nobody who runs the cloud can read or change this "
                 "machine without it being noticed.");
    return page->reasons[0].text;
}

/* A document's own words stay what they are; where they are English they say so. */
static void put_detail(const struct page *page, const char *tag, const char *detail)
{
    if (detail != NULL && *detail != '\0')
        page_quoted(page, tag, detail);
}

static void put_answer(const struct page *page)
{
    clo_buffer_printf(page->out, "<div class=\"answer %s\">\n<p class=\"eyebrow\" id=\"short\">",
                      page_state_class(page->answer));
    page_text(page, T("The answer"));
    clo_buffer_printf(page->out, "</p>\n<p class=\"word %s\">", page_state_class(page->answer));
    page_text(page, page_answer_word(page));
    page_markup(page, "</p>\n");
    page_element(page, "p class=\"why\"", sentence(page));
    if (page->answer != STATE_GOOD)
        put_detail(page, "p class=\"detail\"", page->reasons[0].detail);
    page_markup(page, "</div>\n");
}

static void put_alarm(const struct page *page, const char *word, const char *text)
{
    page_markup(page, "<div class=\"alarm\" role=\"note\">");
    page_element(page, "strong", word);
    page_element(page, "span", text);
    page_markup(page, "</div>\n");
}

static void put_alarms(const struct page *page)
{
    if (page->is_simulation)
        put_alarm(page, T("SIMULATION"),
                  T("A test root signed this evidence, not the maker of a processor. It proves "
                    "nothing about a real machine."));
    if (page->evidence_audit == BOND_DIFFERENT || page->evidence_image == BOND_DIFFERENT ||
        page->image_audit == BOND_DIFFERENT || page->platform == BOND_DIFFERENT)
        put_alarm(page, T("MIXED DOCUMENTS"),
                  T("The documents that this page is made from do not belong together: what one "
                    "shows says nothing about what the others are about."));
}

/* --- What to do, and what was not shown --- */

static bool was_said(const struct page *page, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(page->reasons[i].todo, page->reasons[index].todo) == 0)
            return true;
    return false;
}

static void put_todo(const struct page *page)
{
    if (page->reason_count == 0)
        return;
    page_element(page, "h3", T("What to do"));
    page_markup(page, "<ol class=\"todo\">\n");
    for (size_t i = 0; i < page->reason_count; i++)
        if (!was_said(page, i))
            page_element(page, "li", page->reasons[i].todo);
    page_markup(page, "</ol>\n");
}

static size_t skipped(const struct page *page)
{
    size_t count = 0;
    json_t *check;
    size_t i;

    json_array_foreach (json_object_get(page->in->appraisal, "checks"), i, check)
        count += page_check_state(check) == STATE_OPEN;
    return count;
}

/* All reasons but the one that was told above, and how many checks more were not made. */
static void put_missing(const struct page *page)
{
    size_t count = skipped(page);
    char text[24];

    if (page->reason_count < 2 && count == 0)
        return;
    page_element(page, "h3", T("What else fails or was not shown"));
    page_markup(page, "<ul class=\"missing\">\n");
    for (size_t i = 1; i < page->reason_count; i++) {
        const struct reason *reason = &page->reasons[i];
        clo_buffer_printf(page->out, "<li class=\"%s\">", page_state_class(reason->state));
        page_text(page, reason->text);
        page_markup(page, " ");
        put_detail(page, "span class=\"note\"", reason->detail);
        page_markup(page, "</li>\n");
    }
    if (count > 0) {
        snprintf(text, sizeof text, "%zu", count);
        page_markup(page, "<li>");
        page_text(page, T("Checks of the appraisal that were not made (the annex lists them):"));
        page_markup(page, " ");
        page_text(page, text);
        page_markup(page, "</li>\n");
    }
    page_markup(page, "</ul>\n");
}

/* --- What it is about --- */

/* `value` is for people, `digest` for those who compare, `note` says what to make of it; "" leaves out. */
static void put_fact(const struct page *page, const char *name, const char *value,
                     const char *digest, const char *note)
{
    page_element(page, "dt", name);
    page_markup(page, "<dd>");
    if (*value != '\0' || *digest == '\0')
        page_element(page, "span", *value == '\0' ? T("not shown") : value);
    if (*digest != '\0')
        page_element(page, "span class=\"digest\"", digest);
    if (*note != '\0' && *value != '\0')
        page_element(page, "span class=\"note\"", note);
    page_markup(page, "</dd>\n");
}

static const char *or_else(const char *text, const char *otherwise)
{
    return *text == '\0' ? otherwise : text;
}

static void put_machine(const struct page *page)
{
    const json_t *claims = json_object_get(page->in->appraisal, "claims");
    const char *chip = or_else(page_string(claims, "hw_id"), page_string(claims, "chip_id"));
    const char *vm = or_else(page_string(claims, "report_id"), page_string(claims, "td_id"));

    put_fact(page, T("Chip"), "", or_else(chip, page_string(claims, "ppid")), "");
    if (*vm != '\0')
        put_fact(page, T("Virtual machine"), "", vm, "");
}

static void put_processor(const struct page *page)
{
    const json_t *claims = json_object_get(page->in->appraisal, "claims");
    const json_t *tcb = json_object_get(claims, "reported_tcb");
    const char *product = page_string(claims, "product");
    enum clo_tee tee;
    char text[200] = "", parts[200] = "";
    static const char *const names[] = { "fmc", "bootloader", "tee", "snp", "microcode" };

    if (clo_tee_from_name(page_string(page->in->appraisal, "tee"), &tee)) {
        const struct clo_tee_names *own = clo_tee_names(tee);
        if (clo_tee_has_maker(tee))
            snprintf(text, sizeof text, "%s%s%.40s, %s", own->processor,
                     *product == '\0' ? "" : " ", product, own->title);
        else
            snprintf(text, sizeof text, "%s", T("none: a TPM alone"));
    }
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        const json_t *part = json_object_get(tcb, names[i]);
        size_t used = strlen(parts);
        if (json_is_integer(part) && json_integer_value(part) >= 0)
            snprintf(parts + used, sizeof parts - used, "%s%s %lld", used == 0 ? "" : ", ",
                     names[i], (long long)json_integer_value(part));
    }
    if (*page_string(claims, "tcb_status") != '\0')
        snprintf(parts, sizeof parts, "%.60s, %.40s", page_string(claims, "tcb_status"),
                 page_string(claims, "tcb_date"));
    if (page->in->appraisal != NULL && *page_string(claims, "measurement") == '\0' &&
        *page_string(claims, "mr_td") == '\0')
        text[0] = '\0'; /* nothing of it was verified */
    put_fact(page, T("Processor"), text, "", parts);
}

static void put_image(const struct page *page)
{
    const json_t *image = json_object_get(
            page->in->image != NULL ? page->in->image : page->in->audit, "identity");

    put_fact(page, T("Disk image (SHA-256)"), "", page_string(image, "sha256"), "");
}

static void put_policy(const struct page *page)
{
    const json_t *appraisal = page->in->appraisal;

    put_fact(page, T("Policy"), or_else(page_string(appraisal, "policy"), T("none")),
             page_string(appraisal, "policy_sha256"), "");
}

static void put_root(const struct page *page)
{
    const json_t *root = json_object_get(page->in->appraisal, "root");
    const char *maker = page_string(root, "maker");

    put_fact(page, T("Vouched for by"),
             *maker != '\0' ? maker
             : root != NULL ? T("no maker of processors")
                            : T("nobody"),
             "", or_else(page_string(root, "name"), page_string(root, "sha256")));
}

/* "2026-11-30T03:23:14Z" without its T: as people write it. */
static const char *moment(const char *text, char out[40])
{
    size_t size = strlen(text);

    if (size != 20 || text[10] != 'T')
        return text;
    snprintf(out, 40, "%.10s, %.5s UTC", text, text + 11);
    return out;
}

static void put_dates(const struct page *page)
{
    const json_t *appraisal = page->in->appraisal;
    const json_t *expires = json_object_get(appraisal, "expires");
    const char *what = page_string(expires, "what");
    char text[40];

    put_fact(page, T("Evidence appraised on"), moment(page_string(appraisal, "at"), text), "",
             T("the evidence itself carries no date"));
    put_fact(page, T("Vouched for until"), moment(page_string(expires, "at"), text), "",
             strcmp(what, "certificate") == 0       ? T("a certificate ends first")
             : strcmp(what, "revocation list") == 0 ? T("the revocation list ends first")
             : *what == '\0'                        ? ""
                                                    : T("Intel's statement about the platform "
                                                                               "ends first"));
}

static void put_documents(const struct page *page)
{
    const struct {
        const json_t *document;
        const char *text;
    } inputs[] = {
        { page->in->audit, T("audit") },
        { page->in->appraisal, T("appraisal of evidence") },
        { page->in->image, T("look into the disk image") },
    };
    char text[300] = "";

    for (size_t i = 0; i < CLO_COUNT(inputs); i++)
        if (inputs[i].document != NULL) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s", used == 0 ? "" : ", ",
                     inputs[i].text);
        }
    put_fact(page, T("Made from"), text, "", "");
}

void page_first(const struct page *page)
{
    put_answer(page);
    put_alarms(page);
    put_todo(page);
    put_missing(page);
    page_element(page, "h3", T("What this is about"));
    page_markup(page, "<dl class=\"facts\">\n");
    put_machine(page);
    put_processor(page);
    put_image(page);
    put_dates(page);
    put_policy(page);
    put_root(page);
    put_documents(page);
    page_markup(page, "</dl>\n");
}
