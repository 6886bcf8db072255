// The live supervision tree: who runs, who was restarted, who is parked, and a hand on each.

const WORDS = {
  running: "running",
  degraded: "degraded",
  connecting: "connecting",
  starting: "starting",
  stopping: "stopping",
  backoff: "restarting",
  parked: "parked",
  stopped: "stopped",
  absent: "gone",
};
const REFRESH_MS = 2_000;
const SETTLE_MS = 120;

/** "3d 4h", "2m 13s", "4 s". */
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86_400)}d ${Math.floor((s % 86_400) / 3600)}h`;
}

/** What a node comes down to: its state, or its health while it runs. */
function condition(node) {
  const health = node.health ?? "ok";
  return node.state === "running" && health !== "ok" ? health : (node.state ?? "absent");
}

export class Tree {
  #gateway;
  #list;
  #summary;
  #alarm;
  #rows = new Map();
  #open = new Set();
  #timer = null;
  #pending = false;
  #showCrash;
  #confirm;
  visible = false;

  constructor({ gateway, list, summary, alarm, showCrash, confirm }) {
    this.#gateway = gateway;
    this.#list = list;
    this.#summary = summary;
    this.#alarm = alarm;
    this.#showCrash = showCrash;
    this.#confirm = confirm;
    gateway.addEventListener("hello", () => this.#begin());
    gateway.addEventListener("supervisor", (event) => {
      this.#flash(event.detail.path);
      this.#soon();
    });
    setInterval(() => {
      if (this.visible && document.visibilityState === "visible") this.refresh();
    }, REFRESH_MS);
  }

  show(visible) {
    this.visible = visible;
    if (visible) this.refresh();
  }

  async #begin() {
    try {
      await this.#gateway.call("supervisor.watch");
    } catch {
      // Without the right to watch there is still the tree of every two seconds.
    }
    this.refresh();
  }

  #soon() {
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.refresh();
    }, SETTLE_MS);
  }

  async refresh() {
    if (this.#pending || this.#gateway.state !== "online") return;
    this.#pending = true;
    try {
      const answer = await this.#gateway.call("supervisor.tree");
      this.#draw(answer.tree ?? answer);
    } catch (error) {
      this.#summary.textContent = error.message;
    } finally {
      this.#pending = false;
    }
  }

  #draw(root) {
    const counts = { all: 0, troubled: 0, restarts: 0 };
    const seen = new Set();
    const nodes = Array.isArray(root) ? root : [root];
    this.#children(nodes, this.#list, 0, counts, seen);
    for (const [path, row] of this.#rows) {
      if (!seen.has(path)) {
        row.item.remove();
        this.#rows.delete(path);
        this.#open.delete(path);
      }
    }
    const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
    const parts = [plural(counts.all, "actor"), plural(counts.restarts, "restart")];
    if (counts.troubled) parts.push(`${counts.troubled} in trouble`);
    const text = parts.join(" · ");
    if (this.#summary.textContent !== text) this.#summary.textContent = text;
    this.#alarm.hidden = counts.troubled === 0;
  }

  #children(nodes, list, depth, counts, seen) {
    let before = list.firstElementChild;
    for (const node of nodes) {
      const path = node.path ?? node.name;
      seen.add(path);
      counts.all += 1;
      counts.restarts += node.restarts ?? 0;
      if (["parked", "backoff", "degraded"].includes(condition(node))) counts.troubled += 1;
      let row = this.#rows.get(path);
      if (!row) {
        row = this.#make(path);
        this.#rows.set(path, row);
      }
      if (row.item === before) before = before.nextElementSibling;
      else list.insertBefore(row.item, before);
      this.#update(row, node, depth);
      this.#children(node.children ?? [], row.list, depth + 1, counts, seen);
      row.list.hidden = !node.children?.length;
    }
  }

  #make(path) {
    const make = (tag, className) => {
      const node = document.createElement(tag);
      node.className = className;
      return node;
    };
    const item = make("li", "actor");
    const head = make("button", "actor-head");
    head.type = "button";
    head.setAttribute("aria-expanded", "false");
    const row = {
      item,
      head,
      dot: make("span", "actor-dot"),
      name: make("span", "actor-name"),
      badges: make("span", "actor-badges"),
      note: make("span", "actor-note"),
      detail: make("div", "actor-detail"),
      list: make("ul", "tree-list"),
      node: null,
    };
    row.dot.setAttribute("aria-hidden", "true");
    row.detail.hidden = true;
    head.append(row.dot, row.name, row.badges, row.note);
    head.addEventListener("click", () => {
      if (this.#open.has(path)) this.#open.delete(path);
      else this.#open.add(path);
      this.#fill(row, path);
    });
    item.append(head, row.detail, row.list);
    return row;
  }

  #update(row, node, depth) {
    row.node = node;
    const now = Date.now();
    const state = condition(node);
    row.item.dataset.state = state;
    row.item.style.setProperty("--depth", depth);
    const name = node.name ?? node.path;
    if (row.name.textContent !== name) row.name.textContent = name;
    const badges = [];
    if (state !== "running") badges.push([WORDS[state] ?? state, "state"]);
    if (node.restarts) badges.push([`↻ ${node.restarts}`, "restarts"]);
    if (node.queued) badges.push([`${node.queued} queued`, "queue"]);
    if (node.busyMs > 1000) badges.push([`in ${node.current ?? "a handler"} for ${span(node.busyMs)}`, "busy"]);
    const age = node.isTask && node.startedAtMs ? now - node.startedAtMs : 0;
    if (age > 1000) badges.push([`for ${span(age)}`, "busy"]);
    if (node.untilMs > now) badges.push([`next try ${span(node.untilMs - now)}`, "until"]);
    const key = JSON.stringify(badges);
    if (row.badges.dataset.key !== key) {
      row.badges.dataset.key = key;
      row.badges.replaceChildren(
        ...badges.map(([text, kind]) => {
          const badge = document.createElement("span");
          badge.className = `badge ${kind}`;
          badge.textContent = text;
          return badge;
        }),
      );
    }
    const note = node.note ?? "";
    if (row.note.textContent !== note) row.note.textContent = note;
    row.note.hidden = !note;
    this.#fill(row, node.path ?? node.name);
  }

  #fill(row, path) {
    const open = this.#open.has(path);
    row.head.setAttribute("aria-expanded", String(open));
    row.detail.hidden = !open;
    if (!open || !row.node) return;
    const node = row.node;
    const facts = [
      ["path", path],
      ["kind", node.kind],
      ["state", WORDS[condition(node)] ?? condition(node)],
      ["up", node.startedAtMs && node.state === "running" ? span(Date.now() - node.startedAtMs) : ""],
      ["handled", node.handled],
      ["queue", node.capacity ? `${node.queued ?? 0} of ${node.capacity}` : ""],
      ["handling", node.current],
      ["for", node.busyMs ? span(node.busyMs) : ""],
      ["restarts", node.restarts || ""],
      ["next try", node.untilMs > Date.now() ? `in ${span(node.untilMs - Date.now())}` : ""],
      ["last end", node.lastExit],
      ["crashed at", node.crashAt],
      ["crash said", node.crashSaid],
      ["crashed in", node.crashIn],
      ["note", node.note?.length > 80 ? node.note : ""],
    ].filter(([, value]) => value !== undefined && value !== null && value !== "");
    if (!row.detail.firstChild) {
      const dl = document.createElement("dl");
      const actions = document.createElement("div");
      actions.className = "actions";
      row.detail.append(dl, actions);
    }
    const [dl, actions] = row.detail.children;
    dl.replaceChildren(
      ...facts.flatMap(([term, value]) => {
        const dt = document.createElement("dt");
        const dd = document.createElement("dd");
        dt.textContent = term;
        dd.textContent = String(value);
        return [dt, dd];
      }),
    );
    const orders = path.includes("/") || path !== "gateway" ? this.#orders(node) : [];
    const key = orders.map(([label]) => label).join();
    if (actions.dataset.key !== key) {
      actions.dataset.key = key;
      actions.replaceChildren(
        ...orders.map(([label, act]) => {
          const button = document.createElement("button");
          button.type = "button";
          button.className = "quiet small";
          button.textContent = label;
          button.addEventListener("click", () => act(row.node, button));
          return button;
        }),
      );
    }
  }

  #orders(node) {
    const orders = [];
    if (node.crash) orders.push(["Show the crash", (now) => this.#showCrash(now.crash)]);
    const order = (verb) => async (now, button) => {
      const path = now.path ?? now.name;
      const sure = await this.#confirm({
        title: `${verb[0].toUpperCase()}${verb.slice(1)} ${path}?`,
        text: "What it was doing is on disk and is taken up again.",
        yes: verb[0].toUpperCase() + verb.slice(1),
      });
      if (!sure) return;
      button.disabled = true;
      try {
        await this.#gateway.call(`supervisor.${verb}`, { path });
      } catch (error) {
        this.#summary.textContent = error.message;
      }
      button.disabled = false;
      this.refresh();
    };
    if (node.state === "parked") orders.push(["Try again now", order("unpark")]);
    else orders.push(["Restart", order("restart")]);
    return orders;
  }

  #flash(path) {
    const row = this.#rows.get(path);
    if (!row) return;
    row.item.classList.remove("flash");
    void row.item.offsetWidth;
    row.item.classList.add("flash");
  }
}
