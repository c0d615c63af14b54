"""decrypt.py LUKS VOLUME-KEY OUTPUT: the payload of a LUKS2 volume of aes-xts-plain64 with 4096-byte sectors, as dm-crypt would
show it, by libcrypto. Holes stay holes."""

import ctypes
import ctypes.util
import os
import sys

PAYLOAD, SECTOR = 16 << 20, 4096
crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
crypto.EVP_aes_256_xts.restype = ctypes.c_void_p
crypto.EVP_CIPHER_CTX_new.restype = ctypes.c_void_p
context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
cipher = ctypes.c_void_p(crypto.EVP_aes_256_xts())


def decrypt(key, number, data):
    tweak = (number * SECTOR // 512).to_bytes(16, "little")
    out, size = ctypes.create_string_buffer(SECTOR), ctypes.c_int()
    assert crypto.EVP_DecryptInit_ex(context, cipher, None, key, tweak) == 1
    assert crypto.EVP_DecryptUpdate(context, out, ctypes.byref(size), data, SECTOR) == 1
    return out.raw


def main(luks, key_file, output):
    key = open(key_file, "rb").read()
    with open(luks, "rb") as source, open(output, "wb") as target:
        source.seek(0, os.SEEK_END)
        sectors = (source.tell() - PAYLOAD) // SECTOR
        target.truncate(sectors * SECTOR)
        source.seek(PAYLOAD)
        for number in range(sectors):
            data = source.read(SECTOR)
            if data.count(0) != SECTOR:
                target.seek(number * SECTOR)
                target.write(decrypt(key, number, data))


main(*sys.argv[1:])
