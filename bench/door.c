/* door [THREADS [SECONDS [FOLDER]]]: what the broker's door costs. A broker in a process of its own, guests in this one: handshakes and an
 * answer of a few bytes next to nginx with the same key; and whole sessions (auth, attest, resource) next to the signatures that each of
 * them needs. All of them take turns, ROUNDS times; a ratio is of two that ran next to each other, and the median of the rounds is told.
 * Processor time of the server is read from outside, so that a busy machine shows less; times are on the wall, at the end at half of the
 * rate that was reached.
 *
 * door decide COUNT FOLDER: the same decisions without a door, for a profiler.
 * door kept|fresh|auth|mixed SECONDS: only sessions, questions for a nonce, or requests of every kind, in ten turns with the floor; the
 * broker's process is told, for a profiler, and its memory after each turn. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "cloister/encoding.h"
#include "cloister/jose.h"
#include "device/file.h"
#include "lib/crypto/ecdh.h"
#include "net/https.h"
#include "net/kbs.h"
#include "sim/forge.h"
#include "verifier/door/server.h"

#define TABLE   "/nginx.conf"
#define PATH    "default/config/bench"
#define GUESTS  64
#define MANY    32 /* of sessions, which wait for the disk: many share one sync */
#define SAMPLES 16384
#define ROUNDS  5

static const char tee_pubkey[] = "{\"alg\":\"ECDH-ES+A256KW\",\"crv\":\"P-256\",\"kty\":\"EC\","
                                 "\"x\":\"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY\","
                                 "\"y\":\"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU\"}";

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        bench_fail(err);
}

/* --- A platform, and a broker that knows it --- */

struct scene {
    struct sim_forge_keys keys;
    struct sim_forged forged;
    struct clo_buffer table;
    struct clo_private_key *tls_key, *token_key;
    struct clo_public_key *vek_public, *transport; /* for the least that has to be done */
    struct clo_buffer signed_part, signature;
    struct clo_buffer spki;
    char certificate[4200], key_file[4200];
    int64_t now;
    uint16_t port; /* of the server that is asked */
};

static bool fill_random(void *context, void *out, size_t size)
{
    (void)context;
    return getentropy(out, size) == 0;
}

static void make_least(struct scene *s)
{
    struct clo_error err;

    clo_buffer_append(&s->signed_part, clo_bytes(s->forged.report, CLO_SNP_SIGNED_SIZE));
    must(clo_private_key_public(s->keys.vek, &s->vek_public, &err) &&
                 clo_signature_make(s->keys.vek, CLO_ECDSA_RAW, CLO_HASH_SHA384,
                                    clo_buffer_bytes(&s->signed_part), &s->signature, &err) &&
                 clo_private_key_public(s->tls_key, &s->transport, &err),
         &err);
}

static void make_scene(struct scene *s, const char *folder)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    const struct clo_list names = { .count = 0 };
    struct sim_forge forge;
    struct clo_error err;

    s->now = (int64_t)time(NULL);
    must(sim_forge_keys_new(4096, &s->keys, &err), &err);
    sim_forge_good(CLO_SNP_GENOA, 3, false, s->now, &s->keys, &forge);
    must(sim_forge(&forge, &s->keys, &s->forged, &err), &err);
    sim_forge_table(&s->forged, false, &s->table);
    must(clo_private_key_new(CLO_KEY_P256, 0, &s->tls_key, &err) &&
                 clo_private_key_new(CLO_KEY_P256, 0, &s->token_key, &err) &&
                 clo_private_key_public(s->tls_key, &public, &err) &&
                 clo_public_key_spki(public, &s->spki, &err) &&
                 clo_private_key_pem(s->tls_key, &pem, &err),
         &err);
    snprintf(s->certificate, sizeof s->certificate, "%s/tls.crt", folder);
    snprintf(s->key_file, sizeof s->key_file, "%s/tls.key", folder);
    must(clo_tls_certificate_keep(s->certificate, s->tls_key, "127.0.0.1:0", &names, s->now,
                                  &err) &&
                 clo_file_write(s->key_file, clo_secret_bytes(pem), 0600, &err),
         &err);
    make_least(s);
}

static void put(struct clo_store *store, const struct scene *s)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    char root[2 * 32 + 1], measurement[2 * 48 + 1];
    struct clo_error err;

    clo_hex_text(clo_digest_bytes(&s->forged.root), root);
    clo_hex_text(clo_bytes(s->forged.report + 0x90, 48), measurement);
    clo_buffer_printf(&policy,
                      "{\"cloister_policy\":1,\"name\":\"bench\",\"tee\":[\"snp\"],\"roots\":"
                      "[\"%s\"],\"snp\":{\"measurement\":[\"%s\"],\"measurement_covers\":"
                      "[\"kernel\",\"initrd\",\"cmdline\"]}}",
                      root, measurement);
    const struct clo_store_entry entry = { .path = PATH,
                                           .secret = clo_bytes_text("what is released"),
                                           .policy = clo_buffer_bytes(&policy),
                                           .now = s->now,
                                           .is_shared = true,
                                           .any_releases = true,
                                           .second_holder = CLO_SECOND_HOLDER_FLAG };
    must(clo_store_put(store, &entry, &err), &err);
}

static bool open_tls(void *context, struct ssl_ctx_st **out, struct clo_error *err)
{
    const struct scene *s = context;
    const struct clo_tls_identity identity = { s->tls_key, s->certificate };

    return clo_tls_context(&identity, out, err);
}

/* In the child: serves until it is killed. */
_Noreturn static void serve(struct scene *s, const char *folder, unsigned threads, int tell)
{
    const struct clo_random random = { .fill = fill_random };
    struct clo_store *store;
    struct clo_broker *broker;
    struct clo_server *server;
    struct clo_error err;

    must(clo_store_open(folder, &store, &err), &err);
    put(store, s);
    const struct clo_broker_spec spec = { .store = store, .random = random, .nonce_seconds = 120 };
    must(clo_broker_new(&spec, &broker, &err), &err);
    const struct clo_server_spec server_spec = { .broker = broker,
                                                 .random = random,
                                                 .address = "127.0.0.1:0",
                                                 .threads = threads,
                                                 .open_tls = open_tls,
                                                 .context = s };
    must(clo_server_new(&server_spec, &server, &err), &err);
    uint16_t port = clo_server_port(server);
    if (write(tell, &port, sizeof port) != (ssize_t)sizeof port)
        exit(4);
    must(clo_server_run(server, &err), &err);
    exit(0);
}

static pid_t start_broker(struct scene *s, const char *folder, unsigned threads)
{
    int tell[2];
    pid_t child = pipe(tell) == 0 ? fork() : -1;

    if (child == 0)
        serve(s, folder, threads, tell[1]);
    if (child < 0 || read(tell[0], &s->port, sizeof s->port) != (ssize_t)sizeof s->port)
        exit(4);
    return child;
}

/* One process without a master, on the next port; -1: it is not installed. */
static pid_t start_nginx(const struct scene *s, const char *folder, uint16_t port)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    char name[4300];
    struct clo_error err;

    snprintf(name, sizeof name, "%s" TABLE, folder);
    clo_buffer_printf(
            &text,
            "daemon off; master_process off; pid %s/pid; error_log %s/error;\n"
            "events { worker_connections 4096; }\n"
            "http { access_log off; keepalive_requests 10000000; client_body_temp_path %s;\n"
            "proxy_temp_path %s; fastcgi_temp_path %s; uwsgi_temp_path %s; scgi_temp_path %s;\n"
            "server { listen 127.0.0.1:%u ssl backlog=4096; ssl_certificate %s;\n"
            "ssl_certificate_key %s; ssl_protocols TLSv1.3; ssl_session_tickets off;\n"
            "ssl_session_cache off; location / { return 200 '{\"status\":\"ok\"}'; } } }\n",
            folder, folder, folder, folder, folder, folder, folder, port, s->certificate,
            s->key_file);
    must(clo_file_write(name, clo_buffer_bytes(&text), 0600, &err), &err);
    pid_t child = fork();
    if (child == 0) {
        execlp("nginx", "nginx", "-c", name, "-e", "/dev/null", (char *)NULL);
        execl("/usr/sbin/nginx", "nginx", "-c", name, "-e", "/dev/null", (char *)NULL);
        _exit(127);
    }
    usleep(500000);
    return child > 0 && waitpid(child, NULL, WNOHANG) == 0 ? child : -1;
}

/* --- Guests --- */

struct guest {
    pthread_t thread;
    const struct scene *scene;
    uint16_t port;
    bool (*ask)(struct guest *, struct clo_error *);
    bool is_kept; /* one connection for all */
    double until;
    double every; /* seconds from one to the next; 0: as fast as it goes */
    double first; /* when the first one is due */
    pthread_barrier_t *ready, *go;
    struct clo_https_connection *connection;
    struct clo_kbs_client *client;
    size_t count;
    double *spent;
};

static void url_of(const struct guest *g, char out[64])
{
    snprintf(out, 64, "https://127.0.0.1:%u", g->port);
}

static bool ask_health(struct guest *g, struct clo_error *err)
{
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    const struct clo_https_request request = { .method = "GET",
                                               .path = "/healthz",
                                               .timeout_ms = 20000 };
    char url[64];

    url_of(g, url);
    const struct clo_https_peer peer = { url, clo_buffer_bytes(&g->scene->spki) };
    if (g->connection == NULL && !clo_https_open(&peer, &g->connection, err))
        return false;
    bool ok = clo_https_ask(g->connection, &request, &response, err);
    if (!g->is_kept)
        clo_https_closep(&g->connection);
    return ok;
}

static bool make_evidence(const struct scene *s, const json_t *runtime_data, json_t **out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    uint8_t report[CLO_SNP_REPORT_SIZE];
    struct clo_digest digest;

    memcpy(report, s->forged.report, sizeof report);
    if (!clo_json_write(runtime_data, &text, err))
        return false;
    clo_hash(CLO_HASH_SHA512, clo_buffer_bytes(&text), &digest);
    memcpy(report + 0x50, digest.bytes, 64);
    if (!clo_signature_make(s->keys.vek, CLO_ECDSA_RAW, CLO_HASH_SHA384,
                            clo_bytes(report, CLO_SNP_SIGNED_SIZE), &signature, err))
        return false;
    for (size_t i = 0; i < 48; i++) {
        report[CLO_SNP_SIGNED_SIZE + i] = signature.data[47 - i];
        report[CLO_SNP_SIGNED_SIZE + 72 + i] = signature.data[95 - i];
    }
    if (!clo_evidence_new(&evidence, err) ||
        !clo_evidence_add(evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(&text), err) ||
        !clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT, clo_bytes(report, sizeof report),
                          err) ||
        !clo_evidence_add(evidence, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&s->table),
                          err))
        return false;
    *out = clo_evidence_json(evidence);
    return *out != NULL;
}

/* What a boot asks for. */
static bool ask_session(struct guest *g, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer nonce = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer resource = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *evidence = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    char url[64];

    url_of(g, url);
    if (g->client == NULL &&
        !clo_kbs_new(url, clo_buffer_bytes(&g->scene->spki), 20000, &g->client, err))
        return false;
    if (!clo_kbs_auth(g->client, "snp", &nonce, err))
        return false;
    CLO_CLEANUP(clo_json_freep)
    json_t *runtime_data = json_pack("{s:s, s:o}", "nonce", clo_buffer_string(&nonce), "tee-pubkey",
                                     json_loads(tee_pubkey, 0, NULL));
    bool ok = make_evidence(g->scene, runtime_data, &evidence, err) &&
              clo_kbs_attest(g->client, runtime_data, evidence, &token, &resource, err) &&
              clo_kbs_resource(g->client, PATH, &jwe, err);
    if (!g->is_kept)
        clo_kbs_freep(&g->client);
    return ok;
}

/* The cheapest request that a guest makes. */
static bool ask_auth(struct guest *g, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer nonce = { 0 };
    char url[64];

    url_of(g, url);
    return (g->client != NULL ||
            clo_kbs_new(url, clo_buffer_bytes(&g->scene->spki), 20000, &g->client, err)) &&
           clo_kbs_auth(g->client, "snp", &nonce, err);
}

/* What proves nothing, and is refused: no route leads there. */
static bool ask_junk(struct guest *g, struct clo_error *err)
{
    CLO_CLEANUP(clo_https_response_free) struct clo_https_response response = { 0 };
    const struct clo_https_request request = { .method = "GET",
                                               .path = "/kbs/v0/nothing/of/that/name",
                                               .timeout_ms = 20000 };
    struct clo_error refused;

    (void)err;
    return !clo_https_ask(g->connection, &request, &response, &refused) || response.status != 200;
}

/* Of a thousand: a whole session, a piece of junk (what an address may send of it goes with time), 98 questions for a nonce, the rest
 * for health. */
static bool ask_mixed(struct guest *g, struct clo_error *err)
{
    size_t turn = g->count % 1000;

    if (turn == 999 && g->connection != NULL)
        return ask_junk(g, err);
    if (turn == 499)
        return ask_session(g, err);
    return turn % 10 == 0 ? ask_auth(g, err) : ask_health(g, err);
}

static void wait_until(double due)
{
    double left = due - bench_now();

    if (left > 0)
        usleep((useconds_t)(left * 1e6));
}

/* What is due counts from then, whether or not the last one is done. */
static void *run_guest(void *context)
{
    struct guest *g = context;
    struct clo_error err;

    if (g->is_kept) /* the handshake is not counted */
        must(g->ask(g, &err), &err);
    pthread_barrier_wait(g->ready);
    pthread_barrier_wait(g->go);
    double due = g->first;
    while (bench_now() < g->until && g->count < SAMPLES) {
        if (g->every > 0)
            wait_until(due);
        double start = g->every > 0 ? due : bench_now();
        due += g->every;
        must(g->ask(g, &err), &err);
        g->spent[g->count++] = (bench_now() - start) * 1e3;
    }
    clo_https_closep(&g->connection);
    clo_kbs_freep(&g->client);
    return NULL;
}

/* --- Rows --- */

static double processor_time(pid_t process)
{
    clockid_t clock;

    return clock_getcpuclockid(process, &clock) == 0 ? bench_seconds(clock) : 0;
}

/* What one kind of asking came to, over all rounds. */
struct row {
    const char *name;
    struct bench_series each; /* microseconds of the server's processor time for one */
    struct bench_series rate, p50, p99;
};

/* They begin at once, and what they did before is not counted. */
static void start_all(const struct guest *kind, struct guest *all, unsigned guests, double seconds,
                      pid_t server, double *before)
{
    for (unsigned i = 0; i < guests; i++) {
        all[i] = *kind;
        all[i].spent = calloc(SAMPLES, sizeof *all[i].spent);
        if (all[i].spent == NULL || pthread_create(&all[i].thread, NULL, run_guest, &all[i]) != 0)
            exit(4);
    }
    pthread_barrier_wait(kind->ready);
    *before = processor_time(server);
    double start = bench_now();
    for (unsigned i = 0; i < guests; i++) {
        all[i].until = start + seconds;
        all[i].first = start + kind->every * i / guests;
    }
    pthread_barrier_wait(kind->go);
}

static void end_all(struct guest *all, unsigned guests, double *spent, size_t *count)
{
    *count = 0;
    for (unsigned i = 0; i < guests; i++) {
        pthread_join(all[i].thread, NULL);
        memcpy(spent + *count, all[i].spent, all[i].count * sizeof *spent);
        *count += all[i].count;
        free(all[i].spent);
    }
}

/* How many there were. */
static size_t measure(struct row *row, const struct guest *kind, pid_t server, unsigned guests,
                      double seconds)
{
    pthread_barrier_t ready, go;
    struct guest all[GUESTS], one = *kind;
    double *spent = calloc((size_t)GUESTS * SAMPLES, sizeof *spent);
    double before;
    size_t count;

    if (spent == NULL || pthread_barrier_init(&ready, NULL, guests + 1) != 0 ||
        pthread_barrier_init(&go, NULL, guests + 1) != 0)
        exit(4);
    one.ready = &ready;
    one.go = &go;
    start_all(&one, all, guests, seconds, server, &before);
    double start = bench_now();
    end_all(all, guests, spent, &count);
    if (count == 0)
        exit(4);
    bench_add(&row->each, (processor_time(server) - before) / (double)count * 1e6);
    bench_add(&row->rate, (double)count / (bench_now() - start));
    qsort(spent, count, sizeof *spent, bench_by_value);
    bench_add(&row->p50, spent[count / 2]);
    bench_add(&row->p99, spent[count * 99 / 100]);
    free(spent);
    pthread_barrier_destroy(&ready);
    pthread_barrier_destroy(&go);
    return count;
}

static double median(const struct bench_series *series)
{
    struct bench_series sorted = *series;

    qsort(sorted.values, sorted.count, sizeof sorted.values[0], bench_by_value);
    return sorted.count == 0 ? 0 : sorted.values[sorted.count / 2];
}

static void print_row(const struct row *row)
{
    if (row->each.count > 0)
        printf("%-44s %9.0f %9.1f %9.2f %9.2f\n", row->name, median(&row->each), median(&row->rate),
               median(&row->p50), median(&row->p99));
}

/* The floor of one session: the report with its chain from their bytes, and the signature of a result. Seconds of processor time. */
static double sign_and_verify(const struct scene *s)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *leaf = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *ask = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *ark = NULL;
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    const struct clo_snp_trust trust = { .at = s->now, .roots = &s->forged.root, .root_count = 1 };
    struct clo_snp_report report;
    struct clo_snp_verified verified;
    struct clo_error err;
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);

    must(clo_snp_parse(clo_bytes(s->forged.report, sizeof s->forged.report), &report, &err) &&
                 clo_certificate_parse(clo_buffer_bytes(&s->forged.leaf), &leaf, &err) &&
                 clo_certificate_parse(clo_buffer_bytes(&s->forged.ask), &ask, &err) &&
                 clo_certificate_parse(clo_buffer_bytes(&s->forged.ark), &ark, &err),
         &err);
    const struct clo_snp_chain chain = { leaf, ask, ark };
    must(clo_snp_verify(&report, &chain, &trust, &checks, &verified, &err) &&
                 clo_signature_make(s->token_key, CLO_ECDSA_RAW, CLO_HASH_SHA256,
                                    clo_bytes(s->forged.report, 512), &signature, &err),
         &err);
    return bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
}

/* What a verifier cannot leave out that has seen the chain before: the report's signature, the result's, and the exchange by which the secret
 * is sealed. Seconds of processor time. */
static double least(const struct scene *s)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_ecdh_sent sent;
    struct clo_error err;
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);

    must(clo_signature_verify(s->vek_public, CLO_ECDSA_RAW, CLO_HASH_SHA384,
                              clo_buffer_bytes(&s->signed_part), clo_buffer_bytes(&s->signature),
                              &err) &&
                 clo_signature_make(s->token_key, CLO_ECDSA_RAW, CLO_HASH_SHA256,
                                    clo_bytes(s->forged.report, 512), &signature, &err) &&
                 clo_ecdh_send(s->transport, &sent, &err),
         &err);
    return bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
}

/* --- Without a door --- */

static double answering; /* seconds of processor time within clo_broker_answer() */

static void ask_broker(struct clo_broker *broker, const char *method, const char *path,
                       const char *cookie, const json_t *body, struct clo_broker_answer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    if (body != NULL)
        must(clo_json_write(body, &text, &err), &err);
    const struct clo_broker_request request = { .method = method,
                                                .path = path,
                                                .cookie = cookie,
                                                .peer = "127.0.0.1",
                                                .body = clo_buffer_bytes(&text),
                                                .time = (int64_t)time(NULL),
                                                .clock = 1000 };
    clo_broker_answer_free(out);
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    clo_broker_answer(broker, &request, out);
    answering += bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    if (out->status != 200) {
        fprintf(stderr, "%s: %u\n", path, out->status);
        exit(4);
    }
}

static void decide(struct clo_broker *broker, const struct scene *s)
{
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    CLO_CLEANUP(clo_json_freep)
    json_t *auth =
            json_pack("{s:s, s:s, s:{}}", "version", CLO_KBS_VERSION, "tee", "snp", "extra-params");
    CLO_CLEANUP(clo_json_freep) json_t *challenge = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *evidence = NULL;
    char cookie[sizeof answer.cookie];
    struct clo_error err;

    ask_broker(broker, "POST", "/kbs/v0/auth", NULL, auth, &answer);
    memcpy(cookie, answer.cookie, sizeof cookie);
    must(clo_json_parse(clo_buffer_bytes(&answer.body), &challenge, &err), &err);
    CLO_CLEANUP(clo_json_freep)
    json_t *runtime_data = json_pack("{s:O, s:o}", "nonce", json_object_get(challenge, "nonce"),
                                     "tee-pubkey", json_loads(tee_pubkey, 0, NULL));
    must(make_evidence(s, runtime_data, &evidence, &err), &err);
    CLO_CLEANUP(clo_json_freep)
    json_t *body = json_pack("{s:O, s:{s:O, s:s}}", "runtime-data", runtime_data, "tee-evidence",
                             "primary_evidence", evidence, "additional_evidence", "");
    ask_broker(broker, "POST", "/kbs/v0/attest", cookie, body, &answer);
    ask_broker(broker, "GET", "/kbs/v0/resource/" PATH, cookie, NULL, &answer);
}

/* decide COUNT FOLDER: for a profiler, which is to look at clo_broker_answer() alone. */
static int decide_many(int count, const char *folder)
{
    const struct clo_random random = { .fill = fill_random };
    struct scene s = { .port = 0 };
    struct clo_store *store;
    struct clo_broker *broker;
    struct clo_error err;

    make_scene(&s, folder);
    must(clo_store_open(folder, &store, &err), &err);
    put(store, &s);
    const struct clo_broker_spec spec = { .store = store, .random = random, .nonce_seconds = 120 };
    must(clo_broker_new(&spec, &broker, &err), &err);
    double floor = 0;
    for (int i = 0; i < count; i++) {
        decide(broker, &s);
        floor += sign_and_verify(&s);
    }
    printf("%d decisions, %.0f us of processor time each; the floor %.0f us: %.2f of its rate\n",
           count, answering / count * 1e6, floor / count * 1e6, floor / answering);
    clo_broker_free(broker);
    clo_store_free(store);
    return 0;
}

/* All that is measured, in the order in which it takes turns. */
struct rows {
    struct row floor, least, shake, nginx_shake, kept_health, nginx_kept, kept, fresh;
    struct row half_kept, half_fresh;
    struct bench_series of_floor, of_both, of_nginx, of_least;
};

static void run_round(struct rows *rows, const struct scene *s, const struct guest *ours,
                      const struct guest *theirs, const pid_t pids[2], double seconds)
{
    struct guest guest = *ours, other = *theirs;
    double floor = 0;
    const int signs = 100;

    guest.ask = other.ask = ask_health;
    guest.is_kept = other.is_kept = false;
    measure(&rows->shake, &guest, pids[0], 4, seconds);
    if (pids[1] > 0)
        measure(&rows->nginx_shake, &other, pids[1], 4, seconds);
    guest.is_kept = other.is_kept = true;
    measure(&rows->kept_health, &guest, pids[0], 4, seconds);
    if (pids[1] > 0)
        measure(&rows->nginx_kept, &other, pids[1], 4, seconds);
    guest.ask = ask_session;
    measure(&rows->kept, &guest, pids[0], MANY, seconds);
    double lowest = 0;
    for (int i = 0; i < signs; i++) {
        floor += sign_and_verify(s) / signs * 1e6;
        lowest += least(s) / signs * 1e6;
    }
    bench_add(&rows->floor.each, floor);
    bench_add(&rows->least.each, lowest);
    guest.is_kept = false;
    measure(&rows->fresh, &guest, pids[0], MANY, seconds);
    size_t last = rows->floor.each.count - 1;
    bench_add(&rows->of_floor, floor / rows->kept.each.values[last]);
    bench_add(&rows->of_least, lowest / rows->kept.each.values[last]);
    if (pids[1] <= 0)
        return;
    bench_add(&rows->of_both,
              (floor + rows->nginx_shake.each.values[last]) / rows->fresh.each.values[last]);
    bench_add(&rows->of_nginx, rows->nginx_shake.each.values[last] / rows->shake.each.values[last]);
}

/* Latencies, at half of the rate that was reached. */
static void run_half(struct rows *rows, const struct guest *ours, pid_t broker, double seconds)
{
    struct guest guest = *ours;

    guest.ask = ask_session;
    guest.is_kept = true;
    guest.every = GUESTS / (median(&rows->kept.rate) / 2);
    measure(&rows->half_kept, &guest, broker, GUESTS, 4 * seconds);
    guest.is_kept = false;
    guest.every = GUESTS / (median(&rows->fresh.rate) / 2);
    measure(&rows->half_fresh, &guest, broker, GUESTS, 4 * seconds);
}

static void print_rows(const struct rows *rows, unsigned threads)
{
    printf("The door, %u thread%s, medians of %d rounds\n%-44s %9s %9s %9s %9s\n", threads,
           threads == 1 ? "" : "s", ROUNDS, "", "us each", "a second", "p50 ms", "p99 ms");
    printf("%-44s %9.0f\n", rows->floor.name, median(&rows->floor.each));
    printf("%-44s %9.0f\n", rows->least.name, median(&rows->least.each));
    print_row(&rows->shake);
    print_row(&rows->nginx_shake);
    print_row(&rows->kept_health);
    print_row(&rows->nginx_kept);
    print_row(&rows->kept);
    print_row(&rows->half_kept);
    print_row(&rows->fresh);
    print_row(&rows->half_fresh);
    printf("kept: %.2f of the floor's rate, %.2f of the least's", median(&rows->of_floor),
           median(&rows->of_least));
    if (rows->of_nginx.count > 0)
        printf("; fresh: %.2f of floor and nginx's handshake; handshakes: %.2f of nginx's",
               median(&rows->of_both), median(&rows->of_nginx));
    printf("\n");
}

/* Of the broker, in kB. */
static unsigned long memory_of(pid_t process)
{
    char name[64], line[256];
    unsigned long size = 0;

    snprintf(name, sizeof name, "/proc/%d/status", (int)process);
    FILE *file = fopen(name, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            size = strtoul(line + 6, NULL, 10);
    if (file != NULL)
        fclose(file);
    return size;
}

/* Turns of one kind of asking alone, each next to the floor. */
static void run_turns(const struct guest *kind, double seconds, pid_t broker)
{
    const struct scene *s = kind->scene;
    const struct guest guest = *kind;
    struct row floor = { .name = "" }, lowest = { .name = "" }, row = { .name = "" };
    size_t asked = 0;

    printf("broker: process %d\n", (int)broker);
    for (int i = 0; i < 10; i++) {
        double sum = 0, least_sum = 0;
        for (int k = 0; k < 50; k++) {
            sum += sign_and_verify(s) / 50 * 1e6;
            least_sum += least(s) / 50 * 1e6;
        }
        bench_add(&floor.each, sum);
        bench_add(&lowest.each, least_sum);
        asked += measure(&row, &guest, broker, GUESTS, seconds / 10);
        printf("%zu times, %lu kB\n", asked, memory_of(broker));
    }
    printf("each %.0f us; floor %.0f us, %.3f of its rate; with a chain that is known %.0f us, "
           "%.3f; "
           "%.1f a second\n",
           median(&row.each), median(&floor.each), median(&floor.each) / median(&row.each),
           median(&lowest.each), median(&lowest.each) / median(&row.each), median(&row.rate));
}

static int turns_only(const char *what, double seconds)
{
    char folder[] = "/tmp/bench-door-XXXXXX", state[64], command[64];
    struct scene s = { .port = 0 };

    if (mkdtemp(folder) == NULL)
        return 4;
    setlinebuf(stdout);
    signal(SIGPIPE, SIG_IGN);
    snprintf(state, sizeof state, "%s/state", folder);
    make_scene(&s, folder);
    pid_t broker = start_broker(&s, state, 1);
    const struct guest guest = { .scene = &s,
                                 .port = s.port,
                                 .ask = strcmp(what, "auth") == 0    ? ask_auth
                                        : strcmp(what, "mixed") == 0 ? ask_mixed
                                                                     : ask_session,
                                 .is_kept = strcmp(what, "fresh") != 0 };
    run_turns(&guest, seconds, broker);
    kill(broker, SIGKILL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? 0 : 4;
}

int main(int argc, char **argv)
{
    if (argc == 3 && (strcmp(argv[1], "kept") == 0 || strcmp(argv[1], "fresh") == 0 ||
                      strcmp(argv[1], "auth") == 0 || strcmp(argv[1], "mixed") == 0))
        return turns_only(argv[1], atof(argv[2]));
    if (argc == 4 && strcmp(argv[1], "decide") == 0)
        return decide_many(atoi(argv[2]), argv[3]);

    unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    double seconds = argc > 2 ? atof(argv[2]) : 1;
    char folder[4096], state[4200], command[4300];
    struct scene s = { .port = 0 };
    struct rows rows = {
        .floor.name = "signatures of a session: the floor",
        .least.name = "  its chain known, and the exchange",
        .shake.name = "healthz, a handshake each",
        .nginx_shake.name = "  nginx, the same",
        .kept_health.name = "healthz, kept connections",
        .nginx_kept.name = "  nginx, the same",
        .kept.name = "session, kept connections",
        .half_kept.name = "  at half of that rate",
        .fresh.name = "session, a handshake each",
        .half_fresh.name = "  at half of that rate",
    };

    setlinebuf(stdout);
    snprintf(folder, sizeof folder, "%.4000s/bench-door-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    if (mkdtemp(folder) == NULL)
        return 4;
    signal(SIGPIPE, SIG_IGN);
    snprintf(state, sizeof state, "%s/state", folder);
    make_scene(&s, folder);
    pid_t broker = start_broker(&s, state, threads);
    struct guest guest = { .scene = &s, .port = s.port };
    struct guest other = { .scene = &s, .port = (uint16_t)(s.port == 65535 ? 1024 : s.port + 1) };
    const pid_t pids[2] = { broker, start_nginx(&s, folder, other.port) };

    for (int i = 0; i < ROUNDS; i++)
        run_round(&rows, &s, &guest, &other, pids, seconds);
    run_half(&rows, &guest, broker, seconds);
    print_rows(&rows, threads);
    kill(broker, SIGKILL);
    if (pids[1] > 0)
        kill(pids[1], SIGKILL);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? 0 : 4;
}
