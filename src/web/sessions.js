// The list of conversations: their names, what is new in them, and which one is open.

import { icon, make } from "./dom.js";
import { uuid } from "./gateway.js";

const SETTLE_MS = 300;

function ago(ms) {
  const past = Date.now() - ms;
  if (past < 60_000) return "now";
  const format = new Intl.RelativeTimeFormat(undefined, { style: "narrow", numeric: "auto" });
  if (past < 3_600_000) return format.format(-Math.floor(past / 60_000), "minute");
  if (past < 86_400_000) return format.format(-Math.floor(past / 3_600_000), "hour");
  return format.format(-Math.floor(past / 86_400_000), "day");
}

/** Events: `choose` {key}, `drawn` {name}: the name of the open conversation. */
export class Sessions extends EventTarget {
  #gateway;
  #list;
  #confirm;
  #rows = [];
  #current = null;
  #unread = new Set();
  #timer = null;
  #agent = "main";
  main = "agent:main:main";

  constructor({ gateway, list, confirm }) {
    super();
    this.#gateway = gateway;
    this.#list = list;
    this.#confirm = confirm;
  }

  /** Takes over what the gateway calls the default agent and its main conversation. */
  settle(agent, main) {
    this.#agent = agent;
    this.main = main;
  }

  /** The key of a conversation that doesn't exist yet. */
  fresh() {
    return `agent:${this.#agent}:dashboard:${uuid()}`;
  }

  select(key) {
    this.#current = key;
    this.#unread.delete(key);
    this.#draw();
  }

  /** Something was said in a conversation. */
  heard(key) {
    if (key !== this.#current) this.#unread.add(key);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), SETTLE_MS);
  }

  async refresh() {
    try {
      const answer = await this.#gateway.call("sessions.list", {
        limit: 100,
        includeDerivedTitles: true,
        includeLastMessage: true,
      });
      this.#rows = answer.sessions ?? [];
    } catch {
      // The list stays as it is until the next hello.
      return;
    }
    this.#draw();
  }

  #draw() {
    const rows = [...this.#rows];
    for (const key of [this.#current, this.main]) {
      if (key && !rows.some((row) => row.key === key)) rows.unshift({ key, updatedAt: null });
    }
    this.#list.replaceChildren(...rows.map((row) => this.#item(row)));
    const current = rows.find((row) => row.key === this.#current);
    const name = current ? this.#name(current) : "";
    this.dispatchEvent(new CustomEvent("drawn", { detail: { name } }));
  }

  #item(row) {
    const item = make("li");
    const button = make("button", "session");
    button.type = "button";
    button.dataset.key = row.key;
    if (row.key === this.#current) button.setAttribute("aria-current", "true");
    const since = row.updatedAt ? ago(row.updatedAt) : "";
    const sub = [this.#place(row), since].filter(Boolean).join(" · ") || "empty";
    button.append(make("span", "session-name", this.#name(row)), make("span", "session-sub", sub));
    if (this.#unread.has(row.key)) {
      const dot = make("span", "unread");
      dot.setAttribute("role", "img");
      dot.setAttribute("aria-label", "new messages");
      button.append(dot);
    }
    button.addEventListener("click", () => this.#choose(row.key));
    item.append(button);
    if (row.key !== this.main && row.updatedAt) {
      const remove = make("button", "icon-button remove");
      remove.type = "button";
      remove.setAttribute("aria-label", `Delete ${this.#name(row)}`);
      remove.append(icon("trash"));
      remove.addEventListener("click", () => this.#remove(row));
      item.append(remove);
    }
    return item;
  }

  #name(row) {
    if (row.label) return row.label;
    // It goes on for ever: what it began with says nothing.
    if (row.key === this.main) return "Main conversation";
    const title = row.derivedTitle || row.displayName || row.subject;
    if (title) return title;
    const rest = row.key.split(":").slice(2);
    if (rest[0] === "dashboard") return "New conversation";
    if (rest.length > 1) return `${rest[0]} ${rest.at(-1)}`;
    return rest.join(":") || row.key;
  }

  #place(row) {
    const agent = row.key.split(":")[1];
    const channel = row.channel ?? row.lastChannel ?? "";
    const parts = [agent !== this.#agent ? agent : "", channel === "webchat" ? "" : channel];
    return parts.filter(Boolean).join(" · ");
  }

  #choose(key) {
    this.dispatchEvent(new CustomEvent("choose", { detail: { key } }));
  }

  async #remove(row) {
    const sure = await this.#confirm({
      title: "Delete this conversation?",
      text: `“${this.#name(row)}” disappears from the list; its file is kept beside the others as deleted.`,
      yes: "Delete",
    });
    if (!sure) return;
    try {
      await this.#gateway.call("sessions.delete", { key: row.key });
      this.#rows = this.#rows.filter((other) => other.key !== row.key);
      if (this.#current === row.key) this.#choose(this.main);
    } catch (error) {
      await this.#confirm({ title: "It can't be deleted", text: error.message, yes: "" });
    }
    this.refresh();
  }
}
