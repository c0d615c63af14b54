#include "cloister/ima.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX      ((size_t)1 << 20)
#define SHA1_SIZE        20
#define NAME_SIZE_MAX    255
#define OLD_NAME_HASHED  256 /* IMA_EVENT_NAME_LEN_MAX + 1: "ima" hashes the name padded to it */
#define STRAY_MAX        7
#define TEMPLATE_MAX     64
#define ENTRY_FIRST_SIZE (4 + SHA1_SIZE + 4)

struct clo_ima {
    struct clo_ima_entry *entries;
    size_t count;
    size_t capacity;
    size_t stray;
};

static bool is_name(struct clo_bytes name, const char *text)
{
    return clo_bytes_equal(name, clo_bytes_text(text));
}

/* Without the NUL that ends it. */
static struct clo_bytes cut_nul(struct clo_bytes text)
{
    return text.size > 0 && text.data[text.size - 1] == 0 ? clo_bytes_slice(text, 0, text.size - 1)
                                                          : text;
}

/* The fields of every template but the oldest are a size and that many bytes. Those that we look into
 * begin with a digest, "sha256:\0" or "ima:sha256:\0" before it, and a name: ima-ng, ima-ngv2, ima-sig,
 * ima-sigv2, ima-buf, ima-modsig, evm-sig. */
static void read_fields(struct clo_ima_entry *entry)
{
    struct clo_reader r = clo_reader(entry->template_data);
    uint32_t size = clo_read_le32(&r);
    struct clo_bytes digest = clo_read_bytes(&r, size);

    size = clo_read_le32(&r);
    struct clo_bytes name = clo_read_bytes(&r, size);
    const uint8_t *nul = digest.size == 0 ? NULL : memchr(digest.data, 0, digest.size);
    if (!clo_reader_ok(&r) || nul == NULL || nul == digest.data || nul[-1] != ':')
        return;
    size_t end = (size_t)(nul - digest.data) - 1;
    const uint8_t *colon = memrchr(digest.data, ':', end);
    size_t start = colon == NULL ? 0 : (size_t)(colon - digest.data) + 1;
    entry->file_hash = clo_bytes_slice(digest, start, end - start);
    entry->file_digest = clo_bytes_slice(digest, end + 2, digest.size);
    entry->file_name = cut_nul(name);
}

/* "ima": a SHA-1 digest and a sized name, without a size of the whole. */
static bool read_old_data(struct clo_reader *r, struct clo_ima_entry *entry, struct clo_error *err)
{
    size_t start = r->at;

    entry->file_hash = clo_bytes_text("sha1");
    entry->file_digest = clo_read_bytes(r, SHA1_SIZE);
    uint32_t size = clo_read_le32(r);
    if (clo_reader_ok(r) && size > NAME_SIZE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "name of %u bytes, at most %d expected", size,
                        NAME_SIZE_MAX);
    entry->file_name = clo_read_bytes(r, size);
    entry->template_data = clo_bytes_slice(r->in, start, r->at - start);
    return true;
}

static bool read_entry(struct clo_reader *r, struct clo_ima_entry *out, struct clo_error *err)
{
    struct clo_ima_entry entry = { .offset = r->at };

    entry.pcr = clo_read_le32(r);
    entry.template_digest = clo_read_bytes(r, SHA1_SIZE);
    uint32_t size = clo_read_le32(r);
    if (clo_reader_ok(r) && (size == 0 || size > TEMPLATE_MAX))
        return clo_fail(err, CLO_ERR_FORMAT, "template name of %u bytes", size);
    entry.template_name = clo_read_bytes(r, size);
    if (clo_reader_ok(r) && entry.pcr >= CLO_PCR_COUNT)
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %u", entry.pcr);
    entry.is_violation = clo_reader_ok(r) && clo_bytes_all(entry.template_digest, 0);
    if (is_name(entry.template_name, "ima")) {
        if (!read_old_data(r, &entry, err))
            return false;
    } else {
        size = clo_read_le32(r);
        entry.template_data = clo_read_bytes(r, size);
        read_fields(&entry);
    }
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", r->at);
    *out = entry;
    return true;
}

bool clo_ima_parse(struct clo_bytes in, struct clo_ima **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_ima_freep) struct clo_ima *list = calloc(1, sizeof *list);
    struct clo_reader r = clo_reader(in);

    if (list == NULL)
        return clo_out_of_memory(err);
    while (clo_reader_left(&r) > STRAY_MAX) {
        if (list->count == ENTRIES_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %zu entries", ENTRIES_MAX);
        if (list->count == list->capacity) {
            size_t capacity = list->capacity == 0 ? 128 : 2 * list->capacity;
            struct clo_ima_entry *grown = realloc(list->entries, capacity * sizeof *grown);
            if (grown == NULL)
                return clo_out_of_memory(err);
            list->entries = grown;
            list->capacity = capacity;
        }
        if (!read_entry(&r, &list->entries[list->count], err))
            return clo_wrap(err, "entry %zu", list->count);
        list->count++;
    }
    list->stray = clo_reader_left(&r);
    *out = CLO_TAKE(list);
    return true;
}

void clo_ima_free(struct clo_ima *list)
{
    if (list == NULL)
        return;
    free(list->entries);
    free(list);
}

void clo_ima_freep(struct clo_ima **list)
{
    clo_ima_free(*list);
    *list = NULL;
}

size_t clo_ima_count(const struct clo_ima *list)
{
    return list->count;
}

size_t clo_ima_stray(const struct clo_ima *list)
{
    return list->stray;
}

const struct clo_ima_entry *clo_ima_at(const struct clo_ima *list, size_t index)
{
    return index < list->count ? &list->entries[index] : NULL;
}

bool clo_ima_is_list(struct clo_bytes in)
{
    struct clo_reader r = clo_reader(in);

    /* A firmware's log begins with an event of type EV_NO_ACTION (or another small number) here. */
    clo_read_skip(&r, 4 + SHA1_SIZE);
    uint32_t size = clo_read_le32(&r);
    struct clo_bytes name = clo_read_bytes(&r, size > TEMPLATE_MAX ? in.size + 1 : size);
    return in.size > ENTRY_FIRST_SIZE && clo_reader_ok(&r) && name.size >= 3 &&
           (memcmp(name.data, "ima", 3) == 0 || memcmp(name.data, "evm", 3) == 0 ||
            is_name(name, "d-ng|n-ng"));
}

/* --- Replay --- */

void clo_ima_digest(const struct clo_ima_entry *entry, enum clo_hash hash, struct clo_digest *out)
{
    static const uint8_t zeros[OLD_NAME_HASHED];

    if (entry->is_violation) {
        *out = (struct clo_digest){ .hash = hash };
        memset(out->bytes, 0xff, clo_hash_size(hash));
        return;
    }
    if (!is_name(entry->template_name, "ima")) {
        clo_hash(hash, entry->template_data, out);
        return;
    }
    const struct clo_bytes parts[] = { entry->file_digest, entry->file_name,
                                       clo_bytes(zeros, OLD_NAME_HASHED - entry->file_name.size) };
    clo_hash_many(hash, parts, CLO_COUNT(parts), out);
}

bool clo_ima_replay(const struct clo_ima *list, enum clo_ima_extension extension,
                    struct clo_pcr_bank *bank, struct clo_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct clo_ima_entry *entry = &list->entries[i];
        struct clo_digest sha1;
        struct clo_digest digest;
        clo_ima_digest(entry, CLO_HASH_SHA1, &sha1);
        clo_ima_digest(entry, bank->hash, &digest);
        if (!entry->is_violation &&
            !clo_bytes_equal(clo_digest_bytes(&sha1), entry->template_digest))
            return clo_fail(err, CLO_ERR_FORMAT,
                            "entry %zu: its data does not lead to its template digest", i);
        if (extension == CLO_IMA_PADDED_SHA1 && !entry->is_violation) {
            digest = (struct clo_digest){ .hash = bank->hash };
            memcpy(digest.bytes, sha1.bytes, SHA1_SIZE);
        }
        clo_pcr_extend(bank, entry->pcr, &digest);
    }
    return true;
}
