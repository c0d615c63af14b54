"""COSE and CWT by python-cwt, for the tests of formats: `sign KEY PAYLOAD OUT`, `verify KEY FILE OUT`, `ear KEY STATUS OUT`."""
import sys
import cbor2
from cwt import COSE, COSEKey

command, key_file, argument, output = sys.argv[1:]
pem = open(key_file).read()
algorithm = {1: -7, 2: -35}[COSEKey.from_pem(pem).crv]  # ES256, ES384
key = COSEKey.from_pem(pem, alg=algorithm)
if command == "verify":
    payload = COSE.new().decode(open(argument, "rb").read(), key)
    open(output, "wb").write(payload)
elif command == "sign":
    signed = COSE.new().encode_and_sign(open(argument, "rb").read(), key, protected={1: algorithm, 3: "application/rim+cbor"})
    open(output, "wb").write(signed)
elif command == "ear":
    claims = {265: "tag:ietf.org,2026:rats/ear#03", 6: 1796000000, 10: b"a nonce!", 1004: {0: "python", 1: "cwt"},
              266: {"cpu0": {1000: int(argument), 1001: {4: int(argument)}}}}
    # One whose last byte looks like the end of a line of text.
    signed = b""
    while signed[-1:] != b"\n":
        signed = COSE.new().encode_and_sign(cbor2.dumps(claims), key, protected={1: algorithm})
    open(output, "wb").write(signed)
