"""OpenClaw's own node host, unmodified, at this gateway: it is let in, answers, and comes back after the gateway was
killed. Run by tests/openclaw-cli/run, which says in the environment where everything is; prints `ok …` or `FAILED …`."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

NODE, CLI, BIN = (os.environ[name] for name in ("NODE", "CLI", "BIN"))
HOME, PORT = os.environ["TEST_HOME"], os.environ["PORT"]
PATIENCE = 90
failed = 0


def say(is_ok, what, detail=""):
    global failed
    failed += not is_ok
    print(("ok      " if is_ok else "FAILED  ") + what, flush=True)
    if not is_ok:
        print("        " + "\n        ".join(str(detail).splitlines()[-25:]), flush=True)


def environment(**more):
    path = os.path.dirname(NODE) + ":" + os.environ["PATH"]
    return {"PATH": path, "TZ": "UTC", "NO_COLOR": "1", **more}


CLIENT = environment(HOME=HOME + "/client")
GATEWAY = environment(HOME=HOME, OPENCLAW_STATE_DIR=HOME + "/gateway", OPENCLAW_DISABLE_DISCOVERY="1")


def theirs(*words, patience=PATIENCE):
    return run([NODE, CLI, *words], CLIENT, patience)


def ours(*words, patience=PATIENCE):
    return run([BIN, *words], GATEWAY, patience)


def run(command, env, patience):
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience)
    return done.returncode, done.stdout, done.stderr


def document(text):
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    return json.loads(text[min(starts):]) if starts else None


def until(what, look):
    """Waits for a condition: the one thing here that takes time is what is waited for."""
    end, seen = time.monotonic() + PATIENCE, None
    while time.monotonic() < end:
        seen = look()
        if seen:
            return seen
        time.sleep(0.2)
    say(False, what, seen)
    sys.exit(1)


def gateway():
    out = open(HOME + "/gateway.out", "ab")
    child = subprocess.Popen([BIN, "gateway", "run"], env=GATEWAY, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    until("the gateway is ready", lambda: run(["curl", "-fsS", f"http://127.0.0.1:{PORT}/ready"], GATEWAY, 10)[0] == 0)
    return child


def call(method, params):
    code, out, err = ours("gateway", "call", method, "--params", json.dumps(params), "--json")
    return document(out) if code == 0 else {"error": out + err}


def connected(name="attic"):
    nodes = (call("node.list", {}) or {}).get("nodes", [])
    here = (node for node in nodes if node.get("connected"))
    return next((node for node in here if node.get("displayName") == name), None)


class NodeHost:
    """`openclaw node run` as its service keeps it: without a connection it ends by itself, and is started again."""

    def __init__(self, name, env, log):
        words = [NODE, CLI, "node", "run", "--host", "127.0.0.1", "--port", PORT, "--display-name", name]
        self.start = lambda: subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.child, self.is_over = self.start(), threading.Event()
        threading.Thread(target=self.keep, daemon=True).start()

    def keep(self):
        while self.child.wait() is not None and not self.is_over.wait(0.2):
            self.child = self.start()

    def end(self):
        self.is_over.set()
        end(self.child)


def end(child):
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()


# What the node lets itself be asked: everything, and nobody need be asked for it there.
rules = {"version": 1, "defaults": {"security": "full", "ask": "off"}, "agents": {}}
with open(HOME + "/client/.openclaw/exec-approvals.json", "w") as file:
    json.dump(rules, file)

house, log = gateway(), open(HOME + "/node.out", "ab")
nodes = [NodeHost("attic", CLIENT, log)]
try:
    # The command line of this home is a known device; that it wants to be a node, too, is for its owner to allow.
    waits = until("the node asks to be let in", lambda: call("node.pair.list", {}).get("pending"))
    code, out, err = theirs("nodes", "pending")
    say(code == 0 and "attic" in out, "openclaw nodes pending", out + err)
    code, out, err = theirs("nodes", "approve", waits[0]["requestId"])
    say(code == 0 and waits[0]["nodeId"] in out, "openclaw nodes approve", out + err)
    first = until("the node is connected", connected)
    id = first["nodeId"]
    code, out, err = theirs("nodes", "status")
    say(code == 0 and id[:16] in out and "Connected: 1" in out, "openclaw nodes status", out + err)
    code, out, err = theirs("nodes", "describe", "--node", "attic")
    say(code == 0 and "system.run" in out, "openclaw nodes describe", out + err)

    # Another home, whose command line is known as well.
    other = environment(HOME=HOME + "/other")
    os.makedirs(HOME + "/other/.openclaw")
    shutil.copy(HOME + "/client/.openclaw/openclaw.json", HOME + "/other/.openclaw/")
    run([NODE, CLI, "health"], other, PATIENCE)
    nodes.append(NodeHost("cellar", other, log))
    waits = until("the other asks to be let in", lambda: call("device.pair.list", {}).get("pending"))
    code, out, err = theirs("devices", "list")
    say(code == 0 and waits[0]["requestId"][:8] in out, "openclaw devices list", out + err)
    code, out, err = theirs("devices", "approve", waits[0]["requestId"])
    say(code == 0, "openclaw devices approve", out + err)
    until("the other is connected", lambda: connected("cellar"))
    nodes.pop().end()

    which = ["--command", "system.which", "--params", '{"bins":["sh"]}']
    code, out, err = theirs("nodes", "invoke", "--node", "attic", *which)
    say(code == 0 and document(out)["payload"]["bins"]["sh"].endswith("/sh"), "openclaw nodes invoke", out + err)
    code, out, err = ours("nodes", "invoke", "--node", "attic", *which)
    say(code == 0 and "/sh" in out, "our nodes invoke", out + err)
    code, out, err = ours("nodes", "run", "--node", "attic", "--", "echo", "from the attic")
    say(code == 0 and out.strip() == "from the attic", "our nodes run", out + err)

    # OpenClaw's own command line asks somebody first: nobody answers no, somebody answers yes.
    asked = [NODE, CLI, "nodes", "run", "--node", "attic", "echo", "heard you"]
    for decision, expected in (("deny", "user denied"), ("allow", "heard you")):
        asking = subprocess.Popen(asked, env=CLIENT, stdin=subprocess.DEVNULL, stdout=-1, stderr=-2, text=True)
        waits = until("the question waits", lambda: document(ours("approvals", "waiting", "--json")[1]))
        code, out, err = ours("approvals", decision, waits[0]["id"])
        out, _ = asking.communicate(timeout=PATIENCE)
        is_ok = code == 0 and expected in out and (asking.returncode == 0) == (decision == "allow")
        say(is_ok, f"openclaw nodes run, and the answer is {decision}", out + err)
    code, out, err = theirs("approvals", "get", "--node", "attic")
    say(code == 0 and "full" in out, "openclaw approvals get --node", out + err)

    # The gateway dies in the middle of a question and of a command.
    slow = "slow-1"
    asking = subprocess.Popen(
        [BIN, "nodes", "invoke", "--node", id, "--command", "system.run", "--idempotency-key", slow,
         "--params", json.dumps({"command": ["sh", "-c", f"echo ran >>{HOME}/ran; exec sleep 3"]})],
        env=GATEWAY, stdin=subprocess.DEVNULL, stdout=-1, stderr=-2, text=True)
    until("the command runs", lambda: os.path.exists(HOME + "/ran"))
    question = {"id": "through-the-kill", "command": "ls", "host": "node", "timeoutMs": 600_000}
    waiting = subprocess.Popen(
        [BIN, "gateway", "call", "exec.approval.request", "--params", json.dumps(question), "--timeout", "600000"],
        env=GATEWAY, stdin=subprocess.DEVNULL, stdout=-1, stderr=-2)
    until("the question waits", lambda: document(ours("approvals", "waiting", "--json")[1]))
    house.send_signal(signal.SIGKILL)
    house.wait()
    waiting.wait(PATIENCE)
    asking.wait(PATIENCE)
    house = gateway()
    back = until("the node comes back", connected)
    say(back["nodeId"] == id, "the node comes back as itself after the gateway was killed", back)
    waits = document(ours("approvals", "waiting", "--json")[1])
    say([one["id"] for one in waits] == ["through-the-kill"], "the approval waits on", waits)
    say(ours("approvals", "deny", "through-the-kill")[0] == 0, "and is answered", waits)
    code, out, err = theirs("nodes", "invoke", "--node", id, *which)
    say(code == 0 and "/sh" in out, "openclaw nodes invoke, after the kill", out + err)
    repeat = {"nodeId": id, "command": "system.run", "idempotencyKey": slow,
              "params": {"command": ["sh", "-c", f"echo ran >>{HOME}/ran; exec sleep 3"]}}
    answer = str(call("node.invoke", repeat))
    with open(HOME + "/ran") as file:
        runs = file.read().split()
    say(runs == ["ran"] and "unknown" in answer, "a command that the kill cut off is not run twice", (runs, answer))

    # An ordinary restart.
    house.send_signal(signal.SIGTERM)
    house.wait(PATIENCE)
    house = gateway()
    back = until("the node comes back", connected)
    say(back["nodeId"] == id, "the node comes back as itself after a restart", back)
    tree = ours("supervisor", "tree")[1]
    say("nodes" in tree and id[:12] in tree, "its connection stands in the tree", tree)
finally:
    for host in nodes:
        host.end()
    end(house)
with open(HOME + "/node.out") as file:
    said = file.read()
# That it has to be let in first, and that the gateway goes and comes, is what happens here.
expected = r"pairing required|service restart|ECONNREFUSED|closed \(100[68]\)|^node host PATH|gateway (starting|restart)|^\s*$"
complaints = [line for line in said.splitlines() if not re.search(expected, line)]
say(not complaints, "the node host has nothing to complain of", "\n".join(complaints))
sys.exit(1 if failed else 0)
