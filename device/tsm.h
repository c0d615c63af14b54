/* configfs-tsm: how Linux 6.7 and newer hands out hardware reports (SEV-SNP, TDX, SVSM), after
 * Documentation/ABI/testing/configfs-tsm-report.
 *
 * What comes out is evidence, to be verified elsewhere. The folder is shared by everybody on the
 * machine, so the generation is read before and after: a report that another process asked for in
 * between is refused, not handed out as ours. */
#ifndef CLOISTER_DEVICE_TSM_H
#define CLOISTER_DEVICE_TSM_H

#include "cloister/base.h"

#define CLO_TSM_ROOT          "/sys/kernel/config/tsm/report"
#define CLO_TSM_INBLOB_MAX    64 /* SEV-SNP takes exactly these */
#define CLO_TSM_PRIVLEVEL_MAX 3

struct clo_tsm_request {
    struct clo_bytes inblob;
    int privlevel; /* the VMPL; -1: the lowest that the provider allows, where it knows of any */
    /* An attestation of what runs at VMPL 0 next to the guest (AMD 58019, section 7): "svsm", and the
     * service; without a service, all of them. NULL: a plain report. */
    const char *service_provider;
    const char *service_guid;
    int service_manifest_version; /* -1: the service's first */
};

struct clo_tsm_report {
    char provider[32];              /* "sev_guest", "tdx_guest" */
    struct clo_buffer outblob;      /* the report or quote */
    struct clo_buffer auxblob;      /* SEV-SNP: the certificate table, if the host gave one */
    struct clo_buffer manifestblob; /* of a service provider */
    uint64_t generation;
};

/* What is done to the folder; each returns 0 or an errno. A file system cannot play the kernel's part
 * (a report that appears, a generation that moves), so tests bring these. */
struct clo_tsm_io {
    int (*make)(void *context, const char *entry);
    void (*remove)(void *context, const char *entry);
    int (*read)(void *context, const char *entry, const char *attribute, struct clo_buffer *out);
    int (*write)(void *context, const char *entry, const char *attribute, struct clo_bytes bytes);
    void (*sleep)(void *context, unsigned milliseconds);
    void *context;
    const char *name; /* for errors: the folder */
};

/* Asks for one report. Another process's writes, and a provider that is busy, are waited out, a few
 * times. No such folder, or no provider behind it, is CLO_ERR_UNAVAILABLE. */
CLO_MUST_USE bool clo_tsm_get(const char *root, const struct clo_tsm_request *request,
                              struct clo_tsm_report *out, struct clo_error *err);
CLO_MUST_USE bool clo_tsm_get_by(const struct clo_tsm_io *io, const struct clo_tsm_request *request,
                                 struct clo_tsm_report *out, struct clo_error *err);
void clo_tsm_report_free(struct clo_tsm_report *report); /* for CLO_CLEANUP: leaves it empty */

#endif
