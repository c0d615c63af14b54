/* What the forms of `cloister secureboot` share: files that hold signature lists, and saying what is in
 * them. */
#ifndef CLOISTER_CLI_SECUREBOOT_H
#define CLOISTER_CLI_SECUREBOOT_H

#include "cli/cli.h"
#include "lib/efi/auth_update.h"

#define SECUREBOOT_LIST_LIMIT ((size_t)4 << 20)
/* Whose entries they are, where nobody says otherwise. Fixed, so that PCR 7 can be told from the
 * certificates alone. */
#define SECUREBOOT_OWNER "5f1cb1e8-06c1-4e3a-9a0f-5d1f3c6f2b71"

/* A file with signature lists, whatever it came as. */
struct secureboot_file {
    struct clo_buffer bytes;
    struct clo_varstore *store;    /* it is a variable store; NULL */
    bool is_auth;                  /* it is an authenticated variable */
    struct clo_auth_update update; /* what that says; its attributes also of lists in efivarfs */
    struct clo_bytes lists;        /* view; empty for a variable store */
};
/* Lists alone, an authenticated variable, either of them as a file of efivarfs (4 bytes of attributes in
 * front), or a variable store, of which `variable` (NULL: none needed) becomes the lists. */
CLO_MUST_USE bool secureboot_read(const char *path, const char *variable,
                                  struct secureboot_file *out, struct clo_error *err);
/* A variable store is refused: nobody said which of its lists. */
CLO_MUST_USE bool secureboot_read_lists(const char *path, struct secureboot_file *out,
                                        struct clo_error *err);
void secureboot_file_free(struct secureboot_file *file); /* for CLO_CLEANUP */

/* PK, KEK, db, dbx and dbt by their names, any other with its vendor (NULL: none given). */
CLO_MUST_USE bool secureboot_find_variable(const char *name, const char *vendor,
                                           struct clo_efi_variable *out, struct clo_error *err);

/* One entry, for people. */
struct secureboot_entry {
    const char *type;
    char owner[CLO_GUID_TEXT];
    char subject[256];     /* of a certificate */
    char until[24];        /* of a certificate: when it ends */
    char note[96];         /* what Microsoft's own certificates are */
    char hex[2 * 128 + 1]; /* the digest, or a certificate's SHA-256 */
};
void secureboot_describe(const struct clo_signature_entry *in, struct secureboot_entry *out);
/* NULL: out of memory. */
json_t *secureboot_entry_json(const struct clo_signature_entry *in);

/* Prints lists: certificates each, hashes counted, or each with `all`. */
CLO_MUST_USE bool secureboot_print(struct clo_bytes lists, bool all, struct clo_error *err);

int cmd_secureboot_apply(int argc, char **argv);
int cmd_secureboot_diff(int argc, char **argv);
int cmd_secureboot_enroll(int argc, char **argv);
int cmd_secureboot_impact(int argc, char **argv);
int cmd_secureboot_keygen(int argc, char **argv);
int cmd_secureboot_list(int argc, char **argv);
int cmd_secureboot_mok(int argc, char **argv);
int cmd_secureboot_sbat(int argc, char **argv);
int cmd_secureboot_show(int argc, char **argv);
int cmd_secureboot_sign(int argc, char **argv);
int cmd_secureboot_verify(int argc, char **argv);

#endif
