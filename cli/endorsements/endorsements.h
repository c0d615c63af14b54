/* The forms of `cloister endorsements`. */
#ifndef CLOISTER_CLI_ENDORSEMENTS_COMMANDS_H
#define CLOISTER_CLI_ENDORSEMENTS_COMMANDS_H

#include "cli/inputs.h"
#include "verifier/endorsements/bundle_file.h"

int cmd_endorsements_pack(int argc, char **argv);
int cmd_endorsements_show(int argc, char **argv);

/* What is in a bundle, for people (`now` tells what has run out) or as JSON: {"made", "certificates": [{"subject", "not_after"}],
 * "revocation_lists": [{"issuer", "this_update", "next_update"}], "collateral": [{"fmspc", "issued", "next_update",
 * "pieces": [name…]}]}. */
CLO_MUST_USE bool endorsements_tell(const struct clo_endorsement_set *set, int64_t made,
                                    int64_t now, bool as_json, struct clo_error *err);
void endorsements_freep(struct clo_endorsement_set **set); /* for CLO_CLEANUP */

#endif
