"""Values as JSON that comes back equal and of the same type.

`dumps` and `to_json` write plain JSON as it is, and everything else as tagged JSON, for example
`{"$volnux": "decimal", "value": "1.20"}`. `loads` and `from_json` read it again. They run no code
that the data names: a class is used only if the caller or `register` allows it.
"""

from __future__ import annotations

from volnux._lazy import lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from volnux.values.codec import dumps, from_json, loads, to_json
    from volnux.values.kinds import NotPortableError
    from volnux.values.reading import Classes, Known
    from volnux.values.registry import register
    from volnux.values.store import Store, StoreError, ValueLostError

__all__ = [
    "Classes",
    "Known",
    "NotPortableError",
    "Store",
    "StoreError",
    "ValueLostError",
    "dumps",
    "from_json",
    "loads",
    "register",
    "to_json",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.values.codec": ("dumps", "from_json", "loads", "to_json"),
        "volnux.values.reading": ("Classes", "Known"),
        "volnux.values.kinds": ("NotPortableError",),
        "volnux.values.registry": ("register",),
        "volnux.values.store": ("Store", "StoreError", "ValueLostError"),
    },
)
