/* cloister key derive: in an SEV-SNP guest, a key that only this chip gives to only this guest. */
#include <string.h>
#include <unistd.h>

#include "cli/broker/key.h"
#include "device/file.h"
#include "device/sev_guest.h"

struct derive_options {
    struct clo_list fields;
    const char *output, *device;
    uint64_t vmpl, guest_svn, tcb_version, mit_vector;
    bool vmrk;
};

static bool make_request(const struct derive_options *o, struct clo_sev_guest_key_request *out,
                         struct clo_error *err)
{
    struct clo_sev_guest_key_request request = { .root_is_vmrk = o->vmrk,
                                                 .tcb_version = o->tcb_version,
                                                 .mit_vector = o->mit_vector };

    for (size_t i = 0; i < o->fields.count; i++) {
        uint32_t field = clo_sev_guest_field(o->fields.items[i]);
        if (field == 0)
            return clo_fail(err, CLO_ERR_USAGE,
                            "--field %s: policy, image_id, family_id, measurement, guest_svn, "
                            "tcb_version or mit_vector expected",
                            o->fields.items[i]);
        request.fields |= field;
    }
    if (o->vmpl > UINT32_MAX || o->guest_svn > UINT32_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--vmpl or --guest-svn: too large");
    request.vmpl = (uint32_t)o->vmpl;
    request.guest_svn = (uint32_t)o->guest_svn;
    *out = request;
    return true;
}

/* To a file of its owner's alone, or to a pipe; never to a screen. */
static bool write_key(const char *path, const struct clo_secret *key, struct clo_error *err)
{
    if (strcmp(path, "-") != 0)
        return clo_file_write(path, clo_secret_bytes(key), 0600, err);
    if (isatty(STDOUT_FILENO) == 1)
        return clo_fail(err, CLO_ERR_USAGE,
                        "--output -: standard output is a terminal: a key is not shown");
    return clo_write_all(STDOUT_FILENO, clo_secret_bytes(key), err);
}

static bool derive(const struct derive_options *o, struct clo_error *err)
{
    CLO_CLEANUP(clo_sev_guest_freep) struct clo_sev_guest *guest = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_sev_guest_key_request request;

    return make_request(o, &request, err) && clo_sev_guest_open(o->device, &guest, err) &&
           clo_sev_guest_derive_key(guest, &request, &key, err) && write_key(o->output, key, err);
}

int cmd_key_derive(int argc, char **argv)
{
    struct derive_options o = { .device = CLO_SEV_GUEST_DEVICE };
    const struct cli_option options[] = {
        { "--field", "NAME",
          "mix this in: policy, image_id, family_id, measurement, guest_svn, tcb_version, "
          "mit_vector (repeatable)",
          .list = &o.fields },
        { "--output", "FILE", "the key, 32 bytes, mode 0600; - is a pipe (required)",
          .text = &o.output },
        { "--guest-svn", "N", "with that field: at most the ID block's", .number = &o.guest_svn },
        { "--tcb-version", "N", "with that field: at most the committed TCB",
          .number = &o.tcb_version },
        { "--mit-vector", "N", "with that field: mitigations that must be in place",
          .number = &o.mit_vector },
        { "--vmpl", "N", "the privilege level to mix in (0)", .number = &o.vmpl },
        { "--vmrk", NULL, "from the migration agent's root key instead of the chip's",
          .flag = &o.vmrk },
        { "--device", "DEVICE", "default " CLO_SEV_GUEST_DEVICE, .text = &o.device },
    };
    const struct cli_usage usage = {
        .command = "key derive",
        .arguments = "--field NAME… --output FILE",
        .summary =
                "Derives, in an SEV-SNP guest, a key from the chip and from what is mixed in: the "
                "same\nguest on the same chip gets it again. One with measurement in it is gone "
                "with the next\nfirmware or kernel: rather name policy, family_id and image_id, "
                "and "
                "start the guest with\nan ID block.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister key derive --field policy --field family_id --field image_id \\\n"
                   "      --output /run/disk.key\n",
    };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (o.output == NULL)
        return cli_usage_error(&usage, "--output is needed");
    if (o.fields.count == 0)
        return cli_usage_error(&usage, "--field is needed: with none, every guest on this chip "
                                       "gets the same key");
    if (!derive(&o, &err))
        return cli_fail("key derive", &err);
    return CLI_YES;
}
