/* systemd: kernel-command-line(7), systemd(1); docs/host-inputs.md says which version honours which. */
#include "image/host_words.h"

#include <string.h>

static const char *const words[] = {
    "systemd.import_credentials=no",
    "systemd.gpt_auto=no",
    "systemd.swap=no",
    "systemd.firstboot=no",
    "systemd.ssh_auto=no",
    "systemd.factory_reset=no",
    "systemd.imds=no",
    "systemd.tpm2_software_fallback=no",
    "pstore.backend=none",
    "efi_pstore.pstore_disable=1",
    "random.trust_bootloader=off",
};
static const char cloud_init[] = "cloud-init=disabled";

/* The kernel and systemd take "-" and "_" in a key for the same. */
static bool is_same_key(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i] && !(strchr("-_", a[i]) != NULL && strchr("-_", b[i]) != NULL))
            return false;
    return true;
}

static bool has_key(const char *cmdline, const char *word)
{
    size_t size = strcspn(word, "=");

    for (const char *at = cmdline; *at != '\0';) {
        size_t length = strcspn(at, " \t\n");
        if (strcspn(at, "= \t\n") == size && is_same_key(at, word, size))
            return true;
        at += length;
        at += strspn(at, " \t\n");
    }
    return false;
}

static void add(const char *given, const char *word, struct clo_buffer *out)
{
    if (has_key(given, word))
        return;
    clo_buffer_text(out, " ");
    clo_buffer_text(out, word);
}

bool clo_host_words_add(const char *given, bool allows_cloud_init, struct clo_buffer *out,
                        struct clo_error *err)
{
    clo_buffer_text(out, given);
    if (*given == '\0')
        return true;
    for (size_t i = 0; i < CLO_COUNT(words); i++)
        add(given, words[i], out);
    if (!allows_cloud_init)
        add(given, cloud_init, out);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_host_words_have(const json_t *allowed, const char *wanted)
{
    json_t *word;
    size_t i;

    json_array_foreach (allowed, i, word) {
        if (strcmp(json_string_value(word), wanted) == 0)
            return true;
    }
    return false;
}
