/* Where a `cloister key` command works: in a folder on this machine, or at a broker over the network. */
#ifndef CLOISTER_CLI_BROKER_REMOTE_H
#define CLOISTER_CLI_BROKER_REMOTE_H

#include "cli/cli.h"

struct cli_remote {
    const char *url;         /* NULL: the folder */
    const char *pin;         /* the broker's public key, as guests have it */
    const char *key;         /* the administrator's, … */
    const char *certificate; /* … of this certificate; NULL: tokens are signed with it */
    const char *token;       /* that somebody else has signed */
    const char *role;
};

#define CLI_STATE_OR_BROKER(text_, remote_)                                                        \
    { "--state", "DIR", "the broker's folder, on this machine", .text = (text_) },                 \
            { "--broker", "URL", "in place of --state: the broker, over the network",              \
              .text = &(remote_)->url },                                                           \
            { "--broker-key", "FILE", "its public key ('serve --print-key'; required)",            \
              .text = &(remote_)->pin },                                                           \
            { "--admin-key", "FILE",                                                               \
              "the administrator's private key (PEM): signs a token of one minute, or is that of " \
              "--admin-cert",                                                                      \
              .text = &(remote_)->key },                                                           \
            { "--admin-cert", "FILE",                                                              \
              "a certificate (PEM) that is shown in place of a token: 'serve --admin-ca'",         \
              .text = &(remote_)->certificate },                                                   \
            { "--admin-token", "FILE", "a token (JWT) in place of one signed with --admin-key",    \
              .text = &(remote_)->token },                                                         \
    {                                                                                              \
        "--admin-role", "NAME", "that the signed token says; default admin",                       \
                .text = &(remote_)->role                                                           \
    }

/* Exactly one of the two places, with what belongs to it. On failure `why` is for cli_usage_error(). */
CLO_MUST_USE bool cli_remote_check(const struct cli_remote *remote, const char *state,
                                   const char **why);
/* Asks for `word` of `name` ("" where there is none), with what `body` says: it is taken over, and NULL means that memory
 * ran out. */
CLO_MUST_USE bool cli_remote_ask(const struct cli_remote *remote, const char *word,
                                 const char *name, json_t *body, json_t **answer,
                                 struct clo_error *err);

#endif
