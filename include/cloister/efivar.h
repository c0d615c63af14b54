/* EFI signature lists (UEFI 2.10 section 32.4.1) and the variable store of edk2's firmware volumes
 * (MdeModulePkg, Include/Guid/VariableFormat.h, authenticated format), as OVMF_VARS*.fd holds it. */
#ifndef CLOISTER_EFIVAR_H
#define CLOISTER_EFIVAR_H

#include "cloister/encoding.h"

CLO_BEGIN_C

extern CLO_API const struct clo_guid clo_guid_global_variable; /* PK, KEK, SecureBoot */
extern CLO_API const struct clo_guid clo_guid_image_security;  /* db, dbx */
extern CLO_API const struct clo_guid clo_guid_cert_x509;       /* signature types */
extern CLO_API const struct clo_guid clo_guid_cert_sha256;

/* --- Signature lists --- */

struct clo_signature_entry {
    struct clo_guid type;
    struct clo_bytes
            whole; /* EFI_SIGNATURE_DATA: owner and data; what PCR 7 measures of an authority */
    struct clo_guid owner;
    struct clo_bytes data; /* a certificate's DER, or a digest */
};

/* Appends a list with one X.509 certificate. */
CLO_API void clo_signature_list_x509(const struct clo_guid *owner, struct clo_bytes der,
                                     struct clo_buffer *out);

/* --- Variable stores --- */

#define CLO_EFIVAR_NAME_MAX 128
#define CLO_EFIVAR_BOOT     0x3U  /* non-volatile, boot services */
#define CLO_EFIVAR_SECURE   0x27U /* and runtime, time based authenticated writes */

struct clo_efivar {
    char name[CLO_EFIVAR_NAME_MAX]; /* UTF-8 */
    struct clo_guid vendor;
    uint32_t attributes;
    uint8_t time[16]; /* EFI_TIME of the last authenticated write */
    struct clo_bytes data;
};

struct clo_varstore;

/* Finds the volume anywhere in the file at a 4 KiB boundary; or reads virt-firmware's JSON. Views into `in`, or
 * of JSON into the store. */
CLO_API CLO_MUST_USE bool clo_varstore_parse(struct clo_bytes in, struct clo_varstore **out,
                                             struct clo_error *err);
CLO_API size_t clo_varstore_count(const struct clo_varstore *store);
CLO_API const struct clo_efivar *clo_varstore_at(const struct clo_varstore *store, size_t index);
CLO_API const struct clo_efivar *clo_varstore_find(const struct clo_varstore *store,
                                                   const char *name, const struct clo_guid *vendor);
/* Appends the whole file, in the form that it was read in, with `changes` in place of variables of the same name and vendor, or added. */
CLO_API CLO_MUST_USE bool clo_varstore_write(const struct clo_varstore *store,
                                             const struct clo_efivar *changes, size_t count,
                                             struct clo_buffer *out, struct clo_error *err);
/* The same for Secure Boot: PK, KEK and db are signature lists; an empty dbx leaves it alone. */
CLO_API CLO_MUST_USE bool clo_varstore_enroll(const struct clo_varstore *store, struct clo_bytes pk,
                                              struct clo_bytes kek, struct clo_bytes db,
                                              struct clo_bytes dbx, struct clo_buffer *out,
                                              struct clo_error *err);
CLO_API void clo_varstore_free(struct clo_varstore *store);
CLO_API void clo_varstore_freep(struct clo_varstore **store);

CLO_END_C

#endif
