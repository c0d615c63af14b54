/* What the guest's owner signed of the launch (an ID block) against what the report says of it. The
 * firmware has verified the signatures before it started the guest and put the keys' digests into the
 * report; this is the same once more, from the files. */
#include <string.h>

#include "cloister/id_block.h"

#include "lib/appraise/tee.h"

static struct clo_digest key_digest(struct clo_bytes key)
{
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA384, key, &digest);
    return digest;
}

static void check_keys(struct clo_checks *checks, const struct clo_snp_report *report,
                       const struct clo_snp_id_auth *auth)
{
    struct clo_digest id_key = key_digest(auth->id_key);
    struct clo_digest author_key = key_digest(auth->author_key);
    bool is_id_key = clo_bytes_equal(clo_digest_bytes(&id_key), report->id_key_digest);
    bool is_author = auth->has_author_key ? clo_bytes_equal(clo_digest_bytes(&author_key),
                                                            report->author_key_digest)
                                          : clo_bytes_all(report->author_key_digest, 0);

    clo_check_that(checks, "id_block.id_key", is_id_key,
                   is_id_key ? "ID_KEY_DIGEST is that of the ID key"
                             : "ID_KEY_DIGEST is that of another key, or of none");
    clo_check_that(checks, "id_block.author_key",
                   is_author && auth->has_author_key == report->author_key_en,
                   "the report names %s author key, the authentication %s",
                   !report->author_key_en ? "no"
                   : is_author            ? "this"
                                          : "another",
                   auth->has_author_key ? "has one" : "has none");
}

static void check_fields(struct clo_checks *checks, const struct clo_snp_report *report,
                         const struct clo_snp_id_block *block)
{
    const struct {
        const char *name;
        bool is_equal;
    } fields[] = {
        { "launch digest",
          clo_bytes_equal(clo_bytes(block->launch_digest, sizeof block->launch_digest),
                          report->measurement) },
        { "FAMILY_ID", clo_bytes_equal(clo_bytes(block->family_id, sizeof block->family_id),
                                       report->family_id) },
        { "IMAGE_ID",
          clo_bytes_equal(clo_bytes(block->image_id, sizeof block->image_id), report->image_id) },
        { "guest SVN", block->guest_svn == report->guest_svn },
        { "guest policy", block->policy == report->policy },
    };
    char text[128] = "";

    for (size_t i = 0; i < CLO_COUNT(fields); i++)
        if (!fields[i].is_equal) {
            if (text[0] != '\0')
                strcat(text, ", ");
            strcat(text, fields[i].name);
        }
    bool holds = text[0] == '\0';
    clo_check_that(checks, "id_block.fields", holds, "%s%s",
                   holds ? "the report says what the ID block says" : "the report has another ",
                   text);
}

bool appraise_id_block(struct work *w, struct clo_error *err)
{
    static const char id[] = "id_block.signature";
    const struct clo_appraise_inputs *inputs = w->inputs;
    struct clo_snp_id_block block;
    struct clo_snp_id_auth auth;
    struct clo_error refused;

    if (inputs->id_block.data == NULL && inputs->id_auth.data == NULL)
        return true;
    if (inputs->id_block.data == NULL || inputs->id_auth.data == NULL)
        return clo_fail(err, CLO_ERR_USAGE, "the ID block and its authentication belong together");
    if (!clo_snp_id_block_parse(inputs->id_block, &block, err) ||
        !clo_snp_id_auth_parse(inputs->id_auth, &auth, err))
        return false;
    bool holds = clo_snp_id_block_verify(&block, &auth, &refused);
    clo_check_that(w->checks, id, holds, "%s",
                   holds ? "signed by the ID key, and that by the author key if there is one"
                         : refused.text);
    const struct clo_snp_verified *verified = tee_snp_verified(w);
    if (verified == NULL)
        return true;
    check_keys(w->checks, &verified->report, &auth);
    check_fields(w->checks, &verified->report, &block);
    w->appraised = true;
    return true;
}
