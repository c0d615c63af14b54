/* What a disk image of anybody's is: how it is laid out, what is encrypted and how, who can open it, what firmware starts,
 * what its host can read, and what `image convert` would do with it. All of it is what stands on the disk: nothing is
 * believed, and nothing of an encrypted partition is seen but its header. */
#ifndef CLOISTER_IMAGE_SURVEY_H
#define CLOISTER_IMAGE_SURVEY_H

#include "cloister/json.h"
#include "image/layout.h"

/* An object: "container", "table", "bytes", "disk", "partitions", "root", "uki", "host_reads", "wrong", "convert";
 * `*is_fit`: a guest would open its root. */
CLO_MUST_USE bool clo_survey(struct clo_container *disk, json_t **out, bool *is_fit,
                             struct clo_error *err);
/* A disk, or a disk image's root, and its header in a file of its own: an object of "container", "bytes", "offset", "header"; `*is_fit`: the header
 * passes the white list, and nothing on the disk is against it. */
CLO_MUST_USE bool clo_survey_header(struct clo_container *disk, const struct clo_container *header,
                                    json_t **out, bool *is_fit, struct clo_error *err);
/* The UKI that firmware starts from the first ESP. CLO_ERR_FORMAT: there is none. */
CLO_MUST_USE bool clo_survey_uki(struct clo_container *disk, struct clo_buffer *out,
                                 struct clo_error *err);

#endif
