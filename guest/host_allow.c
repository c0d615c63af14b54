#include "guest/host_allow.h"

#include <string.h>

#include "cloister/crypto.h"

#define KEY_LIMIT 4096

enum argument {
    ARGUMENT_NONE,
    ARGUMENT_NAME,
    ARGUMENT_BEGINNING
};

static const struct {
    const char *kind;
    enum argument argument;
} kinds[] = {
    { "report", ARGUMENT_NONE },
    { "cmdline", ARGUMENT_NONE },
    { "smbios-credential", ARGUMENT_NAME },
    { "fw-cfg-credential", ARGUMENT_NAME },
    { "smbios-string", ARGUMENT_BEGINNING },
    { "fw-cfg", ARGUMENT_BEGINNING },
    { "efi-variable", ARGUMENT_NAME },
    { "port", ARGUMENT_NAME },
    { "agents", ARGUMENT_NONE },
    { "cloud-init", ARGUMENT_NONE },
    { "companions", ARGUMENT_NONE },
    { "file-systems", ARGUMENT_NONE },
    { "disks", ARGUMENT_NONE },
    { "esp", ARGUMENT_NONE },
};

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\')
            return false;
    return true;
}

/* A credential's name becomes a file's (systemd: credential_name_valid). */
static bool is_file_name(const char *name)
{
    return strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool clo_host_word_check(const char *word, struct clo_error *err)
{
    size_t size = strcspn(word, ":");
    const char *name = word[size] == ':' ? word + size + 1 : NULL;

    if (strlen(word) >= CLO_HOST_WORD_MAX || !is_plain(word))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "\"%.40s\": too long, or with characters that are not plain", word);
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        if (strlen(kinds[i].kind) != size || memcmp(kinds[i].kind, word, size) != 0)
            continue;
        if ((kinds[i].argument == ARGUMENT_NONE) != (name == NULL))
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": %s", word,
                            name == NULL ? "a name must follow" : "no name follows");
        if (name != NULL &&
            (*name == '\0' || (strstr(kinds[i].kind, "credential") != NULL && !is_file_name(name))))
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": not a name", word);
        return true;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "\"%.40s\" is not something that a host hands in", word);
}

static bool read_words(const json_t *list, struct clo_host_allow *out, struct clo_error *err)
{
    json_t *entry;
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *word = json_string_value(entry);
        if (word == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "allow %zu: not a string", i);
        if (out->count == CLO_HOST_WORDS_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d words", CLO_HOST_WORDS_MAX);
        if (!clo_host_word_check(word, err))
            return false;
        out->words[out->count++] = word;
    }
    return true;
}

static bool read_key(const json_t *json, struct clo_host_allow *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;

    return json_object_get(json, "key") == NULL ||
           (clo_json_get_bytes(json, "key", CLO_JSON_BASE64, KEY_LIMIT, &out->key, err) &&
            clo_public_key_from_spki(clo_buffer_bytes(&out->key), &key, err));
}

bool clo_host_allow_parse(const json_t *json, struct clo_host_allow *out, struct clo_error *err)
{
    static const char *const keys[] = { "allow", "key", NULL };
    CLO_CLEANUP(clo_host_allow_free) struct clo_host_allow allow = { .count = 0 };
    json_t *words;

    if (!clo_json_only(json, keys, err) || !clo_json_get_array(json, "allow", &words, err) ||
        !read_words(words, &allow, err) || !read_key(json, &allow, err))
        return false;
    *out = allow;
    allow.key = (struct clo_buffer){ 0 };
    return true;
}

void clo_host_allow_free(struct clo_host_allow *allow)
{
    clo_buffer_free(&allow->key);
    allow->count = 0;
}

static bool is_beginning(const char *kind)
{
    for (size_t i = 0; i < CLO_COUNT(kinds); i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            return kinds[i].argument == ARGUMENT_BEGINNING;
    return false;
}

bool clo_host_allows(const struct clo_host_allow *allow, const char *kind, const char *name)
{
    size_t size = strlen(kind);

    for (size_t i = 0; i < allow->count; i++) {
        const char *word = allow->words[i];
        if (strncmp(word, kind, size) != 0)
            continue;
        if (name == NULL ? word[size] == '\0'
                         : word[size] == ':' &&
                                   (is_beginning(kind) ? strncmp(name, word + size + 1,
                                                                 strlen(word + size + 1)) == 0
                                                       : strcmp(name, word + size + 1) == 0))
            return true;
    }
    return false;
}
