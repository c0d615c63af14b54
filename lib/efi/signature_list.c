#include "cloister/signature_list.h"

#include <string.h>

#include "lib/base/put.h"

#define LIST_HEADER_SIZE 28
#define OWNER_SIZE       16
#define SIZE_OFFSET      16 /* SignatureListSize in its list */
#define ENTRIES_MAX      ((size_t)1 << 16)

/* UEFI 2.10, section 32.4.1: what an entry holds after its owner; 0: any size. */
static const struct {
    const char *name;
    struct clo_guid guid;
    size_t size;
} types[] = {
    { "x509",
      { { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0,
          0x72 } },
      0 },
    { "sha256",
      { { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43,
          0x28 } },
      32 },
    { "sha384",
      { { 0x07, 0x53, 0x3e, 0xff, 0xd0, 0x9f, 0xc9, 0x48, 0x85, 0xf1, 0x8a, 0xd5, 0x6c, 0x70, 0x1e,
          0x01 } },
      48 },
    { "sha512",
      { { 0xae, 0x0f, 0x3e, 0x09, 0xc4, 0xa6, 0x50, 0x4f, 0x9f, 0x1b, 0xd4, 0x1e, 0x2b, 0x89, 0xc1,
          0x9a } },
      64 },
    { "sha224",
      { { 0x33, 0x52, 0x6e, 0x0b, 0x5c, 0xa6, 0xc9, 0x44, 0x94, 0x07, 0xd9, 0xab, 0x83, 0xbf, 0xc8,
          0xbd } },
      28 },
    { "sha1",
      { { 0x12, 0xa5, 0x6c, 0x82, 0x10, 0xcf, 0xc9, 0x4a, 0xb1, 0x87, 0xbe, 0x01, 0x49, 0x66, 0x31,
          0xbd } },
      20 },
    { "rsa2048",
      { { 0xe8, 0x66, 0x57, 0x3c, 0x9c, 0x26, 0x34, 0x4e, 0xaa, 0x14, 0xed, 0x77, 0x6e, 0x85, 0xb3,
          0xb6 } },
      256 },
    { "x509-sha256",
      { { 0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03,
          0xed } },
      48 },
    { "x509-sha384",
      { { 0x6e, 0x87, 0x76, 0x70, 0xc2, 0x80, 0xe6, 0x4e, 0xaa, 0xd2, 0x28, 0xb3, 0x49, 0xa6, 0x86,
          0x5b } },
      64 },
    { "x509-sha512",
      { { 0x63, 0xbf, 0x6d, 0x44, 0x02, 0x25, 0xda, 0x4c, 0xbc, 0xfa, 0x24, 0x65, 0xd2, 0xb0, 0xfe,
          0x9d } },
      80 },
};

static size_t find_type(const struct clo_guid *type)
{
    size_t i = 0;

    while (i < CLO_COUNT(types) && !clo_guid_equal(&types[i].guid, type))
        i++;
    return i;
}

const char *clo_signature_type_name(const struct clo_guid *type)
{
    size_t i = find_type(type);

    return i < CLO_COUNT(types) ? types[i].name : "other";
}

bool clo_signature_type_from_name(const char *name, struct clo_guid *out)
{
    for (size_t i = 0; i < CLO_COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0) {
            *out = types[i].guid;
            return true;
        }
    return false;
}

/* --- Walking --- */

struct clo_signature_walk clo_signature_walk(struct clo_bytes lists)
{
    return (struct clo_signature_walk){ .r = clo_reader(lists) };
}

/* The header of the list at the reader's place; moves to its first entry. */
static bool enter_list(struct clo_signature_walk *walk, struct clo_error *err)
{
    size_t start = walk->r.at;
    size_t left = clo_reader_left(&walk->r);
    struct clo_guid type = clo_read_guid(&walk->r);
    uint32_t list_size = clo_read_le32(&walk->r);
    uint32_t header_size = clo_read_le32(&walk->r);
    uint32_t entry_size = clo_read_le32(&walk->r);

    if (!clo_reader_ok(&walk->r) || list_size < LIST_HEADER_SIZE || list_size > left ||
        header_size > list_size - LIST_HEADER_SIZE || entry_size < OWNER_SIZE ||
        (list_size - LIST_HEADER_SIZE - header_size) % entry_size != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "signature list at byte %zu: wrong sizes", start);
    size_t kind = find_type(&type);
    if (kind < CLO_COUNT(types) && types[kind].size != 0 &&
        entry_size != OWNER_SIZE + types[kind].size)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "signature list at byte %zu: entries of %u bytes, %s has %zu", start,
                        entry_size, types[kind].name, OWNER_SIZE + types[kind].size);
    clo_read_skip(&walk->r, header_size);
    walk->type = type;
    walk->entry_size = entry_size;
    walk->left = (list_size - LIST_HEADER_SIZE - header_size) / entry_size;
    return true;
}

enum clo_next clo_signature_next(struct clo_signature_walk *walk, struct clo_signature_entry *out,
                                 struct clo_error *err)
{
    while (walk->left == 0) {
        if (clo_reader_left(&walk->r) == 0)
            return CLO_NEXT_END;
        if (!enter_list(walk, err))
            return CLO_NEXT_FAILED;
    }
    struct clo_bytes whole = clo_read_bytes(&walk->r, walk->entry_size);
    struct clo_reader entry = clo_reader(whole);
    *out = (struct clo_signature_entry){ .type = walk->type, .whole = whole };
    out->owner = clo_read_guid(&entry);
    out->data = clo_bytes_slice(whole, OWNER_SIZE, whole.size);
    walk->left--;
    return clo_reader_ok(&entry) ? CLO_NEXT_ITEM
                                 : clo_fail(err, CLO_ERR_FORMAT, "signature list: truncated");
}

bool clo_signature_lists_check(struct clo_bytes lists, size_t *count, struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(lists);
    struct clo_signature_entry entry;
    enum clo_next next;
    size_t entries = 0;

    while ((next = clo_signature_next(&walk, &entry, err)) == CLO_NEXT_ITEM)
        if (++entries > ENTRIES_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %zu signatures", ENTRIES_MAX);
    if (next == CLO_NEXT_FAILED)
        return false;
    if (count != NULL)
        *count = entries;
    return true;
}

/* --- Making --- */

static void start_list(const struct clo_guid *type, size_t entry_size, struct clo_buffer *out)
{
    clo_buffer_guid(out, type);
    clo_buffer_le32(out, LIST_HEADER_SIZE);
    clo_buffer_le32(out, 0); /* SignatureHeaderSize */
    clo_buffer_le32(out, (uint32_t)entry_size);
}

/* Appends to the list that begins at `start` and ends with the buffer. */
static void add_entry(size_t start, struct clo_bytes owner, struct clo_bytes data,
                      struct clo_buffer *out)
{
    clo_buffer_append(out, owner);
    clo_buffer_append(out, data);
    if (clo_buffer_ok(out))
        clo_put_le32(out->data + start + SIZE_OFFSET, (uint32_t)(out->size - start));
}

void clo_signature_list_x509(const struct clo_guid *owner, struct clo_bytes der,
                             struct clo_buffer *out)
{
    size_t start = out->size;

    start_list(&clo_guid_cert_x509, OWNER_SIZE + der.size, out);
    add_entry(start, clo_bytes(owner->bytes, sizeof owner->bytes), der, out);
}

/* Where the last list begins, if it is of this type and entry size; else the end. */
static bool find_last(struct clo_bytes lists, const struct clo_guid *type, size_t entry_size,
                      size_t *out, struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(lists);

    *out = lists.size;
    while (clo_reader_left(&walk.r) > 0) {
        size_t start = walk.r.at;
        if (!enter_list(&walk, err))
            return false;
        clo_read_skip(&walk.r, walk.left * walk.entry_size);
        bool is_same = clo_guid_equal(&walk.type, type) && walk.entry_size == entry_size;
        *out = is_same ? start : lists.size;
    }
    return true;
}

bool clo_signature_list_add(const struct clo_guid *type, const struct clo_guid *owner,
                            struct clo_bytes data, struct clo_buffer *out, struct clo_error *err)
{
    size_t kind = find_type(type);
    size_t start = out->size;

    if (kind < CLO_COUNT(types) && types[kind].size != 0 && data.size != types[kind].size)
        return clo_fail(err, CLO_ERR_USAGE, "signature: %zu bytes, %s has %zu", data.size,
                        types[kind].name, types[kind].size);
    if (data.size == 0 || data.size > UINT16_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "signature: %zu bytes", data.size);
    if (kind < CLO_COUNT(types) && types[kind].size != 0 &&
        !find_last(clo_buffer_bytes(out), type, OWNER_SIZE + data.size, &start, err))
        return false;
    if (start == out->size)
        start_list(type, OWNER_SIZE + data.size, out);
    add_entry(start, clo_bytes(owner->bytes, sizeof owner->bytes), data, out);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- As sets --- */

bool clo_signature_lists_have(struct clo_bytes lists, const struct clo_guid *type,
                              struct clo_bytes data, const struct clo_guid *owner)
{
    struct clo_signature_walk walk = clo_signature_walk(lists);
    struct clo_signature_entry entry;
    struct clo_error ignored;

    while (clo_signature_next(&walk, &entry, &ignored) == CLO_NEXT_ITEM)
        if (clo_guid_equal(&entry.type, type) && clo_bytes_equal(entry.data, data) &&
            (owner == NULL || clo_guid_equal(&entry.owner, owner)))
            return true;
    return false;
}

/* Appends the lists of `from` with those entries that `keep` wants; empty ones are left out. */
static bool filter(struct clo_bytes from,
                   bool (*keep)(void *context, const struct clo_signature_entry *entry),
                   void *context, struct clo_buffer *out, size_t *kept, struct clo_error *err)
{
    struct clo_reader r = clo_reader(from);

    while (clo_reader_left(&r) > 0) {
        struct clo_bytes rest = clo_bytes_slice(from, r.at, from.size);
        struct clo_signature_walk walk = clo_signature_walk(rest);
        if (!enter_list(&walk, err))
            return false;
        size_t start = out->size;
        size_t head = walk.r.at;
        size_t count = walk.left;
        clo_buffer_append(out, clo_bytes_slice(rest, 0, head));
        size_t entries = 0;
        for (size_t i = 0; i < count; i++) {
            struct clo_signature_entry entry;
            if (clo_signature_next(&walk, &entry, err) != CLO_NEXT_ITEM)
                return false;
            if (!keep(context, &entry))
                continue;
            add_entry(start, entry.whole, clo_bytes(NULL, 0), out);
            entries++;
        }
        if (entries == 0 && clo_buffer_ok(out))
            out->size = start;
        *kept += entries;
        clo_read_skip(&r, walk.r.at);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* edk2 compares whole entries, the owner too (AuthService.c, FilterSignatureList). */
static bool is_new(void *context, const struct clo_signature_entry *entry)
{
    const struct clo_bytes *base = context;

    return !clo_signature_lists_have(*base, &entry->type, entry->data, &entry->owner);
}

bool clo_signature_lists_append(struct clo_bytes base, struct clo_bytes addition,
                                struct clo_buffer *out, size_t *added, struct clo_error *err)
{
    *added = 0;
    if (!clo_signature_lists_check(base, NULL, err) ||
        !clo_signature_lists_check(addition, NULL, err))
        return false;
    clo_buffer_append(out, base);
    return filter(addition, is_new, &base, out, added, err);
}

struct unwanted {
    const struct clo_guid *type;
    struct clo_bytes data;
};

static bool is_wanted(void *context, const struct clo_signature_entry *entry)
{
    const struct unwanted *unwanted = context;

    return !clo_guid_equal(&entry->type, unwanted->type) ||
           !clo_bytes_equal(entry->data, unwanted->data);
}

bool clo_signature_lists_remove(struct clo_bytes base, const struct clo_guid *type,
                                struct clo_bytes data, struct clo_buffer *out, size_t *removed,
                                struct clo_error *err)
{
    struct unwanted unwanted = { type, data };
    size_t kept = 0;
    size_t count;

    if (!clo_signature_lists_check(base, &count, err) ||
        !filter(base, is_wanted, &unwanted, out, &kept, err))
        return false;
    *removed = count - kept;
    return true;
}
