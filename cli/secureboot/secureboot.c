#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "cloister/efivar.h"
#include "device/file.h"

#include "cli/secureboot/lists.h"

#define VALID_SECONDS (20LL * 365 * 24 * 3600)

/* --- keygen --- */

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
                      const char *name, int64_t now, struct clo_error *err)
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
    printf("%s  sha256 %s\n", path, clo_hex_text(clo_digest_bytes(&digest), hex));
    return true;
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

static bool keygen(const struct key_type *type, const char *folder, const char *name,
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
        if (make_pair(type, folder, roles[i], name, now, err))
            continue;
        for (size_t k = 0; k <= i; k++)
            remove_pair(folder, roles[k]);
        if (is_new)
            rmdir(folder);
        return false;
    }
    return true;
}

static int cmd_secureboot_keygen(int argc, char **argv)
{
    const char *output = NULL;
    const char *name = "Cloister Secure Boot";
    const char *type = key_types[0].name;
    const struct cli_option options[] = {
        { "--output", "DIR", "the folder for PK, KEK and db, each a .key and a .crt",
          .text = &output },
        { "--name", "TEXT", "what the certificates are called (default: Cloister Secure Boot)",
          .text = &name },
        { "--type", "TYPE", "rsa2048 (default), rsa3072, rsa4096, p256 or p384", .text = &type },
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
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0)
        return cli_usage_error(&usage, "unexpected argument %s", operands.items[0]);
    if (output == NULL)
        return cli_usage_error(&usage, "--output is needed");
    if (key_type(type) == NULL)
        return cli_usage_error(&usage,
                               "--type %s: expected rsa2048, rsa3072, rsa4096, p256 or p384", type);
    return keygen(key_type(type), output, name, &err) ? CLI_YES : cli_error(&err);
}

/* --- enroll --- */

static bool add_certificates(const struct cli_list *files, const struct clo_guid *owner,
                             struct clo_buffer *out, struct clo_error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!cli_read_certificate(files->items[i], &certificate, err))
            return false;
        clo_signature_list_x509(owner, clo_certificate_der(certificate), out);
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

struct enroll {
    const char *input, *output, *dbx, *owner;
    struct cli_list pk, kek, db;
};

static bool enroll(const struct enroll *in, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pk = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kek = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer db = { 0 };
    CLO_CLEANUP(secureboot_file_free) struct secureboot_file dbx = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer enrolled = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;
    struct clo_guid owner;

    if (!cli_guid("--owner", in->owner, &owner, err) ||
        !add_certificates(&in->pk, &owner, &pk, err) ||
        !add_certificates(&in->kek, &owner, &kek, err) ||
        !add_certificates(&in->db, &owner, &db, err) ||
        (in->dbx != NULL && !secureboot_read(in->dbx, "dbx", &dbx, err)) ||
        !cli_read_varstore(in->input, &file, err) ||
        !clo_varstore_parse(clo_buffer_bytes(&file), &store, err))
        return false;
    if (!clo_varstore_enroll(store, clo_buffer_bytes(&pk), clo_buffer_bytes(&kek),
                             clo_buffer_bytes(&db), dbx.lists, &enrolled, err))
        return clo_wrap(err, "%s", in->output);
    return clo_file_write(in->output, clo_buffer_bytes(&enrolled), 0644, err);
}

static int cmd_secureboot_enroll(int argc, char **argv)
{
    struct enroll in = { .owner = SECUREBOOT_OWNER };
    const struct cli_option options[] = {
        { "--input", "FILE", "the firmware's variable store, such as OVMF_VARS_4M.fd",
          .text = &in.input },
        { "--output", "FILE", "where the enrolled store goes", .text = &in.output },
        { "--pk", "FILE", "the platform key's certificate (PEM or DER)", .list = &in.pk },
        { "--kek", "FILE", "a certificate that may change db and dbx (repeatable)",
          .list = &in.kek },
        { "--db", "FILE", "a certificate whose images start (repeatable)", .list = &in.db },
        { "--dbx", "FILE", "what never starts: signature lists, or a dbx update", .text = &in.dbx },
        { "--owner", "GUID", "whose entries these are (default: one GUID for all)",
          .text = &in.owner },
    };
    static const char example[] =
            "  cloister secureboot enroll --input /usr/share/OVMF/OVMF_VARS_4M.fd \\\n"
            "      --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt\n";
    const struct cli_usage usage = {
        .command = "secureboot enroll",
        .arguments = "--input FILE --output FILE --pk FILE --kek FILE --db FILE",
        .summary = "Puts keys into a firmware variable store and turns Secure Boot on, without "
                   "booting it.\nWhat PK, KEK and db held before is replaced.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = example,
    };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0)
        return cli_usage_error(&usage, "unexpected argument %s", operands.items[0]);
    if (in.input == NULL || in.output == NULL)
        return cli_usage_error(&usage, "--input and --output are needed");
    if (in.pk.count != 1)
        return cli_usage_error(&usage, "--pk is needed, once: a machine has one owner");
    if (in.kek.count == 0 || in.db.count == 0)
        return cli_usage_error(&usage, "--kek and --db are needed");
    return enroll(&in, &err) ? CLI_YES : cli_error(&err);
}

int cmd_secureboot(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "apply", cmd_secureboot_apply, "apply an authenticated variable to a variable store" },
        { "diff", cmd_secureboot_diff, "compare signature lists" },
        { "enroll", cmd_secureboot_enroll, "put keys into a firmware variable store" },
        { "impact", cmd_secureboot_impact, "what a dbx update will do to PCR 7 and to images" },
        { "keygen", cmd_secureboot_keygen, "make the keys PK, KEK and db" },
        { "list", cmd_secureboot_list, "make and merge signature lists" },
        { "mok", cmd_secureboot_mok, "put the keys of a shim's owner into a variable store" },
        { "sbat", cmd_secureboot_sbat, "what an image's SBAT says, held against a level" },
        { "show", cmd_secureboot_show, "show what a variable store or a list holds" },
        { "sign", cmd_secureboot_sign, "sign a change of a variable" },
        { "verify", cmd_secureboot_verify, "check an authenticated variable" },
    };

    return cli_dispatch(
            "secureboot",
            "Secure Boot keys, signature lists and authenticated variables, and firmware variable "
            "stores with them.",
            commands, CLO_COUNT(commands), argc, argv);
}
