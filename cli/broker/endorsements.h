/* A folder of endorsements: what `serve` judges evidence by. */
#ifndef CLOISTER_CLI_ENDORSEMENTS_H
#define CLOISTER_CLI_ENDORSEMENTS_H

#include "verifier/endorsements/endorsements.h"

/* Every file of the folder in whatever form `verify` takes it, and every folder in it as Intel's collateral;
 * the cache of what was fetched, too; names that begin with a dot are passed over. The folder itself may be one of collateral. */
CLO_MUST_USE bool endorsements_load(const char *folder, struct clo_endorsement_set *out,
                                    struct clo_error *err);
/* The same of a folder or of one file. */
CLO_MUST_USE bool endorsements_load_any(const char *path, struct clo_endorsement_set *out,
                                        struct clo_error *err);

#endif
