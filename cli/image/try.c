/* cloister try: the whole way on this machine, without special hardware. The steps are a script's (sim/try.sh), which comes with
 * cloister-sim; here its options are checked, and it takes this program's place. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"

struct try_options {
    const char *cache, *language;
    const char *root, *kernel, *modules, *stub;
};

/* Next to the full program where it is installed, in the folder sim/ where it was built. */
static bool find_steps(char *out, size_t size, struct clo_error *err)
{
    static const char *const places[] = { "cloister-try", "../sim/cloister-try" };
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    if (length < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "/proc/self/exe: %s", strerror(errno));
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < CLO_COUNT(places); i++) {
        snprintf(out, size, "%s/%s", self, places[i]);
        if (access(out, X_OK) == 0)
            return true;
    }
    return clo_fail(err, CLO_ERR_UNAVAILABLE,
                    "its steps are not installed: they come with the package cloister-sim");
}

/* Where the Debian that it makes is kept from one run to the next. */
static bool find_cache(const char *given, char *out, size_t size, struct clo_error *err)
{
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (given != NULL)
        snprintf(out, size, "%s", given);
    else if (base != NULL && *base == '/')
        snprintf(out, size, "%s/cloister/try", base);
    else if (home != NULL && *home == '/')
        snprintf(out, size, "%s/.cache/cloister/try", home);
    else
        return clo_fail(err, CLO_ERR_USAGE, "--cache: is needed where HOME is not set");
    return true;
}

static int start(const struct try_options *o, const char *folder)
{
    char steps[PATH_MAX + 64], cache[PATH_MAX];
    const char *argv[20];
    size_t count = 0;
    struct clo_error err;
    const struct {
        const char *name, *value;
    } given[] = {
        { "--cache", cache },      { "--language", o->language }, { "--root", o->root },
        { "--kernel", o->kernel }, { "--modules", o->modules },   { "--stub", o->stub },
    };

    if (!find_steps(steps, sizeof steps, &err) || !find_cache(o->cache, cache, sizeof cache, &err))
        return cli_fail("try", &err);
    argv[count++] = steps;
    for (size_t i = 0; i < CLO_COUNT(given); i++) {
        if (given[i].value == NULL)
            continue;
        argv[count++] = given[i].name;
        argv[count++] = given[i].value;
    }
    argv[count++] = folder;
    argv[count] = NULL;
    execv(steps, (char *const *)(uintptr_t)argv);
    clo_fail(&err, CLO_ERR_SYSTEM, "%s: %s", steps, strerror(errno));
    return cli_fail("try", &err);
}

int cmd_try(int argc, char **argv)
{
    struct try_options o = { .language = "en" };
    const struct cli_option options[] = {
        { "--cache", "DIR", "where the Debian that it makes is kept; default ~/.cache/cloister/try",
          .text = &o.cache },
        { "--language", "NAME", "of the page at the end: en (default) or fr", .text = &o.language,
          .values = "en fr" },
        { "--root", "FILE", "a root of your own in place of that Debian: an ext4 image",
          .text = &o.root },
        { "--kernel", "FILE", "with --root: its kernel,", .text = &o.kernel },
        { "--modules", "DIR", "its modules, like /lib/modules/6.12.0,", .text = &o.modules },
        { "--stub", "FILE", "and systemd's EFI stub", .text = &o.stub },
    };
    const struct cli_usage usage = {
        .command = "try",
        .arguments = "[FOLDER]",
        .operands = { "at most one folder", 0, 1 },
        .summary =
                "Shows the whole way on this machine, without special hardware: an ordinary Linux\n"
                "becomes a confidential VM, its registers are predicted, it boots, proves itself,\n"
                "gets its disk key; attacks on it are refused; at the end there is a page to look\n"
                "at. QEMU and a pretend platform (cloister-sim) stand in for cloud and hardware.\n"
                "Everything is in the folder (default: cloister-try). Some minutes.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister try\n"
                   "  cloister try /tmp/first --language fr\n",
    };
    struct clo_list operands;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (strcmp(o.language, "en") != 0 && strcmp(o.language, "fr") != 0)
        return cli_usage_error(&usage, "--language %s: en or fr", o.language);
    int own = (o.root != NULL) + (o.kernel != NULL) + (o.modules != NULL) + (o.stub != NULL);
    if (own != 0 && own != 4)
        return cli_usage_error(&usage, "--root, --kernel, --modules and --stub go together");
    return start(&o, operands.count == 1 ? operands.items[0] : "cloister-try");
}
