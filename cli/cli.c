#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device/random.h"
#include "lib/base/civil_time.h"

static void print_help(const struct cli_usage *usage)
{
    size_t width = 0;

    printf("Usage: cloister %s%s%s%s\n\n%s\n", usage->command,
           usage->option_count > 0 ? " [OPTION]…" : "", *usage->arguments != '\0' ? " " : "",
           usage->arguments, usage->summary);
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        size_t size = strlen(option->name) +
                      (option->argument == NULL ? 0 : 1 + strlen(option->argument));
        width = size > width ? size : width;
    }
    printf("\nOptions:\n");
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        char left[128];
        snprintf(left, sizeof left, "%s%s%s", option->name, option->argument == NULL ? "" : " ",
                 option->argument == NULL ? "" : option->argument);
        printf("  %-*s  %s\n", (int)width, left, option->help);
    }
    printf("  %-*s  this text\n", (int)width, "--help");
    if (usage->example != NULL)
        printf("\nExample:\n%s", usage->example);
}

/* Text of ours in a man page: backslashes, and dots and quotes where a line begins. */
static void print_roff(const char *text)
{
    bool line_begins = true;

    for (; *text != '\0'; text++) {
        if (line_begins && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        line_begins = *text == '\n';
    }
}

/* man(7), section 1: the same table that --help prints. */
static void print_man(const struct cli_usage *usage)
{
    printf(".TH CLOISTER-");
    for (const char *at = usage->command; *at != '\0'; at++)
        putchar(*at == ' ' ? '-' : *at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    printf(" 1 \"\" \"cloister %s\" \"Cloister\"\n.SH NAME\ncloister ", CLOISTER_VERSION);
    print_roff(usage->command);
    fputs(" \\- ", stdout);
    size_t first = strcspn(usage->summary, ".\n");
    printf("%.*s\n.SH SYNOPSIS\n.B cloister ", (int)first, usage->summary);
    print_roff(usage->command);
    fputs(usage->option_count > 0 ? "\n[OPTION]... " : "\n", stdout);
    print_roff(usage->arguments);
    fputs("\n.SH DESCRIPTION\n", stdout);
    print_roff(usage->summary);
    fputs(usage->option_count > 0 ? "\n.SH OPTIONS\n" : "\n", stdout);
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        fputs(".TP\n.B ", stdout);
        print_roff(option->name);
        if (option->argument != NULL) {
            putchar(' ');
            print_roff(option->argument);
        }
        putchar('\n');
        print_roff(option->help);
        putchar('\n');
    }
    fputs(".SH EXIT STATUS\n0 yes, 1 no, 2 wrong usage, 3 an input cannot be read or is "
          "malformed,\n"
          "4 the surroundings lack something.\n",
          stdout);
    if (usage->example != NULL) {
        fputs(".SH EXAMPLE\n.nf\n", stdout);
        print_roff(usage->example);
        fputs(".fi\n", stdout);
    }
    fputs(".SH SEE ALSO\n.BR cloister (1)\n", stdout);
}

/* What man pages and completions are made from, so that they cannot tell another story than
 * --help: --help=man, --help=commands, --help=options. */
static bool print_other_help(const struct cli_usage *usage, const char *word)
{
    if (strcmp(word, "--help=man") == 0) {
        print_man(usage);
    } else if (strcmp(word, "--help=commands") == 0) {
        printf("%s\n", usage->command);
    } else if (strcmp(word, "--help=options") == 0) {
        for (size_t i = 0; i < usage->option_count; i++)
            printf("%s\n", usage->options[i].name);
        printf("--help\n");
    } else {
        return false;
    }
    return true;
}

int cli_usage_error(const struct cli_usage *usage, const char *format, ...)
{
    struct clo_error err;
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    clo_fail(&err, CLO_ERR_USAGE, "%s: %s; see 'cloister %s --help'", usage->command, text,
             usage->command);
    return cli_error(&err);
}

/* The values so far of options that take one, by where they go: two names may mean one option. */
struct given {
    struct {
        const void *target;
        const char *value;
    } items[CLO_LIST_MAX];
    size_t count;
};

/* Mostly the last value counts, so that scripts can override; where `takes_one_value`, none does. */
static bool note_value(const struct cli_usage *usage, const struct cli_option *option,
                       const char *value, struct given *given, int *status)
{
    const void *target = option->text;

    if (!usage->takes_one_value || target == NULL)
        return true;
    for (size_t i = 0; i < given->count; i++) {
        if (given->items[i].target != target)
            continue;
        if (strcmp(given->items[i].value, value) == 0)
            return true;
        *status = cli_usage_error(usage, "%s %s: contradicts %s, which was given before",
                                  option->name, value, given->items[i].value);
        return false;
    }
    if (given->count < CLO_COUNT(given->items)) {
        given->items[given->count].target = target;
        given->items[given->count++].value = value;
    }
    return true;
}

static bool set_option(const struct cli_usage *usage, const struct cli_option *option,
                       const char *value, int *status)
{
    if (option->flag != NULL) {
        *option->flag = true;
        return true;
    }
    if (option->text != NULL) {
        *option->text = value;
        return true;
    }
    if (option->list != NULL) {
        if (option->list->count == CLO_LIST_MAX) {
            *status = cli_usage_error(usage, "%s: more than %d times", option->name, CLO_LIST_MAX);
            return false;
        }
        option->list->items[option->list->count++] = value;
        return true;
    }
    char *end;
    errno = 0;
    bool is_hex = strncmp(value, "0x", 2) == 0;
    *option->number = strtoull(value, &end, is_hex ? 16 : 10);
    if (errno != 0 || *end != '\0' || value[0] < '0' || value[0] > '9') {
        *status = cli_usage_error(usage, "%s: no whole number: %s", option->name, value);
        return false;
    }
    return true;
}

static bool check_operands(const struct cli_usage *usage, const struct clo_list *given, int *status)
{
    const struct cli_operands *wanted = &usage->operands;

    if (given->count >= wanted->least && given->count <= wanted->most)
        return true;
    *status =
            wanted->what == NULL
                    ? cli_usage_error(usage, "unexpected argument %s", given->items[0])
                    : cli_usage_error(usage, "%s expected, %zu given", wanted->what, given->count);
    return false;
}

static const struct cli_option *find_option(const struct cli_usage *usage, const char *word,
                                            size_t name_size)
{
    for (size_t i = 0; i < usage->option_count; i++)
        if (strlen(usage->options[i].name) == name_size &&
            strncmp(usage->options[i].name, word, name_size) == 0)
            return &usage->options[i];
    return NULL;
}

/* Into the options' targets, and everything else into `operands`. */
static bool sort_words(const struct cli_usage *usage, int argc, char **argv,
                       struct clo_list *operands, int *status)
{
    struct given given = { .count = 0 };
    bool options_ended = false;

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options_ended || word[0] != '-' || strcmp(word, "-") == 0) {
            if (operands->count == CLO_LIST_MAX) {
                *status = cli_usage_error(usage, "too many arguments");
                return false;
            }
            operands->items[operands->count++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            options_ended = true;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(usage);
            *status = CLI_YES;
            return false;
        }
        if (print_other_help(usage, word)) {
            *status = CLI_YES;
            return false;
        }
        size_t name_size = strcspn(word, "=");
        const struct cli_option *option = find_option(usage, word, name_size);
        if (option == NULL) {
            *status = cli_usage_error(usage, "unknown option %.*s", (int)name_size, word);
            return false;
        }
        const char *value = word[name_size] == '=' ? word + name_size + 1 : NULL;
        if (option->argument == NULL && value != NULL) {
            *status = cli_usage_error(usage, "%s takes no value", option->name);
            return false;
        }
        if (option->argument != NULL && value == NULL) {
            if (i + 1 == argc) {
                *status = cli_usage_error(usage, "%s needs %s", option->name, option->argument);
                return false;
            }
            value = argv[++i];
        }
        if (!note_value(usage, option, value, &given, status) ||
            !set_option(usage, option, value, status))
            return false;
    }
    return true;
}

bool cli_parse(const struct cli_usage *usage, int argc, char **argv, struct clo_list *operands,
               int *status)
{
    struct clo_list given = { 0 };

    if (!sort_words(usage, argc, argv, &given, status) || !check_operands(usage, &given, status))
        return false;
    if (operands != NULL)
        *operands = given;
    return true;
}

int cli_exit_status(enum clo_status status)
{
    static const int statuses[] = {
        [CLO_OK] = CLI_YES,
        [CLO_ERR_REFUSED] = CLI_NO,
        [CLO_ERR_UNVERIFIED] = CLI_NO,
        [CLO_ERR_USAGE] = CLI_USAGE,
        [CLO_ERR_FORMAT] = CLI_INPUT,
        [CLO_ERR_UNSUPPORTED] = CLI_INPUT,
        [CLO_ERR_SYSTEM] = CLI_SURROUNDINGS,
        [CLO_ERR_UNAVAILABLE] = CLI_SURROUNDINGS,
    };

    return (size_t)status < CLO_COUNT(statuses) ? statuses[status] : CLI_SURROUNDINGS;
}

int cli_error(const struct clo_error *err)
{
    fprintf(stderr, "cloister: %s\n", err->text);
    return cli_exit_status(err->status);
}

int cli_fail(const char *command, struct clo_error *err)
{
    clo_wrap(err, "%s", command);
    return cli_error(err);
}

/* The page of a command that is only a list of others: NAME(1), with what each does. */
static void print_man_list(const char *name, const char *summary,
                           const struct cli_command *commands, size_t count)
{
    const char *hyphen = *name == '\0' ? "" : "-";

    printf(".TH CLOISTER%s%s 1 \"\" \"cloister %s\" \"Cloister\"\n.SH NAME\ncloister%s%s \\- ",
           hyphen, name, CLOISTER_VERSION, *name == '\0' ? "" : " ", name);
    printf("%.*s\n.SH SYNOPSIS\n.B cloister %s\n.I COMMAND\n[OPTION]...\n.SH DESCRIPTION\n",
           (int)strcspn(summary, ".\n"), summary, name);
    print_roff(summary);
    fputs("\n.SH COMMANDS\n", stdout);
    for (size_t i = 0; i < count; i++) {
        printf(".TP\n.BR cloister%s%s\\-%s (1)\n", *name == '\0' ? "" : "\\-", name,
               commands[i].name);
        print_roff(commands[i].summary);
        putchar('\n');
    }
}

int cli_dispatch(const char *name, const char *summary, const struct cli_command *commands,
                 size_t count, int argc, char **argv)
{
    const char *space = *name == '\0' ? "" : " ";

    if (argc < 2) {
        fprintf(stderr, "cloister: %s%sa command is missing; see 'cloister%s%s --help'\n", name,
                *name == '\0' ? "" : ": ", space, name);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        printf("Usage: cloister%s%s COMMAND [OPTION]…\n\n%s\n\nCommands:\n", space, name, summary);
        for (size_t i = 0; i < count; i++)
            printf("  %-11s %s\n", commands[i].name, commands[i].summary);
        printf("\n'cloister%s%s COMMAND --help' says more.\n", space, name);
        return CLI_YES;
    }
    if (strcmp(argv[1], "--help=commands") == 0) {
        for (size_t i = 0; i < count; i++) {
            char *words[] = { (char *)(uintptr_t)commands[i].name, argv[1], NULL };
            commands[i].run(2, words);
        }
        return CLI_YES;
    }
    if (strcmp(argv[1], "--help=man") == 0) {
        print_man_list(name, summary, commands, count);
        return CLI_YES;
    }
    if (strcmp(argv[1], "--help=options") == 0) {
        for (size_t i = 0; i < count; i++)
            printf("%s\n", commands[i].name);
        return CLI_YES;
    }
    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(argc - 1, argv + 1);
    struct clo_error err;
    clo_fail(&err, CLO_ERR_USAGE, "%s%sunknown command '%s'; see 'cloister%s%s --help'", name,
             *name == '\0' ? "" : ": ", argv[1], space, name);
    return cli_error(&err);
}

void cli_print(struct clo_bytes bytes)
{
    (void)fwrite(bytes.data, 1, bytes.size, stdout);
}

bool cli_print_json(const json_t *json, struct clo_error *err)
{
    if (json == NULL)
        return clo_out_of_memory(err);
    if (json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) != 0 && ferror(stdout) == 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "JSON: cannot be made");
    (void)putchar('\n');
    return true;
}

/* A pipe that was closed has been read as far as wanted: that is not worth a line. */
int cli_finish(int status)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
    bool is_lost = fflush(stdout) != 0;

    if ((!is_lost && !ferror(stdout)) || (status != CLI_YES && status != CLI_NO))
        return status;
    if (poll(&out, 1, 0) != 1 || (out.revents & POLLERR) == 0)
        fprintf(stderr, "cloister: standard output: cannot be written\n");
    return CLI_SURROUNDINGS;
}

bool cli_time(const char *text, int64_t *out, struct clo_error *err)
{
    const char *rest;

    if (text == NULL) {
        *out = (int64_t)time(NULL);
        return true;
    }
    if (!clo_civil_time_read(text, out, &rest))
        return clo_fail(err, CLO_ERR_USAGE,
                        "time: %s: no such time; expected RFC 3339, like 2026-01-31T12:00:00Z",
                        text);
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    int hours = 0, minutes = 0, zone_used = 0;
    int sign = *rest == '-' ? -1 : 1;
    if (*rest == '+' || *rest == '-') {
        if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &zone_used) != 2 || zone_used != 5 ||
            hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
            return clo_fail(err, CLO_ERR_USAGE, "time: %s: wrong offset", text);
        rest += 6;
    } else if (*rest == 'Z' || *rest == 'z') {
        rest++;
    } else {
        return clo_fail(err, CLO_ERR_USAGE, "time: %s: 'Z' or an offset is missing", text);
    }
    if (*rest != '\0')
        return clo_fail(err, CLO_ERR_USAGE, "time: %s: '%s' after it", text, rest);
    *out -= sign * (hours * 60 + minutes) * 60;
    return true;
}

bool cli_color(FILE *stream)
{
    const char *terminal = getenv("TERM");

    return isatty(fileno(stream)) == 1 && getenv("NO_COLOR") == NULL && terminal != NULL &&
           strcmp(terminal, "dumb") != 0;
}

struct clo_random cli_random(void)
{
    return clo_random_system;
}
