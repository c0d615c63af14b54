/* Which variable is meant, and who may change it. */
#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cloister/signature_list.h"

bool secureboot_find_variable(const char *name, const char *vendor, struct clo_efi_variable *out,
                              struct clo_error *err)
{
    *out = (struct clo_efi_variable){ .name = name, .attributes = CLO_EFIVAR_SECURE };
    if (vendor != NULL)
        return cli_guid("--vendor", vendor, &out->vendor, err);
    return clo_efi_variable_known(name, &out->vendor) ||
           clo_fail(err, CLO_ERR_USAGE,
                    "--variable %s: PK, KEK, db, dbx or dbt, or name its --vendor", name);
}

/* Signed for appending or for replacing: most files do not say which. */
static bool verify_either(const struct secureboot_file *file, struct clo_efi_variable *variable,
                          const struct clo_certificate *anchor, struct clo_certificate **signer,
                          struct clo_error *err)
{
    const struct clo_efi_auth *auth = &file->auth;

    if (file->has_attributes) {
        variable->attributes = file->attributes;
        return clo_efi_auth_verify(auth, variable, anchor, signer, err);
    }
    variable->attributes = CLO_EFIVAR_SECURE | CLO_EFIVAR_APPEND;
    if (clo_efi_auth_verify(auth, variable, anchor, signer, err))
        return true;
    if (err->status != CLO_ERR_REFUSED)
        return false; /* signed for appending, by somebody else */
    variable->attributes = CLO_EFIVAR_SECURE;
    return clo_efi_auth_verify(auth, variable, anchor, signer, err);
}

bool secureboot_verify(const struct secureboot_file *file, struct clo_efi_variable *variable,
                       struct clo_bytes anchors, struct clo_certificate **signer,
                       struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(anchors);
    struct clo_signature_entry entry;
    struct clo_error why = { 0 };

    clo_fail(&why, CLO_ERR_REFUSED, "there is no certificate that could allow it");
    while (clo_signature_next(&walk, &entry, err)) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        struct clo_error ignored;
        if (clo_guid_equal(&entry.type, &clo_guid_cert_x509) &&
            clo_certificate_parse(entry.data, &certificate, &ignored) &&
            verify_either(file, variable, certificate, signer, &why))
            return true;
    }
    if (err->status == CLO_OK)
        *err = why;
    return false;
}
