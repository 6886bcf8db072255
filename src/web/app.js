// The page: who is connected, which conversation is open, what is shown where.

import { Chat } from "./chat.js";
import { Gateway } from "./gateway.js";
import { Sessions } from "./sessions.js";
import { Tree, span } from "./tree.js";

/** Kept in this browser for this origin only; nothing is ever read from the address. */
const TOKEN = "openclaw.secret";
const SESSION = "openclaw.session";
const TREE = "openclaw.tree";

const $ = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 860px)");
const touch = matchMedia("(pointer: coarse)");

const gateway = new Gateway();
const chat = new Chat({ gateway, log: $("log"), frame: $("log-frame"), latest: $("latest") });
const tree = new Tree({
  gateway,
  list: $("tree-list"),
  summary: $("tree-summary"),
  alarm: $("alarm"),
  showCrash,
  confirm,
});

// === remembered things: a browser may forbid them ===

function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // It is asked for again next time.
  }
}

// === connection ===

let typed = null;

function begin() {
  const stored = recall(TOKEN);
  if (!stored) {
    // A gateway without a secret lets this through; any other says which secret it wants.
    gateway.open({});
    return;
  }
  try {
    gateway.open(JSON.parse(stored));
  } catch {
    gateway.open({ token: stored });
  }
}

let countdown = null;

function showState({ state, retryAt, reason }) {
  clearInterval(countdown);
  const words = { idle: "Not connected", connecting: "Connecting", online: "Connected", refused: "Token needed" };
  const set = (text) => {
    if ($("connection-text").textContent !== text) $("connection-text").textContent = text;
  };
  $("connection").dataset.state = state;
  $("connection").title = reason ?? "";
  if (state === "offline") {
    const tick = () => {
      const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
      set(left > 1 ? `Offline, again in ${left} s` : "Offline");
    };
    tick();
    countdown = setInterval(tick, 1000);
  } else {
    set(words[state] ?? state);
  }
  compose();
}

gateway.addEventListener("state", (event) => showState(event.detail));

gateway.addEventListener("hello", ({ detail: { hello } }) => {
  if (typed) {
    remember(TOKEN, JSON.stringify(typed));
    typed = null;
  }
  $("login").close();
  $("version").textContent = hello.server?.version ? `v${hello.server.version}` : "";
  const given = hello.snapshot?.sessionDefaults;
  if (given) sessions.settle(given.defaultAgentId, given.mainSessionKey);
  if (!chat.key) choose(recall(SESSION) ?? sessions.main);
  sessions.refresh();
});

gateway.addEventListener("refused", ({ detail: { error } }) => {
  // Asked nothing yet: a page without a secret needs no reproach.
  const wants = /password/i.test(error.message) || /PASSWORD/.test(error.detail) ? "password" : "token";
  const unasked = !typed && !recall(TOKEN);
  typed = null;
  askSecret(wants, unasked ? "" : problemOf(error));
});

gateway.addEventListener("shutdown", ({ detail }) => {
  $("connection-text").textContent = detail.restartExpectedMs ? "Gateway restarts" : "Gateway shuts down";
});

function problemOf(error) {
  if (/too many/i.test(error.message)) {
    const wait = error.retryAfterMs ? ` Try again in ${span(error.retryAfterMs)}.` : " Try again later.";
    return `Too many wrong tries.${wait}`;
  }
  if (/mismatch/i.test(error.message)) return "The gateway doesn't know it.";
  return error.message;
}

function askSecret(wants, problem) {
  const password = wants === "password";
  $("login-form").dataset.wants = wants;
  $("secret-label").textContent = password ? "Password" : "Token";
  $("login-text").textContent = password
    ? "This gateway is protected by a password."
    : "Paste the gateway's token. On the machine it runs on, this command prints it:";
  $("login-command").hidden = password;
  $("login-host").textContent = location.host;
  $("login-problem").textContent = problem;
  $("login-problem").hidden = !problem;
  if (!$("login").open) $("login").showModal();
  $("secret").focus();
}

$("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const secret = $("secret").value.trim();
  if (!secret) return;
  typed = { [$("login-form").dataset.wants === "password" ? "password" : "token"]: secret };
  $("secret").value = "";
  $("login-problem").hidden = true;
  gateway.open(typed);
});

// The page is of no use without a connection; the gateway's own page has nothing behind the dialog.
$("login").addEventListener("cancel", (event) => event.preventDefault());

$("forget").addEventListener("click", async () => {
  const sure = await confirm({
    title: "Forget the token?",
    text: "This browser has to be given it again before it can connect.",
    yes: "Forget",
  });
  if (!sure) return;
  remember(TOKEN, null);
  remember(SESSION, null);
  gateway.close();
  location.reload();
});

addEventListener("online", () => gateway.hurry());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") gateway.hurry();
});

// === conversations ===

const sessions = new Sessions({ gateway, list: $("sessions"), confirm });

sessions.addEventListener("choose", ({ detail: { key } }) => choose(key));
sessions.addEventListener("drawn", ({ detail: { name } }) => {
  $("title").textContent = name || "OpenClaw";
  document.title = name ? `${name} · OpenClaw` : "OpenClaw";
});

async function choose(key) {
  remember(SESSION, key);
  drawers(null);
  const opening = chat.open(key);
  sessions.select(key);
  await opening;
  if (!touch.matches) $("message").focus();
}

$("new-session").addEventListener("click", () => choose(sessions.fresh()));
chat.addEventListener("activity", ({ detail }) => {
  if (detail.state !== "delta") sessions.heard(detail.sessionKey);
});

// === writing ===

function compose() {
  const text = $("message").value.trim();
  $("send").disabled = !text || gateway.state === "refused" || gateway.state === "idle";
  $("stop").hidden = !chat.running;
}

function fit() {
  const field = $("message");
  field.style.setProperty("height", "auto");
  field.style.setProperty("height", `${Math.min(field.scrollHeight, innerHeight * 0.4)}px`);
}

chat.addEventListener("runs", compose);
$("message").addEventListener("input", () => {
  fit();
  compose();
});
$("message").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || touch.matches) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("message").value.trim();
  if (!text || !chat.key) return;
  $("message").value = "";
  fit();
  chat.send(text);
  compose();
  $("message").focus();
});
$("stop").addEventListener("click", () => chat.stop());
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (document.body.dataset.drawer) drawers(null);
  else if (chat.running) chat.stop();
});

$("log").addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      copy.textContent = "Copied";
    } catch {
      // Without https a browser forbids it: the text is marked to be copied by hand.
      getSelection().selectAllChildren(copy.closest(".code").querySelector("pre"));
      copy.textContent = "Marked";
    }
    setTimeout(() => {
      copy.textContent = "Copy";
    }, 1500);
  }
  const say = event.target.closest("[data-say]");
  if (say) chat.send(say.dataset.say);
});

// === panels ===

function drawers(name) {
  if (name) document.body.dataset.drawer = name;
  else delete document.body.dataset.drawer;
  $("scrim").hidden = !name;
  const treeDrawer = matchMedia("(max-width: 1180px)").matches;
  if (treeDrawer) showTree(name === "tree", false);
  $("side").inert = narrow.matches && name !== "side";
}

function showTree(visible, keep = true) {
  $("tree").hidden = !visible;
  $("app").classList.toggle("with-tree", visible);
  $("tree-toggle").setAttribute("aria-expanded", String(visible));
  tree.show(visible);
  if (keep) remember(TREE, visible ? "open" : null);
}

function toggleTree(visible) {
  if (matchMedia("(max-width: 1180px)").matches) drawers(visible ? "tree" : null);
  else showTree(visible);
}

$("tree-toggle").addEventListener("click", () => toggleTree($("tree").hidden));
$("tree-close").addEventListener("click", () => {
  toggleTree(false);
  $("tree-toggle").focus();
});
$("side-open").addEventListener("click", () => {
  drawers("side");
  $("side-close").focus();
});
$("side-close").addEventListener("click", () => {
  drawers(null);
  $("side-open").focus();
});
$("scrim").addEventListener("click", () => drawers(null));
narrow.addEventListener("change", () => drawers(null));

/** Asks; with an empty `yes` it only says. */
function confirm({ title, text, yes }) {
  const dialog = $("confirm");
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = yes;
  $("confirm-yes").hidden = !yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

async function showCrash(id) {
  let crash;
  try {
    const answer = await gateway.call("supervisor.crash", { id });
    crash = answer.crash ?? answer.crashes?.[0] ?? answer;
  } catch (error) {
    crash = { message: error.message };
  }
  const facts = [
    ["what", crash.message],
    ["actor", crash.path],
    ["handling", crash.mail],
    ["where", crash.location],
    ["when", crash.atMs ? new Date(crash.atMs).toLocaleString() : ""],
  ].filter(([, value]) => value);
  $("crash-title").textContent = `Crash ${id}`;
  $("crash-facts").replaceChildren(
    ...facts.flatMap(([term, value]) => {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = value;
      return [dt, dd];
    }),
  );
  $("crash-trace").textContent = crash.backtrace ?? "";
  $("crash-trace").hidden = !crash.backtrace;
  $("crash").showModal();
}

// === begin ===

drawers(null);
if (recall(TREE) === "open" && !matchMedia("(max-width: 1180px)").matches) showTree(true);
begin();
