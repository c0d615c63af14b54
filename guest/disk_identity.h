/* Is this the disk that was registered, and has it been used since it was copied? Asked after the
 * volume key is known to us and before the kernel gets it. */
#ifndef CLOISTER_GUEST_DISK_IDENTITY_H
#define CLOISTER_GUEST_DISK_IDENTITY_H

#include "guest/disk.h"
#include "lib/disk/disk_identity.h"

/* CLO_ERR_REFUSED names what differs. */
CLO_MUST_USE bool clo_disk_compare(const struct clo_disk *disk, const struct clo_secret *volume_key,
                                   const struct clo_disk_identity *registered,
                                   struct clo_error *err);
/* Writes the next generation (or `least`, if that is more) into both copies of the header, one after the other, each
 * flushed; from there on `disk` has that header. `scratch` as for clo_disk_volume_key(). Cut short, it leaves a
 * disk of the old or of the new generation. */
CLO_MUST_USE bool clo_disk_raise_generation(struct clo_disk *disk, const char *scratch,
                                            const struct clo_secret *volume_key, uint64_t least,
                                            uint64_t *out, struct clo_error *err);

/* Tokens in place of all that have one of these types; two of each call are enough. */
#define CLO_DISK_TOKENS 2
struct clo_disk_tokens {
    const char *types[CLO_DISK_TOKENS];
    json_t *tokens[CLO_DISK_TOKENS];
};
/* Written as a generation is: nothing else of the header changes, and cut short it leaves the one or the other. */
CLO_MUST_USE bool clo_disk_write_tokens(struct clo_disk *disk, const char *scratch,
                                        const struct clo_secret *volume_key,
                                        const struct clo_disk_tokens *tokens,
                                        struct clo_error *err);

#endif
