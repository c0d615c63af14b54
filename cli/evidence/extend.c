/* cloister evidence extend: this TDX guest's run-time registers. */
#include <string.h>

#include "cli/evidence/evidence.h"
#include "cli/evidence/hardware.h"
#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "device/file.h"

static bool find_digest(const char *hex, const char *file, struct clo_digest *out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    *out = (struct clo_digest){ .hash = CLO_HASH_SHA384 };
    if (file != NULL) {
        if (!clo_file_read(file, CLO_FILE_LIMIT, &bytes, err))
            return false;
        clo_hash(CLO_HASH_SHA384, clo_buffer_bytes(&bytes), out);
        return true;
    }
    if (!clo_hex_read(clo_bytes_text(hex), &bytes, err)) {
        err->status = CLO_ERR_USAGE;
        return clo_wrap(err, "--digest");
    }
    if (bytes.size != CLO_TDX_GUEST_MR_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "--digest: %zu bytes, 48 expected (SHA-384)",
                        bytes.size);
    memcpy(out->bytes, bytes.data, bytes.size);
    return true;
}

int cmd_evidence_extend(int argc, char **argv)
{
    uint64_t rtmr = UINT64_MAX;
    const char *hex = NULL;
    const char *file = NULL;
    const char *folder = CLO_TDX_GUEST_MEASUREMENTS;
    const struct cli_option options[] = {
        { "--rtmr", "N", "which, 0 to 3: 3 is left to applications (required)", .number = &rtmr },
        { "--digest", "HEX", "what to extend it with: a SHA-384 digest", .text = &hex },
        { "--file", "FILE", "or a file, by its SHA-384 digest", .text = &file },
        { "--measurements", "DIR", "default " CLO_TDX_GUEST_MEASUREMENTS, .text = &folder },
    };
    const struct cli_usage usage = {
        .command = "evidence extend",
        .arguments = "--rtmr N --digest HEX",
        .summary =
                "Extends, in a TDX guest with Linux 6.16 or newer, a run-time register: quotes "
                "show it\nfrom then on, and nothing takes it back. Prints the digest and the new "
                "value.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister evidence extend --rtmr 3 --file /etc/app.conf\n",
    };
    uint8_t value[CLO_TDX_GUEST_MR_SIZE];
    char name[32];
    char text[2 * CLO_TDX_GUEST_MR_SIZE + 1];
    struct clo_digest digest;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (rtmr >= CLO_TDX_GUEST_RTMRS)
        return cli_usage_error(&usage, "--rtmr is 0 to 3");
    if ((hex == NULL) == (file == NULL))
        return cli_usage_error(&usage, "either --digest or --file");
    snprintf(name, sizeof name, "rtmr%u:sha384", (unsigned)rtmr);
    if (!find_digest(hex, file, &digest, &err) ||
        !clo_tdx_guest_extend(folder, (unsigned)rtmr, clo_digest_bytes(&digest), &err) ||
        !clo_tdx_guest_read(folder, name, value, &err))
        return cli_fail("evidence extend", &err);
    printf("digest  %s\n", clo_hex_text(clo_digest_bytes(&digest), text));
    printf("rtmr%u   %s\n", (unsigned)rtmr, clo_hex_text(clo_bytes(value, sizeof value), text));
    return CLI_YES;
}
