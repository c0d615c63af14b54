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

bool clo_report_take(struct clo_report_input *input, const json_t *document, struct clo_error *err)
{
    if (json_is_integer(json_object_get(document, "cloister_audit")) &&
        json_is_array(json_object_get(document, "findings")))
        return take(&input->audit, document, "an audit", err);
    if (json_is_string(json_object_get(document, "status")) &&
        json_is_array(json_object_get(document, "checks")))
        return take(&input->appraisal, document, "an appraisal", err);
    if (json_is_array(json_object_get(document, "partitions")) &&
        json_is_object(json_object_get(document, "root")))
        return take(&input->image, document, "an image", err);
    return clo_fail(err, CLO_ERR_FORMAT,
                    "neither an audit's, an appraisal's nor an image's JSON document");
}

/* Contrast of text is at least 4.5 to 1 everywhere, of lines that carry a meaning 3 to 1. */
void page_style(const struct page *page)
{
    page_markup(
            page,
            "<style>\n"
            ":root{color-scheme:light;--ink:#1a1a1a;--quiet:#4d4d4d;--line:#767676}\n"
            "*{box-sizing:border-box}\n"
            "body{margin:0 auto;max-width:46rem;padding:1rem;color:var(--ink);background:#fff;"
            "font:1.0625rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}\n"
            "h1{font-size:1.7rem;line-height:1.25}h2{font-size:1.35rem;margin-top:2.2rem;"
            "border-top:2px solid var(--line);padding-top:1rem}h3{font-size:1.1rem}\n"
            "a{color:#0b4a8f}a:focus-visible,summary:focus-visible,pre:focus-visible{outline:3px "
            "solid "
            "#0b4a8f;outline-offset:2px}\n"
            ".skip{position:absolute;left:-99rem}.skip:focus{position:static}\n"
            "nav ul{padding-left:1.2rem}nav a{display:inline-block;padding:.25rem "
            "0;min-height:24px}\n"
            "svg{display:block;width:100%;max-width:30rem;margin:1rem 0}\n"
            "svg text{font-family:system-ui,sans-serif;fill:#1a1a1a}svg .strong{font-size:14px;"
            "font-weight:600}svg .small{font-size:12.5px}svg .end{font-size:13px;text-anchor:end}\n"
            ".state{font-weight:600;white-space:nowrap}.state.good{color:#1b6b2f}.state.bad{"
            "color:#9b1c1c}.state.open{color:#6b5200}\n"
            ".verdict{border:2px solid;border-radius:8px;padding:.25rem 1rem;margin:1rem 0}"
            ".verdict.good{border-color:#1b6b2f;background:#e3f3e6}.verdict.bad{border-color:#"
            "9b1c1c;"
            "background:#fbe4e1}.verdict.open{border-color:#6b5200;background:#f4f0dc}\n"
            ".note{color:var(--quiet)}\n"
            "details{border:1px solid var(--line);border-radius:6px;margin:.5rem 0;padding:0 "
            ".75rem}"
            "summary{cursor:pointer;padding:.5rem 0;min-height:24px}\n"
            "dt{font-weight:600;margin-top:.5rem}dd{margin:0 0 .25rem 1rem}\n"
            "code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{white-space:pre-wrap;"
            "background:#f2f2f2;padding:.75rem;border-radius:6px}\n"
            "footer{margin-top:3rem;color:var(--quiet);border-top:1px solid var(--line)}\n"
            "@media print{body{max-width:none;font-size:10.5pt;padding:0}.skip,nav{display:none}"
            "h2{break-after:avoid}details,svg,.verdict{break-inside:avoid}details:not([open])>*"
            "{display:block}details::details-content{content-visibility:visible;display:block}"
            "a{color:inherit;text-decoration:none}}\n"
            "</style>\n");
}

static const char *title_of(const struct page *page)
{
    if (page->in->title != NULL)
        return page->in->title;
    return *page_string(page->in->audit, "subject") != '\0'
                   ? page_string(page->in->audit, "subject")
                   : T("A confidential machine");
}

static void head(const struct page *page)
{
    page_markup(page, "<!DOCTYPE html>\n<html lang=\"");
    page_text(page, page->in->language);
    page_markup(page, "\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "style-src 'unsafe-inline'\">\n<title>");
    page_text(page, T("Report"));
    page_text(page, ": ");
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
        { "short", T("In short") },
        { "chainpart", T("The chain from the processor to the disk") },
        { "diskpart", T("The disk") },
        { "key", T("How the key travels") },
        { "verdicts", T("Each verdict, with its evidence") },
        { "doubts", T("What would have to be true for this to be wrong") },
        { "annex", T("Annex for the auditor") },
    };

    page_markup(page, "<nav aria-label=\"");
    page_text(page, T("Contents"));
    page_markup(page, "\"><ul>\n");
    for (size_t i = 0; i < CLO_COUNT(links); i++) {
        clo_buffer_printf(page->out, "<li><a href=\"#%s\">", links[i].id);
        page_text(page, links[i].text);
        page_markup(page, "</a></li>\n");
    }
    page_markup(page, "</ul></nav>\n");
}

static void pictures(const struct page *page)
{
    page_markup(page, "<section aria-labelledby=\"chainpart\">\n<h2 id=\"chainpart\">");
    page_text(page, T("The chain from the processor to the disk"));
    page_markup(page, "</h2>\n");
    page_element(
            page, "p",
            T("Each part vouches for the next. Where one does not hold, those below it cannot be "
              "believed either."));
    page_chain(page);
    page_markup(page, "</section>\n<section aria-labelledby=\"diskpart\">\n<h2 id=\"diskpart\">");
    page_text(page, T("The disk"));
    page_markup(page, "</h2>\n");
    page_element(
            page, "p",
            T("Whoever runs the cloud has every disk in his hands. On an ordinary one he reads and "
              "changes everything; on a confidential one only what has to be readable to start, "
              "and "
              "that is signed and measured."));
    page_disks(page);
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
    page_text(page,
              T("This page loads nothing and runs nothing: it can be kept, sent and printed."));
    page_markup(page, "</p></footer>\n</body>\n</html>\n");
}

bool clo_report_write(const struct clo_report_input *input, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { .limit = PAGE_LIMIT };
    struct page drawn = { .out = &text, .in = input };
    struct page *page = &drawn;

    if (input->audit == NULL && input->appraisal == NULL && input->image == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "report: no document to report on");
    page_find_stages(page);
    head(page);
    page_markup(page, "<body>\n<a class=\"skip\" href=\"#main\">");
    page_text(page, T("To the content"));
    page_markup(page, "</a>\n<header><h1>");
    page_text(page, T("Can this machine keep a secret from the cloud it runs in?"));
    page_markup(page, "</h1>\n");
    page_element(page, "p", title_of(page));
    page_markup(page, "</header>\n");
    contents(page);
    page_markup(page, "<main id=\"main\">\n");
    page_summary(page);
    pictures(page);
    page_key(page);
    page_verdicts(page);
    page_doubts(page);
    page_annex(page);
    foot(page);
    clo_buffer_append(out, clo_buffer_bytes(&text));
    return (clo_buffer_ok(&text) && clo_buffer_ok(out)) ||
           clo_fail(err, CLO_ERR_SYSTEM, "report: too large, or out of memory");
}
