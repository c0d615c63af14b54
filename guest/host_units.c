#include "guest/host_units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    const char *unless; /* the word that lets it run; NULL: nothing does */
} units[] = {
    /* Programs of hypervisors and clouds, as Debian, Fedora and SUSE call them. */
    { "qemu-guest-agent.service", "agents" },
    { "qemu-ga@.service", "agents" },
    { "spice-vdagentd.service", "agents" },
    { "spice-vdagentd.socket", "agents" },
    { "hv-kvp-daemon.service", "agents" },
    { "hv-vss-daemon.service", "agents" },
    { "hv-fcopy-daemon.service", "agents" },
    { "hyperv-daemons.hv-kvp-daemon.service", "agents" },
    { "hyperv-daemons.hv-vss-daemon.service", "agents" },
    { "hyperv-daemons.hv-fcopy-daemon.service", "agents" },
    { "hypervkvpd.service", "agents" },
    { "hypervvssd.service", "agents" },
    { "hypervfcopyd.service", "agents" },
    { "open-vm-tools.service", "agents" },
    { "vmtoolsd.service", "agents" },
    { "vgauthd.service", "agents" },
    { "run-vmblock\\x2dfuse.mount", "agents" },
    { "vboxadd-service.service", "agents" },
    { "xe-daemon.service", "agents" },
    { "walinuxagent.service", "agents" },
    { "waagent.service", "agents" },
    { "google-guest-agent.service", "agents" },
    { "google-guest-agent-manager.service", "agents" },
    { "google-startup-scripts.service", "agents" },
    { "google-shutdown-scripts.service", "agents" },
    { "google-osconfig-agent.service", "agents" },
    { "amazon-ssm-agent.service", "agents" },
    { "systemd-imdsd.socket", "agents" },
    { "systemd-imds-import.service", "agents" },
    { "systemd-imds-early-network.service", "agents" },
    { "afterburn-sshkeys@.service", "agents" },
    { "ignition-fetch.service", "agents" },
    { "cloud-init-main.service", "cloud-init" },
    { "cloud-init-local.service", "cloud-init" },
    { "cloud-init-network.service", "cloud-init" },
    { "cloud-init.service", "cloud-init" },
    { "cloud-config.service", "cloud-init" },
    { "cloud-final.service", "cloud-init" },
    { "cloud-init.target", "cloud-init" },
    { "cloud-init-hotplugd.socket", "cloud-init" },
    { "cloud-init-hotplugd.service", "cloud-init" },
    /* What acts on variables and files that the host keeps. */
    { "systemd-pstore.service", NULL },
    { "systemd-bless-boot.service", NULL },
    { "systemd-boot-system-token.service", NULL },
    { "systemd-boot-random-seed.service", "esp" },
    { "systemd-boot-update.service", "esp" },
    { "systemd-tpm2-swtpm.service", NULL },
};

static bool make_folder(const char *run, const char *name, struct clo_error *err)
{
    char path[4200];

    snprintf(path, sizeof path, "%s/%s", run, name);
    return ((mkdir(path, 0755) == 0 || errno == EEXIST) && chmod(path, 0755) == 0) ||
           clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
}

bool clo_host_mask_units(const char *run, const struct clo_host_allow *allow, struct clo_error *err)
{
    char path[4200];

    if (!make_folder(run, "systemd", err) || !make_folder(run, "systemd/system.control", err))
        return false;
    for (size_t i = 0; i < CLO_COUNT(units); i++) {
        if (units[i].unless != NULL && clo_host_allows(allow, units[i].unless, NULL))
            continue;
        snprintf(path, sizeof path, "%s/systemd/system.control/%s", run, units[i].name);
        if (symlink("/dev/null", path) != 0 && errno != EEXIST)
            return clo_fail(err, CLO_ERR_SYSTEM, "%s: %s", path, strerror(errno));
    }
    return true;
}
