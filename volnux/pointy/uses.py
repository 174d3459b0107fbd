"""Reads `@use: name = "path"`: the name and the form of the path. No file is read here."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from volnux.errors import Span
from volnux.pointy.report import clip
from volnux.pointy.strings import CONTROL, RESERVED_NAMES, is_name
from volnux.pointy.values import OTHER_QUOTES, BadValue, unquoted

__all__ = ["package_path", "read_name", "read_path"]

_HEAD = re.compile(r"(?P<name>[^\s:=\"'“”„«»]*)\s*(?P<sign>[:=]?)\s*")
_PACKAGE = re.compile(
    r"package:(?P<package>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)/(?P<path>.*)", re.DOTALL | re.ASCII
)
_SCHEME = re.compile(r"(?P<word>[A-Za-z][A-Za-z0-9+.-]*):(?P<slashes>//)?")
_FORM = 'a used file is written @use: clean = "shared/clean.pty"'
_NAME = (
    "a name consists of A-Z, a-z, digits and underscores, does not begin with a digit, "
    "and is not a Python keyword"
)
_RELATIVE = "a path is relative to the folder of this file: shared/clean.pty, ../clean.pty"
_FORM_OF_PACKAGE = 'a file of an installed package is written "package:shop.flows/clean.pty"'


def read_name(value: str) -> str:
    """The name at the beginning of the value of a `@use`.

    Raises:
        BadValue: it is not a valid name.
    """
    head = _head(value)
    name = head["name"]
    hint = None
    stem, _, digits = name.rpartition("__")
    if not name:
        message = "expected a name for the used file"
        path = value.strip(": ")
        hint = _meant("", path) if path[:1] in tuple(OTHER_QUOTES + '"') else _FORM
    elif not is_name(name):
        message = f"'{clip(name)}' is not a valid name for a used file"
        hint = _NAME
        if "/" in name or name.endswith(".pty"):
            hint = _meant("", name)
        elif is_name(name.replace("-", "_")):
            hint = _meant(name.replace("-", "_"), value[head.end() :])
    elif name in RESERVED_NAMES:
        message = f"'{name}' is reserved: choose another name for the used file"
    elif stem and digits.isdigit():
        message = (
            f"the name '{clip(name)}' ends in two underscores and digits, "
            "which mark the second and later uses of a file"
        )
        hint = f"write '{clip(stem)}' again for another use of it, or choose another name"
    else:
        return name
    raise BadValue("bad-use", message, 0, max(len(name), 1), hint)


def read_path(value: str, span: Span) -> tuple[str, Span]:
    """The path in the value of a `@use` with a valid name, and its position.

    Args:
        value: the value.
        span: its position.

    Raises:
        BadValue: it is not a path in double quotes, or its form is not valid.
    """
    head = _head(value)
    name, start = head["name"], head.end()
    path = value[start:]
    if head["sign"] != "=":
        message = f"expected '=' and a path in double quotes after '{clip(name)}'"
        raise BadValue("bad-use", message, len(name), None, _meant(name, path))
    if path[:1] not in tuple(OTHER_QUOTES + '"'):
        message = f"expected a path in double quotes after '{clip(name)} ='"
        raise BadValue("bad-use", message, start, None, _meant(name, path))
    try:
        text = unquoted(path)
        _check_path(text)
    except BadValue as bad:
        end = len(value) if bad.end is None else start + bad.end
        raise BadValue(bad.code, bad.message, start + bad.start, end, bad.hint) from None
    return text, span._replace(column=span.column + start)


def package_path(path: str) -> tuple[str, str] | None:
    """The dotted package and the path in it, of a path such as `package:shop.flows/clean.pty`."""
    match = _PACKAGE.fullmatch(path)
    return (match["package"], match["path"]) if match else None


def _head(value: str) -> re.Match[str]:
    head = _HEAD.match(value)
    assert head is not None
    return head


def _check_path(path: str) -> None:
    """Check the form of a path.

    Raises:
        BadValue: it is not a relative path with `/`, nor the path of a file in a package.
    """
    message = hint = None
    scheme = _SCHEME.match(path)
    if not path.strip():
        message, hint = "the path is empty", _FORM
    elif CONTROL.search(path):
        message = "a path cannot contain control characters"
    elif path.startswith(("/", "\\")) or (scheme and len(scheme["word"]) == 1):
        message, hint = "the path is absolute", _RELATIVE
    elif "\\" in path:
        message = "a path is written with '/', also on Windows"
        hint = f'write "{clip(path.replace(chr(92), "/"))}"'
    elif path != path.strip():
        message = "the path begins or ends with a space"
        hint = f'write "{clip(path.strip())}"'
    elif path.startswith("package:"):
        message, hint = _package_fault(path)
    elif scheme and scheme["slashes"]:
        message = "a URL is not a path: used files are read from the disk"
        hint = "copy the file into the project, or install a package with it"
    elif scheme:
        message, hint = f"'{clip(scheme['word'])}:' has no meaning in a path", _FORM_OF_PACKAGE
    elif path.startswith("~"):
        message, hint = "'~' has no meaning in a path", _RELATIVE
    if message is None and path.endswith("/"):
        message, hint = "the path ends with '/', so it is not the path of a file", _FORM
        if path.endswith(".pty/"):
            hint = f'write "{clip(path[:-1])}"'
    if message is not None:
        raise BadValue("bad-path", message, hint=hint)


def _package_fault(path: str) -> tuple[str | None, str | None]:
    """What is wrong with the form of a path in a package, and a hint."""
    found = package_path(path)
    if found is None or not found[1].strip("/"):
        name, slash, rest = path.removeprefix("package:").strip("/").rpartition("/")
        meant = f"package:{name.replace('/', '.')}/{rest}"
        hint = f'write "{clip(meant)}"' if slash and package_path(meant) else _FORM_OF_PACKAGE
        return "expected a dotted package and a path in it after 'package:'", hint
    package, inside = found
    if inside.startswith("/"):
        hint = f'write "{clip(f"package:{package}/{inside.lstrip(chr(47))}")}"'
        return f"expected a path in the package '{clip(package)}', found '/'", hint
    if ".." in PurePosixPath(inside).parts:
        return "a path in a package cannot contain '..'", _FORM_OF_PACKAGE
    return None, None


def _meant(name: str, text: str) -> str:
    """A hint with the directive that was probably meant, or with an example."""
    path = text.strip(OTHER_QUOTES + '" ')
    name = name or re.sub(r"\W", "_", PurePosixPath(path).stem, flags=re.ASCII)
    if not path or not is_name(name) or '"' in path or any(each.isspace() for each in path):
        return _FORM
    return f'write @use: {clip(name)} = "{clip(path)}"'
