/* GET /: what the other documents say, for people. The page loads nothing and runs nothing, and nothing in it is anybody's but the owner's and
 * ours: no path, no policy, no word of a client's. */
#include "broker_internal.h"

#include <stdio.h>

#include "cloister/encoding.h"
#include "lib/report/html.h"

#define PAGE_LIMIT ((size_t)65536)
#define CONTENT_POLICY                                                                  \
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " \
    "style-src "

/* By the digest of the one style sheet: no other one counts, wherever it might come from. */
bool broker_status_page_open(struct clo_broker *broker, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer style = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_digest digest;

    clo_html_style(&style);
    if (!clo_buffer_ok(&style))
        return clo_out_of_memory(err);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&style), &digest);
    clo_base64_write(clo_digest_bytes(&digest), &text);
    if (clo_buffer_string(&text) == NULL)
        return clo_out_of_memory(err);
    snprintf(broker->page_policy, sizeof broker->page_policy, CONTENT_POLICY "'sha256-%s'",
             clo_buffer_string(&text));
    return true;
}

static void write_head(struct clo_buffer *out)
{
    clo_buffer_text(out,
                    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<title>Cloister key broker</title>\n<style>");
    clo_html_style(out);
    clo_buffer_text(out, "</style>\n</head>\n<body>\n<header>\n");
    clo_html_element(out, "p class=\"eyebrow\"", "Cloister");
    clo_html_element(out, "h1", "Verifier and key broker");
}

/* A symbol and a word: never colour alone. */
static void write_answer(struct clo_broker *broker, int64_t clock, struct clo_buffer *out)
{
    struct clo_error why;
    bool is_well = broker_check_health(broker, clock, &why);
    const char *state = is_well ? "good" : "bad";

    clo_buffer_printf(out,
                      "</header>\n<main>\n<div class=\"answer %s\">\n<p class=\"eyebrow\">Can it "
                      "decide?</p>\n<p class=\"word %s\"><span aria-hidden=\"true\">%s</span> %s"
                      "</p>\n",
                      state, state, is_well ? "✓" : "✗", is_well ? "Yes" : "No");
    clo_html_element(out, "p class=\"why\"",
                     is_well ? "Evidence that comes now is appraised, and what was decided is "
                               "written down."
                             : "Nothing is released, and guests come again.");
    if (!is_well)
        clo_html_element(out, "p class=\"detail\"", why.text);
    clo_buffer_text(out, "</div>\n");
}

static void write_fact(struct clo_buffer *out, const char *name, const char *value,
                       const char *note)
{
    clo_html_element(out, "dt", name);
    clo_buffer_text(out, "<dd>");
    clo_html_element(out, "span", value);
    if (note != NULL)
        clo_html_element(out, "span class=\"note\"", note);
    clo_buffer_text(out, "</dd>\n");
}

static void write_facts(const struct clo_broker *broker, const char *algorithm,
                        struct clo_buffer *out)
{
    const char *url = broker->spec.public_url;

    clo_buffer_text(out, "<dl class=\"facts\">\n");
    write_fact(out, "Name", url == NULL ? "cloister" : url, "what tokens have as their issuer");
    write_fact(out, "Version", CLOISTER_VERSION, NULL);
    write_fact(out, "Tokens are signed", algorithm, NULL);
    clo_html_element(out, "dt", "By the key");
    clo_buffer_text(out, "<dd>");
    clo_html_element(out, "code", broker->token_key_id);
    clo_html_element(out, "span class=\"note\"", "the key's thumbprint (RFC 7638): kid of tokens");
    clo_buffer_text(out, "</dd>\n</dl>\n");
}

static void write_protocols(struct clo_buffer *out)
{
    clo_html_element(out, "h2", "What is spoken here");
    clo_buffer_text(out, "<dl class=\"facts\">\n");
    write_fact(out, "Keys for guests", "Trustee's KBS protocol, 0.1.1 to 0.4.0",
               "POST /kbs/v0/auth, POST /kbs/v0/attest, GET /kbs/v0/resource/…");
    write_fact(out, "Results for others", "Veraison's challenge-response API",
               "POST " BROKER_CHALLENGE_NEW);
    clo_buffer_text(out, "</dl>\n");
}

static void write_link(struct clo_buffer *out, const char *path, const char *what)
{
    clo_buffer_printf(out, "<li><a href=\"%s\">%s</a>: %s</li>\n", path, path, what);
}

static void write_links(const struct clo_broker *broker, struct clo_buffer *out)
{
    clo_html_element(out, "h2", "For programs");
    clo_buffer_text(out, "<ul>\n");
    write_link(out, BROKER_JWKS_PATH, "the key that tokens are verified with");
    if (broker->spec.public_url != NULL)
        write_link(out, BROKER_OPENID_PATH, "where relying parties find it");
    write_link(out, BROKER_VERAISON_PATH, "the same, as Veraison's services say it");
    write_link(out, "/healthz", "the answer above");
    write_link(out, "/metrics", "counts and times, for Prometheus");
    clo_buffer_text(out, "</ul>\n</main>\n<footer>");
    clo_html_element(out, "p",
                     "Whether this is the broker that is meant, its key says, which guests and "
                     "administrators know beforehand; this page does not. It loads nothing and "
                     "runs nothing.");
    clo_buffer_text(out, "</footer>\n</body>\n</html>\n");
}

bool broker_status_page(struct clo_broker *broker, const struct clo_broker_request *request,
                        struct clo_broker_answer *answer, struct clo_error *err)
{
    const char *algorithm;

    if (!clo_jws_algorithm(clo_private_key_kind(broker->token_key), &algorithm, err))
        return false;
    answer->content_policy = broker->page_policy;
    answer->content_type = "text/html; charset=utf-8";
    answer->body.limit = PAGE_LIMIT;
    write_head(&answer->body);
    write_answer(broker, request->clock, &answer->body);
    write_facts(broker, algorithm, &answer->body);
    write_protocols(&answer->body);
    write_links(broker, &answer->body);
    return clo_buffer_ok(&answer->body) || clo_out_of_memory(err);
}
