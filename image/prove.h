/* Does a sealed image open by itself in a state, and not in another? A boot of an overlay says so: the image itself is never written to. */
#ifndef CLOISTER_IMAGE_PROVE_H
#define CLOISTER_IMAGE_PROVE_H

#include "cloister/base.h"

/* What cloister-init says once the TPM gave the key, and what it says when it has to ask the broker. */
#define CLO_PROVE_OPENED "TPM: gave the disk's key"
#define CLO_PROVE_ASKED  "; the broker is asked"

/* Where the image's LUKS2 header is sealed in the overlay, and the machine that it starts in. */
struct clo_prove_spec {
    const char *image;
    const char *header; /* a file: the LUKS2 header, sealed to this machine's TPM */
    uint64_t header_at; /* where it lies in the image */
    const char *varstore;
    const char *tpm_state;
    const char *firmware;
    const char *emulator; /* NULL: qemu-system-x86_64 */
    const char *until;    /* what on the console shows that it opened; NULL: CLO_PROVE_OPENED */
    const char *consoles; /* a folder that gets each console; NULL: none */
    unsigned memory_mib;
    unsigned timeout_s;
};

struct clo_prove_state {
    const char *name;
    const char *uki; /* in place of the image's own; NULL: the image as it is */
};

enum clo_prove_answer {
    CLO_PROVE_OPENS,
    CLO_PROVE_REFUSED, /* the guest or the firmware said no */
    CLO_PROVE_UNKNOWN, /* neither was seen: it counts as neither */
};
const char *clo_prove_answer_name(enum clo_prove_answer answer);

struct clo_prove_result {
    enum clo_prove_answer answer;
    char reason[512];
    double seconds;
};

/* False if it could not be tried, or was interrupted. */
CLO_MUST_USE bool clo_prove(const struct clo_prove_spec *spec, const struct clo_prove_state *state,
                            struct clo_prove_result *out, struct clo_error *err);

#endif
