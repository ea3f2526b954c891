"""Random inputs: an outcome is finite, or an error that says what to do.

`cases` draws the cases, and `verdict` says what is wrong with an outcome. ``python -m tests.fuzz``
tries many cases (``make fuzz``), and the tests try some hundreds. Each case has a number, so it can
be repeated:
``python -m tests.fuzz --only 1234567``.
"""
