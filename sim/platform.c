#include "sim/platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cloister/snp.h"
#include "device/file.h"
#include "lib/crypto/certificate_make.h"

#define SPL_OID "1.3.6.1.4.1.3704.1."
#define DAY     ((int64_t)86400)

static const struct sim_tcb sim_default_tcb = { 4, 0, 24, 219 };

void sim_platform_free(struct sim_platform *platform)
{
    clo_private_key_freep(&platform->vcek_key);
    clo_buffer_free(&platform->vcek);
    clo_buffer_free(&platform->ask);
    clo_buffer_free(&platform->ark);
}

/* An INTEGER from 0 to 255. */
static struct clo_bytes der_integer(uint8_t value, uint8_t room[4])
{
    room[0] = 0x02;
    room[1] = value < 0x80 ? 1 : 2;
    room[2] = value < 0x80 ? value : 0;
    room[3] = value;
    return clo_bytes(room, value < 0x80 ? 3 : 4);
}

static bool make_authority(const char *name, const char *role, int64_t now, struct clo_bytes serial,
                           const struct clo_certificate *issuer,
                           const struct clo_private_key *issuer_key, struct clo_private_key **key,
                           struct clo_buffer *der, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    char common_name[64];

    snprintf(common_name, sizeof common_name, "%s-%s", role, name);
    struct clo_certificate_spec spec = {
        .common_name = common_name,
        .organization = "Cloister simulation, no AMD product",
        .not_before = now - DAY,
        .not_after = now + 3650 * DAY,
        .serial = serial,
        .is_ca = true,
        .scheme = CLO_RSASSA_PSS,
        .hash = CLO_HASH_SHA384,
    };
    return clo_private_key_new(CLO_KEY_RSA, 4096, key, err) &&
           clo_private_key_public(*key, &public, err) &&
           clo_certificate_make(&spec, public, issuer, issuer == NULL ? *key : issuer_key, der,
                                err);
}

static bool make_vcek(struct sim_platform *platform, int64_t now, const struct clo_certificate *ask,
                      const struct clo_private_key *ask_key, struct clo_error *err)
{
    static const uint8_t product[] = { 0x16, 0x08, 'M', 'i', 'l', 'a', 'n', '-', 'B', '0' };
    const struct sim_tcb *tcb = &platform->tcb;
    const uint8_t values[] = { tcb->bootloader, tcb->tee, tcb->snp, 0, 0, 0, 0, tcb->microcode };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct clo_certificate_extension_spec extensions[11];
    uint8_t version_room[4];
    uint8_t room[8][4];
    char oids[8][40];
    size_t count = 0;

    extensions[count++] =
            (struct clo_certificate_extension_spec){ .oid = SPL_OID "1",
                                                     .value = der_integer(0, version_room) };
    extensions[count++] =
            (struct clo_certificate_extension_spec){ .oid = SPL_OID "2",
                                                     .value = clo_bytes(product, sizeof product) };
    for (unsigned i = 0; i < 8; i++) {
        snprintf(oids[i], sizeof oids[i], SPL_OID "3.%u", i + 1);
        extensions[count++] =
                (struct clo_certificate_extension_spec){ .oid = oids[i],
                                                         .value = der_integer(values[i], room[i]) };
    }
    extensions[count++] = (struct clo_certificate_extension_spec){
        .oid = SPL_OID "4", .value = clo_bytes(platform->chip_id, SIM_CHIP_ID_SIZE)
    };
    struct clo_certificate_spec spec = {
        .common_name = "SEV-VCEK",
        .organization = "Cloister simulation, no AMD product",
        .not_before = now - DAY,
        .not_after = now + 2555 * DAY,
        .serial = clo_bytes("\0", 1), /* as AMD's */
        .extensions = extensions,
        .extension_count = count,
        .scheme = CLO_RSASSA_PSS,
        .hash = CLO_HASH_SHA384,
    };
    return clo_private_key_new(CLO_KEY_P384, 0, &platform->vcek_key, err) &&
           clo_private_key_public(platform->vcek_key, &public, err) &&
           clo_certificate_make(&spec, public, ask, ask_key, &platform->vcek, err);
}

bool sim_platform_new(const char *name, int64_t now, const struct clo_random *random,
                      struct sim_platform *out, struct clo_error *err)
{
    CLO_CLEANUP(sim_platform_free) struct sim_platform platform = { .tcb = sim_default_tcb };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *ark_key = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *ask_key = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *ark = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *ask = NULL;

    if (!random->fill(random->context, platform.chip_id, sizeof platform.chip_id))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    if (!make_authority(name, "ARK", now, clo_bytes("\1", 1), NULL, NULL, &ark_key, &platform.ark,
                        err) ||
        !clo_certificate_parse(clo_buffer_bytes(&platform.ark), &ark, err) ||
        !make_authority(name, "SEV", now, clo_bytes("\2", 1), ark, ark_key, &ask_key, &platform.ask,
                        err) ||
        !clo_certificate_parse(clo_buffer_bytes(&platform.ask), &ask, err) ||
        !make_vcek(&platform, now, ask, ask_key, err))
        return clo_wrap(err, "platform");
    *out = platform;
    platform = (struct sim_platform){ 0 };
    return true;
}

/* --- In a folder --- */

static bool save_certificate(const char *folder, const char *name, const struct clo_buffer *der,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return clo_pem_write("CERTIFICATE", clo_buffer_bytes(der), &pem, err) &&
           clo_file_write(path, clo_buffer_bytes(&pem), 0644, err);
}

bool sim_platform_save(const struct sim_platform *platform, const char *folder,
                       struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    char path[4096];

    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", folder, strerror(errno));
    snprintf(path, sizeof path, "%s/vcek.key", folder);
    return save_certificate(folder, "ark.pem", &platform->ark, err) &&
           save_certificate(folder, "ask.pem", &platform->ask, err) &&
           save_certificate(folder, "vcek.pem", &platform->vcek, err) &&
           clo_private_key_pem(platform->vcek_key, &pem, err) &&
           clo_file_write(path, clo_secret_bytes(pem), 0600, err);
}

static bool load_certificate(const char *folder, const char *name, struct clo_buffer *der,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    char path[4096];
    size_t at = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!clo_file_read(path, 65536, &pem, err))
        return false;
    return clo_pem_next(clo_buffer_bytes(&pem), "CERTIFICATE", &at, der, err) == CLO_NEXT_ITEM ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: no certificate", path);
}

bool sim_platform_load(const char *folder, struct sim_platform *out, struct clo_error *err)
{
    CLO_CLEANUP(sim_platform_free) struct sim_platform platform = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *vcek = NULL;
    struct clo_snp_leaf leaf;
    char path[4096];

    snprintf(path, sizeof path, "%s/vcek.key", folder);
    if (!load_certificate(folder, "ark.pem", &platform.ark, err) ||
        !load_certificate(folder, "ask.pem", &platform.ask, err) ||
        !load_certificate(folder, "vcek.pem", &platform.vcek, err) ||
        !clo_file_read_secret(path, 65536, &pem, err) ||
        !clo_private_key_from_pem(clo_secret_bytes(pem), &platform.vcek_key, err) ||
        !clo_certificate_parse(clo_buffer_bytes(&platform.vcek), &vcek, err) ||
        !clo_snp_leaf_parse(vcek, &leaf, err))
        return clo_wrap(err, "%s", folder);
    if (leaf.hw_id.size != SIM_CHIP_ID_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: VCEK of another kind", folder);
    memcpy(platform.chip_id, leaf.hw_id.data, SIM_CHIP_ID_SIZE);
    platform.tcb = (struct sim_tcb){ (uint8_t)leaf.spl.bootloader, (uint8_t)leaf.spl.tee,
                                     (uint8_t)leaf.spl.snp, (uint8_t)leaf.spl.microcode };
    *out = platform;
    platform = (struct sim_platform){ 0 };
    return true;
}
