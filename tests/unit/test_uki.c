#include "cloister/uki.h"

#include "pe_maker.h"

static struct clo_uki_parts usual(struct clo_bytes stub)
{
    return (struct clo_uki_parts){
        .stub = stub,
        .osrel = clo_bytes_text("ID=debian\n"),
        .cmdline = clo_bytes_text("quiet"),
        .uname = clo_bytes_text("6.12"),
        .initrd = clo_bytes_text("an initrd"),
        .kernel = clo_bytes_text("a kernel"),
    };
}

static struct clo_uki *parse(struct clo_bytes in)
{
    struct clo_uki *uki = malloc(sizeof *uki);
    struct clo_error err;

    assert_non_null(uki);
    if (!clo_uki_parse(in, uki, &err))
        fail_msg("%s", err.text);
    return uki;
}

static void test_build(void **state)
{
    static const char *const order[] = { ".linux", ".osrel", ".cmdline", ".initrd", ".uname" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer built = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    const struct clo_pe_section *section;
    struct clo_error err;
    size_t count = 0;

    (void)state;
    pe_make(&stub, pe_stub, CLO_COUNT(pe_stub));
    const struct clo_uki_parts parts = usual(clo_buffer_bytes(&stub));
    CHECK(clo_uki_build(&parts, &built, &err), err.text);
    CHECK(clo_uki_build(&parts, &again, &err), err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&built), clo_buffer_bytes(&again)), "reproducible");
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = parse(clo_buffer_bytes(&built));
    CHECK(strcmp(uki->stub, "systemd-stub 257.1") == 0 && uki->stub_version == 257, uki->stub);
    for (; (section = clo_uki_measured_in(uki, 0, count)) != NULL; count++)
        CHECK(count < CLO_COUNT(order) && strcmp(section->name, order[count]) == 0, section->name);
    CHECK(count == CLO_COUNT(order), "what PCR 11 gets, in systemd's order");
    section = clo_pe_section_find(&uki->pe, ".linux");
    CHECK(clo_bytes_equal(section->data, parts.kernel), "kernel");
    CHECK(uki->pe.size_of_image >= section->virtual_address + section->virtual_size &&
                  uki->pe.size_of_image % 0x1000 == 0,
          "SizeOfImage");
    /* An empty part is left out. */
    struct clo_uki_parts fewer = parts;
    fewer.uname = clo_bytes(NULL, 0);
    again.size = 0;
    CHECK(clo_uki_build(&fewer, &again, &err), err.text);
    CLO_CLEANUP(clo_freep) struct clo_uki *small = parse(clo_buffer_bytes(&again));
    CHECK(small->pe.section_count == uki->pe.section_count - 1, "left out");
}

/* systemd's stub measures a section from a release on. */
static void test_measured(void **state)
{
    static const struct {
        unsigned version;
        const char *section;
        bool is_measured;
    } cases[] = {
        { 252, ".linux", true },   { 252, ".uname", false },   { 253, ".uname", true },
        { 253, ".sbat", false },   { 254, ".sbat", true },     { 255, ".ucode", false },
        { 256, ".ucode", true },   { 256, ".profile", false }, { 257, ".profile", true },
        { 257, ".efifw", false },  { 258, ".efifw", true },    { 251, ".linux", false },
        { 258, ".pcrsig", false }, { 258, ".text", false },    { 252, ".pcrpkey", true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(clo_uki_is_measured(cases[i].version, cases[i].section) == cases[i].is_measured,
              cases[i].section);
}

static void test_build_refused(void **state)
{
    static const struct pe_section no_magic[] = { { ".text", { (const uint8_t *)"code", 4 } } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer other = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer built = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    struct clo_error err;

    (void)state;
    pe_make(&stub, pe_stub, CLO_COUNT(pe_stub));
    pe_make(&other, no_magic, 1);
    struct clo_uki_parts parts = usual(clo_buffer_bytes(&other));
    CHECK(!clo_uki_build(&parts, &again, &err), "no stub of systemd's");
    CHECK(strcmp(err.text, "stub: is not a systemd stub: .sdmagic is missing") == 0, err.text);
    parts = usual(clo_buffer_bytes(&stub));
    CHECK(clo_uki_build(&parts, &built, &err), err.text);
    parts = usual(clo_buffer_bytes(&built));
    CHECK(!clo_uki_build(&parts, &again, &err), "a whole UKI");
    CHECK(strcmp(err.text, "stub: is a whole UKI, not a stub") == 0, err.text);
    static const struct pe_section for_addons[] = {
        { ".text", { (const uint8_t *)"code", 4 } },
        { ".sdmagic", { (const uint8_t *)"#### LoaderInfo: systemd-addon 257 ####", 40 } },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer addon = { 0 };
    pe_make(&addon, for_addons, CLO_COUNT(for_addons));
    parts = usual(clo_buffer_bytes(&addon));
    CHECK(!clo_uki_build(&parts, &again, &err), "a stub for add-ons");
    CHECK(strcmp(err.text, "stub: is one for add-ons, it starts no kernel") == 0, err.text);
    parts = usual(clo_bytes_text("text"));
    CHECK(!clo_uki_build(&parts, &again, &err), "text");
    CHECK(strcmp(err.text, "stub: is not a PE file: \"MZ\" is missing") == 0, err.text);
    parts = usual(clo_buffer_bytes(&stub));
    parts.kernel = clo_bytes(NULL, 0);
    CHECK(!clo_uki_build(&parts, &again, &err), "no kernel");
    CHECK(strcmp(err.text, "UKI: there is no kernel") == 0, err.text);
    pe_put(&stub, PE_OPTIONAL + 36, 300, 4);
    parts = usual(clo_buffer_bytes(&stub));
    CHECK(!clo_uki_build(&parts, &again, &err), "alignment");
    CHECK(strcmp(err.text, "stub: alignments 0x12c and 0x1000") == 0, err.text);
    CHECK(again.size == 0, "nothing was written");
}

/* A stub whose headers have no room for our sections: they grow, up to where its code begins. */
static void test_no_room(void **state)
{
    static const uint8_t byte[1];
    struct pe_section sections[CLO_PE_SECTIONS_MAX - 4];
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer many = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer built = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(sections); i++)
        sections[i] = (struct pe_section){ ".data", { byte, 1 } };
    sections[0] = pe_stub[1];
    pe_make(&stub, sections, 13);
    struct clo_uki_parts parts = usual(clo_buffer_bytes(&stub));
    CHECK(clo_uki_build(&parts, &built, &err), err.text);
    CHECK(clo_uki_parse(clo_buffer_bytes(&built), uki, &err), err.text);
    CHECK(uki->pe.section_count == 18 && uki->pe.size_of_headers == 0x600, "grown");
    CHECK(uki->pe.sections[0].raw_offset == 0x600, "and its sections moved in the file");

    pe_put(&stub, PE_SECTIONS + 12, 0x500, 4); /* VirtualAddress */
    built.size = 0;
    CHECK(!clo_uki_build(&parts, &built, &err), "no room");
    CHECK(err.status == CLO_ERR_UNSUPPORTED, "status");
    CHECK(strcmp(err.text, "stub: its header has no room for 18 sections: the first one is at "
                           "0x500") == 0,
          err.text);

    pe_make(&many, sections, 17);
    pe_put(&many, PE_COFF + 2, 17, 2);
    parts = usual(clo_buffer_bytes(&many));
    CHECK(clo_uki_build(&parts, &built, &err), err.text);
}

static void test_parse_refused(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer built = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_uki *uki = malloc(sizeof *uki);
    struct clo_error err;

    (void)state;
    pe_make(&stub, pe_stub, CLO_COUNT(pe_stub));
    CHECK(!clo_uki_parse(clo_buffer_bytes(&stub), uki, &err), "a stub");
    CHECK(strcmp(err.text, "is not a UKI: section .linux is missing") == 0, err.text);
    const struct clo_uki_parts parts = usual(clo_buffer_bytes(&stub));
    CHECK(clo_uki_build(&parts, &built, &err), err.text);
    /* Sections 0 and 1 are the stub's; then .osrel, .cmdline, .uname, .initrd, .linux. */
    size_t cmdline = PE_SECTIONS + 3 * 40;
    memcpy(built.data + cmdline, ".osrel\0\0", 8);
    CHECK(!clo_uki_parse(clo_buffer_bytes(&built), uki, &err), "twice");
    CHECK(strcmp(err.text, "section .osrel is there twice") == 0, err.text);
    memcpy(built.data + cmdline, ".cmdline", 8);
    pe_put(&built, cmdline + 8, 0x201, 4);
    CHECK(!clo_uki_parse(clo_buffer_bytes(&built), uki, &err), "larger in memory");
    CHECK(strcmp(err.text, "section .cmdline: 0x201 bytes in memory, 0x200 in the file") == 0,
          err.text);
    pe_put(&built, cmdline + 8, 5, 4);
    memcpy(built.data + PE_SECTIONS + 40, ".nomagic", 8);
    CHECK(!clo_uki_parse(clo_buffer_bytes(&built), uki, &err), "another's stub");
    CHECK(strcmp(err.text, "is not a UKI of systemd's stub: section .sdmagic is missing") == 0,
          err.text);
}

static void test_magic(void **state)
{
    static const struct {
        const char *magic, *stub;
        unsigned version;
    } cases[] = {
        { "#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####", "systemd-stub 257.13-1~deb13u1",
          257 },
        { "#### LoaderInfo: systemd-stub 252.39-1~deb12u1 ####", "systemd-stub 252.39-1~deb12u1",
          252 },
        { "#### LoaderInfo: another 3 ####", "another 3", 0 },
        { "#### LoaderInfo: systemd-stub 257", "", 0 },
        { "nothing of the kind", "", 0 },
        { "#### LoaderInfo:  ####", "", 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct pe_section sections[] = {
            { ".sdmagic", clo_bytes_text(cases[i].magic) },
            { ".linux", clo_bytes_text("kernel") },
        };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        pe_make(&file, sections, 2);
        CLO_CLEANUP(clo_freep) struct clo_uki *uki = parse(clo_buffer_bytes(&file));
        CHECK(strcmp(uki->stub, cases[i].stub) == 0, cases[i].magic);
        CHECK(uki->stub_version == cases[i].version, cases[i].magic);
        CHECK((clo_uki_measured_in(uki, 0, 0) != NULL) == (cases[i].version != 0),
              "of an unknown stub nothing is said");
    }
}

static void test_kernel_release(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    char release[16];

    (void)state;
    clo_buffer_zero(&kernel, 0x202);
    clo_buffer_text(&kernel, "HdrS");
    clo_buffer_zero(&kernel, 8);
    clo_buffer_le16(&kernel, 0x10);
    clo_buffer_text(&kernel, "6.12.1-x (a@b) #1");
    CHECK(clo_kernel_release(clo_buffer_bytes(&kernel), release, sizeof release), "release");
    CHECK(strcmp(release, "6.12.1-x") == 0, release);
    CHECK(!clo_kernel_release(clo_buffer_bytes(&kernel), release, 8), "no room");
    CHECK(!clo_kernel_release(clo_bytes_slice(clo_buffer_bytes(&kernel), 0, 0x20f), release,
                              sizeof release),
          "cut");
    kernel.data[0x20e] = 0xff; /* beyond the end */
    CHECK(!clo_kernel_release(clo_buffer_bytes(&kernel), release, sizeof release), "outside");
    kernel.data[0x202] = 'x';
    CHECK(!clo_kernel_release(clo_buffer_bytes(&kernel), release, sizeof release), "no bzImage");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build),          cmocka_unit_test(test_measured),
        cmocka_unit_test(test_build_refused),  cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_parse_refused),  cmocka_unit_test(test_magic),
        cmocka_unit_test(test_kernel_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
