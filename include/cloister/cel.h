/* The Canonical Event Log (TCG, Canonical Event Log Format 1.1, sections 4 and 5.2; 1.0 for the JSON
 * example): records of firmware, of the kernel's IMA and of systemd in one form, as JSON or CBOR.
 *
 * Read, a log becomes a crypto-agile one, so that all that knows event logs knows it; what is believed of
 * it is what is believed of any: that its digests lead to a quote. */
#ifndef CLOISTER_CEL_H
#define CLOISTER_CEL_H

#include "cloister/eventlog.h"
#include "cloister/ima.h"
#include "cloister/userlog.h"

CLO_BEGIN_C

enum clo_cel_encoding {
    CLO_CEL_JSON, /* an array of records */
    CLO_CEL_CBOR, /* the same, in deterministic encoding */
};

/* Does it look like one? For callers that are given any file. */
CLO_API bool clo_cel_is(struct clo_bytes in, enum clo_cel_encoding *out);
/* Appends the log in its binary, crypto-agile form. Firmware's events come back byte for byte; those of
 * IMA and systemd become EV_IPL with their template or text as data. Records of NV indexes are passed
 * over: they are in no PCR. A Spec ID event that the log does not have is made: `*is_header_made`. */
CLO_API CLO_MUST_USE bool clo_cel_read(struct clo_bytes in, enum clo_cel_encoding encoding,
                                       struct clo_buffer *out, bool *is_header_made,
                                       struct clo_error *err);
/* Has the form a name for this record's register? Of a PCR, or in a CCEL log an RTMR; of an NV index. */
CLO_API bool clo_cel_names(const struct clo_eventlog *log, const struct clo_userlog_event *event);
/* Appends a log made of these, in this order; `userlog` and `ima` may be NULL. Records whose register the
 * form has no name for are left out. IMA's entries get a
 * digest for every bank of the firmware's log that we know. An event of the firmware's without any
 * digest is CLO_ERR_UNSUPPORTED. */
CLO_API CLO_MUST_USE bool clo_cel_write(const struct clo_eventlog *log, const struct clo_ima *ima,
                                        const struct clo_userlog *userlog,
                                        enum clo_cel_encoding encoding, struct clo_buffer *out,
                                        struct clo_error *err);

CLO_END_C

#endif
