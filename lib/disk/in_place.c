#include "lib/disk/in_place.h"

#include <inttypes.h>
#include <string.h>

#define BLOCK   CLO_IN_PLACE_BLOCK
#define VERSION 1U
#define MAC     32U
#define MIB     ((uint64_t)1 << 20)
/* Bounds that no sum of them leaves. */
#define SIZE_MAX_ALLOWED ((uint64_t)4 << 40)

static const char plan_magic[] = "CLOPLAN", state_magic[] = "CLOSTATE";
static const char mark_magic[] = "cloister-inplace";
static const char mark_text[] =
        "\nThis disk is being encrypted in place. Until that is finished it is neither the old nor "
        "the new one:\n    cloister image convert IMAGE --in-place --resume\nfinishes it, with the "
        "folder IMAGE.converting next to it.\n";

#define MARK_MAGIC (sizeof mark_magic - 1)
#define MARK_SUM   (MARK_MAGIC + 32 + 8) /* where it lies: after magic, plan and step */

size_t clo_in_place_map_size(uint64_t size)
{
    return (size_t)((size / BLOCK + 7) / 8);
}

bool clo_in_place_bit(struct clo_bytes map, uint64_t block)
{
    return block / 8 < map.size && (map.data[block / 8] >> block % 8 & 1) != 0;
}

void clo_in_place_key(struct clo_bytes volume_key, struct clo_digest *out)
{
    clo_hmac(CLO_HASH_SHA256, volume_key, clo_bytes_text("cloister in-place journal"), out);
}

static void append_mac(struct clo_buffer *out, const struct clo_digest *key)
{
    struct clo_digest mac;

    if (out->failed)
        return;
    clo_hmac(CLO_HASH_SHA256, clo_digest_bytes(key), clo_buffer_bytes(out), &mac);
    clo_buffer_append(out, clo_digest_bytes(&mac));
}

/* The bytes before the MAC, which is the right one. */
static bool check_mac(struct clo_bytes in, const struct clo_digest *key, struct clo_bytes *body,
                      struct clo_error *err)
{
    struct clo_digest mac;

    if (in.size < MAC)
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", in.size);
    *body = clo_bytes_slice(in, 0, in.size - MAC);
    clo_hmac(CLO_HASH_SHA256, clo_digest_bytes(key), *body, &mac);
    return clo_bytes_equal_secret(clo_digest_bytes(&mac),
                                  clo_bytes_slice(in, in.size - MAC, MAC)) ||
           clo_fail(err, CLO_ERR_REFUSED, "was changed, or is of another disk key");
}

static void copy(uint8_t *out, struct clo_bytes in)
{
    if (in.size > 0)
        memcpy(out, in.data, in.size);
}

/* --- The plan --- */

bool clo_in_place_plan_write(const struct clo_in_place_plan *plan, const struct clo_digest *key,
                             struct clo_buffer *out, struct clo_error *err)
{
    const uint64_t numbers[] = {
        plan->from,     plan->source,   plan->to,       plan->size,
        plan->old_size, plan->new_size, plan->uki_size, plan->initrd_size
    };

    clo_buffer_append(out, clo_bytes(plan_magic, 8));
    clo_buffer_le32(out, VERSION);
    clo_buffer_le32(out, plan->profiles);
    clo_buffer_le32(out, plan->recovery);
    for (size_t i = 0; i < CLO_COUNT(numbers); i++)
        clo_buffer_le64(out, numbers[i]);
    clo_buffer_append(out, clo_bytes(plan->head, sizeof plan->head));
    clo_buffer_append(out, clo_bytes(plan->content, sizeof plan->content));
    clo_buffer_append(out, clo_bytes(plan->made, sizeof plan->made));
    clo_buffer_append(out, clo_bytes(plan->uuid, sizeof plan->uuid));
    clo_buffer_append(out, clo_bytes(plan->release, sizeof plan->release));
    clo_buffer_append(out, plan->used);
    clo_buffer_append(out, plan->changed);
    append_mac(out, key);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool check_sizes(const struct clo_in_place_plan *plan, struct clo_error *err)
{
    if (plan->old_size > SIZE_MAX_ALLOWED || plan->new_size > SIZE_MAX_ALLOWED)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "a disk of more than 4 TiB");
    if (plan->source > plan->old_size || plan->from > plan->old_size - plan->source)
        return clo_fail(err, CLO_ERR_FORMAT, "the root ends beyond the old disk's end");
    if (plan->size > plan->new_size || plan->to > plan->new_size - plan->size)
        return clo_fail(err, CLO_ERR_FORMAT, "the payload ends beyond the new disk's end");
    if (plan->size == 0 || plan->size % BLOCK != 0 || plan->new_size % BLOCK != 0 ||
        plan->to % MIB != 0 || plan->to < 17 * MIB)
        return clo_fail(err, CLO_ERR_FORMAT, "a payload of %" PRIu64 " bytes at byte %" PRIu64,
                        plan->size, plan->to);
    return plan->source <= plan->size ||
           clo_fail(err, CLO_ERR_FORMAT, "a root of %" PRIu64 " bytes in a payload of %" PRIu64,
                    plan->source, plan->size);
}

/* Nothing is changed that is not in use, and there is no block after the last. */
static bool check_maps(const struct clo_in_place_plan *plan, struct clo_error *err)
{
    uint64_t blocks = plan->size / BLOCK;

    for (size_t i = 0; i < plan->used.size; i++)
        if ((plan->changed.data[i] & ~plan->used.data[i]) != 0)
            return clo_fail(err, CLO_ERR_FORMAT, "a changed block that is not in use");
    if (blocks % 8 != 0 && plan->used.data[plan->used.size - 1] >> blocks % 8 != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "a block after the last");
    /* The mark lies on the old disk's first sector: what the root has there comes from elsewhere. */
    return plan->from >= CLO_IN_PLACE_MARK || !clo_in_place_bit(plan->used, 0) ||
           clo_in_place_bit(plan->changed, 0) ||
           clo_fail(err, CLO_ERR_FORMAT, "a first block that the mark lies on");
}

static bool is_text(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

static bool read_plan(struct clo_bytes body, struct clo_in_place_plan *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(body);
    struct clo_bytes magic = clo_read_bytes(&r, 8);
    uint32_t version = clo_read_le32(&r);
    struct clo_in_place_plan plan = { .profiles = clo_read_le32(&r) };
    uint64_t *const numbers[] = {
        &plan.from,     &plan.source,   &plan.to,       &plan.size,
        &plan.old_size, &plan.new_size, &plan.uki_size, &plan.initrd_size
    };

    plan.recovery = clo_read_le32(&r);
    for (size_t i = 0; i < CLO_COUNT(numbers); i++)
        *numbers[i] = clo_read_le64(&r);
    copy(plan.head, clo_read_bytes(&r, sizeof plan.head));
    copy(plan.content, clo_read_bytes(&r, sizeof plan.content));
    copy(plan.made, clo_read_bytes(&r, sizeof plan.made));
    copy((uint8_t *)plan.uuid, clo_read_bytes(&r, sizeof plan.uuid));
    copy((uint8_t *)plan.release, clo_read_bytes(&r, sizeof plan.release));
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "truncated at byte %zu", r.at);
    if (!clo_bytes_equal(magic, clo_bytes(plan_magic, 8)) || version != VERSION)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "is not a plan of this version");
    if (plan.recovery > 2)
        return clo_fail(err, CLO_ERR_FORMAT, "recovery %u", plan.recovery);
    if (!is_text(plan.uuid, sizeof plan.uuid) || !is_text(plan.release, sizeof plan.release))
        return clo_fail(err, CLO_ERR_FORMAT, "a text without an end");
    if (!check_sizes(&plan, err))
        return false;
    plan.used = clo_read_bytes(&r, clo_in_place_map_size(plan.size));
    plan.changed = clo_read_bytes(&r, clo_in_place_map_size(plan.size));
    if (!clo_reader_ok(&r) || clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "maps of another size");
    if (!check_maps(&plan, err))
        return false;
    *out = plan;
    return true;
}

bool clo_in_place_plan_read(struct clo_bytes in, const struct clo_digest *key,
                            struct clo_in_place_plan *out, struct clo_digest *id,
                            struct clo_error *err)
{
    struct clo_bytes body;

    if (!check_mac(in, key, &body, err) || !read_plan(body, out, err))
        return false;
    clo_hash(CLO_HASH_SHA256, in, id);
    return true;
}

/* --- How far it came --- */

bool clo_in_place_state_write(const struct clo_in_place_state *state, const struct clo_digest *id,
                              const struct clo_digest *key, struct clo_buffer *out,
                              struct clo_error *err)
{
    clo_buffer_append(out, clo_bytes(state_magic, 8));
    clo_buffer_le32(out, VERSION);
    clo_buffer_le32(out, state->is_moved);
    clo_buffer_le64(out, state->number);
    clo_buffer_le64(out, state->first);
    clo_buffer_le64(out, state->end);
    clo_buffer_le64(out, state->bytes);
    clo_buffer_append(out, clo_bytes(state->window, sizeof state->window));
    clo_buffer_append(out, clo_digest_bytes(id));
    clo_buffer_zero(out, 32); /* room for what may come */
    append_mac(out, key);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static uint64_t used_between(const struct clo_in_place_plan *plan, uint64_t first, uint64_t end)
{
    uint64_t bytes = 0;

    for (uint64_t at = first; at < end; at += BLOCK)
        bytes += clo_in_place_bit(plan->used, at / BLOCK) ? BLOCK : 0;
    return bytes;
}

static bool check_state(const struct clo_in_place_plan *plan,
                        const struct clo_in_place_state *state, struct clo_error *err)
{
    if (state->number == 0)
        return !state->is_moved ||
               clo_fail(err, CLO_ERR_FORMAT, "all is moved, and nothing was begun");
    if (state->first >= state->end || state->end > plan->size || state->first % BLOCK != 0 ||
        state->end % BLOCK != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "a window from byte %" PRIu64 " to %" PRIu64,
                        state->first, state->end);
    return (state->bytes <= CLO_IN_PLACE_WINDOW &&
            state->bytes == used_between(plan, state->first, state->end)) ||
           clo_fail(err, CLO_ERR_FORMAT, "a window of %" PRIu64 " bytes", state->bytes);
}

bool clo_in_place_state_read(struct clo_bytes in, const struct clo_in_place_plan *plan,
                             const struct clo_digest *id, const struct clo_digest *key,
                             struct clo_in_place_state *out, struct clo_error *err)
{
    struct clo_in_place_state state = { 0 };
    struct clo_bytes body;

    if (in.size != CLO_IN_PLACE_STATE)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, %u expected", in.size, CLO_IN_PLACE_STATE);
    if (!check_mac(in, key, &body, err))
        return false;
    struct clo_reader r = clo_reader(body);
    struct clo_bytes magic = clo_read_bytes(&r, 8);
    uint32_t version = clo_read_le32(&r), moved = clo_read_le32(&r);
    state.number = clo_read_le64(&r);
    state.first = clo_read_le64(&r);
    state.end = clo_read_le64(&r);
    state.bytes = clo_read_le64(&r);
    copy(state.window, clo_read_bytes(&r, sizeof state.window));
    struct clo_bytes plan_id = clo_read_bytes(&r, 32);
    if (!clo_bytes_equal(magic, clo_bytes(state_magic, 8)) || version != VERSION || moved > 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "is not a state of this version");
    if (!clo_bytes_equal(plan_id, clo_digest_bytes(id)))
        return clo_fail(err, CLO_ERR_REFUSED, "is of another plan");
    state.is_moved = moved == 1;
    if (!check_state(plan, &state, err))
        return false;
    *out = state;
    return true;
}

/* As many blocks in use as a window holds, and all free ones between them. */
bool clo_in_place_next(const struct clo_in_place_plan *plan, const struct clo_in_place_state *state,
                       struct clo_in_place_state *out)
{
    bool is_upward = plan->to >= plan->from;
    uint64_t end = plan->size;
    struct clo_in_place_state next = { .number = state->number + 1 };
    uint64_t start = is_upward ? (state->number == 0 ? end : state->first)
                               : (state->number == 0 ? 0 : state->end);
    uint64_t at = start;

    while (at != (is_upward ? 0 : end)) {
        uint64_t block = is_upward ? at / BLOCK - 1 : at / BLOCK;
        size_t more = clo_in_place_bit(plan->used, block) ? BLOCK : 0;
        if (next.bytes + more > CLO_IN_PLACE_WINDOW)
            break;
        next.bytes += more;
        at = is_upward ? at - BLOCK : at + BLOCK;
    }
    next.first = is_upward ? at : start;
    next.end = is_upward ? start : at;
    *out = next;
    return at != start;
}

/* --- The mark --- */

void clo_in_place_mark(const struct clo_digest *id, uint64_t step, uint8_t out[CLO_IN_PLACE_MARK])
{
    struct clo_digest sum;

    memset(out, 0, CLO_IN_PLACE_MARK);
    memcpy(out, mark_magic, MARK_MAGIC);
    memcpy(out + MARK_MAGIC, id->bytes, 32);
    for (size_t i = 0; i < 8; i++)
        out[MARK_MAGIC + 32 + i] = (uint8_t)(step >> 8 * i);
    clo_hash(CLO_HASH_SHA256, clo_bytes(out, MARK_SUM), &sum);
    memcpy(out + MARK_SUM, sum.bytes, 32);
    memcpy(out + MARK_SUM + 32, mark_text, sizeof mark_text - 1);
}

bool clo_in_place_is_marked(struct clo_bytes head)
{
    return clo_bytes_equal(clo_bytes_slice(head, 0, MARK_MAGIC), clo_bytes(mark_magic, MARK_MAGIC));
}

bool clo_in_place_mark_read(struct clo_bytes head, const struct clo_digest *id, uint64_t *step)
{
    struct clo_digest sum;
    struct clo_reader r = clo_reader(head);

    clo_read_skip(&r, MARK_MAGIC);
    struct clo_bytes name = clo_read_bytes(&r, 32);
    uint64_t found = clo_read_le64(&r);
    struct clo_bytes there = clo_read_bytes(&r, 32);
    if (!clo_reader_ok(&r) || !clo_in_place_is_marked(head) ||
        !clo_bytes_equal(name, clo_digest_bytes(id)))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_bytes_slice(head, 0, MARK_SUM), &sum);
    *step = clo_bytes_equal(there, clo_digest_bytes(&sum)) ? found : UINT64_MAX;
    return true;
}

uint64_t clo_in_place_step(const struct clo_in_place_state *state)
{
    return state->number == 0 ? 0 : 2 * state->number - 1;
}

bool clo_in_place_fits(const struct clo_in_place_state *state, uint64_t step)
{
    uint64_t own = clo_in_place_step(state);

    if (step == UINT64_MAX) /* of two marks; neither is far */
        return true;
    if (state->is_moved)
        return step == own + 1;
    return state->number == 0 ? step == 0 : step + 1 == own || step == own || step == own + 1;
}

bool clo_in_place_mark_is_begun(struct clo_bytes head, const struct clo_in_place_plan *plan,
                                const struct clo_digest *id)
{
    uint8_t mark[CLO_IN_PLACE_MARK];

    clo_in_place_mark(id, 0, mark);
    for (size_t i = 0; i < sizeof mark; i++)
        if (i >= head.size || (head.data[i] != mark[i] && head.data[i] != plan->head[i]))
            return false;
    return true;
}
