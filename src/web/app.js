// The page: who is connected, which conversation is open, what is shown where.

import { Chat } from "./chat.js";
import { Gateway, uuid } from "./gateway.js";
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

let defaults = { agent: "main", main: "agent:main:main" };
let sessions = [];
const unread = new Set();

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
  if (given) defaults = { agent: given.defaultAgentId, main: given.mainSessionKey };
  if (!chat.key) choose(recall(SESSION) ?? defaults.main);
  listSessions();
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

function nameOf(row) {
  const title = row.label || row.derivedTitle || row.displayName || row.subject;
  if (title) return title;
  const rest = row.key.split(":").slice(2);
  if (row.key === defaults.main) return "Main conversation";
  if (rest[0] === "dashboard" || rest[0] === "web") return "New conversation";
  if (rest.length > 1) return `${rest[0]} ${rest.at(-1)}`;
  return rest.join(":") || row.key;
}

function placeOf(row) {
  const agent = row.key.split(":")[1];
  const channel = row.channel ?? row.lastChannel ?? "";
  return [agent !== defaults.agent ? agent : "", channel === "webchat" ? "" : channel].filter(Boolean).join(" · ");
}

async function listSessions() {
  try {
    const answer = await gateway.call("sessions.list", {
      limit: 100,
      includeDerivedTitles: true,
      includeLastMessage: true,
    });
    sessions = answer.sessions ?? [];
  } catch {
    return;
  }
  drawSessions();
}

function drawSessions() {
  const rows = [...sessions];
  for (const key of [chat.key, defaults.main]) {
    if (key && !rows.some((row) => row.key === key)) rows.unshift({ key, updatedAt: null });
  }
  $("sessions").replaceChildren(
    ...rows.map((row) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "session";
      button.dataset.key = row.key;
      if (row.key === chat.key) button.setAttribute("aria-current", "true");
      const name = document.createElement("span");
      name.className = "session-name";
      name.textContent = nameOf(row);
      const sub = document.createElement("span");
      sub.className = "session-sub";
      const place = placeOf(row);
      const since = row.updatedAt ? ago(row.updatedAt) : "";
      sub.textContent = [place, since].filter(Boolean).join(" · ") || "empty";
      button.append(name, sub);
      if (unread.has(row.key)) {
        const dot = document.createElement("span");
        dot.className = "unread";
        dot.setAttribute("aria-label", "new messages");
        button.append(dot);
      }
      button.addEventListener("click", () => choose(row.key));
      item.append(button);
      if (row.key !== defaults.main && row.updatedAt) {
        const remove = document.createElement("button");
        remove.type = "button";
        remove.className = "icon-button remove";
        remove.setAttribute("aria-label", `Delete ${nameOf(row)}`);
        remove.append(useIcon("trash"));
        remove.addEventListener("click", () => removeSession(row));
        item.append(remove);
      }
      return item;
    }),
  );
  const current = rows.find((row) => row.key === chat.key);
  $("title").textContent = current ? nameOf(current) : "OpenClaw";
  document.title = current ? `${nameOf(current)} · OpenClaw` : "OpenClaw";
}

function useIcon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

function ago(ms) {
  const past = Date.now() - ms;
  if (past < 60_000) return "now";
  const format = new Intl.RelativeTimeFormat(undefined, { style: "narrow", numeric: "auto" });
  if (past < 3_600_000) return format.format(-Math.floor(past / 60_000), "minute");
  if (past < 86_400_000) return format.format(-Math.floor(past / 3_600_000), "hour");
  return format.format(-Math.floor(past / 86_400_000), "day");
}

async function choose(key) {
  remember(SESSION, key);
  unread.delete(key);
  drawers(null);
  const opening = chat.open(key);
  drawSessions();
  await opening;
  if (!touch.matches) $("message").focus();
}

async function removeSession(row) {
  const sure = await confirm({
    title: "Delete this conversation?",
    text: `“${nameOf(row)}” disappears from the list; its file is kept beside the others as deleted.`,
    yes: "Delete",
  });
  if (!sure) return;
  try {
    await gateway.call("sessions.delete", { key: row.key });
    sessions = sessions.filter((other) => other.key !== row.key);
    if (chat.key === row.key) choose(defaults.main);
  } catch (error) {
    await confirm({ title: "It can't be deleted", text: error.message, yes: "" });
  }
  listSessions();
}

$("new-session").addEventListener("click", () => choose(`agent:${defaults.agent}:dashboard:${uuid()}`));

let listing = null;
chat.addEventListener("activity", ({ detail }) => {
  if (detail.state === "delta") return;
  if (detail.sessionKey !== chat.key) unread.add(detail.sessionKey);
  clearTimeout(listing);
  listing = setTimeout(listSessions, 300);
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
