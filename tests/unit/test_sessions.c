#include "verifier/kbs/sessions.h"

#include "test.h"

#include "cloister/encoding.h"
#include "verifier/store/store.h"

/* Another value with each call, the same in each run. */
static bool fill_counting(void *context, void *out, size_t size)
{
    uint8_t *next = context;

    memset(out, ++*next, size);
    return true;
}

static struct clo_sessions *new_sessions(uint8_t *seed, size_t limit)
{
    const struct clo_random random = { .fill = fill_counting, .context = seed };
    struct clo_sessions *sessions;
    struct clo_error err;

    if (!clo_sessions_new(random, 60, limit, &sessions, &err))
        fail_msg("%s", err.text);
    return sessions;
}

static void begin(struct clo_sessions *sessions, int64_t now, struct clo_session *out)
{
    const struct clo_kbs_agreed agreed = { CLO_KBS_TDX, CLO_HASH_SHA512, 2 };
    struct clo_error err;

    if (!clo_session_begin(sessions, now, &agreed, out, &err))
        fail_msg("%s", err.text);
}

static void test_once(void **state)
{
    uint8_t seed = 0;
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = new_sessions(&seed, 4);
    struct clo_session session, again;
    struct clo_error err;

    (void)state;
    begin(sessions, 1000, &session);
    assert_int_equal(strlen(session.nonce), 44);
    assert_int_equal(clo_sessions_in_use(sessions, 1000), 0); /* to begin costs nothing */
    assert_true(clo_session_get(sessions, session.cookie, 1000, &again, &err));
    assert_string_equal(again.nonce, session.nonce);
    assert_true(clo_session_use(sessions, &again, 1000, &err));
    assert_false(clo_session_use(sessions, &again, 1001, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_string_equal(err.text, "nonce: used before; each is good once");
    assert_null(clo_session_result(sessions, &session));
    /* And still not, in the last second before it ends; then it is gone, and so is what it used. */
    assert_false(clo_session_use(sessions, &again, 1059, &err));
    assert_true(clo_session_get(sessions, session.cookie, 1059, &again, &err));
    assert_false(clo_session_get(sessions, session.cookie, 1060, &again, &err));
    assert_int_equal(err.status, CLO_ERR_UNVERIFIED);
    assert_string_equal(err.text, "session: is over, its nonce is too old");
}

static void test_nonces_differ(void **state)
{
    uint8_t seed = 0;
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = new_sessions(&seed, 4);
    struct clo_session first, second;

    (void)state;
    begin(sessions, 1000, &first);
    begin(sessions, 1000, &second);
    assert_string_not_equal(first.nonce, second.nonce);
    assert_string_not_equal(first.cookie, second.cookie);
}

/* Every character of a cookie matters, and so does the process that made it. */
static void test_forged_cookies(void **state)
{
    uint8_t seed = 0;
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = new_sessions(&seed, 4);
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *restarted = new_sessions(&seed, 4);
    struct clo_session session, out;
    char forged[CLO_SESSION_COOKIE];
    struct clo_error err;

    (void)state;
    begin(sessions, 1000, &session);
    for (size_t i = 0; i < strlen(session.cookie); i++) {
        memcpy(forged, session.cookie, sizeof forged);
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        CHECK(!clo_session_get(sessions, forged, 1000, &out, &err), forged);
        CHECK(err.status == CLO_ERR_UNVERIFIED, err.text);
    }
    for (size_t size = 0; size < strlen(session.cookie); size++) {
        memcpy(forged, session.cookie, size);
        forged[size] = '\0';
        CHECK(!clo_session_get(sessions, forged, 1000, &out, &err), forged);
    }
    assert_false(clo_session_get(restarted, session.cookie, 1000, &out, &err));
    assert_string_equal(err.text,
                        "session: not one of this broker's, or of before it was started again");
}

static void test_limit(void **state)
{
    uint8_t seed = 0;
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = new_sessions(&seed, 2);
    struct clo_session session[4];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        begin(sessions, 1000 + (int64_t)i, &session[i]);
    assert_true(clo_session_use(sessions, &session[0], 1002, &err));
    assert_true(clo_session_use(sessions, &session[1], 1002, &err));
    assert_false(clo_session_use(sessions, &session[2], 1002, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    /* When one has ended there is room again, and the others are remembered. */
    assert_true(clo_session_use(sessions, &session[2], 1060, &err));
    assert_false(clo_session_use(sessions, &session[1], 1060, &err));
    assert_int_equal(clo_sessions_in_use(sessions, 1060), 2);
}

static void test_results(void **state)
{
    uint8_t seed = 0;
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = new_sessions(&seed, 4);
    struct clo_session first, second;
    struct clo_session_result result = { .tee_pubkey = json_string("k") };
    char digests[20][CLO_SESSION_DIGEST];
    struct clo_session_result stray = { .tee_pubkey = json_string("k") };
    struct clo_error err;

    (void)state;
    begin(sessions, 1000, &first);
    begin(sessions, 1000, &second);
    /* As many terms as there are: none is left out without a word. */
    for (size_t i = 0; i < CLO_COUNT(digests); i++) {
        snprintf(digests[i], sizeof digests[i], "%064zu", i);
        assert_true(clo_session_result_add_terms(&result, digests[i], &err));
    }
    assert_true(clo_session_use(sessions, &first, 1000, &err));
    clo_session_keep(sessions, &first, 0, &result);
    assert_null(result.tee_pubkey); /* taken over */
    const struct clo_session_result *kept = clo_session_result(sessions, &first);
    assert_non_null(kept);
    for (size_t i = 0; i < CLO_COUNT(digests); i++)
        CHECK(clo_session_result_fulfils(kept, digests[i]), digests[i]);
    assert_false(clo_session_result_fulfils(kept, "7"));
    assert_null(clo_session_result(sessions, &second));
    /* A nonce that was not used has nothing to show. */
    clo_session_keep(sessions, &second, 0, &stray);
    assert_null(clo_session_result(sessions, &second));
    clo_session_result_free(&stray);
}

/* What was agreed on travels in the cookie, under its MAC. */
static void test_agreed(void **state)
{
    uint8_t seed = 0;
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = new_sessions(&seed, 4);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };
    struct clo_session session, again;
    struct clo_error err;

    (void)state;
    begin(sessions, 1000, &session);
    assert_true(clo_session_get(sessions, session.cookie, 1000, &again, &err));
    assert_int_equal(again.agreed.tee, CLO_KBS_TDX);
    assert_int_equal(again.agreed.hash, CLO_HASH_SHA512);
    assert_int_equal(again.agreed.version, 2);
    assert_true(clo_base64url_read(clo_bytes_text(session.cookie), &raw, &err));
    for (size_t i = 24; i < 27; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer cookie = { 0 };
        raw.data[i] ^= 1;
        clo_base64url_write(clo_buffer_bytes(&raw), &cookie);
        assert_false(clo_session_get(sessions, clo_buffer_string(&cookie), 1000, &again, &err));
        raw.data[i] ^= 1;
    }
}

/* By the name in a token a session is found while what it has shown is kept. */
static void test_by_name(void **state)
{
    uint8_t seed = 0;
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = new_sessions(&seed, 4);
    struct clo_session_result result = { .tee_pubkey = json_string("k") };
    struct clo_session session, found;
    struct clo_error err;

    (void)state;
    begin(sessions, 1000, &session);
    assert_false(clo_session_by_name(sessions, session.name, 1000, 2000, &found));
    assert_true(clo_session_use(sessions, &session, 1000, &err));
    assert_false(clo_session_by_name(sessions, session.name, 1000, 2000, &found));
    clo_session_keep(sessions, &session, 1300, &result);
    assert_true(clo_session_by_name(sessions, session.name, 1299, 2000, &found));
    assert_non_null(clo_session_result(sessions, &found));
    assert_false(clo_session_by_name(sessions, session.name, 1300, 2000, &found));
    assert_false(clo_session_get(sessions, session.cookie, 1060, &found, &err));
}

static void put(struct clo_store *store, const char *path)
{
    const struct clo_store_entry entry = {
        .path = path,
        .secret = clo_bytes_text("a secret"),
        .policy = clo_bytes_text("{\"cloister_policy\":1,\"name\":\"mine\",\"tee\":[\"snp\"],"
                                 "\"roots\":[\"amd\"]}"),
        .now = 1000,
    };
    struct clo_error err;

    if (!clo_store_put(store, &entry, &err))
        fail_msg("%s", err.text);
}

static void release(struct clo_store *store, const struct clo_session *session, const char *path,
                    bool is_settled)
{
    const struct clo_holder holder = { .instance = "i", .boot = "b" };
    char name[2 * CLO_SESSION_NAME_SIZE + 1];
    const struct clo_release release = {
        .path = path,
        .time = 1000,
        .session = clo_hex_text(clo_bytes(session->name, sizeof session->name), name),
        .tee = "snp",
        .holder = &holder,
        .tee_key = "k",
    };
    struct clo_error err;

    CHECK(clo_store_begin(store, &err), err.text);
    CHECK(clo_store_add_release(store, &release, &err), err.text);
    CHECK(clo_store_end(store, is_settled, &err) == is_settled, err.text);
}

/* What is rolled back was not released: the generation of its disk is not to be raised. What was, another broker knows. */
static void test_released(void **state)
{
    uint8_t seed = 0;
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { 0 };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *sessions = new_sessions(&seed, 4);
    CLO_CLEANUP(clo_sessions_freep) struct clo_sessions *others = new_sessions(&seed, 4);
    struct clo_session_result result = { .tee = "snp",
                                         .tee_pubkey = json_object(),
                                         .request.hash = CLO_HASH_SHA256,
                                         .holder.boot = "b" };
    static const char path[] = "default/disk/a";
    struct clo_session session;
    struct clo_error err;
    char folder[4200];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(folder, sizeof folder, "%s/state", scratch.path);
    CHECK(clo_store_open(folder, &store, &err), err.text);
    put(store, path);
    CHECK(clo_sessions_share(sessions, store, 1000, &err), err.text);
    CHECK(clo_sessions_share(others, store, 1000, &err), err.text);
    begin(sessions, 1000, &session);
    CHECK(clo_session_use(sessions, &session, 1000, &err), err.text);
    clo_buffer_text(&result.token, "token");
    CHECK(clo_session_settle(sessions, &session, &result, &err), err.text);
    clo_session_keep(sessions, &session, 0, &result);
    release(store, &session, path, false);
    CHECK(!clo_session_released(sessions, &session, path), "was not released");
    CHECK(!clo_session_released(others, &session, path), "nor does another one know of it");
    release(store, &session, path, true);
    clo_session_keep_release(sessions, &session, path);
    CHECK(clo_session_released(sessions, &session, path), "was released");
    CHECK(clo_session_released(others, &session, path), "which another one finds in the store");
    CHECK(!clo_session_released(others, &session, "default/disk/b"), "something else was not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),           cmocka_unit_test(test_nonces_differ),
        cmocka_unit_test(test_forged_cookies), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_results),        cmocka_unit_test(test_agreed),
        cmocka_unit_test(test_by_name),        cmocka_unit_test(test_released),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
