// The gateway's WebSocket protocol, as far as the page needs it: connect, ask, listen, come back.

const SCOPES = ["operator.admin", "operator.read", "operator.write"];
const FIRST_RETRY_MS = 800;
const LAST_RETRY_MS = 15_000;

/** A request the gateway answered with "no". */
export class Refused extends Error {
  constructor(error) {
    super(error?.message ?? "the gateway refused");
    this.code = error?.code ?? "";
    this.detail = error?.details?.code ?? "";
    this.retryAfterMs = error?.retryAfterMs;
  }
}

/** Random and unique; `crypto.randomUUID` only exists on https and localhost. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/**
 * One connection that comes back by itself.
 * Events: `state` {state, retryAt?, reason?}, `hello` {hello}, `refused` {error}, `gap`, and each gateway event by its name.
 */
export class Gateway extends EventTarget {
  #socket = null;
  #pending = new Map();
  #next = 1;
  #failures = 0;
  #retry = null;
  #watchdog = null;
  #lastSeen = 0;
  #lastSeq = null;
  #auth = {};
  #instance = uuid();
  state = "idle";

  /** The only address the page ever talks to: the one that served it. */
  get url() {
    const url = new URL("./", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = "";
    url.hash = "";
    return url.href;
  }

  /** Connects with these credentials, `{token}` or `{password}` or nothing. */
  open(auth) {
    this.#auth = auth ?? {};
    this.#failures = 0;
    this.#dial();
  }

  close() {
    clearTimeout(this.#retry);
    clearInterval(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#abandon("closed");
  }

  /** Tries again now instead of later. */
  hurry() {
    if (this.state === "offline") this.#dial();
  }

  /** Asks; fails when the answer is no, or none comes. */
  call(method, params = {}, timeoutMs = 15_000) {
    if (this.state !== "online" && method !== "connect") {
      return Promise.reject(new Error("not connected"));
    }
    const id = String(this.#next++);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new Error(`no answer to ${method}`));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  #dial() {
    this.close();
    this.#set("connecting");
    let socket;
    try {
      socket = new WebSocket(this.url);
    } catch (error) {
      this.#later(error.message);
      return;
    }
    this.#socket = socket;
    this.#lastSeq = null;
    socket.onmessage = (message) => {
      if (socket === this.#socket) this.#receive(message.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      clearInterval(this.#watchdog);
      this.#abandon("connection lost");
      if (this.state !== "refused") this.#later(event.reason);
    };
  }

  async #introduce() {
    try {
      const hello = await this.call("connect", {
        minProtocol: 3,
        maxProtocol: 4,
        client: {
          id: "webchat-ui",
          displayName: "OpenClaw page",
          version: "page",
          platform: navigator.platform || "web",
          mode: "webchat",
          instanceId: this.#instance,
        },
        role: "operator",
        scopes: SCOPES,
        caps: ["tool-events"],
        auth: this.#auth,
        locale: navigator.language,
        userAgent: navigator.userAgent,
      });
      this.#failures = 0;
      const tick = hello.policy?.tickIntervalMs ?? 30_000;
      this.#watchdog = setInterval(() => {
        if (Date.now() - this.#lastSeen > 2 * tick) this.#socket?.close(4000, "tick timeout");
      }, 5_000);
      this.#set("online");
      this.#emit("hello", { hello });
    } catch (error) {
      if (error instanceof Refused && error.code !== "UNAVAILABLE") {
        this.#set("refused", { reason: error.message });
        this.#emit("refused", { error });
      }
      this.#socket?.close(4008, "connect failed");
    }
  }

  #receive(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    this.#lastSeen = Date.now();
    if (frame.type === "res") {
      const asked = this.#pending.get(frame.id);
      if (!asked) return;
      this.#pending.delete(frame.id);
      clearTimeout(asked.timer);
      if (frame.ok) asked.resolve(frame.payload ?? {});
      else asked.reject(new Refused(frame.error));
      return;
    }
    if (frame.type !== "event") return;
    if (frame.event === "connect.challenge") {
      this.#introduce();
      return;
    }
    if (Number.isInteger(frame.seq)) {
      if (this.#lastSeq !== null && frame.seq > this.#lastSeq + 1) this.#emit("gap", {});
      this.#lastSeq = frame.seq;
    }
    this.#emit(frame.event, frame.payload ?? {});
  }

  #later(reason) {
    const ceiling = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    const delay = ceiling / 2 + (Math.random() * ceiling) / 2;
    this.#failures += 1;
    this.#set("offline", { retryAt: Date.now() + delay, reason });
    this.#retry = setTimeout(() => this.#dial(), delay);
  }

  #abandon(reason) {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new Error(reason));
    }
    this.#pending.clear();
  }

  #set(state, detail = {}) {
    this.state = state;
    this.#emit("state", { state, ...detail });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
