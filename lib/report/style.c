/* How the page looks: one style sheet, for light and dark screens, telephones and paper. */
#include "lib/report/html.h"
#include "page.h"

/* Contrast of text is at least 4.5 to 1 in both schemes, of lines that carry a meaning 3 to 1. */
static const char colours[] =
        ":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--quiet:#57606a;--line:#d0d7de;"
        "--soft:#f6f8fa;--link:#0b4a8f;--good:#1a6b33;--good-soft:#e6f4ea;--bad:#a11a1a;"
        "--bad-soft:#fdeceb;--open:#7a5200;--open-soft:#fdf4dc;--ink-on:#fff}\n"
        "@media (prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e6e9ec;--quiet:#a3acb5;"
        "--line:#3b434c;--soft:#1d2227;--link:#8ebcf2;--good:#7fd497;--good-soft:#14301d;"
        "--bad:#ff9d96;--bad-soft:#3b1715;--open:#eabf6a;--open-soft:#33280f;--ink-on:#14171b}}\n";

static const char text_style[] =
        "*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}\n"
        "body{margin:0 auto;max-width:54rem;padding:1.5rem 1.25rem 3rem;color:var(--ink);"
        "background:var(--paper);font:1.0625rem/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,"
        "\"Noto Sans\",\"DejaVu Sans\",sans-serif;overflow-wrap:anywhere;hyphens:manual}\n"
        "h1,h2,h3,.word{font-family:Charter,\"Bitstream Charter\",\"Sitka Text\",Cambria,"
        "\"Noto Serif\",\"DejaVu Serif\",Georgia,serif;line-height:1.2;text-wrap:balance}\n"
        "h1{font-size:1.75rem;margin:.35rem 0 .25rem}h2{font-size:1.45rem;margin:3rem 0 .75rem}"
        "h3{font-size:1.1rem;margin:1.75rem 0 .4rem}p{margin:.5rem 0}"
        "ul,ol{padding-left:1.35rem}li{margin:.3rem 0}\n"
        "a{color:var(--link)}a:focus-visible,summary:focus-visible,pre:focus-visible{"
        "outline:3px solid var(--link);outline-offset:2px}\n"
        ".skip{position:absolute;left:-99rem}.skip:focus{position:static}\n"
        ".eyebrow{margin:0;color:var(--quiet);font-size:.85rem;letter-spacing:.06em;"
        "text-transform:uppercase}.subject{margin:.1rem 0 1.25rem;color:var(--quiet)}\n"
        ".note{color:var(--quiet)}code,pre,.digest{font-family:ui-monospace,SFMono-Regular,Menlo,"
        "\"DejaVu Sans Mono\",monospace;font-size:.84em}\n"
        "pre{white-space:pre-wrap;background:var(--soft);border:1px solid var(--line);"
        "padding:.75rem;border-radius:8px}\n"
        "nav{margin:2rem 0 0;border-top:1px solid var(--line);padding-top:.75rem}"
        "nav ul{list-style:none;margin:0;padding:0;columns:2 17rem;column-gap:2rem}"
        "nav li{break-inside:avoid;margin:0}nav a{display:block;padding:.3rem 0;min-height:24px}\n";

static const char first_style[] =
        ".answer{border:1px solid;border-left-width:10px;border-radius:12px;padding:1.1rem 1.4rem "
        "1.2rem;margin:0 0 1.25rem}.answer .word{display:block;font-size:3rem;font-weight:700;"
        "margin:0}.answer .why{font-size:1.15rem;margin:.35rem 0 0;text-wrap:pretty}"
        ".answer .detail{margin:.6rem 0 0;color:var(--ink)}\n"
        ".good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}\n"
        ".answer.good{background:var(--good-soft)}.answer.bad{background:var(--bad-soft)}"
        ".answer.open{background:var(--open-soft)}.answer .why{color:var(--ink)}\n"
        ".alarm{background:var(--bad);color:var(--ink-on);border-radius:12px;padding:.85rem "
        "1.4rem;margin:0 0 1.25rem;font-weight:600}.alarm strong{display:block;font-size:1.3rem;"
        "letter-spacing:.08em}\n"
        ".state{font-weight:600;white-space:nowrap}\n"
        ".facts{display:grid;grid-template-columns:minmax(9rem,13rem) 1fr;margin:1.25rem 0;"
        "border-top:1px solid var(--line)}.facts>*{border-bottom:1px solid var(--line);"
        "padding:.5rem 0;margin:0}.facts dt{color:var(--quiet);font-weight:400;padding-right:1rem}"
        ".facts dd span{display:block}.facts .digest,.facts .note{color:var(--quiet)}.facts "
        ".note{font-size:.9em}\n"
        ".todo li{margin:.45rem 0}.missing li::marker{content:\"?\\2002\";color:var(--open);"
        "font-weight:700}.missing li{color:var(--ink)}.missing li.bad::marker{content:"
        "\"✗\\2002\";color:var(--bad)}\n";

static const char part_style[] =
        "svg{display:block;width:100%;margin:1rem 0 0}svg text{font-family:system-ui,-apple-system,"
        "\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif;fill:var(--ink);"
        "font-size:14px}svg .strong{font-size:16px;font-weight:650}svg .small{font-size:13.5px;"
        "fill:var(--quiet)}svg .end{text-anchor:end;font-weight:600}svg .middle{"
        "text-anchor:middle}svg text.good{fill:var(--good)}svg text.bad{fill:var(--bad)}"
        "svg text.open{fill:var(--open)}\n"
        "svg .box{stroke-width:1.5}svg .box.good{fill:var(--good-soft);stroke:var(--good)}"
        "svg .box.bad{fill:var(--bad-soft);stroke:var(--bad)}svg .box.open{fill:var(--open-soft);"
        "stroke:var(--open);stroke-dasharray:6 4}svg .box.plain{fill:var(--soft);"
        "stroke:var(--quiet)}svg .dot{stroke-width:2}svg .dot.good{fill:var(--good);"
        "stroke:var(--good)}svg .dot.bad{fill:var(--bad);stroke:var(--bad)}svg .dot.open{"
        "fill:var(--paper);stroke:var(--open)}svg text.sign{font-size:17px;font-weight:700;"
        "text-anchor:middle;fill:var(--ink-on)}svg text.sign.open{fill:var(--open)}\n"
        "svg line{stroke:var(--quiet);stroke-width:2}svg line.good{stroke:var(--good);"
        "stroke-width:3}svg line.broken{stroke:var(--open);stroke-dasharray:3 5}svg .head{"
        "fill:var(--quiet)}svg .life{stroke:var(--line);stroke-width:1.5}\n"
        ".finding{border-left:4px solid;padding:.1rem 0 .1rem 1rem;margin:1rem 0}.finding "
        "h3::first-letter{text-transform:uppercase}.finding h3{"
        "margin:.2rem 0}.finding.bad{border-color:var(--bad)}.finding.open{border-color:"
        "var(--open)}.finding>*{color:var(--ink)}.finding dl,.list dl{margin:.4rem 0}\n"
        "details{border:1px solid var(--line);border-radius:8px;margin:.6rem 0;padding:0 .9rem}"
        "summary{cursor:pointer;padding:.6rem 0;min-height:24px;font-weight:600}"
        "details[open]{padding-bottom:.6rem}\n"
        "dt{font-weight:600;margin-top:.5rem}dd{margin:0 0 .25rem}.plain dd{margin-left:1rem}\n"
        ".two{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:0 2.5rem}\n"
        "table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;"
        "vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}"
        "td code{overflow-wrap:anywhere}\n"
        "footer{margin-top:3.5rem;color:var(--quiet);font-size:.9rem;border-top:1px solid "
        "var(--line);padding-top:.75rem}\n"
        "@media (max-width:36rem){body{padding:1rem 1rem 2rem}h1{font-size:1.4rem}.answer{"
        "padding:.9rem 1rem}.answer .word{font-size:2.4rem}.facts{display:block}.facts dt{"
        "border:0;padding-bottom:0}.facts dd{padding-top:0}table,tbody,tr,td{display:block}"
        "thead{display:none}td{border:0;padding:.1rem 0}tr{border-bottom:1px solid "
        "var(--line);padding:.4rem 0}}\n";

/* Folded parts are open on paper; a heading stays with what comes after it. */
static const char print_style[] =
        "@page{size:A4;margin:18mm 17mm 20mm;@bottom-right{content:counter(page) \" / \" "
        "counter(pages);font:9pt system-ui,sans-serif;color:#555}@bottom-left{content:"
        "\"Cloister\";font:9pt system-ui,sans-serif;color:#555}}\n"
        "@media print{:root{color-scheme:light;--paper:#fff;--ink:#111;--quiet:#444;--line:#bbb;"
        "--soft:#f6f8fa;--link:#111;--good:#1a6b33;--good-soft:#e6f4ea;--bad:#a11a1a;"
        "--bad-soft:#fdeceb;--open:#7a5200;--open-soft:#fdf4dc;--ink-on:#fff}*{"
        "print-color-adjust:exact;-webkit-print-color-adjust:exact}body{max-width:none;padding:0;"
        "font-size:10pt;line-height:1.45}.skip,nav{display:none}h2{margin-top:1.6rem}h1,h2,h3,"
        "summary,dt{break-after:avoid}svg,.answer,.alarm,.finding,tr,.facts>*{break-inside:avoid}"
        "p,li{orphans:3;widows:3}.facts "
        "dt{break-after:auto}.keep{break-inside:avoid}.annex{break-before:page}"
        "details{border:0;padding:0}details::details-content{content-visibility:visible;"
        "display:block;height:auto}details.aside::details-content{display:none}summary{list-style:"
        "none}summary::-webkit-details-marker{"
        "display:none}table{font-size:8.5pt}a{color:inherit;text-decoration:none}}\n";

void clo_html_style(struct clo_buffer *out)
{
    clo_buffer_text(out, colours);
    clo_buffer_text(out, text_style);
    clo_buffer_text(out, first_style);
    clo_buffer_text(out, part_style);
    clo_buffer_text(out, print_style);
}

void page_style(const struct page *page)
{
    page_markup(page, "<style>\n");
    clo_html_style(page->out);
    page_markup(page, "</style>\n");
}
