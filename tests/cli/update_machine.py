"""update_machine.py: what firmware does of a boot, for tests of `cloister update` without a machine.

    start FOLDER             which UKI is started: BootNext once, else the usual one; prints its path on the ESP
    log UKI-DIGEST CERT LOG  writes the firmware's event log of such a boot, and prints what it extends, as
                             tpm2_pcrextend takes it
"""
import hashlib
import os
import struct
import sys

GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"


def variable(folder, name):
    path = os.path.join(folder, "efivars", f"{name}-{GLOBAL}")
    if not os.path.exists(path) or os.path.getsize(path) < 4:
        return None
    with open(path, "rb") as file:
        return file.read()[4:]


def write(folder, name, value):
    with open(os.path.join(folder, "efivars", f"{name}-{GLOBAL}"), "wb") as file:
        file.write(struct.pack("<I", 7) + value)


def path_of(option):
    """The file path node of an EFI_LOAD_OPTION."""
    size = struct.unpack_from("<H", option, 4)[0]
    at = 6
    while option[at:at + 2] != b"\0\0":
        at += 2
    path, name = option[at + 2:at + 2 + size], None
    while path[0] != 0x7F:
        kind, length = path[:2], struct.unpack_from("<H", path, 2)[0]
        if kind == b"\4\4":
            name = path[4:length - 2].decode("utf-16-le")
        path = path[length:]
    return name.replace("\\", "/").lstrip("/")


def start(folder):
    following = variable(folder, "BootNext")
    order = variable(folder, "BootOrder")
    if following is not None:
        os.unlink(os.path.join(folder, "efivars", f"BootNext-{GLOBAL}"))
        option = variable(folder, "Boot%04X" % struct.unpack("<H", following)[0])
        if option is not None and os.path.exists(os.path.join(folder, "esp", path_of(option))):
            write(folder, "BootCurrent", following)
            print(path_of(option))
            return
    write(folder, "BootCurrent", order[:2])
    print("EFI/BOOT/BOOTX64.EFI")


def guid(text):
    a, b, c, d, e = text.split("-")
    return struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex(d + e)


def of_variable(vendor, name, value):
    wide = name.encode("utf-16-le")
    return guid(vendor) + struct.pack("<QQ", len(name), len(value)) + wide + value


def log(uki_digest, certificate, path):
    with open(certificate, "rb") as file:
        authority = guid("77fa9abd-0359-4d32-bd60-28f4e78f784b") + file.read()
    database = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
    separator = b"\0\0\0\0"
    action = b"Calling EFI Application from Boot Option"
    events = [
        (0, 8, b"firmware", None),
        (2, 4, separator, None),
        (7, 0x80000001, of_variable(GLOBAL, "SecureBoot", b"\1"), None),
        (7, 4, separator, None),
        (7, 0x800000E0, of_variable(database, "db", authority), None),
        (4, 0x80000007, action, None),
        (4, 4, separator, None),
        (4, 0x80000003, struct.pack("<QQQQ", 0, 0, 0, 0), bytes.fromhex(uki_digest)),
    ]
    spec = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, 1) + struct.pack("<HH", 0xB, 32) + b"\0"
    out = struct.pack("<II", 0, 3) + bytes(20) + struct.pack("<I", len(spec)) + spec
    for pcr, kind, data, digest in events:
        digest = digest or hashlib.sha256(data).digest()
        out += struct.pack("<III", pcr, kind, 1) + struct.pack("<H", 0xB) + digest
        out += struct.pack("<I", len(data)) + data
        print(f"{pcr}:sha256={digest.hex()}")
    with open(path, "wb") as file:
        file.write(out)


if __name__ == "__main__":
    {"start": start, "log": log}[sys.argv[1]](*sys.argv[2:])
