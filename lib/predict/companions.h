/* What lies next to a UKI and the stub takes in: add-ons, credentials, extensions (systemd-stub(7),
 * "Companion files"; systemd, src/boot/stub.c). */
#ifndef CLOISTER_REFERENCE_COMPANIONS_H
#define CLOISTER_REFERENCE_COMPANIONS_H

#include "cloister/reference.h"
#include "cloister/uki.h"
#include "lib/predict/stub_archive.h"

#define COMPANION_ARCHIVES 6

/* A PE add-on, in the order in which the stub loads it. Firmware measures what it loads, also what the
 * stub then passes over. */
struct companion_addon {
    const char *name;
    struct clo_pe pe;
    bool is_applied; /* not for another kernel, and of use to this stub */
};

/* An archive that the stub packs of companions, and the register that it goes to. */
struct companion_archive {
    const char *name; /* as the event says: "Credentials initrd" */
    unsigned pcr;
    struct clo_buffer bytes; /* empty: there is none */
};

struct companions {
    struct companion_addon *addons;
    size_t addon_count;
    struct companion_archive archives[COMPANION_ARCHIVES];
};

/* Sorts out what this stub takes in. A companion that it would not look at is refused: the one who put it
 * there thinks otherwise. */
CLO_MUST_USE bool companions_parse(const struct clo_uki *uki, const struct clo_companion *items,
                                   size_t count, struct companions *out, struct clo_error *err);
void companions_free(struct companions *companions); /* for CLO_CLEANUP */

/* Appends the command lines of the add-ons, joined, cleaned and UTF-8; nothing if there is none. */
CLO_MUST_USE bool companions_cmdline(const struct companions *companions, struct clo_buffer *out,
                                     struct clo_error *err);

#endif
