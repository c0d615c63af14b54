"""Trustee's clients at a broker, over HTTPS: what kbs-client and the client library of guest-components send (their heads as
they were recorded), with evidence in every form that they have: made here by a pretend platform, or recorded.

    trustee_http.py STATE PORT WHAT ARGUMENT…

    admin TOKEN               kbs-client's commands as an administrator
    fresh PLATFORM            sample, snp, SVSM's and the three forms of az-snp-vtpm, each made for its session
    recorded FOLDER           recorded evidence: refused, and why
    challenge PLATFORM OUT    Veraison's API, with a report alone: the result as a CWT; prints the nonce
    begin FILE                a session for tdx, into FILE; prints the digest that evidence has to hold, in hex
    end FILE QUOTE [DETAIL]   evidence for it: taken, or refused with these words
"""
import base64
import hashlib
import http.client
import json
import os
import ssl
import struct
import subprocess
import sys
import tempfile

state, port, what, *arguments = sys.argv[1:]
context = ssl.create_default_context(cafile=os.path.join(state, "tls.crt"))
failed = False
# An RSA key of nobody's, and EC keys: what is sealed to them is not opened here.
KEY = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "Pfm8Z5iaILP29KbhoV9D-aSn9XXDilijA7yOiFDu8yg", "y": "QfrIQJe6Fnwy-Y3VKvsqCY9KMB51CACwuxB5mtMITNw"}
OFFER = {"supported-hash-algorithms": ["sha256", "sha384", "sha512", "sm3"]}
ERRORS = "https://github.com/confidential-containers/kbs/errors/"


def check(ok, *words):
    global failed
    if not ok:
        failed = True
        print("FAIL:", *words)


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Client:
    """One connection, the session's cookie, and the last answer."""

    def __init__(self, agent="attestation-agent-kbs-client/0.1.0"):
        self.connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=120)
        self.agent, self.cookie, self.token, self.nonce = agent, None, None, None

    def ask(self, method, path, body=None, kind="application/json", bearer=None):
        """As reqwest does it: a DELETE, and a GET, say no length."""
        self.connection.putrequest(method, path, skip_accept_encoding=True)
        if body is not None or path.startswith("/kbs/v0/reference-value/"):
            self.connection.putheader("content-type", kind)
        if bearer:
            self.connection.putheader("authorization", "Bearer " + bearer)
        self.connection.putheader("accept", "*/*")
        self.connection.putheader("user-agent", self.agent)
        if self.cookie and not bearer:
            self.connection.putheader("cookie", self.cookie)
        if isinstance(body, dict):
            body = json.dumps(body, separators=(",", ":")).encode()
        if body is not None:
            self.connection.putheader("content-length", str(len(body)))
        self.connection.endheaders(body)
        answer = self.connection.getresponse()
        self.status, self.raw = answer.status, answer.read()
        if answer.getheader("Set-Cookie"):
            self.cookie = answer.getheader("Set-Cookie").split(";")[0]
        try:
            self.json = json.loads(self.raw) if self.raw else {}
        except ValueError:
            self.json = {}
        return self.status

    def detail(self):
        return self.json.get("detail", self.raw[:200])

    def auth(self, tee, version="0.4.0"):
        self.ask("POST", "/kbs/v0/auth", {"version": version, "tee": tee, "extra-params": OFFER})
        check(self.status == 200, tee, "auth:", self.status, self.detail())
        self.nonce = self.json.get("nonce", "")
        return self

    def digest(self, key=KEY):
        """RFC 8785's form of small texts is this one."""
        runtime = {"additional-evidence": "", "nonce": self.nonce, "tee-pubkey": key}
        return hashlib.sha384(json.dumps(runtime, sort_keys=True, separators=(",", ":")).encode()).digest()

    def attest(self, evidence, key=KEY):
        body = {"init-data": None, "runtime-data": {"nonce": self.nonce, "tee-pubkey": key}, "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""}}
        self.ask("POST", "/kbs/v0/attest", body)
        self.token = self.json.get("token")
        return self.status

    def claims(self):
        return json.loads(base64.urlsafe_b64decode(self.token.split(".")[1] + "=="))


# --- kbs-client ---


def administer(token):
    admin = Client("kbs-client/0.1.0")
    path = "/kbs/v0/resource/default/test/admin"
    policy = url64(b"package policy\n")

    def refused(name, status, error):
        check(admin.status == status and admin.json.get("type") == ERRORS + error, name, admin.status, admin.detail())

    check(admin.ask("POST", path, b"a second secret", "application/octet-stream", token) == 200, "set-resource:", admin.detail())
    admin.ask("POST", path, b"a second secret", "application/octet-stream", token)
    refused("set-resource again", 403, "PluginInternalError")
    admin.ask("POST", "/kbs/v0/attestation-policy", {"type": "rego", "policy_id": "default_cpu", "policy": policy}, bearer=token)
    refused("set-attestation-policy", 403, "PolicyDeny")
    admin.ask("POST", "/kbs/v0/resource-policy", {"policy": policy}, bearer=token)
    refused("set-resource-policy", 403, "PolicyDeny")
    admin.ask("POST", "/kbs/v0/reference-value", {"payload": "eyJ4IjpbMV19", "type": "sample", "version": "0.1.0"}, bearer=token)
    refused("set-sample-reference-value", 403, "PolicyDeny")
    check(admin.ask("GET", "/kbs/v0/reference-value/x", bearer=token) == 200 and admin.raw == b"[]", "get-reference-value:", admin.raw)
    admin.ask("POST", path, b"a second secret", "application/octet-stream")
    refused("set-resource of nobody", 401, "AdminAuth")
    # get-resource: by a handshake after the first 401, and by a token that was given before.
    guest = Client()
    guest.ask("GET", path)
    check(guest.status == 401 and guest.json.get("type") == ERRORS + "TokenNotFound", "get-resource at first:", guest.status)
    guest.auth("sample")
    check(guest.attest(sample(guest)) == 200, "attest:", guest.detail())
    check(guest.ask("GET", path) == 200 and "ciphertext" in guest.json, "get-resource:", guest.detail())
    passport = Client("kbs-client/0.1.0")
    check(passport.ask("GET", path, bearer=guest.token) == 200, "get-resource by a token:", passport.detail())
    guest.ask("GET", "/kbs/v0/resource/default/test/none")
    check(guest.status == 404 and guest.json.get("type") == ERRORS + "PluginInternalError", "get-resource of none:", guest.status)
    check(admin.ask("DELETE", path, bearer=token) == 200, "delete-resource:", admin.status, admin.detail())
    admin.ask("DELETE", path, bearer=token)
    refused("delete-resource again", 404, "PluginInternalError")


# --- Evidence that is made here ---


def sample(client):
    return {"svn": "1", "report_data": base64.b64encode(client.digest()).decode()}


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def der_numbers(der):
    """The two INTEGERs of an ECDSA signature."""
    at, out = 2, []
    for _ in range(2):
        size = der[at + 1]
        out.append(int.from_bytes(der[at + 2 : at + 2 + size], "big"))
        at += 2 + size
    return out


class Platform:
    """cloister-sim's pretend platform: reports are signed with its VCEK."""

    def __init__(self, folder):
        self.key = os.path.join(folder, "vcek.key")
        self.der = {name: openssl("x509", "-in", os.path.join(folder, name + ".pem"), "-outform", "DER") for name in ("vcek", "ask", "ark")}
        at = self.der["vcek"].index(bytes.fromhex("2b060104019c780104")) + 9  # hwID
        at = self.der["vcek"].index(b"\x04", at)
        self.chip = self.der["vcek"][at + 2 : at + 2 + self.der["vcek"][at + 1]][-64:]

    def report(self, report_data):
        tcb, version = bytes([4, 0, 0, 0, 0, 0, 24, 219]), bytes([29, 55, 1, 0])
        r = struct.pack("<IIQ", 3, 0, 0x30000) + bytes(32) + struct.pack("<II", 0, 1) + tcb + struct.pack("<QII", 0x21, 0, 0)
        r += report_data.ljust(64, b"\0") + bytes(48 + 32 + 96) + self.chip[:32] + b"\xff" * 32 + tcb
        r += bytes([0x19, 1, 1]) + bytes(21) + self.chip + tcb + version + version + tcb
        r = r.ljust(0x2A0, b"\0")
        numbers = der_numbers(openssl("dgst", "-sha384", "-sign", self.key, data=r))
        return (r + b"".join(n.to_bytes(72, "little") for n in numbers)).ljust(1184, b"\0")


def tcb_of(raw):
    return {"fmc": None, "bootloader": raw[0], "tee": raw[1], "snp": raw[6], "microcode": raw[7]}


def version_of(raw):
    return {"major": raw[2], "minor": raw[1], "build": raw[0]}


def snp(platform, report_data):
    """As the crate "sev" takes a report apart."""
    r = platform.report(report_data)
    number = lambda at, size: int.from_bytes(r[at : at + size], "little")
    part = lambda at, size: list(r[at : at + size])
    report = {"version": 3, "guest_svn": number(4, 4), "policy": number(8, 8), "family_id": part(0x10, 16), "image_id": part(0x20, 16), "vmpl": number(0x30, 4),
              "sig_algo": number(0x34, 4), "current_tcb": tcb_of(r[0x38:]), "plat_info": number(0x40, 8), "key_info": number(0x48, 4), "report_data": part(0x50, 64),
              "measurement": part(0x90, 48), "host_data": part(0xC0, 32), "id_key_digest": part(0xE0, 48), "author_key_digest": part(0x110, 48),
              "report_id": part(0x140, 32), "report_id_ma": part(0x160, 32), "reported_tcb": tcb_of(r[0x180:]), "cpuid_fam_id": r[0x188], "cpuid_mod_id": r[0x189],
              "cpuid_step": r[0x18A], "chip_id": part(0x1A0, 64), "committed_tcb": tcb_of(r[0x1E0:]), "current": version_of(r[0x1E8:]),
              "committed": version_of(r[0x1EC:]), "launch_tcb": tcb_of(r[0x1F0:]), "launch_mit_vector": None, "current_mit_vector": None,
              "signature": {"r": part(0x2A0, 72), "s": part(0x2E8, 72)}}
    chain = [{"cert_type": name.upper(), "data": list(der)} for name, der in platform.der.items()]
    return {"attestation_report": report, "cert_chain": chain}


class VTPM:
    """Azure's: its key is in the claims that a report holds."""

    def __init__(self, folder):
        self.key = os.path.join(folder, "ak.pem")
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().split("=")[1]
        self.jwk = {"kid": "HCLAkPub", "key_ops": ["sign"], "kty": "RSA", "e": "AQAB", "n": url64(bytes.fromhex(modulus))}
        self.pcrs = [hashlib.sha256(b"PCR %d" % i).digest() for i in range(24)]

    def quote(self, qualifying):
        selected = hashlib.sha256(b"".join(self.pcrs)).digest()
        message = struct.pack(">IHHH", 0xFF544347, 0x8018, 0, len(qualifying)) + qualifying + struct.pack(">QIIBQ", 1000, 1, 0, 1, 1)
        message += struct.pack(">IHB", 1, 0x000B, 3) + b"\xff\xff\xff" + struct.pack(">H", 32) + selected
        return message, openssl("dgst", "-sha256", "-sign", self.key, data=message)

    def hcl(self, platform, user_data):
        claims = json.dumps({"keys": [self.jwk], "vm-configuration": {"vmUniqueId": "an-id"}, "user-data": user_data.ljust(64, b"\0").hex().upper()}).encode()
        report = platform.report(hashlib.sha256(claims).digest())
        size = 20 + len(claims)
        head = struct.pack("<IIII", 0x414C4348, 2, 0x20 + 1184 + size, 2) + bytes(16)
        return head + report + struct.pack("<IIIII", size, 1, 2, 1, len(claims)) + claims


def az_snp(platform, vtpm, version, bound):
    """With the VCEK's issuers, which nobody has but this platform."""
    message, signature = vtpm.quote(bound.ljust(64, b"\0"))
    hcl = vtpm.hcl(platform, bound)
    if version == 0:
        pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in platform.der.values())
        return {"quote": {"message": list(message), "pcrs": [list(p) for p in vtpm.pcrs], "signature": list(signature)}, "report": list(hcl), "vcek": pem}
    quote = {"message": message.hex(), "signature": signature.hex(), "pcrs": [p.hex() for p in vtpm.pcrs]}
    return {"version": version, "tpm_quote": quote, "hcl_report": url64(hcl), "vcek": url64(b"".join(platform.der.values()))}


def accepted(name, client, resource):
    check(client.status == 200, name, client.status, client.detail())
    if client.status != 200:
        return
    check(client.ask("GET", "/kbs/v0/resource/" + resource) == 200 and "ciphertext" in client.json, name, "resource:", client.detail())
    check(client.claims()["submods"]["cpu0"]["ear.status"] == "warning", name, "status")
    evidence = client.claims()["submods"]["cpu0"]["ear.veraison.annotated-evidence"]
    check(evidence["runtime_data_claims"]["nonce"] == client.nonce, name, "nonce in the token")


def refused(name, client, detail):
    check(client.status == 401 and detail in str(client.detail()), name, "is said to be:", client.status, client.detail())


def fresh(folder):
    platform = Platform(folder)
    with tempfile.TemporaryDirectory() as scratch:
        vtpm = VTPM(scratch)
        client = Client().auth("sample")
        client.attest(sample(client))
        accepted("sample", client, "default/test/sample")
        client = Client().auth("snp")
        client.attest(snp(platform, client.digest()))
        accepted("snp", client, "default/test/snp")
        check("snp" in client.claims()["submods"]["cpu0"]["ear.veraison.annotated-evidence"], "snp: claims by the TEE's name")
        for version in (0, 1, 2):
            client = Client().auth("az-snp-vtpm")
            client.attest(az_snp(platform, vtpm, version, client.digest()))
            accepted("az-snp-vtpm, version %d" % version, client, "default/test/az")
            client = Client().auth("az-snp-vtpm")
            client.attest(az_snp(platform, vtpm, version, hashlib.sha384(b"another").digest()))
            refused("az-snp-vtpm, version %d, for another nonce" % version, client, "tpm.quote.nonce")
        svsm = {"kty": "EC", "crv": "P-521", "alg": "ECDH-ES+A256KW"}
        point = openssl("ec", "-pubout", "-outform", "DER", data=openssl("ecparam", "-name", "secp521r1", "-genkey", "-noout"))[-132:]
        svsm["x"], svsm["y"] = url64(point[:66]), url64(point[66:])
        client = Client().auth("snp")
        report = platform.report(hashlib.sha512(point + base64.b64decode(client.nonce)).digest())
        # The host's table of certificates: GUIDs, places and sizes, and a line of zeros.
        client.attest({"snp-report": base64.b64encode(report).decode(), "certs-buf": base64.b64encode(table(platform)).decode()}, svsm)
        accepted("SVSM's proxy", client, "default/test/snp")
        client = Client().auth("snp")
        client.attest(snp(platform, hashlib.sha384(b"another").digest()))
        refused("snp, for another nonce", client, "REPORT_DATA is not the protocol's digest of the runtime data")


def table(platform):
    guids = {"vcek": "63da758de6644564adc5f4b93be8accd", "ask": "4ab7b379bbac4fe4a02f05aef327c782", "ark": "c0b406a4a803495297433fb6014cd0ae"}
    at, head, body = 24 * 4, b"", b""
    for name, guid in guids.items():
        raw = bytes.fromhex(guid)
        der = platform.der[name]
        head += raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:] + struct.pack("<II", at + len(body), len(der))
        body += der
    return head + bytes(24) + body


# --- Evidence that was recorded, or made elsewhere ---

RECORDED = [
    ("snp", "snp-milan-v2", "snp.report_data: REPORT_DATA is not the protocol's digest of the runtime data"),
    ("snp", "snp-genoa-v3-published", "snp.report_data: REPORT_DATA is not the protocol's digest of the runtime data"),
    ("snp", "snp-turin-v5", "snp.report_data: REPORT_DATA is not the protocol's digest of the runtime data"),
    ("snp", "svsm-aproxy-milan-v2", "SVSM's key: not one on P-521"),
    ("az-snp-vtpm", "az-snp-v0", "tpm.quote.nonce: the quote's qualifying data are not the digest of the runtime data"),
    ("az-snp-vtpm", "az-snp-v1", "tpm.quote.nonce: the quote's qualifying data are not the digest of the runtime data"),
    ("az-snp-vtpm", "az-snp-v1-neg-relabelled-v2", "tpm.quote.nonce"),
    ("az-snp-vtpm", "az-snp-v1-neg-version-3", "its version is not known"),
    ("az-tdx-vtpm", "az-snp-v1", "not in a form that clients have for \"az-tdx-vtpm\""),
    ("az-tdx-vtpm", "az-tdx-v1", "tdx.root_crl: the revocation list is missing"),
    ("tdx", "tdx-v4-log-match", "tdx.root_crl: the revocation list is missing"),
    ("tdx", "tdx-v5-no-log", "tdx.root_crl: the revocation list is missing"),
    ("snp", "tdx-v5-no-log", "not in a form that clients have for \"snp\""),
    ("tpm", "tpm-azure-quote", "no hardware report in it"),
    ("sample", "sample", "sample.report_data"),
]


def recorded(folder):
    for tee, name, detail in RECORDED:
        evidence = json.load(open(os.path.join(folder, name, "evidence.json")))
        client = Client().auth(tee)
        client.attest(evidence)
        refused(name, client, detail)
        check(client.ask("GET", "/kbs/v0/resource/default/test/sample") == 401, name, "a resource:", client.status)


def challenge(folder, out):
    """As Veraison's client and ratsd: sessions of their own, and a report whose REPORT_DATA is the nonce."""
    platform = Platform(folder)
    connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=120)

    def ask(method, path, body=None, **head):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in head.items()})
        answer = connection.getresponse()
        return answer, answer.read()

    tsm = "application/vnd.veraison.configfs-tsm+json"
    known = json.loads(ask("GET", "/.well-known/veraison/verification")[1])
    check(tsm in known["media-types"] and known["state"] == "READY", "well-known:", known)
    answer, body = ask("POST", known["api-endpoints"]["newChallengeResponseSession"] + "?nonceSize=64")
    session, place = json.loads(body), answer.getheader("Location")
    check(answer.status == 201 and session["state"] == "waiting" and tsm in session["accept"], "a session:", answer.status, session)
    nonce = base64.urlsafe_b64decode(session["nonce"] + "==")
    check(len(nonce) == 64, "a nonce of", len(nonce))
    chain = "".join(ssl.DER_cert_to_PEM_cert(der) for der in platform.der.values()).encode()
    evidence = lambda data: json.dumps({"provider": "sev_guest", "outblob": url64(platform.report(data)), "auxblob": url64(chain)})
    answer, body = ask("POST", place, evidence(bytes(64)), Content_Type=tsm)
    check(answer.status == 403 and b"snp.report_data" in body, "another nonce:", answer.status, body[:200])
    check(ask("POST", place, "x", Content_Type="text/plain")[0].status == 415, "a media type")
    answer, body = ask("POST", place, evidence(nonce), Content_Type=tsm)
    check(answer.status == 200 and json.loads(body)["state"] == "complete", "evidence:", answer.status, body[:200])
    check(ask("POST", place, evidence(nonce), Content_Type=tsm)[0].status == 409, "evidence again")
    answer, body = ask("GET", place, Accept="application/eat+cwt")
    check(answer.status == 200 and answer.getheader("Content-Type") == "application/eat+cwt", "as a CWT:", answer.status)
    open(out, "wb").write(body)
    cookie = "kbs-session-id=" + place.rsplit("/", 1)[1]
    check(ask("GET", "/kbs/v0/resource/default/test/snp", Cookie=cookie)[0].status == 401, "a resource by its name")
    check(ask("DELETE", place)[0].status == 204 and ask("GET", place)[0].status == 404, "deleted")
    check(ask("GET", "/challenge-response/v1/session/x")[0].status == 404, "another session")
    print(session["nonce"])


def begin(path):
    client = Client().auth("tdx")
    json.dump([client.cookie, client.nonce], open(path, "w"))
    print(client.digest().ljust(64, b"\0").hex())


def end(path, quote, detail=None):
    client = Client()
    client.cookie, client.nonce = json.load(open(path))
    client.attest({"quote": base64.b64encode(open(quote, "rb").read()).decode(), "cc_eventlog": None})
    if detail:
        refused("tdx", client, detail)
    else:
        accepted("tdx", client, "default/test/tdx")


{"admin": administer, "fresh": fresh, "recorded": recorded, "challenge": challenge, "begin": begin, "end": end}[what](*arguments)
sys.exit(failed)
