#include "cloister/report.h"

#include <string.h>

#include "page.h"

#define PAGE_LIMIT ((size_t)64 << 20)

static bool take(const json_t **slot, const json_t *document, const char *what,
                 struct clo_error *err)
{
    if (*slot != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "two documents of the same kind: %s", what);
    *slot = document;
    return true;
}

/* What says which kind a document is has to be right; what it says is read strictly then. */
bool clo_report_take(struct clo_report_input *input, const json_t *document, struct clo_error *err)
{
    if (json_is_integer(json_object_get(document, "cloister_audit")) &&
        json_is_array(json_object_get(document, "findings")))
        return take(&input->audit, document, "an audit", err) && read_audit(document, err);
    if (json_is_string(json_object_get(document, "status")) &&
        json_is_array(json_object_get(document, "checks")))
        return take(&input->appraisal, document, "an appraisal", err) &&
               read_appraisal(document, err);
    if (json_is_array(json_object_get(document, "partitions")) &&
        json_is_object(json_object_get(document, "root")))
        return take(&input->image, document, "an image", err) && read_image(document, err);
    return clo_fail(err, CLO_ERR_FORMAT,
                    "neither an audit's, an appraisal's nor an image's JSON document");
}

static const char *title_of(const struct page *page)
{
    if (page->in->title != NULL)
        return page->in->title;
    return *page_string(page->in->audit, "subject") != '\0'
                   ? page_string(page->in->audit, "subject")
                   : T("A confidential virtual machine");
}

static void head(const struct page *page)
{
    page_markup(page, "<!DOCTYPE html>\n<html lang=\"");
    page_text(page, page->in->language);
    page_markup(page, "\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "style-src 'unsafe-inline'\">\n<title>");
    page_text(page, page_answer_word(page));
    page_text(page, " – ");
    page_text(page, title_of(page));
    page_markup(page, "</title>\n");
    page_style(page);
    page_markup(page, "</head>\n");
}

static void contents(const struct page *page)
{
    const struct {
        const char *id, *text;
    } links[] = {
        { "chainpart", T("The chain from the processor to the disk") },
        { "found", T("What was found") },
        { "diskpart", T("The disk") },
        { "key", T("How the key travels") },
        { "limits", T("What such a machine protects, and what it does not") },
        { "doubts", T("What would have to be true for this to be wrong") },
        { "annex", T("Annex for the auditor") },
    };

    page_markup(page, "<nav aria-label=\"");
    page_text(page, T("Contents"));
    page_markup(page, "\"><ul>\n");
    for (size_t i = 0; i < CLO_COUNT(links); i++) {
        if (page->in->without_annex && strcmp(links[i].id, "annex") == 0)
            continue;
        clo_buffer_printf(page->out, "<li><a href=\"#%s\">", links[i].id);
        page_text(page, links[i].text);
        page_markup(page, "</a></li>\n");
    }
    page_markup(page, "</ul></nav>\n");
}

static void chain(const struct page *page)
{
    bool is_broken = false;

    page_section(page, "chainpart", T("The chain from the processor to the disk"));
    page_markup(page, "<div class=\"keep\">\n");
    page_element(page, "p",
                 T("Each link vouches for the next. Below a link that was not shown, nothing is "
                   "shown either."));
    page_chain(page);
    page_markup(page, "</div>\n");
    for (size_t i = 0; i < STAGES; i++)
        is_broken = is_broken || page->is_below_break[i];
    if (is_broken)
        page_element(page, "p class=\"note\"",
                     T("Some of the lower links would be good by themselves. Nothing follows from "
                       "that as long as a link above them is missing."));
    page_markup(page, "</section>\n");
}

static void disk(const struct page *page)
{
    page_section(page, "diskpart", T("The disk"));
    page_markup(page, "<div class=\"keep\">\n");
    page_element(
            page, "p",
            T("Those who run the cloud hold every disk in their hands. On an ordinary one they "
              "read and change everything; on a confidential one they read only what must be "
              "readable for the start, and that is measured."));
    page_disks(page);
    page_markup(page, "</div>\n</section>\n");
}

static void key(const struct page *page)
{
    const char *const steps[] = {
        T("The machine starts. Each part is measured before it runs; the disk is still closed."),
        T("It asks the owner's key broker for a number."),
        T("The broker makes up a number that was never used before."),
        T("The processor signs a statement: this is a real confidential machine, these are its "
          "measurements, and this is the number."),
        T("The broker, on the owner's own ground, checks signature, number and measurements "
          "against what was computed from the image before it ever ran."),
        T("Only then does the key leave the broker, sealed so that this very machine alone can "
          "open it."),
        T("The disk opens, and the real system starts."),
    };

    page_section(page, "key", T("How the key travels"));
    page_markup(page, "<div class=\"keep\">\n");
    page_journey(page);
    page_markup(page, "</div>\n<ol>\n");
    for (size_t i = 0; i < CLO_COUNT(steps); i++)
        page_element(page, "li", steps[i]);
    page_markup(page, "</ol>\n");
    page_element(page, "p class=\"note\"",
                 T("This is how it is meant to be. This page does not show that a broker was asked "
                   "in this case."));
    page_markup(page, "</section>\n");
}

static void foot(const struct page *page)
{
    CLO_CLEANUP(clo_json_freep) json_t *now = clo_json_time(page->in->now);

    page_markup(page, "</main>\n<footer><p>");
    page_text(page, T("Made by"));
    page_text(page, " cloister ");
    page_text(page, page->in->version);
    page_text(page, ", ");
    page_text(page, now == NULL ? "" : json_string_value(now));
    page_text(page, ". ");
    page_text(page, T("It says what its documents say; anybody who could change these could change "
                      "the answer. The page loads nothing and runs nothing: it can be kept, sent "
                      "and printed."));
    page_markup(page, "</p></footer>\n</body>\n</html>\n");
}

static void body(const struct page *page)
{
    page_markup(page, "<body>\n<a class=\"skip\" href=\"#main\">");
    page_text(page, T("To the content"));
    page_markup(page, "</a>\n<header>");
    page_element(page, "p class=\"eyebrow\"", T("Report on a confidential virtual machine"));
    page_element(page, "h1", T("Can this machine keep a secret from the cloud that it runs in?"));
    page_element(page, "p class=\"subject\"", title_of(page));
    page_markup(page, "</header>\n<main id=\"main\">\n");
    page_first(page);
    contents(page);
    chain(page);
    page_findings(page);
    disk(page);
    key(page);
    page_limits(page);
    page_doubts(page);
    if (!page->in->without_annex)
        page_annex(page);
    foot(page);
}

bool clo_report_write(const struct clo_report_input *input, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { .limit = PAGE_LIMIT };
    struct page page = { .out = &text, .in = input };

    if (input->audit == NULL && input->appraisal == NULL && input->image == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "report: no document to report on");
    page_find_bonds(&page);
    page_find_answer(&page);
    head(&page);
    body(&page);
    clo_buffer_append(out, clo_buffer_bytes(&text));
    return (clo_buffer_ok(&text) && clo_buffer_ok(out)) ||
           clo_fail(err, CLO_ERR_SYSTEM, "report: too large, or out of memory");
}
