/* Sections that are made of folders, for image/uki/work.h. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/uki/work.h"

#define FILES_MAX  1024
#define JSON_LIMIT ((size_t)1 << 20)

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The names in a folder that do not begin with a dot, sorted. */
struct names {
    char *items[FILES_MAX];
    size_t count;
};

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool list_folder(const char *path, struct names *out, struct clo_error *err)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    if (folder == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    while ((entry = readdir(folder)) != NULL && out->count < FILES_MAX) {
        if (entry->d_name[0] == '.')
            continue;
        if (asprintf(&out->items[out->count], "%s/%s", path, entry->d_name) < 0)
            break;
        out->count++;
    }
    closedir(folder);
    qsort(out->items, out->count, sizeof out->items[0], by_name);
    return entry == NULL || clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: too many files", path);
}

/* --- .hwids --- */

struct documents {
    json_t *items[FILES_MAX];
    size_t count;
};

static void free_documents(struct documents *documents)
{
    for (size_t i = 0; i < documents->count; i++)
        json_decref(documents->items[i]);
}

/* Every .json in the folder and the folders in it, one level deep. */
static bool read_documents(const char *path, bool goes_down, struct documents *out,
                           struct clo_error *err)
{
    CLO_CLEANUP(free_names) struct names names = { 0 };

    if (!list_folder(path, &names, err))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        size_t size = strlen(names.items[i]);
        if (goes_down && is_folder(names.items[i])) {
            if (!read_documents(names.items[i], false, out, err))
                return false;
            continue;
        }
        if (size < 5 || strcmp(names.items[i] + size - 5, ".json") != 0)
            continue;
        if (out->count == FILES_MAX)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: too many files", path);
        if (!clo_file_read(names.items[i], JSON_LIMIT, &text, err))
            return false;
        if (!clo_json_parse(clo_buffer_bytes(&text), &out->items[out->count], err))
            return clo_wrap(err, "%s", names.items[i]);
        out->count++;
    }
    return true;
}

bool uki_work_hwids(struct uki_work *work, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(free_documents) struct documents documents = { 0 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer section = { 0 };
    struct clo_bytes kept;

    if (path == NULL)
        return true;
    if (!is_folder(path))
        return uki_work_file(work, path, &pieces, err) &&
               clo_uki_part_set(&work->list, work->group, ".hwids", &pieces, err);
    if (!read_documents(path, true, &documents, err))
        return false;
    if (documents.count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: holds no .json", path);
    if (!clo_hwids_build((const json_t *const *)documents.items, documents.count, &section, err))
        return clo_wrap(err, "%s", path);
    return uki_work_keep(work, clo_buffer_bytes(&section), &kept, err) &&
           uki_work_set(work, work->group, ".hwids", kept, err);
}

/* --- .efifw --- */

/* A folder that is named by the firmware's ID and holds its image. */
static bool add_firmware(struct uki_work *work, const char *path, struct clo_pieces *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(free_names) struct names names = { 0 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces image = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_freep) char *copy = strdup(path);
    struct clo_bytes kept;

    if (copy == NULL)
        return clo_out_of_memory(err);
    if (!list_folder(path, &names, err))
        return false;
    if (names.count != 1)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: holds %zu files, expected one image", path,
                        names.count);
    for (size_t size = strlen(copy); size > 1 && copy[size - 1] == '/'; size--)
        copy[size - 1] = '\0';
    const char *slash = strrchr(copy, '/');
    if (!uki_work_file(work, names.items[0], &image, err))
        return false;
    if (!clo_efifw_head(slash == NULL ? copy : slash + 1, image.size, &head, err))
        return clo_wrap(err, "%s", path);
    if (!uki_work_keep(work, clo_buffer_bytes(&head), &kept, err))
        return false;
    clo_pieces_bytes(out, kept);
    clo_pieces_add(out, &image);
    /* The file outlives this function, its name does not. */
    work->files[work->file_count - 1].path = "firmware image";
    return true;
}

bool uki_work_firmware(struct uki_work *work, const struct clo_list *paths, struct clo_error *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };
        bool ok = is_folder(paths->items[i]) ? add_firmware(work, paths->items[i], &pieces, err)
                                             : uki_work_file(work, paths->items[i], &pieces, err);
        if (!ok || !clo_uki_part_set(&work->list, work->group, ".efifw", &pieces, err))
            return false;
    }
    return true;
}
