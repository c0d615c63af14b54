/* cloister verify ear: an attestation result of another verifier, for those who rely on it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/inputs.h"
#include "cli/verify/common.h"
#include "cloister/ear.h"
#include "device/file.h"

struct ear_options {
    const char *public_key, *nonce, *at;
    bool json;
};

/* A JWT may come with its line's end. A CWT is binary: what looks like one there is its signature's last byte. */
static struct clo_bytes trimmed(struct clo_bytes token)
{
    if (token.size > 0 && token.data[0] >= 0x80)
        return token;
    while (token.size > 0 && strchr(" \r\n", (char)token.data[token.size - 1]) != NULL &&
           token.data[token.size - 1] != '\0')
        token.size--;
    return token;
}

/* What a relying party looks at besides the signature. */
static bool check_fresh(const struct ear_options *o, const json_t *claims, struct clo_error *err)
{
    const json_t *expires = json_object_get(claims, "exp");
    int64_t at;

    if (!cli_time(o->at, &at, err))
        return clo_wrap(err, "--at");
    if (expires != NULL && (!json_is_number(expires) || json_number_value(expires) < (double)at))
        return clo_fail(err, CLO_ERR_REFUSED, "EAR: it has expired");
    if (o->nonce != NULL && !clo_ear_nonce_is(claims, o->nonce))
        return clo_fail(err, CLO_ERR_REFUSED, "EAR: its nonce is not the one that was given");
    return true;
}

/* The worst of its submodules; one that concluded nothing is no better than a refusal. */
static bool is_accepted(const json_t *claims)
{
    bool ok = true;
    const char *name;
    json_t *submodule;

    json_object_foreach (json_object_get(claims, "submods"), name, submodule) {
        const char *status = json_string_value(json_object_get(submodule, "ear_status"));
        ok = ok && (strcmp(status, "affirming") == 0 || strcmp(status, "warning") == 0);
    }
    return ok;
}

static void print_text(const json_t *claims)
{
    const char *name, *claim;
    json_t *submodule, *value;

    json_object_foreach (json_object_get(claims, "submods"), name, submodule) {
        char label[64];
        snprintf(label, sizeof label, "%s", name);
        clo_sanitize(label);
        printf("%-20s %s\n", label, json_string_value(json_object_get(submodule, "ear_status")));
        json_object_foreach (json_object_get(submodule, "ear_trustworthiness_vector"), claim,
                             value) {
            snprintf(label, sizeof label, "%s", claim);
            clo_sanitize(label);
            printf("  %-18s %lld\n", label, (long long)json_integer_value(value));
        }
    }
}

static bool verify(const struct ear_options *o, const char *path, json_t **out,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    return clo_key_file_public(o->public_key, &key, &pem, err) &&
           clo_file_read(path, CLO_FILE_LIMIT, &file, err) &&
           (clo_ear_read(trimmed(clo_buffer_bytes(&file)), key, out, err) ||
            clo_wrap(err, "%s", path)) &&
           check_fresh(o, *out, err);
}

int cmd_verify_ear(int argc, char **argv)
{
    struct ear_options o = { 0 };
    const struct cli_option table[] = {
        { "--public-key", "FILE", "the verifier's key, PEM (required)", .text = &o.public_key },
        { "--nonce", "TEXT", "what its nonce must be", .text = &o.nonce },
        { "--at", "TIME", "the time for its expiry (default: now)", .text = &o.at },
        { "--json", NULL, "its claims, by the names of draft-ietf-rats-ear-03", .flag = &o.json },
    };
    const struct cli_usage usage = {
        .command = "verify ear",
        .arguments = "TOKEN",
        .operands = { "one token", 1, 1 },
        .summary = "Checks an attestation result (EAR) of a verifier's, JWT or CWT, by old claim "
                   "names or new: that\nit is signed, not expired, and whether it says affirming "
                   "or warning.",
        .options = table,
        .option_count = CLO_COUNT(table),
        .example = "  cloister verify ear token.jwt --public-key verifier.pem\n",
    };
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.public_key == NULL)
        return cli_usage_error(&usage, "--public-key is needed");
    if (!verify(&o, operands.items[0], &claims, &err))
        return cli_fail("verify ear", &err);
    if (o.json && !cli_print_json(claims, &err))
        return cli_fail("verify ear", &err);
    if (!o.json)
        print_text(claims);
    return is_accepted(claims) ? CLI_YES : CLI_NO;
}
