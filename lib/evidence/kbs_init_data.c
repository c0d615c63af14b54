#include "lib/evidence/kbs_init_data.h"

#include <string.h>

#include "cloister/crypto.h"

#define BODY_MAX ((size_t)1 << 20)

static const struct {
    const char *name;
    enum clo_hash hash;
} algorithms[] = {
    { "sha256", CLO_HASH_SHA256 },  { "sha-256", CLO_HASH_SHA256 }, { "sha384", CLO_HASH_SHA384 },
    { "sha-384", CLO_HASH_SHA384 }, { "sha512", CLO_HASH_SHA512 },  { "sha-512", CLO_HASH_SHA512 },
};

static bool find_algorithm(const char *name, size_t size, enum clo_hash *out, struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(algorithms); i++)
        if (strlen(algorithms[i].name) == size &&
            strncasecmp(algorithms[i].name, name, size) == 0) {
            *out = algorithms[i].hash;
            return true;
        }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "\"algorithm\" \"%.*s\"", size > 20 ? 20 : (int)size,
                    name);
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* `algorithm = "NAME"` on a line of its own. False with *found false for another line. */
static bool read_line(const char *line, bool *found, enum clo_hash *out, struct clo_error *err)
{
    static const char key[] = "algorithm";
    const char *at = skip_blanks(line);

    *found = false;
    if (strncmp(at, key, strlen(key)) != 0)
        return true;
    at = skip_blanks(at + strlen(key));
    if (*at != '=')
        return true; /* a longer name */
    at = skip_blanks(at + 1);
    char quote = *at;
    const char *end = quote == '"' || quote == '\'' ? strchr(at + 1, quote) : NULL;
    if (end == NULL ||
        strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") <
                (size_t)(end - at - 1))
        return clo_fail(err, CLO_ERR_FORMAT, "\"algorithm\" is not a plain string");
    const char *rest = skip_blanks(end + 1);
    if (*rest != '\0' && *rest != '\n' && *rest != '\r' && *rest != '#')
        return clo_fail(err, CLO_ERR_FORMAT, "\"algorithm\": more on its line");
    *found = true;
    return find_algorithm(at + 1, (size_t)(end - at - 1), out, err);
}

/* The member stands before the first table. Of TOML no more is read than that, so what could make a line mean something
 * else (a string over several lines) is refused there. */
static bool read_algorithm(const char *body, enum clo_hash *out, struct clo_error *err)
{
    bool has_found = false;

    for (const char *line = body; line != NULL && *line != '\0';) {
        const char *next = strchr(line, '\n');
        const char *at = skip_blanks(line);
        const char *end = next == NULL ? line + strlen(line) : next;
        bool found;
        if (*at == '[')
            break;
        if (memmem(line, (size_t)(end - line), "\"\"\"", 3) != NULL ||
            memmem(line, (size_t)(end - line), "'''", 3) != NULL)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "a string over several lines before the first table");
        if (!read_line(line, &found, out, err))
            return false;
        if (found && has_found)
            return clo_fail(err, CLO_ERR_FORMAT, "\"algorithm\" twice");
        has_found = has_found || found;
        line = next == NULL ? NULL : next + 1;
    }
    return has_found || clo_fail(err, CLO_ERR_FORMAT, "\"algorithm\" is missing");
}

static bool digest(const json_t *init_data, struct clo_buffer *out, struct clo_error *err)
{
    const char *format, *body;
    enum clo_hash hash = CLO_HASH_SHA256;
    struct clo_digest value;

    if (!clo_json_get_string(init_data, "format", &format, err) ||
        !clo_json_get_string(init_data, "body", &body, err))
        return false;
    if (strcmp(format, "toml") != 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "format \"%.20s\"", format);
    if (strlen(body) > BODY_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, at most %zu", strlen(body), BODY_MAX);
    if (!read_algorithm(body, &hash, err))
        return false;
    clo_hash(hash, clo_bytes_text(body), &value);
    clo_buffer_append(out, clo_digest_bytes(&value));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool kbs_init_data_digest(const json_t *init_data, struct clo_buffer *out, struct clo_error *err)
{
    return init_data == NULL || json_is_null(init_data) || digest(init_data, out, err) ||
           clo_wrap(err, "init-data");
}
