/* Which of the entries on an ESP does systemd-boot start by itself? */
#ifndef CLOISTER_LIB_PREDICT_LOADER_DISK_H
#define CLOISTER_LIB_PREDICT_LOADER_DISK_H

#include "lib/predict/loader.h"

struct loader_choice {
    bool is_uki;               /* else a kernel, with an entry */
    char path[2 * LOADER_ID];  /* of UKI or kernel, on the ESP */
    struct loader_entry entry; /* of a kernel */
    struct clo_buffer conf;    /* loader.conf; empty: there is none */
};
void loader_choice_free(struct loader_choice *choice); /* for CLO_CLEANUP */

/* The only entry, or the one that loader.conf names by its whole name; CLO_ERR_UNSUPPORTED where another rule
 * would decide. */
CLO_MUST_USE bool loader_choose(struct clo_bytes esp, struct loader_choice *out,
                                struct clo_error *err);

#endif
