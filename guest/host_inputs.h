/* What the host hands in besides the disk: looked for wherever systemd, cloud-init and guest agents look,
 * before the broker is asked and again before the root starts. What the image does not allow is told.
 *
 * Everything is read below a root folder, as in guest/facts.h: a test's host is a tree of files. What a
 * driver that is not loaded would show is not seen here: the command line and the masked units close that. */
#ifndef CLOISTER_GUEST_HOST_INPUTS_H
#define CLOISTER_GUEST_HOST_INPUTS_H

#include "guest/host_allow.h"

/* One thing that was handed in and is not allowed, for people: `credential "tmpfiles.extra" in SMBIOS`. */
typedef void clo_host_found(void *context, const char *what);

struct clo_host_look {
    const char *root; /* "/" */
    const struct clo_host_allow *allow;
    const char *cmdline;            /* the image's own; NULL: not known, and not compared */
    const json_t *profile_cmdlines; /* those of its UKI's further profiles; NULL: none */
    clo_host_found *found;
    void *context;
};

/* False if something could not be looked at: then nobody knows. */
CLO_MUST_USE bool clo_host_look(const struct clo_host_look *look, struct clo_error *err);
/* Disks next to `own` ("vda"). */
CLO_MUST_USE bool clo_host_look_at_disks(const struct clo_host_look *look, const char *own,
                                         struct clo_error *err);

/* A credential that the image allows, as it came. */
struct clo_host_credential {
    char name[CLO_HOST_WORD_MAX];
    struct clo_buffer value;
};
#define CLO_HOST_CREDENTIALS_MAX (2 * CLO_HOST_WORDS_MAX)

/* Collects the allowed credentials, each with its signature NAME.sig where the image names a key: ECDSA
 * with SHA-256 (DER), or RSA PKCS #1, over NAME, a NUL and the value. One that does not verify is refused. */
CLO_MUST_USE bool clo_host_credentials(const struct clo_host_look *look,
                                       struct clo_host_credential out[CLO_HOST_CREDENTIALS_MAX],
                                       size_t *count, struct clo_error *err);
void clo_host_credentials_free(struct clo_host_credential *credentials, size_t count);

#endif
