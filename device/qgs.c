#include "device/qgs.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/clock.h"
#include "device/file.h"

#define HEADER_SIZE    16
#define VERSION_MAJOR  1
#define VERSION_MINOR  1 /* older services answer with 0 */
#define GET_QUOTE_REQ  0
#define GET_QUOTE_RESP 1
#define ID_MAX         1024
#define RESPONSE_MAX   (CLO_QGS_QUOTE_MAX + ID_MAX + HEADER_SIZE + 8)
#define CONNECT_MS     5000

/* --- Messages --- */

bool clo_qgs_request(struct clo_bytes td_report, struct clo_buffer *out, struct clo_error *err)
{
    size_t size = HEADER_SIZE + 8 + td_report.size;

    if (td_report.size == 0 || td_report.size > UINT16_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "QGS: a TDREPORT of %zu bytes", td_report.size);
    clo_buffer_be32(out, (uint32_t)size);
    clo_buffer_le16(out, VERSION_MAJOR);
    clo_buffer_le16(out, VERSION_MINOR);
    clo_buffer_le32(out, GET_QUOTE_REQ);
    clo_buffer_le32(out, (uint32_t)size);
    clo_buffer_le32(out, 0);
    clo_buffer_le32(out, (uint32_t)td_report.size);
    clo_buffer_le32(out, 0); /* no list of attestation keys: the service's own */
    clo_buffer_append(out, td_report);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static const char *error_name(uint32_t code)
{
    static const char *const names[] = { "unexpected error",     "out of memory",
                                         "invalid parameter",    "unknown version",
                                         "invalid message type", "invalid message size",
                                         "invalid error code" };

    return code > 0x12000 && code <= 0x12000 + CLO_COUNT(names) ? names[code - 0x12001]
                                                                : "no quote could be made";
}

bool clo_qgs_response_parse(struct clo_bytes in, struct clo_bytes *quote, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    uint16_t major = clo_read_le16(&r);
    clo_read_skip(&r, 2);
    uint32_t type = clo_read_le32(&r);
    uint32_t size = clo_read_le32(&r);
    uint32_t error = clo_read_le32(&r);

    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "QGS: answer truncated at byte %zu", r.at);
    if (major != VERSION_MAJOR)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "QGS: messages of version %u, 1 expected", major);
    if (type != GET_QUOTE_RESP)
        return clo_fail(err, CLO_ERR_FORMAT, "QGS: message type %u, 1 expected", type);
    if (size != in.size)
        return clo_fail(err, CLO_ERR_FORMAT, "QGS: a message of %u bytes in %zu", size, in.size);
    if (error != 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "QGS: the host's quoting service answers with error 0x%x: %s", error,
                        error_name(error));
    uint32_t id_size = clo_read_le32(&r);
    uint32_t quote_size = clo_read_le32(&r);
    clo_read_skip(&r, id_size);
    struct clo_bytes view = clo_read_bytes(&r, quote_size);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "QGS: answer truncated at byte %zu", r.at);
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "QGS: %zu bytes after the quote", clo_reader_left(&r));
    if (quote_size == 0 || quote_size > CLO_QGS_QUOTE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "QGS: a quote of %u bytes", quote_size);
    *quote = view;
    return true;
}

/* --- The exchange --- */

static bool wait_for(int fd, short events, int64_t until, struct clo_error *err)
{
    struct pollfd one = { .fd = fd, .events = events };
    int ready;

    do {
        int64_t left = until - clo_clock_ms();
        ready = poll(&one, 1, left <= 0 ? 0 : (int)left);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "QGS: %s", strerror(errno));
    return ready > 0 ||
           clo_fail(err, CLO_ERR_UNAVAILABLE, "QGS: the host's quoting service does not answer");
}

static bool send_all(int fd, struct clo_bytes bytes, int64_t until, struct clo_error *err)
{
    while (bytes.size > 0) {
        if (!wait_for(fd, POLLOUT, until, err))
            return false;
        ssize_t put = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (put <= 0)
            return clo_fail(err, CLO_ERR_UNAVAILABLE, "QGS: cannot be written to: %s",
                            strerror(errno));
        bytes = clo_bytes_slice(bytes, (size_t)put, bytes.size);
    }
    return true;
}

static bool receive(int fd, uint8_t *out, size_t size, int64_t until, struct clo_error *err)
{
    while (size > 0) {
        if (!wait_for(fd, POLLIN, until, err))
            return false;
        ssize_t got = recv(fd, out, size, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return clo_fail(err, CLO_ERR_UNAVAILABLE, "QGS: %s", strerror(errno));
        if (got == 0)
            return clo_fail(err, CLO_ERR_UNAVAILABLE,
                            "QGS: the connection broke off, %zu bytes early", size);
        out += got;
        size -= (size_t)got;
    }
    return true;
}

bool clo_qgs_quote(int fd, struct clo_bytes td_report, unsigned timeout_ms,
                   struct clo_buffer *quote, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer request = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    int64_t until = clo_clock_ms() + timeout_ms;
    uint8_t prefix[4];
    struct clo_bytes view;

    if (!clo_qgs_request(td_report, &request, err) ||
        !send_all(fd, clo_buffer_bytes(&request), until, err) ||
        !receive(fd, prefix, sizeof prefix, until, err))
        return false;
    struct clo_reader r = clo_reader(clo_bytes(prefix, sizeof prefix));
    uint32_t size = clo_read_be32(&r);
    if (size < HEADER_SIZE || size > RESPONSE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "QGS: an answer of %u bytes", size);
    clo_buffer_zero(&answer, size);
    if (!clo_buffer_ok(&answer))
        return clo_out_of_memory(err);
    if (!receive(fd, answer.data, size, until, err) ||
        !clo_qgs_response_parse(clo_buffer_bytes(&answer), &view, err))
        return false;
    clo_buffer_append(quote, view);
    return clo_buffer_ok(quote) || clo_out_of_memory(err);
}

bool clo_qgs_connect(unsigned port, int *fd, struct clo_error *err)
{
    const struct sockaddr_vm host = { .svm_family = AF_VSOCK,
                                      .svm_cid = VMADDR_CID_HOST,
                                      .svm_port = port };
    const struct timeval timeout = { .tv_sec = CONNECT_MS / 1000 };
    CLO_CLEANUP(clo_fd_close) int made = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (made < 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "QGS: no vsock here: %s (needs the module vmw_vsock_virtio_transport)",
                        strerror(errno));
    if (setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
        connect(made, (const struct sockaddr *)&host, sizeof host) != 0)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "QGS: vsock port %u of the host: %s (the host must run Intel's qgsd)", port,
                        strerror(errno));
    *fd = made;
    made = -1;
    return true;
}
