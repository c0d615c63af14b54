/* Text forms of bytes: hex, base64 and base64url (RFC 4648), GUIDs (UEFI 2.10 appendix A), and
 * UTF-16LE as firmware writes it. Decoders are strict: no spaces, no missing padding, no bits left
 * over, nothing after the end. */
#ifndef CLOISTER_ENCODING_H
#define CLOISTER_ENCODING_H

#include "cloister/base.h"

CLO_BEGIN_C

CLO_API void clo_hex_write(struct clo_bytes in, struct clo_buffer *out); /* lower case */
CLO_API CLO_MUST_USE bool clo_hex_read(struct clo_bytes text, struct clo_buffer *out,
                                       struct clo_error *err);
/* Writes 2 * in.size + 1 characters into `out`, which must be that large; returns `out`. */
CLO_API char *clo_hex_text(struct clo_bytes in, char *out);

CLO_API void clo_base64_write(struct clo_bytes in, struct clo_buffer *out);
CLO_API CLO_MUST_USE bool clo_base64_read(struct clo_bytes text, struct clo_buffer *out,
                                          struct clo_error *err);
CLO_API void clo_base64url_write(struct clo_bytes in, struct clo_buffer *out); /* no padding */
CLO_API CLO_MUST_USE bool clo_base64url_read(struct clo_bytes text, struct clo_buffer *out,
                                             struct clo_error *err); /* refuses padding */
/* RFC 4648 section 5 as other programs write it: with padding, or without. */
CLO_API CLO_MUST_USE bool clo_base64url_read_padded(struct clo_bytes text, struct clo_buffer *out,
                                                    struct clo_error *err);

#define CLO_GUID_TEXT 37 /* with the NUL */

/* The 16 bytes as EFI stores them (first three fields little endian). */
struct clo_guid {
    uint8_t bytes[16];
};

CLO_API CLO_MUST_USE bool clo_guid_read(const char *text, struct clo_guid *out,
                                        struct clo_error *err);
CLO_API char *clo_guid_text(const struct clo_guid *guid, char out[CLO_GUID_TEXT]);
CLO_API struct clo_guid clo_read_guid(struct clo_reader *r);
CLO_API void clo_buffer_guid(struct clo_buffer *buffer, const struct clo_guid *guid);
CLO_API bool clo_guid_equal(const struct clo_guid *a, const struct clo_guid *b);

/* UTF-8 to UTF-16LE without a NUL, and back; the second replaces what is not text by U+FFFD. */
CLO_API CLO_MUST_USE bool clo_utf16_write(const char *text, struct clo_buffer *out,
                                          struct clo_error *err);
CLO_API void clo_utf16_text(struct clo_bytes utf16, struct clo_buffer *out);

CLO_END_C

#endif
