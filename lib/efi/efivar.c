#include "efivar_internal.h"

#include <stdlib.h>
#include <string.h>

#include "cloister/signature_list.h"

/* GUIDs as stored: edk2 MdeModulePkg. */
static const struct clo_guid guid_nv_data_volume = { { 0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b,
                                                       0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b,
                                                       0x4f, 0x50 } };
static const struct clo_guid guid_authenticated_store = { { 0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94,
                                                            0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14,
                                                            0x4e, 0xc3, 0x77, 0x92 } };
static const struct clo_guid guid_secure_boot_enable = { { 0xc7, 0x0b, 0xa3, 0xf0, 0x08, 0xaf, 0x56,
                                                           0x45, 0x99, 0xc4, 0x00, 0x10, 0x09, 0xc9,
                                                           0x3a, 0x44 } };
static const struct clo_guid guid_custom_mode = { { 0x0c, 0xec, 0x76, 0xc0, 0x28, 0x70, 0x99, 0x43,
                                                    0xa0, 0x72, 0x71, 0xee, 0x5c, 0x44, 0x8b,
                                                    0x9f } };

#define VOLUME_HEADER_SIZE             56
#define STORE_HEADER_SIZE              28
#define STORE_FORMATTED                0x5a
#define STORE_HEALTHY                  0xfe
#define VARIABLE_HEADER_SIZE           60
#define VARIABLE_START                 0x55aa
#define VARIABLE_ADDED                 0x3f
#define VARIABLE_IN_DELETED_TRANSITION 0x3e

/* --- Variable stores --- */

static bool find_store(struct clo_bytes in, struct clo_varstore *store, struct clo_error *err)
{
    for (size_t at = 0; at < in.size && in.size - at >= VOLUME_HEADER_SIZE + STORE_HEADER_SIZE;
         at += 4096) {
        struct clo_reader r = clo_reader(clo_bytes_slice(in, at, in.size));
        clo_read_skip(&r, 16);
        struct clo_guid file_system = clo_read_guid(&r);
        if (!clo_guid_equal(&file_system, &guid_nv_data_volume))
            continue;
        uint64_t volume_size = clo_read_le64(&r);
        struct clo_bytes signature = clo_read_bytes(&r, 4);
        clo_read_skip(&r, 4);
        uint16_t header_size = clo_read_le16(&r);
        if (memcmp(signature.data, "_FVH", 4) != 0 || volume_size > in.size - at ||
            header_size < VOLUME_HEADER_SIZE || header_size > volume_size)
            return clo_fail(err, CLO_ERR_FORMAT, "firmware volume at 0x%zx: wrong header", at);
        r.at = header_size;
        struct clo_guid kind = clo_read_guid(&r);
        uint32_t size = clo_read_le32(&r);
        uint8_t format = clo_read_u8(&r);
        uint8_t state = clo_read_u8(&r);
        clo_read_skip(&r, 6);
        if (!clo_reader_ok(&r) || !clo_guid_equal(&kind, &guid_authenticated_store))
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "firmware volume at 0x%zx: no authenticated variable store", at);
        if (format != STORE_FORMATTED || state != STORE_HEALTHY || size < STORE_HEADER_SIZE ||
            size > volume_size - header_size)
            return clo_fail(err, CLO_ERR_FORMAT, "variable store at 0x%zx: wrong header",
                            at + header_size);
        store->first = at + header_size + STORE_HEADER_SIZE;
        store->capacity = size - STORE_HEADER_SIZE;
        return true;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "no firmware volume with variables");
}

static bool read_variable(struct clo_reader *r, struct clo_efivar *out, uint8_t *state,
                          struct clo_error *err)
{
    struct clo_efivar variable = { 0 };

    *state = clo_read_u8(r);
    clo_read_skip(r, 1);
    variable.attributes = clo_read_le32(r);
    clo_read_skip(r, 8); /* MonotonicCount */
    struct clo_bytes time = clo_read_bytes(r, sizeof variable.time);
    clo_read_skip(r, 4); /* PubKeyIndex */
    uint32_t name_size = clo_read_le32(r);
    uint32_t data_size = clo_read_le32(r);
    variable.vendor = clo_read_guid(r);
    struct clo_bytes name = clo_read_bytes(r, name_size);
    variable.data = clo_read_bytes(r, data_size);
    if (!clo_reader_ok(r) || name_size < 2 || name_size % 2 != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "truncated or without a name");
    memcpy(variable.time, time.data, sizeof variable.time);

    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    clo_utf16_text(clo_bytes_slice(name, 0, name_size - 2), &text);
    if (text.size >= sizeof variable.name || clo_buffer_string(&text) == NULL)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "a name of %u bytes", name_size);
    memcpy(variable.name, text.data, text.size);
    *out = variable;
    return true;
}

bool clo_varstore_parse(struct clo_bytes in, struct clo_varstore **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = calloc(1, sizeof *store);

    if (store == NULL)
        return clo_out_of_memory(err);
    store->file = in;
    if (efivar_is_json(in)) {
        if (!efivar_read_json(in, store, err))
            return false;
        *out = CLO_TAKE(store);
        return true;
    }
    if (!find_store(in, store, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes_slice(in, store->first, store->capacity));
    while (clo_reader_left(&r) >= VARIABLE_HEADER_SIZE) {
        size_t start = r.at;
        struct clo_efivar variable;
        uint8_t state;
        if (clo_read_le16(&r) != VARIABLE_START)
            break; /* the erased rest */
        if (!read_variable(&r, &variable, &state, err))
            return clo_wrap(err, "variable at 0x%zx", store->first + start);
        size_t padding = (4 - r.at % 4) % 4;
        clo_read_skip(&r, padding < clo_reader_left(&r) ? padding : clo_reader_left(&r));
        if (state != VARIABLE_ADDED && state != VARIABLE_IN_DELETED_TRANSITION)
            continue;
        /* An update was cut off when both states are there: the later, added one counts. */
        if (!efivar_add(store, &variable, err))
            return false;
    }
    *out = CLO_TAKE(store);
    return true;
}

static bool write_variable(const struct clo_efivar *variable, struct clo_buffer *out,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };

    if (!clo_utf16_write(variable->name, &name, err))
        return clo_wrap(err, "variable %s", variable->name);
    clo_buffer_le16(&name, 0);
    clo_buffer_le16(out, VARIABLE_START);
    clo_buffer_u8(out, VARIABLE_ADDED);
    clo_buffer_u8(out, 0);
    clo_buffer_le32(out, variable->attributes);
    clo_buffer_le64(out, 0);
    clo_buffer_append(out, clo_bytes(variable->time, sizeof variable->time));
    clo_buffer_le32(out, 0);
    clo_buffer_le32(out, (uint32_t)name.size);
    clo_buffer_le32(out, (uint32_t)variable->data.size);
    clo_buffer_guid(out, &variable->vendor);
    clo_buffer_append(out, clo_buffer_bytes(&name));
    clo_buffer_append(out, variable->data);
    while (out->size % 4 != 0 && clo_buffer_ok(out))
        clo_buffer_u8(out, 0xff);
    return true;
}

/* The variables that stay, each once, and then the changes. */
static bool collect(const struct clo_varstore *store, const struct clo_efivar *changes,
                    size_t count, const struct clo_efivar ***out, size_t *out_count,
                    struct clo_error *err)
{
    const struct clo_efivar **list = calloc(store->count + count + 1, sizeof *list);
    size_t used = 0;

    if (list == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < store->count; i++) {
        const struct clo_efivar *variable = &store->variables[i];
        bool is_replaced = clo_varstore_find(store, variable->name, &variable->vendor) != variable;
        for (size_t k = 0; k < count; k++)
            is_replaced =
                    is_replaced || efivar_is_named(variable, changes[k].name, &changes[k].vendor);
        if (!is_replaced)
            list[used++] = variable;
    }
    for (size_t k = 0; k < count; k++)
        list[used++] = &changes[k];
    *out = list;
    *out_count = used;
    return true;
}

static bool write_volume(const struct clo_varstore *store,
                         const struct clo_efivar *const *variables, size_t count,
                         struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };

    for (size_t i = 0; i < count; i++)
        if (!write_variable(variables[i], &area, err))
            return false;
    if (!clo_buffer_ok(&area))
        return clo_out_of_memory(err);
    if (area.size > store->capacity)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "variable store: %zu bytes, there is room for %zu", area.size,
                        store->capacity);
    size_t start = out->size;
    clo_buffer_append(out, store->file);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    uint8_t *at = out->data + start + store->first;
    memset(at, 0xff, store->capacity);
    if (area.size > 0)
        memcpy(at, area.data, area.size);
    return true;
}

bool clo_varstore_write(const struct clo_varstore *store, const struct clo_efivar *changes,
                        size_t count, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) const struct clo_efivar **variables = NULL;
    size_t total;

    if (!collect(store, changes, count, &variables, &total, err))
        return false;
    return store->is_json ? efivar_write_json(variables, total, out, err)
                          : write_volume(store, variables, total, out, err);
}

bool clo_varstore_enroll(const struct clo_varstore *store, struct clo_bytes pk,
                         struct clo_bytes kek, struct clo_bytes db, struct clo_bytes dbx,
                         struct clo_buffer *out, struct clo_error *err)
{
    static const uint8_t on[] = { 1 };
    static const uint8_t off[] = { 0 };
    struct clo_efivar changes[6] = {
        { .name = "PK", .vendor = clo_guid_global_variable, .data = pk },
        { .name = "KEK", .vendor = clo_guid_global_variable, .data = kek },
        { .name = "db", .vendor = clo_guid_image_security, .data = db },
        { .name = "SecureBootEnable",
          .vendor = guid_secure_boot_enable,
          .attributes = CLO_EFIVAR_BOOT,
          .data = { on, sizeof on } },
        { .name = "CustomMode",
          .vendor = guid_custom_mode,
          .attributes = CLO_EFIVAR_BOOT,
          .data = { off, sizeof off } },
        { .name = "dbx", .vendor = clo_guid_image_security, .data = dbx },
    };
    size_t count = dbx.size == 0 ? 5 : 6;

    for (size_t i = 0; i < count; i++) {
        struct clo_signature_entry entry;
        if (changes[i].attributes != 0)
            continue;
        changes[i].attributes = CLO_EFIVAR_SECURE;
        changes[i].time[0] = 0xda; /* 2010-01-01: older than any update that may follow */
        changes[i].time[1] = 0x07;
        changes[i].time[2] = 1;
        changes[i].time[3] = 1;
        struct clo_signature_walk walk = clo_signature_walk(changes[i].data);
        enum clo_next next = clo_signature_next(&walk, &entry, err);
        if (next != CLO_NEXT_ITEM)
            return next == CLO_NEXT_FAILED
                           ? clo_wrap(err, "%s", changes[i].name)
                           : clo_fail(err, CLO_ERR_USAGE, "%s: no entry", changes[i].name);
    }
    return clo_varstore_write(store, changes, count, out, err);
}
