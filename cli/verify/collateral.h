/* Intel's collateral from folders and files, and back into a folder. */
#ifndef CLOISTER_CLI_COLLATERAL_H
#define CLOISTER_CLI_COLLATERAL_H

#include "cloister/tdx_collateral.h"

/* A folder of files named as clo_tdx_piece_file() says, one such file, or one JSON file with all of
 * it. Adds to what is there. */
CLO_MUST_USE bool collateral_load(const char *path, struct clo_tdx_collateral *out,
                                  struct clo_error *err);
/* Is it named as a file of such a folder? */
bool collateral_is_piece(const char *path);
/* Makes the folder if it is absent. */
CLO_MUST_USE bool collateral_save(const struct clo_tdx_collateral *collateral, const char *folder,
                                  struct clo_error *err);

#endif
