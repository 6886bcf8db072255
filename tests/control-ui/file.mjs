// The file of the configuration, and what changed in it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** Its text without the stamp that each change leaves in `meta`. */
export const text = (file) => readFileSync(file, "utf8").replace(/("lastTouched(At|Version)": )"[^"]*"/g, "$1…");

/** The one piece that is new in a text; fails when anything else differs. */
export function inserted(before, after) {
  let at = 0;
  while (before[at] === after[at]) at += 1;
  const rest = before.length - at;
  assert.ok(after.endsWith(before.slice(at)), `more than one place changed:\n${after}`);
  return after.slice(at, after.length - rest);
}
