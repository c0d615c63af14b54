#!/usr/bin/env python3
"""Makes small IGVM files and cases.json: their SNP launch digests. The files are built after igvm_defs 0.4; the chain of digests is
sev-snp-measure's own (sevsnpmeasure.gctx, PyPI 0.0.13), fed page by page as QEMU 10.1 (backends/igvm.c) and Microsoft's
igvm/src/measurement/snp.rs do.

    python3 -m venv v && v/bin/pip install sev-snp-measure==0.0.13 && v/bin/python make.py"""
import hashlib, json, pathlib, struct, zlib
from sevsnpmeasure.gctx import GCTX, ZEROS

HERE = pathlib.Path(__file__).parent
PAGE = 4096
VMSA_GPA = 0xfffffffff000
SNP, NATIVE, TDX = 1, 2, 4

def page_of(seed):
    return b"".join(hashlib.sha256(b"%d %d" % (seed, n)).digest() for n in range(PAGE // 32))

class File:
    """Collects headers and data, and both digests on the way."""
    def __init__(self, version=1):
        self.version, self.headers, self.blobs = version, [], []
        self.qemu, self.hyperv, self.vmsa, self.areas = GCTX(), GCTX(), None, {}

    def header(self, kind, data):
        self.headers.append((kind, data))

    def blob(self, data):
        """A place for the offset, filled in when it is known."""
        self.blobs.append(data)
        return len(self.blobs)

    def platform(self, mask, kind, version=1):
        self.header(0x1, struct.pack("<IBBHQ", mask, 0, kind, version, 0))

    def policy(self, policy, mask):
        self.header(0x101, struct.pack("<QII", policy, mask, 0))

    def page(self, gpa, data=None, mask=SNP, flags=0, kind=0):
        index = self.blob(data) if data is not None else 0
        self.header(0x302, [struct.pack("<QI", gpa, mask), index, struct.pack("<IHH", flags, kind, 0)])
        if not mask & SNP:
            return
        for at in range(0, 0x200000 if flags & 1 else PAGE, PAGE):
            for context, is_qemu in ((self.qemu, True), (self.hyperv, False)):
                if flags & 4 and not is_qemu:
                    continue
                if kind == 1:
                    context.update_secrets_page(gpa)
                elif kind:
                    context.update_cpuid_page(gpa)
                elif flags & 2:
                    context.update_unmeasured_pages(gpa + at, PAGE)
                elif data is None and is_qemu:
                    context.update_zero_pages(gpa + at, PAGE)
                else:
                    context.update_normal_pages(gpa + at, data[at:at + PAGE] if data is not None else bytes(PAGE))

    def area(self, index, pages):
        self.areas[index] = pages
        self.header(0x301, struct.pack("<QII", pages * PAGE, index, 0))

    def insert(self, index, gpa, mask=SNP):
        self.header(0x303, struct.pack("<QII", gpa, mask, index))
        if mask & SNP:
            self.qemu.update_unmeasured_pages(gpa, self.areas[index] * PAGE)
            self.hyperv.update_unmeasured_pages(gpa, self.areas[index] * PAGE)

    def vp(self, vmsa, gpa=VMSA_GPA, mask=SNP, index=0):
        self.header(0x304, [struct.pack("<QI", gpa, mask), self.blob(vmsa), struct.pack("<HH", index, 0)])
        if mask & SNP:
            self.vmsa = vmsa
            self.hyperv._update(2, gpa, hashlib.sha384(vmsa).digest())

    def id_block(self, digest, mask=SNP):
        self.header(0x30b, struct.pack("<IB3x", mask, 0) + digest + bytes(696 - 8 - 48))

    def digests(self):
        if self.vmsa:
            self.qemu.update_vmsa_page(self.vmsa)
        return {"qemu": self.qemu.ld().hex(), "hyperv": self.hyperv.ld().hex()}

    def bytes(self):
        fixed = 24 if self.version == 1 else 32
        size = sum(8 + (len(d) if isinstance(d, bytes) else len(d[0]) + 4 + len(d[2])) + 7 & ~7 for _, d in self.headers)
        start = fixed + size + 15 & ~15
        offsets, data = [0], b""
        for blob in self.blobs:
            offsets.append(start + len(data))
            data += blob
        headers = b""
        for kind, d in self.headers:
            if not isinstance(d, bytes):
                d = d[0] + struct.pack("<I", offsets[d[1]]) + d[2]
            headers += struct.pack("<II", kind, len(d)) + d
            headers += bytes(-len(headers) % 8)
        assert len(headers) == size
        head = lambda crc: struct.pack("<4sIIIII", b"IGVM", self.version, fixed, size, start + len(data), crc) + (
            struct.pack("<II", 0, PAGE) if self.version == 2 else b"")
        crc = zlib.crc32(headers, zlib.crc32(head(0)))
        return (head(crc) + headers).ljust(start, b"\0") + data

VMSA = (page_of(99)[:0x670]).ljust(PAGE, b"\0")
files = {}

f = files["minimal"] = File()
f.platform(SNP, 2)
f.policy(0x30000, SNP)
f.page(0x1000, page_of(1))
f.vp(VMSA)

# Every kind of page, other platforms' pages among them; the VMSA is not last, an ignorable header of a type nobody knows.
f = files["everything"] = File(2)
f.platform(NATIVE, 0)
f.platform(SNP, 2)
f.platform(TDX, 3)
f.policy(0xb0000, SNP)
f.policy(0x1, TDX)
f.area(7, 3)
f.area(1, 1)
f.page(0x8000, page_of(2), SNP | NATIVE)
f.page(0x9000, None)
f.page(0xa000, None, NATIVE)
f.page(0xa000, page_of(3), TDX)
f.vp(VMSA)
f.vp(page_of(98), 0, NATIVE)
f.header(0x80000399, b"odd")
f.page(0xb000, None, SNP, 2)
f.page(0xc000, page_of(4), SNP, 2)
f.page(0xd000, None, SNP, 0, 1)
f.page(0xe000, page_of(5), SNP, 0, 2)
f.page(0xf000, None, SNP, 0, 3)
f.header(0x307, struct.pack("<II", 1, 0))
f.header(0x30c, struct.pack("<II", 7, 0))
f.insert(7, 0x20000)
f.insert(1, 0x30000, NATIVE)
f.page(0x40000, page_of(6), SNP, 4)
f.header(0x305, struct.pack("<QIIII", 0x100000, SNP, 0x10000, 0, 0))
f.header(0x30d, struct.pack("<QII", 0x200000, SNP, 0x1000))
f.page(0x400000, None, SNP, 1)

f = files["no-vmsa"] = File()
f.platform(SNP, 2)
f.page(0x0, page_of(7))
f.page(0x1000, bytes(PAGE))

f = files["id-block"] = File()
f.platform(SNP, 2)
f.policy(0x30000, SNP)
f.page(0x5000, page_of(8))
f.vp(VMSA)
f.id_block(bytes.fromhex(File.digests(f)["qemu"]))
f.vmsa = None # measured above

f = files["id-block-of-another"] = File()
f.platform(SNP, 2)
f.page(0x5000, page_of(8))
f.vp(VMSA)
f.id_block(bytes(48))

# Hyper-V starts every CPU with a VMSA of its own, where it wants; QEMU with KVM cannot.
f = files["two-vmsas"] = File()
f.platform(SNP, 2)
f.page(0x5000, page_of(9))
f.vp(VMSA, 0x7000, SNP, 0)
f.vp(page_of(97)[:0x670].ljust(PAGE, b"\0"), 0x8000, SNP, 1)

cases = {}
for name, f in files.items():
    (HERE / (name + ".igvm")).write_bytes(f.bytes())
    cases[name] = f.digests()
cases["two-vmsas"]["qemu"] = None
(HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
