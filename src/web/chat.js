// One conversation on the screen: its history, the answers that are coming, and what was sent but not yet acknowledged.

import { icon, make } from "./dom.js";
import { uuid } from "./gateway.js";
import { render } from "./markdown.js";

const HISTORY = 200;
/** The time stamp that the gateway puts before a person's words, for the model. */
const STAMP = /^\[\w{3} \d{4}-\d\d-\d\d \d\d:\d\d [^\]\n]+\]\s/;
/** This close to the end, in pixels, the view follows what is added. */
const NEAR_END = 48;

/** The text of a message, whichever way it is written. */
export function textOf(message) {
  const content = message?.content;
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .filter((part) => part.type === "text")
    .map((part) => part.text)
    .join("\n\n");
}

function when(ms) {
  if (!ms) return "";
  const date = new Date(ms);
  const today = date.toDateString() === new Date().toDateString();
  const options = today
    ? { hour: "2-digit", minute: "2-digit" }
    : { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return date.toLocaleString(undefined, options);
}

/** Events: `runs` {active}, `activity`. */
export class Chat extends EventTarget {
  #gateway;
  #log;
  #frame;
  #latest;
  #key = null;
  #runs = new Map();
  #unsent = new Map();
  #stuck = true;
  #loading = 0;

  constructor({ gateway, log, frame, latest }) {
    super();
    this.#gateway = gateway;
    this.#log = log;
    this.#frame = frame;
    this.#latest = latest;
    gateway.addEventListener("chat", (event) => this.#chat(event.detail));
    gateway.addEventListener("agent", (event) => this.#agent(event.detail));
    gateway.addEventListener("hello", () => this.#resume());
    gateway.addEventListener("gap", () => this.load());
    frame.addEventListener("scroll", () => {
      this.#stuck = frame.scrollHeight - frame.scrollTop - frame.clientHeight < NEAR_END;
      latest.hidden = this.#stuck;
    });
    latest.addEventListener("click", () => this.#toEnd(true));
    new ResizeObserver(() => this.#toEnd()).observe(log);
  }

  get key() {
    return this.#key;
  }

  get running() {
    return [...this.#runs.values()].some((run) => run.key === this.#key && !run.over);
  }

  /** Turns to a conversation. */
  async open(key) {
    this.#key = key;
    this.#stuck = true;
    this.#log.replaceChildren();
    this.#announce();
    await this.load();
  }

  /** Reads the history again; answers that are coming stay. */
  async load() {
    const key = this.#key;
    if (!key || this.#gateway.state !== "online") return;
    const turn = ++this.#loading;
    let history;
    try {
      history = await this.#gateway.call("chat.history", { sessionKey: key, limit: HISTORY });
    } catch (error) {
      if (turn === this.#loading && !this.#log.childElementCount) this.#problem(`The history can't be read: ${error.message}`);
      return;
    }
    if (turn !== this.#loading || key !== this.#key) return;
    for (const [id, run] of this.#runs) if (run.over) this.#runs.delete(id);
    const nodes = this.#history(history.messages ?? []);
    const live = [...this.#runs.values()].filter((run) => run.key === key);
    const flight = history.inFlightRun;
    if (flight?.runId && !this.#runs.has(flight.runId)) {
      live.push(this.#run(flight.runId, key));
      this.#draw(this.#runs.get(flight.runId), flight.text ?? "");
    }
    const shown = new Set((history.messages ?? []).filter((m) => m.role === "user").map((m) => bare(textOf(m))));
    for (const run of live) {
      // What was sent is in the history as soon as its turn began.
      if (run.question && !shown.has(run.text.trim())) nodes.push(run.question);
      nodes.push(run.node);
    }
    this.#log.replaceChildren(...(nodes.length ? nodes : [this.#welcome()]));
    this.#announce();
    this.#toEnd();
  }

  /** Sends a message; it is sent again with the same key until the gateway has it. */
  send(text) {
    const runId = uuid();
    const key = this.#key;
    this.#log.querySelector(".welcome")?.remove();
    const run = this.#run(runId, key);
    run.text = text;
    run.question = this.#question(text, Date.now());
    run.question.classList.add("pending");
    this.#log.append(run.question, run.node);
    this.#unsent.set(runId, { sessionKey: key, message: text, idempotencyKey: runId, deliver: false });
    this.#stuck = true;
    this.#toEnd(true);
    this.#announce();
    this.#deliver(runId);
  }

  async stop() {
    const waiting = [...this.#runs.entries()].filter(([, run]) => run.key === this.#key && !run.over);
    for (const [id, run] of waiting) {
      if (this.#unsent.delete(id)) this.#end(run, "aborted");
    }
    try {
      await this.#gateway.call("chat.abort", { sessionKey: this.#key });
    } catch (error) {
      this.#problem(`It can't be stopped: ${error.message}`);
    }
  }

  async #deliver(runId) {
    const params = this.#unsent.get(runId);
    if (!params || this.#gateway.state !== "online") return;
    const run = this.#runs.get(runId);
    try {
      const answer = await this.#gateway.call("chat.send", params, 30_000);
      this.#unsent.delete(runId);
      run?.question?.classList.remove("pending");
      if (answer.status === "ok" || answer.aborted) {
        // It was finished before, or it was a word that stops.
        this.#end(run);
        this.load();
      }
    } catch (error) {
      if (!this.#unsent.has(runId)) return;
      if (error.name === "Error" && !error.code) return; // The connection broke: it is sent again with the next hello.
      this.#unsent.delete(runId);
      run?.question?.classList.replace("pending", "failed");
      if (run) this.#end(run, "error", error.message);
    }
  }

  #resume() {
    for (const runId of this.#unsent.keys()) this.#deliver(runId);
    if (this.#key) this.load();
  }

  #chat(event) {
    this.dispatchEvent(new CustomEvent("activity", { detail: event }));
    if (event.sessionKey !== this.#key) {
      const run = this.#runs.get(event.runId);
      if (run && event.state !== "delta") run.over = true;
      return;
    }
    const known = this.#runs.get(event.runId);
    if (known?.over) return;
    const run = known ?? this.#run(event.runId, this.#key);
    if (!run.node.isConnected) {
      this.#log.querySelector(".welcome")?.remove();
      this.#log.append(run.node);
      this.#announce();
    }
    const text = textOf(event.message);
    switch (event.state) {
      case "delta":
        run.question?.classList.remove("pending");
        this.#later(run, text);
        return;
      case "final":
        if (text) this.#draw(run, text, event.message);
        else if (!run.body.childElementCount) run.node.remove();
        this.#end(run);
        break;
      case "aborted":
        if (text) this.#draw(run, text, event.message);
        this.#end(run, "aborted");
        break;
      case "error":
        this.#end(run, "error", event.errorMessage ?? "The answer failed.");
        break;
      default:
        return;
    }
    // A run of another client: its question is only in the history.
    if (!run.question) this.load();
  }

  #agent(event) {
    const run = this.#runs.get(event.runId);
    if (!run || run.over || event.stream !== "tool") return;
    const { phase, name, toolCallId, isError } = event.data ?? {};
    if (phase === "start") {
      const chip = this.#chip(name, event.data.args);
      chip.dataset.call = toolCallId;
      chip.classList.add("running");
      run.tools.append(chip);
      run.tools.hidden = false;
    } else if (phase === "result") {
      const chip = [...run.tools.children].find((node) => node.dataset.call === toolCallId);
      chip?.classList.remove("running");
      if (chip && isError) chip.classList.add("failed");
    }
  }

  #run(id, key) {
    const node = make("article", "message assistant waiting");
    node.setAttribute("aria-busy", "true");
    const tools = make("div", "tools");
    tools.hidden = true;
    const body = make("div", "body");
    const foot = make("p", "foot");
    node.append(tools, body, foot);
    const run = { id, key, node, tools, body, foot, text: "", over: false, question: null, frame: 0, next: "" };
    node.dataset.run = id;
    this.#runs.set(id, run);
    return run;
  }

  /** Draws at the screen's pace, however fast the text comes. */
  #later(run, text) {
    run.next = text;
    if (run.frame) return;
    run.frame = requestAnimationFrame(() => {
      run.frame = 0;
      if (!run.over) this.#draw(run, run.next);
    });
  }

  #draw(run, text, message) {
    run.node.classList.remove("waiting");
    run.body.replaceChildren(render(text));
    if (message) run.foot.textContent = footnote(message);
    this.#toEnd();
  }

  #end(run, state = "done", reason = "") {
    if (!run || run.over) return;
    run.over = true;
    cancelAnimationFrame(run.frame);
    if (run.next && !run.body.childElementCount) this.#draw(run, run.next);
    run.node.classList.remove("waiting");
    run.node.classList.add(state);
    for (const chip of run.tools.children) chip.classList.remove("running");
    if (state === "aborted") run.foot.textContent = "Stopped";
    if (state === "error") run.node.append(make("p", "problem", reason));
    run.node.setAttribute("aria-busy", "false");
    run.question?.classList.remove("pending");
    this.#announce();
    this.#toEnd();
  }

  #history(messages) {
    const nodes = [];
    const chips = new Map();
    for (const message of messages) {
      const text = textOf(message);
      if (message.role === "user") {
        nodes.push(this.#question(bare(text), message.timestamp));
      } else if (message.role === "assistant") {
        const node = make("article", "message assistant done");
        const tools = make("div", "tools");
        for (const part of Array.isArray(message.content) ? message.content : []) {
          if (part.type === "toolCall") {
            const chip = this.#chip(part.name, part.arguments);
            chips.set(part.id, chip);
            tools.append(chip);
          }
        }
        if (tools.childElementCount) node.append(tools);
        if (text) {
          const body = make("div", "body");
          body.append(render(text));
          node.append(body, make("p", "foot", footnote(message)));
        }
        if (message.stopReason === "error") node.append(make("p", "problem", message.errorMessage ?? "The answer failed."));
        if (message.stopReason === "aborted") node.append(make("p", "foot", "Stopped"));
        if (node.childElementCount) nodes.push(node);
      } else if (message.role === "toolResult") {
        const chip = chips.get(message.toolCallId);
        if (!chip) continue;
        if (message.isError) chip.classList.add("failed");
        if (text) chip.append(make("pre", "", text.length > 4000 ? `${text.slice(0, 4000)}…` : text));
      }
    }
    return nodes;
  }

  #question(text, timestamp) {
    const node = make("article", "message user");
    const body = make("div", "body");
    body.append(render(text));
    node.append(make("span", "hidden", "You:"), body);
    if (timestamp) node.title = when(timestamp);
    return node;
  }

  #chip(name, args) {
    const details = make("details", "tool");
    const summary = make("summary");
    summary.append(icon("tool"), make("span", "", name ?? "tool"));
    details.append(summary);
    if (args && Object.keys(args).length) details.append(make("pre", "", JSON.stringify(args, null, 2)));
    return details;
  }

  #welcome() {
    const node = make("div", "welcome");
    const img = make("img");
    img.src = "icon.svg";
    img.alt = "";
    node.append(img, make("h2", "", "What is on your mind?"));
    const hints = make("div", "hints");
    for (const hint of ["What can you do?", "How is the gateway?", "Remember that the boiler is serviced in May"]) {
      const button = make("button", "hint", hint);
      button.type = "button";
      button.dataset.say = hint;
      hints.append(button);
    }
    node.append(hints);
    return node;
  }

  #problem(text) {
    const node = make("p", "problem", text);
    node.setAttribute("role", "alert");
    this.#log.append(node);
    this.#toEnd();
  }

  #toEnd(always = false) {
    if (always || this.#stuck) this.#frame.scrollTop = this.#frame.scrollHeight;
  }

  #announce() {
    this.dispatchEvent(new CustomEvent("runs", { detail: { active: this.running } }));
  }
}

function bare(text) {
  return text.replace(STAMP, "").trim();
}

function footnote(message) {
  const model = message.provider && message.model ? `${message.provider}/${message.model}` : "";
  return [model, when(message.timestamp)].filter(Boolean).join(" · ");
}
