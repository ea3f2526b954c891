"""A few hundred random inputs; ``make fuzz`` tries ten thousand."""

import pytest

from .verdict import judged

pytest.importorskip("skops")
EACH = 25


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 300, EACH))
def test_random_inputs_give_results_or_reasons(first):
    found = {case: judged(case) for case in range(first, first + EACH)}
    assert {case: end for case, end in found.items() if end[2]} == {}
    assert {end for _, end, _ in found.values()} == {"accepted", "refused"}
