/* Every string that a client chooses, with what would be an order to a database, a browser or a terminal: it stays a string, and
 * reaches neither the owner's screen nor another program as anything else. */
#include "trustee_maker.h"

static const char *const payloads[] = {
    "x'; DROP TABLE audit; --",
    "x\" UNION SELECT secret FROM resources --",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\033]0;owned\a\033[2J",
    "\xc2\x9b"
    "31m\xe2\x80\xae\xc2\x90",
    "x\r\nSet-Cookie: kbs-session-id=owned",
    "%s%n%s%n",
    "\xff\xfe\xc3\x28",
};

/* By a look of its own at what drives a screen: C0 and C1 controls, and what turns the direction of writing around. */
static void check_text(const char *text, const char *name)
{
    const unsigned char *at = (const unsigned char *)text;

    for (; *at != '\0'; at++) {
        CHECK(*at >= 0x20 && *at != 0x7f, name);
        CHECK(at[0] != 0xc2 || at[1] >= 0xa0, name);
        CHECK(at[0] != 0xe2 || at[1] != 0x80 || at[2] < 0xaa || at[2] > 0xae, name);
    }
}

/* From another address each time: nobody is told to wait. */
static const char *next_peer(void)
{
    static char peer[32];
    static unsigned count;

    count++;
    snprintf(peer, sizeof peer, "10.1.%u.%u", count >> 8 & 255, count & 255);
    return peer;
}

/* Whatever came of it, it is what it says it is. */
static void check_answer(struct client *client, const char *name)
{
    const struct clo_broker_answer *answer = &client->answer;

    CHECK(answer->status != 500 && answer->status != 429, name);
    CHECK(strstr(answer->content_type, "html") == NULL, name);
    CHECK(strstr(answer->cookie, "owned") == NULL && strstr(answer->location, "owned") == NULL,
          name);
    for (const char *at = answer->location; *at != '\0'; at++)
        CHECK(*at > ' ' && *at != 0x7f, name);
    if (answer->body.size == 0)
        return;
    CHECK(client->json != NULL, name);
    check_text(member(client, "detail"), name);
    check_text(last_decision, name);
}

/* What is in the place of each string of a request, in turn; the others are as they should be. */
static void ask_with(const char *payload, unsigned place, struct client *client)
{
    struct clo_broker_request request = { .method = "GET",
                                          .path = RESOURCE,
                                          .cookie = client->cookie,
                                          .peer = next_peer(),
                                          .time = SNP_MAKER_NOW,
                                          .clock = client->clock };
    const char **const places[] = {
        &request.method, &request.path,   &request.query,         &request.content_type,
        &request.accept, &request.cookie, &request.authorization, &request.subject,
    };

    assert_true(place < CLO_COUNT(places));
    *places[place] = payload;
    send_request(client, &request);
}

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(payloads); i++)
        for (unsigned place = 0; place < 8; place++) {
            CLO_CLEANUP(free_client) struct client client = { .clock = 1000 + (int64_t)i };
            client.peer = next_peer();
            begin(&client);
            ask_with(payloads[i], place, &client);
            check_answer(&client, payloads[i]);
        }
}

static void test_paths(void **state)
{
    static const struct {
        const char *method, *before, *after;
    } paths[] = {
        { "GET", "/kbs/v0/resource/default/disk/", "" },
        { "GET", "/kbs/v0/resource/", "/disk/demo" },
        { "POST", "/kbs/v0/resource/default/disk/", "" },
        { "GET", "/kbs/v0/", "/x" },
        { "GET", "/", "" },
        { "POST", "/cloister/v0/generation/default/disk/demo/", "" },
        { "POST", "/cloister/v0/generation/", "/5" },
        { "POST", "/cloister/v0/tag-errors/default/disk/", "" },
        { "POST", "/cloister/v0/key/put/", "" },
        { "GET", "/challenge-response/v1/session/", "" },
        { "POST", "/challenge-response/v1/session/", "" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(payloads); i++)
        for (size_t k = 0; k < CLO_COUNT(paths); k++) {
            CLO_CLEANUP(free_client) struct client client = { .clock = 1100 + (int64_t)i };
            char path[300];
            client.peer = next_peer();
            begin(&client);
            snprintf(path, sizeof path, "%s%s%s", paths[k].before, payloads[i], paths[k].after);
            CHECK(ask(&client, paths[k].method, path, "{}") >= 400, path);
            check_answer(&client, path);
        }
}

/* --- Strings of the messages --- */

#define MARKER "cloister-marker"

/* Puts the marker in the place of the wanted string, counting names of members as well. True: done. */
static bool mark(json_t *json, unsigned *wanted)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_string(json) && (*wanted)-- == 0)
        return json_string_set(json, MARKER) == 0;
    json_array_foreach (json, i, value)
        if (mark(value, wanted))
            return true;
    json_object_foreach (json, key, value) {
        if ((*wanted)-- == 0) {
            CLO_CLEANUP(clo_json_freep) json_t *moved = json_incref(value);
            json_object_del(json, key);
            return json_object_set(json, MARKER, moved) == 0;
        }
        if (mark(value, wanted))
            return true;
    }
    return false;
}

/* The payload as JSON has it; what is not UTF-8 goes in as it is. */
static void write_payload(const char *payload, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_json_freep) json_t *text = json_string(payload);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quoted = { 0 };
    struct clo_error err;

    if (text == NULL) {
        clo_buffer_text(out, payload);
        return;
    }
    must(clo_json_write(text, &quoted, &err), &err);
    clo_buffer_append(out, clo_bytes_slice(clo_buffer_bytes(&quoted), 1, quoted.size - 2));
}

/* False: the message has no such string. */
static bool write_marked(const char *message, unsigned wanted, const char *payload,
                         struct clo_buffer *out)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    must(clo_json_parse(clo_bytes_text(message), &json, &err), &err);
    if (!mark(json, &wanted))
        return false;
    must(clo_json_write(json, &text, &err), &err);
    const char *begin = clo_buffer_string(&text);
    const char *at = strstr(begin, MARKER);
    assert_non_null(at);
    clo_buffer_append(out, clo_bytes((const uint8_t *)begin, (size_t)(at - begin)));
    write_payload(payload, out);
    clo_buffer_text(out, at + strlen(MARKER));
    return true;
}

/* Each string of the message in turn, with each payload. Returns how many there are. */
static unsigned try_message(const char *path, const char *message, struct client *client)
{
    unsigned count = 0;

    for (unsigned wanted = 0; wanted == count; wanted++)
        for (size_t i = 0; i < CLO_COUNT(payloads); i++) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
            if (!write_marked(message, wanted, payloads[i], &body))
                break;
            client->peer = next_peer();
            ask(client, "POST", path, clo_buffer_string(&body));
            check_answer(client, clo_buffer_string(&body));
            count = wanted + 1;
        }
    return count;
}

static void test_auth(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 1200 };
    unsigned count = try_message("/kbs/v0/auth",
                                 "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":"
                                 "{\"supported-hash-algorithms\":[\"sha384\"]}}",
                                 &client);

    (void)state;
    CHECK(count == 7, "four names and three values");
}

/* The whole of what a guest of ours sends, and of what one of Trustee's does. */
static void test_evidence(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 1300 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };

    (void)state;
    reset_scene();
    begin(&client);
    make_attest(&client, &body);
    CHECK(try_message("/kbs/v0/attest", clo_buffer_string(&body), &client) > 20, "ours");
    CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
    CHECK(try_message("/kbs/v0/attest",
                      "{\"init-data\":{\"format\":\"toml\",\"body\":\"x\"},\"runtime-data\":"
                      "{\"nonce\":\"x\",\"tee-pubkey\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":"
                      "\"ECDH-ES+A256KW\",\"x\":\"AAAA\",\"y\":\"AAAA\",\"kid\":\"x\"}},"
                      "\"tee-evidence\":{\"primary_evidence\":{\"svn\":\"1\",\"report_data\":"
                      "\"AAAA\"},\"additional_evidence\":\"x\"}}",
                      &client) > 20,
          "Trustee's");
}

/* --- Strings that are measured, and told as what differs --- */

static void test_measured(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(payloads); i++)
        for (int place = 0; place < 4; place++) {
            CLO_CLEANUP(free_client) struct client client = { .clock = 1400 + (int64_t)i };
            reset_scene();
            scene.cmdline = place == 0 ? payloads[i] : scene.cmdline;
            scene.injected = place == 1 ? payloads[i] : scene.injected;
            scene.vm = place == 2 ? payloads[i] : scene.vm;
            scene.resource = place == 3 ? payloads[i] : scene.resource;
            if (place >= 2 && (unsigned char)payloads[i][0] == 0xff)
                continue; /* JSON cannot have it */
            client.peer = next_peer();
            CHECK(attest_anew(&client) == (place == 2 ? 200 : 401), payloads[i]);
            check_answer(&client, payloads[i]);
        }
    reset_scene();
}

/* After all of that it is the broker that it was: what is there is there, what is written down holds, and guests are served. */
static void test_unharmed(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 1500 };
    CLO_CLEANUP(clo_json_freep) json_t *list = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    (void)state;
    must(clo_store_list(store, &list, &err), &err);
    CHECK(json_array_size(list) == 2, "the resources");
    must(clo_json_write(list, &text, &err), &err);
    CHECK(strstr(clo_buffer_string(&text), SECRET) == NULL, "no secret among them");
    reset_scene();
    CHECK(attest_anew(&client) == 200, member(&client, "detail"));
    CHECK(get(&client, "default/disk/demo") == 200, member(&client, "detail"));
    open_answer(&client, SECRET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_auth),     cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_measured), cmocka_unit_test(test_unharmed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
