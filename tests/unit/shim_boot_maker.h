/* What tests of boots through shim share: two owners with keys, and what is started of whom. */
#ifndef CLOISTER_TEST_SHIM_BOOT_MAKER_H
#define CLOISTER_TEST_SHIM_BOOT_MAKER_H

#include "cloister/signature_list.h"
#include "predict_maker.h"
#include "shim_maker.h"

#define UKI_SBAT "sbat,1,SBAT Version\nsystemd-stub,1,systemd\n"

/* A machine of one owner's, whose db has its key; and a stranger, a machine owner in MOK's words. */
static struct owner db, mok;

static inline int set_up(void **state)
{
    (void)state;
    owner_make(&db);
    owner_make(&mok);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    owner_free(&db);
    owner_free(&mok);
    return 0;
}

/* One boot: what is started, and variables. */
struct boot {
    struct clo_buffer shim, uki, store;
    struct clo_efivar variables[6];
    size_t count;
};

static inline void boot_free(struct boot *boot)
{
    clo_buffer_free(&boot->shim);
    clo_buffer_free(&boot->uki);
    clo_buffer_free(&boot->store);
}

static inline void sign(struct clo_buffer *image, const struct owner *by, enum clo_hash hash)
{
    struct clo_error err;

    CHECK(clo_authenticode_sign(image, by->key, by->certificate, hash, &err), err.text);
}

static inline void set(struct boot *boot, const char *name, uint32_t attributes,
                       struct clo_bytes value)
{
    struct clo_efivar *variable = &boot->variables[boot->count++];

    snprintf(variable->name, sizeof variable->name, "%s", name);
    variable->vendor = clo_guid_shim_lock;
    variable->attributes = attributes;
    variable->data = value;
}

static inline void set_byte(struct boot *boot, const char *name, uint8_t value)
{
    static const uint8_t values[] = { 0, 1, 2 };

    set(boot, name, CLO_EFIVAR_BOOT, clo_bytes(&values[value], 1));
}

/* As shim looks at it: what its stub says of its generation. */
static inline void make_uki(struct clo_buffer *out, const char *sbat)
{
    static const struct pe_section inner[] = { { ".text", { (const uint8_t *)"kernel", 6 } } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };

    pe_make(&kernel, inner, 1);
    const struct pe_section sections[] = {
        { ".sdmagic", clo_bytes_text(PE_SDMAGIC) },
        { ".cmdline", clo_bytes_text("quiet") },
        { ".linux", clo_buffer_bytes(&kernel) },
        { ".sbat", clo_bytes_text(sbat) },
    };
    pe_make(out, sections, sbat[0] == '\0' ? 3 : 4);
}

/* Shim signed by db's key, UKI by `by`; a store with the machine's keys and `boot`'s variables. */
static inline void make(struct boot *boot, struct shim_parts shim, const struct owner *by,
                        bool is_off)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer enrolled = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    struct owner nobody = { 0 };
    struct clo_error err;

    shim_make(&boot->shim, shim);
    sign(&boot->shim, &db, CLO_HASH_SHA256);
    make_uki(&boot->uki, UKI_SBAT);
    if (by != NULL)
        sign(&boot->uki, by, CLO_HASH_SHA256);
    enroll(is_off ? &nobody : &db, &enrolled);
    CHECK(clo_varstore_parse(clo_buffer_bytes(&enrolled), &store, &err), err.text);
    CHECK(clo_varstore_write(store, boot->variables, boot->count, &boot->store, &err), err.text);
}

static inline struct clo_prediction from(const struct boot *boot)
{
    return (struct clo_prediction){ .name = "demo",
                                    .uki = clo_buffer_bytes(&boot->uki),
                                    .shim = clo_buffer_bytes(&boot->shim),
                                    .varstore = clo_buffer_bytes(&boot->store) };
}

#endif
