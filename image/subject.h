/* What an audit is about, read from files: a kernel configuration, a kernel, a package, a UKI, a whole
 * disk, a command line. Told apart by their first bytes. */
#ifndef CLOISTER_IMAGE_SUBJECT_H
#define CLOISTER_IMAGE_SUBJECT_H

#include "cloister/audit.h"

struct clo_subject {
    bool about[CLO_AUDIT_WHAT_COUNT];
    struct clo_kconfig *config; /* NULL: not known, as all of these */
    char *cmdline;              /* as it was given */
    char *in_force;             /* what the kernel makes of it: clo_subject_facts() fills it */
    char release[128];
    json_t *modules;
    bool modules_may_be_more; /* as loaded modules of a machine that runs are */
    json_t *named;
};

/* subject.c: what is known of a subject, by its parts in memory. */
CLO_MUST_USE bool clo_subject_new(struct clo_subject *out, struct clo_error *err);
void clo_subject_free(struct clo_subject *subject); /* for CLO_CLEANUP */
/* What a subject lacks: an initrd next to a kernel, a configuration (or something that holds one) next to a
 * UKI, a command line. */
CLO_MUST_USE bool clo_subject_add_initrd(struct clo_subject *subject, const char *path,
                                         struct clo_error *err);
CLO_MUST_USE bool clo_subject_add_cmdline(struct clo_subject *subject, const char *text,
                                          struct clo_error *err);
/* A fact by name: "guest.secure_boot". */
CLO_MUST_USE bool clo_subject_set(struct clo_subject *subject, const char *name, const char *value,
                                  struct clo_error *err);
CLO_MUST_USE bool subject_add_config(struct clo_subject *subject, struct clo_bytes text,
                                     struct clo_error *err);
CLO_MUST_USE bool clo_subject_add_kernel(struct clo_subject *subject, struct clo_bytes kernel,
                                         struct clo_error *err);
CLO_MUST_USE bool clo_subject_add_uki(struct clo_subject *subject, struct clo_bytes image,
                                      struct clo_error *err);
/* Borrows everything. The command line is the one that is in force; "kernel.cmdline_whole" says whether
 * all that was given is in it. */
void clo_subject_facts(struct clo_subject *subject, struct clo_audit_facts *out);

/* subject_disk.c */
CLO_MUST_USE bool clo_subject_add_disk(struct clo_subject *subject, int fd, struct clo_error *err);

/* subject_file.c: of whatever kind the file is; the bytes of one, whatever they are but a package or a disk. */
CLO_MUST_USE bool clo_subject_add(struct clo_subject *subject, const char *path,
                                  struct clo_error *err);
CLO_MUST_USE bool clo_subject_add_bytes(struct clo_subject *subject, struct clo_bytes in,
                                        struct clo_error *err);

/* command_line.c: of a kernel that is started with the subject's; NULL: not known. To be freed. */
char *subject_command_line(const struct clo_subject *subject, bool *is_whole);

#endif
