#include "cloister/eventlog.h"

#include <stdlib.h>
#include <string.h>

#define ALGORITHMS_MAX  16
#define EVENTS_MAX      ((size_t)1 << 20)
#define STRAY_MAX       7
#define ALG_SHA1        0x0004 /* TPM_ALG_ID */
#define SHA1_SIZE       20
#define CC_REGISTER_MAX 4 /* UEFI 2.10 table 38.4: MRTD, then RTMR 0 to 3 */

struct clo_digest_layout {
    bool is_bare; /* SHA-1, without TPMT_HA's algorithm before it */
    struct {
        uint16_t id;
        uint16_t size;
    } algorithms[ALGORITHMS_MAX];
    size_t count;
};

static const struct clo_digest_layout sha1_layout = {
    .is_bare = true,
    .algorithms = { { ALG_SHA1, SHA1_SIZE } },
    .count = 1,
};

struct clo_eventlog {
    enum clo_eventlog_format format;
    struct clo_digest_layout layout;
    struct clo_event *events;
    size_t count;
    size_t capacity;
    size_t padding;
    uint8_t startup_locality;
};

static bool add_event(struct clo_eventlog *log, const struct clo_event *event,
                      struct clo_error *err)
{
    if (log->count == EVENTS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %zu events", EVENTS_MAX);
    if (log->count == log->capacity) {
        size_t capacity = log->capacity == 0 ? 128 : 2 * log->capacity;
        struct clo_event *events = realloc(log->events, capacity * sizeof *events);
        if (events == NULL)
            return clo_out_of_memory(err);
        log->events = events;
        log->capacity = capacity;
    }
    log->events[log->count++] = *event;
    return true;
}

/* TCG_PCClientPCREvent, section 10.2.1: the form of the first event, and of all in a SHA-1 log. */
static bool read_old_event(struct clo_reader *r, struct clo_event *out, struct clo_error *err)
{
    struct clo_event event = { .offset = r->at, .layout = &sha1_layout };

    event.pcr = clo_read_le32(r);
    event.type = clo_read_le32(r);
    event.digests = clo_read_bytes(r, SHA1_SIZE);
    uint32_t size = clo_read_le32(r);
    event.data = clo_read_bytes(r, size);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", r->at);
    *out = event;
    return true;
}

/* Its place in the layout; layout->count if it is not in it. */
static size_t find_algorithm(const struct clo_digest_layout *layout, uint16_t id)
{
    size_t i = 0;

    while (i < layout->count && layout->algorithms[i].id != id)
        i++;
    return i;
}

/* TPML_DIGEST_VALUES: each of an algorithm that the layout has, and of each one at most. */
static bool read_digests(struct clo_reader *r, const struct clo_digest_layout *layout,
                         struct clo_bytes *out, struct clo_error *err)
{
    uint32_t count = clo_read_le32(r);
    size_t start = r->at;
    uint32_t seen = 0;

    if (count > CLO_EVENT_DIGESTS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%u digests, at most %d expected", count,
                        CLO_EVENT_DIGESTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t id = clo_read_le16(r);
        size_t place = find_algorithm(layout, id);
        if (!clo_reader_ok(r))
            break;
        if (place == layout->count)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "digest algorithm 0x%04x, which the Spec ID event does not list", id);
        if ((seen & 1U << place) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "two digests of algorithm 0x%04x", id);
        seen |= 1U << place;
        clo_read_skip(r, layout->algorithms[place].size);
    }
    *out = clo_bytes_slice(r->in, start, r->at - start);
    return true;
}

/* TCG_PCR_EVENT2, section 10.2.2. */
static bool read_event(struct clo_reader *r, const struct clo_digest_layout *layout,
                       struct clo_event *out, struct clo_error *err)
{
    struct clo_event event = { .offset = r->at, .layout = layout };

    event.pcr = clo_read_le32(r);
    event.type = clo_read_le32(r);
    if (!read_digests(r, layout, &event.digests, err))
        return false;
    uint32_t size = clo_read_le32(r);
    event.data = clo_read_bytes(r, size);
    if (!clo_reader_ok(r))
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", r->at);
    *out = event;
    return true;
}

/* TCG_EfiSpecIDEvent, section 10.4.5.1. */
static bool read_spec_id(struct clo_bytes data, struct clo_digest_layout *layout,
                         struct clo_error *err)
{
    struct clo_reader r = clo_reader(data);

    clo_read_skip(&r, 24); /* signature, platform class, version, errata, uintn size */
    uint32_t count = clo_read_le32(&r);
    if (count == 0 || count > ALGORITHMS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "Spec ID event: %u algorithms", count);
    for (size_t i = 0; i < count; i++) {
        uint16_t id = clo_read_le16(&r);
        uint16_t size = clo_read_le16(&r);
        size_t known = clo_hash_size(clo_hash_from_tpm(id));
        if (!clo_reader_ok(&r))
            break;
        if (size == 0 || size > CLO_HASH_SIZE_MAX || (known != 0 && known != size) ||
            find_algorithm(layout, id) != layout->count)
            return clo_fail(err, CLO_ERR_FORMAT, "Spec ID event: algorithm 0x%04x of %u bytes", id,
                            size);
        layout->algorithms[layout->count].id = id;
        layout->algorithms[layout->count].size = size;
        layout->count++;
    }
    clo_read_skip(&r, clo_read_u8(&r)); /* vendorInfo */
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "Spec ID event: %zu bytes", data.size);
    return true;
}

static bool starts_with(struct clo_bytes data, const char *text, size_t size)
{
    return data.size >= size && memcmp(data.data, text, size) == 0;
}

/* Is what is left nothing but padding, or too short to be an event? */
static bool is_padding(const struct clo_reader *r)
{
    struct clo_bytes rest = clo_bytes_slice(r->in, r->at, r->in.size);

    return clo_bytes_all(rest, 0xff) || clo_bytes_all(rest, 0) || rest.size <= STRAY_MAX;
}

/* The log ends where a block of padding begins that no event header can be: PCR index ~0, or an
 * event of zeros up to the end. */
static bool at_end(const struct clo_reader *r)
{
    struct clo_bytes next = clo_bytes_slice(r->in, r->at, 16);

    if (next.size == 0)
        return true;
    uint8_t first = next.data[0];
    bool could_be_padding = (first == 0 || first == 0xff) && clo_bytes_all(next, first);
    return (could_be_padding || next.size <= STRAY_MAX) && is_padding(r);
}

static void note_locality(struct clo_eventlog *log, const struct clo_event *event)
{
    static const char name[] = "StartupLocality"; /* with its NUL: 16 bytes */

    if (event->pcr == 0 && event->type == CLO_EV_NO_ACTION && event->data.size == 17 &&
        starts_with(event->data, name, sizeof name))
        log->startup_locality = event->data.data[16];
}

bool clo_eventlog_parse(struct clo_bytes in, struct clo_eventlog **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error cut;

    if (!clo_eventlog_parse_start(in, &log, &cut, err))
        return false;
    if (cut.status != CLO_OK) {
        *err = cut;
        return false;
    }
    *out = CLO_TAKE(log);
    return true;
}

bool clo_eventlog_parse_start(struct clo_bytes in, struct clo_eventlog **out, struct clo_error *cut,
                              struct clo_error *err)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = calloc(1, sizeof *log);
    struct clo_reader r = clo_reader(in);
    struct clo_event event;

    if (log == NULL)
        return clo_out_of_memory(err);
    if (!read_old_event(&r, &event, err))
        return clo_wrap(err, "is not a TCG event log: event 0");
    bool is_agile =
            event.type == CLO_EV_NO_ACTION && starts_with(event.data, "Spec ID Event03", 16);
    log->format = is_agile ? CLO_EVENTLOG_CRYPTO_AGILE : CLO_EVENTLOG_SHA1;
    if (is_agile) {
        if (!read_spec_id(event.data, &log->layout, err))
            return clo_wrap(err, "event 0");
    } else {
        log->layout = sha1_layout;
    }
    if (!add_event(log, &event, err))
        return false;
    cut->status = CLO_OK;
    while (!at_end(&r)) {
        bool ok = is_agile ? read_event(&r, &log->layout, &event, cut)
                           : read_old_event(&r, &event, cut);
        if (!ok || !add_event(log, &event, cut)) {
            (void)clo_wrap(cut, "event %zu", log->count);
            break;
        }
        note_locality(log, &event);
    }
    log->padding = clo_reader_left(&r);
    *out = CLO_TAKE(log);
    return true;
}

void clo_eventlog_drop_header(struct clo_eventlog *log)
{
    if (log->count > 0)
        memmove(log->events, log->events + 1, --log->count * sizeof *log->events);
}

void clo_eventlog_free(struct clo_eventlog *log)
{
    if (log == NULL)
        return;
    free(log->events);
    free(log);
}

void clo_eventlog_freep(struct clo_eventlog **log)
{
    clo_eventlog_free(*log);
    *log = NULL;
}

size_t clo_eventlog_count(const struct clo_eventlog *log)
{
    return log->count;
}

const struct clo_event *clo_eventlog_at(const struct clo_eventlog *log, size_t index)
{
    return index < log->count ? &log->events[index] : NULL;
}

enum clo_eventlog_format clo_eventlog_format(const struct clo_eventlog *log)
{
    return log->format;
}

size_t clo_eventlog_padding(const struct clo_eventlog *log)
{
    return log->padding;
}

size_t clo_eventlog_algorithm_count(const struct clo_eventlog *log)
{
    return log->layout.count;
}

enum clo_hash clo_eventlog_algorithm(const struct clo_eventlog *log, size_t index)
{
    return index < log->layout.count ? clo_hash_from_tpm(log->layout.algorithms[index].id)
                                     : CLO_HASH_NONE;
}

/* TCG Algorithm Registry 1.34, table 3: what clo_hash does not make. */
static const struct {
    uint16_t id;
    const char *name;
} other_algorithms[] = {
    { 0x0012, "sm3_256" },
    { 0x0027, "sha3_256" },
    { 0x0028, "sha3_384" },
    { 0x0029, "sha3_512" },
};

const char *clo_event_algorithm_name(uint16_t algorithm)
{
    enum clo_hash hash = clo_hash_from_tpm(algorithm);

    if (hash != CLO_HASH_NONE)
        return clo_hash_name(hash);
    for (size_t i = 0; i < CLO_COUNT(other_algorithms); i++)
        if (other_algorithms[i].id == algorithm)
            return other_algorithms[i].name;
    return NULL;
}

uint16_t clo_event_algorithm_from_name(const char *name)
{
    enum clo_hash hash = clo_hash_from_name(name);

    if (hash != CLO_HASH_NONE)
        return clo_hash_to_tpm(hash);
    for (size_t i = 0; i < CLO_COUNT(other_algorithms); i++)
        if (strcmp(other_algorithms[i].name, name) == 0)
            return other_algorithms[i].id;
    return 0;
}

enum clo_hash clo_eventlog_best_bank(const struct clo_eventlog *log)
{
    enum clo_hash best = CLO_HASH_NONE;

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if (best == CLO_HASH_NONE || (best == CLO_HASH_SHA1 && hash != CLO_HASH_NONE))
            best = hash;
    }
    return best;
}

const char *clo_eventlog_algorithm_name(const struct clo_eventlog *log, size_t index)
{
    const char *name = index < log->layout.count
                               ? clo_event_algorithm_name(log->layout.algorithms[index].id)
                               : NULL;

    return name != NULL ? name : "unknown";
}

bool clo_eventlog_is_ccel(const struct clo_eventlog *log)
{
    if (log->layout.count != 1 || clo_eventlog_algorithm(log, 0) != CLO_HASH_SHA384)
        return false;
    for (size_t i = 0; i < log->count; i++)
        if (log->events[i].pcr > CC_REGISTER_MAX)
            return false;
    return true;
}

uint8_t clo_eventlog_startup_locality(const struct clo_eventlog *log)
{
    return log->startup_locality;
}

/* The first of `rest`, which is taken off it; false at the end. */
static bool take_digest(const struct clo_digest_layout *layout, struct clo_bytes *rest,
                        struct clo_event_digest *out)
{
    struct clo_bytes in = *rest;
    bool is_bare = layout != NULL && layout->is_bare;
    size_t before = is_bare ? 0 : 2;

    if (in.size <= before)
        return false;
    uint16_t id = is_bare ? ALG_SHA1 : (uint16_t)(in.data[0] | in.data[1] << 8);
    size_t place = layout == NULL ? 0 : find_algorithm(layout, id);
    size_t size = layout == NULL           ? clo_hash_size(clo_hash_from_tpm(id))
                  : place == layout->count ? 0
                                           : layout->algorithms[place].size;
    if (size == 0 || size > in.size - before)
        return false;
    *out = (struct clo_event_digest){ .algorithm = id,
                                      .bytes = { .data = in.data + before, .size = size } };
    *rest = (struct clo_bytes){ .data = in.data + before + size, .size = in.size - before - size };
    return true;
}

bool clo_event_digest_at(const struct clo_event *event, size_t index, struct clo_event_digest *out)
{
    struct clo_bytes rest = event->digests;
    struct clo_event_digest digest;

    for (size_t i = 0; take_digest(event->layout, &rest, &digest); i++)
        if (i == index) {
            *out = digest;
            return true;
        }
    return false;
}

struct clo_bytes clo_event_digest_bytes(const struct clo_event *event, enum clo_hash hash)
{
    uint16_t algorithm = clo_hash_to_tpm(hash);
    struct clo_bytes rest = event->digests;
    struct clo_event_digest digest;

    while (hash != CLO_HASH_NONE && take_digest(event->layout, &rest, &digest))
        if (digest.algorithm == algorithm && digest.bytes.size == clo_hash_size(hash))
            return digest.bytes;
    return clo_bytes(NULL, 0);
}

bool clo_event_digest(const struct clo_event *event, enum clo_hash hash, struct clo_digest *out)
{
    struct clo_bytes bytes = clo_event_digest_bytes(event, hash);

    if (bytes.size == 0)
        return false;
    *out = (struct clo_digest){ .hash = hash };
    memcpy(out->bytes, bytes.data, bytes.size);
    return true;
}
