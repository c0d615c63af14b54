/* A broker's folder, as every command that works on it opens it. */
#ifndef CLOISTER_CLI_BROKER_STATE_H
#define CLOISTER_CLI_BROKER_STATE_H

#include "cli/cli.h"
#include "verifier/store/store.h"

#define CLI_STATE_OPTION(text_)                                                                  \
    {                                                                                            \
        "--state", "DIR", "the broker's folder (required)", .text = (text_), .is_required = true \
    }
#define CLI_MASTER_OPTION(text_)                                                        \
    {                                                                                   \
        "--master-key", "FILE",                                                         \
                "the key that secrets are sealed under; default: systemd's credential " \
                "cloister.master-key",                                                  \
                .text = (text_)                                                         \
    }

/* Never makes one, unless `makes`. `master` NULL: systemd's credential, if there is one. */
CLO_MUST_USE bool cli_open_state(const char *folder, const char *master, bool makes,
                                 struct clo_store **out, struct clo_error *err);
/* Without its master key: for what needs no secret. */
CLO_MUST_USE bool cli_open_state_shut(const char *folder, struct clo_store **out,
                                      struct clo_error *err);
/* Says so where `answer` tells that the path of what was put, or put under other terms, is revoked. */
void cli_tell_revoked(const char *path, const json_t *answer);

#endif
