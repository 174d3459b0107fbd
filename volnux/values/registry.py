"""Which kind a value is of: those of the standard library, of packages, and registered classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from volnux.shown import shown
from volnux.strictjson import FormatError
from volnux.values.classes import CLASS_KINDS, class_kind
from volnux.values.kinds import Kind, NotPortableError
from volnux.values.standard import STANDARD

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["kind_named", "kind_of", "register"]

GROUP: Final = "volnux.values"
"""The group of entry points of packages that register classes. Each of them is called once."""

_LATE: Final = {
    "numpy": "volnux.values.frames",
    "pandas": "volnux.values.frames",
    "polars": "volnux.values.frames",
    "pyarrow": "volnux.values.frames",
    "volnux": "volnux.graph.tagged",
}
"""By the top-level module of a class, the module that has kinds for its classes."""


_by_class: dict[type, Kind] = dict(STANDARD)
_by_name: dict[str, Kind] = {kind.name: kind for kind in (*STANDARD.values(), *CLASS_KINDS)}
_owner_of: dict[str, str] = {}
"""The module and name of each registered class, by the name of its kind."""
_loaded: set[str] = set()


def register(
    cls: type,
    write: Callable[[Any], Any],
    read: Callable[[Any], Any],
    *,
    name: str | None = None,
) -> None:
    """Make a class known, so that its instances can be passed on between processes.

    Every process that writes or reads such values must register the class, for example because the
    module of the events does so, or because a package has an entry point `volnux.values`.

    Args:
        cls: the class. Subclasses are not included.
        write: makes any other value of an instance: JSON, or a value of a known type.
        read: makes the instance of such a value.
        name: the name in the stored JSON; by default, the module and name of the class.

    Raises:
        TypeError: `cls` is not a class, or `write` or `read` cannot be called.
        ValueError: the class is one that volnux itself stores, or the name is taken.
    """
    if not isinstance(cls, type):
        raise TypeError(f"register takes a class, found {type(cls).__name__} {shown(cls)}")
    if not callable(write) or not callable(read):
        raise TypeError(f"to register {cls.__qualname__}, 'write' and 'read' must be functions")
    owner = f"{cls.__module__}.{cls.__qualname__}"
    if cls in STANDARD or cls in _JSON:
        raise ValueError(f"volnux itself stores values of type {cls.__qualname__}")
    name = name or owner
    if kind_named(name) is not None and _owner_of.get(name) != owner:
        other = _owner_of.get(name, "a type that volnux itself stores")
        raise ValueError(f"the name {name!r} belongs to {other}: choose another name")
    # A module that was imported again has another class of this name.
    for old in [each for each, kind in _by_class.items() if kind.name == name]:
        del _by_class[old]
    _owner_of[name] = owner
    _add(cls, _registered(cls, name, write, read))


_JSON: Final = (list, bool, type(None))
"""Types of JSON that need no kind."""


def _registered(
    cls: type, name: str, write: Callable[[Any], Any], read: Callable[[Any], Any]
) -> Kind:
    """The kind of a registered class. Errors of its functions say so."""

    def written(value: Any, writer: Writer) -> Any:
        try:
            made = write(value)
        except Exception as error:  # noqa: BLE001 - the user's code
            writer.refuse(
                f"is of type {name}, whose 'write' failed: {type(error).__name__}: {error}",
                "correct the function that was registered",
            )
        if type(made) is cls:
            writer.refuse(
                f"is of type {name}, whose 'write' returned another instance of it",
                "let it return JSON, or values of other types",
            )
        return writer.json(made)

    def made(data: Any, reader: Reader) -> Any:
        value = reader.value(data)
        try:
            return read(value)
        except Exception as error:
            raise FormatError(
                f"the 'read' that is registered for {name} failed: {type(error).__name__}: {error}"
            ) from error

    return Kind(name, written, made)


def kind_of(cls: type) -> Kind | None:
    """The kind of the instances of a class, but not of its subclasses; None if there is none."""
    kind = _by_class.get(cls)
    if kind is None:
        _load(str(cls.__module__).partition(".")[0])
        kind = _by_class.get(cls)
    return class_kind(cls) if kind is None else kind


def kind_named(name: str) -> Kind | None:
    """The kind with a name; None if there is none."""
    kind = _by_name.get(name)
    if kind is None:
        _load(name.partition(".")[0])
        kind = _by_name.get(name)
    return kind


def _load(top: str) -> None:
    """Add the kinds of installed packages, and those of the classes of one package."""
    if not _loaded:
        _loaded.add("")
        _load_entry_points()
    if top in _LATE and top not in _loaded:
        import importlib

        kinds: Mapping[type, Kind] = importlib.import_module(_LATE[top]).kinds(top)
        for cls, kind in kinds.items():
            _add(cls, kind)
        _loaded.add(top)


def _load_entry_points() -> None:
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        try:
            entry.load()()
        except Exception as error:
            _loaded.discard("")  # The next value must not be read without it either.
            raise NotPortableError(
                f"the entry point {entry.name!r} of the group {GROUP!r} failed: "
                f"{type(error).__name__}: {error}"
            ) from error


def _add(cls: type, kind: Kind) -> None:
    _by_class[cls] = kind
    _by_name[kind.name] = kind
