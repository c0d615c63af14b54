/* cloister secureboot show: what a variable store, signature lists or an authenticated variable hold. */
#include <string.h>

#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cloister/signature_list.h"

static const char *const key_variables[] = { "PK", "KEK", "db", "dbx" };

struct show {
    bool json, all;
};

/* --- A variable store --- */

static bool is_set(const struct clo_varstore *store, const char *name, uint8_t value)
{
    for (size_t i = 0; i < clo_varstore_count(store); i++) {
        const struct clo_efivar *variable = clo_varstore_at(store, i);
        if (strcmp(variable->name, name) == 0)
            return variable->data.size == 1 && variable->data.data[0] == value;
    }
    return false;
}

static bool print_store(const struct clo_varstore *store, const struct show *show, bool is_on,
                        bool has_owner, struct clo_error *err)
{
    printf("Secure Boot %s: %s\n", is_on ? "on" : "off",
           has_owner ? "user mode, PK is enrolled" : "setup mode, anybody may enrol keys");
    for (size_t i = 0; i < CLO_COUNT(key_variables); i++) {
        struct clo_bytes lists = clo_varstore_lists(store, key_variables[i]);
        printf("%s%s\n", key_variables[i], lists.size == 0 ? ": not set" : "");
        if (!secureboot_print(lists, show->all, err))
            return clo_wrap(err, "%s", key_variables[i]);
    }
    printf("\n  %-24s %6s  %s\n", "variable", "bytes", "vendor");
    for (size_t i = 0; i < clo_varstore_count(store); i++) {
        const struct clo_efivar *variable = clo_varstore_at(store, i);
        char vendor[CLO_GUID_TEXT];
        char name[CLO_EFIVAR_NAME_MAX];
        memcpy(name, variable->name, sizeof name);
        clo_sanitize(name);
        printf("  %-24s %6zu  %s\n", name, variable->data.size,
               clo_guid_text(&variable->vendor, vendor));
    }
    return true;
}

static bool lists_json(struct clo_bytes lists, json_t *to, struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(lists);
    struct clo_signature_entry entry;
    enum clo_next next;

    while ((next = clo_signature_next(&walk, &entry, err)) == CLO_NEXT_ITEM)
        if (json_array_append_new(to, secureboot_entry_json(&entry)) != 0)
            return clo_out_of_memory(err);
    return next == CLO_NEXT_END;
}

static bool store_json(const struct clo_varstore *store, bool is_on, bool has_owner,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:b, s:b, s:{}, s:[]}", "secure_boot", is_on, "setup_mode",
                             !has_owner, "keys", "variables");
    json_t *keys = json_object_get(json, "keys");
    json_t *variables = json_object_get(json, "variables");

    for (size_t i = 0; i < CLO_COUNT(key_variables); i++) {
        struct clo_bytes lists = clo_varstore_lists(store, key_variables[i]);
        json_t *list = json_array();
        if (lists.data == NULL) {
            json_decref(list);
            continue;
        }
        json_object_set_new(keys, key_variables[i], list);
        if (!lists_json(lists, list, err))
            return clo_wrap(err, "%s", key_variables[i]);
    }
    for (size_t i = 0; i < clo_varstore_count(store); i++) {
        const struct clo_efivar *variable = clo_varstore_at(store, i);
        char vendor[CLO_GUID_TEXT];
        json_array_append_new(variables,
                              json_pack("{s:s, s:s, s:I, s:I}", "name", variable->name, "vendor",
                                        clo_guid_text(&variable->vendor, vendor), "attributes",
                                        (json_int_t)variable->attributes, "size",
                                        (json_int_t)variable->data.size));
    }
    return cli_print_json(json, err);
}

static bool show_store(const struct clo_varstore *store, const struct show *show,
                       struct clo_error *err)
{
    bool has_owner = clo_varstore_lists(store, "PK").size > 0;
    bool is_on = has_owner && is_set(store, "SecureBootEnable", 1);

    return show->json ? store_json(store, is_on, has_owner, err)
                      : print_store(store, show, is_on, has_owner, err);
}

/* --- Lists --- */

/* Signed for which variable and how, only a certificate can tell: 'secureboot verify'. */
static bool show_lists(const struct secureboot_file *file, const struct show *show,
                       struct clo_error *err)
{
    char time[CLO_EFI_TIME_TEXT] = "";
    size_t count;

    if (!clo_signature_lists_check(file->lists, &count, err))
        return false;
    if (file->is_auth)
        clo_efi_time_text(file->update.auth.time, time);
    if (show->json) {
        CLO_CLEANUP(clo_json_freep)
        json_t *json = json_pack("{s:s, s:I, s:[]}", "kind",
                                 file->is_auth                 ? "auth"
                                 : file->update.has_attributes ? "efivarfs"
                                                               : "esl",
                                 "size", (json_int_t)file->lists.size, "entries");
        if (file->is_auth)
            json_object_set_new(json, "time", json_string(time));
        return lists_json(file->lists, json_object_get(json, "entries"), err) &&
               cli_print_json(json, err);
    }
    if (file->is_auth)
        printf("authenticated variable of %s, a signature of %zu bytes (not verified)\n", time,
               file->update.auth.pkcs7.size);
    printf("%zu entries, %zu bytes\n", count, file->lists.size);
    return secureboot_print(file->lists, show->all, err);
}

int cmd_secureboot_show(int argc, char **argv)
{
    struct show show = { 0 };
    const struct cli_option options[] = {
        { "--all", NULL, "every hash instead of their number", .flag = &show.all },
        { "--json", NULL, "print one JSON document", .flag = &show.json },
    };
    const struct cli_usage usage = {
        .command = "secureboot show",
        .arguments = "FILE",
        .operands = { "one file", 1, 1 },
        .summary =
                "Shows the Secure Boot keys and the variables in a firmware variable store, or "
                "what is in\nsignature lists, an authenticated variable (a dbx update) or a file "
                "of efivarfs.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot show vars.fd\n",
    };
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file file = { 0 };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!secureboot_read(operands.items[0], NULL, &file, &err))
        return cli_error(&err);
    bool ok = file.store != NULL ? show_store(file.store, &show, &err)
                                 : show_lists(&file, &show, &err);
    if (!ok) {
        clo_wrap(&err, "%s", operands.items[0]);
        return cli_error(&err);
    }
    return CLI_YES;
}
