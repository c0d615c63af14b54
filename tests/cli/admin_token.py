"""admin_token.py KEY CLAIMS: a JWT (ES256) with these claims, as another program than ours makes one."""

import base64
import subprocess
import sys


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def number(der):
    """The INTEGER at the front, in 32 bytes, and what follows it."""
    size = der[1]
    return int.from_bytes(der[2 : 2 + size], "big").to_bytes(32, "big"), der[2 + size :]


signed = text(b'{"alg":"ES256","typ":"JWT"}') + b"." + text(sys.argv[2].encode())
der = subprocess.run(
    ["openssl", "dgst", "-sha256", "-sign", sys.argv[1]], input=signed, stdout=subprocess.PIPE, check=True
).stdout
r, rest = number(der[2:])
s, _ = number(rest)
print((signed + b"." + text(r + s)).decode())
