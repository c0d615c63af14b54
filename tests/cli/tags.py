"""tags.py LUKS VOLUME-KEY OUTPUT: the payload of a LUKS2 volume of aes-xts-plain64 with HMAC-SHA256, or of aes-gcm-random, read as the
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
crypto.EVP_aes_256_gcm.restype = ctypes.c_void_p
gcm = ctypes.c_void_p(crypto.EVP_aes_256_gcm())


def decrypt(key, iv, data):
    out, size = ctypes.create_string_buffer(len(data)), ctypes.c_int()
    assert crypto.EVP_DecryptInit_ex(context, cipher, None, key, iv) == 1
    assert crypto.EVP_DecryptUpdate(context, out, ctypes.byref(size), data, len(data)) == 1
    return out.raw


def open_xts(key, number, data, tag):
    iv = struct.pack("<QQ", number, 0)
    return decrypt(key[:64], iv, data), hmac.digest(key[64:], iv[:8] + iv + data, "sha256") == tag


def open_gcm(key, number, data, tag):
    """The nonce stands after the tag; it and the number are associated data."""
    out, size = ctypes.create_string_buffer(len(data)), ctypes.c_int()
    text = struct.pack("<Q", number) + tag[16:]
    assert crypto.EVP_DecryptInit_ex(context, gcm, None, key, tag[16:]) == 1
    assert crypto.EVP_DecryptUpdate(context, None, ctypes.byref(size), text, len(text)) == 1
    assert crypto.EVP_DecryptUpdate(context, out, ctypes.byref(size), data, len(data)) == 1
    assert crypto.EVP_CIPHER_CTX_ctrl(context, 0x11, 16, tag[:16]) == 1
    return out.raw, crypto.EVP_DecryptFinal_ex(context, ctypes.create_string_buffer(16), ctypes.byref(size)) == 1


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
    wanted = 28 if len(key) == 32 else 32
    open_sector = open_gcm if len(key) == 32 else open_xts
    assert (magic, version, interleave, tag_size, flags) == (b"integrt\0", 4, 15, wanted, 8), "superblock"
    block = 512 << log2
    entry = (8 + 8 * (block // 512) + tag_size + 7) // 8 * 8
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
            place = tags + rest * 512 // block * tag_size
            plain, holds = open_sector(key, number, data, device[place:place + tag_size])
            if not holds:
                wrong.append(number)
            target.write(plain)
    print(provided * 512 // block, *wrong)


main(*sys.argv[1:])
