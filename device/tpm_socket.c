/* A TCTI (TCG TSS 2.0 TCTI specification, version 1 contexts) that speaks plain TPM commands over
 * a unix socket: swtpm's data channel. tpm2-tss's own for swtpm needs two TCP ports, which anybody
 * on the machine could take or talk to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/file.h"
#include "device/tpm.h"
#include "device/tpm_internal.h"

#define SOCKET_MAGIC  UINT64_C(0x434c4f5f534f434b)
#define RESPONSE_MAX  4096
#define RESPONSE_HEAD 10 /* tag, size, code */

struct socket_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    int fd;
    bool has_response;
    size_t size;
    uint8_t response[RESPONSE_MAX];
};

static struct socket_tcti *of(TSS2_TCTI_CONTEXT *context)
{
    return (struct socket_tcti *)(void *)context;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *command)
{
    struct socket_tcti *tcti = of(context);
    struct clo_error err;

    tcti->has_response = false;
    return clo_write_all(tcti->fd, clo_bytes(command, size), &err) ? TSS2_RC_SUCCESS
                                                                   : TSS2_TCTI_RC_IO_ERROR;
}

static bool read_exactly(int fd, uint8_t *out, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, out + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* The caller may ask for the size first, with `response` NULL; the answer is kept until it is
 * taken. */
static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
    struct socket_tcti *tcti = of(context);

    (void)timeout;
    if (!tcti->has_response) {
        if (!read_exactly(tcti->fd, tcti->response, RESPONSE_HEAD))
            return TSS2_TCTI_RC_IO_ERROR;
        struct clo_reader r = clo_reader(clo_bytes(tcti->response, RESPONSE_HEAD));
        clo_read_skip(&r, 2);
        size_t total = clo_read_be32(&r);
        if (total < RESPONSE_HEAD || total > RESPONSE_MAX ||
            !read_exactly(tcti->fd, tcti->response + RESPONSE_HEAD, total - RESPONSE_HEAD))
            return TSS2_TCTI_RC_IO_ERROR;
        tcti->size = total;
        tcti->has_response = true;
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

bool clo_tpm_open_socket(const char *path, struct clo_tpm **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = -1;
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof address.sun_path)
        return clo_fail(err, CLO_ERR_USAGE, "%s: too long for a socket's path", path);
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
    struct socket_tcti *tcti = calloc(1, sizeof *tcti);
    if (tcti == NULL)
        return clo_out_of_memory(err);
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
    fd = -1;
    return clo_tpm_open_tcti((TSS2_TCTI_CONTEXT *)(void *)tcti, out, err) ||
           clo_wrap(err, "%s", path);
}

bool clo_tpm_open_named(const char *name, struct clo_tpm **out, struct clo_error *err)
{
    static const char prefix[] = "swtpm:";
    size_t size = sizeof prefix - 1;

    return strncmp(name, prefix, size) == 0 ? clo_tpm_open_socket(name + size, out, err)
                                            : clo_tpm_open(name, out, err);
}
