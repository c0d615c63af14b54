/* A host is a tree of files here, as Linux would show it. */
#include "guest/host_inputs.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cloister/crypto.h"
#include "guest/host_units.h"
#include "test.h"

static struct clo_scratch scratch;

static int make_tree(void **state)
{
    struct clo_error err;

    (void)state;
    assert_true(clo_scratch_new("/tmp", &scratch, &err));
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    clo_scratch_free(&scratch);
    return 0;
}

/* The file, with the folders it lies in. */
static void put(const char *path, struct clo_bytes bytes)
{
    struct clo_error err;
    char whole[4500];

    snprintf(whole, sizeof whole, "%s/%s", scratch.path, path);
    for (char *slash = whole + strlen(scratch.path) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        (void)mkdir(whole, 0700);
        *slash = '/';
    }
    if (!clo_file_write(whole, bytes, 0600, &err))
        fail_msg("%s", err.text);
}

static void put_smbios(unsigned type, const char *text)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer table = { 0 };

    clo_buffer_u8(&table, (uint8_t)type);
    clo_buffer_u8(&table, 4);
    clo_buffer_le16(&table, 0);
    clo_buffer_append(&table, clo_bytes(text, strlen(text) + 1));
    clo_buffer_u8(&table, 0);
    put("sys/firmware/dmi/tables/DMI", clo_buffer_bytes(&table));
}

static void put_text(const char *path, const char *text)
{
    put(path, clo_bytes_text(text));
}

static void put_variable(const char *name, unsigned attributes)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
    char path[300];

    snprintf(path, sizeof path, "sys/firmware/efi/efivars/%s", name);
    clo_buffer_le32(&value, attributes);
    clo_buffer_text(&value, "x");
    put(path, clo_buffer_bytes(&value));
}

#define SYSTEMD "-8cf2644b-4b0b-428f-9387-6d876050dc67"
#define LOADER  "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

static const struct {
    const char *name;
    const char *path; /* "smbios11", "smbios1", or a file */
    const char *text;
    const char *word;  /* that allows it; NULL: it needs none */
    const char *found; /* what is said without the word */
} cases[] = {
    { "credential in SMBIOS", "smbios11", "io.systemd.credential.binary:tmpfiles.extra=YQ==",
      "smbios-credential:tmpfiles.extra", "credential \"tmpfiles.extra\" in SMBIOS" },
    { "credential in SMBIOS, as text", "smbios11", "io.systemd.credential:a=b",
      "smbios-credential:a", "credential \"a\" in SMBIOS" },
    { "more of the command line", "smbios11", "io.systemd.stub.kernel-cmdline-extra=init=/bin/sh",
      "smbios-string:io.systemd.stub.kernel-cmdline-extra",
      "SMBIOS type 11 string \"io.systemd.stub.kernel-cmdline-extra\"" },
    { "any other string", "smbios11", "hello", "smbios-string:hello",
      "SMBIOS type 11 string \"hello\"" },
    { "Azure's own", "smbios11", "[MS_VM_CERT/SHA1/9b80]", NULL, NULL },
    { "cloud-init's serial number", "smbios1", "ds=nocloud;s=http://10.0.2.2/", "cloud-init",
      "cloud-init's data source \"ds=nocloud;s=http://10.0.2.2/\" in SMBIOS" },
    { "a serial number", "smbios1", "VM-1234", NULL, NULL },
    { "credential in fw_cfg", "sys/firmware/qemu_fw_cfg/by_key/42/name",
      "opt/io.systemd.credentials/a\n", "fw-cfg-credential:a", "credential \"a\" in fw_cfg" },
    { "for the firmware", "sys/firmware/qemu_fw_cfg/by_key/42/name", "opt/ovmf/X-PciMmio64Mb\n",
      "fw-cfg:opt/ovmf/", "file \"opt/ovmf/X-PciMmio64Mb\" in fw_cfg" },
    { "QEMU's own", "sys/firmware/qemu_fw_cfg/by_key/33/name", "etc/e820\n", NULL, NULL },
    { "systemd's variable", "SystemdOptions" SYSTEMD, "7", "efi-variable:SystemdOptions",
      "EFI variable \"SystemdOptions\"" },
    { "the boot loader's", "LoaderEntryOneShot" LOADER, "7", "efi-variable:LoaderEntryOneShot",
      "EFI variable \"LoaderEntryOneShot\"" },
    { "the stub's, of this boot", "StubInfo" LOADER, "6", NULL, NULL },
    { "a token", "LoaderSystemToken" LOADER, "7", NULL, NULL },
    { "another vendor's", "SystemdOptions-11111111-4b0b-428f-9387-6d876050dc67", "7", NULL, NULL },
    { "guest agent", "sys/class/virtio-ports/vport1p1/name", "org.qemu.guest_agent.0\n",
      "port:org.qemu.guest_agent.0", "virtio port \"org.qemu.guest_agent.0\"" },
    { "our own port", "sys/class/virtio-ports/vport1p1/name", "cloister.report\n", NULL, NULL },
    { "9p", "sys/bus/virtio/devices/virtio3/device", "0x0009\n", "file-systems",
      "file system of the host's: 9p device virtio3" },
    { "virtiofs", "sys/bus/virtio/devices/virtio3/device", "0x001a\n", "file-systems",
      "file system of the host's: virtiofs device virtio3" },
    { "a disk's controller", "sys/bus/virtio/devices/virtio3/device", "0x0002\n", NULL, NULL },
    { "device tree", "sys/firmware/devicetree/base/chosen/bootargs", "x", "-",
      "\"bootargs\" in the device tree" },
    { "credential on the ESP", ".extra/credentials/a.cred", "x", "companions",
      "file \".extra/credentials/a.cred\" next to the UKI" },
    { "extension on the ESP", ".extra/sysext/a.raw", "x", "companions",
      "file \".extra/sysext/a.raw\" next to the UKI" },
    { "the UKI's signature of PCR 11", ".extra/tpm2-pcr-signature.json", "{}", NULL, NULL },
    { "a word on the command line", "proc/cmdline", "quiet a=\"b c\" init=/bin/sh\n", "cmdline",
      "on the command line, not the image's: \"init=/bin/sh\"" },
    { "a word that is missing", "proc/cmdline", "quiet\n", "cmdline",
      "missing from the image's command line: \"a=\"b c\"\"" },
    { "another order", "proc/cmdline", "a=\"b c\"  quiet\n", NULL, NULL },
    { "a profile's command line", "proc/cmdline", "debug quiet\n", NULL, NULL },
    { "a profile's, and a word", "proc/cmdline", "debug quiet a=\"b c\" init=/bin/sh\n", "cmdline",
      "on the command line, not the image's: \"debug\"; "
      "on the command line, not the image's: \"init=/bin/sh\"" },
    { "half of a profile's", "proc/cmdline", "debug a=\"b c\" quiet\n", "cmdline",
      "on the command line, not the image's: \"debug\"" },
};

static void found(void *context, const char *what)
{
    struct clo_buffer *all = context;

    clo_buffer_printf(all, "%s%s", all->size > 0 ? "; " : "", what);
}

static void look(const char *word, struct clo_buffer *all)
{
    struct clo_host_allow allow = { .words = { word }, .count = word != NULL };
    CLO_CLEANUP(clo_json_freep) json_t *profiles = json_pack("[s, s]", "quiet debug", "quiet one");
    struct clo_host_look it = { .root = scratch.path,
                                .allow = &allow,
                                .cmdline = "quiet a=\"b c\"",
                                .profile_cmdlines = profiles,
                                .found = found,
                                .context = all };
    struct clo_error err;

    all->size = 0;
    if (!clo_host_look(&it, &err) || !clo_host_look_at_disks(&it, "vda", &err))
        clo_buffer_printf(all, "failed: %s", err.text);
}

static void put_case(size_t i)
{
    if (strcmp(cases[i].path, "smbios11") == 0)
        put_smbios(11, cases[i].text);
    else if (strcmp(cases[i].path, "smbios1") == 0)
        put_smbios(1, cases[i].text);
    else if (strchr(cases[i].path, '/') == NULL)
        put_variable(cases[i].path, (unsigned)(cases[i].text[0] - '0'));
    else
        put_text(cases[i].path, cases[i].text);
}

static void test_cases(void **state)
{
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer all = { 0 };
        remove_tree(state);
        make_tree(state);
        put_text("proc/cmdline", "quiet a=\"b c\"\n");
        put_case(i);
        look(NULL, &all);
        const char *expected = cases[i].found == NULL ? "" : cases[i].found;
        if (strcmp(clo_buffer_string(&all), expected) != 0)
            print_error("got: %s\n", clo_buffer_string(&all));
        CHECK(strcmp(clo_buffer_string(&all), expected) == 0, cases[i].name);
        if (cases[i].word == NULL || strcmp(cases[i].word, "-") == 0)
            continue;
        look(cases[i].word, &all);
        CHECK(all.size == 0, cases[i].name);
    }
}

static void put_disk(const char *name, const char *attribute)
{
    char path[300];

    snprintf(path, sizeof path, "sys/class/block/%s/%s", name, attribute);
    put_text(path, "1\n");
}

static void test_disks(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer all = { 0 };
    static char iso[0x9000];

    remove_tree(state);
    make_tree(state);
    put_text("proc/cmdline", "quiet a=\"b c\"\n");
    put_disk("vda", "device/model");
    put_disk("vda2", "partition");
    put_disk("loop0", "size");
    put_disk("nvme0c0n1", "hidden");
    put_disk("nvme0c0n1", "device/model");
    look(NULL, &all);
    assert_string_equal(clo_buffer_string(&all), "");
    put_disk("vdb", "device/model");
    look(NULL, &all);
    assert_string_equal(clo_buffer_string(&all), "disk \"vdb\" next to the image's own");
    memcpy(iso + 0x8028, "CIDATA  ", 8);
    put("dev/vdb", clo_bytes(iso, sizeof iso));
    look(NULL, &all);
    assert_string_equal(clo_buffer_string(&all),
                        "disk \"vdb\", cloud-init's data source \"cidata\"");
    look("disks", &all);
    assert_string_equal(clo_buffer_string(&all), "");
}

/* What cannot be read is a refusal, not an absence. */
static void test_unreadable(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer all = { 0 };

    remove_tree(state);
    make_tree(state);
    put_text("proc/cmdline", "quiet a=\"b c\"\n");
    put_text("sys/firmware/dmi/tables/DMI", "\x0b\x04");
    look(NULL, &all);
    assert_string_equal(clo_buffer_string(&all), "failed: SMBIOS: truncated at byte 2");
    put_smbios(11, "[MS_VM_CERT/");
    put_text("sys/firmware/qemu_fw_cfg/by_key/42/size", "1");
    look(NULL, &all);
    assert_string_equal(clo_buffer_string(&all), "failed: fw_cfg: 42 has no name");
    put_text("sys/firmware/qemu_fw_cfg/by_key/42/name", "etc/e820");
    char path[4200];
    snprintf(path, sizeof path, "%s/sys/firmware/efi", scratch.path);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/sys/firmware/efi/efivars", scratch.path);
    assert_int_equal(mkdir(path, 0700), 0);
    look(NULL, &all);
    assert_string_equal(clo_buffer_string(&all), "failed: EFI variables cannot be read");
}

/* --- Credentials that are taken --- */

static bool collect(struct clo_host_allow *allow, struct clo_host_credential *out, size_t *count,
                    struct clo_error *err)
{
    struct clo_host_look it = { .root = scratch.path, .allow = allow };

    return clo_host_credentials(&it, out, count, err);
}

static void test_credentials(void **state)
{
    struct clo_host_allow allow = { .words = { "smbios-credential:a", "fw-cfg-credential:b" },
                                    .count = 2 };
    static struct clo_host_credential credentials[CLO_HOST_CREDENTIALS_MAX];
    struct clo_error err;
    size_t count;

    remove_tree(state);
    make_tree(state);
    put_smbios(11, "io.systemd.credential.binary:a=aGVsbG8=");
    put_text("sys/firmware/qemu_fw_cfg/by_key/42/name", "opt/io.systemd.credentials/b\n");
    put_text("sys/firmware/qemu_fw_cfg/by_key/42/raw", "world\n");
    put_text("sys/firmware/qemu_fw_cfg/by_key/43/name", "opt/io.systemd.credentials/c\n");
    put_text("sys/firmware/qemu_fw_cfg/by_key/43/raw", "never\n");
    if (!collect(&allow, credentials, &count, &err))
        fail_msg("%s", err.text);
    assert_int_equal(count, 2);
    assert_string_equal(credentials[0].name, "a");
    assert_string_equal(clo_buffer_string(&credentials[0].value), "hello");
    assert_string_equal(credentials[1].name, "b");
    assert_string_equal(clo_buffer_string(&credentials[1].value), "world\n");
    clo_host_credentials_free(credentials, count);
    put_smbios(11, "io.systemd.credential.binary:a=no base64");
    assert_false(collect(&allow, credentials, &count, &err));
}

static void test_signed_credentials(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_host_allow_free)
    struct clo_host_allow allow = { .words = { "fw-cfg-credential:a" }, .count = 1 };
    static struct clo_host_credential credentials[CLO_HOST_CREDENTIALS_MAX];
    struct clo_error err;
    size_t count;

    remove_tree(state);
    make_tree(state);
    assert_true(clo_private_key_new(CLO_KEY_P256, 0, &key, &err));
    assert_true(clo_private_key_public(key, &public, &err));
    assert_true(clo_public_key_spki(public, &allow.key, &err));
    put_text("sys/firmware/qemu_fw_cfg/by_key/42/name", "opt/io.systemd.credentials/a\n");
    put_text("sys/firmware/qemu_fw_cfg/by_key/42/raw", "hello");
    assert_false(collect(&allow, credentials, &count, &err));
    assert_string_equal(err.text, "credential \"a\": not signed");
    assert_true(clo_signature_make(key, CLO_ECDSA_DER, CLO_HASH_SHA256, clo_bytes("a\0hello", 7),
                                   &signature, &err));
    put_text("sys/firmware/qemu_fw_cfg/by_key/43/name", "opt/io.systemd.credentials/a.sig\n");
    put("sys/firmware/qemu_fw_cfg/by_key/43/raw", clo_buffer_bytes(&signature));
    if (!collect(&allow, credentials, &count, &err))
        fail_msg("%s", err.text);
    assert_int_equal(count, 1);
    assert_string_equal(credentials[0].name, "a");
    clo_host_credentials_free(credentials, count);
    put_text("sys/firmware/qemu_fw_cfg/by_key/42/raw", "Hello");
    assert_false(collect(&allow, credentials, &count, &err));
    assert_non_null(strstr(err.text, "credential \"a\": "));
}

/* --- Words --- */

static void test_words(void **state)
{
    static const struct {
        const char *word, *error;
    } words[] = {
        { "report", NULL },
        { "port:org.qemu.guest_agent.0", NULL },
        { "smbios-string:a=b", NULL },
        { "everything", "\"everything\" is not something that a host hands in" },
        { "report:x", "\"report:x\": no name follows" },
        { "port", "\"port\": a name must follow" },
        { "port:", "\"port:\": not a name" },
        { "smbios-credential:../a", "\"smbios-credential:../a\": not a name" },
        { "fw-cfg-credential:..", "\"fw-cfg-credential:..\": not a name" },
        { "port:a b", "\"port:a b\": too long, or with characters that are not plain" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(words); i++) {
        struct clo_error err = { 0 };
        bool ok = clo_host_word_check(words[i].word, &err);
        CHECK(ok == (words[i].error == NULL), words[i].word);
        CHECK(ok || strcmp(err.text, words[i].error) == 0, err.text);
    }
}

static bool is_masked(const char *unit)
{
    char path[4500], target[32];

    snprintf(path, sizeof path, "%s/systemd/system.control/%s", scratch.path, unit);
    ssize_t size = readlink(path, target, sizeof target - 1);
    return size == 9 && memcmp(target, "/dev/null", 9) == 0;
}

static void test_masked_units(void **state)
{
    struct clo_host_allow allow = { .count = 0 };
    struct clo_error err;

    remove_tree(state);
    make_tree(state);
    assert_true(clo_host_mask_units(scratch.path, &allow, &err));
    assert_true(is_masked("qemu-guest-agent.service"));
    assert_true(is_masked("cloud-init-local.service"));
    assert_true(is_masked("systemd-pstore.service"));
    remove_tree(state);
    make_tree(state);
    allow = (struct clo_host_allow){ .words = { "agents" }, .count = 1 };
    assert_true(clo_host_mask_units(scratch.path, &allow, &err));
    assert_false(is_masked("qemu-guest-agent.service"));
    assert_true(is_masked("cloud-init-local.service"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_signed_credentials),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_masked_units),
    };

    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
