"""sectors.py pack DISK: the sectors that are not zeros, each after its number (4 bytes, little endian).
sectors.py unpack SIZE FILE: the disk again, from standard input."""
import struct, sys

if sys.argv[1] == "pack":
    with open(sys.argv[2], "rb") as disk:
        number = 0
        while sector := disk.read(512):
            if any(sector):
                sys.stdout.buffer.write(struct.pack("<I", number) + sector)
            number += 1
else:
    with open(sys.argv[3], "wb") as disk:
        disk.truncate(int(sys.argv[2]))
        while record := sys.stdin.buffer.read(516):
            disk.seek(struct.unpack_from("<I", record)[0] * 512)
            disk.write(record[4:])
