/* shim, the first stage that firmware's own keys start and that starts a second one by keys of its owner:
 * what it carries in sections of its own. (shim 15.8 to 16.1: README.tpm, SBAT.md, cert.S, sbat_var.S.)
 *
 * Nothing here is verified: whether a shim is authentic is told by its Authenticode signature. */
#ifndef CLOISTER_SHIM_H
#define CLOISTER_SHIM_H

#include "cloister/encoding.h"
#include "cloister/pe.h"

CLO_BEGIN_C

/* Vendor of its variables: MokList, MokListX, SbatLevel, … */
extern CLO_API const struct clo_guid clo_guid_shim_lock;

/* Views into the file. An empty one: it has none. */
struct clo_shim {
    struct clo_pe pe;
    char version[16]; /* "16.1" */
    unsigned major, minor;
    struct clo_bytes certificate;     /* its vendor's, DER; then it has no db */
    struct clo_bytes db;              /* its vendor's signature lists */
    struct clo_bytes dbx;             /* what its vendor forbids, signature lists */
    struct clo_bytes sbat;            /* its own generations */
    struct clo_bytes level_automatic; /* the SbatLevel that it raises the variable to, */
    struct clo_bytes level_latest;    /* and the one for those who asked for the latest */
};

/* Is it a shim? True also for one that is too old to describe, or whose sections cannot be parsed. */
CLO_API bool clo_shim_is(const struct clo_pe *pe);
CLO_API CLO_MUST_USE bool clo_shim_parse(struct clo_bytes in, struct clo_shim *out,
                                         struct clo_error *err);

/* The variable SbatLevel as this shim leaves it: `current` is what it holds (empty: nothing that shim
 * would keep), `policy` the variable SbatPolicy (0: there is none). Borrowed from either. */
CLO_API struct clo_bytes clo_shim_level(const struct clo_shim *shim, struct clo_bytes current,
                                        uint8_t policy, bool is_secure_boot_on);

/* One line of shim's files in UTF-16: BOOTX64.CSV, which says what fallback starts ("shimx64.efi,debian,
 * OPTIONS,…"), and options.csv, which names another second stage. */
struct clo_shim_line {
    char file[256];
    char options[256];
    bool is_only; /* no other line has anything in it */
};
/* The first line with a file's name; CLO_ERR_FORMAT where there is none, or another alphabet than ASCII. */
CLO_API CLO_MUST_USE bool clo_shim_line(struct clo_bytes csv, struct clo_shim_line *out,
                                        struct clo_error *err);

CLO_END_C

#endif
