/* What the files of this room share: the page that is being written, and what its parts found. */
#ifndef CLOISTER_REPORT_PAGE_H
#define CLOISTER_REPORT_PAGE_H

#include "cloister/report.h"
#include "lib/evidence/tee.h"

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

/* Are two documents about the same thing? */
enum bond {
    BOND_ABSENT, /* one of them was not given */
    BOND_SAME,
    BOND_DIFFERENT,
    BOND_UNKNOWN,
};

/* One thing that keeps the answer from being yes, and what to do about it. */
struct reason {
    enum state state;   /* BAD: it makes the answer no; OPEN: not shown */
    enum stage stage;   /* whose link it breaks */
    const char *text;   /* translated */
    const char *detail; /* of a document; NULL: none */
    const char *todo;   /* translated */
};
#define REASONS_MAX 40

struct page {
    struct clo_buffer *out;
    const struct clo_report_input *in;
    enum state stages[STAGES];
    bool is_below_break[STAGES]; /* it would hold, were the links above it shown */
    enum bond image_audit, evidence_audit, evidence_image, platform;
    struct reason reasons[REASONS_MAX]; /* what decides comes first */
    size_t reason_count;
    enum state answer;
    bool is_simulation;
};

/* A text in the reader's language: for xgettext, too. */
#define T(text) (page->in->translate(text))

/* --- Writing --- */

/* Escaped; control characters and what is not UTF-8 become "?". */
void page_text(const struct page *page, const char *text);
/* Markup as it is. */
void page_markup(const struct page *page, const char *markup);
/* <p>text</p>, <h2>, <li>…: `tag` may have attributes. */
void page_element(const struct page *page, const char *tag, const char *text);
/* A document's text: in the page's language where the catalogue knows it, else marked as English. */
void page_quoted(const struct page *page, const char *tag, const char *text);
/* A remedy of the audit, some of which are made from a rule and so in no catalogue. */
void page_remedy(const struct page *page, const char *tag, const char *text);
/* A symbol and a word for a state: never colour alone. */
void page_state(const struct page *page, enum state state);
const char *page_state_word(const struct page *page, enum state state);
const char *page_state_symbol(enum state state);
const char *page_state_class(enum state state);
const char *page_stage_name(const struct page *page, enum stage stage);
const char *page_answer_word(const struct page *page);
/* What a check is about, in words; NULL: only its id is known. */
const char *page_check_words(const struct page *page, const char *id);
/* <section aria-labelledby="id"><h2 id="id">title</h2> */
void page_section(const struct page *page, const char *id, const char *title);

/* --- Reading --- */

const char *page_string(const json_t *object, const char *key);
enum state page_finding_state(const json_t *finding);
enum state page_check_state(const json_t *check);
/* Did the appraisal make this check, and did it hold? */
bool page_check_passed(const struct page *page, const char *id);
/* Strict about what the page rests on: members, their types, and that a verdict fits its checks. */
CLO_MUST_USE bool read_audit(const json_t *document, struct clo_error *err);
CLO_MUST_USE bool read_appraisal(const json_t *document, struct clo_error *err);
CLO_MUST_USE bool read_image(const json_t *document, struct clo_error *err);

/* Do the documents belong together? */
void page_find_bonds(struct page *page);
/* The links of the chain, the reasons and the answer. */
void page_find_answer(struct page *page);

/* --- The parts of the page --- */

void page_style(const struct page *page);
void page_first(const struct page *page);
void page_chain(const struct page *page);
void page_disks(const struct page *page);
void page_journey(const struct page *page);
void page_limits(const struct page *page);
void page_doubts(const struct page *page);
void page_findings(const struct page *page);
void page_annex(const struct page *page);

#endif
