#include "guest/verity.h"

#include <stdio.h>
#include <string.h>

#include <libcryptsetup.h>

#include "device/dm_linear.h"
#include "device/file.h"
#include "guest/disk_internal.h"
#include "guest/kernel_log.h"

#define BLOCK        4096U
#define BLOCKS_MAX   ((uint64_t)1 << 40)
#define DM_VERITY    "device-mapper: verity: "
#define IS_CORRUPTED " is corrupted"

/* --- What the image says --- */

static bool read_bytes(const json_t *json, const char *key, size_t size, struct clo_buffer *out,
                       struct clo_error *err)
{
    return clo_json_get_bytes(json, key, CLO_JSON_HEX, size, out, err) &&
           (out->size == size ||
            clo_fail(err, CLO_ERR_FORMAT, "%s: %zu bytes, %zu expected", key, out->size, size));
}

/* After the data and at least one block of the tree. */
static bool read_changes(const json_t *json, struct clo_guest_verity *out, struct clo_error *err)
{
    static const char *const keys[] = { "first_block", "blocks", NULL };

    if (!clo_json_only(json, keys, err) ||
        !clo_json_get_u64(json, "first_block", &out->changes_first, err) ||
        !clo_json_get_u64(json, "blocks", &out->changes_blocks, err))
        return false;
    return (out->changes_first > out->data_blocks + 1 && out->changes_first <= BLOCKS_MAX &&
            out->changes_blocks > 0 && out->changes_blocks <= BLOCKS_MAX) ||
           clo_fail(err, CLO_ERR_FORMAT, "%llu blocks from %llu on",
                    (unsigned long long)out->changes_blocks,
                    (unsigned long long)out->changes_first);
}

bool clo_guest_verity_parse(const json_t *json, struct clo_guest_verity *out, struct clo_error *err)
{
    static const char *const keys[] = { "data_blocks", "root_hash", "salt", "changes", NULL };
    json_t *changes;

    if (!clo_json_only(json, keys, err) ||
        !clo_json_get_u64(json, "data_blocks", &out->data_blocks, err) ||
        !read_bytes(json, "root_hash", CLO_VERITY_ROOT_HASH, &out->root_hash, err) ||
        !read_bytes(json, "salt", CLO_VERITY_SALT_SIZE, &out->salt, err))
        return false;
    if (out->data_blocks < 2 || out->data_blocks > BLOCKS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "data_blocks: %llu",
                        (unsigned long long)out->data_blocks);
    return json_object_get(json, "changes") == NULL ||
           (clo_json_get_object(json, "changes", &changes, err) &&
            (read_changes(changes, out, err) || clo_wrap(err, "changes")));
}

void clo_guest_verity_free(struct clo_guest_verity *verity)
{
    clo_buffer_free(&verity->root_hash);
    clo_buffer_free(&verity->salt);
    *verity = (struct clo_guest_verity){ 0 };
}

/* --- Opening it --- */

/* By what was measured alone: the superblock on the disk is not read. Without one, libcryptsetup takes the layout by "formatting", which
 * writes nothing as long as no hashes are asked for. */
bool clo_guest_verity_open(const struct clo_guest_verity *verity, const char *device,
                           const char *name, bool panics, struct clo_error *err)
{
    CLO_CLEANUP(clo_disk_free_device) struct crypt_device *handle = NULL;
    struct crypt_params_verity parameters = {
        .hash_name = "sha256",
        .data_device = device,
        .salt = (const char *)verity->salt.data,
        .salt_size = (uint32_t)verity->salt.size,
        .hash_type = 1,
        .data_block_size = BLOCK,
        .hash_block_size = BLOCK,
        .data_size = verity->data_blocks,
        .hash_area_offset = (verity->data_blocks + 1) * BLOCK,
        .flags = CRYPT_VERITY_NO_HEADER,
    };
    uint32_t flags =
            CRYPT_ACTIVATE_READONLY | (panics ? (uint32_t)CRYPT_ACTIVATE_PANIC_ON_CORRUPTION : 0);
    char why[CLO_DISK_WHY] = "";

    int result = crypt_init(&handle, device);
    if (result == 0) {
        crypt_set_log_callback(handle, clo_disk_keep_last, why);
        result = crypt_format(handle, CRYPT_VERITY, NULL, NULL, NULL, NULL, 0, &parameters);
    }
    if (result == 0)
        result = crypt_activate_by_volume_key(handle, name, (const char *)verity->root_hash.data,
                                              verity->root_hash.size, flags);
    return result >= 0 || clo_fail(err, CLO_ERR_SYSTEM, "%s: dm-verity: %s", device,
                                   why[0] != '\0' ? why : strerror(-result));
}

bool clo_guest_verity_open_changes(const struct clo_guest_verity *verity, const char *device,
                                   const char *name, struct clo_error *err)
{
    const uint64_t per_block = BLOCK / CLO_DM_SECTOR;

    return clo_dm_linear_open(device, verity->changes_first * per_block,
                              verity->changes_blocks * per_block, name, err);
}

void clo_guest_verity_close(const char *name)
{
    CLO_CLEANUP(clo_disk_free_device) struct crypt_device *handle = NULL;

    if (crypt_init_by_name(&handle, name) == 0)
        (void)crypt_deactivate(handle, name);
}

/* --- What the kernel says --- */

/* "device-mapper: verity: 254:0: data block 5 is corrupted" */
bool clo_guest_verity_line(const char *line, char *out, size_t size)
{
    const char *at = strstr(line, DM_VERITY);
    const char *block = at == NULL ? NULL : strstr(at, "data block ");
    const char *end = block == NULL ? NULL : strstr(block, IS_CORRUPTED);

    if (end == NULL)
        return false;
    bool is_tree = block - at > 4 && memcmp(block - 4, "meta", 4) == 0;
    snprintf(out, size, "%s%.*s", is_tree ? "meta" : "", (int)(end - block), block);
    clo_sanitize(out);
    return true;
}

struct search {
    char *out;
    size_t size;
    bool found;
};

static bool take_line(void *context, const char *line)
{
    struct search *search = context;

    search->found = clo_guest_verity_line(line, search->out, search->size);
    return !search->found;
}

bool clo_guest_verity_differs(const char *log, char *out, size_t size)
{
    struct search search = { .out = out, .size = size };

    clo_kernel_log_each(log, take_line, &search);
    return search.found;
}
