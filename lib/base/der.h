/* DER, the distinguished encoding of ASN.1: strict and bounded, walked without recursion.
 * (ITU-T X.690, 02/2021, sections 8.1, 10 and 11.)
 *
 * Elements are read with clo_reader, whose first fault latches: what DER does not allow (a length that
 * is not minimal or indefinite, a tag of several bytes, an element that ends beyond its parent) counts
 * like a short read. */
#ifndef CLOISTER_LIB_DER_H
#define CLOISTER_LIB_DER_H

#include "cloister/base.h"

#define CLO_DER_BOOLEAN          0x01
#define CLO_DER_INTEGER          0x02
#define CLO_DER_BIT_STRING       0x03
#define CLO_DER_OCTET_STRING     0x04
#define CLO_DER_NULL             0x05
#define CLO_DER_OID              0x06
#define CLO_DER_ENUMERATED       0x0a
#define CLO_DER_UTF8_STRING      0x0c
#define CLO_DER_NUMERIC_STRING   0x12
#define CLO_DER_PRINTABLE_STRING 0x13
#define CLO_DER_T61_STRING       0x14
#define CLO_DER_IA5_STRING       0x16
#define CLO_DER_UTC_TIME         0x17
#define CLO_DER_GENERALIZED_TIME 0x18
#define CLO_DER_VISIBLE_STRING   0x1a
#define CLO_DER_UNIVERSAL_STRING 0x1c
#define CLO_DER_BMP_STRING       0x1e
#define CLO_DER_SEQUENCE         0x30
#define CLO_DER_SET              0x31
#define CLO_DER_CONTEXT(n)       (0x80 | (n)) /* primitive; an implicit tag of a string or number */
#define CLO_DER_EXPLICIT(n)      (0xa0 | (n)) /* constructed */

struct clo_der {
    uint8_t tag;
    struct clo_bytes value; /* its contents */
    struct clo_bytes whole; /* with tag and length */
};

/* The next element, whatever it is. Booleans, numbers, bit strings, NULL and OIDs have the one form that DER
 * allows. */
struct clo_der clo_der_next(struct clo_reader *r);
/* The tag of the next element; 0 at the end. */
uint8_t clo_der_peek(const struct clo_reader *r);
/* The contents of the next element, which must have this tag. */
struct clo_bytes clo_der_value(struct clo_reader *r, uint8_t tag);
/* A reader of them: it has failed if `r` has. After entering, clo_der_done() is asked at its end. */
struct clo_reader clo_der_enter(struct clo_reader *r, uint8_t tag);
/* Nothing failed and nothing is left. */
bool clo_der_done(const struct clo_reader *r);
/* The contents of the next element if it has this tag; false, and nothing read, if it has not. */
bool clo_der_optional(struct clo_reader *r, uint8_t tag, struct clo_bytes *out);

/* An INTEGER's or ENUMERATED's contents as DER allows them: not empty, no needless sign byte. */
bool clo_der_is_integer(struct clo_bytes value);
/* The same of a BIT STRING's, where another tag stands for its own. */
bool clo_der_is_bit_string(struct clo_bytes value);
/* An INTEGER from 0 to 2^63-1. */
int64_t clo_der_number(struct clo_reader *r);
bool clo_der_boolean(struct clo_reader *r);
/* A BIT STRING of whole bytes, as keys and signatures are. */
struct clo_bytes clo_der_bit_string(struct clo_reader *r);
/* The first 16 bits of a BIT STRING of flags; bit 0 of ASN.1 is bit 0 here. */
unsigned clo_der_flags(struct clo_reader *r);
/* UTCTime or GeneralizedTime in the one form that RFC 5280 allows (section 4.1.2.5): in seconds and
 * "Z". Unix time. */
int64_t clo_der_time(struct clo_reader *r);

/* Writes an element: tag, minimal length, contents. */
void clo_der_write(struct clo_buffer *out, uint8_t tag, struct clo_bytes value);

/* An OID's contents from its dotted form; false if it is none, or longer than `size`. */
bool clo_der_oid_from_text(const char *dotted, uint8_t *out, size_t size, size_t *used);
/* And back: "1.2.840"; "?" for what is not an OID. */
void clo_der_oid_text(struct clo_bytes oid, char *out, size_t size);

#endif
