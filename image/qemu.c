#include "image/qemu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/json.h"

#define ARGUMENTS_MAX 192

const char *clo_qemu_name(enum clo_qemu_kind kind)
{
    static const char *const names[] = {
        [CLO_QEMU_PLAIN] = "a plain machine",
        [CLO_QEMU_SNP] = "SEV-SNP",
        [CLO_QEMU_TDX] = "TDX",
    };

    return names[kind];
}

void clo_command_line_free(struct clo_command_line *line)
{
    for (size_t i = 0; i < line->count; i++)
        free(line->items[i]);
    free(line->items);
    *line = (struct clo_command_line){ 0 };
}

bool clo_command_line_copy(const char *const *words, size_t count, struct clo_command_line *out,
                           struct clo_error *err)
{
    struct clo_command_line line = { .items = calloc(count + 1, sizeof *line.items) };

    for (; line.items != NULL && line.count < count; line.count++)
        if ((line.items[line.count] = strdup(words[line.count])) == NULL)
            break;
    if (line.items == NULL || line.count < count) {
        clo_command_line_free(&line);
        return clo_out_of_memory(err);
    }
    *out = line;
    return true;
}

/* The line as it grows; a failure latches. */
struct builder {
    const struct clo_qemu *machine;
    struct clo_command_line line;
    bool failed;
};

static void add_word(struct builder *b, char *word)
{
    if (word == NULL || b->line.count + 1 >= ARGUMENTS_MAX) {
        free(word);
        b->failed = true;
        return;
    }
    b->line.items[b->line.count++] = word;
}

static void add(struct builder *b, const char *option, const char *value)
{
    add_word(b, strdup(option));
    if (value != NULL)
        add_word(b, strdup(value));
}

CLO_PRINTF(3, 4)
static void add_text(struct builder *b, const char *option, const char *format, ...)
{
    char *value = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&value, format, args) < 0)
        value = NULL;
    va_end(args);
    add_word(b, strdup(option));
    add_word(b, value);
}

/* QEMU reads a doubled comma in an option's value as one. */
static void add_value(struct builder *b, const char *option, const char *before, const char *value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { .limit = 8192 };

    clo_buffer_printf(&text, "%s", before);
    for (; *value != '\0'; value++) {
        if (*value == ',')
            clo_buffer_u8(&text, ',');
        clo_buffer_u8(&text, (uint8_t)*value);
    }
    add(b, option, clo_buffer_string(&text) == NULL ? "" : clo_buffer_string(&text));
    b->failed = b->failed || text.failed;
}

/* --- What differs: the processor, its memory, and where the first code comes from --- */

static void add_plain(struct builder *b)
{
    const struct clo_qemu *m = b->machine;

    add(b, "-cpu", m->has_kvm ? "host" : "max");
    add(b, "-machine", "q35,smm=on");
    add(b, "-global", "driver=cfi.pflash01,property=secure,value=on");
    add(b, "-global", "ICH9-LPC.disable_s3=1");
    add_value(b, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=", m->firmware);
    add_value(b, "-drive", "if=pflash,unit=1,format=raw,file=", m->varstore);
    add_value(b, "-chardev", "socket,id=chrtpm,path=", m->tpm);
    add(b, "-tpmdev", "emulator,id=tpm0,chardev=chrtpm");
    add(b, "-device", "tpm-crb,tpmdev=tpm0");
}

static void add_handed_over(struct builder *b)
{
    const struct clo_qemu_launch *launch = &b->machine->launch;

    if (launch->igvm != NULL)
        add_value(b, "-object", "igvm-cfg,id=igvm0,file=", launch->igvm);
    else
        add(b, "-bios", b->machine->firmware);
    if (launch->kernel != NULL)
        add(b, "-kernel", launch->kernel);
    if (launch->initrd != NULL)
        add(b, "-initrd", launch->initrd);
    if (launch->cmdline != NULL)
        add(b, "-append", launch->cmdline);
}

static void add_snp(struct builder *b)
{
    const struct clo_qemu *m = b->machine;
    const struct clo_qemu_launch *launch = &m->launch;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer guest = { .limit = 16384 };

    add(b, "-cpu", launch->cpu);
    add_text(b, "-machine", "q35,confidential-guest-support=sev0,memory-backend=ram0%s",
             launch->igvm == NULL ? "" : ",igvm-cfg=igvm0");
    add_text(b, "-object", "memory-backend-memfd,id=ram0,size=%uM,share=true", m->memory_mib);
    clo_buffer_printf(&guest, "sev-snp-guest,id=sev0,policy=0x%llx,cbitpos=%u,reduced-phys-bits=%u",
                      (unsigned long long)launch->policy, launch->address_bit,
                      launch->reduced_bits);
    if (launch->kernel != NULL)
        clo_buffer_printf(&guest, ",kernel-hashes=on");
    if (launch->id_block != NULL)
        clo_buffer_printf(&guest, ",%s", launch->id_block);
    if (launch->host_data != NULL)
        clo_buffer_printf(&guest, ",host-data=%s", launch->host_data);
    add(b, "-object", clo_buffer_string(&guest) == NULL ? "" : clo_buffer_string(&guest));
    b->failed = b->failed || guest.failed;
    add_handed_over(b);
}

/* "unix:PATH" or "vsock:CID:PORT" as QEMU's SocketAddress has them. */
static json_t *quoting_service(const char *where)
{
    char cid[16] = "", port[16] = "";

    if (strncmp(where, "unix:", 5) == 0)
        return json_pack("{s:s, s:s}", "type", "unix", "path", where + 5);
    if (sscanf(where, "vsock:%15[0-9]:%15[0-9]", cid, port) == 2)
        return json_pack("{s:s, s:s, s:s}", "type", "vsock", "cid", cid, "port", port);
    return NULL;
}

static bool add_tdx(struct builder *b, struct clo_error *err)
{
    const struct clo_qemu_launch *launch = &b->machine->launch;
    CLO_CLEANUP(clo_json_freep)
    json_t *guest = json_pack("{s:s, s:s}", "qom-type", "tdx-guest", "id", "tdx0");

    if (launch->host_data != NULL)
        json_object_set_new(guest, "mrconfigid", json_string(launch->host_data));
    if (launch->quotes != NULL) {
        json_t *service = quoting_service(launch->quotes);
        if (service == NULL)
            return clo_fail(err, CLO_ERR_USAGE,
                            "%s: the quoting service is unix:PATH or vsock:CID:PORT",
                            launch->quotes);
        json_object_set_new(guest, "quote-generation-socket", service);
    }
    add(b, "-cpu", "host");
    add(b, "-machine", "q35,kernel-irqchip=split,confidential-guest-support=tdx0");
    add(b, "-object", "");
    free(b->line.items[b->line.count - 1]);
    b->line.items[b->line.count - 1] = json_dumps(guest, JSON_COMPACT);
    b->failed = b->failed || b->line.items[b->line.count - 1] == NULL;
    add_handed_over(b);
    return true;
}

/* --- What all have: a disk, a network, and a port to report through --- */

static void add_devices(struct builder *b)
{
    const struct clo_qemu *m = b->machine;
    /* The host's side of a device must go through the guest's shared pages. */
    const char *shared = m->kind == CLO_QEMU_PLAIN ? "" : ",disable-legacy=on,iommu_platform=true";

    char drive[120];

    snprintf(drive, sizeof drive, "if=none,id=disk,format=%s,cache=unsafe%s,file=",
             m->image_format == NULL ? "raw" : m->image_format, m->snapshot ? ",snapshot=on" : "");
    add_value(b, "-drive", drive, m->image);
    add_text(b, "-device", "virtio-blk-pci,drive=disk,bootindex=1%s", shared);
    add(b, "-netdev", m->is_alone ? "user,id=net,restrict=on" : "user,id=net");
    add_text(b, "-device", "virtio-net-pci,netdev=net,romfile=%s", shared);
    add_text(b, "-device", "virtio-rng-pci%s", shared);
    if (m->report != NULL) {
        add_text(b, "-device", "virtio-serial-pci%s", shared);
        add_value(b, "-chardev", "file,id=report,path=", m->report);
        add(b, "-device", "virtserialport,chardev=report,name=cloister.report");
    }
    if (m->serial != NULL)
        add_text(b, "-serial", "file:%s", m->serial);
    else
        add(b, "-serial", "stdio");
}

static bool add_all(struct builder *b, struct clo_error *err)
{
    const struct clo_qemu *m = b->machine;

    add(b, m->emulator == NULL ? "qemu-system-x86_64" : m->emulator, NULL);
    add(b, "-accel", m->has_kvm ? "kvm" : "tcg,thread=multi");
    add_text(b, "-smp", "%u", m->vcpus);
    add_text(b, "-m", "%uM", m->memory_mib);
    add(b, "-nodefaults", "-no-user-config");
    add(b, "-display", "none");
    add(b, "-vga", "none");
    add(b, "-no-reboot", NULL);
    if (m->kind == CLO_QEMU_PLAIN)
        add_plain(b);
    else if (m->kind == CLO_QEMU_SNP)
        add_snp(b);
    else if (!add_tdx(b, err))
        return false;
    add_devices(b);
    for (size_t i = 0; i < m->smbios_count; i++)
        add_value(b, "-smbios", "type=11,value=", m->smbios[i]);
    for (size_t i = 0; i < m->extra_count; i++)
        add(b, m->extra[i], NULL);
    return !b->failed || clo_out_of_memory(err);
}

bool clo_qemu_command(const struct clo_qemu *machine, struct clo_command_line *out,
                      struct clo_error *err)
{
    struct builder b = { .machine = machine };

    b.line.items = calloc(ARGUMENTS_MAX, sizeof *b.line.items);
    if (b.line.items == NULL)
        return clo_out_of_memory(err);
    if (!add_all(&b, err)) {
        clo_command_line_free(&b.line);
        return false;
    }
    *out = b.line;
    return true;
}

/* --- For a shell --- */

static void write_word(const char *word, struct clo_buffer *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:=,+@%";

    if (*word != '\0' && word[strspn(word, plain)] == '\0') {
        clo_buffer_printf(out, "%s", word);
        return;
    }
    clo_buffer_u8(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            clo_buffer_printf(out, "'\\''");
        else
            clo_buffer_u8(out, (uint8_t)*word);
    }
    clo_buffer_u8(out, '\'');
}

void clo_command_line_write(const struct clo_command_line *line, struct clo_buffer *out)
{
    for (size_t i = 0; i < line->count; i++) {
        if (i > 0)
            clo_buffer_printf(out, line->items[i][0] == '-' ? " \\\n    " : " ");
        write_word(line->items[i], out);
    }
    clo_buffer_u8(out, '\n');
}
