#include "image/source_fs.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

/* A file system of one folder in another, or of one large file, as a reader would say it. */
#define ROOT     1U
#define DATA     2U
#define CHAIN    3U /* each folder from here on has the next */
#define MANY     100000U
#define LONG_AT  20 /* folders with names of 255 characters, too many for a path */
#define ROOT_DIR (S_IFDIR | 0755)

struct fake {
    bool is_chain, is_wide;
    uint64_t bytes; /* of the file */
    unsigned listed;
};

static bool get_inode(void *context, struct source_id id, struct source_inode *out,
                      struct clo_error *err)
{
    const struct fake *fake = context;

    (void)err;
    out->links = 1;
    out->size = id.number == DATA ? fake->bytes : 0;
    out->node.mode = id.number == DATA ? S_IFREG | 0644 : ROOT_DIR;
    return true;
}

static bool list(void *context, const struct source_inode *folder, source_each_name *each,
                 void *each_context, struct clo_error *err)
{
    struct fake *fake = context;
    char name[256];

    fake->listed++;
    for (unsigned i = 0; fake->is_wide && i < MANY; i++) {
        snprintf(name, sizeof name, "%u", i);
        if (!each(each_context, name, (struct source_id){ i, DATA }, err))
            return false;
    }
    if (!fake->is_chain)
        return each(each_context, "file", (struct source_id){ 0, DATA }, err);
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    uint64_t next = folder->id.number == ROOT ? CHAIN : folder->id.number + 1;
    return next >= CHAIN + LONG_AT || each(each_context, name, (struct source_id){ 0, next }, err);
}

static bool count(void *context, const struct source_inode *inode, uint64_t *bytes,
                  struct clo_error *err)
{
    (void)context;
    (void)err;
    *bytes = inode->size;
    return true;
}

static const struct {
    const char *name;
    enum clo_container_kind kind;
    struct fake fake;
    const char *refusal;
} cases[] = {
    { "a hole of a container that is called data",
      CLO_CONTAINER_QCOW2,
      { .bytes = (uint64_t)1 << 40 },
      "qcow2: unpacks to more than 1200 times the file's size" },
    { "the same in a VHDX",
      CLO_CONTAINER_VHDX,
      { .bytes = (uint64_t)1 << 40 },
      "VHDX: unpacks to more than 1200 times the file's size" },
    { "subvolumes that share one tree",
      CLO_CONTAINER_QCOW2,
      { .is_wide = true },
      "qcow2: unpacks to more than 1200 times the file's size" },
    { "a path that no root has", CLO_CONTAINER_RAW, { .is_chain = true }, "too long a path" },
};

static void test_refused(void **state)
{
    char folder[] = "/tmp/source_fs.XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/root", folder);
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct fake fake = cases[i].fake;
        const struct clo_container disk = { .kind = cases[i].kind, .fd = fileno(file) };
        const struct source_fs fs = { .name = "fake",
                                      .context = &fake,
                                      .disk = &disk,
                                      .size = (uint64_t)1 << 40,
                                      .inodes = 2 * MANY,
                                      .names = 2 * MANY,
                                      .root = { 0, ROOT },
                                      .inode = get_inode,
                                      .list = list,
                                      .count = count };
        struct clo_source source = { .created = 1 };
        struct clo_error err = { .text = "" };
        CHECK(!source_fs_make(&fs, &source, path, &err), cases[i].name);
        CHECK(strstr(err.text, cases[i].refusal) != NULL, cases[i].name);
        CHECK(access(path, F_OK) != 0, cases[i].name);
        CHECK(fake.listed < LONG_AT, cases[i].name);
    }
    fclose(file);
    rmdir(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(test_refused) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
