/* The kernel's list of what IMA measured into PCR 10, in its binary form (Linux, Documentation/security/
 * IMA-templates.rst; security/integrity/ima/ima_fs.c, ima_crypto.c): binary_runtime_measurements.
 *
 * Believe it once its replay equals PCR 10 of a verified quote. Entries are views into the bytes given to
 * clo_ima_parse(), which must outlive the list. */
#ifndef CLOISTER_IMA_H
#define CLOISTER_IMA_H

#include "cloister/pcr.h"

CLO_BEGIN_C

struct clo_ima_entry {
    unsigned pcr;
    struct clo_bytes template_digest; /* SHA-1; all zero: a violation, extended as 0xff… */
    bool is_violation;
    struct clo_bytes template_name; /* "ima-ng" */
    struct clo_bytes template_data;
    size_t offset;
    /* Of the templates that say so; data NULL otherwise. */
    struct clo_bytes file_hash; /* "sha256" */
    struct clo_bytes file_digest;
    struct clo_bytes file_name; /* without its NUL; the attester chose it: print it sanitized */
};

struct clo_ima;

/* Up to 7 bytes after the last entry, as copies of lists have them, are tolerated and counted. */
CLO_API CLO_MUST_USE bool clo_ima_parse(struct clo_bytes in, struct clo_ima **out,
                                        struct clo_error *err);
CLO_API void clo_ima_free(struct clo_ima *list);
CLO_API void clo_ima_freep(struct clo_ima **list);
CLO_API size_t clo_ima_count(const struct clo_ima *list);
CLO_API size_t clo_ima_stray(const struct clo_ima *list);
CLO_API const struct clo_ima_entry *clo_ima_at(const struct clo_ima *list, size_t index);
/* The hash of an entry's template data; ones for a violation: what was extended into a bank. */
CLO_API void clo_ima_digest(const struct clo_ima_entry *entry, enum clo_hash hash,
                            struct clo_digest *out);
/* Does it begin as such a list does, and not as a firmware's log? For callers that are given any file. */
CLO_API bool clo_ima_is_list(struct clo_bytes in);

/* What was extended: from Linux 5.8 on each bank's own hash of the template's data, before the SHA-1,
 * padded with zeros. */
enum clo_ima_extension {
    CLO_IMA_EACH_BANK,
    CLO_IMA_PADDED_SHA1,
};
/* Extends `bank`. An entry whose data does not lead to its own template digest is refused: its words
 * would not be those that were measured. */
CLO_API CLO_MUST_USE bool clo_ima_replay(const struct clo_ima *list,
                                         enum clo_ima_extension extension,
                                         struct clo_pcr_bank *bank, struct clo_error *err);

CLO_END_C

#endif
