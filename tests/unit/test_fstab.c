#include "image/fstab.h"

#include "test.h"

#define MARK "# not on this disk any more (cloister image convert): "

typedef bool change(struct clo_bytes in, struct clo_buffer *out, struct clo_error *err);

static void test_texts(void **state)
{
    static const struct {
        const char *name;
        change *change;
        const char *in, *out;
    } cases[] = {
        { "nothing", clo_fstab_adapt, "", "" },
        { "a comment", clo_fstab_adapt, "# UUID=1 / ext4\n\n", "# UUID=1 / ext4\n\n" },
        { "the root", clo_fstab_adapt, "UUID=1\t/\text4\trw,noatime 0 1\n",
          "/dev/mapper/root / ext4 rw,noatime 0 1\n" },
        { "the root without options or an end", clo_fstab_adapt, "/dev/sda1 / ext4",
          "/dev/mapper/root / ext4 defaults 0 1\n" },
        { "a root that is mounted already", clo_fstab_adapt_read_only,
          "UUID=1 / ext4 rw 0 1\ntmpfs /tmp tmpfs\n",
          MARK "UUID=1 / ext4 rw 0 1\ntmpfs /tmp tmpfs\n" },
        { "/boot, ESP, swap, data", clo_fstab_adapt,
          "LABEL=b /boot ext4\nPARTUUID=2 /efi vfat\n/dev/vda3 none swap\nUUID=4 /srv xfs\n",
          MARK "LABEL=b /boot ext4\n" MARK "PARTUUID=2 /efi vfat\n" MARK
               "/dev/vda3 none swap\n" MARK "UUID=4 /srv xfs\n" },
        { "what is of no disk", clo_fstab_adapt,
          "tmpfs /tmp tmpfs\nserver:/x /srv nfs\n/swapfile none swap\n/srv /mnt none bind\n",
          "tmpfs /tmp tmpfs\nserver:/x /srv nfs\n/swapfile none swap\n/srv /mnt none bind\n" },
        { "crypttab", clo_crypttab_adapt, "# c\ndata UUID=1 none luks\n",
          "# c\n" MARK "data UUID=1 none luks\n" },
        { "swap with a key of its own", clo_crypttab_adapt, "s /dev/vda9 /dev/urandom swap\n",
          "s /dev/vda9 /dev/urandom swap\n" },
        { "a command line", clo_cmdline_keep,
          "BOOT_IMAGE=/vmlinuz root=UUID=1 ro rootflags=subvol=@ resume=UUID=2 quiet "
          "rd.luks.uuid=3\n",
          "ro quiet" },
        { "GRUB's", clo_grub_cmdline,
          "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet  console=ttyS0\"\nGRUB_CMDLINE_LINUX='a=b'\n",
          "a=b quiet console=ttyS0" },
        { "GRUB's, without quotes", clo_grub_cmdline, "GRUB_CMDLINE_LINUX=one\n", "one" },
        { "GRUB's, of a shell", clo_grub_cmdline,
          "GRUB_CMDLINE_LINUX=\"$(reboot)\"\n#GRUB_CMDLINE_LINUX=x\n", "" },
        { "another variable", clo_grub_cmdline, "GRUB_CMDLINE_LINUX_RECOVERY=single\n", "" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        CHECK(cases[i].change(clo_bytes_text(cases[i].in), &out, &err), cases[i].name);
        CHECK(strcmp(clo_buffer_string(&out), cases[i].out) == 0, clo_buffer_string(&out));
    }
}

/* No line of an adapted fstab names a disk but the root's. */
static void test_long_words(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer in = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    struct clo_fstab_line line;
    struct clo_error err;

    (void)state;
    clo_buffer_text(&in, "UUID=");
    for (int i = 0; i < 1000; i++)
        clo_buffer_u8(&in, 'a');
    clo_buffer_text(&in, " /srv ext4 defaults,nofail,x 0 0\n");
    CHECK(clo_fstab_adapt(clo_buffer_bytes(&in), &out, &err), err.text);
    struct clo_bytes rest = clo_buffer_bytes(&out);
    CHECK(!clo_fstab_next(&rest, &line), "a device of 1000 characters");
    rest = clo_buffer_bytes(&in);
    CHECK(clo_fstab_next(&rest, &line) && clo_fstab_has_option(&line, "nofail") &&
                  !clo_fstab_has_option(&line, "fail") && !clo_fstab_has_option(&line, "noauto"),
          "options");
}

#define RELEASE "5.14.0-503.el9.x86_64"

static void test_entries(void **state)
{
    static const struct {
        const char *name, *in, *out;
    } cases[] = {
        { "RHEL 9's",
          "title Red Hat Enterprise Linux (" RELEASE ") 9.5 (Plow)\nversion " RELEASE
          "\nlinux /vmlinuz-" RELEASE "\ninitrd /initramfs-" RELEASE
          ".img $tuned_initrd\noptions root=UUID=1 console=tty0 crashkernel=1G-4G:192M "
          "$tuned_params\ngrub_users $grub_users\ngrub_arg --unrestricted\ngrub_class rhel\n",
          "console=tty0 crashkernel=1G-4G:192M" },
        { "RHEL 8's", "version " RELEASE "\nlinux /vmlinuz-" RELEASE "\noptions $kernelopts\n",
          "" },
        { "systemd's",
          "linux /0123456789abcdef/" RELEASE "/linux\noptions quiet\noptions rw  a=b\n",
          "quiet rw a=b" },
        { "of another kernel", "version 6.1\nlinux /vmlinuz-6.1\noptions quiet\n", "" },
        { "of a kernel with a longer name", "linux /vmlinuz-x" RELEASE "\noptions quiet\n", "" },
        { "the rescue image", "version 0-rescue-1\nlinux /vmlinuz-0-rescue-1\noptions quiet\n",
          "" },
        { "nothing", "", "" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        CHECK(clo_bls_cmdline(clo_bytes_text(cases[i].in), RELEASE, &out, &err), cases[i].name);
        CHECK(strcmp(clo_buffer_string(&out), cases[i].out) == 0, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
