// OpenClaw's Control UI, unmodified, in Chromium against this gateway. Usage: node control-ui.mjs version3|version4
// OPENCLAW_URL, OPENCLAW_TOKEN, OPENCLAW_CONFIG (the file), OPENCLAW_MODEL say what to drive. It fails on an error in
// the browser's console, a banner, or an answer that says no, unless its reason stands in the list below.

import { open } from "./browser.mjs";

/** Answers that may say no, by method, and why. Nothing so far. */
const MAY_REFUSE = {};

/** What the console may complain of, and why. */
const MAY_FAIL = [
  // The list of activities fetches a picture of each agent, whether it has one or not.
  /\b404\b.*\/avatar\//,
];

const { browser, page, seen } = await open();
// Early pages ask for fonts by name; nothing outside this machine is asked in a test.
await page.route(/^https:\/\/fonts\.(googleapis|gstatic)\.com\//, (route) =>
  route.fulfill({ contentType: "text/css", body: "" }),
);
const { steps } = await import(`./${process.argv[2]}.mjs`);
const { OPENCLAW_URL: url, OPENCLAW_TOKEN: token, OPENCLAW_CONFIG: file, OPENCLAW_MODEL: model } = process.env;
let failed = false;
for (const [name, step] of Object.entries(steps({ page, seen, url, token, file, model }))) {
  const since = Date.now();
  try {
    await step();
    console.log(`ok   ${name} (${Date.now() - since} ms)`);
  } catch (error) {
    failed = true;
    const shot = process.env.OPENCLAW_SCREENSHOT ?? "failure.png";
    await page.screenshot({ path: shot }).catch(() => {});
    console.error(`FAIL ${name}: ${error.message}\n     screenshot: ${shot}`);
    break;
  }
}
await browser.close();

const refused = seen.answers.filter(({ method, ok }) => !ok && !(method in MAY_REFUSE));
const problems = refused.map(({ method, error }) => `${method} was refused: ${JSON.stringify(error)}`);
const host = new URL(url).host;
for (const asked of seen.requests) {
  if (asked.includes(token)) problems.push("the token is in an address");
  if (/^(https?|wss?):/.test(asked) && new URL(asked).host !== host && !asked.includes("//fonts.")) problems.push(`asked ${asked}`);
}
problems.push(...seen.problems.filter((problem) => !MAY_FAIL.some((known) => known.test(problem))));
for (const problem of new Set(problems)) console.error(`FAIL ${problem.slice(0, 400)}`);
const methods = new Set(seen.answers.map(({ method }) => method));
console.log(`${process.argv[2]}: ${seen.answers.length} answers to ${methods.size} methods, ${seen.events.length} events`);
process.exitCode = failed || problems.length ? 1 : 0;
