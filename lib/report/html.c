#include "lib/report/html.h"

#include <string.h>

void clo_html_text(struct clo_buffer *out, const char *text)
{
    static const struct {
        char character;
        const char *entity;
    } entities[] = {
        { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" },
    };
    CLO_CLEANUP(clo_freep) char *copy = strdup(text);

    if (copy == NULL) {
        out->failed = true;
        return;
    }
    clo_sanitize(copy);
    for (const char *at = copy; *at != '\0'; at++) {
        const char *entity = NULL;
        for (size_t i = 0; i < CLO_COUNT(entities); i++)
            if (entities[i].character == *at)
                entity = entities[i].entity;
        if (entity != NULL)
            clo_buffer_text(out, entity);
        else
            clo_buffer_u8(out, (uint8_t)*at);
    }
}

void clo_html_element(struct clo_buffer *out, const char *tag, const char *text)
{
    clo_buffer_printf(out, "<%s>", tag);
    clo_html_text(out, text);
    clo_buffer_printf(out, "</%.*s>\n", (int)strcspn(tag, " "), tag);
}
