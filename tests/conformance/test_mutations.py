"""One-line changes of the meaning, each on a copy of the package: the suite notices each one."""

import pytest

from tools.mutate import copied, noticed
from tools.mutations import MUTATIONS


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("changed"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.about)
def test_a_change_of_meaning_is_noticed(mutation, package):
    assert noticed(mutation, package) is not None, mutation.about
