// Markdown to DOM nodes. No HTML of the text is ever interpreted: everything becomes text nodes in elements made here.

import { make } from "./dom.js";

const FENCE = /^(\s*)(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^\s*>\s?(.*)$/;
const TABLE_LINE = /^\s*\|?(\s*:?-+:?\s*\|)+\s*:?-*:?\s*\|?\s*$/;

/** Renders a text. An open code fence (an answer still coming) is shown as code. */
export function render(text) {
  const fragment = document.createDocumentFragment();
  blocks(String(text).replace(/\r\n?/g, "\n").split("\n"), fragment, 0);
  return fragment;
}

function blocks(lines, into, depth) {
  let at = 0;
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) {
      const p = make("p");
      inline(paragraph.join("\n"), p);
      into.append(p);
      paragraph = [];
    }
  };
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    if (fence) {
      flush();
      const body = [];
      at += 1;
      const closes = (candidate) => {
        const trimmed = candidate.trim();
        return trimmed.startsWith(fence[2]) && trimmed.replaceAll(fence[2][0], "") === "";
      };
      while (at < lines.length && !closes(lines[at])) body.push(lines[at++]);
      at += 1;
      into.append(code(body.join("\n"), fence[3]));
      continue;
    }
    if (!line.trim()) {
      flush();
      at += 1;
      continue;
    }
    const heading = HEADING.exec(line);
    if (heading) {
      flush();
      // The page's own headings are h1 and h2.
      const h = make(`h${Math.min(6, heading[1].length + 2)}`);
      inline(heading[2].replace(/\s+#+$/, ""), h);
      into.append(h);
      at += 1;
      continue;
    }
    if (RULE.test(line)) {
      flush();
      into.append(make("hr"));
      at += 1;
      continue;
    }
    if (QUOTE.test(line) && depth < 4) {
      flush();
      const body = [];
      while (at < lines.length && QUOTE.test(lines[at])) body.push(QUOTE.exec(lines[at++])[1]);
      const quote = make("blockquote");
      blocks(body, quote, depth + 1);
      into.append(quote);
      continue;
    }
    if (line.includes("|") && at + 1 < lines.length && TABLE_LINE.test(lines[at + 1])) {
      flush();
      const head = cells(line);
      at += 2;
      const rows = [];
      while (at < lines.length && lines[at].includes("|") && lines[at].trim()) rows.push(cells(lines[at++]));
      into.append(table(head, rows));
      continue;
    }
    if (ITEM.test(line) && depth < 6) {
      flush();
      at = list(lines, at, into, depth);
      continue;
    }
    paragraph.push(line.trim());
    at += 1;
  }
  flush();
}

function list(lines, start, into, depth) {
  const first = ITEM.exec(lines[start]);
  const indent = first[1].length;
  const ordered = /\d/.test(first[2]);
  const ul = make(ordered ? "ol" : "ul");
  if (ordered) ul.start = Number.parseInt(first[2], 10);
  let at = start;
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]);
    if (!item || item[1].length !== indent || /\d/.test(item[2]) !== ordered) break;
    const body = [item[3]];
    at += 1;
    while (at < lines.length) {
      const next = lines[at];
      const deeper = /^\s*/.exec(next)[0].length > indent;
      if (!next.trim()) {
        // A blank line belongs to the item only if the item goes on behind it.
        const after = lines[at + 1];
        if (after === undefined || /^\s*/.exec(after)[0].length <= indent || !after.trim()) break;
        body.push("");
      } else if (deeper) {
        body.push(next.slice(Math.min(/^\s*/.exec(next)[0].length, indent + 2)));
      } else if (ITEM.test(next) || HEADING.test(next) || FENCE.test(next) || QUOTE.test(next)) {
        break;
      } else {
        body.push(next);
      }
      at += 1;
    }
    const li = make("li");
    if (body.length === 1) inline(body[0], li);
    else blocks(body, li, depth + 1);
    ul.append(li);
    while (at < lines.length && !lines[at].trim() && ITEM.test(lines[at + 1] ?? "")) at += 1;
  }
  into.append(ul);
  return at;
}

function cells(line) {
  return line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim());
}

function table(head, rows) {
  const frame = make("div", "table-frame");
  const t = make("table");
  const row = (texts, tag) => {
    const tr = make("tr");
    for (let i = 0; i < head.length; i += 1) {
      const cell = make(tag);
      inline(texts[i] ?? "", cell);
      tr.append(cell);
    }
    return tr;
  };
  const thead = make("thead");
  thead.append(row(head, "th"));
  const tbody = make("tbody");
  tbody.append(...rows.map((texts) => row(texts, "td")));
  t.append(thead, tbody);
  frame.append(t);
  return frame;
}

function code(text, language) {
  const frame = make("div", "code");
  const head = make("div", "code-head");
  head.append(make("span", "", language || "code"));
  const copy = make("button", "copy", "Copy");
  copy.type = "button";
  copy.dataset.copy = text;
  head.append(copy);
  const pre = make("pre");
  pre.tabIndex = 0;
  pre.append(make("code", "", text));
  frame.append(head, pre);
  return frame;
}

const INLINE =
  /(`+)(?<code>[^`](?:.*?[^`])?)\1(?!`)|(?<strongMark>\*\*|__)(?=\S)(?<strong>.+?)(?<=\S)\k<strongMark>|~~(?=\S)(?<gone>.+?)(?<=\S)~~|(?<![\w*])\*(?=[^\s*])(?<em>[^*]+?)(?<=\S)\*(?![\w*])|(?<!\w)_(?=[^\s_])(?<em2>[^_]+?)(?<=\S)_(?!\w)|!?\[(?<label>[^\]\n]*)\]\((?<href>[^\s()<>]+(?:\([^\s()<>]*\)[^\s()<>]*)*)(?:\s+"[^"]*")?\)|(?<url>https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]}*_~])|\\(?<escaped>[\\`*_{}[\]()#+\-.!~|>])|(?<br>\n)/gs;

function inline(text, into, depth = 0) {
  let last = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > last) into.append(text.slice(last, found.index));
    last = found.index + found[0].length;
    const part = found.groups;
    if (part.code !== undefined) {
      into.append(make("code", "", part.code.replace(/^ (.*) $/s, "$1")));
    } else if (part.strong !== undefined) {
      into.append(nested("strong", part.strong, depth));
    } else if (part.gone !== undefined) {
      into.append(nested("s", part.gone, depth));
    } else if (part.em !== undefined || part.em2 !== undefined) {
      into.append(nested("em", part.em ?? part.em2, depth));
    } else if (part.href !== undefined) {
      into.append(link(part.href, part.label || part.href, depth));
    } else if (part.url !== undefined) {
      into.append(link(part.url, part.url, 9));
    } else if (part.escaped !== undefined) {
      into.append(part.escaped);
    } else {
      into.append(make("br"));
    }
  }
  if (last < text.length) into.append(text.slice(last));
}

function nested(tag, text, depth) {
  const node = make(tag);
  if (depth < 3) inline(text, node, depth + 1);
  else node.textContent = text;
  return node;
}

/** Only addresses that can't run anything become links. */
function link(href, label, depth) {
  let safe = false;
  try {
    safe = ["http:", "https:", "mailto:"].includes(new URL(href).protocol);
  } catch {
    safe = false;
  }
  if (!safe) return document.createTextNode(label === href ? href : `${label} (${href})`);
  const a = make("a");
  a.href = href;
  a.rel = "noopener noreferrer nofollow";
  a.target = "_blank";
  if (depth < 3) inline(label, a, depth + 1);
  else a.textContent = label;
  return a;
}
