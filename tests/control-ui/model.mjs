// A model that speaks OpenAI's chat completions, for a page that wants to see an answer grow, a tool at work and a
// run that can be stopped. What it does stands in the last message of the user: "count slowly" drips until it is
// left, "use a tool" calls the tool of OPENCLAW_TOOL (JSON: name and arguments) first, anything else is answered.
// Prints its address. `GET /left` answers how many readers left before the end.

import { createServer } from "node:http";

const tool = JSON.parse(process.env.OPENCLAW_TOOL || '{"name":"session_status","arguments":{}}');
let left = 0;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const textOf = (message) =>
  typeof message?.content === "string"
    ? message.content
    : (message?.content ?? []).map((part) => part.text ?? "").join("");

async function answer(asked, response) {
  const send = (delta, finish = null) =>
    response.write(
      `data: ${JSON.stringify({
        id: "chatcmpl-1",
        object: "chat.completion.chunk",
        created: 1,
        model: asked.model,
        choices: [{ index: 0, delta, finish_reason: finish }],
      })}\n\n`,
    );
  const say = async (words, ms) => {
    for (const word of words) {
      if (response.closed) return;
      send({ content: word });
      await pause(ms);
    }
  };
  const wanted = textOf(asked.messages.findLast((message) => message.role === "user"));
  const hasResult = asked.messages.at(-1).role === "tool";
  let finish = "stop";
  send({ role: "assistant", content: "" });
  if (wanted.includes("count slowly")) {
    await say(Array.from({ length: 600 }, (_, n) => `${n + 1} `), 50);
  } else if (wanted.includes("use a tool") && !hasResult) {
    const call = { index: 0, id: "call_1", type: "function" };
    send({ tool_calls: [{ ...call, function: { name: tool.name, arguments: JSON.stringify(tool.arguments) } }] });
    finish = "tool_calls";
  } else {
    const words = hasResult ? "The tool has answered." : "Tea is made of leaves, hot water and a little patience.";
    await say(words.split(/(?<= )/), 40);
  }
  if (response.closed) return;
  send({}, finish);
  const usage = { prompt_tokens: 12, completion_tokens: 8, total_tokens: 20 };
  const last = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: asked.model, choices: [], usage };
  response.end(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
}

const server = createServer((request, response) => {
  if (request.url === "/left") return response.end(String(left));
  if (!request.url.endsWith("/chat/completions")) {
    response.setHeader("content-type", "application/json");
    return response.end(JSON.stringify({ object: "list", data: [{ id: "tea-1", object: "model" }] }));
  }
  let body = "";
  request.setEncoding("utf8").on("data", (more) => (body += more));
  request.on("end", () => {
    response.setHeader("content-type", "text/event-stream");
    response.on("close", () => (left += response.writableFinished ? 0 : 1));
    answer(JSON.parse(body), response);
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/v1`));
