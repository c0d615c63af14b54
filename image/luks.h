/* A LUKS2 header made by libcryptsetup on a plain file, and what its volume key will measure. */
#ifndef CLOISTER_IMAGE_LUKS_H
#define CLOISTER_IMAGE_LUKS_H

#include "cloister/crypto.h"

#define CLO_LUKS_PAYLOAD_OFFSET ((uint64_t)16 << 20)
#define CLO_LUKS_SECTOR         4096U

struct clo_luks_spec {
    unsigned sector_size;      /* 0: CLO_LUKS_SECTOR; another needs tags */
    bool has_tags;             /* of HMAC-SHA256 for each sector, by dm-integrity */
    bool is_gcm;               /* AES-256-GCM with a tag of its own; with has_tags */
    const char *uuid;          /* text form; NULL: random */
    struct clo_bytes disk_key; /* what the broker releases: full entropy, 32 to 64 bytes */
    struct clo_bytes recovery_passphrase; /* empty: none */
};

/* Writes the header into the file `path`, which has the partition's size already; gives the volume
 * key and the UUID (at least 41 characters). */
CLO_MUST_USE bool clo_luks_format(const char *path, const struct clo_luks_spec *spec,
                                  struct clo_secret **volume_key, char *uuid,
                                  struct clo_error *err);

/* The same of a header that is there, by its disk key. */
CLO_MUST_USE bool clo_luks_open(const char *path, struct clo_bytes disk_key,
                                struct clo_secret **volume_key, char *uuid, struct clo_error *err);

/* A key slot more, for a person's passphrase, in a header that is in a file of its own. */
CLO_MUST_USE bool clo_luks_add_passphrase(const char *path, const struct clo_secret *volume_key,
                                          struct clo_bytes passphrase, struct clo_error *err);

#endif
