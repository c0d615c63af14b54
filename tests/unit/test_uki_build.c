#include "cloister/uki.h"
#include "pe_maker.h"

/* A list on a stub, with what the stub's sections are read from. */
struct scene {
    struct clo_buffer file;
    struct clo_pe pe;
    struct clo_uki_parts_list list;
};

static void scene_make(struct scene *scene, const struct pe_section *sections, size_t count)
{
    struct clo_error err;

    *scene = (struct scene){ 0 };
    pe_make(&scene->file, sections, count);
    CHECK(clo_pe_parse(clo_buffer_bytes(&scene->file), &scene->pe, &err), err.text);
    CHECK(clo_uki_parts_of(&scene->pe, &scene->file, &scene->list, &err), err.text);
}

static void scene_free(struct scene *scene)
{
    clo_uki_parts_free(&scene->list);
    clo_buffer_free(&scene->file);
}

static bool set(struct scene *scene, size_t profile, const char *name, const char *text,
                struct clo_error *err)
{
    struct clo_pieces pieces = { 0 };

    clo_pieces_bytes(&pieces, clo_bytes_text(text));
    return clo_uki_part_set(&scene->list, profile, name, &pieces, err);
}

/* ".text .sdmagic .cmdline=quiet" */
static void check_list(struct scene *scene, const char *wanted)
{
    char text[1000] = "";
    size_t used = 0;

    for (size_t i = 0; i < scene->list.count; i++) {
        const struct clo_pe_part *part = &scene->list.items[i];
        const struct clo_piece *piece = part->content.count > 0 ? &part->content.items[0] : NULL;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ",
                                 part->name);
        if (piece != NULL && piece->bytes.data != NULL)
            used += (size_t)snprintf(text + used, sizeof text - used, "=%.*s", (int)piece->size,
                                     (const char *)piece->bytes.data);
    }
    CHECK(strcmp(text, wanted) == 0, text);
}

static void check_measured(struct scene *scene, unsigned version, size_t profile,
                           const char *wanted)
{
    const struct clo_pe_part *part;
    char text[1000] = "";
    size_t used = 0;

    for (size_t i = 0; (part = clo_uki_part_measured(&scene->list, version, profile, i)) != NULL;
         i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%.*s", i == 0 ? "" : " ",
                                 part->name, (int)part->content.items[0].size,
                                 (const char *)part->content.items[0].bytes.data);
    CHECK(strcmp(text, wanted) == 0, text);
}

static void test_profiles(void **state)
{
    struct scene scene;
    struct clo_error err;

    (void)state;
    scene_make(&scene, pe_stub, CLO_COUNT(pe_stub));
    CHECK(set(&scene, CLO_UKI_BASE, ".cmdline", "a", &err), err.text);
    CHECK(set(&scene, CLO_UKI_BASE, ".linux", "k", &err), err.text);
    check_list(&scene, ".text .sdmagic .cmdline=a .linux=k");
    check_measured(&scene, 257, 0, ".linux=k .cmdline=a");
    CHECK(set(&scene, CLO_UKI_BASE, ".profile", "0", &err), err.text);
    struct clo_pieces pieces = { 0 };
    clo_pieces_bytes(&pieces, clo_bytes_text("1"));
    /* A second profile comes from a profile's own file; here by hand. */
    scene.list.items[scene.list.count] =
            (struct clo_pe_part){ .name = ".profile", .virtual_size = 1, .content = pieces };
    scene.list.count++;
    CHECK(set(&scene, 1, ".cmdline", "b", &err), err.text);
    CHECK(set(&scene, 1, ".pcrsig", "s1", &err), err.text);
    CHECK(set(&scene, 0, ".pcrsig", "s0", &err), err.text);
    CHECK(set(&scene, CLO_UKI_BASE, ".uname", "u", &err), err.text);
    check_list(&scene, ".text .sdmagic .cmdline=a .linux=k .uname=u .profile=0 .pcrsig=s0 "
                       ".profile=1 .cmdline=b .pcrsig=s1");
    check_measured(&scene, 257, 0, ".linux=k .cmdline=a .uname=u .profile=0");
    check_measured(&scene, 257, 1, ".linux=k .cmdline=b .uname=u .profile=1");
    check_measured(&scene, 252, 1, ".linux=k .cmdline=b");
    /* Replaced where it is; in the other profile it stays. */
    CHECK(set(&scene, 1, ".cmdline", "c", &err), err.text);
    check_measured(&scene, 257, 0, ".linux=k .cmdline=a .uname=u .profile=0");
    check_measured(&scene, 257, 1, ".linux=k .cmdline=c .uname=u .profile=1");
    clo_uki_part_remove(&scene.list, clo_uki_part_find(&scene.list, 1, ".cmdline"));
    check_measured(&scene, 257, 1, ".linux=k .cmdline=a .uname=u .profile=1");
    CHECK(clo_uki_part_find(&scene.list, 1, ".cmdline") == NULL, "gone");
    CHECK(clo_uki_part_find(&scene.list, 2, ".profile") == NULL, "no third");
    scene_free(&scene);
}

static void test_set_refused(void **state)
{
    static const struct {
        const char *name, *error;
    } cases[] = {
        { ".text", "section .text is the stub's own" },
        { ".eighteen", "section name .eighteen: expected a dot and at most 7 characters" },
        { "nodot", "section name nodot: expected a dot and at most 7 characters" },
        { ".", "section name .: expected a dot and at most 7 characters" },
        { ".a b", "section name: a character that cannot be in one" },
        { ".a\n", "section name: a character that cannot be in one" },
    };
    struct scene scene;
    struct clo_error err;

    (void)state;
    scene_make(&scene, pe_stub, CLO_COUNT(pe_stub));
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(!set(&scene, CLO_UKI_BASE, cases[i].name, "x", &err), cases[i].name);
        CHECK(err.status == CLO_ERR_USAGE && strcmp(err.text, cases[i].error) == 0, err.text);
    }
    check_list(&scene, ".text .sdmagic");
    for (size_t i = scene.list.count; i < CLO_UKI_PARTS_MAX; i++)
        CHECK(set(&scene, CLO_UKI_BASE, ".dtbauto", "d", &err), err.text);
    CHECK(!set(&scene, CLO_UKI_BASE, ".dtbauto", "d", &err), "one too many");
    CHECK(strcmp(err.text, "more than 96 sections") == 0, err.text);
    scene_free(&scene);
}

/* The stub's .sbat grows in its place while there is room before the code after it. */
static void test_sbat_moves(void **state)
{
    static const struct pe_section sections[] = {
        { ".text", { (const uint8_t *)"code", 4 } },
        { ".sbat", { (const uint8_t *)"sbat,1\n", 7 } },
        { ".sdmagic", { (const uint8_t *)PE_SDMAGIC, sizeof PE_SDMAGIC } },
    };
    CLO_CLEANUP(clo_freep) char *large = malloc(5001);
    struct scene scene;
    struct clo_error err;

    (void)state;
    memset(large, 'x', 5000);
    large[5000] = '\0';
    scene_make(&scene, sections, CLO_COUNT(sections));
    CHECK(set(&scene, CLO_UKI_BASE, ".sbat", "small", &err), err.text);
    check_list(&scene, ".text .sbat=small .sdmagic");
    CHECK(set(&scene, CLO_UKI_BASE, ".sbat", large, &err), err.text);
    CHECK(scene.list.count == 3 && strcmp(scene.list.items[2].name, ".sbat") == 0, "moved");
    scene_free(&scene);
}

static const struct pe_section profile_file[] = {
    { ".text", { (const uint8_t *)"code", 4 } },
    { ".sdmagic", { (const uint8_t *)PE_SDMAGIC, sizeof PE_SDMAGIC } },
    { ".sbat", { (const uint8_t *)"sbat,1\n", 7 } },
    { ".profile", { (const uint8_t *)"ID=b\n", 5 } },
    { ".cmdline", { (const uint8_t *)"debug", 5 } },
    { ".pcrsig", { (const uint8_t *)"{}", 2 } },
};

static void test_join(void **state)
{
    static const struct {
        const char *name;
        size_t at;
        const char section[9];
        const char *error;
    } cases[] = {
        { "two profiles", 4, ".profile", "holds several profiles" },
        { "none", 3, ".other\0\0", "section .cmdline comes before .profile" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct scene scene;
    struct clo_error err;
    struct clo_pe pe;

    (void)state;
    pe_make(&file, profile_file, CLO_COUNT(profile_file));
    CHECK(clo_pe_parse(clo_buffer_bytes(&file), &pe, &err), err.text);
    scene_make(&scene, pe_stub, CLO_COUNT(pe_stub));
    CHECK(clo_uki_join_profile(&scene.list, &pe, &file, &err), err.text);
    check_list(&scene, ".text .sdmagic .profile .cmdline");
    CHECK(scene.list.items[3].content.size == 5, "without padding");
    CHECK(!clo_uki_join_profile(&scene.list, &scene.pe, &file, &err), "a stub");
    CHECK(strcmp(err.text, "holds no .profile") == 0, err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer odd = { 0 };
        pe_make(&odd, profile_file, CLO_COUNT(profile_file));
        memcpy(odd.data + PE_SECTIONS + 40 * cases[i].at, cases[i].section, 8);
        CHECK(clo_pe_parse(clo_buffer_bytes(&odd), &pe, &err), err.text);
        CHECK(!clo_uki_join_profile(&scene.list, &pe, &odd, &err), cases[i].name);
        CHECK(err.status == CLO_ERR_FORMAT && strcmp(err.text, cases[i].error) == 0, err.text);
    }
    scene_free(&scene);
}

/* Sections of an image laid out again give the same image; another content moves only what it must. */
static void test_same_again(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces pieces = { 0 };
    struct scene scene;
    struct clo_error err;

    (void)state;
    scene_make(&scene, profile_file, CLO_COUNT(profile_file));
    CHECK(clo_pe_lay_out(&scene.pe, scene.list.items, scene.list.count, &head, &pieces, &err),
          err.text);
    CHECK(pieces.size == scene.file.size, "the same size");
    /* But for SizeOfInitializedData and SizeOfImage, which the maker does not bother to work out. */
    memcpy(head.data + PE_OPTIONAL + 8, scene.file.data + PE_OPTIONAL + 8, 4);
    memcpy(head.data + PE_OPTIONAL + 56, scene.file.data + PE_OPTIONAL + 56, 4);
    CHECK(memcmp(head.data, scene.file.data, head.size) == 0, "the same headers");

    struct clo_pieces content = { 0 };
    clo_pieces_zero(&content, 0x1001);
    CHECK(clo_uki_part_set(&scene.list, 0, ".cmdline", &content, &err), err.text);
    clo_pieces_free(&pieces);
    CHECK(clo_pe_lay_out(&scene.pe, scene.list.items, scene.list.count, &head, &pieces, &err),
          err.text);
    CHECK(scene.list.items[4].virtual_address == 0x5000, "it stays");
    CHECK(scene.list.items[5].virtual_address == 0x7000, "what is after moves");
    scene_free(&scene);
}

/* A section of more bytes in memory than in the file, which do not fill the file's alignment: laid out again it is the
 * same in memory, what follows it in the old file never becomes part of it, and SizeOfRawData is a multiple of the
 * alignment as the format demands (objcopy 2.40 writes the same two numbers). */
static void test_larger_in_memory(void **state)
{
    static const struct pe_section sections[] = {
        { ".text", { (const uint8_t *)"code", 4 } },
        { ".sdmagic",
          { (const uint8_t *)PE_SDMAGIC "what is not its own", sizeof PE_SDMAGIC + 18 } },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_uki_parts parts = { .kernel = clo_bytes_text("k") };
    struct clo_uki uki;
    struct clo_error err;

    (void)state;
    pe_make(&stub, sections, CLO_COUNT(sections));
    pe_put(&stub, PE_SECTIONS + 40 + 8, 297, 4);                    /* VirtualSize */
    pe_put(&stub, PE_SECTIONS + 40 + 16, sizeof PE_SDMAGIC - 1, 4); /* SizeOfRawData */
    parts.stub = clo_buffer_bytes(&stub);
    CHECK(clo_uki_build(&parts, &out, &err), err.text);
    CHECK(clo_uki_parse(clo_buffer_bytes(&out), &uki, &err), err.text);
    const struct clo_pe_section *section = clo_pe_section_find(&uki.pe, ".sdmagic");
    CHECK(section->virtual_size == 297 && section->raw_size == 512, "sizes");
    CHECK(memcmp(section->data.data, PE_SDMAGIC, sizeof PE_SDMAGIC - 1) == 0, "content");
    for (size_t i = sizeof PE_SDMAGIC - 1; i < section->data.size; i++)
        CHECK(section->data.data[i] == 0, "zeros after it");
    CHECK(uki.stub_version == 257, "still read");
}

static void test_kernel_banner(void **state)
{
    static const struct {
        const char *name, *text, *release;
    } cases[] = {
        { "usual", "x\0Linux version 6.12.1-arm64 (b@c) #1", "6.12.1-arm64" },
        { "a format string before it", "Linux version %s\0Linux version 5.1 x", "5.1" },
        { "cut short", "Linux version 6.12", NULL },
        { "nothing", "no kernel at all", NULL },
        { "the words alone", "Linux version ", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        char release[64] = "";
        size_t size = i < 2 ? 36 : strlen(cases[i].text);
        bool found = clo_kernel_banner(clo_bytes(cases[i].text, size), release, sizeof release);
        CHECK(found == (cases[i].release != NULL), cases[i].name);
        CHECK(!found || strcmp(release, cases[i].release) == 0, cases[i].name);
    }
}

static void test_field(void **state)
{
    const struct clo_bytes text = clo_bytes_text("XID=no\nID='a b'\r\nTITLE=\"Two\nEMPTY=\nLAST=x");
    char out[8];

    (void)state;
    CHECK(clo_uki_field(text, "ID", out, sizeof out) && strcmp(out, "a b") == 0, "quotes off");
    CHECK(clo_uki_field(text, "TITLE", out, sizeof out) && strcmp(out, "\"Two") == 0, "half");
    CHECK(clo_uki_field(text, "EMPTY", out, sizeof out) && strcmp(out, "") == 0, "empty");
    CHECK(clo_uki_field(text, "LAST", out, sizeof out) && strcmp(out, "x") == 0, "no line end");
    CHECK(!clo_uki_field(text, "D", out, sizeof out), "part of a key");
    CHECK(!clo_uki_field(clo_bytes(NULL, 0), "ID", out, sizeof out), "no text");
    CHECK(clo_uki_field(clo_bytes_text("ID=much too long"), "ID", out, sizeof out) &&
                  strcmp(out, "much to") == 0,
          "cut");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles),   cmocka_unit_test(test_set_refused),
        cmocka_unit_test(test_sbat_moves), cmocka_unit_test(test_join),
        cmocka_unit_test(test_same_again), cmocka_unit_test(test_kernel_banner),
        cmocka_unit_test(test_field),      cmocka_unit_test(test_larger_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
