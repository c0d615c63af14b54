/* `cloister-sim tdx`: TDX quotes with their collateral, written into folders. */
#include "sim/cmd_tdx.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/verify/collateral.h"
#include "cloister/encoding.h"
#include "device/file.h"
#include "sim/tdx.h"

struct options {
    const char *body, *ca, *breakage, *at, *status, *module, *qe, *report_data;
    uint64_t version;
    bool all, list;
};

static bool save(const char *folder, const char *name, struct clo_bytes bytes,
                 struct clo_error *err)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return clo_file_write(path, bytes, 0644, err);
}

/* quote.bin, collateral/, root.pem, root (the fingerprint that is to be trusted) and failing (the checks
 * that have to fail, one a line). */
static bool save_made(const char *folder, const struct sim_tdx_made *made,
                      const struct sim_tdx_breakage *breakage, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer failing = { 0 };
    char hex[2 * 32 + 1];
    char path[4096];

    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    snprintf(path, sizeof path, "%s/collateral", folder);
    clo_buffer_printf(&failing, "%s%s", breakage == NULL ? "" : breakage->check,
                      breakage == NULL ? "" : "\n");
    for (size_t i = 0; breakage != NULL && i < SIM_TDX_ALSO && breakage->also[i] != NULL; i++)
        clo_buffer_printf(&failing, "%s\n", breakage->also[i]);
    clo_hex_text(clo_digest_bytes(&made->trusted), hex);
    return clo_pem_write("CERTIFICATE", clo_buffer_bytes(&made->root), &pem, err) &&
           collateral_save(&made->collateral, path, err) &&
           save(folder, "quote.bin", clo_buffer_bytes(&made->quote), err) &&
           save(folder, "root.pem", clo_buffer_bytes(&pem), err) &&
           save(folder, "root", clo_bytes_text(hex), err) &&
           save(folder, "failing", clo_buffer_bytes(&failing), err);
}

static bool set_report_data(const char *text, struct sim_tdx *tdx, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { .limit = 64 };

    if (text == NULL)
        return true;
    if (!clo_hex_read(clo_bytes_text(text), &bytes, err) || bytes.size > 64)
        return clo_wrap(err, "--report-data");
    memset(tdx->body + SIM_TDX_REPORT_DATA, 0, 64);
    memcpy(tdx->body + SIM_TDX_REPORT_DATA, bytes.data, bytes.size);
    return true;
}

static bool make(const struct options *o, int64_t now, const struct sim_tdx_keys *keys,
                 const struct sim_tdx_breakage *breakage, const char *folder, struct clo_error *err)
{
    CLO_CLEANUP(sim_tdx_made_free) struct sim_tdx_made made = { 0 };
    enum clo_tdx_body_type body = strcmp(o->body, "1.0") == 0   ? CLO_TDX_BODY_TD10
                                  : strcmp(o->body, "1.5") == 0 ? CLO_TDX_BODY_TD15
                                                                : CLO_TDX_BODY_TD15_EXTENDED;
    enum clo_tdx_ca ca =
            strcmp(o->ca, "processor") == 0 ? CLO_TDX_CA_PROCESSOR : CLO_TDX_CA_PLATFORM;
    struct sim_tdx tdx;

    sim_tdx_good((uint16_t)o->version, body, ca, now, keys, &tdx);
    tdx.tcb_info.status = o->status;
    tdx.tcb_info.module = o->module;
    tdx.qe_identity.status = o->qe;
    if (!set_report_data(o->report_data, &tdx, err))
        return false;
    if (breakage != NULL)
        breakage->apply(&tdx, keys);
    return sim_tdx_make(&tdx, keys, &made, err) && save_made(folder, &made, breakage, err);
}

/* The good one, and each breakage, in a folder of its own. */
static bool make_all(const struct options *o, int64_t now, const struct sim_tdx_keys *keys,
                     const char *folder, struct clo_error *err)
{
    char path[4096];

    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    snprintf(path, sizeof path, "%s/good", folder);
    if (!make(o, now, keys, NULL, path, err))
        return false;
    for (size_t i = 0; i < sim_tdx_breakage_count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, sim_tdx_breakages[i].name);
        if (!make(o, now, keys, &sim_tdx_breakages[i], path, err))
            return false;
    }
    return true;
}

static bool run(const struct options *o, const char *folder, struct clo_error *err)
{
    CLO_CLEANUP(sim_tdx_keys_free) struct sim_tdx_keys keys = { 0 };
    const struct sim_tdx_breakage *breakage = NULL;
    int64_t now;

    if (!cli_time(o->at, &now, err))
        return clo_wrap(err, "--at");
    if (o->breakage != NULL) {
        breakage = sim_tdx_breakage_get(o->breakage);
        if (breakage == NULL)
            return clo_fail(err, CLO_ERR_USAGE, "--break %s: see --list", o->breakage);
    }
    return sim_tdx_keys_new(&keys, err) && (o->all ? make_all(o, now, &keys, folder, err)
                                                   : make(o, now, &keys, breakage, folder, err));
}

static int list(void)
{
    for (size_t i = 0; i < sim_tdx_breakage_count; i++)
        printf("%-24s  %s\n", sim_tdx_breakages[i].name, sim_tdx_breakages[i].check);
    return CLI_YES;
}

int cmd_tdx(int argc, char **argv)
{
    struct options o = { .version = 5,
                         .body = "1.5",
                         .ca = "platform",
                         .status = "UpToDate",
                         .module = "UpToDate",
                         .qe = "UpToDate" };
    const struct cli_option options[] = {
        { "--version", "4|5", "of the quote", .number = &o.version },
        { "--body", "1.0|1.5|extended", "of a quote of version 5", .text = &o.body },
        { "--ca", "platform|processor", "which CA issues the PCK certificate", .text = &o.ca },
        { "--status", "STATUS", "of the TCB level that it reaches", .text = &o.status },
        { "--module", "STATUS", "of the TDX module", .text = &o.module },
        { "--qe", "STATUS", "of the quoting enclave", .text = &o.qe },
        { "--report-data", "HEX", "REPORTDATA", .text = &o.report_data },
        { "--at", "TIME", "when all of it is valid (now)", .text = &o.at },
        { "--break", "NAME", "with one thing wrong", .text = &o.breakage },
        { "--all", NULL, "a good one and every broken one, each in a folder of its own",
          .flag = &o.all },
        { "--list", NULL, "what can be broken, and the check that notices", .flag = &o.list },
    };
    const struct cli_usage usage = {
        .command = "tdx",
        .arguments = "DIR",
        .operands = { "one DIR", 0, 1 },
        .summary = "Makes a TDX quote, with PCK chain and collateral under a root of its own.",
        .options = options,
        .option_count = CLO_COUNT(options),
    };
    struct clo_list operands;
    struct clo_error err;
    int status;

    if (!cli_parse(&usage, argc, argv, &operands, &status))
        return status;
    if (o.list)
        return list();
    if (operands.count != 1 || o.version < 4 || o.version > 5)
        return cli_usage_error(&usage, "one DIR is needed, and --version 4 or 5");
    return run(&o, operands.items[0], &err) ? CLI_YES : cli_error(&err);
}
