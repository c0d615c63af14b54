#include "verifier/kbs/junk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/json.h"
#include "verifier/peer.h"

#define SETS     1024
#define WAYS     8 /* addresses whose digests begin alike: the one that owes least makes room */
#define KEY_SIZE 32

struct address {
    uint64_t name; /* a keyed digest: nobody can choose whose place to take. 0: free */
    int64_t clock; /* when `left` was right */
    uint32_t left; /* requests that would be looked at */
    uint32_t period;
};

struct clo_junk {
    uint8_t key[KEY_SIZE];
    struct address addresses[SETS][WAYS];
    uint64_t totals[CLO_JUNK_KINDS];
    uint64_t told[CLO_JUNK_KINDS]; /* of the totals, those in a report */
    int64_t told_clock;
    int64_t since;   /* Unix time of the first that is not in a report */
    uint32_t period; /* counts reports */
    uint32_t address_count;
};

static const char *const names[CLO_JUNK_KINDS] = {
    [CLO_JUNK_MALFORMED] = "malformed",     [CLO_JUNK_SESSION] = "session",
    [CLO_JUNK_UNAUTHENTIC] = "unauthentic", [CLO_JUNK_WAITING] = "waiting",
    [CLO_JUNK_LIMITED] = "limited",         [CLO_JUNK_REPEATED] = "repeated",
};

const char *clo_junk_kind_name(enum clo_junk_kind kind)
{
    return names[kind];
}

bool clo_junk_new(struct clo_random random, struct clo_junk **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) struct clo_junk *junk = calloc(1, sizeof *junk);

    if (junk == NULL)
        return clo_out_of_memory(err);
    if (!random.fill(random.context, junk->key, sizeof junk->key))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    junk->period = 1;
    junk->told_clock = INT64_MIN;
    *out = CLO_TAKE(junk);
    return true;
}

void clo_junk_free(struct clo_junk *junk)
{
    free(junk);
}

/* --- Addresses --- */

static void refill(struct address *address, int64_t clock)
{
    if (clock <= address->clock)
        return;
    uint64_t more = (uint64_t)(clock - address->clock) * CLO_JUNK_PER_SECOND;

    address->left = more >= CLO_JUNK_BURST - address->left ? CLO_JUNK_BURST
                                                           : address->left + (uint32_t)more;
    address->clock = clock;
}

/* The place of an address; NULL: it has none, and owes nothing. */
static struct address *look_up(struct clo_junk *junk, uint64_t name, int64_t clock)
{
    struct address *set = junk->addresses[name % SETS];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].name == name) {
            refill(&set[i], clock);
            return &set[i];
        }
    return NULL;
}

static struct address *find_or_make(struct clo_junk *junk, const char *peer, int64_t clock)
{
    uint64_t name = clo_peer_name(clo_bytes(junk->key, sizeof junk->key), peer);
    struct address *found = look_up(junk, name, clock);

    if (found != NULL)
        return found;
    struct address *set = junk->addresses[name % SETS];
    found = &set[0];
    for (size_t i = 0; i < WAYS && found->name != 0; i++) {
        if (set[i].name != 0)
            refill(&set[i], clock);
        if (set[i].name == 0 || set[i].left > found->left)
            found = &set[i];
    }
    *found = (struct address){ .name = name, .clock = clock, .left = CLO_JUNK_BURST };
    return found;
}

bool clo_junk_may_ask(struct clo_junk *junk, const char *peer, int64_t clock)
{
    const struct address *address =
            look_up(junk, clo_peer_name(clo_bytes(junk->key, sizeof junk->key), peer), clock);

    return address == NULL || address->left > 0;
}

static struct address *charge(struct clo_junk *junk, const char *peer, int64_t clock)
{
    struct address *address = find_or_make(junk, peer, clock);

    if (address->left > 0)
        address->left--;
    return address;
}

void clo_junk_charge(struct clo_junk *junk, const char *peer, int64_t clock)
{
    (void)charge(junk, peer, clock);
}

/* --- Counts --- */

static uint64_t untold(const struct clo_junk *junk)
{
    uint64_t count = 0;

    for (size_t i = 0; i < CLO_JUNK_KINDS; i++)
        count += junk->totals[i] - junk->told[i];
    return count;
}

void clo_junk_count(struct clo_junk *junk, enum clo_junk_kind kind, const char *peer, int64_t time,
                    int64_t clock)
{
    /* One that was not looked at cost nothing: it is not held against those who share the address. */
    struct address *address =
            kind == CLO_JUNK_LIMITED ? find_or_make(junk, peer, clock) : charge(junk, peer, clock);

    if (untold(junk) == 0)
        junk->since = time;
    junk->totals[kind]++;
    if (address->period != junk->period) {
        address->period = junk->period;
        junk->address_count++;
    }
}

bool clo_junk_report(const struct clo_junk *junk, int64_t clock, bool is_last,
                     char out[CLO_JUNK_TEXT])
{
    CLO_CLEANUP(clo_json_freep) json_t *since = clo_json_time(junk->since);
    uint64_t count = untold(junk);

    if (count == 0 ||
        (!is_last && junk->told_clock != INT64_MIN && clock < junk->told_clock + CLO_JUNK_PAUSE))
        return false;
    int size = snprintf(out, CLO_JUNK_TEXT, "junk: %llu request%s from %u address%s since %s:",
                        (unsigned long long)count, count == 1 ? "" : "s", junk->address_count,
                        junk->address_count == 1 ? "" : "es",
                        since == NULL ? "-" : json_string_value(since));
    for (size_t i = 0; i < CLO_JUNK_KINDS; i++)
        size += snprintf(out + size, CLO_JUNK_TEXT - (size_t)size, "%s %s %llu", i == 0 ? "" : ",",
                         names[i], (unsigned long long)(junk->totals[i] - junk->told[i]));
    return true;
}

void clo_junk_told(struct clo_junk *junk, int64_t clock)
{
    memcpy(junk->told, junk->totals, sizeof junk->told);
    junk->told_clock = clock;
    junk->address_count = 0;
    junk->period++;
}

uint64_t clo_junk_total(const struct clo_junk *junk, enum clo_junk_kind kind)
{
    return junk->totals[kind];
}
