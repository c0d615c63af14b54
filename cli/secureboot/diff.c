/* cloister secureboot diff: what two files of signature lists do not share. */
#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cloister/signature_list.h"

struct difference {
    json_t *only[2];
    json_t *owners; /* in both, under other owners */
    size_t counts[3];
};

static void note_down(json_t *to, const struct clo_signature_entry *entry, const char *mark,
                      bool as_json)
{
    struct secureboot_entry text;

    if (as_json) {
        json_array_append_new(to, secureboot_entry_json(entry));
        return;
    }
    secureboot_describe(entry, &text);
    printf("%s %-6s %s%s%s\n", mark, text.type, text.hex, text.subject[0] == '\0' ? "" : "  ",
           text.subject);
}

/* Entries of `a` that `b` has not, or has of another owner. */
static bool compare(struct clo_bytes a, struct clo_bytes b, size_t side, bool as_json,
                    struct difference *out, struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(a);
    struct clo_signature_entry entry;
    enum clo_next next;

    while ((next = clo_signature_next(&walk, &entry, err)) == CLO_NEXT_ITEM) {
        if (!clo_signature_lists_have(b, &entry.type, entry.data, NULL)) {
            note_down(out->only[side], &entry, side == 0 ? "-" : "+", as_json);
            out->counts[side]++;
        } else if (side == 0 &&
                   !clo_signature_lists_have(b, &entry.type, entry.data, &entry.owner)) {
            note_down(out->owners, &entry, "~", as_json);
            out->counts[2]++;
        }
    }
    return next == CLO_NEXT_END;
}

int cmd_secureboot_diff(int argc, char **argv)
{
    const char *variable = "dbx";
    bool as_json = false;
    const struct cli_option options[] = {
        { "--variable", "NAME", "which variable of a store (dbx)", .text = &variable,
          .values = "PK KEK db dbx" },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "secureboot diff",
        .arguments = "OLD NEW",
        .operands = { "two files", 2, 2 },
        .summary = "Compares signature lists: lists, .auth files, efivarfs files or variable "
                   "stores. Exit status 1\nif they differ; also where only owners or order do, "
                   "since PCR 7 measures the bytes.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot diff vars.fd DBXUpdate.bin --variable dbx\n",
    };
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file old = { 0 };
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file new = { 0 };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:[], s:[], s:[]}", "removed", "added", "owner_differs");
    struct difference difference = { .only = { json_object_get(json, "removed"),
                                               json_object_get(json, "added") },
                                     .owners = json_object_get(json, "owner_differs") };
    if (!secureboot_read(operands.items[0], variable, &old, &err) ||
        !secureboot_read(operands.items[1], variable, &new, &err) ||
        !compare(old.lists, new.lists, 0, as_json, &difference, &err) ||
        !compare(new.lists, old.lists, 1, as_json, &difference, &err))
        return cli_fail("secureboot diff", &err);
    bool is_same = clo_bytes_equal(old.lists, new.lists);
    if (as_json) {
        json_object_set_new(json, "identical", json_boolean(is_same));
        if (!cli_print_json(json, &err))
            return cli_fail("secureboot diff", &err);
    } else if (is_same) {
        printf("identical\n");
    } else {
        printf("%zu removed, %zu added, %zu of another owner%s\n", difference.counts[0],
               difference.counts[1], difference.counts[2],
               difference.counts[0] + difference.counts[1] + difference.counts[2] == 0
                       ? ": the same entries in another order or form"
                       : "");
    }
    return is_same ? CLI_YES : CLI_NO;
}
