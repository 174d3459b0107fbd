"""One-line changes of the meaning, each on a copy of the package: the suite notices each one."""

import pytest

from tools.mutate import MUTATIONS, noticed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.about)
def test_a_change_of_meaning_is_noticed(mutation, own_folder):
    assert noticed(mutation, own_folder) is not None, mutation.about
