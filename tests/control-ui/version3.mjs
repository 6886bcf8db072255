// The page of version 3, used as a person does: every tab, a chat with a tool and a stop, the configuration as a
// form and as text, a job, a file of the agent.

import assert from "node:assert/strict";
import { inserted, text as contents } from "./file.mjs";
import { WITHIN, banners } from "./browser.mjs";

/** What of the page's own red is no fault of the gateway. */
const KNOWN_BANNERS = [
  // Keys that take a text or an object, such as an agent's model: this page's form can't edit them and says so.
  "Form view can't safely edit some fields. Use Raw to avoid losing config entries.",
];

/** A tab, what it asks the gateway, what must stand on it, and the button that makes it ask. */
const TABS = [
  ["overview", ["status", "health", "channels.status", "cron.status", "system-presence"], "Snapshot"],
  ["channels", ["channels.status", "config.schema"], "Channel health"],
  ["instances", ["system-presence"], "Connected Instances"],
  ["sessions", ["sessions.list"], "agent:main:main"],
  ["usage", ["sessions.usage", "usage.cost"], "Usage", "Refresh"],
  ["cron", ["cron.status", "cron.list"], "Scheduler"],
  ["agents", ["agents.list", "config.get"], "Workspace"],
  ["skills", ["skills.status"], "Skills"],
  ["nodes", ["node.list", "device.pair.list", "exec.approvals.get"], "Devices"],
  ["config", ["config.get", "config.schema"], "Settings"],
  ["debug", ["status", "health", "models.list", "last-heartbeat"], "Snapshots"],
  ["logs", ["logs.tail"], "Logs"],
];

export function steps({ page, seen, url, token, file, model }) {
  const calm = async () => {
    const shown = await banners(page, ".callout.danger, .pill.danger, .pill--danger, .cfg-field__error");
    const odd = shown.filter((text) => !KNOWN_BANNERS.includes(text) && !text.includes("Unsupported schema node"));
    assert.deepEqual(odd, []);
  };
  const answered = async (method, from) => {
    const until = Date.now() + WITHIN;
    while (!seen.answers.slice(from).some((answer) => answer.method === method && answer.ok)) {
      assert.ok(Date.now() < until, `${method} was not answered`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const tab = async (name) => {
    const from = seen.answers.length;
    await page.locator(`a.nav-item[href$="/${name}"]`).click();
    await page.waitForURL((at) => at.pathname.endsWith(`/${name}`));
    return from;
  };
  const button = (name, within = page) => within.getByRole("button", { name, exact: true });
  const say = async (text) => {
    await page.getByLabel("Message").fill(text);
    await page.getByLabel("Message").press("Enter");
    await page.locator(".chat-group.user").filter({ hasText: text }).last().waitFor();
  };
  const events = (state) => seen.events.filter((one) => one.event === "chat" && one.payload.state === state).length;
  const modelLeft = async () => (await fetch(new URL("/left", model))).text();
  const idle = () => button("New session").waitFor();

  return {
    async "the token in the address connects it, and its device is paired"() {
      await page.goto(`${url}#token=${token}`);
      await idle();
      assert.ok(!page.url().includes(token), "the token stays in the address");
      const hello = seen.answers.find((answer) => answer.method === "connect");
      assert.equal(hello.payload.protocol, 3);
      assert.ok(hello.params.device.signature && hello.payload.auth.deviceToken, "no device was paired");
      await answered("device.pair.list", 0);
      const { paired } = seen.answers.findLast((answer) => answer.method === "device.pair.list").payload;
      assert.deepEqual(paired.map((device) => device.deviceId), [hello.params.device.id]);
    },

    async "an answer grows as it is made"() {
      await page.evaluate(() => {
        globalThis.lengths = new Set();
        new MutationObserver(() => {
          const text = [...document.querySelectorAll(".chat-group.assistant .chat-text")].at(-1)?.textContent;
          if (text) globalThis.lengths.add(text.length);
        }).observe(document.body, { childList: true, subtree: true, characterData: true });
      });
      await say("hello");
      await page.locator(".chat-group.assistant").filter({ hasText: "a little patience." }).waitFor();
      await idle();
      const lengths = await page.evaluate(() => [...globalThis.lengths]);
      assert.ok(lengths.length > 2 && events("delta") > 1, `it came in one piece: ${lengths}`);
    },

    async "a tool shows as a card with what it answered"() {
      await say("use a tool");
      await page.locator(".chat-group.assistant").filter({ hasText: "The tool has answered." }).waitFor();
      await idle();
      await page.locator(".chat-tool-card").first().waitFor();
      await calm();
    },

    async "stop ends the answer, and the model is left alone"() {
      const left = await modelLeft();
      await say("count slowly");
      await page.locator(".chat-group.assistant").filter({ hasText: "3 4 5" }).waitFor();
      await button("Stop").click();
      await idle();
      const until = Date.now() + WITHIN;
      while ((await modelLeft()) === left) assert.ok(Date.now() < until, "the model goes on");
      assert.equal(events("aborted"), 1);
      await say("hello again");
      await page.locator(".chat-group.assistant").filter({ hasText: "patience." }).last().waitFor();
      await idle();
    },

    async "the token of the device is enough after a reload"() {
      const from = seen.answers.length;
      await page.reload();
      await answered("chat.history", from);
      await page.locator(".chat-group.user").filter({ hasText: "count slowly" }).waitFor();
      const hello = seen.answers.slice(from).find((answer) => answer.method === "connect");
      assert.ok(hello.ok && hello.params.auth.token !== token, "the device's token was not used");
    },

    async "every tab shows what there is"() {
      for (const [name, methods, text, press] of TABS) {
        const from = await tab(name);
        if (press) await button(press).click();
        for (const method of methods) await answered(method, from);
        await page.getByText(text, { exact: false }).first().waitFor();
        await calm();
      }
    },

    async "an agent's panels show its files, tools, skills, channels and jobs"() {
      await tab("agents");
      for (const [name, method] of [["Files", "agents.files.list"], ["Tools"], ["Skills", "skills.status"], ["Channels", "channels.status"], ["Cron Jobs", "cron.list"]]) {
        const from = seen.answers.length;
        await page.locator("button.agent-tab").filter({ hasText: name }).click();
        if (method) await answered(method, from);
        await calm();
      }
    },

    async "a file of the agent is changed"() {
      const from = await tab("agents");
      await page.locator("button.agent-tab").filter({ hasText: "Files" }).click();
      await page.locator("button").filter({ hasText: "USER.md" }).first().click();
      await answered("agents.files.get", from);
      await page.locator("textarea").last().fill("# Who you help\n\nSomebody who likes tea.\n");
      await button("Save").click();
      await answered("agents.files.set", from);
      await calm();
    },

    async "a job is made, run, looked up and removed"() {
      const from = await tab("cron");
      await page.getByLabel("Name").first().fill("tea time");
      await page.locator("textarea").first().fill("the kettle boils");
      await button("Add job").click();
      await answered("cron.add", from);
      await page.getByText("tea time").first().waitFor();
      for (const [name, method] of [["Run", "cron.run"], ["History", "cron.runs"], ["Disable", "cron.update"], ["Remove", "cron.remove"]]) {
        await button(name).first().click();
        await answered(method, from);
        await calm();
      }
    },

    async "a session is renamed"() {
      const from = await tab("sessions");
      const label = page.locator(".table-row input").first();
      await label.fill("about tea");
      await label.blur();
      await answered("sessions.patch", from);
      await calm();
    },

    async "each section of the configuration renders as a form"() {
      await tab("config");
      await page.locator(".config-section-card").first().waitFor();
      const sections = await page.locator("button.config-nav__item").count();
      assert.ok(sections > 20, `${sections} sections`);
      for (let at = 1; at < sections; at += 1) {
        await page.locator("button.config-nav__item").nth(at).click();
        const fields = page.locator(".config-section-card__content").locator(".cfg-field, .cfg-toggle-row, .cfg-object, .cfg-array, .cfg-map");
        await fields.first().waitFor();
      }
      await calm();
    },

    async "the form saves what was changed, and nothing else"() {
      const before = contents(file);
      const from = await tab("config");
      await page.locator("button.config-nav__item").filter({ hasText: "Cron" }).click();
      await page.locator("button.config-subnav__item").filter({ hasText: "Max Concurrent Runs" }).click();
      const rooms = page.locator(".config-section-card__content input").first();
      await rooms.fill("3");
      await rooms.blur();
      await button("Save").click();
      await answered("config.set", from);
      await page.getByText("No changes").waitFor();
      const after = contents(file);
      const added = inserted(before, after);
      assert.match(added, /^\W*cron\W+maxConcurrentRuns\W+3\W*$/, `this was added: ${added}`);
      await calm();
    },

    async "the text saves what was changed, and nothing else"() {
      const before = contents(file);
      const from = await tab("config");
      await button("Raw").click();
      const raw = page.locator(".config-raw-field textarea");
      const text = await raw.inputValue();
      assert.ok(!text.includes(token), "the token is shown");
      await raw.fill(text.replace('"Tea"', '"Green tea"'));
      await button("Save").click();
      await answered("config.set", from);
      await page.getByText("No changes").waitFor();
      assert.equal(contents(file), before.replace('"Tea"', '"Green tea"'));
      await calm();
    },
  };
}
