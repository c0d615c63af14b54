/* cloister secureboot keygen: PK, KEK and db, each a key and its certificate. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "device/file.h"
#include "lib/crypto/certificate_make.h"

#define VALID_SECONDS (20LL * 365 * 24 * 3600)

static const struct key_type {
    const char *name;
    enum clo_key_kind kind;
    unsigned bits; /* RSA's */
    enum clo_signature_scheme scheme;
    enum clo_hash hash;
} key_types[] = {
    { "rsa2048", CLO_KEY_RSA, 2048, CLO_RSASSA_PKCS1, CLO_HASH_SHA256 }, /* all firmware takes it */
    { "rsa3072", CLO_KEY_RSA, 3072, CLO_RSASSA_PKCS1, CLO_HASH_SHA256 },
    { "rsa4096", CLO_KEY_RSA, 4096, CLO_RSASSA_PKCS1, CLO_HASH_SHA256 },
    { "p256", CLO_KEY_P256, 0, CLO_ECDSA_DER, CLO_HASH_SHA256 },
    { "p384", CLO_KEY_P384, 0, CLO_ECDSA_DER, CLO_HASH_SHA384 },
};

static const struct key_type *key_type(const char *name)
{
    for (size_t i = 0; i < CLO_COUNT(key_types); i++)
        if (strcmp(key_types[i].name, name) == 0)
            return &key_types[i];
    return NULL;
}

static bool refuse_existing(const char *path, struct clo_error *err)
{
    struct stat status;

    if (lstat(path, &status) == 0)
        return clo_fail(err, CLO_ERR_USAGE, "%s: exists already; keys are not overwritten", path);
    return errno == ENOENT || clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

static bool make_certificate(const struct key_type *type, const struct clo_private_key *key,
                             const char *name, int64_t now, struct clo_buffer *der,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    struct clo_random random = cli_random();
    uint8_t serial[16];

    if (!random.fill(random.context, serial, sizeof serial))
        return clo_fail(err, CLO_ERR_SYSTEM, "no random numbers");
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive and of full length */
    struct clo_certificate_spec spec = {
        .common_name = name,
        .not_before = now - 24 * 3600, /* clocks differ */
        .not_after = now + VALID_SECONDS,
        .serial = clo_bytes(serial, sizeof serial),
        .scheme = type->scheme,
        .hash = type->hash,
    };
    return clo_private_key_public(key, &public_key, err) &&
           clo_certificate_make(&spec, public_key, NULL, key, der, err);
}

/* FOLDER/ROLE.key and FOLDER/ROLE.crt. */
static bool make_pair(const struct key_type *type, const char *folder, const char *role,
                      const char *name, int64_t now, json_t *made, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key_pem = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_digest digest;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    char subject[192];
    char path[4096];

    snprintf(subject, sizeof subject, "%.160s %s", name, role);
    if (!clo_private_key_new(type->kind, type->bits, &key, err) ||
        !make_certificate(type, key, subject, now, &der, err) ||
        !clo_pem_write("CERTIFICATE", clo_buffer_bytes(&der), &pem, err) ||
        !clo_private_key_pem(key, &key_pem, err))
        return clo_wrap(err, "%s", role);
    snprintf(path, sizeof path, "%.4000s/%s.key", folder, role);
    if (!clo_file_write(path, clo_secret_bytes(key_pem), 0600, err))
        return false;
    snprintf(path, sizeof path, "%.4000s/%s.crt", folder, role);
    if (!clo_file_write(path, clo_buffer_bytes(&pem), 0644, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&der), &digest);
    clo_hex_text(clo_digest_bytes(&digest), hex);
    json_t *pair = json_pack("{s:s, s:s, s:s}", "role", role, "certificate", path, "sha256", hex);
    return json_array_append_new(made, pair) == 0 || clo_out_of_memory(err);
}

/* None of them was there before. */
static void remove_pair(const char *folder, const char *role)
{
    char path[4096];

    snprintf(path, sizeof path, "%.4000s/%s.key", folder, role);
    unlink(path);
    snprintf(path, sizeof path, "%.4000s/%s.crt", folder, role);
    unlink(path);
}

static bool keygen(const struct key_type *type, const char *folder, const char *name, json_t *made,
                   struct clo_error *err)
{
    static const char *const roles[] = { "PK", "KEK", "db" };
    int64_t now;
    char path[4096];

    if (strlen(folder) > 4000)
        return clo_fail(err, CLO_ERR_USAGE, "%.64s…: name too long", folder);
    bool is_new = mkdir(folder, 0700) == 0;
    if (!is_new && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    for (size_t i = 0; i < CLO_COUNT(roles); i++) {
        snprintf(path, sizeof path, "%.4000s/%s.key", folder, roles[i]);
        if (!refuse_existing(path, err))
            return false;
        snprintf(path, sizeof path, "%.4000s/%s.crt", folder, roles[i]);
        if (!refuse_existing(path, err))
            return false;
    }
    if (!cli_time(NULL, &now, err))
        return false;
    for (size_t i = 0; i < CLO_COUNT(roles); i++) {
        if (make_pair(type, folder, roles[i], name, now, made, err))
            continue;
        for (size_t k = 0; k <= i; k++)
            remove_pair(folder, roles[k]);
        if (is_new)
            rmdir(folder);
        return false;
    }
    return true;
}

static bool tell(const json_t *made, bool as_json, struct clo_error *err)
{
    size_t i;
    const json_t *pair;

    if (as_json)
        return cli_print_json(made, err);
    json_array_foreach (made, i, pair)
        printf("%s  sha256 %s\n", json_string_value(json_object_get(pair, "certificate")),
               json_string_value(json_object_get(pair, "sha256")));
    return true;
}

int cmd_secureboot_keygen(int argc, char **argv)
{
    CLO_CLEANUP(clo_json_freep) json_t *made = json_array();
    bool as_json = false;
    const char *output = NULL;
    const char *name = "Cloister Secure Boot";
    const char *type = key_types[0].name;
    const struct cli_option options[] = {
        { "--output", "DIR", "the folder for PK, KEK and db, each a .key and a .crt",
          .text = &output },
        { "--name", "TEXT", "what the certificates are called (default: Cloister Secure Boot)",
          .text = &name },
        { "--type", "TYPE", "rsa2048 (default), rsa3072, rsa4096, p256 or p384", .text = &type,
          .values = "rsa2048 rsa3072 rsa4096 p256 p384" },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "secureboot keygen",
        .arguments = "--output DIR",
        .summary = "Makes the three keys of Secure Boot: PK owns the machine, KEK may change db, "
                   "db signs images.\nNothing is overwritten. Keep PK.key and KEK.key offline.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot keygen --output keys --name 'Example Ltd'\n",
    };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (output == NULL)
        return cli_usage_error(&usage, "--output is needed");
    if (key_type(type) == NULL)
        return cli_usage_error(&usage,
                               "--type %s: expected rsa2048, rsa3072, rsa4096, p256 or p384", type);
    return keygen(key_type(type), output, name, made, &err) && tell(made, as_json, &err)
                   ? CLI_YES
                   : cli_error(&err);
}
