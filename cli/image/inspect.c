/* cloister image inspect: what is on a disk image, and would a guest open it? */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/image/identity.h"
#include "cli/image/image.h"
#include "device/container.h"
#include "lib/disk/gpt.h"
#include "lib/disk/integrity.h"
#include "lib/disk/luks2.h"

static json_t *partitions_json(const struct clo_gpt *gpt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < gpt->count; i++) {
        const struct clo_gpt_partition *partition = &gpt->partitions[i];
        char type[CLO_GUID_TEXT], guid[CLO_GUID_TEXT];
        json_array_append_new(
                list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "name", partition->name, "type",
                                clo_guid_text(&partition->type, type), "guid",
                                clo_guid_text(&partition->guid, guid), "offset",
                                (json_int_t)(partition->first_lba * CLO_GPT_SECTOR), "bytes",
                                (json_int_t)((partition->last_lba - partition->first_lba + 1) *
                                             CLO_GPT_SECTOR)));
    }
    return list;
}

static void print_text(const struct clo_gpt *gpt, const struct clo_luks2_info *luks,
                       const struct clo_error *refusal)
{
    char guid[CLO_GUID_TEXT];

    printf("disk       %s, %llu MiB\n", clo_guid_text(&gpt->disk, guid),
           (unsigned long long)(gpt->disk_sectors * CLO_GPT_SECTOR >> 20));
    for (size_t i = 0; i < gpt->count; i++) {
        const struct clo_gpt_partition *partition = &gpt->partitions[i];
        printf("partition  %-8s %s, %llu MiB\n", partition->name,
               clo_guid_text(&partition->guid, guid),
               (unsigned long long)((partition->last_lba - partition->first_lba + 1) *
                                            CLO_GPT_SECTOR >>
                                    20));
    }
    if (refusal != NULL)
        printf("root       refused: %s\n", refusal->text);
    else
        printf("root       LUKS2 %s, %s%s%s, %u-byte sectors, %zu key slots: a guest opens it\n",
               luks->uuid, luks->cipher, luks->integrity[0] == '\0' ? "" : ", ", luks->integrity,
               luks->sector_size, luks->keyslot_count);
}

static bool read_disk(const struct clo_container *container, uint64_t at, size_t size,
                      struct clo_buffer *out, struct clo_error *err)
{
    if (at < container->size && size > container->size - at)
        size = (size_t)(container->size - at);
    clo_buffer_zero(out, size);
    return clo_buffer_ok(out) ? clo_container_read(container, at, out->data, size, err)
                              : clo_out_of_memory(err);
}

/* The header, and what lies at the payload's start; false with a refusal, or with an error where it cannot be read. */
static bool check_root(const struct clo_container *container, const struct clo_gpt_partition *root,
                       struct clo_luks2_info *luks, bool *is_fit, struct clo_error *refusal,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
    uint64_t first = root->first_lba * CLO_GPT_SECTOR;
    uint64_t size = (root->last_lba - root->first_lba + 1) * CLO_GPT_SECTOR;
    size_t head = size < CLO_LUKS2_HEADER_MAX ? (size_t)size : CLO_LUKS2_HEADER_MAX;

    if (!read_disk(container, first, head, &header, err))
        return false;
    *is_fit = clo_luks2_check(clo_buffer_bytes(&header), luks, refusal);
    if (!*is_fit || luks->integrity[0] == '\0')
        return true;
    if (!read_disk(container, first + luks->payload_offset, CLO_INTEGRITY_SUPERBLOCK, &superblock,
                   err))
        return false;
    *is_fit = clo_luks2_check_tags(luks, clo_buffer_bytes(&superblock), size, refusal);
    return true;
}

static bool inspect(const char *path, bool as_json, bool *is_fit, struct clo_error *err)
{
    CLO_CLEANUP(clo_container_close) struct clo_container container = { .fd = -1 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_gpt_partition *root = NULL;
    struct clo_luks2_info luks = { 0 };
    struct clo_error refusal;

    if (gpt == NULL)
        return clo_out_of_memory(err);
    if (!clo_container_open(path, &container, err) ||
        !read_disk(&container, 0, CLO_GPT_HEAD_SIZE, &head, err) ||
        !clo_gpt_parse(clo_buffer_bytes(&head), gpt, err))
        return false;
    bool ok = clo_gpt_find(gpt, &clo_gpt_type_root_x86_64, &root, &refusal);
    if (ok && !check_root(&container, root, &luks, &ok, &refusal, err))
        return false;
    *is_fit = ok;
    if (!as_json) {
        print_text(gpt, &luks, ok ? NULL : &refusal);
        return true;
    }
    char guid[CLO_GUID_TEXT];
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s, s:o}", "disk", clo_guid_text(&gpt->disk, guid), "partitions",
                             partitions_json(gpt));
    json_object_set_new(json, "root",
                        ok ? json_pack("{s:b, s:s, s:s, s:s, s:i, s:i}", "fit", 1, "luks_uuid",
                                       luks.uuid, "cipher", luks.cipher, "integrity",
                                       luks.integrity[0] == '\0' ? "none" : luks.integrity,
                                       "sector_size", (int)luks.sector_size, "keyslots",
                                       (int)luks.keyslot_count)
                           : json_pack("{s:b, s:s}", "fit", 0, "refusal", refusal.text));
    CLO_CLEANUP(clo_json_freep) json_t *identity = NULL;
    if (!cli_identity(path, &identity, err))
        return false;
    json_object_set(json, "identity", identity);
    return cli_print_json(json, err);
}

int cmd_image_inspect(int argc, char **argv)
{
    bool as_json = false;
    const struct cli_option options[] = {
        { "--json", NULL, "print JSON", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "image inspect",
        .arguments = "IMAGE",
        .operands = { "one image", 1, 1 },
        .summary = "Says what is on a disk image, and whether a guest would open its root: the\n"
                   "LUKS2 header is held against the white list. Exit status 1 if it would not.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister image inspect demo.img\n",
    };
    struct clo_list operands;
    struct clo_error err;
    bool is_fit = false;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!inspect(operands.items[0], as_json, &is_fit, &err)) {
        clo_wrap(&err, "%s", operands.items[0]);
        return cli_error(&err);
    }
    return is_fit ? CLI_YES : CLI_NO;
}
