#include "lib/disk/luks2_generation.h"

#include <stdio.h>
#include <string.h>

#include "lib/disk/disk_identity.h"

static bool read_token(const char *name, const json_t *token, struct clo_luks2_generation *out,
                       struct clo_error *err)
{
    static const char *const members[] = { "type", "keyslots", "generation", "mac", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer mac = { 0 };
    json_t *keyslots;

    if (!clo_json_only(token, members, err) ||
        !clo_json_get_array(token, "keyslots", &keyslots, err) ||
        !clo_json_get_u64(token, "generation", &out->value, err) ||
        !clo_json_get_bytes(token, "mac", CLO_JSON_HEX, CLO_HASH_SIZE_MAX, &mac, err))
        return false;
    if (json_array_size(keyslots) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "keyslots: none are allowed");
    if (out->value == 0 || out->value > CLO_DISK_GENERATION_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "generation %llu is out of range",
                        (unsigned long long)out->value);
    if (mac.size != clo_hash_size(CLO_HASH_SHA256))
        return clo_fail(err, CLO_ERR_FORMAT, "mac: %zu bytes", mac.size);
    out->mac.hash = CLO_HASH_SHA256;
    memcpy(out->mac.bytes, mac.data, mac.size);
    /* Token numbers are 0 to 31 without leading zeros (section 3.3). */
    out->token = name[0] - '0';
    if (name[0] != '\0' && name[1] != '\0')
        out->token = out->token * 10 + name[1] - '0';
    return true;
}

static bool is_number(const char *name)
{
    size_t size = strspn(name, "0123456789");

    return name[size] == '\0' && (size == 1 || (size == 2 && name[0] != '0'));
}

bool clo_luks2_generation_parse(const json_t *tokens, struct clo_luks2_generation *out,
                                struct clo_error *err)
{
    struct clo_luks2_generation generation = { .token = -1 };
    const char *name;
    json_t *token;

    json_object_foreach ((json_t *)(uintptr_t)tokens, name, token) {
        const char *type = json_string_value(json_object_get(token, "type"));
        if (type == NULL || strcmp(type, CLO_LUKS2_GENERATION_TYPE) != 0)
            continue;
        if (generation.token >= 0)
            return clo_fail(err, CLO_ERR_REFUSED, "token %.8s: a second generation", name);
        if (!is_number(name))
            return clo_fail(err, CLO_ERR_REFUSED, "token \"%.8s\": not a number", name);
        if (!read_token(name, token, &generation, err))
            return clo_wrap(err, "token %.8s", name);
    }
    *out = generation;
    return true;
}

static void make_mac(uint64_t value, const struct clo_secret *volume_key, const char *uuid,
                     struct clo_digest *out)
{
    char text[96];

    snprintf(text, sizeof text, "cloister:generation:1:%.40s:%llu", uuid,
             (unsigned long long)value);
    clo_hmac(CLO_HASH_SHA256, clo_secret_bytes(volume_key), clo_bytes_text(text), out);
}

bool clo_luks2_generation_verify(const struct clo_luks2_generation *generation,
                                 const struct clo_secret *volume_key, const char *uuid,
                                 struct clo_error *err)
{
    struct clo_digest mac;

    if (generation->token < 0)
        return true; /* 0, which nobody needs to forge */
    make_mac(generation->value, volume_key, uuid, &mac);
    return clo_bytes_equal_secret(clo_digest_bytes(&mac), clo_digest_bytes(&generation->mac)) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "generation %llu: its MAC does not hold: no guest of this disk wrote it",
                    (unsigned long long)generation->value);
}

bool clo_luks2_generation_write(uint64_t value, const struct clo_secret *volume_key,
                                const char *uuid, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *token = NULL;
    struct clo_digest mac;

    if (value == 0 || value > CLO_DISK_GENERATION_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "generation %llu is out of range",
                        (unsigned long long)value);
    make_mac(value, volume_key, uuid, &mac);
    token = json_pack("{s:s, s:[], s:I, s:o}", "type", CLO_LUKS2_GENERATION_TYPE, "keyslots",
                      "generation", (json_int_t)value, "mac", clo_json_hex(clo_digest_bytes(&mac)));
    if (token == NULL)
        return clo_out_of_memory(err);
    return clo_json_write(token, out, err);
}
