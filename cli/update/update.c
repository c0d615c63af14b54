/* cloister update: a new kernel in a guest that runs, by a UKI that firmware tries once. */
#include "cli/update/update.h"

#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/uki/options.h"
#include "guest/collect.h"
#include "image/efi_boot.h"

struct what {
    bool is_good, is_status;
};

static bool check(const struct cli_update *in, const struct what *what, struct clo_error *err)
{
    const struct uki_signing *signing = &in->build.signing;
    unsigned ways = (signing->keys.count > 0 ? 1U : 0U) + (in->sign_command != NULL ? 1U : 0U) +
                    (in->request != NULL ? 1U : 0U) + (in->uki != NULL ? 1U : 0U);

    if (what->is_good && what->is_status)
        return clo_fail(err, CLO_ERR_USAGE, "--mark-good and --status are two things");
    if ((in->nv_policy == NULL) != (in->nv_key == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--nv-policy and --nv-key go together");
    if (in->volumes.count > 0 && in->nv_policy == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--volume needs --nv-policy");
    if (what->is_good || what->is_status)
        return ways == 0 ||
               clo_fail(err, CLO_ERR_USAGE, "--mark-good and --status install nothing");
    if (ways != 1)
        return clo_fail(err, CLO_ERR_USAGE,
                        "one of --key, --sign-command, --request and --uki is needed");
    if ((in->build.kernel != NULL) != (in->modules != NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--kernel and --modules go together");
    if (in->build.kernel != NULL && in->release != NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--kernel and --kernel-release are two kernels");
    return uki_signing_check(signing, err);
}

static bool say(enum clo_update_is is)
{
    static const char *const words[] = {
        [CLO_UPDATE_NONE] = "no update is under way",
        [CLO_UPDATE_WAITING] = "an update waits for the next boot",
        [CLO_UPDATE_TRIED] = "this boot is of the update, which is not settled yet",
        [CLO_UPDATE_FAILED] = "the update did not boot: this is the system of before",
    };

    printf("%s\n", words[is]);
    return true;
}

static bool show_status(const struct cli_update_parts *parts, struct clo_error *err)
{
    enum clo_update_is is;

    return clo_update_look(&parts->machine, &is, err) && say(is);
}

static bool settle(const struct cli_update_parts *parts, struct clo_error *err)
{
    enum clo_update_is was;
    bool has_floor;

    if (!clo_update_settle(&parts->machine, &was, &has_floor, err))
        return false;
    if (was == CLO_UPDATE_TRIED)
        printf("the update is good: it boots from now on, and the system of before %s\n",
               has_floor ? "gets no key"
                         : "was sealed without a floor: with an older copy of the disk's header it "
                           "still gets the key");
    else if (was == CLO_UPDATE_FAILED)
        printf("the update did not boot: it is dropped, and this system stays\n");
    else
        say(was);
    return true;
}

static bool install(struct cli_update *in, struct clo_error *err)
{
    CLO_CLEANUP(cli_update_parts_free) struct cli_update_parts parts = { .lock = -1 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    bool is_booted = false;

    if (!cli_update_make(in, &uki, err))
        return false;
    if (in->request != NULL) {
        printf("%s: to be signed, and installed with --uki\n", in->request);
        return true;
    }
    if (!cli_update_parts(in, &parts, err) ||
        !clo_update_install(&parts.machine, clo_buffer_bytes(&uki), &is_booted, err))
        return false;
    printf("%s\n", is_booted ? "up to date: this is what the machine has booted"
                             : "installed: the next boot tries it");
    return true;
}

static bool run(struct cli_update *in, const struct what *what, struct clo_error *err)
{
    CLO_CLEANUP(cli_update_parts_free) struct cli_update_parts parts = { .lock = -1 };

    if (!what->is_good && !what->is_status)
        return uki_signing_open(&in->build.signing, err) &&
               uki_policy_open(&in->build.policy, err) && install(in, err);
    return cli_update_parts(in, &parts, err) &&
           (what->is_good ? settle(&parts, err) : show_status(&parts, err));
}

int cmd_update(int argc, char **argv)
{
    struct cli_update in = { .efivars = CLO_EFIVARS,
                             .tpm = CLO_TPM_DEVICE,
                             .eventlog = CLO_COLLECT_EVENTLOG,
                             .state = CLO_UPDATE_STATE,
                             .run = CLI_UPDATE_RUN,
                             .init = CLOISTER_INIT_PATH };
    struct what what = { false, false };
    const struct cli_option options[] = {
        { "--mark-good", NULL,
          "this boot is good: keep what it is of, raise the floor; or drop what did not boot",
          .flag = &what.is_good },
        { "--status", NULL, "where things stand", .flag = &what.is_status },
        { "--kernel-release", "RELEASE", "an installed kernel; default the newest",
          .text = &in.release },
        { "--kernel", "FILE", "a kernel that is elsewhere, with --modules",
          .text = &in.build.kernel },
        { "--modules", "FOLDER", "its modules, …/lib/modules/RELEASE", .text = &in.modules },
        UKI_SIGNING_OPTIONS(in.build.signing),
        { "--sign-command", "PROGRAM",
          "have it signed: PROGRAM UNSIGNED SIGNED, two files, the second to be made",
          .text = &in.sign_command },
        { "--request", "FILE", "write it unsigned, to be signed elsewhere, and change nothing",
          .text = &in.request },
        { "--uki", "FILE", "install this one, which is signed: what came of a request",
          .text = &in.uki },
        { "--pcr-key", "FILE|URI", "sign PCR 11 with this RSA key, into .pcrsig (repeatable)",
          .list = &in.build.policy.keys },
        { "--stub", "FILE", "systemd's EFI stub (default: " UKI_DEFAULT_STUB ")",
          .text = &in.build.stub },
        { "--init", "FILE", "cloister-init; default " CLOISTER_INIT_PATH, .text = &in.init },
        { "--esp", "FOLDER", "where the ESP is mounted; default: it is, for the moment",
          .text = &in.esp },
        { "--disk", "DEVICE|FILE", "the whole disk; default: the root's", .text = &in.disk },
        { "--disk-key", "FILE", "opens the root's LUKS2 volume; default: it is open here",
          .text = &in.disk_key },
        { "--nv-policy", "FILE",
          "the disk is sealed to this NV index ('nv-policy make'): it approves of the next state, "
          "and nothing is sealed",
          .text = &in.nv_policy },
        { "--nv-key", "FILE|URI", "the key that writes the index", .text = &in.nv_key },
        { "--volume", "DEVICE|FILE",
          "another volume that is sealed to the index: its header gets a copy as the root's does "
          "(repeatable)",
          .list = &in.volumes },
        { "--tpm", "DEVICE", "the TPM; default " CLO_TPM_DEVICE ", or swtpm:SOCKET",
          .text = &in.tpm },
        { "--eventlog", "FILE", "the firmware's log; default " CLO_COLLECT_EVENTLOG,
          .text = &in.eventlog },
        { "--efivars", "FOLDER", "EFI variables; default " CLO_EFIVARS, .text = &in.efivars },
        { "--state", "FOLDER", "what is kept between boots; default " CLO_UPDATE_STATE,
          .text = &in.state },
        { "--run", "FOLDER", "what the initrd left; default " CLI_UPDATE_RUN, .text = &in.run },
    };
    const struct cli_usage usage = {
        .command = "update",
        .arguments = "",
        .summary =
                "Makes a UKI of the newest installed kernel, has it signed, seals the disk's key "
                "for the state that it\nleads to, and has firmware start it once. --mark-good in a "
                "boot of it keeps it; else the next boot is\nof the system of before.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example =
                "  cloister update --sign-command /etc/cloister/sign-remotely && systemctl reboot\n"
                "  cloister update --mark-good\n",
    };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    in.build.tell = cli_uki_tell;
    in.build.policy.providers = in.build.signing.providers;
    bool ok = check(&in, &what, &err) && run(&in, &what, &err);
    uki_signing_close(&in.build.signing);
    uki_policy_close(&in.build.policy);
    return ok ? CLI_YES : cli_fail("update", &err);
}
