/* cloister key put: a secret, and the terms on which the broker releases it. */
#include <string.h>
#include <time.h>

#include "cli/broker/key.h"
#include "cli/broker/remote.h"
#include "cli/broker/state.h"
#include "cli/broker/terms_files.h"
#include "device/file.h"

struct put_options {
    const char *state, *master, *releases, *second_holder, *disk, *why;
    struct cli_terms_options terms;
    bool is_shared, same_secret, forget_generation, as_json;
    struct cli_remote remote;
    uint64_t lease, limit;
};

struct put_files {
    struct cli_terms_files terms;
    struct clo_secret *secret;
    struct clo_disk_file disk;
    struct clo_buffer disk_text;
    bool has_disk;
};

static void free_files(struct put_files *files)
{
    clo_buffer_free(&files->disk_text);
    cli_terms_files_free(&files->terms);
    clo_secret_free(files->secret);
}

static bool read_files(const char *secret, const struct cli_terms_options *terms,
                       struct put_files *out, struct clo_error *err)
{
    return cli_terms_files_read(terms, &out->terms, err) &&
           clo_file_read_secret(secret, CLO_STORE_SECRET_MAX, &out->secret, err);
}

/* The identity must be of the disk that this very key opens. */
static bool read_disk(const char *path, struct put_files *out, struct clo_error *err)
{
    struct clo_digest key_id;

    if (path == NULL)
        return true;
    if (!clo_file_read(path, CLO_FILE_LIMIT, &out->disk_text, err))
        return false;
    if (!clo_disk_file_parse(clo_buffer_bytes(&out->disk_text), &out->disk, err))
        return clo_wrap(err, "%s", path);
    clo_disk_key_id(clo_secret_bytes(out->secret), &key_id);
    if (!clo_digest_equal(&key_id, &out->disk.key_id))
        return clo_fail(err, CLO_ERR_REFUSED, "%s: is of a disk with another disk key", path);
    out->has_disk = true;
    return true;
}

/* How often, to whom: from the options' words. */
static bool read_rules(const char *releases, const char *second_holder, uint64_t lease,
                       struct clo_store_entry *out, struct clo_error *err)
{
    if (releases != NULL && strcmp(releases, "any") != 0 && strcmp(releases, "once-per-boot") != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--releases: once-per-boot or any");
    out->any_releases = releases != NULL && strcmp(releases, "any") == 0;
    if (second_holder != NULL) {
        out->second_holder = clo_second_holder_from_name(second_holder);
        if (out->second_holder == CLO_SECOND_HOLDER_DEFAULT)
            return clo_fail(err, CLO_ERR_USAGE, "--second-holder: refuse or flag");
    }
    if (lease > CLO_LEASE_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--lease: at most %d seconds", CLO_LEASE_MAX);
    out->lease_seconds = (int64_t)lease;
    return true;
}

/* A name that stands for many machines has no secret: each machine's name has its own. */
static bool check_path(const char *path, struct clo_error *err)
{
    struct clo_error ignored;

    if (clo_resource_has_placeholder(path) && clo_resource_template_check(path, &ignored))
        return clo_fail(
                err, CLO_ERR_USAGE,
                "resource \"%.60s\": stands for many machines: put each machine's key under "
                "the name that it has there; the broker's refusal names it",
                path);
    return clo_resource_check(path, err);
}

/* The reason becomes part of the terms: in the policy, and so in its digest. */
static bool note_reason(struct cli_terms_files *files, const char *why, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_policy *noted;

    if (!clo_json_parse(clo_buffer_bytes(&files->policy), &json, err))
        return false;
    files->policy.size = 0;
    if (json_object_set_new(json, "accept_weak", json_string(why)) != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--accept-weak: not text");
    if (!clo_json_write(json, &files->policy, err) ||
        !clo_policy_parse(clo_buffer_bytes(&files->policy), &noted, err))
        return clo_wrap(err, "--accept-weak");
    clo_policy_free(files->parsed);
    files->parsed = noted;
    return true;
}

/* What the terms leave open is said; a guest that is not the owner's gets no key unless he says why. */
static bool check_pins(struct put_files *files, const struct clo_store_entry *entry,
                       const char *why, struct clo_error *err)
{
    const struct clo_pins_context context = {
        .has_disk = files->has_disk,
        .has_instance = entry->second_holder == CLO_SECOND_HOLDER_REFUSE && !entry->is_shared,
    };

    if (why != NULL && *why == '\0')
        return clo_fail(err, CLO_ERR_USAGE, "--accept-weak: a reason is expected");
    if (why != NULL && !note_reason(&files->terms, why, err))
        return false;
    return cli_terms_check_pins(&files->terms, &context, "--accept-weak WHY puts it all the same",
                                err);
}

/* The trail says why a guest got a key that nothing pins. */
static bool audit_reason(struct clo_store *store, const struct clo_store_entry *entry,
                         const struct clo_policy *policy, struct clo_error *err)
{
    char detail[320];
    const struct clo_audit row = { .time = entry->now,
                                   .action = "put",
                                   .verdict = "weak",
                                   .session = "",
                                   .tee = "",
                                   .resource = entry->path,
                                   .detail = detail };

    snprintf(detail, sizeof detail, "accepted as weak: %s", clo_policy_accept_weak(policy));
    return clo_policy_accept_weak(policy)[0] == '\0' || clo_store_audit_last(store, &row, err);
}

/* In one piece: neither the secret without the reason, nor the reason of a secret that was not put. */
static bool put_entry(struct clo_store *store, const struct put_options *o,
                      const struct clo_store_entry *entry, const struct clo_policy *policy,
                      struct clo_error *err)
{
    return clo_store_begin(store, err) &&
           clo_store_end(
                   store,
                   audit_reason(store, entry, policy, err) &&
                           cli_terms_audit_older(store, &o->terms, entry->path, entry->now, err) &&
                           clo_store_put(store, entry, err),
                   err);
}

static bool put_here(const struct put_options *o, const struct put_files *files,
                     const struct clo_store_entry *entry, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    bool is_revoked;

    if (!cli_open_state(o->state, o->master, true, &store, err) ||
        !put_entry(store, o, entry, files->terms.parsed, err) ||
        !clo_store_is_revoked(store, entry->path, &is_revoked, err))
        return false;
    *out = json_pack("{s:s, s:I, s:I, s:s*, s:b}", "path", entry->path, "bytes",
                     (json_int_t)entry->secret.size, "references",
                     (json_int_t)entry->reference_count, "disk",
                     files->has_disk ? files->disk.identity.uuid : NULL, "revoked", is_revoked);
    return *out != NULL || clo_out_of_memory(err);
}

/* What verifier/kbs/key_request.h has. */
static json_t *request_json(const struct put_options *options, const struct put_files *files,
                            const struct clo_store_entry *entry)
{
    const char *holder = entry->second_holder == CLO_SECOND_HOLDER_DEFAULT
                                 ? NULL
                                 : clo_second_holder_name(entry->second_holder);
    struct clo_json_object o = { .json = cli_terms_json(&options->terms, &files->terms) };

    clo_json_set(&o, "secret", clo_json_base64(entry->secret));
    if (files->has_disk)
        clo_json_set(&o, "disk",
                     json_stringn((const char *)files->disk_text.data, files->disk_text.size));
    if (holder != NULL)
        clo_json_set(&o, "second_holder", json_string(holder));
    clo_json_set(&o, "releases", json_string(entry->any_releases ? "any" : "once-per-boot"));
    clo_json_set(&o, "shared", json_boolean(entry->is_shared));
    clo_json_set(&o, "same_secret", json_boolean(entry->may_repeat_secret));
    clo_json_set(&o, "forget_generation", json_boolean(entry->forgets_generation));
    clo_json_set(&o, "lease_seconds", json_integer(entry->lease_seconds));
    clo_json_set(&o, "release_limit", json_integer(entry->release_limit));
    return clo_json_finish(&o);
}

static bool tell(const struct put_options *o, const struct put_files *files,
                 const struct clo_store_entry *entry, const json_t *answer, struct clo_error *err)
{
    if (o->as_json)
        return cli_print_json(answer, err);
    printf("%s: %zu bytes, released on %zu reference file%s%s%s\n", entry->path, entry->secret.size,
           entry->reference_count, entry->reference_count == 1 ? "" : "s",
           files->has_disk ? ", for the disk " : "",
           files->has_disk ? files->disk.identity.uuid : "");
    cli_tell_revoked(entry->path, answer);
    return true;
}

static bool put(const struct put_options *o, const char *path, const char *secret,
                struct clo_error *err)
{
    CLO_CLEANUP(free_files) struct put_files files = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *answer = NULL;

    if (!check_path(path, err) || !read_files(secret, &o->terms, &files, err) ||
        !read_disk(o->disk, &files, err))
        return false;
    struct clo_store_entry entry = { .path = path,
                                     .secret = clo_secret_bytes(files.secret),
                                     .policy = clo_buffer_bytes(&files.terms.policy),
                                     .references = files.terms.views,
                                     .reference_count = files.terms.known.count,
                                     .disk = files.has_disk ? &files.disk.identity : NULL,
                                     .forgets_generation = o->forget_generation,
                                     .may_repeat_secret = o->same_secret,
                                     .accepts_older = o->terms.why_older != NULL,
                                     .is_shared = o->is_shared,
                                     .now = (int64_t)time(NULL) };
    if (!read_rules(o->releases, o->second_holder, o->lease, &entry, err) ||
        !check_pins(&files, &entry, o->why, err))
        return false;
    if (o->limit > INT32_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--limit: at most %d", INT32_MAX);
    entry.release_limit = (int64_t)o->limit;
    entry.policy = clo_buffer_bytes(&files.terms.policy);
    bool ok = o->remote.url == NULL
                      ? put_here(o, &files, &entry, &answer, err)
                      : cli_remote_ask(&o->remote, entry.accepts_older ? "put-older" : "put", path,
                                       request_json(o, &files, &entry), &answer, err);
    return ok && tell(o, &files, &entry, answer, err);
}

/* As given on the command line. */
static struct put_options chosen;

static const struct cli_option options[] = {
    CLI_STATE_OR_BROKER(&chosen.state, &chosen.remote),
    CLI_TERMS_OPTIONS(&chosen.terms),
    { "--disk", "FILE",
      "the disk that the key is for (NAME.disk.json): the guest opens no other with it",
      .text = &chosen.disk },
    { "--forget-generation", NULL,
      "take an older copy of the disk than was seen, as one from a backup",
      .flag = &chosen.forget_generation },
    { "--accept-weak", "WHY",
      "take a policy that leaves firmware, program, command line or debugging open, and note "
      "why",
      .text = &chosen.why },
    { "--same-secret", NULL, "the same secret may stand under another path too",
      .flag = &chosen.same_secret },
    { "--shared", NULL,
      "also for evidence that does not name it, as Trustee's clients send: any machine that "
      "fulfils the terms gets it",
      .flag = &chosen.is_shared },
    { "--releases", "RULE",
      "once-per-boot (default): in one boot to one key alone; any: as often as asked",
      .text = &chosen.releases },
    { "--second-holder", "RULE",
      "another machine while one holds it: refuse, or flag in the audit trail; default refuse "
      "where the image's template made the name, else flag",
      .text = &chosen.second_holder },
    { "--lease", "SECONDS",
      "how long a machine that got it holds it; default 0: until 'key lease --release'",
      .number = &chosen.lease },
    { "--limit", "N",
      "release it N times in all, whatever is asked: to so many keys of guests; default: no limit",
      .number = &chosen.limit },
    CLI_MASTER_OPTION(&chosen.master),
    { "--json", NULL, "print one JSON document", .flag = &chosen.as_json },
};

static const struct cli_usage usage = {
    .command = "key put",
    .arguments = "PATH FILE",
    .operands = { "a path and a file", 2, 2 },
    .summary = "Registers a secret under PATH (REPOSITORY/TYPE/TAG), and the terms on which it "
               "is\nreleased. What is there under this path is replaced. A running broker "
               "knows it at once.\nA secret that stands under another path already is "
               "refused: two disks under one key can\nbe exchanged. A state folder that is not "
               "there yet is made.",
    .options = options,
    .option_count = CLO_COUNT(options),
    .example =
            "  cloister key put --state broker default/disk/demo disk.key \\\n"
            "      --disk demo.disk.json --policy policy.json \\\n"
            "      --reference demo.ref.json --reference firmware.ref.json\n"
            "  cloister key put --broker https://kbs.example.org:8443 --broker-key broker.pem \\\n"
            "      --admin-key alice.key default/disk/demo disk.key --policy policy.json\n",
};

int cmd_key_put(int argc, char **argv)
{
    struct clo_list operands;
    struct clo_error err;
    const char *why;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!cli_terms_options_check(&chosen.terms, &why))
        return cli_usage_error(&usage, "%s", why);
    if (!cli_remote_check(&chosen.remote, chosen.state, &why))
        return cli_usage_error(&usage, "%s", why);
    if (chosen.remote.url != NULL && chosen.master != NULL)
        return cli_usage_error(&usage, "--master-key is the broker's own: it goes with --state");
    if (chosen.forget_generation && chosen.disk == NULL)
        return cli_usage_error(&usage, "--forget-generation is for --disk");
    return put(&chosen, operands.items[0], operands.items[1], &err) ? CLI_YES
                                                                    : cli_fail("key put", &err);
}
