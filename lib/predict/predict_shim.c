/* What shim measures, and what it asks before it starts an image: shim 15.8 to 16.1, README.tpm, mok.c
 * (mok_state_variable_data, import_mok_state), verify.c. */
#include "lib/predict/predict_shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/sbat_level.h"
#include "cloister/signature_list.h"
#include "lib/efi/authenticode_judge.h"

#define RUNTIME_ACCESS 0x4U
#define NAMES_SHOWN    4

/* --- Variables --- */

static struct clo_bytes value_of(const struct prediction *p, const char *name)
{
    const struct clo_efivar *variable =
            p->store == NULL ? NULL : clo_varstore_find(p->store, name, &clo_guid_shim_lock);

    if (variable == NULL || (variable->attributes & CLO_EFIVAR_BOOT) == 0 ||
        (variable->attributes & RUNTIME_ACCESS) != 0)
        return clo_bytes(NULL, 0);
    return variable->data;
}

static uint8_t byte_of(const struct prediction *p, const char *name)
{
    struct clo_bytes value = value_of(p, name);

    return value.size == 1 ? value.data[0] : 0;
}

/* Something was asked of MokManager: shim starts it, and it waits for a person. */
static bool check_requests(const struct prediction *p, struct clo_error *err)
{
    static const char *const requests[] = { "MokNew",           "MokSB",   "MokPW",
                                            "MokAuth",          "MokDel",  "MokDB",
                                            "MokXNew",          "MokXDel", "MokXAuth",
                                            "MokListTrustedNew" };

    for (size_t i = 0; p->store != NULL && i < CLO_COUNT(requests); i++)
        if (clo_varstore_find(p->store, requests[i], &clo_guid_shim_lock) != NULL)
            return clo_fail(err, CLO_ERR_UNSUPPORTED,
                            "variable %s: shim would start MokManager, which waits for a person",
                            requests[i]);
    return true;
}

/* SbatLevel in another form than shim's own (attributes exactly these) is not kept. */
static struct clo_bytes level_of(const struct prediction *p, const struct clo_shim *shim)
{
    const struct clo_efivar *variable =
            p->store == NULL ? NULL : clo_varstore_find(p->store, "SbatLevel", &clo_guid_shim_lock);
    const struct clo_efivar *policy =
            p->store == NULL ? NULL
                             : clo_varstore_find(p->store, "SbatPolicy", &clo_guid_shim_lock);
    bool is_own = variable != NULL && (variable->attributes == CLO_EFIVAR_BOOT ||
                                       variable->attributes == (CLO_EFIVAR_BOOT | 0x20U));

    return clo_shim_level(shim, is_own ? variable->data : clo_bytes(NULL, 0),
                          policy == NULL || policy->data.size == 0 ? 0 : policy->data.data[0],
                          p->is_secure_boot_on);
}

/* --- MokList and MokListX as shim shows them to the kernel: its vendor's first, then the owner's --- */

/* Ubuntu's shim leaves its vendor's dbx out of MokListX. */
static bool is_ubuntu(const struct clo_shim *shim)
{
    struct clo_sbat_entry entry;
    struct clo_error ignored;
    size_t at = 0;

    while (clo_sbat_next(shim->sbat, &at, &entry, &ignored) == CLO_NEXT_ITEM)
        if (strcmp(entry.name, "shim.ubuntu") == 0)
            return true;
    return false;
}

/* A database is never empty: one entry that nothing hashes to stands in. */
static void fill_empty(struct clo_buffer *lists)
{
    static const uint8_t zeros[32];
    struct clo_error ignored;

    if (lists->size == 0 &&
        !clo_signature_list_add(&clo_guid_cert_sha256, &clo_guid_shim_lock,
                                clo_bytes(zeros, sizeof zeros), lists, &ignored))
        clo_buffer_free(lists);
}

static bool mirror(struct shim_boot *boot, struct clo_error *err)
{
    const struct clo_shim *shim = &boot->shim;

    if (shim->certificate.size > 0)
        clo_signature_list_x509(&clo_guid_shim_lock, shim->certificate, &boot->allowed);
    clo_buffer_append(&boot->allowed, shim->db);
    clo_buffer_append(&boot->allowed, boot->mok_list);
    if (!is_ubuntu(shim))
        clo_buffer_append(&boot->forbidden, shim->dbx);
    clo_buffer_append(&boot->forbidden, boot->mok_list_x);
    fill_empty(&boot->allowed);
    fill_empty(&boot->forbidden);
    return (clo_buffer_ok(&boot->allowed) && clo_buffer_ok(&boot->forbidden)) ||
           clo_out_of_memory(err);
}

/* --- Reading --- */

/* Shim does not start where the level revokes shim itself. */
static bool check_itself(const struct shim_boot *boot, struct clo_error *err)
{
    struct clo_sbat_verdict verdict;

    if (!clo_sbat_check(boot->shim.sbat, boot->level, &verdict, err))
        return false;
    return verdict.is_allowed ||
           clo_fail(err, CLO_ERR_REFUSED, "it refuses itself: %.150s", verdict.text);
}

static bool read_boot(struct prediction *p, struct shim_boot *boot, struct clo_error *err)
{
    const struct clo_prediction *in = p->inputs;

    if (!clo_shim_parse(in->shim, &boot->shim, err))
        return false;
    /* 16.0 has the kernel inside a UKI verified like any image, 16.1 knows it as part of the UKI. */
    if (p->is_secure_boot_on && boot->shim.major == 16 && boot->shim.minor == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "version 16.0 starts a UKI without Secure Boot only");
    if (!check_requests(p, err))
        return false;
    boot->mok_list = in->mok_list.size > 0 ? in->mok_list : value_of(p, "MokList");
    boot->mok_list_x = in->mok_list_x.size > 0 ? in->mok_list_x : value_of(p, "MokListX");
    if (!clo_signature_lists_check(boot->mok_list, NULL, err))
        return clo_wrap(err, "MokList");
    if (!clo_signature_lists_check(boot->mok_list_x, NULL, err))
        return clo_wrap(err, "MokListX");
    boot->sb_state = value_of(p, "MokSBState");
    boot->policy = value_of(p, "MokPolicy");
    boot->is_trusted_absent = p->store == NULL || clo_varstore_find(p->store, "MokListTrusted",
                                                                    &clo_guid_shim_lock) == NULL;
    boot->ignores_db = byte_of(p, "MokDBState") != 0;
    boot->verifies = p->is_secure_boot_on && byte_of(p, "MokSBState") == 0;
    boot->level = level_of(p, &boot->shim);
    if (p->is_secure_boot_on && !check_itself(boot, err))
        return false;
    return mirror(boot, err);
}

bool shim_boot_read(struct prediction *p, struct shim_boot **out, struct clo_error *err)
{
    struct shim_boot *boot = calloc(1, sizeof *boot);

    if (boot == NULL)
        return clo_out_of_memory(err);
    *out = boot; /* its holder frees it, however far it was read */
    return read_boot(p, boot, err);
}

void shim_boot_free(struct shim_boot *boot)
{
    if (boot == NULL)
        return;
    clo_buffer_free(&boot->allowed);
    clo_buffer_free(&boot->forbidden);
    free(boot);
}

/* --- For people --- */

/* "2 certificates (Debian Secure Boot CA, owner), 3 hashes". */
static void describe_lists(struct clo_bytes lists, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer names = { 0 };
    struct clo_signature_walk walk = clo_signature_walk(lists);
    struct clo_signature_entry entry;
    struct clo_error ignored;
    size_t certificates = 0;
    size_t others = 0;

    while (clo_signature_next(&walk, &entry, &ignored) == CLO_NEXT_ITEM) {
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        if (!clo_guid_equal(&entry.type, &clo_guid_cert_x509)) {
            others++;
            continue;
        }
        if (certificates++ >= NAMES_SHOWN)
            continue;
        bool is_read = clo_certificate_parse(entry.data, &certificate, &ignored);
        clo_buffer_printf(&names, "%s%.80s", names.size == 0 ? "" : ", ",
                          is_read ? clo_certificate_subject(certificate) : "unreadable");
    }
    clo_buffer_printf(out, "%zu certificate%s", certificates, certificates == 1 ? "" : "s");
    if (certificates > 0)
        clo_buffer_printf(out, " (%s%s)", clo_buffer_string(&names),
                          certificates > NAMES_SHOWN ? ", …" : "");
    clo_buffer_printf(out, ", %zu hash%s", others, others == 1 ? "" : "es");
}

/* --- PCR 14 --- */

static void log_value(struct prediction *p, const char *name, struct clo_bytes value,
                      struct clo_bytes text)
{
    const struct record_event event = { .reg = 14, .type = "EV_IPL", .name = name, .text = text };

    if (value.size > 0)
        record_bytes(&p->record, &event, value);
}

static void log_lists(struct prediction *p, const char *name, const struct clo_buffer *lists)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    describe_lists(clo_buffer_bytes(lists), &text);
    log_value(p, name, clo_buffer_bytes(lists), clo_buffer_bytes(&text));
}

void shim_measure_lists(struct prediction *p)
{
    const struct shim_boot *boot = p->shim;
    static const uint8_t yes = 1;

    log_lists(p, "MokList", &boot->allowed);
    log_lists(p, "MokListX", &boot->forbidden);
    log_value(p, "MokSBState", boot->sb_state, clo_bytes(NULL, 0));
    if (boot->is_trusted_absent)
        log_value(p, "MokListTrusted", clo_bytes(&yes, 1), clo_bytes(NULL, 0));
    log_value(p, "MokPolicy", boot->policy, clo_bytes(NULL, 0));
}

/* --- PCR 7 --- */

bool shim_measure_variables(struct prediction *p, struct clo_error *err)
{
    const struct shim_boot *boot = p->shim;
    const struct predict_variable state = { .type = CLO_EV_EFI_VARIABLE_AUTHORITY,
                                            .title = "MokSBState: shim's own check",
                                            .name = "MokSBState",
                                            .vendor = &clo_guid_shim_lock,
                                            .value = boot->sb_state };

    if (boot->sb_state.size > 0 && !predict_variable(p, &state, err))
        return false;
    const struct predict_variable level = { .type = CLO_EV_EFI_VARIABLE_AUTHORITY,
                                            .title = "SbatLevel",
                                            .name = "SbatLevel",
                                            .vendor = &clo_guid_shim_lock,
                                            .value = boot->level };
    return predict_variable(p, &level, err);
}

/* Where shim looks, in this order; first for the image's hash, then for each of its signatures. */
struct source {
    const char *name; /* what it logs */
    const struct clo_guid *vendor;
    struct clo_bytes lists;
};
#define SOURCES 3

static void find_sources(const struct prediction *p, struct source out[SOURCES])
{
    const struct shim_boot *boot = p->shim;
    const struct clo_efivar *db = clo_varstore_find(p->store, "db", &clo_guid_image_security);
    struct clo_bytes nothing = clo_bytes(NULL, 0);

    out[0] = (struct source){ "db", &clo_guid_image_security,
                              db == NULL || boot->ignores_db ? nothing : db->data };
    out[1] = (struct source){ "vendor_db", &clo_guid_image_security, boot->shim.db };
    out[2] = (struct source){ "MokListRT", &clo_guid_shim_lock, clo_buffer_bytes(&boot->allowed) };
}

/* Keys for kernel modules (extended key usage 1.3.6.1.4.1.2312.16.1.2) start nothing. */
static bool is_for_modules(struct clo_bytes der)
{
    static const uint8_t usage[] = { 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04,
                                     0x01, 0x92, 0x08, 0x10, 0x01, 0x02 };

    return memmem(der.data, der.size, usage, sizeof usage) != NULL;
}

static bool allows(const struct clo_signature_entry *entry, const struct clo_digest *digest,
                   const struct clo_authenticode_signature *signature)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *anchor = NULL;
    struct clo_error ignored;

    if (signature == NULL)
        return clo_guid_equal(&entry->type, &clo_guid_cert_sha256) &&
               clo_bytes_equal(entry->data, clo_digest_bytes(digest));
    return clo_guid_equal(&entry->type, &clo_guid_cert_x509) && !is_for_modules(entry->data) &&
           clo_certificate_parse(entry->data, &anchor, &ignored) &&
           clo_authenticode_signature_verify(signature, anchor, &ignored);
}

/* Measures the entry that allows the image by its hash (`signature` NULL) or by this signature. */
static bool measure_first(struct prediction *p, const char *name, const struct clo_digest *digest,
                          const struct clo_authenticode_signature *signature, bool *is_found,
                          struct clo_error *err)
{
    struct source sources[SOURCES];
    struct clo_signature_entry entry;
    char title[300];

    find_sources(p, sources);
    for (size_t i = 0; i < SOURCES; i++) {
        struct clo_signature_walk walk = clo_signature_walk(sources[i].lists);
        enum clo_next next;
        while ((next = clo_signature_next(&walk, &entry, err)) == CLO_NEXT_ITEM) {
            if (!allows(&entry, digest, signature))
                continue;
            *is_found = true;
            snprintf(title, sizeof title, "authority: the %s entry that lets shim start the %s",
                     sources[i].name, name);
            const struct predict_variable authority = { .type = CLO_EV_EFI_VARIABLE_AUTHORITY,
                                                        .title = title,
                                                        .name = sources[i].name,
                                                        .vendor = sources[i].vendor,
                                                        .value = entry.whole };
            return predict_authority(p, &p->shim->authorities, &authority, err);
        }
        if (next == CLO_NEXT_FAILED)
            return clo_wrap(err, "%s", sources[i].name);
    }
    return true;
}

/* Shim's deny lists: its vendor's dbx, dbx and MokListX. */
static bool check_denied(const struct prediction *p, const struct clo_pe *pe, struct clo_error *err)
{
    const struct shim_boot *boot = p->shim;
    const struct clo_efivar *dbx = clo_varstore_find(p->store, "dbx", &clo_guid_image_security);
    const struct {
        const char *name;
        struct clo_bytes lists;
    } lists[] = {
        { "its vendor's dbx", boot->shim.dbx },
        { "dbx", dbx == NULL ? clo_bytes(NULL, 0) : dbx->data },
        { "MokListX", boot->mok_list_x },
    };
    const struct clo_authenticode_subject image = clo_authenticode_subject(pe);
    struct clo_bytes none = clo_bytes(NULL, 0);

    for (size_t i = 0; i < CLO_COUNT(lists); i++) {
        struct clo_authenticode_verdict verdict;
        if (!clo_authenticode_judge(&image, none, lists[i].lists, &verdict, err))
            return clo_wrap(err, "%s", lists[i].name);
        if (verdict.list != NULL)
            return clo_fail(err, CLO_ERR_REFUSED, "shim would refuse it: %s: %.150s", lists[i].name,
                            verdict.text);
    }
    return true;
}

static bool check_sbat(const struct shim_boot *boot, const struct clo_pe *pe, bool is_optional,
                       struct clo_error *err)
{
    const struct clo_pe_section *section = clo_pe_section_find(pe, ".sbat");
    struct clo_bytes sbat = section == NULL ? clo_bytes(NULL, 0) : section->data;
    struct clo_sbat_verdict verdict;

    if (sbat.size == 0 && is_optional)
        return true;
    if (!clo_sbat_check(sbat, boot->level, &verdict, err))
        return false;
    return verdict.is_allowed ||
           clo_fail(err, CLO_ERR_REFUSED, "shim would refuse it: %.150s", verdict.text);
}

/* Every signature counts, and each one's key is an authority; only SHA-256 is known to shim. */
static bool measure_signatures(struct prediction *p, const struct clo_pe *pe, const char *name,
                               const struct clo_digest *digest, struct clo_error *err)
{
    struct clo_authenticode_walk walk = clo_authenticode_walk(pe->certificates);
    struct clo_authenticode_signature signature;
    enum clo_next next;
    bool is_found = false;

    if (!measure_first(p, name, digest, NULL, &is_found, err))
        return false;
    if (is_found)
        return true;
    while ((next = predict_signature_next(&walk, &signature, err)) == CLO_NEXT_ITEM)
        if (clo_digest_equal(&signature.digest, digest) &&
            !measure_first(p, name, digest, &signature, &is_found, err))
            return false;
    if (next == CLO_NEXT_FAILED)
        return false;
    return is_found || clo_fail(err, CLO_ERR_REFUSED,
                                "no key in db or MokList signed it (with SHA-256): shim "
                                "would refuse it");
}

bool shim_measure_authority(struct prediction *p, const struct clo_pe *pe, const char *name,
                            bool is_optional_sbat, struct clo_error *err)
{
    struct clo_digest digest;

    if (!p->shim->verifies)
        return true;
    return (clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, err) &&
            check_denied(p, pe, err) && measure_signatures(p, pe, name, &digest, err) &&
            check_sbat(p->shim, pe, is_optional_sbat, err)) ||
           clo_wrap(err, "%s", name);
}
