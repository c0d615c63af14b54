/* Why is a PCR or an RTMR not what it should be: holds the events that were logged against those that the
 * reference expects, and names the first that differs, in one line for people.
 *
 * An explanation decides nothing. Whatever it says of an event's content is marked as a claim unless
 * the content hashes to the event's digest. */
#ifndef CLOISTER_EXPLAIN_H
#define CLOISTER_EXPLAIN_H

#include "cloister/reference.h"
#include "cloister/userlog.h"

CLO_BEGIN_C

enum clo_difference {
    CLO_DIFFERENCE_NONE,       /* the logged events lead to the expected value */
    CLO_DIFFERENCE_CHANGED,    /* an event's digest */
    CLO_DIFFERENCE_UNEXPECTED, /* an event more */
    CLO_DIFFERENCE_MISSING,    /* an event less */
    CLO_DIFFERENCE_UNLOGGED,   /* the log shows what is expected, the PCR does not */
    CLO_DIFFERENCE_UNKNOWN, /* the value differs; the reference lists no events, or there is no log */
};

struct clo_explain_inputs {
    const struct clo_reference *reference; /* the one that has a value for the PCR */
    const struct clo_eventlog *log;        /* the firmware's; NULL: none */
    const struct clo_userlog *userlog;     /* user space's; NULL: none */
    enum clo_hash hash;
    unsigned pcr; /* or CLO_REGISTER_RTMR(n), of a CCEL log */
    const char *phase;
    const struct clo_digest *actual; /* the PCR as quoted; NULL: as the logs replay */
};

struct clo_explanation {
    enum clo_difference difference;
    size_t event; /* which of the register's events, from 0, where that has a meaning */
    /* The two that differ, borrowed from log and reference. */
    const struct clo_event *logged; /* NULL: none, or one of user space's log */
    bool has_expected;
    struct clo_reference_event expected;
    char text[600]; /* 'PCR 11: .cmdline is "…", expected "…"'; always set */
};

/* The reference must have a value for this PCR, bank and phase, or list its events (else
 * CLO_ERR_USAGE). With events alone, and phase "", a log is held against what firmware and stub do
 * before user space begins. */
CLO_API CLO_MUST_USE bool clo_explain(const struct clo_explain_inputs *inputs,
                                      struct clo_explanation *out, struct clo_error *err);

/* The first of several references that has a value for the register at that point of the boot, or lists its
 * events; NULL if none does. */
CLO_API const struct clo_reference *
clo_explain_reference(const struct clo_reference *const *references, size_t count,
                      enum clo_hash hash, unsigned reg, const char *phase);
/* The first bank of the log that a reference has a value in, SHA-1 last; without one, the log's best. */
CLO_API enum clo_hash clo_explain_bank(const struct clo_eventlog *log,
                                       const struct clo_reference *const *references, size_t count,
                                       const char *phase);
/* The explanation of inputs->pcr as an object (docs/eventlog.md). */
CLO_API json_t *clo_explanation_json(const struct clo_explain_inputs *inputs,
                                     const struct clo_explanation *explanation);

CLO_END_C

#endif
