"""Whether pydantic can read a value as a type, as far as that is known before there is a value."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import typing
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from volnux.events.shapes import Shape, Shapes

__all__ = ["Refusal", "may_be"]

Schema: TypeAlias = Mapping[str, Any]
"""A schema of pydantic: what `TypeAdapter.core_schema` is made of."""

_TEXT: Final = (str, bytes, bytearray)
_SCALARS: Final[dict[str, tuple[tuple[type, ...], bool]]] = {
    # The classes that lax mode reads as each scalar, and whether it reads numbers. Other classes
    # are refused.
    "none": ((type(None),), False),
    "bool": (_TEXT, True),
    "int": (_TEXT, True),
    "float": (_TEXT, True),
    "decimal": ((*_TEXT, tuple, list), True),
    "str": (_TEXT, False),
    "bytes": (_TEXT, False),
    "date": ((dt.date, *_TEXT), True),
    "datetime": ((dt.date, *_TEXT), True),
    "time": ((dt.time, dt.datetime, *_TEXT), True),
    "timedelta": ((dt.timedelta, *_TEXT), True),
    "uuid": ((uuid.UUID, *_TEXT), False),
}
_INNER: Final = {
    # Schemas that check their inner schema first. After that, they only refuse more values.
    "custom-error": "schema",
    "function-after": "schema",
    "lax-or-strict": "lax_schema",
    "json-or-python": "python_schema",
}
_FIELDS: Final = {"model": "model-fields", "dataclass": "dataclass-args"}
_ITERABLES: Final = ("list", "set", "frozenset", "deque", "tuple")
_DEEPEST: Final = 50


class Refusal:
    """What pydantic refuses in lax mode; each method is false where a value may be read.

    A schema with a validator of the user, and any that is not known here, may read everything. An
    empty list or dict does not count: a list of `str` is refused as a list of `int`.

    Args:
        schema: the schema of a type.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._definitions: dict[str, Schema] = {}

    def of(self, shapes: Shapes) -> bool:
        """Whether every value is refused."""
        return self._all(self._schema, shapes, 0)

    def _all(self, schema: Schema, shapes: Shapes, depth: int) -> bool:
        if shapes is None or depth > _DEEPEST:
            return False
        return all(self._one(schema, shape, depth + 1) for shape in shapes)

    def _one(self, schema: Schema, shape: Shape, depth: int) -> bool:
        kind = schema["type"]
        if kind in _SCALARS:
            return _is_no_scalar(schema, shape)
        if kind in _ITERABLES:
            return self._iterable(schema, shape, depth)
        if kind in _INNER:
            return self._all(schema[_INNER[kind]], (shape,), depth)
        if kind in _FIELDS:
            return self._instance(schema, shape, depth)
        match kind:
            case "nullable":
                return shape.cls is not type(None) and self._all(schema["schema"], (shape,), depth)
            case "union" | "tagged-union":
                choices = schema["choices"]
                if isinstance(choices, Mapping):
                    choices = choices.values()
                schemas = [each[0] if isinstance(each, tuple) else each for each in choices]
                return all(
                    isinstance(each, Mapping) and self._all(each, (shape,), depth)
                    for each in schemas
                )
            case "default":
                replaced = schema.get("on_error", "raise") != "raise"
                return not replaced and self._all(schema["schema"], (shape,), depth)
            case "chain":
                return self._all(schema["steps"][0], (shape,), depth)
            case "definitions":
                self._definitions.update((each["ref"], each) for each in schema["definitions"])
                return self._all(schema["schema"], (shape,), depth)
            case "definition-ref":
                found = self._definitions.get(schema["schema_ref"])
                return found is not None and self._all(found, (shape,), depth)
            case "is-instance":
                return not may_be(shape.cls, schema["cls"])
            case "literal":
                return not any(_may_equal(shape, value) for value in schema["expected"])
            case "enum":
                return self._enum(schema, shape)
            case "dict":
                return (
                    not may_be(shape.cls, Mapping)
                    or self._all(schema.get("keys_schema", _ANY), shape.key, depth)
                    or self._all(schema.get("values_schema", _ANY), shape.item, depth)
                )
            case "typed-dict":
                return not (_reads_attributes(schema) or may_be(shape.cls, Mapping))
            case "named-tuple" | "call":  # how older versions make a named tuple
                return not (_is_list(shape.cls) or may_be(shape.cls, Mapping))
            case "generator":
                return not _is_iterable(shape.cls)
            case _:
                return False

    def _iterable(self, schema: Schema, shape: Shape, depth: int) -> bool:
        if not _is_list(shape.cls):
            return True
        schemas = schema.get("items_schema", _ANY)
        if isinstance(schemas, Sequence):  # a tuple
            return self._tuple(schemas, schema.get("variadic_item_index"), shape, depth)
        parts = (shape.item,) if shape.parts is None else shape.parts
        return any(self._all(schemas, part, depth) for part in parts)

    def _tuple(
        self, schemas: Sequence[Schema], variadic: int | None, shape: Shape, depth: int
    ) -> bool:
        parts = shape.parts
        if parts is None:
            return any(self._all(each, shape.item, depth) for each in schemas)
        if variadic is not None:
            repeated = len(parts) - len(schemas) + 1
            schemas = [
                *schemas[:variadic],
                *[schemas[variadic]] * repeated,
                *schemas[variadic + 1 :],
            ]
        if len(parts) != len(schemas):
            return True
        return any(self._all(each, part, depth) for each, part in zip(schemas, parts, strict=True))

    def _instance(self, schema: Schema, shape: Shape, depth: int) -> bool:
        """Refusal of a model or dataclass: it reads an instance, or a mapping of its fields."""
        cls = schema["cls"]
        generic = getattr(cls, "__pydantic_generic_metadata__", {}).get("origin") or cls
        if may_be(shape.cls, generic) or schema.get("custom_init") or _reads_attributes(schema):
            return False
        inner = schema["schema"]
        if schema.get("root_model"):
            return self._all(inner, (shape,), depth)
        while inner["type"] == "function-after":
            inner = inner["schema"]
        return inner["type"] == _FIELDS[schema["type"]] and not may_be(shape.cls, Mapping)

    def _enum(self, schema: Schema, shape: Shape) -> bool:
        """Refusal of an enum: it reads a member, or the value of one."""
        cls = schema["cls"]
        if may_be(shape.cls, cls) or _reads_other_values(cls):
            return False
        if "sub_type" in schema:
            return _is_no_scalar({"type": schema["sub_type"]}, shape)
        return not any(_may_equal(shape, member.value) for member in schema["members"])


_ANY: Final[Schema] = {"type": "any"}


def _is_no_scalar(schema: Schema, shape: Shape) -> bool:
    classes, numbers = _SCALARS[schema["type"]]
    numbers = numbers or bool(schema.get("coerce_numbers_to_str"))
    if numbers and _is_number(shape.cls):
        return False
    if schema["type"] == "str" and issubclass(shape.cls, enum.Enum):
        return False  # read as the text of its value
    return not any(may_be(shape.cls, each) for each in classes)


def _is_number(cls: type) -> bool:
    return issubclass(cls, decimal.Decimal) or _has(cls, "__float__") or _has(cls, "__index__")


def _is_list(cls: type) -> bool:
    """Whether pydantic reads such a value as a list."""
    return _is_iterable(cls) and not issubclass(cls, (*_TEXT, Mapping))


def _is_iterable(cls: type) -> bool:
    return _has(cls, "__iter__") or _has(cls, "__getitem__")


def _has(cls: type, name: str) -> bool:
    # `hasattr` would also find what the metaclass defines, such as the iteration over an enum.
    return any(name in vars(base) for base in cls.__mro__)


def may_be(cls: type, wanted: Any) -> bool:
    """Whether a value of a class, or of a subclass, may be an instance of another class."""
    wanted = typing.get_origin(wanted) or wanted
    if not isinstance(wanted, type) or getattr(wanted, "_is_protocol", False):
        return True
    check: Any = type(wanted).__instancecheck__
    if check not in _INSTANCE_CHECKS and not check.__module__.startswith("pydantic."):
        return True
    return issubclass(cls, wanted) or issubclass(wanted, cls)


_INSTANCE_CHECKS: Final = (
    type.__instancecheck__,
    type(Mapping).__instancecheck__,
    type(enum.Enum).__instancecheck__,
)


def _may_equal(shape: Shape, value: Any) -> bool:
    """Whether a value may be equal to a member of a `Literal`, or to the value of an enum."""
    if isinstance(value, enum.Enum) or issubclass(shape.cls, enum.Enum):
        return True
    if shape.only:
        return bool(shape.only[0] == value)
    if _is_number(shape.cls) and _is_number(type(value)):
        return True
    return may_be(shape.cls, type(value)) or (
        issubclass(shape.cls, _TEXT) and isinstance(value, _TEXT)
    )


def _reads_other_values(cls: type[enum.Enum]) -> bool:
    """Whether an enum has a method that may make a member of any value."""
    return any("_missing_" in vars(base) for base in cls.__mro__ if base is not enum.Enum)


def _reads_attributes(schema: Schema) -> bool:
    return bool((schema.get("config") or {}).get("from_attributes"))
