#include <string.h>

#include "cli/commands.h"
#include "cli/verify/common.h"

int cmd_verify(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } forms[] = {
        { "snp", cmd_verify_snp }, { "tdx", cmd_verify_tdx }, { "azure", cmd_verify_azure },
        { "tpm", cmd_verify_tpm }, { "ear", cmd_verify_ear },
    };

    for (size_t i = 0; argc > 1 && i < CLO_COUNT(forms); i++)
        if (strcmp(argv[1], forms[i].name) == 0)
            return forms[i].run(argc - 1, argv + 1);
    int status = cmd_verify_bundle(argc, argv);
    /* Help, man pages and completions are made from this list. */
    for (size_t i = 0; argc == 2 && strcmp(argv[1], "--help=commands") == 0 && i < CLO_COUNT(forms);
         i++)
        status = forms[i].run(argc, argv);
    return status;
}
