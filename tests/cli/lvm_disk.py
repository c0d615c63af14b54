"""lvm_disk.py DISK GROUP PHYSICAL… -- VOLUME…: physical volumes in a disk, with linear volumes of files in them.
PHYSICAL: AT:SIZE in MiB, or "missing". VOLUME: NAME=FILE@N:FIRST+COUNT[,N:FIRST+COUNT…][%TYPE]; extents of 1 MiB, on the N-th physical volume."""
import os, struct, sys, zlib

EXTENT = 1 << 20
AREA_AT, AREA_SIZE = 4096, EXTENT - 4096


def crc(data):
    return zlib.crc32(data, 0xf597a6cf ^ 0xffffffff) ^ 0xffffffff


def identity(number):
    return f"clo{number:03d}-0000-0000-0000-0000-0000-000000"


disk, group, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
physical = [None if p == "missing" else [int(n) << 20 for n in p.split(":")] for p in rest[:rest.index("--")]]
text = [group + " {", f'id = "{identity(99)}"', "seqno = 7", 'format = "lvm2"', 'status = ["RESIZEABLE", "READ", "WRITE"]', "flags = []",
        f"extent_size = {EXTENT // 512}", "physical_volumes {"]
for i, place in enumerate(physical):
    size = place[1] if place else 64 << 20
    text += [f"pv{i} {{", f'id = "{identity(i)}"', f'device = "/dev/vda{i + 1}" # a hint', f"dev_size = {size // 512}", "pe_start = 2048",
             f"pe_count = {size // EXTENT - 1}", "}"]
text += ["}", "logical_volumes {"]
with open(disk, "r+b") as out:
    for number, volume in enumerate(rest[rest.index("--") + 1:]):
        name, value = volume.split("=", 1)
        value, _, kind = value.partition("%")
        path, runs = value.split("@")
        runs = [(int(n), *(int(v) for v in run.split("+"))) for n, run in (r.split(":") for r in runs.split(","))]
        text += [f"{name} {{", f'id = "{identity(200 + number)}"', 'status = ["READ", "WRITE", "VISIBLE"]', "flags = []", f"segment_count = {len(runs)}"]
        at = 0
        with open(path, "rb") as file:
            for k, (n, first, count) in enumerate(runs):
                text += [f"segment{k + 1} {{", f"start_extent = {at}", f"extent_count = {count}", f'type = "{kind or "striped"}"', "stripe_count = 1",
                         f'stripes = [ "pv{n}", {first} ]', "}"]
                for extent in range(count):
                    piece = file.read(EXTENT)
                    if any(piece):
                        out.seek(physical[n][0] + (1 + first + extent) * EXTENT)
                        out.write(piece)
                at += count
        text.append("}")
    body = ("\n".join(text) + '\n}\n}\n# Generated\n\ncontents = "Text Format Volume Group"\nversion = 1\n').encode() + b"\0"
    for i, place in enumerate(physical):
        if place is None:
            continue
        label = bytearray(512)
        struct.pack_into("<8sQII8s", label, 0, b"LABELONE", 1, 0, 32, b"LVM2 001")
        struct.pack_into("<32sQQQQQQQQQ", label, 32, identity(i).replace("-", "").encode(), place[1], EXTENT, 0, 0, 0, AREA_AT, AREA_SIZE, 0, 0)
        struct.pack_into("<I", label, 16, crc(bytes(label[20:])))
        area = bytearray(512)
        # The text goes on at the area's beginning, as after many changes.
        first = AREA_SIZE - 512 if len(body) > 512 else 512
        struct.pack_into("<16sIQQQQII", area, 4, b" LVM2 x[5A%r0N*>", 1, AREA_AT, AREA_SIZE, first, len(body), crc(body), 0)
        struct.pack_into("<I", area, 0, crc(bytes(area[4:])))
        out.seek(place[0] + 512)
        out.write(label)
        out.seek(place[0] + AREA_AT)
        out.write(area)
        out.seek(place[0] + AREA_AT + first)
        out.write(body[:AREA_SIZE - first])
        out.seek(place[0] + AREA_AT + 512)
        out.write(body[AREA_SIZE - first:])
