"""The exact minimiser: L-BFGS on all rows and on samples, Newton's steps, and preconditioners."""

from ._lbfgs import History as History, Point as Point, line_search as line_search
from ._minimise import Search as Search, minimise as minimise, minimise_path as minimise_path
from ._newton import (
    ClassPreconditioner as ClassPreconditioner,
    Hessian as Hessian,
    conjugate_gradients as conjugate_gradients,
    standardised_rows as standardised_rows,
)
from ._preconditioner import (
    CurvaturePreconditioner as CurvaturePreconditioner,
    inverse as inverse,
)
from ._sampling import choose_rows as choose_rows
