/* The answer of a command that writes one file. */
#ifndef CLOISTER_CLI_WRITTEN_H
#define CLOISTER_CLI_WRITTEN_H

#include "cli/cli.h"

/* Says with --json which file was written: its path, size and SHA-256. */
struct cli_written {
    bool as_json;
};

#define CLI_WRITTEN_OPTION(written)                                                   \
    {                                                                                 \
        "--json", NULL, "print one JSON document: the file's path, size and SHA-256", \
                .flag = &(written).as_json                                            \
    }

/* "-", and its names as a file. */
bool cli_is_standard_output(const char *path);
/* Before anything is done: a file on standard output leaves no place for a document (CLO_ERR_USAGE). */
CLO_MUST_USE bool cli_written_check(const struct cli_written *written, const char *path,
                                    struct clo_error *err);
/* Once the file is written. Prints nothing without --json. */
CLO_MUST_USE bool cli_written_tell(const struct cli_written *written, const char *path,
                                   struct clo_error *err);

#endif
