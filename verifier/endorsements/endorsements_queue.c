/* What is asked for and not here yet. A report that nobody has verified may name any chip, and its VCEK is asked for
 * all the same: so each client has a few places, those that failed go first, and one who waits for little is served
 * before one who waits for much. */
#include <stdlib.h>
#include <string.h>

#include "endorsements_internal.h"

#define CLIENT_MAX 32 /* VCEKs that one client may wait for */

static bool is_waiting(const struct entry *entry)
{
    return entry->kind == ENTRY_VCEK && !entry->is_held;
}

static size_t waiting_of(const struct clo_endorser *endorser, uint64_t client)
{
    size_t count = 0;

    for (size_t i = 0; i < endorser->entry_count; i++)
        count += is_waiting(endorser->entries[i]) && endorser->entries[i]->client == client;
    return count;
}

/* --- A place for one more --- */

/* One that failed, most often; of one client (0: of any). */
static struct entry **find_failed(struct clo_endorser *endorser, uint64_t client)
{
    struct entry **place = NULL;

    for (size_t i = 0; i < endorser->entry_count; i++) {
        struct entry **at = &endorser->entries[i];
        if (is_waiting(*at) && (*at)->failures > 0 && (client == 0 || (*at)->client == client) &&
            (place == NULL || (*at)->failures > (*place)->failures))
            place = at;
    }
    return place;
}

/* The last one of the client that waits for most, if that is more than this client does. */
static struct entry **find_crowded(struct clo_endorser *endorser, uint64_t client)
{
    size_t most = waiting_of(endorser, client) + 1;
    struct entry **place = NULL;

    for (size_t i = 0; i < endorser->entry_count; i++) {
        struct entry **at = &endorser->entries[i];
        size_t waiting = is_waiting(*at) ? waiting_of(endorser, (*at)->client) : 0;
        if (waiting > most || (place != NULL && waiting == most && (*at)->due >= (*place)->due)) {
            most = waiting;
            place = at;
        }
    }
    return place;
}

static struct entry **find_oldest(struct clo_endorser *endorser)
{
    struct entry **place = NULL;

    for (size_t i = 0; i < endorser->entry_count; i++) {
        struct entry **at = &endorser->entries[i];
        if ((*at)->kind == ENTRY_VCEK && (*at)->is_held &&
            (place == NULL || (*at)->taken < (*place)->taken))
            place = at;
    }
    return place;
}

/* Lists and collateral stay: what they are of was proven before they were asked for. */
static struct entry **find_place(struct clo_endorser *endorser, enum entry_kind kind)
{
    struct entry **place = NULL;

    if (kind == ENTRY_VCEK && waiting_of(endorser, endorser->client) >= CLIENT_MAX) {
        place = find_failed(endorser, endorser->client);
    } else {
        if (endorser->entry_count < ENTRIES_MAX)
            return &endorser->entries[endorser->entry_count++];
        place = find_failed(endorser, 0);
        place = place == NULL ? find_crowded(endorser, endorser->client) : place;
        place = place == NULL ? find_oldest(endorser) : place;
    }
    endorser->turned_away += place == NULL;
    if (place != NULL)
        endorser_entry_free(CLO_TAKE(*place));
    return place;
}

/* What came is held against the leaf that it was asked for. Where that has failed, the leaf may be one that
 * someone made up: the next asker's takes its place. */
static struct entry *found(struct entry *entry, const struct clo_request *request)
{
    if (entry->kind == ENTRY_CHAIN && !entry->is_held && entry->failures > 0) {
        clo_buffer_free(&entry->request.about);
        clo_buffer_append(&entry->request.about, clo_buffer_bytes(&request->about));
    }
    return entry;
}

static enum entry_kind kind_of(const struct clo_request *request)
{
    switch (request->kind) {
    case CLO_REQUEST_VCEK:
    case CLO_REQUEST_VLEK:
        return ENTRY_VCEK;
    case CLO_REQUEST_SNP_CHAIN:
        return ENTRY_CHAIN;
    case CLO_REQUEST_SNP_CRL:
        return ENTRY_CRL;
    default:
        return ENTRY_COLLATERAL;
    }
}

struct entry *endorser_want(struct clo_endorser *endorser, const struct clo_request *request)
{
    enum entry_kind kind = kind_of(request);

    for (size_t i = 0; i < endorser->entry_count; i++)
        if (strcmp(endorser->entries[i]->request.name, request->name) == 0)
            return found(endorser->entries[i], request);
    struct entry *entry = calloc(1, sizeof *entry);
    struct entry **place = entry == NULL ? NULL : find_place(endorser, kind);
    if (place == NULL) {
        free(entry);
        return NULL;
    }
    entry->kind = kind;
    entry->client = kind == ENTRY_VCEK ? endorser->client : 0;
    entry->request = *request;
    entry->request.about = (struct clo_buffer){ 0 };
    clo_buffer_append(&entry->request.about, clo_buffer_bytes(&request->about));
    entry->due = entry->taken = endorser_now(endorser);
    *place = entry;
    pthread_cond_signal(&endorser->wake);
    return entry;
}

/* --- Whose turn it is --- */

static bool is_before(const struct clo_endorser *endorser, const struct entry *a,
                      const struct entry *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind;
    if (is_waiting(a) && is_waiting(b)) {
        size_t of_a = waiting_of(endorser, a->client), of_b = waiting_of(endorser, b->client);
        if ((a->failures > 0) != (b->failures > 0))
            return b->failures > 0;
        if (of_a != of_b)
            return of_a < of_b;
    }
    return a->due < b->due;
}

struct entry *endorser_find_due(struct clo_endorser *endorser, int64_t now)
{
    struct entry *found = NULL;

    for (size_t i = 0; i < endorser->entry_count; i++) {
        struct entry *entry = endorser->entries[i];
        if (entry->due <= now && (found == NULL || is_before(endorser, entry, found)))
            found = entry;
    }
    return found;
}
