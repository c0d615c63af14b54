/* What the verifier must not forget: the secrets it releases, what evidence must show for each, what
 * it decided, and its own keys. A folder of its owner's (0700) with an SQLite database (0600, WAL,
 * synchronous FULL: what was acknowledged survives a kill and a power cut) and key files.
 *
 * Terms are a policy with its reference values. Resources of one image share theirs. */
#ifndef CLOISTER_VERIFIER_STORE_H
#define CLOISTER_VERIFIER_STORE_H

#include "cloister/appraise.h"
#include "cloister/policy.h"
#include "cloister/reference.h"
#include "cloister/resource.h"
#include "lib/disk/disk_identity.h"

#define CLO_STORE_REFERENCES_MAX 16
#define CLO_STORE_SECRET_MAX     ((size_t)65536)
#define CLO_STORE_REASON_MAX     255       /* bytes of why older versions are accepted */
#define CLO_LEASE_MAX            315360000 /* seconds: ten years */

struct clo_store;

/* Makes the folder and what is in it where they are not there. */
CLO_MUST_USE bool clo_store_open(const char *folder, struct clo_store **out, struct clo_error *err);
/* As above, and never makes one. */
CLO_MUST_USE bool clo_store_open_existing(const char *folder, struct clo_store **out,
                                          struct clo_error *err);
void clo_store_free(struct clo_store *store);
void clo_store_freep(struct clo_store **store);

/* --- Secrets at rest --- */

#define CLO_MASTER_KEY_SIZE 32

/* From now on secrets are sealed and opened under this key. A store without any secret takes it for its own.
 * CLO_ERR_REFUSED: it is another one's, or secrets lie in the clear. */
CLO_MUST_USE bool clo_store_unlock(struct clo_store *store, const struct clo_secret *key,
                                   struct clo_error *err);
/* Seals all secrets under this key: what lay in the clear, or under the key that the store was unlocked with.
 * CLO_ERR_SYSTEM also where they are sealed, and a reader keeps those of before in the files: sealing again removes them. */
struct clo_audit;
/* `row` (NULL: none) is written in the same transaction. */
CLO_MUST_USE bool clo_store_seal(struct clo_store *store, const struct clo_secret *key,
                                 const struct clo_audit *row, size_t *count, struct clo_error *err);
CLO_MUST_USE bool clo_store_is_sealed(struct clo_store *store, bool *is_sealed, size_t *in_clear,
                                      struct clo_error *err);

/* --- Resources --- */

/* What becomes of another machine that asks for what one holds already. */
enum clo_second_holder {
    CLO_SECOND_HOLDER_DEFAULT, /* refused where the name is one machine's (it came from a template), else flagged */
    CLO_SECOND_HOLDER_REFUSE,
    CLO_SECOND_HOLDER_FLAG,
};
const char *clo_second_holder_name(enum clo_second_holder rule); /* "refuse", "flag" */
/* CLO_SECOND_HOLDER_DEFAULT for anything else. */
enum clo_second_holder clo_second_holder_from_name(const char *name);

struct clo_store_entry {
    const char *path;
    struct clo_bytes secret;
    struct clo_bytes policy;            /* JSON; parsed before anything is stored */
    const struct clo_bytes *references; /* JSON, each */
    size_t reference_count;
    const struct clo_disk_identity *disk; /* NULL: none is registered with it */
    bool forgets_generation; /* an older copy of the disk than was seen is taken on purpose */
    bool may_repeat_secret;  /* the secret may stand under another path as well */
    bool accepts_older; /* also older versions of its policy and reference values, on purpose */
    int64_t now;
    bool is_shared;    /* also for evidence that does not name it */
    bool any_releases; /* also again in the same boot */
    enum clo_second_holder second_holder;
    int64_t lease_seconds; /* how long one who got it holds it; 0: until that is given up */
    int64_t release_limit; /* how often it is released in all; 0: as often as the rest allows */
};
/* Replaces what is there under this path, but for the last generation that was seen of the same disk,
 * under whatever path, and also if that was removed meanwhile.
 * Returns when it is on the disk. CLO_ERR_REFUSED: the secret stands under another path already, or the policy or a set of
 * reference values is an older version than was accepted of its name, wherever. */
CLO_MUST_USE bool clo_store_put(struct clo_store *store, const struct clo_store_entry *entry,
                                struct clo_error *err);
/* [{"path","bytes","created","policy","references":[name…],"disk":{…},"shared","releases",
 * "second_holder","lease_seconds","holders","accept_weak"}]: no secret in it. */
CLO_MUST_USE bool clo_store_list(struct clo_store *store, json_t **out, struct clo_error *err);
/* Other terms for what is there; the secret, and who holds it, stay. Of `entry` path, policy, references, accepts_older and now
 * count. One that
 * is sealed is sealed anew, for which the store must be unlocked.
 * CLO_ERR_REFUSED if there is none. */
CLO_MUST_USE bool clo_store_set_terms(struct clo_store *store, const struct clo_store_entry *entry,
                                      struct clo_error *err);
/* Nothing is released under this path any more (or again), whatever was attested before. CLO_ERR_REFUSED if there is none. */
CLO_MUST_USE bool clo_store_revoke(struct clo_store *store, const char *path, bool is_revoked,
                                   int64_t now, struct clo_error *err);
/* Also of a path where nothing is: what is put there would be. */
CLO_MUST_USE bool clo_store_is_revoked(struct clo_store *store, const char *path, bool *out,
                                       struct clo_error *err);
/* Nor to this machine (clo_holder.instance). */
CLO_MUST_USE bool clo_store_revoke_machine(struct clo_store *store, const char *instance,
                                           bool is_revoked, int64_t now, struct clo_error *err);
CLO_MUST_USE bool clo_store_is_machine_revoked(struct clo_store *store, const char *instance,
                                               bool *out, struct clo_error *err);
/* CLO_ERR_REFUSED if there is none. */
CLO_MUST_USE bool clo_store_remove(struct clo_store *store, const char *path,
                                   struct clo_error *err);
/* The secret, and what it is released on, as it is now. */
struct clo_store_resource {
    struct clo_secret *secret;
    char terms[65]; /* the digest of its terms, in hex */
    bool is_shared;
    bool any_releases;
    enum clo_second_holder second_holder;
    int64_t lease_seconds;
    int64_t release_limit, release_count;
    bool is_revoked;
};
void clo_store_resource_free(struct clo_store_resource *resource); /* for CLO_CLEANUP */
/* CLO_ERR_REFUSED if there is none. */
CLO_MUST_USE bool clo_store_get(struct clo_store *store, const char *path,
                                struct clo_store_resource *out, struct clo_error *err);

/* --- Disks --- */

/* The disk that is registered with a resource, with the last generation that was seen.
 * CLO_ERR_REFUSED if there is no such resource. */
CLO_MUST_USE bool clo_store_disk(struct clo_store *store, const char *path, bool *has_disk,
                                 struct clo_disk_identity *disk, struct clo_error *err);
/* Returns when it is on the disk. CLO_ERR_REFUSED if it is not larger than the last one: two copies of
 * a disk cannot both be the next; or if there is no such resource, or none with a disk. */
CLO_MUST_USE bool clo_store_raise_generation(struct clo_store *store, const char *path,
                                             uint64_t generation, struct clo_error *err);

/* --- Terms --- */

struct clo_terms {
    int64_t id;      /* of this row alone: another may have it later */
    char digest[65]; /* of policy and references, in hex: what a session may be held against */
    struct clo_policy *policy;
    struct clo_reference *references[CLO_STORE_REFERENCES_MAX];
    size_t reference_count;
};
void clo_terms_free(struct clo_terms *terms); /* for CLO_CLEANUP */
/* The terms with the smallest id above `after`. */
CLO_MUST_USE enum clo_next clo_store_next_terms(struct clo_store *store, int64_t after,
                                                struct clo_terms *out, struct clo_error *err);
/* CLO_ERR_REFUSED: there are none with this id. */
CLO_MUST_USE bool clo_store_terms(struct clo_store *store, int64_t id, struct clo_terms *out,
                                  struct clo_error *err);
/* Another number after anything about terms changed. */
CLO_MUST_USE bool clo_store_terms_version(struct clo_store *store, uint64_t *out,
                                          struct clo_error *err);
struct clo_store_terms_row {
    int64_t id;
    char digest[65];
};
/* All of them, by rising ids, as they are at this version or later; to be freed. */
CLO_MUST_USE bool clo_store_terms_rows(struct clo_store *store, uint64_t *version,
                                       struct clo_store_terms_row **out, size_t *count,
                                       struct clo_error *err);

CLO_MUST_USE bool clo_store_has_terms(struct clo_store *store, bool *out, struct clo_error *err);
/* Would a decision be written down now? Returns when something was. */
CLO_MUST_USE bool clo_store_check_writable(struct clo_store *store, struct clo_error *err);

/* --- Decisions --- */

/* From one to the other nobody else writes: what was read to decide on is so still when it is
 * written down. `ok` false: nothing of it happened. Within another one it is a part of that: it happens if both do. */
CLO_MUST_USE bool clo_store_begin(struct clo_store *store, struct clo_error *err);
CLO_MUST_USE bool clo_store_end(struct clo_store *store, bool ok, struct clo_error *err);

/* From now on a decision is made when clo_store_end() returns, but durable only some time later, together with others, so
 * that many cost one sync. What may be told of it has to wait: of the mark that is asked for after a decision, the state
 * says whether it is on the disk. `on_synced` is called in another thread whenever states have changed. */
enum clo_store_sync {
    CLO_STORE_WAITING,
    CLO_STORE_DURABLE,
    CLO_STORE_LOST, /* the disk refuses: nothing of it may be told */
};
CLO_MUST_USE bool clo_store_group_begin(struct clo_store *store, void (*on_synced)(void *context),
                                        void *context, struct clo_error *err);
/* Waits for what was decided. */
void clo_store_group_end(struct clo_store *store);
uint64_t clo_store_mark(struct clo_store *store);
enum clo_store_sync clo_store_sync_state(struct clo_store *store, uint64_t mark);

/* --- Who got what, and in which boot --- */

struct clo_release {
    const char *path;
    int64_t time;
    const char *session, *tee;
    const struct clo_holder *holder;
    const char *tee_key; /* the digest of the one-time key that it went to, in hex */
};

/* What earlier releases of a resource mean for one more. */
struct clo_release_history {
    bool is_second_in_boot;   /* it went to another key in this boot */
    bool has_another_in_boot; /* it, or any other one, did */
    bool is_older_vtpm;       /* the same vTPM had higher counts: an older state of it, or a copy */
    size_t other_holders;     /* other machines whose lease runs */
    char other[9];            /* the beginning of the last one's identity */
    int64_t other_time;
};
CLO_MUST_USE bool clo_store_history(struct clo_store *store, const struct clo_release *release,
                                    int64_t lease_seconds, struct clo_release_history *out,
                                    struct clo_error *err);
/* Counts it, unless its key had it before. CLO_ERR_REFUSED: its limit is reached. */
CLO_MUST_USE bool clo_store_add_release(struct clo_store *store, const struct clo_release *release,
                                        struct clo_error *err);
/* Was it released in this session, of this boot? */
CLO_MUST_USE bool clo_store_was_released(struct clo_store *store, const char *path,
                                         const char *boot, const char *session, bool *out,
                                         struct clo_error *err);
/* [{"instance","boots","time","lease_ends"}] of a resource, the last holder first. CLO_ERR_REFUSED if there is no such
 * resource. */
CLO_MUST_USE bool clo_store_holders(struct clo_store *store, const char *path, json_t **out,
                                    struct clo_error *err);
/* Forgets who holds it, not which boots got it; `count` says how many machines they were. */
CLO_MUST_USE bool clo_store_give_up(struct clo_store *store, const char *path, size_t *count,
                                    struct clo_error *err);

/* --- Sessions (verifier/kbs/sessions.h) --- */

struct clo_session_key {
    int64_t id;
    int64_t made; /* on the caller's clock */
    uint8_t key[32];
};
#define CLO_SESSION_KEYS 2

/* The newest keys of this boot of the machine, newest first; a new one is made where there is none, or where the newest is
 * older than `seconds`. All who use the store have the same. */
CLO_MUST_USE bool clo_store_session_keys(struct clo_store *store, struct clo_random random,
                                         int64_t now, unsigned seconds,
                                         struct clo_session_key out[CLO_SESSION_KEYS],
                                         size_t *count, struct clo_error *err);
/* Within a transaction: uses a nonce up, with what its session has shown (NULL: nothing). CLO_ERR_REFUSED: it was used.
 * CLO_ERR_UNVERIFIED: its key is no longer in the store, nor is whether it was used. */
CLO_MUST_USE bool clo_store_use_nonce(struct clo_store *store, struct clo_bytes name, int64_t key,
                                      const char *result, struct clo_error *err);
/* Within a transaction: something more about it. */
CLO_MUST_USE bool clo_store_set_session(struct clo_store *store, struct clo_bytes name,
                                        const char *result, struct clo_error *err);
/* `out` stays empty where nothing was shown. */
CLO_MUST_USE bool clo_store_session(struct clo_store *store, struct clo_bytes name, bool *is_used,
                                    struct clo_buffer *out, struct clo_error *err);

/* --- Audit --- */

/* Which VM a decision was about; an empty text: not known. */
struct clo_audit_vm {
    char chip[65], report_id[65], instance[65]; /* as instances are named: lower-case hex */
    char image[128];                            /* the policy that its evidence was held against */
    char address[64];
};

struct clo_audit {
    int64_t time;        /* Unix */
    const char *action;  /* "attest", "release" */
    const char *verdict; /* "affirming", "warning", "refused" */
    const char *session;
    const char *tee;
    const char *resource; /* NULL: none */
    const char *detail;
    const struct clo_audit_vm *vm; /* NULL: none */
};
/* Returns when it is on the disk: nothing is released that is not written down first. */
CLO_MUST_USE bool clo_store_audit(struct clo_store *store, const struct clo_audit *entry,
                                  struct clo_error *err);

/* The same, and the end of the trail is signed with it: for programs that write a row and end. */
CLO_MUST_USE bool clo_store_audit_last(struct clo_store *store, const struct clo_audit *entry,
                                       struct clo_error *err);

/* The trail is a chain: each row has the SHA-256 digest of the one before and of itself, and the end of the chain is signed
 * at the first row, after 64 more at the latest, and when a program ends. So a row up to the last signature that was
 * changed, removed or moved shows; rows after it that were written anew, a trail that was cut off right after a signature,
 * and one that was signed anew show by a checkpoint that is kept elsewhere alone. docs/formats/audit.md has the bytes. */
struct clo_audit_point {
    int64_t row; /* the last row that it covers; 0: none */
    int64_t time;
    uint8_t chain[32];
    bool dropped; /* what it covers is not in the trail any more */
};
#define CLO_AUDIT_KEY "audit"

/* Opens the store's key of that name, which signs checkpoints, before the first row needs it. */
CLO_MUST_USE bool clo_store_audit_sign(struct clo_store *store, struct clo_error *err);
/* Signs the end of the chain. Nothing is done where it is signed already. */
CLO_MUST_USE bool clo_store_audit_checkpoint(struct clo_store *store, int64_t now,
                                             struct clo_error *err);
/* {"row","time","chain","dropped","signature"} of the last one. CLO_ERR_REFUSED: there is none. */
CLO_MUST_USE bool clo_store_audit_last_checkpoint(struct clo_store *store, json_t **out,
                                                  struct clo_error *err);

struct clo_audit_verdict {
    int64_t first, last; /* the rows that are there; 0: none */
    size_t checkpoints;  /* that are signed by the key */
    int64_t covered;     /* up to this row; what follows is chained and not signed yet */
};
/* The whole trail against its chain and its checkpoints, and against one that was kept elsewhere (NULL: none).
 * CLO_ERR_REFUSED, with the first row that is not as it was written, or follows the last signature by 64 rows. */
CLO_MUST_USE bool clo_store_audit_verify(struct clo_store *store, const struct clo_public_key *key,
                                         const json_t *kept, struct clo_audit_verdict *out,
                                         struct clo_error *err);
/* Rows after `after`, at most `limit`, of that resource (NULL: any): [{"row","time","action","verdict",…}]. */
CLO_MUST_USE bool clo_store_audit_rows(struct clo_store *store, int64_t after, size_t limit,
                                       const char *resource, json_t **out, struct clo_error *err);
/* Drops rows of before that time, after signing what they hash to; `count` says how many. */
CLO_MUST_USE bool clo_store_audit_drop(struct clo_store *store, int64_t before, int64_t now,
                                       size_t *count, struct clo_error *err);

/* --- Backups --- */

/* A copy as of now, with the service's keys, into a folder that is not there yet; it may be served from meanwhile. */
CLO_MUST_USE bool clo_store_backup(struct clo_store *store, const char *folder,
                                   struct clo_error *err);
/* A store of such a copy, in a folder that is not there yet. The database must be whole and the audit trail as it was
 * written. Nonces and sessions of before count no more; counts of releases and generations are those of the copy. */
CLO_MUST_USE bool clo_store_restore(const char *backup, const char *folder, int64_t now,
                                    struct clo_error *err);

/* --- Endorsements --- */

/* A bundle that this key signed at that time is to be used: it is not older than one that was, nor another one of the same
 * time. CLO_ERR_REFUSED: it is. `content`: the digest of its bytes. */
CLO_MUST_USE bool clo_store_accept_endorsements(struct clo_store *store,
                                                const struct clo_digest *key, int64_t made,
                                                const struct clo_digest *content, int64_t now,
                                                struct clo_error *err);

/* --- The service's own keys --- */

/* From NAME.key (PEM, 0600), made on first use together with NAME.pem, its public half. */
CLO_MUST_USE bool clo_store_key(struct clo_store *store, const char *name, enum clo_key_kind kind,
                                struct clo_private_key **out, struct clo_error *err);

#endif
