/* Everything that is made from the tables of options and commands: `--help`, man pages (`--help=man`), and what
 * completions ask for (`--help=complete`, `--help=options`, `--help=commands`). None can tell another story. */
#ifndef CLOISTER_CLI_HELP_H
#define CLOISTER_CLI_HELP_H

#include "cli/cli.h"

/* cloister-sim shares this code: it is built with another name. */
#ifndef CLI_PROGRAM
#define CLI_PROGRAM "cloister"
#endif

/* Answers `word` if it asks for help on a command; false if it is another word. */
bool cli_help(const struct cli_usage *usage, const char *word);
/* The same for a list of commands; `name` is empty for the program itself. */
bool cli_help_list(const char *name, const char *summary, const struct cli_command *commands,
                   size_t count, const char *word);
/* One line for a completion: the word, what it takes, what it is for, and which values it may have. */
void cli_help_complete(const char *word, const char *argument, const char *help,
                       const char *values);

/* The word that was probably meant; NULL if none is near. `words(context, i)` is the i-th, NULL after the last. */
const char *cli_nearest(const char *word, const char *(*words)(const void *context, size_t i),
                        const void *context);

#endif
