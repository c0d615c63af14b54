#include "image/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/reference.h"
#include "device/file.h"
#include "image/encrypt.h"
#include "image/esp.h"
#include "image/grown.h"
#include "image/image_uki.h"
#include "image/in_place.h"
#include "image/journal.h"
#include "image/luks.h"
#include "image/new_root.h"
#include "image/overlay.h"
#include "image/root_check.h"
#include "image/rootfs.h"
#include "image/verity.h"
#include "lib/disk/disk_identity.h"
#include "lib/disk/gpt.h"
#include "lib/disk/integrity.h"
#include "lib/disk/luks2.h"
#include "lib/disk/vhd.h"

#define MIB       ((uint64_t)1 << 20)
#define INODE_PER 16384 /* bytes */

/* Everything on its way to the output: what is scratch goes away with it. */
struct build {
    const struct clo_image_spec *spec;
    struct clo_image_spec own; /* it, where the root hash comes into it */
    struct clo_scratch scratch;
    struct clo_new_file disk;
    char root_path[4200]; /* the plain file system image */
    char esp_path[4200];
    char luks_path[4200];
    char verity_path[4200]; /* file system and hash tree */
    uint64_t root_bytes;
    uint64_t tree_at;    /* in the volume, where it has a hash tree */
    uint64_t changes_at; /* and where what is written is kept after it */
    uint64_t esp_first;  /* byte offsets and sizes on the disk */
    uint64_t esp_bytes;
    uint64_t root_first;
    uint64_t luks_bytes;
    uint64_t payload_bytes;         /* as the guest sees it */
    struct clo_integrity integrity; /* where sectors have tags */
    uint64_t disk_bytes;
    struct image_uki uki;
    struct clo_secret *volume_key;
    struct clo_disk_file identity;
    char uuid[41];
};

static void free_build(struct build *build)
{
    if (build->spec->journal != NULL)
        clo_fd_close(&build->disk.fd);
    clo_new_file_free(&build->disk);
    clo_scratch_free(&build->scratch);
    image_uki_free(&build->uki);
    clo_secret_freep(&build->volume_key);
}

static void step(const struct build *build, enum clo_image_step what, uint64_t done, uint64_t total)
{
    if (build->spec->progress != NULL)
        build->spec->progress(build->spec->context, what, done, total);
}

/* A GUID of our own for each purpose: SHA-256 of seed and purpose, marked as a random one. */
static struct clo_guid derive_guid(const struct clo_guid *seed, const char *purpose)
{
    struct clo_bytes parts[] = { clo_bytes(seed->bytes, sizeof seed->bytes),
                                 clo_bytes_text(purpose) };
    struct clo_digest digest;
    struct clo_guid guid;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    memcpy(guid.bytes, digest.bytes, sizeof guid.bytes);
    guid.bytes[7] = (uint8_t)((guid.bytes[7] & 0x0f) | 0x40); /* version 4, first half is swapped */
    guid.bytes[8] = (uint8_t)((guid.bytes[8] & 0x3f) | 0x80);
    return guid;
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* --- The root --- */

static bool prepare_root(struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    struct stat status;

    step(build, CLO_IMAGE_ROOT, 0, 1);
    if (spec->root_overlay != NULL) {
        build->root_bytes = round_up(clo_overlay_size(spec->root_overlay), MIB);
        return true;
    }
    if (stat(spec->root, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", spec->root, strerror(errno));
    if (S_ISDIR(status.st_mode)) {
        struct clo_guid uuid = derive_guid(&spec->seed, "root file system");
        snprintf(build->root_path, sizeof build->root_path, "%s/root.ext4", build->scratch.path);
        if (!clo_rootfs_make(spec->root, build->root_path, spec->root_size, &uuid, spec->epoch,
                             err) ||
            stat(build->root_path, &status) != 0)
            return false;
    } else {
        int size = snprintf(build->root_path, sizeof build->root_path, "%s", spec->root);
        if (size < 0 || (size_t)size >= sizeof build->root_path)
            return clo_fail(err, CLO_ERR_USAGE, "%s: path too long", spec->root);
    }
    build->root_bytes = round_up((uint64_t)status.st_size, MIB);
    if (spec->root_size > build->root_bytes)
        build->root_bytes = round_up(spec->root_size, MIB);
    step(build, CLO_IMAGE_ROOT, 1, 1);
    return true;
}

/* --- A root that nothing changes --- */

/* Where what is written is kept, if it is. */
static bool add_changes(const struct build *build, json_t *verity)
{
    json_int_t first = (json_int_t)(build->changes_at / CLO_VERITY_BLOCK);
    json_int_t count = (json_int_t)(build->spec->changes_size / CLO_VERITY_BLOCK);

    return build->changes_at == 0 ||
           json_object_set_new(verity, "changes",
                               json_pack("{s:I, s:I}", "first_block", first, "blocks", count)) == 0;
}

/* What the guest holds it against goes into its configuration and into the command line, and is measured with both. */
static bool tell_guest(struct build *build, const struct clo_verity *verity,
                       const uint8_t root_hash[CLO_VERITY_DIGEST], struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:I, s:o*, s:o*}", "data_blocks", (json_int_t)verity->data_blocks,
                             "root_hash", clo_json_hex(clo_bytes(root_hash, CLO_VERITY_DIGEST)),
                             "salt", clo_json_hex(clo_bytes(verity->salt, sizeof verity->salt)));

    if (json == NULL || !add_changes(build, json) ||
        json_object_set(build->spec->guest_config, "verity", json) != 0)
        return clo_out_of_memory(err);
    build->own = *build->spec;
    clo_hex_text(clo_bytes(root_hash, CLO_VERITY_DIGEST), build->own.root_hash);
    build->spec = &build->own;
    return true;
}

/* An empty file system after the tree, whose blocks are free but for its own. */
static bool make_changes(struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    struct clo_guid uuid = derive_guid(&spec->seed, "changes");

    if (spec->changes_size == 0)
        return true;
    build->changes_at = build->root_bytes;
    build->root_bytes += spec->changes_size;
    if (truncate(build->verity_path, (off_t)build->root_bytes) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", build->verity_path, strerror(errno));
    return clo_new_root_format(build->verity_path, build->changes_at, spec->changes_size,
                               spec->changes_size / INODE_PER, &uuid, spec->created, err);
}

static bool prepare_verity(struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    struct clo_bytes parts[] = { clo_bytes(spec->seed.bytes, sizeof spec->seed.bytes),
                                 clo_bytes_text("verity salt") };
    struct clo_verity_spec verity_spec = { .source = build->root_path,
                                           .overlay = spec->root_overlay,
                                           .output = build->verity_path,
                                           .size = build->root_bytes,
                                           .uuid = derive_guid(&spec->seed, "verity") };
    uint8_t root_hash[CLO_VERITY_DIGEST];
    struct clo_digest salt;
    struct clo_verity verity;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &salt);
    memcpy(verity_spec.salt, salt.bytes, sizeof verity_spec.salt);
    snprintf(build->verity_path, sizeof build->verity_path, "%s/verity.img", build->scratch.path);
    if (!clo_verity_make(&verity_spec, &verity, root_hash, err))
        return false;
    build->tree_at = build->root_bytes;
    build->root_bytes = round_up(build->root_bytes + verity.tree_blocks * CLO_VERITY_BLOCK, MIB);
    return make_changes(build, err) && tell_guest(build, &verity, root_hash, err);
}

/* Next to the image: what a kernel with the owner's certificate, or systemd, takes with the root hash. */
static bool sign_root_hash(const struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    const struct uki_signing *signing = &spec->uki->signing;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_buffer hash = { 0 };
    char path[4300];

    if (!spec->has_verity)
        return true;
    snprintf(path, sizeof path, "%s.roothash", spec->output);
    clo_buffer_text(&hash, spec->root_hash);
    bool ok = clo_file_write(path, clo_buffer_bytes(&hash), 0644, err);
    clo_buffer_free(&hash);
    if (!ok || signing->private_keys[0] == NULL)
        return ok; /* signed elsewhere */
    snprintf(path, sizeof path, "%s.roothash.p7s", spec->output);
    return clo_verity_sign(spec->root_hash, signing->private_keys[0], signing->signers[0],
                           &signature, err) &&
           clo_file_write(path, clo_buffer_bytes(&signature), 0644, err);
}

/* --- The disk --- */

static unsigned sector_size(const struct build *build)
{
    return build->spec->sector_size == 0 ? CLO_LUKS_SECTOR : build->spec->sector_size;
}

/* The LUKS2 partition: its header, and the root, with tags and their journal where they are wanted. */
static bool lay_out_volume(struct build *build, struct clo_error *err)
{
    unsigned tag_size = build->spec->is_gcm ? CLO_LUKS2_GCM_TAG_SIZE : CLO_LUKS2_HMAC_TAG_SIZE;
    uint64_t size = build->root_bytes;

    build->payload_bytes = build->root_bytes;
    if (build->spec->has_tags) {
        if (!clo_integrity_size(build->root_bytes, sector_size(build), tag_size, &size, err) ||
            !clo_integrity_plan(size, sector_size(build), tag_size, &build->integrity, err))
            return false;
        build->payload_bytes = build->integrity.provided;
    }
    build->luks_bytes = CLO_LUKS_PAYLOAD_OFFSET + size;
    return true;
}

static bool lay_out(struct build *build, struct clo_buffer *head, struct clo_buffer *tail,
                    struct clo_error *err)
{
    const struct clo_guid *seed = &build->spec->seed;
    struct clo_guid disk = derive_guid(seed, "disk");

    build->esp_first = MIB;
    build->root_first = build->esp_first + round_up(build->esp_bytes, MIB);
    if (!lay_out_volume(build, err))
        return false;
    build->disk_bytes = build->root_first + build->luks_bytes + MIB;
    struct clo_gpt_partition partitions[] = {
        { .type = clo_gpt_type_esp,
          .guid = derive_guid(seed, "ESP"),
          .first_lba = build->esp_first / CLO_GPT_SECTOR,
          .last_lba = (build->esp_first + build->esp_bytes) / CLO_GPT_SECTOR - 1,
          .name = "esp" },
        { .type = clo_gpt_type_root_x86_64,
          .guid = derive_guid(seed, "root"),
          .first_lba = build->root_first / CLO_GPT_SECTOR,
          .last_lba = (build->root_first + build->luks_bytes) / CLO_GPT_SECTOR - 1,
          .name = "root" },
    };
    return clo_gpt_write(&disk, build->disk_bytes / CLO_GPT_SECTOR, partitions,
                         CLO_COUNT(partitions), head, tail, err);
}

/* Before anything takes its time. */
static bool check_grown(const struct build *build, struct clo_bytes head, struct clo_error *err)
{
    for (size_t i = 0; i < build->spec->grown_count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
        if (!clo_image_grown_head(head, build->spec->grown[i], &grown, err))
            return false;
    }
    return true;
}

static bool write_at(struct build *build, struct clo_bytes bytes, uint64_t at,
                     struct clo_error *err)
{
    if (lseek(build->disk.fd, (off_t)at, SEEK_SET) < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", build->spec->output, strerror(errno));
    return clo_write_all(build->disk.fd, bytes, err) || clo_wrap(err, "%s", build->spec->output);
}

/* Copies what is not a hole. */
static bool copy_file(struct build *build, const char *path, uint64_t size, uint64_t at,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int from = open(path, O_RDONLY | O_CLOEXEC);
    static uint8_t zeros[65536];
    uint8_t piece[65536];

    if (from < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    for (uint64_t done = 0; done < size;) {
        size_t want = size - done < sizeof piece ? (size_t)(size - done) : sizeof piece;
        ssize_t got = pread(from, piece, want, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path,
                            got == 0 ? "shorter than it was" : strerror(errno));
        if (memcmp(piece, zeros, (size_t)got) != 0 &&
            !write_at(build, clo_bytes(piece, (size_t)got), at + done, err))
            return false;
        done += (uint64_t)got;
    }
    return true;
}

static bool format_header(struct build *build, const char *path, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    struct clo_guid guid = derive_guid(&spec->seed, "LUKS");
    char uuid[CLO_GUID_TEXT];
    struct clo_luks_spec luks = {
        .uuid = spec->luks_uuid != NULL ? spec->luks_uuid : clo_guid_text(&guid, uuid),
        .sector_size = sector_size(build),
        .has_tags = spec->has_tags,
        .is_gcm = spec->is_gcm,
        .disk_key = spec->disk_key,
        .recovery_passphrase =
                spec->recovery_header == NULL ? spec->recovery_passphrase : clo_bytes(NULL, 0),
    };

    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)build->luks_bytes) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    if (!clo_luks_format(path, &luks, &build->volume_key, build->uuid, err))
        return false;
    return fsync(fd) == 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

static bool read_header(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return clo_fd_read(fd, 0, CLO_LUKS_PAYLOAD_OFFSET, out, err) || clo_wrap(err, "%s", path);
}

/* It has the key slots that these options would have made: a passphrase that is to be kept from the disk is not on it, and one that is to
 * be on it opens it. */
static bool check_kept(const struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    bool has_passphrase = spec->recovery_header == NULL && spec->recovery_passphrase.size > 0;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *volume_key = NULL;
    struct clo_luks2_info info;
    struct clo_error ignored;
    char uuid[41];

    if (!read_header(build->luks_path, &header, err) ||
        !clo_luks2_check(clo_buffer_bytes(&header), &info, err))
        return false;
    bool is_same = info.keyslot_count == (has_passphrase ? 2 : 1) &&
                   (!has_passphrase || clo_luks_open(build->luks_path, spec->recovery_passphrase,
                                                     &volume_key, uuid, &ignored));
    return is_same || clo_fail(err, CLO_ERR_REFUSED,
                               "%s: was begun with another passphrase, or with it elsewhere: the "
                               "same options go on with it; to begin anew, remove %s",
                               spec->output, spec->journal->folder);
}

/* A header that was made is kept, with its volume key: what is encrypted already hangs on it. */
static bool make_header(struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    char made[4210];

    if (spec->journal == NULL)
        return format_header(build, build->luks_path, err);
    snprintf(build->luks_path, sizeof build->luks_path, "%s", spec->journal->header);
    if (access(build->luks_path, F_OK) == 0)
        return clo_luks_open(build->luks_path, spec->disk_key, &build->volume_key, build->uuid,
                             err) &&
               check_kept(build, err);
    snprintf(made, sizeof made, "%s.new", build->luks_path);
    (void)unlink(made);
    if (!format_header(build, made, err))
        return false;
    return rename(made, build->luks_path) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", made, strerror(errno));
}

/* All that decides where what is written, and with which key. */
static bool identify(struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_digest identity;

    clo_buffer_append(&text, clo_digest_bytes(&spec->input));
    clo_buffer_text(&text, build->uuid);
    clo_buffer_le64(&text, build->root_first);
    clo_buffer_le64(&text, build->luks_bytes);
    clo_buffer_u8(&text, spec->encrypt_all);
    clo_buffer_u8(&text, (uint8_t)(spec->has_tags + spec->is_gcm));
    if (spec->has_verity)
        clo_buffer_text(&text, spec->root_hash);
    clo_buffer_le32(&text, sector_size(build));
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), &identity);
    return clo_journal_identify(spec->journal, &identity, err);
}

static bool open_disk(struct build *build, struct clo_error *err)
{
    struct clo_journal *journal = build->spec->journal;

    if (journal == NULL)
        return clo_new_file_open(build->spec->output, 0644, &build->disk, err);
    if (access(journal->disk, F_OK) != 0)
        journal->done = 0;
    build->disk.fd = open(journal->disk, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (build->disk.fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", journal->disk, strerror(errno));
    return build->spec->in_place != NULL || identify(build, err);
}

/* What we hand out must pass the guest's own white list: better told here than at boot. And this is the
 * disk that the broker is to know. */
static bool check_header(struct build *build, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    struct clo_luks2_info info;

    if (!read_header(build->luks_path, &header, err))
        return false;
    clo_disk_key_id(build->spec->disk_key, &build->identity.key_id);
    snprintf(build->identity.name, sizeof build->identity.name, "%s", build->spec->name);
    return clo_luks2_check(clo_buffer_bytes(&header), &info, err) &&
           clo_disk_identity_of(clo_buffer_bytes(&header), build->volume_key,
                                &build->identity.identity, err);
}

struct encrypt_progress {
    const struct build *build;
};

/* First the bytes, then the word that they are there. */
static bool save_progress(void *context, uint64_t done, struct clo_error *err)
{
    const struct encrypt_progress *progress = context;

    if (fdatasync(progress->build->disk.fd) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    return clo_journal_save(progress->build->spec->journal, done, err);
}

static void tell_progress(void *context, uint64_t done, uint64_t total)
{
    const struct encrypt_progress *progress = context;

    step(progress->build, CLO_IMAGE_ENCRYPT, done, total);
}

static bool encrypt_root(struct build *build, struct clo_image_result *result,
                         struct clo_error *err)
{
    struct encrypt_progress progress = { build };
    struct clo_encrypt_result encrypted;
    bool has_verity = build->spec->has_verity;
    struct clo_encrypt_spec spec = {
        .source = has_verity ? build->verity_path : build->root_path,
        .overlay = has_verity ? NULL : build->spec->root_overlay,
        .target = build->disk.fd,
        .offset = build->root_first + CLO_LUKS_PAYLOAD_OFFSET,
        .size = build->payload_bytes,
        .volume_key = build->volume_key,
        .sector_size = sector_size(build),
        .integrity = build->spec->has_tags ? &build->integrity : NULL,
        /* A free block has its place in the tree; after it, it has none. */
        .all = build->spec->encrypt_all || (has_verity && build->changes_at == 0),
        .files_at = build->changes_at,
        .start = build->spec->journal == NULL ? 0 : build->spec->journal->done,
        .save = build->spec->journal == NULL ? NULL : save_progress,
        .progress = tell_progress,
        .context = &progress,
    };

    if (!clo_encrypt(&spec, &encrypted, err))
        return clo_wrap(err, "%s", build->spec->output);
    result->encrypted = encrypted.encrypted;
    result->skipped = encrypted.skipped;
    return true;
}

/* --- In the root's own file --- */

static bool plan_in_place(struct build *build, const struct clo_image_result *result,
                          struct clo_error *err)
{
    const struct clo_image_spec *image = build->spec;
    const struct clo_in_place_spec spec = {
        .in_place = image->in_place,
        .journal = image->journal,
        .overlay = image->root_overlay,
        .made = build->disk.fd,
        .to = build->root_first + CLO_LUKS_PAYLOAD_OFFSET,
        .size = build->payload_bytes,
        .new_size = build->disk_bytes,
        .volume_key = build->volume_key,
        .all = image->encrypt_all,
        .recovery = clo_in_place_recovery(image),
        .result = result,
        .uuid = build->uuid,
    };

    return clo_in_place_plan(&spec, err);
}

static bool move_in_place(struct build *build, struct clo_image_result *result,
                          struct clo_error *err)
{
    struct encrypt_progress progress = { build };
    const struct clo_in_place_run run = {
        .disk = build->spec->in_place->disk,
        .journal = build->spec->journal,
        .volume_key = build->volume_key,
        .recovery = clo_in_place_recovery(build->spec),
        .progress = tell_progress,
        .context = &progress,
    };

    if (!clo_in_place_begin(build->spec->journal, err) || !clo_in_place_run(&run, result, err))
        return false;
    step(build, CLO_IMAGE_PREDICT, 1, 1);
    return clo_journal_finish_in_place(build->spec->journal, err);
}

/* As the kernel has them after its first start: it finds nothing to begin. */
static bool write_integrity(struct build *build, struct clo_error *err)
{
    const struct clo_integrity *integrity = &build->integrity;
    uint64_t at = build->root_first + CLO_LUKS_PAYLOAD_OFFSET;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!build->spec->has_tags)
        return true;
    if (!clo_integrity_write(integrity, &bytes, err))
        return false;
    for (uint32_t i = 0; i < integrity->journal_sections; i++) {
        if (!write_at(build, clo_buffer_bytes(&bytes), at, err))
            return false;
        at += bytes.size;
        bytes.size = 0;
        if (!clo_integrity_write_section(integrity, i, &bytes, err))
            return false;
    }
    return write_at(build, clo_buffer_bytes(&bytes), at, err);
}

/* The disk is whole MiB already. */
static bool write_footer(struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer footer = { 0 };
    struct clo_guid id = derive_guid(&spec->seed, "VHD");

    return !spec->is_vhd ||
           (clo_vhd_write_footer(build->disk_bytes, &id, spec->created, &footer, err) &&
            write_at(build, clo_buffer_bytes(&footer), build->disk_bytes, err));
}

static bool write_disk(struct build *build, struct clo_buffer *head,
                       struct clo_image_result *result, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };

    step(build, CLO_IMAGE_DISK, 0, 1);
    if (!clo_esp_make(build->esp_path, clo_buffer_bytes(&build->uki.bytes), spec->esp_size,
                      spec->epoch, &build->esp_bytes, err) ||
        !lay_out(build, head, &tail, err) || !check_grown(build, clo_buffer_bytes(head), err) ||
        !make_header(build, err) || !check_header(build, err) || !open_disk(build, err))
        return false;
    if (ftruncate(build->disk.fd, (off_t)build->disk_bytes) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", spec->output, strerror(errno));
    if (!write_at(build, clo_buffer_bytes(head), 0, err) ||
        !copy_file(build, build->esp_path, build->esp_bytes, build->esp_first, err) ||
        !copy_file(build, build->luks_path, CLO_LUKS_PAYLOAD_OFFSET, build->root_first, err) ||
        !write_at(build, clo_buffer_bytes(&tail), build->disk_bytes - CLO_GPT_TAIL_SIZE, err) ||
        !write_integrity(build, err) || !write_footer(build, err))
        return false;
    step(build, CLO_IMAGE_DISK, 1, 1);
    return spec->in_place != NULL ? plan_in_place(build, result, err)
                                  : encrypt_root(build, result, err);
}

/* --- The reference values --- */

void clo_image_reference_name(const char *reference, size_t profile, char *out, size_t size)
{
    size_t stem = clo_image_reference_stem(reference);

    if (profile == 0)
        snprintf(out, size, "%s", reference);
    else
        snprintf(out, size, "%.*s@%zu%s", (int)stem, reference, profile, reference + stem);
}

static bool predict(const struct build *build, struct clo_bytes head, size_t profile,
                    struct clo_buffer *text, struct clo_error *err)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *created = clo_json_time(build->spec->created);
    CLO_CLEANUP(clo_json_freep) json_t *none = json_array();
    const json_t *words =
            json_object_get(json_object_get(build->spec->guest_config, "host"), "allow");
    enum clo_hash hash = CLO_HASH_SHA256;
    struct clo_digest measurement;
    char volume_key_text[CLO_LUKS2_MEASUREMENT_TEXT];
    char options[32], name[300];

    clo_image_reference_name(build->spec->name, profile, name, sizeof name);
    snprintf(options, sizeof options, "@%zu", profile);
    clo_luks2_measurement(build->volume_key, build->uuid, hash, volume_key_text, &measurement);
    struct clo_prediction prediction = {
        .name = name,
        .created = json_string_value(created),
        .uki = clo_buffer_bytes(&build->uki.bytes),
        .disk_head = head,
        .varstore = build->spec->varstore,
        .load_options = profile == 0 ? NULL : options,
        .banks = &hash,
        .bank_count = 1,
        .volume_key_measurements = &measurement,
        .volume_key_count = 1,
        .volume_key_text = volume_key_text,
        .host_inputs = words != NULL ? words : none,
    };
    return (clo_reference_predict(&prediction, &reference, err) || clo_wrap(err, "prediction")) &&
           clo_reference_write(reference, text, err);
}

static bool write_file(const char *path, const struct clo_buffer *text, struct clo_new_file *out,
                       struct clo_error *err)
{
    return (clo_new_file_open(path, 0644, out, err) &&
            clo_write_all(out->fd, clo_buffer_bytes(text), err)) ||
           clo_wrap(err, "%s", path);
}

/* The header once more, with the passphrase's key slot, which its host never sees: of a short passphrase it could try all. */
static bool write_recovery_header(const struct build *build, struct clo_new_file *out,
                                  struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    struct clo_luks2_info info;
    char path[sizeof build->scratch.path + 16];

    if (spec->recovery_header == NULL)
        return true;
    snprintf(path, sizeof path, "%s/recovery.luks", build->scratch.path);
    bool ok = read_header(build->luks_path, &header, err) &&
              clo_file_write(path, clo_buffer_bytes(&header), 0600, err) &&
              clo_luks_add_passphrase(path, build->volume_key, spec->recovery_passphrase, err);
    clo_buffer_free(&header);
    return (ok && read_header(path, &header, err) &&
            clo_luks2_check(clo_buffer_bytes(&header), &info, err) &&
            clo_new_file_open(spec->recovery_header, 0600, out, err) &&
            clo_write_all(out->fd,
                          clo_bytes_slice(clo_buffer_bytes(&header), 0, (size_t)info.keyslots_end),
                          err) &&
            (ftruncate(out->fd, (off_t)header.size) == 0 ||
             clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno)))) ||
           clo_wrap(err, "%s", spec->recovery_header);
}

/* One for each profile, and these once more for each disk that the root may grow into. */
struct references {
    struct clo_new_file files[CLO_PE_SECTIONS_MAX * (1 + CLO_IMAGE_GROWN_MAX)];
    size_t count;
};

static void free_references(struct references *references)
{
    for (size_t i = 0; i < references->count; i++)
        clo_new_file_free(&references->files[i]);
}

static bool write_profiles(const struct build *build, struct clo_bytes head, const char *name,
                           struct references *out, struct clo_error *err)
{
    for (size_t i = 0; i < build->uki.profile_count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_new_file *file = &out->files[out->count++];
        char path[4400];
        file->fd = -1;
        clo_image_reference_name(name, i, path, sizeof path);
        if (!predict(build, head, i, &text, err) || !write_file(path, &text, file, err))
            return false;
    }
    return true;
}

static bool write_references(const struct build *build, struct clo_bytes head,
                             struct references *out, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;

    step(build, CLO_IMAGE_PREDICT, 0, 1);
    if (!write_profiles(build, head, spec->reference_output, out, err))
        return false;
    for (size_t i = 0; i < spec->grown_count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer grown = { 0 };
        char name[4300];
        clo_image_grown_name(spec->reference_output, spec->grown[i], name, sizeof name);
        if (!clo_image_grown_head(head, spec->grown[i], &grown, err) ||
            !write_profiles(build, clo_buffer_bytes(&grown), name, out, err))
            return false;
    }
    step(build, CLO_IMAGE_PREDICT, 1, 1);
    return true;
}

/* --- All of it --- */

static bool start(struct build *build, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(build->spec->output);

    if (copy == NULL)
        return clo_out_of_memory(err);
    /* Scratch files hold the root in the clear: they stay on the owner's disk, next to the output. */
    const struct clo_journal *journal = build->spec->journal;
    if (!clo_scratch_new(journal == NULL ? dirname(copy) : journal->folder, &build->scratch, err))
        return false;
    snprintf(build->esp_path, sizeof build->esp_path, "%s/esp.img", build->scratch.path);
    snprintf(build->luks_path, sizeof build->luks_path, "%s/luks.img", build->scratch.path);
    return true;
}

static bool finish(struct build *build, struct clo_bytes head, struct clo_image_result *result,
                   struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer identity = { 0 };
    CLO_CLEANUP(free_references) struct references references = { .count = 0 };
    CLO_CLEANUP(clo_new_file_free) struct clo_new_file disk = { .fd = -1 };
    CLO_CLEANUP(clo_new_file_free) struct clo_new_file recovery = { .fd = -1 };

    if (!write_references(build, head, &references, err) ||
        (spec->check != NULL &&
         !spec->check(spec->check_context, clo_buffer_bytes(&build->uki.bytes), build->disk.fd,
                      err)) ||
        !clo_disk_file_write(&build->identity, &identity, err) ||
        !write_file(spec->disk_output, &identity, &disk, err) ||
        !write_recovery_header(build, &recovery, err))
        return false;
    if (spec->journal == NULL && !clo_new_file_commit(&build->disk, err))
        return false;
    for (size_t i = 0; i < references.count; i++)
        if (!clo_new_file_commit(&references.files[i], err))
            return false;
    if (!clo_new_file_commit(&disk, err) ||
        (spec->recovery_header != NULL && !clo_new_file_commit(&recovery, err)) ||
        !sign_root_hash(build, err))
        return false;
    if (spec->in_place != NULL)
        return move_in_place(build, result, err);
    return spec->journal == NULL || clo_journal_finish(spec->journal, build->disk.fd, err);
}

/* What a guest that makes tags of its own holds the superblock against is measured: it goes into the configuration. */
static bool tells_from(const struct clo_image_spec *spec)
{
    return spec->has_tags && json_object_get(spec->guest_config, "grow") != NULL;
}

static bool tell_from(struct build *build, struct clo_error *err)
{
    if (!lay_out_volume(build, err))
        return false;
    json_t *from = json_pack("{s:I, s:I}", "provided", (json_int_t)build->integrity.provided,
                             "journal_sections", (json_int_t)build->integrity.journal_sections);
    return json_object_set_new(build->spec->guest_config, "grow_from", from) == 0 ||
           clo_out_of_memory(err);
}

/* What comes into the UKI of the root's size. */
static bool prepare_early(struct build *build, struct clo_error *err)
{
    const struct clo_image_spec *spec = build->spec;

    if (!spec->has_verity && !tells_from(spec))
        return true;
    return prepare_root(build, err) && (!spec->has_verity || prepare_verity(build, err)) &&
           (!tells_from(spec) || tell_from(build, err));
}

bool clo_image_build(const struct clo_image_spec *spec, struct clo_image_result *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(free_build) struct build build = { .spec = spec, .disk = { .fd = -1 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    struct clo_image_result result = { 0 };

    if ((spec->root_overlay == NULL && !clo_root_check(spec->root, err)) || !start(&build, err) ||
        !prepare_early(&build, err) ||
        !image_uki_make(build.spec, build.scratch.path, &build.uki, err))
        return false;
    result.uki_size = build.uki.bytes.size;
    result.initrd_size = build.uki.initrd_size;
    result.profile_count = build.uki.profile_count;
    memcpy(result.release, build.uki.release, sizeof result.release);
    if (spec->offline->tbs == NULL &&
        ((!spec->has_verity && !tells_from(spec) && !prepare_root(&build, err)) ||
         !write_disk(&build, &head, &result, err) ||
         !finish(&build, clo_buffer_bytes(&head), &result, err)))
        return false;
    result.disk_size = build.disk_bytes;
    memcpy(result.luks_uuid, build.uuid, sizeof result.luks_uuid);
    result.tree_at = build.tree_at;
    result.changes_at = build.changes_at;
    memcpy(result.root_hash, build.spec->root_hash, sizeof result.root_hash);
    *out = result;
    return true;
}
