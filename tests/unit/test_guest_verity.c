/* What a guest is told of a root that nothing changes, and what the kernel's log says of one that was changed. */
#include "guest/verity.h"

#include <string.h>

#include "test.h"

#define HASH "70f2f455d2b85c3bdd46def995de40f7785052990470caadab3f6ef8ca63d48d"

#define AS_BUILT(changes) \
    "{'data_blocks': 130, 'root_hash': '" HASH "', 'salt': '" HASH "', 'changes': " changes "}"

static void test_parse(void **state)
{
    static const struct {
        const char *name, *json, *error;
    } cases[] = {
        { "as an image has it", "{'data_blocks': 130, 'root_hash': '" HASH "', 'salt': '" HASH "'}",
          NULL },
        { "no hash", "{'data_blocks': 130, 'salt': '" HASH "'}", "root_hash" },
        { "a short hash", "{'data_blocks': 130, 'root_hash': '70f2', 'salt': '" HASH "'}",
          "root_hash: 2 bytes, 32 expected" },
        { "no salt", "{'data_blocks': 130, 'root_hash': '" HASH "', 'salt': ''}",
          "salt: 0 bytes, 32 expected" },
        { "no data", "{'data_blocks': 0, 'root_hash': '" HASH "', 'salt': '" HASH "'}",
          "data_blocks: 0" },
        { "more than there is",
          "{'data_blocks': 1099511627777, 'root_hash': '" HASH "', 'salt': '" HASH "'}",
          "data_blocks: 1099511627777" },
        { "another member",
          "{'data_blocks': 130, 'root_hash': '" HASH "', 'salt': '" HASH "', 'hash': 'sha1'}",
          "hash" },
        { "with room for changes", AS_BUILT("{'first_block': 256, 'blocks': 4096}"), NULL },
        { "changes in the tree", AS_BUILT("{'first_block': 131, 'blocks': 4096}"),
          "changes: 4096 blocks from 131 on" },
        { "changes over the data", AS_BUILT("{'first_block': 0, 'blocks': 4096}"),
          "changes: 4096 blocks from 0 on" },
        { "no room", AS_BUILT("{'first_block': 256, 'blocks': 0}"), "changes: 0 blocks" },
        { "more room than there is", AS_BUILT("{'first_block': 256, 'blocks': 1099511627777}"),
          "changes: 1099511627777 blocks" },
        { "changes beyond all", AS_BUILT("{'first_block': 1099511627777, 'blocks': 1}"),
          "blocks from 1099511627777 on" },
        { "another member of them", AS_BUILT("{'first_block': 256, 'blocks': 1, 'x': 1}"), "x" },
        { "changes that are a number", AS_BUILT("1"), "changes" },
    };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_guest_verity_free) struct clo_guest_verity verity = { 0 };
        CLO_CLEANUP(clo_freep) char *text = strdup(cases[i].json);
        CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
        for (char *at = text; *at != '\0'; at++)
            *at = *at == '\'' ? '"' : *at;
        CHECK(clo_json_parse(clo_bytes_text(text), &json, &err), err.text);
        bool ok = clo_guest_verity_parse(json, &verity, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

static void test_lines(void **state)
{
    static const struct {
        const char *line, *block;
    } cases[] = {
        { "3,641,1,-;device-mapper: verity: 254:0: data block 5 is corrupted", "data block 5" },
        { "3,641,1,-;device-mapper: verity: 253:1: metadata block 130 is corrupted",
          "metadata block 130" },
        { "3,641,1,-;device-mapper: verity: sha256 using implementation \"sha256-ni\"", NULL },
        { "6,641,1,-;EXT4-fs (dm-1): data block 5 is corrupted", NULL },
        { "6,641,1,-;data block 5 is corrupted; device-mapper: verity: ", NULL },
        { "", NULL },
    };
    char block[64];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        bool differs = clo_guest_verity_line(cases[i].line, block, sizeof block);
        CHECK(differs == (cases[i].block != NULL), cases[i].line);
        CHECK(!differs || strcmp(block, cases[i].block) == 0, block);
    }
    CHECK(!clo_guest_verity_differs("/none", block, sizeof block), "no log");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
