/* QEMU's command line for plain and confidential machines, and what a host lacks for them. */
#include "image/qemu.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/file.h"
#include "image/host.h"
#include "test.h"

static struct clo_qemu plain(void)
{
    return (struct clo_qemu){ .image = "demo.img",
                              .firmware = "OVMF.fd",
                              .varstore = "vars.fd",
                              .tpm = "tpm/socket",
                              .memory_mib = 512,
                              .vcpus = 1 };
}

static struct clo_qemu confidential(enum clo_qemu_kind kind)
{
    return (struct clo_qemu){
        .kind = kind,
        .has_kvm = true,
        .image = "demo.img",
        .firmware = "OVMF.fd",
        .memory_mib = 4096,
        .vcpus = 4,
        .launch = { .cpu = "EPYC-v4", .policy = 0x30000, .address_bit = 51, .reduced_bits = 1 },
    };
}

static char *text_of(const struct clo_qemu *machine, struct clo_error *err)
{
    CLO_CLEANUP(clo_command_line_free) struct clo_command_line line = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (!clo_qemu_command(machine, &line, err))
        return NULL;
    clo_command_line_write(&line, &text);
    return strdup(clo_buffer_string(&text));
}

static void change_nothing(struct clo_qemu *m)
{
    (void)m;
}
static void with_comma(struct clo_qemu *m)
{
    m->image = "a,b.img";
}
static void with_quote(struct clo_qemu *m)
{
    m->smbios[m->smbios_count++] = "it's, 1";
}
static void with_kernel(struct clo_qemu *m)
{
    m->launch.kernel = "vmlinuz";
    m->launch.initrd = "initrd";
    m->launch.cmdline = "console=ttyS0 quiet";
}
static void with_id_block(struct clo_qemu *m)
{
    m->launch.id_block = "id-block=QUJD,id-auth=REVG";
    m->launch.host_data = "AAAA";
}
static void with_igvm(struct clo_qemu *m)
{
    m->firmware = NULL;
    m->launch.igvm = "svsm.igvm";
}
static void with_unix(struct clo_qemu *m)
{
    m->launch.quotes = "unix:/run/qgs, 1";
}
static void with_vsock(struct clo_qemu *m)
{
    m->launch.quotes = "vsock:2:4050";
    m->launch.host_data = "BBBB";
}
static void without_port(struct clo_qemu *m)
{
    m->launch.quotes = "vsock:2";
}

static const struct {
    const char *name;
    enum clo_qemu_kind kind;
    void (*change)(struct clo_qemu *m);
    const char *has[4]; /* each stands in the line */
    const char *lacks;
    const char *error;
} cases[] = {
    { "plain",
      CLO_QEMU_PLAIN,
      change_nothing,
      { "-accel tcg,thread=multi", "-machine q35,smm=on",
        "if=pflash,unit=1,format=raw,file=vars.fd", "tpm-crb" },
      "iommu_platform",
      NULL },
    { "a comma in a path", CLO_QEMU_PLAIN, with_comma, { "file=a,,b.img" }, NULL, NULL },
    { "a quote for the shell",
      CLO_QEMU_PLAIN,
      with_quote,
      { "-smbios 'type=11,value=it'\\''s,, 1'" },
      NULL,
      NULL },
    { "SEV-SNP",
      CLO_QEMU_SNP,
      change_nothing,
      { "-machine q35,confidential-guest-support=sev0,memory-backend=ram0",
        "memory-backend-memfd,id=ram0,size=4096M,share=true",
        "sev-snp-guest,id=sev0,policy=0x30000,cbitpos=51,reduced-phys-bits=1 ", "-bios OVMF.fd" },
      "tpm",
      NULL },
    { "SEV-SNP with a kernel: its digests are measured",
      CLO_QEMU_SNP,
      with_kernel,
      { "reduced-phys-bits=1,kernel-hashes=on ", "-kernel vmlinuz", "-initrd initrd",
        "-append 'console=ttyS0 quiet'" },
      "pflash",
      NULL },
    { "SEV-SNP with an ID block",
      CLO_QEMU_SNP,
      with_id_block,
      { ",id-block=QUJD,id-auth=REVG,host-data=AAAA" },
      "kernel-hashes",
      NULL },
    { "SEV-SNP with an SVSM",
      CLO_QEMU_SNP,
      with_igvm,
      { "memory-backend=ram0,igvm-cfg=igvm0", "-object igvm-cfg,id=igvm0,file=svsm.igvm" },
      "-bios",
      NULL },
    { "TDX, a quoting service on a path",
      CLO_QEMU_TDX,
      with_unix,
      { "-machine q35,kernel-irqchip=split,confidential-guest-support=tdx0", "-cpu host",
        "\"quote-generation-socket\":{\"type\":\"unix\",\"path\":\"/run/qgs, 1\"}",
        "iommu_platform=true" },
      "tpm",
      NULL },
    { "TDX, a quoting service on vsock",
      CLO_QEMU_TDX,
      with_vsock,
      { "\"mrconfigid\":\"BBBB\"", "{\"type\":\"vsock\",\"cid\":\"2\",\"port\":\"4050\"}" },
      NULL,
      NULL },
    { "a quoting service without a port",
      CLO_QEMU_TDX,
      without_port,
      { NULL },
      NULL,
      "vsock:2: the quoting service is unix:PATH or vsock:CID:PORT" },
};

static void test_command_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_qemu machine =
                cases[i].kind == CLO_QEMU_PLAIN ? plain() : confidential(cases[i].kind);
        struct clo_error err;
        cases[i].change(&machine);
        char *text = text_of(&machine, &err);
        CHECK((text == NULL) == (cases[i].error != NULL), cases[i].name);
        if (text == NULL)
            CHECK(strcmp(err.text, cases[i].error) == 0, cases[i].name);
        for (size_t k = 0; text != NULL && k < CLO_COUNT(cases[i].has); k++)
            CHECK(cases[i].has[k] == NULL || strstr(text, cases[i].has[k]) != NULL, cases[i].name);
        CHECK(text == NULL || cases[i].lacks == NULL || strstr(text, cases[i].lacks) == NULL,
              cases[i].name);
        free(text);
    }
}

/* --- Hosts: folders with what /dev and /sys would have --- */

static void put(const char *root, const char *path, const char *text)
{
    char full[5000];
    struct clo_error err;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(full, 0700);
        *slash = '/';
    }
    if (!clo_file_write(full, clo_bytes_text(text), 0600, &err))
        fail_msg("%s", err.text);
}

#define VERSION "QEMU emulator version 10.1.0 (Debian)\n"

static const struct {
    const char *name;
    enum clo_qemu_kind kind;
    const char *files[6]; /* path and text */
    const char *version;
    const char *igvm;
    const char *error; /* NULL: it can be started */
} hosts[] = {
    { "a plain machine, anywhere", CLO_QEMU_PLAIN, { NULL }, NULL, NULL, NULL },
    { "SEV-SNP",
      CLO_QEMU_SNP,
      { "/dev/kvm", "", "/dev/sev", "", "/sys/module/kvm_amd/parameters/sev_snp", "Y\n" },
      VERSION,
      NULL,
      NULL },
    { "nothing of it",
      CLO_QEMU_SNP,
      { NULL },
      "QEMU emulator version 7.2.22",
      NULL,
      "this host cannot start SEV-SNP: /dev/kvm: No such file or directory; /dev/sev: No such file "
      "or "
      "directory; kvm_amd: has no parameter sev_snp (the module is not loaded, or its kernel is "
      "older); "
      "QEMU 7.2: SEV-SNP needs 9.1" },
    { "switched off",
      CLO_QEMU_SNP,
      { "/dev/kvm", "", "/dev/sev", "", "/sys/module/kvm_amd/parameters/sev_snp", "N\n" },
      VERSION,
      NULL,
      "this host cannot start SEV-SNP: kvm_amd: sev_snp is N, not Y" },
    { "an IGVM file takes a newer QEMU",
      CLO_QEMU_SNP,
      { "/dev/kvm", "", "/dev/sev", "", "/sys/module/kvm_amd/parameters/sev_snp", "Y\n" },
      "QEMU emulator version 10.0.2",
      "svsm.igvm",
      "this host cannot start SEV-SNP: QEMU 10.0: IGVM needs 10.1" },
    { "QEMU that does not say",
      CLO_QEMU_SNP,
      { "/dev/kvm", "", "/dev/sev", "", "/sys/module/kvm_amd/parameters/sev_snp", "1" },
      "",
      NULL,
      "this host cannot start SEV-SNP: QEMU: its version is not known" },
    { "TDX",
      CLO_QEMU_TDX,
      { "/dev/kvm", "", "/sys/module/kvm_intel/parameters/tdx", "Y\n", "/run/qgs", "" },
      VERSION,
      NULL,
      NULL },
    { "TDX without the quoting service",
      CLO_QEMU_TDX,
      { "/dev/kvm", "", "/sys/module/kvm_intel/parameters/tdx", "Y\n" },
      VERSION,
      NULL,
      "this host cannot start TDX: quoting service /run/qgs: No such file or directory" },
};

static void test_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(hosts); i++) {
        CLO_CLEANUP(clo_scratch_free) struct clo_scratch root = { "" };
        struct clo_qemu machine = confidential(hosts[i].kind);
        struct clo_error err;
        if (!clo_scratch_new(NULL, &root, &err))
            fail_msg("%s", err.text);
        for (size_t k = 0; k + 1 < CLO_COUNT(hosts[i].files) && hosts[i].files[k] != NULL; k += 2)
            put(root.path, hosts[i].files[k], hosts[i].files[k + 1]);
        machine.launch.igvm = hosts[i].igvm;
        machine.launch.quotes = hosts[i].kind == CLO_QEMU_TDX ? "unix:/run/qgs" : NULL;
        bool ok = clo_host_check(&machine, root.path, hosts[i].version, &err);
        CHECK(ok == (hosts[i].error == NULL), hosts[i].name);
        CHECK(ok || strcmp(err.text, hosts[i].error) == 0, hosts[i].name);
    }
}

/* --- Firmware --- */

static void test_firmware(void **state)
{
    static const struct {
        const char *name, *file, *error;
        enum clo_qemu_kind kind;
        bool with_kernel;
    } firmwares[] = {
        { "AmdSev, and a kernel", "vectors/launch/amdsev.fd", NULL, CLO_QEMU_SNP, true },
        { "AmdSev as a TD's", "vectors/launch/amdsev.fd", "firmware ", CLO_QEMU_TDX, false },
        { "not there", "vectors/launch/none.fd", "No such file", CLO_QEMU_SNP, false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(firmwares); i++) {
        struct clo_qemu machine = confidential(firmwares[i].kind);
        char path[4200];
        struct clo_error err;
        snprintf(path, sizeof path, "%s/%s", getenv("CLOISTER_TESTS"), firmwares[i].file);
        machine.firmware = path;
        machine.launch.kernel = firmwares[i].with_kernel ? "vmlinuz" : NULL;
        bool ok = clo_host_check_firmware(&machine, &err);
        CHECK(ok == (firmwares[i].error == NULL), firmwares[i].name);
        CHECK(ok || strstr(err.text, firmwares[i].error) != NULL, firmwares[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_firmware),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
