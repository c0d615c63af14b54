#include "cloister/efi_auth.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <string.h>
#include <time.h>

#include "lib/crypto/openssl.h"
#include "lib/efi/pkcs7.h"

#define WIN_CERTIFICATE_SIZE 24 /* dwLength, wRevision, wCertificateType, CertType */
#define WIN_REVISION         0x0200
#define WIN_TYPE_EFI_GUID    0x0ef1
#define PAYLOAD_LIMIT        ((size_t)1 << 20)

/* EFI_CERT_TYPE_PKCS7_GUID, 4aafd29d-68df-49ee-8aa9-347d375665a7. */
static const struct clo_guid guid_pkcs7 = { { 0x9d, 0xd2, 0xaf, 0x4a, 0xdf, 0x68, 0xee, 0x49, 0x8a,
                                              0xa9, 0x34, 0x7d, 0x37, 0x56, 0x65, 0xa7 } };

/* --- Times --- */

void clo_efi_time_make(int64_t unix_time, uint8_t out[CLO_EFI_TIME_SIZE])
{
    time_t when = (time_t)unix_time;
    struct tm parts = { 0 };

    memset(out, 0, CLO_EFI_TIME_SIZE);
    if (gmtime_r(&when, &parts) == NULL)
        return;
    out[0] = (uint8_t)((parts.tm_year + 1900) & 0xff);
    out[1] = (uint8_t)((parts.tm_year + 1900) >> 8);
    out[2] = (uint8_t)(parts.tm_mon + 1);
    out[3] = (uint8_t)parts.tm_mday;
    out[4] = (uint8_t)parts.tm_hour;
    out[5] = (uint8_t)parts.tm_min;
    out[6] = (uint8_t)parts.tm_sec;
}

char *clo_efi_time_text(const uint8_t time[CLO_EFI_TIME_SIZE], char out[CLO_EFI_TIME_TEXT])
{
    /* Two bytes of year at most 9999 in what parses; others are cut. */
    snprintf(out, CLO_EFI_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u",
             (time[0] | (unsigned)time[1] << 8) % 10000, time[2] % 100U, time[3] % 100U,
             time[4] % 100U, time[5] % 100U, time[6] % 100U);
    return out;
}

int clo_efi_time_compare(const uint8_t a[CLO_EFI_TIME_SIZE], const uint8_t b[CLO_EFI_TIME_SIZE])
{
    unsigned year_a = a[0] | (unsigned)a[1] << 8;
    unsigned year_b = b[0] | (unsigned)b[1] << 8;

    if (year_a != year_b)
        return year_a < year_b ? -1 : 1;
    return memcmp(a + 2, b + 2, 5); /* month, day, hour, minute, second */
}

/* What edk2 (VerifyTimeBasedPayload) holds it to: pads, nanosecond, zone and daylight are 0. */
static bool is_time(struct clo_bytes time)
{
    return clo_bytes_all(clo_bytes_slice(time, 7, time.size), 0);
}

/* --- Parsing --- */

bool clo_efi_auth_is(struct clo_bytes in)
{
    struct clo_reader r = clo_reader(in);

    clo_read_skip(&r, CLO_EFI_TIME_SIZE + 4);
    uint16_t revision = clo_read_le16(&r);
    uint16_t type = clo_read_le16(&r);
    struct clo_guid kind = clo_read_guid(&r);
    return clo_reader_ok(&r) && revision == WIN_REVISION && type == WIN_TYPE_EFI_GUID &&
           clo_guid_equal(&kind, &guid_pkcs7);
}

bool clo_efi_auth_parse(struct clo_bytes in, struct clo_efi_auth *out, struct clo_error *err)
{
    struct clo_reader r = clo_reader(in);
    struct clo_bytes time = clo_read_bytes(&r, CLO_EFI_TIME_SIZE);
    uint32_t length = clo_read_le32(&r);
    uint16_t revision = clo_read_le16(&r);
    uint16_t type = clo_read_le16(&r);
    struct clo_guid kind = clo_read_guid(&r);

    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "authenticated variable: truncated at byte %zu", r.at);
    if (revision != WIN_REVISION || type != WIN_TYPE_EFI_GUID ||
        !clo_guid_equal(&kind, &guid_pkcs7))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "authenticated variable: no PKCS #7 certificate (revision 0x%x, type 0x%x)",
                        revision, type);
    if (!is_time(time))
        return clo_fail(err, CLO_ERR_FORMAT,
                        "authenticated variable: its time has fractions of a second or a zone");
    if (length < WIN_CERTIFICATE_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "authenticated variable: a certificate of %u bytes",
                        length);
    struct clo_efi_auth auth = { .pkcs7 = clo_read_bytes(&r, length - WIN_CERTIFICATE_SIZE) };
    if (!clo_reader_ok(&r))
        return clo_fail(err, CLO_ERR_FORMAT, "authenticated variable: truncated at byte %zu", r.at);
    memcpy(auth.time, time.data, sizeof auth.time);
    auth.payload = clo_bytes_slice(in, r.at, in.size);
    *out = auth;
    return true;
}

bool clo_efi_variable_known(const char *name, struct clo_guid *vendor)
{
    static const char *const of_security[] = { "db", "dbx", "dbt", "dbr" };

    if (strcmp(name, "PK") == 0 || strcmp(name, "KEK") == 0) {
        *vendor = clo_guid_global_variable;
        return true;
    }
    for (size_t i = 0; i < CLO_COUNT(of_security); i++)
        if (strcmp(name, of_security[i]) == 0) {
            *vendor = clo_guid_image_security;
            return true;
        }
    return false;
}

/* What is signed: VariableName without its NUL, VendorGuid, Attributes, TimeStamp, Data. */
static bool make_message(const struct clo_efi_variable *variable,
                         const uint8_t time[CLO_EFI_TIME_SIZE], struct clo_bytes payload,
                         struct clo_buffer *out, struct clo_error *err)
{
    if (!clo_utf16_write(variable->name, out, err))
        return clo_wrap(err, "variable %s", variable->name);
    clo_buffer_guid(out, &variable->vendor);
    clo_buffer_le32(out, variable->attributes);
    clo_buffer_append(out, clo_bytes(time, CLO_EFI_TIME_SIZE));
    clo_buffer_append(out, payload);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Verifying --- */

/* One signer, and a hash that firmware takes. */
static bool check_signer(const struct pkcs7 *p7, struct clo_error *err)
{
    if (p7->signer_count != 1)
        return clo_fail(err, CLO_ERR_REFUSED, "authenticated variable: not exactly one signer");
    if (p7->hash == CLO_HASH_NONE)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "authenticated variable: signed with another hash than SHA-256, SHA-384 or "
                        "SHA-512");
    return true;
}

/* Signed is the message, or attributes that name its digest. */
static bool is_signed(const struct pkcs7 *p7, struct clo_bytes message,
                      const struct clo_certificate *signer)
{
    return (!p7->has_attributes || pkcs7_attributes_hold(p7, oid_data, message)) &&
           pkcs7_made_with(p7, message, signer);
}

bool clo_efi_auth_verify(const struct clo_efi_auth *auth, const struct clo_efi_variable *variable,
                         const struct clo_certificate *anchor, struct clo_certificate **signer,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    struct clo_error ignored;
    struct clo_bytes der;
    struct pkcs7 p7;

    if (auth->pkcs7.size > PAYLOAD_LIMIT || auth->payload.size > PAYLOAD_LIMIT)
        return clo_fail(err, CLO_ERR_FORMAT, "authenticated variable: larger than %zu bytes",
                        PAYLOAD_LIMIT);
    if (auth->pkcs7.size == 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "authenticated variable: is not signed; firmware takes that only while it "
                        "has no PK");
    if (!make_message(variable, auth->time, auth->payload, &message, err))
        return false;
    if (!pkcs7_read(auth->pkcs7, &p7) || p7.rest.size != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "authenticated variable: malformed PKCS #7");
    if (!check_signer(&p7, err))
        return false;
    if (!pkcs7_signer(&p7, &der) || !clo_certificate_parse(der, &certificate, &ignored) ||
        !is_signed(&p7, clo_buffer_bytes(&message), certificate))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "authenticated variable: the signature does not hold for this variable, "
                        "attributes, time and data");
    if (!pkcs7_leads_to(&p7, der, anchor))
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "authenticated variable: signed by a key that does not lead to this "
                        "certificate");
    if (signer != NULL)
        *signer = CLO_TAKE(certificate);
    return true;
}

/* --- Making --- */

static void free_pkcs7(PKCS7 **p7)
{
    PKCS7_free(*p7);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static bool sign(const struct clo_buffer *message, const struct clo_private_key *key,
                 const struct clo_certificate *certificate, struct clo_buffer *out,
                 struct clo_error *err)
{
    const int flags = PKCS7_BINARY | PKCS7_DETACHED | PKCS7_NOATTR | PKCS7_NOSMIMECAP;
    CLO_CLEANUP(free_pkcs7)
    PKCS7 *p7 = PKCS7_sign(NULL, NULL, NULL, NULL, flags | PKCS7_PARTIAL);
    CLO_CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(message->data, (int)message->size);
    unsigned char *der = NULL;

    bool ok = p7 != NULL && bio != NULL &&
              PKCS7_sign_add_signer(p7, clo_certificate_x509(certificate), clo_private_key_evp(key),
                                    EVP_sha256(), flags) != NULL &&
              PKCS7_final(p7, bio, flags) == 1;
    int size = ok ? i2d_PKCS7_SIGNED(p7->d.sign, &der) : -1;
    ERR_clear_error();
    if (size <= 0)
        return clo_fail(err, CLO_ERR_USAGE,
                        "authenticated variable: cannot be signed: is it the certificate's key?");
    clo_buffer_append(out, clo_bytes(der, (size_t)size));
    OPENSSL_free(der);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_efi_auth_make(const struct clo_efi_variable *variable,
                       const uint8_t time[CLO_EFI_TIME_SIZE], struct clo_bytes payload,
                       const struct clo_private_key *key, const struct clo_certificate *certificate,
                       struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pkcs7 = { 0 };

    if (payload.size > PAYLOAD_LIMIT)
        return clo_fail(err, CLO_ERR_USAGE, "authenticated variable: larger than %zu bytes",
                        PAYLOAD_LIMIT);
    if (!make_message(variable, time, payload, &message, err) ||
        !sign(&message, key, certificate, &pkcs7, err))
        return false;
    clo_buffer_append(out, clo_bytes(time, CLO_EFI_TIME_SIZE));
    clo_buffer_le32(out, (uint32_t)(WIN_CERTIFICATE_SIZE + pkcs7.size));
    clo_buffer_le16(out, WIN_REVISION);
    clo_buffer_le16(out, WIN_TYPE_EFI_GUID);
    clo_buffer_guid(out, &guid_pkcs7);
    clo_buffer_append(out, clo_buffer_bytes(&pkcs7));
    clo_buffer_append(out, payload);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
