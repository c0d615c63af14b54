/* Who holds what: releases written down, and what they mean for the next one. */
#include "verifier/kbs/release.h"

#include "test.h"

#define POLICY "{\"cloister_policy\":1,\"name\":\"mine\",\"tee\":[\"snp\"],\"roots\":[\"amd\"]}"
#define PATH   "default/disk/demo"

static struct clo_scratch scratch;
static struct clo_store *store;

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static int set_up(void **state)
{
    const struct clo_store_entry entry = { .path = PATH,
                                           .secret = clo_bytes_text("secret"),
                                           .policy = clo_bytes_text(POLICY),
                                           .lease_seconds = 100,
                                           .now = 1780000000 };
    struct clo_error err;
    char folder[4200];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(folder, sizeof folder, "%s/state", scratch.path);
    must(clo_store_open(folder, &store, &err), &err);
    must(clo_store_put(store, &entry, &err), &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clo_store_freep(&store);
    clo_scratch_free(&scratch);
    return 0;
}

static struct clo_holder vtpm(const char *instance, const char *boot, uint32_t resets,
                              uint32_t restarts)
{
    struct clo_holder holder = { .has_counts = true,
                                 .reset_count = resets,
                                 .restart_count = restarts };

    snprintf(holder.instance, sizeof holder.instance, "%s", instance);
    snprintf(holder.boot, sizeof holder.boot, "%s", boot);
    return holder;
}

static struct clo_release_history look(const struct clo_holder *holder, const char *key,
                                       int64_t time, int64_t lease)
{
    const struct clo_release release = {
        .path = PATH, .time = time, .session = "s", .tee = "snp", .holder = holder, .tee_key = key
    };
    struct clo_release_history history;
    struct clo_error err;

    must(clo_store_history(store, &release, lease, &history, &err), &err);
    return history;
}

static void give(const struct clo_holder *holder, const char *key, int64_t time)
{
    const struct clo_release release = {
        .path = PATH, .time = time, .session = "s", .tee = "snp", .holder = holder, .tee_key = key
    };
    struct clo_error err;

    must(clo_store_add_release(store, &release, &err), &err);
}

static void test_boots(void **state)
{
    const struct clo_holder first = vtpm("a", "a1", 1, 0);
    const struct clo_holder next = vtpm("a", "a2", 2, 0);
    const struct clo_holder untold = { .instance = "t" };

    (void)state;
    assert_false(look(&first, "k", 1000, 0).is_second_in_boot);
    give(&first, "k", 1000);
    assert_false(look(&first, "k", 1001, 0).is_second_in_boot); /* the answer was lost */
    assert_true(look(&first, "other", 1001, 0).is_second_in_boot);
    assert_false(look(&next, "other", 1001, 0).is_second_in_boot);
    give(&next, "other", 1001);
    assert_true(look(&first, "third", 1002, 0).is_second_in_boot); /* not forgotten */
    /* Where nothing proves a boot, nothing is held against one. */
    give(&untold, "k", 1003);
    assert_false(look(&untold, "other", 1004, 0).is_second_in_boot);
}

static void test_counts(void **state)
{
    static const struct {
        const char *name;
        uint32_t resets, restarts, new_resets, new_restarts;
        bool is_older;
    } cases[] = {
        { "the same boot", 5, 2, 5, 2, false },    { "a reset", 5, 2, 6, 0, false },
        { "a restart", 5, 2, 5, 3, false },        { "an older state", 5, 2, 4, 9, true },
        { "an older restart", 5, 2, 5, 1, true },  { "around the end", UINT32_MAX, 0, 0, 0, false },
        { "and back", 0, 0, UINT32_MAX, 0, true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        char instance[16];
        snprintf(instance, sizeof instance, "i%zu", i);
        const struct clo_holder before = vtpm(instance, "x", cases[i].resets, cases[i].restarts);
        const struct clo_holder now =
                vtpm(instance, "y", cases[i].new_resets, cases[i].new_restarts);
        give(&before, "k", 1000);
        CHECK(look(&now, "k", 1001, 0).is_older_vtpm == cases[i].is_older, cases[i].name);
    }
}

static void test_holders(void **state)
{
    const struct clo_holder a = vtpm("aaaaaaaaaa", "a1", 1, 0);
    const struct clo_holder a_again = vtpm("aaaaaaaaaa", "a2", 2, 0);
    const struct clo_holder b = vtpm("bbbbbbbbbb", "b1", 1, 0);
    const struct clo_holder unknown = { .boot = "u" };
    CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *none = NULL;
    struct clo_release_history history;
    struct clo_error err;
    size_t count;

    (void)state;
    assert_true(clo_store_give_up(store, PATH, &count, &err));
    give(&a, "k", 1000);
    assert_int_equal(look(&a_again, "k2", 1001, 0).other_holders, 0); /* a reboot */
    history = look(&b, "k3", 1050, 100);
    assert_int_equal(history.other_holders, 1);
    assert_string_equal(history.other, "aaaaaaaa");
    assert_int_equal(history.other_time, 1000);
    assert_int_equal(look(&b, "k3", 1099, 100).other_holders, 1);
    assert_int_equal(look(&b, "k3", 1100, 100).other_holders, 0); /* the lease is over */
    assert_int_equal(look(&b, "k3", 1100, 0).other_holders, 1);   /* one that does not end */
    /* Who cannot be told from others is another one. */
    assert_int_equal(look(&unknown, "k4", 1050, 100).other_holders, 1);
    give(&b, "k3", 1100);
    give(&b, "k3", 1101); /* the same once more */
    assert_true(clo_store_holders(store, PATH, &list, &err));
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "instance")),
                        "bbbbbbbbbb");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "boots")), 1);
    assert_true(clo_store_give_up(store, PATH, &count, &err));
    assert_int_equal(count, 2);
    assert_int_equal(look(&b, "k3", 1102, 0).other_holders, 0);
    /* Nobody holds it any more, and the boot that got it got it all the same. */
    CLO_CLEANUP(clo_json_freep) json_t *after = NULL;
    assert_true(clo_store_holders(store, PATH, &after, &err));
    assert_int_equal(json_array_size(after), 0);
    CHECK(look(&b, "k5", 1102, 0).is_second_in_boot, "a boot outlives the lease");
    CHECK(!look(&b, "k3", 1102, 0).is_second_in_boot, "the same key once more");
    const struct clo_holder older = vtpm("bbbbbbbbbb", "b2", 0, 0);
    CHECK(!look(&older, "k6", 1102, 0).is_older_vtpm, "restored from a backup");
    assert_false(clo_store_give_up(store, "default/disk/none", &count, &err));
    assert_string_equal(err.text, "resource \"default/disk/none\": there is none");
    assert_false(clo_store_holders(store, "default/disk/none", &none, &err));
}

/* --- What a bare report gets --- */

#define ANOTHER "default/disk/another"
#define ANY     "default/disk/any"
#define STRICT  "default/disk/strict"

static void put(const struct clo_store_entry *rules)
{
    struct clo_store_entry entry = *rules;
    struct clo_error err;

    entry.secret = clo_bytes_text(rules->path);
    entry.policy = clo_bytes_text(POLICY);
    entry.now = 1780000000;
    must(clo_store_put(store, &entry, &err), &err);
}

/* NULL: it was released. */
static const char *decide(const char *path, const struct clo_holder *holder, const char *key,
                          bool is_named)
{
    static struct clo_error err;
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource resource = { 0 };
    CLO_CLEANUP(clo_session_result_free)
    struct clo_session_result shown = { .tee = "snp", .holder = *holder };
    CLO_CLEANUP(clo_release_decision_free) struct clo_release_decision decision = { 0 };
    const struct clo_release_question question = {
        .path = path, .session = "s", .time = 2000, .shown = &shown
    };

    must(clo_store_get(store, path, &resource, &err), &err);
    must(clo_session_result_add_terms(&shown, resource.terms, &err), &err);
    snprintf(shown.tee_key, sizeof shown.tee_key, "%s", key);
    if (is_named)
        snprintf(shown.resource, sizeof shown.resource, "%s", path);
    return clo_release_decide(store, &question, &decision, &err) ? NULL : err.text;
}

/* What the initrd has started makes up a name under the same terms, and gets nothing for it. */
static void test_another_name(void **state)
{
    const struct clo_holder bare = { .instance = "chip", .boot = "launch 1" };
    const struct clo_holder next = { .instance = "chip", .boot = "launch 2" };
    const struct clo_holder bound = vtpm("ak", "v1", 1, 0);

    (void)state;
    put(&(struct clo_store_entry){ .path = ANOTHER, .is_shared = true });
    put(&(struct clo_store_entry){ .path = ANY, .any_releases = true });
    assert_null(decide(PATH, &bare, "k", true));
    assert_null(decide(PATH, &bare, "k", true)); /* the answer was lost */
    const char *why = decide(ANOTHER, &bare, "of the root", true);
    CHECK(why != NULL && strstr(why, "this boot was given another one before") != NULL,
          why == NULL ? "released" : why);
    assert_null(decide(ANOTHER, &bare, "of the root",
                       false)); /* shared, so with any client that asks */
    assert_null(decide(ANY, &bare, "of the root", true));
    assert_null(decide(ANOTHER, &next, "k2", true));
    /* Where registers tell the initrd from the root, the terms say what each gets. */
    assert_null(decide(PATH, &bound, "k3", true));
    assert_null(decide(ANOTHER, &bound, "k4", true));
}

static void test_nobody(void **state)
{
    const struct clo_holder masked = { .boot = "launch 3" };

    (void)state;
    put(&(struct clo_store_entry){ .path = STRICT, .second_holder = CLO_SECOND_HOLDER_REFUSE });
    const char *why = decide(STRICT, &masked, "k", true);
    CHECK(why != NULL && strstr(why, "does not prove which machine") != NULL,
          why == NULL ? "released" : why);
}

#define LIMITED "default/disk/limited"

/* NULL: it was counted, or need not be. */
static const char *count(const struct clo_holder *holder, const char *key)
{
    static struct clo_error err;
    const struct clo_release release = { .path = LIMITED,
                                         .time = 3000,
                                         .session = "s",
                                         .tee = "snp",
                                         .holder = holder,
                                         .tee_key = key };

    return clo_store_add_release(store, &release, &err) ? NULL : err.text;
}

static void check_limited(const struct clo_holder *holder, const char *key)
{
    const char *why = count(holder, key);

    CHECK(why != NULL && strstr(why, "was released as often as it may be") != NULL, key);
}

/* Who had the secret that was there before had not the one that was put in its place. */
static void test_limit_of_next_secret(void **state)
{
    const struct clo_store_entry limited = { .path = LIMITED, .release_limit = 1 };
    const struct clo_holder a = vtpm("la", "la1", 1, 0);
    const struct clo_holder b = vtpm("lb", "lb1", 1, 0);

    (void)state;
    put(&limited);
    assert_null(count(&a, "ka"));
    assert_null(count(&a, "ka")); /* the answer was lost */
    check_limited(&b, "kb");
    put(&limited);
    assert_null(count(&b, "kb"));
    check_limited(&a, "ka");
    assert_null(count(&b, "kb"));
}

/* Where no boot is known another key's release does not take the place of the one that was counted. */
static void test_limit_without_boot(void **state)
{
    const struct clo_store_entry limited = { .path = LIMITED, .release_limit = 2 };
    const struct clo_holder untold = { .instance = "lt" };

    (void)state;
    put(&limited);
    assert_null(count(&untold, "k1"));
    assert_null(count(&untold, "k2"));
    assert_null(count(&untold, "k1"));
    check_limited(&untold, "k3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boots),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_holders),
        cmocka_unit_test(test_another_name),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_limit_of_next_secret),
        cmocka_unit_test(test_limit_without_boot),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
