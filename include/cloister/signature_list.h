/* EFI signature lists as sets: made, checked, appended to and compared. (UEFI 2.10 section 32.4.1; how
 * a firmware appends: section 8.2.2, EFI_VARIABLE_APPEND_WRITE.)
 *
 * The bytes matter, not only the set: PCR 7 measures them as they stand, owners and order included. */
#ifndef CLOISTER_SIGNATURE_LIST_H
#define CLOISTER_SIGNATURE_LIST_H

#include "cloister/efivar.h"

CLO_BEGIN_C

/* "x509", "sha256", "sha384", "x509-sha256", …; "other" for one that we do not know. */
CLO_API const char *clo_signature_type_name(const struct clo_guid *type);
/* By such a name; false: none. */
CLO_API bool clo_signature_type_from_name(const char *name, struct clo_guid *out);

/* Walks concatenated lists, each entry once. Malformed lists, and entries that do not have their type's
 * size, are CLO_ERR_FORMAT. */
struct clo_signature_walk {
    struct clo_reader r;
    struct clo_guid type; /* of the list that it is in */
    size_t left;          /* entries of that list */
    size_t entry_size;
};
CLO_API struct clo_signature_walk clo_signature_walk(struct clo_bytes lists);
CLO_API CLO_MUST_USE enum clo_next clo_signature_next(struct clo_signature_walk *walk,
                                                      struct clo_signature_entry *out,
                                                      struct clo_error *err);
/* All of it. `count` gets the number of entries; may be NULL. */
CLO_API CLO_MUST_USE bool clo_signature_lists_check(struct clo_bytes lists, size_t *count,
                                                    struct clo_error *err);

/* Adds one entry: to the last list if that is of hashes of this type, else in a list of its own, as
 * certificates always are. `out` holds what earlier calls made. */
CLO_API CLO_MUST_USE bool clo_signature_list_add(const struct clo_guid *type,
                                                 const struct clo_guid *owner,
                                                 struct clo_bytes data, struct clo_buffer *out,
                                                 struct clo_error *err);
/* Is there an entry of this type and data? With `owner` it must be its as well; NULL: anybody's. */
CLO_API bool clo_signature_lists_have(struct clo_bytes lists, const struct clo_guid *type,
                                      struct clo_bytes data, const struct clo_guid *owner);
/* What the variable holds after EFI_VARIABLE_APPEND_WRITE, byte for byte as edk2 makes it: `base`, then
 * the lists of `addition` without the entries that are there already. `added` counts the others. */
CLO_API CLO_MUST_USE bool clo_signature_lists_append(struct clo_bytes base,
                                                     struct clo_bytes addition,
                                                     struct clo_buffer *out, size_t *added,
                                                     struct clo_error *err);
/* `base` without the entries of this type and data, of any owner; lists that become empty are left out. */
CLO_API CLO_MUST_USE bool clo_signature_lists_remove(struct clo_bytes base,
                                                     const struct clo_guid *type,
                                                     struct clo_bytes data, struct clo_buffer *out,
                                                     size_t *removed, struct clo_error *err);

CLO_END_C

#endif
