/* /dev/nsm, the Nitro security module of an AWS enclave (uapi/linux/nsm.h, Linux 6.8): CBOR requests and answers. It signs a document
 * over what is asked for; what that is worth is for a verifier to say. */
#ifndef CLOISTER_DEVICE_NSM_H
#define CLOISTER_DEVICE_NSM_H

#include "cloister/base.h"

#define CLO_NSM_DEVICE        "/dev/nsm"
#define CLO_NSM_USER_DATA_MAX 512

/* ioctl(2); tests bring their own. Returns 0 or an errno. */
typedef int clo_nsm_ioctl(void *context, unsigned long request, void *argument);

/* The signed document (COSE_Sign1) over `user_data`. CLO_ERR_UNAVAILABLE: there is no such device. */
CLO_MUST_USE bool clo_nsm_document(const char *device, struct clo_bytes user_data,
                                   struct clo_buffer *out, struct clo_error *err);
CLO_MUST_USE bool clo_nsm_document_by(clo_nsm_ioctl *call, void *context,
                                      struct clo_bytes user_data, struct clo_buffer *out,
                                      struct clo_error *err);

/* {"Attestation": {"user_data": BYTES, "nonce": null, "public_key": null}} */
CLO_MUST_USE bool clo_nsm_request_write(struct clo_bytes user_data, struct clo_buffer *out,
                                        struct clo_error *err);
/* {"Attestation": {"document": BYTES}}: a view; {"Error": WORD} is CLO_ERR_SYSTEM with the word. */
CLO_MUST_USE bool clo_nsm_answer_parse(struct clo_bytes in, struct clo_bytes *out,
                                       struct clo_error *err);
/* The same at the beginning of `in`, where what comes after it means nothing. */
CLO_MUST_USE bool clo_nsm_answer_read(struct clo_bytes in, struct clo_bytes *out,
                                      struct clo_error *err);

#endif
