#include "lib/efi/auth_update.h"

#include <string.h>

#include "cloister/signature_list.h"

struct clo_bytes clo_varstore_lists(const struct clo_varstore *store, const char *name)
{
    struct clo_guid vendor;
    const struct clo_efivar *variable = NULL;

    if (clo_efi_variable_known(name, &vendor))
        variable = clo_varstore_find(store, name, &vendor);
    return variable == NULL ? clo_bytes(NULL, 0) : variable->data;
}

/* Signed for appending or for replacing: most files do not say which. */
static bool verify_either(const struct clo_auth_update *update, struct clo_efi_variable *variable,
                          const struct clo_certificate *anchor, struct clo_certificate **signer,
                          struct clo_error *err)
{
    const struct clo_efi_auth *auth = &update->auth;

    if (update->has_attributes) {
        variable->attributes = update->attributes;
        return clo_efi_auth_verify(auth, variable, anchor, signer, err);
    }
    variable->attributes = CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND;
    if (clo_efi_auth_verify(auth, variable, anchor, signer, err))
        return true;
    if (err->status != CLO_ERR_REFUSED)
        return false; /* signed for appending, by another key */
    variable->attributes = CLO_EFIVAR_SECURE;
    return clo_efi_auth_verify(auth, variable, anchor, signer, err);
}

bool clo_auth_update_verify(const struct clo_auth_update *update, struct clo_efi_variable *variable,
                            struct clo_bytes anchors, struct clo_certificate **signer,
                            struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(anchors);
    struct clo_signature_entry entry;
    struct clo_error why = { 0 };
    enum clo_next next;

    clo_fail(&why, CLO_ERR_REFUSED, "there is no certificate that could allow it");
    while ((next = clo_signature_next(&walk, &entry, err)) == CLO_NEXT_ITEM) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        struct clo_error ignored;
        if (clo_guid_equal(&entry.type, &clo_guid_cert_x509) &&
            clo_certificate_parse(entry.data, &certificate, &ignored) &&
            verify_either(update, variable, certificate, signer, &why))
            return true;
    }
    if (next == CLO_NEXT_END)
        *err = why;
    return false;
}

bool clo_auth_update_apply(const struct clo_varstore *store, const struct clo_auth_update *update,
                           struct clo_efi_variable *variable, struct clo_buffer *lists,
                           uint8_t time[CLO_EFI_TIME_SIZE], struct clo_error *err)
{
    const struct clo_efi_auth *auth = &update->auth;
    bool is_key = strcmp(variable->name, "PK") == 0 || strcmp(variable->name, "KEK") == 0;
    struct clo_bytes anchors = clo_varstore_lists(store, is_key ? "PK" : "KEK");
    const struct clo_efivar *old = clo_varstore_find(store, variable->name, &variable->vendor);
    struct clo_bytes base = clo_varstore_lists(store, variable->name);
    char have[CLO_EFI_TIME_TEXT];
    char wanted[CLO_EFI_TIME_TEXT];
    size_t added;

    if (!clo_auth_update_verify(update, variable, anchors, NULL, err))
        return clo_wrap(err, "by %s of the store", is_key ? "PK" : "KEK");
    memcpy(time, auth->time, CLO_EFI_TIME_SIZE);
    if ((variable->attributes & CLO_EFIVAR_APPEND) != 0) {
        /* An append keeps the newer of the two times. */
        if (old != NULL && clo_efi_time_compare(old->time, time) > 0)
            memcpy(time, old->time, CLO_EFI_TIME_SIZE);
        return clo_signature_lists_append(base, auth->payload, lists, &added, err);
    }
    if (old != NULL && clo_efi_time_compare(auth->time, old->time) <= 0)
        return clo_fail(err, CLO_ERR_REFUSED, "time %s: not newer than the store's %s",
                        clo_efi_time_text(auth->time, wanted), clo_efi_time_text(old->time, have));
    clo_buffer_append(lists, auth->payload);
    return clo_buffer_ok(lists) || clo_out_of_memory(err);
}
