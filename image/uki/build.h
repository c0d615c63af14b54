/* A whole UKI, or an add-on or a profile to join, from what the options of `uki build` name. The same inputs give
 * the same file, byte for byte. */
#ifndef CLOISTER_IMAGE_UKI_BUILD_H
#define CLOISTER_IMAGE_UKI_BUILD_H

#include "image/uki/work.h"

#define UKI_STUBS        "/usr/lib/systemd/boot/efi/"
#define UKI_DEFAULT_STUB UKI_STUBS "linuxx64.efi.stub"
#define UKI_ADDON_STUB   UKI_STUBS "addonx64.efi.stub"

/* Files by their paths; NULL or empty: not given. TEXT, or @FILE, where the options say so. */
struct uki_build {
    const char *stub, *kernel, *microcode, *cmdline, *osrel, *uname, *splash, *devicetree, *hwids,
            *pcrpkey, *profile, *output;
    struct clo_list initrds, devicetrees, firmware, sbat, sections, joined_profiles;
    bool is_addon, signs_kernel;
    struct uki_signing signing; /* open, as is the policy */
    struct uki_policy policy;
    uki_tell *tell;
    /* What stands in place of a command line, the UKI's and those of its profiles; NULL: as it was given. */
    bool (*settle)(void *context, const char *given, struct clo_buffer *out, struct clo_error *err);
    void *context;
};

/* What goes together and what does not: CLO_ERR_USAGE. */
CLO_MUST_USE bool uki_build_check(const struct uki_build *build, struct clo_error *err);
CLO_MUST_USE bool uki_build(const struct uki_build *build, struct clo_error *err);
/* The command line that a profile to join brings; *has is false where it has none and takes the UKI's. */
CLO_MUST_USE bool uki_profile_cmdline(const char *path, struct clo_buffer *out, bool *has,
                                      struct clo_error *err);
/* TEXT or @FILE, as the sections get it: without white space at its end. */
CLO_MUST_USE bool uki_read_text(const char *value, struct clo_buffer *out, struct clo_error *err);

#endif
