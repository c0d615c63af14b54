#!/usr/bin/env python3
"""A maker's service as the tests want it: service.py ROUTES LOG PORTFILE [CERT KEY].

ROUTES is JSON, read anew for each request: {"/path?query": [{"status": 200, "headers": {}, "file": NAME,
"length": N, "times": N, "until": FILE}, …]}; a path alone stands for any query. "times" answers are given
before the next in the list; one is held back "until" a file is there; "length" lies about the body's size. Each request is a line in LOG."""
import http.server
import json
import os
import ssl
import sys
import time

routes, log, portfile = sys.argv[1:4]
given = {}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(log, "a") as out:
            out.write(self.path + "\n")
        with open(routes) as source:
            table = json.load(source)
        key = self.path if self.path in table else self.path.split("?")[0]
        answer = {"status": 404}
        for candidate in table.get(key, []):
            index = (key, json.dumps(candidate, sort_keys=True))
            if "times" in candidate and given.get(index, 0) >= candidate["times"]:
                continue
            given[index] = given.get(index, 0) + 1
            answer = candidate
            break
        body = b""
        if "file" in answer:
            with open(answer["file"], "rb") as source:
                body = source.read()
        while "until" in answer and not os.path.exists(answer["until"]):
            time.sleep(0.05)
        self.send_response(answer["status"])
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(answer.get("length", len(body))))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(portfile + ".new", "w") as out:
    out.write(str(server.server_address[1]))
os.rename(portfile + ".new", portfile)
server.serve_forever()
