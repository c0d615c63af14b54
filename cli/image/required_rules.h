/* The audit's required rules, held against an image before it gets its name. */
#ifndef CLOISTER_CLI_IMAGE_AUDIT_H
#define CLOISTER_CLI_IMAGE_AUDIT_H

#include "cli/cli.h"
#include "cloister/json.h"

struct cli_image_audit {
    const char *root; /* a folder, whose files are looked at too, or a file system, which is not */
    const struct clo_list *accepted; /* rules whose findings are accepted */
    const json_t *allowed;           /* words for what is taken from the host; NULL: nothing */
};

/* Are they all rules? CLO_ERR_USAGE. */
CLO_MUST_USE bool cli_image_audit_check(const struct cli_image_audit *audit, struct clo_error *err);
/* As clo_image_spec's check; `context` is a cli_image_audit. A rule that fails is CLO_ERR_REFUSED; one that
 * cannot be answered does not hold an image up. */
CLO_MUST_USE bool cli_image_audit(void *context, struct clo_bytes uki, int disk,
                                  struct clo_error *err);

#endif
