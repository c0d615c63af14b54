/* What OVMF measures of itself on QEMU: PCR 0 (the volumes of PEI and DXE), 1 (boot entries), and 2, 3
 * and 6, which stay empty without option ROMs. TCG PC Client Platform Firmware Profile 1.06 section
 * 3.3.4; edk2 (SecurityPkg Tcg2Pei, Tcg2Dxe). */
#include "lib/predict/predict.h"

#include <stdio.h>
#include <string.h>

#include "lib/predict/platform_pei.h"
#include "lib/uki/stub.h"

/* --- PCR 0 --- */

static bool measure_version(struct prediction *p, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };
    const char *version = p->inputs->machine.version == NULL ? "" : p->inputs->machine.version;

    if (!clo_utf16_write(version, &wide, err))
        return clo_wrap(err, "firmware version");
    clo_buffer_le16(&wide, 0);
    if (!clo_buffer_ok(&wide))
        return clo_out_of_memory(err);
    record_bytes(&p->record,
                 &(struct record_event){ .reg = 0,
                                         .type = "EV_S_CRTM_VERSION",
                                         .name = "firmware version",
                                         .text = clo_bytes_text(version) },
                 clo_buffer_bytes(&wide));
    return true;
}

static void measure_volume(struct prediction *p, const char *name, struct clo_bytes volume)
{
    char text[40];

    snprintf(text, sizeof text, "%zu bytes", volume.size);
    record_bytes(&p->record,
                 &(struct record_event){ .reg = 0,
                                         .type = "EV_EFI_PLATFORM_FIRMWARE_BLOB",
                                         .name = name,
                                         .text = clo_bytes_text(text) },
                 volume);
}

static bool predict_0(struct prediction *p, const struct clo_firmware *firmware,
                      struct clo_bytes pei, struct clo_error *err)
{
    if (!measure_version(p, err))
        return false;
    measure_volume(p, "PEI volume, as it is in memory", pei);
    measure_volume(p, "DXE volume", firmware->dxe.bytes);
    record_separator(&p->record, 0);
    record_set_value(&p->record, 0, NULL);
    return true;
}

/* --- PCR 1: only the variables' values are measured, and the order's first --- */

static void measure_boot_variable(struct prediction *p, const struct clo_efivar *variable)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct clo_error ignored;

    if (!predict_variable_data(variable->name, &variable->vendor, variable->data, &data, &ignored))
        clo_buffer_free(&data);
    record_bytes(&p->record,
                 &(struct record_event){ .reg = 1,
                                         .type = "EV_EFI_VARIABLE_BOOT",
                                         .name = variable->name,
                                         .data = clo_buffer_bytes(&data) },
                 variable->data);
}

static void predict_1(struct prediction *p)
{
    const struct clo_efivar *order =
            p->store == NULL ? NULL
                             : clo_varstore_find(p->store, "BootOrder", &clo_guid_global_variable);

    if (p->loader_pe != NULL && loader_does(p->loader.version, LOADER_MEASURES_SMBIOS)) {
        record_not(&p->record, 1, "systemd-boot measures SMBIOS tables too: they are the VMM's");
        return;
    }
    if (p->uki != NULL && stub_does(p->uki->stub_version, STUB_MEASURES_SMBIOS)) {
        record_not(&p->record, 1,
                   "systemd's stub measures SMBIOS tables too, from 261 on: they are the VMM's");
        return;
    }
    if (order == NULL) {
        record_not(&p->record, 1,
                   "firmware makes boot entries for the disks it finds: give a variable store "
                   "that it has written them to, or calibrate");
        return;
    }
    measure_boot_variable(p, order);
    struct clo_reader r = clo_reader(order->data);
    while (clo_reader_left(&r) >= 2) {
        char name[16];
        snprintf(name, sizeof name, "Boot%04X", clo_read_le16(&r));
        const struct clo_efivar *entry =
                clo_varstore_find(p->store, name, &clo_guid_global_variable);
        if (entry != NULL) /* one that is not there is not measured */
            measure_boot_variable(p, entry);
    }
    record_separator(&p->record, 1);
    record_set_value(&p->record, 1, NULL);
}

bool predict_ovmf(struct prediction *p, struct clo_error *err)
{
    static const unsigned empty[] = { 2, 3, 6 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer unpacked = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pei = { 0 };
    struct clo_firmware firmware;

    if (!clo_firmware_unpack(p->inputs->firmware, &unpacked, &firmware, err))
        return false;
    for (size_t i = 0; i < CLO_COUNT(empty); i++) {
        record_separator(&p->record, empty[i]);
        record_set_value(&p->record, empty[i], NULL);
    }
    if (platform_pei_run(&firmware.pei, &p->inputs->machine, p->store, &pei, err)) {
        predict_1(p);
        return predict_0(p, &firmware, clo_buffer_bytes(&pei), err);
    }
    if (err->status != CLO_ERR_UNSUPPORTED)
        return false;
    record_not(&p->record, 0, err->text);
    record_not(&p->record, 1,
               "not where PCR 0 is not: edk2 of another time than November 2022 measures ACPI "
               "tables too");
    return true;
}
