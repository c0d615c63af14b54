#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct cli_command commands[] = {
    { "audit", cmd_audit, "is this kernel, image or guest fit to be a confidential VM?" },
    { "uki", cmd_uki, "build, sign, verify and inspect unified kernel images" },
    { "secureboot", cmd_secureboot, "make Secure Boot keys, enrol them into a variable store" },
    { "measure", cmd_measure, "predict registers before the first boot" },
    { "eventlog", cmd_eventlog, "show, replay and explain what was measured" },
    { "image", cmd_image, "build confidential disk images, look into them" },
    { "evidence", cmd_evidence, "collect what proves a guest, show what is in it" },
    { "verify", cmd_verify, "check evidence against endorsements, reference values and policy" },
    { "policy", cmd_policy, "write a policy, say what it pins and what it leaves open" },
    { "serve", cmd_serve, "verifier and key broker" },
    { "key", cmd_key, "put, list and remove what the broker releases" },
    { "unlock", cmd_unlock, "open a disk in the guest, with a key that the broker releases" },
    { "boot", cmd_boot, "start an image under QEMU with Secure Boot and a vTPM" },
    { "report", cmd_report, "an audit, an appraisal or an image as a page in plain words" },
    { "version", cmd_version, "print the version" },
};

int cmd_version(int argc, char **argv)
{
    static const struct cli_usage usage = {
        .command = "version",
        .arguments = "",
        .summary = "Prints the version.",
        .example = "  cloister version\n",
    };
    struct cli_list operands;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (operands.count != 0)
        return cli_usage_error(&usage, "takes no arguments");
    printf("cloister %s\n", CLOISTER_VERSION);
    return CLI_YES;
}

/* An answer that did not get out is none. Whoever closed a pipe has read enough: that is not worth a line. */
static int finish(int status)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
    bool is_lost = fflush(stdout) != 0;

    if ((!is_lost && !ferror(stdout)) || (status != CLI_YES && status != CLI_NO))
        return status;
    if (poll(&out, 1, 0) != 1 || (out.revents & POLLERR) == 0)
        fprintf(stderr, "cloister: standard output: cannot be written\n");
    return CLI_SURROUNDINGS;
}

int main(int argc, char **argv)
{
    static char version[] = "version";

    /* Keys pass through this program: no core dumps. A closed pipe is an error we report. */
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    return finish(
            cli_dispatch("",
                         "Turns an ordinary Linux image into a confidential VM that can prove what "
                         "it is,\nand gives its owner the verifier that asks for the proof.",
                         commands, CLO_COUNT(commands), argc, argv));
}
