/* The audit: rules for kernels, command lines, UKIs, disk images and running guests, held against what
 * is known of one of them.
 *
 * A finding is a fact about the subject, not evidence: who can change the subject can change the answer.
 * What is not known is a result of its own and never counts as fit. */
#ifndef CLOISTER_AUDIT_H
#define CLOISTER_AUDIT_H

#include "cloister/json.h"
#include "cloister/kconfig.h"

CLO_BEGIN_C

/* --- Rules ---------------------------------------------------------------------------------- */

enum clo_audit_severity {
    CLO_AUDIT_REQUIRED,    /* without it there is no confidential VM, or an open way into it */
    CLO_AUDIT_RECOMMENDED, /* an attack surface or a leak that need not be there */
    CLO_AUDIT_OPTIONAL,    /* worth having */
    CLO_AUDIT_INFO,        /* good to know */
    CLO_AUDIT_SEVERITY_COUNT,
};

/* What is being audited; a rule is about one of these. */
enum clo_audit_what {
    CLO_AUDIT_KCONFIG,
    CLO_AUDIT_CMDLINE,
    CLO_AUDIT_UKI,
    CLO_AUDIT_IMAGE,
    CLO_AUDIT_GUEST,  /* a machine that runs */
    CLO_AUDIT_ROOTFS, /* the files of its root */
    CLO_AUDIT_WHAT_COUNT,
};

/* What the machine is to be; a rule applies to some of these. */
enum clo_audit_platform {
    CLO_AUDIT_SNP = 1,
    CLO_AUDIT_TDX = 2,
    CLO_AUDIT_KVM = 4,    /* QEMU, Google, Amazon: virtio, NVMe */
    CLO_AUDIT_HYPERV = 8, /* Azure, with a paravisor */
    CLO_AUDIT_VTPM = 16,  /* any vTPM */
    CLO_AUDIT_SVSM = 32,  /* a vTPM by COCONUT-SVSM */
    CLO_AUDIT_UKI_BOOT = 64,
    CLO_AUDIT_FDE = 128, /* the root is encrypted */
};
#define CLO_AUDIT_TEES  (CLO_AUDIT_SNP | CLO_AUDIT_TDX)
#define CLO_AUDIT_HOSTS (CLO_AUDIT_KVM | CLO_AUDIT_HYPERV)
#define CLO_AUDIT_FOR_DEFAULT \
    (CLO_AUDIT_TEES | CLO_AUDIT_KVM | CLO_AUDIT_VTPM | CLO_AUDIT_UKI_BOOT | CLO_AUDIT_FDE)
#define CLO_AUDIT_ALTERNATIVES 6

struct clo_audit_version {
    unsigned major, minor; /* 0.0: not said */
};

/* One line of a table; docs/audit.md says what may stand in each column. */
struct clo_audit_rule {
    const char *id;
    const char *group;
    const char *wanted; /* an expression */
    const char *needs;  /* an expression; empty: always */
    const char
            *depends; /* options, with commas, that must be on for the wanted one to be settable */
    const char *checked; /* Kconfig trees in which the option was seen; "-": in none */
    const char *reason;
    const char *source;
    const char *fix; /* empty: what is wanted, said as an option */
    enum clo_audit_what what;
    enum clo_audit_severity severity;
    unsigned
            platforms[CLO_AUDIT_ALTERNATIVES]; /* any of them, each all of its bits; none: always */
    size_t platform_count;
    struct clo_audit_version since, until;
    bool was_part; /* before `since` another option had it within itself: an older kernel is not asked */
};

struct clo_audit_rules;

/* The table that is built in, as text. */
CLO_API struct clo_bytes clo_audit_builtin(void);
CLO_API CLO_MUST_USE bool clo_audit_rules_new(struct clo_audit_rules **out, struct clo_error *err);
/* Adds a table: a line with an id that is there replaces that rule; severity "off" takes it away. */
CLO_API CLO_MUST_USE bool clo_audit_rules_add(struct clo_audit_rules *rules, struct clo_bytes table,
                                              struct clo_error *err);
CLO_API void clo_audit_rules_free(struct clo_audit_rules *rules);
CLO_API void clo_audit_rules_freep(struct clo_audit_rules **rules); /* for CLO_CLEANUP */
CLO_API size_t clo_audit_rules_count(const struct clo_audit_rules *rules);
CLO_API const struct clo_audit_rule *clo_audit_rules_at(const struct clo_audit_rules *rules,
                                                        size_t index);

CLO_API const char *clo_audit_severity_name(enum clo_audit_severity severity);
CLO_API const char *clo_audit_what_name(enum clo_audit_what what);
CLO_API const char *clo_audit_platform_name(unsigned bit);
/* "snp,hyperv,no-fde": the TEEs, or the host, replace the default ones; the rest adds or takes away. */
CLO_API CLO_MUST_USE bool clo_audit_platforms_parse(const char *text, unsigned *out,
                                                    struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_audit_severity_from_name(const char *name,
                                                       enum clo_audit_severity *out);
/* "6.12.0-144.el10" is 6.12; 0.0 if it is not a version. */
CLO_API struct clo_audit_version clo_audit_version(const char *text);

/* --- Facts ---------------------------------------------------------------------------------- */

/* What is known of the subject. Everything is borrowed; NULL is "not known". */
struct clo_audit_facts {
    bool about[CLO_AUDIT_WHAT_COUNT]; /* of what kinds the subject is */
    const struct clo_kconfig *config;
    const char *release; /* the kernel's; its configuration's header counts without */
    const char *cmdline;
    const json_t *modules;    /* an object: names of modules in the initrd, with '_' */
    bool modules_may_be_more; /* what is not in it may be there all the same */
    const json_t *named;      /* an object: "guest.secure_boot": "on" */
};

/* Reads the module names out of an initrd: {"virtio_blk": true, …}, and what libkmod's modules.builtin in
 * it says. */
CLO_API CLO_MUST_USE bool clo_audit_modules(struct clo_bytes initrd, json_t **out,
                                            struct clo_error *err);

enum clo_audit_answer {
    CLO_AUDIT_NO,
    CLO_AUDIT_UNKNOWN,
    CLO_AUDIT_YES,
};

/* Holds an expression against the facts; `found` gets what its terms are now, as text. An expression that
 * cannot be read is CLO_ERR_FORMAT. `err` NULL: it was checked before. */
CLO_API CLO_MUST_USE bool clo_audit_ask(const char *expression, const struct clo_audit_facts *facts,
                                        enum clo_audit_answer *out, struct clo_buffer *found,
                                        struct clo_error *err);

/* --- The audit ------------------------------------------------------------------------------ */

enum clo_audit_result {
    CLO_AUDIT_PASS,
    CLO_AUDIT_FAIL,
    CLO_AUDIT_OPEN,        /* unknown: not shown to hold, nor not to */
    CLO_AUDIT_CONSEQUENCE, /* fails because of another finding: mend that one first */
    CLO_AUDIT_WAIVED,      /* fails or is open, but an unexpired waiver accepts it */
    CLO_AUDIT_RESULT_COUNT,
};

struct clo_audit_finding {
    const struct clo_audit_rule *rule;
    enum clo_audit_result result;
    const struct clo_audit_rule *because; /* of a consequence */
    const char *waiver;                   /* why it was waived; NULL */
    char found[256];                      /* "DM_CRYPT=m, dm_crypt.ko is not in the initrd" */
};

struct clo_audit_waivers;

/* Lines of rule id, last day (2027-03-31) and reason, with tabs between; "#" begins a remark. */
CLO_API CLO_MUST_USE bool
clo_audit_waivers_parse(struct clo_bytes in, struct clo_audit_waivers **out, struct clo_error *err);
CLO_API void clo_audit_waivers_freep(struct clo_audit_waivers **waivers); /* for CLO_CLEANUP */

struct clo_audit {
    struct clo_audit_finding
            *findings; /* in the order of the rules; those that do not apply left out */
    size_t count;
    size_t tally[CLO_AUDIT_SEVERITY_COUNT][CLO_AUDIT_RESULT_COUNT];
    unsigned platforms;
    struct clo_audit_version version;
};

/* What is asked of a subject, by whom. */
struct clo_audit_request {
    const struct clo_audit_rules *rules;
    unsigned platforms;
    const struct clo_audit_waivers *waivers; /* NULL: none */
    int64_t now;                             /* the day that they are held against, as Unix time */
};

CLO_API CLO_MUST_USE bool clo_audit_run(const struct clo_audit_request *request,
                                        const struct clo_audit_facts *facts, struct clo_audit *out,
                                        struct clo_error *err);
CLO_API void clo_audit_free(struct clo_audit *audit); /* for CLO_CLEANUP */
/* Down to a severity: NO if something fails, else UNKNOWN if something is open, else YES. */
CLO_API enum clo_audit_answer clo_audit_verdict(const struct clo_audit *audit,
                                                enum clo_audit_severity level);

/* --- What comes out ------------------------------------------------------------------------- */

CLO_API const char *clo_audit_result_name(enum clo_audit_result result); /* "pass" */
CLO_API const char *clo_audit_answer_name(enum clo_audit_answer answer); /* "yes" */
/* What to do about it. */
CLO_API CLO_MUST_USE bool clo_audit_fix(const struct clo_audit_rule *rule, struct clo_buffer *out,
                                        struct clo_error *err);
/* docs/schema/audit.json. `subject` names it. NULL when out of memory. */
CLO_API json_t *clo_audit_json(const struct clo_audit *audit, const struct clo_audit_facts *facts,
                               const char *subject, enum clo_audit_severity level);
/* SARIF 2.1.0 (OASIS), for CI systems: what fails or is open. */
CLO_API json_t *clo_audit_sarif(const struct clo_audit *audit, const char *subject,
                                const char *version);
/* A fragment for the kernel's scripts/kconfig/merge_config.sh that mends what fails, or is open, down to
 * `level`. */
CLO_API CLO_MUST_USE bool clo_audit_fragment(const struct clo_audit_request *request,
                                             const struct clo_audit_facts *facts,
                                             enum clo_audit_severity level, struct clo_buffer *out,
                                             struct clo_error *err);

CLO_END_C

#endif
