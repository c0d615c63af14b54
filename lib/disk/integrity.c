#include "lib/disk/integrity.h"

#include <string.h>

#define SECTOR          CLO_INTEGRITY_SECTOR
#define MAGIC           "integrt"
#define VERSION         4 /* the first with FIXED_PADDING */
#define VERSION_MAX     5
#define FLAG_PADDING    0x08U /* SB_FLAG_FIXED_PADDING */
#define FLAG_HMAC       0x10U /* SB_FLAG_FIXED_HMAC: of journals with a MAC, which ours are not */
#define LOG2_INTERLEAVE 15
#define LOG2_BITMAP     15
#define RUN_ALIGNMENT   4096U
#define PROVIDED_LEAST  8U /* sectors; the kernel gives whole multiples */

/* The journal: what one of its sectors, and one of its sections, hold. */
#define JOURNAL_SECTOR     504U /* and 8 bytes of commit id */
#define JOURNAL_ENTRY_UNIT 8U
#define JOURNAL_ENTRIES    8U /* sectors of entries in a section */
#define JOURNAL_PART       7  /* the default: a 128th of the device */
#define JOURNAL_MOST       131072U
#define COMMIT_ID          0x1111111111111111ULL /* of a journal that was never written to */
#define UNUSED             0xffffffffULL         /* upper half of an entry's sector */

#define DEVICE_MAX ((uint64_t)1 << 56)
#define MIB        ((uint64_t)1 << 20)

/* Everything that follows from block size, tag size and the journal's sections. */
static bool derive(struct clo_integrity *integrity, struct clo_error *err)
{
    unsigned blocks = integrity->block_size / SECTOR;

    if (integrity->block_size != 512 && integrity->block_size != 4096)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "blocks of %u bytes: only 512 and 4096 are known",
                        integrity->block_size);
    if (integrity->tag_size == 0 || integrity->tag_size > CLO_INTEGRITY_TAG_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "tags of %u bytes: at most %d are known",
                        integrity->tag_size, CLO_INTEGRITY_TAG_MAX);
    /* An entry: the sector's number, the last 8 bytes of each of its sectors, the tag. */
    unsigned entry = 8 + 8 * blocks + integrity->tag_size;
    entry = (entry + JOURNAL_ENTRY_UNIT - 1) / JOURNAL_ENTRY_UNIT * JOURNAL_ENTRY_UNIT;
    integrity->entry = entry;
    integrity->entries_per_sector = JOURNAL_SECTOR / entry;
    integrity->section =
            (uint64_t)integrity->entries_per_sector * JOURNAL_ENTRIES * blocks + JOURNAL_ENTRIES;
    uint64_t tags = (CLO_INTEGRITY_AREA / integrity->block_size) * integrity->tag_size;
    integrity->run = (tags + RUN_ALIGNMENT - 1) / RUN_ALIGNMENT * RUN_ALIGNMENT / SECTOR;
    integrity->first =
            CLO_INTEGRITY_SUPERBLOCK / SECTOR + integrity->section * integrity->journal_sections;
    return true;
}

uint64_t clo_integrity_tag_at(const struct clo_integrity *integrity, uint64_t at)
{
    uint64_t area = at / CLO_INTEGRITY_AREA;
    uint64_t block = at % CLO_INTEGRITY_AREA / integrity->block_size;

    return (integrity->first + area * integrity->run) * SECTOR + area * CLO_INTEGRITY_AREA +
           block * integrity->tag_size;
}

uint64_t clo_integrity_data_at(const struct clo_integrity *integrity, uint64_t at)
{
    uint64_t area = at / CLO_INTEGRITY_AREA;

    return (integrity->first + (area + 1) * integrity->run) * SECTOR + at;
}

static bool fits(const struct clo_integrity *integrity, uint64_t provided, uint64_t size)
{
    return clo_integrity_data_at(integrity, (provided - 1) * SECTOR) / SECTOR < size / SECTOR;
}

/* As the kernel: bit by bit, the most that fits. */
static uint64_t most_provided(const struct clo_integrity *integrity, uint64_t size)
{
    uint64_t provided = 0;

    for (uint64_t bit = DEVICE_MAX / SECTOR; bit >= PROVIDED_LEAST; bit /= 2)
        if (fits(integrity, provided | bit, size))
            provided |= bit;
    return provided;
}

bool clo_integrity_plan(uint64_t size, unsigned block_size, unsigned tag_size,
                        struct clo_integrity *out, struct clo_error *err)
{
    struct clo_integrity integrity = { .block_size = block_size, .tag_size = tag_size };
    uint64_t journal = size / SECTOR >> JOURNAL_PART;

    if (size > DEVICE_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "integrity: a device of %llu bytes",
                        (unsigned long long)size);
    if (!derive(&integrity, err))
        return clo_wrap(err, "integrity");
    if (journal > JOURNAL_MOST)
        journal = JOURNAL_MOST;
    integrity.journal_sections = (uint32_t)(journal / integrity.section);
    if (integrity.journal_sections == 0)
        integrity.journal_sections = 1;
    if (!derive(&integrity, err))
        return clo_wrap(err, "integrity");
    integrity.provided = most_provided(&integrity, size) * SECTOR;
    if (integrity.provided == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "integrity: %llu bytes are too few",
                        (unsigned long long)size);
    *out = integrity;
    return true;
}

bool clo_integrity_size(uint64_t data, unsigned block_size, unsigned tag_size, uint64_t *out,
                        struct clo_error *err)
{
    struct clo_integrity integrity = { .block_size = block_size, .tag_size = tag_size };

    if (data == 0 || data > DEVICE_MAX / 2)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "integrity: %llu bytes of data",
                        (unsigned long long)data);
    if (!derive(&integrity, err))
        return clo_wrap(err, "integrity");
    /* The tags; then step by step, until there is room for the journal, too. */
    uint64_t size = (clo_integrity_data_at(&integrity, data - 1) + MIB) / MIB * MIB;
    for (;; size += MIB) {
        if (!clo_integrity_plan(size, block_size, tag_size, &integrity, err))
            return false;
        if (integrity.provided >= data)
            break;
    }
    *out = size;
    return true;
}

bool clo_integrity_grow(const struct clo_integrity *integrity, uint64_t size,
                        struct clo_integrity *out, struct clo_error *err)
{
    uint64_t provided = size > DEVICE_MAX ? 0 : most_provided(integrity, size) * SECTOR;

    if (provided < integrity->provided)
        return clo_fail(err, CLO_ERR_FORMAT, "integrity: %llu bytes of a device are too few",
                        (unsigned long long)size);
    *out = *integrity;
    out->provided = provided;
    return true;
}

bool clo_integrity_write(const struct clo_integrity *integrity, struct clo_buffer *out,
                         struct clo_error *err)
{
    uint8_t log2_blocks = integrity->block_size == SECTOR ? 0 : 3;
    size_t start = out->size;

    clo_buffer_append(out, clo_bytes(MAGIC, sizeof MAGIC));
    clo_buffer_u8(out, VERSION);
    clo_buffer_u8(out, LOG2_INTERLEAVE);
    clo_buffer_le16(out, (uint16_t)integrity->tag_size);
    clo_buffer_le32(out, integrity->journal_sections);
    clo_buffer_le64(out, integrity->provided / SECTOR);
    clo_buffer_le32(out, FLAG_PADDING);
    clo_buffer_u8(out, log2_blocks);
    clo_buffer_u8(out, (uint8_t)(LOG2_BITMAP - log2_blocks));
    clo_buffer_zero(out, CLO_INTEGRITY_SUPERBLOCK - (out->size - start));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* Entries stand in the first sectors of a section, each sector ends with its commit id. */
bool clo_integrity_write_section(const struct clo_integrity *integrity, uint32_t number,
                                 struct clo_buffer *out, struct clo_error *err)
{
    for (uint64_t sector = 0; sector < integrity->section; sector++) {
        size_t start = out->size;
        unsigned entries = sector < JOURNAL_ENTRIES ? integrity->entries_per_sector : 0;
        for (unsigned i = 0; i < entries; i++) {
            clo_buffer_le64(out, UNUSED << 32);
            clo_buffer_zero(out, integrity->entry - 8);
        }
        clo_buffer_zero(out, JOURNAL_SECTOR - (out->size - start));
        clo_buffer_le64(out, COMMIT_ID ^ (uint64_t)number << 32 ^ sector);
        if (!clo_buffer_ok(out))
            return clo_out_of_memory(err);
    }
    return true;
}

static bool check_fields(const struct clo_integrity *integrity, uint8_t version, uint32_t flags,
                         uint8_t interleave, uint64_t size, struct clo_error *err)
{
    if (version < VERSION || version > VERSION_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %u: only %d and %d are known", version,
                        VERSION, VERSION_MAX);
    if ((flags & ~FLAG_HMAC) != FLAG_PADDING)
        return clo_fail(err, CLO_ERR_REFUSED, "flags 0x%x: only 0x%x is allowed", flags,
                        FLAG_PADDING);
    if (interleave != LOG2_INTERLEAVE)
        return clo_fail(err, CLO_ERR_REFUSED, "interleaved by 2^%u sectors: only 2^%d is allowed",
                        interleave, LOG2_INTERLEAVE);
    if (integrity->journal_sections == 0 ||
        integrity->section * integrity->journal_sections > JOURNAL_MOST)
        return clo_fail(err, CLO_ERR_REFUSED, "a journal of %u sections",
                        integrity->journal_sections);
    if (integrity->provided == 0 || integrity->provided % integrity->block_size != 0 ||
        !fits(integrity, integrity->provided / SECTOR, size))
        return clo_fail(err, CLO_ERR_REFUSED, "%llu bytes of data do not fit the partition",
                        (unsigned long long)integrity->provided);
    return true;
}

bool clo_integrity_parse(struct clo_bytes in, uint64_t size, struct clo_integrity *out,
                         struct clo_error *err)
{
    struct clo_integrity integrity = { 0 };
    struct clo_reader r = clo_reader(in);

    struct clo_bytes magic = clo_read_bytes(&r, sizeof MAGIC);
    uint8_t version = clo_read_u8(&r);
    uint8_t interleave = clo_read_u8(&r);
    integrity.tag_size = clo_read_le16(&r);
    integrity.journal_sections = clo_read_le32(&r);
    uint64_t provided = clo_read_le64(&r);
    uint32_t flags = clo_read_le32(&r);
    uint8_t log2_blocks = clo_read_u8(&r);
    if (!clo_reader_ok(&r) || memcmp(magic.data, MAGIC, sizeof MAGIC) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "integrity: no superblock");
    integrity.block_size = log2_blocks < 8 ? SECTOR << log2_blocks : 0;
    if (provided > DEVICE_MAX / SECTOR || size > DEVICE_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "integrity: %llu sectors of data",
                        (unsigned long long)provided);
    integrity.provided = provided * SECTOR;
    if (!derive(&integrity, err) ||
        !check_fields(&integrity, version, flags, interleave, size, err))
        return clo_wrap(err, "integrity");
    *out = integrity;
    return true;
}
