#include "image/update_note.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/json.h"
#include "cloister/pe.h"
#include "device/file.h"

#define NOTE_LIMIT 4096

static void name_note(const char *state, char out[4200])
{
    snprintf(out, 4200, "%s/pending.json", state);
}

static bool read_digest(const json_t *json, const char *key, struct clo_digest *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!clo_json_get_bytes(json, key, CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &bytes, err))
        return false;
    if (bytes.size != clo_hash_size(CLO_HASH_SHA256))
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not a SHA-256 digest", key);
    *out = (struct clo_digest){ .hash = CLO_HASH_SHA256 };
    memcpy(out->bytes, bytes.data, bytes.size);
    return true;
}

static bool read_note(const json_t *json, struct clo_update_note *out, struct clo_error *err)
{
    static const char *const members[] = { "uki", "pcr4", "floor", NULL };
    struct clo_update_note note = { .floor = 0 };

    if (!clo_json_only(json, members, err) || !read_digest(json, "uki", &note.uki, err) ||
        !clo_json_get_u64(json, "floor", &note.floor, err))
        return false;
    if (json_object_get(json, "pcr4") != NULL && !read_digest(json, "pcr4", &note.pcr_4, err))
        return false;
    *out = note;
    return true;
}

bool clo_update_note_read(const char *state, struct clo_update_note *out, bool *is_there,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    char path[4200];

    name_note(state, path);
    *is_there = access(path, F_OK) == 0;
    if (!*is_there)
        return errno == ENOENT || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    return (clo_file_read(path, NOTE_LIMIT, &text, err) &&
            clo_json_parse(clo_buffer_bytes(&text), &json, err) && read_note(json, out, err)) ||
           clo_wrap(err, "%s", path);
}

bool clo_update_note_write(const char *state, const struct clo_update_note *note,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_json_object object = { .json = json_object() };
    char path[4200];

    name_note(state, path);
    clo_json_set_hex(&object, "uki", clo_digest_bytes(&note->uki));
    if (note->pcr_4.hash != CLO_HASH_NONE)
        clo_json_set_hex(&object, "pcr4", clo_digest_bytes(&note->pcr_4));
    clo_json_set(&object, "floor", json_integer((json_int_t)note->floor));
    json = clo_json_finish(&object);
    if (json == NULL)
        return clo_out_of_memory(err);
    return clo_json_write(json, &text, err) &&
           clo_file_write(path, clo_buffer_bytes(&text), 0600, err);
}

/* --- Owed: a folder of the same shape --- */

static void name_owed(const char *state, char out[4100])
{
    snprintf(out, 4100, "%.4000s/owed", state);
}

bool clo_update_owed_read(const char *state, struct clo_update_note *out, bool *is_there,
                          struct clo_error *err)
{
    char folder[4100];

    name_owed(state, folder);
    return clo_update_note_read(folder, out, is_there, err);
}

bool clo_update_owed_write(const char *state, const struct clo_update_note *note,
                           struct clo_error *err)
{
    char folder[4100];

    name_owed(state, folder);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    return clo_update_note_write(folder, note, err);
}

bool clo_update_owed_drop(const char *state, struct clo_error *err)
{
    char folder[4100];

    name_owed(state, folder);
    return clo_update_note_drop(folder, err);
}

/* --- The UKI --- */

static void name_copy(const char *state, char out[4200])
{
    snprintf(out, 4200, "%s/next.efi", state);
}

bool clo_update_copy_write(const char *state, struct clo_bytes uki, struct clo_error *err)
{
    char path[4200];

    name_copy(state, path);
    return clo_file_write(path, uki, 0600, err);
}

bool clo_update_copy_read(const char *state, const struct clo_update_note *note,
                          struct clo_buffer *out, struct clo_error *err)
{
    struct clo_digest digest;
    char path[4200];

    name_copy(state, path);
    if (!clo_file_read(path, CLO_PE_SIZE_MAX, out, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(out), &digest);
    return clo_digest_equal(&digest, &note->uki) ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: not what was installed", path);
}

static bool drop_file(const char *path, struct clo_error *err)
{
    return unlink(path) == 0 || errno == ENOENT ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

bool clo_update_note_drop(const char *state, struct clo_error *err)
{
    char note[4200], copy[4200];

    name_note(state, note);
    name_copy(state, copy);
    return drop_file(note, err) && drop_file(copy, err);
}
