"""The parameters of a `LinearizedNetworkClassifier`: their checks, and values for each span."""

from .._validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_random_state,
    check_real,
    check_verbose,
    invalid_parameter,
    is_integer,
)
from ..teachers import OUTPUT_KINDS

LAYOUTS = ("whole", "channels_first", "channels_last")


def check_parameters(student):
    """Raise ValueError for an invalid parameter.

    Parameters
    ----------
    student : LinearizedNetworkClassifier
    """
    check_verbose(student)
    n_spans = len(spans_of(student))
    for name in ("lifter", "rank"):
        value = getattr(student, name)
        if isinstance(value, list) and len(value) != n_spans:
            raise invalid_parameter(
                student, name, f"one for all spans, or a list of {n_spans}, one for each"
            )
    for rank in for_each_span(student.rank, n_spans):
        if rank is not None and (not is_integer(rank) or rank < 1):
            raise invalid_parameter(
                student, "rank", "an int in the range [1, inf) or None, or a list of them"
            )
    check_real(student, "ridge", low=0.0, inclusive="left")
    check_real(student, "density", low=0.0, high=1.0, inclusive="right", optional=True)
    check_boolean(student, "lift_output")
    check_choice(student, "layout", LAYOUTS)
    _check_kernel_size(student)
    check_integer(student, "epochs", minimum=0)
    check_choice(student, "teacher_output", OUTPUT_KINDS)
    check_choice(student, "trained", ("matrix", "tail"))
    check_real(student, "soft_weight", low=0.0, high=1.0)
    check_real(student, "temperature", low=0.0, inclusive="neither")
    check_real(student, "learning_rate", low=0.0, inclusive="neither")
    check_integer(student, "batch_size", minimum=1)
    check_random_state(student.random_state)  # also if nothing is trained


def spans_of(student):
    """Return the names of the first and the last submodule of each span of a student, in pairs.

    Parameters
    ----------
    student : LinearizedNetworkClassifier
        The classifier. An invalid `span` raises a ValueError.
    """
    spans = student.span if isinstance(student.span, list) else [student.span]
    spans = [(span, span) if isinstance(span, str) else span for span in spans]
    are_pairs = all(
        isinstance(span, tuple)
        and len(span) == 2
        and all(isinstance(name, str) for name in span)
        for span in spans
    )
    if not spans or not are_pairs:
        raise invalid_parameter(
            student,
            "span",
            "the name of a submodule, a tuple (first, last) of names, or a non-empty list of "
            "these",
        )
    return spans


def for_each_span(value, n_spans):
    """Return the value of a parameter for each span; the parameter may have one value for all."""
    return value if isinstance(value, list) else [value] * n_spans


def _check_kernel_size(student):
    size = student.kernel_size
    sizes = size if isinstance(size, tuple) else (size, size)
    if len(sizes) != 2 or not all(is_integer(each) and each >= 1 for each in sizes):
        raise invalid_parameter(
            student, "kernel_size", "an int in the range [1, inf), or a tuple of two of them"
        )
    if size != 1 and student.layout != "channels_first":
        raise invalid_parameter(student, "kernel_size", "1 unless layout='channels_first'")
