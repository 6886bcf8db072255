// A page in Chromium of which everything is kept: the console, the banners, each frame of each socket, each request.

import { chromium } from "../page/node_modules/playwright-core/index.mjs";

// A machine that has everything to do takes its time to show a page; one that is idle waits for nothing here.
export const WITHIN = 30_000;

/** Opens a page. What goes wrong on it is added to `problems`. */
export async function open() {
  const browser = await chromium.launch({
    executablePath: process.env.OPENCLAW_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(WITHIN);
  const seen = { problems: [], requests: [], called: [], answers: [], events: [], open: () => [] };
  page.on("pageerror", (error) => seen.problems.push(`error on the page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") seen.problems.push(`console: ${message.text()} ${message.location().url ?? ""}`);
  });
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("response", (response) => {
    if (response.status() >= 400) seen.problems.push(`${response.status()} ${response.url()}`);
  });
  await record(await context.newCDPSession(page), seen);
  return { browser, page, seen };
}

/** Keeps the frames of every socket, as the browser's own debugger tells them. */
async function record(session, seen) {
  const asked = new Map();
  seen.open = () => [...asked.values()].map((frame) => frame.method);
  await session.send("Network.enable");
  session.on("Network.webSocketCreated", ({ url }) => {
    // What a page asked before it was left gets no answer any more.
    asked.clear();
    seen.requests.push(url);
  });
  session.on("Network.webSocketFrameSent", ({ requestId, response }) => {
    const frame = JSON.parse(response.payloadData);
    asked.set(`${requestId}/${frame.id}`, frame);
    seen.called.push(frame);
  });
  session.on("Network.webSocketFrameReceived", ({ requestId, response }) => {
    const frame = JSON.parse(response.payloadData);
    if (frame.type === "event") seen.events.push(frame);
    if (frame.type !== "res") return;
    const { method, params } = asked.get(`${requestId}/${frame.id}`) ?? {};
    asked.delete(`${requestId}/${frame.id}`);
    seen.answers.push({ method, params, ok: frame.ok, payload: frame.payload, error: frame.error });
  });
}

/** What the page tells its reader in red. */
export const banners = (page, selector) =>
  page.evaluate((selector) => {
    const found = [];
    const look = (root) => {
      for (const element of root.querySelectorAll("*")) {
        if (element.matches(selector) && element.checkVisibility()) found.push(element.textContent.trim());
        if (element.shadowRoot) look(element.shadowRoot);
      }
    };
    look(document);
    return found;
  }, selector);
