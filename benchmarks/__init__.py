"""How fast and how large: one script for each question, its results in `results/`.

How long does a fit take, and a whole grid of settings? `bench_fit.py`. Hundreds of classes:
`bench_classes.py`. How often are the rows gone
over? `bench_solver.py`. Least squares at degree 3, beside the limit of BLAS: `bench_edmd.py`. The
compiled kernel: `bench_kernel.py`. Lifting alone: `bench_lifting.py`. Rows that are lifted once and
kept: `bench_stored.py`. What a lifter costs as a step of a pipeline: `bench_pipeline.py`. How much
memory, and how time and memory grow with rows and observables, also on disk: `bench_memory.py`. The
same work by other libraries: `bench_rivals.py`. Shapley values and reports of audits:
`bench_audit.py`.
Tensor trains, trees, files for hardware: `bench_tensor_trains.py`, `bench_trees.py`,
`bench_deployment.py`; a single row: `bench_single_row.py`. On the core of a microcontroller:
`bench_microcontrollers.py`. How large are the wheel and what its extras bring along, and does all
of it run in an empty environment? `bench_install.py`.

All stand on `runner.py`: sides take turns, medians and ratios are written, ``--quick`` tries a
script out within seconds and writes nothing. Accuracy is measured in `experiments/`, where the
networks of some of these come from.

The scripts find each other in an environment in which the repository is installed (`make test`, or
``pip install -e .``).
"""
