#include "lib/disk/in_place.h"

#include <string.h>

#include "fuzz.h"

/* The first byte says what the rest is: a plan, a state, a mark. Plan and state get the right MAC, as no input would hit it. A plan that is
 * read is written equal, and its windows cover the payload once, none written over what is still to be read. */
static struct clo_digest key = { .hash = CLO_HASH_SHA256, .bytes = "a key" };

static void sign(struct clo_bytes body, struct clo_buffer *out)
{
    struct clo_digest mac;

    clo_hmac(CLO_HASH_SHA256, clo_digest_bytes(&key), body, &mac);
    clo_buffer_append(out, body);
    clo_buffer_append(out, clo_digest_bytes(&mac));
    MUST(clo_buffer_ok(out));
}

static void walk(const struct clo_in_place_plan *plan, const struct clo_digest *id)
{
    struct clo_in_place_state state = { 0 }, next, again;
    bool is_upward = plan->to >= plan->from;
    uint64_t covered = 0;
    struct clo_error err;

    while (clo_in_place_next(plan, &state, &next)) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        MUST(next.first < next.end && next.end <= plan->size && next.bytes <= CLO_IN_PLACE_WINDOW);
        MUST(next.number == state.number + 1);
        if (state.number > 0)
            MUST(is_upward ? next.end == state.first : next.first == state.end);
        MUST(clo_in_place_state_write(&next, id, &key, &text, &err));
        MUST(text.size == CLO_IN_PLACE_STATE);
        MUST(clo_in_place_state_read(clo_buffer_bytes(&text), plan, id, &key, &again, &err));
        MUST(again.first == next.first && again.end == next.end && again.bytes == next.bytes);
        covered += next.end - next.first;
        state = next;
    }
    MUST(covered == plan->size);
}

static void try_plan(struct clo_bytes body)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
    struct clo_in_place_plan plan;
    struct clo_digest id;
    struct clo_error err;

    sign(body, &text);
    if (!clo_in_place_plan_read(clo_buffer_bytes(&text), &key, &plan, &id, &err))
        return;
    MUST(lies_within(plan.used, clo_buffer_bytes(&text)));
    MUST(lies_within(plan.changed, clo_buffer_bytes(&text)));
    MUST(plan.used.size == clo_in_place_map_size(plan.size));
    MUST(plan.from <= plan.old_size && plan.source <= plan.old_size - plan.from);
    MUST(plan.to <= plan.new_size && plan.size <= plan.new_size - plan.to);
    MUST(clo_in_place_plan_write(&plan, &key, &written, &err));
    MUST(clo_bytes_equal(clo_buffer_bytes(&text), clo_buffer_bytes(&written)));
    if (plan.size <= (uint64_t)1 << 26)
        walk(&plan, &id);
}

/* Of a payload of four windows, of which all is in use. */
static void try_state(struct clo_bytes body)
{
    static uint8_t map[4 * CLO_IN_PLACE_WINDOW / CLO_IN_PLACE_BLOCK / 8];
    struct clo_in_place_plan plan = { .size = 4 * CLO_IN_PLACE_WINDOW,
                                      .used = clo_bytes(map, sizeof map) };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_digest id = { .hash = CLO_HASH_SHA256 };
    struct clo_in_place_state state;
    struct clo_error err;

    memset(map, 0xff, sizeof map);
    sign(body, &text);
    if (!clo_in_place_state_read(clo_buffer_bytes(&text), &plan, &id, &key, &state, &err))
        return;
    MUST(state.number == 0 || (state.first < state.end && state.end <= plan.size));
    MUST(state.number == 0 || state.bytes == state.end - state.first);
}

static void try_mark(struct clo_bytes head)
{
    struct clo_digest id = { .hash = CLO_HASH_SHA256 };
    uint8_t mark[CLO_IN_PLACE_MARK];
    uint64_t number, again;

    if (!clo_in_place_mark_read(head, &id, &number))
        return;
    MUST(clo_in_place_is_marked(head));
    if (number == UINT64_MAX)
        return;
    clo_in_place_mark(&id, number, mark);
    MUST(clo_in_place_mark_read(clo_bytes(mark, sizeof mark), &id, &again) && again == number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_bytes rest = clo_bytes_slice(in, 1, size);

    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        try_plan(rest);
    else if (data[0] % 3 == 1)
        try_state(rest);
    else
        try_mark(rest);
    return 0;
}
