/* Variable stores as virt-firmware and QEMU's uefi-vars device keep them: JSON, version 2. (virt-firmware,
 * virt/firmware/varstore/jstore.py; QEMU, docs/system/devices/uefi-vars.rst.) */
#include <string.h>

#include "cloister/json.h"
#include "efivar_internal.h"

#define VERSION    2
#define DATA_LIMIT ((size_t)8 << 20) /* of all variables */

bool efivar_is_json(struct clo_bytes in)
{
    size_t at = 0;

    while (at < in.size && memchr(" \t\r\n", in.data[at], 4) != NULL)
        at++;
    return at < in.size && in.data[at] == '{';
}

/* The data is appended to `owned`, which may move: the view comes later. */
static bool read_variable(const json_t *entry, struct clo_buffer *owned, struct clo_efivar *out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer time = { 0 };
    const char *name;
    const char *guid;
    uint64_t attributes;
    size_t before = owned->size;

    if (!clo_json_get_string(entry, "name", &name, err) ||
        !clo_json_get_string(entry, "guid", &guid, err) ||
        !clo_json_get_u64(entry, "attr", &attributes, err) ||
        !clo_guid_read(guid, &out->vendor, err) ||
        !clo_json_get_bytes(entry, "data", CLO_JSON_HEX, DATA_LIMIT, owned, err) ||
        (json_object_get(entry, "time") != NULL &&
         !clo_json_get_bytes(entry, "time", CLO_JSON_HEX, sizeof out->time, &time, err)))
        return false;
    if (*name == '\0' || strlen(name) >= sizeof out->name)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "a name of %zu bytes", strlen(name));
    if (attributes > UINT32_MAX || (time.size != 0 && time.size != sizeof out->time))
        return clo_fail(err, CLO_ERR_FORMAT, "\"attr\" or \"time\" is not of its size");
    memcpy(out->name, name, strlen(name));
    out->attributes = (uint32_t)attributes;
    if (time.size > 0)
        memcpy(out->time, time.data, time.size);
    out->data = clo_bytes(NULL, owned->size - before);
    return true;
}

bool efivar_read_json(struct clo_bytes in, struct clo_varstore *store, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    uint64_t version;
    json_t *variables;
    json_t *entry;
    size_t i;

    if (!clo_json_parse(in, &json, err) || !clo_json_get_u64(json, "version", &version, err) ||
        !clo_json_get_array(json, "variables", &variables, err))
        return clo_wrap(err, "variable store in JSON");
    if (version != VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "variable store in JSON: version %llu, not %d",
                        (unsigned long long)version, VERSION);
    store->is_json = true;
    store->owned.limit = DATA_LIMIT;
    json_array_foreach (variables, i, entry) {
        struct clo_efivar variable = { 0 };
        if (!read_variable(entry, &store->owned, &variable, err) ||
            !efivar_add(store, &variable, err))
            return clo_wrap(err, "variable store in JSON: variable %zu", i);
    }
    for (size_t at = 0, k = 0; k < store->count; k++) {
        size_t size = store->variables[k].data.size;
        store->variables[k].data = clo_bytes_slice(clo_buffer_bytes(&store->owned), at, size);
        at += size;
    }
    return true;
}

static json_t *variable_json(const struct clo_efivar *variable)
{
    struct clo_json_object object = { .json = json_object() };
    char guid[CLO_GUID_TEXT];
    struct clo_bytes time = clo_bytes(variable->time, sizeof variable->time);

    clo_json_set(&object, "name", json_string(variable->name));
    clo_json_set(&object, "guid", json_string(clo_guid_text(&variable->vendor, guid)));
    clo_json_set(&object, "attr", json_integer(variable->attributes));
    clo_json_set_hex(&object, "data", variable->data);
    if (!clo_bytes_all(time, 0))
        clo_json_set_hex(&object, "time", time);
    return clo_json_finish(&object);
}

bool efivar_write_json(const struct clo_efivar *const *variables, size_t count,
                       struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:i,s:[]}", "version", VERSION, "variables");
    json_t *list = json_object_get(json, "variables");

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, variable_json(variables[i])) != 0)
            return clo_out_of_memory(err);
    return json != NULL ? clo_json_write(json, out, err) : clo_out_of_memory(err);
}
