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

/* --- In short --- */

static const char *verdict(const struct page *page)
{
    switch (page_overall(page)) {
    case STATE_GOOD:
        return T("What was looked at holds: nobody who runs the cloud can read or change this "
                 "machine "
                 "without it being noticed, as far as this report goes.");
    case STATE_BAD:
        return T("Something required does not hold: do not put anything confidential into this "
                 "machine "
                 "before it is mended.");
    default:
        return T("It was not shown that this machine is safe from those who run the cloud: "
                 "something "
                 "required is not known, or nobody looked.");
    }
}

static void sources(const struct page *page)
{
    const struct {
        const json_t *document;
        const char *text;
    } inputs[] = {
        { page->in->audit, T("an audit: how it is built, and what in it could betray it") },
        { page->in->appraisal,
          T("an appraisal: the processor's own signed statement about a machine "
            "that ran, compared with what was expected") },
        { page->in->image, T("a look into the disk image") },
    };

    page_element(page, "p", T("This report rests on:"));
    page_markup(page, "<ul>\n");
    for (size_t i = 0; i < CLO_COUNT(inputs); i++) {
        page_markup(page, "<li>");
        page_text(page, inputs[i].text);
        page_text(page, " — ");
        page_text(page, inputs[i].document != NULL ? T("given") : T("not given"));
        page_markup(page, "</li>\n");
    }
    page_markup(page, "</ul>\n");
}

void page_summary(const struct page *page)
{
    const char *const protected[] = {
        T("Those who run the cloud, and whoever gets into their systems, do not read the memory of "
          "the "
          "machine: the processor encrypts it."),
        T("They do not read the disk: it is encrypted, and its key is given only to a machine that "
          "has proved what it is."),
        T("They do not change what is started without it being noticed: every step is measured "
          "before "
          "it runs."),
    };
    const char *const exposed[] = {
        T("That the machine runs at all: whoever owns the hardware can switch it off."),
        T("How much it works, and with whom it talks: sizes, times and addresses stay visible."),
        T("What its own programs give away: a fault in them is not mended by any of this."),
        T("The maker of the processor: its signature is what everything else rests on."),
    };
    enum state state = page_overall(page);

    page_markup(page, "<section aria-labelledby=\"short\">\n<h2 id=\"short\">");
    page_text(page, T("In short"));
    clo_buffer_printf(page->out, "</h2>\n<div class=\"verdict %s\"><p>",
                      state == STATE_GOOD  ? "good"
                      : state == STATE_BAD ? "bad"
                                           : "open");
    page_state(page, state);
    page_markup(page, "</p>\n");
    page_element(page, "p", verdict(page));
    page_markup(page, "</div>\n");
    sources(page);
    page_element(page, "h3", T("What such a machine protects, and from whom"));
    list(page, protected, CLO_COUNT(protected));
    page_element(page, "h3", T("What it does not protect"));
    list(page, exposed, CLO_COUNT(exposed));
    page_markup(page, "</section>\n");
}

/* --- How the key travels --- */

void page_key(const struct page *page)
{
    const char *const steps[] = {
        T("The machine starts. Each part is measured before it runs; the disk is still closed."),
        T("It asks the owner's key broker for a number that was never used before."),
        T("The processor signs a statement: this is a real confidential machine, these are its "
          "measurements, and this is the number."),
        T("The broker, on the owner's own ground, checks signature, number and measurements "
          "against what "
          "was computed from the image before it ever ran."),
        T("Only then does the key leave the broker, wrapped so that this very machine alone can "
          "open it."),
        T("The disk opens. What happens afterwards can no longer ask for the key."),
    };

    page_markup(page, "<section aria-labelledby=\"key\">\n<h2 id=\"key\">");
    page_text(page, T("How the key travels"));
    page_markup(page, "</h2>\n<ol>\n");
    for (size_t i = 0; i < CLO_COUNT(steps); i++)
        page_element(page, "li", steps[i]);
    page_markup(page, "</ol>\n</section>\n");
}

/* --- What would have to be true for it to be wrong --- */

void page_doubts(const struct page *page)
{
    const char *const always[] = {
        T("The maker of the processor signs for a chip that is not genuine, or its signing key was "
          "stolen."),
        T("The processor has a fault that lets its owner read encrypted memory, and that nobody "
          "has "
          "published."),
        T("Somebody with the machine in his hands attacks the chip or the memory bus itself."),
        T("The person who built the image, or who holds its signing keys, is not to be trusted."),
        T("This report, or the documents it was made from, was changed: the commands in the annex "
          "make "
          "them again."),
    };

    page_markup(page, "<section aria-labelledby=\"doubts\">\n<h2 id=\"doubts\">");
    page_text(page, T("What would have to be true for this to be wrong"));
    page_markup(page, "</h2>\n<ul>\n");
    for (size_t i = 0; i < CLO_COUNT(always); i++)
        page_element(page, "li", always[i]);
    if (page->in->audit != NULL && page->in->appraisal == NULL)
        page_element(page, "li",
                     T("No machine was asked to prove itself: an audit finds mistakes, and is no "
                       "evidence of what runs."));
    if (page->in->audit == NULL)
        page_element(
                page, "li",
                T("What is measured as expected has a fault that an audit would have found: none "
                  "was given."));
    page_markup(page, "</ul>\n</section>\n");
}

/* --- Each verdict with its evidence --- */

/* Texts that documents carry: those that the catalogue knows are in the page's language, others say that they are English. */
static void english(const struct page *page, const char *tag, const char *text)
{
    char with_language[64];

    if (*text == '\0')
        return;
    const char *translated = T(text);
    if (strcmp(translated, text) != 0) {
        page_element(page, tag, translated);
        return;
    }
    snprintf(with_language, sizeof with_language, "%s lang=\"en\"", tag);
    page_element(page, with_language, text);
}

static void labelled(const struct page *page, const char *label, const char *text, bool is_english)
{
    if (*text == '\0')
        return;
    page_element(page, "dt", label);
    if (is_english)
        english(page, "dd", text);
    else
        page_element(page, "dd", text);
}

static const char *severity_word(const struct page *page, const char *severity)
{
    if (strcmp(severity, "required") == 0)
        return T("required");
    if (strcmp(severity, "recommended") == 0)
        return T("recommended");
    return strcmp(severity, "optional") == 0 ? T("worth having") : T("good to know");
}

static void finding(const struct page *page, const json_t *finding)
{
    page_markup(page, "<details><summary>");
    page_state(page, page_finding_state(finding));
    page_markup(page, " <code>");
    page_text(page, page_string(finding, "id"));
    page_markup(page, "</code> (");
    page_text(page, severity_word(page, page_string(finding, "severity")));
    page_markup(page, ")</summary>\n");
    english(page, "p", page_string(finding, "reason"));
    page_markup(page, "<dl>\n");
    labelled(page, T("Found"), page_string(finding, "found"), true);
    labelled(page, T("Wanted"), page_string(finding, "wanted"), true);
    labelled(page, T("To mend it"), page_string(finding, "fix"), true);
    labelled(page, T("Follows from"), page_string(finding, "because"), true);
    labelled(page, T("Accepted for now, because"), page_string(finding, "waiver"), false);
    labelled(page, T("Source"), page_string(finding, "source"), true);
    page_markup(page, "</dl></details>\n");
}

/* Those of one severity and state. */
static size_t findings_of(const struct page *page, const char *severity, enum state state)
{
    json_t *one;
    size_t i, shown = 0;

    json_array_foreach (json_object_get(page->in->audit, "findings"), i, one)
        if (page_finding_state(one) == state &&
            strcmp(page_string(one, "severity"), severity) == 0) {
            finding(page, one);
            shown++;
        }
    return shown;
}

/* What is required before what is recommended, what fails before what is open. */
static void findings(const struct page *page)
{
    page_element(page, "h3", T("Of the audit"));
    size_t shown = findings_of(page, "required", STATE_BAD);
    shown += findings_of(page, "required", STATE_OPEN);
    shown += findings_of(page, "recommended", STATE_BAD);
    shown += findings_of(page, "recommended", STATE_OPEN);
    if (shown == 0)
        page_element(page, "p", T("Everything that is required or recommended holds."));
    else
        page_element(page, "p class=\"note\"", T("What holds is in the annex."));
}

static void checks(const struct page *page)
{
    json_t *check;
    size_t i;

    page_element(page, "h3", T("Of the appraisal"));
    json_array_foreach (json_object_get(page->in->appraisal, "checks"), i, check) {
        if (page_check_state(check) == STATE_OPEN)
            continue;
        page_markup(page, "<details><summary>");
        page_state(page, page_check_state(check));
        page_markup(page, " <code>");
        page_text(page, page_string(check, "id"));
        page_markup(page, "</code></summary>\n");
        english(page, "p", page_string(check, "detail"));
        page_markup(page, "</details>\n");
    }
}

void page_verdicts(const struct page *page)
{
    page_markup(page, "<section aria-labelledby=\"verdicts\">\n<h2 id=\"verdicts\">");
    page_text(page, T("Each verdict, with its evidence"));
    page_markup(page, "</h2>\n");
    if (page->in->audit != NULL)
        findings(page);
    if (page->in->appraisal != NULL)
        checks(page);
    if (page->in->image != NULL) {
        const json_t *root = json_object_get(page->in->image, "root");
        page_element(page, "h3", T("Of the disk image"));
        page_markup(page, "<p>");
        page_state(page, json_is_true(json_object_get(root, "fit")) ? STATE_GOOD : STATE_BAD);
        page_text(page, " ");
        page_text(page, T("The root's encryption header is one that the guest would open."));
        page_markup(page, "</p>\n");
        english(page, "p", page_string(root, "refusal"));
    }
    page_markup(page, "</section>\n");
}

/* --- The annex --- */

static void value(const struct page *page, const char *name, const json_t *json)
{
    char *text = json_is_string(json) ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    page_markup(page, "<dt><code>");
    page_text(page, name);
    page_markup(page, "</code></dt><dd lang=\"en\">");
    page_text(page, text == NULL ? json_string_value(json) : text);
    page_markup(page, "</dd>\n");
    free(text);
}

static void values(const struct page *page, const char *title, const json_t *object)
{
    const char *name;
    json_t *one;

    if (json_object_size(object) == 0)
        return;
    page_markup(page, "<details><summary>");
    page_text(page, title);
    page_markup(page, "</summary>\n<dl>\n");
    json_object_foreach ((json_t *)(uintptr_t)object, name, one)
        value(page, name, one);
    page_markup(page, "</dl></details>\n");
}

/* What each rule or check found, by its id. */
static void results(const struct page *page, const char *title, const json_t *list,
                    enum state (*state)(const json_t *one), const char *detail)
{
    json_t *one;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    page_markup(page, "<details><summary>");
    page_text(page, title);
    page_markup(page, "</summary>\n<dl>\n");
    json_array_foreach ((json_t *)(uintptr_t)list, i, one) {
        page_markup(page, "<dt><code>");
        page_text(page, page_string(one, "id"));
        page_markup(page, "</code> ");
        page_text(page, page_state_word(page, state(one)));
        page_markup(page, " (<code lang=\"en\">");
        page_text(page, page_string(one, "result"));
        page_markup(page, "</code>)</dt><dd lang=\"en\">");
        page_text(page, page_string(one, detail));
        page_markup(page, "</dd>\n");
    }
    page_markup(page, "</dl></details>\n");
}

/* One word of a command that somebody will paste into a shell, whatever a document calls its subject. */
static void shell_word(const struct page *page, const char *text)
{
    static const char plain[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._+=:@%/";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer word = { 0 };

    if (*text != '\0' && text[strspn(text, plain)] == '\0') {
        page_text(page, text);
        return;
    }
    clo_buffer_text(&word, "'");
    for (; *text != '\0'; text++)
        if (*text == '\'')
            clo_buffer_text(&word, "'\\''");
        else
            clo_buffer_u8(&word, (uint8_t)*text);
    clo_buffer_text(&word, "'");
    if (clo_buffer_ok(&word))
        page_text(page, clo_buffer_string(&word));
    else
        page->out->failed = true;
}

/* A file's name must not be taken for an option. */
static void shell_file(const struct page *page, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };

    clo_buffer_printf(&path, "%s%s", *name == '-' ? "./" : "", name);
    if (clo_buffer_string(&path) != NULL)
        shell_word(page, clo_buffer_string(&path));
    else
        page->out->failed = true;
}

/* The usual ones that are not among them were taken away. */
static void put_platforms(const struct page *page)
{
    static const char *const usual[] = { "vtpm", "uki", "fde" };
    const json_t *list = json_object_get(page->in->audit, "for");
    bool is_there[CLO_COUNT(usual)] = { false };
    const char *separator = " --for ";
    json_t *platform;
    size_t i;

    json_array_foreach ((json_t *)(uintptr_t)list, i, platform) {
        const char *name = json_string_value(platform) == NULL ? "" : json_string_value(platform);
        for (size_t k = 0; k < CLO_COUNT(usual); k++)
            is_there[k] = is_there[k] || strcmp(name, usual[k]) == 0;
        page_text(page, separator);
        shell_word(page, name);
        separator = ",";
    }
    for (size_t k = 0; json_array_size(list) > 0 && k < CLO_COUNT(usual); k++)
        if (!is_there[k]) {
            page_text(page, separator);
            page_text(page, "no-");
            page_text(page, usual[k]);
        }
}

/* Options as cloister audit names them among its inputs. */
static void put_audit_inputs(const struct page *page, const json_t *inputs)
{
    static const char *const names[] = { "root",    "platform", "config", "initrd",
                                         "cmdline", "waivers",  "at" };
    const json_t *rules = json_object_get(inputs, "rules");
    const char *level = page_string(page->in->audit, "level");
    json_t *one;
    size_t i;

    for (size_t k = 0; k < CLO_COUNT(names); k++) {
        const char *text = json_string_value(json_object_get(inputs, names[k]));
        if (text == NULL)
            continue;
        page_text(page, " --");
        page_text(page, names[k]);
        page_text(page, " ");
        shell_word(page, text);
    }
    json_array_foreach ((json_t *)(uintptr_t)rules, i, one) {
        page_text(page, " --rules ");
        shell_word(page, json_string_value(one) == NULL ? "" : json_string_value(one));
    }
    if (*level != '\0' && strcmp(level, "required") != 0) {
        page_text(page, " --fail-on ");
        shell_word(page, level);
    }
}

/* Documents that do not say what they were made of say what they are about. */
static void put_audit_command(const struct page *page)
{
    const json_t *inputs = json_object_get(page->in->audit, "inputs");
    const char *subject = inputs == NULL ? page_string(page->in->audit, "subject")
                                         : json_string_value(json_object_get(inputs, "subject"));
    bool is_guest = inputs == NULL ? strcmp(subject, "this guest") == 0
                                   : json_is_true(json_object_get(inputs, "guest"));

    page_text(page, "cloister audit");
    if (is_guest) {
        page_text(page, " --guest");
    } else if (subject != NULL) {
        page_text(page, " ");
        shell_file(page, subject);
    }
    put_audit_inputs(page, inputs);
    put_platforms(page);
    page_markup(page, " --json &gt;audit.json\n");
}

static void commands(const struct page *page)
{
    page_element(page, "p", T("These commands make the documents again, and this page from them:"));
    page_markup(page, "<pre tabindex=\"0\"><code lang=\"en\">");
    if (page->in->audit != NULL)
        put_audit_command(page);
    if (page->in->appraisal != NULL)
        page_markup(page, "cloister verify EVIDENCE --policy POLICY --reference FILE --nonce TEXT "
                          "--json &gt;appraisal.json\n");
    if (page->in->image != NULL)
        page_markup(page, "cloister image inspect IMAGE --json &gt;image.json\n");
    page_markup(page, "cloister report");
    page_markup(page, page->in->audit != NULL ? " audit.json" : "");
    page_markup(page, page->in->appraisal != NULL ? " appraisal.json" : "");
    page_markup(page, page->in->image != NULL ? " image.json" : "");
    page_markup(page, " --language ");
    page_text(page, page->in->language);
    page_markup(page, " --output report.html</code></pre>\n");
}

void page_annex(const struct page *page)
{
    const json_t *config = json_object_get(page->in->audit, "config");

    page_markup(page, "<section aria-labelledby=\"annex\">\n<h2 id=\"annex\">");
    page_text(page, T("Annex for the auditor"));
    page_markup(page, "</h2>\n");
    commands(page);
    results(page, T("Every finding of the audit"), json_object_get(page->in->audit, "findings"),
            page_finding_state, "found");
    values(page, T("Facts that the audit took from the guest or image"),
           json_object_get(page->in->audit, "facts"));
    values(page, T("The kernel's configuration, as far as it is summed up"),
           json_object_get(config, "can_guest_of"));
    results(page, T("Every check of the appraisal"), json_object_get(page->in->appraisal, "checks"),
            page_check_state, "detail");
    values(page, T("What the evidence claims"), json_object_get(page->in->appraisal, "claims"));
    values(page, T("What is on the disk"), page->in->image);
    page_markup(page, "</section>\n");
}
