/* What building, editing and signing images share: the sections of the image that is to be, what they
 * are read from, signed PCR policies, and the signatures. */
#ifndef CLOISTER_IMAGE_UKI_WORK_H
#define CLOISTER_IMAGE_UKI_WORK_H

#include "image/uki/file.h"

#define UKI_INPUTS_MAX 256

/* Options of several commands. */
#define UKI_SIGNING_OPTIONS(signing)                                                              \
    { "--key", "FILE|URI", "sign with this private key: PEM, or pkcs11:…, handle:… (repeatable)", \
      .list = &(signing).keys },                                                                  \
            { "--cert", "FILE", "its certificate, PEM or DER (one for each --key)",               \
              .list = &(signing).certificates },                                                  \
            { "--hash", "NAME", "what to sign: sha256 (default), sha384, sha512",                 \
              .list = &(signing).hashes },                                                        \
    {                                                                                             \
        "--provider", "NAME", "an OpenSSL provider to load, for keys elsewhere (repeatable)",     \
                .list = &(signing).providers                                                      \
    }
#define UKI_POLICY_OPTIONS(policy)                                                               \
    { "--pcr-key", "FILE|URI", "sign PCR 11 with this RSA key, into .pcrsig (repeatable)",       \
      .list = &(policy).keys },                                                                  \
            { "--pcr-public-key", "FILE",                                                        \
              "the public key of --pcr-key, or of a key that is elsewhere",                      \
              .list = &(policy).public_keys },                                                   \
            { "--bank", "NAME", "a PCR bank to sign for (default: sha256; repeatable)",          \
              .list = &(policy).banks },                                                         \
            { "--phases", "PATH…", "boot phases for the n-th --pcr-key (default: enter-initrd)", \
              .list = &(policy).phases },                                                        \
            { "--sign-profile", "ID", "sign the policy of this profile only (repeatable)",       \
              .list = &(policy).profiles },                                                      \
            { "--write-digests", "FILE", "the policy digests, to be signed elsewhere",           \
              .text = &(policy).digests },                                                       \
    {                                                                                            \
        "--join-pcrsig", "FILE", "signatures made elsewhere (repeatable)",                       \
                .list = &(policy).joined                                                         \
    }

/* On the heap: it is large. Sections, and the owner of all that their pieces point to. */
struct uki_work {
    struct clo_uki_parts_list list;
    struct uki_image *frame; /* whose headers the new image gets: the stub, or the edited image */
    unsigned stub_version;
    size_t group; /* where sections go: the base, or a profile */
    struct uki_file files[UKI_INPUTS_MAX];
    size_t file_count;
    struct uki_image *images[UKI_INPUTS_MAX];
    size_t image_count;
    struct clo_buffer texts[UKI_INPUTS_MAX];
    size_t text_count;
};

CLO_MUST_USE bool uki_work_new(struct uki_work **out, struct clo_error *err);
void uki_work_freep(struct uki_work **work);
CLO_MUST_USE bool uki_work_image(struct uki_work *work, const char *path, struct uki_image **out,
                                 struct clo_error *err);
/* Adds a file's content to pieces. */
CLO_MUST_USE bool uki_work_file(struct uki_work *work, const char *path, struct clo_pieces *out,
                                struct clo_error *err);
/* TEXT, or @FILE for what is in a file; white space at the end is dropped. */
CLO_MUST_USE bool uki_work_text(struct uki_work *work, const char *value, struct clo_bytes *out,
                                struct clo_error *err);
/* Copies bytes into the work's own memory. */
CLO_MUST_USE bool uki_work_keep(struct uki_work *work, struct clo_bytes bytes,
                                struct clo_bytes *out, struct clo_error *err);
/* Sets a section to bytes that outlive the work; nothing if they are empty. */
CLO_MUST_USE bool uki_work_set(struct uki_work *work, size_t profile, const char *name,
                               struct clo_bytes content, struct clo_error *err);
/* NAME:TEXT or NAME:@FILE, as it is. */
CLO_MUST_USE bool uki_work_section(struct uki_work *work, const char *argument,
                                   struct clo_error *err);
/* .hwids of a file, or of a folder of JSON; .efifw of files, or of folders with one image each. */
CLO_MUST_USE bool uki_work_hwids(struct uki_work *work, const char *path, struct clo_error *err);
CLO_MUST_USE bool uki_work_firmware(struct uki_work *work, const struct cli_list *paths,
                                    struct clo_error *err);
/* What is given as a kernel: an EFI image or a bzImage, or one that is compressed, which is unpacked.
 * Anything else is refused by its name. */
struct uki_kernel {
    const char *path; /* what to open: as it was given, or `unpacked` */
    char unpacked[32];
    int fd;
};
CLO_MUST_USE bool uki_kernel_open(struct uki_kernel *kernel, const char *path,
                                  struct clo_error *err);
void uki_kernel_close(struct uki_kernel *kernel); /* for CLO_CLEANUP */
/* How many .profile sections there are. */
size_t uki_work_profiles(struct uki_work *work);

/* --- Signing --- */

struct uki_signing {
    struct cli_list keys; /* files, or URIs that a provider of OpenSSL's understands */
    struct cli_list certificates;
    struct cli_list hashes; /* none: sha256; one: for all keys */
    struct cli_list providers;
};
CLO_MUST_USE bool uki_signing_check(const struct uki_signing *signing, struct clo_error *err);
enum clo_hash uki_signing_hash(const struct uki_signing *signing, size_t index);
/* Of a file in PEM, or, if it is no file's name and has a scheme, from a store. */
CLO_MUST_USE bool uki_read_key(const char *name, const struct cli_list *providers,
                               struct clo_private_key **out, struct clo_error *err);
/* PEM, or a certificate of it; `pem` gets the key's own. */
CLO_MUST_USE bool uki_read_public_key(const char *path, struct clo_public_key **out,
                                      struct clo_buffer *pem, struct clo_error *err);
/* Adds the signed policies of a file, in .pcrsig's form. */
CLO_MUST_USE bool uki_join_pcrsig(json_t *signatures, const char *path, struct clo_error *err);
/* One signature of each key, appended to a certificate table. */
CLO_MUST_USE bool uki_sign_digests(const struct uki_signing *signing,
                                   const struct clo_digest digests[CLO_HASH_COUNT],
                                   struct clo_buffer *table, struct clo_error *err);
/* Writes the image that the pieces make, with `earlier` signatures and new ones of all keys. */
CLO_MUST_USE bool uki_write_image(const struct clo_pieces *pieces, const struct clo_pe *frame,
                                  struct clo_bytes earlier, const struct uki_signing *signing,
                                  const char *path, struct clo_error *err);
/* The same of a work's sections: laid out, written, signed. */
CLO_MUST_USE bool uki_work_write(struct uki_work *work, const struct uki_signing *signing,
                                 const char *path, struct clo_error *err);

/* --- PCR 11 --- */

struct uki_policy {
    struct cli_list keys;        /* private, RSA */
    struct cli_list public_keys; /* of keys that are elsewhere, or of those */
    struct cli_list banks;       /* none: sha256 */
    struct cli_list phases;   /* the n-th, "PATH PATH…", for the n-th key; none: enter-initrd */
    struct cli_list profiles; /* IDs of those to sign; none: all */
    struct cli_list joined;   /* files in .pcrsig's form */
    struct cli_list providers;
    const char *digests; /* where to write what is to be signed elsewhere */
    bool is_appended;    /* to what .pcrsig holds already */
};
CLO_MUST_USE bool uki_policy_check(const struct uki_policy *policy, struct clo_error *err);
bool uki_policy_is_wanted(const struct uki_policy *policy);
/* .pcrpkey, if one key is given and there is none. */
CLO_MUST_USE bool uki_policy_add_key(struct uki_work *work, const struct uki_policy *policy,
                                     struct clo_error *err);
/* .pcrsig of each profile. */
CLO_MUST_USE bool uki_policy_apply(struct uki_work *work, const struct uki_policy *policy,
                                   struct clo_error *err);

/* PCR 11 of all profiles before any phase. */
struct uki_pcrs {
    struct clo_digest (*profiles)[CLO_HASH_COUNT];
    size_t count;
};
CLO_MUST_USE bool uki_work_pcrs(struct uki_work *work, unsigned hashes, struct uki_pcrs *out,
                                struct clo_error *err);
void uki_pcrs_free(struct uki_pcrs *pcrs); /* for CLO_CLEANUP */
/* The ID of a profile; "" if it has none. */
void uki_profile_id(struct uki_work *work, size_t profile, char *out, size_t size);
/* Bits (1 << hash) of the banks named; sha256 if none is. */
CLO_MUST_USE bool uki_banks(const struct cli_list *list, unsigned *out, struct clo_error *err);

#endif
