/* What building, editing and signing images share: the sections of the image that is to be, what they
 * are read from, signed PCR policies, and the signatures. */
#ifndef CLOISTER_IMAGE_UKI_WORK_H
#define CLOISTER_IMAGE_UKI_WORK_H

#include "cloister/json.h"
#include "device/list.h"
#include "image/uki/file.h"

#define UKI_INPUTS_MAX 256

/* A line for people, "note: …" or "warning: …": the workshop itself does not print. */
typedef void uki_tell(const char *line);

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
CLO_MUST_USE bool uki_work_firmware(struct uki_work *work, const struct clo_list *paths,
                                    struct clo_error *err);
/* What is given as a kernel: an EFI image or a bzImage, or one that is compressed, which is unpacked.
 * Anything else is refused by its name. What is not a regular file is read once, and kept. */
struct uki_kernel {
    const char *path; /* what to open: as it was given, or `kept` */
    char kept[32];
    int fd;
};
CLO_MUST_USE bool uki_kernel_open(struct uki_kernel *kernel, const char *path, uki_tell *tell,
                                  struct clo_error *err);
void uki_kernel_close(struct uki_kernel *kernel); /* for CLO_CLEANUP */
/* "6.12.41-amd64"; "" where it names none. */
#define UKI_RELEASE_MAX 128
CLO_MUST_USE bool uki_kernel_release(const char *path, char out[UKI_RELEASE_MAX],
                                     struct clo_error *err);
/* How many .profile sections there are. */
size_t uki_work_profiles(struct uki_work *work);

/* --- Signing --- */

/* What the options say; and once it is open, the keys themselves. */
struct uki_signing {
    struct clo_list keys;        /* files, or URIs that a provider of OpenSSL's understands */
    struct clo_list passphrases; /* files: one for all keys, or one for each */
    struct clo_list certificates;
    struct clo_list hashes; /* none: sha256; one: for all keys */
    struct clo_list providers;
    struct clo_private_key *private_keys[CLO_LIST_MAX];
    struct clo_certificate *signers[CLO_LIST_MAX]; /* of `certificates` */
};
CLO_MUST_USE bool uki_signing_check(const struct uki_signing *signing, struct clo_error *err);
/* Reads keys and certificates, each once: passphrases may come through pipes, and tokens ask for PINs. */
CLO_MUST_USE bool uki_signing_open(struct uki_signing *signing, struct clo_error *err);
void uki_signing_close(struct uki_signing *signing); /* for CLO_CLEANUP */
enum clo_hash uki_signing_hash(const struct uki_signing *signing, size_t index);

/* A PEM file, or a key from an OpenSSL store where the name is a URI (pkcs11:…). The passphrase's file is NULL where
 * there is none. */
CLO_MUST_USE bool uki_key_read(const char *name, const char *passphrase_file,
                               const struct clo_list *providers, struct clo_private_key **out,
                               struct clo_error *err);
/* The same of several: out[i] of keys->items[i]. */
struct uki_keys {
    const char *option, *passphrase_option; /* what errors call them */
    const struct clo_list *keys, *passphrases, *providers;
};
CLO_MUST_USE bool uki_keys_check(const struct uki_keys *keys, struct clo_error *err);
CLO_MUST_USE bool uki_keys_read(const struct uki_keys *keys,
                                struct clo_private_key *out[CLO_LIST_MAX], struct clo_error *err);
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
    struct clo_list keys;        /* private, RSA */
    struct clo_list passphrases; /* files: one for all keys, or one for each */
    struct clo_list public_keys; /* of keys that are elsewhere, or of those */
    struct clo_list banks;       /* none: sha256 */
    struct clo_list phases;   /* the n-th, "PATH PATH…", for the n-th key; none: enter-initrd */
    struct clo_list profiles; /* IDs of those to sign; none: all */
    struct clo_list joined;   /* files in .pcrsig's form */
    struct clo_list providers;
    const char *digests; /* where to write what is to be signed elsewhere */
    bool is_appended;    /* to what .pcrsig holds already */
    struct clo_private_key *private_keys[CLO_LIST_MAX];
    struct clo_public_key *signers[CLO_LIST_MAX]; /* of `public_keys` */
};
CLO_MUST_USE bool uki_policy_check(const struct uki_policy *policy, struct clo_error *err);
/* Reads the keys, each once; a private key and the public key that is given for it must be a pair. */
CLO_MUST_USE bool uki_policy_open(struct uki_policy *policy, struct clo_error *err);
void uki_policy_close(struct uki_policy *policy); /* for CLO_CLEANUP */
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
CLO_MUST_USE bool uki_banks(const struct clo_list *list, unsigned *out, struct clo_error *err);

#endif
