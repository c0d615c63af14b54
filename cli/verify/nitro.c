/* cloister verify nitro: an attestation document of AWS. */
#include "cli/evidence/file.h"
#include "cli/verify/common.h"

int cmd_verify_nitro(int argc, char **argv)
{
    struct verify_options o = { 0 };
    const char *eventlog = NULL;
    struct cli_option table[VERIFY_OPTIONS_MAX] = {
        { "--eventlog", "FILE", "the instance's event log, with SHA-384 digests",
          .text = &eventlog },
    };
    size_t count = 1;
    verify_add_options(&o, table, &count);
    const struct cli_usage usage = {
        .command = "verify nitro",
        .arguments = "DOCUMENT",
        .operands = { "one document", 1, 1 },
        .summary =
                "Checks an attestation document of AWS: of an instance's NitroTPM, or of a Nitro "
                "Enclave.\nIts signature, the chain to AWS's root, its age, the nonce, and its "
                "PCRs against a policy;\na NitroTPM's also against reference values. A document's "
                "certificate lives for three hours:\nlook at an old one with --at.",
        .options = table,
        .option_count = count,
        .example = "  cloister verify nitro document.cbor --nonce 6368616c6c656e6765 --policy "
                   "nitro.json\n",
    };
    CLO_CLEANUP(verify_inputs_free) struct verify_inputs inputs = { 0 };
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!verify_begin(&o, &inputs, &evidence, &err) ||
        !evidence_file_add(operands.items[0], CLO_EVIDENCE_NITRO_DOCUMENT, evidence, &err) ||
        (eventlog != NULL &&
         !evidence_file_add_log(eventlog, CLO_EVIDENCE_EVENTLOG, evidence, &err)))
        return verify_fail(&err);
    return verify_run(evidence, &o, &inputs);
}
