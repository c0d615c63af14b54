#include "cli/image/disk_key.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cloister/encoding.h"

#define NEW_KEY_SIZE  64
#define KEY_SIZE_MAX  512
#define RECORD_LIMIT  ((size_t)1 << 20)
#define RECORD_ENDING ".used"
#define DISK_ENDING   ".disk.json"

void cli_disk_key_free(struct cli_disk_key *key)
{
    clo_secret_freep(&key->secret);
    clo_new_file_free(&key->file);
}

/* --- Who has it already --- */

static bool refuse(const char *key, const char *by, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_REFUSED,
                    "%s: opens another disk already (%s), and two disks under one key can be "
                    "exchanged: leave out --disk-key to have one made, or say --reuse-disk-key WHY",
                    key, by);
}

static bool is_of_key(const char *path, const struct clo_digest *key_id)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_disk_file file;
    struct clo_error ignored;

    return clo_file_read(path, RECORD_LIMIT, &text, &ignored) &&
           clo_disk_file_parse(clo_buffer_bytes(&text), &file, &ignored) &&
           clo_digest_equal(&file.key_id, key_id);
}

/* Looks through the identities in the folder where `beside` lies. */
static bool check_folder(const char *key, const char *beside, const struct clo_digest *key_id,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(beside);
    struct dirent *entry;
    char found[4200] = "";

    if (copy == NULL)
        return clo_out_of_memory(err);
    const char *folder = dirname(copy);
    DIR *stream = opendir(folder);
    while (stream != NULL && found[0] == '\0' && (entry = readdir(stream)) != NULL) {
        char path[4200];
        if (!clo_ends_with(entry->d_name, DISK_ENDING) ||
            (size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= sizeof path ||
            !is_of_key(path, key_id))
            continue;
        memcpy(found, path, sizeof found);
    }
    if (stream != NULL)
        closedir(stream);
    return found[0] == '\0' || refuse(key, found, err);
}

static bool record_path(const char *key, char out[4200], struct clo_error *err)
{
    return (size_t)snprintf(out, 4200, "%s" RECORD_ENDING, key) < 4200 ||
           clo_fail(err, CLO_ERR_USAGE, "%s: path too long", key);
}

/* KEY.used: a line of key id, image and, if it was used again, why. Another key under the same name
 * has another id. */
static bool check_record(const char *key, const struct clo_digest *key_id, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    char path[4200];

    if (!record_path(key, path, err))
        return false;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return true;
    if (!clo_file_read(path, RECORD_LIMIT, &text, err))
        return false;
    const char *lines = clo_buffer_string(&text);
    if (lines == NULL)
        return clo_out_of_memory(err);
    return strstr(lines, clo_hex_text(clo_digest_bytes(key_id), hex)) == NULL ||
           refuse(key, path, err);
}

static bool check_unused(const struct cli_disk_key_options *options,
                         const struct clo_secret *secret, struct clo_error *err)
{
    struct clo_digest key_id;
    struct stat status;

    if (stat(options->file, &status) != 0 || !S_ISREG(status.st_mode))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: not a file of its own, so that nobody can tell what it opens already: "
                        "say --reuse-disk-key WHY",
                        options->file);
    clo_disk_key_id(clo_secret_bytes(secret), &key_id);
    return check_record(options->file, &key_id, err) &&
           check_folder(options->file, options->file, &key_id, err) &&
           check_folder(options->file, options->disk_output, &key_id, err);
}

/* --- The key --- */

static bool make_key(const char *path, struct cli_disk_key *out, struct clo_error *err)
{
    struct clo_random random = cli_random();

    if (access(path, F_OK) == 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: is there already, and is the key of a disk: move it away, or name "
                        "another place with --disk-key-output",
                        path);
    if (!clo_secret_new(NEW_KEY_SIZE, &out->secret, err))
        return false;
    if (!random.fill(random.context, clo_secret_data(out->secret), NEW_KEY_SIZE))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    return clo_new_file_open(path, 0600, &out->file, err) &&
           (clo_write_all(out->file.fd, clo_secret_bytes(out->secret), err) ||
            clo_wrap(err, "%s", path));
}

bool cli_disk_key_get(const struct cli_disk_key_options *options, struct cli_disk_key *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(cli_disk_key_free) struct cli_disk_key key = { .file.fd = -1 };

    bool ok = options->file == NULL
                      ? make_key(options->output, &key, err)
                      : clo_file_read_secret(options->file, KEY_SIZE_MAX, &key.secret, err) &&
                                (options->reuse != NULL || check_unused(options, key.secret, err));
    if (!ok)
        return clo_wrap(err, "disk key");
    *out = key;
    key = (struct cli_disk_key){ .file.fd = -1 };
    return true;
}

bool cli_disk_key_keep(const struct cli_disk_key_options *options, struct cli_disk_key *key,
                       const char *image, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *path = options->file == NULL ? options->output : options->file;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_error ignored;
    struct clo_digest key_id;
    struct stat status;
    char record[4200];

    /* It may have its name already. */
    if (options->file == NULL && key->file.temporary != NULL &&
        !clo_new_file_commit(&key->file, err))
        return clo_wrap(err, "disk key");
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return true; /* a pipe: there is nothing to write it next to */
    if (!record_path(path, record, err))
        return false;
    clo_disk_key_id(clo_secret_bytes(key->secret), &key_id);
    if (access(record, F_OK) == 0 && !clo_file_read(record, RECORD_LIMIT, &text, &ignored))
        text.size = 0;
    clo_buffer_printf(
            &text, "%s %s%s%s\n", clo_hex_text(clo_digest_bytes(&key_id), hex), image,
            options->reuse == NULL ? "" : " again: ", options->reuse == NULL ? "" : options->reuse);
    if (!clo_buffer_ok(&text))
        return clo_out_of_memory(err);
    return clo_file_write(record, clo_buffer_bytes(&text), 0600, err) || clo_wrap(err, "disk key");
}
