/* A distribution's disk as it is, turned into a confidential one: root, kernel, modules and command line are found in it;
 * its root's ext4 file system is kept as it is, but for the few files that name disks and boot loaders, and encrypted.
 * The input is read and never written to, unless it is to become the image itself (image/in_place.h). */
#ifndef CLOISTER_IMAGE_CONVERT_H
#define CLOISTER_IMAGE_CONVERT_H

#include "image/builder.h"

struct clo_convert_spec {
    const char *input;
    const char *root_partition;     /* its number; NULL: the only one that there is */
    const char *root_subvolume;     /* of a btrfs; NULL: the one with an init */
    const char *release;            /* of the kernel; NULL: the newest */
    struct clo_list dropped;        /* folders whose partitions stay behind */
    bool is_in_place;               /* the input becomes the image: it is the output, too */
    bool resumes;                   /* was asked to; there may be nothing to go on with */
    void (*tell)(const char *line); /* what was found and changed; NULL: nobody is told */
};

/* clo_journal_prepare() comes first. `base`: as for clo_image_build(), with kernel, modules, command line and os-release only where the owner has his own. */
CLO_MUST_USE bool clo_image_convert(const struct clo_convert_spec *spec,
                                    const struct clo_image_spec *base, struct clo_image_result *out,
                                    struct clo_error *err);

#endif
