#include "cli/recovery/qr.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY    "libqrencode.so.4"
#define QUIET_ZONE 2
#define TEXT_SIZE  128
/* qrencode.h: QR_ECLEVEL_M, QR_MODE_8 */
#define LEVEL 1
#define MODE  2

/* qrencode.h: QRcode. Bit 0 of a module: it is dark. */
struct qr_code {
    int version;
    int width;
    unsigned char *data;
};

struct library {
    void *handle;
    struct qr_code *(*encode)(const char *text, int version, int level, int mode, int has_case);
    void (*free_code)(struct qr_code *code);
};

static void close_library(struct library *library)
{
    if (library->handle != NULL)
        dlclose(library->handle);
}

static bool open_library(struct library *out, struct clo_error *err)
{
    out->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (out->handle != NULL) {
        *(void **)(void *)&out->encode = dlsym(out->handle, "QRcode_encodeString");
        *(void **)(void *)&out->free_code = dlsym(out->handle, "QRcode_free");
    }
    return (out->encode != NULL && out->free_code != NULL) ||
           clo_fail(err, CLO_ERR_UNAVAILABLE, "--qr: " LIBRARY " is not installed");
}

bool cli_qr_check(bool is_wanted, bool makes_recovery, struct clo_error *err)
{
    CLO_CLEANUP(close_library) struct library library = { .handle = NULL };

    if (!is_wanted)
        return true;
    if (!makes_recovery)
        return clo_fail(err, CLO_ERR_USAGE, "--qr goes with --recovery");
    return open_library(&library, err);
}

/* Outside is the quiet zone, which is light. */
static bool is_light(const struct qr_code *code, int x, int y)
{
    return x < 0 || y < 0 || x >= code->width || y >= code->width ||
           (code->data[y * code->width + x] & 1) == 0;
}

/* Two rows to a line; light is drawn, as most terminals are dark, and colours are set where it is one. */
static void print_code(const struct qr_code *code)
{
    static const char *const blocks[] = { " ", "▄", "▀", "█" };
    bool has_colors = isatty(STDOUT_FILENO) == 1;

    for (int y = -QUIET_ZONE; y < code->width + QUIET_ZONE; y += 2) {
        fputs(has_colors ? "\033[40;97m" : "", stdout);
        for (int x = -QUIET_ZONE; x < code->width + QUIET_ZONE; x++)
            fputs(blocks[2 * is_light(code, x, y) + is_light(code, x, y + 1)], stdout);
        fputs(has_colors ? "\033[0m\n" : "\n", stdout);
    }
}

bool cli_qr_print(const struct clo_secret *secret, struct clo_error *err)
{
    CLO_CLEANUP(close_library) struct library library = { .handle = NULL };
    char text[TEXT_SIZE] = "";

    if (!open_library(&library, err))
        return false;
    snprintf(text, sizeof text, "%.*s", (int)clo_secret_size(secret),
             (const char *)clo_secret_bytes(secret).data);
    struct qr_code *code = library.encode(text, 0, LEVEL, MODE, 1);
    clo_wipe(text, sizeof text);
    if (code == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "--qr: libqrencode makes no code of it");
    print_code(code);
    clo_wipe(code->data, (size_t)code->width * (size_t)code->width);
    library.free_code(code);
    return true;
}
