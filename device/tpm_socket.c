/* A TCTI (TCG TSS 2.0 TCTI specification, version 1 contexts) over a descriptor: a TPM's device node, or a unix socket that takes
 * plain TPM commands (swtpm's data channel). tpm2-tss's own for swtpm needs two TCP ports, which anybody on the machine could take
 * or talk to; its own for devices waits for ever.
 *
 * A TPM has its time for each command. One that lets it pass is given up for good: a late answer would be taken for that to
 * the next command. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/clock.h"
#include "device/file.h"
#include "device/tpm.h"
#include "device/tpm_internal.h"

#define SOCKET_MAGIC  UINT64_C(0x434c4f5f534f434b)
#define RESPONSE_MAX  4096
#define RESPONSE_HEAD 10 /* tag, size, code */

/* What a command may take at most (TCG PC Client Platform TPM Profile, section 6.6, duration classes; those that it leaves out as
 * Linux has them). */
#define MEDIUM_MS    750
#define LONG_MS      2000
#define MAKES_KEY_MS 300000
#define OTHER_MS     120000
/* A virtual TPM is a program of a busy host's, and its guest another. */
#define PATIENCE_MS 60000

static const struct {
    uint32_t command;
    int most_ms;
} durations[] = {
    { TPM2_CC_PCR_Read, MEDIUM_MS },         { TPM2_CC_PCR_Extend, MEDIUM_MS },
    { TPM2_CC_GetCapability, MEDIUM_MS },    { TPM2_CC_ReadPublic, MEDIUM_MS },
    { TPM2_CC_NV_ReadPublic, MEDIUM_MS },    { TPM2_CC_FlushContext, MEDIUM_MS },
    { TPM2_CC_GetRandom, LONG_MS },          { TPM2_CC_NV_Read, LONG_MS },
    { TPM2_CC_NV_Write, LONG_MS },           { TPM2_CC_NV_Increment, LONG_MS },
    { TPM2_CC_NV_DefineSpace, LONG_MS },     { TPM2_CC_SelfTest, LONG_MS },
    { TPM2_CC_CreatePrimary, MAKES_KEY_MS }, { TPM2_CC_Create, MAKES_KEY_MS },
    { TPM2_CC_CreateLoaded, MAKES_KEY_MS },
};

struct socket_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    int fd;
    bool is_device, has_response, is_given_up;
    int limit_ms;  /* for every command; 0: as above */
    int64_t until; /* of the command that is out; CLOCK_MONOTONIC, milliseconds */
    size_t size;
    uint8_t response[RESPONSE_MAX];
};

static struct socket_tcti *of(TSS2_TCTI_CONTEXT *context)
{
    return (struct socket_tcti *)(void *)context;
}

static int limit_of(const struct socket_tcti *tcti, struct clo_bytes command)
{
    struct clo_reader r = clo_reader(command);
    int most = OTHER_MS;

    if (tcti->limit_ms != 0)
        return tcti->limit_ms;
    clo_read_skip(&r, 6);
    uint32_t code = clo_read_be32(&r);
    for (size_t i = 0; i < CLO_COUNT(durations); i++)
        if (durations[i].command == code)
            most = durations[i].most_ms;
    return most + PATIENCE_MS;
}

void clo_tpm_limit(struct clo_tpm *tpm, int milliseconds)
{
    of(tpm->tcti)->limit_ms = milliseconds;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    struct socket_tcti *tcti = of(context);
    struct clo_error err;

    if (tcti->is_given_up)
        return TSS2_TCTI_RC_NO_CONNECTION;
    tcti->has_response = false;
    tcti->until = clo_clock_ms() + limit_of(tcti, clo_bytes(command, size));
    if (clo_write_all(tcti->fd, clo_bytes(command, size), &err))
        return TSS2_RC_SUCCESS;
    tcti->is_given_up = true;
    return TSS2_TCTI_RC_IO_ERROR;
}

/* Until there is something to read, or the command's time is over. */
static TSS2_RC await(struct socket_tcti *tcti)
{
    struct pollfd descriptor = { .fd = tcti->fd, .events = POLLIN };

    for (;;) {
        int64_t left = tcti->until - clo_clock_ms();
        int count = poll(&descriptor, 1, left > 0 ? (int)left : 0);
        if (count > 0)
            return TSS2_RC_SUCCESS;
        if (count < 0 && errno != EINTR)
            return TSS2_TCTI_RC_IO_ERROR;
        if (count == 0 && left <= 0)
            return TSS2_TCTI_RC_NO_CONNECTION;
    }
}

/* Up to `size` bytes of the response in all. A device gives the whole of it at once, and drops what was not asked for. */
static TSS2_RC read_until(struct socket_tcti *tcti, size_t *at, size_t size)
{
    while (*at < size) {
        TSS2_RC rc = await(tcti);
        if (rc != TSS2_RC_SUCCESS)
            return rc;
        ssize_t got = read(tcti->fd, tcti->response + *at, sizeof tcti->response - *at);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        /* Linux before 5.6 says too early that there is something, and has then a limit of its own, of minutes. */
        if (got == 0 && tcti->is_device && clo_clock_ms() < tcti->until) {
            (void)poll(NULL, 0, 1);
            continue;
        }
        if (got <= 0)
            return TSS2_TCTI_RC_IO_ERROR;
        *at += (size_t)got;
    }
    return TSS2_RC_SUCCESS;
}

static TSS2_RC read_response(struct socket_tcti *tcti)
{
    size_t at = 0;

    TSS2_RC rc = read_until(tcti, &at, RESPONSE_HEAD);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    struct clo_reader r = clo_reader(clo_bytes(tcti->response, RESPONSE_HEAD));
    clo_read_skip(&r, 2);
    size_t total = clo_read_be32(&r);
    if (total < RESPONSE_HEAD || total > RESPONSE_MAX)
        return TSS2_TCTI_RC_IO_ERROR;
    rc = read_until(tcti, &at, total);
    if (rc != TSS2_RC_SUCCESS)
        return rc;
    if (at != total)
        return TSS2_TCTI_RC_IO_ERROR; /* an answer to something that was not asked */
    tcti->size = total;
    tcti->has_response = true;
    return TSS2_RC_SUCCESS;
}

/* The caller may ask for the size first, with `response` NULL; the answer is kept until it is
 * taken. ESYS waits as long as it takes: how long that is, is for us to say. */
static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
    struct socket_tcti *tcti = of(context);

    (void)timeout;
    if (!tcti->has_response) {
        TSS2_RC rc = tcti->is_given_up ? TSS2_TCTI_RC_NO_CONNECTION : read_response(tcti);
        if (rc != TSS2_RC_SUCCESS) {
            tcti->is_given_up = true; /* what came of the answer is half of one */
            return rc;
        }
    }
    if (response == NULL) {
        *size = tcti->size;
        return TSS2_RC_SUCCESS;
    }
    if (*size < tcti->size)
        return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    memcpy(response, tcti->response, tcti->size);
    *size = tcti->size;
    tcti->has_response = false;
    return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *context)
{
    clo_fd_close(&of(context)->fd);
}

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *context)
{
    (void)context;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles,
                            size_t *count)
{
    (void)context;
    (void)handles;
    (void)count;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC locality(TSS2_TCTI_CONTEXT *context, uint8_t number)
{
    (void)context;
    (void)number;
    return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

/* Takes `fd`. */
static bool open_descriptor(int fd, bool is_device, const char *name, struct clo_tpm **out,
                            struct clo_error *err)
{
    struct socket_tcti *tcti = calloc(1, sizeof *tcti);

    if (tcti == NULL) {
        close(fd);
        return clo_out_of_memory(err);
    }
    tcti->common = (TSS2_TCTI_CONTEXT_COMMON_V1){
        .magic = SOCKET_MAGIC,
        .version = 1,
        .transmit = transmit,
        .receive = receive,
        .finalize = finalize,
        .cancel = cancel,
        .getPollHandles = poll_handles,
        .setLocality = locality,
    };
    tcti->fd = fd;
    tcti->is_device = is_device;
    return clo_tpm_open_tcti((TSS2_TCTI_CONTEXT *)(void *)tcti, out, err) ||
           clo_wrap(err, "%s", name);
}

/* Without O_NONBLOCK the kernel carries a command out while it is being written, and nobody could wait for less than that. */
bool clo_tpm_open_device(const char *device, struct clo_tpm **out, struct clo_error *err)
{
    int fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, errno == EBUSY ? CLO_ERR_SYSTEM : CLO_ERR_UNAVAILABLE, "%s: %s",
                        device, errno == ENOENT ? "there is no TPM" : strerror(errno));
    return open_descriptor(fd, true, device, out, err);
}

bool clo_tpm_open_socket(const char *path, struct clo_tpm **out, struct clo_error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof address.sun_path)
        return clo_fail(err, CLO_ERR_USAGE, "%s: too long for a socket's path", path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
        clo_fd_close(&fd);
        return false;
    }
    return open_descriptor(fd, false, path, out, err);
}

bool clo_tpm_open_named(const char *name, struct clo_tpm **out, struct clo_error *err)
{
    static const char prefix[] = "swtpm:";
    size_t size = sizeof prefix - 1;

    return strncmp(name, prefix, size) == 0 ? clo_tpm_open_socket(name + size, out, err)
                                            : clo_tpm_open(name, out, err);
}
