/* Boot loaders between firmware and kernel: which one is it, and what does it say that it starts? systemd-boot
 * (loader.conf(5), systemd-boot(7), src/boot/boot.c), with entries by UAPI.1, the Boot Loader Specification. */
#ifndef CLOISTER_LIB_PREDICT_LOADER_H
#define CLOISTER_LIB_PREDICT_LOADER_H

#include "cloister/pe.h"

enum loader_kind {
    LOADER_UNKNOWN,
    LOADER_SYSTEMD_BOOT,
    LOADER_GRUB,
};

struct loader {
    enum loader_kind kind;
    unsigned version; /* systemd-boot's release; 0: it does not say */
    char name[64];    /* "systemd-boot 257.13-1~deb13u1"; "GRUB 2.12-9+deb13u4" */
};

/* By what the image says of itself. */
void loader_recognise(const struct clo_pe *pe, struct loader *out);

/* What systemd-boot of a release does was seen in boots of some; of others nothing is predicted of it. */
enum loader_act {
    LOADER_MEASURES_CONF,  /* loader.conf, into PCR 5 */
    LOADER_PASSES_CMDLINE, /* a UKI's .cmdline, as its load options, and measures that into PCR 12 */
    LOADER_MEASURES_SMBIOS, /* into PCR 1 */
    LOADER_ACTS,
};
bool loader_was_seen(unsigned version);
bool loader_does(unsigned version, enum loader_act what);

/* The entry that loader.conf's `default` names (a pattern, by UAPI.1 of file names); "" if it names none. */
#define LOADER_ID 256
CLO_MUST_USE bool loader_conf_default(struct clo_bytes conf, char out[LOADER_ID],
                                      struct clo_error *err);

/* loader/entries/NAME.conf of a kernel with its initrd and command line: one of each, as boots have shown. What
 * else a file may say that is started is CLO_ERR_UNSUPPORTED. */
struct loader_entry {
    char linux_path[LOADER_ID]; /* with '/' */
    char initrd_path[LOADER_ID];
    char options[4096]; /* what the kernel gets: "initrd=\PATH ro quiet" */
};
CLO_MUST_USE bool loader_entry_parse(struct clo_bytes text, struct loader_entry *out,
                                     struct clo_error *err);

#endif
