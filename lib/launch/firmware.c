#include "lib/launch/firmware.h"

#include <string.h>

#include "lib/unpack/unpack.h"

#define PAGE             4096
#define VOLUME_HEADER    56 /* without the block map */
#define FILE_HEADER      24
#define FILE_LARGE       0x01 /* attribute: a size of 64 bits follows the header */
#define SECTION_HEADER   4
#define SIZE_IS_EXTENDED 0xffffffU

/* ee4e5898-3914-4259-9d6e-dc7bd79403cf */
static const struct clo_guid guid_lzma = { { 0x98, 0x58, 0x4e, 0xee, 0x14, 0x39, 0x59, 0x42, 0x9d,
                                             0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf } };

static uint32_t read_le24(struct clo_reader *r)
{
    uint32_t low = clo_read_le16(r);

    return low | (uint32_t)clo_read_u8(r) << 16;
}

static size_t align(size_t at, size_t step)
{
    return at > SIZE_MAX - step ? SIZE_MAX : (at + step - 1) / step * step;
}

/* --- Volumes --- */

static bool sums_to_zero(struct clo_bytes header)
{
    struct clo_reader r = clo_reader(header);
    uint16_t sum = 0;

    while (clo_reader_left(&r) >= 2)
        sum = (uint16_t)(sum + clo_read_le16(&r));
    return sum == 0;
}

/* Where the first file is: after the header, or after the extended one. */
static bool find_first(struct clo_bytes volume, size_t header, size_t extended, size_t *out)
{
    *out = header;
    if (extended == 0)
        return true;
    struct clo_reader r = clo_reader(volume);
    clo_read_skip(&r, extended);
    clo_read_skip(&r, 16);
    uint32_t size = clo_read_le32(&r);
    *out = align(extended + size, 8);
    return clo_reader_ok(&r) && size >= 20 && size <= volume.size - extended;
}

bool clo_volume_parse(struct clo_bytes in, struct clo_volume *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_volume volume = { 0 };

    clo_read_skip(&r, 32);
    uint64_t size = clo_read_le64(&r);
    struct clo_bytes signature = clo_read_bytes(&r, 4);
    clo_read_skip(&r, 4);
    size_t header = clo_read_le16(&r);
    clo_read_skip(&r, 2);
    size_t extended = clo_read_le16(&r);
    if (!clo_reader_ok(&r) || memcmp(signature.data, "_FVH", 4) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "firmware volume: no \"_FVH\" at byte 40");
    if (size > in.size || header < VOLUME_HEADER || header > size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "firmware volume: %llu bytes with a header of %zu, there are %zu",
                        (unsigned long long)size, header, in.size);
    volume.bytes = clo_bytes_slice(in, 0, (size_t)size);
    if (!sums_to_zero(clo_bytes_slice(in, 0, header)))
        return clo_fail(err, CLO_ERR_FORMAT, "firmware volume: the header's sum does not hold");
    if (!find_first(volume.bytes, header, extended, &volume.first_file))
        return clo_fail(err, CLO_ERR_FORMAT, "firmware volume: extended header at byte %zu",
                        extended);
    *out = volume;
    return true;
}

enum clo_next clo_volume_file_next(const struct clo_volume *volume, size_t *at,
                                   struct clo_volume_file *out, struct clo_error *err)
{
    size_t start = *at == 0 ? volume->first_file : *at;
    struct clo_bytes rest = clo_bytes_slice(volume->bytes, start, volume->bytes.size);
    struct clo_reader r = clo_reader(rest);
    struct clo_volume_file file = { 0 };

    if (start >= volume->bytes.size || rest.size < FILE_HEADER ||
        clo_bytes_all(clo_bytes_slice(rest, 0, FILE_HEADER), 0xff))
        return CLO_NEXT_END; /* free space */
    file.name = clo_read_guid(&r);
    clo_read_skip(&r, 2);
    file.type = clo_read_u8(&r);
    uint8_t attributes = clo_read_u8(&r);
    uint64_t size = read_le24(&r);
    clo_read_skip(&r, 1);
    if ((attributes & FILE_LARGE) != 0)
        size = clo_read_le64(&r);
    if (!clo_reader_ok(&r) || size < r.at || size > rest.size)
        return clo_fail(err, CLO_ERR_FORMAT, "firmware volume: file at 0x%zx: %llu of %zu bytes",
                        start, (unsigned long long)size, rest.size);
    file.offset = start + r.at;
    file.data = clo_bytes_slice(rest, r.at, (size_t)size - r.at);
    *at = align(start + (size_t)size, 8);
    *out = file;
    return CLO_NEXT_ITEM;
}

enum clo_next clo_volume_section_next(struct clo_bytes file, size_t *at,
                                      struct clo_volume_section *out, struct clo_error *err)
{
    struct clo_bytes rest = clo_bytes_slice(file, *at, file.size);
    struct clo_reader r = clo_reader(rest);
    struct clo_volume_section section = { 0 };

    if (*at >= file.size || rest.size < SECTION_HEADER)
        return CLO_NEXT_END;
    uint32_t size = read_le24(&r);
    section.type = clo_read_u8(&r);
    if (size == SIZE_IS_EXTENDED)
        size = clo_read_le32(&r);
    if (!clo_reader_ok(&r) || size < r.at || size > rest.size)
        return clo_fail(err, CLO_ERR_FORMAT, "section at 0x%zx: %u of %zu bytes", *at, size,
                        rest.size);
    section.header = r.at;
    section.offset = *at + r.at;
    section.data = clo_bytes_slice(rest, r.at, size - r.at);
    *at = align(*at + size, 4);
    *out = section;
    return CLO_NEXT_ITEM;
}

bool clo_volume_find(const struct clo_volume *volume, const struct clo_guid *name,
                     struct clo_volume_file *out)
{
    struct clo_error ignored;
    size_t at = 0;

    while (clo_volume_file_next(volume, &at, out, &ignored) == CLO_NEXT_ITEM)
        if (clo_guid_equal(&out->name, name))
            return true;
    return false;
}

/* --- OVMF's packed volumes --- */

/* A GUIDed section that LZMA packed: its stream. */
static bool find_stream(struct clo_bytes file, struct clo_bytes *out)
{
    struct clo_volume_section section;
    struct clo_error ignored;
    size_t at = 0;

    while (clo_volume_section_next(file, &at, &section, &ignored) == CLO_NEXT_ITEM) {
        struct clo_reader r = clo_reader(section.data);
        struct clo_guid guid = clo_read_guid(&r);
        size_t start = clo_read_le16(&r); /* counted from the section's header */
        if (section.type != CLO_SECTION_GUIDED || !clo_reader_ok(&r) ||
            !clo_guid_equal(&guid, &guid_lzma) || start < section.header + 20)
            continue;
        start -= section.header;
        *out = clo_bytes_slice(section.data, start, section.data.size);
        return true;
    }
    return false;
}

static bool find_packed(const struct clo_volume *volume, struct clo_bytes *out)
{
    struct clo_volume_file file;
    struct clo_error ignored;
    size_t at = 0;

    while (clo_volume_file_next(volume, &at, &file, &ignored) == CLO_NEXT_ITEM)
        if (find_stream(file.data, out))
            return true;
    return false;
}

/* The image's volumes lie at multiples of a page. */
static bool find_image(struct clo_bytes image, struct clo_bytes *out)
{
    struct clo_volume volume;
    struct clo_error ignored;

    for (size_t at = 0; at < image.size;) {
        bool is_volume =
                clo_volume_parse(clo_bytes_slice(image, at, image.size), &volume, &ignored);
        if (is_volume && find_packed(&volume, out))
            return true;
        at += is_volume && volume.bytes.size > PAGE ? align(volume.bytes.size, PAGE) : PAGE;
    }
    return false;
}

bool clo_firmware_unpack_stream(struct clo_bytes image, struct clo_buffer *unpacked,
                                struct clo_error *err)
{
    struct clo_bytes stream;
    size_t used;

    if (!find_image(image, &stream))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "firmware: no volume that LZMA packed: no OVMF?");
    unpacked->limit = CLO_FIRMWARE_LIMIT;
    return clo_unpack(stream, unpacked, &used, err) || clo_wrap(err, "firmware");
}

bool clo_firmware_unpack(struct clo_bytes image, struct clo_buffer *unpacked,
                         struct clo_firmware *out, struct clo_error *err)
{
    struct clo_volume volumes[2];
    struct clo_volume_section section;
    enum clo_next next;
    size_t count = 0;
    size_t at = 0;

    if (!clo_firmware_unpack_stream(image, unpacked, err))
        return false;
    while ((next = clo_volume_section_next(clo_buffer_bytes(unpacked), &at, &section, err)) ==
           CLO_NEXT_ITEM) {
        if (section.type != CLO_SECTION_VOLUME)
            continue;
        if (count == CLO_COUNT(volumes))
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "firmware: more than two volumes inside");
        if (!clo_volume_parse(section.data, &volumes[count], err))
            return clo_wrap(err, "firmware");
        count++;
    }
    if (next == CLO_NEXT_FAILED)
        return clo_wrap(err, "firmware");
    if (count != CLO_COUNT(volumes))
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "firmware: %zu volumes inside, expected two",
                        count);
    *out = (struct clo_firmware){ volumes[0], volumes[1] };
    return true;
}
