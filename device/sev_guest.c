#include "device/sev_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "device/file.h"

#define PAGE            4096U
#define TABLE_FIRST     (4 * PAGE) /* what the kernel takes at most, until it says otherwise */
#define TABLE_MAX       (256 * PAGE)
#define ENTRY_SIZE      24
#define RESPONSE_HEADER 32
#define REPORT_MAX      (4000 - RESPONSE_HEADER)
#define TRIES           5
#define WAIT_MS         200U
#define VMPL_MAX        3
/* Statuses of the firmware (AMD 56860, table 5; the kernel's psp-sev.h). */
#define STATUS_INVALID_PARAM 0x16
#define STATUS_INVALID_KEY   0x27

struct clo_sev_guest {
    struct clo_sev_guest_io io;
    int fd; /* -1: the caller's io */
};

/* --- Opening --- */

static int device_ioctl(void *context, unsigned long request, void *argument)
{
    const struct clo_sev_guest *guest = context;

    return ioctl(guest->fd, request, argument) == 0 ? 0 : errno;
}

static void device_sleep(void *context, unsigned milliseconds)
{
    const struct timespec time = { .tv_sec = milliseconds / 1000,
                                   .tv_nsec = (long)(milliseconds % 1000) * 1000000 };

    (void)context;
    nanosleep(&time, NULL);
}

bool clo_sev_guest_new(const struct clo_sev_guest_io *io, struct clo_sev_guest **out,
                       struct clo_error *err)
{
    struct clo_sev_guest *guest = calloc(1, sizeof *guest);

    if (guest == NULL)
        return clo_out_of_memory(err);
    guest->io = *io;
    guest->fd = -1;
    *out = guest;
    return true;
}

bool clo_sev_guest_open(const char *path, struct clo_sev_guest **out, struct clo_error *err)
{
    const struct clo_sev_guest_io io = { .ioctl = device_ioctl, .sleep = device_sleep };
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return clo_fail(err, errno == EACCES ? CLO_ERR_SYSTEM : CLO_ERR_UNAVAILABLE,
                        "%s: %s (needs SEV-SNP, and the module sev-guest)", path, strerror(errno));
    if (!clo_sev_guest_new(&io, out, err))
        return false;
    (*out)->io.context = *out;
    (*out)->fd = fd;
    fd = -1;
    return true;
}

void clo_sev_guest_free(struct clo_sev_guest *guest)
{
    if (guest == NULL)
        return;
    clo_fd_close(&guest->fd);
    free(guest);
}

void clo_sev_guest_freep(struct clo_sev_guest **guest)
{
    clo_sev_guest_free(*guest);
}

/* --- One message --- */

static const char *status_name(uint32_t status)
{
    static const struct {
        uint32_t status;
        const char *name;
    } names[] = {
        { 0x02, "INVALID_PLATFORM_STATE" },
        { 0x03, "INVALID_GUEST_STATE" },
        { 0x07, "POLICY_FAILURE" },
        { 0x0f, "HWERROR_PLATFORM" },
        { 0x12, "UNSUPPORTED" },
        { STATUS_INVALID_PARAM, "INVALID_PARAM" },
        { 0x17, "RESOURCE_LIMIT" },
        { STATUS_INVALID_KEY, "INVALID_KEY" },
        { 0x24, "AEAD_OFLOW" },
    };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (names[i].status == status)
            return names[i].name;
    return "unknown";
}

static bool explain(int reason, const struct snp_guest_request_ioctl *message,
                    struct clo_error *err)
{
    if (message->vmm_error == SNP_GUEST_VMM_ERR_BUSY)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "sev-guest: the host throttles requests: try again later");
    if (reason == ENOTTY)
        return clo_fail(err, CLO_ERR_UNAVAILABLE,
                        "sev-guest: the kernel has given up its channel to the firmware (ENOTTY), "
                        "or does not know the request: see its log");
    if (message->vmm_error != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "sev-guest: the host answers with error 0x%x (%s)",
                        message->vmm_error, strerror(reason));
    if (message->fw_error != 0 && message->fw_error != 0xff)
        return clo_fail(err, CLO_ERR_SYSTEM,
                        "sev-guest: the firmware answers with status 0x%02x, %s (%s)",
                        message->fw_error, status_name(message->fw_error), strerror(reason));
    return clo_fail(err, CLO_ERR_SYSTEM, "sev-guest: %s", strerror(reason));
}

/* Sends until the host has time. Returns 0 or an errno, which `message` explains. */
static int send_message(struct clo_sev_guest *guest, unsigned long request,
                        struct snp_guest_request_ioctl *message)
{
    int reason = 0;

    for (unsigned i = 0; i < TRIES; i++) {
        if (i > 0)
            guest->io.sleep(guest->io.context, WAIT_MS << (i - 1));
        message->exitinfo2 = 0;
        reason = guest->io.ioctl(guest->io.context, request, message);
        bool is_busy = reason != 0 && (message->vmm_error == SNP_GUEST_VMM_ERR_BUSY ||
                                       reason == EAGAIN || reason == EINTR);
        if (!is_busy)
            break;
    }
    return reason;
}

static bool check_status(uint32_t status, const char *advice, struct clo_error *err)
{
    if (status == 0)
        return true;
    return clo_fail(err, CLO_ERR_REFUSED, "sev-guest: the firmware refuses: status 0x%02x, %s%s",
                    status, status_name(status), status == STATUS_INVALID_PARAM ? advice : "");
}

/* --- Reports --- */

bool clo_sev_guest_response_parse(struct clo_bytes in, struct clo_bytes *report,
                                  struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    uint32_t status = clo_read_le32(&r);
    uint32_t size = clo_read_le32(&r);

    clo_read_skip(&r, RESPONSE_HEADER - 8);
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "sev-guest: answer truncated at byte %zu", r.at);
    if (!check_status(status, ": report data or VMPL are not allowed", err))
        return false;
    struct clo_bytes view = clo_read_bytes(&r, size);
    if (!clo_reader_ok(&r) || size == 0 || size > REPORT_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "sev-guest: a report of %u bytes", size);
    *report = view;
    return true;
}

bool clo_sev_guest_table_size(struct clo_bytes in, size_t *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    size_t size = 0;

    for (size_t i = 0; clo_reader_left(&r) >= ENTRY_SIZE; i++) {
        struct clo_bytes guid = clo_read_bytes(&r, 16);
        uint32_t offset = clo_read_le32(&r);
        uint32_t length = clo_read_le32(&r);
        if (clo_bytes_all(guid, 0) && offset == 0 && length == 0) {
            *out = size == 0 ? 0 : size > r.at ? size : r.at;
            return true;
        }
        if (offset > in.size || length > in.size - offset)
            return clo_fail(err, CLO_ERR_FORMAT,
                            "certificate table: entry %zu lies outside its %zu bytes", i, in.size);
        if ((size_t)offset + length > size)
            size = (size_t)offset + length;
    }
    return clo_fail(err, CLO_ERR_FORMAT, "certificate table: no end within %zu bytes", in.size);
}

/* The size of the buffer is found together with the host: it says how much it needs. */
static int send_extended(struct clo_sev_guest *guest, struct snp_ext_report_req *request,
                         struct snp_guest_request_ioctl *message, uint8_t **pages)
{
    int reason = EIO;

    request->certs_len = TABLE_FIRST;
    for (unsigned i = 0; i < 3; i++) {
        uint32_t size = request->certs_len;
        free(*pages);
        *pages = aligned_alloc(PAGE, size);
        if (*pages == NULL)
            return ENOMEM;
        memset(*pages, 0, size);
        request->certs_address = (uint64_t)(uintptr_t)*pages;
        reason = send_message(guest, SNP_GET_EXT_REPORT, message);
        bool is_small = reason != 0 && message->vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN;
        if (!is_small || request->certs_len <= size || request->certs_len > TABLE_MAX ||
            request->certs_len % PAGE != 0)
            break;
    }
    return reason;
}

static bool get_report(struct clo_sev_guest *guest, struct clo_bytes report_data, uint32_t vmpl,
                       struct clo_buffer *report, struct clo_buffer *table, struct clo_error *err)
{
    CLO_CLEANUP(clo_freep) uint8_t *pages = NULL;
    struct snp_ext_report_req request = { .data.vmpl = vmpl };
    struct snp_report_resp response = { { 0 } };
    struct snp_guest_request_ioctl message = { .msg_version = 1,
                                               .resp_data = (uint64_t)(uintptr_t)&response };
    struct clo_bytes view;
    size_t size;

    memcpy(request.data.user_data, report_data.data, sizeof request.data.user_data);
    /* The extended request begins with the plain one. */
    message.req_data = (uint64_t)(uintptr_t)&request;
    int reason = table == NULL ? send_message(guest, SNP_GET_REPORT, &message)
                               : send_extended(guest, &request, &message, &pages);
    if (reason != 0)
        return explain(reason, &message, err);
    if (!clo_sev_guest_response_parse(clo_bytes(response.data, sizeof response.data), &view, err))
        return false;
    if (table != NULL) {
        if (!clo_sev_guest_table_size(clo_bytes(pages, request.certs_len), &size, err))
            return false;
        clo_buffer_append(table, clo_bytes(pages, size));
    }
    clo_buffer_append(report, view);
    return (clo_buffer_ok(report) && (table == NULL || clo_buffer_ok(table))) ||
           clo_out_of_memory(err);
}

bool clo_sev_guest_report(struct clo_sev_guest *guest, struct clo_bytes report_data, int vmpl,
                          struct clo_buffer *report, struct clo_buffer *table,
                          struct clo_error *err)
{
    if (report_data.size != sizeof((struct snp_report_req *)0)->user_data)
        return clo_fail(err, CLO_ERR_USAGE, "report data: %zu bytes, 64 expected",
                        report_data.size);
    if (vmpl > VMPL_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "VMPL %d, 0 to %d expected", vmpl, VMPL_MAX);
    if (vmpl >= 0)
        return get_report(guest, report_data, (uint32_t)vmpl, report, table, err);
    /* A guest may ask for its own level and those below it (greater numbers). */
    for (uint32_t i = 0; i <= VMPL_MAX; i++) {
        if (get_report(guest, report_data, i, report, table, err))
            return true;
        if (err->status != CLO_ERR_REFUSED)
            return false;
    }
    return false;
}

/* --- Derived keys --- */

uint32_t clo_sev_guest_field(const char *name)
{
    static const char *const names[] = { "policy",    "image_id",    "family_id", "measurement",
                                         "guest_svn", "tcb_version", "mit_vector" };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return 1U << i;
    return 0;
}

/* MSG_KEY_REQ as the kernel's struct has it, and what version 2 has after it. */
struct key_message {
    struct snp_derived_key_req request;
    uint64_t launch_mit_vector;
};

static bool check_fields(const struct clo_sev_guest_key_request *request, struct clo_error *err)
{
    if ((request->fields & ~CLO_SEV_FIELDS) != 0)
        return clo_fail(err, CLO_ERR_USAGE, "derived key: field selection 0x%x: unknown bits",
                        request->fields);
    if (request->vmpl > VMPL_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "derived key: VMPL %u, 0 to %d expected", request->vmpl,
                        VMPL_MAX);
    /* A value that would silently not count is a mistake. */
    if ((request->guest_svn != 0 && (request->fields & CLO_SEV_FIELD_GUEST_SVN) == 0) ||
        (request->tcb_version != 0 && (request->fields & CLO_SEV_FIELD_TCB_VERSION) == 0) ||
        (request->mit_vector != 0 && (request->fields & CLO_SEV_FIELD_MIT_VECTOR) == 0))
        return clo_fail(err, CLO_ERR_USAGE,
                        "derived key: a value is given for a field that is not selected");
    return true;
}

bool clo_sev_guest_derive_key(struct clo_sev_guest *guest,
                              const struct clo_sev_guest_key_request *request,
                              struct clo_secret **out, struct clo_error *err)
{
    bool is_version_2 = (request->fields & CLO_SEV_FIELD_MIT_VECTOR) != 0;
    struct key_message key = { .request = { .root_key_select = request->root_is_vmrk ? 1 : 0,
                                            .guest_field_select = request->fields,
                                            .vmpl = request->vmpl,
                                            .guest_svn = request->guest_svn,
                                            .tcb_version = request->tcb_version },
                               .launch_mit_vector = request->mit_vector };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *response = NULL;
    struct snp_guest_request_ioctl message = { .msg_version = is_version_2 ? 2 : 1,
                                               .req_data = (uint64_t)(uintptr_t)&key };

    if (!check_fields(request, err) ||
        !clo_secret_new(sizeof(struct snp_derived_key_resp), &response, err))
        return false;
    message.resp_data = (uint64_t)(uintptr_t)clo_secret_data(response);
    int reason = send_message(guest, SNP_GET_DERIVED_KEY, &message);
    if (reason != 0)
        return explain(reason, &message, err);
    struct clo_reader r = clo_reader(clo_secret_bytes(response));
    uint32_t status = clo_read_le32(&r);
    if (!check_status(status,
                      ": a VMPL above the guest's, an SVN above the ID block's, a TCB above the "
                      "committed one, or no ID block",
                      err))
        return false;
    clo_read_skip(&r, RESPONSE_HEADER - 4);
    struct clo_bytes bytes = clo_read_bytes(&r, CLO_SEV_GUEST_KEY_SIZE);
    if (!clo_reader_ok(&r) || clo_bytes_all(bytes, 0))
        return clo_fail(err, CLO_ERR_FORMAT, "sev-guest: the answer holds no key");
    return clo_secret_copy(bytes, out, err);
}
