#include "cli/measure/machine.h"

#include "cli/inputs.h"
#include "device/file.h"

#define FIRMWARE_LIMIT ((size_t)64 << 20)

bool cli_machine_read(struct cli_machine *machine, struct clo_prediction *out,
                      struct clo_error *err)
{
    const struct cli_machine defaults = CLI_MACHINE_DEFAULTS;
    const char *lost = machine->memory != NULL                          ? "--memory"
                       : machine->vcpus != defaults.vcpus               ? "--vcpus"
                       : machine->address_bits != defaults.address_bits ? "--address-bits"
                       : machine->version != NULL                       ? "--firmware-version"
                                                                        : NULL;

    if (machine->firmware == NULL)
        return lost == NULL ||
               clo_fail(err, CLO_ERR_USAGE, "%s is the firmware's to measure: --firmware", lost);
    if (machine->vcpus > UINT16_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "--vcpus %llu: at most %d",
                        (unsigned long long)machine->vcpus, UINT16_MAX);
    out->machine.memory = (uint64_t)512 << 20;
    if (machine->memory != NULL &&
        !cli_size("--memory", machine->memory, &out->machine.memory, err))
        return false;
    out->machine.vcpus = (unsigned)machine->vcpus;
    out->machine.address_bits =
            machine->address_bits > UINT8_MAX ? UINT8_MAX : (unsigned)machine->address_bits;
    out->machine.version = machine->version;
    if (!clo_file_read(machine->firmware, FIRMWARE_LIMIT, &machine->file, err))
        return false;
    out->firmware = clo_buffer_bytes(&machine->file);
    return out->firmware.size > 0 ||
           clo_fail(err, CLO_ERR_FORMAT, "%s: is empty", machine->firmware);
}

void cli_machine_free(struct cli_machine *machine)
{
    clo_buffer_free(&machine->file);
}
