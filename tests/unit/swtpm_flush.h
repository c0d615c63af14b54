/* Objects and sessions of the software TPM that a test has left there. */
#ifndef CLOISTER_TEST_SWTPM_FLUSH_H
#define CLOISTER_TEST_SWTPM_FLUSH_H

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tcti.h>

#include "device/tpm_internal.h"
#include "swtpm.h"

/* What a command that failed left in the TPM, as a restart would: the stack does not speak to it any more. */
static void flush_all(void)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    static const uint32_t kinds[] = { TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST };

    for (size_t k = 0; k < CLO_COUNT(kinds); k++) {
        if (Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                               TPM2_CAP_HANDLES, kinds[k], 16, NULL, &data) != TSS2_RC_SUCCESS)
            fail_msg("handles");
        for (uint32_t i = 0; i < data->data.handles.count; i++) {
            uint32_t handle = data->data.handles.handle[i];
            const uint8_t flush[] = { 0x80,
                                      0x01,
                                      0,
                                      0,
                                      0,
                                      14,
                                      0,
                                      0,
                                      0x01,
                                      0x65,
                                      (uint8_t)(handle >> 24),
                                      (uint8_t)(handle >> 16),
                                      (uint8_t)(handle >> 8),
                                      (uint8_t)handle };
            uint8_t answer[64];
            size_t size = sizeof answer;
            (void)Tss2_Tcti_Transmit(tpm->tcti, sizeof flush, flush);
            (void)Tss2_Tcti_Receive(tpm->tcti, &size, answer, -1);
        }
        Esys_Free(data);
        data = NULL;
    }
}

#endif
