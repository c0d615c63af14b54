#!/usr/bin/env python3
"""man_page.py NAME SECTION WHAT VERSION PAGE [HEADING]: a page of docs/, or what stands under one heading of it, as a man page.

It knows as much of Markdown as these pages use: headings, paragraphs, lists, code, and tables, of which a row becomes an item."""
import re
import sys


def escape(line):
    line = line.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + line if line[:1] in (".", "'") else line


def text(line):
    line = re.sub(r"!\[[^]]*\]\([^)]*\)", "", line)
    line = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line)
    line = escape(line.strip())
    line = re.sub(r"\*\*([^*]+)\*\*", r"\\fI\1\\fR", line)
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fR", line)


def section_of(lines, heading):
    """The lines under `## heading`, up to the next of its kind."""
    start = lines.index("## " + heading) + 1
    end = next((i for i in range(start, len(lines)) if lines[i].startswith("## ")), len(lines))
    return lines[start:end]


def table_row(line):
    cells = [text(cell) for cell in line.strip().strip("|").split("|")]
    return [".TP", ".B " + cells[0], "; ".join(cell for cell in cells[1:] if cell) or "\\&"]


def blocks(lines):
    """Yields the roff of each line; knows whether it is in code, in a table or in a list."""
    fenced = indented = False
    rows = in_list = 0
    for line in lines:
        if line.startswith("```"):
            yield from [".RE", ".fi"] if fenced else [".nf", ".RS 4"]
            fenced = not fenced
            continue
        if fenced:
            yield escape(line)
            continue
        is_code = line.startswith("    ") and not in_list
        if is_code != indented and not (indented and not line):
            yield from [".nf", ".RS 4"] if is_code else [".RE", ".fi"]
            indented = is_code
        rows = rows + 1 if line.startswith("|") else 0
        item = re.match(r" *(?:[-*]|([0-9]+\.)) (.*)", line)
        if is_code or (indented and not line):
            yield escape(line[4:])
        elif line.startswith("## "):
            in_list = False
            yield ".SH " + text(line[3:]).upper().replace("\\FB", "\\fB").replace("\\FR", "\\fR")
        elif line.startswith("###"):
            in_list = False
            yield ".SS " + text(line.lstrip("#"))
        elif rows:
            if rows > 2:
                yield from table_row(line)
        elif item:
            in_list = True
            yield from [".IP %s 4" % (item[1] or "\\(bu"), text(item[2])]
        elif not line:
            in_list = False
            yield ".PP"
        elif not line.startswith("# "):
            yield text(line)
    if indented:
        yield from [".RE", ".fi"]


def tidy(lines):
    """Without paragraphs that are empty, or come before what begins one itself."""
    lines = list(lines)
    for i, line in enumerate(lines):
        following = lines[i + 1] if i + 1 < len(lines) else ".SH"
        before = lines[i - 1] if i else ".SH"
        if line == ".PP" and (before.startswith((".SH", ".SS")) or following.startswith((".PP", ".SH", ".SS", ".TP", ".IP"))):
            continue
        yield line


def main():
    name, section, what, version, page = sys.argv[1:6]
    with open(page, encoding="utf-8") as source:
        lines = source.read().split("\n")
    if len(sys.argv) > 6:
        lines = section_of(lines, sys.argv[6])
    print('.TH %s %s "" "cloister %s" "Cloister"' % (name.upper().replace("-", "\\-"), section, version))
    print(".SH NAME\n%s \\- %s\n.SH DESCRIPTION" % (escape(name), what))
    for line in tidy(blocks(lines)):
        print(line)
    print(".SH SEE ALSO\n.BR cloister (1),\n.BR cloister (7)")


main()
