/* Which variable is meant. */
#include "cli/inputs.h"
#include "cli/secureboot/lists.h"

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
