/* The report: one HTML page (HTML Living Standard; WCAG 2.2 AA is what it aims at) that answers, from an
 * audit, an appraisal and the look into a disk image, whether a machine can keep a secret: yes, no, or not
 * shown. The three are held together by digests; what was not shown never reads as shown.
 *
 * All text from its inputs is escaped; the page loads nothing and runs nothing. It says what its inputs
 * say: whether those are true is for those who made them. */
#ifndef CLOISTER_REPORT_H
#define CLOISTER_REPORT_H

#include "cloister/json.h"

CLO_BEGIN_C

/* Documents as the program prints them with --json; NULL: not given. At least one must be. */
struct clo_report_input {
    const json_t *audit;     /* of `cloister audit` */
    const json_t *appraisal; /* of `cloister verify` */
    const json_t *image;     /* of `cloister image inspect` */
    const char *title;       /* what it is about; NULL: the audit's subject */
    const char *language;    /* "en", "fr": of the page */
    const char *version;     /* of the program */
    int64_t now;
    bool without_annex;
    /* gettext(3), or one that gives its argument back. */
    const char *(*translate)(const char *text);
};

/* Puts a document where it belongs, by its members; one of a kind. */
CLO_API CLO_MUST_USE bool clo_report_take(struct clo_report_input *input, const json_t *document,
                                          struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_report_write(const struct clo_report_input *input,
                                           struct clo_buffer *out, struct clo_error *err);

CLO_END_C

#endif
