/* What a TD's event log may show: for each RTMR an ordered list of rules, each of which takes a number of
 * events. An event that no rule takes where it stands is denied, and so is a register without rules
 * that was extended.
 *
 * Only digests and registers are proven by a replay: an event's type is the log's word, and so is its
 * data where its digest is not the data's hash. So a rule that takes any digest trusts nothing but the
 * number and the place of its events. docs/formats/policy.md has the form. */
#ifndef CLOISTER_LIB_CCEL_RULES_H
#define CLOISTER_LIB_CCEL_RULES_H

#include "cloister/eventlog.h"
#include "cloister/json.h"

#define CLO_CCEL_RULES_MAX 256 /* of a register */

struct clo_ccel_rules;

CLO_MUST_USE bool clo_ccel_rules_parse(const json_t *json, struct clo_ccel_rules **out,
                                       struct clo_error *err);
void clo_ccel_rules_free(struct clo_ccel_rules *rules);
void clo_ccel_rules_freep(struct clo_ccel_rules **rules);

/* Does RTMR `n` of the log show what the rules allow, and nothing else? CLO_ERR_REFUSED, naming the first
 * event that is not allowed or the rule that is not met. The caller shows that the log is true. */
CLO_MUST_USE bool clo_ccel_rules_allow(const struct clo_ccel_rules *rules,
                                       const struct clo_eventlog *log, unsigned n,
                                       struct clo_error *err);
/* Are there rules for RTMR `n`, perhaps that it shows nothing? */
bool clo_ccel_rules_has(const struct clo_ccel_rules *rules, unsigned n);
/* Does one of them take any digest? Something else could then stand in that event's place. */
bool clo_ccel_rules_takes_any(const struct clo_ccel_rules *rules, unsigned n);

#endif
