#include "cli/secureboot/lists.h"

#include <string.h>
#include <time.h>

#include "cli/inputs.h"
#include "cloister/signature_list.h"
#include "device/file.h"

/* --- Reading --- */

static bool is_lists(struct clo_bytes in)
{
    struct clo_error ignored;

    return clo_signature_lists_check(in, NULL, &ignored);
}

/* What stands before a variable's data in efivarfs: attributes that exist, boot services among them. */
static bool has_attributes(struct clo_bytes in, uint32_t *out)
{
    struct clo_reader r = clo_reader(in);

    *out = clo_read_le32(&r);
    return clo_reader_ok(&r) && (*out & ~0x7fU) == 0 && (*out & 0x2U) != 0;
}

/* What it is instead, of what people have at hand; false if it is none of that. */
static bool name_stranger(struct clo_bytes in, struct clo_error *why)
{
    static const struct {
        const char *start, *name;
    } known[] = {
        { "QU1aTlVFRk",
          "is AWS's uefi-data: virt-fw-vars --input FILE --output-json STORE makes a store of it" },
        { "AMZNUEFI",
          "is AWS's uefi-data: virt-fw-vars --input FILE --output-json STORE makes a store of it" },
        { "MZ", "is an EFI image, not lists: secureboot list --image makes an entry of it" },
        { "-----BEGIN CERTIFICATE", "is a certificate: secureboot list --cert makes a list of it" },
        { "QFI\xfb", "is a qcow2 image: qemu-img convert -O raw makes a plain one" },
    };

    for (size_t i = 0; i < CLO_COUNT(known); i++)
        if (in.size >= strlen(known[i].start) &&
            memcmp(in.data, known[i].start, strlen(known[i].start)) == 0)
            return !clo_fail(why, CLO_ERR_FORMAT, "%s", known[i].name);
    if (in.size > SECUREBOOT_LIST_LIMIT && (clo_bytes_all(in, 0) || clo_bytes_all(in, 0xff)))
        return !clo_fail(why, CLO_ERR_FORMAT,
                         "is blank: firmware makes its variable store there at its first boot");
    if (in.size >= 4 && in.data[0] == 0x30 && in.data[1] == 0x82)
        return !clo_fail(why, CLO_ERR_FORMAT,
                         "is DER: of a certificate, secureboot list --cert makes a list");
    return false;
}

/* An authenticated variable, as it is or after the attributes that efivarfs takes with it. */
static bool read_auth(struct clo_bytes in, struct secureboot_file *out, struct clo_error *err)
{
    if (!clo_efi_auth_is(in)) {
        (void)has_attributes(in, &out->update.attributes);
        out->update.has_attributes = true;
        in = clo_bytes_slice(in, 4, in.size);
    }
    if (!clo_efi_auth_parse(in, &out->update.auth, err))
        return false;
    out->is_auth = true;
    out->lists = out->update.auth.payload;
    return clo_signature_lists_check(out->lists, NULL, err);
}

static bool is_auth(struct clo_bytes in)
{
    uint32_t attributes;

    return clo_efi_auth_is(in) ||
           (has_attributes(in, &attributes) && clo_efi_auth_is(clo_bytes_slice(in, 4, in.size)));
}

static bool read_small(struct clo_bytes in, struct secureboot_file *out, struct clo_error *err)
{
    struct clo_bytes behind = clo_bytes_slice(in, 4, in.size);
    struct clo_error stranger;

    if (is_auth(in))
        return read_auth(in, out, err);
    if (!is_lists(in) && has_attributes(in, &out->update.attributes) && is_lists(behind)) {
        out->update.has_attributes = true;
        out->lists = behind;
        return true;
    }
    out->lists = in;
    if (clo_signature_lists_check(in, NULL, err))
        return true;
    if (name_stranger(in, &stranger))
        *err = stranger;
    return false;
}

bool secureboot_read(const char *path, const char *variable, struct secureboot_file *out,
                     struct clo_error *err)
{
    struct clo_error no_store;

    if (!clo_file_read(path, CLO_FILE_LIMIT, &out->bytes, err))
        return false;
    struct clo_bytes in = clo_buffer_bytes(&out->bytes);
    /* As a list it would be one without entries: what a download that failed leaves would change nothing, and say so. */
    if (in.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", path);
    if (clo_varstore_parse(in, &out->store, &no_store)) {
        struct clo_guid vendor;
        if (variable != NULL && !clo_efi_variable_known(variable, &vendor))
            return clo_fail(err, CLO_ERR_USAGE, "--variable %s: expected PK, KEK, db, dbx or dbt",
                            variable);
        if (variable != NULL)
            out->lists = clo_varstore_lists(out->store, variable);
        return clo_signature_lists_check(out->lists, NULL, err) || clo_wrap(err, "%s", path);
    }
    /* JSON is virt-firmware's store or nothing. */
    if (in.size > 0 && in.data[0] == '{') {
        *err = no_store;
        return clo_wrap(err, "%s", path);
    }
    if (in.size <= SECUREBOOT_LIST_LIMIT)
        return read_small(in, out, err) || clo_wrap(err, "%s", path);
    if (!name_stranger(in, err))
        *err = no_store;
    return clo_wrap(err, "%s", path);
}

bool secureboot_read_lists(const char *path, struct secureboot_file *out, struct clo_error *err)
{
    return secureboot_read(path, NULL, out, err) &&
           (out->store == NULL ||
            clo_fail(err, CLO_ERR_FORMAT, "%s: is a variable store, no signature lists", path));
}

void secureboot_file_free(struct secureboot_file *file)
{
    clo_varstore_free(file->store);
    clo_buffer_free(&file->bytes);
}

/* --- Saying what is in them --- */

/* Microsoft's certificates, by the SHA-256 of their DER: what is in every PC, and until when. */
static const char *note_of(const char *hex)
{
    static const struct {
        const char *sha256, *note;
    } notes[] = {
        { "a1117f516a32cefcba3f2d1ace10a87972fd6bbe8fe0d0b996e09e65d802a503",
          "Microsoft's KEK of 2011: signs db and dbx updates; the 2023 one follows it" },
        { "3cd3f0309edae228767a976dd40d9f4affc4fbd5218f2e8cc3c9dd97e8ac6f9d",
          "Microsoft's KEK of 2023" },
        { "e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961",
          "signs Windows; revoked by Microsoft for CVE-2023-24932" },
        { "48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507",
          "signs shim and option ROMs of others, until 2026" },
        { "076f1fea90ac29155ebf77c17682f75f1fdd1be196da302dc8461e350a9ae330",
          "signs Windows since 2023" },
        { "e5be3e64c6e66a281457ecdece0d6d0787577aad2a3a0144262c10c14ba8d8f1",
          "signs option ROMs since 2023" },
        { "90244cc221e00c1fe0a7b78b3ce945dd73bf1633019eb6c15fa5646f9c8d2e1e",
          "Canonical's, revoked for BootHole" },
        { "20e394d15c6205faf65fa696df13b8369d3153cb5d2cd056b48c0db00e160084",
          "Cisco's, revoked for BootHole" },
    };

    for (size_t i = 0; i < CLO_COUNT(notes); i++)
        if (strcmp(notes[i].sha256, hex) == 0)
            return notes[i].note;
    return "";
}

static void describe_certificate(struct clo_bytes der, struct secureboot_entry *out)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_digest digest;
    struct clo_error err;

    clo_hash(CLO_HASH_SHA256, der, &digest);
    clo_hex_text(clo_digest_bytes(&digest), out->hex);
    snprintf(out->note, sizeof out->note, "%s", note_of(out->hex));
    if (!clo_certificate_parse(der, &certificate, &err)) {
        snprintf(out->subject, sizeof out->subject, "a certificate that cannot be read");
        return;
    }
    snprintf(out->subject, sizeof out->subject, "%.255s", clo_certificate_subject(certificate));
    time_t until = (time_t)clo_certificate_not_after(certificate);
    struct tm parts;
    if (gmtime_r(&until, &parts) != NULL)
        strftime(out->until, sizeof out->until, "%Y-%m-%d", &parts);
}

void secureboot_describe(const struct clo_signature_entry *in, struct secureboot_entry *out)
{
    *out = (struct secureboot_entry){ .type = clo_signature_type_name(&in->type) };
    clo_guid_text(&in->owner, out->owner);
    if (clo_guid_equal(&in->type, &clo_guid_cert_x509))
        describe_certificate(in->data, out);
    else
        clo_hex_text(clo_bytes_slice(in->data, 0, 128), out->hex);
}

json_t *secureboot_entry_json(const struct clo_signature_entry *in)
{
    struct secureboot_entry entry;

    secureboot_describe(in, &entry);
    bool is_certificate = clo_guid_equal(&in->type, &clo_guid_cert_x509);
    json_t *json = json_pack(
            "{s:s, s:s, s:s}", "type", entry.type, "owner", entry.owner,
            is_certificate || strcmp(entry.type, "sha256") == 0 ? "sha256" : "data", entry.hex);
    if (json != NULL && is_certificate) {
        json_object_set_new(json, "subject", json_string(entry.subject));
        json_object_set_new(json, "not_after", json_string(entry.until));
    }
    if (json != NULL && entry.note[0] != '\0')
        json_object_set_new(json, "note", json_string(entry.note));
    return json;
}

bool secureboot_print(struct clo_bytes lists, bool all, struct clo_error *err)
{
    struct clo_signature_walk walk = clo_signature_walk(lists);
    struct clo_signature_entry signature;
    enum clo_next next;
    size_t hashes = 0;

    while ((next = clo_signature_next(&walk, &signature, err)) == CLO_NEXT_ITEM) {
        struct secureboot_entry entry;
        bool is_certificate = clo_guid_equal(&signature.type, &clo_guid_cert_x509);
        if (!is_certificate && !all) {
            hashes++;
            continue;
        }
        secureboot_describe(&signature, &entry);
        if (is_certificate)
            printf("  %-6s %.16s…  %s, until %s%s%s\n", entry.type, entry.hex, entry.subject,
                   entry.until, entry.note[0] == '\0' ? "" : ": ", entry.note);
        else
            printf("  %-6s %s\n", entry.type, entry.hex);
    }
    if (hashes > 0)
        printf("  %zu hashes (--all lists them)\n", hashes);
    return next == CLO_NEXT_END;
}
