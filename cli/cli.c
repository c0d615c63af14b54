#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/help.h"
#include "device/random.h"
#include "lib/base/civil_time.h"

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
        *status = cli_usage_error(usage, "%s: not a whole number: %s", option->name, value);
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

static bool check_required(const struct cli_usage *usage, int *status)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        if (!option->is_required || *option->text != NULL)
            continue;
        *status = cli_usage_error(usage, "%s is needed", option->name);
        return false;
    }
    return true;
}

static const struct {
    const char letter[3], *name;
} letters[] = { { "-o", "--output" }, { "-q", "--quiet" } };

const char *cli_letter(const char *option)
{
    for (size_t i = 0; i < CLO_COUNT(letters); i++)
        if (strcmp(letters[i].name, option) == 0)
            return letters[i].letter;
    return NULL;
}

/* Is the word, as far as `size`, one of the names that stand in `names` with spaces between them? */
static bool is_among(const char *names, const char *word, size_t size)
{
    for (; names != NULL; names = strchr(names, ' ')) {
        names += *names == ' ';
        if (strncmp(names, word, size) == 0 && (names[size] == ' ' || names[size] == '\0'))
            return true;
    }
    return false;
}

static const struct cli_option *find_option(const struct cli_usage *usage, const char *word,
                                            size_t size)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        const char *letter = cli_letter(option->name);
        if (is_among(option->name, word, size) || is_among(option->was, word, size) ||
            (letter != NULL && is_among(letter, word, size)))
            return option;
    }
    return NULL;
}

static const char *option_name(const void *context, size_t i)
{
    const struct cli_usage *usage = context;

    return i < usage->option_count ? usage->options[i].name : NULL;
}

static int unknown_option(const struct cli_usage *usage, const char *word, size_t size)
{
    char name[64];

    snprintf(name, sizeof name, "%.*s", (int)size, word);
    const char *meant = cli_nearest(name, option_name, usage);
    return cli_usage_error(usage, "unknown option %s%s%s%s", name,
                           meant == NULL ? "" : " (did you mean ", meant == NULL ? "" : meant,
                           meant == NULL ? "" : "?)");
}

bool cli_takes_quiet(const struct cli_usage *usage)
{
    return find_option(usage, "--json", strlen("--json")) != NULL;
}

/* An answer that goes nowhere still has to be written: main looks at how that went. */
static bool become_quiet(const struct cli_usage *usage, const char *word)
{
    return (strcmp(word, "--quiet") == 0 || strcmp(word, "-q") == 0) && cli_takes_quiet(usage) &&
           freopen("/dev/null", "w", stdout) != NULL;
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
        if (cli_help(usage, word)) {
            *status = CLI_YES;
            return false;
        }
        if (become_quiet(usage, word))
            continue;
        size_t name_size = strcspn(word, "=");
        const struct cli_option *option = find_option(usage, word, name_size);
        if (option == NULL) {
            *status = unknown_option(usage, word, name_size);
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

    if (!sort_words(usage, argc, argv, &given, status) || !check_operands(usage, &given, status) ||
        !check_required(usage, status))
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

/* Where the text names standard input as an operand does ("-"); NULL where it does not. */
static const char *find_dash(const char *text)
{
    const char *inner = strstr(text, ": -: ");

    return strncmp(text, "-: ", 3) == 0 ? text : inner == NULL ? NULL : inner + 2;
}

void cli_print_error(const char *before, const struct clo_error *err)
{
    struct clo_error_code code = clo_error_code(err);
    const char *dash = find_dash(err->text);

    fprintf(stderr, "cloister: %s%.*s%s%s%s%s%s\n", before,
            dash == NULL ? 0 : (int)(dash - err->text), err->text,
            dash == NULL ? "" : "standard input", dash == NULL ? err->text : dash + 1,
            code.text[0] == '\0' ? "" : " [", code.text, code.text[0] == '\0' ? "" : "]");
}

int cli_error(const struct clo_error *err)
{
    cli_print_error("", err);
    return cli_exit_status(err->status);
}

int cli_fail(const char *command, struct clo_error *err)
{
    clo_wrap(err, "%s", command);
    return cli_error(err);
}

/* Lists of commands, for cli_nearest(). */
struct command_list {
    const struct cli_command *commands;
    size_t count;
};

static const char *command_name(const void *context, size_t i)
{
    const struct command_list *list = context;

    return i < list->count ? list->commands[i].name : NULL;
}

static int unknown_command(const char *name, const struct command_list *list, const char *word)
{
    const char *meant = cli_nearest(word, command_name, list);
    struct clo_error err;

    clo_fail(&err, CLO_ERR_USAGE, "%s%sunknown command '%s'%s%s%s; see 'cloister%s%s --help'", name,
             *name == '\0' ? "" : ": ", word, meant == NULL ? "" : " (did you mean '",
             meant == NULL ? "" : meant, meant == NULL ? "" : "'?)", *name == '\0' ? "" : " ",
             name);
    return cli_error(&err);
}

/* `help uki build` is `uki build --help`. */
static int run_help(const char *name, const char *summary, const struct command_list *list,
                    int argc, char **argv)
{
    static char help[] = "--help";
    char *words[8] = { argv[0] };
    int count = 1;

    for (int i = 2; i < argc && count < (int)CLO_COUNT(words) - 2; i++)
        words[count++] = argv[i];
    words[count++] = help;
    words[count] = NULL;
    return cli_dispatch(name, summary, list->commands, list->count, count, words);
}

int cli_dispatch(const char *name, const char *summary, const struct cli_command *commands,
                 size_t count, int argc, char **argv)
{
    const struct command_list list = { commands, count };

    if (argc < 2) {
        struct clo_error err;
        clo_fail(&err, CLO_ERR_USAGE, "%s%sa command is missing; see 'cloister%s%s --help'", name,
                 *name == '\0' ? "" : ": ", *name == '\0' ? "" : " ", name);
        return cli_error(&err);
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2)
        return run_help(name, summary, &list, argc, argv);
    if (cli_help_list(name, summary, commands, count, argv[1]))
        return CLI_YES;
    for (size_t i = 0; i < count; i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return unknown_command(name, &list, argv[1]);
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
    if (poll(&out, 1, 0) != 1 || (out.revents & POLLERR) == 0) {
        struct clo_error err;
        clo_fail(&err, CLO_ERR_SYSTEM, "standard output: cannot be written");
        return cli_error(&err);
    }
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
