/* The command line's one shape: every command is a table of options, a page of help made from it,
 * and a function. Exit statuses are DESIGN's: 0 yes, 1 no, 2 usage, 3 bad input, 4 surroundings. */
#ifndef CLOISTER_CLI_H
#define CLOISTER_CLI_H

#include <stdio.h>

#include "cloister/base.h"
#include "cloister/json.h"
#include "device/list.h"

enum {
    CLI_YES = 0,
    CLI_NO = 1,
    CLI_USAGE = 2,
    CLI_INPUT = 3,
    CLI_SURROUNDINGS = 4,
};

/* Exactly one of the targets is set. An option with `text`, `number` or `list` takes a value. */
struct cli_option {
    const char *name;     /* "--policy" */
    const char *argument; /* "FILE"; NULL for a flag */
    const char *help;     /* one line */
    bool *flag;
    const char **text;
    uint64_t *number; /* decimal or 0x hex */
    struct clo_list *list;
    const char *was;    /* older names, which are taken and not shown: "--append --options" */
    const char *values; /* the words that it may have, where they are few: "snp tdx" */
    bool is_required;   /* of an option with text: cli_parse() demands it */
};

/* What is given without an option's name, as cli_parse() demands it. */
struct cli_operands {
    const char *what; /* "one root"; NULL where there are none */
    size_t least, most;
};

struct cli_usage {
    const char *command;   /* "image build" */
    const char *arguments; /* "ROOT -o IMAGE" */
    struct cli_operands operands;
    const char *summary; /* what it is for, one or two sentences */
    const struct cli_option *options;
    size_t option_count;
    const char *example; /* one worked example, lines ending in \n */
    bool takes_one_value; /* two different texts for one option (it may have two names) are an error */
};

/* Sorts argv (after the command's own name) into options and operands, of which there are as many as the usage
 * says (`operands` may be NULL where it says none). Answers --help itself. Returns false when the command should
 * return *status at once. */
bool cli_parse(const struct cli_usage *usage, int argc, char **argv, struct clo_list *operands,
               int *status);
/* One line on standard error pointing to --help; returns CLI_USAGE. */
int cli_usage_error(const struct cli_usage *usage, const char *format, ...) CLO_PRINTF(2, 3);
/* "cloister: WHAT: … [CODE]" on standard error, with `before` before it. */
void cli_print_error(const char *before, const struct clo_error *err);
/* The same; returns the exit status for err->status. */
int cli_error(const struct clo_error *err);
/* With the command in front: "cloister: image build: …". */
int cli_fail(const char *command, struct clo_error *err);
int cli_exit_status(enum clo_status status);
/* The letter that stands for an option in every command ("-o" for "--output"), or NULL. */
const char *cli_letter(const char *option);
/* Does the command report something, so that it may be told to say nothing? */
bool cli_takes_quiet(const struct cli_usage *usage);

/* A command made of subcommands: dispatches on argv[1], prints their list for --help. */
struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's own name */
    const char *summary;
};
int cli_dispatch(const char *name, const char *summary, const struct cli_command *commands,
                 size_t count, int argc, char **argv);

/* On standard output, as everything that is printed: cli_finish() tells whether it got out. */
void cli_print(struct clo_bytes bytes);
/* Prints one JSON document, indented; false (with an error) if it cannot be made, as when it is NULL. */
CLO_MUST_USE bool cli_print_json(const json_t *json, struct clo_error *err);
/* The last word of a program: an answer that did not get out is none, and said so on standard error. Returns the
 * exit status. */
int cli_finish(int status);
/* RFC 3339 to Unix time; NULL is now. */
CLO_MUST_USE bool cli_time(const char *text, int64_t *out, struct clo_error *err);
/* Is standard output a terminal that wants colour (NO_COLOR and TERM=dumb say no)? */
bool cli_color(FILE *stream);
/* The system's randomness for lib/'s clo_random. */
struct clo_random cli_random(void);

#endif
