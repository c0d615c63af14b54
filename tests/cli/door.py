#!/usr/bin/env python3
"""Requests that no client should send, byte for byte over TLS; connections that are slow, idle or too many; and what a
service says to systemd. Called by serve_http.sh and serve_door.sh: door.py WHAT PROGRAM STATE."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

WHAT, PROGRAM, STATE = sys.argv[1:4]
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE
AUTH = b'{"version":"0.4.0","tee":"snp","extra-params":{}}'
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\n"
SIZE = b"Content-Length: %d\r\n" % len(AUTH)
failures = 0


def check(name, holds, *shown):
    global failures
    if not holds:
        failures += 1
        print("FAIL:", name, *shown)


def comes(holds):
    """Sooner or later: what another process does takes its time."""
    for _ in range(600):
        if holds():
            return True
        time.sleep(0.1)
    return False


class Server:
    """cloister serve on a free port of this machine."""

    def __init__(self, *options, before=(), environment=None, **how):
        self.log = STATE + ".log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [*before, PROGRAM, "serve", "--state", STATE, "--listen", "127.0.0.1:0", *options], stdout=log,
                stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}, **how)
        for _ in range(4000):
            found = re.search(r'listening on \S+:(\d+)|"port":(\d+)', self.said())
            if found:
                self.port = int(found.group(1) or found.group(2))
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        sys.exit("does not start: " + self.said())

    def said(self):
        return open(self.log, errors="replace").read()

    def resident(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read()).group(1))

    def metric(self, name):
        answer = talk(self.port, GET.replace(b"healthz", b"metrics") + b"Connection: close\r\n\r\n")[0]
        return int(re.search(rb"(?m)^" + re.escape(name.encode()) + rb" (\d+)", answer).group(1))

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(200)


def connect(port, source="127.0.0.1", timeout=120):
    raw = socket.create_connection(("127.0.0.1", port), timeout, (source, 0))
    return CONTEXT.wrap_socket(raw)


def talk(port, data, wait=120):
    """What comes back, and how it ended."""
    got = b""
    try:
        with connect(port, timeout=wait) as s:
            s.sendall(data)
            while True:
                more = s.recv(65536)
                if not more:
                    return got, "closed"
                got += more
    except socket.timeout:
        return got, "open"
    except OSError as e:
        return got, repr(e)


def statuses(answer):
    return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d+)", answer)]


def auth(port, source="127.0.0.1"):
    """An honest client's nonce and session."""
    with connect(port, source) as s:
        s.sendall(POST + SIZE + b"Connection: close\r\n\r\n" + AUTH)
        answer = b""
        while more := s.recv(65536):
            answer += more
    return re.search(rb"Set-Cookie: (kbs-session-id=[^;]*)", answer).group(1)


# --- Requests, byte for byte ---

def http():
    server = Server()
    end = b"Connection: close\r\n"
    length = lambda text: POST + end + b"Content-Length: " + text + b"\r\n\r\n" + AUTH
    chunked = POST + end + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % len(AUTH) + AUTH + b"\r\n0\r\n\r\n"
    field = lambda text: POST + end + SIZE + text + b"\r\n\r\n" + AUTH
    cases = [
        ("as it should be", POST + end + SIZE + b"\r\n" + AUTH, [200]),
        ("chunks", chunked + chunk, [200]),
        ("a chunk's extension", chunked + chunk.replace(b"\r\n", b";a=b\r\n", 1), [200]),
        ("expects 100", POST + end + b"Expect: 100-continue\r\n" + SIZE + b"\r\n" + AUTH, [200]),
        ("HTTP/1.0", b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
        ("absolute form", b"GET https://x/healthz HTTP/1.1\r\nHost: x\r\n" + end + b"\r\n", [200]),
        ("five at once", (GET + b"\r\n") * 4 + GET + end + b"\r\n", [200] * 5),
        ("the second one is odd", GET + b"\r\nodd\r\n\r\n" + GET + b"\r\n", [200, 400]),
        ("two lengths that differ", POST + SIZE + b"Content-Length: 3\r\n\r\n" + AUTH, [400]),
        ("two equal lengths", POST + SIZE + SIZE + b"\r\n" + AUTH, [400]),
        ("a list of lengths", length(b"%d, 5" % len(AUTH)), [400]),
        ("plus", length(b"+%d" % len(AUTH)), [400]),
        ("minus", length(b"-1"), [400]),
        ("hex", length(b"0x%x" % len(AUTH)), [400]),
        ("a length of 23 digits", length(b"9" * 23), [400]),
        ("no length", POST + end + b"\r\n" + AUTH, [411]),
        ("17 MiB", length(b"17825792"), [413]),
        ("a body of auth that is too large", length(b"4097"), [413]),
        ("length and chunks", POST + SIZE + b"Transfer-Encoding: chunked\r\n\r\n" + chunk, [400]),
        ("chunks, and a length in front of another request",
         POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + GET + b"\r\n", [400]),
        ("a chunk of -1", chunked + b"-1\r\n" + AUTH, [400]),
        ("a chunk of 2^64-1", chunked + b"f" * 16 + b"\r\n" + AUTH, [400]),
        ("a trailer", chunked + chunk[:-2] + b"X: a\r\n\r\n", [400]),
        ("chunks that grow too large", chunked + b"1000\r\n" + b" " * 4096 + b"\r\n1\r\n \r\n0\r\n\r\n", [413]),
        ("xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n" + chunk, [501]),
        ("identity", POST + b"Transfer-Encoding: identity\r\n" + SIZE + b"\r\n" + AUTH, [501]),
        ("bare line feeds", (POST + SIZE + b"\r\n").replace(b"\r", b"") + AUTH, [400]),
        ("a folded field", field(b"X: a\r\n b"), [400]),
        ("NUL in a field", field(b"X: a\0b"), [400]),
        ("an escape in a field", field(b"X: \033[2J"), [400]),
        ("a blank before the colon", field(b"X : a"), [400]),
        ("no colon", field(b"garbage"), [400]),
        ("two cookies", field(b"Cookie: a=b\r\nCookie: a=c"), [400]),
        ("a head of 20 kB", field(b"X: " + b"a" * 20000), [431]),
        ("65 fields", field(b"\r\n".join([b"X: a"] * 65)), [431]),
        ("a path of 2 kB", b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", [414]),
        ("no Host", b"GET /healthz HTTP/1.1\r\n\r\n", [400]),
        ("two Hosts", GET + b"Host: y\r\n\r\n", [400]),
        ("HTTP/0.9", b"GET /healthz\r\n\r\n", [400]),
        ("HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
        ("noise", b"\x00\x01\x02\xff" * 100 + b"\r\n\r\n", [400]),
        ("a blank line first", b"\r\n" + GET + b"\r\n", [400]),
        ("bytes beyond ASCII in the path", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
        ("an escape in the path", b"GET /\033]0;owned\007 HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
        ("a GET with a body", GET + SIZE + b"\r\n" + AUTH, [413]),
        ("an attestation without a session",
         b"POST /kbs/v0/attest HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n" + b" " * 1000, [401]),
    ]
    for name, data, expected in cases:
        answer, how = talk(server.port, data)
        check(name, statuses(answer) == expected and how == "closed", statuses(answer), how)
        check(name + ": alive", server.process.poll() is None)
    # All of a body that is too large is sent before the answer is read: it can be read all the same.
    answer, how = talk(server.port, length(b"16777217")[:-len(AUTH)] + b" " * 16777217)
    check("413 is readable", statuses(answer) == [413], how)
    # A HEAD has no body, and what follows it is understood.
    answer, _ = talk(server.port, b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + GET + end + b"\r\n")
    check("HEAD", len(statuses(answer)) == 2 and answer.count(b"{") == 1, answer)
    check("junk is counted", server.metric('cloister_junk_total{kind="malformed"}') > 30)
    # Head and body leave together, at once.
    with connect(server.port) as s:
        spent = []
        for _ in range(20):
            start = time.perf_counter()
            s.sendall(GET + b"\r\n")
            answer = s.recv(65536)
            spent.append(time.perf_counter() - start)
            check("one piece", answer.endswith(b"}"), answer)
        # An acknowledgement that is waited for takes 40 ms each time; one quick answer shows that none is.
        check("nothing waits for an acknowledgement", min(spent) < 0.03, spent)
    text = server.said()
    check("no escape in the log", "\033" not in text and "\007" not in text)
    check("ends", server.stop() == 0, server.said())


# --- Connections ---

def slow():
    server = Server()
    begun = time.time()
    raw = socket.create_connection(("127.0.0.1", server.port), 20)
    head, body, half = connect(server.port), connect(server.port), connect(server.port)
    body.sendall(POST + SIZE + b"\r\n" + AUTH[:10])
    # A client that says all that it has to say, and closes its half, is answered.
    half.sendall(GET + b"Connection: close\r\n\r\n")
    check("half-closed", statuses(half.recv(65536)) == [200])
    ends = {}
    while time.time() - begun < 100 and len(ends) < 3:
        for name, s, byte in (("TCP alone", raw, None), ("head", head, b"a"), ("body", body, None)):
            if name in ends:
                continue
            try:
                if byte is not None:
                    s.sendall(GET[:1] if time.time() - begun < 1 else byte)
                s.settimeout(0.2)
                got = s.recv(65536)
                ends[name] = (time.time() - begun, statuses(got))
            except socket.timeout:
                pass
            except OSError:
                ends[name] = (time.time() - begun, [])
    check("no handshake", "TCP alone" in ends and ends["TCP alone"][0] < 60, ends)
    check("a head, byte by byte", "head" in ends and ends["head"][0] < 60 and ends["head"][1] in ([408], []), ends)
    check("a body that does not come", "body" in ends and ends["body"][0] < 90 and ends["body"][1] in ([408], []), ends)
    check("an honest client", auth(server.port) != b"")
    check("ends", server.stop() == 0, server.said())


def descriptors():
    server = Server(before=["prlimit", "--nofile=96:96"])
    held = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(150)]
    time.sleep(1)
    size = len(server.said())
    stat = lambda: sum(int(x) for x in open(f"/proc/{server.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13])
    before = stat()
    time.sleep(3)
    check("waits quietly", stat() - before < 100 and len(server.said()) - size < 1000, stat() - before)
    # Idle ones make room, or their time is over: who comes then is served.
    begun = time.time()
    check("an honest client is served", auth(server.port, "127.0.0.9") != b"")
    check("soon", time.time() - begun < 60, time.time() - begun)
    for s in held:
        s.close()
    names = ("listener_pauses", "connections_turned_away", "connections_made_room")
    check("it was noticed", comes(lambda: sum(server.metric(f"cloister_{name}_total") for name in names) > 0))
    check("ends", server.stop() == 0, server.said())


def flood():
    """64 addresses with more connections than there are places, most of them idle, and junk over the others."""
    server = Server("--connections", "256", "--threads", "2")
    held, junk = [], POST.replace(b"auth", b"attest") + b"Content-Length: 2\r\n\r\n{}"
    for i in range(64):
        source = f"127.0.1.{i + 1}"
        for n in range(6):
            try:
                raw = socket.create_connection(("127.0.0.1", server.port), 1, (source, 0))
                if n < 1:
                    raw = CONTEXT.wrap_socket(raw)
                    raw.sendall(junk)
                held.append(raw)
            except OSError:
                pass
    waits, tries = [], 0
    for _ in range(5):
        begun = time.time()
        for _ in range(3):
            tries += 1
            try:
                if auth(server.port, "127.0.0.9"):
                    break
            except (OSError, AttributeError):
                time.sleep(0.2)
        waits.append(time.time() - begun)
    check("an honest client is served within three tries", tries <= 15, tries)
    check("and soon", max(waits) < 60, waits)
    for s in held:
        s.close()
    turned = lambda: server.metric("cloister_connections_turned_away_total") + server.metric("cloister_connections_made_room_total")
    check("others made room, or were turned away", comes(lambda: turned() > 0))
    check("ends", server.stop() == 0, server.said())


# --- A service ---

def service():
    name = STATE + ".notify"
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(name)
    told.settimeout(120)
    server = Server(environment={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "900000"})
    check("ready", told.recv(4096) == b"READY=1")
    seen = {told.recv(4096) for _ in range(3)}
    check("the watchdog", b"WATCHDOG=1" in seen, seen)

    def wait_for(prefix):
        for _ in range(50):
            text = told.recv(4096)
            if text.startswith(prefix):
                return True
        return False

    # SIGHUP: a new certificate for those who come, and nothing for those who are there.
    subject = lambda s: s.getpeercert(True)
    old = connect(server.port)
    before = subject(old)
    os.remove(STATE + "/tls.crt")
    server.process.send_signal(signal.SIGHUP)
    check("reloads", wait_for(b"RELOADING=1\nMONOTONIC_USEC=") and wait_for(b"READY=1"))
    with connect(server.port) as new:
        check("another certificate", subject(new) != before)
    old.sendall(GET + b"\r\n")
    check("the old connection goes on", statuses(old.recv(65536)) == [200])
    # What cannot be read leaves what was there.
    os.rename(STATE + "/tls.key", STATE + "/tls.key.away")
    open(STATE + "/tls.key", "w").close()
    server.process.send_signal(signal.SIGHUP)
    check("reloads in vain", wait_for(b"RELOADING=1") and wait_for(b"READY=1"))
    check("and says so", "reload: nothing has changed" in server.said(), server.said())
    check("still serves", auth(server.port) != b"")
    os.rename(STATE + "/tls.key.away", STATE + "/tls.key")
    # SIGTERM: a request whose body is on its way is finished, an idle connection is closed, nobody new comes in.
    with connect(server.port) as slow_one:
        slow_one.sendall(POST + SIZE + b"\r\n" + AUTH[:10])
        time.sleep(2)
        server.process.send_signal(signal.SIGTERM)
        check("stopping", wait_for(b"STOPPING=1"))
        time.sleep(0.5)
        slow_one.sendall(AUTH[10:])
        answer = slow_one.recv(65536)
        check("what was under way is finished", statuses(answer) == [200] and b"Connection: close" in answer, answer)
    old.settimeout(120)
    check("the idle are closed", old.recv(10) == b"")
    check("ends", server.process.wait(200) == 0, server.said())
    # A socket that was opened for it.
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    os.dup2(listener.fileno(), 3)
    server = Server("--log", "json", pass_fds=[3], before=["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh"])
    check("listens on the socket that it was given", server.port == port, server.said())
    check("and serves", auth(port) != b"")
    lines = [json.loads(line) for line in server.said().splitlines()]
    check("a value a line", any(line["event"] == "listening" for line in lines), lines)
    check("ends", server.stop() == 0)


{"http": http, "slow": slow, "descriptors": descriptors, "flood": flood, "service": service}[WHAT]()
sys.exit(1 if failures else 0)
