"""A validator of JSON schemas for tests: no part of limpid, written from the standard (draft 2020-12), so that what a
grammar lets through is judged by somebody else. Where the package jsonschema is installed, it must agree."""
import datetime
import ipaddress
import json
import math
import re
import uuid

try:
    import jsonschema
except ImportError:
    jsonschema = None


class Repeated(Exception):
    """A key twice in one object."""


def parse(text):
    """The value of a JSON text; ValueError for NaN, a lone surrogate or anything else that is no JSON."""
    def refuse(name):
        raise ValueError(name)
    value = json.loads(text, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate has no UTF-8
    return value


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_type(value, name):
    return {"null": value is None, "boolean": isinstance(value, bool), "string": isinstance(value, str),
            "number": is_number(value), "integer": is_number(value) and float(value).is_integer(),
            "array": isinstance(value, list), "object": isinstance(value, dict)}[name]


def equal(a, b):
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    return a == b


def resolve(root, reference):
    at = root
    for part in reference.lstrip("#").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        at = at[int(part)] if isinstance(at, list) else at[part]
    return at


def good_format(text, name):
    try:
        if name == "date":
            return datetime.date.fromisoformat(text) is not None and len(text) == 10
        if name == "date-time":
            return datetime.datetime.fromisoformat(text).tzinfo is not None and text[10] == "T"
        if name == "time":
            return datetime.time.fromisoformat(text).tzinfo is not None
        if name == "uuid":
            return str(uuid.UUID(text)) == text.lower()
        if name == "ipv4":
            return str(ipaddress.IPv4Address(text)) == text
        if name == "ipv6":
            return ipaddress.IPv6Address(text) is not None
    except ValueError:
        return False
    if name == "email":
        return re.fullmatch(r"[^@\s\"(),:;<>\[\]\\]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", text) is not None and ".." not in text
    if name == "hostname":
        return len(text) <= 253 and all(re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", label) for label in text.split("."))
    if name == "duration":
        return re.fullmatch(r"P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?", text) is not None
    if name == "uri":
        return re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*", text) is not None
    return True


def string_faults(value, schema):
    if len(value) < schema.get("minLength", 0) or len(value) > schema.get("maxLength", math.inf):
        yield "length"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield "pattern"
    if "format" in schema and not good_format(value, schema["format"]):
        yield "format"


def number_faults(value, schema):
    if value < schema.get("minimum", -math.inf) or value > schema.get("maximum", math.inf):
        yield "bounds"
    if value <= schema.get("exclusiveMinimum", -math.inf) or value >= schema.get("exclusiveMaximum", math.inf):
        yield "exclusive bounds"
    if "multipleOf" in schema and value % schema["multipleOf"]:
        yield "multipleOf"


def array_faults(value, schema, root):
    if len(value) < schema.get("minItems", 0) or len(value) > schema.get("maxItems", math.inf):
        yield "number of items"
    prefix = schema.get("prefixItems", [])
    for i, item in enumerate(value):
        yield from faults(item, prefix[i] if i < len(prefix) else schema.get("items", True), root)


def object_faults(value, schema, root):
    for name in schema.get("required", []):
        if name not in value:
            yield "required " + name
    properties = schema.get("properties", {})
    for name, inside in value.items():
        yield from faults(inside, properties[name] if name in properties else schema.get("additionalProperties", True), root)


def faults(value, schema, root):
    """What is wrong; nothing where the value satisfies the schema."""
    if schema is True or schema is False:
        if not schema:
            yield "false"
        return
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, name) for name in types):
        yield f"type {types}"
    if "enum" in schema and not any(equal(value, one) for one in schema["enum"]):
        yield "enum"
    if "const" in schema and not equal(value, schema["const"]):
        yield "const"
    if isinstance(value, str):
        yield from string_faults(value, schema)
    if is_number(value):
        yield from number_faults(value, schema)
    if isinstance(value, list):
        yield from array_faults(value, schema, root)
    if isinstance(value, dict):
        yield from object_faults(value, schema, root)
    for part in schema.get("allOf", []):
        yield from faults(value, part, root)
    if "anyOf" in schema and not any(valid(value, part, root) for part in schema["anyOf"]):
        yield "anyOf"
    if "oneOf" in schema and sum(valid(value, part, root) for part in schema["oneOf"]) != 1:
        yield "oneOf"
    if "$ref" in schema:
        yield from faults(value, resolve(root, schema["$ref"]), root)


def valid(value, schema, root=None):
    return next(faults(value, schema, schema if root is None else root), None) is None


def judge(text, schema):
    """None where the text is JSON that satisfies the schema, else what is wrong with it."""
    try:
        value = parse(text)
    except ValueError as error:
        return f"no JSON: {error}"
    if schema == "json_object":
        return None if isinstance(value, dict) else "no object"
    fault = next(faults(value, schema, schema), None)
    if jsonschema:
        checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker(["date", "ipv4", "ipv6", "uuid"]))
        other = next(checker.iter_errors(value), None)
        if fault is None and other is not None:
            return f"jsonschema: {other.message}"
    return fault
