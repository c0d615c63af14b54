#include "lib/disk/probe.h"

#include <stdio.h>
#include <string.h>

#define BTRFS_AT   0x10000
#define MBR_TABLE  446
#define PROTECTIVE 0xee

const char *clo_content_name(enum clo_content content)
{
    static const char *const names[] = {
        [CLO_CONTENT_UNKNOWN] = "unknown",
        [CLO_CONTENT_EXT] = "ext4",
        [CLO_CONTENT_XFS] = "XFS",
        [CLO_CONTENT_BTRFS] = "btrfs",
        [CLO_CONTENT_FAT] = "FAT",
        [CLO_CONTENT_SQUASHFS] = "squashfs",
        [CLO_CONTENT_EROFS] = "EROFS",
        [CLO_CONTENT_SWAP] = "swap",
        [CLO_CONTENT_LVM] = "LVM",
        [CLO_CONTENT_VERITY] = "verity",
        [CLO_CONTENT_LUKS1] = "LUKS1",
        [CLO_CONTENT_LUKS2] = "LUKS2",
        [CLO_CONTENT_BOOT_SECTOR] = "a boot sector",
    };

    return names[content];
}

static bool has(struct clo_bytes in, size_t at, const char *magic, size_t size)
{
    return clo_bytes_equal(clo_bytes_slice(in, at, size), clo_bytes(magic, size));
}

/* FAT has no magic number of its own: a jump, its sizes, and its name where mkfs puts it. */
static bool is_fat(struct clo_bytes in)
{
    return has(in, 510, "\x55\xaa", 2) && (has(in, 0x52, "FAT32", 5) || has(in, 0x36, "FAT1", 4));
}

static enum clo_content content_of(struct clo_bytes in)
{
    static const struct {
        size_t at;
        const char *magic;
        size_t size;
        enum clo_content content;
    } known[] = {
        { 0, "LUKS\xba\xbe\0\x01", 8, CLO_CONTENT_LUKS1 },
        { 0, "LUKS\xba\xbe\0\x02", 8, CLO_CONTENT_LUKS2 },
        { 0, "verity\0\0", 8, CLO_CONTENT_VERITY },
        { 4086, "SWAPSPACE2", 10, CLO_CONTENT_SWAP },
        { 0x438, "\x53\xef", 2, CLO_CONTENT_EXT },
        { 0, "XFSB", 4, CLO_CONTENT_XFS },
        { BTRFS_AT + 0x40, "_BHRfS_M", 8, CLO_CONTENT_BTRFS },
        { 0, "hsqs", 4, CLO_CONTENT_SQUASHFS },
        { 0x400, "\xe2\xe1\xf5\xe0", 4, CLO_CONTENT_EROFS },
        { 0x200, "LABELONE", 8, CLO_CONTENT_LVM },
    };

    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (has(in, known[i].at, known[i].magic, known[i].size))
            return known[i].content;
    if (is_fat(in))
        return CLO_CONTENT_FAT;
    return has(in, 510, "\x55\xaa", 2) ? CLO_CONTENT_BOOT_SECTOR : CLO_CONTENT_UNKNOWN;
}

/* 16 bytes in the order in which they are written. */
static void set_uuid(struct clo_bytes in, size_t at, struct clo_probe *out)
{
    struct clo_bytes u = clo_bytes_slice(in, at, 16);

    if (u.size == 16)
        snprintf(out->uuid, sizeof out->uuid,
                 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u.data[0],
                 u.data[1], u.data[2], u.data[3], u.data[4], u.data[5], u.data[6], u.data[7],
                 u.data[8], u.data[9], u.data[10], u.data[11], u.data[12], u.data[13], u.data[14],
                 u.data[15]);
}

/* Up to a NUL, without blanks at its end. */
static void set_text(struct clo_bytes in, size_t at, size_t size, char *out, size_t room)
{
    struct clo_bytes text = clo_bytes_slice(in, at, size);
    const uint8_t *end = text.size == 0 ? NULL : memchr(text.data, '\0', text.size);

    if (end != NULL)
        text.size = (size_t)(end - text.data);
    while (text.size > 0 && text.data[text.size - 1] == ' ')
        text.size--;
    snprintf(out, room, "%.*s", (int)text.size, text.size == 0 ? "" : (const char *)text.data);
    clo_sanitize(out);
}

static void set_fat(struct clo_bytes in, struct clo_probe *out)
{
    bool is_32 = has(in, 0x52, "FAT32", 5);
    struct clo_reader r = clo_reader(clo_bytes_slice(in, is_32 ? 0x43 : 0x27, 4));
    uint32_t serial = clo_read_le32(&r);

    snprintf(out->uuid, sizeof out->uuid, "%04X-%04X", serial >> 16, serial & 0xffff);
    set_text(in, is_32 ? 0x47 : 0x2b, 11, out->label, sizeof out->label);
}

void clo_probe(struct clo_bytes in, struct clo_probe *out)
{
    static const struct {
        enum clo_content content;
        size_t uuid, label, label_size;
    } places[] = {
        { CLO_CONTENT_EXT, 0x468, 0x478, 16 },
        { CLO_CONTENT_XFS, 32, 108, 12 },
        { CLO_CONTENT_BTRFS, BTRFS_AT + 32, BTRFS_AT + 0x12b, 63 },
        { CLO_CONTENT_SWAP, 1036, 1052, 16 },
    };

    *out = (struct clo_probe){ .content = content_of(in) };
    for (size_t i = 0; i < CLO_COUNT(places); i++)
        if (places[i].content == out->content) {
            set_uuid(in, places[i].uuid, out);
            set_text(in, places[i].label, places[i].label_size, out->label, sizeof out->label);
        }
    if (out->content == CLO_CONTENT_FAT)
        set_fat(in, out);
    else if (out->content == CLO_CONTENT_LVM)
        set_text(in, 0x220, 32, out->uuid, sizeof out->uuid);
    else if (out->content == CLO_CONTENT_LUKS1 || out->content == CLO_CONTENT_LUKS2)
        set_text(in, 168, 40, out->uuid, sizeof out->uuid);
}

bool clo_mbr_is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0f || type == 0x85;
}

bool clo_mbr_parse(struct clo_bytes sector, struct clo_mbr_partition out[CLO_MBR_PARTITIONS])
{
    bool is_any = false;

    if (sector.size < 512 || !has(sector, 510, "\x55\xaa", 2))
        return false;
    for (size_t i = 0; i < CLO_MBR_PARTITIONS; i++) {
        struct clo_reader r = clo_reader(clo_bytes_slice(sector, MBR_TABLE + 16 * i, 16));
        uint8_t active = clo_read_u8(&r);
        clo_read_skip(&r, 3);
        out[i].type = clo_read_u8(&r);
        clo_read_skip(&r, 3);
        out[i].first_lba = clo_read_le32(&r);
        out[i].sectors = clo_read_le32(&r);
        /* In a file system's own boot sector these bytes are code. */
        if ((active & 0x7f) != 0 || out[i].type == PROTECTIVE)
            return false;
        if (out[i].type == 0 || out[i].sectors == 0)
            out[i] = (struct clo_mbr_partition){ 0 };
        else
            is_any = true;
    }
    return is_any;
}
