#include "lib/disk/in_place.h"

#include <string.h>

#include "test.h"

#define MIB    ((uint64_t)1 << 20)
#define BLOCKS 8192U /* of a payload of 32 MiB: more than a window */

static uint8_t used[BLOCKS / 8], changed[BLOCKS / 8];
static const struct clo_digest key = { .hash = CLO_HASH_SHA256, .bytes = "a key" };

static struct clo_in_place_plan usual(void)
{
    struct clo_in_place_plan plan = { .from = 59 * MIB,
                                      .source = 32 * MIB - 1024,
                                      .to = 51 * MIB,
                                      .size = 32 * MIB,
                                      .old_size = 100 * MIB,
                                      .new_size = 84 * MIB,
                                      .uki_size = 7,
                                      .initrd_size = 5,
                                      .profiles = 1,
                                      .recovery = 2,
                                      .head = "what was there",
                                      .uuid = "0b5c4a9e-6a0f-4bb0-9b8e-3a6a5a7b0002",
                                      .release = "6.12.0-test",
                                      .used = clo_bytes(used, sizeof used),
                                      .changed = clo_bytes(changed, sizeof changed) };

    memset(used, 0xff, sizeof used);
    memset(used + 100, 0, 200);
    memset(changed, 0, sizeof changed);
    changed[0] = 1;
    return plan;
}

static void write_plan(const struct clo_in_place_plan *plan, struct clo_buffer *out)
{
    struct clo_error err;

    if (!clo_in_place_plan_write(plan, &key, out, &err))
        fail_msg("%s", err.text);
}

static void test_plan(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const struct clo_in_place_plan plan = usual();
    struct clo_in_place_plan again;
    struct clo_digest id, hash;
    struct clo_error err;

    (void)state;
    write_plan(&plan, &text);
    assert_true(clo_in_place_plan_read(clo_buffer_bytes(&text), &key, &again, &id, &err));
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), &hash);
    assert_true(clo_digest_equal(&id, &hash));
    assert_int_equal(again.from, plan.from);
    assert_int_equal(again.source, plan.source);
    assert_int_equal(again.to, plan.to);
    assert_int_equal(again.new_size, plan.new_size);
    assert_string_equal(again.release, plan.release);
    assert_memory_equal(again.head, plan.head, sizeof plan.head);
    assert_true(clo_bytes_equal(again.used, plan.used));
    assert_true(clo_bytes_equal(again.changed, plan.changed));
}

static void test_cut_or_changed(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const struct clo_in_place_plan plan = usual();
    const struct clo_digest other = { .hash = CLO_HASH_SHA256, .bytes = "other" };
    struct clo_in_place_plan again;
    struct clo_digest id;
    struct clo_error err;

    (void)state;
    write_plan(&plan, &text);
    for (size_t size = 0; size < text.size; size++)
        assert_false(clo_in_place_plan_read(clo_bytes(text.data, size), &key, &again, &id, &err));
    for (size_t i = 0; i < text.size; i += 7) {
        text.data[i] ^= 1;
        assert_false(clo_in_place_plan_read(clo_buffer_bytes(&text), &key, &again, &id, &err));
        assert_string_equal(err.text, "was changed, or is of another disk key");
        assert_int_equal(err.status, CLO_ERR_REFUSED);
        text.data[i] ^= 1;
    }
    assert_false(clo_in_place_plan_read(clo_buffer_bytes(&text), &other, &again, &id, &err));
    assert_string_equal(err.text, "was changed, or is of another disk key");
}

/* Under the right key: what a faulty writer, or one that knows it, could say. */
static const struct {
    const char *name;
    size_t field; /* offset of a uint64_t */
    uint64_t value;
    const char *error;
} lies[] = {
#define FIELD(name) offsetof(struct clo_in_place_plan, name)
    { "a root after the old disk", FIELD(from), 69 * MIB,
      "the root ends beyond the old disk's end" },
    { "a root far after it", FIELD(from), UINT64_MAX, "the root ends beyond the old disk's end" },
    { "a root larger than the disk", FIELD(source), UINT64_MAX,
      "the root ends beyond the old disk's end" },
    { "a root larger than the payload", FIELD(source), 33 * MIB,
      "a root of 34603008 bytes in a payload of 33554432" },
    { "a payload after the new disk", FIELD(to), 53 * MIB,
      "the payload ends beyond the new disk's end" },
    { "a payload far after it", FIELD(to), UINT64_MAX - MIB + 1,
      "the payload ends beyond the new disk's end" },
    { "a payload over the table", FIELD(to), MIB, "a payload of 33554432 bytes at byte 1048576" },
    { "a payload off its place", FIELD(to), 51 * MIB + 4096,
      "a payload of 33554432 bytes at byte 53481472" },
    { "no payload", FIELD(size), 0, "a payload of 0 bytes at byte 53477376" },
    { "half a block", FIELD(size), 4096 + 512, "a payload of 4608 bytes at byte 53477376" },
    { "smaller than its maps", FIELD(size), 4096 * 8, "a root of" },
    { "an endless old disk", FIELD(old_size), UINT64_MAX, "a disk of more than 4 TiB" },
    { "an endless new disk", FIELD(new_size), UINT64_MAX, "a disk of more than 4 TiB" },
    { "the mark lies in the root", FIELD(from), 0, NULL },
};

static void test_lies(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(lies); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_in_place_plan plan = usual(), again;
        struct clo_digest id;
        struct clo_error err = { 0 };
        memcpy((uint8_t *)&plan + lies[i].field, &lies[i].value, sizeof lies[i].value);
        write_plan(&plan, &text);
        bool ok = clo_in_place_plan_read(clo_buffer_bytes(&text), &key, &again, &id, &err);
        CHECK(ok == (lies[i].error == NULL), lies[i].name);
        CHECK(ok || strncmp(err.text, lies[i].error, strlen(lies[i].error)) == 0, lies[i].name);
    }
}

static void read_maps(const struct clo_in_place_plan *plan, const char *error)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_in_place_plan again;
    struct clo_digest id;
    struct clo_error err;

    write_plan(plan, &text);
    assert_false(clo_in_place_plan_read(clo_buffer_bytes(&text), &key, &again, &id, &err));
    assert_string_equal(err.text, error);
}

static void test_maps(void **state)
{
    struct clo_in_place_plan plan = usual();

    (void)state;
    changed[150] = 1;
    read_maps(&plan, "a changed block that is not in use");
    plan = usual();
    plan.changed = clo_bytes(changed, sizeof changed - 1);
    read_maps(&plan, "maps of another size");
    plan = usual();
    plan.from = 0;
    changed[0] = 0;
    read_maps(&plan, "a first block that the mark lies on");
    plan = usual();
    plan.size -= 4096;
    plan.source = 1;
    read_maps(&plan, "a block after the last");
}

/* --- States --- */

static const struct {
    const char *name;
    struct clo_in_place_state state;
    const char *error;
} states[] = {
    { "none", { .number = 0 }, NULL },
    { "the first", { .number = 1, .first = 24 * MIB, .end = 32 * MIB, .bytes = 8 * MIB }, NULL },
    { "all is moved",
      { .number = 4, .is_moved = true, .first = 0, .end = 4096, .bytes = 4096 },
      NULL },
    { "a run of free blocks", { .number = 1, .first = 800 * 4096, .end = 2400 * 4096 }, NULL },
    { "moved without a window", { .is_moved = true }, "all is moved, and nothing was begun" },
    { "an empty window", { .number = 1, .first = 4096, .end = 4096 }, "a window from byte" },
    { "beyond the end",
      { .number = 1, .first = 32 * MIB - 4096, .end = 32 * MIB + 4096, .bytes = 4096 },
      "a window from byte" },
    { "backwards", { .number = 1, .first = 8192, .end = 4096 }, "a window from byte" },
    { "half a block", { .number = 1, .first = 512, .end = 4096 }, "a window from byte" },
    { "fewer bytes than blocks",
      { .number = 1, .first = 0, .end = 8192, .bytes = 4096 },
      "a window of 4096 bytes" },
    { "larger than a window",
      { .number = 1, .first = 10 * MIB, .end = 32 * MIB, .bytes = 22 * MIB },
      "a window of 23068672 bytes" },
};

static void test_states(void **state)
{
    const struct clo_in_place_plan plan = usual();
    const struct clo_digest id = { .hash = CLO_HASH_SHA256, .bytes = "the plan" };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(states); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        struct clo_in_place_state again;
        struct clo_error err = { 0 };
        assert_true(clo_in_place_state_write(&states[i].state, &id, &key, &text, &err));
        bool ok = clo_in_place_state_read(clo_buffer_bytes(&text), &plan, &id, &key, &again, &err);
        CHECK(ok == (states[i].error == NULL), states[i].name);
        CHECK(ok || strncmp(err.text, states[i].error, strlen(states[i].error)) == 0,
              states[i].name);
        CHECK(!ok || (again.first == states[i].state.first &&
                      again.is_moved == states[i].state.is_moved),
              states[i].name);
    }
}

/* A state that says "all is moved" would leave the root in the clear. */
static void test_state_forged(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const struct clo_in_place_plan plan = usual();
    const struct clo_in_place_state first = { .number = 1, .end = 4096, .bytes = 4096 };
    const struct clo_digest id = { .hash = CLO_HASH_SHA256, .bytes = "the plan" },
                            other = { .hash = CLO_HASH_SHA256, .bytes = "another" };
    struct clo_in_place_state again;
    struct clo_error err;

    (void)state;
    assert_true(clo_in_place_state_write(&first, &id, &key, &text, &err));
    assert_int_equal(text.size, CLO_IN_PLACE_STATE);
    for (size_t size = 0; size < text.size; size++)
        assert_false(clo_in_place_state_read(clo_bytes(text.data, size), &plan, &id, &key, &again,
                                             &err));
    assert_false(
            clo_in_place_state_read(clo_buffer_bytes(&text), &plan, &other, &key, &again, &err));
    assert_string_equal(err.text, "is of another plan");
    text.data[12] = 1;
    assert_false(clo_in_place_state_read(clo_buffer_bytes(&text), &plan, &id, &key, &again, &err));
    assert_string_equal(err.text, "was changed, or is of another disk key");
}

/* --- Windows --- */

/* Every block once, and none is written over that is in use, not yet read, and not in the window. */
static void walk(const struct clo_in_place_plan *plan)
{
    static bool is_done[BLOCKS];
    struct clo_in_place_state at = { 0 }, next;
    uint64_t count = 0;

    memset(is_done, 0, sizeof is_done);
    while (clo_in_place_next(plan, &at, &next)) {
        assert_int_equal(next.number, at.number + 1);
        assert_true(next.bytes <= CLO_IN_PLACE_WINDOW);
        for (uint64_t block = next.first / 4096; block < next.end / 4096; block++, count++) {
            assert_false(is_done[block]);
            is_done[block] = true;
        }
        for (uint64_t to = plan->to + next.first; to < plan->to + next.end; to += 512)
            if (to >= plan->from && to - plan->from < plan->source)
                assert_true(is_done[(to - plan->from) / 4096]);
        at = next;
    }
    assert_int_equal(count, plan->size / 4096);
}

static void test_windows(void **state)
{
    static const uint64_t places[] = {
        0,        512,     MIB, 50 * MIB, 51 * MIB - 512, 51 * MIB, 51 * MIB + 512, 51 * MIB + 4096,
        59 * MIB, 68 * MIB
    };
    struct clo_in_place_plan plan = usual();

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(places); i++) {
        plan.from = places[i];
        walk(&plan);
    }
    memset(used, 0, sizeof used);
    walk(&plan);
    memset(used, 0xff, sizeof used);
    walk(&plan);
}

/* --- The mark --- */

static void test_mark(void **state)
{
    const struct clo_in_place_plan plan = usual();
    const struct clo_digest id = { .hash = CLO_HASH_SHA256, .bytes = "the plan" },
                            other = { .hash = CLO_HASH_SHA256, .bytes = "another" };
    uint8_t mark[CLO_IN_PLACE_MARK], torn[CLO_IN_PLACE_MARK];
    struct clo_bytes head = clo_bytes(mark, sizeof mark);
    uint64_t number;

    (void)state;
    clo_in_place_mark(&id, 77, mark);
    assert_true(clo_in_place_is_marked(head));
    assert_true(clo_in_place_mark_read(head, &id, &number));
    assert_int_equal(number, 77);
    assert_false(clo_in_place_mark_read(head, &other, &number));
    assert_false(clo_in_place_is_marked(clo_bytes(plan.head, sizeof plan.head)));
    for (size_t size = 0; size < 88; size++)
        assert_false(clo_in_place_mark_read(clo_bytes(mark, size), &id, &number));
    /* One number, and the sum of another. */
    mark[48] ^= 1;
    assert_true(clo_in_place_mark_read(head, &id, &number));
    assert_true(number == UINT64_MAX);
    /* The first one, cut at each byte. */
    clo_in_place_mark(&id, 0, mark);
    for (size_t cut = 0; cut <= sizeof torn; cut++) {
        memcpy(torn, plan.head, sizeof torn);
        memcpy(torn, mark, cut);
        assert_true(clo_in_place_mark_is_begun(clo_bytes(torn, sizeof torn), &plan, &id));
    }
    torn[300] ^= 0x80;
    assert_false(clo_in_place_mark_is_begun(clo_bytes(torn, sizeof torn), &plan, &id));
}

/* A state, and the steps that its image can be at: any other is of an older copy of one of them. */
static void test_steps(void **state)
{
    const struct clo_in_place_state none = { 0 }, third = { .number = 3 },
                                    moved = { .number = 3, .is_moved = true };

    (void)state;
    for (uint64_t step = 0; step < 20; step++) {
        assert_int_equal(clo_in_place_fits(&none, step), step == 0);
        assert_int_equal(clo_in_place_fits(&third, step), step >= 4 && step <= 6);
        assert_int_equal(clo_in_place_fits(&moved, step), step == 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),    cmocka_unit_test(test_cut_or_changed),
        cmocka_unit_test(test_lies),    cmocka_unit_test(test_maps),
        cmocka_unit_test(test_states),  cmocka_unit_test(test_state_forged),
        cmocka_unit_test(test_windows), cmocka_unit_test(test_mark),
        cmocka_unit_test(test_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
