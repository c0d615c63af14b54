#include "lib/crypto/x509_path.h"

#include "path_maker.h"

static struct path_maker maker;
static const struct x509_path_ids ids = { "x.chain", "x.root", "x.validity", "x.revocation" };

static int make_keys(void **state)
{
    (void)state;
    path_maker_init(&maker, CLO_KEY_P384, 0);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    path_maker_free(&maker);
    return 0;
}

/* With `left_out` (0: none) of the certificates above the leaf, and the list in `crl` (NULL: none). */
static bool check(size_t left_out, bool no_root, const struct clo_crl *crl,
                  struct clo_checks *checks, struct x509_path *out)
{
    struct clo_certificate *made[3] = { NULL };
    const struct clo_certificate *given[3];
    size_t count = 0;

    path_maker_make(&maker, made);
    for (size_t i = 0; i < 3; i++)
        if (i != left_out || left_out == 0)
            given[count++] = made[i];
    const struct x509_trust trust = { .certificates = given,
                                      .certificate_count = count,
                                      .crls = &crl,
                                      .crl_count = crl != NULL,
                                      .roots = &maker.root,
                                      .root_count = !no_root,
                                      .at = PATH_NOW };
    bool holds = x509_path_check(made[0], &trust, &ids, checks, out);
    for (size_t i = 0; i < 3; i++)
        clo_certificate_free(made[i]);
    return holds;
}

static void test_sound(void **state)
{
    static const struct {
        enum clo_hash hash;
    } cases[] = { { CLO_HASH_SHA256 }, { CLO_HASH_SHA384 } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct x509_path path;
        path_maker_reset(&maker);
        maker.hash = cases[i].hash;
        CHECK(check(0, false, NULL, &checks, &path), checks.items[0].detail);
        CHECK(path.count == 3 && path.until == PATH_NOW + 3600 &&
                      clo_digest_equal(&path.root, &maker.root),
              "the path");
        CHECK(clo_checks_get(&checks, "x.revocation")->result == CLO_CHECK_SKIP, "no list");
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *id, *detail;
        size_t left_out;
        bool no_root, ca_is_no_ca, ca_by_other_key, leaf_is_ca;
        enum clo_hash hash;
        int64_t leaf_until;
    } cases[] = {
        { "the CA is missing", "x.chain", "is missing", .left_out = 1 },
        { "the root is missing", "x.chain", "is missing", .left_out = 2 },
        { "no root is trusted", "x.root", "no root is trusted", .no_root = true },
        { "a CA that is none", "x.chain", "is not a CA's", .ca_is_no_ca = true },
        { "a CA that another key signed", "x.chain", "", .ca_by_other_key = true },
        { "a leaf that is a CA", "x.chain", "is a CA's", .leaf_is_ca = true },
        { "SHA-1", "x.chain", "not accepted", .hash = CLO_HASH_SHA1 },
        { "a leaf that has run out", "x.validity", "has run out", .leaf_until = PATH_NOW - 1 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        struct x509_path path;
        path_maker_reset(&maker);
        maker.ca_is_no_ca = cases[i].ca_is_no_ca;
        maker.ca_by_other_key = cases[i].ca_by_other_key;
        maker.leaf_is_ca = cases[i].leaf_is_ca;
        if (cases[i].hash != CLO_HASH_NONE)
            maker.hash = cases[i].hash;
        if (cases[i].leaf_until != 0)
            maker.leaf_until = cases[i].leaf_until;
        CHECK(!check(cases[i].left_out, cases[i].no_root, NULL, &checks, &path), cases[i].name);
        const struct clo_check *failed = clo_checks_get(&checks, cases[i].id);
        CHECK(failed != NULL && failed->result == CLO_CHECK_FAIL, cases[i].name);
        CHECK(strstr(failed->detail, cases[i].detail) != NULL, failed->detail);
    }
}

/* tpm.ak.revocation, endorsement.revocation: what a list of the chain revokes is revoked, also where it has run out; what it does not name, only while it is current. */
static void test_revocation(void **state)
{
    static const struct {
        const char *name, *until, *serial;
        enum clo_check_result result;
    } cases[] = {
        { "it is named", "270101000000Z", "leaf", CLO_CHECK_FAIL },
        { "in a list that has run out", "260502000000Z", "leaf", CLO_CHECK_FAIL },
        { "another is named", "270101000000Z", "other", CLO_CHECK_PASS },
        { "in a list that has run out, another", "260502000000Z", "other", CLO_CHECK_SKIP },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
        CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
        struct clo_certificate *chain[3] = { NULL };
        struct x509_path path;
        path_maker_reset(&maker);
        path_maker_make(&maker, chain);
        path_maker_crl(&maker, chain[1], cases[i].until, clo_bytes_text(cases[i].serial), &crl);
        for (size_t k = 0; k < 3; k++)
            clo_certificate_free(chain[k]);
        bool holds = check(0, false, crl, &checks, &path);
        const struct clo_check *found = clo_checks_get(&checks, "x.revocation");
        CHECK(found->result == cases[i].result, cases[i].name);
        CHECK(holds == (cases[i].result != CLO_CHECK_FAIL), cases[i].name);
    }
}

/* A chain that goes round in circles ends. */
static void test_circle(void **state)
{
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *root = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *a = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *b = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *leaf = NULL;
    struct x509_path path;

    (void)state;
    path_maker_reset(&maker);
    path_maker_one(&maker, "b", true, false, maker.other_key, NULL, maker.other_key, &root);
    path_maker_one(&maker, "a", true, false, maker.ca_key, root, maker.other_key, &a);
    path_maker_one(&maker, "b", true, false, maker.other_key, a, maker.ca_key, &b);
    path_maker_one(&maker, "leaf", false, true, maker.leaf_key, a, maker.ca_key, &leaf);
    const struct clo_certificate *given[] = { a, b };
    const struct x509_trust trust = { .certificates = given,
                                      .certificate_count = 2,
                                      .roots = &maker.root,
                                      .root_count = 1,
                                      .at = PATH_NOW };
    CHECK(!x509_path_check(leaf, &trust, &ids, &checks, &path), "a circle");
    CHECK(path.count == X509_PATH_MAX, "it was gone round a few times");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_revocation),
        cmocka_unit_test(test_circle),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
