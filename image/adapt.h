/* Inside a root that moves to another disk: its fstab, crypttab, kernels and boot loader hooks; and what is found there
 * to start it with. */
#ifndef CLOISTER_IMAGE_ADAPT_H
#define CLOISTER_IMAGE_ADAPT_H

#include "image/convert.h"
#include "image/ext_files.h"
#include "image/layout.h"
#include "image/source_btrfs.h"

struct adapt {
    const struct clo_convert_spec *spec;
    const struct clo_container *disk;
    const struct clo_layout *layout;
    const struct clo_layout_part *root;
    const struct clo_joined *joined; /* folders of subvolumes that are part of the root now */
    bool is_read_only; /* the root stays as it is, and what is written goes to memory */
    bool has_no_disk;  /* a folder or an archive: /boot is what is there */
    const char *scratch;
    struct clo_buffer *entries; /* boot loader entries of a /boot of its own, each after its size */
    ext2_filsys fs;             /* the root's, open to be written to */
};

void adapt_tell(const struct adapt *adapt, const char *format, ...) CLO_PRINTF(2, 3);

/* Before anything is changed: does each file system of fstab have a place on the new disk? */
CLO_MUST_USE bool adapt_check_fstab(const struct adapt *adapt, struct clo_error *err);
/* In place, what else the disk has is lost: nothing that was not taken over, or named by --drop, may hold anything. */
CLO_MUST_USE bool adapt_check_parts(const struct adapt *adapt, struct clo_error *err);
/* The kernels of a /boot of its own come into the root's folder. */
CLO_MUST_USE bool adapt_boot(const struct adapt *adapt, struct clo_error *err);
CLO_MUST_USE bool adapt_files(const struct adapt *adapt, struct clo_error *err);

/* What the UKI is made of, as files in the scratch folder. */
struct adapt_found {
    char release[256];
    char kernel[4200], modules[4400], osrel[4200];
    struct clo_buffer cmdline;
    uint64_t bytes,
            files; /* that were taken out so far: the root's maker decides how much there is */
};
/* The newest kernel that has its modules in the root, or the one of that release. */
CLO_MUST_USE bool adapt_find_kernel(const struct adapt *adapt, struct adapt_found *out,
                                    struct clo_error *err);
CLO_MUST_USE bool adapt_find_rest(const struct adapt *adapt, struct adapt_found *out,
                                  struct clo_error *err);

#endif
