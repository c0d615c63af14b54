#include "lib/predict/grub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void grub_script_free(struct grub_script *script)
{
    for (size_t i = 0; i < script->count; i++)
        free(script->commands[i]);
    *script = (struct grub_script){ .count = 0 };
}

/* Neither quotes, variables, blocks nor patterns: such words are what they look like. */
static bool is_plain(uint8_t c)
{
    static const char others[] = "/._-=:,+@%";

    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr(others, c) != NULL);
}

/* The line's words with one blank between; NULL without an error: there are none. */
static bool read_words(struct clo_bytes line, char **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) char *words = malloc(line.size + 1);
    size_t size = 0;
    bool is_after_blank = false;

    *out = NULL;
    if (words == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < line.size; i++) {
        uint8_t c = line.data[i];
        if (c == '#' && (size == 0 || is_after_blank))
            break;
        if (c == ' ' || c == '\t') {
            is_after_blank = true;
            continue;
        }
        if (!is_plain(c))
            return clo_fail(
                    err, CLO_ERR_UNSUPPORTED,
                    "GRUB's script has a '%c': what a line with it comes to is decided when "
                    "it runs; a script of set, linux, initrd and boot is predicted",
                    c >= ' ' && c <= '~' ? c : '?');
        if (is_after_blank && size > 0)
            words[size++] = ' ';
        is_after_blank = false;
        words[size++] = (char)c;
    }
    words[size] = '\0';
    if (size > 0)
        *out = CLO_TAKE(words);
    return true;
}

static bool is_command(const char *words, const char *name)
{
    size_t size = strlen(name);

    return strncmp(words, name, size) == 0 && (words[size] == ' ' || words[size] == '\0');
}

/* The first word of what follows the command, a whole path. */
static bool take_path(const char *rest, char out[GRUB_PATH], struct clo_error *err)
{
    size_t size = strcspn(rest, " ");

    if (out[0] != '\0' || rest[0] != '/' || size >= GRUB_PATH)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "GRUB's script loads %.40s: a second one, or of another place, is not "
                        "predicted",
                        rest);
    memcpy(out, rest, size);
    out[size] = '\0';
    return true;
}

static bool take_command(struct grub_script *script, const char *words, bool *is_booted,
                         struct clo_error *err)
{
    if (*is_booted)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "GRUB's script goes on after \"boot\"");
    if (is_command(words, "set") || is_command(words, "echo"))
        return true;
    if (is_command(words, "linux") && words[5] == ' ') {
        script->cmdline = words + 6;
        return take_path(words + 6, script->linux_path, err);
    }
    if (is_command(words, "initrd") && words[6] == ' ' && strchr(words + 7, ' ') == NULL &&
        script->cmdline != NULL)
        return take_path(words + 7, script->initrd_path, err);
    *is_booted = strcmp(words, "boot") == 0;
    return *is_booted ||
           clo_fail(err, CLO_ERR_UNSUPPORTED,
                    "GRUB's script has the command \"%.40s\": what it comes to is not "
                    "predicted",
                    words);
}

bool grub_script_parse(struct clo_bytes text, struct grub_script *out, struct clo_error *err)
{
    CLO_CLEANUP(grub_script_free) struct grub_script script = { .count = 0 };
    bool is_booted = false;

    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        char *words;
        if (!read_words(clo_bytes_slice(text, 0, size), &words, err))
            return false;
        text = clo_bytes_slice(text, size + (end != NULL), text.size);
        if (words == NULL)
            continue;
        if (script.count == GRUB_COMMANDS_MAX) {
            free(words);
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "GRUB's script has more than %d commands",
                            GRUB_COMMANDS_MAX);
        }
        script.commands[script.count++] = words;
        if (!take_command(&script, words, &is_booted, err))
            return false;
    }
    if (!is_booted || script.linux_path[0] == '\0' || script.initrd_path[0] == '\0')
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "GRUB's script does not load a kernel and an initrd, and then boots");
    *out = script;
    script = (struct grub_script){ .count = 0 };
    return true;
}
