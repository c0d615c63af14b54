/* A LUKS2 token of type "cloister": the key of its slots is what the broker releases to this machine.
 *
 *   {"type":"cloister","keyslots":["0"],"resource":"default/disk/data"}
 *
 * The header is the host's to write, so the token names no broker: address and key stand in the guest's own configuration, which is
 * measured with its UKI. `resource` may be left out. */
#ifndef CLOISTER_GUEST_LUKS_TOKEN_H
#define CLOISTER_GUEST_LUKS_TOKEN_H

#include "cloister/json.h"
#include "guest/config.h"

#define CLO_LUKS_TOKEN_TYPE "cloister"

/* What another program read of the same disk, and will map it by: held against the header that is checked. */
struct clo_luks_view {
    const char *uuid;
    const char *cipher;      /* "aes" */
    const char *mode;        /* "xts-plain64" */
    const char *integrity;   /* NULL: none */
    uint64_t payload_offset; /* bytes */
    size_t key_size;
    uint32_t requirements; /* none is taken: a header that is being encrypted anew has one */
    /* Its digest is of this volume key. Only the header's slots lead from what is given to a volume key, and slots of the host's may
     * lead to a key of the host's. */
    bool (*has_key)(void *context, struct clo_bytes volume_key);
    void *context;
};

/* Where the machine's parts are. */
struct clo_luks_machine {
    const char *tpm, *eventlog, *userlog, *ccel;
    const char *imds; /* NULL: never asked */
};

/* May a token name it? It is the disk's holder's word: of the place that the image has its own key in (its first two parts), and no other. */
CLO_MUST_USE bool clo_luks_token_resource(const struct clo_guest_config *config,
                                          const char *resource, struct clo_error *err);
/* The type, slots and resource, and nothing else. `resource` is NULL or lives in `json`. */
CLO_MUST_USE bool clo_luks_token_parse(const json_t *json, const char **resource,
                                       struct clo_error *err);
/* Checks the disk's header, proves the machine, and gives what was released for it: once the disk is the one that was registered, and
 * is the one that the view shows. */
CLO_MUST_USE bool clo_luks_token_key(const struct clo_guest_config *config,
                                     const struct clo_luks_machine *machine, const char *device,
                                     const struct clo_luks_view *view, struct clo_secret **out,
                                     struct clo_error *err);

#endif
