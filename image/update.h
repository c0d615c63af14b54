/* A new UKI for a machine that runs, tried once and kept when it proved good: at any moment a boot opens the disk.
 *
 * install: the UKI goes onto the ESP next to the one that boots; the disk's volume key is sealed for the state that it
 * will lead to, next to what is sealed now; last of all firmware is told to start it once (BootNext). The boot after a
 * failed one is the old one.
 * settle: in a boot of the new one it takes the usual name (EFI/BOOT/BOOTX64.EFI), the TPM's floor is raised, and the old tokens
 * go: from there on the old UKI gets no key, whatever header is put back. In a boot of the old one the new one has failed, and goes. */
#ifndef CLOISTER_IMAGE_UPDATE_H
#define CLOISTER_IMAGE_UPDATE_H

#include "device/tpm_seal.h"
#include "lib/disk/gpt.h"

#define CLO_UPDATE_STATE  "/var/lib/cloister/update"
#define CLO_UPDATE_FOLDER "EFI/cloister"
#define CLO_UPDATE_NEXT   CLO_UPDATE_FOLDER "/next.efi"
#define CLO_UPDATE_USUAL  "EFI/BOOT/BOOTX64.EFI"

/* The machine's parts. */
struct clo_update_machine {
    const char *esp;     /* where it is mounted */
    const char *efivars; /* CLO_EFIVARS */
    const char *disk;    /* the whole disk: its table, and the root's LUKS2 header */
    const char *state;   /* a folder on the root; CLO_UPDATE_STATE */
    const char *eventlog;
    struct clo_tpm *tpm; /* NULL: there is none */
    /* The storage key of the TPM that this boot trusts with the disk's key; NULL: none is trusted, and nothing is sealed. */
    const struct clo_tpm2_name *srk;
    bool is_own;                         /* that key came by a token of our own */
    const struct clo_secret *volume_key; /* needed where something is sealed; NULL */
    const char *
            nv_policy; /* the file of the NV index that the disk is sealed to; NULL: it is sealed to registers */
    const struct clo_private_key *nv_key; /* and the key that writes it */
    const char *const *volumes; /* others that are sealed to it: devices, or files of disks */
    size_t volume_count;
};

enum clo_update_is {
    CLO_UPDATE_NONE,    /* nothing was installed */
    CLO_UPDATE_WAITING, /* for the next boot */
    CLO_UPDATE_TRIED,   /* this boot is of the new one, which has still to be settled */
    CLO_UPDATE_FAILED,  /* this boot is of the old one again */
};

/* Nothing is changed where the UKI would not start, its state cannot be foretold, or the ESP has no room; nor where it is what this
 * boot is of (`is_booted`). */
CLO_MUST_USE bool clo_update_install(const struct clo_update_machine *machine, struct clo_bytes uki,
                                     bool *is_booted, struct clo_error *err);
/* Where things stand. */
CLO_MUST_USE bool clo_update_look(const struct clo_update_machine *machine, enum clo_update_is *out,
                                  struct clo_error *err);
/* `out`: where things stood. Nothing is done while it is still to be tried, or was never installed. `has_floor`: all tokens that were
 * there were bound to the floor, so that those of the system before are lost with every copy of the header. */
CLO_MUST_USE bool clo_update_settle(const struct clo_update_machine *machine,
                                    enum clo_update_is *out, bool *has_floor,
                                    struct clo_error *err);

#endif
