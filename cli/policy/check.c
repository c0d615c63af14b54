/* cloister policy check: what a policy pins, and what it leaves open. */
#include "cli/policy/files.h"

/* "command line" as it is written in an option. */
static bool is_called(enum clo_aspect aspect, const char *text)
{
    const char *name = clo_aspect_name(aspect);
    size_t i = 0;

    for (; name[i] != '\0' && text[i] != '\0'; i++)
        if (text[i] != name[i] && !(name[i] == ' ' && text[i] == '-') &&
            !(name[i] >= 'A' && name[i] <= 'Z' && text[i] == name[i] + 32))
            return false;
    return name[i] == '\0' && text[i] == '\0';
}

static bool read_accepted(const struct clo_list *list, uint32_t *out, struct clo_error *err)
{
    *out = 0;
    for (size_t i = 0; i < list->count; i++) {
        unsigned which = 0;
        while (which < CLO_ASPECT_COUNT && !is_called((enum clo_aspect)which, list->items[i]))
            which++;
        if (which == CLO_ASPECT_COUNT)
            return clo_fail(err, CLO_ERR_USAGE, "--accept %.40s: there is no such aspect",
                            list->items[i]);
        *out |= 1U << which;
    }
    return true;
}

static const char *weight_name(enum clo_pin_weight weight)
{
    return weight == CLO_PIN_MUST ? "must" : weight == CLO_PIN_SHOULD ? "should" : "may";
}

/* Open, heavy enough to matter, and not excepted by name. */
static bool is_wanting(const struct clo_pins *pins, unsigned i, uint32_t accepted)
{
    return pins->items[i].status == CLO_PIN_OPEN && (accepted >> i & 1) == 0 &&
           clo_aspect_weight((enum clo_aspect)i) <= CLO_PIN_SHOULD;
}

static bool is_sound(const struct clo_pins *pins, uint32_t accepted)
{
    bool sound = pins->unmet[0] == '\0';

    for (unsigned i = 0; i < CLO_ASPECT_COUNT; i++)
        sound = sound && !is_wanting(pins, i, accepted);
    return sound;
}

static json_t *pins_json(const struct clo_policy *policy, const struct clo_pins *pins,
                         uint32_t accepted)
{
    json_t *aspects = json_array();

    for (unsigned i = 0; i < CLO_ASPECT_COUNT; i++) {
        enum clo_aspect aspect = (enum clo_aspect)i;
        json_array_append_new(
                aspects, json_pack("{s:s,s:s,s:s,s:b,s:s}", "aspect", clo_aspect_name(aspect),
                                   "status", clo_pin_status_name(pins->items[i].status), "weight",
                                   weight_name(clo_aspect_weight(aspect)), "accepted",
                                   (int)(accepted >> i & 1), "text", pins->items[i].text));
    }
    return json_pack("{s:s,s:b,s:s,s:o}", "policy", clo_policy_name(policy), "sound",
                     is_sound(pins, accepted), "unmet", pins->unmet, "aspects", aspects);
}

static void print_pins(const struct clo_pins *pins, uint32_t accepted)
{
    static const char *const colours[] = {
        [CLO_PIN_NOT_APPLICABLE] = "\033[2m",
        [CLO_PIN_PINNED] = "\033[32m",
        [CLO_PIN_PARTLY] = "\033[33m",
        [CLO_PIN_OPEN] = "\033[1;31m",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer names = { 0 };
    bool colour = cli_color(stdout);

    for (unsigned i = 0; i < CLO_ASPECT_COUNT && pins->unmet[0] == '\0'; i++)
        printf("%s%-8s%s  %-16s  %s%s\n", colour ? colours[pins->items[i].status] : "",
               clo_pin_status_name(pins->items[i].status), colour ? "\033[0m" : "",
               clo_aspect_name((enum clo_aspect)i), pins->items[i].text,
               (accepted >> i & 1) != 0 ? " (accepted)" : "");
    for (unsigned i = 0; i < CLO_ASPECT_COUNT; i++)
        if (is_wanting(pins, i, accepted))
            clo_buffer_printf(&names, "%s%s", names.size == 0 ? "" : ", ",
                              clo_aspect_name((enum clo_aspect)i));
    if (pins->unmet[0] != '\0')
        printf("nothing can fulfil this policy: %s\n", pins->unmet);
    else if (names.size > 0)
        printf("weak: open: %s\n", clo_buffer_string(&names));
    else
        printf("sound: nothing that matters is open\n");
}

int cmd_policy_check(int argc, char **argv)
{
    struct clo_list paths = { .count = 0 }, exceptions = { .count = 0 };
    bool as_json = false;
    const struct cli_option options[] = {
        { "--reference", "FILE", "reference values that go with it (repeatable)", .list = &paths },
        { "--accept", "ASPECT",
          "an aspect that may be open all the same, like tcb-floor (repeatable)",
          .list = &exceptions },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "policy check",
        .arguments = "POLICY",
        .operands = { "one policy", 1, 1 },
        .summary = "Says of each aspect of a guest what pins it, or what an attacker may still "
                   "change. "
                   "POLICY is\na file, or strict, the built-in one. Exit status 0: nothing that "
                   "matters is open.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister policy check policy.json --reference demo.ref.json \\\n"
                   "      --reference firmware.ref.json\n",
    };
    CLO_CLEANUP(cli_references_free) struct cli_references references = { .count = 0 };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    struct clo_list operands;
    struct clo_pins pins;
    struct clo_error err;
    uint32_t accepted;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!read_accepted(&exceptions, &accepted, &err) ||
        !policy_load(operands.items[0], &policy, &err) ||
        !cli_references_load(&paths, &references, &err))
        return cli_fail("policy check", &err);
    clo_policy_pins(policy, cli_references_view(&references), references.count, NULL, &pins);
    if (as_json) {
        CLO_CLEANUP(clo_json_freep) json_t *json = pins_json(policy, &pins, accepted);
        if (!cli_print_json(json, &err))
            return cli_fail("policy check", &err);
    } else {
        print_pins(&pins, accepted);
    }
    return is_sound(&pins, accepted) ? CLI_YES : CLI_NO;
}
