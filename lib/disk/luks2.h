/* The LUKS2 header (LUKS2 On-Disk Format Specification 1.1), and the white list it must pass before
 * a guest uses it.
 *
 * The header is not authenticated: anyone who holds the disk may name a null cipher in it and have the
 * guest write plaintext (CVE-2025-59054 and its kin). So copy it into memory once, check that copy,
 * and open the disk with that copy. */
#ifndef CLOISTER_LIB_LUKS2_H
#define CLOISTER_LIB_LUKS2_H

#include "cloister/crypto.h"
#include "cloister/json.h"
#include "lib/disk/luks2_generation.h"

#define CLO_LUKS2_HEADER_MAX   ((size_t)16 << 20) /* both headers and all key slots */
#define CLO_LUKS2_KEYSLOTS_MAX 32
#define CLO_LUKS2_TOKENS_MAX   32

struct clo_luks2_info {
    char uuid[41];
    char label[49];
    uint64_t header_size;    /* of one binary header with its JSON area */
    uint64_t payload_offset; /* bytes from the start of the partition */
    unsigned sector_size;
    unsigned key_size; /* bytes of the volume key */
    char cipher[64];
    char integrity[32]; /* "" where sectors have no tags */
    uint64_t sequence;
    size_t keyslot_count;
    /* Of clo_luks2_check() and clo_luks2_check_detached() alone: */
    uint64_t
            header_end; /* all that is the header's: up to the payload, or the end of the key slots in a file of its own */
    uint64_t keyslots_end; /* what lies between the last slot's area and the payload is nobody's */
    struct clo_luks2_generation generation;
};

/* Reads the header, JSON included; its two copies must both hold and say the same. `in` begins at the
 * partition's first byte. */
CLO_MUST_USE bool clo_luks2_parse(struct clo_bytes in, struct clo_luks2_info *out,
                                  json_t **metadata, struct clo_error *err);

/* The white list: one crypt segment of aes-xts-plain64 with a 64-byte key and 4096-byte sectors over
 * the rest of the device, or one with a tag of HMAC-SHA256 for each sector, whose key is in the same 96 bytes; LUKS2
 * key slots of the same strength inside the header; PBKDF2 digests; no requirement, no re-encryption, no other
 * integrity, no unknown member. Refusals name the field.
 * `in` must hold everything up to the payload. */
CLO_MUST_USE bool clo_luks2_check(struct clo_bytes in, struct clo_luks2_info *out,
                                  struct clo_error *err);

/* The same list for a header that lies in a file of its own (cryptsetup's --header): the payload may begin at the
 * device's first byte, and `in` must hold all of the key slots. */
CLO_MUST_USE bool clo_luks2_check_detached(struct clo_bytes in, struct clo_luks2_info *out,
                                           struct clo_error *err);

/* Puts other metadata into both copies of a header that parses; their sequence numbers stay. */
CLO_MUST_USE bool clo_luks2_write(struct clo_buffer *header, const json_t *metadata,
                                  struct clo_error *err);

#define CLO_LUKS2_XTS_KEY_SIZE \
    64 /* AES-256-XTS: of a volume without tags, and in a key slot's own cipher always */

/* dm-crypt with a tag for each sector, as the segment's "integrity" says it. */
#define CLO_LUKS2_HMAC          "hmac(sha256)"
#define CLO_LUKS2_HMAC_KEY_SIZE 96 /* AES-256-XTS, then HMAC-SHA256 */
#define CLO_LUKS2_HMAC_TAG_SIZE 32

/* Or by one cipher for both: AES-256-GCM, whose nonce is random, and is kept after the tag. */
#define CLO_LUKS2_GCM          "aes-gcm-random"
#define CLO_LUKS2_AEAD         "aead"
#define CLO_LUKS2_GCM_KEY_SIZE 32
#define CLO_LUKS2_GCM_TAG      16
#define CLO_LUKS2_GCM_NONCE    12
#define CLO_LUKS2_GCM_TAG_SIZE (CLO_LUKS2_GCM_TAG + CLO_LUKS2_GCM_NONCE)

/* What a sector has besides its content; 0: nothing. */
unsigned clo_luks2_tag_size(const struct clo_luks2_info *info);

/* dm-integrity's superblock, of CLO_INTEGRITY_SUPERBLOCK bytes at the payload of a header that was checked; `size`: of the
 * partition. Nothing in it decides what a tag covers; but one that cannot be ours is told by its name. A header without tags has none. */
CLO_MUST_USE bool clo_luks2_check_tags(const struct clo_luks2_info *info,
                                       struct clo_bytes superblock, uint64_t size,
                                       struct clo_error *err);

/* What systemd calls a volume key (crypttab(5), fixate-volume-key=, systemd 260): HMAC-SHA256 under it of "cryptsetup:NAME:UUID". */
void clo_luks2_volume_key_id(const struct clo_secret *volume_key, const char *name,
                             const char *uuid, struct clo_digest *out);

#define CLO_LUKS2_MEASUREMENT_TEXT 80

/* What PCR 15 is extended with once the root's volume key is known, as systemd-cryptsetup does:
 * HMAC(volume key, "cryptsetup:root:UUID") with the bank's hash (systemd, TPM2_PCR_MEASUREMENTS).
 * `text` gets the message. */
void clo_luks2_measurement(const struct clo_secret *volume_key, const char *uuid,
                           enum clo_hash hash, char text[CLO_LUKS2_MEASUREMENT_TEXT],
                           struct clo_digest *out);

#endif
