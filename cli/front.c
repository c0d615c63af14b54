/* The program that people start. It knows the commands that need nothing but lib/ and files, and runs those
 * within a millisecond or two; for all others it becomes the full program, whose forty libraries take five times as
 * long to load. Both are made of the same objects: the split is for speed alone. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"

#define ROW(name, run, summary) { name, run, summary },
#define NONE(name, run, summary)

/* Where the full program lies: next to this one as it was built, or where it was installed. */
static void become_full(char **argv)
{
    static const char *const places[] = { "cloister-full", "../libexec/cloister/cloister-full" };
    char self[PATH_MAX], path[PATH_MAX + 64];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);

    if (size > 0) {
        self[size] = '\0';
        *strrchr(self, '/') = '\0';
        for (size_t i = 0; i < CLO_COUNT(places); i++) {
            snprintf(path, sizeof path, "%s/%s", self, places[i]);
            execv(path, argv);
        }
    }
    execv(CLOISTER_FULL_PATH, argv);
}

int cli_run(int argc, char **argv)
{
    static const struct cli_command commands[] = { CLI_COMMANDS(ROW, NONE) };

    for (size_t i = 0; argc > 1 && i < CLO_COUNT(commands); i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(argc - 1, argv + 1);
    become_full(argv);
    struct clo_error err;
    clo_fail(&err, CLO_ERR_SYSTEM, "%s: %s", CLOISTER_FULL_PATH, strerror(errno));
    return cli_error(&err);
}
