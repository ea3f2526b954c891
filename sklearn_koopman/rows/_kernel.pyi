from numpy.typing import NDArray

# Rows of `softened` must sum to one, and rows without a label (-1) have a `hard_weight` of zero.
def add_loss(
    X: NDArray,
    lower: NDArray,
    products: NDArray,
    labels: NDArray,
    hard_weight: NDArray,
    soft_weight: NDArray,
    softened: NDArray | None,
    weights: NDArray,
    intercept: NDArray,
    gradient: NDArray,
    sums: NDArray,
    curvature: NDArray | None,
    temperature: float,
    /,
) -> float: ...
def add_moments(
    X: NDArray,
    lower: NDArray,
    products: NDArray,
    row_weight: NDArray,
    mean: NDArray,
    scatter: NDArray,
    /,
) -> float: ...
def set_centred(
    X: NDArray,
    lower: NDArray,
    products: NDArray,
    origin: NDArray,
    rest: NDArray,
    factor: NDArray,
    out: NDArray,
    /,
) -> None: ...
def set_norms(
    X: NDArray,
    lower: NDArray,
    products: NDArray,
    mean: NDArray,
    rate: NDArray,
    norms: NDArray,
    /,
) -> None: ...
def add_scatter(
    sums: NDArray,
    start: NDArray,
    head_rank: NDArray,
    tail_rank: NDArray,
    terms: NDArray,
    mean: NDArray,
    columns: NDArray,
    first: int,
    weight: float,
    /,
) -> None: ...
def use_vectors(n_bytes: int, /) -> bool: ...
