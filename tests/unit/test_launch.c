#include "cloister/launch.h"

#include "launch_cases.h"
#include "ovmf_maker.h"

/* The digest of a case, as hex; its error if there is none. */
static const char *digest_of(const struct clo_launch *launch, char text[2 * CLO_HASH_SIZE_MAX + 1],
                             struct clo_error *err)
{
    struct clo_digest digest;

    if (!clo_launch_digest(launch, &digest, err))
        return err->text;
    return clo_hex_text(clo_digest_bytes(&digest), text);
}

/* --- As another implementation computes them --- */

static void test_own_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *document = read_launch_cases();
    const json_t *cases = json_object_get(document, "cases");
    char text[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_error err;
    size_t i;
    json_t *entry;

    (void)state;
    CHECK(json_array_size(cases) > 100, "cases");
    json_array_foreach (cases, i, entry) {
        CLO_CLEANUP(launch_case_free) struct launch_case c;
        load_launch_case(entry, &c);
        const char *digest = digest_of(&c.launch, text, &err);
        if (strcmp(digest, case_text(entry, "launch_digest")) != 0)
            fail_msg("case %zu: %s", i, digest);
    }
}

static void read_shared(const char *name, struct clo_buffer *out)
{
    char path[512];

    snprintf(path, sizeof path, "snp-measure/%s", name);
    read_vector(path, out);
}

static uint64_t hex_value(const json_t *input, const char *key)
{
    const char *text = case_text(input, key);

    return text == NULL ? 0 : strtoull(text, NULL, 16);
}

static void check_shared(const json_t *entry, const struct clo_launch *launch)
{
    const char *name = case_text(entry, "id");
    const json_t *expected = json_object_get(entry, "expected");
    const char *digest = case_text(expected, "launch_digest");
    const char *ovmf_hash = case_text(expected, "ovmf_hash");
    char text[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest hash;
    struct clo_error err;

    if (ovmf_hash != NULL) {
        CHECK(clo_launch_ovmf_hash(launch, &hash, &err), err.text);
        CHECK(strcmp(clo_hex_text(clo_digest_bytes(&hash), text), ovmf_hash) == 0, name);
    } else if (json_is_true(json_object_get(expected, "error"))) {
        CHECK(!clo_launch_digest(launch, &hash, &err), name);
        CHECK(err.status == CLO_ERR_UNSUPPORTED && strstr(err.text, "unmeasured") != NULL,
              err.text);
    } else {
        const char *got = digest_of(launch, text, &err);
        if (strcmp(got, digest) != 0)
            fail_msg("%s: %s", name, got);
    }
}

static void test_shared_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("snp-measure");
    size_t i, tried = 0;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(launch_case_free) struct launch_case c = { 0 };
        const json_t *input = json_object_get(entry, "input");
        const char *mode = case_text(input, "mode");
        const char *vmm = case_text(input, "vmm");
        const char *hash = case_text(input, "precomputed_ovmf_hash");
        if (input == NULL)
            continue;
        CHECK(strcmp(mode, "snp:ovmf-hash") == 0 || clo_launch_mode_from_name(mode, &c.launch.mode),
              mode);
        CHECK(vmm == NULL || clo_vmm_from_name(vmm, &c.launch.vmm), vmm);
        c.launch.vcpus = (uint32_t)json_integer_value(json_object_get(input, "vcpus"));
        c.launch.vcpu_signature = (uint32_t)hex_value(input, "vcpu_sig");
        c.launch.sev_features = hex_value(input, "guest_features");
        if (case_text(input, "vcpu_type") != NULL && case_text(input, "vcpu_sig") != NULL)
            CHECK(clo_vcpu_type_find(case_text(input, "vcpu_type"))->signature ==
                          c.launch.vcpu_signature,
                  case_text(input, "vcpu_type"));
        if (hash != NULL)
            c.launch.ovmf_hash = from_hex(hash, &c.ovmf_hash).data;
        load_case_files(input, read_shared, case_text(input, "cmdline"), &c);
        check_shared(entry, &c.launch);
        tried++;
    }
    CHECK(tried >= 22, "cases");
}

/* --- Parts --- */

/* Hashed beforehand, in two parts of unequal size; or from the digest of its pages. */
static void test_parts(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *document = read_launch_cases();
    CLO_CLEANUP(launch_case_free) struct launch_case c;
    uint8_t pages[6 * CLO_LAUNCH_DIGEST_SIZE];
    char whole[2 * CLO_HASH_SIZE_MAX + 1];
    char text[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest hash;
    struct clo_error err;

    (void)state;
    load_launch_case(json_array_get(json_object_get(document, "cases"), 0), &c);
    digest_of(&c.launch, whole, &err);
    struct clo_bytes image = clo_buffer_bytes(&c.ovmf);
    clo_launch_hash_pages(clo_bytes_slice(image, 0, CLO_LAUNCH_PAGE), pages);
    clo_launch_hash_pages(clo_bytes_slice(image, CLO_LAUNCH_PAGE, image.size),
                          pages + CLO_LAUNCH_DIGEST_SIZE);
    c.launch.page_digests = pages;
    CHECK(strcmp(digest_of(&c.launch, text, &err), whole) == 0, text);
    CHECK(clo_launch_ovmf_hash(&c.launch, &hash, &err), err.text);
    const char *expected = case_text(json_object_get(document, "ovmf_hash"), "amdsev.fd");
    CHECK(strcmp(clo_hex_text(clo_digest_bytes(&hash), text), expected) == 0, text);
    c.launch.ovmf_hash = hash.bytes;
    c.launch.page_digests = NULL;
    CHECK(strcmp(digest_of(&c.launch, text, &err), whole) == 0, text);
}

/* Pages that repeat are hashed once: all three digests must be there. */
static void test_equal_pages(void **state)
{
    uint8_t pages[3 * CLO_LAUNCH_PAGE] = { 0 };
    uint8_t digests[4 * CLO_LAUNCH_DIGEST_SIZE];
    struct clo_digest zero, last;

    (void)state;
    memset(digests, 0x77, sizeof digests);
    pages[sizeof pages - 1] = 1;
    clo_launch_hash_pages(clo_bytes(pages, sizeof pages), digests);
    clo_hash(CLO_HASH_SHA384, clo_bytes(pages, CLO_LAUNCH_PAGE), &zero);
    clo_hash(CLO_HASH_SHA384, clo_bytes(pages + 2 * CLO_LAUNCH_PAGE, CLO_LAUNCH_PAGE), &last);
    CHECK(memcmp(digests, zero.bytes, 48) == 0 && memcmp(digests + 48, zero.bytes, 48) == 0,
          "zeros");
    CHECK(memcmp(digests + 96, last.bytes, 48) == 0, "last");
    CHECK(clo_bytes_all(clo_bytes(digests + 144, 48), 0x77), "no more than there are");
}

/* What a VMM changes of the registers, against QEMU's: offset and value of each byte. */
static void test_vmsa(void **state)
{
    static const struct {
        enum clo_vmm vmm;
        uint32_t cpu;
        size_t at;
        uint8_t bytes[4];
        const char *name;
    } cases[] = {
        { CLO_VMM_QEMU, 0, 0x310, { 0x11, 0x0f, 0xa0, 0x00 }, "RDX: the signature" },
        { CLO_VMM_QEMU, 0, 0x178, { 0xf0, 0xff, 0x00, 0x00 }, "RIP: the reset vector" },
        { CLO_VMM_QEMU, 1, 0x178, { 0x04, 0xb0, 0x00, 0x00 }, "RIP of others: the firmware's" },
        { CLO_VMM_QEMU, 1, 0x018, { 0x00, 0x00, 0x80, 0x00 }, "CS base of others" },
        { CLO_VMM_QEMU, 0, 0x408, { 0x80, 0x1f, 0x00, 0x00 }, "MXCSR" },
        { CLO_VMM_QEMU, 0, 0x3b0, { 0x21, 0x00, 0x00, 0x00 }, "SEV_FEATURES" },
        { CLO_VMM_EC2, 0, 0x010, { 0x00, 0xf0, 0x9a, 0x00 }, "EC2: CS of the first" },
        { CLO_VMM_EC2, 1, 0x010, { 0x00, 0xf0, 0x9b, 0x00 }, "EC2: CS of others" },
        { CLO_VMM_EC2, 0, 0x310, { 0x00, 0x06, 0x00, 0x00 }, "EC2: RDX" },
        { CLO_VMM_EC2_RDX0, 0, 0x310, { 0x00, 0x00, 0x00, 0x00 }, "EC2 by others: RDX" },
        { CLO_VMM_GCE, 0, 0x268, { 0x06, 0x01, 0x07, 0x00 }, "GCE: PAT" },
        { CLO_VMM_KRUN, 0, 0x330, { 0x00, 0x70, 0x00, 0x00 }, "krun: RSI" },
        { CLO_VMM_KRUN, 0, 0x1d8, { 0xf0, 0x8f, 0x00, 0x00 }, "krun: RSP" },
        { CLO_VMM_KRUN, 0, 0x328, { 0xf0, 0x8f, 0x00, 0x00 }, "krun: RBP" },
        { CLO_VMM_KRUN, 1, 0x330, { 0x00, 0x00, 0x00, 0x00 }, "krun: RSI of others" },
        { CLO_VMM_KRUN, 1, 0x178, { 0xf3, 0xff, 0x00, 0x00 }, "krun: RIP of others" },
        { CLO_VMM_KRUN_VIRTEE, 0, 0x330, { 0x00, 0x00, 0x00, 0x00 }, "krun by others: RSI" },
        { CLO_VMM_KRUN_VIRTEE, 1, 0x178, { 0x04, 0xb0, 0x00, 0x00 }, "krun by others: RIP" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_launch_firmware firmware;
    uint8_t page[CLO_LAUNCH_PAGE];
    struct clo_error err;

    (void)state;
    read_launch_file("amdsev.fd", &image);
    parse_firmware(&image, &firmware);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct clo_launch launch = { .vmm = cases[i].vmm,
                                           .vcpus = 2,
                                           .vcpu_signature = 0xa00f11,
                                           .sev_features = 0x21,
                                           .firmware = &firmware };
        CHECK(clo_launch_vmsa(&launch, cases[i].cpu, page, &err), err.text);
        CHECK(memcmp(page + cases[i].at, cases[i].bytes, 4) == 0, cases[i].name);
    }
    const struct clo_launch sev = { .mode = CLO_LAUNCH_SEV, .firmware = &firmware };
    CHECK(!clo_launch_vmsa(&sev, 0, page, &err), "SEV has none");
}

/* The one register in which SVSM launches are in dispute. */
static void test_svsm_fpu(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ovmf = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer svsm = { 0 };
    struct clo_launch_firmware firmware, svsm_firmware;
    uint8_t page[CLO_LAUNCH_PAGE];
    struct clo_error err;

    (void)state;
    read_launch_file("no-hashes.fd", &ovmf);
    read_launch_file("svsm.fd", &svsm);
    parse_firmware(&ovmf, &firmware);
    parse_firmware(&svsm, &svsm_firmware);
    struct clo_launch launch = { .mode = CLO_LAUNCH_SNP_SVSM,
                                 .firmware = &firmware,
                                 .svsm = &svsm_firmware };
    CHECK(clo_launch_vmsa(&launch, 0, page, &err) && page[0x410] == 0, "none by default");
    launch.vmm = CLO_VMM_QEMU_FPU;
    CHECK(clo_launch_vmsa(&launch, 0, page, &err), err.text);
    CHECK(page[0x410] == 0x7f && page[0x411] == 0x03, "0x37f");
    launch.svsm = &firmware;
    CHECK(!clo_launch_vmsa(&launch, 0, page, &err), "no SVSM");
    CHECK(strcmp(err.text, "SVSM: the firmware has no SVSM info block") == 0, err.text);
}

/* --- vCPU types --- */

static void test_vcpus(void **state)
{
    static const struct {
        uint64_t family, model, stepping;
        uint32_t signature;
    } cases[] = {
        { 23, 1, 2, 0x00800f12 },  { 23, 49, 0, 0x00830f10 }, { 25, 1, 1, 0x00a00f11 },
        { 25, 17, 0, 0x00a10f10 }, { 26, 0, 0, 0x00b00f00 },  { 15, 255, 15, 0x000f0fff },
        { 6, 1, 0, 0x00000610 },   { 270, 0, 0, 0x0ff00f00 },
    };
    uint32_t signature;
    struct clo_error err;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(clo_vcpu_signature(cases[i].family, cases[i].model, cases[i].stepping, &signature,
                                 &err),
              err.text);
        CHECK(signature == cases[i].signature, "signature");
    }
    CHECK(!clo_vcpu_signature(271, 0, 0, &signature, &err), "family");
    CHECK(!clo_vcpu_signature(25, 256, 0, &signature, &err), "model");
    CHECK(!clo_vcpu_signature(25, 0, 16, &signature, &err), "stepping");
    CHECK(strcmp(err.text, "no such CPU: family 25, model 0, stepping 16") == 0, err.text);
    while (clo_vcpu_type_at(count) != NULL) {
        const struct clo_vcpu_type *type = clo_vcpu_type_at(count++);
        CHECK(clo_vcpu_type_find(type->name) == type, type->name);
    }
    CHECK(count == 24, "types");
    CHECK(clo_vcpu_type_find("epyc-genoa-V2") != NULL, "in any case");
    CHECK(clo_vcpu_type_find("EPYC-Genoa-v9") == NULL, "unknown");
}

/* --- Refused --- */

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        struct clo_launch launch;
        const char *ovmf;
        bool with_kernel;
        const char *error;
    } cases[] = {
        { "no CPU", { 0 }, "amdsev.fd", false, "0 vCPUs: 1 to 4096 can be had" },
        { "too many CPUs",
          { .vcpus = 4097 },
          "amdsev.fd",
          false,
          "4097 vCPUs: 1 to 4096 can be had" },
        { "an IGVM loader",
          { .vcpus = 1, .vmm = CLO_VMM_HYPERV },
          "amdsev.fd",
          false,
          "VMM hyperv has no mode snp" },
        { "SVSM's registers without an SVSM",
          { .vcpus = 1, .vmm = CLO_VMM_QEMU_FPU },
          "amdsev.fd",
          false,
          "VMM qemu-fpu has no mode snp" },
        { "an SVSM elsewhere",
          { .vcpus = 1, .mode = CLO_LAUNCH_SNP_SVSM, .vmm = CLO_VMM_EC2 },
          "amdsev.fd",
          false,
          "VMM ec2 has no mode snp:svsm" },
        { "an OVMF hash in SEV-ES",
          { .vcpus = 1, .mode = CLO_LAUNCH_SEV_ES, .ovmf_hash = (const uint8_t *)"" },
          "amdsev.fd",
          false,
          "an OVMF hash is a start for mode snp alone" },
        { "no section for a kernel's hashes",
          { .vcpus = 1 },
          "no-hashes.fd",
          true,
          "a kernel is given, but the firmware's SEV metadata has no SNP_KERNEL_HASHES section: "
          "it would start a kernel unmeasured; OVMF's AmdSev build has one" },
        { "no table for a kernel's hashes",
          { .mode = CLO_LAUNCH_SEV },
          "no-hashes.fd",
          true,
          "a kernel is given, but this firmware has no hashes table: it would start a kernel "
          "unmeasured; OVMF's AmdSev build has one" },
        { "an old QEMU with a new firmware",
          { .vcpus = 1, .vmm = CLO_VMM_QEMU_2022 },
          "amdsev.fd",
          true,
          "QEMU before March 2023 does not know SNP_KERNEL_HASHES sections" },
        { "an old QEMU, and no table",
          { .vcpus = 1, .vmm = CLO_VMM_QEMU_2022 },
          "no-hashes.fd",
          true,
          "a kernel is given, but this firmware has no hashes table: it would start a kernel "
          "unmeasured; OVMF's AmdSev build has one" },
        { "no reset block",
          { .vcpus = 1 },
          "svsm.fd",
          false,
          "the firmware has no SEV-ES reset block" },
        { "no reset block for SEV-ES",
          { .vcpus = 1, .mode = CLO_LAUNCH_SEV_ES },
          "svsm.fd",
          false,
          "the firmware has no SEV-ES reset block" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        const struct clo_launch_kernel kernel = { 0 };
        struct clo_launch_firmware firmware;
        struct clo_launch launch = cases[i].launch;
        struct clo_digest digest;
        struct clo_error err;
        read_launch_file(cases[i].ovmf, &image);
        parse_firmware(&image, &firmware);
        launch.firmware = &firmware;
        launch.kernel = cases[i].with_kernel ? &kernel : NULL;
        CHECK(!clo_launch_digest(&launch, &digest, &err), cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static const uint8_t kernel_section[] = { 'A', 'S', 'E', 'V', 28, 0, 0, 0,  1, 0, 0,  0, 1, 0,
                                          0,   0,   0,   0,   1,  0, 0, 16, 0, 0, 16, 0, 0, 0 };

/* A firmware of one page: its metadata at its beginning, a hashes table and a reset block. */
static void make_firmware(const uint8_t *metadata, size_t size, struct clo_bytes hashes,
                          const uint8_t reset[4], struct clo_buffer *out)
{
    static const uint8_t whole[4] = { 0x00, 0x10, 0, 0 };
    const struct ovmf_item items[] = {
        { &clo_guid_ovmf_sev_metadata, { whole, 4 }, 0 },
        { &clo_guid_ovmf_sev_hashes, hashes, 0 },
        { &clo_guid_ovmf_sev_es_reset, { reset, 4 }, 0 },
    };

    make_ovmf(CLO_LAUNCH_PAGE, items, CLO_COUNT(items), 0, out);
    memcpy(out->data, metadata, size);
}

static void test_firmware_refused(void **state)
{
    static const struct {
        const char *name;
        uint8_t hashes[8];
        size_t hashes_size;
        uint8_t reset[4];
        uint8_t pages; /* of the section */
        const char *error;
    } cases[] = {
        { "it fits", { 0x50, 0xff, 1, 0, 176 }, 8, { 1 }, 1, NULL },
        { "the table is cut off",
          { 0x51, 0xff, 1, 0, 176 },
          8,
          { 1 },
          1,
          "the hashes table at 0x1ff51 does not fit its page" },
        { "a section of two pages",
          { 0, 0, 1, 0, 176 },
          8,
          { 1 },
          2,
          "SNP_KERNEL_HASHES: size 0x2000, expected one page" },
        { "the table's address is zero",
          { 0, 0, 0, 0, 176 },
          8,
          { 1 },
          1,
          "a kernel is given, but this firmware has no hashes table: it would start a kernel "
          "unmeasured; OVMF's AmdSev build has one" },
        { "the table is too small",
          { 0, 0, 1, 0, 175 },
          8,
          { 1 },
          1,
          "a kernel is given, but the firmware has 175 bytes for the hashes table, expected 176" },
        { "the entry is too small", { 0 }, 7, { 1 }, 1, "hashes table entry: 7 bytes, expected 8" },
        { "the reset block says zero",
          { 0, 0, 1, 0, 176 },
          8,
          { 0 },
          1,
          "SEV-ES reset block: the address is zero" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        const struct clo_launch_kernel kernel = { 0 };
        struct clo_launch_firmware firmware;
        uint8_t metadata[sizeof kernel_section];
        struct clo_digest digest;
        struct clo_error err;
        memcpy(metadata, kernel_section, sizeof metadata);
        metadata[21] = (uint8_t)(cases[i].pages << 4);
        make_firmware(metadata, sizeof metadata, clo_bytes(cases[i].hashes, cases[i].hashes_size),
                      cases[i].reset, &image);
        parse_firmware(&image, &firmware);
        const struct clo_launch launch = { .vcpus = 1, .firmware = &firmware, .kernel = &kernel };
        bool ok = clo_launch_digest(&launch, &digest, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_short_entry(void **state)
{
    static const uint8_t three[3] = { 1, 2, 3 };
    const struct ovmf_item item = { &clo_guid_ovmf_sev_es_reset, { three, 3 }, 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_launch_firmware firmware;
    struct clo_digest digest;
    struct clo_error err;

    (void)state;
    make_ovmf(CLO_LAUNCH_PAGE, &item, 1, 0, &image);
    parse_firmware(&image, &firmware);
    const struct clo_launch launch = { .vcpus = 1, .firmware = &firmware };
    CHECK(!clo_launch_digest(&launch, &digest, &err), "three bytes");
    CHECK(strcmp(err.text, "SEV-ES reset block: 3 bytes, expected 4") == 0, err.text);
}

static void test_sizes_refused(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer svsm = { 0 };
    const struct clo_launch_kernel kernel = { 0 };
    struct clo_launch_firmware firmware, part, svsm_firmware;
    struct clo_digest digest;
    struct clo_error err;

    (void)state;
    read_launch_file("amdsev.fd", &image);
    read_launch_file("svsm.fd", &svsm);
    parse_firmware(&image, &firmware);
    parse_firmware(&svsm, &svsm_firmware);
    CHECK(clo_launch_firmware_parse(clo_bytes(image.data + 1, image.size - 1), &part, &err),
          err.text);
    struct clo_launch launch = { .vcpus = 1, .firmware = &part };
    CHECK(!clo_launch_digest(&launch, &digest, &err), "no whole pages");
    CHECK(strcmp(err.text, "firmware: an image of 12287 bytes: no whole pages") == 0, err.text);
    launch = (struct clo_launch){ .mode = CLO_LAUNCH_SNP_SVSM,
                                  .vcpus = 1,
                                  .firmware = &firmware,
                                  .svsm = &svsm_firmware,
                                  .vars_size = 100 };
    CHECK(!clo_launch_digest(&launch, &digest, &err), "variables of 100 bytes");
    CHECK(strcmp(err.text, "SVSM: variables of 100 bytes and an SVSM of 16384: no whole pages "
                           "below OVMF") == 0,
          err.text);
    launch.vars_size = (size_t)1 << 32;
    CHECK(!clo_launch_digest(&launch, &digest, &err), "variables of 4 GiB");
    /* Room for one page, and an SVSM of four. */
    launch.vars_size = ((size_t)1 << 32) - firmware.image.size - CLO_LAUNCH_PAGE;
    CHECK(!clo_launch_digest(&launch, &digest, &err), "an SVSM below zero");
    CHECK(strstr(err.text, "no whole pages below OVMF") != NULL, err.text);
    launch.vars_size = 0;
    launch.kernel = &kernel;
    CHECK(!clo_launch_digest(&launch, &digest, &err), "SVSM and kernel");
    CHECK(strcmp(err.text, "SVSM: an SVSM launch measures no kernel") == 0, err.text);
}

static void test_names(void **state)
{
    enum clo_launch_mode mode;
    enum clo_vmm vmm;

    (void)state;
    for (int i = 0; i < CLO_VMM_COUNT; i++)
        CHECK(clo_vmm_from_name(clo_vmm_name((enum clo_vmm)i), &vmm) && vmm == (enum clo_vmm)i,
              clo_vmm_name((enum clo_vmm)i));
    CHECK(clo_vmm_from_name("QEMU", &vmm) && vmm == CLO_VMM_QEMU, "in any case");
    CHECK(!clo_vmm_from_name("xen", &vmm), "xen");
    CHECK(clo_launch_mode_from_name("SEV-ES", &mode) && mode == CLO_LAUNCH_SEV_ES, "SEV-ES");
    CHECK(!clo_launch_mode_from_name("tdx", &mode), "tdx");
    CHECK(strcmp(clo_launch_mode_name(CLO_LAUNCH_SNP_SVSM), "snp:svsm") == 0, "snp:svsm");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_vectors),
        cmocka_unit_test(test_shared_vectors),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_equal_pages),
        cmocka_unit_test(test_vmsa),
        cmocka_unit_test(test_svsm_fpu),
        cmocka_unit_test(test_vcpus),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_firmware_refused),
        cmocka_unit_test(test_sizes_refused),
        cmocka_unit_test(test_short_entry),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
