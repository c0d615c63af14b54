#include "image/in_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "image/encrypt.h"
#include "image/in_place_files.h"
#include "image/overlay.h"
#include "image/sectors.h"

#define BLOCK CLO_IN_PLACE_BLOCK

unsigned clo_in_place_recovery(const struct clo_image_spec *spec)
{
    return spec->recovery_passphrase.size == 0 ? 0 : spec->recovery_header == NULL ? 1 : 2;
}

/* --- Making the plan --- */

struct planning {
    const struct clo_in_place_spec *spec;
    struct clo_in_place_plan plan;
    struct clo_buffer used, changed; /* the maps */
    struct clo_sectors *sectors;
    struct clo_hasher *content;
    uint8_t *piece; /* IN_PLACE_PIECE bytes */
    uint64_t done;
};

static void free_planning(struct planning *planning)
{
    clo_buffer_free(&planning->used);
    clo_buffer_free(&planning->changed);
    clo_sectors_free(planning->sectors);
    clo_hasher_free(planning->content);
    free(planning->piece);
}

static bool map_used(struct planning *planning, struct clo_error *err)
{
    const struct clo_in_place_spec *spec = planning->spec;
    const struct clo_encrypt_spec encrypt = { .overlay = spec->overlay, .size = spec->size };
    CLO_CLEANUP(clo_freep) uint8_t *used = spec->all ? NULL : clo_encrypt_used(&encrypt);
    uint64_t blocks = spec->size / BLOCK;

    clo_buffer_zero(&planning->used, clo_in_place_map_size(spec->size));
    clo_buffer_zero(&planning->changed, clo_in_place_map_size(spec->size));
    if (!clo_buffer_ok(&planning->used) || !clo_buffer_ok(&planning->changed))
        return clo_out_of_memory(err);
    for (uint64_t block = 0; block < blocks; block++)
        if (used == NULL || (used[block / 8] >> block % 8 & 1) != 0)
            planning->used.data[block / 8] |= (uint8_t)(1U << block % 8);
    return true;
}

/* The mark takes the old disk's first sector: what a root without a table has there is kept as a change. */
static bool keep_head(struct planning *planning, struct clo_error *err)
{
    const struct clo_in_place_spec *spec = planning->spec;
    uint64_t size = clo_overlay_size(spec->overlay);
    size_t there = size < BLOCK ? (size_t)size : BLOCK;
    uint8_t block[BLOCK];

    return spec->in_place->from >= CLO_IN_PLACE_MARK ||
           (clo_overlay_read(spec->overlay, 0, block, there, err) &&
            clo_overlay_write(spec->overlay, 0, block, there, err));
}

/* Blocks of the root with what was changed, zeros after its end. */
static bool read_root(const struct planning *planning, uint64_t at, size_t size,
                      struct clo_error *err)
{
    uint64_t end = clo_overlay_size(planning->spec->overlay);
    uint64_t left = at < end ? end - at : 0;
    size_t there = left < size ? (size_t)left : size;

    memset(planning->piece + there, 0, size - there);
    return there == 0 || clo_overlay_read(planning->spec->overlay, at, planning->piece, there, err);
}

/* Encrypted, into its place on the new disk. */
static bool make_block(struct planning *planning, uint64_t at, struct clo_error *err)
{
    const struct clo_in_place_spec *spec = planning->spec;
    uint8_t no_tags[1];

    planning->changed.data[at / BLOCK / 8] |= (uint8_t)(1U << at / BLOCK % 8);
    return read_root(planning, at, BLOCK, err) &&
           clo_sectors_encrypt(planning->sectors, planning->piece, at, BLOCK, no_tags, err) &&
           clo_fd_write(spec->made, spec->to + at, clo_bytes(planning->piece, BLOCK), err);
}

/* How far from `at` on all blocks are alike: free, changed, or as they were. */
static uint64_t run_end(const struct planning *planning, uint64_t at, bool *is_used,
                        bool *is_changed)
{
    struct clo_bytes used = clo_buffer_bytes(&planning->used);
    const struct clo_overlay *overlay = planning->spec->overlay;
    uint64_t stop = at;

    *is_used = clo_in_place_bit(used, at / BLOCK);
    *is_changed = clo_overlay_is_changed(overlay, at / BLOCK);
    while (stop < planning->spec->size && stop - at < IN_PLACE_PIECE &&
           clo_in_place_bit(used, stop / BLOCK) == *is_used &&
           clo_overlay_is_changed(overlay, stop / BLOCK) == *is_changed)
        stop += BLOCK;
    return stop;
}

/* A place that cannot be read is found while the disk is still as it was. */
static bool look_through(struct planning *planning, struct clo_error *err)
{
    const struct clo_in_place_spec *spec = planning->spec;
    uint64_t stop;
    bool is_used, is_changed;

    for (uint64_t at = 0; at < spec->size; at = stop) {
        stop = run_end(planning, at, &is_used, &is_changed);
        for (uint64_t block = at; is_used && is_changed && block < stop; block += BLOCK)
            if (!make_block(planning, block, err))
                return false;
        if (!is_used || is_changed)
            continue;
        if (!read_root(planning, at, (size_t)(stop - at), err))
            return false;
        clo_hasher_add(planning->content, clo_bytes(planning->piece, (size_t)(stop - at)));
    }
    return true;
}

static bool begin_planning(struct planning *planning, struct clo_error *err)
{
    planning->content = clo_hasher_new(CLO_HASH_SHA256);
    planning->piece = malloc(IN_PLACE_PIECE);
    if (planning->content == NULL || planning->piece == NULL)
        return clo_out_of_memory(err);
    return clo_sectors_new(planning->spec->volume_key, BLOCK, &planning->sectors, err) &&
           map_used(planning, err) && keep_head(planning, err);
}

static bool fill_plan(struct planning *planning, struct clo_error *err)
{
    const struct clo_in_place_spec *spec = planning->spec;
    struct clo_in_place_plan *plan = &planning->plan;
    struct clo_digest digest;
    struct stat status;

    if (fstat(spec->in_place->disk, &status) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    *plan = (struct clo_in_place_plan){ .from = spec->in_place->from,
                                        .source = clo_overlay_size(spec->overlay),
                                        .to = spec->to,
                                        .size = spec->size,
                                        .old_size = (uint64_t)status.st_size,
                                        .new_size = spec->new_size,
                                        .uki_size = spec->result->uki_size,
                                        .initrd_size = spec->result->initrd_size,
                                        .profiles = (uint32_t)spec->result->profile_count,
                                        .recovery = spec->recovery,
                                        .used = clo_buffer_bytes(&planning->used),
                                        .changed = clo_buffer_bytes(&planning->changed) };
    snprintf(plan->uuid, sizeof plan->uuid, "%s", spec->uuid);
    snprintf(plan->release, sizeof plan->release, "%s", spec->result->release);
    clo_hasher_get(planning->content, &digest);
    memcpy(plan->content, digest.bytes, sizeof plan->content);
    return in_place_read(spec->in_place->disk, 0, plan->head, sizeof plan->head, err) &&
           in_place_made_digest(spec->made, plan, plan->made, err);
}

bool clo_in_place_plan(const struct clo_in_place_spec *spec, struct clo_error *err)
{
    CLO_CLEANUP(free_planning) struct planning planning = { .spec = spec };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_in_place_plan again;
    struct clo_digest key, id;
    char path[4300];

    in_place_path(spec->journal, IN_PLACE_PLAN_NEW, path, sizeof path);
    clo_in_place_key(clo_secret_bytes(spec->volume_key), &key);
    if (!begin_planning(&planning, err) || !look_through(&planning, err) ||
        !fill_plan(&planning, err) || !clo_in_place_plan_write(&planning.plan, &key, &text, err))
        return false;
    /* What is written is read before it is needed. */
    if (!clo_in_place_plan_read(clo_buffer_bytes(&text), &key, &again, &id, err))
        return clo_wrap(err, "--in-place");
    if (fsync(spec->made) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", spec->journal->disk, strerror(errno));
    return clo_file_write(path, clo_buffer_bytes(&text), 0600, err);
}

bool clo_in_place_begin(struct clo_journal *journal, struct clo_error *err)
{
    char from[4300], to[4300];

    in_place_path(journal, IN_PLACE_PLAN_NEW, from, sizeof from);
    in_place_path(journal, CLO_JOURNAL_PLAN, to, sizeof to);
    if (rename(from, to) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", to, strerror(errno));
    journal->is_kept = true;
    return clo_journal_sync(journal, err);
}
