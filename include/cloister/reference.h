/* Reference values: the events and PCR values that an image will show, predicted from its bytes
 * before it ever ran, or taken from a calibration boot; and the file that says so
 * (docs/formats/reference.md, docs/schema/reference.json).
 *
 * Predicted for edk2's firmware (OVMF) that starts a unified kernel image from the ESP as
 * EFI/BOOT/BOOTX64.EFI, or shim, which starts it. The file is trusted input: it says what is right. */
#ifndef CLOISTER_REFERENCE_H
#define CLOISTER_REFERENCE_H

#include "cloister/eventlog.h"
#include "cloister/json.h"
#include "cloister/pcr.h"

CLO_BEGIN_C

/* The phases of a boot, as systemd-pcrphase names them: a path of what PCR 11 was extended with. */
#define CLO_PHASE_ENTER_INITRD "enter-initrd"
#define CLO_PHASE_LEAVE_INITRD "enter-initrd:leave-initrd"
#define CLO_PHASE_SYSINIT      "enter-initrd:leave-initrd:sysinit"
#define CLO_PHASE_READY        "enter-initrd:leave-initrd:sysinit:ready"

/* A file next to the UKI on its ESP that systemd's stub takes in (systemd-stub(7), "Companion files"). */
enum clo_companion_place {
    CLO_COMPANION_BESIDE,      /* UKI.extra.d/ */
    CLO_COMPANION_ADDONS,      /* loader/addons/ */
    CLO_COMPANION_CREDENTIALS, /* loader/credentials/ */
    CLO_COMPANION_EXTENSIONS,  /* loader/extensions/ */
};
struct clo_companion {
    enum clo_companion_place place;
    const char *name; /* as the folder has it; ends in .addon.efi, .cred or .raw */
    struct clo_bytes data;
};

/* Does a stub of this version load the companion from that place? Predictions refuse one that it would ignore. */
CLO_API bool clo_companion_is_taken(const struct clo_companion *companion, unsigned stub_version);
struct clo_uki;
/* An add-on for another kernel (.uname) is started and measured by firmware, and then ignored. */
CLO_API bool clo_companion_is_for(const struct clo_companion *companion, const struct clo_uki *uki);

/* QEMU's q35 machine without S3 and option ROMs, as far as firmware measures traces of it. */
struct clo_machine {
    uint64_t memory; /* in bytes */
    unsigned vcpus;
    unsigned address_bits; /* of its processor; -cpu max without KVM: 40 */
    const char *version;   /* firmware's own, which edk2's builds may leave empty; NULL: empty */
};

/* What to predict from. An empty view leaves out the PCRs that need it. */
struct clo_prediction {
    const char *name;             /* the image's */
    const char *created;          /* RFC 3339; NULL: not said */
    struct clo_bytes uki;         /* PCRs 4, 9, 11, 12, 13 */
    struct clo_bytes disk_head;   /* at least CLO_GPT_HEAD_SIZE bytes: PCR 5 */
    struct clo_bytes varstore;    /* the firmware's variables: PCR 7 */
    struct clo_bytes shim;        /* which firmware starts, and which starts the UKI; empty: none */
    struct clo_bytes loader;      /* systemd-boot or GRUB, that starts UKI or kernel; empty: none */
    struct clo_bytes loader_conf; /* its loader.conf, or script; empty: none */
    struct clo_bytes kernel, initrd; /* of its entry, in place of a UKI, with load_options for the
                                      * command line; empty: the UKI */
    struct clo_bytes mok_list;       /* signature lists in place of the variable store's MokList, */
    struct clo_bytes mok_list_x;     /* and of its MokListX */
    struct clo_bytes firmware;  /* OVMF's image: PCRs 0 to 3 and 6, as far as they can be known */
    struct clo_machine machine; /* that runs it */
    const struct clo_companion *companions;
    size_t companion_count;
    /* What the boot entry passes to the UKI, "@1" for its second profile; NULL: nothing, as in a boot
     * from EFI/BOOT/BOOTX64.EFI. */
    const char *load_options;
    bool is_secure_boot_off;    /* where no variable store is given to say so */
    const enum clo_hash *banks; /* NULL: SHA-256 alone */
    size_t bank_count;
    const struct clo_digest *volume_key_measurements; /* PCR 15, a digest per bank */
    size_t volume_key_count;
    const char *volume_key_text; /* what that event says: "cryptsetup:root:UUID" */
    const json_t *host_inputs;   /* words for what the image takes from its host; NULL: not said */
};

/* What to predict a TDX guest's registers from: MRTD, and RTMR 0 to 3, which hold what PCRs 1 to 15
 * would (UEFI 2.10, table 38.4). A UKI, or a kernel that QEMU starts directly, or neither. An empty
 * view leaves out what needs it; the reference then says what was not predicted, and why. */
struct clo_tdx_prediction {
    const char *name;
    const char *created;        /* RFC 3339; NULL: not said */
    struct clo_bytes firmware;  /* a TDX firmware image: MRTD, and in RTMR 0 TD HOB and CFV */
    bool is_page_order_known;   /* else MRTD has a value for each */
    bool is_two_pass;           /* if it is known */
    uint64_t memory;            /* in bytes: TD HOB, and what QEMU tells a kernel; 0: unknown */
    struct clo_bytes varstore;  /* empty: the firmware image's own */
    bool is_secure_boot_absent; /* a firmware without it: its variable is empty. Else the variable
                                 store says whether it is on; without one it counts as on */
    bool is_separator_in_rtmr0; /* firmware of 2022: the boot's separator is not in RTMR 1 */
    struct clo_bytes uki;
    struct clo_bytes shim;                  /* that starts the UKI; empty: firmware does */
    const struct clo_companion *companions; /* of the UKI */
    size_t companion_count;
    const char *load_options;     /* of the UKI */
    struct clo_bytes disk_head;   /* at least CLO_GPT_HEAD_SIZE bytes of what the UKI starts from */
    struct clo_bytes kernel;      /* a bzImage, for -kernel */
    struct clo_bytes initrd;      /* with the kernel; empty: none */
    const char *cmdline;          /* with the kernel; NULL: empty */
    bool is_header_unchanged;     /* QEMU that leaves the kernel's setup header alone */
    struct clo_bytes acpi_loader; /* QEMU's etc/table-loader, */
    struct clo_bytes acpi_rsdp;   /* etc/acpi/rsdp */
    struct clo_bytes acpi_tables; /* and etc/acpi/tables, as the guest saw them */
    const struct clo_eventlog *given; /* a CCEL log of such a machine, for what is not predicted */
};

/* RTMR n in the number space of PCRs, wherever a register's number is asked for. Its hash is SHA-384, its value and
 * events are the same in every phase. */
#define CLO_REGISTER_RTMR(n) (64U + (n))
#define CLO_RTMR_COUNT       4
CLO_API bool clo_register_is_rtmr(unsigned reg);
#define CLO_REGISTER_NAME 16
CLO_API const char *clo_register_name(unsigned reg, char out[CLO_REGISTER_NAME]); /* "PCR 4" */

struct clo_reference_event {
    const char *type;     /* "EV_IPL"; "phase" and "volume-key" for what user space measures */
    const char *name;     /* what a person calls it: ".cmdline", "Secure Boot db"; never NULL */
    const char *text;     /* decoded content where short; NULL */
    const json_t *fields; /* the same for comparing, of variables and partition tables; NULL */
    const char *from;     /* there from this phase on; NULL: always */
    const char *given;    /* where it was taken from, in a prediction; NULL: it was predicted */
    struct clo_digest digests[CLO_HASH_COUNT];
    size_t digest_count;
};

struct clo_reference;

CLO_API CLO_MUST_USE bool clo_reference_predict(const struct clo_prediction *from,
                                                struct clo_reference **out, struct clo_error *err);
/* Fails where what was given contradicts itself; what is merely missing is told in the reference. */
CLO_API CLO_MUST_USE bool clo_reference_predict_tdx(const struct clo_tdx_prediction *from,
                                                    struct clo_reference **out,
                                                    struct clo_error *err);
/* Takes events and values of the PCRs in `mask` from a log, for calibration. The caller shows first
 * that the log replays to the PCRs of the TPM; `only` is the bank for which that was shown, and
 * CLO_HASH_NONE takes all of the log's. */
CLO_API CLO_MUST_USE bool clo_reference_from_eventlog(const char *name, const char *created,
                                                      const struct clo_eventlog *log, uint32_t mask,
                                                      enum clo_hash only,
                                                      struct clo_reference **out,
                                                      struct clo_error *err);
/* The same from a CCEL log, for RTMR 0 to 3. */
CLO_API CLO_MUST_USE bool clo_reference_from_ccel(const char *name, const char *created,
                                                  const struct clo_eventlog *log,
                                                  struct clo_reference **out,
                                                  struct clo_error *err);
/* Strict: members we do not know are refused, and so are values that the file's own events, where it
 * lists them, do not lead to. */
CLO_API CLO_MUST_USE bool clo_reference_parse(struct clo_bytes json, struct clo_reference **out,
                                              struct clo_error *err);
CLO_API void clo_reference_free(struct clo_reference *reference);
CLO_API void clo_reference_freep(struct clo_reference **reference);

CLO_API const char *clo_reference_name(const struct clo_reference *reference);
CLO_API const char *clo_reference_origin(const struct clo_reference *reference); /* "prediction" */
/* Of the sets of its name, the how manieth it is: an owner counts them up. 0: it does not say. */
CLO_API uint64_t clo_reference_version(const struct clo_reference *reference);
CLO_API CLO_MUST_USE bool clo_reference_set_version(struct clo_reference *reference,
                                                    uint64_t version, struct clo_error *err);
/* The whole file; borrowed. */
CLO_API const json_t *clo_reference_json(const struct clo_reference *reference);

/* Appends the file's text: indented, keys sorted. */
CLO_API CLO_MUST_USE bool clo_reference_write(const struct clo_reference *reference,
                                              struct clo_buffer *out, struct clo_error *err);

/* The value that `pcr` must have in `phase`; false if the reference says nothing about it. */
CLO_API bool clo_reference_value(const struct clo_reference *reference, enum clo_hash hash,
                                 unsigned pcr, const char *phase, struct clo_digest *out);
/* The first of several references that has a value for it; NULL if none has. */
CLO_API const struct clo_reference *clo_reference_for(const struct clo_reference *const *references,
                                                      size_t count, enum clo_hash hash,
                                                      unsigned pcr, const char *phase,
                                                      struct clo_digest *out);
/* Bit n: it says something about PCR n in this bank and phase. */
CLO_API uint32_t clo_reference_mask(const struct clo_reference *reference, enum clo_hash hash,
                                    const char *phase);
/* Bit n: what it says about PCR n depends on the phase, whether or not it speaks of this one. */
CLO_API uint32_t clo_reference_phased(const struct clo_reference *reference, enum clo_hash hash);
/* The n-th phase that it has a value for, once for each register; NULL at the end. */
CLO_API const char *clo_reference_phase_at(const struct clo_reference *reference, size_t index);
/* The n-th event expected of `pcr` up to `phase`; false at the end. Strings are borrowed. */
CLO_API bool clo_reference_event_at(const struct clo_reference *reference, unsigned pcr,
                                    const char *phase, size_t index,
                                    struct clo_reference_event *out);
/* The n-th value that MRTD may have (each page order gives one); false at the end. */
CLO_API bool clo_reference_mr_td(const struct clo_reference *reference, size_t index,
                                 struct clo_digest *out);
/* Does the reference list the events of `pcr` (perhaps none), and not only its value? */
CLO_API bool clo_reference_lists_events(const struct clo_reference *reference, unsigned pcr);

CLO_END_C

#endif
