/* What the recogniser's files share. */
#ifndef CLOISTER_IMPORT_INTERNAL_H
#define CLOISTER_IMPORT_INTERNAL_H

#include "lib/evidence/import.h"

#define IMPORT_LAYERS_MAX 4 /* wrappings around wrappings: hex of base64 of JSON … */

/* --- Text (import_text.c) --- */

/* Is it text: no control characters but white space? */
bool import_is_text(struct clo_bytes in);
/* Without a byte order mark, and white space at both ends. */
struct clo_bytes import_trim(struct clo_bytes in);

/* Forms of bytes in text, in the order in which they are tried. */
enum import_form {
    IMPORT_HEX,
    IMPORT_BASE64,
    IMPORT_FORMS,
};
/* Appends what the text stands for in this form, and its name; false if it is not of the form. */
bool import_decode(struct clo_bytes text, enum import_form form, struct clo_buffer *out,
                   const char **name);
/* A JSON value that holds bytes: a string in hex or base64, or an array of numbers. `size` (0: unknown) settles what could
 * be either. Appended. */
CLO_MUST_USE bool import_value(const json_t *value, size_t size, struct clo_buffer *out,
                               struct clo_error *err);
/* A member that is base64 for certain, as in protobuf's JSON. In place of what `out` had. */
CLO_MUST_USE bool import_base64(const json_t *object, const char *name, struct clo_buffer *out,
                                struct clo_error *err);
/* The member of an object; `size` 0: of any size. The error names the member. */
CLO_MUST_USE bool import_member(const json_t *object, const char *name, size_t size,
                                struct clo_buffer *out, struct clo_error *err);
/* A whole number of so many bytes, in JSON's digits or, as 64 bits are in protobuf's JSON, in text. */
CLO_MUST_USE bool import_number(const json_t *value, const char *name, size_t size, uint64_t *out,
                                struct clo_error *err);
/* Appends one more wrapping to the words. */
void import_wrapped(struct clo_import *import, const char *form);

/* As clo_import_eventlog(), of a log within evidence that a stranger sends: JSON of no more than CLO_JSON_VALUES_MAX values. */
CLO_MUST_USE bool import_eventlog_sent(struct clo_bytes in, struct clo_buffer *out,
                                       struct clo_error *err);

/* --- Pieces --- */

/* Adds a piece of evidence, and makes the import one of evidence. */
CLO_MUST_USE bool import_add(struct clo_import *import, const char *label, struct clo_bytes bytes,
                             struct clo_error *err);
/* The member's bytes as a piece; one that is absent or null is left out where it is `optional`. */
CLO_MUST_USE bool import_add_member(struct clo_import *import, const char *label,
                                    const json_t *object, const char *name, bool optional,
                                    struct clo_error *err);
/* Certificates and lists as a piece: PEM, as bundles have them. */
CLO_MUST_USE bool import_add_certificates(struct clo_import *import,
                                          const struct clo_snp_certificates *certificates,
                                          struct clo_error *err);
/* A quote, its signature in any form, and the values of the PCRs that it selects (NULL: none). */
CLO_MUST_USE bool import_add_quote(struct clo_import *import, struct clo_bytes attest,
                                   struct clo_bytes signature, const json_t *pcrs,
                                   struct clo_error *err);

/* --- Kinds --- */

/* JSON: false with *known false for what is none of the documents that we know (import_json.c). */
CLO_MUST_USE bool import_document(const json_t *json, struct clo_import *out, bool *known,
                                  struct clo_error *err);
/* A report that others took apart, put together again: 1184 bytes are appended (import_snp.c). */
CLO_MUST_USE bool import_snp_virtee(const json_t *report, struct clo_buffer *out,
                                    struct clo_error *err);
CLO_MUST_USE bool import_snp_go(const json_t *report, struct clo_buffer *out,
                                struct clo_error *err);
/* The same for a quote of go-tdx-guest's (import_tdx.c). */
CLO_MUST_USE bool import_tdx_go(const json_t *quote, struct clo_buffer *out, struct clo_error *err);
/* Messages of Go's libraries in protobuf's binary encoding, as the JSON that they have; NULL if it is none of them
 * (import_proto.c). */
json_t *import_proto(struct clo_bytes in);
/* Certificates and lists, however they come; false with *known false if it is neither (import_certificates.c). */
CLO_MUST_USE bool import_certificates(struct clo_bytes in, struct clo_snp_certificates *out,
                                      bool *known, struct clo_error *err);
/* A public key: TPMT_PUBLIC (or TPM2B_PUBLIC), its JSON, and JWK (import_key.c). */
CLO_MUST_USE bool import_tpm_public(struct clo_bytes in, struct clo_import *out,
                                    struct clo_error *err);
CLO_MUST_USE bool import_key_tss(const json_t *json, struct clo_import *out, struct clo_error *err);
/* TCG's JSON for the TSS, piece by piece: an algorithm by name or number; bytes in hex, appended with their size in front; a whole
 * TPMT_PUBLIC, appended. */
CLO_MUST_USE bool import_tss_id(const json_t *object, const char *key, uint16_t *out,
                                struct clo_error *err);
CLO_MUST_USE bool import_tss_hex(const json_t *object, const char *key, bool optional,
                                 struct clo_buffer *out, struct clo_error *err);
CLO_MUST_USE bool import_tss_area(const json_t *area, struct clo_buffer *out,
                                  struct clo_error *err);
CLO_MUST_USE bool import_key_jwk(const json_t *json, struct clo_import *out, struct clo_error *err);
/* JSON with `pcrs` in any of its forms, as {"sha256": {"0": HEX}} (import_tpm.c). */
CLO_MUST_USE bool import_pcrs_json(const json_t *pcrs, struct clo_bytes attest,
                                   struct clo_buffer *out, struct clo_error *err);

#endif
