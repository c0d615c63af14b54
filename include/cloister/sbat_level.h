/* SBAT: which generation of its components an image has, and which a shim still starts. (shim, SBAT.md,
 * and its EFI variable SbatLevel.)
 *
 * Shim's own rule, and of those it starts alone: a firmware knows nothing of it. */
#ifndef CLOISTER_SBAT_LEVEL_H
#define CLOISTER_SBAT_LEVEL_H

#include "cloister/base.h"

CLO_BEGIN_C

#define CLO_SBAT_NAME_MAX 64

struct clo_sbat_entry {
    char name[CLO_SBAT_NAME_MAX]; /* "grub.debian" */
    uint32_t generation;
    struct clo_bytes rest; /* vendor, package, version, URL; or the date of a level */
};

/* The next line of an .sbat section or a level, from *at on, which moves past it. A NUL ends the
 * text, too; a line of another form is CLO_ERR_FORMAT. */
CLO_API CLO_MUST_USE enum clo_next clo_sbat_next(struct clo_bytes text, size_t *at,
                                                 struct clo_sbat_entry *out, struct clo_error *err);

struct clo_sbat_verdict {
    bool is_allowed;
    char text[200]; /* for people: which component, and why */
};
/* Would a shim with this level start an image with this .sbat section? Without one (an empty view) it
 * would not. False only for malformed texts. */
CLO_API CLO_MUST_USE bool clo_sbat_check(struct clo_bytes sbat, struct clo_bytes level,
                                         struct clo_sbat_verdict *out, struct clo_error *err);

CLO_END_C

#endif
