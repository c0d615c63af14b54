#!/bin/sh
# cloister report: the right answer for documents that belong together and for all that do not, in both languages; what others
# wrote stays text; what is not a document is refused.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
po=$(cd "$(dirname "$0")/../../po" && pwd)
cd "$work" || exit 4
skip_without jq

# --- Documents: an audit and a look into an image as the program makes them, of one image and of two others ---
identity() {
    jq -n --arg name "$1" '{kind: "disk", bytes: 1, sha256: ("file of " + $name), uki: {sha256: ("uki of " + $name)},
        registers: {pcrs: {sha256: {"4": ("program of " + $name), "5": ("table of " + $name), "11": {"enter-initrd": ("parts of " + $name)}}}}}'
}
# audit NAME: of a disk image whose every requirement holds.
audit() {
    printf 'CONFIG_EFI=y\n' >"$1.config"
    "$cloister" audit "$1.config" --cmdline "quiet init=<script>alert(1)</script>" --for snp,hyperv --json |
        jq --arg name "$1" --argjson identity "$(identity "$1")" \
            '.findings |= map(if .severity == "required" then .result = "pass" else . end) | .subject = $name + ".img"
             | .inputs = {subject: .subject} | .identity = $identity'
}
image() {
    jq -n --argjson identity "$(identity "$1")" '{disk: "d15c0000-0000-0000-0000-000000000000",
        partitions: [{name: "esp", type: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", bytes: 67108864},
                     {name: "<root>", type: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", bytes: 536870912}],
        root: {fit: true, cipher: "aes-xts-plain64"}, identity: $identity}'
}
# appraisal NAME: of a machine that runs the image, and that shows all that is asked of it.
appraisal() {
    jq -n --arg name "$1" '{status: "affirming", tee: "snp", summary: "accepted by policy", is_fresh: true,
        policy: "patients", policy_sha256: "cc", policy_is_owners: true, at: "2026-11-24T09:00:00Z", root: {sha256: "ee", maker: "AMD"},
        expires: {at: "2027-01-01T00:00:00Z", what: "certificate"},
        checks: [("snp.signature", "snp.revocation", "policy.tcb", "pcr.0", "pcr.4", "pcr.11", "pcr.12") | {id: ., result: "pass", detail: "a & b"}],
        claims: {measurement: "00ff", hcl: {}, pcrs: {sha256: {"4": ("program of " + $name), "5": ("table of " + $name), "11": ("parts of " + $name)}}}}'
}
for name in one two three; do
    audit $name >audit-$name.json
    image $name >image-$name.json
    appraisal $name >appraisal-$name.json
done
cp audit-one.json audit.json
cp image-one.json image.json
cp appraisal-one.json appraisal.json

# answers NAME LANGUAGE ANSWER WHY DOCUMENT…: the word in the card, and the reason that decides.
answers() {
    name=$1 language=$2 word=$3 why=$4
    shift 4
    "$cloister" report "$@" --language "$language" --at 2026-11-24T10:00:00Z >answer.html || fail "$name: no page"
    grep -q "<p class=\"word [a-z]*\">$word</p>" answer.html || fail "$name: the answer is not '$word': $(grep 'class="word' answer.html)"
    grep -q "<p class=\"why\">$why" answer.html || fail "$name: does not say '$why': $(grep 'class="why"' answer.html)"
    case $word in Yes | Oui) return ;; esac
    last=$(grep -o 'class="dot [a-z]*' answer.html | tail -n 1)
    [ "$last" != 'class="dot good' ] || fail "$name: the last link of the chain is good"
}
# says NAME WORDS: on the first screen, which ends where the contents begin.
says() { sed '/<nav/q' answer.html | grep -qF -e "$2" || fail "$1: the first screen does not say '$2'"; }

answers "one image" en Yes "As far as this report goes" audit.json appraisal.json image.json
answers "three images" en "Not shown" "The documents do not belong together" audit-one.json appraisal-two.json image-three.json
says "three images" "MIXED DOCUMENTS"
says "three images" "<li>Make the audit, the appraisal and the look into the image of one and the same"
answers "an audit of another image" en "Not shown" "The documents do not belong together: the machine that gave the evidence runs another" audit-two.json appraisal.json image.json
answers "evidence of another image" en "Not shown" "The documents do not belong together: the machine that gave the evidence runs another" audit.json appraisal-two.json image.json
answers "another disk" en "Not shown" "The documents do not belong together: the machine that gave the evidence started from another disk" audit.json appraisal.json image-two.json
says "another disk" "MIXED DOCUMENTS"
jq '.for = ["tdx", "kvm"]' audit.json >audit-tdx.json
answers "evidence of SEV-SNP, an audit for TDX" en "Not shown" "The documents do not belong together: the audit was made for another kind of platform" audit-tdx.json appraisal.json image.json
jq '.is_fresh = false | .status = "warning"' appraisal.json >appraisal-old.json
answers "no nonce" en "Not shown" "Freshness was not shown: this may be old evidence" audit.json appraisal-old.json image.json
jq '.root = {sha256: "ee", maker: null, name: "CN=ARK-simulation"}' appraisal.json >appraisal-test.json
answers "a simulated root" en "Not shown" "This is a simulation or a test" audit.json appraisal-test.json image.json
says "a simulated root" "<strong>SIMULATION</strong>"
jq '.checks |= map(if .id == "snp.revocation" or .id == "policy.tcb" then .result = "skip" else . end) | del(.policy_is_owners, .policy)' \
    appraisal.json >appraisal-lax.json
answers "no policy" en "Not shown" "The evidence was held against no policy" audit.json appraisal-lax.json image.json
says "no policy" "Nobody looked whether the processor&#39;s certificates have been revoked"
says "no policy" "No minimum version"
jq '.status = "contraindicated" | .summary = "snp.signature: signed by another" | .checks[0].result = "fail"' appraisal.json >appraisal-refused.json
answers "refused" en No "The evidence of this machine was refused" audit.json appraisal-refused.json image.json
says "refused" '<p class="detail">signed by another</p>'
answers "an audit alone" en "Not shown" "No machine was asked to prove itself" audit.json
printf hello >hello
expect "a file that says hello" 3 "hello: neither a kernel configuration" "$cloister" audit hello --json
"$cloister" audit --cmdline hello --for snp,hyperv --json >audit-hello.json
answers "an audit of a line that says hello" en "No" "The audit found something required that does not hold" audit-hello.json appraisal.json image.json
says "an audit of a line that says hello" "It cannot be told whether these documents are about one and the same image"
"$cloister" audit --cmdline "systemd.import_credentials=no systemd.gpt_auto=no" --for snp,hyperv --json >audit-line.json
answers "an audit of a good line alone" en "Not shown" "The audit did not see how the kernel is configured" audit-line.json appraisal.json image.json

# A simulated machine's evidence, as the program appraises it.
"$sim" snp --rsa-bits 2048 platform >/dev/null || fail "sim"
"$cloister" verify snp platform/extended.bin --root "$(cat platform/root)" --policy platform/policy.json --json >appraisal-sim.json || fail "verify"
jq -e '.root.maker == null and .policy_is_owners and (.policy_sha256 | length == 64) and .expires.what and .at and .references == []' \
    appraisal-sim.json >/dev/null || fail "verify --json: $(jq -c 'del(.checks, .claims)' appraisal-sim.json)"
answers "cloister-sim's" en "Not shown" "This is a simulation or a test" appraisal-sim.json
says "cloister-sim's" "CN=ARK-simulation"
says "cloister-sim's" "Freshness was not shown"

# Odd documents: an error of one line, and no page.
odd() {
    jq "$2" appraisal.json >odd.json
    expect "$1" 3 "$3" "$cloister" report audit.json odd.json
    [ ! -s out ] || fail "$1: a page all the same"
}
odd "forged: affirming, and a check fails" '.checks[0].result = "fail"' 'odd.json: says "affirming" and lists 1 checks that fail'
odd "forged: affirming without a check" '.checks = []' 'odd.json: says "affirming" and lists 0'
odd "a status of one's own" '.status = "excellent"' '"status" is "excellent"'
odd "freshness that is text" '.is_fresh = "true"' '"is_fresh" is neither true nor false'
odd "claims that are a list" '.claims = []' '"claims" is not an object'
odd "a check that is a number" '.checks[0] = 7' 'check 0: "id" is not text'

expect "all three" 0 "" "$cloister" report audit.json appraisal.json image.json --output page.html --at 2026-11-24T10:00:00Z
for words in '<html lang="en">' 'init=&lt;script&gt;alert(1)' 'a &amp; b' '2026-11-24T10:00:00Z' '&lt;root&gt;, 512 MiB' \
    'cloister report audit.json appraisal.json image.json' 'counter(page) " / " counter(pages)' 'prefers-color-scheme:dark'; do
    grep -qF "$words" page.html || fail "the page does not say '$words'"
done
! grep -q '<script' page.html || fail "foreign markup"
"$cloister" report audit.json appraisal.json image.json --at 2026-11-24T10:00:00Z | cmp -s - page.html || fail "the same documents give another page"
"$cloister" report audit.json appraisal.json image.json --no-annex >short.html
! grep -q 'id="annex"\|href="#annex"' short.html || fail "--no-annex: the annex is there"
# A heading is words; ids are in the annex.
! grep -q '<h[1-6][^>]*>[^<]*\(snp\.\|kconfig\.\|pcr\.\|policy\.\)' page.html || fail "an id as a heading"
if found python3 "the page's elements are not looked at"; then
    # Every element that is opened is closed, in its order; ids are there once.
    python3 - page.html <<'EOF' || fail "the page is not well formed"
import html.parser, sys
void, stack, ids = {"meta", "rect", "path", "br", "circle", "line"}, [], []
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
    export CLOISTER_LOCALEDIR="$CLOISTER_BUILD/po"
    nbsp=$(printf '\302\240')
    answers "one image, in French" fr Oui "Dans les limites de ce rapport" audit.json appraisal.json image.json
    answers "three images, in French" fr "Non démontré" "Les documents ne vont pas ensemble$nbsp: la machine" audit-one.json appraisal-two.json image-three.json
    says "three images, in French" "DOCUMENTS DISPARATES"
    answers "no nonce, in French" fr "Non démontré" "L’actualité de l’attestation n’est pas démontrée" audit.json appraisal-old.json image.json
    answers "a simulated root, in French" fr "Non démontré" "Il s’agit d’une simulation ou d’un essai" audit.json appraisal-test.json image.json
    answers "refused, in French" fr Non "L’attestation de cette machine a été refusée" audit.json appraisal-refused.json image.json
    jq '.findings |= map(if .id == "cmdline.init" then .result = "fail" else . end)' audit.json >audit-bad.json
    "$cloister" report audit-bad.json appraisal-refused.json image.json --language fr >fr.html
    grep -q '<html lang="fr">' fr.html || fail "the page does not say that it is French"
    # Reasons of rules are in the page's language.
    grep -q "un autre programme que celui de l’image" fr.html || fail "a rule's reason is not translated"
    ! grep -q "<h3>another program\|<h3 lang=.en.>another program" fr.html || fail "a rule's reason is there in English"
    # Remedies that are made from a rule, too.
    "$cloister" audit one.config --json >remedies.json
    "$cloister" report remedies.json --language fr >remedies.html
    for words in "<dd>activer CONFIG_ACPI=y</dd>" "ou =m avec virtio_pci.ko dans l’initrd" "<dd>laisser CONFIG_"; do
        grep -qF "$words" remedies.html || fail "a remedy is not French: $words"
    done
    # Nothing of ours is left in English but what says so.
    for words in 'Not shown' 'What to do' 'How the key travels' 'not shown' 'Annex for' 'Vouched' 'MIXED DOC'; do
        ! grep -qF "$words" fr.html || fail "not translated: $words"
    done
    # French sets a space that does not break before : ; ? ! and within its quotation marks.
    ! sed '/^<style>/,/^<\/style>/d; /lang="en"/d' fr.html | grep -n '[a-zé] [:;?!]\|« \| »' || fail "French: an ordinary space before a sign"
    unset CLOISTER_LOCALEDIR
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
annex "what lies next to" --cmdline quiet --config a.config --rules ./-rules.tsv --waivers 'our waivers' --at 2026-12-01T00:00:00Z
annex "a tree" --root tree
annex "a tree and more" --root tree --config a.config --for tdx,hyperv,svsm
"$po/rule-texts.sh" | cmp -s - "$po/rule_texts.txt" ||
    fail "po/rule_texts.txt is not what the rules say: run po/rule-texts.sh >po/rule_texts.txt, translate what is new"
CLOISTER_LOCALEDIR=$work expect "no catalogue" 4 "no catalogue" "$cloister" report audit.json --language fr
expect "a language that is none" 2 "neither en nor fr" "$cloister" report audit.json --language tlh
expect "no document" 2 "one to three JSON documents expected, 0 given" "$cloister" report
expect "two audits" 2 "two documents of the same kind" "$cloister" report audit.json audit.json
echo '{"a": 1}' >other.json
expect "something else" 3 "other.json: neither an audit's" "$cloister" report other.json
echo '{' >broken.json
expect "no JSON" 3 "broken.json" "$cloister" report broken.json
exit $failed
