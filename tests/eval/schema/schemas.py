"""200 JSON Schemas as programs give them to models: arguments of tools, records, lists, unions, references. They are
made by a seeded random choice among usual shapes, so they are the same on every machine."""
import json
import random

NOUNS = ["customer", "order", "product", "invoice", "flight", "hotel", "message", "event", "ticket", "book", "recipe",
         "device", "sensor", "account", "payment", "project", "task", "review", "article", "location"]
TEXTS = ["name", "title", "description", "comment", "street", "city", "author", "summary", "label", "note"]
NUMBERS = ["price", "weight", "temperature", "score", "latitude", "distance", "discount", "duration"]
COUNTS = ["age", "quantity", "year", "page", "limit", "priority", "stars", "retries"]
FLAGS = ["active", "in_stock", "urgent", "verified", "archived", "is_public"]
ENUMS = [["low", "medium", "high"], ["open", "closed", "pending"], ["EUR", "USD", "GBP", "JPY"],
         ["celsius", "fahrenheit"], ["debug", "info", "warning", "error"], ["north", "east", "south", "west"],
         ["read", "write", "append"], ["small", "medium", "large", "extra large"]]
PATTERNS = ["^[A-Z]{3}-[0-9]{4}$", "^[a-z][a-z0-9_]{2,15}$", "^\\+?[0-9]{7,12}$", "^#[0-9a-fA-F]{6}$",
            "^v[0-9]+\\.[0-9]+\\.[0-9]+$", "^(GET|POST|PUT) /[a-z/]{1,20}$", "^[A-Z]{2}[0-9]{2}$"]
FORMATS = ["date", "time", "date-time", "uuid", "email", "hostname", "ipv4", "uri"]


def text(r):
    kind = r.randrange(4)
    if kind == 0:
        return {"type": "string"}
    if kind == 1:
        return {"type": "string", "minLength": r.randrange(1, 4), "maxLength": r.randrange(8, 60)}
    if kind == 2:
        return {"type": "string", "pattern": r.choice(PATTERNS)}
    return {"type": "string", "format": r.choice(FORMATS)}


def number(r):
    low = r.randrange(-100, 50)
    kind = r.randrange(4)
    if kind == 0:
        return {"type": "number"}
    if kind == 1:
        return {"type": "number", "minimum": low, "maximum": low + r.randrange(1, 300)}
    if kind == 2:
        return {"type": "integer", "minimum": low, "maximum": low + r.randrange(1, 5000)}
    return {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + r.randrange(2, 90)}


def scalar(r):
    """A member: its name and schema."""
    kind = r.randrange(6)
    if kind == 0:
        return r.choice(TEXTS), text(r)
    if kind == 1:
        return r.choice(NUMBERS), number(r)
    if kind == 2:
        return r.choice(COUNTS), {"type": "integer", "minimum": 0, "maximum": r.choice([5, 10, 100, 2100])}
    if kind == 3:
        return r.choice(FLAGS), {"type": "boolean"}
    if kind == 4:
        return r.choice(["status", "unit", "level", "kind"]), {"enum": r.choice(ENUMS)}
    return r.choice(TEXTS), {"type": ["string", "null"], "maxLength": 30}


def record(r, members, required=None):
    properties = {}
    while len(properties) < members:
        name, schema = scalar(r)
        properties.setdefault(name, schema)
    names = list(properties)
    needed = names if required is None else sorted(r.sample(names, min(required, len(names))), key=names.index)
    made = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**made, "required": needed} if needed else made


def tool_call(r):
    tools = r.sample(NOUNS, r.randrange(2, 4))
    return {"oneOf": [{"type": "object",
                       "properties": {"tool": {"const": f"find_{tool}"}, "arguments": record(r, r.randrange(1, 4))},
                       "required": ["tool", "arguments"], "additionalProperties": False} for tool in tools]}


def nested(r):
    made = record(r, 2)
    for _ in range(r.randrange(1, 4)):
        noun = r.choice(NOUNS)
        made = {"type": "object", "properties": {"id": {"type": "integer", "minimum": 1, "maximum": 9999}, noun: made},
                "required": ["id", noun], "additionalProperties": False}
    return made


def array(r):
    kind = r.randrange(4)
    if kind == 0:
        return {"type": "array", "items": record(r, 2), "minItems": 1, "maxItems": r.randrange(1, 4)}
    if kind == 1:
        return {"type": "array", "items": number(r), "minItems": 2, "maxItems": r.randrange(2, 8)}
    if kind == 2:
        return {"type": "array", "prefixItems": [number(r), {"type": "boolean"}, {"enum": r.choice(ENUMS)}],
                "items": False, "minItems": 3}
    return {"type": "object", "properties": {"tags": {"type": "array", "items": {"enum": r.choice(ENUMS)}, "maxItems": 4}},
            "required": ["tags"]}


def reference(r):
    if r.randrange(2):
        return {"$ref": "#/$defs/node", "$defs": {"node": {
            "type": "object", "properties": {"value": {"type": "integer", "minimum": 0, "maximum": 99},
                                             "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2}},
            "required": ["value"], "additionalProperties": False}}}
    return {"type": "object", "properties": {"from": {"$ref": "#/$defs/place"}, "to": {"$ref": "#/$defs/place"}},
            "required": ["from", "to"], "$defs": {"place": record(r, 2)}}


def union(r):
    kind = r.randrange(3)
    if kind == 0:
        return {"anyOf": [record(r, 2), {"type": "string", "maxLength": 20}, {"type": "null"}]}
    if kind == 1:
        return {"type": "object", "properties": {"value": {"anyOf": [number(r), {"type": "boolean"}, text(r)]}},
                "required": ["value"]}
    both = record(r, 2)
    return {"allOf": [both, {"required": list(both["properties"])}]}


def mapping(r):
    values = r.choice([{"type": "boolean"}, {"enum": r.choice(ENUMS)}, {"type": "integer", "minimum": 0, "maximum": 9}])
    name, schema = scalar(r)
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": values}


def schemas():
    """(shape, schema), 200 of them."""
    r = random.Random(20)
    shapes = [("record", lambda: record(r, r.randrange(1, 6))),
              ("optional members", lambda: record(r, r.randrange(2, 5), required=1)),
              ("tool call", lambda: tool_call(r)), ("nested", lambda: nested(r)), ("array", lambda: array(r)),
              ("reference", lambda: reference(r)), ("union", lambda: union(r)), ("mapping", lambda: mapping(r)),
              ("string", lambda: text(r)), ("number", lambda: number(r))]
    made = {}  # by their text: no schema twice
    for name, make in shapes:
        before = len(made)
        while len(made) < before + 20:
            schema = make()
            made.setdefault(json.dumps(schema), (name, schema))
    return list(made.values())
