#include "cli/help.h"

#include <ctype.h>
#include <string.h>

/* What an option is called in a list: "-o, --output FILE". */
static void write_name(const struct cli_option *option, char *out, size_t size)
{
    const char *letter = cli_letter(option->name);

    snprintf(out, size, "%s%s%s%s%s", letter == NULL ? "" : letter, letter == NULL ? "" : ", ",
             option->name, option->argument == NULL ? "" : " ",
             option->argument == NULL ? "" : option->argument);
}

/* Columns, not bytes: "PATH…" has five. */
static size_t columns(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void print_row(const char *name, size_t width, const char *help)
{
    printf("  %s%*s  %s\n", name, (int)(width - columns(name)), "", help);
}

static const char quiet_help[] = "print nothing: the exit status is the answer";

static void print_help(const struct cli_usage *usage)
{
    size_t width = strlen("-h, --help");
    char name[160];

    printf("Usage: " CLI_PROGRAM " %s%s%s%s\n\n%s\n", usage->command,
           usage->option_count > 0 ? " [OPTION]…" : "", *usage->arguments != '\0' ? " " : "",
           usage->arguments, usage->summary);
    for (size_t i = 0; i < usage->option_count; i++) {
        write_name(&usage->options[i], name, sizeof name);
        width = columns(name) > width ? columns(name) : width;
    }
    printf("\nOptions:\n");
    for (size_t i = 0; i < usage->option_count; i++) {
        write_name(&usage->options[i], name, sizeof name);
        print_row(name, width, usage->options[i].help);
    }
    if (cli_takes_quiet(usage))
        print_row("-q, --quiet", width, quiet_help);
    print_row("-h, --help", width, "this text");
    if (usage->example != NULL)
        printf("\nExample:\n%s", usage->example);
}

/* Text of ours in a man page: backslashes, hyphens, and dots and quotes where a line begins. */
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

/* The page's own name: cloister-uki-build. */
static void print_page_name(const char *command, bool is_upper)
{
    const char *program = CLI_PROGRAM;

    for (; *program != '\0'; program++)
        putchar(is_upper ? toupper((unsigned char)*program) : *program);
    if (*command != '\0')
        putchar('-');
    for (; *command != '\0'; command++)
        putchar(*command == ' ' ? '-' : is_upper ? toupper((unsigned char)*command) : *command);
}

/* The first sentence, on one line and without its full stop: what whatis and apropos show. */
static void print_first_sentence(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '.' && (text[1] == '\0' || text[1] == ' ' || text[1] == '\n'))
            return;
        putchar(*text == '\n' ? ' ' : *text);
    }
}

static void print_man_head(const char *command, const char *summary)
{
    fputs(".TH ", stdout);
    print_page_name(command, true);
    printf(" 1 \"\" \"cloister %s\" \"Cloister\"\n.SH NAME\n", CLOISTER_VERSION);
    print_page_name(command, false);
    fputs(" \\- ", stdout);
    print_first_sentence(summary);
    fputs("\n.SH SYNOPSIS\n.B " CLI_PROGRAM " ", stdout);
    print_roff(command);
    putchar('\n');
}

static void print_man_option(const char *name, const char *help)
{
    fputs(".TP\n.B ", stdout);
    print_roff(name);
    putchar('\n');
    print_roff(help);
    putchar('\n');
}

static void print_man_options(const struct cli_usage *usage)
{
    char name[160];

    fputs(".SH OPTIONS\n", stdout);
    for (size_t i = 0; i < usage->option_count; i++) {
        write_name(&usage->options[i], name, sizeof name);
        print_man_option(name, usage->options[i].help);
    }
    if (cli_takes_quiet(usage))
        print_man_option("-q, --quiet", quiet_help);
    print_man_option("-h, --help", "print a summary of this page");
}

static void print_man_status(void)
{
    static const char *const statuses[][2] = {
        { "0", "Yes: it was done, or the answer is good." },
        { "1", "No: refused, unfit, a bad signature, a value that differs." },
        { "2", "The command line is wrong." },
        { "3", "An input cannot be read or is malformed." },
        { "4", "The surroundings lack something: a device, a service, space." },
    };

    fputs(".SH EXIT STATUS\n", stdout);
    for (size_t i = 0; i < CLO_COUNT(statuses); i++)
        printf(".TP\n.B %s\n%s\n", statuses[i][0], statuses[i][1]);
    fputs(".PP\nAn error is one line, and ends with a code in brackets that\n"
          ".BR cloister\\-errors (7)\nexplains.\n",
          stdout);
}

static bool has_option(const struct cli_usage *usage, const char *name)
{
    for (size_t i = 0; i < usage->option_count; i++)
        if (strcmp(usage->options[i].name, name) == 0)
            return true;
    return false;
}

/* What an option brings with it, as sections that come after the options. */
static const struct {
    const char *option, *name, *text;
} surroundings[] = {
    { "--cache", "XDG_CACHE_HOME",
      "Where the cache lies: in its folder cloister (default: ~/.cache)." },
    { "--disk-key", "SOURCE_DATE_EPOCH",
      "The time that goes into the image, in seconds since 1970: the same inputs then give the "
      "same UKI." },
    { "--fail-on", "NO_COLOR", "No colour on a terminal." },
    { "--expect", "NO_COLOR", "No colour on a terminal." },
    { "--language", "CLOISTER_LOCALEDIR",
      "Where translations lie, if not where they are installed." },
    { "--listen", "LISTEN_FDS, NOTIFY_SOCKET, WATCHDOG_USEC",
      "Sockets and messages of systemd: see cloister-broker.service." },
    { "--master-key", "CREDENTIALS_DIRECTORY",
      "Where systemd passes credentials: the master key may be one of them." },
    { "--output", "TMPDIR",
      "Where what goes to a pipe or a device is kept until it is whole (default: /tmp)." },
};
static const struct {
    const char *option, *name, *text;
} files[] = {
    { "--cache", "~/.cache/cloister/", "What was fetched from AMD and Intel." },
    { "--init", "/usr/libexec/cloister/cloister-init", "The program that goes into the initrd." },
    { "--state", "DIR/store.db", "Keys, terms and the audit trail of the broker (SQLite)." },
    { "--state", "DIR/token.key", "The key that signs the broker's results." },
};

static void print_man_surroundings(const struct cli_usage *usage)
{
    const char *title = ".SH ENVIRONMENT\n";

    for (size_t i = 0; i < CLO_COUNT(surroundings); i++) {
        if (!has_option(usage, surroundings[i].option))
            continue;
        fputs(title, stdout);
        title = "";
        print_man_option(surroundings[i].name, surroundings[i].text);
    }
    title = ".SH FILES\n";
    for (size_t i = 0; i < CLO_COUNT(files); i++) {
        if (!has_option(usage, files[i].option))
            continue;
        fputs(title, stdout);
        title = "";
        print_man_option(files[i].name, files[i].text);
    }
}

static void print_see_also(const struct cli_usage *usage)
{
    size_t group = strcspn(usage->command, " ");

    fputs(".SH SEE ALSO\n", stdout);
    if (usage->command[group] != '\0')
        printf(".BR " CLI_PROGRAM "\\-%.*s (1),\n", (int)group, usage->command);
    if (has_option(usage, "--policy"))
        fputs(".BR cloister\\-policy (5),\n", stdout);
    if (has_option(usage, "--reference"))
        fputs(".BR cloister\\-reference (5),\n", stdout);
    if (has_option(usage, "--broker"))
        fputs(".BR guest.json (5),\n", stdout);
    fputs(".BR cloister (1),\n.BR cloister (7)\n", stdout);
}

/* man(7), section 1: the same table that --help prints. */
static void print_man(const struct cli_usage *usage)
{
    print_man_head(usage->command, usage->summary);
    fputs(usage->option_count > 0 ? "[OPTION]... " : "", stdout);
    print_roff(usage->arguments);
    fputs("\n.SH DESCRIPTION\n", stdout);
    print_roff(usage->summary);
    putchar('\n');
    print_man_options(usage);
    print_man_status();
    print_man_surroundings(usage);
    if (usage->example != NULL) {
        fputs(".SH EXAMPLE\n.nf\n", stdout);
        print_roff(usage->example);
        fputs(".fi\n", stdout);
    }
    print_see_also(usage);
}

void cli_help_complete(const char *word, const char *argument, const char *help, const char *values)
{
    printf("%s\t%s\t%s\t%s\n", word, argument == NULL ? "" : argument, help,
           values == NULL ? "" : values);
}

static void print_complete(const struct cli_usage *usage)
{
    for (size_t i = 0; i < usage->option_count; i++) {
        const struct cli_option *option = &usage->options[i];
        cli_help_complete(option->name, option->argument, option->help, option->values);
    }
    if (cli_takes_quiet(usage))
        cli_help_complete("--quiet", NULL, quiet_help, NULL);
    cli_help_complete("--help", NULL, "this text", NULL);
}

static void print_options(const struct cli_usage *usage)
{
    for (size_t i = 0; i < usage->option_count; i++)
        printf("%s\n", usage->options[i].name);
    printf("--help\n");
}

bool cli_help(const struct cli_usage *usage, const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        print_help(usage);
    else if (strcmp(word, "--help=man") == 0)
        print_man(usage);
    else if (strcmp(word, "--help=complete") == 0)
        print_complete(usage);
    else if (strcmp(word, "--help=options") == 0)
        print_options(usage);
    else if (strcmp(word, "--help=commands") == 0)
        printf("%s\n", usage->command);
    else
        return false;
    return true;
}

static void print_help_list(const char *name, const char *summary,
                            const struct cli_command *commands, size_t count)
{
    const char *space = *name == '\0' ? "" : " ";

    printf("Usage: " CLI_PROGRAM "%s%s COMMAND [OPTION]…\n\n%s\n\nCommands:\n", space, name,
           summary);
    for (size_t i = 0; i < count; i++)
        printf("  %-13s %s\n", commands[i].name, commands[i].summary);
    printf("\n'" CLI_PROGRAM "%s%s COMMAND --help' says more, with an example.\n", space, name);
    if (*name == '\0' && strcmp(CLI_PROGRAM, "cloister") == 0)
        printf("'man 7 cloister' is a map by what you want to do.\n");
}

/* The page of a command that is only a list of others: NAME(1), with what each does. */
static void print_man_list(const char *name, const char *summary,
                           const struct cli_command *commands, size_t count)
{
    print_man_head(name, summary);
    fputs(".I COMMAND\n[OPTION]...\n.SH DESCRIPTION\n", stdout);
    print_roff(summary);
    fputs("\n.SH COMMANDS\n", stdout);
    for (size_t i = 0; i < count; i++) {
        printf(".TP\n.BR " CLI_PROGRAM "%s%s\\-%s (1)\n", *name == '\0' ? "" : "\\-", name,
               commands[i].name);
        print_roff(commands[i].summary);
        putchar('\n');
    }
    print_man_status();
    fputs(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nNo colour on a terminal.\n.SH SEE ALSO\n", stdout);
    if (*name != '\0')
        fputs(".BR cloister (1),\n", stdout);
    fputs(".BR cloister (7)\n", stdout);
}

static void print_commands(const struct cli_command *commands, size_t count)
{
    static char word[] = "--help=commands";

    for (size_t i = 0; i < count; i++) {
        char *words[] = { (char *)(uintptr_t)commands[i].name, word, NULL };
        commands[i].run(2, words);
    }
}

bool cli_help_list(const char *name, const char *summary, const struct cli_command *commands,
                   size_t count, const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help_list(name, summary, commands, count);
    } else if (strcmp(word, "--help=man") == 0) {
        print_man_list(name, summary, commands, count);
    } else if (strcmp(word, "--help=commands") == 0) {
        print_commands(commands, count);
    } else if (strcmp(word, "--help=complete") == 0 || strcmp(word, "--help=options") == 0) {
        for (size_t i = 0; i < count; i++)
            if (strcmp(word, "--help=options") == 0)
                printf("%s\n", commands[i].name);
            else
                cli_help_complete(commands[i].name, NULL, commands[i].summary, NULL);
    } else {
        return false;
    }
    return true;
}
