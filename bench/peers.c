/* SNP reports and TDX quotes verified by us and by others, the same bytes, in turn. */
#include <string.h>

#include "bench.h"
#include "cloister/snp.h"
#include "cloister/tdx.h"
#include "device/file.h"
#include "peer.h"

#define RUNS 20

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        bench_fail(err);
}

/* --- Ours --- */

struct scene {
    struct clo_buffer report, leaf, chain; /* SNP */
    struct clo_snp_certificates certificates;
    struct clo_snp_chain snp;
    struct clo_snp_trust snp_trust;
    struct clo_snp_endorser endorser;
    struct clo_buffer quote, json; /* TDX */
    struct clo_tdx_collateral collateral;
    struct clo_tdx_trust tdx_trust;
    struct clo_checks checks;
};

static void snp_known(struct scene *s)
{
    struct clo_snp_report report;
    struct clo_snp_verified verified;
    struct clo_error err;

    clo_checks_clear(&s->checks);
    must(clo_snp_parse(clo_buffer_bytes(&s->report), &report, &err) &&
                 clo_snp_report_verify(&report, &s->endorser, s->snp_trust.at, &s->checks,
                                       &verified, &err),
         &err);
}

/* From the bytes of all of it. */
static void snp_whole(struct scene *s)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_snp_report report;
    struct clo_snp_chain chain;
    struct clo_snp_verified verified;
    struct clo_error err;

    clo_checks_clear(&s->checks);
    must(clo_snp_certificates_add(&certificates, clo_buffer_bytes(&s->leaf), &err) &&
                 clo_snp_certificates_add(&certificates, clo_buffer_bytes(&s->chain), &err) &&
                 clo_snp_parse(clo_buffer_bytes(&s->report), &report, &err) &&
                 clo_snp_chain_find(&report, &certificates, &chain, &err) &&
                 clo_snp_verify(&report, &chain, &s->snp_trust, &s->checks, &verified, &err),
         &err);
}

/* A TCB that fits no level is not a fault here: all signatures are verified by then. */
static void tdx_verify(struct scene *s, const struct clo_tdx_collateral *collateral)
{
    struct clo_tdx_platform *platform = NULL;
    struct clo_tdx_verified verified;
    struct clo_tdx_quote quote;
    struct clo_error err;

    clo_checks_clear(&s->checks);
    must(clo_tdx_parse(clo_buffer_bytes(&s->quote), &quote, &err) &&
                 clo_tdx_platform_new(quote.chain, collateral, &s->tdx_trust, &s->checks, &platform,
                                      &err) &&
                 clo_tdx_verify(&quote, platform, s->tdx_trust.at, &s->checks, &verified, &err),
         &err);
    clo_tdx_platform_free(platform);
}

static void tdx_chain(struct scene *s)
{
    s->tdx_trust.without_tcb = true;
    tdx_verify(s, NULL);
    s->tdx_trust.without_tcb = false;
}

static void tdx_whole(struct scene *s)
{
    tdx_verify(s, &s->collateral);
}

static double measure(struct scene *s, void (*job)(struct scene *))
{
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);

    for (int i = 0; i < RUNS; i++)
        job(s);
    return (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start) / RUNS * 1e6;
}

static void compare(struct scene *s, const char *title, void (*job)(struct scene *),
                    const char *name, struct peer *peer, unsigned rounds)
{
    struct bench_series ours = { 0 }, theirs = { 0 }, ratio = { 0 };

    measure(s, job); /* warm up */
    peer_measure(peer, name);
    for (unsigned i = 0; i < rounds; i++) {
        double a = measure(s, job);
        double b = peer_measure(peer, name);
        bench_add(&ours, a);
        bench_add(&theirs, b);
        bench_add(&ratio, b / a);
    }
    bench_heading(title);
    bench_row("cloister", &ours, "us");
    bench_row("peer", &theirs, "us");
    bench_row("times as fast, pair by pair", &ratio, "x");
    printf("%-44s %9.2f x\n\n", "of the minima", theirs.values[0] / ours.values[0]);
}

static void read_file(const char *folder, const char *name, struct clo_buffer *out)
{
    struct clo_error err;
    char path[4200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(clo_file_read(path, CLO_FILE_LIMIT, out, &err), &err);
}

/* FOLDER: testdata of go-sev-guest's package verify. */
static void snp(struct scene *s, const char *folder, char *program, unsigned rounds)
{
    char *const argv[] = { program, (char[]){ "snp" }, strdup(folder), NULL };
    struct peer peer = peer_start(argv);
    struct clo_snp_report report;
    struct clo_error err;

    read_file(folder, "attestation.bin", &s->report);
    read_file(folder, "vcek.testcer", &s->leaf);
    read_file(folder, "milan.testcer", &s->chain);
    s->snp_trust = (struct clo_snp_trust){ .at = (int64_t)time(NULL), .amd = true };
    must(clo_snp_certificates_add(&s->certificates, clo_buffer_bytes(&s->leaf), &err) &&
                 clo_snp_certificates_add(&s->certificates, clo_buffer_bytes(&s->chain), &err) &&
                 clo_snp_parse(clo_buffer_bytes(&s->report), &report, &err) &&
                 clo_snp_chain_find(&report, &s->certificates, &s->snp, &err) &&
                 clo_snp_chain_verify(&s->snp, &s->snp_trust, &s->checks, &s->endorser, &err),
         &err);
    compare(s, "SEV-SNP report, chain known; go-sev-guest: the signature alone", snp_known, "known",
            &peer, rounds);
    compare(s, "SEV-SNP report with its chain; go-sev-guest", snp_whole, "whole", &peer, rounds);
    peer_stop(&peer);
    free(argv[2]);
    clo_snp_certificates_free(&s->certificates);
}

static void read_tdx(struct scene *s, const char *quote, const char *collateral, const char *at)
{
    struct clo_error err;

    must(clo_file_read(quote, CLO_FILE_LIMIT, &s->quote, &err) &&
                 clo_file_read(collateral, CLO_FILE_LIMIT, &s->json, &err) &&
                 clo_tdx_collateral_parse(clo_buffer_bytes(&s->json), &s->collateral, &err),
         &err);
    s->tdx_trust = (struct clo_tdx_trust){ .at = strtoll(at, NULL, 10), .intel = true };
}

static void free_scene(struct scene *s)
{
    clo_buffer_free(&s->report);
    clo_buffer_free(&s->leaf);
    clo_buffer_free(&s->chain);
    clo_buffer_free(&s->quote);
    clo_buffer_free(&s->json);
    clo_tdx_collateral_free(&s->collateral);
    clo_checks_free(&s->checks);
}

int main(int argc, char **argv)
{
    CLO_CLEANUP(free_scene) struct scene s = { 0 };
    const unsigned rounds = 25;

    if (argc == 4 && strcmp(argv[1], "snp") == 0) {
        snp(&s, argv[2], argv[3], rounds);
        return 0;
    }
    if (argc != 6) {
        fprintf(stderr, "usage: bench-peers snp FOLDER PEER\n"
                        "       bench-peers go-tdx-guest QUOTE COLLATERAL SECONDS PEER\n"
                        "       bench-peers dcap-qvl QUOTE COLLATERAL SECONDS PEER\n");
        return 2;
    }
    read_tdx(&s, argv[2], argv[3], argv[4]);
    bool is_go = strcmp(argv[1], "go-tdx-guest") == 0;
    char *const go[] = { argv[5], (char[]){ "tdx" }, NULL };
    char *const rust[] = { argv[5], argv[2], argv[3], argv[4], NULL };
    struct peer peer = peer_start(is_go ? go : rust);
    if (is_go)
        compare(&s, "TDX quote with its chain; go-tdx-guest", tdx_chain, "chain", &peer, rounds);
    compare(&s,
            is_go ? "TDX quote with all collateral; go-tdx-guest"
                  : "TDX quote with all collateral; dcap-qvl, native",
            tdx_whole, "whole", &peer, rounds);
    peer_stop(&peer);
    return 0;
}
