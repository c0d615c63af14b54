/* The disk key of a new image: made here unless one is given, and one that no other image has. */
#ifndef CLOISTER_CLI_DISK_KEY_H
#define CLOISTER_CLI_DISK_KEY_H

#include "device/file.h"
#include "lib/disk/disk_identity.h"

struct cli_disk_key_options {
    const char *file;        /* the owner's; NULL: a new one is made */
    const char *output;      /* where a new one goes */
    const char *reuse;       /* why one that is in use may be used again; NULL: it may not */
    const char *disk_output; /* the image's NAME.disk.json: others are looked for next to it */
};

struct cli_disk_key {
    struct clo_secret *secret;
    struct clo_new_file file; /* of a new one, without its name yet */
};
void cli_disk_key_free(struct cli_disk_key *key); /* for CLO_CLEANUP */

/* Which images a key opens is known from NAME.disk.json files next to the new one and next to the key,
 * and from KEY.used, which cli_disk_key_keep() writes. */
CLO_MUST_USE bool cli_disk_key_get(const struct cli_disk_key_options *options,
                                   struct cli_disk_key *out, struct clo_error *err);
/* Once the image is there: gives a new key its name, and writes down that the key is in use. */
CLO_MUST_USE bool cli_disk_key_keep(const struct cli_disk_key_options *options,
                                    struct cli_disk_key *key, const char *image,
                                    struct clo_error *err);

#endif
