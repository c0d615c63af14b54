#include "verifier/store/master_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/encoding.h"
#include "device/file.h"
#include "verifier/store/master_sealed.h"

#define HEX_SIZE (2 * CLO_MASTER_KEY_SIZE)
#define TEXT_MAX 16384

/* Asked of the file that is read, not of one that has its name. */
static bool check_mode(int fd, const char *path, struct clo_error *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode) || (status.st_uid != geteuid() && status.st_uid != 0))
        return clo_fail(err, CLO_ERR_REFUSED, "%s: must be a file of your own", path);
    return (status.st_mode & 077) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "%s: others can read the master key: chmod 600", path);
}

static bool is_hex(struct clo_bytes text)
{
    for (size_t i = 0; i < HEX_SIZE; i++)
        if (strchr("0123456789abcdefABCDEF", text.data[i]) == NULL || text.data[i] == '\0')
            return false;
    return text.size == HEX_SIZE || (text.size == HEX_SIZE + 1 && text.data[HEX_SIZE] == '\n');
}

static unsigned nibble(uint8_t digit)
{
    return digit <= '9' ? (unsigned)digit - '0' : ((unsigned)digit | 0x20u) - 'a' + 10u;
}

static bool read_sealed(struct clo_bytes text, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;

    if (!clo_master_sealed_open(text, &key, err))
        return false;
    if (clo_secret_size(key) != CLO_MASTER_KEY_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "sealed: %zu bytes, not a master key",
                        clo_secret_size(key));
    *out = CLO_TAKE(key);
    return true;
}

static bool parse(struct clo_bytes text, struct clo_secret **out, struct clo_error *err)
{
    if (text.size == CLO_MASTER_KEY_SIZE)
        return clo_secret_copy(text, out, err);
    if (text.size > 0 && text.data[0] == '{')
        return read_sealed(text, out, err);
    if (text.size < HEX_SIZE || !is_hex(text))
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes: neither 32 bytes nor 64 digits of hex",
                        text.size);
    if (!clo_secret_new(CLO_MASTER_KEY_SIZE, out, err))
        return false;
    for (size_t i = 0; i < CLO_MASTER_KEY_SIZE; i++)
        clo_secret_data(*out)[i] =
                (uint8_t)(nibble(text.data[2 * i]) << 4 | nibble(text.data[2 * i + 1]));
    return true;
}

bool clo_master_key_read(const char *path, struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *text = NULL;
    uint8_t bytes[TEXT_MAX];

    if (fd < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    if (!check_mode(fd, path, err))
        return false;
    ssize_t size = read(fd, bytes, sizeof bytes);
    bool ok = size >= 0 ? parse(clo_bytes(bytes, (size_t)size), out, err)
                        : clo_fail(err, CLO_ERR_FORMAT, "%s", strerror(errno));
    explicit_bzero(bytes, sizeof bytes);
    return ok || clo_wrap(err, "%s", path);
}

bool clo_master_key_use(const char *path, const char *credentials, struct clo_store *store,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    char credential[4200];

    if (path == NULL && credentials != NULL) {
        snprintf(credential, sizeof credential, "%s/" CLO_MASTER_CREDENTIAL, credentials);
        path = access(credential, F_OK) == 0 ? credential : NULL;
    }
    return path == NULL ||
           (clo_master_key_read(path, &key, err) && clo_store_unlock(store, key, err));
}

static bool write_new(const char *path, struct clo_bytes text, struct clo_error *err)
{
    CLO_CLEANUP(clo_fd_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    bool ok = clo_write_all(fd, text, err) && clo_write_all(fd, clo_bytes_text("\n"), err);
    if (ok && fsync(fd) != 0)
        ok = clo_fail(err, CLO_ERR_SYSTEM, "%s", strerror(errno));
    return ok || clo_wrap(err, "%s", path);
}

bool clo_master_key_make(const char *path, struct clo_random random, struct clo_error *err)
{
    uint8_t key[CLO_MASTER_KEY_SIZE];
    char hex[HEX_SIZE + 1];

    if (!random.fill(random.context, key, sizeof key))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    clo_hex_text(clo_bytes(key, sizeof key), hex);
    bool ok = write_new(path, clo_bytes_text(hex), err);
    explicit_bzero(key, sizeof key);
    explicit_bzero(hex, sizeof hex);
    return ok;
}

bool clo_master_key_make_sealed(const char *path, const char *to, const char *provider,
                                struct clo_random random, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;

    if (!clo_secret_new(CLO_MASTER_KEY_SIZE, &key, err))
        return false;
    if (!random.fill(random.context, clo_secret_data(key), CLO_MASTER_KEY_SIZE))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    return clo_master_sealed_make(to, provider, clo_secret_bytes(key), &text, err) &&
           write_new(path, clo_buffer_bytes(&text), err);
}
