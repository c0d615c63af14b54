/* A system's fstab and crypttab, as an installer leaves them, made to fit a disk that has an ESP and an encrypted root
 * alone: pure text. Lines that go stay as comments, so that people see what was there. */
#ifndef CLOISTER_IMAGE_FSTAB_H
#define CLOISTER_IMAGE_FSTAB_H

#include "cloister/base.h"

#define CLO_FSTAB_TEXT 256

struct clo_fstab_line {
    char device[CLO_FSTAB_TEXT], folder[CLO_FSTAB_TEXT], type[CLO_FSTAB_TEXT],
            options[CLO_FSTAB_TEXT];
};

enum clo_fstab_what {
    CLO_FSTAB_KEEP, /* no disk's: tmpfs, a network's, a bind mount, a file as swap */
    CLO_FSTAB_ROOT,
    CLO_FSTAB_BOOT, /* /boot: its files come into the root */
    CLO_FSTAB_ESP,  /* firmware's: nothing in the guest mounts it */
    CLO_FSTAB_SWAP,
    CLO_FSTAB_DATA, /* another file system of the disk */
};

/* The next line with an entry; false: there are no more. */
bool clo_fstab_next(struct clo_bytes *rest, struct clo_fstab_line *out);
enum clo_fstab_what clo_fstab_what(const struct clo_fstab_line *line);
bool clo_fstab_has_option(const struct clo_fstab_line *line, const char *option);
/* NAME=VALUE among the options. */
bool clo_fstab_option(const struct clo_fstab_line *line, const char *name,
                      char out[CLO_FSTAB_TEXT]);

/* The root comes from /dev/mapper/root; what has no place on the new disk becomes a comment. */
CLO_MUST_USE bool clo_fstab_adapt(struct clo_bytes in, struct clo_buffer *out,
                                  struct clo_error *err);
/* The same for a root that is mounted already, and has no device to be mounted again from: its line becomes a comment too. */
CLO_MUST_USE bool clo_fstab_adapt_read_only(struct clo_bytes in, struct clo_buffer *out,
                                            struct clo_error *err);
/* Entries become comments: their disks are not there. */
CLO_MUST_USE bool clo_crypttab_adapt(struct clo_bytes in, struct clo_buffer *out,
                                     struct clo_error *err);

/* What a GRUB configuration (etc/default/grub) gives its kernels, appended to `out`: of its two variables, without what
 * names disks. */
CLO_MUST_USE bool clo_grub_cmdline(struct clo_bytes in, struct clo_buffer *out,
                                   struct clo_error *err);
/* Of a boot loader entry (UAPI.1, type 1; /boot/loader/entries), if it starts the kernel of that release: its options.
 * Else, and for words that a boot loader would have to fill in ("$kernelopts"), nothing is appended. */
CLO_MUST_USE bool clo_bls_cmdline(struct clo_bytes in, const char *release, struct clo_buffer *out,
                                  struct clo_error *err);
/* The words of a command line that are not about finding a root. */
CLO_MUST_USE bool clo_cmdline_keep(struct clo_bytes in, struct clo_buffer *out,
                                   struct clo_error *err);

#endif
