/* cloister measure convert: reference values in the forms that other verifiers exchange, and back. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/measure/measure.h"
#include "cli/measure/pcrlock.h"
#include "cloister/corim.h"
#include "device/file.h"

#define DEFAULT_EXPIRY (30 * 86400)

struct conversion {
    const char *form, *key, *public_key, *at_text, *expires_text, *output;
    int64_t at, expires;
    uint64_t version; /* 0: that of the file */
    struct clo_list variants;
};

/* A CoRIM or CoSERV results as JSON; anything else is not one. */
static bool read_foreign(const struct conversion *in, struct clo_bytes file, json_t **out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    if (in->public_key != NULL && !clo_key_file_public(in->public_key, &key, &pem, err))
        return false;
    if (clo_corim_is(file) || key != NULL)
        return clo_corim_read(file, key, in->at, out, err);
    return clo_coserv_read(file, out, err);
}

static bool is_json(struct clo_bytes file)
{
    size_t i = 0;

    while (i < file.size && strchr(" \t\r\n", (char)file.data[i]) != NULL && file.data[i] != 0)
        i++;
    return i < file.size && file.data[i] == '{';
}

static bool read_reference(const struct conversion *in, const char *path, struct clo_bytes file,
                           struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *foreign = NULL;

    if (is_json(file) && in->public_key != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--public-key is for a signed CoRIM");
    if (pcrlock_is(file))
        return pcrlock_read(path, file, out, err);
    if (is_json(file))
        return clo_reference_parse(file, out, err);
    return read_foreign(in, file, &foreign, err) && clo_corim_to_reference(foreign, out, err);
}

/* Whose word it is: the key's that signs, or the owner's that was named. */
static bool write_coserv(const struct conversion *in, const struct clo_private_key *key,
                         const struct clo_reference *reference, struct clo_buffer *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    struct clo_digest authority;

    if (key == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--to coserv names an authority: --key is needed");
    return clo_private_key_public(key, &public_key, err) &&
           clo_public_key_fingerprint(public_key, &authority, err) &&
           clo_coserv_write(reference, &authority, in->expires, out, err);
}

static bool write_reference(const struct conversion *in, const struct clo_reference *reference,
                            struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;

    if (in->key != NULL && !clo_key_file_private(in->key, NULL, &key, err))
        return false;
    if (strcmp(in->form, "json") == 0)
        return clo_reference_write(reference, out, err);
    return strcmp(in->form, "corim") == 0 ? clo_corim_write(reference, key, out, err)
                                          : write_coserv(in, key, reference, out, err);
}

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* A reference, of whatever holds one; or, with "show", all that a foreign file says. */
static bool load(const struct conversion *in, const char *path, struct clo_reference **out,
                 struct clo_buffer *shown, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    if (is_folder(path) && strcmp(in->form, "show") == 0)
        return clo_fail(err, CLO_ERR_USAGE, "--to show is for a CoRIM or CoSERV file");
    if (is_folder(path))
        return pcrlock_load_folder(path, &in->variants, out, err);
    if (!clo_file_read(path, CLO_FILE_LIMIT, &file, err))
        return false;
    return (strcmp(in->form, "show") == 0
                    ? read_foreign(in, clo_buffer_bytes(&file), &json, err) &&
                              clo_json_write(json, shown, err)
                    : read_reference(in, path, clo_buffer_bytes(&file), out, err)) ||
           clo_wrap(err, "%s", path);
}

static bool read_times(struct conversion *in, struct clo_error *err)
{
    if (!cli_time(in->at_text, &in->at, err))
        return clo_wrap(err, "--at");
    in->expires = in->at + DEFAULT_EXPIRY;
    return in->expires_text == NULL || cli_time(in->expires_text, &in->expires, err) ||
           clo_wrap(err, "--expires");
}

static bool put(const struct conversion *in, struct clo_bytes out, const char *path,
                struct clo_error *err)
{
    if (in->output != NULL)
        return cli_is_no_input("--output", in->output, path, err) &&
               clo_file_write(in->output, out, 0644, err);
    return (fwrite(out.data, 1, out.size, stdout) == out.size &&
            (strcmp(in->form, "show") != 0 || putchar('\n') != EOF)) ||
           clo_fail(err, CLO_ERR_SYSTEM, "standard output: cannot be written");
}

static bool convert(struct conversion *in, const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    if (!read_times(in, err) || !load(in, path, &reference, &out, err))
        return false;
    if (in->version != 0 && !clo_reference_set_version(reference, in->version, err))
        return clo_wrap(err, "--set-version");
    if (strcmp(in->form, "pcrlock") == 0)
        return pcrlock_save(reference, in->output, err) || clo_wrap(err, "%s", path);
    return (strcmp(in->form, "show") == 0 || write_reference(in, reference, &out, err) ||
            clo_wrap(err, "%s", path)) &&
           put(in, clo_buffer_bytes(&out), path, err);
}

static bool is_form(const char *form)
{
    static const char *const forms[] = { "corim", "coserv", "json", "pcrlock", "show" };

    for (size_t i = 0; i < CLO_COUNT(forms); i++)
        if (strcmp(form, forms[i]) == 0)
            return true;
    return false;
}

int cmd_measure_convert(int argc, char **argv)
{
    struct conversion in = { .form = "corim" };
    const struct cli_option table[] = {
        { "--to", "FORM",
          "corim (default), coserv, pcrlock (a folder of systemd-pcrlock's components), json, or "
          "show: what a foreign file holds",
          .text = &in.form, .values = "corim coserv pcrlock json show" },
        { "--key", "FILE", "sign the CoRIM with this key (P-256, P-384); the authority in CoSERV",
          .text = &in.key },
        { "--public-key", "FILE", "the key that a signed CoRIM must be signed with",
          .text = &in.public_key },
        { "--set-version", "N",
          "the how manieth set of this name it is: a broker takes none below one that it took",
          .number = &in.version },
        { "--at", "TIME", "the time for a CoRIM's validity (default: now)", .text = &in.at_text },
        { "--expires", "TIME", "until when the CoSERV results are good (default: 30 days)",
          .text = &in.expires_text },
        { "--variant", "NAME", "of a pcrlock component that has several, this one (repeatable)",
          .list = &in.variants },
        { "--output", "FILE", "where it goes (default: standard output); of pcrlock, a folder",
          .text = &in.output },
    };
    const struct cli_usage usage = {
        .command = "measure convert",
        .arguments = "FILE",
        .operands = { "one file", 1, 1 },
        .summary = "Writes a reference file in a form that others read, and theirs as a reference "
                   "file: CoRIM and\nCoSERV, in which values travel and events do not; and "
                   "systemd-pcrlock's components, which are\nevents. FILE is a reference file, one "
                   "of those, a folder of components, or pcrlock's policy.",
        .options = table,
        .option_count = CLO_COUNT(table),
        .example = "  cloister measure convert demo.ref.json --key owner.pem --output demo.corim\n"
                   "  cloister measure convert demo.corim --public-key owner.pub.pem --to json "
                   "--output demo.ref.json\n"
                   "  cloister measure convert demo.ref.json --to pcrlock --output pcrlock.d\n"
                   "  cloister measure convert demo.ref.json --set-version 7 --key owner.pem "
                   "--output demo.corim\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!is_form(in.form))
        return cli_usage_error(&usage, "--to: %s is none of corim, coserv, pcrlock, json, show",
                               in.form);
    if (in.version != 0 && strcmp(in.form, "corim") != 0 && strcmp(in.form, "json") != 0)
        return cli_usage_error(&usage, "--set-version is for --to corim and json");
    if (strcmp(in.form, "pcrlock") == 0 && in.output == NULL)
        return cli_usage_error(&usage, "--to pcrlock writes a folder: --output is missing");
    return convert(&in, operands.items[0], &err) ? CLI_YES : cli_fail("measure convert", &err);
}
