/* What a TDX guest's kernel offers about itself: /dev/tdx_guest, which hands out a TDREPORT (Linux 6.2,
 * uapi/linux/tdx-guest.h), and the measurement registers in sysfs (Linux 6.16,
 * Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest).
 *
 * A TDREPORT proves something on this machine alone: a quoting enclave makes a quote of it. Register
 * values read here are for this guest's own use; what others believe is in a quote. */
#ifndef CLOISTER_DEVICE_TDX_GUEST_H
#define CLOISTER_DEVICE_TDX_GUEST_H

#include "cloister/base.h"

#define CLO_TDX_GUEST_DEVICE       "/dev/tdx_guest"
#define CLO_TDX_GUEST_MEASUREMENTS "/sys/devices/virtual/misc/tdx_guest/measurements"
#define CLO_TDX_GUEST_REPORT_SIZE  1024
#define CLO_TDX_GUEST_MR_SIZE      48
#define CLO_TDX_GUEST_RTMRS        4

/* ioctl(2); tests bring their own. Returns 0 or an errno. */
typedef int clo_tdx_guest_ioctl(void *context, unsigned long request, void *argument);

/* A TDREPORT over 64 bytes. CLO_ERR_UNAVAILABLE: there is no such device. */
CLO_MUST_USE bool clo_tdx_guest_report(const char *device, struct clo_bytes report_data,
                                       struct clo_buffer *out, struct clo_error *err);
CLO_MUST_USE bool clo_tdx_guest_report_by(clo_tdx_guest_ioctl *call, void *context,
                                          struct clo_bytes report_data, struct clo_buffer *out,
                                          struct clo_error *err);

/* A register by its name in the folder: "mrtd:sha384", "rtmr0:sha384", "mrconfigid", "mrowner",
 * "mrownerconfig". */
CLO_MUST_USE bool clo_tdx_guest_read(const char *folder, const char *name,
                                     uint8_t out[CLO_TDX_GUEST_MR_SIZE], struct clo_error *err);
/* RTMR = SHA-384(RTMR || digest). There is no way back. */
CLO_MUST_USE bool clo_tdx_guest_extend(const char *folder, unsigned rtmr, struct clo_bytes digest,
                                       struct clo_error *err);

#endif
