/* cloister serve: the owner's own verifier and key broker. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/broker/endorsements.h"
#include "cli/broker/serve_log.h"
#include "cli/broker/state.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/policy/files.h"
#include "cloister/encoding.h"
#include "device/file.h"
#include "device/key_file.h"
#include "verifier/door/server.h"
#include "verifier/door/service.h"
#include "verifier/endorsements/bundle_file.h"
#include "verifier/kbs/admin.h"

#define FETCH_TIMEOUT_MS 20000 /* of one request: nobody waits for it */
#define OPTIONS_MAX      (22 + FETCH_OPTIONS)

/* What the verifier judges evidence by: nothing of one's own, unless it was asked for. */
struct own_endorsements {
    const char *folder;     /* or, where there is a key, a bundle */
    const char *bundle_key; /* which must have signed it */
    uint64_t bundle_days;
    struct clo_public_key *key;
    struct clo_bundle_file bundle;
    struct fetch_options fetch;
    struct fetcher fetcher;
    struct clo_endorser *endorser;
    bool is_json_log;
};

static void own_endorsements_free(struct own_endorsements *own)
{
    clo_endorser_freep(&own->endorser);
    fetcher_close(&own->fetcher);
    clo_public_key_free(own->key);
}

static int64_t now(void *context)
{
    (void)context;
    return (int64_t)time(NULL);
}

static bool load_files(void *context, struct clo_endorsement_set *out, struct clo_error *err)
{
    struct own_endorsements *own = context;

    return own->key != NULL ? clo_bundle_file_load(&own->bundle, now(NULL), out, err)
                            : endorsements_load(own->folder, out, err);
}

static bool is_over(void *context)
{
    const struct own_endorsements *own = context;

    return own->endorser != NULL && clo_endorser_is_ending(own->endorser);
}

static bool open_bundle(struct own_endorsements *own, struct clo_store *store,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    if (own->bundle_key == NULL)
        return true;
    if (own->folder == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--endorsements-key is for --endorsements");
    if (!clo_key_file_public(own->bundle_key, &own->key, &pem, err))
        return false;
    own->bundle = (struct clo_bundle_file){ .path = own->folder,
                                            .key = own->key,
                                            .seconds = (int64_t)own->bundle_days * 86400,
                                            .store = store,
                                            .on_failure = serve_log(own->is_json_log)->failure };
    return true;
}

static bool open_endorsements(struct own_endorsements *own, struct clo_store *store,
                              struct clo_error *err)
{
    const struct fetch_options *o = &own->fetch;
    struct clo_endorser_spec spec = { .load = own->folder == NULL ? NULL : load_files,
                                      .kds = o->kds,
                                      .pcs = o->pcs,
                                      .edition = o->edition,
                                      .now = now,
                                      .random = cli_random(),
                                      .on_failure = serve_log(own->is_json_log)->failure,
                                      .context = own };

    if (!o->fetch && (o->cache != NULL || o->kds != NULL || o->pcs != NULL || o->ca != NULL ||
                      o->edition.update != NULL || o->edition.evaluation_number != 0))
        return clo_fail(err, CLO_ERR_USAGE,
                        "--cache, --kds, --pcs, --update, --tcb-evaluation-data-number and --ca "
                        "are for --fetch");
    if (!open_bundle(own, store, err))
        return false;
    if (own->folder == NULL && !o->fetch)
        return true;
    if (o->fetch) {
        own->fetcher.curl_options.timeout_ms = FETCH_TIMEOUT_MS;
        own->fetcher.curl_options.is_over = is_over;
        own->fetcher.curl_options.context = own;
        if (!fetcher_open(o, 0, &own->fetcher, err))
            return false;
        spec.transport = &own->fetcher.transport;
        spec.cache = &own->fetcher.cache;
    }
    return clo_endorser_new(&spec, &own->endorser, err);
}

/* Copies the public half to where the owner wants it. */
static bool write_public_key(const struct clo_private_key *key, const char *path,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    if (!clo_private_key_public(key, &public, err) || !clo_public_key_spki(public, &der, err) ||
        !clo_pem_write("PUBLIC KEY", clo_buffer_bytes(&der), &pem, err))
        return false;
    if (strcmp(path, "-") != 0)
        return clo_file_write(path, clo_buffer_bytes(&pem), 0644, err);
    cli_print(clo_buffer_bytes(&pem));
    return fflush(stdout) == 0 ||
           clo_fail(err, CLO_ERR_SYSTEM, "standard output: cannot be written");
}

/* What the terms leave open that matters, in a line for each of them. Nothing is refused that was accepted. */
static bool print_terms(struct clo_store *store, bool is_json, struct clo_error *err)
{
    for (int64_t after = 0;;) {
        CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer open = { 0 };
        struct clo_pins pins;
        enum clo_next next = clo_store_next_terms(store, after, &terms, err);
        if (next != CLO_NEXT_ITEM)
            return next == CLO_NEXT_END;
        after = terms.id;
        clo_policy_pins(terms.policy, (const struct clo_reference *const *)terms.references,
                        terms.reference_count, NULL, &pins);
        policy_name_open(&pins, CLO_PIN_SHOULD, &open);
        if (is_json) {
            serve_log_json("policy",
                           json_pack("{s:s, s:s, s:s, s:s}", "name", clo_policy_name(terms.policy),
                                     "open", clo_buffer_string(&open), "unmet", pins.unmet,
                                     "accept_weak", clo_policy_accept_weak(terms.policy)));
            continue;
        }
        printf("policy \"%s\": %s%s%s%s\n", clo_policy_name(terms.policy),
               pins.unmet[0] != '\0' ? "nothing can fulfil it: "
               : open.size == 0      ? "nothing that matters is open"
                                     : "open: ",
               pins.unmet[0] != '\0' ? pins.unmet : clo_buffer_string(&open),
               clo_policy_accept_weak(terms.policy)[0] == '\0' ? "" : "; accepted as weak: ",
               clo_policy_accept_weak(terms.policy));
    }
}

/* The owner's certificate, or one of our own for the address. */
struct tls_options {
    const char *certificate, *key, *client_ca, *client_crl;
    struct clo_list names;
    const char *state, *address;
    struct clo_store *store;
    const char *admin; /* the file; NULL: none */
    struct clo_broker *broker;
    bool is_json_log;
};

static bool open_key(const struct tls_options *tls, struct clo_private_key **out,
                     struct clo_error *err)
{
    if ((tls->certificate == NULL) != (tls->key == NULL))
        return clo_fail(err, CLO_ERR_USAGE, "--tls-cert and --tls-key belong together");
    if (tls->certificate != NULL && tls->names.count > 0)
        return clo_fail(err, CLO_ERR_USAGE, "--tls-name is for a certificate of the broker's own");
    return tls->key != NULL ? clo_key_file_private(tls->key, NULL, out, err)
                            : clo_store_key(tls->store, CLO_SERVER_TLS_KEY, CLO_KEY_P256, out, err);
}

static bool open_certificate(const struct tls_options *tls, const struct clo_private_key *key,
                             char *path, size_t room, struct clo_error *err)
{
    int size = tls->certificate != NULL ? snprintf(path, room, "%s", tls->certificate)
                                        : snprintf(path, room, "%s/tls.crt", tls->state);

    if (size < 0 || (size_t)size >= room)
        return clo_fail(err, CLO_ERR_USAGE, "--state: the name is too long");
    return tls->certificate != NULL ||
           clo_tls_certificate_keep(path, key, tls->address, &tls->names, now(NULL), err);
}

static bool read_admin(const char *path, struct clo_admin **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    return clo_file_read(path, CLO_FILE_LIMIT, &text, err) &&
           (clo_admin_parse(clo_buffer_bytes(&text), out, err) || clo_wrap(err, "%s", path));
}

/* At the start and at each SIGHUP: the files as they are then, all of them or none. */
static bool open_tls(void *context, struct ssl_ctx_st **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    const struct tls_options *tls = context;
    CLO_CLEANUP(clo_admin_freep) struct clo_admin *admin = NULL;
    struct clo_digest fingerprint;
    char certificate[4096];

    if (!open_key(tls, &key, err) ||
        !open_certificate(tls, key, certificate, sizeof certificate, err) ||
        !clo_private_key_public(key, &public, err) ||
        !clo_public_key_fingerprint(public, &fingerprint, err) ||
        (tls->admin != NULL && !read_admin(tls->admin, &admin, err)))
        return false;
    const struct clo_tls_identity identity = { key, certificate, tls->client_ca, tls->client_crl };
    if (!clo_tls_context(&identity, out, err))
        return false;
    if (admin != NULL)
        clo_admin_set_broker(admin, &fingerprint);
    clo_broker_set_admin(tls->broker, admin);
    return true;
}

static void print_reloaded(void *context)
{
    const struct tls_options *tls = context;

    if (tls->is_json_log) {
        serve_log_json("reloaded", json_object());
        return;
    }
    printf("reloaded\n");
    fflush(stdout);
}

/* What the door is like, and what is given out at it. */
struct door_options {
    uint64_t threads, connections;
    const char *result_names, *log, *token_algorithm, *public_url;
    bool as_json; /* --log json */
    int listeners[CLO_SERVICE_LISTENERS_MAX];
};

static bool print_listening(const struct clo_server *server, const struct tls_options *tls,
                            bool is_json, struct clo_error *err)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest fingerprint;

    if (!open_key(tls, &key, err) || !clo_private_key_public(key, &public, err) ||
        !clo_public_key_fingerprint(public, &fingerprint, err))
        return false;
    clo_hex_text(clo_digest_bytes(&fingerprint), hex);
    if (is_json) {
        serve_log_json("listening",
                       json_pack("{s:i, s:s}", "port", clo_server_port(server), "key_sha256", hex));
        return true;
    }
    printf("listening on %.*s:%u, key sha256 %s\n",
           (int)(strrchr(tls->address, ':') - tls->address), tls->address, clo_server_port(server),
           hex);
    fflush(stdout);
    return true;
}

/* Said plainly: the folder is all that guards them. */
static bool print_secrets(struct clo_store *store, bool as_json, struct clo_error *err)
{
    bool is_sealed;
    size_t in_clear;

    if (!clo_store_is_sealed(store, &is_sealed, &in_clear, err))
        return false;
    if (as_json)
        serve_log_json("secrets", json_pack("{s:b, s:I}", "sealed", is_sealed, "in_clear",
                                            (json_int_t)in_clear));
    else if (is_sealed)
        printf("secrets: sealed under a master key\n");
    else
        printf("secrets: in the clear (%zu): no master key\n", in_clear);
    return true;
}

/* The clock that the server's requests have: it does not jump. */
static int64_t boot_seconds(void)
{
    struct timespec now = { 0 };

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec;
}

static bool serve(struct tls_options *tls, struct door_options *door, unsigned nonce_seconds,
                  struct own_endorsements *own, struct clo_error *err)
{
    CLO_CLEANUP(clo_broker_freep) struct clo_broker *broker = NULL;
    CLO_CLEANUP(clo_server_freep) struct clo_server *server = NULL;
    struct clo_broker_spec spec = { .store = tls->store,
                                    .random = cli_random(),
                                    .nonce_seconds = nonce_seconds,
                                    .clock = boot_seconds(),
                                    .has_old_names = strcmp(door->result_names, "old") == 0,
                                    .signs_es384 = strcmp(door->token_algorithm, "ES384") == 0,
                                    .public_url = door->public_url,
                                    .endorser = own->endorser,
                                    .on_decision = serve_log(own->is_json_log)->decision,
                                    .on_failure = serve_log(own->is_json_log)->failure };
    struct clo_server_spec server_spec = { .random = cli_random(),
                                           .address = tls->address,
                                           .threads = (unsigned)door->threads,
                                           .connections = (size_t)door->connections,
                                           .open_tls = open_tls,
                                           .listeners = door->listeners,
                                           .on_reloaded = print_reloaded,
                                           .on_failure = spec.on_failure,
                                           .context = tls };

    if (!clo_service_listeners(door->listeners, &server_spec.listener_count, err) ||
        !print_secrets(tls->store, own->is_json_log, err) ||
        !print_terms(tls->store, own->is_json_log, err) || !clo_broker_new(&spec, &broker, err))
        return false;
    server_spec.broker = tls->broker = broker;
    return clo_server_new(&server_spec, &server, err) &&
           print_listening(server, tls, own->is_json_log, err) && clo_server_run(server, err);
}

/* --- The command --- */

struct serving {
    struct tls_options tls;
    struct door_options door;
    struct own_endorsements own;
    const char *print_key, *master;
    bool makes;
    uint64_t nonce_seconds;
};

static void add(const struct cli_option *options, size_t size, struct cli_option *out,
                size_t *count)
{
    /* A mistake in here, which each use of the command shows. */
    if (size > OPTIONS_MAX - FETCH_OPTIONS - *count)
        abort();
    memcpy(out + *count, options, size * sizeof *options);
    *count += size;
}

static void add_state_options(struct serving *s, struct cli_option *out, size_t *count)
{
    const struct cli_option options[] = {
        { "--state", "DIR", "where everything is kept (required)", .text = &s->tls.state,
          .is_required = true },
        { "--init", NULL, "make the folder, the first time: a broker with keys of its own",
          .flag = &s->makes },
        CLI_MASTER_OPTION(&s->master),
        { "--listen", "ADDRESS:PORT", "default 127.0.0.1:8443; port 0 takes a free one",
          .text = &s->tls.address },
        { "--nonce-seconds", "N", "how long a nonce is good, once; default 120",
          .number = &s->nonce_seconds },
        { "--print-key", "FILE",
          "write the public key that images are built with (PEM, - is standard output), and end",
          .text = &s->print_key },
    };

    add(options, CLO_COUNT(options), out, count);
}

static void add_tls_options(struct tls_options *tls, struct cli_option *out, size_t *count)
{
    const struct cli_option options[] = {
        { "--tls-cert", "FILE",
          "the certificate that clients see, followed by its issuers' (PEM); default: one of the "
          "broker's own, in the state's tls.crt",
          .text = &tls->certificate },
        { "--tls-key", "FILE", "its key (PEM)", .text = &tls->key },
        { "--tls-name", "NAME",
          "a name or address, besides those listened at, for the broker's own certificate; may be "
          "repeated",
          .list = &tls->names },
    };

    add(options, CLO_COUNT(options), out, count);
}

static void add_result_options(struct door_options *door, struct cli_option *out, size_t *count)
{
    const struct cli_option options[] = {
        { "--result-names", "NAMES",
          "of the claims in results: ear (draft-ietf-rats-ear-03; default), or old: those that "
          "Trustee and Veraison's libraries of before 2026 read (\"ear.status\")",
          .text = &door->result_names, .values = "ear old" },
        { "--token-algorithm", "NAME", "that results are signed with: ES256 (default) or ES384",
          .text = &door->token_algorithm, .values = "ES256 ES384" },
        { "--public-url", "URL",
          "what relying parties call this broker by: the issuer of its results, and where their "
          "key is",
          .text = &door->public_url },
    };

    add(options, CLO_COUNT(options), out, count);
}

static void add_door_options(struct serving *s, struct cli_option *out, size_t *count)
{
    const struct cli_option options[] = {
        { "--admin", "FILE",
          "who may administer keys over the network, with 'cloister key --broker' or as Trustee's "
          "administrators (JSON: keys, certificates, roles, policy); default: nobody",
          .text = &s->tls.admin },
        { "--admin-ca", "FILE",
          "whose certificates (PEM) administrators may show in place of a token: those whose "
          "subjects the file of --admin has",
          .text = &s->tls.client_ca },
        { "--admin-crl", "FILE",
          "what those who are in --admin-ca have revoked (PEM): a current list of each, or no "
          "certificate is taken",
          .text = &s->tls.client_crl },
        { "--endorsements", "DIR",
          "AMD's certificates and revocation lists, and Intel's collateral, that decide in place "
          "of what evidence brings; with --endorsements-key a bundle of them",
          .text = &s->own.folder },
        { "--endorsements-key", "FILE",
          "the public key that the bundle must be signed by ('cloister endorsements pack')",
          .text = &s->own.bundle_key },
        { "--endorsements-days", "N", "how old the bundle may be; default 14",
          .number = &s->own.bundle_days },
        { "--threads", "N", "event loops; default: one for each processor",
          .number = &s->door.threads },
        { "--connections", "N", "at most so many at once; default 16384",
          .number = &s->door.connections },
        { "--log", "FORM", "how messages are written: text (default), or json, one value a line",
          .text = &s->door.log, .values = "text json" },
        { "--json", NULL, "the same as --log json", .flag = &s->door.as_json },
    };

    add(options, CLO_COUNT(options), out, count);
}

/* Is `given` one of two words? */
static bool check_word(const char *option, const char *given, const char *one, const char *other,
                       struct clo_error *err)
{
    return strcmp(given, one) == 0 || strcmp(given, other) == 0 ||
           clo_fail(err, CLO_ERR_USAGE, "%s: %s is neither %s nor %s", option, given, one, other);
}

static bool check_options(struct serving *s, struct clo_error *err)
{
    struct door_options *door = &s->door;

    if (door->as_json)
        door->log = "json";
    if (s->nonce_seconds == 0 || s->nonce_seconds > 3600)
        return clo_fail(err, CLO_ERR_USAGE, "--nonce-seconds: 1 to 3600");
    if (door->public_url != NULL && strncmp(door->public_url, "https://", 8) != 0)
        return clo_fail(err, CLO_ERR_USAGE, "--public-url: %s does not begin with https://",
                        door->public_url);
    if (s->own.bundle_days == 0 || s->own.bundle_days > CLO_BUNDLE_DAYS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--endorsements-days: 1 to %d", CLO_BUNDLE_DAYS_MAX);
    if (s->tls.client_ca != NULL && s->tls.admin == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--admin-ca is for --admin");
    if (s->tls.client_crl != NULL && s->tls.client_ca == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "--admin-crl is for --admin-ca");
    if (door->threads > CLO_SERVER_THREADS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--threads: at most 256");
    if (door->connections == 0 || door->connections > CLO_SERVER_CONNECTIONS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--connections: 1 to 1000000");
    return check_word("--log", door->log, "text", "json", err) &&
           check_word("--result-names", door->result_names, "ear", "old", err) &&
           check_word("--token-algorithm", door->token_algorithm, "ES256", "ES384", err);
}

static bool run(struct serving *s, struct clo_error *err)
{
    CLO_CLEANUP(clo_store_freep) struct clo_store *store = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;

    s->own.is_json_log = strcmp(s->door.log, "json") == 0;
    if (!cli_open_state(s->tls.state, s->master, s->makes, &store, err))
        return false;
    s->tls.store = store;
    s->tls.is_json_log = s->own.is_json_log;
    if (s->print_key != NULL)
        return open_key(&s->tls, &key, err) && write_public_key(key, s->print_key, err);
    return open_endorsements(&s->own, store, err) &&
           serve(&s->tls, &s->door, (unsigned)s->nonce_seconds, &s->own, err);
}

int cmd_serve(int argc, char **argv)
{
    struct serving s = { .tls = { .address = "127.0.0.1:8443" },
                         .door = { .connections = CLO_SERVER_CONNECTIONS,
                                   .result_names = "ear",
                                   .log = "text",
                                   .token_algorithm = "ES256" },
                         .own = { .bundle_days = CLO_BUNDLE_DAYS },
                         .nonce_seconds = 120 };
    struct cli_option options[OPTIONS_MAX];
    size_t count = 0;
    add_state_options(&s, options, &count);
    add_tls_options(&s.tls, options, &count);
    add_result_options(&s.door, options, &count);
    add_door_options(&s, options, &count);
    fetch_add_options(&s.own.fetch, options, &count);
    const struct cli_usage usage = {
        .command = "serve",
        .arguments = "--state DIR",
        .summary =
                "Runs the verifier and key broker: it gives out nonces, appraises evidence against "
                "the\nterms of the keys that 'cloister key put' registered, and releases a key to "
                "the guest\nthat fulfils them. Each decision is a line on standard output, and in "
                "the audit trail.",
        .options = options,
        .option_count = count,
        .example = "  cloister serve --state broker --init --print-key broker.pem\n"
                   "  cloister serve --state broker --listen 0.0.0.0:8443 --endorsements amd/ "
                   "--fetch\n",
    };
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, NULL, &status))
        return status;
    if (!check_options(&s, &err))
        return cli_usage_error(&usage, "%s", err.text);
    bool ok = run(&s, &err);
    own_endorsements_free(&s.own);
    return ok ? CLI_YES : cli_fail("serve", &err);
}
