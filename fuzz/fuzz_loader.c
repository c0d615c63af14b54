#include <string.h>

#include "lib/predict/grub.h"
#include "lib/predict/loader.h"

#include "fuzz.h"

static void check_script(const struct grub_script *script)
{
    MUST(script->count > 0 && script->count <= GRUB_COMMANDS_MAX);
    for (size_t i = 0; i < script->count; i++) {
        const char *words = script->commands[i];
        MUST(words[0] != '\0' && words[0] != ' ' && strstr(words, "  ") == NULL);
        MUST(words[strlen(words) - 1] != ' ' && strpbrk(words, "$\"'\\{}();|&<>*\n") == NULL);
    }
    MUST(strcmp(script->commands[script->count - 1], "boot") == 0);
    MUST(script->linux_path[0] == '/' && script->initrd_path[0] == '/');
}

/* What a loader's files say is text that fits, and a script that is taken is of plain words. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(grub_script_free) struct grub_script script = { .count = 0 };
    struct clo_bytes in = clo_bytes(data, size);
    struct loader_entry entry;
    struct clo_error err;
    char wanted[LOADER_ID];

    if (loader_conf_default(in, wanted, &err))
        MUST(strnlen(wanted, sizeof wanted) < sizeof wanted);
    if (loader_entry_parse(in, &entry, &err)) {
        MUST(strncmp(entry.options, "initrd=\\", 8) == 0);
        MUST(strnlen(entry.options, sizeof entry.options) < sizeof entry.options);
        MUST(entry.linux_path[0] == '/' && entry.initrd_path[0] == '/');
    }
    if (grub_script_parse(in, &script, &err))
        check_script(&script);
    return 0;
}
