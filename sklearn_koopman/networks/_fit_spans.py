"""Spans, one after the other: their inputs and outputs, and the layers fitted to them."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from .._progress import watched
from ..teachers import floating_dtype, home_of, to_numpy
from ._fit import fit_operator, n_lifter_rows
from ._layers import (
    KoopmanLayer,
    folded,
    make_layout,
    make_lift,
    make_readout,
    standardised,
)
from ._network import running


@dataclass(frozen=True)
class SpanSettings:
    """How spans are replaced: parameters of `LinearizedNetworkClassifier`, by the same names.

    `lifters` and `ranks` have one entry for each span.
    """

    lifters: list
    ranks: list
    ridge: float
    density: float | None
    lift_output: bool
    layout: str
    kernel_size: int | tuple


def fit_layers(network, traced, settings, X, weight):
    """Fit the matrix of every span, each to the outputs of the layers before it.

    Parameters
    ----------
    network : TorchTeacher
    traced : TracedNetwork
    settings : SpanSettings
    X : ndarray of shape (n_samples, ...)
    weight : ndarray of shape (n_samples,)

    Returns
    -------
    layers : list of KoopmanLayer
        Layers whose readouts are for standardised observables, see `fold`.
    operators : list of KoopmanOperator
    """
    layers: list = []
    operators = []
    for span, lifter, rank in zip(traced.spans, settings.lifters, settings.ranks, strict=True):
        # The inputs come from the new layers before the span, the targets from the original
        # network.
        if layers:
            entered = traced.with_layers(layers, (span.entry,))
            recorders = [entered, traced.with_layers([], (span.exit,))]
        else:
            recorders = [traced.with_layers([], (span.entry, span.exit))]
        with running(network, *recorders) as to_input:
            rows = SpanRows(recorders, to_input, X, span.names, settings)
            operator = fit_operator(
                partial(rows.batches, list(network._row_batches(len(X))), weight),
                (None, None) if lifter is None else rows.sample(network.batch_size),
                lifter,
                ridge=settings.ridge,
                rank=rank,
                lift_output=settings.lift_output,
            )
        coef, intercept = operator.to_outputs
        readout = make_readout(coef, intercept, rank, settings.density)
        layer = KoopmanLayer(
            rows.layout, make_lift(operator.lifter), standardised(readout, operator.scale)
        )
        home = home_of(network.module) or "cpu"
        layers.append(layer.to(home, floating_dtype(network.module, torch)))
        operators.append(operator)
    return layers, operators


def fold(layers, operators):
    """Make the readouts of layers act on observables that are not standardised."""
    for layer, operator in zip(layers, operators, strict=True):
        kept = next(layer.readout.parameters())
        layer.readout = folded(layer.readout[1:], operator.scale).to(kept)


class SpanRows:
    """Inputs and outputs of a span as rows, for some samples at a time.

    Parameters
    ----------
    recorders : list of torch.fx.GraphModule
        Together they return the input of the span, and then its output.
    to_input : callable
        Function from samples to the input of the network.
    X : ndarray of shape (n_samples, ...)
    names : tuple of str
        Names of the ends of the span.
    settings : SpanSettings

    Attributes
    ----------
    layout : WholeMap, Tokens or Patches
        How activations become rows.
    """

    def __init__(self, recorders, to_input, X, names, settings):
        self.recorders, self.to_input, self.X = recorders, to_input, X
        before, behind = self._activations(slice(0, 2))
        for activation, side in ((before, "enters"), (behind, "leaves")):
            if not isinstance(activation, torch.Tensor):
                raise TypeError(
                    f"span={names!r}: what {side} it is {type(activation).__name__}, not a "
                    "tensor; name a submodule that contains it and gives a tensor."
                )
        self.layout = make_layout(settings.layout, settings.kernel_size, before, behind, names)

    def _activations(self, samples):
        given = self.X[
            samples
        ]  # a new input for each recorder, because layers may work in place
        return [tensor for each in self.recorders for tensor in each(self.to_input(given))]

    def of(self, samples):
        """Return rows before and after the span, for samples given by indices or a slice."""
        before, behind = self._activations(samples)
        return to_numpy(self.layout(before)), to_numpy(self.layout.targets(behind))

    def batches(self, slices, weight):
        """Yield rows before and after the span and their weights, for each slice of samples."""
        for batch in watched(slices, "activations", "batch"):
            before, behind = self.of(batch)
            n_positions = len(before) // len(self.X[batch])
            yield before, behind, np.repeat(weight[batch], n_positions)

    def sample(self, batch_size):
        """Return evenly spaced rows before and after the span, to which a lifter is fitted.

        Parameters
        ----------
        batch_size : int
            Number of samples that enter the network at once.
        """
        n_samples, before = len(self.X), self.of(slice(0, 1))[0]
        wanted = max(1, n_lifter_rows(before.shape[1]) // len(before))
        chosen = np.unique(np.linspace(0, n_samples - 1, min(wanted, n_samples)).astype(int))
        batches = np.array_split(chosen, -(-len(chosen) // batch_size))
        parts = [self.of(batch) for batch in batches]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
