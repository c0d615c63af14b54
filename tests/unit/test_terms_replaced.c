/* What the owner changes counts at once, also for a session that was accepted before: other terms, newer reference values,
 * a limit, and what was revoked. */
#include "broker_maker.h"

static void accept(struct client *client, int64_t clock)
{
    client->clock = clock;
    reset_scene();
    begin(client);
    CHECK(attest(client) == 200, member(client, "detail"));
}

static void check_not(struct client *client, const char *name, const char *words)
{
    CHECK(get(client, "default/disk/demo") != 200, name);
    CHECK(strstr(member(client, "detail"), words) != NULL, member(client, "detail"));
}

static void test_other_terms(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { 0 };
    CLO_CLEANUP(free_client) struct client again = { 0 };

    (void)state;
    accept(&client, 100000);
    put("default/disk/demo", SECRET, false); /* under another launch measurement */
    reset_scene();
    check_not(&client, "the terms of before", "is not for this image");
    again.clock = 100001;
    begin(&again);
    CHECK(attest(&again) != 200, "an image of before the update");
    CHECK(strstr(member(&again, "detail"), "policy.measurement") != NULL, member(&again, "detail"));
    put("default/disk/demo", SECRET, true);
}

static void test_revoked(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { 0 };
    struct clo_error err;
    char machine[65];

    (void)state;
    accept(&client, 200000);
    must(clo_store_revoke(store, "default/disk/demo", true, 1, &err), &err);
    check_not(&client, "a resource that was revoked", "was revoked");
    must(clo_store_revoke(store, "default/disk/demo", false, 1, &err), &err);
    /* The audit trail says how the machine is called. */
    CLO_CLEANUP(clo_json_freep) json_t *rows = NULL;
    must(clo_store_audit_rows(store, 0, 1000, NULL, &rows, &err), &err);
    json_t *row = json_array_get(rows, json_array_size(rows) - 1);
    const char *name = json_string_value(json_object_get(json_object_get(row, "vm"), "instance"));
    CHECK(name != NULL && strlen(name) == 64, "the row names the machine");
    snprintf(machine, sizeof machine, "%s", name == NULL ? "" : name);
    CHECK(!clo_store_revoke_machine(store, "", true, 1, &err), "no name");
    CHECK(!clo_store_revoke_machine(store, name + 1, true, 1, &err), "a part of its name");
    CHECK(strstr(err.text, "expected its whole name") != NULL, err.text);
    must(clo_store_revoke_machine(store, machine, true, 1, &err), &err);
    check_not(&client, "a machine that was revoked", "this machine was revoked");
    must(clo_store_revoke_machine(store, machine, false, 1, &err), &err);
    CHECK(get(&client, "default/disk/demo") == 200, member(&client, "detail"));
    open_answer(&client, SECRET);
}

/* One boot after another: the third is one too many. The same key again is the same release. */
static void test_limit(void **state)
{
    static const char *const names[] = { "the first", "the second", "once more than it may be" };

    (void)state;
    rules.release_limit = 2;
    put("default/disk/demo", SECRET, true);
    rules.release_limit = 0;
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 300000 + (int64_t)i };
        struct clo_error err;
        reset_scene();
        scene.resets = 100 + (uint32_t)i;
        clo_private_key_free(scene.transport);
        must(clo_private_key_new(CLO_KEY_P256, 0, &scene.transport, &err), &err);
        begin(&client);
        CHECK(attest(&client) == 200, member(&client, "detail"));
        if (i == 2) {
            check_not(&client, names[i], "was released as often as it may be");
            continue;
        }
        CHECK(get(&client, "default/disk/demo") == 200, names[i]);
        CHECK(get(&client, "default/disk/demo") == 200, "the same key again");
    }
    put("default/disk/demo", SECRET, true);
}

static bool is_revoked(const char *path)
{
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource resource = { 0 };
    struct clo_error err;

    must(clo_store_get(store, path, &resource, &err), &err);
    return resource.is_revoked;
}

/* A path stays revoked until that is taken back: who may put and remove may not do that by the way. */
static void test_put_keeps_revoked(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { 0 };
    struct clo_error err;

    (void)state;
    must(clo_store_revoke(store, "default/disk/demo", true, 1, &err), &err);
    put("default/disk/demo", SECRET, true);
    CHECK(is_revoked("default/disk/demo"), "put anew");
    accept(&client, 300000);
    check_not(&client, "put anew after it was revoked", "was revoked");
    must(clo_store_remove(store, "default/disk/demo", &err), &err);
    put("default/disk/demo", SECRET, true);
    CHECK(is_revoked("default/disk/demo"), "removed and put anew");
    must(clo_store_revoke(store, "default/disk/demo", false, 1, &err), &err);
    CHECK(!is_revoked("default/disk/demo"), "allowed");
    /* Also while there is nothing under it. */
    must(clo_store_revoke(store, "default/disk/demo", true, 1, &err), &err);
    must(clo_store_remove(store, "default/disk/demo", &err), &err);
    must(clo_store_revoke(store, "default/disk/demo", false, 1, &err), &err);
    CHECK(!clo_store_revoke(store, "default/disk/demo", false, 1, &err), "there is none");
    put("default/disk/demo", SECRET, true);
    CHECK(!is_revoked("default/disk/demo"), "put after it was allowed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_terms),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_put_keeps_revoked),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
