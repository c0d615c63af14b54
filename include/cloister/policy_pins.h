/* What a policy with its reference values pins, and what it leaves to an attacker: a pure function of both, by
 * the questions that the appraisal asks itself.
 *
 * A policy may be met in several ways (platforms, kinds of evidence, banks of PCRs), and an attacker takes
 * the one that asks least: of each aspect the worst of them is told. */
#ifndef CLOISTER_POLICY_PINS_H
#define CLOISTER_POLICY_PINS_H

#include "cloister/policy.h"
#include "cloister/reference.h"

CLO_BEGIN_C

enum clo_aspect {
    CLO_ASPECT_FIRMWARE,
    CLO_ASPECT_PROGRAM,
    CLO_ASPECT_COMMAND_LINE,
    CLO_ASPECT_DEBUG,
    CLO_ASPECT_EVIDENCE, /* of which kind */
    CLO_ASPECT_ROOTS,
    CLO_ASPECT_HOST_INPUTS,
    CLO_ASPECT_MIGRATION,
    CLO_ASPECT_TCB,
    CLO_ASPECT_REVOCATION,
    CLO_ASPECT_FRESHNESS,
    CLO_ASPECT_STATE,    /* which disk */
    CLO_ASPECT_INSTANCE, /* which machine */
    CLO_ASPECT_COUNT,
};
enum clo_pin_status { /* from good to bad */
    CLO_PIN_NOT_APPLICABLE,
    CLO_PIN_PINNED,
    CLO_PIN_PARTLY,
    CLO_PIN_OPEN,
};
/* What becomes of a policy that leaves it open. */
enum clo_pin_weight {
    CLO_PIN_MUST, /* the guest is not the owner's: 'key put' refuses, the verdict is a warning at best */
    CLO_PIN_SHOULD, /* 'policy check' says no */
    CLO_PIN_MAY,    /* said, and left to the owner */
};

struct clo_pin {
    enum clo_pin_status status;
    char text[320]; /* one line: what pins it, or what an attacker may still change */
};

struct clo_pins {
    struct clo_pin items[CLO_ASPECT_COUNT];
    char unmet[320]; /* no evidence at all can fulfil it: why; "" where some can */
};

/* What else the owner has said, outside the policy. */
struct clo_pins_context {
    bool has_disk;     /* the key is released with what its disk must be */
    bool has_instance; /* while one machine holds the key, a second is refused it */
};

CLO_API const char *clo_aspect_name(enum clo_aspect aspect); /* "command line" */
CLO_API enum clo_pin_weight clo_aspect_weight(enum clo_aspect aspect);
CLO_API const char *clo_pin_status_name(enum clo_pin_status status); /* "pinned" */

CLO_API void clo_policy_pins(const struct clo_policy *policy,
                             const struct clo_reference *const *references, size_t reference_count,
                             const struct clo_pins_context *context, struct clo_pins *out);
/* How many aspects of at least this weight (MUST: the heaviest) are open. */
CLO_API size_t clo_pins_open(const struct clo_pins *pins, enum clo_pin_weight weight);

CLO_END_C

#endif
