/* Which of a disk's sealed keys a change of Secure Boot's variables shuts out. */
#ifndef CLOISTER_CLI_SECUREBOOT_SEALED_H
#define CLOISTER_CLI_SECUREBOOT_SEALED_H

#include "cli/cli.h"
#include "cloister/crypto.h"

#define SECUREBOOT_IMAGES_MAX 64

/* PCR 7 as the boot of each image leaves it, now and after; a digest of no hash where that is not known. */
struct secureboot_states {
    enum clo_hash bank;
    bool is_same; /* the change changes nothing */
    struct clo_digest before[SECUREBOOT_IMAGES_MAX], after[SECUREBOOT_IMAGES_MAX];
    size_t count;
};

/* Tells each token for a TPM of the disk at `path`; `json` (NULL: for people) is an array. `is_shut`: one opens it now, and none
 * will, as far as can be told. */
CLO_MUST_USE bool secureboot_tell_sealed(const char *path, const struct secureboot_states *states,
                                         json_t *json, bool *is_shut, struct clo_error *err);

#endif
