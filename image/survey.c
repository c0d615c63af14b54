#include "image/survey.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/authenticode.h"
#include "cloister/uki.h"
#include "image/survey_internal.h"
#include "lib/predict/boot_disk.h"

#define ESP_LIMIT ((uint64_t)2 << 30)

/* --- What firmware starts --- */

static bool find_boot(const struct clo_container *disk, const struct clo_layout *layout,
                      struct clo_boot_disk *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer volume = { 0 };

    for (size_t i = 0; i < layout->count; i++) {
        if (!layout->parts[i].is_esp)
            continue;
        if (layout->parts[i].size > ESP_LIMIT)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "ESP: larger than %u MiB",
                            (unsigned)(ESP_LIMIT >> 20));
        return survey_read_part(disk, &layout->parts[i], ESP_LIMIT, &volume, err) &&
               clo_boot_disk_find(clo_buffer_bytes(&volume), NULL, out, err);
    }
    return clo_fail(err, CLO_ERR_FORMAT, "no EFI system partition");
}

bool clo_survey_uki(struct clo_container *disk, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_layout *layout = malloc(sizeof *layout);
    CLO_CLEANUP(clo_freep) struct clo_boot_disk *boot = calloc(1, sizeof *boot);

    if (layout == NULL || boot == NULL)
        return clo_out_of_memory(err);
    bool ok =
            clo_layout_read(disk, layout, err) && find_boot(disk, layout, boot, err) &&
            (boot->uki.size > 0 || clo_fail(err, CLO_ERR_FORMAT, "firmware starts no UKI from it"));
    if (ok)
        clo_buffer_append(out, clo_buffer_bytes(&boot->uki));
    clo_boot_disk_free(boot);
    return ok && (clo_buffer_ok(out) || clo_out_of_memory(err));
}

static json_t *uki_json(const struct clo_container *disk, const struct clo_layout *layout)
{
    CLO_CLEANUP(clo_freep) struct clo_boot_disk *boot = calloc(1, sizeof *boot);
    struct clo_digest digest;
    struct clo_error why;
    json_t *out;

    if (boot == NULL)
        return NULL;
    if (!find_boot(disk, layout, boot, &why))
        out = json_pack("{s:o}", "refusal", clo_json_text(why.text));
    else if (boot->uki.size == 0)
        out = json_pack("{s:s}", "refusal", "firmware starts a boot loader and no UKI");
    else {
        clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&boot->uki), &digest);
        out = json_pack("{s:o, s:I, s:o, s:b, s:b}", "path", clo_json_text(boot->path), "bytes",
                        (json_int_t)boot->uki.size, "sha256",
                        clo_json_hex(clo_digest_bytes(&digest)), "shim", boot->shim.size > 0,
                        "loader", boot->loader.size > 0);
    }
    clo_boot_disk_free(boot);
    return out;
}

/* --- Partitions --- */

struct survey {
    const struct clo_container *disk;
    const struct clo_layout *layout;
    json_t *json;
    json_t *reads, *wrong; /* members of it */
    bool is_fit;           /* its root */
    bool has_root;
};

static void say(json_t *list, const char *format, ...) CLO_PRINTF(2, 3);
static void say(json_t *list, const char *format, ...)
{
    char text[600];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(list, clo_json_text(text));
}

static bool is_readable(enum clo_content content)
{
    return content != CLO_CONTENT_UNKNOWN && content != CLO_CONTENT_LUKS1 &&
           content != CLO_CONTENT_LUKS2 && content != CLO_CONTENT_BOOT_SECTOR;
}

static bool add_luks(struct survey *survey, const struct clo_layout_part *part, json_t *json,
                     struct clo_error *err)
{
    json_t *luks;
    bool is_fit;

    const struct survey_volume volume = { .disk = survey->disk,
                                          .part = part,
                                          .header = survey_is_header(survey->disk, part)
                                                            ? survey->disk
                                                            : NULL };

    if (!survey_luks(&volume, &luks, &is_fit, err))
        return false;
    json_object_set_new(json, "luks", luks);
    if (!part->is_root)
        return true;
    survey->has_root = true;
    survey->is_fit = is_fit;
    json_object_set(survey->json, "root", luks);
    return true;
}

static bool add_part(struct survey *survey, const struct clo_layout_part *part,
                     struct clo_error *err)
{
    char text[200];
    json_t *json =
            json_pack("{s:i, s:o, s:s, s:s, s:I, s:I, s:s}", "number", (int)part->number, "name",
                      clo_json_text(part->name), "type", part->type, "guid", part->guid, "offset",
                      (json_int_t)part->first, "bytes", (json_int_t)part->size, "content",
                      clo_content_name(part->probe.content));

    if (json == NULL ||
        json_array_append_new(json_object_get(survey->json, "partitions"), json) != 0)
        return clo_out_of_memory(err);
    if (part->volume[0] != '\0')
        json_object_set_new(json, "volume", clo_json_text(part->volume));
    if (part->probe.uuid[0] != '\0')
        json_object_set_new(json, "uuid", clo_json_text(part->probe.uuid));
    if (part->probe.label[0] != '\0')
        json_object_set_new(json, "label", clo_json_text(part->probe.label));
    clo_layout_part_text(part, text, sizeof text);
    if (is_readable(part->probe.content))
        say(survey->reads, "%s", text);
    if (part->probe.content == CLO_CONTENT_SWAP)
        say(survey->wrong, "%s: memory, keys included, is written there in the clear", text);
    if (part->is_root && part->probe.content != CLO_CONTENT_LUKS2)
        say(survey->wrong, "%s: the root is not LUKS2", text);
    return part->probe.content != CLO_CONTENT_LUKS2 || add_luks(survey, part, json, err);
}

/* --- What convert would do --- */

static void add_convert(struct survey *survey)
{
    const struct clo_layout *layout = survey->layout;
    char list[400] = "", text[500];
    size_t count = 0;

    for (size_t i = 0; i < layout->count; i++) {
        if (!clo_layout_may_be_root(&layout->parts[i]))
            continue;
        size_t used = strlen(list);
        char one[200];
        clo_layout_part_text(&layout->parts[i], one, sizeof one);
        snprintf(list + used, sizeof list - used, "%s%s", count++ == 0 ? "" : ", ", one);
    }
    if (survey->has_root && survey->is_fit)
        snprintf(text, sizeof text, "nothing: the root is encrypted, and a guest opens it");
    else if (count == 1)
        snprintf(text, sizeof text, "takes %s as the root, if it has an init", list);
    else if (count > 1)
        snprintf(text, sizeof text, "takes the one with an init as the root, of %s", list);
    else {
        struct clo_error why;
        (void)clo_layout_without_root(layout, &why);
        snprintf(text, sizeof text, "refuses it: %.400s", why.text);
    }
    json_object_set_new(survey->json, "convert", clo_json_text(text));
}

static void settle_root(struct survey *survey)
{
    const json_t *root = json_object_get(survey->json, "root");
    const char *refusal = json_string_value(json_object_get(root, "refusal"));

    if (!survey->has_root)
        json_object_set_new(survey->json, "root",
                            json_pack("{s:b, s:s}", "fit", 0, "refusal",
                                      "no LUKS2 partition of the type for a root"));
    else if (refusal != NULL)
        say(survey->wrong, "root: %s", refusal);
    refusal = json_string_value(json_object_get(json_object_get(survey->json, "uki"), "refusal"));
    if (refusal != NULL)
        say(survey->wrong, "UKI: %s", refusal);
}

bool clo_survey(struct clo_container *disk, json_t **out, bool *is_fit, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_layout *layout = malloc(sizeof *layout);
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s, s:I, s:[]}", "container", clo_container_name(disk->kind),
                             "bytes", (json_int_t)disk->size, "partitions");
    struct survey survey = { .disk = disk, .layout = layout, .json = json };

    if (layout == NULL || json == NULL)
        return clo_out_of_memory(err);
    if (!clo_layout_read(disk, layout, err))
        return false;
    json_object_set_new(json, "table", json_string(layout->table));
    if (layout->guid[0] != '\0')
        json_object_set_new(json, "disk", json_string(layout->guid));
    survey.reads = json_array();
    survey.wrong = json_array();
    json_object_set_new(json, "host_reads", survey.reads);
    json_object_set_new(json, "wrong", survey.wrong);
    for (size_t i = 0; i < layout->count; i++)
        if (!add_part(&survey, &layout->parts[i], err))
            return clo_wrap(err, "partition %u", layout->parts[i].number);
    json_object_set_new(json, "uki", uki_json(disk, layout));
    settle_root(&survey);
    add_convert(&survey);
    *is_fit = survey.has_root && survey.is_fit;
    *out = CLO_TAKE(json);
    return true;
}
