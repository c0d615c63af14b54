/* How often a disk has been used: a number in a LUKS2 token, under a MAC that only the volume key
 * makes.
 *
 *   {"type":"cloister-generation","keyslots":[],"generation":N,"mac":HEX}
 *
 * The guest raises it at each boot, and its broker remembers the last one: so a copy of the disk that
 * was put aside and put back later is noticed. The host cannot make a higher number, but it can give
 * an older one back, and it can leave the header as it is and put older sectors under it: only
 * integrity of the payload would show that. */
#ifndef CLOISTER_LIB_LUKS2_GENERATION_H
#define CLOISTER_LIB_LUKS2_GENERATION_H

#include "cloister/crypto.h"
#include "cloister/json.h"

#define CLO_LUKS2_GENERATION_TYPE "cloister-generation"

struct clo_luks2_generation {
    int token;      /* its number; -1: there is none, and the generation is 0 */
    uint64_t value; /* not to be believed before clo_luks2_generation_verify() */
    struct clo_digest mac;
};

/* From the metadata's "tokens". At most one, of exactly that shape. */
CLO_MUST_USE bool clo_luks2_generation_parse(const json_t *tokens, struct clo_luks2_generation *out,
                                             struct clo_error *err);
CLO_MUST_USE bool clo_luks2_generation_verify(const struct clo_luks2_generation *generation,
                                              const struct clo_secret *volume_key, const char *uuid,
                                              struct clo_error *err);
/* The token's JSON for this generation. */
CLO_MUST_USE bool clo_luks2_generation_write(uint64_t value, const struct clo_secret *volume_key,
                                             const char *uuid, struct clo_buffer *out,
                                             struct clo_error *err);

/* The two copies of a header differ after a write that was cut short. Makes both of them the one
 * that is whole and, if both are, the one with the higher sequence number: from there on there is
 * only one header. Nothing is done to one whose copies agree. Fails if neither is whole, or if two
 * with the same sequence number differ. */
CLO_MUST_USE bool clo_luks2_settle(struct clo_buffer *header, struct clo_error *err);

#endif
