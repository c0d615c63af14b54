/* The service's own keys, each in a file of its own next to the database. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "device/file.h"

#include "verifier/store/store_internal.h"

#define KEY_FILE_LIMIT 16384

static bool make_key(const char *key_path, const char *public_path, enum clo_key_kind kind,
                     struct clo_private_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer public_pem = { 0 };

    /* The private half last: once it is there, everything is. */
    if (!clo_private_key_new(kind, 0, &key, err) || !clo_private_key_public(key, &public, err) ||
        !clo_public_key_spki(public, &der, err) ||
        !clo_pem_write("PUBLIC KEY", clo_buffer_bytes(&der), &public_pem, err) ||
        !clo_private_key_pem(key, &pem, err) ||
        !clo_file_write(public_path, clo_buffer_bytes(&public_pem), 0644, err) ||
        !clo_file_write(key_path, clo_secret_bytes(pem), 0600, err))
        return false;
    *out = CLO_TAKE(key);
    return true;
}

bool clo_store_key(struct clo_store *store, const char *name, enum clo_key_kind kind,
                   struct clo_private_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    char path[4200], public_path[4200];

    snprintf(path, sizeof path, "%s/%s.key", store->folder, name);
    snprintf(public_path, sizeof public_path, "%s/%s.pem", store->folder, name);
    STORE_LOCK(store);
    /* One at a time: two programs must not make two keys. */
    bool is_within = sqlite3_get_autocommit(store->database) == 0;
    if (!is_within && !clo_store_begin(store, err))
        return false;
    bool ok = access(path, F_OK) != 0 && errno == ENOENT
                      ? make_key(path, public_path, kind, &key, err)
                      : clo_file_read_secret(path, KEY_FILE_LIMIT, &pem, err) &&
                                (clo_private_key_from_pem(clo_secret_bytes(pem), &key, err) ||
                                 clo_wrap(err, "%s", path));
    struct clo_error ignored;
    if (!is_within)
        (void)!clo_store_end(store, false, &ignored);
    if (!ok)
        return false;
    if (clo_private_key_kind(key) != kind)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: a key of another kind", path);
    *out = CLO_TAKE(key);
    return true;
}
