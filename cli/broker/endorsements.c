#include "cli/broker/endorsements.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/verify/collateral.h"
#include "device/file.h"
#include "lib/cloud/azure_imds.h"
#include "net/pcs.h"

/* Whole collateral is JSON; certificates and lists never begin like it. */
static bool is_json(struct clo_bytes in)
{
    size_t at = 0;

    while (at < in.size && strchr(" \t\r\n", in.data[at]) != NULL && in.data[at] != '\0')
        at++;
    return at < in.size && in.data[at] == '{';
}

static bool load_collateral(const char *path, struct clo_endorsement_set *out,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };

    return collateral_load(path, &collateral, err) &&
           clo_endorsement_set_add_collateral(out, &collateral, err);
}

static bool load_thim(const char *path, struct clo_bytes in, struct clo_endorsement_set *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates read = { 0 };
    bool ok = clo_azure_thim_parse(in, &read, err);

    for (size_t i = 0; ok && i < read.count; i++)
        ok = clo_endorsement_set_add(out, clo_certificate_der(read.items[i]), err);
    return ok || clo_wrap(err, "%s", path);
}

/* Which piece of Intel's collateral is served there; AMD's addresses are none of them. */
static bool find_piece(struct clo_bytes url, enum clo_tdx_piece *out)
{
    static const struct {
        const char *part;
        enum clo_tdx_piece piece;
    } parts[] = {
        { "/tdx/certification/v4/tcb?", CLO_TDX_TCB_INFO },
        { "/tdx/certification/v4/qe/identity", CLO_TDX_QE_IDENTITY },
        { "/sgx/certification/v4/pckcrl?", CLO_TDX_PCK_CRL },
        { "/sgx/certification/v4/rootcacrl", CLO_TDX_ROOT_CA_CRL },
        { "/IntelSGXRootCA.der", CLO_TDX_ROOT_CA_CRL },
    };

    for (size_t i = 0; i < CLO_COUNT(parts); i++)
        if (memmem(url.data, url.size, parts[i].part, strlen(parts[i].part)) != NULL) {
            *out = parts[i].piece;
            return true;
        }
    return false;
}

/* The issuers of a document of Intel's came in the answer's headers. */
static bool add_chain(struct clo_bytes headers, enum clo_tdx_piece piece,
                      struct clo_tdx_collateral *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    enum clo_tdx_piece chain = piece == CLO_TDX_TCB_INFO      ? CLO_TDX_TCB_INFO_ISSUER_CHAIN
                               : piece == CLO_TDX_QE_IDENTITY ? CLO_TDX_QE_IDENTITY_ISSUER_CHAIN
                                                              : CLO_TDX_PCK_CRL_ISSUER_CHAIN;

    return piece == CLO_TDX_ROOT_CA_CRL ||
           (clo_pcs_chain_read(headers, chain, &pem, err) &&
            clo_tdx_collateral_set(out, chain, clo_buffer_bytes(&pem), err));
}

/* What `--fetch` kept: each document is a file of its own, and a set of collateral in which the other pieces are missing. */
static bool load_cached(struct clo_bytes in, struct clo_endorsement_set *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral collateral = { 0 };
    struct clo_cache_entry entry;
    enum clo_tdx_piece piece;

    if (!clo_cache_parse(in, &entry, err))
        return false;
    if (!find_piece(entry.url, &piece))
        return clo_endorsement_set_add(out, entry.body, err);
    return clo_tdx_collateral_set(&collateral, piece, entry.body, err) &&
           add_chain(entry.headers, piece, &collateral, err) &&
           clo_endorsement_set_add_collateral(out, &collateral, err);
}

static bool load_file(const char *path, struct clo_endorsement_set *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };

    if (!clo_file_read(path, CLO_TDX_COLLATERAL_LIMIT, &file, err))
        return false;
    if (clo_cache_is_entry(clo_buffer_bytes(&file)))
        return load_cached(clo_buffer_bytes(&file), out, err) || clo_wrap(err, "%s", path);
    if (clo_azure_is_thim(clo_buffer_bytes(&file)))
        return load_thim(path, clo_buffer_bytes(&file), out, err);
    if (is_json(clo_buffer_bytes(&file)))
        return load_collateral(path, out, err);
    return clo_endorsement_set_add(out, clo_buffer_bytes(&file), err) || clo_wrap(err, "%s", path);
}

static bool load_entry(const char *folder, const char *name, struct clo_endorsement_set *out,
                       bool *has_pieces, struct clo_error *err)
{
    char path[4096];
    struct stat status;

    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return clo_fail(err, CLO_ERR_USAGE, "%s: the path is too long", folder);
    if (stat(path, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return load_collateral(path, out, err);
    if (collateral_is_piece(path)) {
        *has_pieces = true;
        return true;
    }
    return load_file(path, out, err);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

bool endorsements_load(const char *folder, struct clo_endorsement_set *out, struct clo_error *err)
{
    struct dirent **entries = NULL;
    bool has_pieces = false;
    bool ok = true;
    int count = scandir(folder, &entries, is_visible, alphasort);

    if (count < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        ok = ok && load_entry(folder, entries[i]->d_name, out, &has_pieces, err);
        free(entries[i]);
    }
    free(entries);
    return ok && (!has_pieces || load_collateral(folder, out, err));
}

bool endorsements_load_any(const char *path, struct clo_endorsement_set *out, struct clo_error *err)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return endorsements_load(path, out, err);
    return collateral_is_piece(path) ? load_collateral(path, out, err) : load_file(path, out, err);
}
