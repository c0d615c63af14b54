#include "cli/verify/collateral.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloister/encoding.h"
#include "device/file.h"

static bool load_piece(const char *path, enum clo_tdx_piece piece, struct clo_tdx_collateral *out,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    return clo_file_read(path, CLO_TDX_COLLATERAL_LIMIT, &file, err) &&
           (clo_tdx_collateral_set(out, piece, clo_buffer_bytes(&file), err) ||
            clo_wrap(err, "%s", path));
}

/* Other names that are met: go-tdx-guest's, and those of Intel's sample application. */
static const struct {
    enum clo_tdx_piece piece;
    const char *file;
} aliases[] = {
    { CLO_TDX_ROOT_CA_CRL, "root_crl.der" },
    { CLO_TDX_ROOT_CA_CRL, "rootCaCrl.der" },
    { CLO_TDX_PCK_CRL, "intermediateCaCrl.der" },
    { CLO_TDX_TCB_INFO, "tcbInfo.json" },
    { CLO_TDX_QE_IDENTITY, "qeIdentity.json" },
    { CLO_TDX_TCB_INFO_ISSUER_CHAIN, "tcbSignChain.pem" },
    { CLO_TDX_PCK_CRL_ISSUER_CHAIN, "pckSignChain.pem" },
    { CLO_TDX_PCK_CHAIN, "pckCert.pem" },
};

static bool load_named(const char *folder, const char *name, enum clo_tdx_piece piece,
                       struct clo_tdx_collateral *out, bool *found, struct clo_error *err)
{
    char path[4096];

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return clo_fail(err, CLO_ERR_USAGE, "%s: the path is too long", folder);
    if (access(path, F_OK) != 0)
        return true;
    *found = true;
    return load_piece(path, piece, out, err);
}

static bool load_folder(const char *folder, struct clo_tdx_collateral *out, struct clo_error *err)
{
    bool found = false;

    for (size_t i = 0; i < CLO_COUNT(aliases); i++)
        if (!load_named(folder, aliases[i].file, aliases[i].piece, out, &found, err))
            return false;
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++) {
        enum clo_tdx_piece piece = (enum clo_tdx_piece)i;
        if (!load_named(folder, clo_tdx_piece_file(piece), piece, out, &found, err))
            return false;
    }
    return found ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: holds no collateral (tcb_info.json, …)", folder);
}

static bool is_piece(const char *path, enum clo_tdx_piece *out)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;

    for (size_t i = 0; i < CLO_COUNT(aliases); i++)
        if (strcmp(aliases[i].file, name) == 0) {
            *out = aliases[i].piece;
            return true;
        }
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++)
        if (strcmp(clo_tdx_piece_file((enum clo_tdx_piece)i), name) == 0) {
            *out = (enum clo_tdx_piece)i;
            return true;
        }
    return false;
}

bool collateral_is_piece(const char *path)
{
    enum clo_tdx_piece ignored;

    return is_piece(path, &ignored);
}

/* What the second has goes over what the first has. */
static void merge(struct clo_tdx_collateral *into, struct clo_tdx_collateral *from)
{
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++) {
        if (from->pieces[i].size == 0)
            continue;
        clo_buffer_free(&into->pieces[i]);
        into->pieces[i] = from->pieces[i];
        from->pieces[i] = (struct clo_buffer){ 0 };
    }
}

bool collateral_load(const char *path, struct clo_tdx_collateral *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    enum clo_tdx_piece piece;
    struct stat status;

    if (stat(path, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return load_folder(path, out, err);
    if (is_piece(path, &piece))
        return load_piece(path, piece, out, err);
    if (!clo_file_read(path, CLO_TDX_COLLATERAL_LIMIT, &file, err))
        return false;
    if (!clo_tdx_collateral_parse(clo_buffer_bytes(&file), &collateral, err))
        return clo_wrap(err, "%s", path);
    merge(out, &collateral);
    return true;
}

/* Signatures are for people to copy: in hex. */
static bool write_piece(const char *path, enum clo_tdx_piece piece, struct clo_bytes bytes,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (piece == CLO_TDX_TCB_INFO_SIGNATURE || piece == CLO_TDX_QE_IDENTITY_SIGNATURE) {
        clo_hex_write(bytes, &text);
        clo_buffer_text(&text, "\n");
        if (!clo_buffer_ok(&text))
            return clo_out_of_memory(err);
        bytes = clo_buffer_bytes(&text);
    }
    return clo_file_write(path, bytes, 0644, err);
}

bool collateral_save(const struct clo_tdx_collateral *collateral, const char *folder,
                     struct clo_error *err)
{
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    for (size_t i = 0; i < CLO_TDX_PIECE_COUNT; i++) {
        enum clo_tdx_piece piece = (enum clo_tdx_piece)i;
        struct clo_bytes bytes = clo_buffer_bytes(&collateral->pieces[i]);
        char path[4096];
        if (bytes.size == 0)
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, clo_tdx_piece_file(piece)) >=
            (int)sizeof path)
            return clo_fail(err, CLO_ERR_USAGE, "%s: the path is too long", folder);
        if (!write_piece(path, piece, bytes, err))
            return false;
    }
    return true;
}
