// The page of version 4, used as a person does: a chat with a tool and a stop, every page of the side bar and of the
// settings.

import assert from "node:assert/strict";

import { WITHIN, banners } from "./browser.mjs";

/** What of the page's own red is no fault of the gateway. */
const KNOWN_BANNERS = [
  // Keys that take a text or an object: this page's form can't edit them and says so.
  "Unsupported schema node. Use Raw mode.",
];

/** Pages, and what each asks the gateway. */
const PAGES = [
  ["agents", "agents.list"],
  ["dashboards", "sessions.list"],
  ["systems", "system.info"],
  ["automations", "cron.list"],
  ["plugins", "plugins.list"],
  ["new?agent=main", "environments.list"],
  ["sessions", "sessions.list"],
  ["channels", "channels.status"],
  ["nodes", "node.list"],
  ["logs", "logs.tail"],
  ["debug", "diagnostics.lanes"],
  ["usage", "sessions.usage"],
  ["skills", "skills.status"],
  ["activity", "sessions.list"],
  ["worktrees", "worktrees.list"],
  ["tasks", "tasks.list"],
  ["settings/profile", "tools.github.status"],
  ["settings/appearance", "themes.list"],
  ["settings/connection", "config.get"],
  ["settings/channels", "channels.status"],
  ["settings/communications", "config.schema"],
  ["settings/talk", "talk.catalog"],
  ["settings/devices", "device.pair.list"],
  ["settings/model-providers", "models.list"],
  ["settings/search", "webSearch.status"],
  ["settings/memory", "doctor.memory.status"],
  ["settings/security", "config.get"],
  ["settings/approvals", "approval.history"],
  ["settings/advanced", "config.schema"],
  ["settings/updates", "update.status"],
  ["settings/about", "config.get"],
];

export function steps({ page, seen, url, token, model }) {
  const calm = async () => {
    const shown = await banners(page, ".callout.danger, .pill.danger, .pill--danger, [role=alert]");
    assert.deepEqual(shown.filter((text) => text && !KNOWN_BANNERS.includes(text)), []);
  };
  const until = async (what, holds) => {
    const end = Date.now() + WITHIN;
    while (!(await holds())) {
      assert.ok(Date.now() < end, what);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const answered = (method, from) =>
    until(`${method} was not answered`, () => seen.answers.slice(from).some((one) => one.method === method && one.ok));
  // Every call has its answer, and no new one has followed.
  const settled = async () => {
    for (let calls = -1; calls !== seen.called.length; ) {
      calls = seen.called.length;
      await page.waitForTimeout(250);
      const end = Date.now() + WITHIN;
      while (seen.open().length) {
        assert.ok(Date.now() < end, `not answered: ${seen.open()}`);
        await page.waitForTimeout(20);
      }
    }
  };
  const composer = page.getByLabel("Chat composer");
  const say = async (text) => {
    await composer.fill(text);
    await composer.press("Enter");
    await page.locator(".chat-group.user").filter({ hasText: text }).last().waitFor();
  };
  const idle = () => until("it goes on working", async () => (await page.locator(".chat-working-indicator").count()) === 0);
  const events = (state) => seen.events.filter((one) => one.event === "chat" && one.payload.state === state).length;
  const left = async () => (await fetch(new URL("/left", model))).text();

  return {
    async "the token in the address connects it, and its device is paired"() {
      await page.goto(`${url}#token=${token}`);
      await composer.waitFor();
      assert.ok(!page.url().includes(token), "the token stays in the address");
      const hello = seen.answers.find((answer) => answer.method === "connect");
      assert.equal(hello.payload.protocol, 4);
      assert.ok(hello.params.device.signature && hello.payload.auth.deviceToken, "no device was paired");
    },

    async "an answer grows as it is made"() {
      await say("hello");
      await page.locator(".chat-group.assistant").filter({ hasText: "a little patience." }).waitFor();
      await idle();
      assert.ok(events("delta") > 1, "it came in one piece");
      await calm();
    },

    async "a tool shows with the answer"() {
      await say("use a tool");
      await page.locator(".chat-group.assistant").filter({ hasText: "The tool has answered." }).waitFor();
      await idle();
      await page.locator(".chat-tools-summary, .chat-tool-card, .chat-tool-msg-summary, .chat-activity-group").first().waitFor();
      await calm();
    },

    async "stop ends the answer, and the model is left alone"() {
      const before = await left();
      await say("count slowly");
      await page.locator(".chat-group.assistant").filter({ hasText: "3 4 5" }).waitFor();
      await page.getByRole("button", { name: /^Stop/ }).first().click();
      await until("the model goes on", async () => (await left()) !== before);
      await idle();
      assert.equal(events("aborted"), 1);
    },

    async "every page shows what there is"() {
      for (const [path, method] of PAGES) {
        const from = seen.answers.length;
        await page.goto(url + path);
        await answered(method, from);
        await settled();
        await calm();
      }
    },
  };
}
