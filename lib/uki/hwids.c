/* .hwids and .efifw as systemd's stub reads them (systemd, src/boot/chid.h, src/boot/efifirmware.h): which
 * devicetree or firmware is for which machine. */
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/uki.h"

#define DEVICE_SIZE     28 /* descriptor, CHID, offsets of name and of compatible or firmware ID */
#define TYPE_DEVICETREE 1U
#define TYPE_FIRMWARE   2U
#define FIRMWARE_MAGIC  0xfeeddeadU
#define FIRMWARE_HEADER 16
#define DEVICES_MAX     4096

struct device {
    uint32_t type;
    const char *name;
    const char *what; /* compatible, or the firmware's ID */
    struct clo_guid chid;
};

struct devices {
    struct device items[DEVICES_MAX];
    size_t count;
    const char *strings[2 * DEVICES_MAX];
    size_t string_count;
};

static bool add_device(struct devices *devices, struct device device, const char *chid,
                       struct clo_error *err)
{
    if (devices->count == DEVICES_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d hardware IDs", DEVICES_MAX);
    if (!clo_guid_read(chid, &device.chid, err))
        return clo_wrap(err, "\"hwids\"");
    devices->items[devices->count++] = device;
    return true;
}

static bool read_file(const json_t *json, struct devices *devices, struct clo_error *err)
{
    struct device device = { .type = TYPE_DEVICETREE };
    const char *type;
    json_t *hwids;
    const json_t *chid;
    size_t i;

    if (!json_is_object(json))
        return clo_fail(err, CLO_ERR_FORMAT, "not a JSON object");
    if (!clo_json_get_string(json, "type", &type, err) ||
        !clo_json_get_string(json, "name", &device.name, err) ||
        !clo_json_get_array(json, "hwids", &hwids, err))
        return false;
    if (strcmp(type, "uefi-fw") == 0)
        device.type = TYPE_FIRMWARE;
    else if (strcmp(type, "devicetree") != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"type\": %.40s: expected devicetree or uefi-fw",
                        type);
    if (!clo_json_get_string(json, device.type == TYPE_FIRMWARE ? "fwid" : "compatible",
                             &device.what, err))
        return false;
    json_array_foreach (hwids, i, chid) {
        if (!json_is_string(chid))
            return clo_fail(err, CLO_ERR_FORMAT, "\"hwids\": entry %zu is not a string", i);
        if (!add_device(devices, device, json_string_value(chid), err))
            return false;
    }
    devices->strings[devices->string_count++] = device.name;
    devices->strings[devices->string_count++] = device.what;
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* By type and names, then by the GUID's text. */
static int by_device(const void *a, const void *b)
{
    const struct device *first = a;
    const struct device *second = b;
    char texts[2][CLO_GUID_TEXT];
    int order = strcmp(first->name, second->name);

    if (first->type != second->type)
        return first->type < second->type ? -1 : 1;
    order = order != 0 ? order : strcmp(first->what, second->what);
    return order != 0 ? order
                      : strcmp(clo_guid_text(&first->chid, texts[0]),
                               clo_guid_text(&second->chid, texts[1]));
}

static size_t unique(struct devices *devices)
{
    size_t kept = 0;

    for (size_t i = 0; i < devices->count; i++)
        if (i == 0 || by_device(&devices->items[i], &devices->items[i - 1]) != 0)
            devices->items[kept++] = devices->items[i];
    return kept;
}

static void write_devices(const struct devices *devices, struct clo_buffer *out)
{
    size_t at = (devices->count + 1) * DEVICE_SIZE;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer strings = { 0 };
    size_t *offsets = calloc(devices->string_count + 1, sizeof *offsets);

    for (size_t i = 0; offsets != NULL && i < devices->string_count; i++) {
        if (i > 0 && strcmp(devices->strings[i], devices->strings[i - 1]) == 0) {
            offsets[i] = offsets[i - 1];
            continue;
        }
        offsets[i] = at + strings.size;
        clo_buffer_append(&strings,
                          clo_bytes(devices->strings[i], strlen(devices->strings[i]) + 1));
    }
    for (size_t i = 0; offsets != NULL && i < devices->count; i++) {
        const struct device *device = &devices->items[i];
        const char *const wanted[] = { device->name, device->what };
        clo_buffer_le32(out, DEVICE_SIZE | device->type << 28);
        clo_buffer_guid(out, &device->chid);
        for (size_t k = 0; k < CLO_COUNT(wanted); k++) {
            const char *const *found = bsearch(&wanted[k], devices->strings, devices->string_count,
                                               sizeof wanted[k], by_text);
            clo_buffer_le32(out, (uint32_t)offsets[found - devices->strings]);
        }
    }
    clo_buffer_zero(out, DEVICE_SIZE);
    clo_buffer_append(out, clo_buffer_bytes(&strings));
    out->failed = out->failed || offsets == NULL || !clo_buffer_ok(&strings);
    free(offsets);
}

bool clo_hwids_build(const json_t *const *files, size_t count, struct clo_buffer *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct devices *devices = calloc(1, sizeof *devices);

    if (devices == NULL)
        return clo_out_of_memory(err);
    if (count > DEVICES_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "more than %d files", DEVICES_MAX);
    for (size_t i = 0; i < count; i++)
        if (!read_file(files[i], devices, err))
            return clo_wrap(err, "hardware IDs, file %zu", i + 1);
    qsort(devices->strings, devices->string_count, sizeof devices->strings[0], by_text);
    qsort(devices->items, devices->count, sizeof devices->items[0], by_device);
    devices->count = unique(devices);
    write_devices(devices, out);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_efifw_head(const char *id, uint64_t size, struct clo_buffer *out, struct clo_error *err)
{
    if (size == 0 || size > UINT32_MAX || *id == '\0')
        return clo_fail(err, CLO_ERR_FORMAT, "firmware image: %llu bytes",
                        (unsigned long long)size);
    clo_buffer_le32(out, FIRMWARE_MAGIC);
    clo_buffer_le32(out, FIRMWARE_HEADER);
    clo_buffer_le32(out, (uint32_t)strlen(id) + 1);
    clo_buffer_le32(out, (uint32_t)size);
    clo_buffer_append(out, clo_bytes(id, strlen(id) + 1));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
