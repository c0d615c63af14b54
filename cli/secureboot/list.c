/* cloister secureboot list: signature lists made and merged. */
#include <string.h>

#include "cli/inputs.h"
#include "cli/secureboot/lists.h"
#include "cli/written.h"
#include "cloister/authenticode.h"
#include "cloister/signature_list.h"
#include "device/file.h"

struct list_options {
    struct cli_written written;
    struct clo_list merge, certificates, hashes, images, removed;
    const char *owner, *variable, *output;
    bool sha384;
};

/* By its length: SHA-256 or SHA-384. */
static bool read_hash(const char *text, struct clo_guid *type, struct clo_buffer *out,
                      struct clo_error *err)
{
    if (!clo_hex_read(clo_bytes_text(text), out, err)) {
        err->status = CLO_ERR_USAGE;
        return clo_wrap(err, "%.80s", text);
    }
    if (out->size != 32 && out->size != 48)
        return clo_fail(err, CLO_ERR_USAGE,
                        "%.80s: %zu bytes, 32 (SHA-256) or 48 (SHA-384) "
                        "expected",
                        text, out->size);
    return clo_signature_type_from_name(out->size == 32 ? "sha256" : "sha384", type);
}

static bool add_image(const char *path, bool sha384, const struct clo_guid *owner,
                      struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_digest digest;
    struct clo_guid type;
    struct clo_pe pe;

    if (!cli_read_pe(path, &file, err))
        return false;
    if (!clo_pe_parse(clo_buffer_bytes(&file), &pe, err) ||
        !clo_authenticode_digest(&pe, sha384 ? CLO_HASH_SHA384 : CLO_HASH_SHA256, &digest, err))
        return clo_wrap(err, "%s", path);
    return clo_signature_type_from_name(sha384 ? "sha384" : "sha256", &type) &&
           clo_signature_list_add(&type, owner, clo_digest_bytes(&digest), out, err);
}

/* What is asked for one by one, in the order of the options. */
static bool make_new(const struct list_options *o, const struct clo_guid *owner,
                     struct clo_buffer *out, struct clo_error *err)
{
    for (size_t i = 0; i < o->certificates.count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!clo_certificate_file(o->certificates.items[i], &certificate, err) ||
            !clo_signature_list_add(&clo_guid_cert_x509, owner, clo_certificate_der(certificate),
                                    out, err))
            return false;
    }
    for (size_t i = 0; i < o->hashes.count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer hash = { 0 };
        struct clo_guid type;
        if (!read_hash(o->hashes.items[i], &type, &hash, err))
            return clo_wrap(err, "--hash");
        if (!clo_signature_list_add(&type, owner, clo_buffer_bytes(&hash), out, err))
            return false;
    }
    for (size_t i = 0; i < o->images.count; i++)
        if (!add_image(o->images.items[i], o->sha384, owner, out, err))
            return false;
    return true;
}

/* Puts `base` with `addition` appended in its place. */
static bool append(struct clo_buffer *base, struct clo_bytes addition, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer merged = { 0 };
    size_t added;

    if (!clo_signature_lists_append(clo_buffer_bytes(base), addition, &merged, &added, err))
        return false;
    clo_buffer_free(base);
    *base = merged;
    merged = (struct clo_buffer){ 0 };
    return true;
}

static bool remove_hash(const char *text, struct clo_buffer *lists, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hash = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer left = { 0 };
    struct clo_signature_walk walk = clo_signature_walk(clo_buffer_bytes(lists));
    struct clo_signature_entry entry;
    enum clo_next next;
    struct clo_guid type;
    size_t removed = 0;

    if (!read_hash(text, &type, &hash, err))
        return clo_wrap(err, "--remove");
    struct clo_bytes data = clo_buffer_bytes(&hash);
    /* A certificate is named by its SHA-256. */
    while ((next = clo_signature_next(&walk, &entry, err)) == CLO_NEXT_ITEM) {
        struct clo_digest digest;
        clo_hash(CLO_HASH_SHA256, entry.data, &digest);
        if (clo_guid_equal(&entry.type, &clo_guid_cert_x509) &&
            clo_bytes_equal(clo_digest_bytes(&digest), data)) {
            type = clo_guid_cert_x509;
            data = entry.data;
            break;
        }
    }
    if (next == CLO_NEXT_FAILED ||
        !clo_signature_lists_remove(clo_buffer_bytes(lists), &type, data, &left, &removed, err))
        return false;
    if (removed == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "--remove %s: no such entry", text);
    clo_buffer_free(lists);
    *lists = left;
    left = (struct clo_buffer){ 0 };
    return true;
}

static bool list(const struct list_options *o, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_guid owner;

    if (!cli_guid("--owner", o->owner, &owner, err))
        return false;
    for (size_t i = 0; i < o->merge.count; i++) {
        CLO_CLEANUP(secureboot_file_free) struct secureboot_file file = { 0 };
        if (!secureboot_read(o->merge.items[i], o->variable, &file, err))
            return false;
        if (file.store != NULL && o->variable == NULL)
            return clo_fail(err, CLO_ERR_USAGE,
                            "--merge %s: of a variable store, --variable says which",
                            o->merge.items[i]);
        if (!append(out, file.lists, err))
            return false;
    }
    if (!make_new(o, &owner, &made, err) || !append(out, clo_buffer_bytes(&made), err))
        return false;
    for (size_t i = 0; i < o->removed.count; i++)
        if (!remove_hash(o->removed.items[i], out, err))
            return false;
    return clo_file_write(o->output, clo_buffer_bytes(out), 0644, err);
}

int cmd_secureboot_list(int argc, char **argv)
{
    struct list_options o = { .owner = SECUREBOOT_OWNER };
    const struct cli_option options[] = {
        { "--merge", "FILE",
          "start with these: signature lists, .auth, efivarfs, a variable store (repeatable)",
          .list = &o.merge },
        { "--variable", "NAME", "which variable of a store: PK, KEK, db or dbx",
          .text = &o.variable, .values = "PK KEK db dbx" },
        { "--cert", "FILE", "add a certificate, PEM or DER (repeatable)", .list = &o.certificates },
        { "--hash", "HEX", "add a digest, SHA-256 or SHA-384 (repeatable)", .list = &o.hashes },
        { "--image", "FILE", "add the Authenticode digest of an EFI image (repeatable)",
          .list = &o.images },
        { "--sha384", NULL, "digests of images by SHA-384 instead of SHA-256", .flag = &o.sha384 },
        { "--remove", "HEX",
          "leave out this digest, or the certificate of this SHA-256 (repeatable)",
          .list = &o.removed },
        { "--owner", "GUID", "whose entries the new ones are (default: one GUID for all)",
          .text = &o.owner },
        { "--output", "FILE", "the lists (required)", .text = &o.output },
        CLI_WRITTEN_OPTION(o.written),
    };
    const struct cli_usage usage = {
        .command = "secureboot list",
        .arguments = "--output FILE",
        .summary =
                "Makes signature lists, as PK, KEK, db and dbx hold them: from certificates, "
                "digests and\nimages, or from other lists. Merged as a firmware appends: what is "
                "there already is not\nadded, order stays.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister secureboot list --merge DBXUpdate.bin --image old.efi --output "
                   "dbx.esl\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lists = { 0 };
    struct clo_error err;
    size_t count;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (o.output == NULL)
        return cli_usage_error(&usage, "--output is needed");
    if (!cli_written_check(&o.written, o.output, &err))
        return cli_usage_error(&usage, "%s", err.text);
    if (!list(&o, &lists, &err) || !cli_written_tell(&o.written, o.output, &err) ||
        !clo_signature_lists_check(clo_buffer_bytes(&lists), &count, &err))
        return cli_fail("secureboot list", &err);
    if (!o.written.as_json && !cli_is_standard_output(o.output))
        printf("%s: %zu entries, %zu bytes\n", o.output, count, lists.size);
    return CLI_YES;
}
