/* What `image build` and `image convert` have in common: the options, the inputs that they name, the guest's
 * configuration, and the image that comes of them. */
#ifndef CLOISTER_CLI_MAKING_H
#define CLOISTER_CLI_MAKING_H

#include "cli/cli.h"
#include "cli/image/disk_key.h"
#include "cli/uki/options.h"
#include "image/builder.h"

struct cli_guest_options {
    const char *name;
    const char *url;
    const char *key_path;
    const char *resource;
    const char *network;
    uint64_t retry_seconds;
    bool unregistered_disk;
    bool optional_rtmr;
    bool tpm_counter;
    const char *unlock, *tpm_srk;
    struct clo_list grow;    /* "any", or sizes of disks */
    struct clo_list allowed; /* words for what is taken from the host */
    const char *credential_key;
};

struct cli_making {
    struct uki_build uki;
    struct uki_offline offline;
    struct cli_guest_options guest;
    struct cli_disk_key_options disk_key;
    struct clo_list accepted;
    const char *modules, *varstore, *disk_output, *passphrase, *recovery_header, *init, *root_size,
            *esp_size, *seed, *output, *reference, *format, *integrity, *sector_size, *verity_usr;
    bool all, has_verity, as_json;
    /* What makes the image of a root; NULL: clo_image_build(). */
    bool (*build)(void *context, const struct clo_image_spec *spec, struct clo_image_result *out,
                  struct clo_error *err);
    void *context;
    bool is_journalled; /* a new disk key gets its name at once: what is half made hangs on it */
    bool resumes;       /* and is taken from there */
    bool is_in_place;   /* the output is the input */
};

#define CLI_MAKING_DEFAULTS                                           \
    {                                                                 \
        .uki = { .stub = UKI_DEFAULT_STUB, .tell = cli_uki_tell },    \
        .guest = { .retry_seconds = 60 }, .init = CLOISTER_INIT_PATH, \
    }

/* clang-format off: rows of a table of options. */
#define CLI_MAKING_OPTIONS(in)                                                                     \
    { "--reference", "FILE",                                                                       \
      "where the reference values go; default IMAGE's name with .ref.json; those of further "      \
      "profiles get "                                                                              \
      "@1, @2, … before it",                                                                       \
      .text = &(in).reference },                                                                   \
            UKI_KERNEL_OPTIONS((in).uki), UKI_SECTION_OPTIONS((in).uki),                           \
            UKI_POLICY_OPTIONS((in).uki.policy), UKI_SIGNING_OPTIONS((in).uki.signing),            \
            UKI_SIGN_KERNEL_OPTION((in).uki), UKI_OFFLINE_OPTIONS((in).offline),                   \
            { "--modules", "DIR",                                                                  \
              "the kernel's modules: .../lib/modules/RELEASE, after depmod (convert: the disk's "  \
              "own)",                                                                              \
              .text = &(in).modules },                                                             \
            { "--varstore", "FILE", "the enrolled variable store, for PCR 7 (required)",           \
              .text = &(in).varstore },                                                            \
            { "--disk-key", "FILE",                                                                \
              "a key that the broker will release, 32 to 512 random bytes; default a new one",     \
              .text = &(in).disk_key.file },                                                       \
            { "--disk-key-output", "FILE",                                                         \
              "where a new key goes; default IMAGE's name with .disk.key",                         \
              .text = &(in).disk_key.output },                                                     \
            { "--reuse-disk-key", "WHY", "take a --disk-key that opens another disk already",      \
              .text = &(in).disk_key.reuse },                                                      \
            { "--disk-output", "FILE",                                                             \
              "where it goes which disk this is, for 'key put --disk'; default IMAGE's name with " \
              ".disk.json",                                                                        \
              .text = &(in).disk_output },                                                         \
            { "--unregistered-disk", NULL,                                                         \
              "the guest opens whichever disk the key opens, if the broker knows none",            \
              .flag = &(in).guest.unregistered_disk },                                             \
            { "--optional-rtmr", NULL,                                                             \
              "TDX without a vTPM: boot also where the kernel (before 6.16) cannot extend RTMR 3", \
              .flag = &(in).guest.optional_rtmr },                                                 \
            { "--tpm-counter", NULL,                                                               \
              "the guest keeps the disk's generation in its vTPM, too, which must outlive a boot", \
              .flag = &(in).guest.tpm_counter },                                                   \
            { "--unlock", "WAY",                                                                   \
              "where the guest's key comes from: broker (default), tpm, tpm-or-broker (the "       \
              "broker's is "                                                                       \
              "sealed for the next boots), both (a share of each)",                                \
              .text = &(in).guest.unlock },                                                        \
            { "--tpm-srk", "FILE",                                                                 \
              "the public storage key of the one TPM that may give the key: TPM2B_PUBLIC",         \
              .text = &(in).guest.tpm_srk },                                                       \
            { "--recovery-passphrase-file", "FILE", "a passphrase for a second key slot",          \
              .text = &(in).passphrase },                                                          \
            { "--recovery-header", "FILE",                                                         \
              "the passphrase's key slot goes into a detached LUKS2 header of its own, which you " \
              "keep, and not onto the disk",                                                       \
              .text = &(in).recovery_header },                                                     \
            { "--broker", "URL", "where the guest asks for its key: https://HOST:PORT (required)", \
              .text = &(in).guest.url },                                                           \
            { "--broker-key", "PEM", "the broker's public key or certificate (required)",          \
              .text = &(in).guest.key_path },                                                      \
            { "--resource", "PATH",                                                                \
              "the key's name at the broker; default default/disk/NAME. {ak}, {chip}, {vm} and "   \
              "{report_id} in it stand for the machine that asks",                                 \
              .text = &(in).guest.resource },                                                      \
            { "--name", "NAME", "the image's name; default IMAGE without its ending",              \
              .text = &(in).guest.name },                                                          \
            { "--network", "HOW", "dhcp (default), or ADDRESS/PREFIX,GATEWAY[,DNS]",               \
              .text = &(in).guest.network },                                                       \
            { "--retry-seconds", "N", "how long the guest tries to reach the broker; default 60",  \
              .number = &(in).guest.retry_seconds },                                               \
            { "--allow-host", "WORD",                                                              \
              "what the guest may take from its host: report, cloud-init, "                        \
              "smbios-credential:NAME, …; "                                                      \
              "default nothing (repeatable)",                                                      \
              .list = &(in).guest.allowed },                                                       \
            { "--credential-key", "PEM", "the key that signs the credentials it may take",         \
              .text = &(in).guest.credential_key },                                                \
            { "--accept", "RULE", "an audit rule that may fail (repeatable)",                      \
              .list = &(in).accepted },                                                            \
            { "--init", "FILE", "the cloister-init program", .text = &(in).init },                 \
            { "--format", "FORMAT",                                                                \
              "raw (default), or vhd: fixed, of whole MiB, as Azure takes it",                     \
              .text = &(in).format },                                                              \
            { "--root-size", "SIZE",                                                               \
              "of the root file system (K, M, G); default as large as needed",                     \
              .text = &(in).root_size },                                                           \
            { "--esp-size", "SIZE", "of the EFI system partition", .text = &(in).esp_size },       \
            { "--grow", "SIZE",                                                                    \
              "the root takes the room of a disk of this size at its first boot (K, M, G, T; "     \
              "repeatable), with reference values for it; any: of every larger disk",              \
              .list = &(in).guest.grow, .values = "any" },                                         \
            { "--seed", "GUID", "what all GUIDs on the disk derive from; default random",          \
              .text = &(in).seed },                                                                \
            { "--integrity", "KIND",                                                               \
              "a tag for each sector, so that what was changed is an error: hmac-sha256; aes-gcm " \
              "(faster, for a disk that is written to less than 16 TiB in its life); or none "     \
              "(default)",                                                                         \
              .text = &(in).integrity },                                                           \
            { "--verity", NULL,                                                                    \
              "a root that nothing changes: a hash tree whose root hash is measured and signed; "  \
              "what the guest writes is kept in memory",                                           \
              .flag = &(in).has_verity },                                                          \
            { "--verity-usr", "SIZE",                                                              \
              "the same for /usr alone: what the guest writes elsewhere is kept, with SIZE of "    \
              "room (1G)",                                                                         \
              .text = &(in).verity_usr },                                                          \
            { "--sector-size", "BYTES",                                                            \
              "of the encrypted root: 4096 (default); with --integrity 512, too",                  \
              .text = &(in).sector_size },                                                         \
            { "--encrypt-free", NULL,                                                              \
              "encrypt unused blocks too, so that nobody sees which they are",                     \
              .flag = &(in).all },                                                                 \
    {                                                                                              \
        "--json", NULL, "print the result as JSON", .flag = &(in).as_json                          \
    }
/* clang-format on */

/* What is needed and goes together; kernel and modules only where nothing finds them. */
CLO_MUST_USE bool cli_making_check(const struct cli_making *making, struct clo_error *err);
/* Makes the image of `root`, and prints what came of it; the exit status. */
int cli_making_run(struct cli_making *making, const char *root, struct clo_error *err);

#endif
