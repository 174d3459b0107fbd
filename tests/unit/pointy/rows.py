"""One row of a table of bad files."""

import pytest


def bad(text, *lines, errors=1):
    """One bad file, the message about its first error line by line, the number of errors."""
    return pytest.param(
        text, "\n".join(lines), errors, id=text[:40].encode("unicode_escape").decode()
    )
