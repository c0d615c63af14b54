/* What a guest looks like from inside, for an audit: from files, CPUID and the platform's registers.
 *
 * Everything is read below a root folder, so that a pretend guest is a tree of files; links in it do not
 * lead out of it. What cannot be read is left out, which an audit takes for unknown. */
#ifndef CLOISTER_GUEST_FACTS_H
#define CLOISTER_GUEST_FACTS_H

#include "cloister/json.h"

struct clo_facts_source {
    const char *root; /* "/", or a tree */
    /* A folder with `cpuid` (as `cpuid -r` prints it), `msr` (number and value a line, in hex) and
     * `tdreport`; NULL: this processor is asked. */
    const char *platform;
};

/* Into an object of texts by name. The first is about a machine that runs, the second about the files of
 * a root file system, running or not. */
CLO_MUST_USE bool clo_facts_guest(const struct clo_facts_source *source, json_t *out,
                                  struct clo_error *err);
CLO_MUST_USE bool clo_facts_rootfs(const struct clo_facts_source *source, bool is_running,
                                   json_t *out, struct clo_error *err);

struct clo_facts_kernel {
    struct clo_buffer release;
    struct clo_buffer cmdline;
    struct clo_buffer config; /* text or gzip, as found; empty: none */
    json_t *modules;          /* loaded or built in */
};
CLO_MUST_USE bool clo_facts_kernel(const struct clo_facts_source *source,
                                   struct clo_facts_kernel *out, struct clo_error *err);
void clo_facts_kernel_free(struct clo_facts_kernel *kernel); /* for CLO_CLEANUP */

#endif
