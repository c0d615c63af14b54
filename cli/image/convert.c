/* cloister image convert: a distribution's disk as it is, turned into a confidential one. */
#include "image/convert.h"

#include "cli/image/image.h"
#include "cli/image/making.h"

static void tell(const char *line)
{
    printf("%s\n", line);
}

/* One program runs one command: its table can be built at compile time. */
static struct clo_convert_spec spec = { .tell = tell };

static bool build(void *context, const struct clo_image_spec *base, struct clo_image_result *out,
                  struct clo_error *err)
{
    const struct clo_convert_spec *convert = context;

    return clo_image_convert(convert, base, out, err) ||
           (err->status != CLO_ERR_USAGE && clo_wrap(err, "%s", convert->input));
}

static struct cli_making in = CLI_MAKING_DEFAULTS;

static const struct cli_option options[] = {
    { "--root-partition", "WHICH",
      "the number of the root's partition, or GROUP/VOLUME, where more than one has an init",
      .text = &spec.root_partition },
    { "--root-subvolume", "PATH",
      "the root's subvolume of a btrfs, from its top, where more than one has an init",
      .text = &spec.root_subvolume },
    { "--kernel-release", "RELEASE", "which of its kernels; default the newest",
      .text = &spec.release },
    { "--drop", "FOLDER",
      "a file system of its own, as /etc/fstab names it, that is left behind; in place also a "
      "partition's number, which is erased; may repeat",
      .list = &spec.dropped },
    { "--in-place", NULL,
      "turn DISK itself, a raw file with an ext4 root, into the image; keep a copy until it has "
      "booted",
      .flag = &spec.is_in_place },
    { "--resume", NULL, "finish a conversion that was interrupted; the same options as before",
      .flag = &in.resumes },
    CLI_MAKING_OPTIONS(in),
};

static const struct cli_usage usage = {
    .command = "image convert",
    .arguments = "DISK [IMAGE]",
    .operands = { "a disk, and where the image goes", 1, 2 },
    .summary =
            "Turns a distribution's disk into a confidential one.\n"
            "DISK is raw, qcow2, VHD, VHDX or VMDK; or it is a root: a folder, a tar archive\n"
            "(docker export), an OCI image. It is not written to, unless --in-place turns it into\n"
            "the image itself. An ext4 root is kept as it is, an XFS or btrfs one becomes ext4, "
            "and\n"
            "is encrypted; kernel, modules, command line and os-release are found in it; "
            "/etc/fstab\n"
            "and boot loader hooks are adapted inside. What cannot be carried over is refused, "
            "with\n"
            "the reason. Needs neither root nor loop devices nor device-mapper.",
    .options = options,
    .option_count = CLO_COUNT(options),
    .example = "  cloister image convert debian-12-generic-amd64.qcow2 demo.img \\\n"
               "    --key keys/db.key --cert keys/db.crt --varstore vars.fd \\\n"
               "    --broker https://10.0.2.2:8443 --broker-key broker.pem\n"
               "  cloister image convert demo.img --in-place \\\n"
               "    --key keys/db.key --cert keys/db.crt --varstore vars.fd \\\n"
               "    --broker https://10.0.2.2:8443 --broker-key broker.pem\n",
};

/* Where the image goes: its own name, or another. */
static const char *output_of(const struct clo_list *operands)
{
    if (spec.is_in_place == (operands->count == 1))
        return operands->items[operands->count - 1];
    return NULL;
}

int cmd_image_convert(int argc, char **argv)
{
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    spec.input = operands.items[0];
    if (in.as_json)
        spec.tell = NULL;
    in.output = output_of(&operands);
    in.is_in_place = spec.is_in_place;
    spec.resumes = in.resumes;
    in.build = build;
    in.context = &spec;
    in.is_journalled = true;
    if (in.output == NULL)
        return cli_usage_error(
                &usage, spec.is_in_place ? "--in-place: DISK is the image: no other goes with it"
                                         : "where does the image go? IMAGE, or --in-place");
    if (!cli_making_check(&in, &err))
        return cli_usage_error(&usage, "%s", err.text);
    return cli_making_run(&in, spec.input, &err);
}
