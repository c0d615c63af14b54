#include <string.h>

#include "cli/inputs.h"
#include "cli/uki/uki.h"
#include "image/uki/work.h"

#define SIGNATURE_LIMIT ((size_t)64 << 10)

struct sign {
    const char *image, *output, *tbs, *attached;
    bool keeps, removes;
    struct uki_signing signing;
};

/* The image without its certificate table. */
static bool body_of(struct uki_image *image, struct clo_buffer *head, struct clo_pieces *out,
                    struct clo_error *err)
{
    const struct clo_pe *pe = &image->uki.pe;

    clo_buffer_append(head, clo_bytes_slice(pe->file, 0, pe->certificate_entry_offset + 8));
    if (!clo_buffer_ok(head))
        return clo_out_of_memory(err);
    memset(head->data + pe->checksum_offset, 0, 4);
    memset(head->data + pe->certificate_entry_offset, 0, 8);
    clo_pieces_bytes(out, clo_buffer_bytes(head));
    clo_pieces_source(out, &image->file, head->size,
                      pe->file_size - pe->certificate_size - head->size);
    return !out->failed || clo_out_of_memory(err);
}

/* The signed digest of one hash. */
static bool digest_of(const struct uki_image *image, enum clo_hash hash, struct clo_digest *out,
                      struct clo_error *err)
{
    struct clo_digest digests[CLO_HASH_COUNT];

    if (!uki_image_digests_to_sign(image, 1U << hash, digests, err))
        return false;
    *out = digests[hash];
    return true;
}

static bool write_tbs(struct uki_image *image, const struct sign *in, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tbs = { 0 };
    struct clo_digest digest;

    return digest_of(image, uki_signing_hash(&in->signing, 0), &digest, err) &&
           clo_authenticode_tbs(&digest, &tbs, err) &&
           clo_file_write(in->tbs, clo_buffer_bytes(&tbs), 0644, err);
}

/* A whole PKCS #7, over this image; else false. */
static bool is_signature_of(struct clo_bytes bytes, struct uki_image *image)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    struct clo_authenticode_signature signature;
    struct clo_digest digest;
    struct clo_error ignored;

    clo_authenticode_entry(bytes, &table);
    return clo_buffer_ok(&table) &&
           clo_authenticode_signature_at(clo_buffer_bytes(&table), 0, &signature, &ignored) &&
           digest_of(image, signature.digest.hash, &digest, &ignored) &&
           clo_digest_equal(&digest, &signature.digest);
}

/* What came back: a bare signature, to be put together with the certificate, or a whole PKCS #7. */
static bool attached_entry(struct uki_image *image, const struct sign *in, struct clo_buffer *table,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pkcs7 = { 0 };
    struct clo_digest digest;

    if (!clo_file_read(in->attached, SIGNATURE_LIMIT, &bytes, err))
        return false;
    if (is_signature_of(clo_buffer_bytes(&bytes), image)) {
        clo_authenticode_entry(clo_buffer_bytes(&bytes), table);
        return clo_buffer_ok(table) || clo_out_of_memory(err);
    }
    if (in->signing.certificates.count != 1)
        return clo_fail(err, CLO_ERR_USAGE,
                        "%s: is no whole signature of this image, and --cert says not whose",
                        in->attached);
    if (!cli_read_certificate(in->signing.certificates.items[0], &certificate, err) ||
        !digest_of(image, uki_signing_hash(&in->signing, 0), &digest, err))
        return false;
    if (!clo_authenticode_pkcs7(&digest, certificate, clo_buffer_bytes(&bytes), &pkcs7, err))
        return clo_wrap(err, "%s", in->attached);
    clo_authenticode_entry(clo_buffer_bytes(&pkcs7), table);
    return clo_buffer_ok(table) || clo_out_of_memory(err);
}

static bool sign(const struct sign *in, struct clo_error *err)
{
    CLO_CLEANUP(uki_image_freep) struct uki_image *image = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    CLO_CLEANUP(clo_pieces_free) struct clo_pieces body = { 0 };
    struct clo_authenticode_ranges ranges;
    static const struct uki_signing nobody;

    if (!uki_image_open(in->image, &image, err))
        return false;
    if (!clo_authenticode_ranges_to_sign(&image->uki.pe, &ranges, err))
        return clo_wrap(err, "%s", in->image);
    if (in->tbs != NULL)
        return cli_is_no_input("--write-tbs", in->tbs, in->image, err) && write_tbs(image, in, err);
    if (in->keeps)
        clo_buffer_append(&table, image->uki.pe.certificates);
    if (in->attached != NULL && !attached_entry(image, in, &table, err))
        return false;
    if (!body_of(image, &head, &body, err) ||
        !uki_write_image(&body, &image->uki.pe, clo_buffer_bytes(&table),
                         in->attached != NULL ? &nobody : &in->signing,
                         in->output == NULL ? in->image : in->output, err))
        return false;
    uki_image_warn(image);
    return true;
}

static bool check(const struct sign *in, struct clo_error *err)
{
    bool is_offline = in->tbs != NULL || in->attached != NULL;
    int ways =
            (in->tbs != NULL) + (in->attached != NULL) + (in->signing.keys.count > 0) + in->removes;

    if (ways == 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--key and --cert are needed (or --write-tbs, --attach, --remove)");
    if (ways > 1)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--key, --write-tbs, --attach and --remove: one of them");
    if (in->removes && in->keeps)
        return clo_fail(err, CLO_ERR_USAGE, "--remove and --keep: one of them");
    if (!is_offline)
        return uki_signing_check(&in->signing, err);
    if (in->signing.hashes.count > 1)
        return clo_fail(err, CLO_ERR_USAGE, "--hash: expected one");
    return in->signing.hashes.count == 0 ||
           clo_hash_from_name(in->signing.hashes.items[0]) >= CLO_HASH_SHA256 ||
           clo_fail(err, CLO_ERR_USAGE, "--hash %s: expected sha256, sha384 or sha512",
                    in->signing.hashes.items[0]);
}

int cmd_uki_sign(int argc, char **argv)
{
    struct sign in = { 0 };
    const struct cli_option options[] = {
        UKI_SIGNING_OPTIONS(in.signing),
        { "--keep", NULL, "keep the signatures that it has", .flag = &in.keeps },
        { "--remove", NULL, "take the signatures off, and add none", .flag = &in.removes },
        { "--write-tbs", "FILE", "write what must be signed, to sign it elsewhere",
          .text = &in.tbs },
        { "--attach", "FILE",
          "attach the signature of what --write-tbs wrote (with --cert, and the "
          "same --hash), or a whole PKCS #7",
          .text = &in.attached },
        { "--output", "FILE", "where the signed image goes (default: in place)",
          .text = &in.output },
    };
    const struct cli_usage usage = {
        .command = "uki sign",
        .arguments = "IMAGE --key FILE --cert FILE",
        .summary = "Signs an EFI image for Secure Boot.\nSignatures that it already has are "
                   "replaced, unless --keep says otherwise.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki sign guest.efi --key keys/db.key --cert keys/db.crt\n"
                   "  cloister uki sign guest.efi --write-tbs guest.tbs\n"
                   "  openssl dgst -sha256 -sign db.key -out guest.sig guest.tbs\n"
                   "  cloister uki sign guest.efi --attach guest.sig --cert keys/db.crt\n",
    };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "expected one image");
    if (!check(&in, &err))
        return cli_usage_error(&usage, "%s", err.text);
    in.image = operands.items[0];
    return clo_remove_temporaries_on_signals(&err) && sign(&in, &err) ? CLI_YES : cli_error(&err);
}
