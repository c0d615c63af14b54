/* The list of memory that QEMU hands to the firmware: a hand-off table, then a resource descriptor for
 * each range, those that were added with the image apart from those the guest must accept. */
#include "cloister/tdvf.h"

#define HOB_HANDOFF    1
#define HOB_RESOURCE   3
#define HANDOFF_SIZE   56
#define RESOURCE_SIZE  48
#define END_SIZE       8
#define HOB_VERSION    9
#define SYSTEM_MEMORY  0
#define UNACCEPTED     7
#define ATTRIBUTES     7U /* present, initialised, tested */
#define LOW_MEMORY     0x80000000ULL
#define LOW_MEMORY_MAX 0xb0000000ULL /* q35: below it all memory is low */
#define HIGH_MEMORY_AT 0x100000000ULL
#define MEMORY_MAX     ((uint64_t)1 << 46)

struct range {
    uint64_t at;
    uint64_t size;
    bool is_added;
};

struct ranges {
    struct range items[2 + 2 * CLO_TDVF_SECTIONS_MAX];
    size_t count;
};

uint64_t clo_qemu_low_memory(uint64_t memory)
{
    return memory < LOW_MEMORY_MAX ? memory : LOW_MEMORY;
}

static void insert(struct ranges *ranges, size_t index, uint64_t at, uint64_t size, bool is_added)
{
    if (size == 0)
        return;
    for (size_t i = ranges->count; i > index; i--)
        ranges->items[i] = ranges->items[i - 1];
    ranges->items[index] = (struct range){ at, size, is_added };
    ranges->count++;
}

/* Cuts a section's memory out of the range that holds all of it. */
static bool add_section(struct ranges *ranges, const struct clo_tdvf_section *section)
{
    for (size_t i = 0; i < ranges->count; i++) {
        struct range range = ranges->items[i];
        uint64_t before = section->address - range.at;
        if (range.is_added || section->address < range.at || before > range.size ||
            section->memory_size > range.size - before)
            continue;
        uint64_t after = range.size - before - section->memory_size;
        ranges->items[i] = (struct range){ section->address, section->memory_size, true };
        insert(ranges, i + 1, section->address + section->memory_size, after, false);
        insert(ranges, i, range.at, before, false);
        return true;
    }
    return false;
}

static bool find_ranges(const struct clo_tdvf *tdvf, uint64_t memory, struct ranges *out,
                        struct clo_error *err)
{
    struct ranges ranges = { .count = 0 };
    uint64_t low = clo_qemu_low_memory(memory);

    insert(&ranges, 0, 0, low, false);
    insert(&ranges, 1, HIGH_MEMORY_AT, memory - low, false);
    for (size_t i = 0; i < tdvf->count; i++) {
        const struct clo_tdvf_section *section = &tdvf->sections[i];
        if (section->type > CLO_TDVF_TEMP_MEM)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "section %zu: QEMU does not load %s", i,
                            clo_tdvf_type_name(section->type));
        bool is_memory = section->type == CLO_TDVF_TD_HOB || section->type == CLO_TDVF_TEMP_MEM;
        if (is_memory && !add_section(&ranges, section))
            return clo_fail(err, CLO_ERR_USAGE,
                            "section %zu does not lie in 0x%llx bytes of memory", i,
                            (unsigned long long)memory);
    }
    *out = ranges;
    return true;
}

static void append_header(struct clo_buffer *out, uint16_t type, uint16_t size)
{
    clo_buffer_le16(out, type);
    clo_buffer_le16(out, size);
    clo_buffer_le32(out, 0);
}

bool clo_tdvf_hob(const struct clo_tdvf *tdvf, uint64_t memory, struct clo_buffer *out,
                  struct clo_error *err)
{
    const struct clo_tdvf_section *place = clo_tdvf_find(tdvf, CLO_TDVF_TD_HOB);
    struct ranges ranges = { .count = 0 };

    if (place == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "the image has no place for a TD HOB");
    if (memory == 0 || memory % CLO_TDVF_PAGE != 0 || memory > MEMORY_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "0x%llx bytes of memory: expected whole pages",
                        (unsigned long long)memory);
    if (!find_ranges(tdvf, memory, &ranges, err))
        return false;
    size_t size = HANDOFF_SIZE + ranges.count * RESOURCE_SIZE + END_SIZE;
    if (size > place->memory_size)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "a TD HOB of %zu bytes, there is room for %llu",
                        size, (unsigned long long)place->memory_size);
    append_header(out, HOB_HANDOFF, HANDOFF_SIZE);
    clo_buffer_le32(out, HOB_VERSION);
    clo_buffer_zero(out, 4 + 4 * 8); /* boot mode, the four bounds of memory that QEMU leaves out */
    clo_buffer_le64(out, place->address + size);
    for (size_t i = 0; i < ranges.count; i++) {
        append_header(out, HOB_RESOURCE, RESOURCE_SIZE);
        clo_buffer_zero(out, 16); /* owner */
        clo_buffer_le32(out, ranges.items[i].is_added ? SYSTEM_MEMORY : UNACCEPTED);
        clo_buffer_le32(out, ATTRIBUTES);
        clo_buffer_le64(out, ranges.items[i].at);
        clo_buffer_le64(out, ranges.items[i].size);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
