/* The broker with terms registered, good evidence and an operator who changes his mind. An input is a list of steps of three clients and
 * the operator. Whatever their order: a resource is given only in a session whose own evidence was affirmed, for the terms that the
 * resource has now, by the name that the evidence binds. */
#include "verifier/kbs/broker.h"

#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "scene.h"

#define CLIENTS         3
#define RESOURCES       3
#define STEPS_MAX       24
#define TOKEN_SECONDS   300
#define SESSION_SECONDS 60
#define PREFIX          "/kbs/v0/resource/"

const unsigned fuzz_mutations = 12; /* each signs and verifies a few times */

static const char *const paths[RESOURCES] = { "default/disk/demo", "default/disk/other",
                                              "other/disk/demo" };

/* Terms: two that the evidence fulfils, which differ in their name alone, and one that it does not. */
enum terms {
    TERMS_NONE, /* nothing is registered under the path */
    TERMS_MINE,
    TERMS_YOURS,
    TERMS_STRICT,
    TERMS,
};

struct resource {
    enum terms terms;
    unsigned secret; /* a number, part of the secret */
    bool is_shared;
};

struct client {
    bool has_begun;
    int64_t token_ends;
    int64_t ends;
    char cookie[CLO_SESSION_COOKIE];
    char nonce[64];
    char *token;
    bool is_affirmed;
    bool fulfils[TERMS]; /* of those that were registered then */
    const char *resource;
};

struct run {
    struct clo_scratch scratch;
    struct clo_store *store;
    struct clo_broker *broker;
    int64_t clock;
    unsigned secrets; /* how many were put */
    struct resource resources[RESOURCES];
    struct client clients[CLIENTS];
};

static struct scene scene;
static struct clo_buffer policies[TERMS], reference_text;
static struct clo_evidence *pattern; /* good evidence, but for what depends on the nonce */

static bool fill_random(void *context, void *out, size_t size)
{
    uint64_t *state = context;
    uint8_t *bytes = out;

    for (size_t i = 0; i < size; i++) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        bytes[i] = (uint8_t)*state;
    }
    return true;
}

/* --- Once --- */

static void make_policy(enum terms terms, struct clo_bytes root, struct clo_buffer *out)
{
    char measurement[2 * 48 + 1];
    struct clo_error err;

    clo_hex_text(clo_bytes(scene.maker.report + 0x90, 48), measurement);
    if (terms == TERMS_STRICT)
        measurement[0] = measurement[0] == '0' ? '1' : '0';
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:i, s:s, s:[s], s:[s#], s:[i,i,i,i], s:{s:[s]}}", "cloister_policy",
                             1, "name", terms == TERMS_YOURS ? "yours" : "mine", "tee", "snp",
                             "roots", (const char *)root.data, (int)root.size, "pcrs", 0, 4, 11, 12,
                             "snp", "measurement", measurement);
    MUST(json != NULL && clo_json_write(json, out, &err));
}

static void load(void)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer root = { 0 };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_error err;

    if (pattern != NULL)
        return;
    scene_init(&scene);
    scene_reset(&scene);
    reference = make_reference();
    MUST(clo_reference_write(reference, &reference_text, &err));
    MUST(clo_evidence_new(&pattern, &err));
    make_evidence(&scene, pattern, &certificates);
    MUST(clo_pem_write("CERTIFICATE", clo_certificate_der(certificates.items[2]), &root, &err));
    for (int i = TERMS_MINE; i < TERMS; i++)
        make_policy((enum terms)i, clo_buffer_bytes(&root), &policies[i]);
}

/* --- The operator --- */

static void write_secret(unsigned number, char out[32])
{
    snprintf(out, 32, "secret number %u", number);
}

static void put(struct run *run, size_t at, enum terms terms, bool is_shared)
{
    char secret[32];
    struct clo_error err;

    if (terms == TERMS_NONE) {
        if (run->resources[at].terms != TERMS_NONE)
            MUST(clo_store_remove(run->store, paths[at], &err));
        run->resources[at] = (struct resource){ 0 };
        return;
    }
    write_secret(++run->secrets, secret);
    const struct clo_bytes references[] = { clo_buffer_bytes(&reference_text) };
    const struct clo_store_entry entry = { .path = paths[at],
                                           .secret = clo_bytes_text(secret),
                                           .policy = clo_buffer_bytes(&policies[terms]),
                                           .references = references,
                                           .reference_count = 1,
                                           .is_shared = is_shared,
                                           .any_releases = true,
                                           .second_holder = CLO_SECOND_HOLDER_FLAG,
                                           .now = SNP_MAKER_NOW };
    MUST(clo_store_put(run->store, &entry, &err));
    run->resources[at] = (struct resource){ terms, run->secrets, is_shared };
}

/* --- Clients --- */

static unsigned ask(struct run *run, const char *method, const char *path, const char *cookie,
                    const char *token, struct clo_bytes body, json_t **json, char *new_cookie)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer authorization = { 0 };
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    struct clo_error ignored;

    if (token != NULL)
        clo_buffer_printf(&authorization, "Bearer %s", token);
    const struct clo_broker_request request = {
        .method = method,
        .path = path,
        .cookie = cookie[0] == '\0' ? NULL : cookie,
        .authorization = token == NULL ? NULL : clo_buffer_string(&authorization),
        .body = body,
        .time = SNP_MAKER_NOW,
        .clock = run->clock,
    };
    clo_broker_answer(run->broker, &request, &answer);
    if (!clo_json_parse(clo_buffer_bytes(&answer.body), json, &ignored))
        *json = NULL;
    if (new_cookie != NULL)
        memcpy(new_cookie, answer.cookie, sizeof answer.cookie);
    return answer.status;
}

static void forget(struct client *client)
{
    free(client->token);
    *client = (struct client){ 0 };
}

static void begin(struct run *run, struct client *client)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *nonce;
    struct clo_error err;

    forget(client);
    unsigned status = ask(
            run, "POST", "/kbs/v0/auth", "", NULL,
            clo_bytes_text("{\"version\":\"0.1.1\",\"tee\":\"az-snp-vtpm\",\"extra-params\":{}}"),
            &json, client->cookie);
    if (status != 200) { /* who sent junk before has to wait */
        client->cookie[0] = '\0';
        return;
    }
    MUST(clo_json_get_string(json, "nonce", &nonce, &err));
    snprintf(client->nonce, sizeof client->nonce, "%s", nonce);
    client->has_begun = true;
    client->ends = run->clock + SESSION_SECONDS;
}

/* What is wrong with the evidence; 0: nothing. */
enum fault {
    FAULT_NONE,
    FAULT_CMDLINE,
    FAULT_INJECTED,
    FAULT_OTHER_AK,
    FAULT_PCR_VALUE,
    FAULT_RUNTIME_DATA, /* not what was quoted */
    FAULTS,
};

static void sign_quote(const struct scene *from, struct clo_bytes quote, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bare = { 0 };
    struct clo_error err;

    MUST(clo_signature_make(from->sign_with_other_ak ? from->other_ak : from->ak, CLO_RSASSA_PKCS1,
                            CLO_HASH_SHA256, quote, &bare, &err));
    clo_buffer_be16(out, 0x0014);
    clo_buffer_be16(out, 0x000b);
    clo_buffer_be16(out, (uint16_t)bare.size);
    clo_buffer_append(out, clo_buffer_bytes(&bare));
}

/* The scene's evidence over this nonce; report and certificates are those of the pattern. */
static void make_bundle(const char *nonce, const char *resource, enum fault fault,
                        struct clo_evidence *out, struct clo_buffer *runtime)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer log = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pcrs = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer quote = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_pcr_bank bank;
    struct scene from = scene;
    struct clo_error err;

    from.resource = resource;
    from.cmdline = fault == FAULT_CMDLINE ? "init=/bin/sh" : from.cmdline;
    from.injected = fault == FAULT_INJECTED ? "init=/bin/sh" : NULL;
    from.sign_with_other_ak = fault == FAULT_OTHER_AK;
    from.wrong_pcr_value = fault == FAULT_PCR_VALUE;
    measure(&from, &bank, &log);
    write_runtime_data(&from, fault == FAULT_RUNTIME_DATA ? NONCE : nonce, runtime);
    write_quote(&from, &bank, clo_buffer_bytes(runtime), &quote);
    sign_quote(&from, clo_buffer_bytes(&quote), &signature);
    write_pcrs(&from, &bank, &pcrs);
    if (fault == FAULT_RUNTIME_DATA) {
        runtime->size = 0;
        write_runtime_data(&from, nonce, runtime);
    }
    MUST(clo_evidence_add(out, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(runtime), &err) &&
         clo_evidence_add(out, CLO_EVIDENCE_HCL_REPORT,
                          clo_evidence_get(pattern, CLO_EVIDENCE_HCL_REPORT), &err) &&
         clo_evidence_add(out, CLO_EVIDENCE_SNP_CERTIFICATES,
                          clo_evidence_get(pattern, CLO_EVIDENCE_SNP_CERTIFICATES), &err) &&
         clo_evidence_add(out, CLO_EVIDENCE_TPM_QUOTE, clo_buffer_bytes(&quote), &err) &&
         clo_evidence_add(out, CLO_EVIDENCE_TPM_SIGNATURE, clo_buffer_bytes(&signature), &err) &&
         clo_evidence_add(out, CLO_EVIDENCE_TPM_PCRS, clo_buffer_bytes(&pcrs), &err) &&
         clo_evidence_add(out, CLO_EVIDENCE_EVENTLOG, clo_buffer_bytes(&log), &err));
}

/* Evidence over the nonce of client `of`, sent in the session of `client`. */
static void attest(struct run *run, struct client *client, const struct client *of, size_t named,
                   enum fault fault)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer runtime = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *runtime_data = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    const char *resource = named < RESOURCES ? paths[named] : NULL;
    bool was_affirmed = client->is_affirmed;
    const char *token;
    struct clo_error err;

    MUST(clo_evidence_new(&evidence, &err));
    make_bundle(of->nonce, resource, fault, evidence, &runtime);
    MUST(clo_json_parse(clo_buffer_bytes(&runtime), &runtime_data, &err));
    CLO_CLEANUP(clo_json_freep)
    json_t *message =
            json_pack("{s:O, s:{s:o, s:s}}", "runtime-data", runtime_data, "tee-evidence",
                      "primary_evidence", clo_evidence_json(evidence), "additional_evidence", "");
    MUST(clo_json_write(message, &body, &err));
    unsigned status = ask(run, "POST", "/kbs/v0/attest", client->cookie, NULL,
                          clo_buffer_bytes(&body), &json, NULL);
    if (status != 200)
        return;
    /* For a nonce of its own, once, in time, and with terms that it fulfils. */
    MUST(fault == FAULT_NONE && client->has_begun);
    MUST(strcmp(of->nonce, client->nonce) == 0 && run->clock < client->ends);
    MUST(clo_json_get_string(json, "token", &token, &err));
    if (was_affirmed) { /* the very same request: the same answer */
        MUST(strcmp(token, client->token) == 0);
        return;
    }
    client->token_ends = run->clock + TOKEN_SECONDS;
    client->is_affirmed = true;
    client->resource = resource;
    client->token = strdup(token);
    for (size_t i = 0; i < RESOURCES; i++)
        client->fulfils[run->resources[i].terms] = true;
    MUST(client->fulfils[TERMS_MINE] || client->fulfils[TERMS_YOURS]);
}

/* Who asks: whose token it is, as long as it lasts, and no other one's cookie next to it; without one, whose cookie. */
static const struct client *asking(const struct run *run, const struct client *client,
                                   const struct client *token_of)
{
    bool has_session = client->has_begun && run->clock < client->ends;

    if (token_of == NULL) {
        MUST(client->is_affirmed && has_session);
        return client;
    }
    MUST(token_of->is_affirmed && run->clock < token_of->token_ends);
    MUST(token_of == client || !has_session);
    return token_of;
}

static void get(struct run *run, const struct client *client, const struct client *token_of,
                size_t at)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *opened = NULL;
    const struct resource *resource = &run->resources[at];
    const char *token = token_of == NULL ? NULL : token_of->token == NULL ? "x" : token_of->token;
    char path[128];
    char secret[32];
    struct clo_error err;

    snprintf(path, sizeof path, PREFIX "%s", paths[at]);
    unsigned status = ask(run, "GET", path, client->cookie, token, clo_bytes(NULL, 0), &json, NULL);
    if (status != 200)
        return;
    client = asking(run, client, token_of);
    MUST(resource->terms == TERMS_MINE || resource->terms == TERMS_YOURS);
    MUST(client->fulfils[resource->terms]);
    MUST(resource->is_shared ||
         (client->resource != NULL && strcmp(client->resource, paths[at]) == 0));
    /* And it is the secret that is registered now. */
    write_secret(resource->secret, secret);
    MUST(clo_jwe_open(json, scene.transport, &opened, &err));
    MUST(clo_bytes_equal(clo_secret_bytes(opened), clo_bytes_text(secret)));
}

/* --- Steps --- */

static bool step(struct run *run, struct clo_reader *r)
{
    uint8_t kind = clo_read_u8(r);
    uint8_t who = clo_read_u8(r);
    uint8_t what = clo_read_u8(r);
    struct client *client = &run->clients[who % CLIENTS];
    struct client *other = &run->clients[who / CLIENTS % CLIENTS];

    if (!clo_reader_ok(r))
        return false;
    switch (kind % 7) {
    case 0:
        begin(run, client);
        break;
    case 1: /* one's own nonce, and nothing wrong */
        attest(run, client, client, what % (RESOURCES + 1), FAULT_NONE);
        break;
    case 2:
        attest(run, client, other, what % (RESOURCES + 1),
               (enum fault)(what / (RESOURCES + 1) % FAULTS));
        break;
    case 3:
        get(run, client, client, what % RESOURCES);
        break;
    case 4:
        get(run, client, what / RESOURCES % 2 == 0 ? NULL : other, what % RESOURCES);
        break;
    case 5:
        put(run, what % RESOURCES, (enum terms)(what / RESOURCES % TERMS), who % 2 == 1);
        break;
    default:
        run->clock += what;
        break;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_reader r = clo_reader(clo_bytes(data, size));
    struct run run = { .clock = 1000 };
    uint64_t random = 88172645463325252u;
    char folder[4200];
    struct clo_error err;

    load();
    MUST(clo_scratch_new(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL, &run.scratch, &err));
    snprintf(folder, sizeof folder, "%s/state", run.scratch.path);
    MUST(clo_store_open(folder, &run.store, &err));
    const struct clo_broker_spec spec = { .store = run.store,
                                          .random = { .fill = fill_random, .context = &random },
                                          .nonce_seconds = SESSION_SECONDS };
    MUST(clo_broker_new(&spec, &run.broker, &err));
    for (size_t i = 0; i < STEPS_MAX && step(&run, &r); i++)
        ;
    for (size_t i = 0; i < CLIENTS; i++)
        forget(&run.clients[i]);
    clo_broker_free(run.broker);
    clo_store_free(run.store);
    clo_scratch_free(&run.scratch);
    return 0;
}
