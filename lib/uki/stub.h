/* What does systemd's stub of a release do? One table for all who read, build or predict (systemd NEWS,
 * systemd-stub(7), src/boot/stub.c). A stub that does not say its release is version 0 and does nothing. */
#ifndef CLOISTER_LIB_UKI_STUB_H
#define CLOISTER_LIB_UKI_STUB_H

#include <stdbool.h>

enum stub_act {
    STUB_MEASURES,             /* its sections into PCR 11, as they are predicted here */
    STUB_MEASURES_UNAME,       /* .uname too */
    STUB_TRIMS_BOTH_ENDS,      /* of a command line; before, its end alone */
    STUB_MEASURES_SBAT,        /* .sbat too */
    STUB_TAKES_ADDONS,         /* PE add-ons, for their command lines */
    STUB_TAKES_FIRST,          /* of several sections of a name; before, the last */
    STUB_TAKES_UCODE,          /* .ucode, before the initrd */
    STUB_TAKES_CONFEXTS,       /* *.confext.raw apart from other *.raw */
    STUB_MEASURES_CC,          /* through EFI_CC_MEASUREMENT_PROTOCOL, into RTMRs */
    STUB_KNOWS_PROFILES,       /* .profile, .dtbauto, .hwids; "@1" in the load options */
    STUB_TAKES_ADDON_INITRDS,  /* .initrd and .ucode of add-ons */
    STUB_PACKS_OSREL,          /* .osrel and .profile into the initrd */
    STUB_TAKES_EFIFW,          /* .efifw */
    STUB_LOADS_ITSELF,         /* the kernel, and no longer through LoadImage() */
    STUB_TAKES_ALL_EXTENSIONS, /* those below loader/extensions/ */
    STUB_MEASURES_SMBIOS,      /* types 1, 2 and 11, into PCR 1 */
    STUB_HANDS_SECRET,         /* a secret of the machine's in the initrd, which PCR 9 measures */
    STUB_ACTS,
};

bool stub_does(unsigned version, enum stub_act what);
/* The first release that does. */
unsigned stub_since(enum stub_act what);

#endif
