"""Pooled responses that are the same for a row and for its mirror image."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

from ._responses import Responses

# Largest number of responses of mirror images that are in memory at once.
BLOCK_NUMBERS = 2**22


@dataclass(frozen=True)
class MirroredResponses:
    """Means of pooled responses to rows and to their mirror images.

    Attributes
    ----------
    responses : Responses
        Responses without the root.
    root : bool
        Whether to take the root of each mean.
    """

    responses: Responses
    root: bool

    @property
    def places(self):
        """Positions of the filters."""
        return self.responses.places

    def columns(self):
        """Return the indices of a row's numbers in its mirror image."""
        image = self.places.image
        return np.arange(np.prod(image)).reshape(image)[..., ::-1].ravel()

    def write(self, X, out):
        """Write the observables of rows, see `Responses.write`."""
        columns = self.columns()
        block = max(1, BLOCK_NUMBERS // out.shape[1])
        mirrored = np.empty((min(block, len(X)), out.shape[1]), out.dtype)
        for rows in gen_batches(len(X), block):
            means, others = out[rows], mirrored[: rows.stop - rows.start]
            self.responses.write(X[rows], means)
            self.responses.write(X[rows][:, columns], others)
            means += others
            means *= 0.5
        if self.root:
            np.sqrt(out, out=out)

    def add_to_program(self, program, rows):
        """Add the observables to a program, see `SupportsC`."""
        mirrored = program.columns(rows, self.columns())
        both = [self.responses.add_to_program(program, each) for each in (rows, mirrored)]
        means = program.scaled(program.sum(*both), 0.5)
        return program.function(means, "root") if self.root else means

    def add_to_graph(self, nodes, rows):
        """Add the observables to an ONNX graph, see `SupportsOnnx`."""
        mirrored = nodes.add("Gather", rows, self.columns(), axis=1)
        both = [self.responses.add_to_graph(nodes, each) for each in (rows, mirrored)]
        means = nodes.add("Mul", nodes.add("Add", *both), nodes.constant([0.5]))
        return nodes.add("Sqrt", means) if self.root else means
