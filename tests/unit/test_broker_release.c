/* Who gets what, and how often: names, terms, machines, boots and disks. */
#include "broker_maker.h"

static void test_resources(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4000 };
    CLO_CLEANUP(free_client) struct client other = { .clock = 4000 };
    static const char *const odd[] = { "default/disk", "default/disk/../demo", "",
                                       "a/b/{ak}",     "a/b/\033[2J",          "\033]0;owned\a" };

    (void)state;
    reset_scene();
    scene.resource = "default/disk/other";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/other",
                  "resource \"default/disk/other\": is not for this image");
    reset_scene();
    scene.resource = "default/disk/none";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/none", "resource \"default/disk/none\": there is none");
    for (size_t i = 0; i < CLO_COUNT(odd); i++) {
        CHECK(get(&client, odd[i]) == 401, odd[i]);
        CHECK(strstr(member(&client, "detail"), "expected REPOSITORY/TYPE/TAG") != NULL,
              member(&client, "detail"));
        CHECK(strchr(member(&client, "detail"), '\033') == NULL, "no escape");
    }
    /* Another session's token, and none of a known kind. */
    reset_scene();
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    CHECK(strcmp(member(&client, "resource"), "default/disk/demo") == 0, "its name is told");
    give_token(&client);
    CHECK(attest_anew(&other) == 200, member(&other, "detail"));
    clo_buffer_append(&other.authorization, clo_buffer_bytes(&client.authorization));
    CHECK(get(&other, "default/disk/demo") == 401, "another's token");
    CHECK(strcmp(member(&other, "detail"), "token: not the one of this session") == 0,
          member(&other, "detail"));
    other.authorization.size = 0;
    clo_buffer_text(&other.authorization, "Basic YTpi");
    CHECK(get(&other, "default/disk/demo") == 401, "no bearer token");
    /* What one session may write into the audit trail has an end. */
    unsigned before = decisions;
    other.authorization.size = 0;
    for (unsigned i = 0; i < 100; i++)
        CHECK(get(&other, "default/disk/other") == (i < 32 ? 403 : 401), "not its own");
    CHECK(decisions - before <= 4, "the rows of one session");
    CHECK(strcmp(member(&other, "detail"), "session: too many refusals in it") == 0,
          "the refusals of one session");
}

/* Another's cookie carries no evidence of one's own in, and what comes out by it is sealed to the other's key. */
static void test_cookie_of_other(void **state)
{
    CLO_CLEANUP(free_client) struct client victim = { .clock = 4050 };
    CLO_CLEANUP(free_client) struct client thief = { .clock = 4050 };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *own = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_private_key *transport = scene.transport;
    struct clo_error err;

    (void)state;
    must(clo_private_key_new(CLO_KEY_P256, 0, &own, &err), &err);
    reset_scene();
    begin(&victim);
    begin(&thief);
    memcpy(thief.cookie, victim.cookie, sizeof thief.cookie);
    scene.transport = own;
    CHECK(attest(&thief) == 401, "evidence for one's own nonce, with another's cookie");
    CHECK(strstr(member(&thief, "detail"), "is not the one that was given out") != NULL,
          member(&thief, "detail"));
    CHECK(get(&thief, "default/disk/demo") == 401, "nothing was shown in it");
    scene.nonce = NONCE;
    scene.transport = transport;
    CHECK(attest(&victim) == 200, "the session is the other's still");
    scene.transport = own;
    CHECK(attest(&thief) == 401, "after that, too");
    CHECK(get(&thief, "default/disk/demo") == 200, member(&thief, "detail"));
    CHECK(!clo_jwe_open(thief.json, own, &secret, &err), "sealed to the other's key");
    scene.transport = transport;
    open_answer(&thief, SECRET);
    scene.nonce = NONCE;
}

/* A session is held against what it has shown, not against what has the same place in the store later. */
static void test_terms_replaced(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4100 };
    struct clo_error err;

    (void)state;
    put("default/disk/reused", "the first secret", true);
    reset_scene();
    scene.resource = "default/disk/reused";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    put("default/disk/reused", "another, on the same terms", true);
    CHECK(get(&client, "default/disk/reused") == 200, member(&client, "detail"));
    open_answer(&client, "another, on the same terms");
    put("default/disk/reused", "on stricter terms", false);
    check_refused(&client, "default/disk/reused",
                  "resource \"default/disk/reused\": is not for this image");
    must(clo_store_remove(store, "default/disk/reused", &err), &err);
    check_refused(&client, "default/disk/reused",
                  "resource \"default/disk/reused\": there is none");
    /* All terms go, and others come in their place. */
    put("default/disk/demo", SECRET, false);
    put("default/disk/reused", "on stricter terms", false);
    check_refused(&client, "default/disk/reused",
                  "resource \"default/disk/reused\": is not for this image");
    must(clo_store_remove(store, "default/disk/reused", &err), &err);
    put("default/disk/demo", SECRET, true);
}

/* Equal terms are not equal machines. */
static void test_another_machine(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4200 };
    CLO_CLEANUP(free_client) struct client nameless = { .clock = 4200 };

    (void)state;
    put("default/disk/vm-b", "the key of VM B", true);
    rules = (struct clo_store_entry){ .is_shared = true };
    put("default/config/shared", "for all of them", true);
    rules = (struct clo_store_entry){ 0 };
    reset_scene();
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/vm-b",
                  "resource \"default/disk/vm-b\": the evidence asks for \"default/disk/demo\"");
    check_refused(&client, "default/config/shared",
                  "resource \"default/config/shared\": the evidence asks for "
                  "\"default/disk/demo\"");
    reset_scene();
    scene.resource = NULL;
    CHECK(attest_anew(&nameless) == 200, member(&nameless, "detail"));
    CHECK(json_object_get(nameless.json, "resource") == NULL, "no name");
    check_refused(&nameless, "default/disk/vm-b",
                  "resource \"default/disk/vm-b\": the evidence names no resource, and this one "
                  "was not put with --shared");
    CHECK(get(&nameless, "default/config/shared") == 200, member(&nameless, "detail"));
    open_answer(&nameless, "for all of them");
    /* Named in the evidence but not in what it is bound to. */
    static const char *const odd[] = { "default/disk", "../../x", "a/b/{disk}", "a/b/\033[2J" };
    for (size_t i = 0; i < CLO_COUNT(odd); i++) {
        reset_scene();
        scene.resource = odd[i];
        CHECK(attest_anew(&client) == 401, odd[i]);
    }
}

static void name_ak(const struct clo_private_key *key, char out[CLO_INSTANCE_HEX_SIZE])
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = snp_maker_public(key);
    struct clo_digest digest;
    struct clo_error err;

    must(clo_public_key_fingerprint(public, &digest, &err), &err);
    clo_hex_text(clo_digest_bytes(&digest), out);
}

/* One image, many machines: the name is made of what the evidence proves. */
static void test_templates(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4300 };
    char ak[CLO_INSTANCE_HEX_SIZE], other_ak[CLO_INSTANCE_HEX_SIZE];
    char own[200], others[200], detail[500], vm[CLO_INSTANCE_HEX_SIZE], path[200];
    struct clo_digest digest;

    (void)state;
    name_ak(scene.ak, ak);
    name_ak(scene.other_ak, other_ak);
    snprintf(own, sizeof own, "default/disk/demo-%s", ak);
    snprintf(others, sizeof others, "default/disk/demo-%s", other_ak);
    put(own, "the key of this machine", true);
    put(others, "the key of another", true);
    reset_scene();
    scene.resource = "default/disk/demo-{ak}";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    CHECK(strcmp(member(&client, "resource"), own) == 0, member(&client, "resource"));
    snprintf(detail, sizeof detail, "resource \"%s\": the evidence asks for \"%s\"", others, own);
    CHECK(get(&client, others) == 403, "another machine's");
    CHECK(strncmp(member(&client, "detail"), detail, 150) == 0, member(&client, "detail"));
    CHECK(get(&client, own) == 200, member(&client, "detail"));
    open_answer(&client, "the key of this machine");
    /* What the cloud calls it, as the report binds it; and what evidence of a vTPM does not prove. */
    scene.resource = "default/{vm}/disk";
    scene.vm = "26F8BC30-774E-4290-8E7A-535F3B672AEE";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(scene.vm), &digest);
    snprintf(path, sizeof path, "default/%s/disk", clo_hex_text(clo_digest_bytes(&digest), vm));
    CHECK(strcmp(member(&client, "resource"), path) == 0, member(&client, "resource"));
    scene.vm = NULL;
    CHECK(attest_anew(&client) == 401, "no VM id");
    CHECK(strcmp(member(&client, "detail"),
                 "resource \"default/{vm}/disk\": the evidence proves no {vm}") == 0,
          member(&client, "detail"));
    CHECK(strstr(last_decision, "attest refused") != NULL, last_decision);
    CHECK(get(&client, path) == 401, "nothing came of it");
    scene.resource = "default/disk/{report_id}";
    CHECK(attest_anew(&client) == 401, "a vTPM's evidence is of no launch");
}

/* The root of an accepted guest has its processor, its vTPM and its image, and gets nothing more. */
static void test_once_per_boot(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4400 };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    struct clo_private_key *transport = scene.transport;
    static const char refused[] =
            "resource \"default/disk/once\": was released to this boot before";
    struct clo_error err;

    (void)state;
    must(clo_private_key_new(CLO_KEY_P256, 0, &other, &err), &err);
    put("default/disk/once", "once", true);
    reset_scene();
    scene.resource = "default/disk/once";
    CHECK(attest_anew(&client) == 200 && get(&client, scene.resource) == 200, "the first");
    CHECK(strstr(last_decision, "holder ") != NULL && strstr(last_decision, ", boot ") != NULL,
          last_decision);
    /* Its answer was lost: in the same session, or in another of the same program, with its key. */
    CHECK(get(&client, scene.resource) == 200, member(&client, "detail"));
    CHECK(attest_anew(&client) == 200 && get(&client, scene.resource) == 200, "the same key");
    scene.transport = other;
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/once", refused);
    /* A broker that was started again has not forgotten, nor is a new secret for the same boot. */
    clo_broker_freep(&broker);
    broker = new_broker();
    put("default/disk/once", "a new secret", true);
    reset_scene();
    scene.transport = other;
    scene.resource = "default/disk/once";
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/once", refused);
    scene.resets = 1;
    CHECK(attest_anew(&client) == 200 && get(&client, scene.resource) == 200, "the next boot");
    /* Both boots have theirs; and one that may ask for ever does. */
    scene.transport = transport;
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    check_refused(&client, "default/disk/once", refused);
    rules = (struct clo_store_entry){ .any_releases = true };
    put("default/disk/once", "as often as you like", true);
    rules = (struct clo_store_entry){ 0 };
    reset_scene();
    scene.resource = "default/disk/once";
    scene.resets = 1;
    CHECK(attest_anew(&client) == 200 && get(&client, scene.resource) == 200, "any");
    scene.transport = transport;
}

/* Copies and strangers: refused where the name is one machine's, else told. */
static void test_second_holder(void **state)
{
    static const struct {
        const char *name, *template;
        enum clo_second_holder rule;
        int64_t lease;
        bool is_copy; /* else another vTPM */
        const char *refused;
    } cases[] = {
        { "a plain name", "default/disk/held-0", CLO_SECOND_HOLDER_DEFAULT, 0, false, NULL },
        { "a plain name, refused", "default/disk/held-1", CLO_SECOND_HOLDER_REFUSE, 0, false,
          "another machine holds it" },
        { "one machine's name", "default/disk/held-2-{vm}", CLO_SECOND_HOLDER_DEFAULT, 0, false,
          "another machine holds it" },
        { "one machine's name, flagged", "default/disk/held-3-{vm}", CLO_SECOND_HOLDER_FLAG, 0,
          false, NULL },
        { "a copy of the vTPM", "default/disk/held-4-{vm}", CLO_SECOND_HOLDER_DEFAULT, 0, true,
          "an older state of it, or a copy" },
    };
    struct clo_private_key *ak = scene.ak;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 4500 };
        char path[CLO_RESOURCE_MAX + 1];
        reset_scene();
        scene.vm = "some machine";
        scene.resource = cases[i].template;
        scene.resets = 5;
        CHECK(attest_anew(&client) == 200, cases[i].name);
        snprintf(path, sizeof path, "%s", member(&client, "resource"));
        rules = (struct clo_store_entry){ .second_holder = cases[i].rule };
        put(path, path, true);
        rules = (struct clo_store_entry){ 0 };
        reset_scene();
        scene.vm = "some machine";
        scene.resource = cases[i].template;
        scene.resets = 5;
        CHECK(attest_anew(&client) == 200 && get(&client, path) == 200, cases[i].name);
        CHECK(strstr(last_decision, "flagged") == NULL, last_decision);
        scene.resets = cases[i].is_copy ? 4 : 5;
        scene.ak = cases[i].is_copy ? ak : scene.other_ak;
        CHECK(attest_anew(&client) == 200, cases[i].name);
        CHECK(get(&client, path) == (cases[i].refused == NULL ? 200 : 403), cases[i].name);
        CHECK(strstr(last_decision, cases[i].refused == NULL ? "flagged: another machine holds it"
                                                             : cases[i].refused) != NULL,
              last_decision);
        scene.ak = ak;
    }
}

/* Released all the same, but nobody who reads the trail takes it for what it is not. */
static void test_weak(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 4700 };

    (void)state;
    accepts_weak = "a laboratory";
    put("default/disk/weak", "of a laboratory", true);
    accepts_weak = NULL;
    reset_scene();
    scene.resource = "default/disk/weak";
    scene.maker.report[0x90] ^= 1; /* a firmware that no other terms accept */
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    CHECK(strstr(last_decision, "attest warning ") == last_decision, last_decision);
    CHECK(get(&client, scene.resource) == 200, "released");
    must(clo_store_remove(store, "default/disk/weak", &(struct clo_error){ 0 }),
         &(struct clo_error){ .text = "remove" });
}

/* --- Disks --- */

#define GENERATION "/cloister/v0/generation/default/disk/demo/"

/* The key comes with the disk that it is for, and the next generation is told once. */
static void test_disk(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 5500 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *none = NULL;
    struct clo_disk_identity disk = { .uuid = "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11",
                                      .volume_key = { CLO_HASH_SHA256, { 1 } },
                                      .header = { CLO_HASH_SHA256, { 2 } },
                                      .generation = 4 };
    struct clo_disk_identity found;
    char type[CLO_JWE_TYPE];
    struct clo_error err;

    (void)state;
    disk_to_put = &disk;
    put("default/disk/demo", SECRET, true);
    disk_to_put = NULL;
    reset_scene();
    begin(&client);
    CHECK(attest(&client) == 200, member(&client, "detail"));
    CHECK(ask(&client, "POST", GENERATION "5", "{}") == 403, "before it has the key");
    CHECK(strstr(member(&client, "detail"), "was not released in this session") != NULL,
          member(&client, "detail"));
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    must(clo_jwe_open_typed(client.json, scene.transport, type, &secret, &err), &err);
    CHECK(strcmp(type, CLO_DISK_RELEASE_TYPE) == 0, type);
    must(clo_disk_release_parse(clo_secret_bytes(secret), &key, &found, &err), &err);
    CHECK(clo_bytes_equal(clo_secret_bytes(key), clo_bytes_text(SECRET)), "the key");
    must(clo_disk_identity_compare(&disk, &found, &err), &err);
    CHECK(found.generation == 4, "the last generation");
    /* Who takes it for the key itself gets nothing. */
    CHECK(!clo_jwe_open(client.json, scene.transport, &none, &err), "not plain bytes");
    CHECK(strstr(err.text, "cloister-disk+json") != NULL, err.text);

    static const struct {
        const char *path;
        unsigned status;
    } cases[] = {
        { GENERATION "4", 403 },
        { GENERATION "5", 200 },
        { GENERATION "5", 403 }, /* of a second copy */
        { GENERATION "3", 403 },
        { GENERATION "9", 200 },
        { GENERATION "+10", 400 },
        { GENERATION "010", 400 },
        { GENERATION "10x", 400 },
        { GENERATION "9007199254740992", 400 },
        { GENERATION "", 400 },
        { "/cloister/v0/generation/default/disk/other/1", 403 },
        { "/cloister/v0/generation/default/1", 400 },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(ask(&client, "POST", cases[i].path, "{}") == cases[i].status, cases[i].path);
    CHECK(ask(&client, "GET", GENERATION "11", "") == 404, "GET");
    /* The next one is told how far it went. */
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    clo_secret_freep(&secret);
    clo_secret_freep(&key);
    must(clo_jwe_open_typed(client.json, scene.transport, type, &secret, &err), &err);
    must(clo_disk_release_parse(clo_secret_bytes(secret), &key, &found, &err), &err);
    CHECK(found.generation == 9, "the last generation");
    client.cookie[0] = '\0';
    CHECK(ask(&client, "POST", GENERATION "12", "{}") == 401, "without a session");
    put("default/disk/demo", SECRET, true);
}

/* --- What was done to a disk --- */

#define TAG_ERRORS "/cloister/v0/tag-errors/default/disk/demo"

/* A guest that has the disk's key tells that sectors were changed; nobody else does. */
static void test_tag_errors(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 5600 };
    static const struct {
        const char *path, *body;
        unsigned status;
    } cases[] = {
        { TAG_ERRORS, "{\"count\":3,\"first\":8}", 200 },
        { TAG_ERRORS, "{\"count\":1,\"first\":0}", 200 },
        { TAG_ERRORS, "{\"count\":0,\"first\":8}", 400 },
        { TAG_ERRORS, "{\"count\":3}", 400 },
        { TAG_ERRORS, "{\"count\":3,\"first\":8,\"why\":\"\"}", 400 },
        { TAG_ERRORS, "{\"count\":-3,\"first\":8}", 400 },
        { TAG_ERRORS, "{\"count\":\"3\",\"first\":8}", 400 },
        { TAG_ERRORS, "[]", 400 },
        { "/cloister/v0/tag-errors/default/disk", "{\"count\":3,\"first\":8}", 400 },
        { "/cloister/v0/tag-errors/", "{\"count\":3,\"first\":8}", 400 },
        { "/cloister/v0/tag-errors/default/disk/other", "{\"count\":3,\"first\":8}", 403 },
    };

    (void)state;
    put("default/disk/demo", SECRET, true);
    reset_scene();
    begin(&client);
    CHECK(attest(&client) == 200, member(&client, "detail"));
    CHECK(ask(&client, "POST", TAG_ERRORS, cases[0].body) == 403, "before it has the key");
    CHECK(strstr(member(&client, "detail"), "was not released in this session") != NULL,
          member(&client, "detail"));
    CHECK(ask(&client, "GET", RESOURCE, "") == 200, member(&client, "detail"));
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(ask(&client, "POST", cases[i].path, cases[i].body) == cases[i].status, cases[i].body);
    CHECK(ask(&client, "GET", TAG_ERRORS, "") == 404, "GET");
    /* Of what it tells in one session, so much is written down. */
    unsigned before = decisions, given = 0;
    for (unsigned i = 0; i < 100; i++)
        given += ask(&client, "POST", TAG_ERRORS, cases[0].body) == 200;
    CHECK(given <= 6 && decisions - before == given, "the rows of one session");
    CHECK(strcmp(member(&client, "detail"), "session: has told all that one may") == 0,
          member(&client, "detail"));
    CHECK(attest_anew(&client) == 200 && ask(&client, "GET", RESOURCE, "") == 200, "another one");
    CHECK(ask(&client, "POST", TAG_ERRORS, cases[0].body) == 200, member(&client, "detail"));
    client.cookie[0] = '\0';
    CHECK(ask(&client, "POST", TAG_ERRORS, cases[0].body) == 401, "without a session");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resources),      cmocka_unit_test(test_cookie_of_other),
        cmocka_unit_test(test_terms_replaced), cmocka_unit_test(test_another_machine),
        cmocka_unit_test(test_templates),      cmocka_unit_test(test_once_per_boot),
        cmocka_unit_test(test_second_holder),  cmocka_unit_test(test_weak),
        cmocka_unit_test(test_disk),           cmocka_unit_test(test_tag_errors),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
