/* cloister key master: secrets under a master key, for the first time or under another one. */
#include <string.h>
#include <time.h>

#include "cli/broker/key.h"
#include "cli/broker/state.h"
#include "verifier/store/master_key.h"

static int tell(struct clo_store *store, const char *state)
{
    struct clo_error err;
    bool is_sealed;
    size_t in_clear;

    if (!clo_store_is_sealed(store, &is_sealed, &in_clear, &err))
        return cli_fail("key master", &err);
    if (is_sealed)
        printf("%s: secrets are sealed under a master key\n", state);
    else
        printf("%s: %zu secret%s in the clear: there is no master key\n", state, in_clear,
               in_clear == 1 ? " lies" : "s lie");
    return is_sealed ? CLI_YES : CLI_NO;
}

static bool seal(struct clo_store *store, const char *fresh, size_t *count, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    const struct clo_audit row = { .time = (int64_t)time(NULL),
                                   .action = "master",
                                   .verdict = "changed",
                                   .session = "",
                                   .tee = "",
                                   .detail = "secrets are sealed under a new master key" };

    return clo_master_key_read(fresh, &key, err) && clo_store_seal(store, key, &row, count, err);
}

static bool make(const char *path, const char *to, const char *provider, struct clo_error *err)
{
    return to == NULL ? clo_master_key_make(path, cli_random(), err)
                      : clo_master_key_make_sealed(path, to, provider, cli_random(), err);
}

int cmd_key_master(int argc, char **argv)
{
    const char *state = NULL, *present = NULL, *fresh = NULL, *made = NULL;
    const char *to = NULL, *provider = NULL;
    const struct cli_option options[] = {
        { "--state", "DIR", "the broker's folder", .text = &state },
        CLI_MASTER_OPTION(&present),
        { "--new", "FILE",
          "seal all secrets under this key (32 bytes, 64 digits of hex, or what --seal-to made)",
          .text = &fresh },
        { "--make", "FILE", "make a key, into a file that is not there yet, and end",
          .text = &made },
        { "--seal-to", "URI",
          "write it only sealed to this private key, in a PKCS #11 token or a TPM, say, which has "
          "to be there whenever the master key is used",
          .text = &to },
        { "--provider", "NAME", "the provider of OpenSSL's that has that key: pkcs11, tpm2",
          .text = &provider },
    };
    const struct cli_usage usage = {
        .command = "key master",
        .arguments = "[--state DIR]",
        .summary =
                "Says whether a broker's secrets are sealed under a master key; seals them under "
                "one, or under\nanother. Each is sealed by AES-256-GCM for its path, version and "
                "terms. "
                "The file must be yours\nalone; under systemd it may be a credential, which "
                "systemd-creds(1) seals to a TPM.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key master --make master.key\n"
                   "  cloister key master --state broker --new master.key\n"
                   "  cloister key master --make token.key --provider pkcs11 \\\n"
                   "      --seal-to 'pkcs11:token=broker;object=master'\n"
                   "  cloister key master --state broker --master-key master.key --new next.key\n",
    };
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    struct clo_error err;
    size_t count;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if ((state == NULL) == (made == NULL))
        return cli_usage_error(&usage, "either --state or --make is needed");
    if ((to != NULL && made == NULL) || (provider != NULL && to == NULL))
        return cli_usage_error(&usage, "--seal-to is for --make, and --provider for --seal-to");
    if (made != NULL)
        return make(made, to, provider, &err) ? CLI_YES : cli_fail("key master", &err);
    if (fresh == NULL && present == NULL) {
        if (!cli_open_state_shut(state, &store, &err))
            return cli_fail("key master", &err);
        return tell(store, state);
    }
    if (!cli_open_state(state, present, false, &store, &err))
        return cli_fail("key master", &err);
    if (fresh == NULL)
        return tell(store, state);
    if (!seal(store, fresh, &count, &err))
        return cli_fail("key master", &err);
    printf("%s: %zu secret%s sealed\n", state, count, count == 1 ? "" : "s");
    return CLI_YES;
}
