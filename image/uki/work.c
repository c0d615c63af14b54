#include "image/uki/work.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT ((size_t)1 << 20)

bool uki_work_new(struct uki_work **out, struct clo_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return clo_out_of_memory(err);
    (*out)->group = CLO_UKI_BASE;
    return true;
}

void uki_work_freep(struct uki_work **work)
{
    if (*work == NULL)
        return;
    clo_uki_parts_free(&(*work)->list);
    for (size_t i = 0; i < (*work)->file_count; i++)
        uki_file_close(&(*work)->files[i]);
    for (size_t i = 0; i < (*work)->image_count; i++)
        uki_image_freep(&(*work)->images[i]);
    for (size_t i = 0; i < (*work)->text_count; i++)
        clo_buffer_free(&(*work)->texts[i]);
    free(*work);
    *work = NULL;
}

static bool has_room(size_t count, struct clo_error *err)
{
    return count < UKI_INPUTS_MAX ||
           clo_fail(err, CLO_ERR_USAGE, "more than %d inputs", UKI_INPUTS_MAX);
}

bool uki_work_image(struct uki_work *work, const char *path, struct uki_image **out,
                    struct clo_error *err)
{
    if (!has_room(work->image_count, err) || !uki_image_open(path, out, err))
        return false;
    work->images[work->image_count++] = *out;
    return true;
}

bool uki_work_file(struct uki_work *work, const char *path, struct clo_pieces *out,
                   struct clo_error *err)
{
    struct uki_file *file = &work->files[work->file_count];

    if (!has_room(work->file_count, err) || !uki_file_open(path, file, err))
        return false;
    work->file_count++;
    clo_pieces_source(out, file, 0, file->size);
    return !out->failed || clo_out_of_memory(err);
}

bool uki_work_keep(struct uki_work *work, struct clo_bytes bytes, struct clo_bytes *out,
                   struct clo_error *err)
{
    struct clo_buffer *text = &work->texts[work->text_count];

    if (!has_room(work->text_count, err))
        return false;
    clo_buffer_append(text, bytes);
    work->text_count++;
    *out = clo_buffer_bytes(text);
    return clo_buffer_ok(text) || clo_out_of_memory(err);
}

/* The value as it is, or the file's. */
static bool raw_text(const char *value, struct clo_buffer *out, struct clo_error *err)
{
    if (*value == '@')
        return clo_file_read(value + 1, TEXT_LIMIT, out, err);
    clo_buffer_text(out, value);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool uki_work_text(struct uki_work *work, const char *value, struct clo_bytes *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    *out = clo_bytes(NULL, 0);
    if (value == NULL)
        return true;
    if (!raw_text(value, &text, err))
        return false;
    while (text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) != NULL)
        text.size--;
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: holds a NUL character", value);
    return uki_work_keep(work, clo_buffer_bytes(&text), out, err);
}

bool uki_work_set(struct uki_work *work, size_t profile, const char *name, struct clo_bytes content,
                  struct clo_error *err)
{
    struct clo_pieces pieces = { 0 };

    clo_pieces_bytes(&pieces, content);
    return content.size == 0 || clo_uki_part_set(&work->list, profile, name, &pieces, err);
}

bool uki_work_section(struct uki_work *work, const char *argument, struct clo_error *err)
{
    const char *colon = strchr(argument, ':');
    struct clo_pieces pieces = { 0 };
    struct clo_bytes text;
    char name[16];
    bool ok;

    if (colon == NULL || (size_t)(colon - argument) >= sizeof name)
        return clo_fail(err, CLO_ERR_USAGE, "%s: expected NAME:TEXT or NAME:@FILE", argument);
    snprintf(name, sizeof name, "%.*s", (int)(colon - argument), argument);
    if (colon[1] == '@') {
        ok = uki_work_file(work, colon + 2, &pieces, err);
    } else {
        ok = uki_work_keep(work, clo_bytes_text(colon + 1), &text, err);
        clo_pieces_bytes(&pieces, ok ? text : clo_bytes(NULL, 0));
    }
    ok = ok && (pieces.size > 0 || clo_fail(err, CLO_ERR_USAGE, "%s: is empty", argument)) &&
         clo_uki_part_set(&work->list, work->group, name, &pieces, err);
    clo_pieces_free(&pieces);
    return ok;
}

size_t uki_work_profiles(struct uki_work *work)
{
    size_t count = 0;

    for (size_t i = 0; i < work->list.count; i++)
        count += strcmp(work->list.items[i].name, ".profile") == 0;
    return count;
}

bool uki_work_write(struct uki_work *work, const struct uki_signing *signing, const char *path,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };

    if (!clo_pe_lay_out(&work->frame->uki.pe, work->list.items, work->list.count, &head, &pieces,
                        err))
        return clo_wrap(err, "%s", work->frame->file.path);
    return uki_write_image(&pieces, &work->frame->uki.pe, clo_bytes(NULL, 0), signing, path, err);
}
