#include "cloister/launch_explain.h"

#include <stdlib.h>
#include <string.h>

#include "lib/launch/launch_internal.h"

#define SIGNATURES_MAX 32
#define FEATURES_MAX   40
#define KERNELS_MAX    (2 * CLO_CMDLINE_COUNT + 1)
#define VARS_MAX       8
#define CHANGES_MAX    8

#define SNP_ACTIVE 1
#define DEBUG_SWAP (1 << 5)

/* One way to boot directly, or not to. */
struct kernel_choice {
    bool has_kernel, has_initrd;
    enum clo_cmdline_variant cmdline;
    struct clo_launch_kernel hashes;
    unsigned changed;
};

/* The VMSAs of one choice of registers. */
struct vmsa_pair {
    bool is_known;
    uint8_t bsp[CLO_LAUNCH_DIGEST_SIZE], ap[CLO_LAUNCH_DIGEST_SIZE];
};

/* Everything up to the VMSAs, for one choice of memory. */
struct base {
    bool is_known, is_possible;
    uint8_t digest[CLO_LAUNCH_DIGEST_SIZE];
};

/* What is tried: the given value first, where there is one. */
struct search {
    const struct clo_launch_known *known;
    const uint8_t *target;
    enum clo_vmm vmms[CLO_VMM_COUNT];
    size_t vmm_count;
    uint32_t signatures[SIGNATURES_MAX];
    size_t signature_count;
    uint64_t features[FEATURES_MAX];
    size_t feature_count;
    struct kernel_choice kernels[KERNELS_MAX];
    size_t kernel_count;
    size_t vars[VARS_MAX];
    size_t vars_count;
    struct base bases[CLO_VMM_COUNT][KERNELS_MAX][VARS_MAX];
    struct vmsa_pair vmsas[CLO_VMM_COUNT][VARS_MAX][FEATURES_MAX][SIGNATURES_MAX];
    struct launch_chain chain;
    struct clo_launch_match *matches;
    size_t match_count;
};

const char *clo_cmdline_variant_text(enum clo_cmdline_variant variant)
{
    static const char *const texts[CLO_CMDLINE_COUNT] = {
        [CLO_CMDLINE_AS_GIVEN] = "as given",
        [CLO_CMDLINE_WITHOUT_NUL] = "without its NUL",
        [CLO_CMDLINE_NEWLINE] = "with a line end after it",
        [CLO_CMDLINE_NEWLINE_WITHOUT_NUL] = "with a line end instead of its NUL",
        [CLO_CMDLINE_TRIMMED] = "without the blanks or line end after it",
        [CLO_CMDLINE_BLANK] = "with a blank after it",
        [CLO_CMDLINE_EMPTY] = "empty",
    };

    return (size_t)variant < CLO_COUNT(texts) ? texts[variant] : "unknown";
}

/* --- What is tried --- */

static bool is_known(const struct search *s, unsigned input)
{
    return (s->known->known & input) != 0;
}

static void add_vmms(struct search *s)
{
    const struct clo_launch *launch = s->known->launch;

    s->vmms[s->vmm_count++] = launch->vmm;
    for (int i = 0; i < CLO_VMM_COUNT; i++)
        if ((enum clo_vmm)i != launch->vmm && clo_vmm_fits((enum clo_vmm)i, launch->mode))
            s->vmms[s->vmm_count++] = (enum clo_vmm)i;
}

static void add_signature(struct search *s, uint32_t signature)
{
    for (size_t i = 0; i < s->signature_count; i++)
        if (s->signatures[i] == signature)
            return;
    if (s->signature_count < SIGNATURES_MAX)
        s->signatures[s->signature_count++] = signature;
}

/* QEMU's models, and steppings that machines have: -cpu host passes them on. */
static void add_signatures(struct search *s)
{
    static const uint32_t machines[] = { 0x00a00f10, 0x00a00f11, 0x00a00f12, 0x00a10f10, 0x00a10f11,
                                         0x00a10f12, 0x00aa0f01, 0x00aa0f02, 0x00b00f10, 0x00b00f20,
                                         0x00b00f21, 0x00b10f10, 0x00b10f20 };

    if (is_known(s, CLO_INPUT_SIGNATURE))
        add_signature(s, s->known->launch->vcpu_signature);
    if (s->known->host_signature != 0)
        add_signature(s, s->known->host_signature);
    for (size_t i = 0; clo_vcpu_type_at(i) != NULL; i++)
        add_signature(s, clo_vcpu_type_at(i)->signature);
    for (size_t i = 0; i < CLO_COUNT(machines); i++)
        add_signature(s, machines[i]);
}

static void add_feature(struct search *s, uint64_t features)
{
    for (size_t i = 0; i < s->feature_count; i++)
        if (s->features[i] == features)
            return;
    if (s->feature_count < FEATURES_MAX)
        s->features[s->feature_count++] = features;
}

/* SNPActive, alone and with DebugSwap, and each with one more bit. */
static void add_features(struct search *s)
{
    if (s->known->launch->mode != CLO_LAUNCH_SNP) {
        s->features[s->feature_count++] = SNP_ACTIVE;
        return;
    }
    if (is_known(s, CLO_INPUT_FEATURES))
        add_feature(s, s->known->launch->sev_features);
    add_feature(s, SNP_ACTIVE);
    add_feature(s, SNP_ACTIVE | DEBUG_SWAP);
    add_feature(s, 0);
    for (unsigned bit = 1; bit < 16; bit++) {
        add_feature(s, SNP_ACTIVE | 1U << bit);
        add_feature(s, SNP_ACTIVE | DEBUG_SWAP | 1U << bit);
    }
}

static void hash_cmdline(const char *cmdline, enum clo_cmdline_variant variant, uint8_t out[32])
{
    static const char endings[] = "\n";
    size_t size = strlen(cmdline);
    struct clo_bytes parts[3] = { 0 };
    struct clo_digest digest;

    if (variant == CLO_CMDLINE_TRIMMED)
        while (size > 0 && strchr(" \t\r\n", cmdline[size - 1]) != NULL)
            size--;
    if (variant != CLO_CMDLINE_EMPTY)
        parts[0] = clo_bytes(cmdline, size);
    if (variant == CLO_CMDLINE_NEWLINE || variant == CLO_CMDLINE_NEWLINE_WITHOUT_NUL)
        parts[1] = clo_bytes(endings, 1);
    if (variant == CLO_CMDLINE_BLANK)
        parts[1] = clo_bytes(" ", 1);
    if (variant != CLO_CMDLINE_WITHOUT_NUL && variant != CLO_CMDLINE_NEWLINE_WITHOUT_NUL)
        parts[2] = clo_bytes(endings + 1, 1); /* its own NUL */
    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    memcpy(out, digest.bytes, 32);
}

/* Variants that hash alike (a command line that is empty anyway) are tried once. */
static void add_kernel(struct search *s, const struct kernel_choice *choice)
{
    for (size_t i = 0; i < s->kernel_count; i++)
        if (s->kernels[i].has_kernel == choice->has_kernel &&
            memcmp(&s->kernels[i].hashes, &choice->hashes, sizeof choice->hashes) == 0)
            return;
    s->kernels[s->kernel_count++] = *choice;
}

static void add_kernels(struct search *s)
{
    const struct clo_launch_known *known = s->known;
    const struct clo_launch_kernel *given = known->launch->kernel;
    static const struct kernel_choice none;
    struct clo_digest empty;

    if (given == NULL) {
        add_kernel(s, &none);
        return;
    }
    clo_hash(CLO_HASH_SHA256, clo_bytes(NULL, 0), &empty);
    for (int with_initrd = known->has_initrd; with_initrd >= 0; with_initrd--) {
        for (int i = 0; i < CLO_CMDLINE_COUNT; i++) {
            struct kernel_choice choice = { .has_kernel = true,
                                            .has_initrd = with_initrd == 1,
                                            .cmdline = (enum clo_cmdline_variant)i,
                                            .hashes = *given };
            if (i != CLO_CMDLINE_AS_GIVEN) {
                hash_cmdline(known->cmdline == NULL ? "" : known->cmdline, choice.cmdline,
                             choice.hashes.cmdline);
                choice.changed |= CLO_INPUT_CMDLINE;
            }
            if (choice.has_initrd != known->has_initrd) {
                memcpy(choice.hashes.initrd, empty.bytes, 32);
                choice.changed |= CLO_INPUT_INITRD;
            }
            add_kernel(s, &choice);
        }
    }
    struct kernel_choice without = none;
    without.changed = CLO_INPUT_KERNEL;
    add_kernel(s, &without);
}

/* What OVMF's builds have: none, 2M, 4M, and without room for a spare. */
static void add_vars(struct search *s)
{
    static const size_t sizes[] = { 0, 0x20000, 0x84000, 0x10000, 0x40000, 0x42000 };
    size_t given = s->known->launch->vars_size;

    s->vars[s->vars_count++] = given;
    for (size_t i = 0; s->known->launch->mode == CLO_LAUNCH_SNP_SVSM && i < CLO_COUNT(sizes); i++)
        if (sizes[i] != given)
            s->vars[s->vars_count++] = sizes[i];
}

/* --- One choice --- */

struct choice {
    size_t vmm, kernel, vars, feature, signature;
    unsigned changed;
};

static struct clo_launch choose(const struct search *s, const struct choice *c)
{
    struct clo_launch launch = *s->known->launch;

    launch.vmm = s->vmms[c->vmm];
    launch.kernel = s->kernels[c->kernel].has_kernel ? &s->kernels[c->kernel].hashes : NULL;
    launch.vars_size = s->vars[c->vars];
    launch.sev_features = s->features[c->feature];
    launch.vcpu_signature = s->signatures[c->signature];
    return launch;
}

/* A choice that cannot be (a kernel that the firmware has no place for) has no base. */
static const struct base *find_base(struct search *s, const struct choice *c)
{
    struct base *base = &s->bases[c->vmm][c->kernel][c->vars];
    CLO_CLEANUP(launch_chain_close) struct launch_chain chain = { 0 };
    struct clo_error ignored;

    if (base->is_known)
        return base;
    const struct clo_launch launch = choose(s, c);
    base->is_known = true;
    base->is_possible = launch_before_vmsa(&launch, &chain, &ignored);
    memcpy(base->digest, chain.digest, sizeof base->digest);
    return base;
}

static const struct vmsa_pair *find_vmsas(struct search *s, const struct choice *c)
{
    struct vmsa_pair *pair = &s->vmsas[c->vmm][c->vars][c->feature][c->signature];
    uint8_t page[CLO_LAUNCH_PAGE];
    struct clo_error ignored;

    if (pair->is_known)
        return pair;
    const struct clo_launch launch = choose(s, c);
    if (!clo_launch_vmsa(&launch, 0, page, &ignored))
        return NULL;
    launch_hash_page(s->chain.hasher, page, pair->bsp);
    if (!clo_launch_vmsa(&launch, 1, page, &ignored))
        return NULL;
    launch_hash_page(s->chain.hasher, page, pair->ap);
    pair->is_known = true;
    return pair;
}

static void add_match(struct search *s, const struct choice *c, uint32_t vcpus)
{
    const struct kernel_choice *kernel = &s->kernels[c->kernel];
    bool other_vcpus = is_known(s, CLO_INPUT_VCPUS) && vcpus != s->known->launch->vcpus;

    if (s->match_count == CLO_LAUNCH_MATCHES_MAX)
        return;
    s->matches[s->match_count++] = (struct clo_launch_match){
        .changed = c->changed | (other_vcpus ? CLO_INPUT_VCPUS : 0),
        .vmm = s->vmms[c->vmm],
        .vcpus = vcpus,
        .vcpu_signature = s->signatures[c->signature],
        .sev_features = s->features[c->feature],
        .vars_size = s->vars[c->vars],
        .has_kernel = kernel->has_kernel,
        .has_initrd = kernel->has_initrd,
        .cmdline = kernel->cmdline,
    };
}

/* Goes through numbers of CPUs: the chain of each is one step longer than the one before. */
static void try_vcpus(struct search *s, const struct choice *c, uint32_t from, uint32_t to)
{
    const struct base *base = find_base(s, c);
    const struct vmsa_pair *vmsas = find_vmsas(s, c);

    if (!base->is_possible || vmsas == NULL)
        return;
    memcpy(s->chain.digest, base->digest, sizeof base->digest);
    for (uint32_t vcpus = 1; vcpus <= to; vcpus++) {
        launch_chain_page(&s->chain, PAGE_VMSA, vcpus == 1 ? vmsas->bsp : vmsas->ap, VMSA_GPA);
        if (vcpus >= from && memcmp(s->chain.digest, s->target, CLO_LAUNCH_DIGEST_SIZE) == 0)
            add_match(s, c, vcpus);
    }
}

/* --- All choices with so many changes --- */

static unsigned count_changes(unsigned changed)
{
    return (unsigned)__builtin_popcount(changed);
}

/* With the number of CPUs among the changes, or not. */
static void try_choice(struct search *s, const struct choice *c, unsigned changes)
{
    unsigned others = count_changes(c->changed);
    uint32_t given = s->known->launch->vcpus;

    if (!is_known(s, CLO_INPUT_VCPUS)) {
        if (others == changes)
            try_vcpus(s, c, 1, s->known->vcpus_max);
    } else if (others == changes) {
        try_vcpus(s, c, given, given);
    } else if (others + 1 == changes) {
        try_vcpus(s, c, 1, s->known->vcpus_max);
    }
}

static unsigned mark(const struct search *s, unsigned input, size_t index)
{
    return index > 0 && is_known(s, input) ? input : 0;
}

static void try_registers(struct search *s, const struct choice *memory, unsigned changes)
{
    bool uses_signature = clo_vmm_uses_signature(s->vmms[memory->vmm]);
    struct choice c = *memory;

    for (c.feature = 0; c.feature < s->feature_count; c.feature++) {
        for (c.signature = 0; c.signature < (uses_signature ? s->signature_count : 1);
             c.signature++) {
            c.changed = memory->changed | mark(s, CLO_INPUT_FEATURES, c.feature) |
                        mark(s, CLO_INPUT_SIGNATURE, c.signature);
            if (count_changes(c.changed) <= changes)
                try_choice(s, &c, changes);
        }
    }
}

static void try_all(struct search *s, unsigned changes)
{
    struct choice c = { 0 };

    for (c.vmm = 0; c.vmm < s->vmm_count; c.vmm++) {
        for (c.kernel = 0; c.kernel < s->kernel_count; c.kernel++) {
            for (c.vars = 0; c.vars < s->vars_count; c.vars++) {
                c.changed = s->kernels[c.kernel].changed | mark(s, CLO_INPUT_VMM, c.vmm) |
                            mark(s, CLO_INPUT_VARS_SIZE, c.vars);
                if (count_changes(c.changed) <= changes)
                    try_registers(s, &c, changes);
            }
        }
    }
}

static void search_free(struct search *s)
{
    if (s != NULL)
        launch_chain_close(&s->chain);
    free(s);
}

static void search_freep(struct search **s)
{
    search_free(*s);
}

bool clo_launch_explain(const struct clo_launch_known *known, const uint8_t *digest,
                        struct clo_launch_match matches[CLO_LAUNCH_MATCHES_MAX], size_t *count,
                        struct clo_error *err)
{
    const struct clo_launch *launch = known->launch;

    if (launch->mode != CLO_LAUNCH_SNP && launch->mode != CLO_LAUNCH_SNP_SVSM)
        return clo_fail(err, CLO_ERR_USAGE, "mode %s: only digests of SEV-SNP can be explained",
                        clo_launch_mode_name(launch->mode));
    if (known->vcpus_max == 0 || known->vcpus_max > CLO_LAUNCH_VCPUS_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "%u vCPUs: 1 to %d can be tried", known->vcpus_max,
                        CLO_LAUNCH_VCPUS_MAX);
    CLO_CLEANUP(search_freep) struct search *s = calloc(1, sizeof *s);
    if (s == NULL)
        return clo_out_of_memory(err);
    s->known = known;
    s->target = digest;
    s->matches = matches;
    launch_chain_open(&s->chain, NULL);
    add_vmms(s);
    add_signatures(s);
    add_features(s);
    add_kernels(s);
    add_vars(s);
    for (unsigned changes = 0; changes <= CHANGES_MAX && s->match_count == 0; changes++)
        try_all(s, changes);
    *count = s->match_count;
    return true;
}
