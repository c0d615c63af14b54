/* Authenticated variables held against a store: who may make a change, and when it is newer. */
#include "lib/efi/auth_update.h"

#include "cloister/signature_list.h"
#include "signer_maker.h"
#include "varstore_maker.h"

#define THEN 1700000000LL
#define NOW  1780000000LL

static struct signer owner, vendor, stranger; /* the key of PK, that of KEK, and another */
static struct clo_buffer old_lists, new_lists;

static void put_hash(const char *text, struct clo_buffer *out)
{
    static const struct clo_guid nobody;
    struct clo_digest digest;
    struct clo_error err;

    clo_hash(CLO_HASH_SHA256, clo_bytes_text(text), &digest);
    CHECK(clo_signature_list_add(&clo_guid_cert_sha256, &nobody, clo_digest_bytes(&digest), out,
                                 &err),
          err.text);
}

static int set_up(void **state)
{
    (void)state;
    signer_make(&owner, CLO_KEY_RSA, "owner");
    signer_make(&vendor, CLO_KEY_RSA, "vendor");
    signer_make(&stranger, CLO_KEY_RSA, "stranger");
    put_hash("old", &old_lists);
    put_hash("new", &new_lists);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    signer_free(&owner);
    signer_free(&vendor);
    signer_free(&stranger);
    clo_buffer_free(&old_lists);
    clo_buffer_free(&new_lists);
    return 0;
}

/* A store with the two keys, and with a dbx of then. */
static struct clo_varstore *make_keys(bool has_kek, struct clo_buffer *bytes)
{
    static const struct clo_guid nobody;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pk = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kek = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *empty = NULL;
    struct clo_efivar variables[] = {
        { .name = "PK", .vendor = clo_guid_global_variable, .attributes = CLO_EFIVAR_SECURE },
        { .name = "dbx", .vendor = clo_guid_image_security, .attributes = CLO_EFIVAR_SECURE },
        { .name = "KEK", .vendor = clo_guid_global_variable, .attributes = CLO_EFIVAR_SECURE },
    };
    struct clo_varstore *store;
    struct clo_error err;

    make_store(&file, &none);
    clo_signature_list_x509(&nobody, clo_certificate_der(owner.certificate), &pk);
    clo_signature_list_x509(&nobody, clo_certificate_der(vendor.certificate), &kek);
    variables[0].data = clo_buffer_bytes(&pk);
    variables[1].data = clo_buffer_bytes(&old_lists);
    variables[2].data = clo_buffer_bytes(&kek);
    clo_efi_time_make(THEN, variables[1].time);
    CHECK(clo_varstore_parse(clo_buffer_bytes(&file), &empty, &err), err.text);
    CHECK(clo_varstore_write(empty, variables, has_kek ? 3 : 2, bytes, &err), err.text);
    CHECK(clo_varstore_parse(clo_buffer_bytes(bytes), &store, &err), err.text);
    return store;
}

static void test_apply(void **state)
{
    static const struct {
        const char *name, *variable;
        const struct signer *by;
        uint32_t attributes; /* that were signed */
        int64_t time;
        const char *error; /* NULL: it is taken */
        uint32_t said;     /* by the file; 0: nothing */
        bool without_kek;
        int64_t stored; /* the time after the change; 0: that of the change */
    } cases[] = {
        { "appended", "dbx", &vendor, CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND, NOW, NULL },
        { "appended, and older", "dbx", &vendor, CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND, THEN - 1,
          NULL, .stored = THEN },
        { "replaced", "dbx", &vendor, CLO_EFIVAR_SECURE, NOW, NULL },
        { "replaced by what is as old", "dbx", &vendor, CLO_EFIVAR_SECURE, THEN,
          "not newer than the store's 2023-11-14T22:13:20" },
        { "replaced by what is older", "dbx", &vendor, CLO_EFIVAR_SECURE, THEN - 1,
          "not newer than the store's" },
        { "by another", "dbx", &stranger, CLO_EFIVAR_SECURE, NOW, "by KEK of the store: " },
        { "by the owner of PK", "dbx", &owner, CLO_EFIVAR_SECURE, NOW, "by KEK of the store: " },
        { "KEK by PK", "KEK", &owner, CLO_EFIVAR_SECURE, NOW, NULL },
        { "KEK by KEK", "KEK", &vendor, CLO_EFIVAR_SECURE, NOW, "by PK of the store: " },
        { "as the file says", "dbx", &vendor, CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND, NOW, NULL,
          .said = CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND },
        { "an append, which the file calls a replacement", "dbx", &vendor,
          CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND, NOW,
          "by KEK of the store: ", .said = CLO_EFIVAR_SECURE },
        { "without KEK", "dbx", &vendor, CLO_EFIVAR_SECURE, NOW,
          "there is no certificate that could allow it", .without_kek = true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer lists = { 0 };
        CLO_CLEANUP(clo_varstore_freep)
        struct clo_varstore *store = make_keys(!cases[i].without_kek, &bytes);
        struct clo_efi_variable variable = { .name = cases[i].variable,
                                             .attributes = cases[i].attributes };
        struct clo_auth_update update = { .has_attributes = cases[i].said != 0,
                                          .attributes = cases[i].said };
        uint8_t time[CLO_EFI_TIME_SIZE], stored[CLO_EFI_TIME_SIZE];
        struct clo_error err = { 0 };
        CHECK(clo_efi_variable_known(variable.name, &variable.vendor), cases[i].name);
        clo_efi_time_make(cases[i].time, time);
        clo_efi_time_make(cases[i].stored != 0 ? cases[i].stored : cases[i].time, stored);
        CHECK(clo_efi_auth_make(&variable, time, clo_buffer_bytes(&new_lists), cases[i].by->key,
                                cases[i].by->certificate, &file, &err),
              err.text);
        CHECK(clo_efi_auth_parse(clo_buffer_bytes(&file), &update.auth, &err), err.text);
        variable.attributes = 0; /* said by the signature */
        bool ok = clo_auth_update_apply(store, &update, &variable, &lists, time, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        if (!ok)
            continue;
        bool is_append = (cases[i].attributes & CLO_EFIVAR_APPEND) != 0;
        CHECK(variable.attributes == cases[i].attributes, cases[i].name);
        CHECK(clo_efi_time_compare(time, stored) == 0, cases[i].name);
        CHECK(lists.size == new_lists.size + (is_append ? old_lists.size : 0), cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_apply) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
