/* What predictions of one boot share: the events so far, the registers they add up to, and the JSON of
 * both. Each predict_*() adds what one part of the boot chain measures. */
#ifndef CLOISTER_REFERENCE_PREDICT_H
#define CLOISTER_REFERENCE_PREDICT_H

#include "cloister/authenticode.h"
#include "cloister/efivar.h"
#include "cloister/reference.h"
#include "cloister/uki.h"
#include "lib/predict/companions.h"
#include "lib/predict/grub.h"
#include "lib/predict/loader.h"
#include "lib/predict/record.h"

/* What was logged as an authority this boot: firmware and shim each log one once. */
#define AUTHORITIES_MAX 8
struct authorities {
    struct {
        const char *name; /* of the variable */
        struct clo_bytes value;
    } seen[AUTHORITIES_MAX];
    size_t count;
};

struct shim_boot;

struct prediction {
    const struct clo_prediction *inputs;
    const struct clo_uki *uki;        /* NULL: a kernel is started */
    const struct clo_varstore *store; /* NULL: not given */
    struct shim_boot *shim;           /* NULL: firmware starts the UKI itself */
    bool is_secure_boot_on;
    size_t profile;      /* of the UKI */
    const char *options; /* the boot entry's command line in place of the UKI's; "": none */
    struct companions companions;
    struct record record;
    struct loader loader;
    struct clo_pe *loader_pe;   /* NULL: there is none */
    struct clo_pe *kernel;      /* in place of the UKI; NULL: it is a UKI */
    struct grub_script *script; /* NULL: there is no GRUB, or what it does is not predicted */
    struct clo_buffer passed;   /* a UKI's command line, where the loader hands it over */
};

/* predict_variable.c: variables, and what let an image start, into PCR 7. */
/* UEFI_VARIABLE_DATA: what is measured of a variable. */
CLO_MUST_USE bool predict_variable_data(const char *name, const struct clo_guid *vendor,
                                        struct clo_bytes value, struct clo_buffer *out,
                                        struct clo_error *err);
struct predict_variable {
    uint32_t type;     /* of the event */
    const char *title; /* the event's name */
    const char *name;  /* the variable's */
    const struct clo_guid *vendor;
    struct clo_bytes value;
};
CLO_MUST_USE bool predict_variable(struct prediction *p, const struct predict_variable *variable,
                                   struct clo_error *err);
/* The same, once for each value. */
CLO_MUST_USE bool predict_authority(struct prediction *p, struct authorities *authorities,
                                    const struct predict_variable *variable, struct clo_error *err);
/* The next of an image's signatures: those of another kind are passed over. */
CLO_MUST_USE enum clo_next predict_signature_next(struct clo_authenticode_walk *walk,
                                                  struct clo_authenticode_signature *out,
                                                  struct clo_error *err);
/* What edk2 measures of Secure Boot, in this order, before anything starts (Tcg2Dxe.c,
 * MeasureAllSecureVariables): also where a variable is not there, but for optional ones. The first one's
 * value is not stored, but is the state itself. */
struct secure_variable {
    const char *name;
    const struct clo_guid *vendor;
    bool is_optional;
};
#define PREDICT_SECURE_VARIABLES 6
extern const struct secure_variable predict_secure_variables[PREDICT_SECURE_VARIABLES];

/* predict_firmware.c: what is started, the partition table, Secure Boot's state. */
bool predict_is_secure_boot_on(const struct clo_varstore *store);
CLO_MUST_USE bool predict_4(struct prediction *p, struct clo_error *err);
CLO_MUST_USE bool predict_5(struct prediction *p, struct clo_error *err);
CLO_MUST_USE bool predict_7(struct prediction *p, struct clo_error *err);

/* predict_loader.c */
CLO_MUST_USE bool predict_loader_read(struct prediction *p, struct clo_error *err);
CLO_MUST_USE bool predict_loader_passes(struct prediction *p, struct clo_error *err);
void predict_loader_conf(struct prediction *p);
void predict_loader_unseen(struct prediction *p);
CLO_MUST_USE bool predict_kernel(struct prediction *p, struct clo_error *err);

/* predict_grub.c */
CLO_MUST_USE bool predict_grub_read(struct prediction *p, struct clo_error *err);
/* How often the kernel is logged into PCR 4. */
unsigned predict_grub_kernel_logs(const struct prediction *p);
CLO_MUST_USE bool predict_grub(struct prediction *p, struct clo_error *err);

/* predict_ovmf.c: what it measures of itself, and of its machine. */
CLO_MUST_USE bool predict_ovmf(struct prediction *p, struct clo_error *err);

/* predict_stub.c: UTF-8 as UTF-16 with its NUL. */
CLO_MUST_USE bool predict_wide(struct prediction *p, unsigned pcr, const char *type,
                               const char *name, struct clo_buffer *text, struct clo_error *err);
/* What the boot entry's load options ask for. */
CLO_MUST_USE bool predict_options(struct prediction *p, struct clo_error *err);
/* What the stub measures, and what the kernel measures of what it was handed. */
CLO_MUST_USE bool predict_9_12_13(struct prediction *p, struct clo_error *err);
void predict_11(struct prediction *p);
void predict_15(struct prediction *p);

#endif
