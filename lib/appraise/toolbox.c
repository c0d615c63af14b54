/* What every part of an appraisal says: warnings and claims. */
#include <stdio.h>

#include "appraise_internal.h"

void appraise_warn(struct work *w, const char *format, ...)
{
    struct clo_appraisal *appraisal = w->appraisal;
    va_list args;

    if (appraisal->warning_count == APPRAISE_WARNINGS_MAX)
        return;
    char *text = appraisal->warnings[appraisal->warning_count++];
    va_start(args, format);
    vsnprintf(text, sizeof appraisal->warnings[0], format, args);
    va_end(args);
    clo_sanitize(text);
}

bool appraise_claim(struct work *w, const char *name, json_t *value, struct clo_error *err)
{
    return json_object_set_new(w->appraisal->claims, name, value) == 0 || clo_out_of_memory(err);
}
