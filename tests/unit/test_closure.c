#include "image/closure.h"

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
    CHECK(clo_closure_get("/proc/self/exe", &closure, &err), err.text);
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
    CHECK(clo_closure_get(path, &closure, &err), err.text);
    CHECK(closure.count == 2 && strcmp(closure.names[0], "libone.so") == 0 &&
                  strcmp(closure.names[1], "libtwo.so") == 0,
          "both");
    CHECK(strcmp(closure.paths[1], library) == 0, closure.paths[1]);
    CHECK(strcmp(closure.interpreter, ELF_INTERPRETER) == 0, closure.interpreter);
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
    CHECK(!clo_closure_get(path, &closure, &err), "missing");
    CHECK(err.status == CLO_ERR_FORMAT &&
                  strstr(err.text, ": library libdoesnotexist.so.1 is not on this machine") != NULL,
          err.text);
    write_program("outside", &outside, path);
    CHECK(!clo_closure_get(path, &closure, &err), "a path for a name");
    CHECK(strstr(err.text, ": library ../libc.so.6 is not on this machine") != NULL, err.text);
    snprintf(path, sizeof path, "%s/text", scratch.path);
    CHECK(clo_file_write(path, clo_bytes_text("#!/bin/sh\n"), 0755, &err), err.text);
    CHECK(!clo_closure_get(path, &closure, &err), "a script");
    CHECK(strstr(err.text, "/text: no 64-bit little-endian ELF file") != NULL, err.text);
    CHECK(!clo_closure_get("/none", &closure, &err), "nothing there");
    CHECK(closure.count == 0 && closure.interpreter == NULL, "nothing was given");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_program),
        cmocka_unit_test(test_run_path),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
