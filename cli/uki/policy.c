#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "cli/uki/uki.h"
#include "cloister/encoding.h"
#include "device/key_file.h"
#include "image/uki/work.h"

/* The phases that systemd goes through, and before them. */
static const char *const usual_phases[] = {
    "",
    "enter-initrd",
    "enter-initrd:leave-initrd",
    "enter-initrd:leave-initrd:sysinit",
    "enter-initrd:leave-initrd:sysinit:ready",
};

struct policy {
    const char *image, *key_path;
    struct clo_list banks, phases;
    bool as_json;
    unsigned hashes;
    struct clo_public_key *key;
};

/* Its .pcrsig: of the profile, else of the base; NULL if there is none. */
static bool read_pcrsig(struct uki_work *work, size_t profile, json_t **out, struct clo_error *err)
{
    const struct clo_pe *pe = &work->frame->uki.pe;
    struct clo_pe_part *part = clo_uki_part_find(&work->list, profile, ".pcrsig");

    if (part == NULL)
        part = clo_uki_part_find(&work->list, CLO_UKI_BASE, ".pcrsig");
    *out = NULL;
    if (part == NULL)
        return true;
    struct clo_bytes text = pe->sections[part - work->list.items].data;
    while (text.size > 0 && (text.data[text.size - 1] == '\0' || text.data[text.size - 1] == '\n'))
        text.size--;
    return clo_json_parse(text, out, err) || clo_wrap(err, ".pcrsig");
}

/* "signed", "not signed", or "-" where nobody asked; `why` says more of an entry that is of no use. */
static const char *signed_word(const struct policy *in, const json_t *pcrsig,
                               const struct clo_digest *pcr, struct clo_error *why)
{
    struct clo_pcr_policy policy;

    *why = (struct clo_error){ 0 };
    if (in->key == NULL)
        return "-";
    if (pcrsig == NULL)
        return "not signed";
    clo_uki_policy(pcr, &policy);
    if (clo_pcrsig_verify(pcrsig, &policy, in->key, why))
        return "signed";
    if (why->status == CLO_ERR_REFUSED)
        why->text[0] = '\0';
    return "not signed";
}

static void print_value(const char *bank, const char *phase, const struct clo_digest *pcr,
                        const char *word, const char *why)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];

    printf("%s %s %s%s%s%s%s\n", bank, clo_hex_text(clo_digest_bytes(pcr), hex),
           *phase == '\0' ? "(no phase)" : phase, *word == '-' ? "" : ", ",
           *word == '-' ? "" : word, *why == '\0' ? "" : ": ", why);
}

static json_t *value_json(const char *phase, const struct clo_digest *pcr, const char *word,
                          const char *why)
{
    struct clo_pcr_policy policy;

    clo_uki_policy(pcr, &policy);
    json_t *json = json_pack("{s:s, s:i, s:o, s:o}", "phase", phase, "pcr", 11, "hash",
                             clo_json_hex(clo_digest_bytes(pcr)), "pol",
                             clo_json_hex(clo_digest_bytes(&policy.digest)));
    if (json != NULL && *word != '-')
        json_object_set_new(json, "signed", json_boolean(strcmp(word, "signed") == 0));
    if (json != NULL && *why != '\0')
        json_object_set_new(json, "reason", json_string(why));
    return json;
}

/* Counts the values that are signed. */
static bool show_profile(struct uki_work *work, const struct policy *in, size_t profile,
                         const struct clo_digest pcrs[CLO_HASH_COUNT], json_t *out, size_t *signed_,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *pcrsig = NULL;
    size_t count = in->phases.count > 0 ? in->phases.count : CLO_COUNT(usual_phases);

    if (!read_pcrsig(work, profile, &pcrsig, err))
        return false;
    for (size_t hash = CLO_HASH_SHA1; hash < CLO_HASH_COUNT; hash++) {
        const char *bank = clo_hash_name((enum clo_hash)hash);
        if (pcrs[hash].hash != hash)
            continue;
        json_t *array = json_array();
        for (size_t i = 0; i < count; i++) {
            const char *phase = in->phases.count > 0 ? in->phases.items[i] : usual_phases[i];
            struct clo_digest pcr = pcrs[hash];
            clo_uki_extend_phases(&pcr, phase);
            struct clo_error why;
            const char *word = signed_word(in, pcrsig, &pcr, &why);
            *signed_ += strcmp(word, "signed") == 0;
            json_array_append_new(array, value_json(phase, &pcr, word, why.text));
            if (!in->as_json)
                print_value(bank, phase, &pcr, word, why.text);
        }
        json_object_set_new(out, bank, array);
    }
    return true;
}

static int show(struct policy *in, struct clo_error *err)
{
    CLO_CLEANUP(uki_work_freep) struct uki_work *work = NULL;
    CLO_CLEANUP(uki_pcrs_free) struct uki_pcrs pcrs = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *profiles = json_array();
    struct uki_image *image;
    size_t signed_ = 0;

    if (!uki_work_new(&work, err) || !uki_work_image(work, in->image, &image, err))
        return cli_error(err);
    work->frame = image;
    work->stub_version = image->uki.stub_version;
    if (!image->is_uki) {
        clo_fail(err, CLO_ERR_FORMAT, "%s: is not a UKI: section .linux is missing", in->image);
        return cli_error(err);
    }
    if (!clo_uki_parts_of(&image->uki.pe, &image->file, &work->list, err) ||
        !uki_work_pcrs(work, in->hashes, &pcrs, err) ||
        (in->key_path != NULL && !clo_key_file_public(in->key_path, &in->key, &pem, err)))
        return cli_error(err);
    for (size_t p = 0; p < pcrs.count; p++) {
        char id[256];
        json_t *banks = json_object();
        uki_profile_id(work, p, id, sizeof id);
        if (pcrs.count > 1 && !in->as_json)
            printf("profile %zu %s\n", p, id);
        json_array_append_new(profiles, json_pack("{s:s, s:o}", "profile", id, "banks", banks));
        if (!show_profile(work, in, p, pcrs.profiles[p], banks, &signed_, err)) {
            clo_wrap(err, "%s", in->image);
            return cli_error(err);
        }
    }
    CLO_CLEANUP(clo_json_freep)
    json_t *json = json_pack("{s:s, s:O}", "file", in->image, "profiles", profiles);
    if (in->as_json && !cli_print_json(json, err))
        return cli_error(err);
    return in->key == NULL || signed_ > 0 ? CLI_YES : CLI_NO;
}

int cmd_uki_policy(int argc, char **argv)
{
    struct policy in = { 0 };
    const struct cli_option options[] = {
        { "--bank", "NAME", "a PCR bank (default: sha256; repeatable)", .list = &in.banks,
          .values = "sha1 sha256 sha384 sha512" },
        { "--phase", "PATH",
          "a boot phase, like enter-initrd:leave-initrd (default: all of "
          "systemd's; repeatable)",
          .list = &in.phases },
        { "--public-key", "FILE", "say which values .pcrsig signs with this public key (PEM)",
          .text = &in.key_path, .was = "--key" },
        { "--json", NULL, "print one JSON document", .flag = &in.as_json },
    };
    const struct cli_usage usage = {
        .command = "uki policy",
        .arguments = "UKI",
        .operands = { "one UKI", 1, 1 },
        .summary = "Shows PCR 11 for each profile and boot phase, and which values are signed.\n"
                   "With --key the answer is no when none is.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister uki policy guest.efi --key keys/pcr.pub --phase enter-initrd\n",
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (!uki_banks(&in.banks, &in.hashes, &err))
        return cli_usage_error(&usage, "%s", err.text);
    in.image = operands.items[0];
    status = show(&in, &err);
    clo_public_key_freep(&in.key);
    return status;
}
