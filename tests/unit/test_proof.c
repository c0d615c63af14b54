/* What a machine proves itself with, by the signs that the kernel gives; and what a TPM's key is good for there. */
#include "guest/proof.h"

#include "device/file.h"
#include "test.h"

static const char plain[] = "processor\t: 0\nflags\t\t: fpu vme hypervisor\n";
static const char td[] = "processor\t: 0\nflags\t\t: fpu vme hypervisor tdx_guest\n";

static void test_look(void **state)
{
    static const struct {
        const char *name, *cpuinfo, *snp, *device, *tdx;
        enum clo_proof expected;
    } cases[] = {
        { "an ordinary machine", plain, NULL, NULL, NULL, CLO_PROOF_NOT_OWN },
        { "the platform device without its module", plain, "/", NULL, NULL, CLO_PROOF_SNP },
        { "sev-guest", plain, NULL, "/", NULL, CLO_PROOF_SNP },
        { "tdx_guest", plain, NULL, NULL, "/", CLO_PROOF_TDX },
        { "the flag without the module", td, NULL, NULL, NULL, CLO_PROOF_TDX },
    };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    struct clo_error err;
    enum clo_proof proof;
    char path[5000];

    (void)state;
    assert_true(clo_scratch_new(NULL, &scratch, &err));
    snprintf(path, sizeof path, "%s/cpuinfo", scratch.path);
    struct clo_proof_signs signs = { { "/nowhere", "/nowhere" }, "/nowhere", path };
    assert_false(clo_proof_look(&signs, &proof, &err));
    assert_memory_equal(err.text, "which hardware this is: ", 24);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        signs.snp[0] = cases[i].snp == NULL ? "/nowhere" : cases[i].snp;
        signs.snp[1] = cases[i].device == NULL ? "/nowhere" : cases[i].device;
        signs.tdx = cases[i].tdx == NULL ? "/nowhere" : cases[i].tdx;
        assert_true(clo_file_write(path, clo_bytes_text(cases[i].cpuinfo), 0600, &err));
        CHECK(clo_proof_look(&signs, &proof, &err), cases[i].name);
        CHECK(proof == cases[i].expected, cases[i].name);
    }
}

/* The whole key of a TPM that no report binds would start a root in a boot that is still unspent for the broker. */
static void test_tpm(void **state)
{
    static const enum clo_unlock_by whole[] = { CLO_UNLOCK_TPM, CLO_UNLOCK_TPM_OR_BROKER };
    struct clo_error err;

    (void)state;
    for (enum clo_proof proof = CLO_PROOF_NOT_OWN; proof <= CLO_PROOF_TDX; proof++) {
        for (size_t i = 0; i < CLO_COUNT(whole); i++) {
            bool is_allowed = clo_proof_allows_tpm(proof, whole[i], &err);
            assert_int_equal(is_allowed, proof == CLO_PROOF_NOT_OWN);
            CHECK(is_allowed || (err.status == CLO_ERR_REFUSED &&
                                 strstr(err.text, "which does not bind a TPM") != NULL),
                  err.text);
        }
        assert_true(clo_proof_allows_tpm(proof, CLO_UNLOCK_BOTH, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_tpm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
