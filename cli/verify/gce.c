/* cloister verify gce: the quote of a vTPM of Google's, whose key Google vouches for. */
#include "cli/verify/common.h"

int cmd_verify_gce(int argc, char **argv)
{
    static const struct verify_quote_form form = {
        .command = "verify gce",
        .arguments = "[EVIDENCE | --quote FILE --signature FILE --ak-cert FILE]",
        .summary = "Checks a quote of a GCE instance's vTPM: the certificate of its key up to "
                   "Google's root,\nwhich instance it names, the quote, PCR values and event log. "
                   "GCE's vTPM lies outside of the\nconfidential VM, also on SEV-SNP and TDX "
                   "machines: the result is the word of the cloud and\nnever better than a "
                   "warning. EVIDENCE is what go-tpm-tools write. Issuers of the\ncertificate are "
                   "given with --cert.",
        .example = "  cloister verify gce attestation.pb --cert ek_ak_ca.pem --nonce 6368\n",
        .is_gce = true,
    };

    return verify_quote(&form, argc, argv);
}
