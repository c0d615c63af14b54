#include "cli/policy/files.h"

#include <string.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/stranger.h"
#include "device/file.h"

static const char *built_in(const void *context, size_t i)
{
    (void)context;
    return i == 0 ? "strict" : NULL;
}

bool policy_load(const char *name, struct clo_policy **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    if (strcmp(name, "strict") == 0)
        return clo_policy_strict(out, err);
    if (access(name, F_OK) != 0 && cli_nearest(name, built_in, NULL) != NULL)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "%s: no such file (did you mean 'strict', the built-in one?)", name);
    if (!clo_file_read(name, CLO_FILE_LIMIT, &file, err))
        return false;
    return clo_policy_parse(clo_buffer_bytes(&file), out, err) || clo_wrap(err, "%s", name) ||
           cli_stranger(name, "a policy", "a policy", err);
}

void policy_name_open(const struct clo_pins *pins, enum clo_pin_weight weight,
                      struct clo_buffer *out)
{
    for (unsigned i = 0; i < CLO_ASPECT_COUNT; i++)
        if (pins->items[i].status == CLO_PIN_OPEN &&
            clo_aspect_weight((enum clo_aspect)i) <= weight)
            clo_buffer_printf(out, "%s%s", out->size == 0 ? "" : ", ",
                              clo_aspect_name((enum clo_aspect)i));
}

void policy_print_left(FILE *out, const char *prefix, const struct clo_pins *pins)
{
    if (pins->unmet[0] != '\0')
        fprintf(out, "%snothing can fulfil this policy: %s\n", prefix, pins->unmet);
    for (unsigned i = 0; i < CLO_ASPECT_COUNT; i++)
        if (pins->items[i].status >= CLO_PIN_PARTLY)
            fprintf(out, "%s%s: %s: %s\n", prefix, clo_pin_status_name(pins->items[i].status),
                    clo_aspect_name((enum clo_aspect)i), pins->items[i].text);
}
