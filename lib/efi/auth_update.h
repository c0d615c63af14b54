/* An authenticated variable held against a firmware's own variables, as the firmware would: who may make the change,
 * and is it newer than what is there? */
#ifndef CLOISTER_LIB_AUTH_UPDATE_H
#define CLOISTER_LIB_AUTH_UPDATE_H

#include "cloister/efi_auth.h"
#include "cloister/efivar.h"

struct clo_auth_update {
    struct clo_efi_auth auth;
    bool has_attributes; /* the file says them, as one of efivarfs does */
    uint32_t attributes;
};

/* The lists of PK, KEK, db, dbx or dbt in a store; empty if it is not there. */
struct clo_bytes clo_varstore_lists(const struct clo_varstore *store, const char *name);

/* Is it signed by one of the certificates in these lists? Says in the variable's attributes whether it
 * appends or replaces: the signature covers that, and only a file of efivarfs says it. `signer` may be
 * NULL. */
CLO_MUST_USE bool clo_auth_update_verify(const struct clo_auth_update *update,
                                         struct clo_efi_variable *variable,
                                         struct clo_bytes anchors, struct clo_certificate **signer,
                                         struct clo_error *err);
/* The variable and its time after the change: allowed by PK (for PK and KEK) or KEK, and, unless it appends, newer
 * than what is there. Appends to `lists`. */
CLO_MUST_USE bool clo_auth_update_apply(const struct clo_varstore *store,
                                        const struct clo_auth_update *update,
                                        struct clo_efi_variable *variable, struct clo_buffer *lists,
                                        uint8_t time[CLO_EFI_TIME_SIZE], struct clo_error *err);

#endif
