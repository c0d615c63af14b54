/* Every command of `cloister`: its name, its function, and what it is for. Both programs are made from this list: the
 * one that people start holds the LIGHT ones, which need nothing but lib/ and files and so start within a millisecond
 * or two; the full one holds all of them. */
#ifndef CLOISTER_CLI_COMMANDS_H
#define CLOISTER_CLI_COMMANDS_H

#include "cli/cli.h"

#define CLI_COMMANDS(LIGHT, FULL)                                                                  \
    FULL("audit", cmd_audit, "is this kernel, image or guest fit to be a confidential VM?")        \
    LIGHT("uki", cmd_uki, "build, sign, verify and inspect unified kernel images")                 \
    LIGHT("secureboot", cmd_secureboot, "make Secure Boot keys, enrol them into a variable store") \
    LIGHT("measure", cmd_measure, "predict registers before the first boot")                       \
    LIGHT("eventlog", cmd_eventlog, "show, replay and explain what was measured")                  \
    FULL("image", cmd_image, "build confidential disk images, look into them")                     \
    FULL("evidence", cmd_evidence, "collect what proves a guest, show what is in it")              \
    FULL("verify", cmd_verify, "check evidence against endorsements, reference values and policy") \
    FULL("calibrate", cmd_calibrate,                                                               \
         "reference values of firmware, from a machine's own evidence")                            \
    FULL("policy", cmd_policy, "write a policy, say what it pins and what it leaves open")         \
    FULL("serve", cmd_serve, "verifier and key broker")                                            \
    FULL("key", cmd_key, "put, list and remove what the broker releases")                          \
    FULL("endorsements", cmd_endorsements, "sign what a broker without a network judges by")       \
    FULL("seal", cmd_seal, "seal a disk's key to the TPM of this machine")                         \
    FULL("nv-policy", cmd_nv_policy, "an NV index of the TPM that says which states get the key")  \
    FULL("recovery", cmd_recovery, "the key on paper: check, convert, enroll, revoke it")          \
    FULL("update", cmd_update, "a new kernel for this guest: tried once, kept if it is good")      \
    FULL("audit-log", cmd_audit_log, "what a broker decided, and whether that is as written")      \
    FULL("unlock", cmd_unlock, "open a disk in the guest, with a key that the broker releases")    \
    FULL("boot", cmd_boot, "start an image under QEMU with Secure Boot and a vTPM")                \
    FULL("try", cmd_try, "the whole way on this machine, without special hardware")                \
    LIGHT("report", cmd_report, "an audit, an appraisal or an image as a page in plain words")     \
    LIGHT("version", cmd_version, "print the version")

#define CLI_PROTOTYPE(name, run, summary) int run(int argc, char **argv);
CLI_COMMANDS(CLI_PROTOTYPE, CLI_PROTOTYPE)
#undef CLI_PROTOTYPE

/* What a program does with its arguments, as its own list of commands has it; returns the exit status. */
int cli_run(int argc, char **argv);

#endif
