#include "cli/image/image.h"
#include "cli/commands.h"

int cmd_image(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "build", cmd_image_build, "make a confidential disk image and its reference values" },
        { "convert", cmd_image_convert, "turn a distribution's disk into a confidential one" },
        { "inspect", cmd_image_inspect,
          "say what is on an image, and whether a guest would open it" },
        { "seal", cmd_image_seal, "seal its disk's key to a TPM, for states to come" },
        { "update", cmd_image_update, "give it another kernel, and seal its key for that" },
    };

    return cli_dispatch("image", "Makes confidential disk images, and looks into them.", commands,
                        CLO_COUNT(commands), argc, argv);
}
