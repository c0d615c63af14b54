/* What an image takes from its host: words in guest.json, measured with it. Without a word nothing is taken.
 *
 *   report                     the virtio port cloister.report is fed
 *   cmdline                    the command line may have words that are not the image's
 *   smbios-credential:NAME     a credential for systemd, in SMBIOS type 11
 *   fw-cfg-credential:NAME     the same, in QEMU's fw_cfg
 *   smbios-string:BEGINNING    other strings of SMBIOS type 11
 *   fw-cfg:BEGINNING           other files below opt/ in fw_cfg
 *   efi-variable:NAME          one of systemd's or its boot loader's, kept in the host's variable store
 *   port:NAME                  a virtio port, as guest agents have them
 *   agents                     programs that do what the host says may run
 *   cloud-init                 cloud-init may run, and ask its data sources
 *   companions                 files next to the UKI on its ESP may be there
 *   file-systems               9p and virtiofs devices
 *   disks                      disks next to the image's own
 *   esp                        the root gets the ESP's device node                                    */
#ifndef CLOISTER_GUEST_HOST_ALLOW_H
#define CLOISTER_GUEST_HOST_ALLOW_H

#include "cloister/json.h"

#define CLO_HOST_WORDS_MAX 64
#define CLO_HOST_WORD_MAX  128

struct clo_host_allow {
    const char *words[CLO_HOST_WORDS_MAX]; /* they live in the JSON */
    size_t count;
    struct clo_buffer
            key; /* SubjectPublicKeyInfo that credentials are signed with; empty: not signed */
};

/* Is it one of these words, well formed? */
CLO_MUST_USE bool clo_host_word_check(const char *word, struct clo_error *err);
/* {"allow": [word…], "key": base64}. */
CLO_MUST_USE bool clo_host_allow_parse(const json_t *json, struct clo_host_allow *out,
                                       struct clo_error *err);
void clo_host_allow_free(struct clo_host_allow *allow); /* for CLO_CLEANUP */

/* `kind` is the word before its colon; `name` what must follow it, NULL for words without one. A BEGINNING is
 * what `name` has to begin with. */
bool clo_host_allows(const struct clo_host_allow *allow, const char *kind, const char *name);

#endif
