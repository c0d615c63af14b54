#!/usr/bin/env python3
"""site.py SOURCE OUTPUT: the pages as a site, in plain HTML: no network, no server, no other program.

It knows as much of Markdown as these pages use. Colours and type are those of the report, out of lib/report/style.c. The search is a
script that looks through an index, both next to the pages."""
import html
import json
import os
import posixpath
import re
import sys

# Where a reader begins; then every other page, by folder.
FIRST = ["README.md", "docs/install.md", "docs/map.md", "docs/tutorials/README.md", "docs/tutorials/builder.md", "docs/tutorials/operator.md",
         "docs/tutorials/auditor.md", "docs/troubleshooting.md", "docs/glossary.md"]
GROUPS = [("Begin", lambda p: p in FIRST), ("Clouds and machines", lambda p: p.startswith("docs/clouds/")),
          ("Commands", lambda p: re.fullmatch(r"docs/[a-z]\w*\.md", p)), ("Formats", lambda p: p.startswith("docs/formats/")),
          ("For those who change it", lambda p: True)]


def find_pages(source):
    pages = list(FIRST)
    for top in ("", "bench", "tests", "sim", "docs"):
        for folder, _, names in sorted(os.walk(os.path.join(source, top))):
            for name in sorted(names):
                page = posixpath.normpath(os.path.relpath(os.path.join(folder, name), source))
                if name.endswith(".md") and page not in pages:
                    pages.append(page)
            if top != "docs":
                break
    return [page for page in pages if os.path.exists(os.path.join(source, page))]


def url_of(page):
    return re.sub(r"README\.html$", "index.html", re.sub(r"\.md$", ".html", page))


def anchor_of(heading):
    """As GitHub makes them of a heading."""
    return re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()))


def plain(text):
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[`*]", "", text)


class Page:
    """One page, from Markdown to HTML."""

    def __init__(self, source, path, pages):
        with open(os.path.join(source, path), encoding="utf-8") as file:
            self.lines = file.read().split("\n")
        self.path, self.pages, self.source = path, pages, source
        self.headings, self.words, self.links = [], [], []
        self.title = plain(next((line[2:] for line in self.lines if line.startswith("# ")), path))
        self.body = "\n".join(self.blocks(self.lines))

    # --- Within a line ---

    def target_of(self, link):
        """Where a link leads in the site; None: to what is not a page."""
        if re.match(r"[a-z]+:", link):
            return link
        path, mark, anchor = link.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), path)) if path else self.path
        if os.path.isdir(os.path.join(self.source, path)) and path + "/README.md" in self.pages:
            path += "/README.md"
        if path not in self.pages:
            return None
        self.links.append((url_of(path), anchor))
        return posixpath.relpath(url_of(path), posixpath.dirname(self.path) or ".") + mark + anchor

    def link(self, match):
        target = self.target_of(html.unescape(match[2]))
        return match[1] if target is None else '<a href="%s">%s</a>' % (html.escape(target), match[1])

    def picture(self, match):
        """Drawn in place, so that its words can be looked for."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), match[2]))
        with open(os.path.join(self.source, path), encoding="utf-8") as file:
            return '<figure role="img" aria-label="%s">%s</figure>' % (match[1], re.sub(r"<\?xml[^>]*>\s*", "", file.read()))

    def inline(self, text):
        """Code first: nothing else is looked for within it."""
        kept = []

        def keep(markup):
            kept.append(markup)
            return "\0%d\0" % (len(kept) - 1)

        text = re.sub(r"``? ?(.+?) ?``?(?!`)", lambda m: keep("<code>%s</code>" % html.escape(m[1])), text)
        text = html.escape(text, quote=False)
        text = re.sub(r"!\[([^]]*)\]\(([^)]*)\)", lambda m: keep(self.picture(m)), text)
        text = re.sub(r"\[([^]]*)\]\(([^)]*)\)", self.link, text)
        text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
        text = re.sub(r"(?<![\w*])\*([^*\s][^*]*?)\*(?![\w*])", r"<em>\1</em>", text)
        while "\0" in text:
            text = re.sub("\0(\\d+)\0", lambda m: kept[int(m[1])], text)
        return text

    # --- Blocks ---

    def heading(self, line):
        level, text = len(line) - len(line.lstrip("#")), line.lstrip("# ").strip()
        anchor = anchor_of(text)
        self.headings.append((anchor, plain(text)))
        return '<h%d id="%s">%s</h%d>' % (level, anchor, self.inline(text), level)

    def table(self, rows):
        def cells(row):
            row = re.sub(r"^\||\|$", "", row.strip())
            return [self.inline(cell.strip().replace("\\|", "|")) for cell in re.split(r"(?<!\\)\|", row)]

        head, body = cells(rows[0]), [cells(row) for row in rows[2:]]
        out = ["<table>"]
        if any(head):
            out.append("<thead><tr>%s</tr></thead>" % "".join('<th scope="col">%s</th>' % cell for cell in head))
        out += ["<tr>%s</tr>" % "".join("<td>%s</td>" % cell for cell in row) for row in body]
        return "".join(out) + "</table>"

    def items(self, lines):
        """A list: what stands deeper belongs to the item before it."""
        first = re.match(r"( *)([-*]|\d+\.) +", lines[0])
        indent, tag, parts = len(first[1]), "ol" if first[2][0].isdigit() else "ul", []
        for line in lines:
            match = re.match(r"( *)([-*]|\d+\.) +(.*)", line)
            if match and len(match[1]) == indent:
                parts.append([match[3]])
            else:
                parts[-1].append(line[min(indent + 2, len(line) - len(line.lstrip())):])
        out = []
        for part in parts:
            deeper = next((i for i, line in enumerate(part[1:], 1) if re.match(r" *([-*]|\d+\.) ", line) or line == ""), len(part))
            out.append("<li>%s%s</li>" % (self.inline(" ".join(line.strip() for line in part[:deeper])), "".join(self.blocks(part[deeper:]))))
        return "<%s>%s</%s>" % (tag, "".join(out), tag)

    def blocks(self, lines):
        at = 0
        while at < len(lines):
            line, start = lines[at], at
            at += 1
            if not line.strip():
                continue
            if line.startswith("```"):
                while at < len(lines) and not lines[at].startswith("```"):
                    at += 1
                yield self.code(lines[start + 1:at])
                at += 1
            elif line.startswith("    "):
                while at < len(lines) and (lines[at].startswith("    ") or (not lines[at] and "".join(lines[at:at + 2]).startswith("    "))):
                    at += 1
                yield self.code([code[4:] for code in lines[start:at]])
            elif line.startswith("#"):
                yield self.heading(line)
            elif line.startswith("|"):
                while at < len(lines) and lines[at].startswith("|"):
                    at += 1
                self.words += lines[start:at]
                yield self.table(lines[start:at])
            elif re.match(r" *([-*]|\d+\.) ", line):
                while at < len(lines) and (lines[at].strip() and not lines[at].startswith(("#", "|", "```")) or
                                           (not lines[at] and at + 1 < len(lines) and re.match(r"  +\S", lines[at + 1]))):
                    at += 1
                self.words += lines[start:at]
                yield self.items(lines[start:at])
            else:
                while at < len(lines) and lines[at].strip() and not lines[at].startswith(("#", "|", "```", "- ", "* ")):
                    at += 1
                self.words += lines[start:at]
                yield "<p>%s</p>" % self.inline(" ".join(lines[start:at]))

    def code(self, lines):
        self.words += lines
        return '<pre tabindex="0">%s</pre>' % html.escape("\n".join(lines), quote=False)


# --- Around the pages ---

def style_of_report(source):
    """The report's colours and text, so that both look alike."""
    with open(os.path.join(source, "lib/report/style.c"), encoding="utf-8") as file:
        text = file.read()
    out = []
    for name in ("colours", "text_style"):
        body = re.search(r"static const char %s\[\] =(.*?);\n\n" % name, text, re.S)[1]
        out.append("".join(json.loads('"%s"' % piece) for piece in re.findall(r'"((?:[^"\\]|\\.)*)"', body)))
    return "".join(out)


OWN_STYLE = """
body{max-width:64rem}header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center;border-bottom:1px solid var(--line);padding-bottom:.75rem;margin-bottom:1.5rem}
header a.home{display:flex;gap:.5rem;align-items:center;font-weight:650;text-decoration:none;color:var(--ink)}header svg{width:1.6rem;margin:0}
.search{flex:1 1 16rem;position:relative}.search input{width:100%;font:inherit;color:var(--ink);background:var(--soft);border:1px solid var(--quiet);border-radius:8px;padding:.4rem .75rem}
.search input:focus-visible{outline:3px solid var(--link);outline-offset:1px}#found{list-style:none;margin:.25rem 0 0;padding:0;position:absolute;z-index:1;width:100%;background:var(--paper);
border:1px solid var(--line);border-radius:8px;max-height:70vh;overflow:auto}#found:empty{display:none}#found li{margin:0;border-bottom:1px solid var(--line)}
#found a{display:block;padding:.5rem .75rem;text-decoration:none}#found small{display:block;color:var(--quiet)}#found mark{background:var(--open-soft);color:var(--ink)}
main{overflow-wrap:break-word}main pre{overflow-x:auto}figure{margin:1rem 0}figure svg{max-width:100%;height:auto}nav h2{font-size:1.1rem;margin:1.25rem 0 .25rem}
footer,.skip{color:var(--quiet)}table{border-collapse:collapse;width:100%;font-size:.95rem}th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line)}
@media (prefers-color-scheme:dark){figure svg{filter:invert(1) hue-rotate(180deg)}}@media (max-width:36rem){body{padding:1rem}table{display:block;overflow-x:auto}}
@media print{header .search{display:none}}
"""

SEARCH = r"""'use strict';
// Looks through the index (pages, in index.js) for all the words that were typed; best first.
(function () {
  const field = document.getElementById('words'), list = document.getElementById('found');
  const base = document.documentElement.dataset.base;
  const fold = text => text.toLowerCase();
  function score(page, words) {
    let sum = 0;
    for (const word of words) {
      let own = fold(page.title).includes(word) ? 20 : 0;
      own += 5 * page.headings.filter(heading => fold(heading[1]).includes(word)).length;
      own += Math.min(10, fold(page.text).split(word).length - 1);
      if (own === 0) return 0;
      sum += own;
    }
    return sum;
  }
  function best_heading(page, words) {
    return page.headings.find(heading => words.some(word => fold(heading[1]).includes(word)));
  }
  function excerpt(page, words) {
    const at = Math.max(0, fold(page.text).indexOf(words[0]) - 50);
    return (at > 0 ? '…' : '') + page.text.slice(at, at + 160) + '…';
  }
  function entry(page, words) {
    const item = document.createElement('li'), link = document.createElement('a'), small = document.createElement('small');
    const heading = best_heading(page, words);
    link.href = base + page.url + (heading ? '#' + heading[0] : '');
    link.textContent = page.title + (heading && heading[1] !== page.title ? ' · ' + heading[1] : '');
    small.textContent = excerpt(page, words);
    link.append(small);
    item.append(link);
    return item;
  }
  function search() {
    const words = fold(field.value).split(/\s+/).filter(word => word.length > 1);
    const hits = words.length === 0 ? [] : pages.map(page => [score(page, words), page]).filter(hit => hit[0] > 0);
    hits.sort((a, b) => b[0] - a[0]);
    list.replaceChildren(...hits.slice(0, 12).map(hit => entry(hit[1], words)));
    if (words.length > 0 && hits.length === 0) list.textContent = 'Nothing found.';
  }
  field.addEventListener('input', search);
  field.addEventListener('keydown', event => { if (event.key === 'Escape') { field.value = ''; search(); } });
})();
"""

# A cloister: an arcade around a closed court.
ICON = ('<svg viewBox="0 0 32 32" aria-hidden="true"><path fill="none" stroke="currentColor" stroke-width="2.5" '
        'd="M3 29V14a6.5 6.5 0 0 1 13 0v15M16 29V14a6.5 6.5 0 0 1 13 0v15M1 29h30"/></svg>')


def navigation(current, titles):
    out, left = [], list(titles)
    for name, takes in GROUPS:
        chosen = [page for page in left if takes(page)]
        left = [page for page in left if page not in chosen]
        links = []
        for page in chosen:
            here = ' aria-current="page"' if page == current else ""
            target = posixpath.relpath(url_of(page), posixpath.dirname(current) or ".")
            links.append('<li><a href="%s"%s>%s</a></li>' % (target, here, html.escape(titles[page])))
        out.append("<h2>%s</h2><ul>%s</ul>" % (name, "".join(links)))
    return "".join(out)


def write(output, name, text):
    path = os.path.join(output, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def whole(page, titles):
    base = posixpath.relpath(".", posixpath.dirname(page.path) or ".")
    base = "" if base == "." else base + "/"
    return f"""<!DOCTYPE html>
<html lang="en" data-base="{base}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(page.title)} · Cloister</title>
<link rel="stylesheet" href="{base}style.css">
</head>
<body>
<a class="skip" href="#main">To the text</a>
<header><a class="home" href="{base}index.html">{ICON}Cloister</a>
<div class="search" role="search"><input id="words" type="search" placeholder="Search" aria-label="Search these pages" autocomplete="off"><ul id="found" aria-live="polite"></ul></div></header>
<main id="main">
{page.body}
</main>
<nav aria-label="All pages">{navigation(page.path, titles)}</nav>
<script src="{base}index.js"></script>
<script src="{base}search.js"></script>
</body>
</html>
"""


def broken(pages):
    """Links to anchors that no page has."""
    anchors = {url_of(page.path): {anchor for anchor, _ in page.headings} for page in pages}
    return ["%s: #%s is not in %s" % (page.path, anchor, url) for page in pages for url, anchor in page.links if anchor and anchor not in anchors[url]]


def main():
    source, output = sys.argv[1:3]
    paths = find_pages(source)
    pages = [Page(source, path, paths) for path in paths]
    titles = {page.path: page.title for page in pages}
    for page in pages:
        write(output, url_of(page.path), whole(page, titles))
    index = [{"url": url_of(page.path), "title": page.title, "headings": page.headings,
              "text": re.sub(r"\s+", " ", plain(" ".join(page.words)))} for page in pages]
    write(output, "index.js", "const pages = " + json.dumps(index, ensure_ascii=False, separators=(",", ":")) + ";\n")
    write(output, "search.js", SEARCH)
    write(output, "style.css", style_of_report(source) + OWN_STYLE.lstrip())
    wrong = broken(pages)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
