#include "guest/config.h"

#include <string.h>

#include "fuzz.h"

/* What parses names a broker with a key, absolute module paths, and nothing that is not counted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_guest_config_free) struct clo_guest_config config = { 0 };
    struct clo_error err;

    if (!clo_guest_config_parse(clo_bytes(data, size), &config, &err))
        return 0;
    MUST(config.broker_key.size > 0 && strlen(config.broker_url) <= size);
    MUST(config.network.dns_count <= CLO_GUEST_DNS_MAX);
    MUST(!config.network.is_static || (config.network.prefix >= 1 && config.network.prefix <= 32));
    for (size_t i = 0; i < config.module_count; i++)
        MUST(config.modules[i][0] == '/');
    MUST(config.grow.count <= CLO_GROW_SIZES_MAX &&
         (!config.grow.is_any || config.grow.count == 0));
    MUST(config.verity.data_blocks == 0 || (!config.grow.is_any && config.grow.count == 0));
    for (size_t i = 0; i < config.grow.count; i++)
        MUST(config.grow.sizes[i] > 0 && config.grow.sizes[i] % 512 == 0);
    return 0;
}
