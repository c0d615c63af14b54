/* Bundles of endorsements: what was put in comes out; what was changed, is of another key, is too old or is older than one that
 * was here is refused; and what was read decides no more once it is too old. */
#include "verifier/endorsements/bundle_file.h"

#include "cloister/encoding.h"
#include "path_maker.h"
#include "store_maker.h"

#define MADE     PATH_NOW
#define DAY      86400
#define TCB_INFO "{\"tcbInfo\":{\"id\":\"TDX\"},\"signature\":\"00\"}"

static struct path_maker maker;
static struct clo_public_key *owner, *stranger;
static unsigned failures;

static void free_set(struct clo_endorsement_set **set)
{
    clo_endorsement_set_free(*set);
}
#define NEW_SET(name)                                                                 \
    CLO_CLEANUP(free_set) struct clo_endorsement_set *name = calloc(1, sizeof *name); \
    assert_non_null(name)

static void note_failure(void *context, const struct clo_error *err)
{
    (void)context;
    (void)err;
    failures++;
}

static int set_up(void **state)
{
    struct clo_error err;

    make_scratch(state);
    path_maker_init(&maker, CLO_KEY_P256, 0);
    assert_true(clo_private_key_public(maker.root_key, &owner, &err));
    assert_true(clo_private_key_public(maker.other_key, &stranger, &err));
    return 0;
}

static int tear_down(void **state)
{
    free_scratch(state);
    clo_public_key_free(owner);
    clo_public_key_free(stranger);
    path_maker_free(&maker);
    return 0;
}

/* A certificate, a list and a piece of collateral. */
static void fill(struct clo_endorsement_set *set)
{
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    struct clo_certificate *chain[3] = { NULL };
    struct clo_error err;

    path_maker_make(&maker, chain);
    path_maker_crl(&maker, chain[1], "270501000000Z", clo_bytes_text("leaf"), &crl);
    CHECK(clo_endorsement_set_add(set, clo_certificate_der(chain[2]), &err), err.text);
    set->crls[set->crl_count++] = CLO_TAKE(crl);
    CHECK(clo_tdx_collateral_set(&collateral, CLO_TDX_TCB_INFO, clo_bytes_text(TCB_INFO), &err),
          err.text);
    CHECK(clo_endorsement_set_add_collateral(set, &collateral, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(chain); i++)
        clo_certificate_free(chain[i]);
}

static void write_bundle(int64_t made, const struct clo_private_key *key, struct clo_buffer *out)
{
    NEW_SET(set);
    struct clo_error err;

    fill(set);
    CHECK(clo_endorsement_bundle_write(set, made, key, out, &err), err.text);
}

static void test_again(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 };
    NEW_SET(set);
    struct clo_error err;
    int64_t made;

    (void)state;
    write_bundle(MADE, maker.root_key, &bundle);
    CHECK(clo_endorsement_bundle_read(clo_buffer_bytes(&bundle), owner, &made, set, &err),
          err.text);
    CHECK(made == MADE && set->certificate_count == 1 && set->crl_count == 1 &&
                  set->collateral_count == 1,
          "what was put in");
    CHECK(clo_bytes_equal(clo_buffer_bytes(&set->collateral[0].pieces[CLO_TDX_TCB_INFO]),
                          clo_bytes_text(TCB_INFO)),
          "byte for byte");
    for (size_t cut = 0; cut < bundle.size; cut++) {
        NEW_SET(none);
        CHECK(!clo_endorsement_bundle_read(clo_bytes(bundle.data, cut), owner, &made, none, &err),
              "cut");
    }
}

static void test_changed(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 };
    struct clo_error err;
    int64_t made;

    (void)state;
    write_bundle(MADE, maker.root_key, &bundle);
    NEW_SET(none);
    CHECK(!clo_endorsement_bundle_read(clo_buffer_bytes(&bundle), stranger, &made, none, &err),
          "another key's");
    for (size_t at = 0; at < bundle.size; at += 7) {
        bundle.data[at] ^= 1;
        CHECK(!clo_endorsement_bundle_read(clo_buffer_bytes(&bundle), owner, &made, none, &err),
              "a byte of it");
        bundle.data[at] ^= 1;
    }
    CHECK(none->certificate_count + none->crl_count + none->collateral_count == 0,
          "nothing of what is not signed is read");
}

static void test_empty(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 };
    NEW_SET(set);
    struct clo_error err;

    (void)state;
    CHECK(!clo_endorsement_bundle_write(set, MADE, maker.root_key, &bundle, &err), "empty");
    CHECK(strstr(err.text, "there is nothing to put into it") != NULL, err.text);
}

#define HEAD  "{\"cloister_endorsements\":1,\"made\":\"2026-05-28T20:26:40Z\","
#define LISTS "\"revocation_lists\":[],\"collateral\":[]}"

static const struct {
    const char *name, *json, *error; /* error NULL: it is read */
} payloads[] = {
    { "nothing in it", HEAD "\"certificates\":[]," LISTS, NULL },
    { "not JSON", "bundle", "bundle: JSON" },
    { "another version",
      "{\"cloister_endorsements\":2,\"made\":\"2026-05-28T20:26:40Z\",\"certificates\":[]," LISTS,
      "bundle: version 2, expected 1" },
    { "an unknown member", HEAD "\"more\":1,\"certificates\":[]," LISTS, "bundle: unknown member" },
    { "no date", "{\"cloister_endorsements\":1,\"certificates\":[]," LISTS,
      "bundle: \"made\" is missing" },
    { "a date without a zone",
      "{\"cloister_endorsements\":1,\"made\":\"2026-05-28T20:26:40\",\"certificates\":[]," LISTS,
      "bundle: \"made\": not a time in UTC" },
    { "no certificates", HEAD LISTS, "bundle: \"certificates\" is missing" },
    { "a certificate that is a number", HEAD "\"certificates\":[1]," LISTS,
      "bundle: \"certificates\": 0 is not base64" },
    { "a certificate that is none", HEAD "\"certificates\":[\"AAAA\"]," LISTS,
      "bundle: \"certificates\": 0: " },
    { "a list that is none",
      HEAD "\"certificates\":[],\"revocation_lists\":[\"AAAA\"],\"collateral\":[]}",
      "bundle: \"revocation_lists\": 0: " },
    { "collateral that is text",
      HEAD "\"certificates\":[],\"revocation_lists\":[],\"collateral\":[\"\"]}",
      "bundle: \"collateral\": 0 is not an object" },
};

static void test_payloads(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(payloads); i++) {
        NEW_SET(set);
        struct clo_error err = { 0 };
        int64_t made;
        bool ok = clo_endorsement_bundle_parse(clo_bytes_text(payloads[i].json), &made, set, &err);
        CHECK(ok == (payloads[i].error == NULL), payloads[i].name);
        CHECK(ok || strncmp(err.text, payloads[i].error, strlen(payloads[i].error)) == 0, err.text);
    }
}

/* --- As a broker reads it --- */

static void put_file(const char *path, int64_t made, const struct clo_private_key *key)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 };
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    write_bundle(made, key, &bundle);
    assert_true(fwrite(bundle.data, 1, bundle.size, file) == bundle.size);
    assert_int_equal(fclose(file), 0);
}

static bool load(struct clo_bundle_file *file, int64_t now, size_t *lists, struct clo_error *err)
{
    NEW_SET(set);
    bool ok = clo_bundle_file_load(file, now, set, err);

    *lists = set->crl_count;
    CHECK(!ok || (set->made == file->made && set->until == file->made + file->seconds),
          "until when it counts");
    return ok;
}

static void check_refused(struct clo_bundle_file *file, int64_t now, const char *why)
{
    struct clo_error err = { 0 };
    size_t lists;

    CHECK(!load(file, now, &lists, &err), why);
    CHECK(err.status == CLO_ERR_REFUSED && strstr(err.text, why) != NULL, err.text);
}

static void test_file(void **state)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = open_store();
    char path[4300];
    struct clo_bundle_file file = {
        .path = path, .key = owner, .seconds = 2 * DAY, .store = store, .on_failure = note_failure
    };
    struct clo_bundle_file again = file;
    struct clo_error err;
    size_t lists;

    (void)state;
    snprintf(path, sizeof path, "%s/bundle", scratch.path);
    put_file(path, MADE, maker.root_key);
    check_refused(&file, MADE + 2 * DAY + 1, "is 2 days old, at most 2 are allowed");
    check_refused(&file, MADE - 301, "is dated in the future, by 301 seconds");
    CHECK(load(&file, MADE + 2 * DAY, &lists, &err) && lists == 1, "on its last day");
    put_file(path, MADE, maker.root_key); /* ECDSA signs it otherwise each time */
    check_refused(&file, MADE, "another one, made in the same second, was used before");
    put_file(path, MADE - 1, maker.root_key);
    check_refused(&file, MADE, "a newer one, made 1 seconds later, was used before");
    check_refused(&again, MADE, "a newer one, made 1 seconds later, was used before");
    put_file(path, MADE + DAY, maker.other_key);
    check_refused(&file, MADE + DAY, "signature");
    put_file(path, MADE + DAY, maker.root_key);
    CHECK(load(&file, MADE + DAY, &lists, &err) && lists == 1, "a newer one");
    /* What is in use goes when it is too old, also where its file was exchanged for one that is refused. */
    put_file(path, MADE + 9 * DAY, maker.other_key);
    check_refused(&file, MADE + 3 * DAY, "signature");
    failures = 0;
    CHECK(load(&file, MADE + 3 * DAY + 1, &lists, &err) && lists == 0, "too old");
    CHECK(load(&file, MADE + 4 * DAY, &lists, &err) && lists == 0, "still too old");
    CHECK(failures == 1, "told once");
    put_file(path, MADE + 4 * DAY, maker.root_key);
    CHECK(load(&file, MADE + 4 * DAY, &lists, &err) && lists == 1, "a fresh one");
    CHECK(load(&file, MADE + 6 * DAY + 1, &lists, &err) && lists == 0, "nobody brings another");
    CHECK(failures == 2, "told again");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again), cmocka_unit_test(test_changed),
        cmocka_unit_test(test_empty), cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_file),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
