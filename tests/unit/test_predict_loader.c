/* Boots through a boot loader: what it adds to the registers, and what is not predicted of it. */
#include "cloister/authenticode.h"
#include "predict_maker.h"
#include "shim_maker.h"
#include "uki_maker.h"

static const struct clo_uki_parts parts = {
    .osrel = { (const uint8_t *)"ID=x", 4 },
    .cmdline = { (const uint8_t *)"quiet", 5 },
    .kernel = { (const uint8_t *)"a kernel", 8 },
};

static void make_loader(struct clo_buffer *out, unsigned version)
{
    char magic[80];

    snprintf(magic, sizeof magic, "#### LoaderInfo: systemd-boot %u.1 ####", version);
    const struct pe_section sections[] = { { ".sdmagic", clo_bytes_text(magic) } };
    pe_make(out, sections, 1);
}

static void make_grub(struct clo_buffer *out, const char *version)
{
    char sbat[200];

    snprintf(sbat, sizeof sbat,
             "sbat,1,SBAT Version,sbat,1,x\ngrub,5,FSF,grub,2,x\ngrub.debian,5,Debian,grub2,%s,x\n",
             version);
    const struct pe_section sections[] = { { ".sbat", clo_bytes_text(sbat) } };
    pe_make(out, sections, 1);
}

static void extend_image(struct clo_pcr_bank *bank, const struct clo_buffer *image)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    struct clo_digest digest;
    struct clo_error err;

    CHECK(clo_pe_parse(clo_buffer_bytes(image), pe, &err), err.text);
    CHECK(clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, &err), err.text);
    clo_pcr_extend(bank, 4, &digest);
}

static void extend_wide(struct clo_pcr_bank *bank, unsigned pcr, const char *text)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };
    struct clo_error err;

    CHECK(clo_utf16_write(text, &wide, &err), text);
    clo_buffer_le16(&wide, 0);
    clo_pcr_measure(bank, pcr, clo_buffer_bytes(&wide));
}

/* PCR 4 of two images; PCR 12 as the loader's release and Secure Boot have it. */
static void test_ukis(void **state)
{
    static const struct {
        const char *name;
        unsigned version;
        bool is_off;
        unsigned passed; /* how often the command line is measured into PCR 12 */
    } cases[] = {
        { "252", 252, false, 1 },
        { "252, Secure Boot off", 252, true, 2 },
        { "257", 257, false, 0 },
        { "262", 262, true, 0 },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };

    (void)state;
    uki_make(&uki, 258, parts);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer loader = { 0 };
        struct clo_pcr_bank bank;
        make_loader(&loader, cases[i].version);
        const struct clo_prediction from = { .name = "demo",
                                             .uki = clo_buffer_bytes(&uki),
                                             .loader = clo_buffer_bytes(&loader),
                                             .is_secure_boot_off = cases[i].is_off };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
        clo_pcr_reset(&bank, CLO_HASH_SHA256);
        clo_pcr_measure(&bank, 4, clo_bytes_text("Calling EFI Application from Boot Option"));
        clo_pcr_measure(&bank, 4, clo_bytes("\0\0\0\0", 4));
        extend_image(&bank, &loader);
        extend_image(&bank, &uki);
        for (unsigned k = 0; k < cases[i].passed; k++)
            extend_wide(&bank, 12, "quiet");
        is_value(reference, 4, "", &bank, cases[i].name);
        is_value(reference, 12, "", &bank, cases[i].name);
    }
}

static void test_kernel(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer loader = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    static const struct pe_section code[] = { { ".text", { (const uint8_t *)"kernel", 6 } } };
    struct clo_pcr_bank bank;
    struct clo_digest ignored;

    (void)state;
    make_loader(&loader, 257);
    pe_make(&kernel, code, 1);
    const struct clo_prediction from = { .name = "demo",
                                         .loader = clo_buffer_bytes(&loader),
                                         .kernel = clo_buffer_bytes(&kernel),
                                         .initrd = clo_bytes_text("an initrd"),
                                         .load_options = "initrd=\\i ro" };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    extend_wide(&bank, 12, "initrd=\\i ro");
    extend_wide(&bank, 9, "initrd=\\i ro");
    clo_pcr_measure(&bank, 9, clo_bytes_text("an initrd"));
    is_value(reference, 9, "", &bank, "PCR 9");
    is_value(reference, 12, "", &bank, "PCR 12");
    CHECK(!clo_reference_lists_events(reference, 11) &&
                  !clo_reference_value(reference, CLO_HASH_SHA256, 11, "", &ignored) &&
                  !clo_reference_value(reference, CLO_HASH_SHA256, 11, CLO_PHASE_ENTER_INITRD,
                                       &ignored),
          "PCR 11 is left to the initrd");
}

/* A register that is not predicted has neither a value nor events, and a reason. */
static void is_untold(const struct clo_reference *reference, unsigned pcr, const char *why)
{
    struct clo_digest ignored;
    char key[8];

    snprintf(key, sizeof key, "%u", pcr);
    const json_t *reasons = json_object_get(clo_reference_json(reference), "not_predicted");
    const char *reason = json_string_value(json_object_get(reasons, key));
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA256, pcr, "", &ignored), key);
    CHECK(!clo_reference_lists_events(reference, pcr), key);
    CHECK(reason != NULL && strstr(reason, why) != NULL, reason == NULL ? key : reason);
}

static void test_not_seen(void **state)
{
    static const unsigned of_loader[] = { 5, 9, 12 };
    static const unsigned of_grub[] = { 4, 7, 8, 9, 11, 12, 13 };
    static const struct {
        const char *version, *script, *why;
    } grubs[] = {
        { "2.06-3~deb11u6", "linux /k a\ninitrd /i\nboot\n", "was never seen in a boot" },
        { "2.12-9+deb13u4", "menuentry x {\n}\n", "GRUB's script has a '{'" },
        { "2.12-9+deb13u4", "", "does not load a kernel" },
        { "2.06-13+deb12u2", "linux /k a\ninitrd /i\nboot\n", "with Secure Boot on" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer loader = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer shim = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    struct clo_digest ignored;

    (void)state;
    make_loader(&loader, 256);
    uki_make(&uki, 258, parts);
    const struct clo_prediction from = { .name = "demo",
                                         .uki = clo_buffer_bytes(&uki),
                                         .loader = clo_buffer_bytes(&loader) };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    for (size_t i = 0; i < CLO_COUNT(of_loader); i++)
        is_untold(reference, of_loader[i], "never seen in a boot");
    CHECK(clo_reference_value(reference, CLO_HASH_SHA256, 4, "", &ignored), "images are known");
    shim_make(&shim, (struct shim_parts){ 0 });
    for (size_t i = 0; i < CLO_COUNT(grubs); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer grub = { 0 };
        make_grub(&grub, grubs[i].version);
        const struct clo_prediction with = { .name = "demo",
                                             .shim = clo_buffer_bytes(&shim),
                                             .loader = clo_buffer_bytes(&grub),
                                             .loader_conf = clo_bytes_text(grubs[i].script),
                                             .disk_head = clo_bytes(NULL, 0),
                                             .is_secure_boot_off = i == 3 };
        struct clo_error err = { .text = "" };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *other = NULL;
        CHECK(clo_reference_predict(&with, &other, &err), err.text);
        for (size_t k = 0; k < CLO_COUNT(of_grub); k++)
            is_untold(other, of_grub[k], i == 1 || i == 2 ? "" : grubs[i].why);
    }
}

static void test_refused(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer loader = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer shim = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };

    (void)state;
    make_loader(&loader, 257);
    uki_make(&uki, 258, parts);
    shim_make(&shim, (struct shim_parts){ 0 });
    const struct clo_prediction good = { .name = "demo",
                                         .uki = clo_buffer_bytes(&uki),
                                         .loader = clo_buffer_bytes(&loader) };
    struct clo_prediction by_shim = good, options = good, other = good, alone = good;
    by_shim.shim = clo_buffer_bytes(&shim);
    by_shim.is_secure_boot_off = true;
    options.load_options = "x";
    other.loader = clo_buffer_bytes(&uki);
    alone.loader = clo_bytes(NULL, 0);
    alone.loader_conf = clo_bytes_text("timeout 0\n");
    const struct {
        const struct clo_prediction *from;
        const char *error;
    } cases[] = {
        { &by_shim, "started by shim: what the two measure was never seen" },
        { &options, "with load options was never seen" },
        { &other, "neither systemd-boot nor GRUB" },
        { &alone, "a kernel or loader.conf, and no boot loader" },
    };
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        struct clo_error err = { .text = "" };
        CHECK(!clo_reference_predict(cases[i].from, &reference, &err), cases[i].error);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ukis),
        cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_not_seen),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
