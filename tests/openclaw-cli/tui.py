"""OpenClaw's own terminal interface, unmodified, in a pty: it connects, shows the answer to a message, and quits."""

import os
import pty
import re
import select
import signal
import sys
import time

NODE, CLI, HOME = (os.environ[name] for name in ("NODE", "CLI", "TEST_HOME"))
PATIENCE = 90

pid, terminal = pty.fork()
if pid == 0:
    path = os.path.dirname(NODE) + ":" + os.environ["PATH"]
    env = {"PATH": path, "HOME": HOME + "/client", "TZ": "UTC", "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    os.execve(NODE, [NODE, CLI, "tui", "--session", "agent:main:terminal"], env)

seen, is_over = "", False


def read(seconds):
    """What the terminal shows, without the words that move and colour it."""
    global seen, is_over
    ready, _, _ = select.select([terminal], [], [], seconds)
    if not ready:
        return
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        piece = b""
    if not piece:
        is_over = True
        return
    text = piece.decode("utf-8", "replace")
    # A terminal that is asked where its cursor is, or what it is, answers; this one is a plain one.
    if "\x1b[6n" in text:
        os.write(terminal, b"\x1b[1;1R")
    if "\x1b[c" in text:
        os.write(terminal, b"\x1b[?62c")
    seen += re.sub(r"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>])", "", text)


def until(what, words):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not is_over:
        if re.search(words, seen):
            print(f"ok      openclaw tui: {what}", flush=True)
            return
        read(0.5)
    print(f"FAILED  openclaw tui: {what}")
    print("        " + "\n        ".join(seen.splitlines()[-40:]))
    os.kill(pid, signal.SIGKILL)
    sys.exit(1)


until("it connects", r"(?<!dis)connected")
os.write(terminal, b"hello")
until("it takes words", r"hello")
os.write(terminal, b"\r")
until("it shows the answer", os.environ["ANSWER"])
if re.search(r"(?i)gateway (error|closed)|unknown method|disconnected", seen):
    print("FAILED  openclaw tui: it complains\n" + seen)
    sys.exit(1)
os.write(terminal, b"/quit\r")
end = time.monotonic() + PATIENCE
while time.monotonic() < end and not is_over:
    read(0.5)
_, status = os.waitpid(pid, 0 if is_over else os.WNOHANG)
code = os.waitstatus_to_exitcode(status)
print(("ok      " if is_over and code == 0 else "FAILED  ") + f"openclaw tui: it quits (with {code})")
sys.exit(0 if is_over and code == 0 else 1)
