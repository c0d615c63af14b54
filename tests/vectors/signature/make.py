#!/usr/bin/env python3
"""Makes cases.json: signatures by plain arithmetic (PKCS #1 v2.2, FIPS 186-5), sharing no code with
the library under test. Deterministic: the same file each time."""
import hashlib, json, random

rng = random.Random("cloister signature vectors")
rand = rng.randrange

CURVES = {
    "P-256": (0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff,
              0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b,
              0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
              0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5,
              0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551, 32),
    "P-384": (2**384 - 2**128 - 2**96 + 2**32 - 1,
              0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef,
              0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7,
              0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f,
              0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973, 48),
    "P-521": (2**521 - 1,
              0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00,
              0xc6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66,
              0x11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650,
              int("1" + "f" * 65 + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16), 66),
}

def add(p, a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % p == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, p)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, p)
    x = (slope * slope - a[0] - b[0]) % p
    return x, (slope * (a[0] - x) - a[1]) % p

def times(p, k, point):
    out = None
    while k:
        if k & 1:
            out = add(p, out, point)
        point = add(p, point, point)
        k >>= 1
    return out

def ecdsa(curve, digest):
    p, b, gx, gy, n, size = CURVES[curve]
    assert (gy * gy - gx**3 + 3 * gx - b) % p == 0
    d, k = rand(1, n), rand(1, n)
    x, y = times(p, d, (gx, gy))
    e = int.from_bytes(digest, "big") >> max(0, len(digest) * 8 - n.bit_length())
    r = times(p, k, (gx, gy))[0] % n
    s = pow(k, -1, n) * (e + r * d) % n
    return (x.to_bytes(size, "big"), y.to_bytes(size, "big"),
            r.to_bytes(size, "big") + s.to_bytes(size, "big"))

def prime(bits):
    while True:
        c = rand(3 << (bits - 2), 1 << bits) | 1
        if all(c % s for s in (3, 5, 7, 11, 13)) and (c - 1) % 65537 and all(
                pow(a, c - 1, c) == 1 for a in (2, 3, 5, 7)):
            return c

def rsa_key(bits):
    p, q = prime(bits // 2), prime(bits // 2)
    return p * q, pow(65537, -1, (p - 1) * (q - 1))

DIGEST_INFO = {"sha1": "3021300906052b0e03021a05000414",
               "sha256": "3031300d060960864801650304020105000420",
               "sha384": "3041300d060960864801650304020205000430",
               "sha512": "3051300d060960864801650304020305000440"}

def pkcs1(n, d, name, digest):
    size = (n.bit_length() + 7) // 8
    tail = bytes.fromhex(DIGEST_INFO[name]) + digest
    em = b"\0\1" + b"\xff" * (size - 3 - len(tail)) + b"\0" + tail
    return pow(int.from_bytes(em, "big"), d, n).to_bytes(size, "big")

def mgf1(name, seed, size):
    out = b""
    for i in range(size // hashlib.new(name).digest_size + 1):
        out += hashlib.new(name, seed + i.to_bytes(4, "big")).digest()
    return out[:size]

def pss(n, d, name, digest, salt_size):
    size = (n.bit_length() - 1 + 7) // 8
    salt = rng.randbytes(salt_size)
    h = hashlib.new(name, bytes(8) + digest + salt).digest()
    db = bytes(size - salt_size - len(h) - 2) + b"\1" + salt
    masked = bytearray(x ^ y for x, y in zip(db, mgf1(name, h, len(db))))
    masked[0] &= 0xff >> (8 * size - (n.bit_length() - 1))
    em = bytes(masked) + h + b"\xbc"
    return pow(int.from_bytes(em, "big"), d, n).to_bytes((n.bit_length() + 7) // 8, "big")

cases = []
message = b"quote of PCRs 0 to 15"

def case(title, scheme, name, kind, first, second, signature, error=None):
    cases.append({"name": title, "scheme": scheme, "hash": name, "kind": kind,
                  "first": first.hex(), "second": second.hex(), "message": message.hex(),
                  "signature": signature.hex(), "error": error})

HOLDS_NOT = "signature does not hold"
for curve, name in (("P-256", "sha256"), ("P-384", "sha384"), ("P-521", "sha512"), ("P-256", "sha512")):
    x, y, sig = ecdsa(curve, hashlib.new(name, message).digest())
    half = len(sig) // 2
    case(f"{curve} with {name}", "ecdsa-raw", name, curve, x, y, sig)
    if name == "sha512":
        continue
    case(f"{curve}: a bit of r", "ecdsa-raw", name, curve, x, y, bytes([sig[0] ^ 1]) + sig[1:], HOLDS_NOT)
    case(f"{curve}: a bit of s", "ecdsa-raw", name, curve, x, y, sig[:-1] + bytes([sig[-1] ^ 1]), HOLDS_NOT)
    case(f"{curve}: r and s zero", "ecdsa-raw", name, curve, x, y, bytes(2 * half), HOLDS_NOT)
    case(f"{curve}: r zero", "ecdsa-raw", name, curve, x, y, bytes(half) + sig[half:], HOLDS_NOT)
    case(f"{curve}: a byte short", "ecdsa-raw", name, curve, x, y, sig[:-1],
         f"signature: {2 * half - 1} bytes, expected {2 * half}")
    case(f"{curve}: empty", "ecdsa-raw", name, curve, x, y, b"", f"signature: 0 bytes, expected {2 * half}")
    case(f"{curve}: another hash", "ecdsa-raw", "sha1", curve, x, y, sig, HOLDS_NOT)
    case(f"{curve}: as an RSA signature", "rsassa-pkcs1", name, curve, x, y, sig,
         "signature: key and algorithm do not fit")

e = (65537).to_bytes(3, "big")
for bits in (2048, 3072):
    n, d = rsa_key(bits)
    modulus = n.to_bytes(bits // 8, "big")
    for name in ("sha1", "sha256", "sha384", "sha512"):
        digest = hashlib.new(name, message).digest()
        case(f"RSA-{bits} PKCS #1 with {name}", "rsassa-pkcs1", name, "RSA", modulus, e, pkcs1(n, d, name, digest))
        case(f"RSA-{bits} PSS with {name}", "rsassa-pss", name, "RSA", modulus, e,
             pss(n, d, name, digest, len(digest)))
    digest = hashlib.sha256(message).digest()
    good = pkcs1(n, d, "sha256", digest)
    case(f"RSA-{bits}: a bit changed", "rsassa-pkcs1", "sha256", "RSA", modulus, e,
         good[:-1] + bytes([good[-1] ^ 1]), HOLDS_NOT)
    case(f"RSA-{bits}: a byte short", "rsassa-pkcs1", "sha256", "RSA", modulus, e, good[:-1], HOLDS_NOT)
    case(f"RSA-{bits}: a byte more", "rsassa-pkcs1", "sha256", "RSA", modulus, e, good + b"\0", HOLDS_NOT)
    case(f"RSA-{bits}: empty", "rsassa-pkcs1", "sha256", "RSA", modulus, e, b"", HOLDS_NOT)
    case(f"RSA-{bits}: PKCS #1 said to be PSS", "rsassa-pss", "sha256", "RSA", modulus, e, good, HOLDS_NOT)
    case(f"RSA-{bits}: PSS said to be PKCS #1", "rsassa-pkcs1", "sha256", "RSA", modulus, e,
         pss(n, d, "sha256", digest, 32), HOLDS_NOT)
    case(f"RSA-{bits}: PSS with a salt of 20 bytes", "rsassa-pss", "sha256", "RSA", modulus, e,
         pss(n, d, "sha256", digest, 20), HOLDS_NOT)
    case(f"RSA-{bits}: the number plus the modulus", "rsassa-pkcs1", "sha256", "RSA", modulus, e,
         (int.from_bytes(good, "big") + n).to_bytes(bits // 8 + 1, "big"), HOLDS_NOT)
    case(f"RSA-{bits}: as an EC signature", "ecdsa-raw", "sha256", "RSA", modulus, e, good,
         "signature: key and algorithm do not fit")

# Bleichenbacher's forgery: with exponent 3 a cube root needs no private key where padding is not
# checked to its end.
n, d = rsa_key(3072)
digest = hashlib.sha256(message).digest()
prefix = b"\0\1\xff\xff\xff\xff\xff\xff\xff\xff\0" + bytes.fromhex(DIGEST_INFO["sha256"]) + digest
target = int.from_bytes(prefix + b"\xff" * (384 - len(prefix)), "big")
root = 1 << (target.bit_length() // 3 + 1)
while root**3 > target:
    root = (2 * root + target // root**2) // 3
assert (root**3).to_bytes(384, "big").startswith(prefix)
case("RSA with exponent 3: garbage after short padding", "rsassa-pkcs1", "sha256", "RSA",
     n.to_bytes(384, "big"), b"\3", root.to_bytes(384, "big"), HOLDS_NOT)

# Numbers at the edge of their range: the key is computed so that s is 1, and then 1 plus the order is
# the same number to arithmetic that forgets to look. And modulus sizes that are not whole bytes.
for curve, name in (("P-256", "sha256"), ("P-384", "sha384")):
    p, b, gx, gy, n, size = CURVES[curve]
    digest = int.from_bytes(hashlib.new(name, message).digest(), "big")
    k = rand(1, n)
    r = times(p, k, (gx, gy))[0] % n
    d = (k - digest) * pow(r, -1, n) % n
    x, y = (c.to_bytes(size, "big") for c in times(p, d, (gx, gy)))
    good = r.to_bytes(size, "big") + (1).to_bytes(size, "big")
    case(f"{curve}: s is 1", "ecdsa-raw", name, curve, x, y, good)
    case(f"{curve}: the other s", "ecdsa-raw", name, curve, x, y,
         r.to_bytes(size, "big") + (n - 1).to_bytes(size, "big"))
    case(f"{curve}: s plus the order", "ecdsa-raw", name, curve, x, y,
         r.to_bytes(size, "big") + (n + 1).to_bytes(size, "big"), HOLDS_NOT)
    case(f"{curve}: r is the order", "ecdsa-raw", name, curve, x, y,
         n.to_bytes(size, "big") + good[size:], HOLDS_NOT)
    case(f"{curve}: s is the order", "ecdsa-raw", name, curve, x, y,
         r.to_bytes(size, "big") + n.to_bytes(size, "big"), HOLDS_NOT)
    # u1*G + u2*Q at infinity: Q = -G*u1/u2.
    u = digest * pow(r, -1, n) % n
    x, y = (c.to_bytes(size, "big") for c in times(p, n - u, (gx, gy)))
    case(f"{curve}: the sum is the point at infinity", "ecdsa-raw", name, curve, x, y, good, HOLDS_NOT)
    # The same point twice (u1*G = u2*Q): addition formulas that forget doubling give nonsense.
    r2 = times(p, 2 * digest % n, (gx, gy))[0] % n
    d = digest * pow(r2, -1, n) % n
    x, y = (c.to_bytes(size, "big") for c in times(p, d, (gx, gy)))
    case(f"{curve}: both summands are one point", "ecdsa-raw", name, curve, x, y,
         r2.to_bytes(size, "big") + (1).to_bytes(size, "big"))
    # An x that is no less than the order, so that r is x less the order: the key is computed so that
    # the sum is that point. And the next r, of no such point, and an r that is no less than the order.
    big = next(x for x in range(n + 1, p) if pow(x**3 - 3 * x + b, (p - 1) // 2, p) == 1)
    point = (big, pow(big**3 - 3 * big + b, (p + 1) // 4, p))
    left = add(p, point, times(p, n - digest, (gx, gy)))
    x, y = (c.to_bytes(size, "big") for c in times(p, pow(big - n, -1, n), left))
    for title, r, error in (("x", big - n, None), ("x, and another r", big - n + 1, HOLDS_NOT),
                            ("x, and r is x", big, HOLDS_NOT)):
        case(f"{curve}: the order is in {title}", "ecdsa-raw", name, curve, x, y,
             r.to_bytes(size, "big") + (1).to_bytes(size, "big"), error)
for bits in (2049, 2050):
    while True:
        p = prime(1025)
        n = p * prime(bits - 1025)
        if n.bit_length() == bits:
            break
    # prime() leaves 65537 no divisor of p - 1
    d = pow(65537, -1, (p - 1) * (n // p - 1))
    modulus = n.to_bytes((bits + 7) // 8, "big")
    for name in ("sha256", "sha384"):
        digest = hashlib.new(name, message).digest()
        case(f"RSA-{bits} PKCS #1 with {name}", "rsassa-pkcs1", name, "RSA", modulus, e, pkcs1(n, d, name, digest))
        # With 2049 bits the encoding is a byte shorter than the modulus.
        case(f"RSA-{bits} PSS with {name}", "rsassa-pss", name, "RSA", modulus, e,
             pss(n, d, name, digest, len(digest)))

with open(__file__.rsplit("/", 1)[0] + "/cases.json", "w") as out:
    json.dump(cases, out, indent=1)
    out.write("\n")
