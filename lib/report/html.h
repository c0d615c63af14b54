/* What every page of Cloister's is made with: text that is only text, and one look. Such a page loads nothing and runs nothing. */
#ifndef CLOISTER_LIB_REPORT_HTML_H
#define CLOISTER_LIB_REPORT_HTML_H

#include "cloister/base.h"

/* Escaped; control characters and what is not UTF-8 become "?". */
void clo_html_text(struct clo_buffer *out, const char *text);
/* <tag>text</tag>: `tag` may have attributes. */
void clo_html_element(struct clo_buffer *out, const char *tag, const char *text);
/* The style sheet, without the element that it stands in: for light and dark screens, telephones and paper. */
void clo_html_style(struct clo_buffer *out);

#endif
