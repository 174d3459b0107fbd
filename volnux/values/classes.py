"""The kinds of instances of a user's classes: dataclasses, named tuples, models and enum members.

The tag has the module and name of the class. A reader uses the class only if its `Classes` allows
it, and pydantic checks the fields.
"""

from __future__ import annotations

import dataclasses
import enum
import weakref
from typing import TYPE_CHECKING, Any, Final

from volnux.imported import imported
from volnux.strictjson import FormatError
from volnux.values.kinds import Kind

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["CLASS_KINDS", "class_kind", "is_data_class"]


def class_kind(cls: type) -> Kind | None:
    """The kind of the instances of a class; None if it is not a data class."""
    if issubclass(cls, enum.Enum):
        return _ENUM
    if issubclass(cls, tuple):
        return _NAMED_TUPLE if hasattr(cls, "_fields") and hasattr(cls, "_make") else None
    # A dict or list with fields of its own has more than its fields.
    if issubclass(cls, (dict, list, set, frozenset, str, bytes, int, float, BaseException)):
        return None
    if dataclasses.is_dataclass(cls):
        return _DATACLASS
    return _MODEL if _is_model(cls) else None


def is_data_class(cls: Any) -> bool:
    """Whether something is a class whose instances can be written and read."""
    # `isinstance` would run the code of a proxy.
    return issubclass(type(cls), type) and class_kind(cls) is not None


def _is_model(cls: type) -> bool:
    pydantic = imported("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


# Writing.


def _class_name(value: Any, writer: Writer) -> str:
    """The module and name of a class; refuses a class that no reader could use."""
    cls = type(value)
    if cls not in _problems:
        _problems[cls] = _problem_of(cls)
    problem = _problems[cls]
    if problem is not None:
        what, how = problem
        writer.refuse(f"is of type {cls.__module__}.{cls.__qualname__}, {what}", how)
    if not writer.may_name(cls):
        if writer.knows_other(cls):
            writer.refuse(
                f"is of type {cls.__module__}.{cls.__qualname__}, and the events know another "
                "class of this name in another module of this name",
                "rename one of the two modules",
            )
        writer.refuse(
            f"is of type {cls.__module__}.{cls.__qualname__}, which no module of events defines or "
            "imports",
            "import the class in the module of the event",
        )
    return f"{cls.__module__}:{cls.__qualname__}"


_problems: weakref.WeakKeyDictionary[type, tuple[str, str] | None] = weakref.WeakKeyDictionary()


def _problem_of(cls: Any) -> tuple[str, str] | None:
    """Why no instance of a class could be made again, and what to do; None if that is possible."""
    if "<locals>" in cls.__qualname__:
        return "a class inside a function", "define the class at the top level of its module"
    if issubclass(cls, enum.Enum):
        return None
    pseudo = getattr(cls, "__dataclass_fields__", {}).values()
    if any(field._field_type.name == "_FIELD_INITVAR" for field in pseudo):
        return (
            "a dataclass with an InitVar, which its instances do not keep",
            "make it an ordinary field, or make the class known with volnux.values.register",
        )
    from pydantic import PydanticUserError

    from volnux.values.adapters import adapter_of

    try:
        adapter_of(cls)
    except (PydanticUserError, NameError, TypeError) as error:
        return (
            f"of whose annotations pydantic makes no schema ({str(error).splitlines()[0]})",
            "correct the annotations, or make the class known with volnux.values.register",
        )
    return None


def _write_dataclass(value: Any, writer: Writer) -> dict[str, Any]:
    name = _class_name(value, writer)
    fields = {
        field.name: writer.json(getattr(value, field.name), f".{field.name}")
        for field in dataclasses.fields(value)
        if hasattr(value, field.name)
    }
    return {"class": name, "fields": fields}


def _write_named_tuple(value: Any, writer: Writer) -> dict[str, Any]:
    name = _class_name(value, writer)
    names = zip(value._fields, value, strict=True)
    return {"class": name, "fields": [writer.json(each, f".{field}") for field, each in names]}


def _write_model(value: Any, writer: Writer) -> dict[str, Any]:
    content: dict[str, Any] = {"class": _class_name(value, writer)}
    parts = {**vars(value), **(value.__pydantic_extra__ or {})}
    known = type(value).model_fields
    if not value.__pydantic_extra__:
        # A cached property is not a field.
        parts = {name: each for name, each in parts.items() if name in known}
    content["fields"] = {name: writer.json(each, f".{name}") for name, each in parts.items()}
    content["set"] = sorted(value.__pydantic_fields_set__)
    if value.__pydantic_private__:
        content["private"] = {
            name: writer.json(each, f".{name}") for name, each in value.__pydantic_private__.items()
        }
    return content


def _write_enum(value: enum.Enum, writer: Writer) -> dict[str, Any]:
    # A combination of flags need not have a name.
    content = value.value if isinstance(value, enum.Flag) else value.name
    return {"class": _class_name(value, writer), "fields": content}


# Reading.


def _class_of(data: Any, reader: Reader, kind: Kind) -> tuple[Any, Any]:
    """The class that a tag names, and the content."""
    if type(data) is not dict or type(data.get("class")) is not str:
        raise FormatError("it names no class")
    module, _, name = data["class"].partition(":")
    found = reader.classes.find(module, name)
    if found is None or class_kind(found) is not kind:
        article = "an" if kind.name == "enum" else "a"
        raise FormatError(
            f"it names the class {data['class'][:200]!r}, which is not {article} {kind.name} that "
            "the modules of the events define or import: import it there, make it known with "
            "volnux.values.register, or name it in 'classes' where you read a report or a text"
        )
    return found, data.get("fields")


def _read_dataclass(data: Any, reader: Reader) -> Any:
    cls, fields = _class_of(data, reader, _DATACLASS)
    values = _values(fields, reader)
    takes = {field.name for field in dataclasses.fields(cls) if field.init}
    unknown = values.keys() - {field.name for field in dataclasses.fields(cls)}
    if unknown:
        raise FormatError(f"{cls.__qualname__} has no field {min(unknown)[:100]!r}")
    made = _checked(cls, {name: each for name, each in values.items() if name in takes})
    # Pydantic converts values on the way, such as an int in a field for floats: undo that.
    for name, each in values.items():
        object.__setattr__(made, name, each)
    return made


def _read_named_tuple(data: Any, reader: Reader) -> Any:
    cls, fields = _class_of(data, reader, _NAMED_TUPLE)
    if type(fields) is not list or len(fields) != len(cls._fields):
        raise FormatError(f"{cls.__qualname__} has {len(cls._fields)} fields")
    values = [reader.value(each) for each in fields]
    _checked(cls, tuple(values))
    return cls._make(values)


def _read_model(data: Any, reader: Reader) -> Any:
    cls, fields = _class_of(data, reader, _MODEL)
    values = _values(fields, reader)
    given: Any = {_key_of(cls, name): each for name, each in values.items()}
    if cls.__pydantic_root_model__:
        given = values["root"]
    made = _checked(cls, given)
    known = cls.model_fields
    vars(made).update((name, each) for name, each in values.items() if name in known)
    was_set = data.get("set")
    if type(was_set) is list and set(was_set) <= values.keys():
        object.__setattr__(made, "__pydantic_fields_set__", set(was_set))
    private = data.get("private")
    if private is not None:
        if not _values(private, reader).keys() <= cls.__private_attributes__.keys():
            raise FormatError(f"{cls.__qualname__} has no such private attribute")
        object.__setattr__(made, "__pydantic_private__", _values(private, reader))
    return made


def _read_enum(data: Any, reader: Reader) -> Any:
    cls, content = _class_of(data, reader, _ENUM)
    if issubclass(cls, enum.Flag):
        if type(content) is not int:
            raise FormatError("a flag is a number")
        return cls(content)
    if type(content) is not str or content not in cls.__members__:
        raise FormatError(f"{cls.__qualname__} has no member {str(content)[:100]!r}")
    return cls[content]


def _values(fields: Any, reader: Reader) -> dict[str, Any]:
    if type(fields) is not dict:
        raise FormatError("it has no fields")
    return {name: reader.value(each) for name, each in fields.items()}


def _key_of(cls: Any, name: str) -> str:
    """The key of a field in what a model is made from."""
    field = cls.model_fields.get(name)
    alias = None if field is None else field.validation_alias
    choices = getattr(alias, "choices", (alias,))
    return next((each for each in choices if isinstance(each, str)), name)


def _checked(cls: Any, given: Any) -> Any:
    """An instance that pydantic has made.

    Raises:
        FormatError: the values do not fit the class.
    """
    from pydantic import ValidationError

    from volnux.values.adapters import adapter_of

    try:
        return adapter_of(cls).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f".{part}" for part in first["loc"])
        raise FormatError(f"{cls.__qualname__}{where}: {first['msg']}") from None
    except RecursionError:
        raise
    except Exception as error:
        raise FormatError(
            f"{cls.__qualname__} cannot be made again: {type(error).__name__}: {str(error)[:200]}"
        ) from error


_DATACLASS: Final = Kind("dataclass", _write_dataclass, _read_dataclass)
_NAMED_TUPLE: Final = Kind("namedtuple", _write_named_tuple, _read_named_tuple)
_MODEL: Final = Kind("model", _write_model, _read_model)
_ENUM: Final = Kind("enum", _write_enum, _read_enum)

CLASS_KINDS: Final = (_DATACLASS, _NAMED_TUPLE, _MODEL, _ENUM)
"""The kinds that this module adds by name: they have many classes."""
