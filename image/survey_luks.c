/* How a volume is encrypted, and who can open it: what its LUKS2 header says, on the disk or in a file of its own. */
#include "image/survey_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk/integrity.h"
#include "lib/disk/luks2.h"
#include "lib/disk/tpm2_token.h"

bool survey_read_part(const struct clo_container *disk, const struct clo_layout_part *part,
                      uint64_t limit, struct clo_buffer *out, struct clo_error *err)
{
    size_t size = (size_t)(part->size < limit ? part->size : limit);

    clo_buffer_zero(out, size);
    return clo_buffer_ok(out) ? clo_container_read(disk, part->first, out->data, size, err)
                              : clo_out_of_memory(err);
}

bool survey_is_header(const struct clo_container *disk, const struct clo_layout_part *part)
{
    return part->number == 0 && part->volume[0] == '\0' && disk->size <= CLO_LUKS2_HEADER_MAX;
}

static json_t *pcrs_json(uint32_t pcrs)
{
    json_t *list = json_array();

    for (int i = 0; i < CLO_TPM2_PCRS; i++)
        if ((pcrs >> i & 1) != 0)
            json_array_append_new(list, json_integer(i));
    return list;
}

/* A token is the disk holder's word, as the whole header is. */
static json_t *token_json(const json_t *token)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token parsed = { 0 };
    const char *type = json_string_value(json_object_get(token, "type"));
    json_t *out = json_pack("{s:s}", "type", type == NULL ? "" : type);
    struct clo_error why;

    if (!clo_tpm2_token_parse(token, &parsed, &why)) {
        json_object_set_new(out, "not_read", clo_json_text(why.text));
        return out;
    }
    json_object_set_new(out, "keyslot", json_integer(parsed.keyslot));
    json_object_set_new(out, "pcrs", pcrs_json(parsed.pcrs));
    json_object_set_new(out, "signed_pcrs", pcrs_json(parsed.signed_pcrs));
    json_object_set_new(out, "pin", json_boolean(parsed.has_pin));
    json_object_set_new(out, "pcrlock", json_boolean(parsed.has_pcrlock));
    json_object_set_new(out, "broker_share", json_boolean(parsed.is_share));
    return out;
}

static void add_tokens(json_t *luks, const json_t *metadata)
{
    json_t *tokens = json_array(), *slots = json_array();
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get(metadata, "tokens"), name, value)
        json_array_append_new(tokens, token_json(value));
    json_object_foreach (json_object_get(metadata, "keyslots"), name, value) {
        const char *kdf = json_string_value(json_object_get(json_object_get(value, "kdf"), "type"));
        json_array_append_new(slots, json_pack("{s:o, s:o}", "slot", clo_json_text(name), "kdf",
                                               clo_json_text(kdf == NULL ? "" : kdf)));
    }
    json_object_set_new(luks, "slots", slots);
    json_object_set_new(luks, "tokens", tokens);
}

/* What lies at the payload's start, where sectors have tags. */
static bool check_tags(const struct clo_container *disk, const struct clo_layout_part *part,
                       const struct clo_luks2_info *info, bool *is_fit, struct clo_error *refusal,
                       struct clo_error *err)
{
    struct clo_layout_part payload = *part;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer superblock = { 0 };
    uint64_t skip = info->payload_offset < part->size ? info->payload_offset : part->size;

    payload.first += skip;
    payload.size -= skip;
    if (!survey_read_part(disk, &payload, CLO_INTEGRITY_SUPERBLOCK, &superblock, err))
        return false;
    *is_fit = clo_luks2_check_tags(info, clo_buffer_bytes(&superblock), part->size, refusal);
    return true;
}

/* What the header says of its segment, fit or not. */
static void add_segment(json_t *luks, const json_t *metadata)
{
    const json_t *segment = json_object_get(json_object_get(metadata, "segments"), "0");
    const json_t *size = json_object_get(segment, "sector_size");
    const char *cipher = json_string_value(json_object_get(segment, "encryption"));
    const char *tags =
            json_string_value(json_object_get(json_object_get(segment, "integrity"), "type"));

    json_object_set_new(luks, "cipher", clo_json_text(cipher == NULL ? "" : cipher));
    json_object_set_new(luks, "integrity", clo_json_text(tags == NULL ? "none" : tags));
    json_object_set_new(luks, "sector_size", json_integer(json_integer_value(size)));
}

static bool read_header(const struct survey_volume *volume, struct clo_buffer *out,
                        struct clo_error *err)
{
    struct clo_layout_part whole = { .size = volume->header == NULL ? 0 : volume->header->size };

    return volume->header == NULL
                   ? survey_read_part(volume->disk, volume->part, CLO_LUKS2_HEADER_MAX, out, err)
                   : survey_read_part(volume->header, &whole, CLO_LUKS2_HEADER_MAX, out, err);
}

/* A header by itself has no volume to look at. */
static bool check_volume(const struct survey_volume *volume, struct clo_bytes header,
                         struct clo_luks2_info *info, bool *is_fit, struct clo_error *refusal,
                         struct clo_error *err)
{
    *is_fit = volume->header == NULL ? clo_luks2_check(header, info, refusal)
                                     : clo_luks2_check_detached(header, info, refusal);
    return !*is_fit || info->integrity[0] == '\0' || volume->header == volume->disk ||
           check_tags(volume->disk, volume->part, info, is_fit, refusal, err);
}

bool survey_luks(const struct survey_volume *volume, json_t **out, bool *is_fit,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *metadata = NULL;
    struct clo_luks2_info info = { 0 };
    struct clo_error refusal = { 0 };

    if (!read_header(volume, &header, err) ||
        !check_volume(volume, clo_buffer_bytes(&header), &info, is_fit, &refusal, err))
        return false;
    json_t *luks = json_pack("{s:b, s:b}", "fit", *is_fit, "detached", volume->header != NULL);
    if (!*is_fit)
        json_object_set_new(luks, "refusal", clo_json_text(refusal.text));
    if (clo_luks2_parse(clo_buffer_bytes(&header), &info, &metadata, &refusal)) {
        json_object_set_new(luks, "luks_uuid", clo_json_text(info.uuid));
        add_segment(luks, metadata);
        json_object_set_new(
                luks, "keyslots",
                json_integer((json_int_t)json_object_size(json_object_get(metadata, "keyslots"))));
        add_tokens(luks, metadata);
    }
    *out = luks;
    return luks != NULL || clo_out_of_memory(err);
}

/* --- A disk, and a header that is not on it --- */

/* The root of a disk with a table; a disk without one is the volume. */
static bool find_volume(struct clo_container *disk, struct clo_layout_part *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_layout *layout = malloc(sizeof *layout);
    struct clo_error ignored;

    if (layout == NULL)
        return clo_out_of_memory(err);
    *out = (struct clo_layout_part){ .size = disk->size };
    bool has_table = clo_layout_read(disk, layout, &ignored) && strcmp(layout->table, "no") != 0;
    for (size_t i = 0; has_table && i < layout->count; i++)
        if (layout->parts[i].is_root) {
            *out = layout->parts[i];
            return true;
        }
    if (has_table)
        return clo_fail(
                err, CLO_ERR_FORMAT,
                "no partition of the type for a root: which one the header is for cannot be told");
    if (clo_layout_read(disk, layout, &ignored))
        out->probe = layout->parts[0].probe;
    return true;
}

/* Why it cannot be this volume's; empty: nothing is against it. */
static bool compare(const struct survey_volume *volume, const json_t *luks, char why[200],
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *own = NULL;
    const struct survey_volume attached = { .disk = volume->disk, .part = volume->part };
    const struct clo_probe *probe = &volume->part->probe;
    bool ignored;

    why[0] = '\0';
    if (probe->content == CLO_CONTENT_UNKNOWN)
        return true;
    if (probe->content != CLO_CONTENT_LUKS2) {
        snprintf(why, 200, "the disk begins with %s: it is not encrypted under this header",
                 clo_content_name(probe->content));
        return true;
    }
    if (!survey_luks(&attached, &own, &ignored, err))
        return false;
    const char *theirs = json_string_value(json_object_get(own, "luks_uuid"));
    const char *ours = json_string_value(json_object_get(luks, "luks_uuid"));
    if (theirs != NULL && ours != NULL && strcmp(theirs, ours) != 0)
        snprintf(why, 200, "it is of another disk: %s, and this one is %s", ours, theirs);
    return true;
}

bool clo_survey_header(struct clo_container *disk, const struct clo_container *header, json_t **out,
                       bool *is_fit, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *luks = NULL;
    struct clo_layout_part part;
    const struct survey_volume volume = { .disk = disk, .part = &part, .header = header };
    char why[200];
    bool fits;

    if (!find_volume(disk, &part, err) || !survey_luks(&volume, &luks, &fits, err) ||
        !compare(&volume, luks, why, err))
        return false;
    if (why[0] != '\0') {
        json_object_set_new(luks, "fit", json_false());
        json_object_set_new(luks, "refusal", clo_json_text(why));
    }
    json_t *json =
            json_pack("{s:s, s:I, s:I, s:O}", "container", clo_container_name(disk->kind), "bytes",
                      (json_int_t)part.size, "offset", (json_int_t)part.first, "header", luks);
    *is_fit = fits && why[0] == '\0';
    *out = json;
    return json != NULL || clo_out_of_memory(err);
}
