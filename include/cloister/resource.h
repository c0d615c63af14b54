/* Names of what a key broker keeps: "REPOSITORY/TYPE/TAG", and templates of such names.
 *
 * A template stands in the measured part of an image, and one image runs on many machines: "{chip}",
 * "{report_id}", "{vm}" and "{ak}" in it are replaced by what the evidence proves of the machine that
 * asks. The verifier does that; what the guest says of itself is not used. */
#ifndef CLOISTER_RESOURCE_H
#define CLOISTER_RESOURCE_H

#include "cloister/base.h"

CLO_BEGIN_C

#define CLO_RESOURCE_MAX      200 /* characters of a name */
#define CLO_INSTANCE_HEX_SIZE 65  /* lower-case hex of a SHA-256 digest, with the NUL */

enum clo_instance {
    CLO_INSTANCE_CHIP,      /* the processor (SEV-SNP), the platform (TDX) */
    CLO_INSTANCE_REPORT_ID, /* one launch of an SEV-SNP guest */
    CLO_INSTANCE_VM,        /* what the cloud calls the machine: its word alone */
    CLO_INSTANCE_AK,        /* the vTPM: its attestation key */
    CLO_INSTANCE_COUNT,
};

/* What verified evidence proves; an empty text where it does not. */
struct clo_instances {
    char hex[CLO_INSTANCE_COUNT][CLO_INSTANCE_HEX_SIZE];
};

CLO_API const char *clo_instance_name(enum clo_instance which); /* "chip" */

/* Three parts of letters, digits, '.', '_' and '-'; none begins with a '.'. */
CLO_API CLO_MUST_USE bool clo_resource_check(const char *path, struct clo_error *err);
/* The same, and placeholders. */
CLO_API CLO_MUST_USE bool clo_resource_template_check(const char *text, struct clo_error *err);
CLO_API bool clo_resource_has_placeholder(const char *text);
/* Appends the name that a template has on one machine; CLO_ERR_REFUSED, naming it, for a placeholder that is not
 * proven. */
CLO_API CLO_MUST_USE bool clo_resource_expand(const char *text,
                                              const struct clo_instances *instances,
                                              struct clo_buffer *out, struct clo_error *err);
/* Could `path` have come from this template? */
CLO_API bool clo_resource_matches(const char *text, const char *path);

CLO_END_C

#endif
