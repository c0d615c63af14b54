#include <stdlib.h>
#include <string.h>

#include "device/container.h"

bool container_vhdx_open(struct clo_container *container, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *head = malloc(CLO_VHDX_HEAD_SIZE);
    uint8_t items[CLO_VHDX_ITEM_COUNT][CLO_VHDX_ITEM_SIZE];
    struct clo_vhdx *vhdx = &container->vhdx;

    if (head == NULL)
        return clo_out_of_memory(err);
    if (!container_fd_read(container->fd, 0, head, CLO_VHDX_HEAD_SIZE, err) ||
        !clo_vhdx_parse(clo_bytes(head, CLO_VHDX_HEAD_SIZE), container->size, vhdx, err) ||
        !container_fd_read(container->fd, vhdx->metadata_at, head, CLO_VHDX_METADATA_SIZE, err) ||
        !clo_vhdx_parse_metadata(clo_bytes(head, CLO_VHDX_METADATA_SIZE), vhdx, err))
        return false;
    for (size_t i = 0; i < CLO_VHDX_ITEM_COUNT; i++)
        if (!container_fd_read(container->fd, vhdx->items[i], items[i], CLO_VHDX_ITEM_SIZE, err))
            return false;
    if (!clo_vhdx_parse_items(items, vhdx, err))
        return false;
    container->kind = CLO_CONTAINER_VHDX;
    container->size = vhdx->size;
    return true;
}

/* Where the block of this byte lies; 0: a hole. */
static bool find(const struct clo_container *container, uint64_t at, uint64_t *place,
                 struct clo_error *err)
{
    const struct clo_vhdx *vhdx = &container->vhdx;
    uint64_t index = clo_vhdx_index(vhdx, at / vhdx->block_size);
    uint8_t entry[8];

    if (!container_fd_read(container->fd, vhdx->table_at + index * 8, entry, sizeof entry, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(entry, sizeof entry));
    return clo_vhdx_block(vhdx, clo_read_le64(&r), place, err);
}

bool container_vhdx_read(const struct clo_container *container, uint64_t at, uint8_t *out,
                         size_t size, struct clo_error *err)
{
    while (size > 0) {
        uint64_t skip = at % container->vhdx.block_size;
        uint64_t left = container->vhdx.block_size - skip;
        size_t now = left < size ? (size_t)left : size;
        uint64_t place;
        if (!find(container, at, &place, err))
            return false;
        if (place == 0)
            memset(out, 0, now);
        else if (!container_fd_read(container->fd, place + skip, out, now, err))
            return false;
        at += now;
        out += now;
        size -= now;
    }
    return true;
}

bool container_vhdx_extent(const struct clo_container *container, uint64_t at, uint64_t *size,
                           bool *is_hole, struct clo_error *err)
{
    uint64_t block = container->vhdx.block_size, end = at, place;

    for (bool is_first = true; end < container->size; is_first = false) {
        if (!find(container, end, &place, err))
            return false;
        if (is_first)
            *is_hole = place == 0;
        else if (*is_hole != (place == 0))
            break;
        end = (end / block + 1) * block;
    }
    *size = (end < container->size ? end : container->size) - at;
    return true;
}
