/* A TPM that answers with an error, wrongly, or not at all, at any command of an unsealing: it fails with a line that says so, gives no
 * key, and works again afterwards; where the specification has the command sent again, it is. */
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <tss2/tss2_tcti.h>

#include "device/random.h"
#include "device/tpm_internal.h"
#include "device/tpm_seal.h"
#include "swtpm_flush.h"

#define SECRET   "thirty-two bytes of a disk's key"
#define PCRS     (1U << 0 | 1U << 4 | 1U << 11 | 1U << 12)
#define COMMANDS 60 /* more than one unsealing takes */

enum fault {
    NONE,
    CODE,     /* an answer of ten bytes with a code */
    GARBAGE,  /* an answer of noise */
    CUT,      /* an answer cut short */
    NO_WRITE, /* the command does not get out */
    NO_READ,  /* nothing comes back */
    SILENT,   /* nothing comes back within the command's time */
    SLOW,     /* the answer takes a while: the caller waits, as TSS2_TCTI_TIMEOUT_BLOCK has it */
    BUSY,     /* the code comes again and again */
};

/* In front of the software TPM's: one fault, at one command. */
struct faulty {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    TSS2_TCTI_CONTEXT *real;
    enum fault fault;
    uint32_t code;
    size_t at, commands;
    bool is_now;
};

static uint32_t be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static struct faulty *of(TSS2_TCTI_CONTEXT *context)
{
    return (struct faulty *)(void *)context;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    struct faulty *f = of(context);

    f->is_now =
            f->fault != NONE && (f->commands == f->at || (f->fault == BUSY && f->commands > f->at));
    f->commands++;
    if (f->is_now && f->fault == NO_WRITE)
        return TSS2_TCTI_RC_IO_ERROR;
    /* A TPM that answers with a code has done nothing. */
    return f->is_now && (f->fault == CODE || f->fault == BUSY)
                   ? TSS2_RC_SUCCESS
                   : Tss2_Tcti_Transmit(f->real, size, command);
}

static TSS2_RC give(size_t *size, uint8_t *response, const uint8_t *bytes, size_t count)
{
    *size = count;
    if (response != NULL)
        memcpy(response, bytes, count);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
    struct faulty *f = of(context);
    const uint8_t code[] = { 0x80,
                             0x01,
                             0,
                             0,
                             0,
                             10,
                             (uint8_t)(f->code >> 24),
                             (uint8_t)(f->code >> 16),
                             (uint8_t)(f->code >> 8),
                             (uint8_t)f->code };
    uint8_t noise[64];

    if (f->is_now && (f->fault == CODE || f->fault == BUSY))
        return give(size, response, code, sizeof code);
    if (f->is_now && f->fault == SLOW)
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    TSS2_RC rc = Tss2_Tcti_Receive(f->real, size, response, timeout);
    if (!f->is_now || f->fault == SLOW || response == NULL || rc != TSS2_RC_SUCCESS)
        return rc;
    memset(noise, 0xa5, sizeof noise);
    if (f->fault == SILENT)
        return TSS2_TCTI_RC_NO_CONNECTION;
    if (f->fault == NO_READ)
        return TSS2_TCTI_RC_IO_ERROR;
    if (f->fault == GARBAGE)
        return give(size, response, noise, *size < sizeof noise ? *size : sizeof noise);
    memset(response + *size / 2, 0, *size - *size / 2);
    *size = *size / 2;
    return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *context)
{
    (void)context; /* the real one stays */
}

/* A TPM that behaves; the caller says from when on it does not. */
static struct faulty *open_faulty(struct clo_tpm **out)
{
    struct faulty *f = calloc(1, sizeof *f);
    struct clo_error err;

    assert_non_null(f);
    f->common = (TSS2_TCTI_CONTEXT_COMMON_V1){ .magic = 0x6661756c74,
                                               .version = 1,
                                               .transmit = transmit,
                                               .receive = receive,
                                               .finalize = finalize };
    f->real = tpm->tcti;
    if (!clo_tpm_open_tcti((TSS2_TCTI_CONTEXT *)(void *)f, out, &err))
        fail_msg("%s", err.text);
    return f;
}

static void seal(struct clo_tpm2_token *out)
{
    struct clo_digest values[4];
    struct clo_tpm_pcrs now;
    struct clo_error err;
    size_t count = 0;

    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, PCRS, &now, &err));
    for (unsigned i = 0; i < CLO_TPM_PCRS; i++)
        if ((PCRS >> i & 1) != 0)
            values[count++] = now.values[i];
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                              .pcrs = PCRS,
                                              .values = values };
    if (!clo_tpm_seal(tpm, NULL, &sealing, clo_bytes_text(SECRET), &clo_random_system, out, &err))
        fail_msg("%s", err.text);
}

static bool unseal(struct clo_tpm *with_tpm, const struct clo_tpm2_token *token,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    const struct clo_unseal with = { 0 };
    enum clo_unseal_why why;

    bool ok = clo_tpm_unseal(with_tpm, token, &with, &secret, &why, err);
    assert_true(ok == (secret != NULL));
    if (ok)
        assert_true(clo_bytes_equal(clo_secret_bytes(secret), clo_bytes_text(SECRET)));
    else
        assert_true(err->status != CLO_OK && err->text[0] != '\0');
    assert_null(strstr(err->text, SECRET));
    return ok;
}

/* How many commands an unsealing takes, not counting what it drops afterwards. */
static size_t count_commands(const struct clo_tpm2_token *token)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
    struct faulty *f = open_faulty(&other);
    struct clo_error err = { 0 };
    size_t before = f->commands;

    if (!unseal(other, token, &err))
        fail_msg("%s", err.text);
    assert_true(f->commands - before < COMMANDS);
    return f->commands - before;
}

static void test_faults(void **state)
{
    static const struct {
        const char *name;
        enum fault fault;
        uint32_t code;
    } cases[] = {
        { "failure mode", CODE, TPM2_RC_FAILURE },
        { "no such thing", CODE, TPM2_RC_COMMAND_CODE },
        { "not started", CODE, TPM2_RC_INITIALIZE },
        { "out of memory", CODE, TPM2_RC_MEMORY },
        { "lockout", CODE, TPM2_RC_LOCKOUT },
        { "noise", GARBAGE, 0 },
        { "cut short", CUT, 0 },
        { "not sent", NO_WRITE, 0 },
        { "no answer", NO_READ, 0 },
        { "not in time", SILENT, 0 },
    };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };

    (void)state;
    seal(&token);
    size_t commands = count_commands(&token);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        size_t refused = 0;
        for (size_t at = 0; at < commands; at++) {
            CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
            struct faulty *f = open_faulty(&other);
            struct clo_error err = { 0 };
            f->fault = cases[i].fault;
            f->code = cases[i].code;
            f->at = f->commands + at;
            refused += unseal(other, &token, &err) ? 0 : 1;
            f->fault = NONE;
            flush_all();
        }
        /* What is dropped after the key was had (object and sessions) may fail as it likes. */
        CHECK(refused >= commands - 3, cases[i].name);
        struct clo_error err = { 0 };
        CHECK(unseal(tpm, &token, &err), err.text);
    }
}

/* A socket that a TPM could be at: it takes commands, and what it answers was written before. */
struct silent {
    int listener, peer;
    char path[4200];
    struct clo_tpm *tpm;
};

static void open_silent(struct silent *out)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct clo_error err;

    snprintf(out->path, sizeof out->path, "%s/silent", swtpm_scratch.path);
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", out->path);
    out->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(out->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(out->listener, 1), 0);
    if (!clo_tpm_open_socket(out->path, &out->tpm, &err))
        fail_msg("%s", err.text);
    out->peer = accept4(out->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(out->peer >= 0);
    clo_tpm_limit(out->tpm, 20);
}

static void close_silent(struct silent *silent)
{
    clo_tpm_freep(&silent->tpm);
    close(silent->peer);
    close(silent->listener);
    unlink(silent->path);
}

/* One that says nothing, or not all of it, within the command's time: given up, and for good. */
static void test_silent(void **state)
{
    static const uint8_t answer[] = { 0x80, 0x01, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0 };
    static const struct {
        const char *name;
        size_t said;
    } cases[] = {
        { "nothing", 0 },
        { "one byte", 1 },
        { "half a head", 5 },
        { "a head alone", 10 },
        { "all but one byte", sizeof answer - 1 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(close_silent) struct silent silent = { .peer = -1 };
        struct clo_tpm_pcrs pcrs;
        struct clo_error err;
        open_silent(&silent);
        assert_int_equal(write(silent.peer, answer, cases[i].said), cases[i].said);
        CHECK(!clo_tpm_pcr_read(silent.tpm, CLO_HASH_SHA256, 1, &pcrs, &err), cases[i].name);
        CHECK(strcmp(err.text, "PCRs: the TPM does not answer") == 0, err.text);
        CHECK(err.status == CLO_ERR_SYSTEM, cases[i].name);
        /* What comes late is not an answer to the next command, which is not even sent. */
        assert_int_equal(write(silent.peer, answer, sizeof answer), sizeof answer);
        CHECK(!clo_tpm_pcr_read(silent.tpm, CLO_HASH_SHA256, 1, &pcrs, &err), cases[i].name);
        CHECK(Tss2_Tcti_Transmit(silent.tpm->tcti, sizeof answer, answer) ==
                      TSS2_TCTI_RC_NO_CONNECTION,
              cases[i].name);
        uint8_t sent[4096];
        ssize_t size = recv(silent.peer, sent, sizeof sent, MSG_DONTWAIT);
        CHECK(size > 0 && be32(sent + 2) == (size_t)size, "one command");
    }
}

/* A TPM that is busy says so, and is asked again (part 1, section 25.2; ESYS sends the same command anew); one that is slow is waited for. */
static void test_retry(void **state)
{
    static const struct {
        const char *name;
        enum fault fault;
        uint32_t code;
    } cases[] = {
        { "retry", CODE, TPM2_RC_RETRY },
        { "yielded", CODE, TPM2_RC_YIELDED },
        { "testing", CODE, TPM2_RC_TESTING },
        { "slow", SLOW, 0 },
    };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };

    (void)state;
    seal(&token);
    size_t commands = count_commands(&token);
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        for (size_t at = 0; at < commands; at++) {
            CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
            struct faulty *f = open_faulty(&other);
            struct clo_error err = { 0 };
            f->fault = cases[i].fault;
            f->code = cases[i].code;
            f->at = f->commands + at;
            if (!unseal(other, &token, &err))
                fail_msg("%s: command %zu: %s", cases[i].name, at, err.text);
        }
}

/* One that is busy for good is given up on, with a line that says so. */
static void test_busy(void **state)
{
    static const uint32_t codes[] = { TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };

    (void)state;
    seal(&token);
    for (size_t i = 0; i < CLO_COUNT(codes); i++) {
        CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
        struct faulty *f = open_faulty(&other);
        struct clo_error err = { 0 };
        f->fault = BUSY;
        f->code = codes[i];
        f->at = f->commands + 1;
        assert_false(unseal(other, &token, &err));
        assert_true(f->commands - f->at < 200);
        f->fault = NONE;
        flush_all();
        if (!unseal(tpm, &token, &err))
            fail_msg("%s", err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_busy),
    };

    return cmocka_run_group_tests(tests, start_swtpm, stop_swtpm);
}
