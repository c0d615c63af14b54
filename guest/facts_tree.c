#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device/file.h"
#include "guest/facts_internal.h"

int clo_tree_open(const struct clo_tree *tree, const char *path, int flags)
{
    struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT };

    return (int)syscall(SYS_openat2, tree->fd, path, &how, sizeof how);
}

bool clo_tree_stat(const struct clo_tree *tree, const char *path, struct stat *out)
{
    CLO_CLEANUP(clo_fd_close) int fd = clo_tree_open(tree, path, O_PATH);

    return fd >= 0 && fstat(fd, out) == 0;
}

bool clo_tree_exists(const struct clo_tree *tree, const char *path)
{
    struct stat ignored;

    return clo_tree_stat(tree, path, &ignored);
}

/* Files of /proc and /sys say that they are empty, or 4096 bytes: read to the end. */
bool clo_tree_read(const struct clo_tree *tree, const char *path, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_fd_close) int fd = clo_tree_open(tree, path, O_RDONLY | O_NONBLOCK);
    char chunk[4096];
    ssize_t got;

    *out = (struct clo_buffer){ .limit = FACT_LIMIT };
    if (fd < 0)
        return false;
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        clo_buffer_append(out, clo_bytes(chunk, (size_t)got));
    return got == 0 && clo_buffer_ok(out);
}

const char *clo_tree_text(const struct clo_tree *tree, const char *path, struct clo_buffer *out)
{
    if (!clo_tree_read(tree, path, out))
        return NULL;
    while (out->size > 0 && strchr("\n\r ", out->data[out->size - 1]) != NULL)
        out->size--;
    return clo_buffer_string(out);
}

bool clo_tree_link(const struct clo_tree *tree, const char *path, char *out, size_t size)
{
    CLO_CLEANUP(clo_fd_close) int fd = clo_tree_open(tree, path, O_PATH | O_NOFOLLOW);
    char target[4096];
    ssize_t length = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target - 1);

    if (length < 0)
        return false;
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(out, size, "%s", slash == NULL ? target : slash + 1);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void clo_tree_list(const struct clo_tree *tree, const char *folder, clo_tree_each each,
                   void *context)
{
    int fd = clo_tree_open(tree, folder, O_RDONLY | O_DIRECTORY);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    char *names[1024];
    struct dirent *entry;
    size_t count = 0;

    if (stream == NULL) {
        clo_fd_close(&fd);
        return;
    }
    while (count < CLO_COUNT(names) && (entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.' && (names[count] = strdup(entry->d_name)) != NULL)
            count++;
    closedir(stream);
    qsort(names, count, sizeof names[0], by_name);
    for (size_t i = 0; i < count; i++) {
        each(tree, folder, names[i], context);
        free(names[i]);
    }
}

void clo_fact_set(const struct clo_tree *tree, const char *name, const char *value)
{
    char text[LIST_LIMIT];

    snprintf(text, sizeof text, "%s", value);
    clo_sanitize(text);
    json_object_set_new(tree->out, name, json_string(text));
}

void clo_fact_list(char list[LIST_LIMIT], const char *format, ...)
{
    size_t used = strlen(list);
    va_list args;

    if (used > 0 && used + 2 < LIST_LIMIT) {
        memcpy(list + used, ", ", 3);
        used += 2;
    }
    va_start(args, format);
    vsnprintf(list + used, LIST_LIMIT - used, format, args);
    va_end(args);
}

const char *clo_fact_or_none(const char *list)
{
    return *list == '\0' ? "none" : list;
}

bool clo_fact_line(const char **at, char *out, size_t size)
{
    if (**at == '\0')
        return false;
    size_t length = strcspn(*at, "\n");
    snprintf(out, size, "%.*s", (int)(length < size ? length : size - 1), *at);
    *at += length + ((*at)[length] == '\n');
    return true;
}
