/* Which disk a disk key is for, so that a guest can tell the disk it was built with from every other
 * that the same key opens: an older root, another owner's, or an old copy of its own.
 *
 * `image build` writes an identity next to the image, the broker keeps it and releases it together
 * with the key (docs/formats/disk.md), and the guest holds the disk it found against it before the
 * kernel is given the volume key. Nothing in an identity is secret. Who has one has no proof of
 * anything: believe the one that came with the key. */
#ifndef CLOISTER_LIB_DISK_IDENTITY_H
#define CLOISTER_LIB_DISK_IDENTITY_H

#include "cloister/crypto.h"
#include "cloister/json.h"

#define CLO_DISK_IDENTITY_VERSION   1
#define CLO_DISK_GENERATION_MAX     (((uint64_t)1 << 53) - 1) /* what every JSON reader can hold */
#define CLO_DISK_RELEASE_TYPE       "cloister-disk+json" /* "cty" of a release with an identity */
#define CLO_DISK_RELEASE_TEXT_LIMIT ((size_t)262144)

/* All digests are SHA-256. */
struct clo_disk_identity {
    char uuid[41];                /* of the LUKS2 header */
    struct clo_digest volume_key; /* HMAC(volume key, "cloister:disk:1:UUID") */
    struct clo_digest header;     /* of what may not change in the LUKS2 header */
    uint64_t generation;          /* how often it was used, as far as the one who tells it knows */
};

/* From the disk itself. `header` begins at the partition's first byte; the generation is the one in
 * it, whose MAC must hold. */
CLO_MUST_USE bool clo_disk_identity_of(struct clo_bytes header, const struct clo_secret *volume_key,
                                       struct clo_disk_identity *out, struct clo_error *err);
/* CLO_ERR_REFUSED, naming the first that differs: UUID, volume key, header, or a generation below
 * the registered one. */
CLO_MUST_USE bool clo_disk_identity_compare(const struct clo_disk_identity *registered,
                                            const struct clo_disk_identity *found,
                                            struct clo_error *err);

/* SHA-256 over all of it but the generation: what a key that a TPM keeps is sealed together with. */
void clo_disk_identity_digest(const struct clo_disk_identity *identity, struct clo_digest *out);
/* The disk key with that after it. */
CLO_MUST_USE bool clo_disk_sealed_key(struct clo_bytes header, const struct clo_secret *volume_key,
                                      struct clo_bytes disk_key, struct clo_secret **out,
                                      struct clo_error *err);

/* {"uuid","volume_key_hmac","header","generation"}. NULL when out of memory. */
json_t *clo_disk_identity_json(const struct clo_disk_identity *identity);
CLO_MUST_USE bool clo_disk_identity_from_json(const json_t *json, struct clo_disk_identity *out,
                                              struct clo_error *err);

/* --- NAME.disk.json --- */

struct clo_disk_file {
    struct clo_disk_identity identity;
    struct clo_digest key_id; /* which disk key opens it: clo_disk_key_id() */
    char name[256];           /* the image's, for people */
};

CLO_MUST_USE bool clo_disk_file_parse(struct clo_bytes text, struct clo_disk_file *out,
                                      struct clo_error *err);
CLO_MUST_USE bool clo_disk_file_write(const struct clo_disk_file *file, struct clo_buffer *out,
                                      struct clo_error *err);
/* HMAC(disk key, "cloister:disk-key:1"): tells two disk keys apart without saying what they are. */
void clo_disk_key_id(struct clo_bytes disk_key, struct clo_digest *out);

/* --- What the broker releases for a registered disk --- */

/* {"version","key","disk"}; the key is in it, so the text is a secret. */
CLO_MUST_USE bool clo_disk_release_write(struct clo_bytes key,
                                         const struct clo_disk_identity *identity,
                                         struct clo_secret **out, struct clo_error *err);
CLO_MUST_USE bool clo_disk_release_parse(struct clo_bytes text, struct clo_secret **key,
                                         struct clo_disk_identity *out, struct clo_error *err);

#endif
