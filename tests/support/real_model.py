"""Serves a GGUF model with llama.cpp's HTTP server on a free port of this machine.

Usage: real_model.py MODEL URL_FILE. Prints the base URL and writes it to URL_FILE when the model can be
called. Serves until it is ended.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request

import xllamacpp as llama

STARTED_WITHIN = 120  # seconds; a cold disk may take a minute


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def healthy(url):
    try:
        with urllib.request.urlopen(url + "/health", timeout=2) as answer:
            return json.load(answer).get("status") == "ok"
    except OSError:
        return False


def main(model, url_file):
    params = llama.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = free_port()
    params.n_ctx = 8192
    params.n_parallel = 2
    # One core stays with what is being tested.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.warmup = False
    server = llama.Server(params)
    url = getattr(server, "listening_address", None) or f"http://127.0.0.1:{params.port}"
    url = url.rstrip("/")
    deadline = time.monotonic() + STARTED_WITHIN
    while not healthy(url):
        if time.monotonic() > deadline:
            sys.exit(f"real_model.py: the server at {url} did not get ready within {STARTED_WITHIN} s")
        time.sleep(0.1)
    part = url_file + ".part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(url + "\n")
    os.replace(part, url_file)
    print(url, flush=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    # The server's own threads may be in the middle of an answer that nobody waits for.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:3])
