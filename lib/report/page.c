#include "page.h"

#include <stdlib.h>
#include <string.h>

void page_markup(const struct page *page, const char *markup)
{
    clo_buffer_text(page->out, markup);
}

void page_text(const struct page *page, const char *text)
{
    static const struct {
        char character;
        const char *entity;
    } entities[] = {
        { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" },
    };
    CLO_CLEANUP(clo_freep) char *copy = strdup(text);

    if (copy == NULL) {
        page->out->failed = true;
        return;
    }
    clo_sanitize(copy);
    for (const char *at = copy; *at != '\0'; at++) {
        const char *entity = NULL;
        for (size_t i = 0; i < CLO_COUNT(entities); i++)
            if (entities[i].character == *at)
                entity = entities[i].entity;
        if (entity != NULL)
            clo_buffer_text(page->out, entity);
        else
            clo_buffer_u8(page->out, (uint8_t)*at);
    }
}

void page_element(const struct page *page, const char *tag, const char *text)
{
    clo_buffer_printf(page->out, "<%s>", tag);
    page_text(page, text);
    clo_buffer_printf(page->out, "</%.*s>\n", (int)strcspn(tag, " "), tag);
}

const char *page_state_symbol(enum state state)
{
    static const char *const symbols[] = { "✓", "✗", "?" };

    return symbols[state];
}

const char *page_state_word(const struct page *page, enum state state)
{
    switch (state) {
    case STATE_GOOD:
        return T("holds");
    case STATE_BAD:
        return T("does not hold");
    default:
        return T("not shown");
    }
}

static const char *state_class(enum state state)
{
    static const char *const classes[] = { "good", "bad", "open" };

    return classes[state];
}

void page_state(const struct page *page, enum state state)
{
    clo_buffer_printf(page->out, "<span class=\"state %s\"><span aria-hidden=\"true\">%s</span> ",
                      state_class(state), page_state_symbol(state));
    page_text(page, page_state_word(page, state));
    page_markup(page, "</span>");
}

const char *page_stage_name(const struct page *page, enum stage stage)
{
    switch (stage) {
    case STAGE_PROCESSOR:
        return T("Processor");
    case STAGE_FIRMWARE:
        return T("Firmware");
    case STAGE_BOOT:
        return T("Boot file");
    case STAGE_KERNEL:
        return T("Kernel");
    default:
        return T("Disk");
    }
}

const char *page_string(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value == NULL ? "" : value;
}

/* --- What the inputs say --- */

enum state page_finding_state(const json_t *finding)
{
    const char *result = page_string(finding, "result");

    return strcmp(result, "pass") == 0      ? STATE_GOOD
           : strcmp(result, "unknown") == 0 ? STATE_OPEN
                                            : STATE_BAD;
}

enum state page_check_state(const json_t *check)
{
    const char *result = page_string(check, "result");

    return strcmp(result, "pass") == 0   ? STATE_GOOD
           : strcmp(result, "fail") == 0 ? STATE_BAD
                                         : STATE_OPEN;
}

/* A bad part makes the whole bad, an open one makes it open; nothing at all leaves it open. */
struct tally {
    size_t good, bad, open;
};

static void count(struct tally *tally, enum state state)
{
    *(state == STATE_GOOD ? &tally->good : state == STATE_BAD ? &tally->bad : &tally->open) += 1;
}

static enum state total(const struct tally *tally)
{
    return tally->bad > 0                        ? STATE_BAD
           : tally->open > 0 || tally->good == 0 ? STATE_OPEN
                                                 : STATE_GOOD;
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What a kernel could do, and is told to do, is about the kernel: it shows nothing of the file or disk that
 * it will be in. */
static enum stage stage_of_finding(const json_t *finding)
{
    const char *id = page_string(finding, "id");

    if (strcmp(id, "image.uki") == 0 || begins(id, "uki.") || begins(id, "guest.pcr"))
        return STAGE_BOOT;
    if (begins(id, "image.") || begins(id, "guest.mounts") || begins(id, "guest.swap"))
        return STAGE_DISK;
    if (begins(id, "guest.secure_boot") || begins(id, "guest.setup_mode"))
        return STAGE_FIRMWARE;
    if (begins(id, "guest.tee") || begins(id, "guest.memory") || begins(id, "guest.snp") ||
        begins(id, "guest.tdx") || begins(id, "guest.tpm"))
        return STAGE_PROCESSOR;
    return STAGE_KERNEL;
}

/* "appraise.measurement" and "…pcr.0" to 7 are about firmware, other registers about what it starts; what is
 * left is about the processor and its makers' signatures. */
static enum stage stage_of_check(const json_t *check)
{
    const char *id = page_string(check, "id");
    const char *pcr = strstr(id, "pcr");

    if (strstr(id, "luks") != NULL || strstr(id, "volume") != NULL)
        return STAGE_DISK;
    if (strstr(id, "measurement") != NULL || strstr(id, "mr_td") != NULL ||
        strstr(id, "rtmr0") != NULL)
        return STAGE_FIRMWARE;
    if (pcr != NULL)
        return pcr[3] == '.' && pcr[4] >= '0' && pcr[4] <= '3' && pcr[5] == '\0' ? STAGE_FIRMWARE
                                                                                 : STAGE_BOOT;
    if (strstr(id, "eventlog") != NULL || strstr(id, "rtmr") != NULL)
        return STAGE_BOOT;
    return STAGE_PROCESSOR;
}

/* A check that nobody asked for is no doubt about what was asked: it counts only where nothing else does. */
static void count_checks(const struct page *page, struct tally tallies[STAGES])
{
    json_t *check;
    size_t i;

    json_array_foreach (json_object_get(page->in->appraisal, "checks"), i, check)
        if (page_check_state(check) != STATE_OPEN)
            count(&tallies[stage_of_check(check)], page_check_state(check));
}

static void count_findings(const struct page *page, struct tally tallies[STAGES])
{
    json_t *finding;
    size_t i;

    json_array_foreach (json_object_get(page->in->audit, "findings"), i, finding)
        if (strcmp(page_string(finding, "severity"), "required") == 0)
            count(&tallies[stage_of_finding(finding)], page_finding_state(finding));
}

void page_find_stages(struct page *page)
{
    struct tally tallies[STAGES] = { { 0 } };
    const json_t *root = json_object_get(page->in->image, "root");

    count_findings(page, tallies);
    count_checks(page, tallies);
    if (page->in->image != NULL)
        count(&tallies[STAGE_DISK],
              json_is_true(json_object_get(root, "fit")) ? STATE_GOOD : STATE_BAD);
    for (size_t i = 0; i < STAGES; i++)
        page->stages[i] = total(&tallies[i]);
}

enum state page_overall(const struct page *page)
{
    struct tally tally = { 0 };

    for (size_t i = 0; i < STAGES; i++)
        count(&tally, page->stages[i]);
    if (page->in->appraisal != NULL &&
        strcmp(page_string(page->in->appraisal, "status"), "affirming") != 0)
        count(&tally, strcmp(page_string(page->in->appraisal, "status"), "warning") == 0
                              ? STATE_OPEN
                              : STATE_BAD);
    return total(&tally);
}
