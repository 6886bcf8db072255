"""A model that says the same line to everyone, as OpenAI's chat completions are streamed. Writes its port to a file."""

import http.server
import json
import os
import sys

LINE = ["pong ", "from ", "the fake"]


class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for delta in [{"role": "assistant", "content": ""}] + [{"content": piece} for piece in LINE]:
            self.piece({"index": 0, "delta": delta, "finish_reason": None})
        self.piece({"index": 0, "delta": {}, "finish_reason": "stop"})
        self.wfile.write(b"data: [DONE]\n\n")

    def piece(self, choice):
        piece = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "fake-1", "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
with open(sys.argv[1] + ".tmp", "w") as file:
    file.write(str(server.server_address[1]))
os.replace(sys.argv[1] + ".tmp", sys.argv[1])
server.serve_forever()
