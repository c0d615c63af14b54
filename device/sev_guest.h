/* /dev/sev-guest: how Linux 5.19 and newer passes a guest's messages to the AMD Secure Processor
 * (Documentation/virt/coco/sev-guest.rst; AMD 56860, SEV-SNP Firmware ABI 1.58, sections 7.2 and 7.3).
 *
 * For kernels without configfs-tsm, and for derived keys, which that does not hand out. The certificate
 * table is the host's word. */
#ifndef CLOISTER_DEVICE_SEV_GUEST_H
#define CLOISTER_DEVICE_SEV_GUEST_H

#include "cloister/base.h"

#define CLO_SEV_GUEST_DEVICE "/dev/sev-guest"

struct clo_sev_guest;

/* ioctl(2), and a pause; tests bring their own. `ioctl` returns 0 or an errno. */
struct clo_sev_guest_io {
    int (*ioctl)(void *context, unsigned long request, void *argument);
    void (*sleep)(void *context, unsigned milliseconds);
    void *context;
};
/* CLO_ERR_UNAVAILABLE: there is no such device. */
CLO_MUST_USE bool clo_sev_guest_open(const char *path, struct clo_sev_guest **out,
                                     struct clo_error *err);
CLO_MUST_USE bool clo_sev_guest_new(const struct clo_sev_guest_io *io, struct clo_sev_guest **out,
                                    struct clo_error *err);
void clo_sev_guest_free(struct clo_sev_guest *guest);
void clo_sev_guest_freep(struct clo_sev_guest **guest);

/* One report over 64 bytes. `vmpl` -1: the lowest that the firmware grants. `table` NULL: a plain
 * report; else an extended one, and `table` gets the certificate table, empty if the host gave none. */
CLO_MUST_USE bool clo_sev_guest_report(struct clo_sev_guest *guest, struct clo_bytes report_data,
                                       int vmpl, struct clo_buffer *report,
                                       struct clo_buffer *table, struct clo_error *err);

/* What a derived key depends on besides chip and guest (MSG_KEY_REQ, table 20): a key that mixes in the
 * measurement is gone with the next firmware, one that mixes in nothing is every guest's on the chip. */
enum clo_sev_guest_field {
    CLO_SEV_FIELD_POLICY = 1 << 0,
    CLO_SEV_FIELD_IMAGE_ID = 1 << 1,
    CLO_SEV_FIELD_FAMILY_ID = 1 << 2,
    CLO_SEV_FIELD_MEASUREMENT = 1 << 3,
    CLO_SEV_FIELD_GUEST_SVN = 1 << 4,
    CLO_SEV_FIELD_TCB_VERSION = 1 << 5,
    CLO_SEV_FIELD_MIT_VECTOR = 1 << 6, /* a message of version 2 */
};
#define CLO_SEV_FIELDS         0x7fU
#define CLO_SEV_GUEST_KEY_SIZE 32

struct clo_sev_guest_key_request {
    bool root_is_vmrk;    /* the migration agent's root key instead of the chip's */
    uint32_t fields;      /* of the enum */
    uint32_t vmpl;        /* at least the guest's own */
    uint32_t guest_svn;   /* at most the ID block's; with CLO_SEV_FIELD_GUEST_SVN */
    uint64_t tcb_version; /* at most the committed one; with CLO_SEV_FIELD_TCB_VERSION */
    uint64_t mit_vector;  /* with CLO_SEV_FIELD_MIT_VECTOR */
};
/* By name, "policy", "image_id", …; 0: none of these. */
uint32_t clo_sev_guest_field(const char *name);

CLO_MUST_USE bool clo_sev_guest_derive_key(struct clo_sev_guest *guest,
                                           const struct clo_sev_guest_key_request *request,
                                           struct clo_secret **out, struct clo_error *err);

/* MSG_REPORT_RSP (table 23): the report in the firmware's answer; a view. */
CLO_MUST_USE bool clo_sev_guest_response_parse(struct clo_bytes in, struct clo_bytes *report,
                                               struct clo_error *err);
/* How much of a buffer the certificate table in it takes (AMD 56421, GHCB 2.04, section 4.1.8.1): to the
 * end of its last certificate; 0: an empty table. False if an entry points outside. */
CLO_MUST_USE bool clo_sev_guest_table_size(struct clo_bytes in, size_t *out, struct clo_error *err);

#endif
