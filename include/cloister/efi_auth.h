/* Authenticated variables: EFI_VARIABLE_AUTHENTICATION_2 followed by the variable's data, as `.auth`
 * files and dbx updates have it. (UEFI 2.10 section 8.2.2; PKCS #7 version 1.5, RFC 2315.)
 *
 * What is parsed proves nothing. Once it is verified, the holder of a KEK (or PK) key authorised this change.
 * Validity dates are ignored, as firmware ignores them. */
#ifndef CLOISTER_EFI_AUTH_H
#define CLOISTER_EFI_AUTH_H

#include "cloister/crypto.h"
#include "cloister/efivar.h"

CLO_BEGIN_C

#define CLO_EFIVAR_APPEND 0x40U /* EFI_VARIABLE_APPEND_WRITE: signed, not stored */
#define CLO_EFI_TIME_SIZE 16
#define CLO_EFI_TIME_TEXT 20 /* "2010-03-06T19:17:21", with the NUL */

struct clo_efi_auth {
    uint8_t time[CLO_EFI_TIME_SIZE];
    struct clo_bytes pkcs7;   /* SignedData, in a ContentInfo or bare; empty: it is not signed */
    struct clo_bytes payload; /* the variable's data, or what is appended to it */
};
/* Does it say of itself that it is one? For callers that are given any file. */
CLO_API bool clo_efi_auth_is(struct clo_bytes in);
/* The certificate must be PKCS #7's, and the time without fractions or a zone: what firmware demands of
 * it. It need not be a date: tools write zeros, and firmware only compares it. */
CLO_API CLO_MUST_USE bool clo_efi_auth_parse(struct clo_bytes in, struct clo_efi_auth *out,
                                             struct clo_error *err);

/* Which variable, and how it is written: all of it is signed. */
struct clo_efi_variable {
    const char *name;
    struct clo_guid vendor;
    uint32_t attributes; /* CLO_EFIVAR_SECURE, with CLO_EFIVAR_APPEND or without */
};
/* Where PK, KEK, db, dbx and dbt are; false: some other name. */
CLO_API bool clo_efi_variable_known(const char *name, struct clo_guid *vendor);

/* Signed by the key of `anchor`, or of a certificate inside that leads to it? CLO_ERR_REFUSED if the
 * signature does not hold, CLO_ERR_UNVERIFIED if it does and is another's.
 * `signer` gets the one that signed; may be NULL. */
CLO_API CLO_MUST_USE bool clo_efi_auth_verify(const struct clo_efi_auth *auth,
                                              const struct clo_efi_variable *variable,
                                              const struct clo_certificate *anchor,
                                              struct clo_certificate **signer,
                                              struct clo_error *err);
/* Appends such a file: SHA-256, no signed attributes, bare SignedData, which every firmware takes. */
CLO_API CLO_MUST_USE bool clo_efi_auth_make(const struct clo_efi_variable *variable,
                                            const uint8_t time[CLO_EFI_TIME_SIZE],
                                            struct clo_bytes payload,
                                            const struct clo_private_key *key,
                                            const struct clo_certificate *certificate,
                                            struct clo_buffer *out, struct clo_error *err);

/* EFI_TIME in UTC. */
CLO_API void clo_efi_time_make(int64_t unix_time, uint8_t out[CLO_EFI_TIME_SIZE]);
CLO_API char *clo_efi_time_text(const uint8_t time[CLO_EFI_TIME_SIZE], char out[CLO_EFI_TIME_TEXT]);
/* Less than, equal to or greater than 0. A firmware takes a change that does not append only when it is
 * newer than what is there. */
CLO_API int clo_efi_time_compare(const uint8_t a[CLO_EFI_TIME_SIZE],
                                 const uint8_t b[CLO_EFI_TIME_SIZE]);

CLO_END_C

#endif
