"""key_reload.py PORT PID LOG CERTIFICATE KEY: an administrator's connection that stays open while the broker reads its files again."""

import http.client
import os
import signal
import ssl
import sys
import time

port, pid, log, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(certificate, key)


def connect():
    return http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=120)


def ask(connection):
    connection.request("POST", "/cloister/v0/key/list", b"{}", {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.will_close


def reloads():
    with open(log) as file:
        return file.read().count("reloaded")


held = connect()
first = ask(held)
again = ask(held)
before = reloads()
os.kill(int(pid), signal.SIGHUP)
for _ in range(1200):
    if reloads() > before:
        break
    time.sleep(0.1)
after = ask(held)
anew = ask(connect())
if first[0] != 200 or again[0] != 200 or first[2]:
    sys.exit("FAIL: before: %s %s" % (first, again))
if after[0] != 401 or "counts no more: connect again" not in after[1] or not after[2]:
    sys.exit("FAIL: in the connection of before: %s" % (after,))
if anew[0] != 200:
    sys.exit("FAIL: in a new connection: %s" % (anew,))
