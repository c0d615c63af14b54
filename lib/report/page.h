/* What the files of this room share: the page that is being written, and what its parts found. */
#ifndef CLOISTER_REPORT_PAGE_H
#define CLOISTER_REPORT_PAGE_H

#include "cloister/report.h"

enum state {
    STATE_GOOD,
    STATE_BAD,
    STATE_OPEN, /* unknown, or nobody looked */
};

/* The links of the chain from silicon to disk. */
enum stage {
    STAGE_PROCESSOR,
    STAGE_FIRMWARE,
    STAGE_BOOT,
    STAGE_KERNEL,
    STAGE_DISK,
};
#define STAGES 5

struct page {
    struct clo_buffer *out;
    const struct clo_report_input *in;
    enum state stages[STAGES];
};

/* A text in the reader's language: for xgettext, too. */
#define T(text) (page->in->translate(text))

/* Escaped; control characters and what is no UTF-8 become U+FFFD. */
void page_text(const struct page *page, const char *text);
/* Markup as it is. */
void page_markup(const struct page *page, const char *markup);
/* <p>text</p>, <h2>, <li>…: `tag` may have attributes. */
void page_element(const struct page *page, const char *tag, const char *text);
/* A symbol and a word for a state: never colour alone. */
void page_state(const struct page *page, enum state state);
const char *page_state_word(const struct page *page, enum state state);
const char *page_state_symbol(enum state state);
const char *page_stage_name(const struct page *page, enum stage stage);

const char *page_string(const json_t *object, const char *key);
enum state page_finding_state(const json_t *finding);
enum state page_check_state(const json_t *check);
/* What the parts of the inputs say of each stage. */
void page_find_stages(struct page *page);
enum state page_overall(const struct page *page);

void page_style(const struct page *page);
void page_chain(const struct page *page);
void page_disks(const struct page *page);
void page_summary(const struct page *page);
void page_key(const struct page *page);
void page_doubts(const struct page *page);
void page_verdicts(const struct page *page);
void page_annex(const struct page *page);

#endif
