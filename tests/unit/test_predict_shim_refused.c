#include "shim_boot_maker.h"

/* What shim, or firmware before it, would not start has no prediction. */
static void test_refused(void **state)
{
    enum {
        UNSIGNED_SHIM = 1,
        CHANGED_SHIM,
        SHA384,
        NO_SBAT,
        DENIED,
        VENDOR_DENIED
    };
    static const uint8_t list_cut[] = { 1, 2, 3 };
    static const struct {
        const char *name;
        const char *variable, *value; /* value NULL: one byte, 1 */
        const struct owner *by;
        struct shim_parts shim;
        int how;
        enum clo_status status;
        const char *error;
    } cases[] = {
        { "an unsigned UKI",
          NULL,
          NULL,
          NULL,
          { 0 },
          0,
          CLO_ERR_REFUSED,
          "PCR 7: UKI: no key in db or MokList signed it (with SHA-256): shim would refuse it" },
        { "a key that nobody enrolled",
          NULL,
          NULL,
          &mok,
          { 0 },
          0,
          CLO_ERR_REFUSED,
          "PCR 7: UKI: no key in db or MokList signed it (with SHA-256): shim would refuse it" },
        { "a signature of SHA-384",
          NULL,
          NULL,
          &db,
          { 0 },
          SHA384,
          CLO_ERR_REFUSED,
          "PCR 7: UKI: no key in db or MokList signed it (with SHA-256): shim would refuse it" },
        { "db does not count",
          "MokDBState",
          NULL,
          &db,
          { 0 },
          0,
          CLO_ERR_REFUSED,
          "PCR 7: UKI: no key in db or MokList signed it (with SHA-256): shim would refuse it" },
        { "firmware does not start shim",
          NULL,
          NULL,
          &db,
          { 0 },
          UNSIGNED_SHIM,
          CLO_ERR_REFUSED,
          "PCR 7: shim: not signed by a key in the variable store's db: firmware would refuse it" },
        { "shim was changed after it was signed",
          NULL,
          NULL,
          &db,
          { 0 },
          CHANGED_SHIM,
          CLO_ERR_REFUSED,
          "PCR 7: shim: not signed by a key in the variable store's db: firmware would refuse it" },
        { "no .sbat",
          NULL,
          NULL,
          &db,
          { 0 },
          NO_SBAT,
          CLO_ERR_REFUSED,
          "PCR 7: UKI: shim would refuse it: no .sbat section: shim does not start it" },
        { "MokListX has it",
          NULL,
          NULL,
          &db,
          { 0 },
          DENIED,
          CLO_ERR_REFUSED,
          "PCR 7: UKI: shim would refuse it: MokListX: dbx entry 0" },
        { "shim's vendor forbids it",
          NULL,
          NULL,
          &db,
          { 0 },
          VENDOR_DENIED,
          CLO_ERR_REFUSED,
          "PCR 7: UKI: shim would refuse it: its vendor's dbx: dbx entry 0" },
        { "its stub is revoked",
          "SbatLevel",
          "sbat,1,2030010100\nshim,4\nsystemd-stub,9\n",
          &db,
          { 0 },
          0,
          CLO_ERR_REFUSED,
          "PCR 7: UKI: shim would refuse it: systemd-stub is of generation 1, the level demands "
          "9" },
        { "shim is revoked",
          "SbatLevel",
          "sbat,1,2030010100\nshim,5\n",
          &db,
          { 0 },
          0,
          CLO_ERR_REFUSED,
          "shim: it refuses itself: shim is of generation 4, the level demands 5: revoked" },
        { "MokManager",
          "MokNew",
          "x",
          &db,
          { 0 },
          0,
          CLO_ERR_UNSUPPORTED,
          "shim: variable MokNew: shim would start MokManager, which waits for a person" },
        { "MokList is not a list",
          "MokList",
          (const char *)list_cut,
          &db,
          { 0 },
          0,
          CLO_ERR_FORMAT,
          "shim: MokList: " },
        { "16.0",
          NULL,
          NULL,
          &db,
          { .ident = "$Version: 16.0 $" },
          0,
          CLO_ERR_UNSUPPORTED,
          "shim: version 16.0 starts a UKI without Secure Boot only" },
        { "15.7",
          NULL,
          NULL,
          &db,
          { .ident = "$Version: 15.7 $" },
          0,
          CLO_ERR_UNSUPPORTED,
          "shim: shim 15.7: from 15.8 on" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(boot_free) struct boot boot = { .count = 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
        struct clo_reference *none = NULL;
        struct shim_parts shim = cases[i].shim;
        struct clo_error err;
        if (cases[i].variable != NULL && cases[i].value == NULL)
            set_byte(&boot, cases[i].variable, 1);
        else if (cases[i].variable != NULL)
            set(&boot, cases[i].variable, CLO_EFIVAR_BOOT,
                cases[i].value == (const char *)list_cut ? clo_bytes(list_cut, 3)
                                                         : clo_bytes_text(cases[i].value));
        if (cases[i].how == VENDOR_DENIED)
            shim.forbidden = clo_buffer_bytes(&db.list);
        make(&boot, shim, cases[i].by, false);
        struct clo_prediction in = from(&boot);
        if (cases[i].how == SHA384)
            sign(&boot.uki, &db, CLO_HASH_SHA384);
        if (cases[i].how == NO_SBAT) {
            clo_buffer_free(&boot.uki);
            make_uki(&boot.uki, "");
            sign(&boot.uki, &db, CLO_HASH_SHA256);
        }
        if (cases[i].how == UNSIGNED_SHIM) {
            clo_buffer_free(&boot.shim);
            shim_make(&boot.shim, shim);
        }
        if (cases[i].how == CHANGED_SHIM)
            boot.shim.data[PE_HEADERS_SIZE] ^= 1;
        if (cases[i].how == DENIED)
            in.mok_list_x = clo_buffer_bytes(&db.list);
        in.uki = clo_buffer_bytes(&boot.uki);
        in.shim = clo_buffer_bytes(&boot.shim);
        CHECK(!clo_reference_predict(&in, &none, &err) && none == NULL, cases[i].name);
        if (err.status != cases[i].status ||
            strncmp(err.text, cases[i].error, strlen(cases[i].error)) != 0)
            print_error("got: %s\n", err.text);
        CHECK(err.status == cases[i].status, cases[i].name);
        CHECK(strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
