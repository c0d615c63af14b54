"""tags.py LUKS VOLUME-KEY OUTPUT: the payload of a LUKS2 volume of aes-xts-plain64 with HMAC-SHA256 below dm-crypt, read as the
kernel lays it out; each tag is held against what lies on the disk. Prints the number of blocks and those whose tag is wrong."""

import ctypes
import ctypes.util
import hmac
import struct
import sys

PAYLOAD = 16 << 20
crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
crypto.EVP_aes_256_xts.restype = ctypes.c_void_p
crypto.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
cipher = ctypes.c_void_p(crypto.EVP_aes_256_xts())


def decrypt(key, iv, data):
    out, size = ctypes.create_string_buffer(len(data)), ctypes.c_int()
    assert crypto.EVP_DecryptInit_ex(context, cipher, None, key, iv) == 1
    assert crypto.EVP_DecryptUpdate(context, out, ctypes.byref(size), data, len(data)) == 1
    return out.raw


def journal_is_empty(device, at, sections, section, entry):
    for number in range(sections * section):
        sector = device[at + number * 512:at + number * 512 + 512]
        wanted = 0x1111111111111111 ^ (number // section << 32) ^ (number % section)
        assert struct.unpack("<Q", sector[504:])[0] == wanted, f"commit id {number}"
        for k in range(504 // entry if number % section < 8 else 0):
            assert sector[k * entry:k * entry + 8] == b"\0\0\0\0\xff\xff\xff\xff", f"entry {number}/{k}"


def main(luks, key_file, output):
    key = open(key_file, "rb").read()
    device = open(luks, "rb").read()[PAYLOAD:]
    magic, version, interleave, tag_size, sections, provided, flags, log2, _ = struct.unpack_from("<8sBBHIQIBB", device)
    assert (magic, version, interleave, tag_size, flags) == (b"integrt\0", 4, 15, 32, 8), "superblock"
    block = 512 << log2
    entry = 8 + 8 * (block // 512) + tag_size
    section = 504 // entry * 8 * (block // 512) + 8
    run = (32768 * 512 // block * tag_size + 4095) // 4096 * 8
    first = 8 + sections * section
    journal_is_empty(device, 4096, sections, section, entry)
    wrong = []
    with open(output, "wb") as target:
        for number in range(0, provided, block // 512):
            area, rest = divmod(number, 32768)
            tags = (first + area * (run + 32768)) * 512
            at = tags + (run + rest) * 512
            data = device[at:at + block]
            iv = struct.pack("<QQ", number, 0)
            place = tags + rest * 512 // block * 32
            tag = device[place:place + 32]
            if hmac.digest(key[64:], iv[:8] + iv + data, "sha256") != tag:
                wrong.append(number)
            target.write(decrypt(key[:64], iv, data))
    print(provided * 512 // block, *wrong)


main(*sys.argv[1:])
