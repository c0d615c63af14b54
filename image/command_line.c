/* The command line that is in force, for image/subject.h: what a kernel makes of the one it is started with
 * (Linux, drivers/firmware/efi/libstub/efi-stub-helper.c, efi_convert_cmdline; arch/x86/kernel/setup.c;
 * drivers/of/fdt.c). */
#include <stdlib.h>
#include <string.h>

#include "image/subject.h"

#define COMMAND_LINE_SIZE 2048 /* of x86-64 and AArch64, with its NUL */

/* The EFI stub cuts a line that is too long after its last whole word; what is in quotes is one. */
static size_t size_taken(const char *text)
{
    bool in_quotes = false;
    size_t whole = 0;
    size_t i = 0;

    for (; text[i] != '\0' && i < COMMAND_LINE_SIZE; i++) {
        if (text[i] == '"')
            in_quotes = !in_quotes;
        else if (!in_quotes && strchr(" \t\n\v\f\r", text[i]) != NULL)
            whole = i;
    }
    return text[i] == '\0' && i < COMMAND_LINE_SIZE ? i : whole;
}

static bool is_on(const struct clo_kconfig *config, const char *name)
{
    const char *value = clo_kconfig_get(config, name);

    return value != NULL && strcmp(value, "y") == 0;
}

/* The parts that the kernel puts together, a blank between them: at most two, NULL where there is none. */
struct parts {
    const char *first, *second;
};

/* What is compiled in comes before the given one (x86-64), after it (AArch64's EXTEND), in its place, or
 * (AArch64) where none is given. */
static struct parts with_built_in(const struct clo_kconfig *config, const char *given)
{
    const char *built_in = config == NULL ? NULL : clo_kconfig_get(config, "CMDLINE");
    bool is_x86 = config != NULL && clo_kconfig_get(config, "CMDLINE_BOOL") != NULL;

    if (built_in == NULL || (is_x86 && !is_on(config, "CMDLINE_BOOL")))
        return (struct parts){ given, NULL };
    if (is_on(config, "CMDLINE_OVERRIDE") || is_on(config, "CMDLINE_FORCE"))
        return (struct parts){ built_in, NULL };
    if (*built_in == '\0')
        return (struct parts){ given, NULL };
    if (is_x86)
        return (struct parts){ built_in, given };
    if (is_on(config, "CMDLINE_EXTEND"))
        return (struct parts){ given, built_in };
    return (struct parts){ *given == '\0' ? built_in : given, NULL };
}

char *subject_command_line(const struct clo_subject *subject, bool *is_whole)
{
    *is_whole = true;
    if (subject->cmdline == NULL)
        return NULL;
    /* A machine that runs shows the line that it has in force. */
    if (subject->about[CLO_AUDIT_GUEST])
        return strdup(subject->cmdline);
    size_t taken = size_taken(subject->cmdline);
    *is_whole = subject->cmdline[taken] == '\0';
    CLO_CLEANUP(clo_freep) char *given = strndup(subject->cmdline, taken);
    if (given == NULL)
        return NULL;
    struct parts parts = with_built_in(subject->config, given);
    char *line = malloc(COMMAND_LINE_SIZE);
    if (line == NULL)
        return NULL;
    int size = snprintf(line, COMMAND_LINE_SIZE, "%s%s%s", parts.first,
                        parts.second == NULL ? "" : " ", parts.second == NULL ? "" : parts.second);
    *is_whole = *is_whole && size < COMMAND_LINE_SIZE;
    return line;
}
