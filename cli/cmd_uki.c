#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inputs.h"
#include "cloister/authenticode.h"
#include "cloister/encoding.h"
#include "cloister/uki.h"
#include "device/file.h"

#define DEFAULT_STUB  "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
#define CMDLINE_LIMIT ((size_t)64 << 10)

/* --- What build and sign share --- */

struct signing {
    const char *key;
    const char *certificate;
    const char *hash;
};

static bool check_signing(const struct signing *signing, struct clo_error *err)
{
    if ((signing->key == NULL) != (signing->certificate == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--key and --cert are given together or not at all");
    if (clo_hash_from_name(signing->hash) < CLO_HASH_SHA256)
        return clo_fail(err, CLO_ERR_USAGE, "--hash %s: expected sha256, sha384 or sha512",
                        signing->hash);
    return true;
}

static bool sign(struct clo_buffer *image, const struct signing *signing, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;

    return cli_read_private_key(signing->key, &key, err) &&
           cli_read_certificate(signing->certificate, &certificate, err) &&
           clo_authenticode_sign(image, key, certificate, clo_hash_from_name(signing->hash), err);
}

/* --- build --- */

/* TEXT, or @FILE for what is in a file; white space at the end is dropped. */
static bool text_or_file(const char *value, struct clo_buffer *out, struct clo_error *err)
{
    if (value == NULL)
        return true;
    if (*value == '@') {
        if (!clo_file_read(value + 1, CMDLINE_LIMIT, out, err))
            return false;
    } else {
        clo_buffer_text(out, value);
    }
    while (out->size > 0 && strchr(" \t\r\n", out->data[out->size - 1]) != NULL)
        out->size--;
    if (memchr(out->data == NULL ? (const void *)"" : out->data, '\0', out->size) != NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: holds a NUL character", value);
    return clo_buffer_ok(out) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

/* The kernel unpacks archives that follow one another, each at a multiple of four. */
static bool read_initrds(const struct cli_list *files, struct clo_buffer *out,
                         struct clo_error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        clo_buffer_align(out, 4);
        if (!clo_file_read(files->items[i], CLI_IMAGE_LIMIT, out, err))
            return false;
    }
    return true;
}

struct build {
    const char *stub, *kernel, *cmdline, *osrel, *uname, *output;
    struct cli_list initrds;
    struct signing signing;
};

static bool build(const struct build *in, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer stub = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer initrd = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cmdline = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer osrel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uname = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    char release[128];

    if (!clo_file_read(in->stub, CLI_IMAGE_LIMIT, &stub, err) ||
        !clo_file_read(in->kernel, CLI_IMAGE_LIMIT, &kernel, err) ||
        !read_initrds(&in->initrds, &initrd, err) || !text_or_file(in->cmdline, &cmdline, err) ||
        (in->osrel != NULL && !clo_file_read(in->osrel, CMDLINE_LIMIT, &osrel, err)))
        return false;
    if (in->uname != NULL)
        clo_buffer_text(&uname, in->uname);
    else if (clo_kernel_release(clo_buffer_bytes(&kernel), release, sizeof release))
        clo_buffer_text(&uname, release);

    struct clo_uki_parts parts = {
        .stub = clo_buffer_bytes(&stub),
        .osrel = clo_buffer_bytes(&osrel),
        .cmdline = clo_buffer_bytes(&cmdline),
        .uname = clo_buffer_bytes(&uname),
        .initrd = clo_buffer_bytes(&initrd),
        .kernel = clo_buffer_bytes(&kernel),
    };
    if (!clo_uki_build(&parts, &image, err))
        return clo_wrap(err, "%s", in->output);
    return (in->signing.key == NULL || sign(&image, &in->signing, err)) &&
           clo_file_write(in->output, clo_buffer_bytes(&image), 0644, err);
}

static int cmd_uki_build(int argc, char **argv)
{
    struct build in = { .stub = DEFAULT_STUB, .signing.hash = "sha256" };
    const struct cli_option options[] = {
        { "--kernel", "FILE", "the kernel, a bzImage or another EFI image", .text = &in.kernel },
        { "--initrd", "FILE", "an initrd; repeated, they follow one another", .list = &in.initrds },
        { "--cmdline", "TEXT|@FILE", "the kernel command line", .text = &in.cmdline },
        { "--os-release", "FILE", "the guest's os-release", .text = &in.osrel },
        { "--uname", "TEXT", "the kernel's release (default: what the kernel says)",
          .text = &in.uname },
        { "--stub", "FILE", "systemd's EFI stub (default: " DEFAULT_STUB ")", .text = &in.stub },
        { "--key", "FILE", "sign with this private key (PEM)", .text = &in.signing.key },
        { "--cert", "FILE", "and this certificate of it (PEM or DER)",
          .text = &in.signing.certificate },
        { "--hash", "NAME", "what to sign: sha256 (default), sha384, sha512",
          .text = &in.signing.hash },
        { "--output", "FILE", "where the UKI goes", .text = &in.output },
    };
    static const char example[] =
            "  cloister uki build --kernel /boot/vmlinuz-6.12.117 --initrd initrd.img \\\n"
            "      --cmdline 'console=ttyS0 quiet' --os-release /etc/os-release \\\n"
            "      --key keys/db.key --cert keys/db.crt --output guest.efi\n";
    const struct cli_usage usage = {
        .command = "uki build",
        .arguments = "--kernel FILE --output FILE",
        .summary = "Makes one EFI image of a stub, a kernel, an initrd and a command line, and "
                   "signs it.\nThe same inputs give the same file, byte for byte.",
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
    if (in.kernel == NULL || in.output == NULL)
        return cli_usage_error(&usage, "--kernel and --output are needed");
    if (!check_signing(&in.signing, &err))
        return cli_usage_error(&usage, "%s", err.text);
    return clo_remove_temporaries_on_signals(&err) && build(&in, &err) ? CLI_YES : cli_error(&err);
}

/* --- sign --- */

static int cmd_uki_sign(int argc, char **argv)
{
    struct signing signing = { .hash = "sha256" };
    const char *output = NULL;
    const struct cli_option options[] = {
        { "--key", "FILE", "the private key (PEM)", .text = &signing.key },
        { "--cert", "FILE", "its certificate (PEM or DER)", .text = &signing.certificate },
        { "--hash", "NAME", "what to sign: sha256 (default), sha384, sha512",
          .text = &signing.hash },
        { "--output", "FILE", "where the signed image goes (default: in place)", .text = &output },
    };
    const struct cli_usage usage = {
        .command = "uki sign",
        .arguments = "IMAGE --key FILE --cert FILE",
        .summary = "Signs an EFI image for Secure Boot.\nSignatures that it already has are "
                   "replaced.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki sign guest.efi --key keys/db.key --cert keys/db.crt\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct cli_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "expected one image");
    if (signing.key == NULL)
        return cli_usage_error(&usage, "--key and --cert are needed");
    if (!check_signing(&signing, &err))
        return cli_usage_error(&usage, "%s", err.text);
    const char *path = operands.items[0];
    if (!clo_file_read(path, CLI_IMAGE_LIMIT, &image, &err))
        return cli_error(&err);
    if (!clo_remove_temporaries_on_signals(&err) || !sign(&image, &signing, &err)) {
        clo_wrap(&err, "%s", path);
        return cli_error(&err);
    }
    if (!clo_file_write(output == NULL ? path : output, clo_buffer_bytes(&image), 0644, &err))
        return cli_error(&err);
    return CLI_YES;
}

/* --- verify --- */

/* The index of the first certificate that one of the signatures was made with. A refusal leaves
 * the reason in err; what is no refusal ends the search. */
static bool find_signer(const struct clo_pe *pe, const struct cli_list *certificates, size_t *index,
                        char *subject, size_t subject_size, enum clo_hash *hash,
                        struct clo_error *err)
{
    for (size_t i = 0; i < certificates->count; i++) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!cli_read_certificate(certificates->items[i], &certificate, err))
            return false;
        if (clo_authenticode_verify(pe, certificate, hash, err)) {
            snprintf(subject, subject_size, "%s", clo_certificate_subject(certificate));
            *index = i;
            return true;
        }
        if (err->status != CLO_ERR_REFUSED)
            return false;
    }
    return false;
}

static int cmd_uki_verify(int argc, char **argv)
{
    struct cli_list certificates = { 0 };
    bool as_json = false;
    const struct cli_option options[] = {
        { "--cert", "FILE", "a certificate that may have signed it (repeatable)",
          .list = &certificates },
        { "--json", NULL, "print one JSON document", .flag = &as_json },
    };
    const struct cli_usage usage = {
        .command = "uki verify",
        .arguments = "IMAGE --cert FILE…",
        .summary = "Says whether one of these certificates signed this image, as firmware would.\n"
                   "Dates are not looked at: firmware has no clock it could believe.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki verify guest.efi --cert keys/db.crt\n",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct cli_list operands;
    struct clo_error err;
    struct clo_pe pe;
    struct clo_digest digest;
    enum clo_hash hash = CLO_HASH_SHA256;
    char subject[256] = "";
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    size_t index = 0;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "expected one image");
    if (certificates.count == 0)
        return cli_usage_error(&usage, "--cert is needed: whom to believe is yours to say");
    const char *path = operands.items[0];
    if (!clo_file_read(path, CLI_IMAGE_LIMIT, &image, &err))
        return cli_error(&err);
    if (!clo_pe_parse(clo_buffer_bytes(&image), &pe, &err)) {
        clo_wrap(&err, "%s", path);
        return cli_error(&err);
    }
    bool ok = find_signer(&pe, &certificates, &index, subject, sizeof subject, &hash, &err);
    if (!ok && (err.status != CLO_ERR_REFUSED || !as_json)) {
        clo_wrap(&err, "%s", path);
        return cli_error(&err);
    }
    struct clo_error digest_err;
    if (!clo_authenticode_digest(&pe, hash, &digest, &digest_err))
        return cli_error(&digest_err);
    clo_hex_text(clo_digest_bytes(&digest), hex);
    if (!as_json) {
        printf("%s: signed by \"%s\" (%s), %s %s\n", path, subject, certificates.items[index],
               clo_hash_name(hash), hex);
        return CLI_YES;
    }
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s, s:b, s:s, s:s}", "file", path, "verified", ok, "hash",
                             clo_hash_name(hash), "digest", hex);
    if (json != NULL && ok)
        json_object_set_new(json, "signer", json_string(subject));
    if (json != NULL && !ok)
        json_object_set_new(json, "reason", json_string(err.text));
    if (!cli_print_json(json, &err))
        return cli_error(&err);
    return ok ? CLI_YES : CLI_NO;
}

int cmd_uki(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "build", cmd_uki_build,
          "make one signed EFI image of stub, kernel, initrd, command line" },
        { "sign", cmd_uki_sign, "sign an EFI image for Secure Boot" },
        { "verify", cmd_uki_verify, "say whether a certificate signed an image" },
        { "inspect", cmd_uki_inspect, "show what is in an image, and what of it gets measured" },
    };

    return cli_dispatch("uki", "Builds, signs, verifies and inspects unified kernel images.",
                        commands, CLO_COUNT(commands), argc, argv);
}
