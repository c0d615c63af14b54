/* What OVMF tells those who load it: the table of GUIDed structures at the end of a firmware image
 * (edk2, OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm; coconut-svsm's image carries one too).
 *
 * It ends 32 bytes before the end of the image and is walked backwards: each entry is its data, a
 * 16-bit size of all of it, and its GUID. A firmware without the table is not an error: it has none of
 * the entries. Entries are views into the image, which must outlive them. */
#ifndef CLOISTER_LIB_OVMF_H
#define CLOISTER_LIB_OVMF_H

#include "cloister/encoding.h"

extern const struct clo_guid clo_guid_ovmf_table;        /* the table's own footer */
extern const struct clo_guid clo_guid_ovmf_sev_hashes;   /* u32 gpa, u32 size */
extern const struct clo_guid clo_guid_ovmf_sev_secret;   /* u32 gpa, u32 size */
extern const struct clo_guid clo_guid_ovmf_sev_es_reset; /* u32 EIP of the other CPUs */
extern const struct clo_guid clo_guid_ovmf_sev_metadata; /* u32 offset from the end */
extern const struct clo_guid clo_guid_ovmf_svsm_info;    /* u32 entry point's offset */
extern const struct clo_guid clo_guid_ovmf_tdx_metadata; /* u32 offset from the end */

#define CLO_OVMF_ENTRIES_MAX 64

struct clo_ovmf_entry {
    struct clo_guid guid;
    struct clo_bytes data; /* without size and GUID */
};

struct clo_ovmf {
    struct clo_bytes image;
    struct clo_ovmf_entry entries[CLO_OVMF_ENTRIES_MAX]; /* the last in the file comes first */
    size_t count;
};

CLO_MUST_USE bool clo_ovmf_parse(struct clo_bytes image, struct clo_ovmf *out,
                                 struct clo_error *err);
/* NULL: there is none. */
const struct clo_ovmf_entry *clo_ovmf_find(const struct clo_ovmf *ovmf,
                                           const struct clo_guid *guid);
/* The structure that the entry points to by its distance from the end of the image: everything
 * from there on. An entry that is absent is CLO_ERR_UNSUPPORTED. */
CLO_MUST_USE bool clo_ovmf_metadata(const struct clo_ovmf *ovmf, const struct clo_guid *guid,
                                    struct clo_bytes *out, struct clo_error *err);

#endif
