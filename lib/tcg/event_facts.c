#include "event_facts.h"

#include "event_decode.h"
#include "event_values.h"

static json_t *variable_facts(const struct event_variable *variable)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };

    if (!event_text(variable->name, &name))
        return NULL;
    json_t *facts = json_pack("{s:o}", "variable", field_clean(clo_buffer_string(&name)));
    if (variable->kind == EVENT_VALUE_LISTS || variable->kind == EVENT_VALUE_EMPTY)
        json_object_set_new(facts, "entries", field_number(variable->entry_count));
    return facts;
}

static json_t *table_facts(const struct event_gpt *gpt)
{
    json_t *partitions = json_array();
    struct event_partition partition;

    for (size_t i = 0; i < gpt->count; i++) {
        event_partition_at(gpt, i, &partition);
        json_t *name = field_text(partition.name);
        json_array_append_new(partitions, json_pack("{s:o, s:o, s:o}", "first",
                                                    field_number(partition.first_lba), "last",
                                                    field_number(partition.last_lba), "name",
                                                    name == NULL ? json_string("") : name));
    }
    uint64_t last = gpt->last_sector;
    return json_pack("{s:o, s:o}", "sectors", field_number(last == UINT64_MAX ? last : last + 1),
                     "partitions", partitions);
}

json_t *event_facts(const struct clo_event *event)
{
    struct event_decoded decoded;

    event_decode(event, &decoded);
    if (decoded.kind == EVENT_VARIABLE)
        return variable_facts(&decoded.variable);
    if (decoded.kind == EVENT_GPT && decoded.is_whole)
        return table_facts(&decoded.gpt);
    return NULL;
}
