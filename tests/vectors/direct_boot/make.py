#!/usr/bin/env python3
"""A bzImage's setup header as QEMU's x86_load_linux() fills it in: writes cases.json. The kernel is the one
that tests/unit/test_direct_boot.c makes: 0x3000 bytes, byte i is i * 11 + i / 256, then the header's fields."""
import hashlib
import json
import struct

LOW = 0x28000


def kernel(protocol, loadflags, xloadflags, initrd_max, sectors):
    image = bytearray((i * 11 + i // 256) % 256 for i in range(0x3000))
    image[0x1F1] = sectors
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, protocol)
    image[0x211] = loadflags
    struct.pack_into("<I", image, 0x22C, initrd_max)
    struct.pack_into("<H", image, 0x236, xloadflags)
    return image


def patch(image, memory, initrd, cmdline):
    protocol = struct.unpack_from("<H", image, 0x206)[0]
    room = (len(cmdline) + 16) & ~15
    if protocol < 0x200 or not image[0x211] & 1 or protocol < 0x202:
        real, text = 0x90000, 0x9A000 - room
    else:
        real, text = 0x10000, 0x20000
    below = memory if memory < 0xB0000000 else 0x80000000
    if protocol >= 0x20C and struct.unpack_from("<H", image, 0x236)[0] & 2:
        most = 0xFFFFFFFF
    elif protocol >= 0x203:
        most = struct.unpack_from("<I", image, 0x22C)[0]
    else:
        most = 0x37FFFFFF
    if most >= below - LOW:
        most = below - LOW - 1
    header = bytearray(image)
    if protocol >= 0x202:
        struct.pack_into("<I", header, 0x228, text)
    else:
        struct.pack_into("<HH", header, 0x20, 0xA33F, text - real)
    if "vga=" in cmdline:
        mode = cmdline.split("vga=")[1].split(" ")[0]
        number = {"normal": 0xFFFF, "ext": 0xFFFE, "ask": 0xFFFD}.get(mode)
        struct.pack_into("<H", header, 0x1FA, number if number is not None else int(mode, 0))
    header[0x210] = 0xB0
    if protocol >= 0x201:
        header[0x211] |= 0x80
        struct.pack_into("<H", header, 0x224, text - real - 0x200)
    if initrd:
        struct.pack_into("<II", header, 0x218, (most - initrd) & ~4095, initrd)
    size = min((image[0x1F1] or 4) * 512 + 512, 8192)
    return bytes(header[:size]) + bytes(image[size:])


CASES = [
    ("as of today, 8 GiB", 0x20F, 1, 0x7F, 0x7FFFFFFF, 19, 8 << 30, 50_000_000, "quiet"),
    ("memory below the split", 0x20F, 1, 0x7F, 0x7FFFFFFF, 19, 0xA0000000, 50_000_000, "quiet"),
    ("the last byte below the split", 0x20F, 1, 0x7F, 0x7FFFFFFF, 19, 0xAFFFF000, 50_000_000, ""),
    ("2 GiB", 0x20F, 1, 0x7F, 0x7FFFFFFF, 19, 2 << 30, 50_000_000, ""),
    ("not to be loaded high", 0x20F, 1, 0x7D, 0x3FFFFFFF, 19, 8 << 30, 50_000_000, ""),
    ("no initrd", 0x20F, 1, 0x7F, 0x7FFFFFFF, 19, 8 << 30, 0, ""),
    ("vga as a number", 0x20F, 1, 0x7F, 0x7FFFFFFF, 19, 8 << 30, 0, "ro vga=0x317 quiet"),
    ("vga=ask", 0x20F, 1, 0x7F, 0x7FFFFFFF, 19, 8 << 30, 0, "vga=ask"),
    ("protocol 2.1", 0x201, 1, 0, 0, 19, 8 << 30, 4096, "a command line of some length"),
    ("protocol 2.3", 0x203, 1, 0, 0x37FFFFFF, 19, 8 << 30, 4096, ""),
    ("loaded low", 0x20F, 0, 0x7F, 0x7FFFFFFF, 19, 8 << 30, 4096, ""),
    ("one setup sector: what lies beyond stays", 0x20F, 1, 0x7F, 0x7FFFFFFF, 1, 8 << 30, 4096, ""),
    ("no count of setup sectors", 0x20F, 1, 0x7F, 0x7FFFFFFF, 0, 8 << 30, 4096, ""),
]
NAMES = ["name", "protocol", "loadflags", "xloadflags", "initrd_max", "sectors", "memory", "initrd", "cmdline"]
out = []
for case in CASES:
    entry = dict(zip(NAMES, case))
    image = kernel(*case[1:6])
    entry["sha384"] = hashlib.sha384(patch(image, *case[6:])).hexdigest()
    out.append(entry)
with open("cases.json", "w", encoding="ascii") as file:
    json.dump(out, file, indent=1)
    file.write("\n")
