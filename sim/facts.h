/* What a processor would say of itself inside a confidential VM, as files for `cloister audit --platform`. */
#ifndef CLOISTER_SIM_FACTS_H
#define CLOISTER_SIM_FACTS_H

#include "cloister/base.h"

/* `kind`: "snp", "snp-bare" (every feature off), "sev", "snp-paravisor", "tdx", "tdx-debug", "none". Writes
 * `cpuid`, and `msr` or `tdreport` where there is one, into a folder that is there. */
CLO_MUST_USE bool sim_facts_make(const char *kind, const char *folder, struct clo_error *err);

#endif
