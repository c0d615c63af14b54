/* Which input is to blame for a launch digest that is another one: others are put in its place,
 * nearest first, until the digest comes out. */
#ifndef CLOISTER_LAUNCH_EXPLAIN_H
#define CLOISTER_LAUNCH_EXPLAIN_H

#include "cloister/launch.h"

CLO_BEGIN_C

enum clo_launch_input {
    CLO_INPUT_VMM = 1 << 0,
    CLO_INPUT_KERNEL = 1 << 1,
    CLO_INPUT_INITRD = 1 << 2,
    CLO_INPUT_CMDLINE = 1 << 3,
    CLO_INPUT_FEATURES = 1 << 4,
    CLO_INPUT_SIGNATURE = 1 << 5,
    CLO_INPUT_VCPUS = 1 << 6,
    CLO_INPUT_VARS_SIZE = 1 << 7,
};

/* How the command line was hashed, of the one that is known. */
enum clo_cmdline_variant {
    CLO_CMDLINE_AS_GIVEN,
    CLO_CMDLINE_WITHOUT_NUL,
    CLO_CMDLINE_NEWLINE, /* a line end before the NUL */
    CLO_CMDLINE_NEWLINE_WITHOUT_NUL,
    CLO_CMDLINE_TRIMMED, /* without blanks and line ends at its end */
    CLO_CMDLINE_BLANK,   /* a blank before the NUL */
    CLO_CMDLINE_EMPTY,
    CLO_CMDLINE_COUNT,
};
CLO_API const char *clo_cmdline_variant_text(enum clo_cmdline_variant variant);

struct clo_launch_known {
    const struct clo_launch *launch; /* mode snp or snp:svsm; kernel as given */
    unsigned known;                  /* clo_launch_input: those that are known, and may be wrong */
    const char *cmdline;             /* of launch->kernel; NULL: "" */
    bool has_initrd;
    uint32_t host_signature; /* of the machine, as a report says it; 0: unknown */
    uint32_t vcpus_max;      /* how many are tried */
};

/* Inputs with which the digest comes out. */
struct clo_launch_match {
    unsigned changed; /* clo_launch_input: known inputs that it has otherwise */
    enum clo_vmm vmm;
    uint32_t vcpus;
    uint32_t vcpu_signature; /* if the VMM uses it */
    uint64_t sev_features;
    size_t vars_size;
    bool has_kernel, has_initrd;
    enum clo_cmdline_variant cmdline;
};

#define CLO_LAUNCH_MATCHES_MAX 16

/* All with the fewest changes, at most CLO_LAUNCH_MATCHES_MAX; none is not an error: *count is 0.
 * `digest` has 48 bytes. */
CLO_API CLO_MUST_USE bool
clo_launch_explain(const struct clo_launch_known *known, const uint8_t *digest,
                   struct clo_launch_match matches[CLO_LAUNCH_MATCHES_MAX], size_t *count,
                   struct clo_error *err);

CLO_END_C

#endif
