#include "net/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "device/file.h"

#define MAGIC       "CLOCACH1"
#define DIGEST_SIZE 32

/* --- The form --- */

bool clo_cache_is_entry(struct clo_bytes in)
{
    return in.size > strlen(MAGIC) && memcmp(in.data, MAGIC, strlen(MAGIC)) == 0;
}

bool clo_cache_parse(struct clo_bytes in, struct clo_cache_entry *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_cache_entry entry;
    struct clo_digest digest;

    struct clo_bytes magic = clo_read_bytes(&r, sizeof MAGIC - 1);
    if (!clo_reader_ok(&r) || !clo_bytes_equal(magic, clo_bytes_text(MAGIC)))
        return clo_fail(err, CLO_ERR_FORMAT, "no cache entry");
    entry.fetched = (int64_t)clo_read_le64(&r);
    entry.expires = (int64_t)clo_read_le64(&r);
    entry.url = clo_read_bytes(&r, clo_read_le32(&r));
    entry.headers = clo_read_bytes(&r, clo_read_le32(&r));
    entry.body = clo_read_bytes(&r, clo_read_le32(&r));
    size_t covered = r.at;
    struct clo_bytes kept = clo_read_bytes(&r, DIGEST_SIZE);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", r.at);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes beyond the end", clo_reader_left(&r));
    clo_hash(CLO_HASH_SHA256, clo_bytes_slice(in, 0, covered), &digest);
    if (!clo_bytes_equal(clo_digest_bytes(&digest), kept))
        return clo_fail(err, CLO_ERR_FORMAT, "damaged: its digest differs");
    *out = entry;
    return true;
}

static void append_sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_le32(out, (uint32_t)bytes.size);
    clo_buffer_append(out, bytes);
}

bool clo_cache_write(const struct clo_cache_entry *entry, struct clo_buffer *out,
                     struct clo_error *err)
{
    struct clo_digest digest;
    size_t start = out->size;

    if (entry->url.size > CLO_FETCH_URL_MAX || entry->headers.size > CLO_FETCH_HEADERS_MAX ||
        entry->body.size > CLO_CACHE_ENTRY_MAX / 2)
        return clo_fail(err, CLO_ERR_FORMAT, "too large for the cache");
    clo_buffer_text(out, MAGIC);
    clo_buffer_le64(out, (uint64_t)entry->fetched);
    clo_buffer_le64(out, (uint64_t)entry->expires);
    append_sized(out, entry->url);
    append_sized(out, entry->headers);
    append_sized(out, entry->body);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    clo_hash(CLO_HASH_SHA256, clo_bytes(out->data + start, out->size - start), &digest);
    clo_buffer_append(out, clo_digest_bytes(&digest));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- The folder --- */

static bool default_path(char *out, size_t room, struct clo_error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int size;

    /* XDG Base Directory Specification 0.8: a path that is not absolute is ignored. */
    if (cache != NULL && cache[0] == '/')
        size = snprintf(out, room, "%s/cloister", cache);
    else if (home != NULL && home[0] == '/')
        size = snprintf(out, room, "%s/.cache/cloister", home);
    else
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "cache: neither XDG_CACHE_HOME nor HOME is set: name a folder (--cache)");
    return (size_t)size < room || clo_fail(err, CLO_ERR_USAGE, "cache: path too long");
}

static bool make_folders(char *path, struct clo_error *err)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        int reason = errno;
        if (!ok)
            return clo_fail(err, CLO_ERR_SYSTEM, "cache: %s: %s", path, strerror(reason));
        if (slash == NULL)
            return true;
        *slash = '/';
    }
}

bool clo_cache_open(const char *path, struct clo_cache *out, struct clo_error *err)
{
    struct stat status;

    if (path == NULL) {
        if (!default_path(out->path, sizeof out->path, err))
            return false;
    } else if ((size_t)snprintf(out->path, sizeof out->path, "%s", path) >= sizeof out->path ||
               *path == '\0') {
        return clo_fail(err, CLO_ERR_USAGE, "cache: no usable path");
    }
    if (!make_folders(out->path, err))
        return false;
    if (stat(out->path, &status) != 0 || !S_ISDIR(status.st_mode))
        return clo_fail(err, CLO_ERR_SYSTEM, "cache: %s: is not a folder", out->path);
    return true;
}

/* The file of a URL: its SHA-256, so that no character of it reaches the file system. */
static bool entry_path(const struct clo_cache *cache, struct clo_bytes url, char out[4200])
{
    struct clo_digest digest;
    char hex[2 * DIGEST_SIZE + 1];

    clo_hash(CLO_HASH_SHA256, url, &digest);
    return snprintf(out, 4200, "%s/%s", cache->path, clo_hex_text(clo_digest_bytes(&digest), hex)) <
           4200;
}

bool clo_cache_get(const struct clo_cache *cache, const char *url, struct clo_buffer *file,
                   struct clo_cache_entry *out)
{
    struct clo_bytes name = clo_bytes_text(url);
    struct clo_error ignored;
    char path[4200];

    file->size = 0;
    if (!entry_path(cache, name, path) ||
        !clo_file_read(path, CLO_CACHE_ENTRY_MAX, file, &ignored) ||
        !clo_cache_parse(clo_buffer_bytes(file), out, &ignored))
        return false;
    return clo_bytes_equal(out->url, name);
}

bool clo_cache_put(const struct clo_cache *cache, const struct clo_cache_entry *entry,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    char path[4200];

    if (!entry_path(cache, entry->url, path))
        return clo_fail(err, CLO_ERR_USAGE, "cache: path too long");
    return (clo_cache_write(entry, &file, err) &&
            clo_file_write(path, clo_buffer_bytes(&file), 0600, err)) ||
           clo_wrap(err, "cache");
}

int clo_cache_lock(const struct clo_cache *cache, const struct clo_transport *clock,
                   unsigned seconds)
{
    int fd = open(cache->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (unsigned i = 0; fd >= 0; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        if (errno != EWOULDBLOCK || i == seconds)
            break;
        clock->sleep(clock->context, 1);
    }
    clo_fd_close(&fd);
    return -1;
}
