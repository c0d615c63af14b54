/* Rows of the trail, for people and as JSON. */
#include "cli/audit-log/audit_log.h"

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text == NULL ? "-" : text;
}

static void print_row(const json_t *row)
{
    const json_t *vm = json_object_get(row, "vm");
    const char *name;
    json_t *value;

    printf("%lld %s %s %s %s: %s", (long long)json_integer_value(json_object_get(row, "row")),
           text_of(row, "time"), text_of(row, "action"), text_of(row, "verdict"),
           text_of(row, "resource"), text_of(row, "detail"));
    json_object_foreach ((json_t *)(uintptr_t)vm, name, value)
        printf(" %s=%.40s", name, json_string_value(value));
    printf("\n");
}

bool audit_log_print_page(struct clo_store *store, const char *resource, bool as_json,
                          int64_t *last, size_t *count, json_t *all, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *rows = NULL;
    json_t *row;
    size_t i;

    if (!clo_store_audit_rows(store, *last, AUDIT_LOG_PAGE, resource, &rows, err))
        return false;
    *count = json_array_size(rows);
    json_array_foreach (rows, i, row) {
        *last = json_integer_value(json_object_get(row, "row"));
        if (as_json && json_array_append(all, row) != 0)
            return clo_out_of_memory(err);
        if (!as_json)
            print_row(row);
    }
    return true;
}
