/* How two events of a kind differ, by what they say in fields (lib/tcg/event_facts.h). */
#include <string.h>

#include "lib/disk/gpt.h"
#include "lib/explain/explain_internal.h"

/* "disk of 2097152 sectors, …" */
static json_t *table_in_prose(const char *text)
{
    static const char before[] = "disk of ";
    const char *number = text + strlen(before);
    uint64_t sectors = 0;

    if (strncmp(text, before, strlen(before)) != 0)
        return NULL;
    size_t digits = strspn(number, "0123456789");
    if (digits == 0 || digits > 18 || strncmp(number + digits, " sectors, ", 10) != 0)
        return NULL;
    for (size_t i = 0; i < digits; i++)
        sectors = sectors * 10 + (uint64_t)(number[i] - '0');
    return json_pack("{s:I}", "sectors", (json_int_t)sectors);
}

/* "dbx: 3 entries, 172 bytes", "dbx: empty" */
static json_t *variable_in_prose(const char *text, bool is_proven)
{
    size_t size = strcspn(text, ":");
    const char *value = text + size + strspn(text + size, ": ");
    size_t digits = strspn(value, "0123456789");
    json_t *facts = json_pack("{s:s%}", "variable", text, size);
    json_int_t entries = 0;

    if (!is_proven || text[size] == '\0' || digits > 9)
        return facts;
    for (size_t i = 0; i < digits; i++)
        entries = entries * 10 + (value[i] - '0');
    if (strcmp(value, "empty") == 0 || (digits > 0 && strncmp(value + digits, " entr", 5) == 0))
        json_object_set_new(facts, "entries", json_integer(entries));
    return facts;
}

bool explain_is_variable(const char *type)
{
    return strncmp(type, "EV_EFI_VARIABLE_", 16) == 0;
}

/* Files from before there were fields have the same in words; those words do not change any more. */
json_t *explain_facts(const struct clo_reference_event *event)
{
    if (event->fields != NULL)
        return json_incref((json_t *)(uintptr_t)event->fields);
    if (explain_is_variable(event->type))
        return variable_in_prose(event->text == NULL ? event->name : event->text,
                                 event->text != NULL);
    return event->text == NULL ? NULL : table_in_prose(event->text);
}

bool explain_table(const json_t *was, const json_t *is, bool is_same_text, struct clo_buffer *out)
{
    const json_t *sectors_was = json_object_get(was, "sectors");
    const json_t *sectors_is = json_object_get(is, "sectors");
    const json_t *parts_was = json_object_get(was, "partitions");
    const json_t *parts_is = json_object_get(is, "partitions");
    json_int_t before = json_integer_value(sectors_was), now = json_integer_value(sectors_is);

    if (!json_is_integer(sectors_was) || !json_is_integer(sectors_is))
        return false;
    bool are_same =
            parts_was != NULL && parts_is != NULL ? json_equal(parts_was, parts_is) : is_same_text;
    if (now > before)
        clo_buffer_printf(out,
                          "the disk was grown from %lld to %lld bytes: predict it with "
                          "--disk-size and --grow-partition",
                          before * CLO_GPT_SECTOR, now * CLO_GPT_SECTOR);
    else if (now < before)
        clo_buffer_text(out, "a smaller disk than expected, or one that was not grown");
    else if (!are_same)
        clo_buffer_text(out, "a partition was grown or moved, and the disk was not");
    else
        clo_buffer_text(out, "the same partitions with other GUIDs, attributes or flags");
    return true;
}

bool explain_is_same_variable(const json_t *a, const json_t *b)
{
    const char *name = json_string_value(json_object_get(a, "variable"));
    const char *other = json_string_value(json_object_get(b, "variable"));

    return name != NULL && other != NULL && strcmp(name, other) == 0;
}

bool explain_lists(const json_t *was, const json_t *is, struct clo_buffer *out)
{
    const json_t *old = json_object_get(was, "entries"), *new = json_object_get(is, "entries");

    if (!explain_is_same_variable(was, is) || !json_is_integer(old) || !json_is_integer(new))
        return false;
    json_int_t by = json_integer_value(new) - json_integer_value(old);
    long long count = by < 0 ? -by : by;
    clo_buffer_printf(out, "%s was changed: ", json_string_value(json_object_get(was, "variable")));
    if (count == 0)
        clo_buffer_text(out, "same number of entries, but different entries, owners or order");
    else
        clo_buffer_printf(out, "%lld entr%s %s", count, count == 1 ? "y" : "ies",
                          by > 0 ? "more" : "fewer");
    return true;
}
