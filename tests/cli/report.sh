#!/bin/sh
# cloister report: from one, two and three documents, in both languages; what others wrote stays text; what is no document
# is refused.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
po=$(cd "$(dirname "$0")/../../po" && pwd)
cd "$work" || exit 4
command -v jq >/dev/null || skip "jq is not installed"

cat >image.json <<'EOF'
{"disk": "d15c0000-0000-0000-0000-000000000000",
 "partitions": [{"name": "esp", "type": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "bytes": 67108864},
                {"name": "<root>", "type": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "bytes": 536870912}],
 "root": {"fit": true, "cipher": "aes-xts-plain64"}}
EOF
"$cloister" audit --cmdline "quiet init=<script>alert(1)</script>" --json >audit.json
cat >appraisal.json <<'EOF'
{"status": "contraindicated", "tee": "snp", "checks": [{"id": "snp.signature", "result": "fail", "detail": "a & b"}],
 "claims": {"measurement": "00ff"}}
EOF
expect "an audit" 0 "Can this machine keep a secret" "$cloister" report audit.json
expect "an image" 0 "&lt;root&gt;, 512 MiB" "$cloister" report image.json
expect "all three" 0 "" "$cloister" report audit.json appraisal.json image.json --output page.html --at 2026-11-24T10:00:00Z
for words in '<html lang="en">' 'init=&lt;script&gt;alert(1)' 'a &amp; b' '2026-11-24T10:00:00Z' 'cloister report audit.json appraisal.json image.json'; do
    grep -qF "$words" page.html || fail "the page does not say '$words'"
done
! grep -q '<script' page.html || fail "somebody else's markup"
"$cloister" report audit.json appraisal.json image.json --at 2026-11-24T10:00:00Z | cmp -s - page.html || fail "the same documents give another page"
if command -v python3 >/dev/null; then
    # Every element that is opened is closed, in its order; ids are there once.
    python3 - page.html <<'EOF' || fail "the page is not well formed"
import html.parser, sys
void, stack, ids = {"meta", "rect", "path", "br"}, [], []
class Page(html.parser.HTMLParser):
    def handle_starttag(self, tag, attributes):
        ids.extend(value for name, value in attributes if name == "id")
        if tag not in void: stack.append(tag)
    def handle_startendtag(self, tag, attributes): pass
    def handle_endtag(self, tag):
        if not stack or stack.pop() != tag: sys.exit("</%s> at %s" % (tag, self.getpos()))
Page().feed(open(sys.argv[1], encoding="utf-8").read())
sys.exit(stack or len(ids) != len(set(ids)))
EOF
fi

# French, from the catalogue that was built.
if [ -e "${CLOISTER_BUILD:-}/po/fr/LC_MESSAGES/cloister.mo" ]; then
    CLOISTER_LOCALEDIR=$CLOISTER_BUILD/po expect "French" 0 "Comment voyage la clé" "$cloister" report audit.json --language fr
    CLOISTER_LOCALEDIR=$CLOISTER_BUILD/po "$cloister" report audit.json appraisal.json image.json --language fr >fr.html
    grep -q '<html lang="fr">' fr.html || fail "the page does not say that it is French"
    grep -q '<dt><code>[^<]*</code> tient' fr.html || fail "the annex: verdicts in French"
    # Reasons of rules are in the page's language.
    grep -q "un autre programme que celui de l&#39;image" fr.html || fail "a rule's reason is not translated"
    ! grep -q "<p>another program\|<p lang=.en.>another program" fr.html || fail "a rule's reason is there in English"
    # Nothing of ours is left in English but what says so.
    for words in 'In short' 'How the key travels' 'does not hold' 'Annex for'; do
        ! grep -qF "$words" fr.html || fail "not translated: $words"
    done
fi
# The annex's commands are pasted into shells: a subject is one word there, whatever it is called.
# shellcheck disable=SC2016 # jq's variable
for change in '.subject = $name | del(.inputs)' '.inputs = {"subject": $name}'; do
    jq --arg name "-x; touch 'y' \$(touch z) é" "$change" audit.json >named.json
    "$cloister" report named.json --output named.html
    grep -qF "cloister audit &#39;./-x; touch &#39;\\&#39;&#39;y&#39;\\&#39;&#39; \$(touch z) é&#39; --for" named.html ||
        fail "the annex: a subject that is more than a word for the shell: $change"
done
# The annex's command for the audit makes the same document, whatever it was made of.
printf 'CONFIG_EFI=y\n' >a.config
printf 'kconfig.DM_CRYPT\t2026-12-31\tx\n' >'our waivers'
"$cloister" audit --print-rules | head -n 2 >-rules.tsv
mkdir -p tree/etc
annex() {
    name=$1
    shift
    "$cloister" audit "$@" --json >audit.json
    "$cloister" report audit.json --output annex.html
    line=$(sed -n 's/.*<code lang="en">\(cloister audit.*\) &gt;audit.json.*/\1/p' annex.html | sed "s/&#39;/'/g; s/&quot;/\"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g")
    eval "\"\$cloister\" ${line#cloister }" >again.json
    cmp -s audit.json again.json || fail "the annex of $name: $line"
}
annex "a configuration" a.config --for snp,no-fde,no-vtpm --fail-on optional
annex "a command line" --cmdline "-x 'y' \$HOME <&>"
annex "what lies beside" --cmdline quiet --config a.config --rules ./-rules.tsv --waivers 'our waivers' --at 2026-12-01T00:00:00Z
annex "a tree" --root tree
annex "a tree and more" --root tree --config a.config --for tdx,hyperv,svsm
"$po/rule-texts.sh" | cmp -s - "$po/rule_texts.txt" ||
    fail "po/rule_texts.txt is not what the rules say: run po/rule-texts.sh >po/rule_texts.txt, translate what is new"
CLOISTER_LOCALEDIR=$work expect "no catalogue" 4 "no catalogue" "$cloister" report audit.json --language fr
expect "a language that is none" 2 "neither en nor fr" "$cloister" report audit.json --language tlh
expect "no document" 2 "are needed" "$cloister" report
expect "two audits" 2 "two documents of the same kind" "$cloister" report audit.json audit.json
echo '{"a": 1}' >other.json
expect "something else" 3 "other.json: neither an audit's" "$cloister" report other.json
echo '{' >broken.json
expect "no JSON" 3 "broken.json" "$cloister" report broken.json
exit $failed
