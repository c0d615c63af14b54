#include "guest/config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/crypto.h"
#include "cloister/resource.h"

#define KEY_LIMIT         4096
#define RETRY_SECONDS_MAX 86400
#define PREFIX_MAX        32
#define TPM_NAME_SIZE     34 /* algorithm and SHA-256 */

bool clo_ipv4_read(const char *text, uint32_t *out, struct clo_error *err)
{
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) != 1)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%.40s\" is not an IPv4 address", text);
    *out = ntohl(address.s_addr);
    return true;
}

/* "10.0.2.15/24" */
static bool read_prefixed(const char *text, struct clo_guest_network *out, struct clo_error *err)
{
    char address[16];
    const char *slash = strchr(text, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - text);

    if (size == 0 || size >= sizeof address)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%.40s\": expected ADDRESS/PREFIX", text);
    memcpy(address, text, size);
    address[size] = '\0';
    char *end;
    unsigned long prefix = strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || prefix == 0 || prefix > PREFIX_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%.40s\": the prefix is not 1 to 32", text);
    out->prefix = (unsigned)prefix;
    return clo_ipv4_read(address, &out->address, err);
}

static bool read_dns(const json_t *list, struct clo_guest_network *out, struct clo_error *err)
{
    json_t *entry;
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *text = json_string_value(entry);
        if (text == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "dns %zu: no string", i);
        if (out->dns_count == CLO_GUEST_DNS_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d DNS servers", CLO_GUEST_DNS_MAX);
        if (!clo_ipv4_read(text, &out->dns[out->dns_count++], err))
            return clo_wrap(err, "dns %zu", i);
    }
    return true;
}

static bool read_network(const json_t *json, struct clo_guest_network *out, struct clo_error *err)
{
    static const char *const dynamic_keys[] = { "mode", NULL };
    static const char *const static_keys[] = { "mode", "address", "gateway", "dns", NULL };
    const char *mode, *address, *gateway;
    json_t *dns;

    if (!clo_json_get_string(json, "mode", &mode, err))
        return false;
    if (strcmp(mode, "dhcp") == 0)
        return clo_json_only(json, dynamic_keys, err);
    if (strcmp(mode, "static") != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "mode \"%.40s\" is neither dhcp nor static", mode);
    out->is_static = true;
    if (!clo_json_only(json, static_keys, err) ||
        !clo_json_get_string(json, "address", &address, err) ||
        !clo_json_get_string(json, "gateway", &gateway, err) ||
        !clo_json_get_array(json, "dns", &dns, err) || !read_prefixed(address, out, err))
        return false;
    return clo_ipv4_read(gateway, &out->gateway, err) && read_dns(dns, out, err);
}

static bool read_broker(const json_t *json, struct clo_guest_config *out, struct clo_error *err)
{
    static const char *const keys[] = { "url", "key", NULL };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;

    /* The key is looked at here, so that an image with a broken one says so at once. */
    return clo_json_only(json, keys, err) &&
           clo_json_get_string(json, "url", &out->broker_url, err) &&
           clo_json_get_bytes(json, "key", CLO_JSON_BASE64, KEY_LIMIT, &out->broker_key, err) &&
           clo_public_key_from_spki(clo_buffer_bytes(&out->broker_key), &key, err);
}

static bool read_modules(const json_t *list, struct clo_guest_config *out, struct clo_error *err)
{
    json_t *entry;
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *path = json_string_value(entry);
        if (path == NULL || path[0] != '/')
            return clo_fail(err, CLO_ERR_FORMAT, "module %zu: no absolute path", i);
        if (out->module_count == CLO_GUEST_MODULES_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d modules", CLO_GUEST_MODULES_MAX);
        out->modules[out->module_count++] = path;
    }
    return true;
}

/* Absolute path to a list of device names, as the kernel writes them. */
static bool read_module_devices(const json_t *json, struct clo_guest_config *out,
                                struct clo_error *err)
{
    json_t *devices, *list, *name;
    const char *path;
    size_t i;

    if (json_object_get(json, "module_devices") == NULL)
        return true;
    if (!clo_json_get_object(json, "module_devices", &devices, err))
        return false;
    json_object_foreach (devices, path, list) {
        if (!json_is_array(list))
            return clo_fail(err, CLO_ERR_FORMAT, "devices of %.100s: not a list", path);
        json_array_foreach (list, i, name)
            if (!json_is_string(name))
                return clo_fail(err, CLO_ERR_FORMAT, "devices of %.100s: %zu is not text", path, i);
    }
    out->module_devices = devices;
    return true;
}

/* One of two words; a member that is not there is the stricter one. */
static bool read_choice(const json_t *json, const char *key, const char *strict, const char *lax,
                        bool *is_lax, struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string_optional(json, key, &text, err))
        return false;
    *is_lax = text != NULL && strcmp(text, lax) == 0;
    return text == NULL || *is_lax || strcmp(text, strict) == 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: \"%.40s\" is neither %s nor %s", key, text, strict,
                    lax);
}

static bool read_partitions(const json_t *list, struct clo_guest_config *out, struct clo_error *err)
{
    json_t *entry;
    size_t i;

    json_array_foreach (list, i, entry) {
        const char *kind = json_string_value(entry);
        if (kind == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "partition %zu: not a string", i);
        if (out->partition_count == CLO_PARTITION_KINDS_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "more than %d partitions",
                            CLO_PARTITION_KINDS_MAX);
        if (!clo_partition_kind_check(kind, err))
            return false;
        out->partitions[out->partition_count++] = kind;
    }
    return true;
}

/* The registers tell which profile was started: any of these is the image's own. */
static bool read_profile_cmdlines(const json_t *json, struct clo_guest_config *out,
                                  struct clo_error *err)
{
    json_t *lines, *line;
    size_t i;

    if (json_object_get(json, "profile_cmdlines") == NULL)
        return true;
    if (!clo_json_get_array(json, "profile_cmdlines", &lines, err))
        return false;
    json_array_foreach (lines, i, line) {
        if (!json_is_string(line))
            return clo_fail(err, CLO_ERR_FORMAT, "profile_cmdlines: entry %zu: not a string", i);
    }
    out->profile_cmdlines = lines;
    return true;
}

/* What the image says of its host and of itself; older images say nothing, and take nothing. */
static bool read_doors(const json_t *json, struct clo_guest_config *out, struct clo_error *err)
{
    const json_t *host = json_object_get(json, "host");
    json_t *partitions;

    if (!clo_json_get_string_optional(json, "cmdline", &out->cmdline, err) ||
        !read_profile_cmdlines(json, out, err))
        return false;
    if (host != NULL && !clo_host_allow_parse(host, &out->host, err))
        return clo_wrap(err, "host");
    return json_object_get(json, "partitions") == NULL ||
           (clo_json_get_array(json, "partitions", &partitions, err) &&
            read_partitions(partitions, out, err));
}

static bool read_unlock(const json_t *json, struct clo_guest_config *out, struct clo_error *err)
{
    static const char *const words[] = { "broker", "tpm", "tpm-or-broker", "both" };
    const char *text;

    if (!clo_json_get_string_optional(json, "unlock", &text, err) ||
        (json_object_get(json, "tpm_srk") != NULL &&
         !clo_json_get_bytes(json, "tpm_srk", CLO_JSON_HEX, TPM_NAME_SIZE, &out->tpm_srk, err)))
        return false;
    if (out->tpm_srk.size != 0 && out->tpm_srk.size != TPM_NAME_SIZE)
        return clo_fail(err, CLO_ERR_FORMAT, "tpm_srk: %zu bytes, a name of SHA-256 has %d",
                        out->tpm_srk.size, TPM_NAME_SIZE);
    for (unsigned i = 0; i < CLO_COUNT(words); i++)
        if (text == NULL || strcmp(text, words[i]) == 0) {
            out->unlock_by = (enum clo_unlock_by)i;
            return true;
        }
    return clo_fail(err, CLO_ERR_FORMAT, "unlock: \"%.40s\" is not a way to the disk's key", text);
}

static bool read_verity(const json_t *json, struct clo_guest_config *out, struct clo_error *err)
{
    json_t *verity;

    return json_object_get(json, "verity") == NULL ||
           (clo_json_get_object(json, "verity", &verity, err) &&
            (clo_guest_verity_parse(verity, &out->verity, err) || clo_wrap(err, "verity")));
}

/* What covers all of a root has no place for more. */
static bool read_grow(const json_t *json, struct clo_guest_config *out, struct clo_error *err)
{
    const json_t *grow = json_object_get(json, "grow");
    json_t *from = json_object_get(json, "grow_from");

    if (grow == NULL)
        return true;
    if (out->verity.data_blocks != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "grow: a root with a hash tree cannot");
    if (!clo_guest_grow_parse(grow, &out->grow, err))
        return false;
    return from == NULL || (clo_json_get_object(json, "grow_from", &from, err) &&
                            clo_grow_from_parse(from, &out->grow.from, err));
}

static bool read_config(const json_t *json, struct clo_guest_config *out, struct clo_error *err)
{
    static const char *const keys[] = { "version",     "name",
                                        "broker",      "resource",
                                        "network",     "retry_seconds",
                                        "modules",     "disk",
                                        "tdx_rtmr",    "host",
                                        "cmdline",     "partitions",
                                        "tpm_counter", "profile_cmdlines",
                                        "unlock",      "tpm_srk",
                                        "verity",      "grow",
                                        "grow_from",   "module_devices",
                                        NULL };
    uint64_t version, seconds;
    bool is_unregistered;
    json_t *broker, *network, *modules;

    if (!clo_json_only(json, keys, err) || !clo_json_get_u64(json, "version", &version, err))
        return false;
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %llu", (unsigned long long)version);
    if (!clo_json_get_string(json, "name", &out->name, err) ||
        !clo_json_get_string(json, "resource", &out->resource, err) ||
        !clo_json_get_u64(json, "retry_seconds", &seconds, err) ||
        !clo_json_get_object(json, "broker", &broker, err) ||
        !clo_json_get_object(json, "network", &network, err) ||
        !clo_json_get_array(json, "modules", &modules, err) ||
        !read_choice(json, "disk", "registered", "unregistered", &is_unregistered, err) ||
        !read_choice(json, "tdx_rtmr", "required", "optional", &out->rtmr_is_optional, err) ||
        !read_choice(json, "tpm_counter", "unused", "used", &out->has_tpm_counter, err) ||
        !read_unlock(json, out, err))
        return false;
    out->disk_is_registered = !is_unregistered;
    if (!clo_resource_template_check(out->resource, err))
        return clo_fail(err, CLO_ERR_FORMAT, "%s", err->text);
    if (seconds > RETRY_SECONDS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "retry_seconds: more than a day");
    out->retry_seconds = (unsigned)seconds;
    if (!read_broker(broker, out, err))
        return clo_wrap(err, "broker");
    if (!read_network(network, &out->network, err))
        return clo_wrap(err, "network");
    return read_modules(modules, out, err) && read_module_devices(json, out, err) &&
           read_verity(json, out, err) && read_grow(json, out, err) && read_doors(json, out, err);
}

bool clo_guest_config_parse(struct clo_bytes json, struct clo_guest_config *out,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };

    if (!clo_json_parse(json, &config.json, err) || !read_config(config.json, &config, err))
        return clo_wrap(err, "guest configuration");
    *out = config;
    config = (struct clo_guest_config){ 0 };
    return true;
}

const struct clo_tpm2_name *clo_guest_config_srk(const struct clo_guest_config *config,
                                                 struct clo_tpm2_name *out)
{
    if (config->tpm_srk.size != sizeof out->bytes)
        return NULL;
    memcpy(out->bytes, config->tpm_srk.data, sizeof out->bytes);
    return out;
}

void clo_guest_config_free(struct clo_guest_config *config)
{
    json_decref(config->json);
    clo_buffer_free(&config->broker_key);
    clo_buffer_free(&config->tpm_srk);
    clo_guest_verity_free(&config->verity);
    clo_host_allow_free(&config->host);
    *config = (struct clo_guest_config){ 0 };
}
