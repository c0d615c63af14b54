/* What terms hold fast of evidence, as names that can be looked up: evidence without one of a pin's values is refused by
 * these terms, whatever else it shows. So those who have many terms need to look at few of them. It decides nothing: what
 * is found by it is appraised, and the evidence need not have been verified. */
#ifndef CLOISTER_LIB_APPRAISE_PINS_H
#define CLOISTER_LIB_APPRAISE_PINS_H

#include "lib/appraise/verified.h"

/* A value of a field in a class of evidence (a bare report of SEV-SNP, a vTPM under TDX): the beginning of a digest of all
 * three. Two values may have one name, which costs a look more. */
struct clo_pin {
    uint64_t name;
    uint8_t evidence; /* the class, below CLO_PIN_CLASSES */
    uint8_t field;    /* below CLO_PIN_FIELDS */
};

#define CLO_PIN_CLASSES 32
#define CLO_PIN_FIELDS  64

/* What evidence shows, one pin for each field. */
struct clo_pins_shown {
    unsigned evidence;
    struct clo_pin items[CLO_PIN_FIELDS];
    size_t count;
};
/* False: nothing in it can be read that any terms accept: no hardware's word, or a vTPM's without its registers. */
bool clo_pins_show(const struct clo_evidence *evidence, struct clo_pins_shown *out);

/* What terms demand: of each field with pins for a class, evidence of that class must show one. */
struct clo_pins {
    uint32_t classes; /* bit n: evidence of class n may be accepted */
    struct clo_pin *items;
    size_t count;
    size_t capacity;
};
CLO_MUST_USE bool clo_pins_demand(const struct clo_appraise_terms *terms, struct clo_pins *out,
                                  struct clo_error *err);
void clo_pins_free(struct clo_pins *pins); /* for CLO_CLEANUP */

#endif
