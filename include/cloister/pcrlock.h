/* systemd-pcrlock's files (systemd-pcrlock(8)): components, each of what one part of a boot measures, and the policy that
 * it makes of them. A reference file as components, and components or a policy as a reference file. They are trusted
 * input, as a reference file is. */
#ifndef CLOISTER_PCRLOCK_H
#define CLOISTER_PCRLOCK_H

#include "cloister/reference.h"

CLO_BEGIN_C

/* One variant of a component: COMPONENT.pcrlock, or COMPONENT.pcrlock.d/VARIANT.pcrlock. */
struct clo_pcrlock_file {
    const char *component; /* "650-uki" */
    struct clo_bytes json;
};

/* What the file is: an object with "records" is a component, one with "pcrValues" a policy. */
CLO_API bool clo_pcrlock_is_component(struct clo_bytes json);
CLO_API bool clo_pcrlock_is_policy(struct clo_bytes json);

/* The registers of a boot that measures all of these, one after another. */
CLO_API CLO_MUST_USE bool clo_pcrlock_read(const char *name, const struct clo_pcrlock_file *files,
                                           size_t count, struct clo_reference **out,
                                           struct clo_error *err);
/* The values that a policy allows; one that allows several for a register is refused. */
CLO_API CLO_MUST_USE bool clo_pcrlock_read_policy(const char *name, struct clo_bytes json,
                                                  struct clo_reference **out,
                                                  struct clo_error *err);

/* Gives `each` a component at a time, under names that fit between those that systemd ships; what those hold already
 * (separators, phases) is left out. */
typedef bool clo_pcrlock_each(void *context, const char *component, struct clo_bytes json,
                              struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_pcrlock_write(const struct clo_reference *reference,
                                            clo_pcrlock_each *each, void *context,
                                            struct clo_error *err);

CLO_END_C

#endif
