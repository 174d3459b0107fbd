"""The HTML file of a report: its scripts, its style and its content in one document.

Nothing that a user wrote is HTML. The content is JSON in an element that no browser runs, and the
page shows it only as text. The security policy of the document allows these scripts by their
hashes, and nothing else: no other script, no address and no text that becomes HTML.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volnux.htmlreport.content import Attempt, LogLine, content_of

if TYPE_CHECKING:
    from volnux.graph.model import Graph
    from volnux.graph.report import RunReport

__all__ = ["html_of"]

_FOLDER = Path(__file__).with_name("page")
_SCRIPTS = ("basics.js", "flow.js", "rows.js", "table.js", "page.js")
_LIBRARY = "viz-global.js"
_LICENSES = """\
<!-- The next element contains, packed with gzip and base64: Viz.js 3.31.0, Copyright (c) Michael
Daines, MIT license, https://github.com/mdaines/viz-js; with Graphviz 16.1.0, Eclipse Public License
2.0, source code at https://gitlab.com/graphviz/graphviz; Expat 2.8.5, MIT license,
https://github.com/libexpat/libexpat; and parts of Emscripten and musl, MIT license. They come
without any warranty. -->"""


def html_of(
    report: RunReport,
    graph: Graph | None = None,
    *,
    attempts: Mapping[str, Sequence[Attempt]] | None = None,
    logs: Mapping[str, Sequence[LogLine]] | None = None,
    versions: Mapping[str, str] | None = None,
    unended: str | None = None,
) -> str:
    """A run as one HTML document, which shows everything without a network.

    Long values, tracebacks and logs are cut, so that a large run still opens quickly. Secrets that
    this process has read are replaced with `***`.

    Args:
        report: the report of the run.
        graph: its graph; without it, there is no picture of the flow and no text.
        attempts: the attempts by place, in order; without them, a place only shows how many.
        logs: the log lines by place, in order; those outside of all places are at `""`.
        versions: the versions of what the run used, by name; see `volnux.htmlreport.versions`.
        unended: the status of a run that has no end, `running` or `lost`. It is also the state of
            its places that are cancelled in the report.
    """
    content = content_of(
        report,
        graph,
        attempts=attempts or {},
        logs=logs or {},
        versions=versions or {},
        unended=unended,
    )
    script = "\n".join(_part(name) for name in _SCRIPTS)
    style = _part("report.css")
    sources = [_hash(script.encode())]
    library = ""
    if content["pictures"]:
        packed, source = _library()
        sources += [source, "'wasm-unsafe-eval'"]
        library = f'{_LICENSES}\n<script type="text/plain" id="library">{packed}</script>\n'
    policy = (
        f"default-src 'none'; script-src {' '.join(sources)}; style-src {_hash(style.encode())}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
        "trusted-types volnux-library"
    )
    title = f"{content['pipeline']}: {content['status']}"
    return _part("report.html").format(
        policy=policy,
        title=html.escape(title),
        style=style,
        content=_json(content),
        library=library,
        script=script,
    )


def _json(content: Any) -> str:
    """JSON that is safe in an element: ASCII, and without the characters that HTML interprets."""
    text = json.dumps(content, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@functools.cache
def _part(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def _library() -> tuple[str, str]:
    """The library for the layout, packed as text, and its source in the policy.

    It contains characters that would not survive in an HTML file, and is packed to half its size.
    """
    code = (_FOLDER / _LIBRARY).read_bytes()
    packed = gzip.compress(code, mtime=0)
    return base64.b64encode(packed).decode("ascii"), _hash(code)


def _hash(code: bytes) -> str:
    """A script or style as the security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode('ascii')}'"
