"""A test that did not run is named at the end, and is a failure in CI."""

from pathlib import Path

import pytest

RULES = Path(__file__).parents[1] / "conftest.py"
SUITE = """
    import pytest

    def test_runs(): pass

    @pytest.mark.skip(reason="no dot here")
    def test_marked(): pass

    def test_skips_itself(): pytest.skip("no display")

    @pytest.mark.xfail(strict=True)
    def test_known_gap(): assert False
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(RULES.read_text())
    pytester.makepyfile(SUITE)
    return pytester


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_in_ci_a_skip_is_a_failure(suite, monkeypatch, workers):
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest_subprocess(*workers)
    # pytest calls it an error, not a failure, where the skip came before the test's own code.
    result.assert_outcomes(passed=1, failed=1, errors=1, xfailed=1)
    result.stdout.fnmatch_lines(["*did not run, which is a failure in CI: *no dot here*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_in_ci_a_module_that_skips_is_an_error(suite, monkeypatch):
    monkeypatch.setenv("CI", "true")
    suite.makepyfile(test_whole="import pytest\npytest.importorskip('no_such_module')")
    result = suite.runpytest_subprocess("test_whole.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_whole.py did not run*no_such_module*"])


def test_elsewhere_a_skip_is_named_at_the_end(suite, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    result = suite.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=1, skipped=2, xfailed=1)
    result.stdout.fnmatch_lines(["SKIPPED*no dot here", "SKIPPED*no display"])
    assert result.ret == pytest.ExitCode.OK
