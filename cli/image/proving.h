/* --prove of `image seal`: the image boots under QEMU in its states, and the answer is a table. */
#ifndef CLOISTER_CLI_PROVING_H
#define CLOISTER_CLI_PROVING_H

#include "cli/seal/states.h"

struct cli_prove {
    bool is_wanted;
    const char *varstore, *firmware, *emulator, *until, *consoles, *memory;
    uint64_t timeout;
    struct clo_list next, old, firmware_references;
};

#define CLI_PROVE_OPTIONS(prove)                                                                   \
    { "--prove", NULL,                                                                             \
      "seal nothing: boot the image under QEMU as it would be sealed, and say in which states "    \
      "it opens; the image is only read",                                                          \
      .flag = &(prove).is_wanted },                                                                \
            { "--next-uki", "FILE", "to prove: a UKI that must open it, too (repeatable)",         \
              .list = &(prove).next },                                                             \
            { "--old-uki", "FILE", "to prove: a UKI that must not open it any more (repeatable)",  \
              .list = &(prove).old },                                                              \
            { "--varstore", "FILE", "to prove: the VM's variable store; a copy is used",           \
              .text = &(prove).varstore },                                                         \
            { "--firmware", "FILE", "to prove: OVMF; default " CLO_BOOT_FIRMWARE,                  \
              .text = &(prove).firmware },                                                         \
            { "--emulator", "PROGRAM", "to prove: QEMU; default qemu-system-x86_64",               \
              .text = &(prove).emulator },                                                         \
            { "--prove-firmware", "FILE",                                                          \
              "to prove: that firmware's reference, in place of those of the machines that are "   \
              "sealed for (repeatable)",                                                           \
              .list = &(prove).firmware_references },                                              \
            { "--until", "TEXT",                                                                   \
              "to prove: what on the console shows that it opened; default what cloister-init "    \
              "says",                                                                              \
              .text = &(prove).until },                                                            \
            { "--consoles", "DIR", "to prove: where the consoles go, a file for each state",       \
              .text = &(prove).consoles },                                                         \
            { "--memory", "SIZE", "to prove: of the machine, like 4G; default 512M",               \
              .text = &(prove).memory },                                                           \
    {                                                                                              \
        "--timeout", "SECONDS", "to prove: for each boot; default 600", .number = &(prove).timeout \
    }

/* An option of a proof without --prove is a mistake: an image would be sealed that was to be tried. */
bool cli_prove_is_asked(const struct cli_prove *prove);
/* Boots each state, prints the table, and says in `proved` whether each is as it should be. */
CLO_MUST_USE bool cli_prove(const struct cli_seal *in, const struct cli_prove *prove,
                            const char *image, bool *proved, struct clo_error *err);

#endif
