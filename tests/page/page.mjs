// The page as a person uses it, in Chromium: the token, a message, its streamed answer, stop, the history after a
// reload, a second conversation, the supervision tree, a phone. OPENCLAW_URL and OPENCLAW_TOKEN say which gateway.
// A failure leaves failure.png (or OPENCLAW_SCREENSHOT) and ends with 1.

import assert from "node:assert/strict";

import { chromium } from "playwright-core";

const url = process.env.OPENCLAW_URL;
const token = process.env.OPENCLAW_TOKEN;
if (!url || !token) {
  console.error("page.mjs: OPENCLAW_URL and OPENCLAW_TOKEN are needed");
  process.exit(64);
}
const WITHIN = 15_000;

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
const problems = [];
const requests = [];
/** Pieces of answers that came over the socket. */
let deltas = 0;

async function visit(options) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WITHIN);
  page.on("pageerror", (error) => problems.push(`error on the page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => requests.push(request.url()));
  page.on("websocket", (socket) => {
    requests.push(socket.url());
    socket.on("framereceived", ({ payload }) => {
      const frame = JSON.parse(String(payload));
      if (frame.event === "chat" && frame.payload.state === "delta") deltas += 1;
    });
  });
  return page;
}

const online = (page) => page.waitForSelector('#connection[data-state="online"]');
const lastAnswer = (page) => page.locator(".message.assistant").last();

async function logIn(page) {
  await page.goto(url);
  await page.waitForSelector("#login[open]");
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await online(page);
}

async function say(page, text) {
  const answers = await page.locator(".message.assistant").count();
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".message.user").filter({ hasText: text }).last().waitFor();
  await page.waitForFunction((n) => document.querySelectorAll(".message.assistant").length > n, answers);
}

const steps = {
  async "a wrong token is refused with words"(page) {
    await page.goto(url);
    await page.waitForSelector("#login[open]");
    await page.getByLabel("Token", { exact: true }).fill("not-the-token-at-all");
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await page.waitForSelector("#login-problem:not([hidden])");
    assert.equal(await page.evaluate(() => localStorage.getItem("openclaw.secret")), null);
  },

  async "the token opens it"(page) {
    await logIn(page);
    assert.equal(await page.locator("#login").isVisible(), false);
  },

  async "a message gets an answer that grows"(page) {
    // Watch the lengths of the answer while it comes.
    await page.evaluate(() => {
      globalThis.lengths = [];
      new MutationObserver(() => {
        const text = [...document.querySelectorAll(".message.assistant .body")].at(-1)?.textContent ?? "";
        if (text && globalThis.lengths.at(-1) !== text.length) globalThis.lengths.push(text.length);
      }).observe(document.getElementById("log"), { childList: true, subtree: true, characterData: true });
    });
    const since = Date.now();
    deltas = 0;
    await say(page, "What can you do?");
    await page.waitForSelector(".message.assistant[aria-busy=false]");
    const text = await lastAnswer(page).locator(".body").innerText();
    assert.ok(text.trim().length > 10, `too short: ${text}`);
    const lengths = await page.evaluate(() => globalThis.lengths);
    assert.ok(deltas > 0, "it came in one piece over the socket");
    // An answer that is there within a frame or two can't be seen growing.
    if (Date.now() - since > 1_500) assert.ok(lengths.length > 1, `it was not shown as it came: ${lengths}`);
  },

  async "the history is there after a reload, without asking for the token"(page) {
    const before = await lastAnswer(page).locator(".body").innerText();
    await page.reload();
    await online(page);
    await page.locator(".message.user").first().waitFor();
    assert.match(await page.locator(".message.user").last().innerText(), /What can you do\?/);
    assert.equal(await lastAnswer(page).locator(".body").innerText(), before);
    assert.equal(await page.locator("#login").isVisible(), false);
  },

  async "a new conversation starts empty, and the old one is still there"(page) {
    await page.getByRole("button", { name: "New conversation", exact: true }).click();
    await page.waitForSelector(".welcome");
    await say(page, "hello from the second conversation");
    await page.waitForSelector(".message.assistant[aria-busy=false]");
    await page.locator('.session:not([aria-current="true"])').first().click();
    await page.locator(".message.user").filter({ hasText: "What can you do?" }).first().waitFor();
    assert.equal(await page.locator(".message.user").filter({ hasText: "second conversation" }).count(), 0);
  },

  async "stop ends an answer"(page) {
    // A fast model may be done before a person could press the button: then there is nothing to stop.
    await say(page, process.env.OPENCLAW_LONG_MESSAGE ?? "help");
    const stop = page.getByRole("button", { name: "Stop the answer" });
    await stop.click({ timeout: 1_000 }).catch(() => {});
    await page.waitForFunction(() => !document.querySelector('.message.assistant[aria-busy="true"]'));
    assert.equal(await stop.isVisible(), false);
    assert.equal(await page.locator(".message.assistant.aborted, .message.assistant.done").count() > 0, true);
  },

  async "the supervision tree is live"(page) {
    await page.getByRole("button", { name: "Show the supervision tree" }).click();
    await page.locator(".actor").first().waitFor();
    const names = await page.locator(".actor-name").allInnerTexts();
    for (const name of ["gateway", "router", "ingress"]) assert.ok(names.includes(name), `${name} is not in ${names}`);
    assert.match(await page.locator("#tree-summary").innerText(), /\d+ actors?/);
    await page.locator(".actor-head").nth(1).click();
    await page.locator(".actor-detail:visible dd").first().waitFor();
  },

  async "nothing is asked of any other host, and the token is in no address"() {
    const origin = new URL(url).host;
    for (const asked of requests) {
      assert.ok(asked.startsWith("data:") || new URL(asked).host === origin, `asked ${asked}`);
      assert.ok(!asked.includes(token), "the token is in an address");
    }
  },
};

const phone = {
  async "it works on a phone"(page) {
    await logIn(page);
    await page.getByRole("button", { name: "Show the conversations" }).click();
    await page.locator(".session").first().click();
    await say(page, "hello from the phone");
    await page.waitForSelector(".message.assistant[aria-busy=false]");
    await page.getByRole("button", { name: "Show the supervision tree" }).click();
    await page.locator(".actor").first().waitFor();
    await page.getByRole("button", { name: "Close the supervision tree" }).click();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `it scrolls sideways by ${overflow} px`);
  },
};

let failed = false;
async function run(page, list) {
  for (const [name, step] of Object.entries(list)) {
    const since = Date.now();
    try {
      await step(page);
      console.log(`ok   ${name} (${Date.now() - since} ms)`);
    } catch (error) {
      failed = true;
      const shot = process.env.OPENCLAW_SCREENSHOT ?? "failure.png";
      await page.screenshot({ path: shot }).catch(() => {});
      console.error(`FAIL ${name}: ${error.message}\n     screenshot: ${shot}`);
      return;
    }
  }
}

await run(await visit({}), steps);
if (!failed) {
  const options = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
  await run(await visit(options), phone);
}
await browser.close();
for (const problem of problems) console.error(`FAIL ${problem}`);
process.exitCode = failed || problems.length ? 1 : 0;
