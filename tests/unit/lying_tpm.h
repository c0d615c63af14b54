/* A host on the wire to the software TPM: it changes the answers to one command, or keeps that command to itself and says that it
 * was done. What needs no key (a name, an answer without sessions) it makes up properly. */
#ifndef CLOISTER_TEST_LYING_TPM_H
#define CLOISTER_TEST_LYING_TPM_H

#include "swtpm_flush.h"

enum lie {
    TRUTH,
    OTHER_VALUE, /* the last byte of what was answered is another */
    NOT_WRITTEN, /* an NV index' public area, with a name that fits, says that it was never written */
    SWALLOWED,   /* the TPM never sees the command, and "it was done" */
    NO_SESSIONS, /* another value, in an answer that leaves the sessions out */
    KEPT,        /* the first answer comes again */
    CHANGED,     /* the command has another byte, the third from its end */
};

struct liar {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    TSS2_TCTI_CONTEXT *real;
    enum lie lie;
    uint32_t about; /* the command's code */
    bool is_now, has_answer;
    size_t sessions; /* of the command */
    uint8_t answer[4096], kept[4096];
    size_t size, kept_size;
    size_t lies;
};

static uint32_t be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_be32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Handles of a command, as far as lies are told about it. */
static size_t handles_of(uint32_t code)
{
    return code == TPM2_CC_NV_Read || code == TPM2_CC_NV_Increment     ? 2
           : code == TPM2_CC_PCR_Read || code == TPM2_CC_GetCapability ? 0
                                                                       : 1;
}

static size_t count_sessions(const uint8_t *command, uint32_t code)
{
    if (command[1] != 0x02)
        return 0;
    size_t at = 10 + 4 * handles_of(code);
    size_t end = at + 4 + be32(command + at);
    size_t count = 0;
    for (at += 4; at + 9 <= end; count++) {
        at += 4;
        at += 2 + ((size_t)command[at] << 8 | command[at + 1]) + 1;
        at += 2 + ((size_t)command[at] << 8 | command[at + 1]);
    }
    return count;
}

/* "Done", with sessions as one who has no key can write them. */
static void make_up(struct liar *liar)
{
    static const uint8_t password[] = { 0, 0, 1, 0, 0 };
    uint8_t *answer = liar->answer;
    size_t at = 14;

    memset(answer, 0, sizeof liar->answer);
    answer[0] = 0x80;
    answer[1] = 0x02;
    for (size_t i = 0; i < liar->sessions; i++) {
        if (i == 0) {
            memcpy(answer + at, password, sizeof password);
            at += sizeof password;
            continue;
        }
        answer[at + 1] = 32;      /* nonceTPM */
        answer[at + 34] = 0x81;   /* continueSession, audit */
        answer[at + 2 + 34] = 32; /* hmac */
        at += 2 + 32 + 1 + 2 + 32;
    }
    put_be32(answer + 2, (uint32_t)at);
    liar->size = at;
}

static void not_written(uint8_t *parameters)
{
    struct clo_digest digest;
    size_t size = (size_t)parameters[0] << 8 | parameters[1];

    parameters[2 + 6] &= (uint8_t)~0x20; /* TPMA_NV_WRITTEN */
    clo_hash(CLO_HASH_SHA256, clo_bytes(parameters + 2, size), &digest);
    memcpy(parameters + 2 + size + 4, digest.bytes, 32);
}

static void tell(struct liar *liar)
{
    bool has_sessions = liar->answer[1] == 0x02;
    uint8_t *parameters = liar->answer + (has_sessions ? 14 : 10);
    size_t size = has_sessions ? be32(liar->answer + 10) : liar->size - 10;

    if (be32(liar->answer + 6) != TPM2_RC_SUCCESS)
        return;
    liar->lies++;
    if (liar->lie == KEPT) {
        if (liar->kept_size == 0) {
            memcpy(liar->kept, liar->answer, liar->size);
            liar->kept_size = liar->size;
        }
        memcpy(liar->answer, liar->kept, liar->kept_size);
        liar->size = liar->kept_size;
    } else if (liar->lie == NOT_WRITTEN) {
        not_written(parameters);
    } else {
        parameters[size - 1] ^= 1;
    }
    if (liar->lie == NO_SESSIONS && has_sessions) {
        memmove(liar->answer + 10, parameters, size);
        liar->size = 10 + size;
        liar->answer[1] = 0x01;
        put_be32(liar->answer + 2, (uint32_t)liar->size);
    }
}

static TSS2_RC lying_transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    struct liar *liar = (struct liar *)(void *)context;
    uint32_t code = be32(command + 6);

    liar->is_now = liar->lie != TRUTH && code == liar->about;
    liar->has_answer = false;
    if (!liar->is_now)
        return Tss2_Tcti_Transmit(liar->real, size, command);
    if (liar->lie == CHANGED) {
        uint8_t changed[4096];
        assert_true(size > 3 && size <= sizeof changed);
        memcpy(changed, command, size);
        changed[size - 3] ^= 1;
        liar->lies++;
        liar->is_now = false;
        return Tss2_Tcti_Transmit(liar->real, size, changed);
    }
    if (liar->lie != SWALLOWED)
        return Tss2_Tcti_Transmit(liar->real, size, command);
    liar->sessions = count_sessions(command, code);
    make_up(liar);
    liar->lies++;
    liar->has_answer = true;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC lying_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response,
                             int32_t timeout)
{
    struct liar *liar = (struct liar *)(void *)context;

    if (!liar->has_answer) {
        liar->size = sizeof liar->answer;
        TSS2_RC rc = Tss2_Tcti_Receive(liar->real, &liar->size, liar->answer, timeout);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
        if (liar->is_now)
            tell(liar);
        liar->has_answer = true;
    }
    *size = liar->size;
    if (response == NULL)
        return TSS2_RC_SUCCESS;
    memcpy(response, liar->answer, liar->size);
    liar->has_answer = false;
    return TSS2_RC_SUCCESS;
}

static void lying_finalize(TSS2_TCTI_CONTEXT *context)
{
    (void)context; /* the real one stays */
}

static struct liar *open_liar(struct clo_tpm **out)
{
    struct liar *liar = calloc(1, sizeof *liar);
    struct clo_error err;

    assert_non_null(liar);
    liar->common = (TSS2_TCTI_CONTEXT_COMMON_V1){ .magic = 0x6c696172,
                                                  .version = 1,
                                                  .transmit = lying_transmit,
                                                  .receive = lying_receive,
                                                  .finalize = lying_finalize };
    liar->real = tpm->tcti;
    if (!clo_tpm_open_tcti((TSS2_TCTI_CONTEXT *)(void *)liar, out, &err))
        fail_msg("%s", err.text);
    return liar;
}

/* From here on it lies. */
static void lie_about(struct liar *liar, enum lie lie, uint32_t command)
{
    liar->lie = lie;
    liar->about = command;
    liar->lies = 0;
    liar->kept_size = 0;
}

#endif
