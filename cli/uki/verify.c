#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "cli/stranger.h"
#include "cli/uki/options.h"
#include "cli/uki/uki.h"
#include "cloister/efivar.h"
#include "cloister/encoding.h"
#include "cloister/signature_list.h"
#include "image/uki/file.h"
#include "lib/efi/authenticode_judge.h"

#define LISTS_LIMIT ((size_t)16 << 20)

struct verify {
    struct clo_list certificates;
    const char *db_path, *dbx_path, *varstore_path;
    bool is_strict, as_json;
    struct clo_buffer db, dbx; /* signature lists */
    bool has_db;
};

/* What came out for one image. */
struct result {
    const char *path;
    struct clo_digest digests[CLO_HASH_COUNT];
    enum clo_hash hash; /* that was signed */
    char subject[256];  /* of the certificate that verified it */
    const char *certificate;
    bool has_verdict;
    struct clo_authenticode_verdict verdict;
    size_t warnings;
};

/* --- db and dbx --- */

/* Signature lists, bare or as efivarfs gives them: after four bytes of attributes. */
static bool read_lists(const char *path, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_error ignored;

    if (!clo_file_read(path, LISTS_LIMIT, &file, err))
        return false;
    struct clo_bytes lists = clo_buffer_bytes(&file);
    struct clo_bytes behind = clo_bytes_slice(lists, 4, lists.size);
    if (!clo_signature_lists_check(lists, NULL, err)) {
        if (!clo_signature_lists_check(behind, NULL, &ignored) || lists.size < 4)
            return clo_wrap(err, "%s", path) ||
                   cli_stranger(path, "signature lists", "an EFI signature list", err);
        lists = behind;
    }
    clo_buffer_append(out, lists);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static void append_variable(const struct clo_varstore *store, const char *name,
                            struct clo_buffer *out)
{
    const struct clo_efivar *variable = clo_varstore_find(store, name, &clo_guid_image_security);

    if (variable != NULL)
        clo_buffer_append(out, variable->data);
}

static bool read_store(const char *path, struct clo_buffer *db, struct clo_buffer *dbx,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_varstore_freep) struct clo_varstore *store = NULL;

    if (!cli_read_varstore(path, &file, err) ||
        !clo_varstore_parse(clo_buffer_bytes(&file), &store, err))
        return false;
    append_variable(store, "db", db);
    append_variable(store, "dbx", dbx);
    return (clo_buffer_ok(db) && clo_buffer_ok(dbx)) || clo_out_of_memory(err);
}

static bool read_databases(struct verify *in, struct clo_error *err)
{
    in->has_db = in->db_path != NULL || in->varstore_path != NULL;
    return (in->varstore_path == NULL || read_store(in->varstore_path, &in->db, &in->dbx, err)) &&
           (in->db_path == NULL || read_lists(in->db_path, &in->db, err)) &&
           (in->dbx_path == NULL || read_lists(in->dbx_path, &in->dbx, err));
}

/* --- One image --- */

/* An image in a file, with those of its digests that are known. */
struct file_image {
    const struct uki_image *image;
    const struct clo_digest *known;
};

static bool file_digests(const void *context, unsigned hashes,
                         struct clo_digest digests[CLO_HASH_COUNT], struct clo_error *err)
{
    const struct file_image *file = context;
    unsigned missing = 0;

    for (unsigned hash = CLO_HASH_SHA1; hash < CLO_HASH_COUNT; hash++)
        if ((hashes >> hash & 1) != 0 && file->known[hash].hash == CLO_HASH_NONE)
            missing |= 1U << hash;
        else if ((hashes >> hash & 1) != 0)
            digests[hash] = file->known[hash];
    return missing == 0 || uki_image_digests(file->image, missing, digests, err);
}

/* The first certificate that a signature over this image leads to. */
static bool find_signer(const struct clo_authenticode_subject *image,
                        const struct clo_list *certificates, struct result *out,
                        struct clo_error *err)
{
    struct clo_authenticode_lead lead = { .signatures = 0 };

    for (size_t i = 0; i < certificates->count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!clo_certificate_file(certificates->items[i], &certificate, err) ||
            !clo_authenticode_lead(image, certificate, &lead, err))
            return false;
        if (lead.hash == CLO_HASH_NONE)
            continue;
        out->hash = lead.hash;
        out->certificate = certificates->items[i];
        snprintf(out->subject, sizeof out->subject, "%s", clo_certificate_subject(certificate));
        return true;
    }
    if (lead.signatures == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "the image is not signed");
    return clo_fail(
            err, CLO_ERR_REFUSED,
            "no signature over this image leads to one of the certificates (%zu signatures)",
            lead.signatures);
}

static bool judge(const struct clo_authenticode_subject *image, const struct verify *in,
                  struct result *out, struct clo_error *err)
{
    if (!clo_authenticode_judge(image, clo_buffer_bytes(&in->db), clo_buffer_bytes(&in->dbx),
                                &out->verdict, err))
        return false;
    /* Where nobody said what db holds, only what dbx forbids counts. */
    bool ok = in->has_db ? out->verdict.is_allowed : out->verdict.list == NULL;
    out->has_verdict = in->has_db || !ok;
    return ok || clo_fail(err, CLO_ERR_REFUSED, "%s", out->verdict.text);
}

static bool verify(const char *path, const struct verify *in, struct result *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(uki_image_freep) struct uki_image *image = NULL;

    *out = (struct result){ .path = path, .hash = CLO_HASH_SHA256 };
    if (!uki_image_open(path, &image, err))
        return cli_stranger(path, "an EFI image", "an EFI image", err);
    unsigned hashes = clo_authenticode_hashes(image->uki.pe.certificates, clo_buffer_bytes(&in->db),
                                              clo_buffer_bytes(&in->dbx));
    if (hashes == 0 || in->has_db || in->dbx_path != NULL)
        hashes |= 1U << CLO_HASH_SHA256;
    if (!uki_image_digests(image, hashes, out->digests, err))
        return false;
    out->warnings = cli_uki_warn(image);
    while (out->hash < CLO_HASH_SHA512 && out->digests[out->hash].hash == CLO_HASH_NONE)
        out->hash++;
    const struct file_image file = { image, out->digests };
    const struct clo_authenticode_subject subject = { image->uki.pe.certificates, file_digests,
                                                      &file };
    if ((in->certificates.count > 0 && !find_signer(&subject, &in->certificates, out, err)) ||
        ((in->has_db || in->dbx_path != NULL) && !judge(&subject, in, out, err)))
        return clo_wrap(err, "%s", path);
    return !in->is_strict || out->warnings == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: %zu warnings, and --strict", path, out->warnings);
}

/* --- Printing --- */

static void print_result(const struct result *result)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    clo_hex_text(clo_digest_bytes(&result->digests[result->hash]), hex);
    if (result->certificate != NULL)
        printf("%s: signed by \"%s\" (%s), %s %s\n", result->path, result->subject,
               result->certificate, clo_hash_name(result->hash), hex);
    if (result->has_verdict)
        printf("%s: %s, %s %s\n", result->path, result->verdict.text, clo_hash_name(result->hash),
               hex);
}

static json_t *result_json(const struct result *result, bool ok, const struct clo_error *err)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    if (!ok && err->status != CLO_ERR_REFUSED)
        return json_pack("{s:s, s:b, s:b, s:s}", "file", result->path, "verified", 0, "unreadable",
                         1, "reason", err->text);
    clo_hex_text(clo_digest_bytes(&result->digests[result->hash]), hex);
    json_t *json = json_pack("{s:s, s:b, s:s, s:s, s:I}", "file", result->path, "verified", ok,
                             "hash", clo_hash_name(result->hash), "digest", hex, "warnings",
                             (json_int_t)result->warnings);
    if (json == NULL)
        return NULL;
    if (result->certificate != NULL)
        json_object_set_new(json, "signer", json_string(result->subject));
    if (result->has_verdict && result->verdict.list != NULL)
        json_object_set_new(json, "database",
                            json_pack("{s:s, s:I, s:s}", "list", result->verdict.list, "entry",
                                      (json_int_t)result->verdict.entry, "text",
                                      result->verdict.text));
    if (!ok)
        json_object_set_new(json, "reason", json_string(err->text));
    return json;
}

/* An image that cannot be read is an answer that is missing: told, and the others are looked at. */
static int verify_all(const struct clo_list *paths, const struct verify *in)
{
    CLO_CLEANUP(clo_json_freep) json_t *all = json_array();
    struct clo_error err;
    int status = CLI_YES;

    for (size_t i = 0; i < paths->count; i++) {
        struct result result;
        bool ok = verify(paths->items[i], in, &result, &err);
        if (!ok && cli_exit_status(err.status) > status)
            status = cli_exit_status(err.status);
        if (in->as_json)
            json_array_append_new(all, result_json(&result, ok, &err));
        else if (ok)
            print_result(&result);
        else
            cli_error(&err);
    }
    if (in->as_json && !cli_print_json(paths->count == 1 ? json_array_get(all, 0) : all, &err))
        return cli_error(&err);
    return status;
}

/* So that one that cannot be read is told once, and not of each image. */
static bool check_certificates(const struct clo_list *paths, struct clo_error *err)
{
    for (size_t i = 0; i < paths->count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!clo_certificate_file(paths->items[i], &certificate, err))
            return false;
    }
    return true;
}

int cmd_uki_verify(int argc, char **argv)
{
    struct verify in = { 0 };
    const struct cli_option options[] = {
        { "--cert", "FILE", "a certificate that may have signed it, or issued one (repeatable)",
          .list = &in.certificates },
        { "--db", "FILE", "signature lists that allow images", .text = &in.db_path },
        { "--dbx", "FILE", "signature lists that forbid images", .text = &in.dbx_path },
        { "--varstore", "FILE", "the firmware's variables: its db and dbx",
          .text = &in.varstore_path },
        { "--strict", NULL, "refuse what is only warned of", .flag = &in.is_strict },
        { "--json", NULL, "print one JSON document", .flag = &in.as_json },
    };
    const struct cli_usage usage = {
        .command = "uki verify",
        .arguments = "IMAGE… --cert FILE… | --varstore FILE | --db FILE [--dbx FILE]",
        .operands = { "at least one image", 1, CLO_LIST_MAX },
        .summary =
                "Says whether one of these certificates signed an image, and which entry of db "
                "or dbx makes\nfirmware take or refuse it. Dates are not looked at: firmware has "
                "no clock it could believe.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki verify guest.efi --cert keys/db.crt\n"
                   "  cloister uki verify guest.efi --varstore OVMF_VARS.fd\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (in.certificates.count == 0 && in.db_path == NULL && in.varstore_path == NULL)
        return cli_usage_error(&usage, "--cert, --db or --varstore is needed: whom to believe is "
                                       "yours to say");
    status = check_certificates(&in.certificates, &err) && read_databases(&in, &err)
                     ? verify_all(&operands, &in)
                     : cli_error(&err);
    clo_buffer_free(&in.db);
    clo_buffer_free(&in.dbx);
    return status;
}
