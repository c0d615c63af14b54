#include "device/tpm_nsm.h"

#include <tss2/tss2_tcti.h>

#include "device/nsm.h"
#include "device/tpm_internal.h"

#define WHAT          "AWS's document of the TPM"
#define HEADER_SIZE   10 /* tag, size, code */
#define RESPONSE_SIZE 4096
#define TRIES         5

/* By the index itself, and its empty password: what is in it is signed, or only asked for. */
static void write_command(struct clo_buffer *out)
{
    const size_t authorization = 4 + 2 + 1 + 2;

    clo_buffer_be16(out, TPM2_ST_SESSIONS);
    clo_buffer_be32(out, (uint32_t)(HEADER_SIZE + 4 + 4 + 4 + authorization));
    clo_buffer_be32(out, CLO_TPM_NSM_COMMAND);
    clo_buffer_be32(out, CLO_TPM_NSM_INDEX);
    clo_buffer_be32(out, CLO_TPM_NSM_INDEX);
    clo_buffer_be32(out, (uint32_t)authorization);
    clo_buffer_be32(out, TPM2_RS_PW);
    clo_buffer_be16(out, 0); /* nonce */
    clo_buffer_u8(out, 0);   /* attributes */
    clo_buffer_be16(out, 0); /* password */
}

/* ESYS knows no command of a vendor's: this one goes past it. */
static TSS2_RC send(struct clo_tpm *tpm, struct clo_bytes command)
{
    uint8_t response[RESPONSE_SIZE];
    size_t size = sizeof response;

    TSS2_RC rc = Tss2_Tcti_Transmit(tpm->tcti, command.size, command.data);
    if (rc == TSS2_RC_SUCCESS)
        rc = Tss2_Tcti_Receive(tpm->tcti, &size, response, TSS2_TCTI_TIMEOUT_BLOCK);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    struct clo_reader r = clo_reader(clo_bytes(response, size));
    clo_read_skip(&r, 2);
    uint32_t said = clo_read_be32(&r);
    uint32_t code = clo_read_be32(&r);
    return clo_reader_ok(&r) && said == size ? code : TSS2_TCTI_RC_MALFORMED_RESPONSE;
}

/* The codes with which a TPM wants a command again (TPM 2.0 Part 2, TPM_RC: warnings). */
static bool is_again(TSS2_RC rc)
{
    return rc == TPM2_RC_RETRY || rc == TPM2_RC_YIELDED || rc == TPM2_RC_TESTING;
}

static bool ask(struct clo_tpm *tpm, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer command = { 0 };
    TSS2_RC rc = TPM2_RC_RETRY;

    write_command(&command);
    if (!clo_buffer_ok(&command))
        return clo_out_of_memory(err);
    for (int i = 0; i < TRIES && is_again(rc); i++)
        rc = send(tpm, clo_buffer_bytes(&command));
    if ((rc & ~(TSS2_RC)TSS2_RC_LAYER_MASK) == TPM2_RC_COMMAND_CODE)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        WHAT ": this TPM does not know the command: not a NitroTPM, or an "
                             "instance type without attestation");
    return clo_tpm_done(rc, WHAT, err);
}

static bool exchange(struct clo_tpm *tpm, struct clo_bytes request, struct clo_buffer *out,
                     struct clo_error *err)
{
    return clo_tpm_nv_write(tpm, CLO_TPM_NSM_INDEX, request, err) && ask(tpm, err) &&
           clo_tpm_nv_read(tpm, CLO_TPM_NSM_INDEX, CLO_TPM_NSM_SIZE, out, err);
}

bool clo_tpm_nsm_document(struct clo_tpm *tpm, struct clo_bytes user_data, struct clo_buffer *out,
                          struct clo_error *err)
{
    const TPMA_NV attributes = TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE | TPMA_NV_AUTHREAD |
                               TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer request = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    struct clo_bytes document;
    struct clo_error ignored;

    /* A run that was killed has left it. */
    if (!clo_nsm_request_write(user_data, &request, err) ||
        !clo_tpm_nv_drop(tpm, CLO_TPM_NSM_INDEX, err) ||
        !clo_tpm_nv_define_as(tpm, CLO_TPM_NSM_INDEX, attributes, CLO_TPM_NSM_SIZE, err))
        return clo_wrap(err, WHAT);
    bool ok = exchange(tpm, clo_buffer_bytes(&request), &answer, err);
    if (!clo_tpm_nv_drop(tpm, CLO_TPM_NSM_INDEX, ok ? err : &ignored) || !ok ||
        !clo_nsm_answer_read(clo_buffer_bytes(&answer), &document, err))
        return false;
    clo_buffer_append(out, document);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
