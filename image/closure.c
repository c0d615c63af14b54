#include "image/closure.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/file.h"
#include "image/elf64.h"

#define FOLDERS_MAX   128
#define LIBRARY_LIMIT ((size_t)256 << 20)

struct folders {
    char *items[FOLDERS_MAX];
    size_t count;
};

static void free_folders(struct folders *folders)
{
    for (size_t i = 0; i < folders->count; i++)
        free(folders->items[i]);
    folders->count = 0;
}

static void add_folder(struct folders *folders, const char *text, size_t size)
{
    char *copy = folders->count < FOLDERS_MAX ? strndup(text, size) : NULL;

    if (copy != NULL)
        folders->items[folders->count++] = copy;
}

/* ld.so.conf: a folder a line, '#' comments, "include PATTERN" one level deep. */
static void read_conf(const char *path, struct folders *folders, bool may_include)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error ignored;

    if (!clo_file_read(path, 65536, &text, &ignored) || clo_buffer_string(&text) == NULL)
        return;
    char *rest = (char *)text.data;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        line[strcspn(line, "#")] = '\0';
        line += strspn(line, " \t");
        size_t size = strcspn(line, " \t\r");
        if (line[0] == '/') {
            add_folder(folders, line, size);
        } else if (may_include && strncmp(line, "include", 7) == 0) {
            glob_t matches;
            if (glob(line + 7 + strspn(line + 7, " \t"), 0, NULL, &matches) != 0)
                continue;
            for (size_t i = 0; i < matches.gl_pathc; i++)
                read_conf(matches.gl_pathv[i], folders, false);
            globfree(&matches);
        }
    }
}

static void system_folders(const char *conf, struct folders *folders)
{
    static const char *const last[] = { "/lib/x86_64-linux-gnu",
                                        "/usr/lib/x86_64-linux-gnu",
                                        "/lib/aarch64-linux-gnu",
                                        "/usr/lib/aarch64-linux-gnu",
                                        "/lib64",
                                        "/usr/lib64",
                                        "/lib",
                                        "/usr/lib" };

    read_conf(conf, folders, true);
    for (size_t i = 0; i < CLO_COUNT(last); i++)
        add_folder(folders, last[i], strlen(last[i]));
}

/* Is there a library of this machine's kind? Another architecture's is passed over, as ld.so does. */
static bool fits(const char *path, uint16_t machine)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error ignored;
    struct clo_elf elf;

    return access(path, R_OK) == 0 && clo_file_read(path, LIBRARY_LIMIT, &file, &ignored) &&
           clo_elf_parse(clo_buffer_bytes(&file), &elf, &ignored) && elf.machine == machine;
}

static char *try_folder(const char *folder, size_t folder_size, const char *name, uint16_t machine)
{
    char *path = NULL;

    if (asprintf(&path, "%.*s/%s", (int)folder_size, folder, name) < 0)
        return NULL;
    if (fits(path, machine))
        return path;
    free(path);
    return NULL;
}

/* One entry of a RUNPATH, with $ORIGIN in front replaced. */
static char *try_run_path(const char *entry, size_t size, const char *origin, const char *name,
                          uint16_t machine)
{
    static const char *const tokens[] = { "$ORIGIN", "${ORIGIN}" };
    char folder[4096];

    for (size_t i = 0; i < CLO_COUNT(tokens); i++) {
        size_t token = strlen(tokens[i]);
        if (size < token || strncmp(entry, tokens[i], token) != 0)
            continue;
        const char *slash = strrchr(origin, '/');
        snprintf(folder, sizeof folder, "%.*s%.*s", slash == NULL ? 1 : (int)(slash - origin),
                 slash == NULL ? "." : origin, (int)(size - token), entry + token);
        return try_folder(folder, strlen(folder), name, machine);
    }
    return try_folder(entry, size, name, machine);
}

static char *locate(const char *name, const struct clo_elf *asking, const char *asking_path,
                    const struct folders *folders)
{
    for (const char *at = asking->search_path; at != NULL && *at != '\0';) {
        size_t size = strcspn(at, ":");
        char *path = try_run_path(at, size, asking_path, name, asking->machine);
        if (path != NULL)
            return path;
        at += size + (at[size] == ':');
    }
    for (size_t i = 0; i < folders->count; i++) {
        char *path =
                try_folder(folders->items[i], strlen(folders->items[i]), name, asking->machine);
        if (path != NULL)
            return path;
    }
    return NULL;
}

static bool has(const struct clo_closure *closure, const char *name)
{
    for (size_t i = 0; i < closure->count; i++)
        if (strcmp(closure->names[i], name) == 0)
            return true;
    const char *slash = closure->interpreter == NULL ? NULL : strrchr(closure->interpreter, '/');
    return slash != NULL && strcmp(slash + 1, name) == 0;
}

static bool add_needed(const char *path, const struct folders *folders, struct clo_closure *closure,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_elf elf;

    if (!clo_file_read(path, LIBRARY_LIMIT, &file, err))
        return false;
    if (!clo_elf_parse(clo_buffer_bytes(&file), &elf, err))
        return clo_wrap(err, "%s", path);
    if (closure->interpreter == NULL && elf.interpreter != NULL &&
        (closure->interpreter = strdup(elf.interpreter)) == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < elf.needed_count; i++) {
        if (has(closure, elf.needed[i]))
            continue;
        if (closure->count == CLO_CLOSURE_MAX)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "%s: more than %d libraries", path,
                            CLO_CLOSURE_MAX);
        char *found = strchr(elf.needed[i], '/') != NULL
                              ? NULL
                              : locate(elf.needed[i], &elf, path, folders);
        if (found == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "%s: library %.64s is not on this machine", path,
                            elf.needed[i]);
        char *name = strdup(elf.needed[i]);
        if (name == NULL) {
            free(found);
            return clo_out_of_memory(err);
        }
        closure->names[closure->count] = name;
        closure->paths[closure->count++] = found;
    }
    return true;
}

bool clo_closure_get(const char *program, const char *conf, struct clo_closure *out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_closure_free) struct clo_closure closure = { 0 };
    CLO_CLEANUP(free_folders) struct folders folders = { .count = 0 };

    system_folders(conf, &folders);
    if (!add_needed(program, &folders, &closure, err))
        return false;
    for (size_t i = 0; i < closure.count; i++) /* grows as it goes */
        if (!add_needed(closure.paths[i], &folders, &closure, err))
            return false;
    *out = closure;
    closure = (struct clo_closure){ 0 };
    return true;
}

void clo_closure_free(struct clo_closure *closure)
{
    for (size_t i = 0; i < closure->count; i++) {
        free(closure->names[i]);
        free(closure->paths[i]);
    }
    free(closure->interpreter);
    *closure = (struct clo_closure){ 0 };
}
