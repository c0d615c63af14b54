/* AWS's NitroTPM: a document about the TPM's registers, signed by AWS's Nitro hypervisor. It is asked by a command of the vendor's over an
 * NV index, which holds the request of the security module (device/nsm.h) before and its answer after (aws/NitroTPM-Tools,
 * nitro-tpm-attest, src/raw and src/tss/message_buffer.rs). */
#ifndef CLOISTER_DEVICE_TPM_NSM_H
#define CLOISTER_DEVICE_TPM_NSM_H

#include "device/tpm.h"

#define CLO_TPM_NSM_COMMAND 0x20000001U /* TPM2_VENDOR_AWS_NSM_REQUEST */
#define CLO_TPM_NSM_INDEX   0x0147c104U /* ours, for the time of one request */
#define CLO_TPM_NSM_SIZE    8192        /* a document is about 5 KiB */

/* The signed document (COSE_Sign1) over `user_data`, at most CLO_NSM_USER_DATA_MAX bytes. CLO_ERR_UNSUPPORTED: the TPM does not know the
 * command. One caller at a time: another one takes the index away. */
CLO_MUST_USE bool clo_tpm_nsm_document(struct clo_tpm *tpm, struct clo_bytes user_data,
                                       struct clo_buffer *out, struct clo_error *err);

#endif
