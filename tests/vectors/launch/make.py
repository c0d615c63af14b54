#!/usr/bin/env python3
"""Makes small firmware images, keys and cases.json: launch digests of them as sev-snp-measure 0.0.13 (PyPI) computes them.

    python3 -m venv v && v/bin/pip install sev-snp-measure==0.0.13 && v/bin/python make.py

Images and keys that are there are kept; the digests are computed anew."""
import base64, contextlib, hashlib, io, itertools, json, os, pathlib, struct, uuid
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sevsnpmeasure import guest, id_block, vcpu_types, vmm_types
from sevsnpmeasure.sev_mode import SevMode

HERE = pathlib.Path(__file__).parent
TABLE = "96b582de-1fb2-45f7-baea-a366c55a082d"
HASHES = "7255371f-3a3b-4b04-927b-1da6efa8d454"
RESET = "00f771de-1a7e-4fcb-890e-68c77e2fb44e"
METADATA = "dc886566-984a-4798-a75e-5585a7bf67cc"
SVSM = "a789a612-0597-4c4b-a49f-cbb1fe9d1ddd"

def u32(*values):
    return struct.pack("<%dI" % len(values), *values)

def entry(guid, data):
    return data + struct.pack("<H", len(data) + 18) + uuid.UUID(guid).bytes_le

def image(pages, sections, entries, seed):
    """Pages of zeros, of 0xff, and of bytes from a counter; then metadata and table in the last one."""
    body = b""
    for i in range(pages - 1):
        kind = (i + seed) % 4
        body += bytes(4096) if kind == 0 else b"\xff" * 4096 if kind == 1 else b"".join(
            hashlib.sha256(b"%d %d %d" % (seed, i, n)).digest() for n in range(128))
    metadata = b"ASEV" + u32(16 + 12 * len(sections), 1, len(sections)) + b"".join(u32(*s) for s in sections)
    table = b"".join(entry(g, d) for g, d in entries)
    if sections:
        table += entry(METADATA, u32(4096 - 256))
    table += struct.pack("<H", len(table) + 18) + uuid.UUID(TABLE).bytes_le
    last = bytearray(hashlib.sha256(b"%d last" % seed).digest() * 128)
    last[256:256 + len(metadata)] = metadata
    last[4096 - 32 - len(table):4096 - 32] = table
    return body + bytes(last)

USUAL = [(0x800000, 0x9000, 1), (0x80a000, 0x3000, 1), (0x80d000, 0x1000, 2), (0x80e000, 0x1000, 3),
         (0x80f000, 0x1000, 4), (0x810000, 0x1000, 0x10), (0x811000, 0xf000, 1)]
IMAGES = {
    "amdsev.fd": image(3, USUAL, [(HASHES, u32(0x810c00, 0x400)), (RESET, u32(0x80b004))], 1),
    # CPUID first, two of them, hashes at the page's end, other CPUs in the firmware's last page.
    "cpuid-first.fd": image(6, [(0x9000, 0x1000, 3), (0xa000, 0x1000, 0x10), (0x1000, 0x1000, 3), (0x2000, 0x5000, 1),
                                (0xb000, 0x1000, 2)], [(RESET, u32(0xffffe123)), (HASHES, u32(0xaf50, 176))], 2),
    "no-hashes.fd": image(2, [(0x800000, 0x2000, 1), (0x802000, 0x1000, 2), (0x803000, 0x1000, 3)],
                          [(RESET, u32(0x80b004))], 3),
    "no-metadata.fd": image(2, [], [(HASHES, u32(0x810c00, 0x400)), (RESET, u32(0x80b004))], 4),
    "before-2023.fd": image(2, [(0x800000, 0x2000, 1), (0x802000, 0x1000, 2), (0x803000, 0x1000, 3)],
                            [(HASHES, u32(0x804c00, 0x400)), (RESET, u32(0x80b004))], 6),
    "svsm.fd": image(4, [(0x100000, 0x4000, 1), (0x104000, 0x1000, 2), (0x105000, 0x1000, 3)],
                     [(SVSM, u32(0x1230))], 5),
}
VMMS = {"qemu": vmm_types.VMMType.QEMU, "ec2": vmm_types.VMMType.ec2, "gce": vmm_types.VMMType.gce}
MODES = {"snp": SevMode.SEV_SNP, "seves": SevMode.SEV_ES, "sev": SevMode.SEV, "snp:svsm": SevMode.SEV_SNP_SVSM}

def digest_2022(case):
    """As sev-snp-measure 0.0.4 did, for QEMU before March 2023: the hashes' page, then the sections."""
    ovmf = guest.OVMF(str(HERE / case["ovmf"]))
    context = guest.GCTX()
    context.update_normal_pages(ovmf.gpa(), ovmf.data())
    if "kernel" in case:
        hashes = guest.SevHashes(str(HERE / case["kernel"]), str(HERE / case["initrd"]), case["append"])
        gpa = ovmf.sev_hashes_table_gpa()
        context.update_normal_pages(gpa & ~0xfff, hashes.construct_page(gpa & 0xfff))
    guest.snp_update_metadata_pages(context, ovmf, None, VMMS["qemu"])
    vmsa = guest.VMSA(SevMode.SEV_SNP, ovmf.sev_es_reset_eip(), vcpu_types.CPU_SIGS[case["vcpu_type"]], case["guest_features"])
    for page in vmsa.pages(case["vcpus"]):
        context.update_vmsa_page(page)
    return context.ld().hex()

def digest(case):
    if case.get("vmm") == "qemu-2022":
        return digest_2022(case)
    path = lambda name: str(HERE / case[name]) if case.get(name) else None
    return guest.calc_launch_digest(
        MODES[case["mode"]], case.get("vcpus"), vcpu_types.CPU_SIGS.get(case.get("vcpu_type"), 0), path("ovmf"),
        path("kernel"), path("initrd"), case.get("append"), case.get("guest_features", 1), case.get("ovmf_hash", ""),
        VMMS[case.get("vmm", "qemu")], False, path("svsm"), case.get("vars_size", 0)).hex()

def cases():
    types = itertools.cycle(vcpu_types.CPU_SIGS)
    kernels = [{}, {"kernel": "kernel", "initrd": "initrd", "append": "console=ttyS0 root=/dev/vda1"},
               {"kernel": "kernel"}, {"kernel": "kernel", "initrd": "initrd", "append": "trailing space "}]
    for fd, vmm, kernel, vcpus in itertools.product(("amdsev.fd", "cpuid-first.fd"), VMMS, kernels, (1, 3)):
        yield {"mode": "snp", "ovmf": fd, "vmm": vmm, "vcpus": vcpus, "vcpu_type": next(types),
               "guest_features": (1, 0x21, 0x29)[vcpus % 3], **kernel}
    for name in vcpu_types.CPU_SIGS:
        yield {"mode": "snp", "ovmf": "no-hashes.fd", "vcpus": 2, "vcpu_type": name}
    for vmm, kernel, vcpus in itertools.product(VMMS, kernels, (1, 2)):
        yield {"mode": "seves", "ovmf": "amdsev.fd", "vmm": vmm, "vcpus": vcpus, "vcpu_type": next(types), **kernel}
    for fd, kernel in itertools.product(("amdsev.fd", "no-metadata.fd"), kernels):
        yield {"mode": "sev", "ovmf": fd, **kernel}
    yield {"mode": "snp", "ovmf": "no-metadata.fd", "vcpus": 2, "vcpu_type": "EPYC-Genoa"}
    for vars_size, vcpus in itertools.product((0x1000, 0x84000), (1, 4)):
        yield {"mode": "snp:svsm", "ovmf": "no-hashes.fd", "svsm": "svsm.fd", "vars_size": vars_size, "vcpus": vcpus,
               "vcpu_type": "EPYC-Milan"}
    for kernel in kernels[:2]:
        yield {"mode": "snp", "ovmf": "before-2023.fd", "vmm": "qemu-2022", "vcpus": 2, "vcpu_type": "EPYC-Rome", "guest_features": 1,
               **kernel}
    yield {"mode": "snp", "ovmf": "amdsev.fd", "vcpus": 1, "vcpu_type": "EPYC-Turin", "ovmf_hash": "5a" * 48}
    yield {"mode": "snp", "ovmf": "amdsev.fd", "vcpus": 300, "vcpu_type": "EPYC-Milan-v2"}

def keep(name, make):
    if not (HERE / name).exists():
        (HERE / name).write_bytes(make())

def key():
    return ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

for name, data in IMAGES.items():
    keep(name, lambda: data)
keep("kernel", lambda: b"".join(hashlib.sha256(b"kernel %d" % n).digest() for n in range(100)) + b"odd")
keep("initrd", lambda: b"".join(hashlib.sha256(b"initrd %d" % n).digest() for n in range(50)))
keep("id-key.pem", key)
keep("author-key.pem", key)

listed = [dict(case, launch_digest=digest(case)) for case in cases()]
text = id_block.snp_calc_id_block(bytes.fromhex(listed[0]["launch_digest"]), str(HERE / "id-key.pem"), str(HERE / "author-key.pem"))
block = {"launch_digest": listed[0]["launch_digest"], "id_block": text.split("id-block=")[1].split(",")[0],
         "id_key_digest": base64.b64decode(text.split("id_key_hash: ")[1].split("\n")[0]).hex(),
         "author_key_digest": base64.b64decode(text.split("author_key: ")[1].split("\n")[0]).hex()}
document = {"ovmf_hash": {"amdsev.fd": guest.calc_snp_ovmf_hash(str(HERE / "amdsev.fd")).hex()}, "id_block": block, "cases": listed}
(HERE / "cases.json").write_text(json.dumps(document, indent=1) + "\n")
