/* The image builder: from a root, a kernel and the owner's keys to one disk that boots as a
 * confidential VM, and the reference values it will show. Runs without root, loop devices and
 * device-mapper. The files appear when they are whole, or not at all. */
#ifndef CLOISTER_IMAGE_BUILDER_H
#define CLOISTER_IMAGE_BUILDER_H

#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "cloister/json.h"
#include "image/grown.h"
#include "image/uki/build.h"
#include "image/uki/offline.h"

enum clo_image_step {
    CLO_IMAGE_ROOT,
    CLO_IMAGE_INITRD,
    CLO_IMAGE_UKI,
    CLO_IMAGE_DISK,
    CLO_IMAGE_ENCRYPT,
    CLO_IMAGE_PREDICT,
};

struct clo_in_place;
struct clo_journal;
struct clo_overlay;

struct clo_image_spec {
    const char *name;
    const char *root; /* a folder, or a raw file system image */
    struct clo_overlay
            *root_overlay; /* or this, which has an ext4 file system: then `root` is a name */
    const char *output;    /* the disk */
    const char *reference_output;
    const char *disk_output; /* which disk it is: cloister/disk_identity.h */

    /* The UKI, as `uki build` takes it; initrd, output and, where it names none, os-release come from here. It is
     * signed by the keys of it, or elsewhere: then nothing but what must be signed is made, or what came back is
     * put in. */
    const struct uki_build *uki;
    const struct uki_offline *offline;
    const char *modules_folder;
    const char *const *modules; /* NULL: the default list */
    const char *init;           /* cloister-init */
    json_t *guest_config; /* without "modules", "partitions" and the command lines, which are added */

    struct clo_bytes varstore; /* the enrolled variable store, for PCR 7 */

    struct clo_bytes disk_key;
    struct clo_bytes recovery_passphrase; /* empty: none */
    /* Where a header with the passphrase's key slot goes, which the disk's own then has not; NULL: none. */
    const char *recovery_header;
    const char *luks_uuid; /* NULL: from the seed */
    struct clo_guid seed;  /* all GUIDs on the disk derive from it */

    uint64_t root_size; /* 0: as large as needed */
    uint64_t esp_size;
    uint64_t grown[CLO_IMAGE_GROWN_MAX]; /* sizes of disks that the root may grow into */
    size_t grown_count;
    bool encrypt_all; /* free blocks too */
    bool has_tags;    /* a tag of HMAC-SHA256 for each sector, by dm-integrity */
    bool is_gcm;      /* AES-256-GCM, which has tags of its own; with has_tags */
    bool has_verity;  /* read-only, with a hash tree whose root hash is measured and signed */
    uint64_t
            changes_size; /* with it: of the file system for what is written; 0: it is kept in memory */
    char root_hash[2 * 32 + 1]; /* of it, once it is known: the builder's own */
    unsigned sector_size;       /* of the encrypted root; 0: 4096 */
    bool is_vhd;                /* with the footer of a fixed VHD, as Azure takes it */
    int64_t epoch;              /* SOURCE_DATE_EPOCH; the UKI's files carry it */
    int64_t created;            /* what the reference file says */

    /* Of a conversion that can be resumed; NULL: on a failure, nothing is left. */
    struct clo_journal *journal;
    const struct clo_in_place *in_place; /* the root's own file becomes the disk: with a journal */
    struct clo_digest
            input; /* of all that the root's bytes come from: the same in each of its runs */

    /* Asked before anything gets its final name; false ends it. NULL: nobody is asked. */
    bool (*check)(void *context, struct clo_bytes uki, int disk, struct clo_error *err);
    void *check_context;

    void (*progress)(void *context, enum clo_image_step step, uint64_t done, uint64_t total);
    void *context;
};

struct clo_image_result {
    bool was_finished;  /* by an earlier run: nothing was made, and nothing else is known */
    uint64_t disk_size; /* 0: nothing was made but what must be signed */
    uint64_t uki_size;
    uint64_t initrd_size;
    uint64_t encrypted;
    uint64_t skipped;
    char luks_uuid[41];
    char root_hash[2 * 32 + 1]; /* of a root with a hash tree; empty: there is none */
    uint64_t tree_at;           /* where that begins in the volume */
    uint64_t changes_at;        /* and where what is written is kept; 0: it is not */
    char release[128];
    size_t profile_count; /* each has its reference values: clo_image_reference_name() */
};

/* Those of a profile, which a boot entry chooses by "@N": "demo.ref.json" gives "demo@1.ref.json"; the first has the
 * name itself. */
void clo_image_reference_name(const char *reference, size_t profile, char *out, size_t size);

CLO_MUST_USE bool clo_image_build(const struct clo_image_spec *spec, struct clo_image_result *out,
                                  struct clo_error *err);

#endif
