"""Next states of an oscillator by one library. `benchmarks/bench_rivals.py` runs this script.

    python benchmarks/rivals/oscillators.py LIBRARY SYSTEM N_TRAJECTORIES DEGREE...

Imports only this library and prints one line of JSON, a list of rows. Runge and Kutta's method
makes the trajectories, in steps of 0.1 (ten small ones each). Positions and velocities are uniform
at the start. The systems are:

- duffing: x'' = -x' / 2 + x - x^3, two wells; from [-2, 2]
- pendulum: x'' = -sin x, from [-1.3, 1.3], so that it does not turn over

Trajectories have 50 steps; the pairs of neighbouring states are the snapshots. All monomials of a
state up to the degree are its observables. No library has a ridge. The tasks are:

- operator: a square matrix from the observables to those of the next state
- state: from the observables to the next state, which pykoopman does not offer

`seconds` is the median of 5 fits, from the snapshots to the model, lifting included. Errors are
root mean squares over 200 new trajectories, relative to that of the states. "one step" is the error
of the next states. The others are errors of the last state after 50 steps: "50 steps" lifts every
state that it reaches, and "50 linear steps" applies a power of the square matrix to the observables
of the first state.
"""

import json
import sys
import warnings
from statistics import median
from time import perf_counter

import numpy as np

N_STEPS, STEP, SMALL_STEPS = 50, 0.1, 10
# The force, and how far from the origin trajectories start.
SYSTEMS = {
    "duffing": (lambda x, v: -v / 2 + x - x**3, 2.0),
    "pendulum": (lambda x, v: -np.sin(x), 1.3),
}


def trajectories(system, n, seed):
    """Return states (n, N_STEPS + 1, 2)."""
    force, width = SYSTEMS[system]

    def rate(state):
        return np.stack([state[:, 1], force(*state.T)], axis=1)

    state = np.random.default_rng(seed).uniform(-width, width, size=(n, 2))
    states, h = [state], STEP / SMALL_STEPS
    for _ in range(N_STEPS):
        for _ in range(SMALL_STEPS):
            k1 = rate(state)
            k2 = rate(state + h / 2 * k1)
            k3 = rate(state + h / 2 * k2)
            k4 = rate(state + h * k3)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states.append(state)
    return np.stack(states, axis=1)


def sklearn_koopman(task, degree, X, Y):
    """`EDMDRegressor`: on lifted snapshots, or as its own lifter."""
    from sklearn_koopman import EDMDRegressor, MonomialLifter

    lifter = MonomialLifter(degree, include_bias=False)
    if task == "state":
        return EDMDRegressor(lifter=lifter, ridge=0.0).fit(X, Y).predict, None
    lift = lifter.fit(X).transform
    model = EDMDRegressor(ridge=0.0).fit(lift(X), lift(Y))
    return lift, model.predict


def pykoopman(task, degree, X, Y):
    """`Koopman` with `observables.Polynomial` and `regression.EDMD`."""
    from pykoopman import Koopman
    from pykoopman.observables import Polynomial
    from pykoopman.regression import EDMD

    lifter = Polynomial(degree)
    koopman = Koopman(lifter, EDMD(), quiet=True).fit(X, Y)
    return lifter.transform, koopman._pipeline.steps[-1][1].predict


def one_step(lift, times, Z):
    """Return the next states. Where observables are predicted, take the columns of degree 1."""
    if times is None:
        return lift(Z)
    return times(lift(Z))[:, columns_of_states(lift)]


def columns_of_states(lift):
    """Return which observables are the coordinates of a state."""
    point = np.array([[1.37, 1.71]])
    return [int(np.abs(lift(point)[0] - coordinate).argmin()) for coordinate in point[0]]


def linear_steps(lift, times, Z):
    """Return the last state after N_STEPS steps of the observables."""
    observables = lift(Z)
    for _ in range(N_STEPS):
        observables = times(observables)
    return observables[:, columns_of_states(lift)]


def relative(found, expected):
    """Return the root mean square of the errors, relative to that of the states."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def row(fit, task, degree, train, test):
    """Return the time of a fit, and the errors of its predictions."""
    X, Y = pairs(train)
    fit(task, degree, X[:1000], Y[:1000])  # imports, and other work that is done once
    seconds = []
    for _ in range(5):
        start = perf_counter()
        model = fit(task, degree, X, Y)
        seconds.append(perf_counter() - start)
    before, after = pairs(test)
    found = {"task": task, "degree": degree, "seconds": median(seconds)}
    found["one step"] = relative(one_step(*model, before), after)
    reached = test[:, 0]
    for _ in range(N_STEPS):
        reached = one_step(*model, reached)
    found["50 steps"] = relative(reached, test[:, -1])
    if task == "operator":
        found["50 linear steps"] = relative(linear_steps(*model, test[:, 0]), test[:, -1])
    return found


def pairs(states):
    """Return all states that have a next state, and the next states."""
    return states[:, :-1].reshape(-1, 2), states[:, 1:].reshape(-1, 2)


def main():
    """Fit all tasks at all degrees, and print the results."""
    warnings.simplefilter("ignore")
    library, system, n, *degrees = sys.argv[1:]
    train, test = trajectories(system, int(n), seed=0), trajectories(system, 200, seed=1)
    tasks = ("operator", "state") if library == "sklearn_koopman" else ("operator",)
    cases = [(task, int(degree)) for task in tasks for degree in degrees]
    with np.errstate(all="ignore"):  # trajectories that diverge have an error too
        rows = [row(globals()[library], *case, train, test) for case in cases]
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
