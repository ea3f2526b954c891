"""A picture of a circuit of interferometers."""

import numpy as np

from .._axes import axes_to_draw_on
from .._extras import import_extra


class MeshDisplay:
    """The meshes of a circuit, with their phases.

    Light goes from left to right. Each vertical stroke is an interferometer between two waveguides.
    Its colour is the phase between its splitters: at 0 light changes the waveguide, at pi it stays.

    Parameters
    ----------
    circuit : Circuit

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    interferometers_ : matplotlib LineCollection
        All interferometers. Their array is theta, between 0 and pi.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_koopman import EDMDClassifier
    >>> from sklearn_koopman.deployment import MeshDisplay, to_mesh
    >>> X, y = load_iris(return_X_y=True)
    >>> display = MeshDisplay.from_mesh(to_mesh(EDMDClassifier().fit(X, y), X))
    >>> len(display.interferometers_.get_segments())
    10
    """

    def __init__(self, circuit):
        self.circuit = circuit

    @classmethod
    def from_mesh(cls, mesh, *, ax=None):
        """Draw the circuit of a student.

        Parameters
        ----------
        mesh : StudentMesh
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : MeshDisplay
        """
        return cls(mesh.circuit).plot(ax)

    def plot(self, ax=None):
        """Draw the circuit.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        display : MeshDisplay
        """
        collections = import_extra("matplotlib.collections", "Drawing", "plot")
        self.ax_ = axes_to_draw_on(ax)
        self.figure_ = self.ax_.figure
        circuit = self.circuit
        first, second = circuit.input_mesh, circuit.output_mesh
        carriers, gap = first.outputs, max(1.0, 0.05 * circuit.depth)
        at = first.depth - 0.5 + gap
        segments = [*_strokes(first, np.arange(first.n_modes), 0.0)]
        # The second mesh begins at the waveguides on which light leaves the first.
        rows = np.concatenate([carriers, _dark(carriers, first.n_modes, second.n_modes)])
        segments += _strokes(second, rows, at + gap)
        self.interferometers_ = self.ax_.add_collection(
            collections.LineCollection(segments, cmap="viridis", capstyle="butt")
        )
        few = first.n_modes <= 40
        self.interferometers_.set(linewidth=2.5 if few else 0.7, clim=(0, np.pi))
        self.interferometers_.set_array(_folded(np.concatenate([first.theta, second.theta])))
        end = at + gap + second.depth
        if few:
            self.ax_.hlines(np.arange(first.n_modes), -1, at, color="0.8", lw=0.8, zorder=0)
            self.ax_.hlines(rows, at, end, color="0.8", lw=0.8, zorder=0)
        self.ax_.scatter(
            np.full(circuit.rank, at),
            carriers,
            s=8 + 30 * circuit.attenuations,
            color="C3",
            zorder=3,
            label="attenuators, larger for more light",
        )
        self.ax_.set(
            xlabel="column of interferometers",
            ylabel="waveguide",
            xlim=(-1, end),
            ylim=(max(first.n_modes, rows.max() + 1) - 0.5, min(-0.5, rows.min() - 0.5)),
        )
        for axis in (self.ax_.xaxis, self.ax_.yaxis):
            axis.get_major_locator().set_params(integer=True)
        self.ax_.legend(
            loc="lower left", bbox_to_anchor=(0, 1), fontsize="small", frameon=False
        )
        bar = self.figure_.colorbar(self.interferometers_, ax=self.ax_, ticks=[0, np.pi])
        bar.set_label("phase between the splitters")
        bar.ax.set_yticklabels(["0: across", "π: through"])
        return self


def _folded(theta):
    """Return phases between 0 and pi: theta and 2 pi - theta divide light in the same way."""
    return np.minimum(np.mod(theta, 2 * np.pi), 2 * np.pi - np.mod(theta, 2 * np.pi))


def _strokes(mesh, rows, start):
    """Return the ends of the stroke of each interferometer."""
    x = start + mesh.column_of
    ends = [np.column_stack([x, rows[each]]) for each in (mesh.first, mesh.second)]
    return list(np.stack(ends, axis=1))


def _dark(carriers, n_modes, n_outputs):
    """Return positions for the dark waveguides of the second mesh."""
    missing = n_outputs - len(carriers)
    free = [row for row in range(carriers.min(), n_modes + missing) if row not in set(carriers)]
    return np.array(free[:missing], dtype=np.intp)
