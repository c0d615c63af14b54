/* The options of all commands that make or sign UKIs, `uki …` and `image build` alike: the same names and words. */
#ifndef CLOISTER_CLI_UKI_OPTIONS_H
#define CLOISTER_CLI_UKI_OPTIONS_H

#include "cli/cli.h"
#include "image/uki/build.h"

/* Rows of a table of options; `in` is a struct uki_build, `signing` a struct uki_signing, `policy` a struct
 * uki_policy. */
/* clang-format off */
#define UKI_KERNEL_OPTIONS(in) \
    { "--kernel", "FILE", \
      "the kernel, a bzImage or another EFI image; unpacked if it is compressed", \
      .text = &(in).kernel }, \
    { "--microcode", "FILE", "an initrd with microcode, which goes first", .text = &(in).microcode }, \
    { "--cmdline", "TEXT|@FILE", \
      "the kernel command line; of a file, white space at its end is dropped", \
      .text = &(in).cmdline }, \
    { "--os-release", "FILE", "the guest's os-release (default of an image: its root's)", \
      .text = &(in).osrel, .was = "--osrel" }, \
    { "--uname", "TEXT|@FILE", "the kernel's release (default: what the kernel says)", \
      .text = &(in).uname }, \
    { "--stub", "FILE", "systemd's EFI stub (default: " UKI_DEFAULT_STUB ")", .text = &(in).stub }
#define UKI_SECTION_OPTIONS(in) \
    { "--splash", "FILE", "a picture (BMP)", .text = &(in).splash }, \
    { "--devicetree", "FILE", "a devicetree", .text = &(in).devicetree }, \
    { "--devicetree-auto", "FILE", "a devicetree for the machine that it names (repeatable)", \
      .list = &(in).devicetrees }, \
    { "--hwids", "FILE|FOLDER", "hardware IDs: a .hwids section, or a folder of JSON", \
      .text = &(in).hwids }, \
    { "--firmware", "FILE|FOLDER", \
      "a .efifw section, or a folder named by its ID that holds one image (repeatable)", \
      .list = &(in).firmware }, \
    { "--sbat", "TEXT|@FILE", "SBAT lines next to the stub's and the kernel's (repeatable)", \
      .list = &(in).sbat }, \
    { "--pcrpkey", "FILE", "the public key of PCR policies (default: that of --pcr-key)", \
      .text = &(in).pcrpkey }, \
    { "--section", "NAME:TEXT|@FILE", "another section, as it is (repeatable)", \
      .list = &(in).sections }, \
    { "--profile", "TEXT|@FILE", \
      "ID= and TITLE= of this UKI's profile; `uki build` without --kernel: a profile to join", \
      .text = &(in).profile }, \
    { "--join-profile", "FILE", "a further profile (repeatable)", .list = &(in).joined_profiles }
#define UKI_SIGNING_OPTIONS(signing) \
    { "--key", "FILE|URI", "sign with this private key: PEM, or pkcs11:…, handle:… (repeatable)", \
      .list = &(signing).keys, .was = "--sign-key" }, \
    { "--key-passphrase-file", "FILE", \
      "the passphrase or PIN of --key: one for all, or one for each; \"-\" and pipes will do", \
      .list = &(signing).passphrases }, \
    { "--cert", "FILE", "its certificate, PEM or DER (one for each --key)", \
      .list = &(signing).certificates, .was = "--sign-cert" }, \
    { "--hash", "NAME", "what to sign: sha256 (default), sha384, sha512", \
      .list = &(signing).hashes, .values = "sha256 sha384 sha512" }, \
    { "--provider", "NAME", "an OpenSSL provider to load, for keys elsewhere (repeatable)", \
      .list = &(signing).providers }
#define UKI_SIGN_KERNEL_OPTION(in) \
    { "--sign-kernel", NULL, "sign the kernel inside as well", .flag = &(in).signs_kernel }
#define UKI_POLICY_OPTIONS(policy) \
    { "--pcr-key", "FILE|URI", "sign PCR 11 with this RSA key, into .pcrsig (repeatable)", \
      .list = &(policy).keys }, \
    { "--pcr-key-passphrase-file", "FILE", "the same of --pcr-key", \
      .list = &(policy).passphrases }, \
    { "--pcr-public-key", "FILE", "the public key of --pcr-key, or of a key that is elsewhere", \
      .list = &(policy).public_keys }, \
    { "--bank", "NAME", "a PCR bank to sign for (default: sha256; repeatable)", \
      .list = &(policy).banks, .values = "sha1 sha256 sha384 sha512" }, \
    { "--phases", "PATH…", "boot phases for the n-th --pcr-key (default: enter-initrd)", \
      .list = &(policy).phases }, \
    { "--sign-profile", "ID", "sign the policy of this profile only (repeatable)", \
      .list = &(policy).profiles }, \
    { "--write-digests", "FILE", "the policy digests, to be signed elsewhere", \
      .text = &(policy).digests }, \
    { "--join-pcrsig", "FILE", "signatures made elsewhere (repeatable)", \
      .list = &(policy).joined }
#define UKI_OFFLINE_OPTIONS(offline) \
    { "--write-tbs", "FILE", "write what must be signed, to sign it elsewhere", \
      .text = &(offline).tbs }, \
    { "--attach", "FILE", \
      "attach the signature of what --write-tbs wrote (with --cert, and the same --hash), or a whole PKCS #7", \
      .text = &(offline).attached }
/* clang-format on */

/* The workshop's notes and warnings, on standard error. */
void cli_uki_tell(const char *line);
/* Warnings of clo_pe_warning_at, a line each on standard error. Returns how many. */
size_t cli_uki_warn(const struct uki_image *image);

#endif
