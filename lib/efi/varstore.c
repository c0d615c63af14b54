/* A variable store once it was read: its variables, in the order of the file. */
#include <stdlib.h>
#include <string.h>

#include "lib/efi/efivar_internal.h"

bool efivar_add(struct clo_varstore *store, const struct clo_efivar *variable,
                struct clo_error *err)
{
    if (store->count == VARIABLES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d variables", VARIABLES_MAX);
    struct clo_efivar *grown =
            realloc(store->variables, (store->count + 1) * sizeof *store->variables);
    if (grown == NULL)
        return clo_out_of_memory(err);
    store->variables = grown;
    store->variables[store->count++] = *variable;
    return true;
}

void clo_varstore_free(struct clo_varstore *store)
{
    if (store == NULL)
        return;
    clo_buffer_free(&store->owned);
    free(store->variables);
    free(store);
}

void clo_varstore_freep(struct clo_varstore **store)
{
    clo_varstore_free(*store);
    *store = NULL;
}

size_t clo_varstore_count(const struct clo_varstore *store)
{
    return store->count;
}

const struct clo_efivar *clo_varstore_at(const struct clo_varstore *store, size_t index)
{
    return index < store->count ? &store->variables[index] : NULL;
}

bool efivar_is_named(const struct clo_efivar *variable, const char *name,
                     const struct clo_guid *vendor)
{
    return strcmp(variable->name, name) == 0 && clo_guid_equal(&variable->vendor, vendor);
}

const struct clo_efivar *clo_varstore_find(const struct clo_varstore *store, const char *name,
                                           const struct clo_guid *vendor)
{
    for (size_t i = store->count; i > 0; i--)
        if (efivar_is_named(&store->variables[i - 1], name, vendor))
            return &store->variables[i - 1];
    return NULL;
}
