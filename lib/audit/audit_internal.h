/* What the files of this room share: terms of expressions. */
#ifndef CLOISTER_AUDIT_INTERNAL_H
#define CLOISTER_AUDIT_INTERNAL_H

#include "cloister/audit.h"

#define KEY_MAX   80
#define VALUE_MAX 160
#define TERMS_MAX 24

/* KEY=VALUE, KEY!=VALUE (not equal), KEY~VALUE (a list, with commas, has it), KEY>=NUMBER. */
struct clo_audit_term {
    char key[KEY_MAX];
    char value[VALUE_MAX];
    char operator;           /* '=', '!', '~', '>' */
    bool begins_alternative; /* after a '|', or the first */
};

/* Terms joined by '&' (binds first) and '|'. */
bool clo_audit_terms(const char *expression, struct clo_audit_term terms[TERMS_MAX], size_t *count,
                     struct clo_error *err);
/* Is the key one of Kconfig's options? */
bool clo_audit_is_option(const char *key);
/* The next of a rule's `depends`: "EFI,<SEV_GUEST" are EFI, which must be on, and SEV_GUEST, which would
 * select the option (it has no prompt of its own). False at the end. */
struct clo_audit_depend {
    char name[KEY_MAX];
    bool selects;
};
bool clo_audit_depend(const char **at, struct clo_audit_depend *out);
/* The configuration's value, "n" when a full one does not mention it; NULL when not known. */
const char *clo_audit_option(const struct clo_audit_facts *facts, const char *name);

#endif
