#include "image/closure.h"

#include <sys/stat.h>
#include <unistd.h>

#include "elf_maker.h"

static struct clo_scratch scratch;

static int make_scratch(void **state)
{
    struct clo_error err;

    (void)state;
    return clo_scratch_new(NULL, &scratch, &err) ? 0 : -1;
}

static int remove_scratch(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

static void write_program(const char *name, const struct elf_spec *spec, char path[4200])
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error err;

    elf_make(&file, spec);
    snprintf(path, 4200, "%s/%s", scratch.path, name);
    if (!clo_file_write(path, clo_buffer_bytes(&file), 0755, &err))
        fail_msg("%s", err.text);
}

/* This very program: everything it needs is on the machine, once each. */
static void test_own_program(void **state)
{
    CLO_CLEANUP(clo_closure_free) struct clo_closure closure = { 0 };
    struct clo_error err;
    bool has_libc = false;

    (void)state;
    CHECK(clo_closure_get("/proc/self/exe", CLO_LD_CONF, &closure, &err), err.text);
    CHECK(closure.interpreter != NULL && access(closure.interpreter, R_OK) == 0, "interpreter");
    for (size_t i = 0; i < closure.count; i++) {
        CHECK(closure.paths[i][0] == '/' && access(closure.paths[i], R_OK) == 0, closure.paths[i]);
        has_libc = has_libc || strcmp(closure.names[i], "libc.so.6") == 0;
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(closure.names[i], closure.names[k]) != 0, closure.names[i]);
    }
    CHECK(has_libc, "libc.so.6");
}

/* A run path with $ORIGIN, and a library that needs another. */
static void test_run_path(void **state)
{
    static const struct elf_spec program = { { "libone.so" }, "/none:$ORIGIN" };
    static const struct elf_spec one = { { "libtwo.so" }, "${ORIGIN}" };
    static const struct elf_spec two = { { NULL }, NULL };
    CLO_CLEANUP(clo_closure_free) struct clo_closure closure = { 0 };
    char path[4200];
    char library[4200];
    struct clo_error err;

    (void)state;
    write_program("libone.so", &one, library);
    write_program("libtwo.so", &two, library);
    write_program("program", &program, path);
    CHECK(clo_closure_get(path, CLO_LD_CONF, &closure, &err), err.text);
    CHECK(closure.count == 2 && strcmp(closure.names[0], "libone.so") == 0 &&
                  strcmp(closure.names[1], "libtwo.so") == 0,
          "both");
    CHECK(strcmp(closure.paths[1], library) == 0, closure.paths[1]);
    CHECK(strcmp(closure.interpreter, ELF_INTERPRETER) == 0, closure.interpreter);
}

/* A folder below the program's own. */
static void test_below_origin(void **state)
{
    static const struct elf_spec program = { { "libsub.so" }, "$ORIGIN/sub" };
    static const struct elf_spec library = { { NULL }, NULL };
    CLO_CLEANUP(clo_closure_free) struct clo_closure closure = { 0 };
    char path[4200], below[4200];
    struct clo_error err;

    (void)state;
    snprintf(path, sizeof path, "%s/sub", scratch.path);
    CHECK(mkdir(path, 0755) == 0, path);
    write_program("sub/libsub.so", &library, below);
    write_program("below", &program, path);
    CHECK(clo_closure_get(path, CLO_LD_CONF, &closure, &err), err.text);
    CHECK(closure.count == 1 && strcmp(closure.paths[0], below) == 0, closure.paths[0]);
}

static void test_refused(void **state)
{
    static const struct elf_spec missing = { { "libdoesnotexist.so.1" }, NULL };
    static const struct elf_spec outside = { { "../libc.so.6" }, NULL };
    CLO_CLEANUP(clo_closure_free) struct clo_closure closure = { 0 };
    char path[4200];
    struct clo_error err;

    (void)state;
    write_program("missing", &missing, path);
    CHECK(!clo_closure_get(path, CLO_LD_CONF, &closure, &err), "missing");
    CHECK(err.status == CLO_ERR_FORMAT &&
                  strstr(err.text, ": library libdoesnotexist.so.1 is not on this machine") != NULL,
          err.text);
    write_program("outside", &outside, path);
    CHECK(!clo_closure_get(path, CLO_LD_CONF, &closure, &err), "a path for a name");
    CHECK(strstr(err.text, ": library ../libc.so.6 is not on this machine") != NULL, err.text);
    snprintf(path, sizeof path, "%s/text", scratch.path);
    CHECK(clo_file_write(path, clo_bytes_text("#!/bin/sh\n"), 0755, &err), err.text);
    CHECK(!clo_closure_get(path, CLO_LD_CONF, &closure, &err), "a script");
    CHECK(strstr(err.text, "/text: no 64-bit little-endian ELF file") != NULL, err.text);
    CHECK(!clo_closure_get("/none", CLO_LD_CONF, &closure, &err), "nothing there");
    CHECK(closure.count == 0 && closure.interpreter == NULL, "nothing was given");
}

static void make_folder(const char *name, char path[4200])
{
    snprintf(path, 4200, "%s/%s", scratch.path, name);
    CHECK(mkdir(path, 0755) == 0, path);
}

static void write_text(const char *name, const char *text, char path[4200])
{
    struct clo_error err;

    snprintf(path, 4200, "%s/%s", scratch.path, name);
    CHECK(clo_file_write(path, clo_bytes_text(text), 0644, &err), err.text);
}

/* Folders of ld.so.conf in their order, past comments and white space; included files one level deep. */
static void test_conf(void **state)
{
    static const struct elf_spec library = { { NULL }, NULL };
    static const struct {
        const char *name, *needed;
        bool is_found;
    } cases[] = {
        { "a folder of a line", "libfirst.so", true },
        { "after white space, before a comment", "libsecond.so", true },
        { "of an included file", "libthird.so", true },
        { "of a file that an included one includes", "libfourth.so", false },
        { "in a comment", "libfifth.so", false },
    };
    char folders[5][4200], path[4200], conf[4200], text[30000];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        static const char *const names[] = { "d1", "d2", "d3", "d4", "d5" };
        char file[100];
        make_folder(names[i], folders[i]);
        snprintf(file, sizeof file, "%s/%s", names[i], cases[i].needed);
        write_program(file, &library, path);
    }
    make_folder("conf.d", path);
    snprintf(text, sizeof text, "%s\n", folders[3]);
    write_text("conf.d/deep.inc", text, path);
    snprintf(text, sizeof text, "# third\ninclude %s/conf.d/*.inc\n%s\r\n", scratch.path,
             folders[2]);
    write_text("conf.d/one.conf", text, path);
    snprintf(text, sizeof text,
             "include /none/*.conf\n%s\n \t%s # the second\nrelative\n#%s\ninclude  "
             "%s/conf.d/*.conf\n",
             folders[0], folders[1], folders[4], scratch.path);
    write_text("ld.so.conf", text, conf);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct elf_spec program = { { cases[i].needed }, NULL };
        CLO_CLEANUP(clo_closure_free) struct clo_closure closure = { 0 };
        struct clo_error err;
        write_program("asks", &program, path);
        CHECK(clo_closure_get(path, conf, &closure, &err) == cases[i].is_found, cases[i].name);
        CHECK(!cases[i].is_found || (closure.count == 1 && strncmp(closure.paths[0], folders[i],
                                                                   strlen(folders[i])) == 0),
              cases[i].name);
    }
}

/* The first that fits: another machine's library is passed over, and the loader is not a library. */
static void test_first_that_fits(void **state)
{
    static const struct elf_spec library = { { NULL }, NULL };
    static const struct elf_spec program = { { "libsame.so", "ld-x.so", "libsame.so" }, NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer foreign = { 0 };
    CLO_CLEANUP(clo_closure_free) struct clo_closure closure = { 0 };
    char first[4200], second[4200], third[4200], path[4200], conf[4200], text[30000];
    struct clo_error err;

    (void)state;
    make_folder("f1", first);
    make_folder("f2", second);
    make_folder("f3", third);
    elf_make(&foreign, &library);
    foreign.data[18] ^= 0xff; /* e_machine */
    snprintf(path, sizeof path, "%s/f1/libsame.so", scratch.path);
    CHECK(clo_file_write(path, clo_buffer_bytes(&foreign), 0755, &err), err.text);
    write_program("f2/libsame.so", &library, path);
    write_program("f3/libsame.so", &library, path);
    snprintf(text, sizeof text, "%s\n%s\n%s\n", first, second, third);
    write_text("fits.conf", text, conf);
    write_program("fits", &program, path);
    CHECK(clo_closure_get(path, conf, &closure, &err), err.text);
    CHECK(closure.count == 1, "once, and without the loader");
    CHECK(strncmp(closure.paths[0], second, strlen(second)) == 0, closure.paths[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_program), cmocka_unit_test(test_run_path),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_below_origin),
        cmocka_unit_test(test_conf),        cmocka_unit_test(test_first_that_fits),
    };

    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
