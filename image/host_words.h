/* The words that an image's command line has so that its root takes nothing from the host: measured with it. */
#ifndef CLOISTER_IMAGE_HOST_WORDS_H
#define CLOISTER_IMAGE_HOST_WORDS_H

#include "cloister/json.h"

/* Appends `given` and those of our words whose key it does not have already: what the owner says himself stays,
 * and is the audit's to judge. An empty command line stays empty. */
CLO_MUST_USE bool clo_host_words_add(const char *given, bool allows_cloud_init,
                                     struct clo_buffer *out, struct clo_error *err);
/* Is it one of the words (of --allow-host) that the image lets in? NULL has none. */
bool clo_host_words_have(const json_t *allowed, const char *wanted);

#endif
