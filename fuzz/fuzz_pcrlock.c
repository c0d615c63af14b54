/* systemd-pcrlock's files: what is read as a reference can be written as components, and those are read again. */
#include <stdio.h>
#include <string.h>

#include "cloister/pcrlock.h"

#include "fuzz.h"

#define COMPONENTS 64

struct written {
    struct clo_buffer texts[COMPONENTS];
    char names[COMPONENTS][40];
    size_t count;
};

static bool keep(void *context, const char *component, struct clo_bytes json, struct clo_error *err)
{
    struct written *w = context;

    (void)err;
    MUST(w->count < COMPONENTS);
    snprintf(w->names[w->count], sizeof w->names[0], "%s", component);
    clo_buffer_append(&w->texts[w->count++], json);
    return true;
}

static void check_again(const struct clo_reference *reference)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *again = NULL;
    struct written written = { 0 };
    struct clo_pcrlock_file files[COMPONENTS] = { 0 };
    struct clo_error err;

    bool ok = clo_pcrlock_write(reference, keep, &written, &err);
    for (size_t i = 0; i < written.count; i++) {
        files[i].component = written.names[i];
        files[i].json = clo_buffer_bytes(&written.texts[i]);
        MUST(clo_pcrlock_is_component(files[i].json));
    }
    /* Registers with a value may be those alone that systemd's own components are about. */
    if (ok && !clo_pcrlock_read("again", files, written.count, &again, &err))
        MUST(strcmp(err.text, "pcrlock: no value of a PCR") == 0);
    for (size_t i = 0; i < written.count; i++)
        clo_buffer_free(&written.texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *policy = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    const struct clo_pcrlock_file file = { "650-fuzz", clo_bytes(data, size) };
    struct clo_error err;

    if (clo_pcrlock_read_policy("fuzz", file.json, &policy, &err))
        MUST(clo_pcrlock_is_policy(file.json));
    if (!clo_pcrlock_read("fuzz", &file, 1, &reference, &err))
        return 0;
    MUST(clo_pcrlock_is_component(file.json));
    check_again(reference);
    return 0;
}
