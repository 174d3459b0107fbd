"""Removes credentials from texts for people: errors, log lines, metrics.

URLs contain passwords, and libraries quote URLs and request headers in their errors. So every shown
URL or error of a library goes through `redacted`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

__all__ = ["HIDDEN", "forms_of", "is_loopback", "redacted", "secrets_of"]

HIDDEN = "***"
"""Replaces what was removed."""

_USERINFO = re.compile(r"(?<=://)[^\s\"'<>]*@")
# A name that only contains such a word stays visible, as in `monkey=1`.
_NAME = (
    r"(?:[a-z0-9]{1,20}[-_.]){0,3}(?:password|passwd|pwd|passphrase|sslpassword|secret|token"
    r"|(?:api|access|private)[-_]?key|credentials?|signature|sig|authorization)"
)
_PARAMETER = re.compile(rf"(?i)(\b{_NAME}=)[^&\s\"'<>,;]+")
_HEADER = re.compile(
    r"(?i)((?:\b(?:(?:proxy-)?authorization|api-key|x-[a-z-]{0,30}(?:key|token))[\"']?"
    rf"|[\"']{_NAME}[\"'])\s*:\s*)(?:b(?=[\"']))?"
    r"(?:\"[^\"]*\"|'[^']*'|(?:basic|bearer|apikey)\s+\S+|[^\s,;}]+)"
)
# A plain word after "basic" is not a credential: those contain a digit, a capital or a symbol.
_SCHEME = re.compile(
    r"(\b(?i:basic|bearer|apikey)(?:\s+|%20))(?=[^\s\"']*[0-9A-Z=+/_-])[^\s\"'\\,;]{6,}"
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Remove the credentials from a text.

    It removes the user and password of every URL, the values of parameters and headers with secret
    names, and all given secrets, in plain form or as written by `repr`, in URLs and in JSON.

    Args:
        text: the text to show.
        secrets: known passwords and tokens.
    """
    for form in forms_of(secrets):
        text = text.replace(form, HIDDEN)
    if "://" in text:
        text = _USERINFO.sub(f"{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\g<1>{HIDDEN}", text)
    text = _HEADER.sub(rf"\g<1>{HIDDEN}", text)
    return _SCHEME.sub(rf"\g<1>{HIDDEN}", text)


def secrets_of(url: str) -> tuple[str, ...]:
    """The password in a URL: as a whole, and the parts into which a parser may split it.

    If there is no password, this returns the user, which may be a token.
    """
    rest = url.partition("://")[2]
    userinfo, at, _ = rest.rpartition("@")
    if not at:
        return ()
    user, colon, password = userinfo.partition(":")
    secret = password if colon else user
    parts = re.split(r"[/?#@:\[\]]", secret)
    return tuple(each for each in (secret, *(p for p in parts if len(p) > 3)) if each)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that traffic to it does not leave the machine."""
    import ipaddress

    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def forms_of(secrets: Iterable[str]) -> list[str]:
    """The written forms of secrets, the longest first, because one may begin with another."""
    import json

    found: set[str] = set()
    for secret in secrets:
        for text in (secret, secret.strip(), unquote(secret)):
            written = {repr(text), ascii(text), json.dumps(text)}
            written.add(json.dumps(text, ensure_ascii=False))
            found |= {text, quote(text), quote(text, safe=""), *(each[1:-1] for each in written)}
    # Ignore very short secrets: one of two letters would hide half of every text.
    return sorted((form for form in found if len(form) > 2), key=len, reverse=True)
