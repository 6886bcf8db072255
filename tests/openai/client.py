"""The official client of OpenAI against this gateway: chat and responses, whole and streamed."""
import os

from openai import AuthenticationError, BadRequestError, NotFoundError, OpenAI

client = OpenAI(base_url=os.environ["OPENCLAW_URL"] + "/v1", api_key=os.environ["OPENCLAW_TOKEN"], max_retries=0)
passed = 0


def check(what, holds, seen=None):
    global passed
    assert holds, f"{what}: {seen!r}"
    passed += 1


ids = [model.id for model in client.models.list()]
check("models are listed", "openclaw" in ids and "openclaw/main" in ids, ids)
check("one model is found", client.models.retrieve("openclaw").id == "openclaw")

messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "What is 6 times 7?"}]
whole = client.chat.completions.create(model="openclaw", messages=messages)
said = whole.choices[0].message.content
check("a chat is answered", bool(said) and whole.choices[0].finish_reason == "stop", whole)
check("tokens are counted", whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens)

chunks = list(client.chat.completions.create(
    model="openclaw:main", messages=messages, stream=True, stream_options={"include_usage": True}))
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
check("a stream says something", bool(text.strip()), chunks)
check("a stream says why it ends", any(c.choices and c.choices[0].finish_reason == "stop" for c in chunks))
check("a stream counts tokens", chunks[-1].usage is not None, chunks[-1])

user = "tester"
client.chat.completions.create(model="openclaw", user=user, messages=[{"role": "user", "content": "hello"}])
again = client.chat.completions.create(model="openclaw", user=user, messages=[{"role": "user", "content": "help"}])
check("a user keeps a conversation", bool(again.choices[0].message.content), again)

response = client.responses.create(model="openclaw", input="What is 6 times 7?", instructions="Be short.")
check("a response is answered", response.status == "completed" and bool(response.output_text), response)
events = list(client.responses.create(model="openclaw", input="What is 6 times 7?", stream=True))
kinds = [event.type for event in events]
check("a response begins", kinds[:4] == [
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"], kinds)
check("a response ends", kinds[-1] == "response.completed" and bool(events[-1].response.output_text), kinds)
with client.responses.stream(model="openclaw", input="hello") as stream:
    check("the client's own helper follows it", bool(stream.get_final_response().output_text))

tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
offered = client.chat.completions.create(model="openclaw", messages=messages, tools=tools)
check("tools may be offered", offered.choices[0].finish_reason in ("stop", "tool_calls"), offered)


def refused(kind, act):
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"not refused with {kind.__name__}")


wrong = client.with_options(api_key="wrong")
check("a stranger is refused", refused(AuthenticationError, lambda: wrong.models.list()).status_code == 401)
check("nonsense is refused", "Missing user message" in refused(
    BadRequestError, lambda: client.chat.completions.create(model="openclaw", messages=[])).message)
check("nobody answers for an unknown agent", refused(
    BadRequestError,
    lambda: client.chat.completions.create(model="openclaw/nobody", messages=messages)).status_code == 400)
check("an unknown model is not found", refused(NotFoundError, lambda: client.models.retrieve("nobody")))
print(f"openai's client: {passed} passed")
