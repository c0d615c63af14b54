#!/bin/bash
# The pages as a site: every page is there and well-formed, every link leads somewhere, nothing is fetched from elsewhere; its search finds; and
# a page that a link leads astray in is an error.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
top=$(cd "$CLOISTER_TESTS/.." && pwd)
skip_without python3
cd "$work" || exit 4

"$top/docs/site.sh" site >said 2>err || fail "site.sh: $(head -n 3 err)"
[ "$(cat said)" = site/index.html ] || fail "it says $(cat said)"
pages=$(find "$top/docs" -name '*.md' | wc -l)
[ "$(find site/docs -name '*.html' | wc -l)" = "$pages" ] || fail "not every page of docs/ is there"
cat >look.py <<'PY'
import html.parser, os, sys

VOID = {"meta", "link", "input", "br", "img", "path", "rect", "circle", "line", "polygon", "polyline", "use", "stop"}


class Look(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.path, self.open, self.ids, self.links = path, [], set(), []
        with open(path, encoding="utf-8") as file:
            self.feed(file.read())
        if self.open:
            self.wrong("left open: %s" % self.open)

    def wrong(self, words):
        print("%s: %s" % (self.path, words))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attrs:
            self.ids.add(attrs["id"])
        for name in ("href", "src"):
            if name in attrs:
                self.links.append((tag, attrs[name]))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong("</%s> closes something else" % tag)


def look(top):
    found = {os.path.join(folder, name): Look(os.path.join(folder, name))
             for folder, _, names in os.walk(top) for name in names if name.endswith(".html")}
    for path, page in found.items():
        for tag, link in page.links:
            target, _, anchor = link.partition("#")
            full = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            if link.startswith(("http:", "https:")):
                if tag != "a":
                    page.wrong("fetches %s" % link)
            elif not os.path.exists(full):
                page.wrong("leads to %s, which is not there" % link)
            elif anchor and full in found and anchor not in found[full].ids:
                page.wrong("%s has no %s" % (target, anchor))


look(sys.argv[1])
PY
python3 look.py site >wrong
[ ! -s wrong ] || fail "$(head -n 5 wrong)"
# What was Markdown is no more: no marks are left outside of code.
python3 - >left <<'PY'
import os, re
for folder, _, names in os.walk("site"):
    for name in names:
        if name.endswith(".html"):
            text = open(os.path.join(folder, name), encoding="utf-8").read()
            text = re.sub(r"(?s)<(pre|code|script|style|svg)\b.*?</\1>", "", text)
            for mark in re.findall(r"\]\([^)]*\)|\*\*\w|`|^#+ |\0", text, re.M):
                print(os.path.join(folder, name), mark)
PY
[ ! -s left ] || fail "Markdown is left: $(head -n 3 left)"
cmp -s <(grep -o 'paper:#[0-9a-f]*' site/style.css | sort -u) <(printf 'paper:#14171b\npaper:#fff\n' | sort -u) || fail "the style has not the report's colours"

# The search, with as much of a browser as it needs.
if found node "the search is not tried"; then
    cat >search_test.js <<'JS'
const fs = require('fs'), vm = require('vm');
const element = () => ({ children: [], append(...c) { this.children.push(...c); }, replaceChildren(...c) { this.children = c; }, textContent: '',
    addEventListener(name, run) { this['on' + name] = run; } });
const field = element(), list = element();
const document = { documentElement: { dataset: { base: '' } }, getElementById: id => id === 'words' ? field : list, createElement: element };
const context = vm.createContext({ document });
vm.runInContext(fs.readFileSync('site/index.js', 'utf8') + fs.readFileSync('site/search.js', 'utf8'), context);
for (const [words, wanted] of JSON.parse(process.argv[2])) {
    field.value = words;
    field.oninput();
    const first = list.children.slice(0, 3).map(item => item.children[0].href);
    if (wanted === null ? list.textContent !== 'Nothing found.' : !first.some(href => href.startsWith(wanted)))
        console.log(words + ': found ' + first.join(', ') + list.textContent);
}
JS
    node search_test.js '[["glossary","docs/glossary.html"],["azure vhd","docs/clouds/azure.html"],["emergency mode","docs/troubleshooting.html"],["qwertzuiop",null]]' >wrong
    [ ! -s wrong ] || fail "search: $(cat wrong)"
fi

# A link to a heading that is not there is an error.
mkdir -p copy/lib/report
cp -r "$top/docs" "$top/README.md" copy/
cp "$top/lib/report/style.c" copy/lib/report/
echo 'See [there](install.md#nowhere).' >>copy/docs/map.md
status=0
copy/docs/site.sh other >said 2>err || status=$?
[ "$status/$(grep -c "docs/map.md: #nowhere is not in docs/install.html" err)" = 1/1 ] || fail "a link to nowhere: exit status $status: $(cat err)"
exit "$failed"
