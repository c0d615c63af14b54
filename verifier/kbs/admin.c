#include "verifier/kbs/admin.h"

#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/policy.h"
#include "lib/jose/ed25519.h"

#define KEYS_MAX         16
#define CERTIFICATES_MAX 64
#define RULES_MAX        64
#define RULE_SIZE        256
#define COPIES_MAX       6

struct key {
    struct clo_public_key *public; /* NULL: Ed25519 */
    uint8_t ed25519[CLO_ED25519_SIZE];
    char *issuer, *audience; /* NULL: any */
};

struct rule {
    char role[CLO_ADMIN_ROLE];
    regex_t path;
};

struct clo_admin {
    atomic_uint users;
    pthread_mutex_t lock;                                         /* of `broker` */
    char broker[sizeof CLO_ADMIN_BROKER + 2 * CLO_HASH_SIZE_MAX]; /* "": not known */
    struct key keys[KEYS_MAX];
    size_t key_count;
    json_t *certificates; /* [{"subject","role"}]; NULL: none */
    struct rule rules[RULES_MAX];
    size_t rule_count;
    struct clo_buffer policy;
};

struct clo_admin *clo_admin_use(struct clo_admin *admin)
{
    if (admin != NULL)
        atomic_fetch_add(&admin->users, 1);
    return admin;
}

void clo_admin_free(struct clo_admin *admin)
{
    if (admin == NULL || atomic_fetch_sub(&admin->users, 1) > 1)
        return;
    for (size_t i = 0; i < admin->key_count; i++) {
        clo_public_key_free(admin->keys[i].public);
        free(admin->keys[i].issuer);
        free(admin->keys[i].audience);
    }
    json_decref(admin->certificates);
    for (size_t i = 0; i < admin->rule_count; i++)
        regfree(&admin->rules[i].path);
    clo_buffer_free(&admin->policy);
    pthread_mutex_destroy(&admin->lock);
    free(admin);
}

void clo_admin_freep(struct clo_admin **admin)
{
    clo_admin_free(*admin);
    *admin = NULL;
}

struct clo_bytes clo_admin_policy(const struct clo_admin *admin)
{
    return clo_buffer_bytes(&admin->policy);
}

/* --- The file --- */

static bool read_text(const json_t *json, const char *name, char **out, struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string_optional(json, name, &text, err))
        return false;
    *out = text == NULL ? NULL : strdup(text);
    return text == NULL || *out != NULL || clo_out_of_memory(err);
}

static bool read_key(const json_t *json, struct clo_admin *admin, struct clo_error *err)
{
    static const char *const members[] = { "pem", "issuer", "audience", NULL };
    const char *pem;

    if (!clo_json_only(json, members, err) || !clo_json_get_string(json, "pem", &pem, err))
        return false;
    if (admin->key_count == KEYS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d", KEYS_MAX);
    struct key *key = &admin->keys[admin->key_count];
    if (!clo_ed25519_from_pem(clo_bytes_text(pem), key->ed25519)) {
        if (!clo_public_key_from_pem(clo_bytes_text(pem), &key->public, err))
            return false;
        admin->key_count++;
        enum clo_key_kind kind = clo_public_key_kind(key->public);
        if (kind != CLO_KEY_P256 && kind != CLO_KEY_P384)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "neither Ed25519, P-256 nor P-384");
    } else {
        admin->key_count++;
    }
    return read_text(json, "issuer", &key->issuer, err) &&
           read_text(json, "audience", &key->audience, err);
}

static bool is_role(const json_t *json)
{
    const json_t *entry;
    size_t i;

    json_array_foreach (json, i, entry)
        if (!json_is_string(entry))
            return false;
    return json_is_string(json) || json_array_size(json) > 0;
}

/* Read to the letter: a member that is not known might have narrowed it down. */
static bool read_certificates(const json_t *json, struct clo_admin *admin, struct clo_error *err)
{
    static const char *const members[] = { "subject", "role", NULL };
    const char *subject;
    json_t *list, *entry;
    size_t i;

    if (json_object_get(json, "certificates") == NULL)
        return true;
    if (!clo_json_get_array(json, "certificates", &list, err))
        return false;
    json_array_foreach (list, i, entry) {
        if (!clo_json_only(entry, members, err) ||
            !clo_json_get_string(entry, "subject", &subject, err))
            return clo_wrap(err, "\"certificates\": item %zu", i);
        if (subject[0] == '\0' || !is_role(json_object_get(entry, "role")))
            return clo_fail(err, CLO_ERR_FORMAT,
                            "\"certificates\": item %zu: a subject, and a role or a list of them",
                            i);
    }
    if (i > CERTIFICATES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "\"certificates\": more than %d", CERTIFICATES_MAX);
    admin->certificates = json_deep_copy(list);
    return admin->certificates != NULL || clo_out_of_memory(err);
}

/* The C library copies what a "+" or a count stands after, so that a few upon each other take all memory there is; and what looks back at what
 * was matched can take any time. */
static bool is_bounded(const char *text, size_t size)
{
    unsigned copies = 0;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '{' || (*at == '\\' && at[1] >= '0' && at[1] <= '9'))
            return false;
        copies += *at == '+';
    }
    return size <= RULE_SIZE && copies <= COPIES_MAX;
}

static bool is_anchored(const char *text, size_t size)
{
    return (strncmp(text, "^/kbs", 5) == 0 || strncmp(text, "^/cloister", 10) == 0) &&
           text[size - 1] == '$' && strchr(text, '|') == NULL;
}

/* From the beginning of a path to its end: a rule that fits a part of one would allow more than it says. */
static bool read_rule(const char *role, const json_t *json, struct clo_admin *admin,
                      struct clo_error *err)
{
    const char *text = json_string_value(json);
    size_t size = text == NULL ? 0 : strlen(text);

    if (size < 6 || !is_anchored(text, size))
        return clo_fail(
                err, CLO_ERR_FORMAT,
                "a path from \"^/kbs\" or \"^/cloister\" to \"$\", without \"|\", is expected");
    if (!is_bounded(text, size))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "\"%.80s\": an expression of at most %d bytes, with at most %d \"+\" and "
                        "neither \"{\" nor \"\\1\" is expected",
                        text, RULE_SIZE, COPIES_MAX);
    if (strlen(role) >= CLO_ADMIN_ROLE)
        return clo_fail(err, CLO_ERR_FORMAT, "the role's name is too long");
    if (admin->rule_count == RULES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d paths", RULES_MAX);
    struct rule *rule = &admin->rules[admin->rule_count];
    snprintf(rule->role, sizeof rule->role, "%s", role);
    if (regcomp(&rule->path, text, REG_EXTENDED | REG_NOSUB) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%.80s\" is not an expression", text);
    admin->rule_count++;
    return true;
}

static bool read_roles(const json_t *roles, struct clo_admin *admin, struct clo_error *err)
{
    const char *role;
    json_t *paths, *path;
    size_t i;

    json_object_foreach ((json_t *)(uintptr_t)roles, role, paths) {
        if (!json_is_array(paths))
            return clo_fail(err, CLO_ERR_FORMAT, "\"%.40s\" is not a list", role);
        json_array_foreach (paths, i, path)
            if (!read_rule(role, path, admin, err))
                return clo_wrap(err, "\"%.40s\"", role);
    }
    return true;
}

static bool read_policy(const json_t *json, struct clo_admin *admin, struct clo_error *err)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;

    return json == NULL || (clo_json_write(json, &admin->policy, err) &&
                            clo_policy_parse(clo_buffer_bytes(&admin->policy), &policy, err));
}

static bool read_all(const json_t *json, struct clo_admin *admin, struct clo_error *err)
{
    static const char *const members[] = { "cloister_admin", "keys",   "certificates",
                                           "roles",          "policy", NULL };
    json_t *keys = NULL, *roles, *entry;
    uint64_t version;
    size_t i;

    if (!clo_json_get_u64(json, "cloister_admin", &version, err) ||
        !clo_json_only(json, members, err) || !read_certificates(json, admin, err) ||
        (json_object_get(json, "keys") != NULL && !clo_json_get_array(json, "keys", &keys, err)) ||
        !clo_json_get_object(json, "roles", &roles, err))
        return false;
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %llu, expected 1",
                        (unsigned long long)version);
    json_array_foreach (keys, i, entry)
        if (!read_key(entry, admin, err))
            return clo_wrap(err, "\"keys\": item %zu", i);
    if (admin->key_count == 0 && json_array_size(admin->certificates) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "neither \"keys\" nor \"certificates\"");
    if (!read_roles(roles, admin, err))
        return clo_wrap(err, "\"roles\"");
    return read_policy(json_object_get(json, "policy"), admin, err);
}

bool clo_admin_parse(struct clo_bytes text, struct clo_admin **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_admin_freep) struct clo_admin *admin = calloc(1, sizeof *admin);
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (admin == NULL)
        return clo_out_of_memory(err);
    atomic_init(&admin->users, 1);
    pthread_mutex_init(&admin->lock, NULL);
    if (!clo_json_parse(text, &json, err) || !read_all(json, admin, err))
        return clo_wrap(err, "administrators");
    *out = CLO_TAKE(admin);
    return true;
}

/* --- A token --- */

static bool verify(const struct key *key, const char *token, json_t **claims, struct clo_error *err)
{
    return key->public == NULL
                   ? clo_jws_verify_ed25519(clo_bytes_text(token), key->ed25519, claims, err)
                   : clo_jws_verify(clo_bytes_text(token), key->public, claims, err);
}

static bool is_text(const json_t *claims, const char *name, const char *expected)
{
    const char *text = json_string_value(json_object_get(claims, name));

    return expected == NULL || (text != NULL && strcmp(text, expected) == 0);
}

void clo_admin_set_broker(struct clo_admin *admin, const struct clo_digest *key)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    clo_hex_text(clo_digest_bytes(key), hex);
    pthread_mutex_lock(&admin->lock);
    snprintf(admin->broker, sizeof admin->broker, CLO_ADMIN_BROKER "%s", hex);
    pthread_mutex_unlock(&admin->lock);
}

/* Whom it was sent to could send it on, to a broker that the same administrator has. */
static bool is_for_us(struct clo_admin *admin, const struct key *key, const json_t *claims)
{
    const char *said = json_string_value(json_object_get(claims, "aud"));

    if (said == NULL || strncmp(said, CLO_ADMIN_BROKER, strlen(CLO_ADMIN_BROKER)) != 0)
        return is_text(claims, "aud", key->audience);
    pthread_mutex_lock(&admin->lock);
    bool is_ours = strcmp(said, admin->broker) == 0;
    pthread_mutex_unlock(&admin->lock);
    return is_ours;
}

static bool check_claims(struct clo_admin *admin, const struct key *key, const json_t *claims,
                         int64_t time, struct clo_error *err)
{
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *begins = json_object_get(claims, "nbf");

    if (!json_is_integer(expires) || json_integer_value(expires) <= time)
        return clo_fail(err, CLO_ERR_REFUSED, "the token has expired, or says not when it does");
    if (begins != NULL && (!json_is_integer(begins) || json_integer_value(begins) > time))
        return clo_fail(err, CLO_ERR_REFUSED, "the token is not valid yet");
    return (is_text(claims, "iss", key->issuer) && is_for_us(admin, key, claims)) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the token is of another issuer, or for another audience");
}

static bool has_role(const json_t *claims, const char *role)
{
    const json_t *said = json_object_get(claims, "role");
    const json_t *entry;
    size_t i;

    if (json_is_string(said))
        return strcmp(json_string_value(said), role) == 0;
    json_array_foreach (said, i, entry)
        if (json_is_string(entry) && strcmp(json_string_value(entry), role) == 0)
            return true;
    return false;
}

static bool find_rule(const struct clo_admin *admin, const json_t *claims, const char *path,
                      char *role)
{
    for (size_t k = 0; k < admin->rule_count; k++)
        if (has_role(claims, admin->rules[k].role) &&
            regexec(&admin->rules[k].path, path, 0, NULL, 0) == 0) {
            snprintf(role, CLO_ADMIN_ROLE, "%s", admin->rules[k].role);
            return true;
        }
    return false;
}

bool clo_admin_check(struct clo_admin *admin, const char *token, int64_t time, const char *path,
                     char *role, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    size_t i = 0;

    while (i < admin->key_count && !verify(&admin->keys[i], token, &claims, err))
        i++;
    if (i == admin->key_count)
        return clo_fail(err, CLO_ERR_REFUSED, "the token is not signed by an administrator's key");
    return check_claims(admin, &admin->keys[i], claims, time, err) &&
           (find_rule(admin, claims, path, role) ||
            clo_fail(err, CLO_ERR_REFUSED, "the token's role does not allow this"));
}

/* --- A certificate --- */

bool clo_admin_check_subject(const struct clo_admin *admin, const char *subject, const char *path,
                             char *role, struct clo_error *err)
{
    bool is_known = false;
    const json_t *entry;
    size_t i;

    json_array_foreach (admin->certificates, i, entry) {
        if (!is_text(entry, "subject", subject))
            continue;
        is_known = true;
        if (find_rule(admin, entry, path, role))
            return true;
    }
    if (is_known)
        return clo_fail(err, CLO_ERR_REFUSED, "the certificate's role does not allow this");
    return clo_fail(err, CLO_ERR_REFUSED, "the certificate \"%.100s\" is not an administrator's",
                    subject);
}
