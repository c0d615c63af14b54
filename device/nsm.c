#include "device/nsm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device/file.h"
#include "lib/base/cbor.h"

#define REQUEST_MAX  0x1000
#define RESPONSE_MAX 0x3000
#define CBOR_NULL    22
#define NO_DOCUMENT  "nsm: the answer is not a document"

/* uapi/linux/nsm.h, which Debian 12's headers do not have yet. */
struct iovec64 {
    uint64_t address, size;
};
struct raw_message {
    struct iovec64 request, response; /* the response's size goes both ways */
};
#define NSM_RAW _IOWR(0x0a, 0, struct raw_message)

bool clo_nsm_request_write(struct clo_bytes user_data, struct clo_buffer *out,
                           struct clo_error *err)
{
    if (user_data.size > CLO_NSM_USER_DATA_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "nsm: %zu bytes of user data, at most %d",
                        user_data.size, CLO_NSM_USER_DATA_MAX);
    clo_cbor_write(out, CLO_CBOR_MAP, 1);
    clo_cbor_text(out, "Attestation");
    clo_cbor_write(out, CLO_CBOR_MAP, 3);
    clo_cbor_text(out, "user_data");
    clo_cbor_bytes(out, user_data);
    clo_cbor_text(out, "nonce");
    clo_cbor_write(out, CLO_CBOR_SIMPLE, CBOR_NULL);
    clo_cbor_text(out, "public_key");
    clo_cbor_write(out, CLO_CBOR_SIMPLE, CBOR_NULL);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool is_text(struct clo_bytes bytes, const char *text)
{
    return clo_bytes_equal(bytes, clo_bytes_text(text));
}

static bool refuse(struct clo_bytes word, struct clo_error *err)
{
    return clo_fail(err, CLO_ERR_SYSTEM, "nsm: the module answers %.*s",
                    word.size < 40 ? (int)word.size : 39, (const char *)word.data);
}

static bool read_answer(struct clo_reader *r, struct clo_bytes *out, struct clo_error *err)
{
    size_t count = clo_cbor_read_count(r, CLO_CBOR_MAP, 1);
    struct clo_bytes kind = clo_cbor_read_string(r, CLO_CBOR_TEXT);
    if (clo_reader_ok(r) && count == 1 && is_text(kind, "Error")) {
        struct clo_bytes word = clo_cbor_read_string(r, CLO_CBOR_TEXT);
        return clo_reader_ok(r) ? refuse(word, err)
                                : clo_fail(err, CLO_ERR_FORMAT, "nsm: an error without a word");
    }
    size_t members = clo_cbor_read_count(r, CLO_CBOR_MAP, 1);
    struct clo_bytes name = clo_cbor_read_string(r, CLO_CBOR_TEXT);
    struct clo_bytes document = clo_cbor_read_string(r, CLO_CBOR_BYTES);
    if (!clo_reader_ok(r) || count != 1 || members != 1 || !is_text(kind, "Attestation") ||
        !is_text(name, "document") || document.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, NO_DOCUMENT);
    *out = document;
    return true;
}

bool clo_nsm_answer_read(struct clo_bytes in, struct clo_bytes *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);

    return read_answer(&r, out, err);
}

bool clo_nsm_answer_parse(struct clo_bytes in, struct clo_bytes *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_bytes document;

    if (!read_answer(&r, &document, err))
        return false;
    if (clo_reader_left(&r) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, NO_DOCUMENT);
    *out = document;
    return true;
}

bool clo_nsm_document_by(clo_nsm_ioctl *call, void *context, struct clo_bytes user_data,
                         struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer request = { .limit = REQUEST_MAX };
    uint8_t response[RESPONSE_MAX] = { 0 };
    struct clo_bytes document;

    if (!clo_nsm_request_write(user_data, &request, err))
        return false;
    struct raw_message message = {
        .request = { (uintptr_t)request.data, request.size },
        .response = { (uintptr_t)response, sizeof response },
    };
    int reason = call(context, NSM_RAW, &message);
    if (reason != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "nsm: %s%s", strerror(reason),
                        reason == EPERM ? " (it is for root alone)" : "");
    if (message.response.size > sizeof response)
        return clo_fail(err, CLO_ERR_FORMAT, "nsm: an answer of %llu bytes",
                        (unsigned long long)message.response.size);
    if (!clo_nsm_answer_parse(clo_bytes(response, (size_t)message.response.size), &document, err))
        return false;
    clo_buffer_append(out, document);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static int device_ioctl(void *context, unsigned long request, void *argument)
{
    return ioctl(*(const int *)context, request, argument) == 0 ? 0 : errno;
}

bool clo_nsm_document(const char *device, struct clo_bytes user_data, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(device, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, errno == EACCES ? CLO_ERR_SYSTEM : CLO_ERR_UNAVAILABLE, "%s: %s",
                        device, strerror(errno));
    return clo_nsm_document_by(device_ioctl, &fd, user_data, out, err);
}
