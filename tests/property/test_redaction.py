"""Credentials are never shown, however they are written in a text."""

import json
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from volnux.events.executors import executor_spec
from volnux.redaction import is_loopback, redacted, secrets_of

# Long enough and odd enough not to be part of a host, a scheme or our own words by chance.
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30).map(
    lambda text: f"Zq{text}9X"
)
WRITTEN = [str, repr, json.dumps, lambda s: json.dumps(s, ensure_ascii=False)]


@given(
    SECRETS,
    st.sampled_from(["dask", "postgresql+psycopg", "https", "http"]),
    st.sampled_from(["", "/db", "/p/a@th?x=1", "?timeout=5&y=a@b"]),
    st.sampled_from(WRITTEN),
)
@example("Zq/12@34#?9X", "dask", "", repr)
def test_the_password_of_a_url_that_is_known(secret, scheme, path, written):
    url = f"{scheme}://user:{quote(secret, safe='')}@host:8786{path}"
    for password in (secret, quote(secret), secret.strip()):
        text = f"cannot reach {written(f'{scheme}://user:{password}@host{path}')}: no"
        shown = redacted(text, [*secrets_of(url), secret])
        assert secret not in shown
        assert quote(secret, safe="") not in shown
        assert json.dumps(secret)[1:-1] not in shown


@given(st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"], exclude_characters="\"'<>")))
@example("p/a:s@s#?")
@example("12/34")
def test_the_password_of_a_url_that_a_library_quotes(secret):
    secret = f"Zq{secret}9X"
    if " ".join(secret.split()) == secret:
        assert secret not in redacted(f"GET https://me:{secret}@host/x failed, see https://doc/y")


@given(SECRETS, st.sampled_from(WRITTEN))
def test_a_token_that_is_known(secret, written):
    for text in (secret, f"{secret}\n", secret.encode()):
        shown = redacted(f"Invalid header value {written(str(text))}", [secret])
        assert secret not in shown
        assert repr(secret)[1:-1] not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@host/db", "postgresql://***@host/db"),
        ("https://glc_token@host", "https://***@host"),
        ("dask://me:p@ss/w@host:8786", "dask://***@host:8786"),
        ("'https://me:pw@host/' and <https://a:b@c>", "'https://***@host/' and <https://***@c>"),
        ("https://host/x?api_key=1a2b&page=2", "https://host/x?api_key=***&page=2"),
        ("https://h/?X-Amz-Signature=abc&x=1", "https://h/?X-Amz-Signature=***&x=1"),
        ("postgresql://h/db?password=a%20b", "postgresql://h/db?password=***"),
        ("{'Authorization': 'Bearer abc'}", "{'Authorization': ***}"),
        ('{"token": "abc", "n": 1}', '{"token": ***, "n": 1}'),
        ("Authorization: Basic dXNlcjpwdw==", "Authorization: ***"),
        ("X-Api-Key: abc, Accept: */*", "X-Api-Key: ***, Accept: */*"),
        ("value: 'Bearer glc_abc123\\n'", "value: 'Bearer ***\\n'"),
        ("authorization=Basic%20dXNlcjpwdw==,x=1", "authorization=***,x=1"),
        # Nothing here is secret.
        ("no such file: a.pty:3:14", "no such file: a.pty:3:14"),
        ("unexpected token: ']'", "unexpected token: ']'"),
        ("monkey=1&keyboard=2", "monkey=1&keyboard=2"),
        ("basic authentication is needed", "basic authentication is needed"),
        (
            "write to me@example.org, see https://host/x",
            "write to me@example.org, see https://host/x",
        ),
    ],
)
def test_what_is_taken_out_of_a_text(text, shown):
    assert redacted(text) == shown


def test_an_executor_shows_no_password():
    spec = executor_spec("dask://me:PW-1234@host:8786", None)
    assert spec.describe() == "dask://***@host:8786"
    assert "PW-1234" not in repr(spec)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("shop.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("localhost.example.org", False),
        ("10.0.0.1", False),
        ("es", False),
        ("", False),
    ],
)
def test_what_is_this_machine(host, loopback):
    assert is_loopback(host) is loopback
