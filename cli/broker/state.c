#include "cli/broker/state.h"

#include <stdio.h>
#include <stdlib.h>

#include "verifier/store/master_key.h"

bool cli_open_state_shut(const char *folder, struct clo_store **out, struct clo_error *err)
{
    return clo_store_open_existing(folder, out, err);
}

bool cli_open_state(const char *folder, const char *master, bool makes, struct clo_store **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    bool ok = makes ? clo_store_open(folder, &store, err)
                    : clo_store_open_existing(folder, &store, err);

    if (!ok || !clo_master_key_use(master, getenv("CREDENTIALS_DIRECTORY"), store, err))
        return false;
    *out = CLO_TAKE(store);
    return true;
}

void cli_tell_revoked(const char *path, const json_t *answer)
{
    if (json_is_true(json_object_get(answer, "revoked")))
        printf("%s: is still revoked, nothing is released: 'cloister key revoke %s --undo' "
               "allows it\n",
               path, path);
}
