/* cloister-sim: pretend platforms and an attacker, for tests and the demo. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "cli/cli.h"
#include "cloister/encoding.h"
#include "device/file.h"
#include "sim/attack.h"
#include "sim/cmd_snp.h"
#include "sim/cmd_tdx.h"
#include "sim/doors.h"
#include "sim/facts.h"
#include "sim/platform.h"
#include "sim/vtpm.h"

static bool print_root(const struct sim_platform *platform, struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *ark = NULL;
    struct clo_digest fingerprint;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    if (!clo_certificate_parse(clo_buffer_bytes(&platform->ark), &ark, err) ||
        !clo_public_key_fingerprint(clo_certificate_key(ark), &fingerprint, err))
        return false;
    printf("%s\n", clo_hex_text(clo_digest_bytes(&fingerprint), hex));
    return true;
}

static int platform_new(int argc, char **argv)
{
    const char *name = "Milan-simulation";
    const struct cli_option options[] = {
        { "--name", "NAME", "what its certificates are called", .text = &name },
    };
    const struct cli_usage usage = {
        .command = "platform new",
        .arguments = "DIR",
        .operands = { "one DIR", 1, 1 },
        .summary = "Makes a pretend platform, and prints its root's fingerprint for a policy.",
        .options = options,
        .option_count = CLO_COUNT(options),
    };
    CLO_CLEANUP(sim_platform_free) struct sim_platform platform = { 0 };
    struct clo_random random = cli_random();
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 1)
        return cli_usage_error(&usage, "one DIR is needed");
    if (!sim_platform_new(name, (int64_t)time(NULL), &random, &platform, &err) ||
        !sim_platform_save(&platform, operands.items[0], &err) || !print_root(&platform, &err))
        return cli_error(&err);
    return CLI_YES;
}

static int cmd_platform(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "new", platform_new, "make one" },
    };

    return cli_dispatch("platform", "Pretend SEV-SNP platforms.", commands, CLO_COUNT(commands),
                        argc, argv);
}

static int cmd_facts(int argc, char **argv)
{
    const struct cli_usage usage = {
        .command = "facts",
        .arguments = "KIND DIR",
        .operands = { "KIND and DIR", 2, 2 },
        .summary = "Writes what a processor would say of itself inside a VM: cpuid, msr, tdreport.",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 2)
        return cli_usage_error(&usage, "KIND and DIR are needed");
    return sim_facts_make(operands.items[0], operands.items[1], &err) ? CLI_YES : cli_error(&err);
}

static int vtpm_new(int argc, char **argv)
{
    const struct cli_usage usage = {
        .command = "vtpm new",
        .arguments = "PLATFORM STATE",
        .operands = { "PLATFORM and STATE", 2, 2 },
        .summary = "Makes a software TPM whose attestation key a report of PLATFORM binds.",
    };
    CLO_CLEANUP(sim_platform_free) struct sim_platform platform = { 0 };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 2)
        return cli_usage_error(&usage, "PLATFORM and STATE are needed");
    if (!sim_platform_load(operands.items[0], &platform, &err) ||
        !sim_vtpm_new(&platform, operands.items[1], &err))
        return cli_error(&err);
    return CLI_YES;
}

static int cmd_vtpm(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "new", vtpm_new, "make one" },
    };

    return cli_dispatch("vtpm", "Software TPMs of pretend platforms.", commands,
                        CLO_COUNT(commands), argc, argv);
}

static int cmd_replay(int argc, char **argv)
{
    struct sim_replay replay = { 0 };
    const struct cli_option options[] = {
        { "--server", "URL", "the broker", .text = &replay.url },
        { "--key", "PEM", "its public key", .text = &replay.key_path },
        { "--bundle", "FILE", "recorded evidence", .text = &replay.bundle_path },
        { "--resource", "PATH", "what to ask for", .text = &replay.resource },
        { "--forge-nonce", NULL, "put the new nonce next to the old evidence",
          .flag = &replay.forge },
    };
    const struct cli_usage usage = {
        .command = "replay",
        .arguments = "",
        .summary =
                "Sends recorded evidence to a broker again. Exit status 1: refused, as it must be.",
        .options = options,
        .option_count = CLO_COUNT(options),
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0 || replay.url == NULL || replay.key_path == NULL ||
        replay.bundle_path == NULL || replay.resource == NULL)
        return cli_usage_error(&usage, "--server, --key, --bundle and --resource are needed");
    if (!sim_replay(&replay, &err))
        return cli_error(&err);
    printf("the broker released %s on old evidence\n", replay.resource);
    return CLI_YES;
}

static int cmd_null_cipher(int argc, char **argv)
{
    const struct cli_usage usage = {
        .command = "null-cipher",
        .arguments = "FILE OFFSET",
        .operands = { "FILE and OFFSET", 2, 2 },
        .summary =
                "Rewrites the LUKS2 header at byte OFFSET of FILE so that it names a null cipher.",
    };
    unsigned long long offset = 0;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 2 || sscanf(operands.items[1], "%llu", &offset) != 1)
        return cli_usage_error(&usage, "FILE and OFFSET are needed");
    return sim_null_cipher(operands.items[0], offset, &err) ? CLI_YES : cli_error(&err);
}

static int cmd_add_partition(int argc, char **argv)
{
    const struct cli_usage usage = {
        .command = "add-partition",
        .arguments = "IMAGE TYPE NAME MIB",
        .operands = { "IMAGE TYPE NAME MIB", 4, 4 },
        .summary = "Makes a disk larger, and adds a partition (TYPE: its GUID) after the last one.",
    };
    struct clo_list operands;
    struct clo_error err;
    struct clo_guid type;
    unsigned size;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 4 || sscanf(operands.items[3], "%u", &size) != 1 || size == 0)
        return cli_usage_error(&usage, "IMAGE, TYPE, NAME and MIB are needed");
    return clo_guid_read(operands.items[1], &type, &err) &&
                           sim_add_partition(operands.items[0], &type, operands.items[2], size,
                                             &err)
                   ? CLI_YES
                   : cli_error(&err);
}

static int cmd_set_variable(int argc, char **argv)
{
    const struct cli_usage usage = {
        .command = "set-variable",
        .arguments = "VARSTORE NAME VENDOR TEXT",
        .operands = { "VARSTORE NAME VENDOR TEXT", 4, 4 },
        .summary = "Writes an EFI variable (UTF-16) into a variable store, as its host can.",
    };
    struct clo_list operands;
    struct clo_error err;
    struct clo_guid vendor;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 4)
        return cli_usage_error(&usage, "VARSTORE, NAME, VENDOR and TEXT are needed");
    return clo_guid_read(operands.items[2], &vendor, &err) &&
                           sim_set_variable(operands.items[0], operands.items[1], &vendor,
                                            operands.items[3], &err)
                   ? CLI_YES
                   : cli_error(&err);
}

int main(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "facts", cmd_facts, "what a processor says of itself inside a VM, as files" },
        { "platform", cmd_platform, "pretend platforms" },
        { "snp", cmd_snp, "SEV-SNP reports with their chains, good or broken" },
        { "tdx", cmd_tdx, "TDX quotes with their collateral, good or broken" },
        { "vtpm", cmd_vtpm, "their software TPMs" },
        { "replay", cmd_replay, "send recorded evidence again" },
        { "add-partition", cmd_add_partition, "give a disk one more partition" },
        { "set-variable", cmd_set_variable, "write an EFI variable into a variable store" },
        { "null-cipher", cmd_null_cipher, "make a LUKS2 header name a null cipher" },
    };

    prctl(PR_SET_DUMPABLE, 0);
    return cli_dispatch("", "Pretend platforms and an attacker: for tests and the demo.", commands,
                        CLO_COUNT(commands), argc, argv);
}
