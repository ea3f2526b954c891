"""Random inputs: whatever goes in, what comes out is finite, or an error that says what to do.

`cases` draws what is tried, `verdict` says what is wrong with an outcome; ``python -m tests.fuzz``
tries many (``make fuzz``), and the tests some hundreds. A case is its number, so each can be had
again:
``python -m tests.fuzz --only 1234567``.
"""
