"""Benchmarks: how fast the package is, and how much memory it needs.

Each script answers one question and writes its tables to `results/`.

Fitting a student:

- `bench_fit.py`: how long does a fit take, and how long a whole grid of settings?
- `bench_classes.py`: how long does a fit take with hundreds of classes?
- `bench_solver.py`: how many passes over the rows does the exact solver need?
- `bench_edmd.py`: how close is least squares at degree 3 to the limit of BLAS?
- `bench_kernel.py`: how fast is the compiled kernel beside BLAS?

Lifting rows:

- `bench_lifting.py`: how long does lifting take by itself?
- `bench_stored.py`: what do we gain if we lift costly rows once and keep them?
- `bench_pipeline.py`: what does a lifter cost as a step of a pipeline, and what inside the student?
- `bench_memory.py`: how much memory does a fit need, also with rows on disk? How do time and memory
  grow with rows and observables?

Other students, and other libraries:

- `bench_tensor_trains.py`: how does the time of a tensor train grow?
- `bench_trees.py`: what do the probes of a decision tree cost?
- `bench_rivals.py`: how long do other libraries take for the same work?
- `bench_audit.py`: how long do Shapley values and whole reports take?

Using a student:

- `bench_deployment.py`: how long does onnxruntime take for one image?
- `bench_single_row.py`: how long does a compiled student take for one row?
- `bench_microcontrollers.py`: what does a student cost on a microcontroller, beside its network?
- `bench_install.py`: how large is an installation with each extra, and does everything run there?

All scripts use `runner.py`: the sides take turns, and the script writes medians and ratios.
``--quick`` tries a script out within seconds and writes nothing. Accuracy is measured in
`experiments/`; some of the networks used here come from there.

The scripts import each other. This works where the repository is installed (`make test`, or
``pip install -e .``).
"""
