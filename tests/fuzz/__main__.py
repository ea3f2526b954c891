"""Try many random inputs and print what is wrong: ``python -m tests.fuzz --seed 1``."""

import argparse
from collections import Counter
from pathlib import Path
from time import perf_counter
from traceback import print_exception

from experiments.runner import Results

from .cases import run
from .verdict import judged

RESULTS = Path(__file__).parent / "results.csv"


def main():
    """Try the cases, and keep the figures of a long enough run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="cases of other seeds are others")
    parser.add_argument("--only", type=int, help="one case again, by its number")
    options = parser.parse_args()
    if options.only is not None:
        print(*judged(options.only))
        outcome, error = run(options.only)
        print(outcome)
        if error is not None:
            print_exception(error)
        return
    start, ends, wrong = perf_counter(), Counter(), 0
    for number in range(options.cases):
        case = options.seed * 10**7 + number
        what, end, problems = judged(case)
        ends[end] += 1
        wrong += bool(problems)
        for problem in problems:
            print(f"{case}: {what}: {problem[:200]}", flush=True)
    row = {"seed": options.seed, "cases": options.cases, **ends, "wrong": wrong}
    row["seconds"] = round(perf_counter() - start)
    if options.cases >= 10_000:
        Results(RESULTS, ["seed", "cases"]).add(row)
    else:
        print(row)
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
