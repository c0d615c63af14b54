#!/usr/bin/env python3
"""MRTD of the image that tests/unit/tdvf_maker.h makes, and of a firmware file, from the TDX module's rule
alone: SHA-384 over a 128-byte record per page added and per 256 bytes measured, these followed by the bytes.

    make.py             the image of the unit tests: writes mrtd.json
    make.py IMAGE       a firmware file: prints its MRTD in both orders
"""
import hashlib
import json
import struct
import sys
import uuid

PARTS = [
    (0x1000, 0x2000, 0xFFFFD000, 0x2000, 0, 1),
    (0, 0x1000, 0xFFFFC000, 0x1000, 1, 0),
    (0, 0, 0x810000, 0x10000, 3, 0),
    (0, 0, 0x80B000, 0x2000, 3, 0),
    (0, 0, 0x809000, 0x2000, 2, 0),
    (0, 0, 0x800000, 0x6000, 3, 0),
]


def sections_of(image):
    at = image.find(uuid.UUID("e47a6535-984a-4798-865e-4685a7bf8ec2").bytes_le)
    start = len(image) - struct.unpack_from("<I", image, at - 6)[0]
    count = struct.unpack_from("<I", image, start + 12)[0]
    return [struct.unpack_from("<IIQQII", image, start + 16 + 32 * i) for i in range(count)]


def record(name, address):
    return name.ljust(16, b"\0") + struct.pack("<Q", address) + bytes(104)


def mrtd(image, sections, two_pass):
    stream = []
    for offset, _, address, size, _, attributes in sections:
        adds, extends = [], []
        for page in range(0, size, 4096):
            add = [] if attributes & 2 else [record(b"MEM.PAGE.ADD", address + page)]
            extend = []
            for at in range(page, page + 4096, 256) if attributes & 1 else []:
                extend.append(record(b"MR.EXTEND", address + at))
                extend.append(image[offset + at : offset + at + 256])
            if two_pass:
                adds += add
                extends += extend
            else:
                adds += add + extend
        stream += adds + extends
    return hashlib.sha384(b"".join(stream)).hexdigest()


def both(image, sections):
    return {"single": mrtd(image, sections, False), "two": mrtd(image, sections, True)}


if len(sys.argv) > 1:
    with open(sys.argv[1], "rb") as file:
        firmware = file.read()
    print(json.dumps(both(firmware, sections_of(firmware)), indent=1))
else:
    data = bytes((i * 7 + i // 256) % 256 for i in range(0x4000))
    later = [(o, r, a, s, t, x | 2 if t == 3 else x) for o, r, a, s, t, x in PARTS]
    with open("mrtd.json", "w", encoding="ascii") as file:
        json.dump({"as it is": both(data, PARTS), "memory added later": both(data, later)}, file, indent=1)
        file.write("\n")
