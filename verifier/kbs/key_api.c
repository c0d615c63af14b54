/* POST /cloister/v0/key/…: what `cloister key --broker` asks for, for those whom the owner has named (verifier/kbs/admin.h):
 *
 *   list                               what is registered
 *   put/R/T/N, terms/R/T/N             a secret with its terms; other terms for it
 *   put-older/R/T/N, terms-older/R/T/N the same, also with older versions than were accepted before
 *   revoke/R/T/N, revoke-machine/HEX   nothing more under a path or to a machine
 *   allow/R/T/N, allow-machine/HEX     again
 *   lease/R/T/N                        who holds it
 *   give-up/R/T/N                      nobody does any more
 *   remove/R/T/N
 *
 * The path says what is asked for and of which resource, so that a role can be confined to some of each: what the body says
 * makes no other request of it. */
#include "broker_internal.h"

#include <stdio.h>
#include <string.h>

#include "verifier/kbs/admin.h"
#include "verifier/kbs/key_request.h"

/* What is asked for: `name` is the path or the machine that follows the word. */
struct asked {
    const struct clo_broker_request *request;
    const char *name;
    const char *verdict;                /* of the row; NULL: nothing was changed */
    char why[CLO_STORE_REASON_MAX + 1]; /* older versions were accepted; "": they were not */
};

typedef bool parse_fn(struct clo_bytes body, struct clo_key_request *out, struct clo_error *err);

static void note_reason(struct asked *asked, const struct clo_key_request *request)
{
    if (request->why_older != NULL)
        snprintf(asked->why, sizeof asked->why, "%s", request->why_older);
}

static bool put_by(parse_fn *parse, struct clo_store *store, struct asked *asked, json_t **out,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_key_request_free) struct clo_key_request put = { 0 };
    bool is_revoked;

    if (!parse(asked->request->body, &put, err))
        return false;
    note_reason(asked, &put);
    put.entry.path = asked->name;
    put.entry.now = asked->request->time;
    if (!clo_store_put(store, &put.entry, err) ||
        !clo_store_is_revoked(store, asked->name, &is_revoked, err))
        return false;
    asked->verdict = clo_policy_accept_weak(put.terms.policy)[0] == '\0' ? "put" : "put as weak";
    *out = json_pack("{s:s, s:I, s:I, s:s*, s:b}", "path", asked->name, "bytes",
                     (json_int_t)put.entry.secret.size, "references",
                     (json_int_t)put.entry.reference_count, "disk",
                     put.entry.disk == NULL ? NULL : put.entry.disk->uuid, "revoked", is_revoked);
    return true;
}

static bool put(struct clo_store *store, struct asked *asked, json_t **out, struct clo_error *err)
{
    return put_by(clo_key_put_parse, store, asked, out, err);
}

static bool put_older(struct clo_store *store, struct asked *asked, json_t **out,
                      struct clo_error *err)
{
    return put_by(clo_key_put_older_parse, store, asked, out, err);
}

static bool terms_by(parse_fn *parse, struct clo_store *store, struct asked *asked, json_t **out,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_key_request_free) struct clo_key_request terms = { 0 };
    bool is_revoked;

    if (!parse(asked->request->body, &terms, err))
        return false;
    note_reason(asked, &terms);
    terms.entry.path = asked->name;
    terms.entry.now = asked->request->time;
    if (!clo_store_set_terms(store, &terms.entry, err) ||
        !clo_store_is_revoked(store, asked->name, &is_revoked, err))
        return false;
    asked->verdict = "terms changed";
    *out = json_pack("{s:s, s:s, s:b}", "path", asked->name, "policy",
                     clo_policy_name(terms.terms.policy), "revoked", is_revoked);
    return true;
}

static bool terms(struct clo_store *store, struct asked *asked, json_t **out, struct clo_error *err)
{
    return terms_by(clo_key_terms_parse, store, asked, out, err);
}

static bool terms_older(struct clo_store *store, struct asked *asked, json_t **out,
                        struct clo_error *err)
{
    return terms_by(clo_key_terms_older_parse, store, asked, out, err);
}

static bool list(struct clo_store *store, struct asked *asked, json_t **out, struct clo_error *err)
{
    json_t *all;

    if (asked->name[0] != '\0')
        return clo_fail(err, CLO_ERR_USAGE, "list: nothing follows it");
    if (!clo_store_list(store, &all, err))
        return false;
    *out = json_pack("{s:o}", "resources", all);
    return true;
}

static bool remove_it(struct clo_store *store, struct asked *asked, json_t **out,
                      struct clo_error *err)
{
    if (!clo_store_remove(store, asked->name, err))
        return false;
    asked->verdict = "removed";
    *out = json_pack("{s:s}", "path", asked->name);
    return true;
}

static bool set_revoked(struct clo_store *store, struct asked *asked, bool is_revoked, json_t **out,
                        struct clo_error *err)
{
    if (!clo_key_empty_parse(asked->request->body, err) ||
        !clo_store_revoke(store, asked->name, is_revoked, asked->request->time, err))
        return false;
    asked->verdict = is_revoked ? "revoked" : "allowed";
    *out = json_pack("{s:s, s:b}", "path", asked->name, "revoked", is_revoked);
    return true;
}

static bool revoke(struct clo_store *store, struct asked *asked, json_t **out,
                   struct clo_error *err)
{
    return set_revoked(store, asked, true, out, err);
}

static bool allow(struct clo_store *store, struct asked *asked, json_t **out, struct clo_error *err)
{
    return set_revoked(store, asked, false, out, err);
}

static bool set_machine_revoked(struct clo_store *store, struct asked *asked, bool is_revoked,
                                json_t **out, struct clo_error *err)
{
    if (!clo_key_empty_parse(asked->request->body, err) ||
        !clo_store_revoke_machine(store, asked->name, is_revoked, asked->request->time, err))
        return false;
    asked->verdict = is_revoked ? "machine revoked" : "machine allowed";
    *out = json_pack("{s:s, s:b}", "machine", asked->name, "revoked", is_revoked);
    return true;
}

static bool revoke_machine(struct clo_store *store, struct asked *asked, json_t **out,
                           struct clo_error *err)
{
    return set_machine_revoked(store, asked, true, out, err);
}

static bool allow_machine(struct clo_store *store, struct asked *asked, json_t **out,
                          struct clo_error *err)
{
    return set_machine_revoked(store, asked, false, out, err);
}

static bool lease(struct clo_store *store, struct asked *asked, json_t **out, struct clo_error *err)
{
    json_t *holders;

    if (!clo_key_empty_parse(asked->request->body, err) ||
        !clo_store_holders(store, asked->name, &holders, err))
        return false;
    *out = json_pack("{s:o}", "holders", holders);
    return true;
}

static bool give_up(struct clo_store *store, struct asked *asked, json_t **out,
                    struct clo_error *err)
{
    size_t count;

    if (!clo_key_empty_parse(asked->request->body, err) ||
        !clo_store_give_up(store, asked->name, &count, err))
        return false;
    asked->verdict = "given up";
    *out = json_pack("{s:s, s:I}", "path", asked->name, "given_up", (json_int_t)count);
    return true;
}

static const struct word {
    const char *text; /* what follows it is the name */
    bool (*answer)(struct clo_store *store, struct asked *asked, json_t **out,
                   struct clo_error *err);
    bool is_path; /* the name */
} words[] = {
    { "list", list, false },
    { "put/", put, true },
    { "terms/", terms, true },
    { "put-older/", put_older, true },
    { "terms-older/", terms_older, true },
    { "remove/", remove_it, true },
    { "revoke/", revoke, true },
    { "allow/", allow, true },
    { "revoke-machine/", revoke_machine, false },
    { "allow-machine/", allow_machine, false },
    { "lease/", lease, true },
    { "give-up/", give_up, true },
};

static const struct word *find_word(const char *text)
{
    for (size_t i = 0; i < CLO_COUNT(words); i++)
        if (strncmp(text, words[i].text, strlen(words[i].text)) == 0)
            return &words[i];
    return NULL;
}

/* A change and its row in one piece: neither is there without the other. What only asks has no row. */
static bool answer_asked(struct clo_broker *broker, const struct word *word, struct asked *asked,
                         const char *role, json_t **out, struct clo_error *err)
{
    struct clo_store *store = broker->spec.store;
    struct clo_error ignored;

    if (!clo_store_begin(store, err))
        return false;
    bool ok = word->answer(store, asked, out, err) && (*out != NULL || clo_out_of_memory(err));
    if (ok && asked->verdict != NULL) {
        const struct broker_change change = { .verdict = asked->verdict,
                                              .path = word->is_path ? asked->name : NULL,
                                              .machine = word->is_path ? NULL : asked->name,
                                              .role = role,
                                              .why_older = asked->why };
        return broker_settle_admin(broker, asked->request, &change, err);
    }
    return clo_store_end(store, ok, ok ? err : &ignored) && ok;
}

bool broker_key(struct clo_broker *broker, const struct clo_broker_request *request,
                struct clo_broker_answer *answer, struct clo_error *err)
{
    const char *text = request->path + strlen(BROKER_KEY_PREFIX);
    const struct word *word = find_word(text);
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    char role[CLO_ADMIN_ROLE];

    if (!broker_authorize(broker, request, answer, role, err))
        return false;
    if (word == NULL) {
        broker_refuse(answer, 404, BROKER_ERROR_PATH);
        return clo_fail(err, CLO_ERR_REFUSED, "no such request");
    }
    struct asked asked = { .request = request, .name = text + strlen(word->text) };
    if (word->is_path && !clo_resource_check(asked.name, err))
        return false;
    return answer_asked(broker, word, &asked, role, &json, err) &&
           broker_json(answer, "application/json", CLO_TAKE(json), err);
}
