/* `cloister-sim snp`: forged reports with their chains, written into folders. */
#include "sim/cmd_snp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/cli.h"
#include "cloister/encoding.h"
#include "cloister/id_block.h"
#include "device/file.h"
#include "sim/forge.h"

#define RSA_BITS 4096 /* as AMD's */

struct options {
    const char *product, *breakage, *at, *report_data, *host_data;
    uint64_t version, rsa_bits;
    bool is_vlek, all, list, id_block;
};

/* Signs an ID block of the launch, as QEMU takes it, and puts its key's digest into the report. */
static bool add_id_block(struct sim_forge *forge, const struct sim_forge_keys *keys,
                         struct clo_buffer *line, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer block_bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer auth = { 0 };
    struct clo_snp_id_block block = { .version = 1, .guest_svn = 3, .policy = 0x30133 };
    uint8_t *report = forge->report;
    struct clo_digest digest;

    memcpy(block.family_id, report + 0x10, sizeof block.family_id);
    memcpy(block.image_id, report + 0x20, sizeof block.image_id);
    memcpy(block.launch_digest, report + 0x90, sizeof block.launch_digest);
    clo_snp_id_block_write(&block, &block_bytes);
    if (!clo_private_key_public(keys->other_p384, &key, err) ||
        !clo_snp_id_key_digest(key, &digest, err) ||
        !clo_snp_id_auth_make(&block, keys->other_p384, NULL, &auth, err))
        return false;
    memcpy(report + 0xe0, digest.bytes, 48);
    memset(report + 0x110, 0, 48);
    report[0x48] &= (uint8_t)~1; /* AUTHOR_KEY_EN */
    clo_buffer_text(line, "id-block=");
    clo_base64_write(clo_buffer_bytes(&block_bytes), line);
    clo_buffer_text(line, ",id-auth=");
    clo_base64_write(clo_buffer_bytes(&auth), line);
    clo_buffer_text(line, "\n");
    return clo_buffer_ok(line) || clo_out_of_memory(err);
}

static bool save(const char *folder, const char *name, struct clo_bytes bytes,
                 struct clo_error *err)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return clo_file_write(path, bytes, 0644, err);
}

static bool save_pem(const char *folder, const char *name, const struct clo_buffer *const *ders,
                     size_t count, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };

    for (size_t i = 0; i < count; i++)
        if (!clo_pem_write("CERTIFICATE", clo_buffer_bytes(ders[i]), &pem, err))
            return false;
    return save(folder, name, clo_buffer_bytes(&pem), err);
}

static bool save_texts(const char *folder, const struct sim_forged *forged,
                       const struct sim_breakage *breakage, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer policy = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer failing = { 0 };
    char hex[2 * 32 + 1];

    clo_buffer_text(&failing, breakage == NULL ? "" : breakage->check);
    for (size_t i = 0; breakage != NULL && i < SIM_BREAKAGE_ALSO; i++)
        if (breakage->also[i] != NULL)
            clo_buffer_printf(&failing, "\n%s", breakage->also[i]);
    clo_buffer_text(&failing, breakage == NULL ? "" : "\n");
    clo_hex_text(clo_digest_bytes(&forged->root), hex);
    return sim_breakage_policy(breakage, &forged->root, &policy, err) &&
           save(folder, "policy.json", clo_buffer_bytes(&policy), err) &&
           save(folder, "failing", clo_buffer_bytes(&failing), err) &&
           save(folder, "root", clo_bytes_text(hex), err);
}

static bool save_forged(const char *folder, const struct sim_forged *forged, bool is_vlek,
                        const struct sim_breakage *breakage, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer extended = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer response = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };
    const struct clo_buffer *const leaf[] = { &forged->leaf };
    const struct clo_buffer *const above[] = { &forged->ask, &forged->ark };
    const struct clo_buffer *const ark[] = { &forged->ark };
    struct clo_bytes report = clo_bytes(forged->report, sizeof forged->report);

    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    sim_forge_table(forged, is_vlek, &table);
    clo_buffer_append(&extended, report);
    clo_buffer_append(&extended, clo_buffer_bytes(&table));
    clo_buffer_le32(&response, 0);
    clo_buffer_le32(&response, CLO_SNP_REPORT_SIZE);
    clo_buffer_zero(&response, 24);
    clo_buffer_append(&response, report);
    clo_buffer_zero(&response, 4000 - response.size);
    if (!clo_buffer_ok(&extended) || !clo_buffer_ok(&response))
        return clo_out_of_memory(err);
    return save(folder, "report.bin", report, err) &&
           save(folder, "extended.bin", clo_buffer_bytes(&extended), err) &&
           save(folder, "response.bin", clo_buffer_bytes(&response), err) &&
           save(folder, "table.bin", clo_buffer_bytes(&table), err) &&
           save(folder, "vek.der", clo_buffer_bytes(&forged->leaf), err) &&
           save_pem(folder, "vek.pem", leaf, 1, err) &&
           save_pem(folder, "chain.pem", above, 2, err) &&
           save_pem(folder, "ark.pem", ark, 1, err) &&
           save(folder, "crl.der", clo_buffer_bytes(&forged->crl), err) &&
           save_texts(folder, forged, breakage, err);
}

/* `size` bytes of the report at `at`: what `text` says, and zeros after it; NULL: they stay. */
static bool set_field(const char *option, const char *text, size_t at, size_t size,
                      struct sim_forge *forge, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { .limit = size };

    if (text == NULL)
        return true;
    if (!clo_hex_read(clo_bytes_text(text), &bytes, err))
        return clo_wrap(err, "%s", option);
    memset(forge->report + at, 0, size);
    if (bytes.size > 0)
        memcpy(forge->report + at, bytes.data, bytes.size);
    return true;
}

static bool make(const struct options *o, enum clo_snp_product product, int64_t now,
                 const struct sim_forge_keys *keys, const struct sim_breakage *breakage,
                 const char *folder, struct clo_error *err)
{
    CLO_CLEANUP(sim_forged_free) struct sim_forged forged = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer line = { 0 };
    struct sim_forge forge;

    sim_forge_good(product, (uint8_t)o->version, o->is_vlek, now, keys, &forge);
    if ((o->id_block && !add_id_block(&forge, keys, &line, err)) ||
        !set_field("--report-data", o->report_data, 0x50, 64, &forge, err) ||
        !set_field("--host-data", o->host_data, 0xc0, 32, &forge, err))
        return false;
    if (breakage != NULL)
        breakage->apply(&forge, keys);
    return sim_forge(&forge, keys, &forged, err) &&
           save_forged(folder, &forged, o->is_vlek, breakage, err) &&
           (!o->id_block || save(folder, "id.line", clo_buffer_bytes(&line), err));
}

/* The good one, and each breakage, in a folder of its own. */
static bool make_all(const struct options *o, enum clo_snp_product product, int64_t now,
                     const struct sim_forge_keys *keys, const char *folder, struct clo_error *err)
{
    char path[4096];

    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    snprintf(path, sizeof path, "%s/good", folder);
    if (!make(o, product, now, keys, NULL, path, err))
        return false;
    for (size_t i = 0; i < sim_breakage_count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, sim_breakages[i].name);
        if (!make(o, product, now, keys, &sim_breakages[i], path, err))
            return false;
    }
    return true;
}

static bool find_product(const char *name, enum clo_snp_product *out)
{
    for (int i = CLO_SNP_MILAN; i <= CLO_SNP_VENICE; i++)
        if (strcasecmp(name, clo_snp_product_name((enum clo_snp_product)i)) == 0) {
            *out = (enum clo_snp_product)i;
            return true;
        }
    return false;
}

static bool run(const struct options *o, enum clo_snp_product product, const char *folder,
                struct clo_error *err)
{
    CLO_CLEANUP(sim_forge_keys_free) struct sim_forge_keys keys = { 0 };
    const struct sim_breakage *breakage = NULL;
    int64_t now;

    if (!cli_time(o->at, &now, err))
        return false;
    if (o->breakage != NULL) {
        breakage = sim_breakage_get(o->breakage);
        if (breakage == NULL)
            return clo_fail(err, CLO_ERR_USAGE, "--break %s: there is none: see --list",
                            o->breakage);
    }
    if (!sim_forge_keys_new((unsigned)o->rsa_bits, &keys, err))
        return false;
    return o->all ? make_all(o, product, now, &keys, folder, err)
                  : make(o, product, now, &keys, breakage, folder, err);
}

int cmd_snp(int argc, char **argv)
{
    struct options o = { .product = "Milan", .version = 5, .rsa_bits = RSA_BITS };
    const struct cli_option options[] = {
        { "--product", "NAME", "Milan, Genoa, Turin or Venice (Milan)", .text = &o.product },
        { "--version", "N", "of the report, 2 to 6 (5)", .number = &o.version },
        { "--vlek", NULL, "signed by a VLEK instead of a VCEK", .flag = &o.is_vlek },
        { "--at", "TIME", "when it is made, RFC 3339 (now)", .text = &o.at },
        { "--rsa-bits", "N", "of ARK and ASK (4096)", .number = &o.rsa_bits },
        { "--break", "NAME", "with this one thing wrong", .text = &o.breakage },
        { "--report-data", "HEX", "REPORT_DATA", .text = &o.report_data },
        { "--host-data", "HEX", "HOST_DATA", .text = &o.host_data },
        { "--id-block", NULL, "with an ID block in id.line", .flag = &o.id_block },
        { "--all", NULL, "the good one and every broken one, in folders", .flag = &o.all },
        { "--list", NULL, "list what can be wrong, and the check that notices", .flag = &o.list },
    };
    const struct cli_usage usage = {
        .command = "snp",
        .arguments = "DIR",
        .operands = { "one DIR", 0, 1 },
        .summary =
                "Writes an SEV-SNP report with its chain, revocation list, a policy that accepts "
                "the good\none, and (failing) the checks that must fail.",
        .options = options,
        .option_count = CLO_COUNT(options),
        .example = "  cloister-sim snp --product Turin --break vcek-of-another-chip forged\n",
    };
    enum clo_snp_product product;
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.list) {
        for (size_t i = 0; i < sim_breakage_count; i++)
            printf("%-34s %s\n", sim_breakages[i].name, sim_breakages[i].check);
        return CLI_YES;
    }
    if (operands.count != 1)
        return cli_usage_error(&usage, "one DIR is needed");
    if (!find_product(o.product, &product))
        return cli_usage_error(&usage, "--product %s: there is none", o.product);
    if (o.version < CLO_SNP_VERSION_MIN || o.version > CLO_SNP_VERSION_MAX + 1)
        return cli_usage_error(&usage, "--version: 2 to 6");
    if (o.rsa_bits < 2048 || o.rsa_bits > 4096)
        return cli_usage_error(&usage, "--rsa-bits: 2048 to 4096");
    return run(&o, product, operands.items[0], &err) ? CLI_YES : cli_error(&err);
}
