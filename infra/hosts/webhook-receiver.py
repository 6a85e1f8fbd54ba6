"""A program that is told of events: checks each message as Standard Webhooks asks, and says on stdout what came.

usage: webhook-receiver.py SECRET_FILE

The file holds `whsec_<base64>` and may appear later; until then every message is refused, and the sender tries again.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

LIMIT_BYTES = 1_000_000
TOLERANCE_SECONDS = 300


def is_signed(secret, headers, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    identity, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdigit() or abs(time.time() - int(at)) > TOLERANCE_SECONDS:
        return False
    expected = hmac.new(key, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()
    given = headers.get("webhook-signature", "").split()
    wanted = "v1," + base64.b64encode(expected).decode()
    return any(hmac.compare_digest(one, wanted) for one in given)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length", "0"))
        body = self.rfile.read(min(length, LIMIT_BYTES))
        try:
            with open(sys.argv[1], encoding="ascii") as file:
                secret = file.read().strip()
        except FileNotFoundError:
            return self.answer(503)
        changed = body[:-1] + b"~"
        if not is_signed(secret, self.headers, body) or is_signed(secret, self.headers, changed):
            return self.answer(401)
        print(json.dumps({"id": self.headers["webhook-id"], "message": json.loads(body)}), flush=True)
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
