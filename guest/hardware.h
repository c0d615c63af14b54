/* A hardware report or quote, from whatever this kernel and host offer: configfs-tsm, else
 * /dev/sev-guest, else /dev/tdx_guest with the host's quoting service over vsock.
 *
 * What comes is evidence for a verifier. */
#ifndef CLOISTER_GUEST_HARDWARE_H
#define CLOISTER_GUEST_HARDWARE_H

#include "device/qgs.h"
#include "device/sev_guest.h"
#include "device/tdx_guest.h"
#include "device/tsm.h"

/* Where to ask; NULL and 0: not there. */
struct clo_hardware {
    const char *tsm_root;  /* CLO_TSM_ROOT */
    const char *sev_guest; /* CLO_SEV_GUEST_DEVICE */
    const char *tdx_guest; /* CLO_TDX_GUEST_DEVICE */
    unsigned qgs_port;     /* CLO_QGS_PORT */
};
extern const struct clo_hardware clo_hardware_default;

struct clo_hardware_request {
    struct clo_bytes report_data; /* 64 bytes */
    int vmpl;                     /* -1: the guest's own */
    bool without_table;           /* leaves out the host's certificate table */
    const char *service_provider; /* as in device/tsm.h, which alone offers it */
    const char *service_guid;
    int service_manifest_version;
};

struct clo_hardware_report {
    char provider[32];          /* one that clo_tee_of_provider() knows, or another */
    const char *source;         /* "configfs-tsm", "/dev/sev-guest", "QGS": static */
    struct clo_buffer report;   /* or the quote */
    struct clo_buffer table;    /* SEV-SNP: certificates, if the host gave any */
    struct clo_buffer manifest; /* of a service provider */
};
void clo_hardware_report_free(struct clo_hardware_report *report); /* for CLO_CLEANUP */

/* CLO_ERR_UNAVAILABLE: none of them is there; the error says of each why not. */
CLO_MUST_USE bool clo_hardware_get(const struct clo_hardware *from,
                                   const struct clo_hardware_request *request,
                                   struct clo_hardware_report *out, struct clo_error *err);

#endif
