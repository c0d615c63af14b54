/* cloister verify tpm: a TPM's quote alone. */
#include "cli/verify/common.h"

int cmd_verify_tpm(int argc, char **argv)
{
    static const struct verify_quote_form form = {
        .command = "verify tpm",
        .arguments = "[EVIDENCE | --quote FILE --signature FILE] [--ak FILE | --ak-cert FILE |\n"
                     "    --challenge FILE --answer FILE]",
        .summary =
                "Checks a TPM's quote against a key that you trust to be a TPM's, or that its "
                "maker's\ncertificate vouches for, or that the TPM of such a certificate showed to "
                "hold (evidence\nchallenge), and PCR values and event logs against the quote. It "
                "shows nothing about a\nconfidential VM. A key that nobody vouches for "
                "is never more than a warning.\nEVIDENCE is a quote with its signature in one "
                "file, as Trustee's clients and go-tpm-tools\nwrite it.",
        .example = "  cloister verify tpm --quote quote.msg --signature quote.sig --ak ak.pem \\\n"
                   "      --pcrs pcrs.json --eventlog binary_bios_measurements --nonce 6368\n",
    };

    return verify_quote(&form, argc, argv);
}
