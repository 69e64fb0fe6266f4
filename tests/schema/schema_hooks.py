"""Hooks for Schemathesis, for what the schema cannot express: JSON Lines, and tokens of real workers."""

import json
import os
import zlib

import schemathesis

TOKENS = os.environ["DISTCOMPUTE_TEST_TOKENS"].split(",")


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    """Serializes a list as JSON Lines, and other values as a single document."""
    if isinstance(value, list):
        value = "\n".join(json.dumps(item) for item in value)
    if not isinstance(value, (str, bytes)):
        value = json.dumps(value)
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


@schemathesis.deserializer("application/x-ndjson")
def first_line(ctx, response):
    """Deserializes the first line only, because the schema describes a single line."""
    text = response.text.strip()
    return json.loads(text.splitlines()[0]) if text else {"cursor": 1, "number": 1, "data": ""}


@schemathesis.hook
def map_body(ctx, body):
    """Inserts the token of an existing worker into half of the bodies; the others fail the first check.

    The choice depends only on the body, so that the cases are reproducible.
    """
    if isinstance(body, dict) and isinstance(body.get("token"), str):
        choice = zlib.crc32(repr(body).encode("utf-8", "surrogatepass")) % (2 * len(TOKENS))
        if choice < len(TOKENS):
            body["token"] = TOKENS[choice]
    return body
