/* The libraries a program needs, and where this machine's loader would find them (ld.so(8)). */
#ifndef CLOISTER_IMAGE_CLOSURE_H
#define CLOISTER_IMAGE_CLOSURE_H

#include "cloister/base.h"

#define CLO_CLOSURE_MAX 256

struct clo_closure {
    char *interpreter;            /* absolute; NULL for a static program */
    char *names[CLO_CLOSURE_MAX]; /* as they are asked for: "libssl.so.3" */
    char *paths[CLO_CLOSURE_MAX]; /* the file */
    size_t count;
};

#define CLO_LD_CONF "/etc/ld.so.conf"

/* `conf` names the folders that are looked into before the usual ones: CLO_LD_CONF. */
CLO_MUST_USE bool clo_closure_get(const char *program, const char *conf, struct clo_closure *out,
                                  struct clo_error *err);
void clo_closure_free(struct clo_closure *closure); /* for CLO_CLEANUP */

#endif
