/* What the image tells its guest: /etc/cloister/guest.json, in the initrd, measured with the UKI.
 * image/ writes it. Read strictly: it comes from our own build, so what is odd is an error. */
#ifndef CLOISTER_GUEST_CONFIG_H
#define CLOISTER_GUEST_CONFIG_H

#include "guest/grow.h"
#include "guest/host_allow.h"
#include "guest/partitions.h"
#include "guest/verity.h"
#include "lib/tcg/tpm2_policy.h"

#define CLO_GUEST_CONFIG      "/etc/cloister/guest.json"
#define CLO_GUEST_DNS_MAX     3
#define CLO_GUEST_MODULES_MAX 256

struct clo_guest_network {
    bool is_static;
    uint32_t address; /* IPv4, host byte order; of a static network */
    unsigned prefix;
    uint32_t gateway; /* 0: none */
    uint32_t dns[CLO_GUEST_DNS_MAX];
    size_t dns_count;
};

/* Where the disk's key comes from. */
enum clo_unlock_by {
    CLO_UNLOCK_BROKER, /* "broker", or not said */
    CLO_UNLOCK_TPM,    /* "tpm": nobody is asked */
    CLO_UNLOCK_TPM_OR_BROKER, /* "tpm-or-broker": the broker's key is sealed to the TPM for the next boots */
    CLO_UNLOCK_BOTH,          /* "both": a share of each */
};

struct clo_guest_config {
    json_t *json; /* the strings below live in it */
    const char *name;
    const char *broker_url;
    struct clo_buffer broker_key; /* DER SubjectPublicKeyInfo */
    const char *resource;         /* may hold placeholders: cloister/resource.h */
    bool disk_is_registered;      /* "disk": "registered", or not said: a key alone opens nothing */
    bool rtmr_is_optional;        /* "tdx_rtmr": "optional"; not said: required */
    bool has_tpm_counter; /* "tpm_counter": "used": the disk's generation is kept in the TPM as well */
    enum clo_unlock_by unlock_by;
    struct clo_buffer tpm_srk; /* "tpm_srk": the name of the TPM's storage key; empty: not said */
    struct clo_guest_network network;
    unsigned retry_seconds;
    const char *modules[CLO_GUEST_MODULES_MAX];
    size_t module_count;
    const json_t *
            module_devices; /* which devices a module is for; one that is not in it is always wanted */
    struct clo_host_allow host; /* what is taken from the host; nothing, without the member */
    const char *partitions[CLO_PARTITION_KINDS_MAX];
    size_t partition_count;
    const char *cmdline;            /* the image's own; NULL: not said */
    struct clo_guest_verity verity; /* "verity"; not said: the root can be written to */
    struct clo_guest_grow grow;     /* "grow"; not said: never */
    const json_t *profile_cmdlines; /* those of its UKI's further profiles; NULL: none */
};

CLO_MUST_USE bool clo_guest_config_parse(struct clo_bytes json, struct clo_guest_config *out,
                                         struct clo_error *err);
/* The storage key that the image names; NULL: none. */
const struct clo_tpm2_name *clo_guest_config_srk(const struct clo_guest_config *config,
                                                 struct clo_tpm2_name *out);
void clo_guest_config_free(struct clo_guest_config *config); /* for CLO_CLEANUP */

/* "10.0.2.15" and nothing else. */
CLO_MUST_USE bool clo_ipv4_read(const char *text, uint32_t *out, struct clo_error *err);

#endif
