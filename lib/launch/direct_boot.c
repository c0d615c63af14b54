#include "lib/launch/direct_boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/tdvf.h"
#include "lib/base/put.h"

#define HEADER_SIZE 8192U /* what QEMU rewrites at most */
#define SECTOR      512U

/* Offsets of the setup header, boot.rst. */
enum {
    OLD_CMDLINE_MAGIC = 0x20,
    OLD_CMDLINE_OFFSET = 0x22,
    SETUP_SECTS = 0x1f1,
    VID_MODE = 0x1fa,
    SIGNATURE = 0x202,
    VERSION = 0x206,
    TYPE_OF_LOADER = 0x210,
    LOADFLAGS = 0x211,
    RAMDISK_IMAGE = 0x218,
    RAMDISK_SIZE = 0x21c,
    HEAP_END_PTR = 0x224,
    CMD_LINE_PTR = 0x228,
    INITRD_ADDR_MAX = 0x22c,
    XLOADFLAGS = 0x236,
    HEADER_END = 0x268,
};

#define LOADED_HIGH        0x01U
#define CAN_USE_HEAP       0x80U
#define CAN_BE_LOADED_HIGH 0x02U /* above 4 GiB */
#define QEMU_LOADER        0xb0U
#define OLD_INITRD_MAX     0x37ffffffU
#define OLD_MAGIC          0xa33fU
#define OLD_REAL_MODE_AT   0x90000U
#define OLD_CMDLINE_END    0x9a000U
#define NEW_REAL_MODE_AT   0x10000U
#define NEW_CMDLINE_AT     0x20000U

struct header {
    uint8_t bytes[HEADER_SIZE];
    unsigned protocol;
    uint32_t real_mode_at;
    uint32_t cmdline_at;
};

static uint32_t get(const struct header *header, size_t at, size_t size)
{
    uint32_t value = 0;

    for (size_t i = 0; i < size; i++)
        value |= (uint32_t)header->bytes[at + i] << (8 * i);
    return value;
}

static bool read_header(const struct clo_direct_boot *from, struct header *out,
                        struct clo_error *err)
{
    size_t size = from->kernel.size < HEADER_SIZE ? from->kernel.size : HEADER_SIZE;
    size_t cmdline_size = from->cmdline == NULL ? 0 : strlen(from->cmdline);

    if (size < HEADER_END)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes: too short for a bzImage", size);
    memcpy(out->bytes, from->kernel.data, size);
    if (memcmp(out->bytes + SIGNATURE, "HdrS", 4) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "is not a bzImage: no boot protocol header at 0x202");
    out->protocol = get(out, VERSION, 2);
    bool is_low = out->protocol < 0x200 || (out->bytes[LOADFLAGS] & LOADED_HIGH) == 0;
    bool is_old = is_low || out->protocol < 0x202;
    out->real_mode_at = is_old ? OLD_REAL_MODE_AT : NEW_REAL_MODE_AT;
    out->cmdline_at = is_old ? OLD_CMDLINE_END - (uint32_t)((cmdline_size + 16) & ~(size_t)15)
                             : NEW_CMDLINE_AT;
    uint32_t sectors = out->bytes[SETUP_SECTS] == 0 ? 4 : out->bytes[SETUP_SECTS];
    if ((sectors + 1) * SECTOR > from->kernel.size)
        return clo_fail(err, CLO_ERR_FORMAT, "%u setup sectors in %zu bytes", sectors,
                        from->kernel.size);
    return true;
}

static void put_cmdline(struct header *header)
{
    if (header->protocol >= 0x202) {
        clo_put_le32(header->bytes + CMD_LINE_PTR, header->cmdline_at);
        return;
    }
    clo_put_le16(header->bytes + OLD_CMDLINE_MAGIC, OLD_MAGIC);
    clo_put_le16(header->bytes + OLD_CMDLINE_OFFSET,
                 (uint16_t)(header->cmdline_at - header->real_mode_at));
}

/* "vga=" anywhere in the command line, as QEMU looks for it. */
static bool put_video_mode(struct header *header, const char *cmdline, struct clo_error *err)
{
    const char *mode = cmdline == NULL ? NULL : strstr(cmdline, "vga=");
    uint16_t value;

    if (mode == NULL)
        return true;
    mode += 4;
    if (strncmp(mode, "normal", 6) == 0) {
        value = 0xffff;
    } else if (strncmp(mode, "ext", 3) == 0) {
        value = 0xfffe;
    } else if (strncmp(mode, "ask", 3) == 0) {
        value = 0xfffd;
    } else {
        char *end;
        errno = 0;
        unsigned long number = strtoul(mode, &end, 0);
        if (*mode < '0' || *mode > '9' || errno != 0 || number > UINT32_MAX ||
            (*end != '\0' && *end != ' '))
            return clo_fail(err, CLO_ERR_USAGE, "command line: \"vga=%.20s\" is not a mode", mode);
        value = (uint16_t)number;
    }
    clo_put_le16(header->bytes + VID_MODE, value);
    return true;
}

static void put_loader(struct header *header)
{
    if (header->protocol >= 0x200)
        header->bytes[TYPE_OF_LOADER] = QEMU_LOADER;
    if (header->protocol >= 0x201) {
        header->bytes[LOADFLAGS] |= CAN_USE_HEAP;
        clo_put_le16(header->bytes + HEAP_END_PTR,
                     (uint16_t)(header->cmdline_at - header->real_mode_at - 0x200));
    }
}

static uint32_t initrd_max(const struct header *header, uint64_t memory)
{
    uint32_t available = (uint32_t)clo_qemu_low_memory(memory) - CLO_QEMU_ACPI_DATA_SIZE;
    uint32_t max = OLD_INITRD_MAX;

    if (header->protocol >= 0x20c && (get(header, XLOADFLAGS, 2) & CAN_BE_LOADED_HIGH) != 0)
        max = UINT32_MAX;
    else if (header->protocol >= 0x203)
        max = get(header, INITRD_ADDR_MAX, 4);
    return max >= available ? available - 1 : max;
}

static bool put_initrd(struct header *header, const struct clo_direct_boot *from,
                       struct clo_error *err)
{
    if (from->initrd_size == 0)
        return true;
    if (header->protocol < 0x200)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "boot protocol 0x%x knows no initrd",
                        header->protocol);
    if (clo_qemu_low_memory(from->memory) <= CLO_QEMU_ACPI_DATA_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "0x%llx bytes of memory: no room for an initrd",
                        (unsigned long long)from->memory);
    uint32_t max = initrd_max(header, from->memory);
    if (from->initrd_size >= max)
        return clo_fail(err, CLO_ERR_USAGE, "initrd of %llu bytes: there is room for %u",
                        (unsigned long long)from->initrd_size, max);
    uint32_t size = (uint32_t)from->initrd_size;
    clo_put_le32(header->bytes + RAMDISK_IMAGE, (max - size) & ~4095U);
    clo_put_le32(header->bytes + RAMDISK_SIZE, size);
    return true;
}

bool clo_direct_boot_kernel(const struct clo_direct_boot *from, struct clo_buffer *out,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct header *header = calloc(1, sizeof *header);

    if (header == NULL)
        return clo_out_of_memory(err);
    if (!read_header(from, header, err))
        return false;
    put_cmdline(header);
    if (!put_video_mode(header, from->cmdline, err))
        return false;
    put_loader(header);
    if (!put_initrd(header, from, err))
        return false;
    /* No more is written back than the setup sectors. */
    uint32_t sectors = from->kernel.data[SETUP_SECTS] == 0 ? 4 : from->kernel.data[SETUP_SECTS];
    size_t setup_size = (sectors + 1) * SECTOR;
    size_t changed = setup_size < HEADER_SIZE ? setup_size : HEADER_SIZE;
    clo_buffer_reserve(out, from->kernel.size);
    clo_buffer_append(out, clo_bytes(header->bytes, changed));
    clo_buffer_append(out, clo_bytes_slice(from->kernel, changed, from->kernel.size));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
