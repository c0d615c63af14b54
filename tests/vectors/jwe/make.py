#!/usr/bin/env python3
"""Makes cases.json: messages sealed step by step after RFC 7516 and RFC 7518 with pyca/cryptography's
primitives; libjose has no part in it. Deterministic but for RSA-OAEP's own randomness."""
import base64, hashlib, json, struct
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

def text(obj):
    return json.dumps(obj, separators=(",", ":")).encode()

def ec_jwk(key, curve, size):
    n = key.public_numbers()
    return {"kty": "EC", "crv": curve, "x": b64(n.x.to_bytes(size, "big")), "y": b64(n.y.to_bytes(size, "big"))}

def concat_kdf(z, algorithm, bits=256):
    """RFC 7518, section 4.6.2: one round of SHA-256, no party information."""
    name = algorithm.encode()
    info = struct.pack(">I", len(name)) + name + struct.pack(">I", 0) * 2 + struct.pack(">I", bits)
    return hashlib.sha256(struct.pack(">I", 1) + z + info).digest()

def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()

CEK = bytes(range(32))
IV = bytes(range(100, 112))
PLAINTEXT = b"disk key of 32 bytes, or nearly!"

def seal(header, encrypted_key, cek=CEK):
    protected = b64(text(header))
    box = AESGCM(cek).encrypt(IV, PLAINTEXT, protected.encode())
    return {"protected": protected, "encrypted_key": b64(encrypted_key), "iv": b64(IV),
            "ciphertext": b64(box[:-16]), "tag": b64(box[-16:])}

def change(member, at):
    raw = bytearray(base64.urlsafe_b64decode(member + "=" * (-len(member) % 4)))
    raw[at] ^= 1
    return b64(bytes(raw))

recipient = {c: ec.derive_private_key(0xc101573e + i, curve) for i, (c, curve) in
             enumerate((("P-256", ec.SECP256R1()), ("P-384", ec.SECP384R1())))}
sender = {c: ec.derive_private_key(0x5e4de4 + i, k.curve) for i, (c, k) in enumerate(recipient.items())}
SIZE = {"P-256": 32, "P-384": 48}
rsa_key = rsa.generate_private_key(65537, 2048)
cases = []

def case(title, key, jwe, error=None):
    cases.append({"name": title, "key": key, "jwe": jwe, "plaintext": PLAINTEXT.hex(), "error": error})

def ecdh(curve, algorithm="ECDH-ES+A256KW", extra={}, enc="A256GCM", epk=None):
    z = sender[curve].exchange(ec.ECDH(), recipient[curve].public_key())
    header = {"alg": algorithm, "enc": enc, "epk": epk or ec_jwk(sender[curve].public_key(), curve, SIZE[curve]), **extra}
    if algorithm == "ECDH-ES":
        return seal(header, b"", concat_kdf(z, "A256GCM"))
    return seal(header, aes_key_wrap(concat_kdf(z, algorithm), CEK))

NOT_OPEN = "JWE: not sealed to this key, or changed"
for curve in SIZE:
    case(f"ECDH-ES+A256KW on {curve}", curve, ecdh(curve))
    direct = ecdh(curve, "ECDH-ES")
    del direct["encrypted_key"]
    case(f"ECDH-ES on {curve}", curve, direct)
case("a key identifier", "P-256", ecdh("P-256", extra={"kid": "transport"}))
case("sealed to another key", "P-384", ecdh("P-256"), NOT_OPEN)
for member in ("encrypted_key", "iv", "ciphertext", "tag"):
    good = ecdh("P-256")
    case(f"a bit of {member}", "P-256", {**good, member: change(good[member], 3)}, NOT_OPEN)
good = ecdh("P-256")
case("no tag", "P-256", {k: v for k, v in good.items() if k != "tag"}, NOT_OPEN)
case("an empty tag", "P-256", {**good, "tag": ""}, NOT_OPEN)
case("a tag of 12 bytes", "P-256", {**good, "tag": good["tag"][:16]}, NOT_OPEN)
case("additional data that was not sealed", "P-256", {**good, "aad": "AAAA"}, NOT_OPEN)
case("another header of the same meaning", "P-256",
     {**good, "protected": b64(text({"enc": "A256GCM", "alg": "ECDH-ES+A256KW",
                                     "epk": ec_jwk(sender["P-256"].public_key(), "P-256", 32)}))}, NOT_OPEN)
off = ec_jwk(sender["P-256"].public_key(), "P-256", 32)
off["y"] = off["x"]
case("a sender's point off the curve", "P-256", ecdh("P-256", epk=off), NOT_OPEN)
case("a sender's point on another curve", "P-256",
     ecdh("P-256", epk=ec_jwk(sender["P-384"].public_key(), "P-384", 48)), NOT_OPEN)
case("no protected header", "P-256", {k: v for k, v in good.items() if k != "protected"},
     'JWE: "protected" is missing')
case("an unprotected header", "P-256", {**good, "header": {"alg": "dir"}}, 'JWE: unknown member "header"')
case("several recipients", "P-256", {**good, "recipients": []}, 'JWE: unknown member "recipients"')
case("a critical header", "P-256", ecdh("P-256", extra={"crit": ["exp"], "exp": 0}), 'JWE: unknown member "crit"')
case("compressed", "P-256", ecdh("P-256", extra={"zip": "DEF"}), 'JWE: unknown member "zip"')
for algorithm in ("dir", "none", "ECDH-ES+A128KW", "RSA1_5", "RSA-OAEP-256", "A256KW", "PBES2-HS256+A128KW"):
    case(f"alg {algorithm} to an EC key", "P-256", seal({"alg": algorithm, "enc": "A256GCM"}, CEK),
         f'JWE: alg "{algorithm[:20]}"')
for enc in ("A128GCM", "A256CBC-HS512", "none"):
    case(f"enc {enc}", "P-256", ecdh("P-256", enc=enc), f'JWE: enc "{enc}"')
case("no alg", "P-256", seal({"enc": "A256GCM"}, CEK), 'JWE: "alg" is missing')
case("no object", "P-256", [], "JWE: an object expected")

oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
oaep_sha1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
public = rsa_key.public_key()
case("RSA-OAEP-256", "RSA", seal({"alg": "RSA-OAEP-256", "enc": "A256GCM"}, public.encrypt(CEK, oaep)))
case("RSA-OAEP with SHA-1 said to be RSA-OAEP-256", "RSA",
     seal({"alg": "RSA-OAEP-256", "enc": "A256GCM"}, public.encrypt(CEK, oaep_sha1)), NOT_OPEN)
for algorithm, box in (("RSA-OAEP", oaep_sha1), ("RSA1_5", padding.PKCS1v15())):
    case(f"alg {algorithm}", "RSA", seal({"alg": algorithm, "enc": "A256GCM"}, public.encrypt(CEK, box)),
         f'JWE: alg "{algorithm}"')
case("alg ECDH-ES+A256KW to an RSA key", "RSA", good, 'JWE: alg "ECDH-ES+A256KW"')

with open(__file__.rsplit("/", 1)[0] + "/cases.json", "w") as out:
    json.dump({"keys": {**{c: pem(k) for c, k in recipient.items()}, "RSA": pem(rsa_key)}, "cases": cases},
              out, indent=1)
    out.write("\n")
