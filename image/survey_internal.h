/* What the parts of a survey share. */
#ifndef CLOISTER_IMAGE_SURVEY_INTERNAL_H
#define CLOISTER_IMAGE_SURVEY_INTERNAL_H

#include "image/survey.h"

/* A partition, or a disk without a table. */
struct survey_volume {
    const struct clo_container *disk;
    const struct clo_layout_part *part;
    const struct clo_container *
            header; /* NULL: on the volume; the disk itself: there is no more of it than a header */
};

/* Its beginning, as much as there is up to `limit`. */
CLO_MUST_USE bool survey_read_part(const struct clo_container *disk,
                                   const struct clo_layout_part *part, uint64_t limit,
                                   struct clo_buffer *out, struct clo_error *err);
/* A file that is too small for more than a detached header. */
bool survey_is_header(const struct clo_container *disk, const struct clo_layout_part *part);
/* `*is_fit`: it passes the white list. */
CLO_MUST_USE bool survey_luks(const struct survey_volume *volume, json_t **out, bool *is_fit,
                              struct clo_error *err);

#endif
