#include "image/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/json.h"
#include "device/file.h"

#define ENDING     ".converting"
#define JOURNAL    "journal.json"
#define TEXT_LIMIT ((size_t)64 << 10)

static bool set_paths(const char *output, struct clo_journal *out, struct clo_error *err)
{
    int size = snprintf(out->folder, sizeof out->folder, "%s" ENDING, output);

    if (size < 0 || (size_t)size >= sizeof out->folder)
        return clo_fail(err, CLO_ERR_USAGE, "%s: path too long", output);
    snprintf(out->output, sizeof out->output, "%s", output);
    snprintf(out->disk, sizeof out->disk, "%s/disk", out->folder);
    snprintf(out->header, sizeof out->header, "%s/header", out->folder);
    return true;
}

static void journal_path(const struct clo_journal *journal, char *out, size_t size)
{
    snprintf(out, size, "%s/" JOURNAL, journal->folder);
}

bool clo_journal_is_moving(const char *output)
{
    struct clo_journal journal;
    struct clo_error ignored;
    char path[4200];

    if (!set_paths(output, &journal, &ignored))
        return false;
    snprintf(path, sizeof path, "%s/" CLO_JOURNAL_PLAN, journal.folder);
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool clo_journal_exists(const char *output)
{
    struct clo_journal journal;
    struct clo_error ignored;
    struct stat status;

    return set_paths(output, &journal, &ignored) && lstat(journal.folder, &status) == 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    if (place->level == 0 || (place->level == 1 && strcmp(path + place->base, JOURNAL) == 0))
        return 0;
    return remove(path);
}

/* The journal last: killed in the middle of it, the next run must see that the image was finished. */
static void remove_folder(const struct clo_journal *journal)
{
    char path[4200];

    /* Whatever else went wrong: half of the image is there alone. */
    if (!journal->is_finished && clo_journal_is_moving(journal->output))
        return;
    journal_path(journal, path, sizeof path);
    if (nftw(journal->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 &&
        (unlink(path) == 0 || errno == ENOENT))
        (void)rmdir(journal->folder);
}

/* --- The journal itself: one small file, which is the old one or the new one --- */

static bool save(const struct clo_journal *journal, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char seed[CLO_GUID_TEXT], path[4200];
    CLO_CLEANUP(clo_json_freep)
    json_t *json =
            json_pack("{s:i, s:I, s:s, s:s, s:I, s:b, s:b}", "cloister_journal", 1, "created",
                      (json_int_t)journal->created, "seed", clo_guid_text(&journal->seed, seed),
                      "identity", journal->identity, "done", (json_int_t)journal->done, "finished",
                      journal->is_finished, "in_place", journal->is_in_place);

    if (json == NULL)
        return clo_out_of_memory(err);
    journal_path(journal, path, sizeof path);
    return clo_json_write(json, &text, err) &&
           clo_file_write(path, clo_buffer_bytes(&text), 0600, err);
}

static bool parse(const json_t *json, struct clo_journal *out, struct clo_error *err)
{
    uint64_t version, created;
    const char *seed, *identity;

    if (!clo_json_get_u64(json, "cloister_journal", &version, err) ||
        !clo_json_get_u64(json, "created", &created, err) ||
        !clo_json_get_string(json, "seed", &seed, err) ||
        !clo_json_get_string(json, "identity", &identity, err) ||
        !clo_json_get_u64(json, "done", &out->done, err) || !clo_guid_read(seed, &out->seed, err))
        return false;
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "of another version");
    if (json_is_true(json_object_get(json, "in_place")) != out->is_in_place)
        return clo_fail(err, CLO_ERR_REFUSED, "was begun %s --in-place",
                        out->is_in_place ? "without" : "with");
    out->is_finished = json_is_true(json_object_get(json, "finished"));
    out->created = (int64_t)created;
    snprintf(out->identity, sizeof out->identity, "%s", identity);
    return true;
}

static bool load(struct clo_journal *journal, bool *is_there, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    char path[4200];

    journal_path(journal, path, sizeof path);
    *is_there = access(path, F_OK) == 0;
    if (!*is_there)
        return true;
    return clo_file_read(path, TEXT_LIMIT, &text, err) &&
           ((clo_json_parse(clo_buffer_bytes(&text), &json, err) && parse(json, journal, err)) ||
            clo_wrap(err, "%s", path));
}

/* --- Its folder --- */

/* What lies in it is read and written: who else can write there has the conversion do what he likes. */
static bool open_folder(const struct clo_journal *journal, int *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close)
    int folder = open(journal->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (folder < 0 || fstat(folder, &status) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "%s: %s", journal->folder,
                        errno == ENOTDIR || errno == ELOOP ? "not a folder" : strerror(errno));
    if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "%s: not a folder of this user's alone: %s",
                        journal->folder,
                        clo_journal_is_moving(journal->output) ? "make it so (chown, chmod 700)"
                                                               : "remove it");
    *out = folder;
    folder = -1;
    return true;
}

/* A folder without a journal is all but removed, or all but empty: an image that is there may be the one it was made for. */
static bool check_resumed(const struct clo_journal *journal, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int folder = -1;
    char path[4200];

    if (!open_folder(journal, &folder, err))
        return false;
    journal_path(journal, path, sizeof path);
    return access(path, F_OK) == 0 || access(journal->output, F_OK) != 0 ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "%s: is there, and no journal says whether it is finished: remove %s",
                    journal->output, journal->folder);
}

bool clo_journal_prepare(const char *output, bool resumes, bool is_in_place, struct clo_error *err)
{
    struct clo_journal journal;

    if (!set_paths(output, &journal, err))
        return false;
    if (mkdir(journal.folder, 0700) == 0)
        return true;
    int number = errno;
    bool goes_on = resumes && is_in_place;
    if (number == EEXIST && !goes_on && clo_journal_is_moving(output))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: a conversion in place that was not finished: --in-place --resume "
                        "finishes it. Without the folder the image is lost",
                        journal.folder);
    if (number == EEXIST && resumes)
        return is_in_place || check_resumed(&journal, err);
    return clo_fail(err, number == EEXIST ? CLO_ERR_REFUSED : CLO_ERR_SYSTEM, "%s: %s",
                    journal.folder,
                    number == EEXIST ? "a conversion that was not finished: --resume finishes it, "
                                       "or remove the folder"
                                     : strerror(number));
}

void clo_journal_forget(const char *output)
{
    struct clo_journal journal;
    struct clo_error ignored;

    if (set_paths(output, &journal, &ignored))
        (void)rmdir(journal.folder);
}

static bool lock_folder(struct clo_journal *journal, struct clo_error *err)
{
    if (!open_folder(journal, &journal->lock, err))
        return false;
    if (flock(journal->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    return clo_fail(err, CLO_ERR_REFUSED, "%s: %s", journal->folder,
                    errno == EWOULDBLOCK ? "another conversion is at work" : strerror(errno));
}

/* Killed between the last two steps: the disk has its name already, and may be in use by now. It is never touched. */
static bool look_back(struct clo_journal *journal, struct clo_error *err)
{
    if (journal->is_in_place) {
        journal->is_named = journal->is_finished;
        return true;
    }
    if (journal->identity[0] == '\0' || access(journal->disk, F_OK) == 0)
        return true;
    bool has_output = access(journal->output, F_OK) == 0;
    journal->is_named = journal->is_finished && has_output;
    if (journal->is_named || (!journal->is_finished && !has_output))
        return true;
    return clo_fail(err, CLO_ERR_REFUSED, "%s: %s: remove %s to begin anew", journal->output,
                    has_output ? "is there, and the conversion that is resumed did not finish it"
                               : "was finished, and is not there any more",
                    journal->folder);
}

bool clo_journal_open(const char *output, bool is_in_place, int64_t created,
                      const struct clo_guid *seed, struct clo_journal *out, struct clo_error *err)
{
    struct clo_journal journal = {
        .lock = -1, .created = created, .seed = *seed, .is_in_place = is_in_place
    };
    bool is_there;

    if (!set_paths(output, &journal, err) || !lock_folder(&journal, err) ||
        !load(&journal, &is_there, err) || (!is_there && !save(&journal, err)) ||
        (is_there && !look_back(&journal, err))) {
        clo_fd_close(&journal.lock);
        return false;
    }
    journal.is_kept = journal.identity[0] != '\0' || clo_journal_is_moving(output);
    *out = journal;
    return true;
}

void clo_journal_close(struct clo_journal *journal)
{
    if (journal->lock >= 0 && !journal->is_kept)
        remove_folder(journal);
    clo_fd_close(&journal->lock);
}

bool clo_journal_identify(struct clo_journal *journal, const struct clo_digest *identity,
                          struct clo_error *err)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    clo_hex_text(clo_digest_bytes(identity), hex);
    if (journal->identity[0] != '\0' && strcmp(journal->identity, hex) != 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "%s: is of another input, or of other options: remove the folder to begin "
                        "anew",
                        journal->folder);
    snprintf(journal->identity, sizeof journal->identity, "%s", hex);
    journal->is_kept = true;
    return save(journal, err);
}

bool clo_journal_save(struct clo_journal *journal, uint64_t done, struct clo_error *err)
{
    if (done <= journal->done)
        return true;
    journal->done = done;
    return save(journal, err);
}

static bool sync_folder(const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(path);
    CLO_CLEANUP(clo_fd_close) int fd = -1;

    if (copy == NULL)
        return clo_out_of_memory(err);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return (fd >= 0 && fsync(fd) == 0) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

bool clo_journal_sync(const struct clo_journal *journal, struct clo_error *err)
{
    return (fsync(journal->lock) == 0 ||
            clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", journal->folder, strerror(errno))) &&
           sync_folder(journal->folder, err);
}

bool clo_journal_finish(struct clo_journal *journal, int disk, struct clo_error *err)
{
    journal->is_finished = true;
    if (fsync(disk) != 0 || fchmod(disk, 0644) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", journal->disk, strerror(errno));
    if (!save(journal, err))
        return false;
    if (rename(journal->disk, journal->output) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", journal->output, strerror(errno));
    if (!sync_folder(journal->output, err))
        return false;
    journal->is_kept = false;
    return true;
}

bool clo_journal_finish_in_place(struct clo_journal *journal, struct clo_error *err)
{
    journal->is_finished = true;
    if (!save(journal, err))
        return false;
    journal->is_kept = false;
    return true;
}
