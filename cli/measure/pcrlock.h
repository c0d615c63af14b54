/* systemd-pcrlock's files and folders, as `measure convert` takes and writes them. */
#ifndef CLOISTER_CLI_MEASURE_PCRLOCK_H
#define CLOISTER_CLI_MEASURE_PCRLOCK_H

#include "cli/cli.h"
#include "cloister/pcrlock.h"

/* A folder of components. Of one that has several variants, `variants` names which. */
CLO_MUST_USE bool pcrlock_load_folder(const char *path, const struct clo_list *variants,
                                      struct clo_reference **out, struct clo_error *err);
/* Is the file a component or a policy? */
bool pcrlock_is(struct clo_bytes json);
CLO_MUST_USE bool pcrlock_read(const char *path, struct clo_bytes json, struct clo_reference **out,
                               struct clo_error *err);
/* FOLDER/COMPONENT.pcrlock.d/IMAGE.pcrlock, so that other images can stand next to it. */
CLO_MUST_USE bool pcrlock_save(const struct clo_reference *reference, const char *folder,
                               struct clo_error *err);

#endif
